use super::{heads::per_action, *};
use envs::{ActionSpace, Actions, EnvSpec};

use crate::{
    agent::{ActMode, Agent, Policy},
    algorithms::network::NetworkConfig,
    experience::{Batch, Row, Sequences},
    logging::record::Scalars,
    replay::draws::{NoReplay, Sampler},
    value::gather_actions,
};
use networks::{
    arch::mlp::MlpConfig,
    interventions::Clock,
    network::ArchConfig,
    random::{self, Rng},
};
use tch::{Device, Kind, Tensor};

/// Linear Q of one observation and two actions: parameters are `w0 w1 b0 b1`.
fn linear(config: DqnConfig) -> Dqn {
    let arch = ArchConfig::from(MlpConfig { hidden: vec![], ..MlpConfig::default() });
    let network = NetworkConfig { arch, ..NetworkConfig::default() };
    let config = DqnConfig { network, ..config };
    let spec = EnvSpec::vector(1, ActionSpace::Discrete(2));
    Dqn::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0)).unwrap()
}

fn batch() -> Batch {
    let column = |x: f32| Tensor::from_slice(&[x]).view([1, 1]);
    Batch {
        obs: column(0.0),
        action: Tensor::from_slice(&[0i64]).view([1, 1]),
        reward: Tensor::from_slice(&[1f32]),
        discount: Tensor::from_slice(&[0.5f32]),
        next_obs: column(1.0),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

/// At the next observation the online network says [1, 2] and the target [10, 5]. Double DQN
/// values the online choice: 1 + 0.5 * 5. DQN takes the target's best: 1 + 0.5 * 10.
#[test]
fn double_learning_by_hand() {
    for (double, wanted) in [(true, 3.5), (false, 6.0)] {
        let mut dqn = linear(DqnConfig { double, ..DqnConfig::default() });
        dqn.online.params.load_flat(&[1.0, 2.0, 0.0, 0.0]);
        dqn.target.params.load_flat(&[4.0, 2.0, 6.0, 3.0]);
        let clock = Clock { log: true, ..Clock::default() };
        let mut log = Scalars::default();
        dqn.update(&batch(), &mut NoReplay, clock, &mut random::stream(1, 1), &mut log).unwrap();
        let numbers = log.take();
        let (_, y) = numbers.iter().find(|(tag, _)| tag == "q/target").unwrap();
        assert!((y - wanted).abs() < 1e-6, "double {double}: {y}, not {wanted}");
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Told(Vec<(Row, f32)>);

impl Sampler for Told {
    fn sample(&mut self, _batch: usize) -> Batch {
        unreachable!("DQN needs no second batch")
    }
    fn sequences(&mut self, _batch: usize, _steps: usize) -> Sequences {
        unreachable!("DQN needs no sequences")
    }
    fn report(&mut self, rows: &[Row], errors: &Tensor) {
        let errors = Vec::<f32>::try_from(errors).unwrap();
        self.0.extend(rows.iter().copied().zip(errors));
    }
}

/// At observation 1 the network says [1, 2]; the targets are 3 for the first action and 2.5 for the second. The
/// errors are 2, which Huber's loss counts as 1.5 with a slope of 1, and 0.5, with 0.125 and a slope of 0.5.
#[test]
fn weights_multiply_losses_and_errors_are_reported_by_hand() {
    let text =
        "network = { arch = { kind = 'mlp', hidden = [] }, optim = { kind = 'sgd', lr = 0.1 } }";
    let config: DqnConfig = toml::from_str(text).unwrap();
    let spec = EnvSpec::vector(1, ActionSpace::Discrete(2));
    let rows = [(0, 7), (1, 5)].map(|(env, number)| Row { env, number, age: 3 });
    for (weights, loss, moved) in [
        (None, f64::midpoint(1.5, 0.125), [1.0 / 2.0, 0.5 / 2.0]),
        (Some([0.25f32, 1.0]), f64::midpoint(0.25 * 1.5, 0.125), [0.25 / 2.0, 0.5 / 2.0]),
    ] {
        let mut dqn = Dqn::new(&config, &spec, Device::Cpu, &mut random::stream(1, 0)).unwrap();
        dqn.online.params.load_flat(&[1.0, 2.0, 0.0, 0.0]);
        let pair = |x: [f32; 2]| Tensor::from_slice(&x);
        let b = Batch {
            obs: pair([1.0, 1.0]).view([2, 1]),
            action: Tensor::from_slice(&[0i64, 1]).view([2, 1]),
            reward: pair([3.0, 2.5]),
            discount: pair([0.0, 0.0]),
            next_obs: pair([0.0, 0.0]).view([2, 1]),
            between: None,
            weights: weights.map(pair),
            rows: rows.to_vec(),
        };
        let (mut told, mut log) = (Told::default(), Scalars::default());
        let clock = Clock { log: true, ..Clock::default() };
        dqn.update(&b, &mut told, clock, &mut random::stream(1, 1), &mut log).unwrap();
        let wanted = if weights.is_some() { vec![(rows[0], 2.0), (rows[1], 0.5)] } else { vec![] };
        assert_eq!(told.0, wanted);
        let numbers = log.take();
        let found = numbers.iter().find(|(tag, _)| tag == "loss/q").unwrap().1;
        assert!((found - loss).abs() < 1e-6, "{weights:?}: {found}, not {loss}");
        let [first, second] = moved.map(|slope| 0.1 * slope);
        let after = dqn.online.params.to_flat();
        for (got, want) in after.iter().zip([1.0 + first, 2.0 + second, first, second]) {
            assert!((got - want).abs() < 1e-6, "{weights:?}: {after:?}, {want}");
        }
    }
}

/// Equation 9 by hand: value 10, advantages [1, 2, 6] of mean 3. And its identity: the mean over
/// actions is the value, whatever is added to all advantages.
#[test]
fn dueling_subtracts_the_mean_advantage() {
    let advantage = Tensor::from_slice(&[1f32, 2.0, 6.0, -4.0, 0.0, 1.0]).view([2, 3]);
    let value = Tensor::from_slice(&[10f32, -2.0]).view([2, 1]);
    let host = |t: &Tensor| Vec::<f32>::try_from(&t.flatten(0, -1)).unwrap();
    let q = per_action(&[advantage.shallow_clone(), value.shallow_clone()], 1);
    assert_eq!((q.size(), host(&q)), (vec![2, 3, 1], vec![8.0, 9.0, 13.0, -5.0, -1.0, 0.0]));
    let mean = q.mean_dim(Some([1i64].as_slice()), true, None::<Kind>);
    assert_eq!(host(&mean), host(&value));
    assert_eq!(host(&per_action(&[&advantage + 7.0, value], 1)), host(&q));
    assert_eq!(host(&per_action(&[advantage.shallow_clone()], 1)), host(&advantage));
    // Two outputs an action: every one of them is its own dueling sum.
    let advantage = Tensor::from_slice(&[1f32, 10.0, 3.0, 20.0]).view([1, 4]);
    let value = Tensor::from_slice(&[0.5f32, -1.0]).view([1, 2]);
    let q = per_action(&[advantage, value], 2);
    assert_eq!((q.size(), host(&q)), (vec![1, 2, 2], vec![-0.5, -6.0, 1.5, 4.0]));
    assert_eq!(host(&gather_actions(&q, &Tensor::from_slice(&[1i64]).view([1, 1]))), [1.5, 4.0]);
}

#[test]
fn epsilon_is_a_line_and_then_constant() {
    let line = EpsilonConfig { start: 1.0, end: 0.2, steps: 100 };
    for (step, wanted) in [(0, 1.0), (25, 0.8), (50, 0.6), (100, 0.2), (1 << 40, 0.2)] {
        let got = line.at(step);
        assert!((got - wanted).abs() < 1e-12, "{step}: {got}, not {wanted}");
    }
    let at_once = EpsilonConfig { steps: 0, ..line };
    assert!(at_once.at(0) == 1.0 && (at_once.at(1) - 0.2).abs() < 1e-12);
}

/// Of 4000 actions at epsilon 0.5 a quarter is the worse one (4 standard errors: 110); without
/// exploration none is, and no random number is drawn.
#[test]
fn exploration_is_epsilon_greedy() {
    let epsilon = EpsilonConfig { start: 1.0, end: 0.0, steps: 100 };
    let mut dqn = linear(DqnConfig { epsilon, ..DqnConfig::default() });
    dqn.online.params.load_flat(&[1.0, 2.0, 0.0, 0.0]);
    let mut policy = dqn.policy();
    let mut rng = random::stream(1, 2);
    let mut worse = |mode, rng: &mut Rng| match policy.act(&[1.0; 4000], 4000, mode, rng) {
        Actions::Discrete(choices) => choices.iter().filter(|&&c| c == 0).count(),
        Actions::Continuous { .. } => unreachable!("DQN is discrete"),
    };
    let count = worse(ActMode::Train { env_step: 50 }, &mut rng);
    assert!(count.abs_diff(1000) < 110, "{count}");
    assert_eq!(worse(ActMode::Train { env_step: 100 }, &mut rng), 0);
    let before = rng.clone();
    assert_eq!(worse(ActMode::Eval, &mut rng), 0);
    assert_eq!(rng, before);
}

#[test]
fn a_loaded_snapshot_acts_as_the_agent() {
    let mut dqn = linear(DqnConfig::default());
    let mut old = dqn.policy();
    dqn.online.params.load_flat(&[3.0, -1.0, -2.0, 0.5]);
    let mut fresh = dqn.policy();
    let snapshot = dqn.snapshot(7);
    assert_eq!((snapshot.version, snapshot.policy.len()), (7, 4));
    let obs: Vec<f32> = (0..40u8).map(|i| f32::from(i) * 0.1 - 2.0).collect();
    let act =
        |policy: &mut dyn Policy| policy.act(&obs, 40, ActMode::Eval, &mut random::stream(1, 3));
    assert_ne!(act(old.as_mut()), act(fresh.as_mut()));
    old.load(&snapshot);
    assert_eq!(act(old.as_mut()), act(fresh.as_mut()));
}
