//! The report as Markdown, with links to its figures.
#![expect(clippy::format_push_string, reason = "a page is written once, and reads best so")]

use super::{
    content::Report,
    figures::Figure,
    table::{continual, markdown_text as plain, performance, row},
    words::{Gain, duration},
};

/// The whole document.
pub(super) fn document(report: &Report, figures: &[Figure]) -> String {
    let Report { study, summary, looks, verdict, about, .. } = report;
    let mut text = format!("# {}\n\n", plain(&study.title));
    text +=
        &format!("Suite: {}. Performance: {}.\n\n", plain(&study.name), plain(&study.score.metric));
    let parts = [
        ("What is done", &study.about),
        ("From", &study.source),
        ("What was found there", &study.expected),
    ];
    for (head, words) in parts.into_iter().filter(|(_, words)| !words.trim().is_empty()) {
        text += &format!("**{head}.** {}\n\n", plain(words));
    }
    text += &format!("## Verdict\n\n**{}**\n\n", plain(&verdict.headline));
    for (gain, findings) in &verdict.groups {
        text += &format!("{}:\n\n", group(*gain));
        for finding in findings {
            let name = plain(&study.methods[finding.method].name);
            text += &format!(
                "- {} **{name}**: {}\n",
                gain.sign(),
                plain_number(&finding.words.join(", "))
            );
        }
        text += "\n";
    }
    for note in &verdict.notes {
        text += &format!("> {}\n>\n", plain_number(note));
    }
    if !study.failures.is_empty() {
        text += "\n## Runs left out\n\n";
        text += &table(
            &["method", "seed", "why"],
            study
                .failures
                .iter()
                .map(|f| vec![plain(&f.method), f.seed.to_string(), plain(&f.what)]),
        );
    }
    text += "\n## Methods\n\n";
    text += &performance(study, summary, looks).markdown();
    text += "\nNumbers in brackets are 95 % bootstrap intervals over seeds. ▲ better than the baseline, ▼ worse, \
             ○ neither can be told.\n";
    if let Some(table) = continual(study, summary, looks) {
        text += &format!("\n## Measures of continual learning\n\n{}", table.markdown());
    }
    text += "\n## Figures\n";
    for Figure { id, title, caption, .. } in figures {
        text += &format!(
            "\n### {title}\n\n[![{title}](figures/{id}.png)](figures/{id}.svg)\n\n{}\n",
            plain(caption)
        );
    }
    text += "\n## Runs\n\n";
    let runs = study.methods.iter().zip(&report.links).flat_map(|(method, links)| {
        method.runs.iter().zip(links).map(|(run, link)| {
            vec![plain(&method.name), format!("[{}]({link})", run.seed), duration(run.wall_s)]
        })
    });
    text += &table(&["method", "seed", "took"], runs);
    text += "\n## Configurations\n";
    for (method, changes) in study.methods.iter().zip(&report.changes) {
        text += &format!("\n### {}\n\n", plain(&method.name));
        if !method.about.is_empty() {
            text += &format!("{}\n\n", plain(&method.about));
        }
        if let Some(changes) = changes.as_ref().filter(|c| !c.is_empty()) {
            let value = |v: &Option<String>| v.as_ref().map_or("–".to_owned(), |v| plain(v));
            let rows = changes.iter().map(|(key, a, b)| vec![plain(key), value(a), value(b)]);
            text += &table(&["key", "baseline", "this method"], rows);
            text += "\n";
        }
        let fence = fence(&method.config);
        text += &format!("{fence}toml\n{}\n{fence}\n", method.config.trim_end());
    }
    text += "\n## Made with\n\n";
    text += &table(
        &["", ""],
        about.listed().into_iter().map(|(name, value)| vec![name.to_owned(), plain(&value)]),
    );
    text += "\nNumbers: [curves](data/curves.csv), [runs](data/runs.csv), [summary](data/summary.json), \
             [study](data/study.json).\n";
    text
}

/// What a group of findings has in common.
pub(super) fn group(gain: Gain) -> &'static str {
    match gain {
        Gain::Better => "Better than the baseline",
        Gain::Worse => "Worse than the baseline",
        Gain::Unsure => "Cannot be told from the baseline",
    }
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let head = row(heads.iter().map(|h| (*h).to_owned()));
    let rule = row(heads.iter().map(|_| "---".to_owned()));
    head + &rule + &rows.map(row).collect::<String>()
}

/// Words with brackets of intervals in them, which are no links.
fn plain_number(words: &str) -> String {
    plain(words).replace("\\[", "[").replace("\\]", "]")
}

/// More backticks than are in `text` in a row.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(3.max(longest + 1))
}
