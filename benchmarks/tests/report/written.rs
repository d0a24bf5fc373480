//! A report in a folder of its own, and what holds for every one.

use std::{fs, path::Path};

use benchmarks::{report::write, study::Study, summary::Summary};
use tempfile::TempDir;

use crate::made::versions;

/// What was written.
pub(crate) struct Written {
    pub(crate) dir: TempDir,
    pub(crate) html: String,
    pub(crate) md: String,
}

impl Written {
    pub(crate) fn of(study: &Study) -> Written {
        Written::with(study, &Summary::of(study))
    }

    pub(crate) fn with(study: &Study, summary: &Summary) -> Written {
        let dir = tempfile::tempdir().unwrap();
        write(study, summary, &versions(), dir.path()).unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let (html, md) = (text("report.html"), text("report.md"));
        let written = Written { dir, html, md };
        written.is_sound();
        written
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    pub(crate) fn figures(&self) -> Vec<String> {
        let Ok(list) = fs::read_dir(self.dir.path().join("figures")) else { return Vec::new() };
        let mut names: Vec<String> = list
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|n| Path::new(n).extension().is_some_and(|x| x == "svg"))
            .collect();
        names.sort();
        names
    }

    /// What holds for every report.
    fn is_sound(&self) {
        for text in [&self.html, &self.md] {
            let words = text.split(|c: char| !c.is_ascii_alphanumeric());
            let at = words.clone().position(|w| w == "NaN" || w == "inf");
            let near =
                at.map(|i| words.clone().skip(i.saturating_sub(12)).take(15).collect::<Vec<_>>());
            assert_eq!(near, None, "a number that is none");
            assert!(text.contains("2.11.0") && text.contains("3.17.0"), "versions");
        }
        // Nothing is loaded: what is inside of the file is all there is.
        for load in
            ["src=", "@import", "url(http", "<link", "<iframe", "<object", "<img", "xlink:href"]
        {
            assert!(!self.html.contains(load), "{load}");
        }
        assert!(self.html.contains("default-src 'none'"));
        let mut left = self.html.as_str();
        while let Some(i) = left.find("href=\"") {
            left = &left[i + 6..];
            let link = &left[..left.find('"').unwrap()];
            assert!(!link.contains(':'), "{link}");
        }
        self.tables_are_whole();
        for name in self.figures() {
            let svg = self.read(&format!("figures/{name}"));
            assert!(
                !svg.contains("var(") && !svg.contains("NaN") && !svg.contains("inf,"),
                "{name}"
            );
            let id = name.strip_suffix(".svg").unwrap();
            assert!(
                self.html.contains(&format!("id=\"figure-{id}\"")),
                "{name} is not on the page"
            );
            assert!(self.md.contains(&format!("(figures/{id}.png)")), "{name} is not in Markdown");
            let png = fs::read(self.dir.path().join(format!("figures/{id}.png"))).unwrap();
            assert_eq!(&png[1..4], b"PNG", "{name}");
            assert!(png.len() > 4_000, "{name}: {} bytes are an empty picture", png.len());
        }
        let beside = |dir: &Path| {
            fs::read_dir(dir)
                .unwrap()
                .any(|e| e.unwrap().path().extension().is_some_and(|x| x == "new"))
        };
        assert!(!beside(self.dir.path()) && !beside(&self.dir.path().join("data")), "left over");
    }

    /// Rows of a table in Markdown have as many cells as its head.
    fn tables_are_whole(&self) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let (mut fenced, mut width, mut tables) = (false, None, 0);
        for line in self.md.lines() {
            fenced ^= line.starts_with("```");
            match (line.starts_with('|') && !fenced, width) {
                (true, None) => (width, tables) = (Some(cells(line)), tables + 1),
                (true, Some(width)) => assert_eq!(cells(line), width, "{line}"),
                (false, _) => width = None,
            }
        }
        assert!(tables >= 3);
    }

    /// The text of the elements of the page, without tags.
    pub(crate) fn text(&self) -> String {
        let body =
            &self.html[self.html.find("<main>").unwrap()..self.html.find("id=\"data\"").unwrap()];
        let mut text = String::new();
        for part in body.split('<') {
            text.push_str(part.split_once('>').map_or(part, |(_, t)| t));
        }
        text
    }
}
