use super::{update::critic_input, *};
use envs::{ActionSpace, Actions, EnvSpec};

use crate::{
    agent::{ActMode, Agent, Policy},
    algorithms::network::NetworkConfig,
    experience::{Batch, Row, Sequences},
    logging::record::Scalars,
    replay::draws::{NoReplay, Sampler},
};
use networks::{arch::mlp::MlpConfig, interventions::Clock, network::ArchConfig, random};
use tch::{Device, Kind, Tensor};

/// Linear actor of one observation and one action: parameters are the weight and bias of the
/// mean, then of the log standard deviation.
fn linear(config: SacConfig) -> Sac {
    let arch = ArchConfig::from(MlpConfig { hidden: vec![], ..MlpConfig::default() });
    let actor = NetworkConfig { arch, ..NetworkConfig::default() };
    let config = SacConfig { actor, ..config };
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    Sac::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0)).unwrap()
}

fn batch() -> Batch {
    let column = |x: f64| Tensor::full([32, 1], x, (Kind::Float, Device::Cpu));
    Batch {
        obs: column(0.3),
        action: column(0.1),
        reward: column(1.0).squeeze_dim(1),
        discount: column(0.9).squeeze_dim(1),
        next_obs: column(-0.2),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

/// Equation 18: the temperature rises where the policy is surer than the target entropy of -1,
/// and falls where it is not. The entropy of tanh(N(0, s)) is about ln s + 1.42 for small s.
#[test]
fn the_temperature_follows_the_entropy() {
    for (log_std, rises) in [(-5.0, true), (-3.0, true), (-1.5, false), (0.0, false)] {
        let mut sac = linear(SacConfig { alpha: 0.5, ..SacConfig::default() });
        sac.actor.params.load_flat(&[0.0, 0.0, 0.0, log_std]);
        let before = sac.alpha().double_value(&[]);
        assert!((before - 0.5).abs() < 1e-6, "{before}");
        let mut log = Scalars::default();
        sac.update(&batch(), &mut NoReplay, Clock::default(), &mut random::stream(1, 1), &mut log)
            .unwrap();
        let after = sac.alpha().double_value(&[]);
        assert_eq!(after > before, rises, "log std {log_std}: {before} to {after}");
        assert!(after != before);
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Told(Vec<(Row, f32)>);

impl Sampler for Told {
    fn sample(&mut self, _batch: usize) -> Batch {
        unreachable!("SAC needs no second batch")
    }
    fn sequences(&mut self, _batch: usize, _steps: usize) -> Sequences {
        unreachable!("SAC needs no sequences")
    }
    fn report(&mut self, rows: &[Row], errors: &Tensor) {
        let errors = Vec::<f32>::try_from(errors).unwrap();
        self.0.extend(rows.iter().copied().zip(errors));
    }
}

/// Without weight no sample moves a critic; the actor and the temperature know of none. With weights of 1 the
/// critics move as without any. The error is the mean over critics, here from targets that are rewards.
#[test]
fn weights_are_the_critics_and_errors_their_mean() {
    let text =
        "actor.arch = { kind = 'mlp', hidden = [] }\ncritic.optim = { kind = 'sgd', lr = 0.01 }";
    let config: SacConfig = toml::from_str(text).unwrap();
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    let rows: Vec<Row> = (0..32).map(|i| Row { env: 0, number: i, age: 31 - i }).collect();
    let mut moved = Vec::new();
    for weight in [None, Some(1.0), Some(0.0)] {
        let mut sac = Sac::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0)).unwrap();
        let b = batch();
        let q = sac.critic.forward(&critic_input(&b.obs, &b.action));
        let errors: Vec<f64> = q.iter().map(|q| (q - 1.0).abs().double_value(&[0, 0])).collect();
        let b = Batch {
            discount: b.discount.zeros_like(),
            weights: weight.map(|w| Tensor::full([32], w, (Kind::Float, Device::Cpu))),
            rows: rows.clone(),
            ..b
        };
        let (mut told, mut log) = (Told::default(), Scalars::default());
        let before = [&sac.actor, &sac.critic, &sac.temperature].map(|m| m.params.to_flat());
        sac.update(&b, &mut told, Clock::default(), &mut random::stream(1, 1), &mut log).unwrap();
        let after = [&sac.actor, &sac.critic, &sac.temperature].map(|m| m.params.to_flat());
        assert!(before[0] != after[0] && before[2] != after[2]);
        assert_eq!(before[1] == after[1], weight == Some(0.0), "{weight:?}");
        moved.push(after);
        assert_eq!(told.0.len(), if weight.is_some() { 32 } else { 0 });
        let mean = f64::midpoint(errors[0], errors[1]);
        assert!((errors[0] - errors[1]).abs() > 1e-3, "two critics");
        for ((row, error), wanted) in told.0.iter().zip(&rows) {
            assert_eq!(row, wanted);
            assert!((f64::from(*error) - mean).abs() < 1e-6, "{error}, not {mean}");
        }
    }
    assert!(moved[0][0] == moved[2][0] && moved[0][2] == moved[2][2]);
    for (a, b) in moved[0][1].iter().zip(moved[1][1].iter()) {
        assert!((a - b).abs() < 1e-6, "{a} and {b}");
    }
}

#[test]
fn a_fixed_temperature_stays() {
    let mut sac = linear(SacConfig { learn_alpha: false, alpha: 0.2, ..SacConfig::default() });
    let before = sac.temperature.params.to_flat();
    let mut log = Scalars::default();
    sac.update(&batch(), &mut NoReplay, Clock::default(), &mut random::stream(1, 1), &mut log)
        .unwrap();
    assert_eq!(sac.temperature.params.to_flat(), before);
}

/// Exploring draws around the mode with the given spread; the greedy action is tanh of the mean.
#[test]
fn a_loaded_snapshot_acts_as_the_agent() {
    let mut sac = linear(SacConfig::default());
    let mut old = sac.policy();
    sac.actor.params.load_flat(&[2.0, -0.5, 0.0, -1.0]);
    let mut fresh = sac.policy();
    old.load(&sac.snapshot(3));
    let obs: Vec<f32> = (0..1000u16).map(|i| f32::from(i % 5) * 0.2).collect();
    for mode in [ActMode::Eval, ActMode::Train { env_step: 0 }] {
        let act =
            |policy: &mut dyn Policy| policy.act(&obs, obs.len(), mode, &mut random::stream(1, 3));
        let actions = act(old.as_mut());
        assert_eq!(actions, act(fresh.as_mut()));
        let Actions::Continuous { data, dim: 1 } = actions else { panic!("{actions:?}") };
        // atanh(a) - mean is the noise times exp(-1); five standard errors each.
        let noise: Vec<f64> = data
            .iter()
            .zip(&obs)
            .map(|(&a, &x)| f64::from(a).atanh() - f64::from(2.0 * x - 0.5))
            .collect();
        let square = noise.iter().map(|e| e * e).sum::<f64>() / 1000.0;
        let wanted = if mode == ActMode::Eval { 0.0 } else { (-2f64).exp() };
        assert!((square - wanted).abs() < 5.0 * wanted * 0.045 + 1e-9, "{mode:?}: {square}");
    }
}

/// The temperature is one number, whose gradient `NovoGrad` would leave the sign of alone.
#[test]
fn an_optimiser_that_cannot_step_the_temperature_is_refused_by_its_key() {
    let alpha_optim = networks::optim::OptimConfig::new(networks::optim::NovoGrad::default(), 1e-3);
    let config = SacConfig { alpha_optim, ..SacConfig::default() };
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    let refused = Sac::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0));
    let error = refused.err().expect("refused");
    assert!(error.starts_with("agent.alpha_optim.kind = \"novograd\" divides"), "{error}");
}

/// A batch of 32 different transitions.
fn varied() -> Batch {
    let mut rng = random::stream(3, 0);
    let mut column = |scale: f64| random::normal(&[32, 1], &mut rng).to_kind(Kind::Double) * scale;
    let (obs, next_obs, action) = (column(1.0), column(2.0) + 1.0, column(0.3));
    let reward = column(1.0).squeeze_dim(1);
    let discount = Tensor::full([32], 0.9, (Kind::Double, Device::Cpu));
    Batch { obs, action, reward, discount, next_obs, ..batch() }
}

fn hidden(
    norm: networks::layers::norm::NormConfig,
    target_networks: bool,
    policy_delay: u64,
) -> Sac {
    let arch =
        MlpConfig { hidden: vec![6], norm_input: !norm.is_none(), norm, ..MlpConfig::default() };
    let network = || NetworkConfig { arch: arch.clone().into(), ..NetworkConfig::default() };
    let tau = if target_networks { 1.0 } else { SacConfig::default().tau };
    let config = SacConfig {
        tau,
        target_networks,
        policy_delay,
        actor: network(),
        critic: network(),
        ..SacConfig::default()
    };
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    Sac::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0)).unwrap().to_kind(Kind::Double)
}

fn updated(sac: &mut Sac, stream: u64) {
    let (mut log, mut rng) = (Scalars::default(), random::stream(1, stream));
    sac.update(&varied(), &mut NoReplay, Clock::default(), &mut rng, &mut log).unwrap();
}

fn values(p: &networks::params::Params) -> Vec<f64> {
    p.iter().flat_map(|(_, q)| Vec::<f64>::try_from(q.value.flatten(0, -1)).unwrap()).collect()
}

/// Networks that see each sample alone are the same as with targets that are copied at every update.
#[test]
fn without_targets_the_critics_are_their_own() {
    let none = || networks::layers::norm::NoNorm {}.into();
    let (mut copied, mut own) = (hidden(none(), true, 1), hidden(none(), false, 1));
    for stream in 1..5 {
        updated(&mut copied, stream);
        updated(&mut own, stream);
        let pairs = values(&copied.critic.params).into_iter().zip(values(&own.critic.params));
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-12), "update {stream}");
        assert_eq!(own.probe(&varied(), &mut random::stream(1, 9))[1].target.map(|_| ()), None);
    }
    let mut saved = networks::params::StateDict::new();
    own.save(&mut saved);
    assert!(!saved.keys().any(|name| name.starts_with("target")), "nothing to save");
}

/// CrossQ's statistics are those of this and the next state with their actions, together.
#[test]
fn statistics_are_of_both_states() {
    let norm = networks::layers::norm::BatchNorm::default();
    let mut sac = hidden(norm.into(), false, 1);
    updated(&mut sac, 1);
    let mean = |p: &networks::params::Params, name: &str| {
        let q = p.iter().find(|(_, q)| q.name == name).unwrap().1;
        q.value.double_value(&[0])
    };
    let b = varied();
    let of = |x: &Tensor| x.mean(Kind::Double).double_value(&[]);
    let both = f64::midpoint(of(&b.obs), of(&b.next_obs));
    assert!((mean(&sac.critic.params, "q0/norm_input/mean") - 0.01 * both).abs() < 1e-12);
    // The actor learns at this state, and acts at the next with what it had.
    assert!((mean(&sac.actor.params, "pi/norm_input/mean") - 0.01 * of(&b.obs)).abs() < 1e-12);
}

#[test]
fn a_delayed_actor_waits() {
    let mut sac = hidden(networks::layers::norm::NoNorm {}.into(), false, 3);
    let state = |sac: &Sac| (values(&sac.actor.params), sac.alpha().double_value(&[]));
    let before = state(&sac);
    for update in 1..=6 {
        let critic = values(&sac.critic.params);
        let last = state(&sac);
        updated(&mut sac, update);
        assert_ne!(values(&sac.critic.params), critic);
        assert_eq!(state(&sac) != last, update % 3 == 0, "update {update}");
    }
    assert_ne!(state(&sac), before);
}

/// Periods of a delayed actor's interventions are in its own updates.
#[test]
fn interventions_of_a_delayed_actor_count_its_steps() {
    let mut sac = hidden(networks::layers::norm::NoNorm {}.into(), false, 3);
    let reset = networks::interventions::ResetLayers {
        layers: networks::interventions::Layers::Heads,
        every_updates: 3,
        on_task_change: false,
    };
    let mut config = sac.config.clone();
    for network in [&mut config.actor, &mut config.critic] {
        network.interventions = vec![reset.into()];
    }
    let spec = EnvSpec::vector(1, ActionSpace::symmetric(1));
    sac = Sac::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0))
        .unwrap()
        .to_kind(Kind::Double);
    for update in 0..12 {
        let clock = Clock { update, ..Clock::default() };
        let (mut log, mut rng) = (Scalars::default(), random::stream(1, update));
        sac.update(&varied(), &mut NoReplay, clock, &mut rng, &mut log).unwrap();
    }
    let counts: Vec<u64> = sac.intervention_counts().iter().map(|acted| acted.count).collect();
    assert_eq!(counts, [1, 4], "4 updates of the actor, 12 of the critics");
}

#[test]
fn what_does_nothing_without_targets_is_refused() {
    let config = SacConfig { target_networks: false, tau: 0.01, ..SacConfig::default() };
    let error = config.validate().unwrap_err();
    assert!(error.contains("agent.tau") && error.contains("target_networks = false"), "{error}");
    let config = SacConfig { policy_delay: 0, ..SacConfig::default() };
    assert!(config.validate().unwrap_err().contains("agent.policy_delay"));
}
