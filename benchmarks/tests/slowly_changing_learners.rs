//! Learners of slowly-changing regression against the same in plain loops, and against
//! `golden/slowly_changing_anchor.json`, which an independent implementation computed.
//!
//! A gradient step on tensors this small takes some 50 us, on plain numbers 0.2 us. So plain loops
//! carry the statistics (18 seeds, a million examples), and the learners are held to them.
//!
//! The slow test lets the learners themselves see a million examples and prints a table.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{
    fs,
    ops::{Range, RangeInclusive},
    path::Path,
    thread,
};

use benchmarks::slowly_changing::{BIN, Flip, LearnerConfig, Outcome, Stream, StreamConfig, run};
use networks::{
    init::Init,
    interventions::{Cbp, InterventionConfig, ShrinkPerturb, Utility},
    random,
};
use serde_json::Value;

fn json(path: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// Uniform weights with the golden bounds, biases of 0.
#[test]
fn first_weights_have_their_distributions() {
    let golden = json("../networks/tests/golden/vectors_plasticity.json");
    let bounds = &golden["slowly_changing_regression"]["learner_init"];
    let model = LearnerConfig::default().build(20, &mut random::stream(1, 0)).unwrap();
    for (name, key) in [
        ("hidden/weight", Some("kaiming_bound_in_relu")),
        ("hidden/bias", None),
        ("output/weight", Some("out_bound")),
        ("output/bias", None),
    ] {
        let (_, p) = model.params.iter().find(|(_, p)| p.name == name).unwrap();
        match (&p.init, key.map(|k| bounds[k].as_f64().unwrap())) {
            (Init::Uniform(got), Some(want)) => assert!((got - want).abs() < 1e-15, "{name} {got}"),
            (Init::Constant(got), None) => assert_eq!(*got, 0.0, "{name}"),
            (init, _) => panic!("{name} is drawn from {init:?}"),
        }
    }
}

/// A method that does nothing changes nothing, to the bit; another does.
#[test]
fn methods_reach_the_learner() {
    let errors = |shrink: Option<f64>| {
        let method = |shrink| {
            InterventionConfig::from(ShrinkPerturb {
                shrink,
                perturb: 0.0,
                every_updates: 100,
                on_task_change: false,
            })
        };
        let methods = shrink.map(method).into_iter().collect();
        let learner = LearnerConfig { methods, ..LearnerConfig::default() };
        run(1, 1000, &StreamConfig::default(), &learner).unwrap().errors
    };
    assert_eq!(errors(None), errors(Some(1.0)));
    assert_ne!(errors(None), errors(Some(0.5)));
}

/// [`run`] in plain f64 loops, without methods.
fn by_hand(seed: u64, examples: usize, stream: &StreamConfig, learner: &LearnerConfig) -> Outcome {
    const M: usize = 20;
    let model = learner.build(20, &mut random::stream(seed, 1)).unwrap();
    let first: Vec<f64> = model.params.to_flat().iter().map(|&w| f64::from(w)).collect();
    let n = learner.hidden as usize;
    let (w, rest) = first.split_at(n * M);
    let (b, rest) = rest.split_at(n);
    let (v, c) = rest.split_at(if n > 0 { n } else { M });
    let mut w: Vec<[f64; M]> = w.chunks(M).map(|row| row.try_into().unwrap()).collect();
    let (mut b, mut v, mut c) = (b.to_vec(), v.to_vec(), c[0]);

    let inputs = |x: u64| -> [f64; M] { std::array::from_fn(|j| (x >> j & 1) as f64) };
    let affine = |w: &[f64], b: f64, x: &[f64]| w.iter().zip(x).fold(b, |z, (w, x)| z + w * x);
    let mut outcome = Outcome { errors: Vec::new(), idle: 0.0 };
    let mut data = Stream::new(stream.clone(), random::stream(seed, 0)).unwrap();
    let mut bin = Vec::new();
    for start in (0..examples).step_by(BIN) {
        bin = data.by_ref().take(BIN.min(examples - start)).collect();
        let mut sum = 0.0;
        for &(x, y) in &bin {
            let x = inputs(x);
            let mut h = [0.0; M];
            for i in 0..n {
                h[i] = affine(&w[i], b[i], &x).max(0.0);
            }
            let h = if n > 0 { &h } else { &x };
            let error = affine(&v, c, h) - y;
            sum += error * error;
            let step = learner.lr * 2.0 * error;
            for i in 0..v.len() {
                if n > 0 && h[i] > 0.0 {
                    let step = step * v[i];
                    w[i].iter_mut().zip(&x).for_each(|(w, x)| *w -= step * x);
                    b[i] -= step;
                }
                v[i] -= step * h[i];
            }
            c -= step;
        }
        outcome.errors.push(sum / bin.len() as f64);
    }
    let idle = |i: &usize| {
        let on = bin.iter().filter(|(x, _)| affine(&w[*i], b[*i], &inputs(*x)) > 0.0).count();
        on * 100 <= bin.len()
    };
    outcome.idle = (0..n).filter(idle).count() as f64 / n.max(1) as f64;
    outcome
}

fn linear() -> LearnerConfig {
    LearnerConfig { hidden: 0, lr: 0.003, ..LearnerConfig::default() }
}

/// In f32 and f64, over two redraws, with a short last bin. Rounding stays near 1e-7 of the error here;
/// after ten bins a unit may live in one that died in the other.
#[test]
fn learners_are_the_plain_loops() {
    let stream = StreamConfig::default();
    let backprop = LearnerConfig::default();
    for (seed, learner) in [(1, &backprop), (2, &backprop), (3, &linear())] {
        let got = run(seed, BIN + 3000, &stream, learner).unwrap();
        let want = by_hand(seed, BIN + 3000, &stream, learner);
        assert_eq!(got.errors.len(), 2);
        for (got, want) in got.errors.iter().zip(&want.errors) {
            assert!((got / want - 1.0).abs() < 1e-4, "{got} instead of {want}");
        }
        assert_eq!(got.idle, want.idle);
    }
}

/// Each seed on a thread of its own.
fn each<T: Send>(seeds: RangeInclusive<u64>, f: impl Fn(u64) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let f = &f;
        let threads: Vec<_> = seeds.map(|seed| scope.spawn(move || f(seed))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

fn runs(seeds: RangeInclusive<u64>, examples: usize, learner: &LearnerConfig) -> Vec<Outcome> {
    each(seeds, |seed| {
        tch::set_num_threads(1);
        run(seed, examples, &StreamConfig::default(), learner).unwrap()
    })
}

/// What the anchor has of one learner on one stream: means and standard errors over 18 seeds.
struct Anchor {
    mean: Vec<f64>,
    se: Vec<f64>,
    last: (f64, f64),
}

impl Anchor {
    const SEEDS: f64 = 18.0;

    fn of(stream: &str, learner: &str) -> Self {
        let a = &json("tests/golden/slowly_changing_anchor.json")[stream][learner];
        let number = |key: &str| a[key].as_f64().unwrap();
        let last = (number("final200k_mean"), number("final200k_se"));
        Anchor { mean: numbers(&a["err_mean"]), se: numbers(&a["err_se"]), last }
    }

    /// Mean over some of the first ten bins, which differ mostly by their blocks: as independent.
    fn bins(&self, r: Range<usize>) -> (f64, f64) {
        let variance: f64 = self.se[r.clone()].iter().map(|s| s * s).sum();
        (mean(&self.mean[r.clone()]), variance.sqrt() / r.len() as f64)
    }

    /// Wants the mean over our seeds within `limit` standard errors of the difference, taking their
    /// spread to be the anchor's.
    fn near(what: &str, ours: &[f64], anchor: (f64, f64), limit: f64) {
        let got = mean(ours);
        let error = anchor.1 * (1.0 + Self::SEEDS / ours.len() as f64).sqrt();
        let off = (got - anchor.0) / error;
        eprintln!("{what}: {got:.3}, anchor {:.3}: {off:+.1} standard errors", anchor.0);
        assert!(off.abs() < limit, "{what}: {got} instead of {}: {off} standard errors", anchor.0);
    }
}

/// Mean error of each run over a range of bins.
fn over(runs: &[Outcome], bins: Range<usize>) -> Vec<f64> {
    runs.iter().map(|r| mean(&r.errors[bins.clone()])).collect()
}

/// Eighteen seeds, a million examples, two streams: each of the first ten bins (limit 4, there are
/// forty of them), and the end. Backpropagation loses plasticity: it starts better than a linear
/// learner and ends worse, while that stays as good as it was.
#[test]
fn plain_loops_agree_with_the_anchor() {
    for (stream, flip) in [("block_redraw", Flip::Redraw), ("flip_one", Flip::One)] {
        let config = StreamConfig { flip, ..StreamConfig::default() };
        let mut ends = Vec::new();
        for (name, learner) in
            [("bp_relu_sgd_0.01", LearnerConfig::default()), ("linear_sgd_0.003", linear())]
        {
            let runs = each(1..=18, |seed| by_hand(seed, 50 * BIN, &config, &learner));
            let anchor = Anchor::of(stream, name);
            for k in 0..10 {
                let what = format!("{stream} {name}, bin {k}");
                Anchor::near(&what, &over(&runs, k..k + 1), anchor.bins(k..k + 1), 4.0);
            }
            let last = over(&runs, 40..50);
            Anchor::near(&format!("{stream} {name}, end"), &last, anchor.last, 3.0);
            ends.push((mean(&over(&runs, 0..5)), mean(&last)));
        }
        let (backprop, linear) = (ends[0], ends[1]);
        assert!(backprop.0 < linear.0 && backprop.1 > linear.1, "{ends:?}");
        assert!(backprop.1 > 1.3 * backprop.0 && linear.1 < 1.1 * linear.0, "{ends:?}");
    }
}

/// Two seeds of `learner` over ten bins agree with the anchor's row `name`, in either half.
fn agrees_with_the_anchor(name: &str, learner: &LearnerConfig) {
    let anchor = Anchor::of("block_redraw", name);
    let runs = runs(1..=2, 10 * BIN, learner);
    for bins in [0..5, 5..10] {
        let ours = over(&runs, bins.clone());
        Anchor::near(&format!("{name}, bins {bins:?}"), &ours, anchor.bins(bins), 3.0);
    }
}

/// So few seeds need not get worse by themselves: that is for the plain loops.
#[test]
fn backprop_agrees_with_the_anchor() {
    agrees_with_the_anchor("bp_relu_sgd_0.01", &LearnerConfig::default());
}

fn cbp(config: Cbp) -> LearnerConfig {
    LearnerConfig { methods: vec![InterventionConfig::from(config)], ..LearnerConfig::default() }
}

/// The anchor's continual backprop: the released utility, one unit in ten thousand updates for every
/// mature one.
fn adaptable() -> Cbp {
    Cbp {
        utility: Utility::AdaptableContribution,
        replacement_rate: 1e-4,
        maturity_threshold: 100,
        decay_rate: 0.99,
        accumulate: true,
        transfer_mean: false,
    }
}

/// On the same 400 000 examples, backpropagation's error rises and continual backprop's does not:
/// each agrees with its anchor, and the end is as far apart as there.
#[test]
fn continual_backprop_keeps_what_backprop_loses() {
    let learner = cbp(adaptable());
    let kept = runs(1..=3, 20 * BIN, &learner);
    let lost = each(1..=3, |seed| {
        by_hand(seed, 20 * BIN, &StreamConfig::default(), &LearnerConfig::default())
    });
    let name = "cbp_adapt_0.01_rr1e-4_mt100_acc";
    let anchor = Anchor::of("block_redraw", name);
    for bins in [0..5, 5..20] {
        let ours = over(&kept, bins.clone());
        Anchor::near(&format!("{name}, bins {bins:?}"), &ours, anchor.bins(bins), 3.0);
    }
    let ends = |runs: &[Outcome]| (mean(&over(runs, 0..5)), mean(&over(runs, 15..20)));
    let (kept, lost) = (ends(&kept), ends(&lost));
    eprintln!("continual backprop {kept:?}, backprop {lost:?}");
    assert!(lost.1 > 1.2 * lost.0, "backprop lost nothing: {lost:?}");
    assert!(kept.1 < 1.05 * kept.0, "continual backprop lost something: {kept:?}");
    assert!(kept.1 < 0.75 * lost.1, "{kept:?} against {lost:?}");
}

/// The learners of the table: the anchor's name, and what it is.
fn learners() -> Vec<(&'static str, LearnerConfig)> {
    let contribution = Cbp { utility: Utility::Contribution, ..adaptable() };
    let faster = Cbp { replacement_rate: 1e-3, ..contribution };
    let chances = Cbp { maturity_threshold: 10, accumulate: false, ..adaptable() };
    let transfer = Cbp { transfer_mean: true, ..adaptable() };
    vec![
        ("bp_relu_sgd_0.01", LearnerConfig::default()),
        ("linear_sgd_0.003", linear()),
        ("cbp_adapt_0.01_rr1e-4_mt10", cbp(chances)),
        ("cbp_adapt_0.01_rr1e-4_mt100_acc", cbp(adaptable())),
        ("cbp_adapt_0.01_rr1e-4_mt100_acc_biascorr", cbp(transfer)),
        ("cbp_contrib_0.01_rr1e-4_mt100_acc", cbp(contribution)),
        ("cbp_contrib_0.01_rr1e-3_mt100_acc", cbp(faster)),
    ]
}

/// A million examples, six seeds: prints the table, and its last errors agree with the anchor's.
#[test]
#[ignore = "learns from a million examples with six seeds; `cargo xtask test --slow` runs it"]
fn slow_learners_agree_with_the_anchor() {
    eprintln!("| learner | first 200k | last 200k | +- s.e. | anchor | idle units |");
    eprintln!("| --- | --- | --- | --- | --- | --- |");
    let mut ends = Vec::new();
    for (name, learner) in learners() {
        let runs = runs(1..=6, 50 * BIN, &learner);
        let (first, last) = (over(&runs, 0..10), over(&runs, 40..50));
        let idle: Vec<f64> = runs.iter().map(|r| r.idle).collect();
        let (n, end) = (last.len() as f64, mean(&last));
        let variance = last.iter().map(|x| (x - end).powi(2)).sum::<f64>() / (n - 1.0);
        let anchor = Anchor::of("block_redraw", name);
        eprintln!(
            "| {name} | {:.3} | {end:.3} | {:.3} | {:.3} | {:.0} % |",
            mean(&first),
            (variance / n).sqrt(),
            anchor.last.0,
            100.0 * mean(&idle)
        );
        ends.push((name, last, anchor.last, mean(&idle)));
    }
    for (name, last, anchor, _) in &ends {
        Anchor::near(name, last, *anchor, 3.0);
    }
    let (backprop, linear) = (&ends[0], &ends[1]);
    assert!(mean(&backprop.1) > mean(&linear.1), "{ends:?}");
    assert!(backprop.3 > 0.5, "{} of the units idle", backprop.3);
    for cbp in &ends[2..] {
        assert!(
            mean(&cbp.1) < 0.6 * mean(&backprop.1) && mean(&cbp.1) < mean(&linear.1),
            "{cbp:?}"
        );
        assert!(cbp.3 < 0.05, "{} of the units idle", cbp.3);
    }
}
