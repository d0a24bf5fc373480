//! The numbers behind a report, for programs: CSV, JSON, and what the page's script reads.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Component, Path, PathBuf},
};

use networks::random;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    content::Report,
    drawing::plot::{Course, courses},
};
use crate::{
    measures,
    stats::Resamples,
    study::{Method, Study},
    summary::{Interval, Summary},
};

/// Every point of every run: method, seed, the step at which its bin ends, and performance.
pub(super) fn curves(study: &Study) -> Result<Vec<u8>, String> {
    let head = ["method", "seed", "step", "performance"].map(str::to_owned).to_vec();
    let rows = study.methods.iter().flat_map(|method| {
        method.runs.iter().flat_map(|run| {
            (1..).zip(&run.curve).map(|(k, value)| {
                let step: u64 = k * study.score.bin;
                vec![
                    method.name.clone(),
                    run.seed.to_string(),
                    step.to_string(),
                    plain(Some(*value)),
                ]
            })
        })
    });
    csv(std::iter::once(head).chain(rows))
}

/// Every number that a run has by itself.
pub(super) fn runs(study: &Study) -> Result<Vec<u8>, String> {
    let score = &study.score;
    let all = || study.methods.iter().flat_map(|m| m.runs.iter().map(move |r| (m, r)));
    let task_means = |curve: &[f64]| measures::task_means(curve, score.bins_per_task(curve.len()));
    let tasks = all().map(|(_, r)| task_means(&r.curve).len()).max().unwrap_or(0);
    let rows = all().map(|(_, r)| r.matrix.len()).max().unwrap_or(0);
    let columns = all().flat_map(|(_, r)| &r.matrix).map(Vec::len).max().unwrap_or(0);
    let entries: Vec<(usize, usize)> =
        (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).collect();
    let head = ["method", "seed", "folder", "wall_s"].map(str::to_owned).into_iter();
    let head = head
        .chain(Summary::OF_RUN.map(str::to_owned))
        .chain((0..tasks).map(|k| format!("task_{k}_mean")))
        .chain(entries.iter().map(|(i, j)| format!("after_task_{i}_on_task_{j}")))
        .chain(score.beside.iter().map(|tag| format!("{tag} (last)")));
    let row = |(method, run): (&Method, &crate::study::Run)| {
        let means = task_means(&run.curve);
        let first =
            [method.name.clone(), run.seed.to_string(), run.dir.display().to_string()].into_iter();
        first
            .chain([plain(Some(run.wall_s))])
            .chain(Summary::of_run(run, score).into_iter().map(plain))
            .chain((0..tasks).map(|k| plain(means.get(k).copied())))
            .chain(
                entries
                    .iter()
                    .map(|(i, j)| plain(run.matrix.get(*i).and_then(|r| r.get(*j)).copied())),
            )
            .chain(
                score
                    .beside
                    .iter()
                    .map(|tag| plain(run.beside.get(tag).and_then(|v| v.last()).map(|v| v.1))),
            )
            .collect()
    };
    csv(std::iter::once(head.collect::<Vec<String>>()).chain(all().map(row)))
}

fn csv(rows: impl Iterator<Item = Vec<String>>) -> Result<Vec<u8>, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).map_err(|e| e.to_string())?;
    }
    writer.into_inner().map_err(|e| e.to_string())
}

/// All digits of a number; nothing where it is none.
fn plain(value: Option<f64>) -> String {
    value.filter(|v| v.is_finite()).map_or(String::new(), |v| v.to_string())
}

/// A value as a JSON file. Numbers that are none are `null`.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, String> {
    serde_json::to_vec_pretty(value).map_err(|e| e.to_string())
}

/// Of each tag in `score.beside` that any run has: means over runs at the ends of bins, with intervals.
pub(super) fn beside(study: &Study) -> Vec<(String, Vec<Course>)> {
    let mut draws = BTreeMap::new();
    let mut course = |method: &Method, tag: &str| -> Course {
        let points = binned(method, tag, study.score.bin).into_iter().map(|(bin, values)| {
            let draws = draws.entry(values.len()).or_insert_with(|| resamples(values.len()));
            ((bin * study.score.bin) as f64, draws.mean(&values))
        });
        points.collect()
    };
    let mut of_tag =
        |tag: &String| (tag.clone(), study.methods.iter().map(|m| course(m, tag)).collect());
    let all: Vec<(String, Vec<Course>)> = study.score.beside.iter().map(&mut of_tag).collect();
    all.into_iter().filter(|(_, courses)| courses.iter().any(|c| !c.is_empty())).collect()
}

/// Bootstrap draws for intervals of plasticity measures.
fn resamples(runs: usize) -> Resamples {
    Resamples::new(&[runs], 1000, &mut random::stream(2021, runs as u64))
}

/// The mean of each run in each bin in which it was measured.
fn binned(method: &Method, tag: &str, bin: u64) -> BTreeMap<u64, Vec<f64>> {
    let mut all: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for run in &method.runs {
        let mut own: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (step, value) in
            run.beside.get(tag).into_iter().flatten().filter(|(_, v)| v.is_finite())
        {
            own.entry(step.div_ceil(bin.max(1))).or_default().push(*value);
        }
        for (bin, values) in own {
            all.entry(bin).or_default().push(values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    all
}

/// What the script shows where a pointer is: by figure, the name of the x axis and the points of each method.
pub(super) fn for_script(report: &Report) -> String {
    let Report { study, summary, beside, .. } = report;
    let mut all = serde_json::Map::new();
    let mut add = |key: String, x: &str, courses: &[Course]| {
        let points: Vec<Vec<Value>> =
            courses.iter().map(|c| c.iter().map(|(x, v)| point(*x, *v)).collect()).collect();
        all.insert(key, json!({ "x": x, "points": points }));
    };
    let curves = courses::of_curves(study, &summary.curves);
    add("curves".to_owned(), "step", &curves);
    add("beside0".to_owned(), "step", &curves);
    for (i, (_, courses)) in (1..).zip(beside) {
        add(format!("beside{i}"), "step", courses);
    }
    add("tasks".to_owned(), "task", &courses::of_tasks(&summary.tasks));
    add("profile".to_owned(), "above", &courses::of_profiles(summary));
    let names: Vec<&str> = study.methods.iter().map(|m| m.name.as_str()).collect();
    let text = json!({ "methods": names, "figures": all }).to_string();
    // Inside of a script element nothing may look like its end.
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Five digits are enough to read.
fn point(x: f64, v: Interval) -> Value {
    let short = |v: f64| format!("{v:.4e}").parse::<f64>().ok().filter(|v| v.is_finite());
    json!([x, short(v.point), short(v.low), short(v.high)])
}

/// A link from the folder `out` to `dir`: relative if both are there, with everything escaped that could mean
/// something else.
pub(super) fn link(dir: &Path, out: &Path) -> String {
    // The folder may be about to be made.
    let from = out.canonicalize().or_else(|_| std::path::absolute(out));
    let path = match (dir.canonicalize(), from) {
        (Ok(dir), Ok(from)) => relative(&dir, &from),
        _ => dir.to_owned(),
    };
    let mut link = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b'+' => {
                link.push(byte as char);
            }
            _ => {
                let _ = write!(link, "%{byte:02X}");
            }
        }
    }
    if link.is_empty() { ".".to_owned() } else { link }
}

fn relative(to: &Path, from: &Path) -> PathBuf {
    let [to, from]: [Vec<Component>; 2] = [to, from].map(|p| p.components().collect());
    let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| Component::ParentDir);
    up.chain(to[shared..].iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_one_folder_to_the_other() {
        let path =
            |to: &str, from: &str| relative(Path::new(to), Path::new(from)).display().to_string();
        assert_eq!(path("/a/b/runs/x", "/a/b"), "runs/x");
        assert_eq!(path("/a/c", "/a/b/d"), "../../c");
        let nowhere = link(Path::new("javascript:alert(1)/\"x y\""), Path::new("out"));
        assert_eq!(nowhere, "javascript%3Aalert%281%29/%22x%20y%22");
    }
}
