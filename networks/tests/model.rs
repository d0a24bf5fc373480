//! Models: parameters, architecture, the gradient step and what it must not touch.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::forward::Forward;
use networks::{
    arch::mlp::MlpConfig,
    init::Init,
    init::Orthogonal,
    interventions::{Clock, InterventionConfig, L2Init, ShrinkPerturb},
    layers::{
        activation::Tanh,
        norm::{LayerNorm, NoNorm, NormConfig, NormSettings},
    },
    model::Model,
    network::ArchConfig,
    optim::{OptimConfig, Sgd},
    params::{Params, Role, StateDict},
    random,
    trace::Trace,
};
use tch::{Device, Kind, Tensor, no_grad_guard};

fn host(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&t.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn largest(t: &Tensor) -> f64 {
    t.abs().max().double_value(&[])
}

fn mlp(
    hidden: &[i64],
    layer_norm: bool,
    p: &mut Params,
    seed: u64,
) -> std::sync::Arc<dyn networks::network::Network> {
    let config = MlpConfig {
        hidden: hidden.to_vec(),
        activation: Tanh {}.into(),
        norm: if layer_norm {
            NormConfig::from(LayerNorm { affine: true })
        } else {
            NormConfig::from(NoNorm {})
        },
        bias: true,
        init: Orthogonal {}.into(),
        ..MlpConfig::default()
    };
    let mut rng = random::stream(seed, 0);
    ArchConfig::from(config).build(p, "f", &[3], &[("mean", 2), ("value", 1)], &mut rng).unwrap()
}

fn model(
    name: &str,
    seed: u64,
    optim: &OptimConfig,
    interventions: &[InterventionConfig],
) -> Model {
    let mut p = Params::default();
    let net = mlp(&[8, 8], true, &mut p, seed);
    Model::new(name, net, p, optim, interventions, Device::Cpu).unwrap()
}

fn loss_of(model: &Model, x: &Tensor) -> (Tensor, Trace) {
    let mut trace = Trace::on();
    let y = model.forward_train(x, &mut trace);
    (y[0].square().mean(Kind::Float) + y[1].square().mean(Kind::Float), trace)
}

fn input() -> Tensor {
    random::normal(&[16, 3], &mut random::stream(4, 0))
}

/// Weights and biases of every layer, two heads on the last width, gain and offset of every norm.
#[test]
fn mlp_parameter_counts_are_the_formula() {
    for hidden in [vec![], vec![5], vec![7, 4], vec![16, 16, 16]] {
        for layer_norm in [false, true] {
            let mut p = Params::default();
            let _ = mlp(&hidden, layer_norm, &mut p, 1);
            let (mut width, mut count, mut tensors) = (3, 0, 4);
            for &units in &hidden {
                count += width * units + units + if layer_norm { 2 * units } else { 0 };
                tensors += if layer_norm { 4 } else { 2 };
                width = units;
            }
            count += (width + 1) * 2 + (width + 1);
            assert_eq!(p.count() as i64, count, "{hidden:?} layer_norm {layer_norm}");
            assert_eq!(p.iter().count(), tensors, "{hidden:?} layer_norm {layer_norm}");
        }
    }
}

/// One hidden layer by hand: y = V tanh(W x + b) + c.
#[test]
fn mlp_is_its_formula() {
    let mut p = Params::default();
    let net = mlp(&[4], false, &mut p, 2);
    let x = input();
    let _guard = no_grad_guard();
    let get = |name: &str| {
        let found = p.iter().find(|(_, q)| q.name == name);
        found.unwrap_or_else(|| panic!("no {name}")).1.value.shallow_clone()
    };
    let hidden = (x.matmul(&get("f/hidden_0/weight").tr()) + get("f/hidden_0/bias")).tanh();
    let mut trace = Trace::on();
    let y = net.forward(&mut Forward::eval(&p, &mut trace), &x);
    for (y, head, width) in [(&y[0], "mean", 2), (&y[1], "value", 1)] {
        let want =
            hidden.matmul(&get(&format!("f/{head}/weight")).tr()) + get(&format!("f/{head}/bias"));
        assert_eq!(y.size(), [16, width]);
        let error = largest(&(y - want));
        assert!(error < 1e-6, "{head}: {error}");
    }
    assert_eq!(trace.entries().len(), 1);
    assert_eq!(trace.entries()[0].layer, "f/hidden_0");
    assert!(largest(&(&trace.entries()[0].values - hidden)) < 1e-6);
}

/// With its initial gain of 1 and offset of 0; then with others.
#[test]
fn layer_norm_has_zero_mean_and_unit_variance() {
    let mut p = Params::default();
    let mut rng = random::stream(5, 0);
    let norm = LayerNorm { affine: true }.build(&mut p, "n", 64, 1e-5, &mut rng).unwrap();
    let forward =
        |p: &Params, x: &Tensor| norm.forward(&mut Forward::eval(p, &mut Trace::off()), x);
    let _guard = no_grad_guard();
    for (scale, shift) in [(1.0, 0.0), (30.0, -400.0), (0.3, 5.0)] {
        let x = random::normal(&[10, 64], &mut rng) * scale + shift;
        let y = forward(&p, &x);
        let mean = largest(&y.mean_dim(Some([1i64].as_slice()), false, Kind::Float));
        let variance = y.var_dim(Some([1i64].as_slice()), false, false);
        // Epsilon of 1e-5 beside a variance of 0.09 lowers the result by about 1e-4.
        let off = largest(&(variance - 1.0));
        assert!(mean < 1e-4 && off < 5e-4, "x {scale} + {shift}: mean {mean}, variance off {off}");
    }
    let x = random::normal(&[10, 64], &mut rng);
    let plain = forward(&p, &x);
    p.load_flat(&[vec![3.0; 64], vec![-2.0; 64]].concat());
    let error = largest(&(forward(&p, &x) - (plain * 3.0 - 2.0)));
    assert!(error < 1e-5, "gain 3, offset -2: {error}");
}

#[test]
fn flat_values_round_trip_in_order() {
    let (mut a, mut b) = (Params::default(), Params::default());
    let net = mlp(&[8, 8], true, &mut a, 1);
    let _ = mlp(&[8, 8], true, &mut b, 2);
    let (flat, other) = (a.to_flat(), b.to_flat());
    assert_eq!(flat.len(), a.count());
    assert_ne!(flat, other, "two seeds");
    b.load_flat(&flat);
    assert_eq!(b.to_flat(), flat);
    for ((_, p), (_, q)) in a.iter().zip(b.iter()) {
        assert_eq!(p.value, q.value, "{}", p.name);
        assert!(q.value.requires_grad(), "{} still learns", q.name);
    }
    let x = input();
    let y = |p: &Params| host(&net.forward(&mut Forward::eval(p, &mut Trace::off()), &x)[0]);
    assert_eq!(y(&a), y(&b), "the same outputs");
    // Order of creation: the first layer's weight comes first, row by row.
    let first = host(&a.iter().next().unwrap().1.value);
    assert_eq!(flat[..first.len()].iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), first);
    // A copy does not share storage.
    let copy = a.detached_copy();
    a.load_flat(&other);
    assert_eq!((a.to_flat(), copy.to_flat()), (other, flat));
}

/// State belongs to interventions: saved, but never stepped, tracked or sent.
#[test]
fn state_is_saved_and_otherwise_left_alone() {
    let tensor = |x: f64| Tensor::full([2], x, (Kind::Float, Device::Cpu));
    let make = |x: f64| {
        let mut p = Params::default();
        p.add_value("w".to_owned(), Role::Hidden, Init::Constant(0.0), &tensor(x));
        p.add_value("s".to_owned(), Role::State, Init::Constant(0.0), &tensor(10.0 * x));
        p
    };
    let (mut a, b) = (make(1.0), make(2.0));
    assert_eq!((a.count(), a.to_flat().to_vec()), (2, vec![1.0, 1.0]));
    a.polyak_update(&b, 1.0);
    let of = |p: &Params, i: usize| host(&p.iter().nth(i).unwrap().1.value);
    assert_eq!((of(&a, 0), of(&a, 1)), (vec![2.0; 2], vec![10.0; 2]));
    let mut saved = StateDict::new();
    b.save("m", &mut saved);
    a.load("m", &saved).unwrap();
    assert_eq!(of(&a, 1), [20.0; 2]);
}

/// `(1 - tau) * target + tau * source` in f64, for small and large tau (libtorch's lerp has two
/// formulas, with the border at 0.5).
#[test]
fn tracking_is_the_formula() {
    let (mut source, mut start) = (Params::default(), Params::default());
    let _ = mlp(&[9, 4], true, &mut source, 7);
    let _ = mlp(&[9, 4], true, &mut start, 8);
    for tau in [0.0, 0.005, 0.3, 0.5, 0.9, 1.0] {
        let mut target = start.detached_copy();
        let mut want: Vec<f64> = target.to_flat().iter().map(|&x| f64::from(x)).collect();
        for _ in 0..5 {
            target.polyak_update(&source, tau);
            for (t, &s) in want.iter_mut().zip(source.to_flat().iter()) {
                *t = (1.0 - tau) * *t + tau * f64::from(s);
            }
        }
        for (got, want) in target.to_flat().iter().zip(want) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "tau {tau}: {got}, not {want}");
        }
    }
    let mut target = start.detached_copy();
    target.polyak_update(&source, 1.0);
    assert_eq!(target.to_flat(), source.to_flat(), "tau 1 is a copy");
    target.polyak_update(&start, 0.0);
    assert_eq!(target.to_flat(), source.to_flat(), "tau 0 is nothing");
}

/// A loss through two models: only the one that minimises changes, and the other one's next
/// gradient has nothing of it.
#[test]
fn minimize_leaves_other_models_alone() {
    let optim = OptimConfig::new(Sgd::default(), 0.1);
    let x = input();
    let mut rng = random::stream(1, 1);
    let (mut a, mut b) = (model("a", 1, &optim, &[]), model("b", 2, &optim, &[]));
    let before = (a.params.to_flat(), b.params.to_flat());
    // b's input is a's output: the loss depends on the parameters of both.
    let through = |a: &Model, b: &Model| {
        let y = a.forward(&x);
        b.forward(&Tensor::cat(&[&y[0], &y[1]], 1))[0].square().mean(Kind::Float)
    };
    let loss = through(&a, &b);
    a.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
    assert_ne!(a.params.to_flat(), before.0, "a learns");
    assert_eq!(b.params.to_flat(), before.1, "b does not");

    // The same step of b, with and without the other model's step before it.
    let (loss, _) = loss_of(&b, &x);
    b.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
    let mut alone = model("b", 2, &optim, &[]);
    let (loss, _) = loss_of(&alone, &x);
    alone.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
    assert_eq!(b.params.to_flat(), alone.params.to_flat(), "no gradient is left over");
}

/// The reported norm is that of all gradients together, and only on updates that log.
#[test]
fn the_reported_norm_is_the_gradients() {
    // SGD with rate 1 moves by exactly the gradient.
    let optim = OptimConfig::new(Sgd::default(), 1.0);
    let mut m = model("m", 3, &optim, &[]);
    let before = m.params.to_flat();
    let (loss, trace) = loss_of(&m, &input());
    let clock = Clock { log: true, ..Clock::default() };
    let mut rng = random::stream(1, 1);
    let stats = m.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
    let after = m.params.to_flat();
    let square: f64 = before.iter().zip(after.iter()).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let got = stats.grad_norm.unwrap();
    assert!((got / square.sqrt() - 1.0).abs() < 1e-4, "{got}, not {}", square.sqrt());
    assert!((stats.loss - loss.double_value(&[])).abs() < 1e-12);
    let (loss, trace) = loss_of(&m, &input());
    let stats = m.minimize(&loss, &trace, &[], Clock::default(), &mut rng).unwrap();
    assert_eq!(stats.grad_norm, None);
}

/// NaN in the batch, in a parameter, in an activation, or nowhere but in the loss: each by name,
/// and nothing changes, moments and step count included.
#[test]
fn a_loss_that_is_not_finite_is_blamed_and_changes_nothing() {
    let optim = OptimConfig::default();
    let interventions = [shrink_perturb(0.5, 0.5, 1)];
    let good = input();
    let bad = |value: f64| {
        let x = good.copy();
        let _ = x.get(3).get(1).fill_(value);
        x
    };
    let mut rng = random::stream(1, 1);
    let saved = |m: &Model| {
        let mut out = StateDict::new();
        m.save(&mut out);
        out.into_iter().map(|(name, t)| (name, format!("{:?}", host(&t)))).collect::<Vec<_>>()
    };
    // What is spoilt, and the culprit.
    for (what, culprit) in [
        ("batch", "batch `next`"),
        ("parameter", "parameter `f/mean/bias`"),
        ("activation", "the activation of layer `f/hidden_0`"),
        ("loss", "the loss itself"),
    ] {
        for value in [f64::NAN, f64::INFINITY] {
            let mut m = model("critic", 3, &optim, &interventions);
            let (loss, _) = loss_of(&m, &good);
            m.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
            if what == "parameter" {
                let ids: Vec<_> = m.params.iter().map(|(id, p)| (id, p.name.clone())).collect();
                let (id, _) = ids.iter().find(|(_, name)| name == "f/mean/bias").unwrap();
                let _guard = no_grad_guard();
                let _ = m.params.get_mut(*id).get(1).fill_(value);
            }
            let before = saved(&m);
            let x = if what == "batch" || what == "activation" { bad(value) } else { good.copy() };
            let (mut loss, trace) = loss_of(&m, &x);
            if what == "loss" {
                loss *= value;
            }
            // An infinite input can be hidden by tanh and normalisation; the loss must be spoilt.
            let loss = loss + x.sum(Kind::Float) * 0.0;
            let watched: &[(&str, &Tensor)] =
                if what == "batch" { &[("obs", &good), ("next", &x)] } else { &[("obs", &good)] };
            let error = m.minimize(&loss, &trace, watched, Clock::default(), &mut rng).unwrap_err();
            assert_eq!((error.model.as_str(), error.culprit.as_str()), ("critic", culprit));
            assert!(!error.loss.is_finite());
            assert!(error.to_string().contains(culprit), "{error}");
            assert_eq!(saved(&m), before, "{what} {value}: something changed");
        }
    }
}

/// Everything that a next step depends on is saved: models that load each other's state go on
/// alike, state of interventions included, bit for bit.
#[test]
fn a_saved_model_goes_on_bit_for_bit() {
    let interventions =
        [InterventionConfig::from(L2Init { strength: 0.3 }), shrink_perturb(0.9, 0.1, 4)];
    let optim = OptimConfig { lr: 0.01, clip_grad_norm: Some(0.1), ..OptimConfig::default() };
    let train = |m: &mut Model, from: u64, to: u64| {
        for update in from..to {
            let mut rng = random::stream(6, update);
            let (loss, trace) = loss_of(m, &random::normal(&[16, 3], &mut rng));
            let clock = Clock { update, ..Clock::default() };
            m.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
        }
    };
    let mut a = model("m", 1, &optim, &interventions);
    train(&mut a, 0, 9);
    let mut saved = StateDict::new();
    a.save(&mut saved);
    let mut b = model("m", 2, &optim, &interventions);
    train(&mut b, 0, 3);
    b.load(&saved).unwrap();
    train(&mut a, 9, 20);
    train(&mut b, 9, 20);
    let (mut x, mut y) = (StateDict::new(), StateDict::new());
    a.save(&mut x);
    b.save(&mut y);
    assert_eq!(x.keys().collect::<Vec<_>>(), y.keys().collect::<Vec<_>>());
    for (name, t) in &x {
        assert_eq!(host(t), host(&y[name]), "{name}");
    }
}

#[test]
fn targets_follow_only_when_told() {
    let optim = OptimConfig { lr: 0.01, ..OptimConfig::default() };
    let mut m = model("m", 1, &optim, &[]);
    let mut target = m.target();
    let x = input();
    let outputs = |y: Vec<Tensor>| y.iter().flat_map(host).collect::<Vec<_>>();
    let start = outputs(m.forward(&x));
    assert_eq!(outputs(target.forward(&x)), start);
    assert!(!target.forward(&x)[0].requires_grad(), "nothing learns through a target");
    let (loss, trace) = loss_of(&m, &x);
    m.minimize(&loss, &trace, &[], Clock::default(), &mut random::stream(1, 1)).unwrap();
    assert_eq!(outputs(target.forward(&x)), start);
    assert_ne!(outputs(m.forward(&x)), start);
    target.params.polyak_update(&m.params, 1.0);
    assert_eq!(outputs(target.forward(&x)), outputs(m.forward(&x)));
}

fn shrink_perturb(shrink: f64, perturb: f64, every_updates: u64) -> InterventionConfig {
    InterventionConfig::from(ShrinkPerturb {
        shrink,
        perturb,
        every_updates,
        on_task_change: false,
    })
}
