#![allow(clippy::unwrap_used)]
#[path = "report/made.rs"]
mod made;
#[test]
fn view() {
    use std::path::Path;
    for (name, study) in [
        ("usual", made::usual()),
        ("many", made::many(30, 20, 100)),
        ("one", made::study(&[("plain", 0.9)], 1)),
    ] {
        let mut study = study;
        if name == "usual" {
            for m in &mut study.methods {
                for r in &mut m.runs {
                    let c = &r.curve;
                    r.matrix = (0..10)
                        .map(|i| {
                            (0..10)
                                .map(|j| {
                                    c[(10 * j.min(i)) + 9] - 15.0 * (i as f64 - j as f64).abs()
                                })
                                .collect()
                        })
                        .collect();
                }
            }
            study.score.tasks = 5;
        }
        let summary = benchmarks::summary::Summary::of(&study);
        let t = std::time::Instant::now();
        benchmarks::report::write(
            &study,
            &summary,
            &made::versions(),
            &Path::new("/tmp/rep").join(name),
        )
        .unwrap();
        println!("{name}: {:?}", t.elapsed());
    }
}
