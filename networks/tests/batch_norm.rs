//! Batch normalisation and renormalisation by their formulas, and what becomes of their running statistics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    arch::{
        conv::{ConvConfig, Torso},
        mlp::MlpConfig,
        simba::SimbaConfig,
    },
    forward::Forward,
    interventions::{Cbp, Clock, Layers, Nap, ResetLayers, Utility},
    layers::norm::{BatchNorm, BatchRenorm, Norm, NormConfig, NormSettings},
    model::Model,
    network::ArchConfig,
    optim::OptimConfig,
    params::{Params, Role, StateDict},
    random,
    trace::Trace,
};
use std::sync::Arc;
use tch::{Device, Kind, Tensor};

fn layer(settings: &dyn NormSettings, width: i64) -> (Arc<dyn Norm>, Params) {
    let mut p = Params::default();
    let norm = settings.build(&mut p, "n", width, 9.0, &mut random::stream(1, 0)).unwrap();
    (norm, p.to_kind(Kind::Double))
}

fn set(p: &mut Params, name: &str, values: &[f64]) {
    let id = p.iter().find(|(_, q)| q.name == format!("n/{name}")).unwrap().0;
    let _guard = tch::no_grad_guard();
    let value = Tensor::from_slice(values).view_as(p.get(id));
    p.get_mut(id).copy_(&value);
}

fn numbers(t: &Tensor) -> Vec<f64> {
    Vec::try_from(t.flatten(0, -1).to_kind(Kind::Double)).unwrap()
}

fn assert_close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert!((g - w).abs() <= tolerance, "{got:?}, not {want:?}");
    }
}

/// Two samples of two units: means 2 and 20, biased variances 1 and 100.
#[test]
fn by_hand() {
    let settings = BatchNorm { momentum: 0.9, eps: 1e-3, affine: true };
    let (norm, mut p) = layer(&settings, 2);
    set(&mut p, "gain", &[2.0, 1.0]);
    set(&mut p, "offset", &[0.5, -1.0]);
    let x = Tensor::from_slice2(&[[1.0, 10.0], [3.0, 30.0]]);
    let mut trace = Trace::off();
    let y = norm.forward(&mut Forward::train(&p, &mut trace), &x);
    let (a, b) = (2.0 / 1.001f64.sqrt(), 10.0 / 100.001f64.sqrt());
    assert_close(&numbers(&y), &[0.5 - a, -1.0 - b, 0.5 + a, -1.0 + b], 1e-12);
    let next: Vec<Vec<f64>> = trace.proposals().iter().map(|(_, next)| numbers(next)).collect();
    assert_close(&next[0], &[0.2, 2.0], 1e-12); // 0.9 * 0 + 0.1 * mean
    assert_close(&next[1], &[1.0, 10.9], 1e-12); // 0.9 * 1 + 0.1 * variance
    // Outside training: by the running ones, and nothing is proposed.
    set(&mut p, "mean", &next[0]);
    set(&mut p, "variance", &next[1]);
    let mut trace = Trace::off();
    let y = norm.forward(&mut Forward::eval(&p, &mut trace), &x);
    let unit = |x: f64| 2.0 * (x - 0.2) / 1.001f64.sqrt() + 0.5;
    let other = |x: f64| (x - 2.0) / 10.901f64.sqrt() - 1.0;
    assert_close(&numbers(&y), &[unit(1.0), other(10.0), unit(3.0), other(30.0)], 1e-12);
    assert!(trace.proposals().is_empty());
}

/// `[N, C, H, W]` is normalised as `[N * H * W, C]`.
#[test]
fn positions_of_a_convolution_are_samples() {
    let x = random::normal(&[3, 2, 4, 5], &mut random::stream(2, 0)).to_kind(Kind::Double);
    let flat = x.movedim([1i64], [-1i64]).reshape([-1, 2]);
    let renorm = BatchRenorm { warmup: 0, r_max: 1.2, d_max: 0.1, ..BatchRenorm::default() };
    for settings in [&BatchNorm::default() as &dyn NormSettings, &renorm] {
        let (norm, mut p) = layer(settings, 2);
        set(&mut p, "gain", &[2.0, 1.0]);
        set(&mut p, "offset", &[0.5, -1.0]);
        set(&mut p, "mean", &[0.3, -0.3]);
        for train in [true, false] {
            let pass = |x: &Tensor| {
                let mut trace = Trace::off();
                let mut fw = Forward::eval(&p, &mut trace);
                if train {
                    fw = Forward::train(&p, fw.trace);
                }
                let y = norm.forward(&mut fw, x);
                (y, trace)
            };
            let ((y, trace), (y_flat, trace_flat)) = (pass(&x), pass(&flat));
            let y = y.movedim([1i64], [-1i64]).reshape([-1, 2]);
            assert_close(&numbers(&y), &numbers(&y_flat), 1e-12);
            for ((_, a), (_, b)) in trace.proposals().iter().zip(trace_flat.proposals()) {
                assert_close(&numbers(a), &numbers(b), 1e-12);
            }
        }
    }
}

/// One unit, written out with plain numbers; `r` and `d` as given.
fn renormed(x: &[f64], r: f64, d: f64, eps: f64) -> Vec<f64> {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let (m, v) = (mean - d * variance.sqrt() / r, variance / (r * r));
    x.iter().map(|x| (x - m) / (v + eps).sqrt()).collect()
}

/// Within and beyond the bounds; the gradient is that with `r` and `d` held fixed (central differences).
#[test]
fn renormalisation_by_hand() {
    let eps: f64 = 1e-3;
    let x: [f64; 4] = [0.5, -1.0, 2.5, 1.0];
    // Mean 0.75, variance 1.5625.
    for (mean, variance, r_max, d_max, r, d) in [
        (0.25, 1.0, 3.0, 5.0, ((1.5625 + eps) / (1.0 + eps)).sqrt(), 0.5 / (1.0 + eps).sqrt()),
        (-9.0, 0.04, 3.0, 5.0, 3.0, 5.0),
        (9.0, 400.0, 3.0, 0.1, 1.0 / 3.0, -0.1),
    ] {
        let settings = BatchRenorm { eps, r_max, d_max, warmup: 2, ..BatchRenorm::default() };
        let (norm, mut p) = layer(&settings, 1);
        set(&mut p, "mean", &[mean]);
        set(&mut p, "variance", &[variance]);
        let weights = Tensor::from_slice(&[1.0, -2.0, 0.5, 3.0]).view([4, 1]);
        for (steps, r, d) in [(1.0, 1.0, 0.0), (2.0, r, d)] {
            set(&mut p, "steps", &[steps]);
            let input = Tensor::from_slice(&x).view([4, 1]).set_requires_grad(true);
            let mut trace = Trace::off();
            let y = norm.forward(&mut Forward::train(&p, &mut trace), &input);
            assert_close(&numbers(&y), &renormed(&x, r, d, eps), 1e-12);
            let grad =
                Tensor::run_backward(&[(y * &weights).sum(Kind::Double)], &[&input], false, false);
            let loss = |x: &[f64]| -> f64 {
                let y = renormed(x, r, d, eps);
                y.iter().zip(numbers(&weights)).map(|(y, w)| y * w).sum()
            };
            let differences: Vec<f64> = (0..4)
                .map(|i| {
                    let at = |h: f64| {
                        let mut x = x;
                        x[i] += h;
                        loss(&x)
                    };
                    (at(1e-6) - at(-1e-6)) / 2e-6
                })
                .collect();
            assert_close(&numbers(&grad[0]), &differences, 1e-7);
            // Counted up to the end of the warm-up.
            let counted = trace.proposals().iter().find(|(_, next)| next.dim() == 0);
            assert_eq!(counted.map(|(_, next)| numbers(next)), (steps < 2.0).then(|| vec![2.0]));
        }
    }
}

fn model(arch: &ArchConfig) -> Model {
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
    Model::new("f", net, p, &OptimConfig::default(), &[], Device::Cpu).unwrap()
}

fn crossq() -> ArchConfig {
    MlpConfig {
        hidden: vec![6, 5],
        norm: BatchRenorm { warmup: 2, ..BatchRenorm::default() }.into(),
        norm_after_activation: true,
        norm_input: true,
        ..MlpConfig::default()
    }
    .into()
}

fn inputs() -> Tensor {
    random::normal(&[16, 3], &mut random::stream(2, 0)) * 3.0 + 1.0
}

fn state(m: &Model) -> Vec<(String, Vec<f64>)> {
    m.params.iter().map(|(_, q)| (q.name.clone(), numbers(&q.value))).collect()
}

fn step(m: &mut Model, scale: f64) -> bool {
    let mut trace = Trace::on();
    let y = &m.forward_train(&inputs(), &mut trace)[0];
    let loss = (y - 1.0).square().mean(Kind::Float) * scale;
    m.minimize(&loss, &trace, &[], Clock::default(), &mut random::stream(3, 0)).is_ok()
}

/// Only a step that is taken moves the statistics, once; looking moves nothing.
#[test]
fn statistics_change_with_the_step() {
    for arch in [
        crossq(),
        SimbaConfig { width: 4, norm: BatchNorm::default().into(), ..SimbaConfig::default() }
            .into(),
    ] {
        let mut m = model(&arch);
        let before = state(&m);
        let _ = (
            m.forward(&inputs()),
            m.trace(&inputs()),
            m.forward_train(&inputs(), &mut Trace::on()),
        );
        assert!(!step(&mut m, f64::NAN));
        assert_eq!(state(&m), before, "a pass, or a loss that is not finite");
        assert!(step(&mut m, 1.0));
        let after = state(&m);
        for ((name, old), (_, new)) in before.iter().zip(&after) {
            assert_ne!(old, new, "{name}");
        }
        // CrossQ's input layer: 0.99 * 0 + 0.01 * the mean of the inputs.
        if let Some((_, mean)) = after.iter().find(|(name, _)| name == "f/norm_input/mean") {
            let want = inputs().mean_dim(Some([0i64].as_slice()), false, Kind::Float) * 0.01;
            assert_close(mean, &numbers(&want), 1e-6);
        }
    }
}

/// Actors, targets and resumed models compute what the learner does.
#[test]
fn copies_have_the_statistics() {
    let mut m = model(&crossq());
    for _ in 0..5 {
        assert!(step(&mut m, 1.0));
    }
    let out = |y: Vec<Tensor>| numbers(&y[0]);
    let here = out(m.forward(&inputs()));
    assert_ne!(here, out(m.forward_train(&inputs(), &mut Trace::off())));
    let mut actor = model(&crossq()).target();
    actor.params.load_flat(&m.params.to_flat());
    assert_eq!(out(actor.forward(&inputs())), here);
    let mut saved = StateDict::new();
    m.save(&mut saved);
    let mut resumed = model(&crossq());
    resumed.load(&saved).unwrap();
    assert_eq!(state(&resumed), state(&m));
    let mut target = model(&crossq()).target();
    let averaged = |p: &Params| {
        let chosen = p.iter().filter(|(_, q)| q.role == Role::Buffer { averaged: true });
        chosen.flat_map(|(_, q)| numbers(&q.value)).collect::<Vec<_>>()
    };
    let (old, new) = (averaged(&target.params), averaged(&m.params));
    m.polyak_update(&mut target, 0.25);
    let want: Vec<f64> = old.iter().zip(&new).map(|(a, b)| 0.75 * a + 0.25 * b).collect();
    assert_close(&averaged(&target.params), &want, 1e-6);
    m.polyak_update(&mut target, 1.0);
    assert_eq!(out(target.forward(&inputs())), here);
}

#[test]
fn what_cannot_work_is_refused() {
    let mlp = |norm: NormConfig| MlpConfig { hidden: vec![8], norm, ..MlpConfig::default() };
    let refused = |arch: MlpConfig| ArchConfig::from(arch).validate().unwrap_err();
    for (error, said) in [
        (
            refused(mlp(BatchNorm { momentum: 1.0, ..BatchNorm::default() }.into())),
            "norm.momentum is 1;",
        ),
        (refused(mlp(BatchNorm { eps: 0.0, ..BatchNorm::default() }.into())), "norm.eps is 0;"),
        (
            refused(mlp(BatchRenorm { r_max: 0.5, ..BatchRenorm::default() }.into())),
            "norm.r_max is 0.5;",
        ),
        (
            refused(mlp(BatchRenorm { d_max: -1.0, ..BatchRenorm::default() }.into())),
            "norm.d_max is -1;",
        ),
        (
            refused(mlp(BatchRenorm { warmup: 1 << 25, ..BatchRenorm::default() }.into())),
            "norm.warmup is 33554432;",
        ),
        (
            refused(MlpConfig { norm_input: true, ..MlpConfig::default() }),
            "norm_input does nothing without a norm",
        ),
        (
            refused(MlpConfig { norm_after_activation: true, ..MlpConfig::default() }),
            "norm_after_activation does nothing without a norm",
        ),
    ] {
        assert!(error.contains(said), "{error}");
    }
    let with = |arch: MlpConfig, intervention: networks::interventions::InterventionConfig| {
        let mut p = Params::default();
        let arch = ArchConfig::from(arch);
        let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
        let optim = OptimConfig::default();
        Model::new("f", net, p, &optim, &[intervention], Device::Cpu).err().unwrap()
    };
    let batch = || mlp(BatchNorm::default().into());
    let error = with(batch(), Nap::default().into());
    assert!(error.contains("running statistics of `f/norm_0/mean`"), "{error}");
    let error = with(MlpConfig { norm_after_activation: true, ..batch() }, Cbp::default().into());
    assert!(error.contains("no units that can be replaced"), "{error}");
}

/// A torso with the norm learns to tell two pictures apart.
#[test]
fn a_torso_learns_with_it() {
    let arch = ArchConfig::from(ConvConfig {
        torso: Torso::Minatar,
        norm: BatchNorm::default().into(),
        body: Some(MlpConfig { hidden: vec![8], ..MlpConfig::default() }.into()),
        ..ConvConfig::default()
    });
    let mut p = Params::default();
    let mut rng = random::stream(1, 0);
    let net = arch.build(&mut p, "f", &[2, 5, 5], &[("y", 1)], &mut rng).unwrap();
    let optim = OptimConfig { lr: 1e-2, ..OptimConfig::default() };
    let mut m = Model::new("f", net, p, &optim, &[], Device::Cpu).unwrap();
    let x = random::uniform(&[32, 50], 0.0, 1.0, &mut rng);
    let y = x.narrow(1, 0, 1).gt(0.5).to_kind(Kind::Float);
    let mut losses = Vec::new();
    for _ in 0..200 {
        let mut trace = Trace::off();
        let loss = (&m.forward_train(&x, &mut trace)[0] - &y).square().mean(Kind::Float);
        losses.push(m.minimize(&loss, &trace, &[], Clock::default(), &mut rng).unwrap().loss);
    }
    assert!(losses[199] < 0.02 && losses[0] > 0.2, "{} to {}", losses[0], losses[199]);
}

/// New weights have no statistics yet: those of the old ones do not survive a reset, nor does the end of the warm-up.
#[test]
fn resets_take_the_statistics_along() {
    let reset = ResetLayers { layers: Layers::All, every_updates: 4, on_task_change: false };
    let mut p = Params::default();
    let net = crossq().build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
    let optim = OptimConfig::default();
    let mut m = Model::new("f", net, p, &optim, &[reset.into()], Device::Cpu).unwrap();
    let mut target = m.target();
    let buffers = |p: &Params| {
        let chosen = p.iter().filter(|(_, q)| matches!(q.role, Role::Buffer { .. }));
        chosen.map(|(_, q)| numbers(&q.value)).collect::<Vec<_>>()
    };
    let start = buffers(&m.params);
    for update in 1..=4 {
        assert!(step(&mut m, 1.0));
        m.polyak_update(&mut target, 0.5);
        assert_eq!(buffers(&m.params) == start, update == 4, "update {update}");
        assert_eq!(buffers(&target.params) == start, update == 4, "the target at update {update}");
    }
}

/// The same for a unit that continual backprop replaces.
#[test]
fn a_replaced_unit_has_the_statistics_of_the_start() {
    let norm = BatchNorm::default().into();
    let arch = ArchConfig::from(MlpConfig { hidden: vec![6], norm, ..MlpConfig::default() });
    let cbp = Cbp {
        replacement_rate: 0.5,
        maturity_threshold: 1,
        utility: Utility::Contribution,
        ..Cbp::default()
    };
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
    let optim = OptimConfig::default();
    let mut m = Model::new("f", net, p, &optim, &[cbp.into()], Device::Cpu).unwrap();
    for _ in 0..3 {
        assert!(step(&mut m, 1.0));
    }
    let now = m.steps() as i64;
    let fresh: Vec<usize> = (0..6).filter(|&i| m.params.births(0)[i] == now).collect();
    assert!(!fresh.is_empty() && fresh.len() < 6, "{fresh:?}");
    for (name, start) in [("mean", 0.0), ("variance", 1.0)] {
        let name = format!("f/norm_0/{name}");
        let values = numbers(&m.params.iter().find(|(_, q)| q.name == name).unwrap().1.value);
        for (i, value) in values.iter().enumerate() {
            assert_eq!(*value == start, fresh.contains(&i), "{name} of unit {i}: {value}");
        }
    }
}
