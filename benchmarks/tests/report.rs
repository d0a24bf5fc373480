//! Reports, of studies that are made up: what is in the files, that names cannot break them, and that there
//! is one for every study. The slow test opens them in a browser.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

#[path = "report/browser.rs"]
mod browser;
#[path = "report/made.rs"]
mod made;
#[path = "report/written.rs"]
mod written;

use std::fs;

use benchmarks::{
    report::write,
    study::{Failure, Study},
    summary::{Interval, Measure, Summary},
};
use made::{many, sized, study, usual, versions};
use written::Written;

const FIGURES: [&str; 7] = ["final", "gains", "curves", "tasks", "beside", "profile", "seeds"];

fn method(summary: &mut Summary, i: usize, measure: Measure) -> &mut Option<Interval> {
    &mut summary.methods[i].measures.iter_mut().find(|(m, _)| *m == measure).unwrap().1
}

#[test]
fn everything_is_there() {
    let study = usual();
    let written = Written::of(&study);
    let mut want: Vec<String> = FIGURES.iter().map(|f| format!("{f}.svg")).collect();
    want.sort();
    assert_eq!(written.figures(), want);
    let text = written.text();
    for method in &study.methods {
        for text in [&text, &written.md] {
            assert!(text.contains(&method.name), "{}", method.name);
            assert!(text.contains(&method.about), "{}", method.about);
        }
        for figure in FIGURES {
            let svg = written.read(&format!("figures/{figure}.svg"));
            let compared = figure != "gains" || !method.baseline;
            assert!(
                !compared || svg.contains(&format!(">{}<", method.name)),
                "{figure}: {}",
                method.name
            );
        }
        for run in &method.runs {
            let link = format!("href=\"{}\"", run.dir.display());
            assert!(written.html.contains(&link), "{link}");
            assert!(written.md.contains(&format!("[{}]({})", run.seed, run.dir.display())));
        }
    }
    for words in
        [&study.title, &study.about, &study.source, &study.expected, &study.failures[0].what]
    {
        assert!(text.contains(words) && written.md.contains(words), "{words}");
    }
    // Differences to the baseline, and the configuration itself.
    assert!(
        text.contains("agent.keep")
            && text.contains("0.86")
            && text.contains("total_steps = 200000")
    );
    for tag in &study.score.beside {
        assert!(written.read("figures/beside.svg").contains(tag.as_str()), "{tag}");
    }
    // Nine changes of the task in ten tasks.
    assert_eq!(written.read("figures/curves.svg").matches("class=\"change\"").count(), 9);
}

#[test]
fn numbers_are_those_of_the_summary() {
    let study = usual();
    let mut summary = Summary::of(&study);
    *method(&mut summary, 1, Measure::Final) =
        Some(Interval { point: 266.28, low: 250.12, high: 281.0 });
    *method(&mut summary, 2, Measure::Recovery) =
        Some(Interval { point: 4321.0, low: 1234.0, high: 5678.0 });
    summary.methods[1].final_gain = Some(Interval { point: 204.5, low: 180.5, high: 230.5 });
    summary.methods[1].improvement = Some(Interval { point: 0.98, low: 0.91, high: 1.0 });
    summary.methods[1].anchor = Some((266.25, 2.34));
    summary.methods[4].final_gain = Some(Interval { point: -33.5, low: -60.5, high: -3.5 });
    summary.methods[5].final_gain = Some(Interval { point: 4.5, low: -6.5, high: 15.5 });
    let written = Written::with(&study, &summary);
    let text = written.text();
    for (page, document) in [
        ("266.3 [250.1, 281.0]", "266.3 [250.1, 281.0]"),
        ("4321 [1234, 5678]", "4321 [1234, 5678]"),
        ("▲ +204.5 [180.5, 230.5]", "▲ +204.5 [180.5, 230.5]"),
        ("▼ −33.5 [−60.5, −3.5]", "▼ −33.5 [−60.5, −3.5]"),
        ("○ +4.5 [−6.5, 15.5]", "○ +4.5 [−6.5, 15.5]"),
        ("▲ 0.98 [0.91, 1.00]", "▲ 0.98 [0.91, 1.00]"),
        ("+2.3 SE 231.5 ± 12.2 (30 seeds)", "+2.3 SE 231.5 ± 12.2 (30 seeds)"),
    ] {
        assert!(text.contains(page), "{page}");
        assert!(written.md.contains(document), "{document}");
    }
    assert!(text.contains("Better than the baseline") && text.contains("Worse than the baseline"));
    // A distance in the figure: l2-init's point is where its axis says.
    let svg = written.read("figures/final.svg");
    assert!(svg.contains("266.3 [250.1, 281.0]"));
}

#[test]
fn the_verdict_says_what_intervals_say_and_no_more() {
    let sure = |low: f64, high: f64| Some(Interval { point: f64::midpoint(low, high), low, high });
    let verdict = |gains: &[Option<Interval>], lower: bool| {
        let names = ["plain", "one", "two", "three"].map(|n| (n, 0.9));
        let mut study = sized(&names[..=gains.len()], 6, 10);
        (study.score.lower_is_better, study.score.task_steps) = (lower, 0);
        study.score.beside.clear();
        let mut summary = Summary::of(&study);
        for (row, gain) in summary.methods[1..].iter_mut().zip(gains) {
            row.final_gain = *gain;
        }
        Written::with(&study, &summary)
    };
    let said = |written: &Written, words: &str| {
        assert!(
            written.text().contains(words) && written.md.contains(words),
            "{words}\n{}",
            &written.md[..2500]
        );
    };
    said(
        &verdict(&[sure(1.0, 2.0), sure(-2.0, -1.0), sure(-1.0, 1.0)], false),
        "1 of 3 methods is better than plain at the end, 1 is worse, 1 cannot be told from it.",
    );
    let none = verdict(&[sure(-1.0, 2.0), sure(0.0, 1.0)], false);
    said(&none, "No method differs from plain at the end: none of 2 intervals leaves out 0.");
    assert!(!none.text().contains("Better than"), "an interval that begins at 0 contains it");
    said(
        &verdict(&[sure(-2.0, -1.0), sure(-1.0, 1.0)], false),
        "No method is better than plain at the end, 1 is worse, 1 cannot be told from it.",
    );
    // Gains have their sign turned already where less is better.
    said(&verdict(&[sure(1.0, 2.0)], true), "1 of 1 method is better than plain at the end.");
    said(
        &verdict(&[sure(-1.0, 2.0)], true),
        "The one method compared does not differ from plain at the end.",
    );
}

#[test]
fn a_method_that_is_shorter_than_others_is_named() {
    let mut study = sized(&[("plain", 0.9), ("other", 0.9)], 3, 10);
    let note = "Not equally long: other has";
    assert!(!Written::of(&study).text().contains(note));
    study.methods[1].runs.iter_mut().for_each(|run| run.curve.truncate(7));
    let (steps, longest) = (7 * study.score.bin, 10 * study.score.bin);
    let written = Written::of(&study);
    let text = format!("{note} {steps} steps, the longest method {longest}.");
    assert!(written.text().contains(&text) && written.md.contains(&text), "{}", written.md);
}

#[test]
fn one_seed_has_no_verdict() {
    let written = Written::of(&study(&[("plain", 0.8), ("other", 1.0)], 1));
    let text = written.text();
    assert!(text.contains(
        "Nothing can be said against plain: no other method has two seeds in common with it."
    ));
    assert!(text.contains("One seed in common with plain, so no interval and no verdict: other."));
    for row in written.md.lines().filter(|line| line.starts_with("| ")) {
        assert!(!row.contains(['▲', '▼']), "one seed proves nothing: {row}");
        assert!(!row.contains(", "), "one seed has no interval: {row}");
    }
}

#[test]
fn one_method_alone_has_a_report() {
    let mut alone = study(&[("only", 0.9)], 1);
    let written = Written::of(&alone);
    assert_eq!(written.figures().len(), FIGURES.len() - 1, "all but gains");
    assert!(written.text().contains("There is one method, so nothing is compared."));
    alone.methods[0].baseline = false;
    assert!(
        Written::of(&alone)
            .text()
            .contains("Nothing is compared: no method is marked as the baseline.")
    );
}

#[test]
fn one_task_and_one_point_have_a_report() {
    let mut one = study(&[("plain", 0.9), ("other", 0.95)], 3);
    one.score.task_steps = 0;
    one.score.beside.clear();
    let written = Written::of(&one);
    assert!(!written.figures().iter().any(|f| f == "tasks.svg" || f == "beside.svg"));
    assert!(!written.read("figures/curves.svg").contains("class=\"change\""));
    for run in one.methods.iter_mut().flat_map(|m| &mut m.runs) {
        run.curve.truncate(1);
    }
    Written::of(&one);
}

#[test]
fn a_method_without_a_finished_run_is_named_and_the_rest_is_there() {
    let mut study = usual();
    for run in std::mem::take(&mut study.methods[2].runs) {
        let what = "killed by signal 9".to_owned();
        study.failures.push(Failure { method: "shrink-perturb".to_owned(), seed: run.seed, what });
    }
    let written = Written::of(&study);
    assert!(written.text().contains("No finished run: shrink-perturb."));
    assert_eq!(written.text().matches("killed by signal 9").count(), 10);
    assert_eq!(written.figures().len(), FIGURES.len());
    // Nor does it matter whose runs are missing.
    study.methods[0].runs.clear();
    let written = Written::of(&study);
    assert!(
        written.text().contains("Nothing is compared: the baseline, plain, has no finished run.")
    );
    for method in &mut study.methods {
        method.runs.clear();
    }
    assert!(Written::of(&study).figures().is_empty());
    // Figures that are not drawn any more are taken away.
    write(&study, &Summary::of(&study), &versions(), written.dir.path()).unwrap();
    assert!(written.figures().is_empty());
}

#[test]
fn numbers_that_are_none_are_dashes_and_gaps() {
    let mut study = usual();
    study.methods[1].runs[0].curve[3] = f64::NAN;
    study.methods[2].runs[0].curve.fill(f64::INFINITY);
    study.methods[4].runs[0].beside.values_mut().for_each(|v| v[0].1 = f64::NAN);
    study.methods[5].runs[0].wall_s = f64::NAN;
    Written::of(&study);
}

#[test]
fn names_cannot_break_anything() {
    let evil = "<script>alert(1)</script>|`\"'&amp;\u{1}\n# [x](http://e.org)";
    let mut study = study(&[("plain", 0.9), (evil, 0.95)], 2);
    for words in [
        &mut study.name,
        &mut study.title,
        &mut study.about,
        &mut study.source,
        &mut study.expected,
    ] {
        *words = evil.to_owned();
    }
    study.score.metric = evil.to_owned();
    study.score.beside = vec![evil.to_owned()];
    study.methods[1].about = evil.to_owned();
    study.methods[1].config = format!("# ```\n# {evil}").replace('\n', " ");
    for run in &mut study.methods[1].runs {
        run.beside.insert(evil.to_owned(), vec![(10, 1.0), (5_000, 2.0)]);
    }
    study.failures.push(Failure { method: evil.to_owned(), seed: 1, what: evil.to_owned() });
    let written = Written::of(&study);
    assert_eq!(written.html.matches("<script").count(), 2, "the data and the page's own");
    assert!(written.text().contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    for name in written.figures() {
        assert!(!written.read(&format!("figures/{name}")).contains("<script"), "{name}");
    }
    let outside: String = written.md.split("````").step_by(2).collect();
    assert!(outside.len() < written.md.len(), "a fence longer than those in the configuration");
    assert!(!outside.contains("<script"), "Markdown is HTML too");
}

#[test]
fn csv_has_every_number_in_full() {
    let mut study = usual();
    study.methods[1].name = "with, comma \"and quotes\"".to_owned();
    study.methods[0].runs[0].matrix = vec![vec![1.5, 0.25], vec![0.5, 2.5]];
    let written = Written::of(&study);
    let mut curves = csv::Reader::from_path(written.dir.path().join("data/curves.csv")).unwrap();
    assert_eq!(curves.headers().unwrap(), vec!["method", "seed", "step", "performance"]);
    let mut rows = curves.records().map(Result::unwrap);
    for method in &study.methods {
        for run in &method.runs {
            for (k, value) in run.curve.iter().enumerate() {
                let row = rows.next().unwrap();
                assert_eq!(row[0], method.name);
                assert_eq!(row[1].parse::<u64>().unwrap(), run.seed);
                assert_eq!(row[2].parse::<usize>().unwrap(), (k + 1) * 2_000);
                assert_eq!(row[3].parse::<f64>().unwrap(), *value);
            }
        }
    }
    assert!(rows.next().is_none());
    let mut runs = csv::Reader::from_path(written.dir.path().join("data/runs.csv")).unwrap();
    let heads = runs.headers().unwrap().clone();
    let at = |name: &str| {
        heads.iter().position(|h| h == name).unwrap_or_else(|| panic!("{name} in {heads:?}"))
    };
    let rows: Vec<csv::StringRecord> = runs.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), study.methods.iter().map(|m| m.runs.len()).sum::<usize>());
    let curve = &study.methods[0].runs[0].curve;
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    for (name, want) in [
        ("wall_s", 101.0),
        ("average", mean(curve)),
        ("final", mean(&curve[90..])),
        ("final_normalised", mean(&curve[90..]) / 400.0),
        ("task_3_mean", mean(&curve[30..40])),
        ("after_task_0_on_task_1", 0.25),
        ("forgetting", 0.5),
        (
            "plasticity/q/weight_norm (last)",
            study.methods[0].runs[0].beside["plasticity/q/weight_norm"][49].1,
        ),
    ] {
        let found: f64 = rows[0][at(name)].parse().unwrap();
        assert!((found - want).abs() < 1e-9 * want.abs(), "{name}: {found}, not {want}");
    }
    assert_eq!(&rows[1][at("after_task_0_on_task_1")], "", "not measured");
    assert!(written.figures().contains(&"matrix.svg".to_owned()));
    let back: Study = serde_json::from_str(&written.read("data/study.json")).unwrap();
    assert_eq!(back.methods[1].runs, study.methods[1].runs);
    let back: Summary = serde_json::from_str(&written.read("data/summary.json")).unwrap();
    assert_eq!(back, Summary::of(&study));
}

#[test]
fn of_thirty_methods_a_few_are_highlighted_and_all_are_there() {
    let study = many(30, 3, 20);
    let written = Written::of(&study);
    let (text, curves) = (written.text(), written.read("figures/curves.svg"));
    for method in &study.methods {
        assert!(
            text.contains(&method.name) && written.read("figures/seeds.svg").contains(&method.name)
        );
    }
    let boxes = written.html.matches("type=\"checkbox\"").count();
    let checked = written.html.matches("type=\"checkbox\" id=\"on-").count();
    assert_eq!((boxes, checked), (30, 30));
    // The baseline and six more keep their colours.
    assert_eq!(curves.matches("{stroke:#c9cbcf;stroke-width:1;stroke-dasharray:none}").count(), 23);
    assert_eq!(written.html.matches("data-default=\"on\"").count(), 7);
}

#[test]
fn a_report_is_the_same_every_time_and_replaces_the_one_before() {
    let study = usual();
    let summary = Summary::of(&study);
    let first = Written::with(&study, &summary);
    let bytes = |name: &str| fs::read(first.dir.path().join(name)).unwrap();
    let names =
        ["report.html", "report.md", "figures/curves.svg", "figures/curves.png", "data/runs.csv"];
    let before = names.map(bytes);
    fs::write(first.dir.path().join("report.html"), "old").unwrap();
    write(&study, &summary, &versions(), first.dir.path()).unwrap();
    assert!(names.map(bytes) == before);
}

#[test]
fn faults_are_sentences() {
    let study = usual();
    let summary = Summary::of(&study);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let fault = write(&study, &summary, &versions(), &file).unwrap_err().to_string();
    assert!(
        fault.contains("figures cannot be made: ") && fault.contains("file is a file"),
        "{fault}"
    );
    let mut other = study.clone();
    other.methods.pop();
    let fault = write(&other, &summary, &versions(), dir.path()).unwrap_err().to_string();
    assert_eq!(fault, "the summary is not of this study: make it with Summary::of(study)");
}

#[test]
#[ignore = "needs a browser; `cargo xtask test --slow` runs it"]
fn slow_pages_work_in_a_browser() {
    let mut fewer = usual();
    fewer.score.lower_is_better = true;
    (fewer.score.low, fewer.score.high) = (400.0, 0.0);
    fewer.methods[2].runs.clear();
    fewer.methods[0].runs[0].matrix = vec![vec![1.5, 0.25], vec![0.5, 2.5]];
    let mut none = usual();
    none.methods.iter_mut().for_each(|m| m.runs.clear());
    let studies = [usual(), fewer, many(30, 20, 100), study(&[("only", 0.9)], 1), none];
    for study in studies {
        let written = Written::of(&study);
        let ids: Vec<String> = written
            .figures()
            .iter()
            .map(|f| format!("figure-{}", f.trim_end_matches(".svg")))
            .collect();
        for (width, dark) in [(1200, false), (1200, true), (420, false)] {
            let page = browser::open(&written.dir.path().join("report.html"), width, dark);
            assert_eq!(page.faults, Vec::<String>::new(), "{} at {width}", study.methods.len());
            let mut seen: Vec<&String> = page.figures.keys().collect();
            seen.sort();
            assert_eq!(seen, ids.iter().collect::<Vec<_>>());
            for (id, (w, h)) in &page.figures {
                assert!(*w >= 300.0 && *h >= 60.0, "{id} is {w} x {h} at {width}");
            }
            let seeds = study.methods.iter().any(|m| !m.runs.is_empty());
            assert!(!seeds || page.tips >= 4, "values under the pointer: {}", page.tips);
            let named = study.methods.iter().filter(|m| !m.runs.is_empty()).count();
            assert!(width < 700 || page.names >= named, "names at lines: {}", page.names);
            assert!(page.sorted >= 1, "no table can be sorted");
            assert!(page.overflow <= 0.0, "the page is {} wider than its window", page.overflow);
        }
    }
}
