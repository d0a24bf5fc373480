//! What TensorBoard is given: the event file read back, after a resume too, and where tasks change.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{fs, path::Path, thread};

use agents::{
    config::Config,
    diagnostics::registry::Diagnostics,
    logging::{
        catalog::METRICS,
        dashboard::Dashboard,
        histogram::Histogram,
        metrics::{ToWriter, Writer, read_rows},
        record::{Record, Row},
        tensorboard::Board,
    },
    storage::state::State,
};
use crossbeam::channel::bounded;
use envs::{Action, ActionSpace, Env, EnvError, EnvSpec, Registry, Step};
use harness::{Run, config, scripted, within};
use protobuf::Message;
use serde_json::{Value, json};
use tensorboard_proto::{
    event::{Event, SessionLog_SessionStatus},
    layout::{Category, Layout},
    summary::Summary_Value,
    types::DataType,
};

/// CRC-32C, bit by bit, then masked as in TensorFlow's records.
fn masked_crc(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The events of a file: length, checksum, bytes, checksum.
fn read(file: &Path) -> Vec<Event> {
    let bytes = fs::read(file).unwrap();
    let (mut rest, mut events) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let crc = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let data = &rest[12..12 + length];
        assert_eq!((crc(8), crc(12 + length)), (masked_crc(&rest[..8]), masked_crc(data)));
        events.push(Event::parse_from_bytes(data).unwrap());
        rest = &rest[16 + length..];
    }
    events
}

/// What a viewer holds after it has read every event file in `dir` in the order of their names, without
/// versions: a session that starts makes it forget what has its step or more.
fn events(dir: &Path) -> Vec<Event> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let name = |p: &Path| p.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<_> = files.filter(|p| name(p).starts_with("events.out.tfevents.")).collect();
    files.sort();
    let mut held: Vec<Event> = Vec::new();
    for (i, file) in files.iter().enumerate() {
        let mut events = read(file).into_iter();
        assert_eq!(events.next().unwrap().get_file_version(), "brain.Event:2");
        if i > 0 {
            let start = events.next().unwrap();
            assert_eq!(start.get_session_log().get_status(), SessionLog_SessionStatus::START);
            held.retain(|event| event.get_step() < start.get_step());
        }
        let layout = events.next().unwrap();
        assert_eq!(layout.get_summary().get_value()[0].get_tag(), "custom_scalars__config__");
        if i == 0 {
            held.push(layout);
        }
        held.extend(events);
    }
    held
}

/// The one string of a plugin's value.
fn string<'a>(value: &'a Summary_Value, plugin: &str) -> &'a [u8] {
    assert_eq!(value.get_metadata().get_plugin_data().get_plugin_name(), plugin);
    let tensor = value.get_tensor();
    assert_eq!(tensor.get_dtype(), DataType::DT_STRING);
    assert!(tensor.has_tensor_shape() && tensor.get_tensor_shape().get_dim().is_empty());
    assert_eq!(tensor.get_string_val().len(), 1);
    &tensor.get_string_val()[0]
}

/// Step, tag and what is shown, of every event behind the layout.
fn shown(dir: &Path) -> Vec<(i64, String, Value)> {
    let events = events(dir);
    let values = events.iter().skip(1).map(|event| {
        assert!(event.get_wall_time() > 1.7e9, "seconds since 1970");
        let [value] = event.get_summary().get_value() else { panic!("one value: {event:?}") };
        let what = if value.has_histo() {
            let h = value.get_histo();
            let (edges, counts) = (h.get_bucket_limit(), h.get_bucket());
            json!([h.get_min(), edges, counts, h.get_max(), h.get_num(), h.get_sum()])
        } else if value.has_tensor() {
            json!(std::str::from_utf8(string(value, "text")).unwrap())
        } else {
            assert!(value.has_simple_value());
            json!(value.get_simple_value())
        };
        (event.get_step(), value.get_tag().to_owned(), what)
    });
    values.collect()
}

/// Opens the record at `from` and writes `records`, each a step later than the one before.
fn write(dir: &Path, from: u64, records: &[Record]) {
    let writer =
        Writer::open(dir, &Dashboard::of(METRICS), from, 10.0 * from as f64, |_| true).unwrap();
    let (sender, inbox) = bounded(4);
    let (synced, _) = bounded(1);
    let thread = thread::spawn(move || writer.run(&inbox, &synced));
    for (record, step) in records.iter().cloned().zip(from + 1..) {
        sender.send(ToWriter::Record { step, record }).unwrap();
    }
    drop(sender);
    thread.join().unwrap().unwrap();
}

fn scalars(values: &[(&str, f64)]) -> Record {
    Record::Scalars(values.iter().map(|(tag, value)| ((*tag).to_owned(), *value)).collect())
}

fn histogram(values: Vec<f32>) -> Record {
    Record::Histogram { tag: "h/values".to_owned(), values }
}

fn text(text: &str) -> Record {
    Record::Text { tag: "task/boundaries".to_owned(), text: text.to_owned() }
}

#[test]
fn what_is_logged_is_shown_and_shown_again_after_a_resume() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let nowhere = f64::NAN;
    let records = [
        scalars(&[("loss/q", 0.5), ("q/mean", nowhere), ("q/target", -2.0)]),
        histogram(vec![3.0, f32::NAN, 0.0, 0.05, 0.1]),
        text("task *3* begins"),
        histogram(vec![]),
        histogram(vec![0.25, 0.25]),
        scalars(&[("loss/q", 0.75)]),
    ];
    write(dir, 0, &records);
    let edges: Vec<f64> = (1..=30).map(|i| 3.0 * (f64::from(i) / 30.0)).collect();
    let mut counts = vec![0.0; 30];
    // 0.1 as an f32 lies above the edge at 0.1.
    (counts[0], counts[1], counts[29]) = (2.0, 1.0, 1.0);
    let sum = 2.0 * 0.05 + 0.15 + 2.95;
    let mut all = shown(dir);
    let found = all[2].2[5].take().as_f64().unwrap();
    assert!((found - sum).abs() < 1e-12, "{found}");
    let of = |step, tag: &str, value| (step, tag.to_owned(), value);
    let want = [
        of(1, "loss/q", json!(0.5)),
        of(1, "q/target", json!(-2.0)),
        of(2, "h/values", json!([0.0, edges, counts, 3.0, 4.0, null])),
        of(3, "task/boundaries", json!("task *3* begins")),
        of(5, "h/values", json!([0.25, [0.25], [2.0], 0.25, 2.0, 0.5])),
        of(6, "loss/q", json!(0.75)),
    ];
    assert_eq!(all, want);

    // The record holds all of it, and a line of numbers looks as it did before there was more.
    let file = dir.join("metrics.jsonl");
    let rows = read_rows(&file, u64::MAX).unwrap();
    for (row, (record, step)) in rows.iter().zip(records.iter().zip(1..)) {
        let want = serde_json::to_value(Row::new(step, row.wall_s, record.clone())).unwrap();
        assert_eq!(serde_json::to_value(row).unwrap(), want, "{record:?}");
    }
    assert_eq!(rows.len(), records.len());
    let lines = fs::read_to_string(&file).unwrap();
    let line = |i: usize| serde_json::from_str::<Value>(lines.lines().nth(i).unwrap()).unwrap();
    let metrics = json!({ "loss/q": 0.75 });
    assert_eq!(line(5), json!({ "step": 6, "wall_s": rows[5].wall_s, "metrics": metrics }));
    assert_eq!(line(2)["texts"], json!({ "task/boundaries": "task *3* begins" }));
    assert_eq!(line(4)["histograms"]["h/values"], json!({ "edges": [0.25, 0.25], "counts": [2] }));

    // A resume at step 5 forgets the sixth row and shows the others again.
    let before = shown(dir);
    write(dir, 5, &[text("on")]);
    let after = shown(dir);
    assert_eq!(after[..5], before[..5]);
    assert_eq!(after[5..], [of(6, "task/boundaries", json!("on"))]);
}

/// The axis of relative times shows what `wall_s` says: seconds of the run, whatever was between two
/// processes of it.
#[test]
fn times_are_spaced_as_in_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let spaced = || {
        let times: Vec<f64> = events(dir).iter().skip(1).map(Event::get_wall_time).collect();
        let rows = read_rows(&dir.join("metrics.jsonl"), u64::MAX).unwrap();
        assert_eq!(times.len(), rows.len());
        for (time, row) in times.iter().zip(&rows) {
            let (passed, want) = (time - times[0], row.wall_s - rows[0].wall_s);
            assert!((passed - want).abs() < 1e-5, "{passed} s, not {want}");
        }
        times.last().unwrap() - times[0]
    };
    write(dir, 0, &[scalars(&[("x", 1.0)]), scalars(&[("x", 2.0)]), scalars(&[("x", 3.0)])]);
    assert!(spaced() < 10.0);
    // Seconds later, at twenty seconds of the run (see `write`).
    write(dir, 2, &[scalars(&[("x", 4.0)])]);
    let passed = spaced();
    assert!((19.0..30.0).contains(&passed), "{passed}");
    // Without event files all of it is made again from the record.
    for file in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
        if file.to_string_lossy().contains("tfevents") {
            fs::remove_file(file).unwrap();
        }
    }
    write(dir, 3, &[scalars(&[("x", 5.0)])]);
    assert_eq!(shown(dir).len(), 4);
    let passed = spaced();
    assert!((29.0..40.0).contains(&passed), "{passed}");
}

#[test]
fn the_file_opens_with_the_layout() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard = Diagnostics::builtin().dashboard();
    drop(Board::create(folder.path(), &dashboard, 0, 0.0).unwrap());
    let events = events(folder.path());
    assert_eq!(events.len(), 1);
    let value = &events[0].get_summary().get_value()[0];
    assert_eq!(value.get_tag(), "custom_scalars__config__");
    let layout = Layout::parse_from_bytes(string(value, "custom_scalars")).unwrap();
    assert!(layout.is_initialized() && layout.get_version() == 0);
    let found: Vec<_> = layout.get_category().iter().map(Category::get_title).collect();
    let want = ["Learning", "Plasticity", "Learning rate and steps", "Tasks", "Speed"];
    assert_eq!(found, want);
    for (category, (title, charts)) in layout.get_category().iter().zip(&dashboard.0) {
        assert_eq!(category.get_chart().len(), charts.len(), "{title}");
        for (chart, wanted) in category.get_chart().iter().zip(charts) {
            let tags: Vec<_> = wanted.tags.iter().map(|tag| format!("{tag}$")).collect();
            let found = (chart.get_title(), chart.get_multiline().get_tag());
            assert_eq!(found, (wanted.title, &tags[..]));
        }
    }
}

#[test]
fn a_folder_that_is_gone_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let dashboard = Dashboard::of(METRICS);
    let gone = folder.path().join("gone");
    let error = Board::create(&gone, &dashboard, 0, 0.0).err().unwrap().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("gone: "), "{error}");
    let mut board = Board::create(folder.path(), &dashboard, 0, 0.0).unwrap();
    board.histogram("h", &Histogram::default(), 0).unwrap();
}

/// Observations count steps; every 25 of them are a task.
struct Tasks(u64);

impl Env for Tasks {
    fn spec(&self) -> EnvSpec {
        EnvSpec::vector(1, ActionSpace::Discrete(2))
    }

    fn reset(&mut self, _seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        obs[0] = self.0 as f32;
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.0 += 1;
        obs[0] = self.0 as f32;
        Ok(Step { reward: 1.0, terminated: self.0.is_multiple_of(10), truncated: false })
    }

    fn task(&self) -> usize {
        (self.0 / 25) as usize // of the step to come
    }

    fn state(&mut self) -> Option<&mut dyn envs::State> {
        Some(self)
    }
}

impl envs::State for Tasks {
    fn save(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        self.0 = u64::from_le_bytes(bytes.try_into()?);
        Ok(())
    }
}

/// A run of 200 steps of two environments.
fn run_of_tasks() -> Run {
    let config: Config = config(
        "total_steps = 200
        env.name = 'tasks'
        runtime = { envs_per_actor = 2, sync_every = 5, torch_threads = 1 }
        replay = { capacity = 100, batch_size = 4, learning_starts = 20 }
        eval.episodes = 0",
    );
    let mut registry = Registry::default();
    registry.insert("tasks", || Ok(Tasks(0)));
    Run::with(&config, registry)
}

/// What the event file says of tasks.
fn of_tasks(run: &Run) -> Vec<(i64, String, Value)> {
    shown(&run.path).into_iter().filter(|(_, tag, _)| tag.starts_with("task/")).collect()
}

#[test]
fn tasks_are_marked_where_they_begin() {
    within(60, || {
        let agent = || Some(Box::new(scripted(|_| {})) as Box<_>);
        let whole = run_of_tasks();
        whole.go(None, agent(), &mut |_| false).unwrap();
        let mut want = vec![(2, "task/index".to_owned(), json!(0.0))];
        for (step, task) in [(52, 1), (102, 2), (152, 3)] {
            want.push((step, "task/index".to_owned(), json!(f64::from(task))));
            want.push((step, "task/boundaries".to_owned(), json!(format!("task {task} begins"))));
        }
        assert_eq!(of_tasks(&whole), want);

        // 100 is the last step of a task.
        for stop in [60, 100] {
            let run = run_of_tasks();
            run.go(None, agent(), &mut |p| p.env_steps >= stop).unwrap();
            assert_eq!((run.newest().state.env_steps, run.newest().state.task), (stop, Some(1)));
            assert_eq!(of_tasks(&run), want[..3]);
            run.go(Some(run.newest()), agent(), &mut |_| false).unwrap();
            assert_eq!(of_tasks(&run), want, "stopped at {stop}");
        }

        // A checkpoint that does not know its task: one more point, no boundary.
        let run = run_of_tasks();
        run.go(None, agent(), &mut |p| p.env_steps >= 60).unwrap();
        let mut old = run.newest();
        let mut state = serde_json::to_value(&old.state).unwrap();
        assert_eq!(state.as_object_mut().unwrap().remove("task"), Some(json!(1)));
        old.state = serde_json::from_value::<State>(state).unwrap();
        run.go(Some(old), agent(), &mut |_| false).unwrap();
        want.insert(3, (62, "task/index".to_owned(), json!(1.0)));
        assert_eq!(of_tasks(&run), want);
    });
}
