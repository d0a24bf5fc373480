//! Tables of `docs/configuration.md`.

use std::{fs, path::Path};

pub(crate) fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    fs::read_to_string(path).expect("docs/configuration.md")
}

/// Rows of the tables whose header starts with `first`, with the section above them.
pub(crate) fn tables(page: &str, first: &str) -> Vec<(String, Vec<String>)> {
    let (mut section, mut inside, mut rows) = (String::new(), false, Vec::new());
    for line in page.lines() {
        if line.starts_with("## ") || line.starts_with("### ") {
            line.trim_start_matches('#').trim().clone_into(&mut section);
        }
        let cells = || {
            let inner = line.strip_prefix('|').and_then(|l| l.strip_suffix('|'));
            inner.unwrap_or(line).split('|').map(|cell| cell.trim().to_owned())
        };
        match line.starts_with('|') {
            false => inside = false,
            true if line.starts_with(&format!("| {first} |")) => inside = true,
            true if inside && !line.starts_with("| ---") => {
                rows.push((section.clone(), cells().collect()));
            }
            true => {}
        }
    }
    rows
}

/// The text between the first pair of backticks.
pub(crate) fn code(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}
