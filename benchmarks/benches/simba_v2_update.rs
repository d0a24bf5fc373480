//! How near a full-size SimbaV2 update comes to the machine's matrix products.
//!
//! `cargo bench -p benchmarks --bench simba_v2_update`; `TORCH_THREADS=1` for one thread. Prints the
//! GFLOP of one update (two critics of width 512, two blocks, 101 bins, batch 256, 17 observations,
//! 6 actions), its time, and the fraction of two rates measured in the same breath: that of large
//! square products, the most the machine gives, and that of the update's own products done alone.
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up should stop")]
#![allow(clippy::print_stdout, reason = "its result")]

use std::time::Instant;

use agents::{logging::record::Scalars, replay::draws::NoReplay};
use benchmarks::{Sizes, simba_v2_512};
use networks::{interventions::Clock, random};
use tch::{Kind, Tensor};

const BATCH: i64 = 256;
const ROUNDS: usize = 12;

/// Linear layers `(in, out)` of a network with `input` inputs.
fn layers(input: i64, width: i64, blocks: usize, heads: &[i64]) -> Vec<(i64, i64)> {
    let mut layers = vec![(input + 1, width)];
    for _ in 0..blocks {
        layers.extend([(width, 4 * width), (4 * width, width)]);
    }
    layers.extend(heads.iter().flat_map(|&out| [(width, width), (width, out)]));
    layers
}

/// The three products of one layer.
#[derive(Clone, Copy)]
enum Product {
    Forward,
    InputGradient,
    WeightGradient,
}

/// A product that an update makes, with operands of its shapes.
struct Operands {
    a: Tensor,
    b: Tensor,
    flop: f64,
}

/// Every product of one update: the actor's forward pass and both gradients, its second forward
/// pass; each critic's forward pass and input gradient for the actor, its target's forward pass, its
/// own forward pass and both gradients.
fn products() -> Vec<Operands> {
    use Product::{Forward, InputGradient, WeightGradient};
    let mut rng = random::stream(1, 0);
    let mut out = Vec::new();
    let mut add = |layers: &[(i64, i64)], kinds: &[Product]| {
        for &(input, output) in layers {
            for kind in kinds {
                let (rows, inner, columns) = match kind {
                    Forward => (BATCH, input, output),
                    InputGradient => (BATCH, output, input),
                    WeightGradient => (output, BATCH, input),
                };
                let a = random::uniform(&[rows, inner], -1.0, 1.0, &mut rng);
                let b = random::uniform(&[inner, columns], -1.0, 1.0, &mut rng);
                // As they lie in memory there: weights are [out, in].
                let (a, b) = match kind {
                    Forward => (a, b.tr().contiguous().tr()),
                    InputGradient => (a, b),
                    WeightGradient => (a.tr().contiguous().tr(), b),
                };
                out.push(Operands { a, b, flop: 2.0 * (rows * inner * columns) as f64 });
            }
        }
    };
    let actor = layers(17, 128, 1, &[6, 6]);
    add(&actor, &[Forward, InputGradient, WeightGradient, Forward]);
    for _ in 0..2 {
        let critic = layers(17 + 6, 512, 2, &[101]);
        add(&critic, &[Forward, InputGradient, Forward, Forward, InputGradient, WeightGradient]);
    }
    out
}

/// Seconds of `f`.
fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

fn square(n: i64) -> Operands {
    let mut rng = random::stream(2, 0);
    let mut side = || random::uniform(&[n, n], -1.0, 1.0, &mut rng);
    Operands { a: side(), b: side(), flop: 2.0 * (n as f64).powi(3) }
}

fn summary(name: &str, flop: f64, mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    let (least, median) = (seconds[0], seconds[seconds.len() / 2]);
    println!(
        "{name:<42} {:>8.2} GFLOP {:>9.2} ms {:>9.2} ms {:>8.1} GFLOP/s",
        flop / 1e9,
        least * 1e3,
        median * 1e3,
        flop / median / 1e9
    );
    flop / median
}

fn main() {
    let threads = Sizes::threads();
    tch::set_num_threads(threads as i32);
    networks::keep_freed_memory(); // as `train` does
    let sizes = simba_v2_512().expect("a valid preset");
    let mut replay = sizes.replay(20_000);
    let mut agent = sizes.agent().expect("fits");
    let (mut rng, mut log) = (random::stream(1, 4), Scalars::default());
    let mut clock = Clock::default();
    let mut update = || {
        let batch = replay.sample(BATCH as usize, &mut rng);
        agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut log).expect("finite");
        clock.update += 1;
    };
    let (own, large) = (products(), square(2048));
    let multiply = |x: &Operands| drop(x.a.matmul(&x.b));
    let all = || own.iter().for_each(multiply);
    let flop: f64 = own.iter().map(|x| x.flop).sum();

    for _ in 0..3 {
        update();
        all();
        multiply(&large);
    }
    // Side by side, so that a neighbour on the machine slows all three.
    let (mut updates, mut owns, mut larges) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        updates.push(time(|| (0..4).for_each(|_| update())) / 4.0);
        owns.push(time(|| (0..4).for_each(|_| all())) / 4.0);
        larges.push(time(|| (0..4).for_each(|_| multiply(&large))) / 4.0);
    }
    println!(
        "{threads} threads, f32                                               least    median"
    );
    let machine = summary("square products, 2048", large.flop, larges);
    let alone = summary("the update's own products alone", flop, owns);
    let whole = summary("whole update, sampling included", flop, updates);
    println!("fraction of the machine's rate: {:.0} %", 100.0 * whole / machine);
    println!("fraction of its own products':  {:.0} %", 100.0 * whole / alone);
    assert!(own[0].a.kind() == Kind::Float, "f32 throughout");
}
