//! A page in a real browser, without a screen.

use std::{collections::BTreeMap, env, path::Path, process::Command};

use serde::Deserialize;

/// What `report.html?selftest` writes down after it did what people can do.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    /// Sizes of the figures that are seen.
    pub(crate) figures: BTreeMap<String, (f64, f64)>,
    /// Frames in which values are shown under a pointer.
    pub(crate) tips: usize,
    /// Names at the ends of lines when all methods are highlighted.
    pub(crate) names: usize,
    /// Columns by which a table was sorted.
    pub(crate) sorted: usize,
    /// By how much the page is wider than its window.
    #[serde(rename = "scroll")]
    pub(crate) overflow: f64,
    /// Errors of the script, and what the browser complained of.
    pub(crate) faults: Vec<String>,
}

/// The page in a window of this width.
pub(crate) fn open(page: &Path, width: u32, dark: bool) -> Page {
    let output = Command::new(program())
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"])
        .arg(format!("--window-size={width},1000"))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("--user-data-dir={}", page.with_extension("browser").display()))
        .arg("--dump-dom")
        .arg(format!("file://{}?selftest", page.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let (_, found) = text
        .split_once("<pre id=\"selftest\">")
        .unwrap_or_else(|| panic!("the script did not come to its end: {complaints}"));
    let mut page: Page = serde_json::from_str(found.split_once("</pre>").unwrap().0).unwrap();
    page.faults.extend(complaints.lines().filter(|l| l.contains(":CONSOLE")).map(str::to_owned));
    page
}

fn program() -> &'static str {
    let path = env::var_os("PATH").unwrap_or_default();
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| env::split_paths(&path).any(|dir| dir.join(name).is_file()))
        .expect("there is no browser to open reports in: install the package `chromium`")
}
