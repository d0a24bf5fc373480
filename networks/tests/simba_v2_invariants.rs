//! What must hold of SimbaV2 for any numbers: unit rows after any step, values' mass and mean, the role of the shift,
//! and how networks start.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::forward::Forward;
use networks::{
    arch::{mlp::MlpConfig, simba_v2::SimbaV2Config},
    categorical::Support,
    interventions::{Clock, InterventionConfig, L2Init, ShrinkPerturb},
    layers::l2_normalize,
    model::Model,
    network::ArchConfig,
    optim::{Adam, AdamW, OptimConfig, OptimSettings, Sgd},
    params::{Params, Role},
    random,
    registry::Named,
    squashed_gaussian::LogStd,
    trace::Trace,
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

fn activation<'a>(trace: &'a Trace, layer: &str) -> &'a Tensor {
    &trace.entries().iter().find(|e| e.layer == layer).unwrap().values
}

/// A small SimbaV2 model that learns noise.
fn model(
    width: i64,
    blocks: i64,
    input: i64,
    optim: &OptimConfig,
    interventions: &[InterventionConfig],
) -> Model {
    let arch = ArchConfig::from(SimbaV2Config { width, blocks, ..SimbaV2Config::default() });
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[input], &[("y", 3)], &mut random::stream(2, 0)).unwrap();
    Model::new("m", net, p, optim, interventions, Device::Cpu).unwrap()
}

fn step(m: &mut Model, input: i64, update: u64) {
    let mut rng = random::stream(3, update);
    let x = random::normal(&[8, input], &mut rng) * 5.0;
    let y = random::normal(&[8, 3], &mut rng) * 10.0;
    let mut trace = Trace::on();
    let loss = (&m.forward_train(&x, &mut trace)[0] - y).square().mean(Kind::Float);
    let clock = Clock { update, ..Clock::default() };
    m.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
}

fn rules() -> Vec<Named<dyn OptimSettings>> {
    vec![
        Adam { weight_decay: 0.01, ..Adam::default() }.into(),
        AdamW { weight_decay: 0.01, ..AdamW::default() }.into(),
        Sgd { weight_decay: 0.01, ..Sgd::default() }.into(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the optimiser, the rate and the other interventions do in whatever order, every row has
    /// unit norm after every update, and features too.
    #[test]
    fn rows_stay_on_the_sphere(
        width in 1i64..24,
        blocks in 0i64..3,
        input in 1i64..9,
        lr in 1e-4f64..10.0,
        rule in prop::sample::select(rules()),
        interventions in prop::sample::subsequence(
            vec![
                shrink_perturb(0.5, 0.5, 2),
                InterventionConfig::from(L2Init { strength: 0.1 }),
            ],
            0..=2,
        ).prop_shuffle(),
    ) {
        let optim = OptimConfig { clip_grad_norm: Some(1.0), ..OptimConfig::new(rule, lr) };
        let mut m = model(width, blocks, input, &optim, &interventions);
        prop_assert!(m.params.hypersphere_error() <= 1e-6, "at the start");
        for update in 0..4 {
            step(&mut m, input, update);
            let error = m.params.hypersphere_error();
            prop_assert!(error <= 1e-6, "update {update}: {error:e}");
        }
        let before = m.params.to_flat();
        m.params.project_to_hypersphere();
        for (a, b) in m.params.to_flat().iter().zip(before.iter()) {
            prop_assert!((a - b).abs() <= 1e-6, "projection twice is projection once");
        }
    }

    /// Mass is kept always, and the mean where nothing leaves the support; no mass is negative.
    #[test]
    fn projection_keeps_mass_and_mean(
        bins in 2i64..40,
        low in -10.0f64..10.0,
        range in 0.1f64..20.0,
        shift in -3.0f64..3.0,
        scale in 0.0f64..1.5,
        seed in 0u64..1000,
    ) {
        let support = Support { bins, min: low, max: low + range };
        let mut rng = random::stream(seed, 0);
        let probs = (random::normal(&[5, bins], &mut rng) * 2.0)
            .to_kind(Kind::Double)
            .softmax(-1, None::<Kind>);
        let grid = support.values(&probs);
        let middle = low + range / 2.0;
        let offset: f64 = middle + shift * range / 4.0;
        let values = ((&grid - middle) * scale + offset)
            .unsqueeze(0)
            .expand([5, -1], true)
            .contiguous();
        let out = support.project(&probs, &values);
        let gap = |a: Tensor, b: Tensor| (a - b).abs().max().double_value(&[]);
        let mass = out.sum_dim_intlist(-1, false, None::<Kind>);
        prop_assert!(gap(mass, Tensor::from(1.0)) < 1e-12);
        prop_assert!(out.min().double_value(&[]) >= 0.0);
        // Clipped or not, the mean is that of the clipped values.
        let clipped = values.clamp(support.min, support.max);
        let want = (&probs * clipped).sum_dim_intlist(-1, false, None::<Kind>);
        prop_assert!(gap(support.expectation(&out), want) < 1e-10 * (low.abs() + range));
    }
}

/// What the arithmetic promises of any input: outputs do not depend on an input's scale once it is
/// far larger than the shift, and they do where it is not.
#[test]
fn the_shift_keeps_magnitudes() {
    let m = model(16, 1, 4, &OptimConfig::default(), &[]);
    let x = random::normal(&[6, 4], &mut random::stream(5, 0));
    let gap = |a: &Tensor, b: &Tensor| {
        (&m.forward(a)[0] - &m.forward(b)[0]).abs().max().double_value(&[])
    };
    assert!(gap(&(&x * 1e5), &(&x * 2e5)) < 1e-4);
    assert!(gap(&x, &(&x * 2.0)) > 1e-2);
    let none = ArchConfig::from(SimbaV2Config {
        width: 16,
        blocks: 1,
        shift: 0.0,
        ..SimbaV2Config::default()
    });
    let mut p = Params::default();
    let net = none.build(&mut p, "f", &[4], &[("y", 3)], &mut random::stream(2, 0)).unwrap();
    let y = |x: &Tensor| net.forward(&mut Forward::eval(&p, &mut Trace::off()), x).remove(0);
    assert!((y(&x) - y(&(&x * 2.0))).abs().max().double_value(&[]) < 1e-5);
}

/// Initial values that the paper's section 4 gives as formulas, and the multiplier that lets
/// `alpha` learn at another rate.
#[test]
fn defaults_are_the_formulas() {
    let m = model(32, 2, 4, &OptimConfig::default(), &[]);
    let (d, blocks) = (32f64, 2f64);
    for (name, want) in [
        ("f/embed/scaler", (2.0 / d).sqrt()),
        ("f/block_1/scaler", (2.0 / (4.0 * d)).sqrt()),
        ("f/block_0/alpha", 1.0 / d.sqrt()),
        ("f/y/scaler", 1.0),
        ("f/y/out/bias", 0.0),
    ] {
        let (_, p) = m.params.iter().find(|(_, p)| p.name == name).unwrap();
        let gap = (&p.value - want).abs().max().double_value(&[]);
        assert!(gap < 1e-7, "{name} is not {want}");
    }
    // With weights of zero gradient the factor is 1 / (L + 1): a block moves a third of the way.
    let mut trace = Trace::on();
    let x = random::normal(&[6, 4], &mut random::stream(5, 0));
    m.forward_train(&x, &mut trace);
    let (h, u) = (activation(&trace, "f/embed"), activation(&trace, "f/block_0/up"));
    let (_, down) = m.params.iter().find(|(_, p)| p.name == "f/block_0/down/weight").unwrap();
    let step = l2_normalize(&u.matmul(&down.value.tr())) - h;
    let want = l2_normalize(&(h + step / (blocks + 1.0)));
    let gap = (activation(&trace, "f/block_0") - want).abs().max().double_value(&[]);
    assert!(gap < 1e-6, "{gap:e}");
}

/// A short row is a unit row again, however short; zero has no direction and stays.
#[test]
fn short_rows_get_their_length_back() {
    let mut p = Params::default();
    let rows = Tensor::from_slice(&[3e-15f32, 4e-15, 0.0, 0.0, 6.0, 8.0]).view([3, 2]);
    let w = p.add_value(
        "w".to_owned(),
        Role::Hyperspherical,
        networks::init::Init::Hyperspherical,
        &rows,
    );
    p.project_to_hypersphere();
    let want = Tensor::from_slice(&[0.6f32, 0.8, 0.0, 0.0, 0.6, 0.8]).view([3, 2]);
    assert!((p.get(w) - want).abs().max().double_value(&[]) < 1e-6);
    assert!(p.hypersphere_error() < 1e-6, "zero does not count");
}

/// No bias, no constant: an MLP has no unit rows and is not touched by the projection.
#[test]
fn other_architectures_are_left_alone() {
    let mut p = Params::default();
    let arch = ArchConfig::from(MlpConfig { hidden: vec![8], ..MlpConfig::default() });
    let _ = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
    let before = p.to_flat();
    p.project_to_hypersphere();
    assert_eq!((p.to_flat(), p.hypersphere_error()), (before, 0.0));
}

/// How the official code's networks start, measured there on standard normal inputs of 17 numbers and
/// 6 outputs: the spread has mean 0.022 (0.004 to 0.136), means are 0.066 from 0, and a critic is
/// nearly flat (values within some hundredths of 0). Here the same averages, to a quarter.
#[test]
fn networks_start_as_the_official_ones() {
    let mut rng = random::stream(11, 0);
    let x = random::normal(&[2_000, 17], &mut rng);
    let build = |width, blocks, input, outputs: &[(&str, i64)], rng: &mut random::Rng| {
        let mut p = Params::default();
        let arch = ArchConfig::from(SimbaV2Config { width, blocks, ..SimbaV2Config::default() });
        let net = arch.build(&mut p, "f", &[input], outputs, rng).unwrap();
        move |x: &Tensor| net.forward(&mut Forward::eval(&p, &mut Trace::off()), x)
    };
    let number = |t: Tensor| t.double_value(&[]);
    let (mut spread, mut from_zero) = (0.0, 0.0);
    for _ in 0..4 {
        let y = build(128, 1, 17, &[("mean", 6), ("log_std", 6)], &mut rng)(&x);
        let std = LogStd::Tanh { min: -10.0, max: 2.0 }.apply(&y[1]).exp();
        assert!(number(std.min()) > 0.001 && number(std.max()) < 0.5, "{:?}", std.max());
        spread += number(std.mean(Kind::Float)) / 4.0;
        from_zero += number(y[0].abs().mean(Kind::Float)) / 4.0;
    }
    assert!((spread / 0.022 - 1.0).abs() < 0.25, "mean spread {spread}");
    assert!((from_zero / 0.066 - 1.0).abs() < 0.25, "mean of |mean| {from_zero}");

    let action = random::uniform(&[2_000, 6], -1.0, 1.0, &mut rng);
    let logits = build(512, 2, 23, &[("value", 101)], &mut rng)(&Tensor::cat(&[&x, &action], 1));
    let q = Support::default().mean(&logits[0]);
    assert!(number(q.mean(Kind::Float).abs()) < 0.05, "mean value {:?}", q.mean(Kind::Float));
    assert!(number(q.std(false)) < 0.03, "deviation {:?}", q.std(false));
}

fn shrink_perturb(shrink: f64, perturb: f64, every_updates: u64) -> InterventionConfig {
    InterventionConfig::from(ShrinkPerturb {
        shrink,
        perturb,
        every_updates,
        on_task_change: false,
    })
}
