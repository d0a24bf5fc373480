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
