//! What runs in trouble leave behind, to be compared with an undisturbed one.

use std::{fs, path::Path};

use serde_json::{Value, json};

use super::checkpoints;

/// Two actors with two environments each and weights that travel every third round, so that a resume
/// has everything to get wrong.
pub(crate) const DQN: &str = r#"
seed = 3
total_steps = 1_200
log_every_updates = 5
[env]
name = "CartPole-v1"
[runtime]
actors = 2
envs_per_actor = 2
sync_every = 3
torch_threads = 1
update_to_data = 0.5
[replay]
capacity = 600
batch_size = 16
learning_starts = 100
n_step = 3
[eval]
every_steps = 100
episodes = 2
[checkpoint]
every_steps = 24
[agent]
kind = "dqn"
[agent.network]
arch = { kind = "mlp", hidden = [16] }
"#;

/// What a run leaves behind, without what differs by nature: clocks and speeds.
#[derive(PartialEq)]
pub(crate) struct Remains {
    pub(crate) checkpoint: String,
    pub(crate) model: Vec<u8>,
    pub(crate) replay: Vec<u8>,
    pub(crate) state: Value,
    /// Rows of training and rows of evaluations. Each kind is in order; how they mix depends on when
    /// the evaluator's thread answers.
    pub(crate) training: Vec<Value>,
    pub(crate) evaluations: Vec<Value>,
    pub(crate) best: Vec<u8>,
}

impl Remains {
    /// Those of a run that has ended.
    pub(crate) fn of(run: &Path) -> Remains {
        let checkpoint = checkpoints(run, "step").pop().expect("a checkpoint");
        let folder = run.join("checkpoints").join(&checkpoint);
        let read = |name: &str| fs::read(folder.join(name)).expect("a file of the checkpoint");
        let mut state: Value = serde_json::from_slice(&read("state.json")).expect("JSON");
        state.as_object_mut().expect("an object").remove("wall_s").expect("wall_s");
        let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
        let mut rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a whole row")).collect();
        for row in &mut rows {
            row.as_object_mut().expect("an object").remove("wall_s").expect("wall_s");
            row["metrics"].as_object_mut().expect("metrics").retain(|k, _| !k.starts_with("time/"));
        }
        // Beside `step` and `metrics` there can be histograms and texts.
        rows.retain(|row| {
            row["metrics"] != json!({}) || row.as_object().is_some_and(|r| r.len() > 2)
        });
        let is_eval = |row: &Value| row["metrics"].get("eval/return_mean").is_some();
        let (evaluations, training) = rows.into_iter().partition(is_eval);
        let best = checkpoints(run, "best");
        let best = best.last().expect("a best checkpoint");
        let best = run.join("checkpoints").join(best).join("model.safetensors");
        Remains {
            checkpoint,
            model: read("model.safetensors"),
            replay: read("replay.safetensors"),
            state,
            training,
            evaluations,
            best: fs::read(best).expect("best weights"),
        }
    }

    /// Compares part by part, so that a failure names the part.
    pub(crate) fn assert_same(&self, other: &Remains, what: &str) {
        assert_eq!(self.checkpoint, other.checkpoint, "{what}");
        assert_eq!(self.state, other.state, "{what}: state.json");
        for (a, b) in self.training.iter().zip(&other.training) {
            assert_eq!(a, b, "{what}: a row of metrics.jsonl");
        }
        assert_eq!(self.training.len(), other.training.len(), "{what}: rows of metrics.jsonl");
        assert_eq!(self.evaluations, other.evaluations, "{what}: evaluations");
        assert!(self.model == other.model, "{what}: model.safetensors differs");
        assert!(self.replay == other.replay, "{what}: replay.safetensors differs");
        assert!(self.best == other.best, "{what}: the best weights differ");
    }
}

/// xorshift: moments that look random and are the same every time.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Lines of the record so far.
pub(crate) fn rows(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}
