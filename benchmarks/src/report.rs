//! Reports: a study with its numbers, for people and for programs.
//!
//! `report.html` is one file that needs nothing else and no network, `report.md` the same in Markdown with
//! `figures/` (SVG and PNG), and `data/` has the numbers behind it all. There is no clock and no chance in
//! here: the same study makes the same bytes.

mod content;
mod data;
mod drawing;
mod figures;
mod looks;
mod markdown;
mod page;
mod settings;
mod table;
mod verdict;
mod words;

use std::{
    fs,
    path::{Path, PathBuf},
};

use agents::{error::Error, storage::run_dir::make_folder};

use crate::{
    study::Study,
    summary::{Interval, Summary},
};
use content::Report;
pub use content::Versions;

/// Writes the report of `study` into the folder `out`, which is made if it is not there. Every file is written
/// beside its place and then put there, so that one that exists is always whole. Folders of runs
/// ([`Run::dir`](crate::study::Run::dir)) are linked to from `out`.
///
/// # Errors
/// When `study` and `summary` are not of the same methods, or a file cannot be written.
pub fn write(study: &Study, summary: &Summary, about: &Versions, out: &Path) -> Result<(), Error> {
    let same = study.methods.len() == summary.methods.len()
        && study.methods.iter().zip(&summary.methods).all(|(m, row)| m.name == row.name);
    if !same {
        return Err(Error::Run(
            "the summary is not of this study: make it with Summary::of(study)".to_owned(),
        ));
    }
    let (shown, summed) = (&printable(study), &finite(summary));
    let links =
        study.methods.iter().map(|m| m.runs.iter().map(|r| data::link(&r.dir, out)).collect());
    let report = Report {
        study: shown,
        summary: summed,
        about,
        looks: looks::looks(shown, summed),
        beside: data::beside(shown),
        verdict: verdict::verdict(shown, summed),
        changes: settings::changes(shown),
        links: links.collect(),
    };
    let figures = figures::all(&report);
    // Those of a report before this one that are no longer drawn.
    for gone in figures::IDS.iter().filter(|id| figures.iter().all(|f| f.id != **id)) {
        for kind in ["svg", "png"] {
            let _ = fs::remove_file(out.join(format!("figures/{gone}.{kind}")));
        }
    }
    let painter = drawing::svg::Painter::new();
    for figure in &figures {
        let file = figure.wide.file(figure.title, &report.looks);
        let png =
            painter.png(&file).map_err(|e| Error::Run(format!("figure {}: {e}", figure.id)))?;
        put(out, &format!("figures/{}.svg", figure.id), file.as_bytes())?;
        put(out, &format!("figures/{}.png", figure.id), &png)?;
    }
    put(out, "data/curves.csv", &data::curves(study).map_err(Error::Run)?)?;
    put(out, "data/runs.csv", &data::runs(study).map_err(Error::Run)?)?;
    put(out, "data/summary.json", &data::json(summary).map_err(Error::Run)?)?;
    put(out, "data/study.json", &data::json(study).map_err(Error::Run)?)?;
    put(out, "report.md", markdown::document(&report, &figures).as_bytes())?;
    put(out, "report.html", page::document(&report, &figures).as_bytes())
}

/// The study without characters that cannot be printed, which XML does not allow.
fn printable(study: &Study) -> Study {
    let mut study = study.clone();
    let clean = |text: &mut String| {
        text.retain(|c| c == '\n' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')));
    };
    for text in [
        &mut study.name,
        &mut study.title,
        &mut study.about,
        &mut study.source,
        &mut study.expected,
        &mut study.score.metric,
    ] {
        clean(text);
    }
    for method in &mut study.methods {
        [&mut method.name, &mut method.about, &mut method.config].into_iter().for_each(clean);
        for run in &mut method.runs {
            let beside = std::mem::take(&mut run.beside).into_iter().map(|(mut tag, values)| {
                clean(&mut tag);
                (tag, values)
            });
            run.beside = beside.collect();
        }
    }
    study.score.beside.iter_mut().for_each(clean);
    for failure in &mut study.failures {
        [&mut failure.method, &mut failure.what].into_iter().for_each(clean);
    }
    study
}

/// The summary without intervals that are not numbers: of runs that ran away.
fn finite(summary: &Summary) -> Summary {
    let mut summary = summary.clone();
    let is = |v: &Interval| v.point.is_finite() && v.low.is_finite() && v.high.is_finite();
    for row in &mut summary.methods {
        for value in row.measures.iter_mut().map(|(_, value)| value).chain([
            &mut row.final_gain,
            &mut row.average_gain,
            &mut row.improvement,
        ]) {
            *value = value.filter(is);
        }
        row.anchor = row.anchor.filter(|(end, distance)| end.is_finite() && distance.is_finite());
    }
    summary
}

/// Writes a file beside its place and renames it.
fn put(out: &Path, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let path = out.join(name);
    let beside = PathBuf::from(format!("{}.new", path.display()));
    let folder = path.parent().unwrap_or(out);
    make_folder(folder)?;
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, &path))
        .map_err(|e| Error::io("write", &path, e))
}
