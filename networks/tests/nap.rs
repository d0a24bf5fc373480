//! Normalize-and-Project against `golden/vectors_plasticity.json` (f64, to 1e-10) and its promises: a
//! network whose hidden scales have no effect, norms that stay, and refusals that say why.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    arch::{mlp::MlpConfig, simba::SimbaConfig, simba_v2::SimbaV2Config},
    forward::Forward,
    init::Init,
    interventions::{Clock, InterventionConfig, L2Init, Nap, NapGains, ShrinkPerturb, StepCx},
    layers::activation::Relu,
    layers::norm::{LayerNorm, NoNorm, NormConfig, NormSettings, RmsNorm},
    model::Model,
    network::ArchConfig,
    optim::{Adam, OptimConfig, Restart, Schedule, Sgd},
    params::{Params, Role, StateDict},
    random,
    trace::Trace,
};
use proptest::prelude::*;
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad_guard};
use vectors::{tensor, vectors};

fn close(got: &Tensor, want: &Value, what: &str) {
    let want = tensor(want);
    assert_eq!(got.size(), want.size(), "{what}");
    let gap = (got - want).abs().max().double_value(&[]);
    assert!(gap <= 1e-10, "{what}: off by {gap:e}");
}

fn nap(every_updates: u64, gains: NapGains) -> InterventionConfig {
    InterventionConfig::from(Nap { every_updates, gains })
}

/// Lets the intervention see one step at update `update`.
fn after_step(method: &InterventionConfig, p: &mut Params, change: impl FnOnce(&mut Params)) {
    let mut built = method.build(p);
    change(p);
    let trace = Trace::off();
    let mut rng = random::stream(1, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    built.weights(p, &mut cx);
}

#[test]
fn the_projection_is_of_the_whole_matrix() {
    let v = &vectors("plasticity")["nap"];
    let mut p = Params::default();
    let w = p.add_value("w".to_owned(), Role::ScaleInvariant, Init::He, &tensor(&v["W0"]));
    let head = p.add_value("head".to_owned(), Role::Output, Init::He, &tensor(&v["W0"]));
    after_step(&nap(1, NapGains::Joint {}), &mut p, |p| {
        let _guard = no_grad_guard();
        for id in [w, head] {
            let _ = p.get_mut(id).g_add_(&tensor(&v["dW"]));
        }
    });
    close(&p.get(w).detach(), &v["W_projected_frobenius"], "W");
    close(&p.get(head).detach(), &v["W_after_update"], "the output layer is left alone");
    close(&p.get(w).detach().norm(), &v["rho_frobenius"], "rho");
    // A layer norm behind it does not see the projection.
    let norm = |w: &Tensor| {
        let y = w.matmul(&tensor(&v["x"]));
        y.layer_norm([3], None::<Tensor>, None::<Tensor>, 0.0, true)
    };
    close(&norm(&p.get(w).detach()), &v["ln_of_Wx_after_frobenius"], "after");
    close(&norm(&tensor(&v["W_after_update"])), &v["ln_of_Wx_before"], "before");
}

#[test]
fn gains_and_offsets_keep_their_joint_norm() {
    let v = &vectors("plasticity")["nap"]["scale_offset"];
    for (gains, moves) in [(NapGains::Joint {}, true), (NapGains::Free {}, false)] {
        let mut p = Params::default();
        let vector = |x: f64| Tensor::full([3], x, (Kind::Double, Device::Cpu));
        let one = |p: &mut Params, name: &str, role, x| {
            p.add_value(name.to_owned(), role, Init::Constant(x), &vector(x))
        };
        let gain = one(&mut p, "n/gain", Role::NormGain, 1.0);
        let offset = one(&mut p, "n/offset", Role::NormOffset, 0.0);
        let other = one(&mut p, "m/gain", Role::NormGain, 1.0); // an RMS norm has no offset
        after_step(&nap(1, gains), &mut p, |p| {
            let _guard = no_grad_guard();
            p.get_mut(gain).copy_(&tensor(&v["scale"]));
            p.get_mut(offset).copy_(&tensor(&v["offset"]));
            p.get_mut(other).copy_(&(vector(2.0)));
        });
        let key = |out: &'static str, raw: &'static str| if moves { out } else { raw };
        close(&p.get(gain).detach(), &v[key("scale_out", "scale")], "gain");
        close(&p.get(offset).detach(), &v[key("offset_out", "offset")], "offset");
        let alone = p.get(other).double_value(&[1]);
        assert!((alone - if moves { 1.0 } else { 2.0 }).abs() < 1e-12, "{alone}");
    }
}

/// `strength * (||gain - 1||^2 + ||offset||^2)` as its gradient, and nothing for weights.
#[test]
fn the_pull_is_a_gradient() {
    let mut p = Params::default();
    let vector = |x: f64| Tensor::full([2], x, (Kind::Double, Device::Cpu));
    for (name, role, value) in [
        ("w", Role::ScaleInvariant, 3.0),
        ("gain", Role::NormGain, 1.5),
        ("offset", Role::NormOffset, -0.5),
    ] {
        p.add_value(name.to_owned(), role, Init::Constant(0.0), &vector(value));
    }
    let mut built = nap(1, NapGains::Pull { strength: 0.1 }).build(&mut p);
    let mut grads = vec![vector(7.0), vector(7.0), vector(7.0)];
    let trace = Trace::off();
    let mut rng = random::stream(1, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    built.gradients(&p, &mut grads, &mut cx);
    let got: Vec<f64> = grads.iter().map(|g| g.double_value(&[0])).collect();
    for (got, want) in got.iter().zip([7.0, 7.1, 6.9]) {
        assert!((got - want).abs() < 1e-12, "{got} instead of {want}");
    }
}

#[test]
fn l2_init_is_the_squared_distance() {
    let v = &vectors("plasticity")["other_interventions"]["l2_init"];
    let mut p = Params::default();
    let w = p.add_value("w".to_owned(), Role::Hidden, Init::He, &tensor(&v["w0"]));
    let mut built =
        InterventionConfig::from(L2Init { strength: v["lam"].as_f64().unwrap() }).build(&mut p);
    let _guard = no_grad_guard();
    p.get_mut(w).copy_(&tensor(&v["w"]));
    let mut grads = vec![p.get(w).zeros_like()];
    let trace = Trace::off();
    let mut rng = random::stream(1, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    built.gradients(&p, &mut grads, &mut cx);
    close(&grads[0], &v["grad"], "gradient");
}

fn mlp(hidden: &[i64], norm: NormConfig, bias: bool) -> ArchConfig {
    let activation = Relu {}.into();
    ArchConfig::from(MlpConfig {
        hidden: hidden.to_vec(),
        norm,
        bias,
        activation,
        ..MlpConfig::default()
    })
}

fn layer() -> NormConfig {
    LayerNorm { affine: false }.into()
}

fn rms() -> NormConfig {
    RmsNorm { affine: true, part: 0.5 }.into()
}

fn build(
    arch: &ArchConfig,
    optim: &OptimConfig,
    interventions: &[InterventionConfig],
) -> Result<Model, String> {
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(2, 0)).unwrap();
    Model::new("m", net, p, optim, interventions, Device::Cpu)
}

/// The hidden layers of a normed network, biases included, can be scaled at will.
#[test]
fn scales_before_a_norm_have_no_effect() {
    let x = random::normal(&[6, 3], &mut random::stream(3, 0));
    let affine = NormConfig::from(LayerNorm { affine: true });
    for (norm, bias) in [(layer(), false), (affine, true), (rms(), true)] {
        let mut m = build(&mlp(&[8, 5], norm.clone(), bias), &OptimConfig::default(), &[]).unwrap();
        let before = m.forward(&x).remove(0);
        let names: Vec<_> = m.params.iter().map(|(id, p)| (id, p.name.clone(), p.role)).collect();
        assert_eq!(names.iter().filter(|(_, _, role)| *role == Role::ScaleInvariant).count(), 2);
        let _guard = no_grad_guard();
        for (id, name, _) in names {
            let factor = match name.split('/').nth(1) {
                Some("hidden_0") => 50.0,
                Some("hidden_1") => 7.0,
                _ => continue,
            };
            let _ = m.params.get_mut(id).g_mul_scalar_(factor);
        }
        let gap = (m.forward(&x).remove(0) - before).abs().max().double_value(&[]);
        assert!(gap < 1e-3, "{norm:?}: {gap}"); // what epsilon does beside a small variance
    }
}

/// `x / sqrt(mean of the first half's squares + eps) * gain`.
#[test]
fn a_partial_rms_norm_by_hand() {
    let mut p = Params::default();
    let norm = rms().build(&mut p, "n", 3, 1.0, &mut random::stream(1, 0)).unwrap();
    p.load_flat(&[1.0, 2.0, 3.0]);
    let x = Tensor::from_slice(&[1f32, -3.0, 10.0]).view([1, 3]);
    // Half of three units is two, rounded up: (1 + 9) / 2 + 1 = 6.
    let y = norm.forward(&mut Forward::eval(&p, &mut Trace::off()), &x);
    let got = Vec::<f32>::try_from(&y.flatten(0, -1)).unwrap();
    for (got, want) in got.iter().zip([1.0, -6.0, 30.0]) {
        assert!((got - want / 6f32.sqrt()).abs() < 1e-5, "{got}");
    }
    assert_eq!(p.iter().count(), 1, "an RMS norm has no offset");
    let none = NoNorm {}.build(&mut p, "m", 3, 1.0, &mut random::stream(1, 0));
    assert!(none.is_none());
}

fn step(m: &mut Model, update: u64, task: usize) {
    let mut rng = random::stream(4, update);
    let (x, y) = (random::normal(&[8, 3], &mut rng), random::normal(&[8, 2], &mut rng) * 5.0);
    let mut trace = Trace::on();
    let loss = (&m.forward_train(&x, &mut trace)[0] - y).square().mean(Kind::Float);
    let clock = Clock { update, task, ..Clock::default() };
    m.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
}

/// Norms by name of layer: of weight and bias together, and of each norm's gain and offset.
fn norms(m: &Model) -> Vec<(String, f64)> {
    let mut out: Vec<(String, f64)> = Vec::new();
    for (_, p) in m.params.iter().filter(|(_, p)| p.role != Role::State) {
        let norm = p.value.detach().to_kind(Kind::Double).norm().double_value(&[]);
        let layer = p.name.rsplit_once('/').unwrap().0;
        match out.last_mut() {
            Some((name, joint)) if name == layer => *joint = joint.hypot(norm),
            _ => out.push((layer.to_owned(), norm)),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// Every hidden matrix, and every norm's pair, has its initial norm after each update; the output
    /// layer's norm moves.
    #[test]
    fn norms_stay(
        hidden in prop::collection::vec(3i64..12, 1..4),
        bias in any::<bool>(),
        norm in prop::sample::select(vec![layer(), NormConfig::from(LayerNorm { affine: true }), rms()]),
        rule in prop::sample::select(vec![OptimConfig::default().rule, Sgd::default().into()]),
        lr in 1e-4f64..1.0,
        others in prop::sample::subsequence(
            vec![
                shrink_perturb(0.5, 0.5, 2),
                InterventionConfig::from(L2Init { strength: 0.1 }),
            ],
            0..=2,
        ).prop_shuffle(),
    ) {
        let optim = OptimConfig { clip_grad_norm: Some(1.0), ..OptimConfig::new(rule, lr) };
        let interventions = [others, vec![nap(1, NapGains::Joint {})]].concat();
        let mut m = build(&mlp(&hidden, norm, bias), &optim, &interventions).unwrap();
        let start = norms(&m);
        for update in 0..4 {
            step(&mut m, update, 0);
            for ((name, got), (_, want)) in norms(&m).iter().zip(&start) {
                if name == "f/y" {
                    prop_assert!(got != want, "the output layer learns its scale");
                } else {
                    prop_assert!((got / want - 1.0).abs() < 1e-5, "{name}: {got}, not {want}");
                }
            }
        }
    }
}

/// Only every third update projects; the same updates without NaP let the norms grow.
#[test]
fn the_period_is_kept() {
    let optim = OptimConfig { lr: 0.05, ..OptimConfig::default() };
    let mut m = build(&mlp(&[8], layer(), false), &optim, &[nap(3, NapGains::default())]).unwrap();
    let start = norms(&m)[0].1;
    for update in 0..7 {
        step(&mut m, update, 0);
        let off = (norms(&m)[0].1 / start - 1.0).abs();
        assert_eq!(off < 1e-5, update % 3 == 2, "update {update}: {off}");
    }
}

/// Saved norms count, not those of the weights that a restored model was built with.
#[test]
fn a_saved_model_goes_on_bit_for_bit() {
    let schedule = Schedule::CosineRestarts {
        start_factor: 0.1,
        warmup_updates: 2,
        end_factor: 0.2,
        updates: 6,
        restart: Restart::Task,
    };
    let optim = OptimConfig { lr: 0.05, schedule, ..OptimConfig::default() };
    let arch = mlp(&[8, 6], NormConfig::from(LayerNorm { affine: true }), false);
    let interventions = [nap(2, NapGains::Joint {})];
    let task = |update: u64| usize::from(update >= 4);
    let mut a = build(&arch, &optim, &interventions).unwrap();
    (0..7).for_each(|update| step(&mut a, update, task(update)));
    let mut saved = StateDict::new();
    a.save(&mut saved);
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(99, 0)).unwrap();
    let mut b = Model::new("m", net, p, &optim, &interventions, Device::Cpu).unwrap();
    b.load(&saved).unwrap();
    assert_eq!(a.lr(), b.lr(), "the cycle began at update 4");
    for m in [&mut a, &mut b] {
        (7..12).for_each(|update| step(m, update, task(update)));
    }
    assert_eq!(a.params.to_flat(), b.params.to_flat());
}

#[test]
fn what_nap_cannot_work_on_is_refused() {
    let plain = OptimConfig::default();
    let decay = OptimConfig::new(Adam { weight_decay: 0.1, ..Adam::default() }, 1e-3);
    let one = [nap(1, NapGains::default())];
    let two = [one[0].clone(), one[0].clone()];
    let simba = ArchConfig::from(SimbaConfig {
        width: 4,
        blocks: 1,
        expansion: 2,
        ..SimbaConfig::default()
    });
    let v2 = ArchConfig::from(SimbaV2Config { width: 4, blocks: 1, ..SimbaV2Config::default() });
    for (arch, optim, interventions, wanted) in [
        (
            mlp(&[4], NormConfig::from(NoNorm {}), true),
            &plain,
            &one[..],
            "layer `f/hidden_0` has no norm",
        ),
        (simba, &plain, &one, "layer `f/embed` has no norm"),
        (v2, &plain, &one, "there is no hidden matrix"),
        (mlp(&[], layer(), false), &plain, &one, "there is no hidden matrix"),
        (mlp(&[4], layer(), false), &decay, &one, "optim.weight_decay = 0.1"),
        (mlp(&[4], layer(), false), &plain, &two, "twice"),
    ] {
        let Err(error) = build(&arch, optim, interventions) else {
            panic!("{arch:?} {interventions:?}")
        };
        assert!(error.contains(wanted) && error.contains("nap"), "{error}");
    }
    assert!(build(&mlp(&[4], rms(), false), &plain, &one).is_ok());
}

/// Warm-up, half a cosine and the next cycle, by period and by task.
#[test]
fn the_schedule_restarts() {
    let schedule = |restart| Schedule::CosineRestarts {
        start_factor: 0.2,
        warmup_updates: 2,
        end_factor: 0.1,
        updates: 6,
        restart,
    };
    let cycle = [0.2, 0.6, 1.0, 0.868_198, 0.55, 0.231_802];
    for update in 0..13u64 {
        let got = schedule(Restart::Period).factor(update);
        assert!((got - cycle[(update % 6) as usize]).abs() < 1e-6, "{update}: {got}");
        let got = schedule(Restart::Task).factor(update);
        let want = cycle.get(update as usize).copied().unwrap_or(0.1);
        assert!((got - want).abs() < 1e-6, "{update}: {got}, not {want}");
    }
    // In an optimiser the cycle begins again when the task changes, whatever the new number is.
    let optim =
        OptimConfig { lr: 1.0, schedule: schedule(Restart::Task), ..OptimConfig::default() };
    let mut m = build(&mlp(&[4], layer(), false), &optim, &[]).unwrap();
    let mut seen = Vec::new();
    for (update, task) in [0, 0, 0, 5, 5, 0].into_iter().enumerate() {
        step(&mut m, update as u64, task);
        seen.push(m.lr());
    }
    for (got, want) in seen.iter().zip([0.6, 1.0, 0.868_198, 0.6, 1.0, 0.6]) {
        assert!((got - want).abs() < 1e-6, "{seen:?}");
    }
}

fn shrink_perturb(shrink: f64, perturb: f64, every_updates: u64) -> InterventionConfig {
    InterventionConfig::from(ShrinkPerturb {
        shrink,
        perturb,
        every_updates,
        on_task_change: false,
    })
}
