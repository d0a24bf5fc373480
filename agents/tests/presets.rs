//! The shipped settings of SimbaV2 and SimBa hold the published numbers: Table 3 of arXiv 2502.15280
//! with the official code's last learning rate, and the official code's of arXiv 2410.09754. Those of CrossQ hold the
//! numbers of its authors' code (`train.py -algo crossq`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;

use agents::{
    algorithms::sac::SacConfig,
    config::Config,
    normalize::{
        RewardNormConfig,
        moments::{Order, ReturnScaleConfig},
    },
    value::ValueConfig,
};
use envs::{ActionSpace, EnvSpec};
use networks::{
    arch::{mlp::MlpConfig, simba::SimbaConfig, simba_v2::SimbaV2Config},
    categorical::Support,
    layers::norm::BatchRenorm,
    network::ArchConfig,
    optim::{Adam, AdamW, OptimConfig, Schedule},
    squashed_gaussian::LogStd,
};

/// A preset as it runs in episodes of `steps` agent steps.
fn preset(name: &str, steps: u32) -> (Config, SacConfig) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../configs/{name}.toml"));
    let mut config = Config::load(&path, &[]).unwrap();
    let spec = EnvSpec::vector(17, ActionSpace::symmetric(6)).with_time_limit(steps);
    config.resolve(&spec).unwrap();
    let sac = config.agent.settings::<SacConfig>().expect("SAC").clone();
    (config, sac)
}

/// Adam from 1e-4 to 5e-5 along a line over `updates`.
fn falling(updates: u64) -> OptimConfig {
    let schedule = Schedule::Linear { end_factor: 0.5, updates };
    OptimConfig { lr: 1e-4, schedule, ..OptimConfig::default() }
}

fn assert_common(name: &str, c: &Config, sac: &SacConfig) {
    let replay =
        (c.replay.capacity, c.replay.batch_size, c.replay.learning_starts, c.replay.n_step);
    assert_eq!(replay, (1_000_000, 256, 5_000, 1), "{name}");
    assert_eq!((c.eval.every_steps, c.eval.episodes), (50_000, 10), "{name}");
    assert!(c.normalize.obs, "{name}");
    assert_eq!((sac.tau, sac.alpha, sac.target_entropy_per_dim), (0.005, 0.01, -0.5), "{name}");
    assert!(sac.learn_alpha, "{name}");
    assert_eq!(sac.log_std, LogStd::Tanh { min: -10.0, max: 2.0 }, "{name}");
    assert!(sac.actor.interventions.is_empty() && sac.critic.interventions.is_empty(), "{name}");
}

#[test]
fn simba_v2_has_the_published_numbers() {
    for (suite, steps, total, per_step, critics, gamma) in
        [("mujoco", 1000, 1_000_000, 1.0, 2, 0.995), ("dmc", 500, 500_000, 2.0, 1, 0.99)]
    {
        for (suffix, width) in [("", 512), ("_128", 128), ("_256", 256)] {
            let name = format!("simba_v2/{suite}{suffix}");
            let (c, sac) = preset(&name, steps);
            assert_common(&name, &c, &sac);
            assert_eq!((c.total_steps, c.runtime.update_to_data), (total, per_step), "{name}");
            assert_eq!((sac.critics, sac.gamma), (critics, gamma), "{name}");
            let order = Order::AfterUpdate; // as the official code
            let reward = RewardNormConfig::ReturnScale(ReturnScaleConfig {
                order,
                ..ReturnScaleConfig::default()
            });
            assert_eq!(c.normalize.reward, reward, "{name}");
            let support = Support { bins: 101, min: -5.0, max: 5.0 };
            assert_eq!(sac.value, ValueConfig::Categorical(support), "{name}");
            let updates = 1_000_000;
            for optim in [&sac.actor.optim, &sac.critic.optim, &sac.alpha_optim] {
                assert_eq!(*optim, falling(updates), "{name}");
            }
            let arch = |width, blocks| {
                ArchConfig::from(SimbaV2Config { width, blocks, ..SimbaV2Config::default() })
            };
            assert_eq!((sac.actor.arch, sac.critic.arch), (arch(128, 1), arch(width, 2)), "{name}");
            let repeat = c.env.kwargs.get("action_repeat").and_then(toml::Value::as_integer);
            assert_eq!(repeat, (suite == "dmc").then_some(2), "{name}");
        }
    }
}

#[test]
fn simba_has_the_published_numbers() {
    let (c, sac) = preset("simba/mujoco", 1000);
    assert_common("simba/mujoco", &c, &sac);
    assert_eq!((c.total_steps, sac.critics, sac.gamma), (1_000_000, 2, 0.995));
    assert_eq!(c.normalize.reward, RewardNormConfig::None {});
    assert_eq!(sac.value, ValueConfig::Scalar {});
    let decaying = OptimConfig::new(AdamW { weight_decay: 1e-2, ..AdamW::default() }, 1e-4);
    assert_eq!((&sac.actor.optim, &sac.critic.optim), (&decaying, &decaying));
    assert_eq!(sac.alpha_optim, OptimConfig { lr: 1e-4, ..OptimConfig::default() });
    let arch =
        |width, blocks| ArchConfig::from(SimbaConfig { width, blocks, ..SimbaConfig::default() });
    assert_eq!((sac.actor.arch, sac.critic.arch), (arch(128, 1), arch(512, 2)));
}

#[test]
fn crossq_has_the_numbers_of_its_code() {
    for (name, width) in
        [("crossq/mujoco", 2048), ("crossq/mujoco_256", 256), ("crossq/pendulum", 256)]
    {
        let (c, sac) = preset(name, 1000);
        assert_eq!((c.replay.capacity, c.replay.batch_size), (1_000_000, 256), "{name}");
        assert_eq!(c.runtime.update_to_data, 1.0, "{name}");
        assert_eq!((sac.target_networks, sac.policy_delay, sac.critics), (false, 3, 2), "{name}");
        assert_eq!((sac.gamma, sac.alpha, sac.target_entropy_per_dim), (0.99, 1.0, -1.0), "{name}");
        assert_eq!(sac.log_std, LogStd::Clamp { min: -20.0, max: 2.0 }, "{name}");
        let optim = OptimConfig::new(Adam { beta1: 0.5, ..Adam::default() }, 1e-3);
        let arch = |width| MlpConfig {
            hidden: vec![width; 2],
            norm: BatchRenorm { momentum: 0.99, eps: 1e-3, ..BatchRenorm::default() }.into(),
            norm_after_activation: true,
            norm_input: true,
            ..MlpConfig::default()
        };
        for (network, width) in [(&sac.actor, 256), (&sac.critic, width)] {
            assert_eq!(network.arch, arch(width).into(), "{name}");
            assert_eq!(network.optim, optim, "{name}");
        }
        assert_eq!(sac.alpha_optim, OptimConfig::new(Adam::default(), 1e-3), "{name}");
    }
}
