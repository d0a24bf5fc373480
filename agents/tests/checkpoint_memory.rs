//! Saving and resuming take no memory to speak of beside the run itself. Alone in its process, because
//! it reads the process' memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::{fmt::Write as _, fs};

use agents::storage::state::State;
use agents::{
    experience::Experience,
    logging::{catalog::METRICS, dashboard::Dashboard, metrics::Writer},
    replay::Replay,
    runtime::{learner::Learner, session::Parts},
    storage::checkpoint::{self, Content},
};
use envs::{ActionSpace, Actions, EnvSpec, Outcome};
use harness::Run;
use networks::params::StateDict;
use tch::Device;

/// `VmRSS` (now) or `VmHWM` (the most since [`forget_peak`]) in bytes.
fn memory(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// How far the process grew at most while `body` ran, in bytes.
fn growth(body: impl FnOnce()) -> f64 {
    forget_peak();
    let before = memory("VmRSS");
    body();
    memory("VmHWM") - before
}

fn filled(spec: &EnvSpec, capacity: usize) -> Replay {
    let dim = spec.obs.size();
    let mut replay = Replay::new(spec, 1, capacity, 1, 0.99, Device::Cpu).unwrap();
    replay.start(0, &vec![1.0; dim]);
    for round in 0..capacity {
        replay.push(
            0,
            &Experience {
                actions: Actions::Discrete(vec![1]),
                outcomes: vec![Outcome {
                    reward: 1.0,
                    terminated: false,
                    truncated: false,
                    task: 0,
                    episode: None,
                }],
                next_obs: vec![round as f32; dim],
                reset_obs: Vec::new(),
            },
        );
    }
    replay
}

#[test]
fn checkpoints_and_resumes_take_no_second_copy() {
    let run = Run::new(&harness::resuming::dqn());
    let folder = run.path.clone();
    // 164 MB: the replay is nearly all of the process.
    let (spec, capacity) = (EnvSpec::vector(1000, ActionSpace::Discrete(2)), 41_000);
    let replay = filled(&spec, capacity);
    let bytes = replay.bytes() as f64;
    assert!(bytes > 160e6, "{bytes}");
    let config = run.config.clone();
    let parts = || Parts::new(&config, &run.registry).unwrap();
    let opened = agents::storage::run_dir::RunDir::open(&folder).unwrap();
    let mut watch = |_: &agents::runtime::session::Progress| {};
    let session = parts().session(&opened, None, crossbeam::channel::never(), &mut watch);
    let learner = Learner::new(&config, &session.spec, session.agent, Device::Cpu).unwrap();
    let mut model = StateDict::new();
    learner.agent.save(&mut model);
    let (meta, columns) = replay.save();
    let state = State { replay: Some(meta), ..learner.state() };
    let content =
        Content { state: &state, model: &model, evaluating: Vec::new(), replay: Some(&columns) };
    // The first time, what is allocated once is: buffers of the writers, pages of code.
    checkpoint::write(&folder, "step", &content).unwrap();
    let saving = growth(|| drop(checkpoint::write(&folder, "step", &content).unwrap()));
    assert!(saving < 0.05 * bytes, "saving takes {saving} beside a replay of {bytes}");
    drop(columns);
    drop(replay);

    let resuming = growth(|| {
        let mut replay = Replay::new(&spec, 1, capacity, 1, 0.99, Device::Cpu).unwrap();
        let (found, _) = checkpoint::read_newest(&folder).unwrap();
        replay.load(found.state.replay.as_ref().unwrap(), found.replay.as_ref().unwrap()).unwrap();
        assert_eq!(replay.bytes() as f64, bytes);
    });
    assert!(resuming < 1.05 * bytes, "a resume grows by {resuming} for a replay of {bytes}");

    // A record of 40 MB.
    let mut rows = String::new();
    for step in 0..400_000 {
        writeln!(rows, r#"{{"step":{step},"wall_s":1.0,"metrics":{{"loss/q":0.5,"lr/q":0.25,"q/mean":{step}}}}}"#)
            .unwrap();
    }
    let size = rows.len() as f64;
    fs::write(folder.join("metrics.jsonl"), rows).unwrap();
    let reading = growth(|| {
        drop(Writer::open(&folder, &Dashboard::of(METRICS), 399_000, 0.0, |_| true).unwrap());
    });
    assert!(reading < 0.2 * size, "reading a record of {size} takes {reading}");
}
