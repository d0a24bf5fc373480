//! The stream of slowly-changing regression against `networks/tests/golden/vectors_plasticity.json`,
//! exactly, and the distribution of its slow bits. Its learners: `slowly_changing_learners.rs`.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

use std::{convert::Infallible, fs, path::Path};

use benchmarks::slowly_changing::{Flip, Ltu, Stream, StreamConfig, Target, Threshold};
use networks::random;
use rand::{Rng, TryRng};
use serde_json::Value;

fn golden(key: &str) -> Value {
    let path = "../networks/tests/golden/vectors_plasticity.json";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()[key].take()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// Bit `j` is set where number `j` is 1.
fn mask(v: &Value) -> u64 {
    numbers(v).iter().enumerate().fold(0, |x, (j, &b)| x | (u64::from(b == 1.0) << j))
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// The generator of the vectors (Steele et al. 2014).
struct SplitMix64(u64);

impl TryRng for SplitMix64 {
    type Error = Infallible;

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        Ok(z ^ (z >> 31))
    }

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("the stream draws 64 bits")
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Infallible> {
        unreachable!("the stream draws 64 bits")
    }
}

/// All 32 inputs of a target of three units.
#[test]
fn the_target_is_the_golden_table() {
    let golden = golden("slowly_changing_regression");
    let (w, b, v) = (&golden["w_in"], numbers(&golden["b_in"]), numbers(&golden["w_out"]));
    for (threshold, theta, y) in [
        (Threshold::Released, "theta_released", "y_released"),
        (Threshold::Paper, "theta_paper", "y_paper_gt"),
    ] {
        let config = StreamConfig { inputs: 5, threshold, ..StreamConfig::default() };
        let unit = |i: usize| Ltu::new(&config, mask(&w[i]), b[i], v[i]);
        let target =
            Target { units: (0..3).map(unit).collect(), bias: golden["b_out"].as_f64().unwrap() };
        let thetas: Vec<f64> = target.units.iter().map(Ltu::threshold).collect();
        assert_eq!(thetas, numbers(&golden[theta]), "{threshold:?}");
        let table = golden["table"].as_array().unwrap();
        assert_eq!(table.len(), 32);
        for row in table {
            let got = target.value(mask(&row["x"]));
            assert_eq!(got, row[y].as_f64().unwrap(), "{threshold:?} {row}");
        }
    }
}

fn golden_stream(flip: Flip, threshold: Threshold) -> Stream<SplitMix64> {
    let config = StreamConfig { flip_after: 20, flip, threshold, ..StreamConfig::default() };
    Stream::new(config, SplitMix64(42)).unwrap()
}

/// Sixty examples, over two flips.
#[test]
fn the_stream_is_the_golden_stream() {
    let golden = golden("scr_stream_splitmix");
    for (threshold, key) in [(Threshold::Released, "y"), (Threshold::Paper, "y_paper_threshold")] {
        let (xs, ys): (Vec<u64>, Vec<f64>) = golden_stream(Flip::One, threshold).take(60).unzip();
        assert_eq!(ys, numbers(&golden[key]), "{threshold:?}");
        for (t, x) in [(0, "first_x"), (20, "x_at_20"), (40, "x_at_40")] {
            assert_eq!(xs[t], mask(&golden[x]), "{x}");
        }
    }
    let stream = golden_stream(Flip::One, Threshold::Released);
    let thetas: Vec<f64> = stream.target().units[..5].iter().map(Ltu::threshold).collect();
    assert_eq!(thetas, numbers(&golden["theta_first5"]));
}

/// A redraw takes the next fifteen draws: here after 2201 of the target, 15 slow bits, 20 times 5.
#[test]
fn a_redraw_is_the_next_bits() {
    let (xs, _): (Vec<u64>, Vec<f64>) =
        golden_stream(Flip::Redraw, Threshold::Released).take(40).unzip();
    let mut rng = SplitMix64(42);
    let draws: Vec<u64> = (0..3000).map(|_| rng.next_u64() >> 63).collect();
    let slow = |from: usize| (0..15).fold(0, |x, j| x | (draws[from + j] << j));
    let fast = |from: usize| (0..5).fold(0, |x, j| x | (draws[from + j] << (15 + j)));
    for (t, x) in xs.into_iter().enumerate() {
        let block = t / 20;
        let want = slow(2201 + block * 115) | fast(2201 + (block + 1) * 15 + t * 5);
        assert_eq!(x, want, "{t}");
    }
}

/// Slow bits keep still between changes, of which each is one bit or about half of them; the others
/// are fair; and a seed decides everything.
#[test]
fn slow_bits_are_slow() {
    for flip in [Flip::One, Flip::Redraw] {
        let config = StreamConfig { flip_after: 50, flip, ..StreamConfig::default() };
        let take = |seed: u64| -> Vec<(u64, f64)> {
            let stream = Stream::new(config.clone(), random::stream(seed, 0)).unwrap();
            stream.take(10_000).collect()
        };
        let examples = take(1);
        assert_eq!(examples, take(1));
        assert_ne!(examples, take(2));
        let mut changed = Vec::new();
        for (t, pair) in examples.windows(2).enumerate() {
            let bits = ((pair[0].0 ^ pair[1].0) & 0x7FFF).count_ones();
            if (t + 1) % 50 == 0 {
                changed.push(f64::from(bits));
            } else {
                assert_eq!(bits, 0, "{flip:?} {t}");
            }
        }
        match flip {
            Flip::One => assert!(changed.iter().all(|&n| n == 1.0)),
            // 199 times 15 coins: the mean is 7.5 +- 0.14.
            Flip::Redraw => assert!((mean(&changed) - 7.5).abs() < 0.56, "{}", mean(&changed)),
        }
        for j in 15..20 {
            let ones = examples.iter().filter(|(x, _)| x >> j & 1 == 1).count();
            assert!(ones.abs_diff(5000) < 200, "bit {j} is 1 in {ones} of 10 000"); // 4 deviations
        }
    }
}

#[test]
fn a_stream_that_cannot_be_says_why() {
    let ok = StreamConfig::default();
    for (config, key) in [
        (StreamConfig { inputs: 65, ..ok.clone() }, "inputs is 65"),
        (StreamConfig { slow: 0, ..ok.clone() }, "slow is 0"),
        (StreamConfig { slow: 21, ..ok.clone() }, "slow is 21"),
        (StreamConfig { flip_after: 0, ..ok.clone() }, "flip_after is 0"),
    ] {
        let error = Stream::new(config, random::stream(1, 0)).err().unwrap();
        assert!(error.starts_with(key), "{error}");
    }
    let widest = StreamConfig { inputs: 64, slow: 64, ..ok };
    assert!(Stream::new(widest, random::stream(1, 0)).unwrap().next().is_some());
}
