//! The regressor in plain loops against the methods of `networks` on tensors, update by update, and all
//! learners of the table against `golden/slowly_changing_anchor.json`.
//!
//! The slow suite runs the whole table: eighteen seeds, a million examples, both streams.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use benchmarks::{
    slowly_changing::{Flip, LearnerConfig, Stream, StreamConfig},
    supervised::{
        Activation,
        scalar::{Scalar, ScalarConfig, UpdateRule},
    },
};
use networks::{
    arch::mlp::MlpConfig,
    interventions::{Cbp, Clock, InterventionConfig, Utility},
    layers::activation::{Relu, Silu, Tanh},
    model::Model,
    network::ArchConfig,
    optim::{Adam, AdamW, OptimConfig, Sgd},
    params::Params,
    random::{self, Rng},
    trace::Trace,
};
use rand::SeedableRng;
use serde_json::Value;
use tch::{Device, Kind, Reduction, Tensor};

const M: usize = 20;

fn golden(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn optim(c: &ScalarConfig) -> OptimConfig {
    let ScalarConfig { beta1, beta2, eps, weight_decay, .. } = *c;
    match c.kind {
        UpdateRule::Sgd => OptimConfig::new(Sgd { weight_decay, ..Sgd::default() }, c.lr),
        UpdateRule::Adam => OptimConfig::new(Adam { beta1, beta2, eps, weight_decay }, c.lr),
        UpdateRule::Adamw => OptimConfig::new(AdamW { beta1, beta2, eps, weight_decay }, c.lr),
    }
}

/// Both learn the same examples from the same weights, the model in f64: errors within `tolerance`, as
/// a fraction, at every one. Draws of methods come from `rng`.
fn compare(what: &str, model: Model, c: &ScalarConfig, rng: &Rng, examples: usize, tolerance: f64) {
    let first: Vec<f64> = model.params.to_flat().iter().map(|&w| f64::from(w)).collect();
    let mut model = model.to_kind(Kind::Double);
    let mut scalar = Scalar::from_weights(c, M, first, rng.clone());
    let mut rng = rng.clone();
    let stream = StreamConfig { flip_after: 100, ..StreamConfig::default() };
    for (k, (x, y)) in Stream::new(stream, random::stream(9, 0)).unwrap().take(examples).enumerate()
    {
        let bits: Vec<f64> = (0..M).map(|j| (x >> j & 1) as f64).collect();
        let mut trace = Trace::on();
        let f = &model.forward_train(&Tensor::from_slice(&bits).view([1, -1]), &mut trace)[0];
        let loss = f.mse_loss(&Tensor::from_slice(&[y]).view([1, 1]), Reduction::Sum);
        let clock = Clock { update: k as u64, ..Clock::default() };
        let want = model.minimize(&loss, &trace, &[], clock, &mut rng).unwrap().loss;
        let got = scalar.update(x, y);
        assert!(
            (got - want).abs() <= tolerance * want.max(1.0),
            "{what}, example {k}: {got} instead of {want}"
        );
    }
    let replaced: u64 = model
        .intervention_counts()
        .filter(|(kind, _)| *kind == "cbp")
        .map(|(_, times)| times)
        .sum();
    assert_eq!(scalar.replaced(), replaced, "{what}");
    assert!(c.cbp.is_none() || replaced > 10, "{what}: {replaced} units replaced");
}

/// Every nonlinearity and update rule. Rounding is all that differs.
#[test]
fn steps_are_those_of_networks() {
    let base = ScalarConfig::default();
    for (hidden, activation, kind, lr, weight_decay) in [
        (5, Activation::Relu, UpdateRule::Sgd, 0.01, 0.0),
        (5, Activation::Relu, UpdateRule::Sgd, 0.01, 0.1),
        (5, Activation::Tanh, UpdateRule::Sgd, 0.01, 0.0),
        (3, Activation::Silu, UpdateRule::Sgd, 0.01, 0.0),
        (5, Activation::Relu, UpdateRule::Adam, 0.01, 0.1),
        (5, Activation::Tanh, UpdateRule::Adamw, 0.01, 0.1),
        (0, Activation::Relu, UpdateRule::Sgd, 0.01, 0.0),
        (0, Activation::Relu, UpdateRule::Adam, 0.001, 0.0),
    ] {
        let c = ScalarConfig { hidden, activation, kind, lr, weight_decay, ..base.clone() };
        let mut rng = random::stream(4, 1);
        let layers = if hidden > 0 { vec![hidden as i64] } else { Vec::new() };
        let activation = match activation {
            Activation::Relu => Relu {}.into(),
            Activation::Tanh => Tanh {}.into(),
            Activation::Silu => Silu {}.into(),
        };
        let arch =
            ArchConfig::from(MlpConfig { hidden: layers, activation, ..MlpConfig::default() });
        let mut p = Params::default();
        let net = arch.build(&mut p, "f", &[M as i64], &[("y", 1)], &mut rng).unwrap();
        let model = Model::new("f", net, p, &optim(&c), &[], Device::Cpu).unwrap();
        compare(&format!("{c:?}"), model, &c, &rng, 400, 1e-9);
    }
}

/// Every utility, counted and by chance, with and without the mean, under SGD and Adam: the same units
/// go, and get the same weights but for the f32 they are drawn in there.
#[test]
fn continual_backprop_is_that_of_networks() {
    use Utility::{
        AdaptableContribution, Adaptation, Contribution, FeatureByInput, Random, Weight,
        ZeroContribution,
    };
    for (k, utility) in [
        Contribution,
        ZeroContribution,
        AdaptableContribution,
        Adaptation,
        FeatureByInput,
        Weight,
        Random,
    ]
    .into_iter()
    .enumerate()
    {
        let cbp = Cbp {
            utility,
            // Several at a time, or one now and then.
            replacement_rate: if k == 5 { 0.3 } else { 0.02 },
            maturity_threshold: 10,
            decay_rate: 0.9,
            accumulate: k % 2 == 0,
            transfer_mean: k % 3 == 0,
        };
        let kind = if k < 4 { UpdateRule::Sgd } else { UpdateRule::Adam };
        let c = ScalarConfig { kind, cbp: Some(cbp), ..ScalarConfig::default() };
        let mut rng = random::stream(5, 1);
        let learner = LearnerConfig {
            methods: vec![InterventionConfig::from(cbp)],
            ..LearnerConfig::default()
        };
        let model = learner.build_with(M as u32, &optim(&c), &mut rng).unwrap();
        compare(&format!("{cbp:?}"), model, &c, &rng, 500, 1e-4);
    }
}

/// The same draws as the learner of tensors, and the golden bounds.
#[test]
fn first_weights_have_their_distributions() {
    let bounds = golden("../networks/tests/golden/vectors_plasticity.json");
    let bounds = &bounds["slowly_changing_regression"]["learner_init"];
    for hidden in [5, 0] {
        let learner = LearnerConfig { hidden, ..LearnerConfig::default() };
        let model = learner.build(M as u32, &mut random::stream(1, 1)).unwrap();
        let c = ScalarConfig { hidden: hidden as usize, ..ScalarConfig::default() };
        let scalar = Scalar::new(&c, M, random::stream(1, 1));
        let want = model.params.to_flat();
        assert_eq!(scalar.weights().len(), want.len());
        for (got, &want) in scalar.weights().iter().zip(want.iter()) {
            assert!((got - f64::from(want)).abs() < 1e-6, "{got} instead of {want}");
        }
    }
    for (activation, key) in
        [(Activation::Relu, "kaiming_bound_in_relu"), (Activation::Tanh, "kaiming_bound_tanh")]
    {
        let c = ScalarConfig { activation, hidden: 500, ..ScalarConfig::default() };
        let scalar = Scalar::new(&c, M, Rng::seed_from_u64(1));
        let most = scalar.weights()[..500 * M].iter().fold(0f64, |most, w| most.max(w.abs()));
        let bound = bounds[key].as_f64().unwrap();
        assert!(most <= bound && most > 0.999 * bound, "{most} of {bound}");
    }
}

/// Where nothing is learned, weights shrink and walk: after `T` steps of standard deviation `s` that
/// keep `k = 1 - lr wd` of the weight, `k^T w + N(0, s^2 (1 - k^2T) / (1 - k^2))`.
#[test]
fn shrinking_and_perturbing_are_a_walk() {
    const N: usize = 500;
    let (noise_std, steps, lr) = (0.01, 200, 1e-9);
    let keep: f64 = 1.0 - lr * 1e6;
    assert!((keep - 0.999).abs() < 1e-12);
    let c = ScalarConfig { hidden: N, lr, weight_decay: 1e6, noise_std, ..ScalarConfig::default() };
    let mut scalar = Scalar::new(&c, M, random::stream(2, 1));
    let first = scalar.weights().to_vec();
    for k in 0..steps {
        let _ = scalar.update(k * 7_919 % (1 << M), 0.0);
    }
    let kept = keep.powi(steps as i32);
    let variance = noise_std * noise_std * (1.0 - kept * kept) / (1.0 - keep * keep);
    let walk: Vec<f64> = first.iter().zip(scalar.weights()).map(|(f, w)| w - kept * f).collect();
    let n = walk.len() as f64;
    let mean = walk.iter().sum::<f64>() / n;
    let second = walk.iter().map(|w| w * w).sum::<f64>() / n;
    assert!(mean.abs() < 4.0 * (variance / n).sqrt(), "{mean}");
    assert!((second / variance - 1.0).abs() < 4.0 * (2.0 / n).sqrt(), "{second} of {variance}");
    // Biases take part.
    let biases = &walk[N * M..N * M + N];
    assert!(biases.iter().all(|&b| b != 0.0));
}

fn cbp(rate: f64, maturity: u64, accumulate: bool) -> ScalarConfig {
    let cbp = Cbp {
        utility: Utility::AdaptableContribution,
        replacement_rate: rate,
        maturity_threshold: maturity,
        decay_rate: 0.99,
        accumulate,
        transfer_mean: false,
    };
    ScalarConfig { cbp: Some(cbp), ..ScalarConfig::default() }
}

/// All learners of the anchor by their names there.
fn learners() -> Vec<(&'static str, ScalarConfig)> {
    let base = ScalarConfig::default;
    let linear = |lr| ScalarConfig { hidden: 0, lr, ..base() };
    let tanh = |lr| ScalarConfig { activation: Activation::Tanh, lr, ..base() };
    let adam = |lr| ScalarConfig { kind: UpdateRule::Adam, lr, ..base() };
    let l2 = |weight_decay| ScalarConfig { weight_decay, ..base() };
    let snp = |noise_std| ScalarConfig { noise_std, ..l2(1e-2) };
    let change = |mut c: ScalarConfig, change: &dyn Fn(&mut Cbp)| {
        c.cbp.iter_mut().for_each(change);
        c
    };
    let contribution = |c| change(c, &|c| c.utility = Utility::Contribution);
    vec![
        ("bp_relu_sgd_0.01", base()),
        ("bp_relu_sgd_0.003", ScalarConfig { lr: 0.003, ..base() }),
        ("bp_relu_sgd_0.001", ScalarConfig { lr: 0.001, ..base() }),
        ("linear_sgd_0.01", linear(0.01)),
        ("linear_sgd_0.003", linear(0.003)),
        ("linear_sgd_0.001", linear(0.001)),
        ("bp_tanh_sgd_0.01", tanh(0.01)),
        ("bp_tanh_sgd_0.001", tanh(0.001)),
        ("bp_relu_adam_0.01", adam(0.01)),
        ("bp_relu_adam_0.001", adam(0.001)),
        ("l2_relu_sgd_0.01_wd1e-4", l2(1e-4)),
        ("l2_relu_sgd_0.01_wd1e-3", l2(1e-3)),
        ("l2_relu_sgd_0.01_wd1e-2", l2(1e-2)),
        ("snp_relu_sgd_0.01_wd1e-2_p1e-3", snp(1e-3)),
        ("snp_relu_sgd_0.01_wd1e-2_p1e-2", snp(1e-2)),
        ("cbp_adapt_0.01_rr1e-6_mt10", cbp(1e-6, 10, false)),
        ("cbp_adapt_0.01_rr1e-5_mt10", cbp(1e-5, 10, false)),
        ("cbp_adapt_0.01_rr1e-4_mt10", cbp(1e-4, 10, false)),
        ("cbp_adapt_0.01_rr1e-3_mt10", cbp(1e-3, 10, false)),
        ("cbp_adapt_0.01_rr1e-2_mt10", cbp(1e-2, 10, false)),
        ("cbp_adapt_0.01_rr1e-4_mt100", cbp(1e-4, 100, false)),
        ("cbp_adapt_0.01_rr1e-4_mt100_acc", cbp(1e-4, 100, true)),
        ("cbp_contrib_0.01_rr1e-4_mt100_acc", contribution(cbp(1e-4, 100, true))),
        ("cbp_contrib_0.01_rr1e-3_mt100_acc", contribution(cbp(1e-3, 100, true))),
        (
            "cbp_adapt_0.01_rr1e-4_mt100_acc_biascorr",
            change(cbp(1e-4, 100, true), &|c| c.transfer_mean = true),
        ),
        ("cbp_adapt_0.003_rr1e-4_mt100_acc", ScalarConfig { lr: 0.003, ..cbp(1e-4, 100, true) }),
        ("cbp_adapt_0.001_rr1e-4_mt100_acc", ScalarConfig { lr: 0.001, ..cbp(1e-4, 100, true) }),
    ]
}

const BIN: usize = 20_000;

/// Mean error of each bin, and units replaced, of the run of a seed.
fn follow(c: &ScalarConfig, flip: Flip, seed: u64, bins: usize) -> (Vec<f64>, u64) {
    let stream = StreamConfig { flip, ..StreamConfig::default() };
    let mut data = Stream::new(stream, random::stream(seed, 0)).unwrap();
    let mut learner = Scalar::new(c, M, random::stream(seed, 1));
    let mut bin = || {
        let sum: f64 = data.by_ref().take(BIN).map(|(x, y)| learner.update(x, y)).sum();
        sum / BIN as f64
    };
    let errors = (0..bins).map(|_| bin()).collect();
    (errors, learner.replaced())
}

/// Everything that `f` makes of `0..n`, on all cores.
fn all<T: Send>(n: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut out: Vec<(usize, T)> = thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let k = next.fetch_add(1, Ordering::Relaxed);
                if k >= n {
                    return done;
                }
                done.push((k, f(k)));
            }
        };
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    out.sort_by_key(|(k, _)| *k);
    out.into_iter().map(|(_, value)| value).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Distance of our mean from the anchor's in standard errors of the difference; our spread is the
/// anchor's.
fn distance(ours: &[f64], (anchor, se): (f64, f64)) -> f64 {
    (mean(ours) - anchor) / (se * (1.0 + 18.0 / ours.len() as f64).sqrt())
}

/// The anchor's mean over bins, and its error if they are independent.
fn anchor_bins(anchor: &Value, bins: usize) -> (f64, f64) {
    let list = |key: &str| -> Vec<f64> {
        anchor[key].as_array().unwrap()[..bins].iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let variance: f64 = list("err_se").iter().map(|s| s * s).sum();
    (mean(&list("err_mean")), variance.sqrt() / bins as f64)
}

/// The test's learners are the anchor's, all of them.
#[test]
fn the_table_is_whole() {
    let anchors = golden("tests/golden/slowly_changing_anchor.json");
    let mut ours: Vec<&str> = learners().iter().map(|(name, _)| *name).collect();
    ours.sort_unstable();
    for stream in ["block_redraw", "flip_one"] {
        let mut names: Vec<&str> =
            anchors[stream].as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ours);
    }
}

/// Four seeds, the first 100,000 examples. (27 comparisons: a limit of 3.5.)
#[test]
fn all_learners_begin_as_the_anchor() {
    let anchors = golden("tests/golden/slowly_changing_anchor.json");
    let table = learners();
    let runs =
        all(4 * table.len(), |k| follow(&table[k / 4].1, Flip::Redraw, 1 + (k % 4) as u64, 5).0);
    for ((name, _), runs) in table.iter().zip(runs.chunks(4)) {
        let ours: Vec<f64> = runs.iter().map(|errors| mean(errors)).collect();
        let anchor = anchor_bins(&anchors["block_redraw"][name], 5);
        let off = distance(&ours, anchor);
        eprintln!("{name}: {:.3}, anchor {:.3}: {off:+.1} standard errors", mean(&ours), anchor.0);
        assert!(off.abs() < 3.5, "{name}: {} instead of {}", mean(&ours), anchor.0);
    }
}

/// Of each learner in the whole table.
const SEEDS: usize = 18;

/// The whole table; prints it.
#[test]
#[ignore = "learns from a million examples with eighteen seeds; `cargo xtask test --slow` runs it"]
fn slow_all_learners_end_as_the_anchor() {
    let anchors = golden("tests/golden/slowly_changing_anchor.json");
    let table = learners();
    let mut wrong = Vec::new();
    for (stream, flip) in [("block_redraw", Flip::Redraw), ("flip_one", Flip::One)] {
        let runs = all(SEEDS * table.len(), |k| {
            follow(&table[k / SEEDS].1, flip, 1 + (k % SEEDS) as u64, 50)
        });
        eprintln!("| {stream} | last 200k | anchor | off by | replaced | anchor |");
        eprintln!("| --- | --- | --- | --- | --- | --- |");
        for ((name, _), runs) in table.iter().zip(runs.chunks(SEEDS)) {
            let anchor = &anchors[stream][name];
            let number = |key: &str| anchor[key].as_f64().unwrap();
            let ours: Vec<f64> = runs.iter().map(|(errors, _)| mean(&errors[40..])).collect();
            // Either's own spread: on this stream that of the anchor's seeds is small.
            let n = ours.len() as f64;
            let variance = ours.iter().map(|x| (x - mean(&ours)).powi(2)).sum::<f64>() / (n - 1.0);
            let error = (variance / n + number("final200k_se").powi(2)).sqrt();
            let off = (mean(&ours) - number("final200k_mean")) / error;
            let replaced = mean(&runs.iter().map(|(_, n)| *n as f64).collect::<Vec<_>>());
            eprintln!(
                "| {name} | {:.3} | {:.3} | {off:+.1} | {replaced:.1} | {:.1} |",
                mean(&ours),
                number("final200k_mean"),
                number("replacements")
            );
            // Five units for 18 x 1e6 updates, by chance: the relative error is 1 / sqrt(count).
            let want = number("replacements");
            let spread = 5.0 * (want / SEEDS as f64).sqrt();
            if off.abs() > 3.0 || (replaced - want).abs() > spread.max(0.002 * want) {
                wrong.push(format!("{stream} {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
