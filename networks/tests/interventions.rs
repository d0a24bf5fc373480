//! Each intervention against its formula in f64.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    arch::mlp::MlpConfig,
    init::Init,
    interventions::{
        Clock, Intervention, InterventionConfig, InterventionSettings, L2Init, Layers, ResetLayers,
        ShrinkPerturb, StepCx,
    },
    model::Model,
    network::ArchConfig,
    optim::{Optim, OptimConfig, Sgd},
    params::{Params, Role, StateDict},
    random,
    registry::Part,
    trace::Trace,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad_guard};
use vectors::{tensor, vectors};

fn host(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&t.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn all(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(host).collect()
}

/// One parameter of every learned role, drawn from distributions that differ.
fn params() -> Params {
    let mut rng = random::stream(1, 0);
    let mut p = Params::default();
    for (name, role, shape, init) in [
        ("hidden", Role::Hidden, vec![4, 3], Init::He),
        ("bias", Role::Bias, vec![4], Init::Uniform(0.5)),
        ("gain", Role::NormGain, vec![4], Init::Constant(1.0)),
        ("offset", Role::NormOffset, vec![4], Init::Constant(0.0)),
        ("output", Role::Output, vec![2, 4], Init::Orthogonal(1.0)),
        ("scalar", Role::Scalar, vec![], Init::Constant(0.3)),
    ] {
        p.add(name.to_owned(), role, &shape, init, &mut rng);
    }
    p
}

fn gradients(scale: f64) -> Vec<Tensor> {
    let mut rng = random::stream(2, 0);
    params().trainable().map(|p| random::normal(&p.value.size(), &mut rng) * scale).collect()
}

/// The gradients after the intervention, and that it leaves the weights alone before the step.
fn before_step(p: &mut Params, config: &InterventionConfig, scale: f64) -> Vec<f64> {
    let mut method = config.build(p);
    let (mut grads, weights) = (gradients(scale), p.to_flat());
    let (trace, mut rng) = (Trace::off(), random::stream(3, 0));
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    method.gradients(p, &mut grads, &mut cx);
    assert_eq!(p.to_flat(), weights);
    all(&grads)
}

fn assert_close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() < 1e-5 * (w.abs() + 1e-3), "{what}, number {i}: {g}, not {w}");
    }
}

/// `g * min(1, clip / (norm + 1e-6))` with the norm over all parameters together.
#[test]
fn clip_grad_norm_is_its_formula() {
    for clip in [0.01, 1.0, 100.0] {
        for scale in [1e-3, 0.1, 10.0] {
            let mut grads = gradients(scale);
            let norm = all(&grads).iter().map(|g| g * g).sum::<f64>().sqrt();
            let factor = (clip / (norm + 1e-6)).min(1.0);
            let want: Vec<f64> = all(&grads).iter().map(|g| g * factor).collect();
            let config = OptimConfig { clip_grad_norm: Some(clip), ..OptimConfig::default() };
            Optim::new(config, &mut params(), tch::Device::Cpu).clip(&mut grads);
            let got = all(&grads);
            assert_close(&got, &want, &format!("clip_grad_norm {clip}, norm {norm}"));
            let clipped = got.iter().map(|g| g * g).sum::<f64>().sqrt();
            assert!(clipped <= clip * (1.0 + 1e-5), "{clipped} of {clip}");
        }
    }
}

/// `g + 2 * strength * (theta - theta_0)`, on every learned parameter; zero at the start.
#[test]
fn l2_init_is_its_formula() {
    let strength = 0.7;
    let config = InterventionConfig::from(L2Init { strength });
    assert_close(&before_step(&mut params(), &config, 1.0), &all(&gradients(1.0)), "at the start");

    let mut p = params();
    let initial = p.to_flat();
    let mut method = config.build(&mut p);
    let moved: Vec<f32> = initial.iter().enumerate().map(|(i, x)| x + i as f32 * 0.01).collect();
    p.load_flat(&moved);
    let mut grads = gradients(1.0);
    let (trace, mut rng) = (Trace::off(), random::stream(3, 0));
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    method.gradients(&p, &mut grads, &mut cx);
    let want: Vec<f64> = all(&gradients(1.0))
        .iter()
        .zip(moved.iter().zip(initial.iter()))
        .map(|(g, (&now, &before))| g + 2.0 * strength * (f64::from(now) - f64::from(before)))
        .collect();
    assert_close(&all(&grads), &want, "moved");
    assert_eq!(p.iter().filter(|(_, q)| q.role == Role::State).count(), 6, "one copy each");
}

/// The gradient is that of the penalty: compared with autograd on `strength * ||theta - theta_0||^2`.
#[test]
fn l2_init_is_the_gradient_of_its_penalty() {
    let mut p = params();
    let initial: Vec<Tensor> = p.trainable().map(|q| q.value.detach().copy()).collect();
    let mut method = InterventionConfig::from(L2Init { strength: 0.2 }).build(&mut p);
    let moved: Vec<f32> = p.to_flat().iter().map(|x| x * 1.5 - 0.2).collect();
    p.load_flat(&moved);
    let penalty: Tensor = p
        .trainable()
        .zip(&initial)
        .map(|(q, start)| (&q.value - start).square().sum(Kind::Float) * 0.2)
        .sum();
    let inputs: Vec<&Tensor> = p.trainable().map(|q| &q.value).collect();
    let want = Tensor::run_backward(&[penalty], &inputs, false, false);
    let mut grads: Vec<Tensor> = inputs.iter().map(|t| t.zeros_like()).collect();
    let (trace, mut rng) = (Trace::off(), random::stream(3, 0));
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    method.gradients(&p, &mut grads, &mut cx);
    assert_close(&all(&grads), &all(&want), "penalty");
}

/// `shrink * theta + perturb * fresh` on weights and biases every third update, with `fresh` from
/// the parameter's own distribution, in order, from the given generator; gains, offsets and scalars stay.
#[test]
fn shrink_perturb_is_its_formula() {
    let (shrink, perturb) = (0.8, 0.25);
    let mut p = params();
    let mut method = shrink_perturb(shrink, perturb, 3).build(&mut p);
    let (trace, mut rng) = (Trace::off(), random::stream(3, 0));
    let mut oracle_rng = rng.clone();
    for update in 0..9 {
        let before: Vec<_> = p.iter().map(|(_, q)| (q.name.clone(), host(&q.value))).collect();
        let clock = Clock { update, ..Clock::default() };
        let mut cx = StepCx::new(&trace, clock, update + 1, &mut rng);
        method.weights(&mut p, &mut cx);
        for ((name, before), (_, q)) in before.iter().zip(p.iter()) {
            let chosen = ["hidden", "bias", "output"].contains(&name.as_str());
            let want: Vec<f64> = if chosen && [2, 5, 8].contains(&update) {
                let fresh = host(&q.init.sample(&q.value.size(), &mut oracle_rng));
                before.iter().zip(fresh).map(|(b, f)| shrink * b + perturb * f).collect()
            } else {
                before.clone()
            };
            assert_close(&host(&q.value), &want, &format!("{name} at update {update}"));
        }
        let _guard = no_grad_guard();
        assert_eq!(rng, oracle_rng, "as many draws as fresh weights, at update {update}");
    }
}

/// The golden file's soft form, and the form of the continual-backprop paper: SGD with L2 in the
/// gradient, then noise. Every weight is a parameter whose distribution is the file's noise.
#[test]
fn shrink_perturb_is_as_published() {
    use networks::optim::{Optim, OptimConfig, Sgd};
    let v = &vectors("plasticity")["other_interventions"];
    let numbers = |v: &serde_json::Value| host(&tensor(v));
    let number = |v: &serde_json::Value| v.as_f64().unwrap();
    let soft = &v["shrink_perturb_soft"];
    let noisy = &v["shrink_perturb_gaussian"];
    for (v, noise, shrink, perturb) in [
        (soft, "noise_params", number(&soft["shrink"]), number(&soft["perturb"])),
        (noisy, "noise", 1.0, number(&noisy["sigma"])),
    ] {
        let mut p = Params::default();
        for (i, (w, noise)) in numbers(&v["w"]).iter().zip(numbers(&v[noise])).enumerate() {
            let w = Tensor::from_slice(&[*w]).view([1, 1]);
            p.add_value(i.to_string(), Role::Hidden, Init::Constant(noise), &w);
        }
        let mut method = shrink_perturb(shrink, perturb, 1).build(&mut p);
        if let Some(lr) = v["lr"].as_f64() {
            let weight_decay = number(&v["weight_decay"]);
            let kind = OptimConfig::new(Sgd { weight_decay, ..Sgd::default() }, lr);
            let mut sgd = Optim::new(kind, &mut p, tch::Device::Cpu);
            let grads = numbers(&v["grad"]);
            let grads: Vec<Tensor> =
                grads.iter().map(|&g| Tensor::from_slice(&[g]).view([1, 1])).collect();
            sgd.step(&mut p, &grads, 0);
        }
        let (trace, mut rng) = (Trace::off(), random::stream(3, 0));
        method.weights(&mut p, &mut StepCx::new(&trace, Clock::default(), 1, &mut rng));
        let got: Vec<f64> = p.iter().flat_map(|(_, q)| host(&q.value)).collect();
        for (got, want) in got.iter().zip(numbers(&v["result"])) {
            // The distribution draws in f32.
            assert!((got - want).abs() < 1e-9, "{got}, not {want}");
        }
    }
}

/// The hard form acts on the first step of another task, and only then.
#[test]
fn methods_act_when_the_task_changes() {
    let hard = InterventionConfig::from(ShrinkPerturb {
        shrink: 0.5,
        perturb: 0.5,
        every_updates: 0,
        on_task_change: true,
    });
    let all = Layers::All;
    let reset = InterventionConfig::from(ResetLayers {
        layers: all,
        every_updates: 0,
        on_task_change: true,
    });
    for method in [hard, reset] {
        let build = || {
            let mut q = Params::default();
            let arch = ArchConfig::from(MlpConfig { hidden: vec![4], ..MlpConfig::default() });
            let net =
                arch.build(&mut q, "f", &[2], &[("y", 1)], &mut random::stream(1, 0)).unwrap();
            let (optim, interventions) = (OptimConfig::default(), [method.clone()]);
            Model::new("m", net, q, &optim, &interventions, tch::Device::Cpu).unwrap()
        };
        let x = random::normal(&[8, 2], &mut random::stream(2, 0));
        let mut rng = random::stream(3, 0);
        let mut step = |model: &mut Model, task| {
            let loss = model.forward(&x)[0].square().mean(Kind::Float);
            let clock = Clock { task, ..Clock::default() };
            model.minimize(&loss, &Trace::off(), &[], clock, &mut rng).unwrap();
            model.intervention_counts().next().unwrap().1
        };
        let mut model = build();
        let counts: Vec<u64> =
            [0, 0, 1, 1, 1, 0, 2].iter().map(|&task| step(&mut model, task)).collect();
        assert_eq!(counts, [0, 0, 1, 1, 1, 2, 3]);
        // The first task seen is no change, whichever it is, after a resume before it too.
        let mut late = build();
        let mut state = StateDict::new();
        build().save(&mut state);
        late.load(&state).unwrap();
        let counts: Vec<u64> = [3, 3, 4].iter().map(|&task| step(&mut late, task)).collect();
        assert_eq!(counts, [0, 0, 1]);
        // A resumed run knows which task it was in.
        let mut state = StateDict::new();
        model.save(&mut state);
        let mut resumed = build();
        resumed.load(&state).unwrap();
        assert_eq!((step(&mut resumed, 2), step(&mut resumed, 3)), (3, 4));
    }
}

/// Doubles every gradient.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Doubled {}

impl Part for Doubled {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "doubled";
    const SUMMARY: &'static str = "a test";
    const SOURCE: &'static str = "a test";
}

impl InterventionSettings for Doubled {
    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for Doubled {
    fn gradients(&mut self, _p: &Params, grads: &mut [Tensor], _cx: &mut StepCx<'_>) {
        for grad in grads {
            *grad *= 2.0;
        }
    }
}

/// In the order of the list, and the optimiser's clipping after all of them.
#[test]
fn methods_apply_in_the_order_of_the_list() {
    let pull = InterventionConfig::from(L2Init { strength: 10.0 });
    let norm_after = |list: &[InterventionConfig], clip_grad_norm: Option<f64>| {
        let mut q = Params::default();
        let arch = ArchConfig::from(MlpConfig { hidden: vec![4], ..MlpConfig::default() });
        let net = arch.build(&mut q, "f", &[2], &[("y", 1)], &mut random::stream(1, 0)).unwrap();
        let optim = OptimConfig { clip_grad_norm, ..OptimConfig::new(Sgd::default(), 1.0) };
        let mut model = Model::new("m", net, q, &optim, list, tch::Device::Cpu).unwrap();
        let away: Vec<f32> = model.params.to_flat().iter().map(|x| x + 1.0).collect();
        model.params.load_flat(&away);
        let x = random::normal(&[8, 2], &mut random::stream(2, 0));
        let loss = model.forward(&x)[0].square().mean(Kind::Float) * 1e-6;
        let mut rng = random::stream(3, 0);
        model.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
        let moved = model.params.to_flat();
        let moved = away.iter().zip(moved.iter()).map(|(a, b)| f64::from(a - b).powi(2));
        moved.sum::<f64>().sqrt()
    };
    // 17 parameters, each 1 away: a pull of 2 * 10 on each, beside which the loss's gradient is small.
    let one = 20.0 * 17f64.sqrt();
    let list = [Doubled {}.into(), pull.clone()];
    let pulled_last = norm_after(&list, None);
    assert!((pulled_last / one - 1.0).abs() < 1e-3, "{pulled_last}, not {one}");
    let list = [pull, Doubled {}.into()];
    let doubled_last = norm_after(&list, None);
    assert!((doubled_last / (2.0 * one) - 1.0).abs() < 1e-3, "{doubled_last}, not {}", 2.0 * one);
    let clipped = norm_after(&list, Some(1e-3));
    assert!((clipped / 1e-3 - 1.0).abs() < 1e-2, "{clipped}");
}

fn shrink_perturb(shrink: f64, perturb: f64, every_updates: u64) -> InterventionConfig {
    InterventionConfig::from(ShrinkPerturb {
        shrink,
        perturb,
        every_updates,
        on_task_change: false,
    })
}
