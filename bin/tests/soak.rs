//! Every trouble that a run can meet, at random moments, again and again: some of each kind of run, and
//! two hundred in the slow suite.
//!
//! After each trouble the run has lost nothing that was saved, and the best weights that its
//! checkpoints know of are there. A lockstep run ends as an undisturbed one, bit for bit.

#[path = "../../envs/tests/python/packages.rs"]
#[allow(dead_code, reason = "the tests of the bridge use more of it")]
mod packages;

mod cli;

use std::{fs, path::Path, time::Duration};

use cli::{
    Running, SUPPLE, Scratch, checkpoints,
    remains::{DQN, Moments, Remains, rows},
};
use serde_json::Value;

const SAC: &str = r#"
seed = 4
total_steps = 600
log_every_updates = 5
[env]
name = "Pendulum-v1"
[runtime]
actors = 2
sync_every = 3
torch_threads = 1
update_to_data = 0.5
[replay]
capacity = 400
batch_size = 16
learning_starts = 60
[normalize]
obs = true
[eval]
every_steps = 60
episodes = 1
[checkpoint]
every_steps = 12
[agent]
kind = "sac"
actor.arch = { kind = "mlp", hidden = [16] }
critic.arch = { kind = "mlp", hidden = [16] }
"#;

/// Its state cannot be saved: a resume begins a new episode.
const WORLD: &str = r"
import gymnasium, numpy

class World(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-10, 10, (2,))
    action_space = gymnasium.spaces.Discrete(2)

    def seen(self):
        return numpy.array([self.x, self.t / 10], numpy.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.x = 0, self.np_random.normal()
        return self.seen(), {}

    def step(self, action):
        self.t += 1
        self.x += 0.1 * (2 * action - 1)
        return self.seen(), -abs(self.x), False, self.t == 20, {}
";

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Kill,
    Term,
    /// With so many milliseconds between: one request, or an end at once.
    TermTwice(u64),
    /// Files may grow by so many blocks of 512 bytes.
    FullDisk(u64),
    /// Killed, and the newest checkpoint is lost.
    NewestLost,
    /// The folder gets another name meanwhile, then the run is killed.
    Renamed,
}

impl Trouble {
    fn any(moments: &mut Moments) -> Trouble {
        match moments.below(6) {
            0 => Trouble::Kill,
            1 => Trouble::Term,
            2 => Trouble::TermTwice(moments.below(1300)),
            3 => Trouble::FullDisk(moments.below(40)),
            4 => Trouble::NewestLost,
            _ => Trouble::Renamed,
        }
    }
}

/// The step of the newest checkpoint; 0 before there is one.
fn newest(run: &Path) -> u64 {
    let last = checkpoints(run, "step").pop();
    last.map_or(0, |name| name["step-".len()..].parse().expect("a step"))
}

/// What must hold after a run was stopped in whatever way: its newest checkpoint is whole, and for each
/// checkpoint the best weights that it names are there and whole.
fn assert_whole(run: &Path, what: &str) {
    let (found, warnings) = agents::storage::checkpoint::read_newest(run).expect(what);
    assert!(warnings.is_empty(), "{what}: {warnings:?}");
    assert_eq!(found.state.env_steps, newest(run), "{what}");
    for name in checkpoints(run, "step") {
        let checkpoint =
            agents::storage::checkpoint::read(&run.join("checkpoints").join(&name)).expect(what);
        if let Some((step, value)) = checkpoint.state.best {
            let best = run.join("checkpoints").join(format!("best-{step:012}"));
            let best = agents::storage::checkpoint::read(&best)
                .unwrap_or_else(|e| panic!("{what}: the best of {name}: {e}"));
            assert_eq!(best.state.best, Some((step, value)), "{what}: {name}");
        }
    }
}

/// A run that meets trouble.
struct Troubled<'a> {
    scratch: &'a Scratch,
    args: &'a [&'a str],
    dir: String,
    moments: Moments,
    troubles: usize,
}

impl Troubled<'_> {
    /// Trains or resumes; no file can grow beyond `blocks`.
    fn start(&self, blocks: Option<u64>) -> Running {
        let run = self.scratch.path(&self.dir);
        // A run that was stopped before its first checkpoint starts over.
        let command = if checkpoints(&run, "step").is_empty() {
            let _ = fs::remove_dir_all(&run);
            ["train", "run.toml", "--run-dir", &self.dir].iter().chain(self.args).copied().collect()
        } else {
            vec!["resume", &self.dir]
        };
        let Some(blocks) = blocks else { return self.scratch.start(&command) };
        let line = format!(
            "trap '' XFSZ; ulimit -f {blocks} || exit 99; exec {SUPPLE} {}",
            command.join(" ")
        );
        self.scratch.start_program("sh", &["-c", &line])
    }

    /// One trouble. Says whether the run came to its end instead.
    fn meet(&mut self, trouble: Trouble) -> bool {
        let run = self.scratch.path(&self.dir);
        let before = newest(&run);
        let (target, delay) =
            (rows(&run) + self.moments.below(30) as usize, self.moments.below(20));
        let blocks = match trouble {
            Trouble::FullDisk(more) => {
                let size = fs::metadata(run.join("metrics.jsonl")).map_or(0, |m| m.len());
                Some(size / 512 + more)
            }
            _ => None,
        };
        let mut process = self.start(blocks);
        if blocks.is_none() {
            while process.alive() && (rows(&run) < target || newest(&run) == 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
            std::thread::sleep(Duration::from_millis(delay));
        }
        let mut saved = newest(&run).max(before);
        match trouble {
            Trouble::Kill | Trouble::NewestLost => _ = process.signal_if_there("KILL"),
            Trouble::Term => _ = process.signal_if_there("TERM"),
            Trouble::TermTwice(gap) => {
                process.signal_if_there("TERM");
                std::thread::sleep(Duration::from_millis(gap));
                process.signal_if_there("TERM");
            }
            Trouble::FullDisk(_) => {}
            Trouble::Renamed => {
                self.dir.push('r');
                fs::rename(&run, self.scratch.path(&self.dir)).expect("a new name");
                std::thread::sleep(Duration::from_millis(5 * delay));
                process.signal_if_there("KILL");
            }
        }
        let ended = process.wait();
        let run = self.scratch.path(&self.dir);
        let what = format!("{} after {trouble:?}\n{}", self.dir, ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{what}");
        let expected: &[Option<i32>] = match trouble {
            Trouble::Kill | Trouble::NewestLost | Trouble::Renamed => &[None],
            // A signal may come before the program has begun to listen for it, or to say anything.
            Trouble::Term | Trouble::TermTwice(_) if ended.stderr.is_empty() => &[None],
            Trouble::Term | Trouble::TermTwice(_) => &[Some(130)],
            Trouble::FullDisk(_) => &[Some(1)],
        };
        // Killed after its last checkpoint, before it had said so.
        let complete = ended.code == Some(1) && ended.stderr.contains("is complete at");
        let over = ended.code == Some(0) || complete;
        assert!(over || expected.contains(&ended.code), "{:?} {what}", ended.code);
        self.troubles += usize::from(!over);
        if matches!(trouble, Trouble::NewestLost) && !over {
            let steps = checkpoints(&run, "step");
            if let [.., older, newest] = &steps[..] {
                fs::remove_dir_all(run.join("checkpoints").join(newest)).expect("a checkpoint");
                saved = older["step-".len()..].parse().expect("a step");
            }
        }
        assert!(newest(&run) >= saved, "{} of {saved} is left: {what}", newest(&run));
        if newest(&run) > 0 {
            assert_whole(&run, &what);
        }
        over
    }
}

/// Runs that meet trouble until there was so much of it.
fn soak(config: &str, set: &[&str], wanted: usize, mut at_the_end: impl FnMut(&Scratch, &Path)) {
    let scratch = Scratch::new();
    scratch.write("run.toml", config);
    scratch.write("world.py", WORLD);
    let args: Vec<&str> = set.iter().flat_map(|item| ["--set", item]).collect();
    let (dir, moments) = ("run-0".to_owned(), Moments(0x50a4));
    let mut troubled = Troubled { scratch: &scratch, args: &args, dir, moments, troubles: 0 };
    for number in 1.. {
        let mut over = false;
        while !over && troubled.troubles < wanted {
            let trouble = Trouble::any(&mut troubled.moments);
            over = troubled.meet(trouble);
        }
        if !over {
            let ended = troubled.start(None).wait();
            let complete = ended.stderr.contains("is complete at");
            assert!(ended.code == Some(0) || complete, "{}", ended.stderr);
        }
        let run = scratch.path(&troubled.dir);
        assert_whole(&run, "at the end");
        at_the_end(&scratch, &run);
        if troubled.troubles >= wanted {
            return;
        }
        troubled.dir = format!("run-{number}");
    }
}

/// Ends as an undisturbed run.
fn soak_in_lockstep(config: &str, troubles: usize) {
    let mut whole = None;
    soak(config, &[], troubles, |scratch, run| {
        let whole = whole.get_or_insert_with(|| {
            scratch.succeed(&["train", "run.toml", "--run-dir", "whole"]);
            Remains::of(&scratch.path("whole"))
        });
        Remains::of(run).assert_same(whole, &run.display().to_string());
    });
}

/// Ends after so many steps, with each evaluation once and steps that only grow.
fn soak_to_the_end(config: &str, set: &[&str], troubles: usize, steps: u64, evaluations: usize) {
    soak(config, set, troubles, |_, run| {
        assert_eq!(newest(run), steps);
        let text = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
        let rows: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a whole row")).collect();
        let step = |row: &Value| row["step"].as_u64().expect("a step");
        let (evaluated, trained): (Vec<&Value>, Vec<&Value>) =
            rows.iter().partition(|row| row["metrics"].get("eval/return_mean").is_some());
        assert!(trained.is_sorted_by_key(|row| step(row)), "a step was lived twice");
        assert_eq!(evaluated.len(), evaluations, "{}", run.display());
        assert!(evaluated.is_sorted_by(|a, b| step(a) < step(b)), "{evaluated:?}");
    });
}

fn dqn_in_lockstep(troubles: usize) {
    soak_in_lockstep(DQN, troubles);
}

fn sac_in_lockstep(troubles: usize) {
    soak_in_lockstep(SAC, troubles);
}

fn asynchronous_dqn(troubles: usize) {
    soak_to_the_end(DQN, &["runtime.mode=async"], troubles, 1_200, 12);
}

fn asynchronous_sac(troubles: usize) {
    soak_to_the_end(SAC, &["runtime.mode=async"], troubles, 600, 10);
}

fn a_python_environment(troubles: usize) {
    let packages = packages::packages();
    let path = format!("env.kwargs.path={}", packages.folder.display());
    let python = format!("env.kwargs.python={}", packages.bare.display());
    let set = ["env.name=python:world:World", &path, &python, "runtime.actors=1"];
    soak_to_the_end(DQN, &set, troubles, 1_200, 12);
}

#[test]
fn dqn_in_lockstep_survives_anything() {
    dqn_in_lockstep(7);
}

#[test]
fn sac_in_lockstep_survives_anything() {
    sac_in_lockstep(7);
}

#[test]
fn asynchronous_dqn_survives_anything() {
    asynchronous_dqn(7);
}

#[test]
fn asynchronous_sac_survives_anything() {
    asynchronous_sac(7);
}

#[test]
fn a_python_environment_survives_anything() {
    a_python_environment(7);
}

#[test]
#[ignore = "takes minutes; `cargo xtask test --slow` runs it"]
fn slow_two_hundred_troubles() {
    let kinds = [
        dqn_in_lockstep,
        sac_in_lockstep,
        asynchronous_dqn,
        asynchronous_sac,
        a_python_environment,
    ];
    for kind in kinds {
        kind(200 / kinds.len());
    }
}
