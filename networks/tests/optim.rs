//! The optimisers against the published formulas, written out here in f64 for one number at a time.
//!
//! Sources: Adam, Kingma & Ba 2015 (arXiv 1412.6980), Algorithm 1; `AdamW`, Loshchilov & Hutter 2019
//! (arXiv 1711.05101), Algorithm 2 with a schedule multiplier of 1; SGD with momentum, Polyak 1964
//! in the form of `torch.optim.SGD`: `m <- momentum * m + g`, `theta <- theta - lr * m`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    init::Init,
    optim::{
        Adam, AdamW, Group, GroupRole, NovoGrad, Optim, OptimConfig, OptimSettings, Schedule, Sgd,
    },
    params::{Params, Role, StateDict},
    random,
    registry::Named,
};
use tch::{Device, Kind, Tensor};

const STEPS: usize = 60;

/// The state of one number under one update rule.
#[derive(Clone, Copy, Default)]
struct Scalar {
    theta: f64,
    m: f64,
    v: f64,
}

impl Scalar {
    /// Step number `t`, counted from 1.
    fn step(&mut self, c: &OptimConfig, lr: f64, g: f64, t: i32) {
        match c.rule.settings::<Sgd>() {
            None => {
                let (mut g, decay) = (g, c.rule.weight_decay());
                if c.rule.kind() == "adam" {
                    g += decay * self.theta;
                } else {
                    self.theta -= lr * decay * self.theta;
                }
                let c = c.rule.as_adam().unwrap();
                self.m = c.beta1 * self.m + (1.0 - c.beta1) * g;
                self.v = c.beta2 * self.v + (1.0 - c.beta2) * g * g;
                let m_hat = self.m / (1.0 - c.beta1.powi(t));
                let v_hat = self.v / (1.0 - c.beta2.powi(t));
                self.theta -= lr * m_hat / (v_hat.sqrt() + c.eps);
            }
            Some(c) => {
                self.m = c.momentum * self.m + g + c.weight_decay * self.theta;
                self.theta -= lr * self.m;
            }
        }
    }
}

/// Two parameters, of 6 and 3 numbers, between 1 and 3 in size so that relative errors mean much.
fn params() -> Params {
    let mut rng = random::stream(1, 0);
    let mut p = Params::default();
    for (name, shape) in [("a", vec![2, 3]), ("b", vec![3])] {
        let value = random::uniform(&shape, 1.0, 3.0, &mut rng);
        p.add_value(name.to_owned(), Role::Hidden, Init::Constant(0.0), &value);
    }
    p
}

fn gradients(step: usize) -> Vec<Tensor> {
    let mut rng = random::stream(2, step as u64);
    // Sizes from 1/100 to 100 over the steps: Adam must not care, SGD must.
    let scale = 10f64.powi(step as i32 % 5 - 2);
    vec![random::normal(&[2, 3], &mut rng) * scale, random::normal(&[3], &mut rng) * scale]
}

fn host(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&t.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn values(p: &Params) -> Vec<f64> {
    p.trainable().flat_map(|p| host(&p.value)).collect()
}

fn configs() -> Vec<OptimConfig> {
    let adam = |weight_decay| OptimConfig::new(Adam { weight_decay, ..Adam::default() }, 1e-3);
    let adamw = |weight_decay| OptimConfig::new(AdamW { weight_decay, ..AdamW::default() }, 1e-3);
    let sgd = |momentum, weight_decay| OptimConfig::new(Sgd { momentum, weight_decay }, 1e-4);
    let other = Adam { beta1: 0.5, beta2: 0.9, eps: 1e-2, weight_decay: 0.0 };
    let other = OptimConfig::new(other, 0.01);
    vec![
        adam(0.0),
        adam(0.1),
        adamw(0.0),
        adamw(0.1),
        other.clone(),
        OptimConfig {
            schedule: Schedule::Linear { end_factor: 0.1, updates: 40 },
            ..other.clone()
        },
        OptimConfig { schedule: Schedule::Cosine { end_factor: 0.0, updates: 30 }, ..other },
        sgd(0.0, 0.0),
        sgd(0.9, 0.0),
        sgd(0.0, 0.1),
        sgd(0.9, 0.1),
    ]
}

#[test]
fn every_rule_is_its_formula() {
    for config in configs() {
        let mut p = params();
        let mut optim = Optim::new(config.clone(), &mut p, Device::Cpu);
        let mut scalars: Vec<Scalar> =
            values(&p).into_iter().map(|theta| Scalar { theta, ..Scalar::default() }).collect();
        for step in 0..STEPS {
            let lr = config.lr * config.schedule.factor(step as u64);
            assert_eq!(optim.lr(), lr);
            let grads = gradients(step);
            optim.step(&mut p, &grads, 0);
            let grads = grads.iter().flat_map(host);
            for (scalar, g) in scalars.iter_mut().zip(grads) {
                scalar.step(&config, lr, g, step as i32 + 1);
            }
            for (i, (got, scalar)) in values(&p).iter().zip(&scalars).enumerate() {
                let error = (got / scalar.theta - 1.0).abs();
                let want = scalar.theta;
                assert!(error < 1e-5, "{config:?}\nstep {step}, number {i}: {got}, not {want}");
            }
        }
        let (start, end) = (values(&params()), values(&p));
        let moved = start.iter().zip(&end).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(moved > 1e-2, "{config:?} moves too little to tell");
    }
}

/// The gradient may have any memory order: here the transpose of a transposed tensor.
#[test]
fn transposed_gradients_are_read_in_order() {
    for config in configs() {
        let (mut p, mut q) = (params(), params());
        let mut straight = Optim::new(config.clone(), &mut p, Device::Cpu);
        let mut turned = Optim::new(config.clone(), &mut q, Device::Cpu);
        for step in 0..3 {
            let grads = gradients(step);
            straight.step(&mut p, &grads, 0);
            let odd = grads[0].tr().contiguous().tr();
            assert!(!odd.is_contiguous());
            turned.step(&mut q, &[odd, grads[1].shallow_clone()], 0);
        }
        assert_eq!(values(&p), values(&q), "{config:?}");
    }
}

/// Hand-computed: a line from 1 to 0.2 over 10 updates, half a cosine from 1 to 0.2 over 12.
#[test]
fn schedules_at_hand_computed_points() {
    let linear = Schedule::Linear { end_factor: 0.2, updates: 10 };
    let cosine = Schedule::Cosine { end_factor: 0.2, updates: 12 };
    for (schedule, points) in [
        (Schedule::Constant {}, vec![(0, 1.0), (1, 1.0), (1 << 40, 1.0)]),
        (linear, vec![(0, 1.0), (1, 0.92), (5, 0.6), (9, 0.28), (10, 0.2), (11, 0.2), (9999, 0.2)]),
        // cos at 60, 90 and 120 degrees: 1/2, 0, -1/2.
        (cosine, vec![(0, 1.0), (4, 0.8), (6, 0.6), (8, 0.4), (12, 0.2), (13, 0.2), (9999, 0.2)]),
        (Schedule::Linear { end_factor: 0.5, updates: 0 }, vec![(0, 1.0), (1, 0.5)]),
    ] {
        for (update, want) in points {
            let got = schedule.factor(update);
            assert!((got - want).abs() < 1e-12, "{schedule:?} at {update}: {got}, not {want}");
        }
    }
}

/// Moments, step count and with it bias correction and schedule survive: the second half of a run
/// is the same, bit for bit.
#[test]
fn a_saved_optimiser_goes_on_bit_for_bit() {
    for config in configs() {
        let (mut p, mut q) = (params(), params());
        let mut optim = Optim::new(config.clone(), &mut p, Device::Cpu);
        (0..7).for_each(|step| optim.step(&mut p, &gradients(step), 0));
        let mut saved = StateDict::new();
        p.save("m", &mut saved);
        optim.save("m", &mut saved);

        let mut again = Optim::new(config.clone(), &mut q, Device::Cpu);
        again.step(&mut q, &gradients(50), 0); // what it had before must not matter
        q.load("m", &saved).unwrap();
        again.load("m", &saved).unwrap();
        for step in 7..STEPS {
            optim.step(&mut p, &gradients(step), 0);
            again.step(&mut q, &gradients(step), 0);
        }
        let (mut a, mut b) = (StateDict::new(), StateDict::new());
        p.save("m", &mut a);
        optim.save("m", &mut a);
        q.save("m", &mut b);
        again.save("m", &mut b);
        assert_eq!(a["m/optim#steps"].int64_value(&[0]), STEPS as i64);
        let sgd = config.rule.settings::<Sgd>();
        let moments = sgd.map_or(2, |sgd| usize::from(sgd.momentum > 0.0));
        assert_eq!(a.len(), 1 + 2 * (1 + moments), "{config:?}: {:?}", a.keys());
        for (name, tensor) in &a {
            assert_eq!(host(tensor), host(&b[name]), "{config:?}: {name}");
        }
    }
}

#[test]
fn saved_state_that_does_not_fit_is_refused_by_name() {
    let mut p = params();
    let mut optim = Optim::new(OptimConfig::default(), &mut p, Device::Cpu);
    let mut saved = StateDict::new();
    p.save("m", &mut saved);
    let error = optim.load("m", &saved).unwrap_err().to_string();
    assert!(error.contains("`m/optim#steps`"), "{error}");
    saved.insert("m/b#1".to_owned(), Tensor::zeros([4], (Kind::Float, Device::Cpu)));
    let error = p.load("m", &saved).unwrap_err().to_string();
    assert!(error.contains("`m/b#1` has shape [4] where the network has [3]"), "{error}");
    saved.remove("m/a");
    let error = p.load("m", &saved).unwrap_err().to_string();
    assert!(error.contains("lacks the tensor `m/a`"), "{error}");
}

/// A group steps as an optimiser of its own with another rate and without weight decay would.
#[test]
fn groups_have_their_own_rate_and_decay() {
    let weight_decay = 0.1;
    let rules: [Named<dyn OptimSettings>; 4] = [
        Adam { weight_decay, ..Adam::default() }.into(),
        AdamW { weight_decay, ..AdamW::default() }.into(),
        Sgd { momentum: 0.9, weight_decay }.into(),
        NovoGrad { weight_decay, ..NovoGrad::default() }.into(),
    ];
    let without: [Named<dyn OptimSettings>; 4] = [
        Adam::default().into(),
        AdamW { weight_decay: 0.0, ..AdamW::default() }.into(),
        Sgd { momentum: 0.9, weight_decay: 0.0 }.into(),
        NovoGrad { weight_decay: 0.0, ..NovoGrad::default() }.into(),
    ];
    let run = |config: OptimConfig, roles: [Role; 2]| {
        let mut p = Params::default();
        for ((_, q), role) in params().iter().zip(roles) {
            p.add_value(q.name.clone(), role, Init::Constant(0.0), &q.value);
        }
        let mut optim = Optim::new(config, &mut p, Device::Cpu);
        for step in 0..9 {
            optim.step(&mut p, &gradients(step), 0);
        }
        p.trainable().map(|q| host(&q.value)).collect::<Vec<_>>()
    };
    for (rule, without) in rules.into_iter().zip(without) {
        let all = run(OptimConfig::new(rule.clone(), 0.02), [Role::Hidden; 2]);
        let slow = run(OptimConfig::new(without, 0.01), [Role::Hidden; 2]);
        let group = Group { roles: vec![GroupRole::Bias], lr_factor: 0.5, weight_decay: false };
        let config = OptimConfig { groups: vec![group], ..OptimConfig::new(rule, 0.02) };
        let grouped = run(config, [Role::ScaleInvariant, Role::Bias]);
        assert_eq!(grouped, [all[0].clone(), slow[1].clone()]);
        assert_ne!(all[1], slow[1]);
    }
}

#[test]
fn groups_that_do_nothing_are_refused() {
    let group = |roles: &[GroupRole], lr_factor, weight_decay| Group {
        roles: roles.to_vec(),
        lr_factor,
        weight_decay,
    };
    let bias = [GroupRole::Bias];
    for (groups, said) in [
        (vec![group(&[], 0.5, true)], "optim.groups[0].roles is empty"),
        (vec![group(&bias, f64::NAN, true)], "optim.groups[0].lr_factor is NaN"),
        (vec![group(&bias, -1.0, true)], "optim.groups[0].lr_factor is -1"),
        (vec![group(&bias, 1.0, true)], "optim.groups[0] changes nothing"),
        (vec![group(&bias, 0.5, false)], "optim.groups[0].weight_decay = false does nothing"),
        (
            vec![group(&bias, 0.5, true), group(&bias, 0.1, true)],
            "optim.groups[1].roles has bias a second time",
        ),
    ] {
        let error = OptimConfig { groups, ..OptimConfig::default() }.validate().unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
    let text = "lr = 0.1\nclip_grad_norm = 2.0\ngroups = [{ roles = ['bias', 'norm_gain'], lr_factor = 0.5 }]";
    let read: OptimConfig = toml::from_str(text).unwrap();
    assert_eq!(read.groups[0].roles, [GroupRole::Bias, GroupRole::NormGain]);
    assert_eq!(read.clip_grad_norm, Some(2.0));
    assert_eq!(toml::from_str::<OptimConfig>(&toml::to_string(&read).unwrap()).unwrap(), read);
    let error = OptimConfig { clip_grad_norm: Some(0.0), ..OptimConfig::default() };
    assert!(error.validate().unwrap_err().starts_with("optim.clip_grad_norm is 0"));
}
