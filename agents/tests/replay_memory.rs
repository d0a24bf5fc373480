//! A full replay takes the memory of its raw data: each observation once (of stacked frames, each frame
//! once), the action, the reward and one byte of flags. Alone in its process, because it reads the process' memory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use agents::{experience::Experience, replay::Replay};
use envs::{ActionSpace, Actions, Dtype, EnvSpec, Outcome};
use tch::Device;

/// Resident bytes of this process that are its own, not pages of mapped files (libtorch's code).
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0
}

/// Fills a replay with episodes of 200 steps, past its capacity, and compares what it says and what
/// the process grew by with the raw data.
fn takes_its_raw_data(
    dtype: Dtype,
    frames: usize,
    frame: usize,
    action: ActionSpace,
    capacity: usize,
) {
    let dim = frames * frame;
    let (action_dim, obs_bytes) = (
        if let ActionSpace::Box { low, .. } = &action { low.len() } else { 1 },
        if dtype == Dtype::U8 { 1 } else { 4 },
    );
    let mut spec = EnvSpec::vector(dim, action);
    (spec.obs.dtype, spec.obs.frames) = (dtype, frames);
    let raw = (capacity * (frame * obs_bytes + action_dim * 4 + 4 + 1)) as f64;

    let before = resident();
    let mut replay = Replay::new(&spec, 2, capacity, 3, 0.99, Device::Cpu).unwrap();
    let empty = resident() - before;
    assert!(empty < 0.05 * raw, "{empty} of {raw} bytes are taken before there is data");
    replay.start(0, &vec![1.0; 2 * dim]);
    let mut e = Experience {
        actions: match spec.action {
            ActionSpace::Discrete(_) => Actions::Discrete(vec![1; 2]),
            ActionSpace::Box { .. } => {
                Actions::Continuous { data: vec![0.5; 2 * action_dim], dim: action_dim }
            }
        },
        outcomes: Vec::new(),
        next_obs: vec![2.0; 2 * dim],
        reset_obs: Vec::new(),
    };
    for round in 0..capacity / 2 + 1000 {
        let truncated = round % 200 == 199;
        let outcome = Outcome { reward: 1.0, terminated: false, truncated, task: 0, episode: None };
        e.outcomes = vec![outcome; 2];
        e.reset_obs = if truncated { vec![3.0; 2 * dim] } else { Vec::new() };
        replay.push(0, &e);
    }
    let (says, takes) = (replay.bytes() as f64, resident() - before);
    assert!((says / raw - 1.0).abs() < 0.05, "says {says} for {raw} bytes of data");
    assert!((takes / raw - 1.0).abs() < 0.05, "takes {takes} for {raw} bytes of data");
    // Of the rows, one in 200 is an episode's last observation and starts no transition.
    assert!(replay.len() as f64 > 0.99 * capacity as f64, "{} of {capacity}", replay.len());
}

#[test]
fn a_full_replay_takes_the_memory_of_its_data() {
    takes_its_raw_data(Dtype::F32, 1, 17, ActionSpace::symmetric(6), 500_000);
    takes_its_raw_data(Dtype::U8, 1, 400, ActionSpace::Discrete(6), 120_000);
    takes_its_raw_data(Dtype::U8, 4, 400, ActionSpace::Discrete(6), 120_000);
}
