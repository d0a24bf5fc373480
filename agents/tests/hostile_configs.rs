//! No configuration makes anything panic: each key of a working one gets each value that has no business there,
//! and of what is not refused with a sentence the strangest train.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;
#[path = "harness/hostile.rs"]
mod hostile;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use agents::{
    config::{
        Config,
        load::{set, table},
    },
    error::Error,
    normalize::moments::{ReturnScale, ReturnScaleConfig, RunningMoments},
    replay::Replay,
    runtime::session::Parts,
};
use envs::{ActionSpace, EnvSpec, Registry};
use harness::{Run, config, within};
use hostile::{hostile, keys};
use proptest::prelude::*;
use tch::Device;
use toml::{Table, Value};

const COMMON: &str = "
    total_steps = 40
    log_every_updates = 5
    runtime = { torch_threads = 1, update_to_data = 0.5 }
    replay.capacity = 200
    replay.batch_size = 4
    replay.learning_starts = 20
    eval = { every_steps = 20, episodes = 1, max_episode_steps = 5 }
    checkpoint = { every_steps = 30 }
    diagnostics = { every_updates = 4, rank_every_updates = 4, probe_size = 8, refit_steps = 5 }
";

/// Every variant of everything that has variants, once at least.
const AGENTS: [&str; 6] = [
    "env.name = 'CartPole-v1'
     env.drift = [{ kind = 'shift_obs', std = 2.0, period = 13 }, { kind = 'obs_delay', steps = 1 }]
     replay.sampler = { kind = 'prioritized' }
     [agent]
     kind = 'dqn'
     dueling = true
     target = { kind = 'hard', every_updates = 5 }
     [agent.network]
     arch = { kind = 'mlp', hidden = [6], norm = { kind = 'layer_norm' } }
     interventions = [{ kind = 'cbp' }, { kind = 'l2_init', strength = 0.1 }]",
    "env.name = 'CartPole-v1'
     normalize = { obs = true, reward = { kind = 'return_scale' } }
     [agent]
     kind = 'dqn'
     target = { kind = 'polyak', tau = 0.01 }
     value = { kind = 'categorical', bins = 5 }
     [agent.network]
     arch = { kind = 'simba', width = 6, blocks = 1 }
     optim = { kind = 'sgd', momentum = 0.5 }
     interventions = [{ kind = 'redo', every_updates = 3 }, { kind = 'shrink_perturb', shrink = 0.9, perturb = 0.1, every_updates = 2 }]",
    "env = { name = 'Pendulum-v1', kwargs = { g = 9.0, max_episode_steps = 15, action_repeat = 1, frame_stack = 2 } }
     replay.n_step = 3
     replay.sampler = { kind = 'sample_weight_decay' }
     [agent]
     kind = 'sac'
     log_std = { kind = 'tanh', min = -10.0, max = 2.0 }
     alpha_optim = { lr = 0.01, schedule = { kind = 'linear', end_factor = 0.5, updates = 90 } }
     actor.arch = { kind = 'mlp', hidden = [6], norm = { kind = 'rms_norm' }, bias = false }
     actor.interventions = [{ kind = 'nap' }]
     critic.arch = { kind = 'mlp', hidden = [6, 5] }
     critic.optim = { kind = 'adamw', weight_decay = 0.1, schedule = { kind = 'cosine_restarts', start_factor = 1.0, end_factor = 0.1, restart = 'task' } }
     critic.interventions = [{ kind = 'reset_layers', layers = 'heads', every_updates = 3 }]",
    "env.name = 'Pendulum-v1'
     env.drift = [{ kind = 'physics', constant = 'gravity', course = { kind = 'random_walk', step = 0.3, low = 0.5, high = 2.0, period = 5 } }]
     normalize = { obs = true, reward = { kind = 'return_scale' } }
     [agent]
     kind = 'sac'
     value = { kind = 'categorical', bins = 5 }
     actor.arch = { kind = 'simba_v2', width = 6, blocks = 1 }
     critic.arch = { kind = 'simba_v2', width = 6, blocks = 1 }",
    "env.name = 'Pendulum-v1'
     [agent]
     kind = 'sac'
     target_networks = false
     policy_delay = 2
     actor.arch = { kind = 'simba', width = 6, blocks = 1, activation = 'crelu', norm = { kind = 'batch_norm' }, init = 'zero_hadamard' }
     actor.interventions = [{ kind = 'parseval', strength = 0.1 }]
     critic.arch = { kind = 'mlp', hidden = [6, 5], norm = { kind = 'batch_renorm', warmup = 2 }, norm_after_activation = true, norm_input = true, init = 'zero_hadamard_spread', weight = { kind = 'spectral_norm', layers = 'heads' } }
     critic.optim = { kind = 'novograd', lr = 0.01, weight_decay = 0.1, clip_grad_norm = 1.0, groups = [{ roles = ['bias'], lr_factor = 0.5, weight_decay = false }] }",
    "env.name = 'minatar/breakout'
     [agent]
     kind = 'dqn'
     [agent.network]
     arch = { kind = 'conv', torso = 'minatar', body = { kind = 'mlp', hidden = [6] } }",
];

/// What a run of two or three updates would take hours for, or all memory: more of what is allowed is no mistake.
fn is_long(key: &str, value: &Value) -> bool {
    let large =
        value.as_float().or(value.as_integer().map(|n| n as f64)).is_some_and(|x| x > 100.0);
    let heavy = ["runtime.", "total_steps", "replay.batch_size", "eval.episodes"];
    let heavy = heavy.iter().any(|part| key.starts_with(part))
        || key.contains("probe_size")
        || key.contains("refit");
    large && heavy
}

#[test]
fn no_configuration_panics() {
    within(120, || {
        let registry = Registry::builtin();
        let mut cases = Vec::new();
        for agent in AGENTS {
            let mut base = config(&format!("{COMMON}\n{agent}"));
            // Every key with its default, and what only a run fills in.
            base = Parts::new(&base, &registry).unwrap().config().clone();
            Run::new(&base).train().unwrap();
            let base = table(&base.to_toml().unwrap()).unwrap();
            let mut all = Vec::new();
            keys(&Value::Table(base.clone()), "", &mut all);
            assert!(all.len() > 50, "{all:?}");
            cases.extend(all.into_iter().map(|key| (base.clone(), key)));
        }
        let (next, faults, cases) = (AtomicUsize::new(0), Mutex::new(Vec::new()), &cases);
        let counts: Vec<[usize; 3]> = thread::scope(|scope| {
            let work = || {
                let mut counts = [0; 3];
                while let Some((base, key)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut trained = 0;
                    for value in hostile() {
                        match try_out(base, key, &value, &registry, trained < TRAINED) {
                            Ok(kind) => {
                                counts[kind] += 1;
                                trained += usize::from(kind == 2);
                            }
                            Err(fault) => {
                                faults.lock().unwrap().push(format!("{key} = {value}: {fault}"));
                            }
                        }
                    }
                }
                counts
            };
            // More than cores: runs wait for their files.
            let threads = [(); 4].map(|()| scope.spawn(work));
            threads.map(|t| t.join().unwrap()).to_vec()
        });
        let [refused, made, trained] =
            [0, 1, 2].map(|i| counts.iter().map(|c| c[i]).sum::<usize>());
        let faults = faults.into_inner().unwrap();
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(
            refused > 3000 && trained > 300,
            "{refused} refused, {made} made, {trained} trained"
        );
    });
}

/// Values of a key that are trained with: the first that are not refused, which are the strangest.
const TRAINED: usize = 3;

/// Refused with a sentence: 0. Made, but not run: 1. Trained, or ended with an error: 2. What panics is a fault.
fn try_out(
    base: &Table,
    key: &str,
    value: &Value,
    registry: &Registry,
    train: bool,
) -> Result<usize, String> {
    let mut changed = base.clone();
    if set(&mut changed, key, value.clone()).is_err() {
        return Ok(0);
    }
    let text = toml::to_string(&changed).unwrap();
    let mut parsed = None;
    let made = catch_unwind(AssertUnwindSafe(|| {
        let config = Config::parse(&text, &[])?;
        Parts::new(&config, registry).map_err(|e| e.to_string())?;
        parsed = Some(config);
        Ok(())
    }));
    match made.map_err(|_| "it cannot be made")? {
        Err(sentence) if sentence.contains('\n') || sentence.len() < 10 => {
            return Err(format!("it is refused with {sentence:?}"));
        }
        Err::<(), String>(_) => return Ok(0),
        Ok(()) => {}
    }
    if !train || is_long(key, value) {
        return Ok(1);
    }
    let ended = catch_unwind(AssertUnwindSafe(|| Run::new(&parsed.take().unwrap()).train()));
    match ended.map_err(|_| "it cannot be trained")? {
        Err(e @ Error::Panic { .. }) => Err(e.to_string()),
        _ => Ok(2),
    }
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![0..5usize, Just(usize::MAX), Just(usize::MAX / 2), Just(1 << 40)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        -2.0..2.0f64,
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e300)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_replay_panics(envs in size(), capacity in size(), n_step in size(), gamma in number(), dim in 0..3usize, actions in 0..3usize) {
        let spec = EnvSpec::vector(dim, ActionSpace::Discrete(actions));
        if let Err(sentence) = Replay::new(&spec, envs, capacity, n_step, gamma, Device::Cpu) {
            prop_assert!(sentence.len() > 20, "{sentence}");
        } else {
            prop_assert!(dim > 0 && actions > 0 && envs > 0 && n_step > 0 && (0.0..=1.0).contains(&gamma));
        }
    }

    #[test]
    fn no_statistics_panic(dim in 0..4usize, rows in proptest::collection::vec(number(), 0..9), gamma in number(), envs in 0..4usize) {
        let mut moments = RunningMoments::new(dim);
        moments.update(&rows);
        let floats: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        prop_assert_eq!(moments.apply(&floats).len(), floats.len().checked_div(dim).map_or(0, |n| n * dim));
        if rows.len() < dim {
            prop_assert_eq!(moments, RunningMoments::new(dim), "without a row nothing changes");
        }
        let mut scale = ReturnScale::new(ReturnScaleConfig::default(), gamma, envs);
        let ended = vec![false; envs];
        scale.observe(&vec![1.0; envs], &ended);
        let _ = scale.denominator();
    }
}
