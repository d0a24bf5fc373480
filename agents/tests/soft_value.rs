//! What a soft value is, learned: one state, no reward, one action in [-1, 1], a fixed temperature.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use agents::{
    config::Config,
    experience::Experience,
    logging::record::Scalars,
    replay::{Replay, draws::NoReplay},
};
use envs::{ActionSpace, Actions, EnvSpec, Outcome};
use networks::{interventions::Clock, random};
use tch::Device;

/// Every later step pays `alpha H` with `H` at most ln 2, the entropy of the uniform distribution, so the value is at most
/// `gamma / (1 - gamma) alpha ln 2` = 1.248, however many steps a transition has.
#[test]
fn the_soft_value_does_not_depend_on_n() {
    let text = "
        [agent]
        kind = 'sac'
        gamma = 0.9
        alpha = 0.2
        learn_alpha = false
        tau = 0.05
        actor = { arch = { kind = 'mlp', hidden = [16] }, optim = { lr = 0.01 } }
        critic = { arch = { kind = 'mlp', hidden = [16] }, optim = { lr = 0.01 } }";
    let config = Config::parse(text, &[]).unwrap();
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    for n in [1, 3] {
        let mut agent = config.build_agent(&spec, Device::Cpu, &mut random::stream(1, 0)).unwrap();
        let mut replay = Replay::new(&spec, 1, 200, n, 0.9, Device::Cpu)
            .unwrap()
            .with_between(config.agent.counts_between());
        replay.start(0, &[1.0]);
        for step in 1..200u8 {
            let truncated = step.is_multiple_of(20);
            replay.push(0, &experience(f32::from(step) / 100.0 - 1.0, truncated));
        }
        let (mut rng, mut log) = (random::stream(1, 1), Scalars::default());
        let mut late = Vec::new();
        for update in 0..1500 {
            let batch = replay.sample(32, &mut rng);
            agent
                .update(
                    &batch,
                    &mut NoReplay,
                    Clock { update, ..Clock::default() },
                    &mut rng,
                    &mut log,
                )
                .unwrap();
            if update >= 1000 && update % 10 == 0 {
                late.push(agent.value(&[1.0], &mut rng).unwrap().0[0]);
            }
        }
        let value = late.iter().sum::<f64>() / late.len() as f64;
        assert!((1.18..1.26).contains(&value), "n_step {n}: {value}");
    }
}

fn experience(action: f32, truncated: bool) -> Experience {
    let outcome = Outcome { reward: 0.0, terminated: false, truncated, task: 0, episode: None };
    Experience {
        actions: Actions::Continuous { data: vec![action], dim: 1 },
        outcomes: vec![outcome],
        next_obs: vec![1.0],
        reset_obs: if truncated { vec![1.0] } else { Vec::new() },
    }
}
