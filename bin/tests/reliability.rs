//! docs/reliability.md names tests that there are.

use std::{collections::BTreeSet, fs, path::Path};

/// Names of the functions behind `#[test]` in all sources below `folder`.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a source folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let after = text.split("#[test]").skip(1);
            let name = |part: &str| Some(part.split_once("fn ")?.1.split_once('(')?.0.to_owned());
            found.extend(after.filter_map(name));
        }
    }
}

#[test]
fn every_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut tests = BTreeSet::new();
    for folder in ["agents", "benchmarks", "bin", "envs", "networks"] {
        tests_below(&root.join(folder), &mut tests);
    }
    let text = fs::read_to_string(root.join("docs/reliability.md")).expect("the document");
    let rows = text.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| ---"));
    let mut promises = 0;
    for row in rows.filter(|l| *l != "| promise | test |") {
        let named: Vec<&str> =
            row.rsplit(" | ").next().expect("a cell").split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            assert!(tests.contains(name), "there is no test {name}: {row}");
        }
        promises += 1;
    }
    assert!(promises > 20, "{promises} promises");
}
