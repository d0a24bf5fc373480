//! Supervised streams as runs: what is in their folders, and what changes in them when.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{fs, path::Path};

use benchmarks::supervised::{self, FolderError, Outcome, RunFolder, StreamRun, idx};
use serde_json::{Map, Value};
use tempfile::TempDir;

const BITS: &str = "kind = 'bit_flipping'\nexamples = 4_500\nlog_every_examples = 1_000\n\
    [stream]\nflip_after = 700\n[learner]\nlr = 0.01\n";
const LABELS: &str = "kind = 'random_labels'\nexamples = 1_280\nlog_every_examples = 160\n\
    task_examples = 640\nbatch_size = 16\n\
    images = { kind = 'gaussian', items = 32, inputs = 16 }\n[network]\n\
    arch = { kind = 'mlp', hidden = [32] }\noptim = { lr = 1e-2 }\n";
const PIXELS: &str = "kind = 'permuted_inputs'\nexamples = 1_200\nlog_every_examples = 200\n\
    task_examples = 400\nbatch_size = 4\n\
    images = { kind = 'digits', items = 300, styles = 1, noise = 0.1 }\n[network]\n\
    arch = { kind = 'mlp', hidden = [16] }\noptim = { kind = 'sgd', lr = 0.03 }\n";

fn parse(text: &str, set: &[&str]) -> StreamRun {
    let set: Vec<String> = set.iter().map(|&s| s.to_owned()).collect();
    StreamRun::parse(text, &set).unwrap()
}

fn try_run(config: &StreamRun, dir: &Path) -> Result<Outcome, String> {
    let learner = config.start()?;
    let mut folder = RunFolder::create(dir, config).map_err(|e| e.to_string())?;
    supervised::run(config, learner, &mut folder, &mut |_| true).map_err(|e| e.to_string())
}

/// Steps and metrics of all rows of a run.
fn rows(text: &str, set: &[&str]) -> Vec<(u64, Map<String, Value>)> {
    let dir = TempDir::new().unwrap();
    try_run(&parse(text, set), dir.path()).unwrap();
    let record = fs::read_to_string(dir.path().join("metrics.jsonl")).unwrap();
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        assert!(row["wall_s"].as_f64().unwrap() >= 0.0);
        (row["step"].as_u64().unwrap(), row["metrics"].as_object().unwrap().clone())
    };
    record.lines().map(row).collect()
}

/// One measure of all rows.
fn column(rows: &[(u64, Map<String, Value>)], tag: &str) -> Vec<f64> {
    rows.iter().map(|(_, m)| m[tag].as_f64().unwrap()).collect()
}

#[test]
fn rows_come_when_asked_for_and_have_their_measures() {
    let bits = rows(BITS, &["learner.cbp={ replacement_rate = 0.01, maturity_threshold = 20 }"]);
    let steps: Vec<u64> = bits.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [1_000, 2_000, 3_000, 4_000, 4_500]);
    let names = |rows: &[(u64, Map<String, Value>)], k: usize| -> Vec<String> {
        rows[k].1.keys().map(|k| k.trim_start_matches("stream/").to_owned()).collect()
    };
    let all = [
        "dead_units",
        "effective_rank",
        "error",
        "idle_units",
        "replaced_units",
        "weight_magnitude",
    ];
    assert_eq!(names(&bits, 4), all);
    let replaced = column(&bits, "stream/replaced_units");
    assert!(replaced.windows(2).all(|w| w[0] < w[1]), "{replaced:?}");
    assert_eq!(names(&rows(BITS, &["learner.hidden=0"]), 0), ["error", "weight_magnitude"]);

    let labels = rows(LABELS, &[]);
    let steps: Vec<u64> = labels.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [160, 320, 480, 640, 800, 960, 1_120, 1_280]);
    let ends: Vec<bool> =
        labels.iter().map(|(_, m)| m.contains_key("stream/final_accuracy")).collect();
    assert_eq!(ends, [false, false, false, true, false, false, false, true]);
    let all = ["accuracy", "dead_units", "effective_rank", "idle_units", "weight_magnitude"];
    assert_eq!(names(&labels, 0), all);
    assert_eq!(names(&rows(PIXELS, &[]), 0), all);
}

/// The same bytes but for the clock, and others with another seed.
#[test]
fn runs_are_functions_of_their_configuration() {
    for text in [BITS, LABELS, PIXELS] {
        let cbp = "network.interventions=[{ kind = 'cbp', replacement_rate = 0.01, maturity_threshold = 5 }]";
        let set: &[&str] = if text == BITS { &["learner.noise_std=1e-3"] } else { &[cbp] };
        let first = rows(text, set);
        assert_eq!(first, rows(text, set));
        assert_ne!(first, rows(text, &[set, &["seed=2"]].concat()));
    }
}

/// A stream at some age is what others come to: to a learner that learns next to nothing it makes no
/// difference whether it was there before.
#[test]
fn streams_can_begin_in_the_middle() {
    let lazy = "learner.lr=1e-300";
    let whole = column(&rows(BITS, &[lazy]), "stream/error");
    let end = column(&rows(BITS, &[lazy, "example_offset=2000", "examples=2500"]), "stream/error");
    assert_eq!(whole[2..], end);
    let lazy = "network.optim={ kind = 'sgd', lr = 1e-30 }";
    for (text, per_task) in [(LABELS, 4), (PIXELS, 2)] {
        let examples = format!("examples={}", if text == LABELS { 640 } else { 800 });
        let age = format!("example_offset={}", if text == LABELS { 640 } else { 400 });
        let whole = column(&rows(text, &[lazy]), "stream/accuracy");
        let end = column(&rows(text, &[lazy, &age, &examples]), "stream/accuracy");
        assert_eq!(whole[per_task..], end);
        assert_ne!(whole[..per_task], whole[per_task..2 * per_task], "tasks differ");
    }
}

/// Labels say nothing: a task begins at chance and ends memorised.
#[test]
fn labels_are_drawn_again() {
    let set = ["examples=6400", "log_every_examples=32", "task_examples=1600"];
    let rows = rows(&LABELS.replace("[network]", "classes = 4\n[network]"), &set);
    let accuracy = column(&rows, "stream/accuracy");
    // Two passes over the 32 images of four classes: one before, one after a first update on each.
    let begins: f64 = accuracy.chunks(50).map(|task| task[0]).sum::<f64>() / 4.0;
    assert!((0.1..0.45).contains(&begins), "{begins}");
    for (_, row) in rows.iter().filter(|(step, _)| step % 1600 == 0) {
        assert_eq!(row["stream/final_accuracy"], 1.0);
    }
}

/// A new permutation costs what was learned, and the next is learned as well.
#[test]
fn permutations_change_with_the_task() {
    let accuracy = column(&rows(PIXELS, &["log_every_examples=40"]), "stream/accuracy");
    for task in accuracy.chunks(10) {
        let end = task[7..].iter().sum::<f64>() / 3.0;
        assert!(task[0] < 0.6 && end > 0.8, "{accuracy:?}");
    }
}

/// Any method and architecture of `networks`; what cannot work is refused in a sentence.
#[test]
fn learners_are_those_of_networks() {
    let nap = [
        "network.arch={ kind = 'mlp', hidden = [16], norm = { kind = 'layer_norm', affine = false } }",
        "network.interventions=[{ kind = 'nap' }]",
    ];
    let plain = rows(LABELS, &nap[..1]);
    assert_ne!(plain, rows(LABELS, &nap));
    let v2 = rows(LABELS, &["network.arch={ kind = 'simba_v2', width = 16, blocks = 1 }"]);
    assert!(column(&v2, "stream/accuracy")[3] > 0.5);
    // Layers reinitialised with the task: its measures are those of new weights.
    let reset =
        "network.interventions=[{ kind = 'reset_layers', layers = 'all', on_task_change = true }]";
    assert_ne!(rows(LABELS, &[]), rows(LABELS, &[reset]));
    let refused = parse(LABELS, &nap[1..]).start().err().unwrap();
    assert!(refused.starts_with("network.interventions: nap cannot work here"), "{refused}");
}

fn images(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    let pixels: Vec<u8> = (0..3 * 2 * 2).map(|p| p * 20).collect();
    let images = [&[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2][..], &pixels].concat();
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 3][..], &[2, 0, 1]].concat();
    fs::write(dir.join("images"), &images).unwrap();
    fs::write(dir.join("labels"), &labels).unwrap();
    (images, labels)
}

#[test]
fn idx_files_are_read() {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (bytes, labels) = images(dir.path());
    let read = idx::read(&path("images"), 3).unwrap();
    assert_eq!((read.shape, &read.data[..3]), (vec![3, 2, 2], &[0u8, 20, 40][..]));
    assert_eq!(idx::read(&path("labels"), 1).unwrap().data, [2, 0, 1]);

    let set = format!(
        "images={{ kind = 'idx', images = '{}', labels = '{}' }}",
        path("images").display(),
        path("labels").display()
    );
    let whole = rows(PIXELS, &[&set]);
    assert_eq!(whole.len(), 6);
    let loaded = match parse(PIXELS, &[&set]) {
        StreamRun::PermutedInputs(c) => c.images.load(&mut networks::random::stream(1, 0)).unwrap(),
        _ => unreachable!("that kind"),
    };
    assert_eq!((loaded.classes, loaded.shape.as_slice()), (3, &[1, 2, 2][..]));
    assert_eq!(Vec::<i64>::try_from(loaded.labels.unwrap()).unwrap(), [2, 0, 1]);
    assert!((loaded.pixels.double_value(&[2, 3]) - 220.0 / 255.0).abs() < 1e-7);

    let cut = &bytes[..bytes.len() - 1];
    for (name, bytes, wanted) in [
        ("images", cut, "promises [3, 2, 2] bytes and holds 11"),
        ("images", &[0x1f, 0x8b, 8, 0][..], "compressed; unpack it with gunzip"),
        ("images", &labels[..], "no IDX file of bytes with 3 dimensions"),
        ("images", &[][..], "no IDX file"),
        ("labels", &[0, 0, 8, 1, 0, 0, 0, 2, 0, 1][..], "3 images and"),
    ] {
        images(dir.path());
        fs::write(path(name), bytes).unwrap();
        let error = parse(PIXELS, &[&set]).start().err().unwrap();
        assert!(error.contains(wanted) && error.contains(name), "{error}\nwant: {wanted}");
    }
    fs::remove_file(path("labels")).unwrap();
    let error = parse(PIXELS, &[&set]).start().err().unwrap();
    assert!(error.starts_with("cannot read"), "{error}");
}

#[test]
fn mistakes_are_told_in_one_sentence() {
    for (text, item, wanted) in [
        (BITS, "examples=0", "examples is 0; it must be between 1"),
        (BITS, "log_every_examples=0", "log_every_examples is 0"),
        (BITS, "kind=bit_fliping", "did you mean `bit_flipping`?"),
        (BITS, "exmaples=3", "unknown key `exmaples`; did you mean `examples`?"),
        (BITS, "stream.flip=two", "unknown value `stream.flip = two`"),
        (BITS, "stream.slow=21", "stream.slow is 21; it must be in 1..=20"),
        (BITS, "learner.lr=0", "learner.lr is 0; it must be greater than 0"),
        (BITS, "learner.rat=1", "unknown key `learner.rat`"),
        (BITS, "learner.cbp.replacement_rate=2.0", "learner.cbp.replacement_rate is 2"),
        (BITS, "learner={ hidden = 0, cbp = {} }", "learner.cbp cannot work here"),
        (LABELS, "batch_size=0", "batch_size is 0"),
        (LABELS, "log_every_examples=30", "must be a multiple of batch_size, 16"),
        (LABELS, "task_examples=650", "must be a multiple of log_every_examples, 160"),
        (LABELS, "classes=1", "classes is 1; it must be between 2"),
        (LABELS, "images.items=1", "images.items is 1"),
        (LABELS, "network.optim.lr=-1", "network.optim.lr is -1"),
        (LABELS, "network.interventions=[{ kind = 'cpb' }]", "did you mean `cbp`?"),
        (PIXELS, "images={ kind = 'gaussian', items = 5, inputs = 5 }", "has no classes"),
        (PIXELS, "images.noise=0.6", "images.noise is 0.6; it must be between 0 and 0.5"),
    ] {
        let error = StreamRun::parse(text, &[item.to_owned()]).unwrap_err();
        assert!(error.contains(wanted) && !error.contains('\n'), "{item}: {error}\n{wanted}");
    }
    let dir = TempDir::new().unwrap();
    let error = try_run(&parse(BITS, &["learner.lr=1e6"]), dir.path()).unwrap_err();
    assert!(error.contains("lower the step size"), "{error}");
}

/// A folder takes one run: unfinished it is begun again, finished, another's or foreign it is refused.
#[test]
fn folders_hold_one_run() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("run");
    let config = parse(BITS, &[]);
    let mut folder = RunFolder::create(&path, &config).unwrap();
    let learner = config.start().unwrap();
    let stopped = supervised::run(&config, learner, &mut folder, &mut |seen| seen < 2_000).unwrap();
    assert!(stopped.interrupted && stopped.examples == 2_000, "{stopped:?}");
    let error = RunFolder::create(&path, &config).unwrap_err();
    assert!(matches!(error, FolderError::Storage(_)), "{error:?}");
    assert!(error.to_string().contains("in use by another process"), "{error}");
    drop(folder);
    let other = RunFolder::create(&path, &parse(BITS, &["seed=2"])).unwrap_err();
    assert!(matches!(&other, FolderError::OtherRun(run) if *run == path), "{other:?}");
    assert!(other.to_string().contains("another configuration"), "{other}");

    let done = try_run(&config, &path).unwrap();
    assert!(!done.interrupted && done.examples == 4_500, "{done:?}");
    let text = fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 5, "what was there before is gone");
    assert_eq!(parse(&fs::read_to_string(path.join("config.toml")).unwrap(), &[]), config);
    let finished = try_run(&config, &path).unwrap_err();
    assert!(finished.contains("finished run"), "{finished}");
    assert_eq!(fs::read_to_string(path.join("metrics.jsonl")).unwrap(), text);

    fs::write(dir.path().join("letter"), "").unwrap();
    let foreign = RunFolder::create(dir.path(), &config).unwrap_err();
    assert!(matches!(foreign, FolderError::NotEmpty(_)), "{foreign:?}");
    assert!(foreign.to_string().contains("is not empty"), "{foreign}");
}

/// Means weigh a short last row by its examples.
#[test]
fn outcomes_are_means() {
    let dir = TempDir::new().unwrap();
    let outcome = try_run(&parse(BITS, &[]), dir.path()).unwrap();
    let errors = column(&rows(BITS, &[]), "stream/error");
    let want = (errors[..4].iter().sum::<f64>() * 1_000.0 + errors[4] * 500.0) / 4_500.0;
    assert!((outcome.average - want).abs() < 1e-12);
    assert_eq!((outcome.metric, outcome.last_tenth), ("stream/error", errors[4]));
}

/// Every key of a run with its default is in `docs/streams.md`, in the section of its kind or in that
/// of all kinds; tables of their own (`images`, `network`) are one row.
#[test]
fn keys_are_documented() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/streams.md"))
        .unwrap();
    let section = |title: &str| -> &str {
        let start = page.find(&format!("## {title}\n")).unwrap();
        let rest = &page[start + 3..];
        &rest[..rest.find("\n## ").unwrap_or(rest.len())]
    };
    for kind in ["bit_flipping", "random_labels", "permuted_inputs"] {
        let config = StreamRun::parse(&format!("kind = '{kind}'"), &[]).unwrap();
        let table: toml::Table = config.to_toml().unwrap().parse().unwrap();
        let mut keys = Vec::new();
        for (key, value) in &table {
            match value {
                toml::Value::Table(t) if ["stream", "learner"].contains(&key.as_str()) => {
                    keys.extend(t.iter().map(|(k, v)| (format!("{key}.{k}"), v.clone())));
                }
                value => keys.push((key.clone(), value.clone())),
            }
        }
        let own = section(&format!("`{kind}`"));
        for (key, value) in keys {
            let has = |text: &str| {
                text.lines().any(|line| {
                    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                    let named = |cell: &str| cell.split(", ").position(|k| k == format!("`{key}`"));
                    let Some(k) = cells.get(1).and_then(|cell| named(cell)) else { return false };
                    let shown = cells[2].split("`, `").nth(k).unwrap_or(cells[2]);
                    let shown = shown.trim_matches('`');
                    let parsed = format!("v = {shown}").parse::<toml::Table>();
                    match &value {
                        toml::Value::Table(_) if key == "network" => true,
                        value => parsed.is_ok_and(|t| t["v"] == *value),
                    }
                })
            };
            let everywhere = key == "kind" || has(section("All kinds"));
            assert!(has(own) || everywhere, "{kind}: {key} = {value} is not in docs/streams.md");
        }
    }
    assert!(page.contains("`learner.cbp`"));
}
