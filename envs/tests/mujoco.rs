//! The MuJoCo environments against Gymnasium 1.4 and `dm_control` 1.0.50: trajectories, single steps,
//! starts and spaces. `golden/generate_mujoco.py` made `golden/mujoco.json`, `generate_dmc.py` made
//! `dmc.json`, and they say with what.
//!
//! On x86-64 Linux with AVX2 and FMA, where the file was made, everything is compared bit for bit:
//! observations and rewards after rounding to `f32`, positions and velocities of joints in `f64`,
//! flags. Contacts are chaotic, so a last bit that libm rounds another way elsewhere ends in
//! another trajectory. On other machines each test says so on standard error; there trajectories
//! are played without comparing them, and single steps from given states must agree to 1e-10.
#![cfg(feature = "mujoco")]

use std::path::Path;

use envs::{Action, ActionSpace, Env, Kwargs, Registry};
use serde::Deserialize;

/// Steps between two notes of the checksum.
const BLOCK: usize = 50;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    specs: Vec<Spec>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    kwargs: Kwargs,
    seed: u64,
    steps: usize,
    /// How many numbers of a state are before those of the engine.
    #[serde(default = "one")]
    extra: usize,
    starts: Vec<Vec<f64>>,
    singles: Vec<Single>,
    checksums: Vec<String>,
    rest: Option<Rest>,
}

/// State, action; positions and velocities, observation, reward, terminated.
#[derive(Deserialize)]
struct Single(Vec<f64>, Vec<f32>, Vec<f64>, Vec<f32>, f32, bool);

/// After a reset without noise.
#[derive(Deserialize)]
struct Rest {
    obs: Vec<f32>,
    state: Vec<f64>,
}

#[derive(Deserialize)]
struct Spec {
    id: String,
    obs: usize,
    low: Vec<f32>,
    high: Vec<f32>,
    time_limit: u32,
    /// Of how many starts the following are; none if they are as those of another task.
    #[serde(default = "five_hundred")]
    resets: u64,
    reset_mean: Vec<f32>,
    reset_std: Vec<f32>,
    /// Relative standard errors of the deviations, where some are large.
    #[serde(default)]
    reset_std_error: Vec<f64>,
}

#[test]
fn trajectories() {
    let exact = exact();
    let golden = golden();
    let default = golden.cases.iter().filter(|case| case.kwargs.is_empty());
    assert!(default.clone().all(|case| case.steps >= 1000), "trajectories are too short");
    assert_eq!(default.count(), 11 + 25, "environments are missing");
    for case in &golden.cases {
        let sums = play(case);
        if exact {
            let differs =
                sums.iter().zip(&case.checksums).position(|(ours, theirs)| ours != theirs);
            let at = differs.map(|block| (block * BLOCK, (block + 1) * BLOCK));
            assert_eq!(at, None, "{} {:?}: steps that differ", case.id, case.kwargs);
        }
        assert_eq!(sums.len(), case.checksums.len());
    }
}

#[test]
fn single_steps() {
    let exact = exact();
    let mut terminal = 0;
    for Case { id, kwargs, extra, singles, .. } in golden().cases {
        let mut env = bare(&id, &kwargs);
        for (i, Single(state, action, inner, obs, reward, terminated)) in singles.iter().enumerate()
        {
            load(env.as_mut(), state);
            let mut next = vec![f32::NAN; obs.len()];
            let step = env.step(Action::Continuous(action), &mut next).expect("a good action");
            let ours = &save(env.as_mut())[extra + 1..][..inner.len()];

            let what = format!("{id} {kwargs:?}, single step {i}");
            assert_eq!(step.terminated, *terminated, "{what}: terminated");
            assert!(!step.truncated, "{what}: only the time limit truncates");
            // What is f32 is granted the rounding to f32 elsewhere.
            let (f64s, f32s) = if exact { (0.0, 0.0) } else { (1e-10, 2e-7) };
            near(ours, inner, f64s, &format!("{what}: positions and velocities"));
            near(&widen(&next), &widen(obs), f32s, &format!("{what}: observation"));
            near(&[step.reward.into()], &[(*reward).into()], f32s, &format!("{what}: reward"));
            terminal += usize::from(step.terminated);
        }
        assert!(singles.len() >= 3, "{id}: single steps are missing");
    }
    assert!(terminal >= 3, "only {terminal} terminal steps");
}

#[test]
fn resets_without_noise() {
    let tolerance = if exact() { 0.0 } else { 1e-10 };
    let mut seen = 0;
    for Case { id, mut kwargs, rest, .. } in golden().cases {
        let Some(rest) = rest else { continue };
        kwargs.insert("reset_noise_scale".into(), 0.0.into());
        let mut env = bare(&id, &kwargs);
        let mut obs = vec![f32::NAN; rest.obs.len()];
        // Something to reset.
        env.reset(1, &mut obs).expect("reset");
        let actions = env.spec().action.size();
        env.step(Action::Continuous(&vec![0.3; actions]), &mut obs).expect("a good action");

        env.reset(2, &mut obs).expect("reset");
        near(&save(env.as_mut()), &rest.state, tolerance, &format!("{id} {kwargs:?}: state"));
        near(&widen(&obs), &widen(&rest.obs), tolerance, &format!("{id} {kwargs:?}: observation"));
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} resets");
}

#[test]
fn spaces_and_limits() {
    for golden in golden().specs {
        let (id, spec) = (&golden.id, bare(&golden.id, &Kwargs::new()).spec());
        assert_eq!(spec.obs.shape, [golden.obs], "{id}");
        assert!(spec.obs.low.iter().all(|&x| x == f32::NEG_INFINITY), "{id}");
        assert!(spec.obs.high.iter().all(|&x| x == f32::INFINITY), "{id}");
        assert_eq!(spec.action, ActionSpace::Box { low: golden.low, high: golden.high }, "{id}");
        let made = Registry::builtin().make(id, &Kwargs::new()).expect("built in").spec();
        assert_eq!(made.time_limit, Some(golden.time_limit), "{id}");
        assert_eq!(made.action, ActionSpace::symmetric(made.action.size()), "{id}");
    }
}

/// Of at least 500 starts each: means within a third of the deviation, deviations within a
/// quarter, or 5 standard errors where rare contacts make these large.
#[test]
fn episodes_start_where_theirs_do() {
    for spec in golden().specs {
        let Spec { id, obs: size, resets, reset_mean, reset_std, reset_std_error, .. } = spec;
        let mut env = bare(&id, &Kwargs::new());
        let mut obs = vec![0.0; size];
        let starts: Vec<Vec<f32>> = (0..resets)
            .map(|seed| {
                env.reset(seed, &mut obs).expect("reset");
                obs.clone()
            })
            .collect();
        let compared = if resets > 0 { size } else { 0 };
        assert_eq!([reset_mean.len(), reset_std.len()], [compared; 2], "{id}");
        for i in 0..compared {
            let (mean, std) = moments(starts.iter().map(|start| f64::from(start[i])));
            let (mean_of, std_of) = (f64::from(reset_mean[i]), f64::from(reset_std[i]));
            let error = reset_std_error.get(i).copied().unwrap_or(0.0);
            let slack = 1e-6 * mean_of.abs().max(1.0);
            assert!(
                (mean - mean_of).abs() <= std_of / 3.0 + slack,
                "{id} {i}: mean {mean}, theirs {mean_of}"
            );
            assert!(
                (std - std_of).abs() <= std_of * f64::max(0.25, 5.0 * error) + slack,
                "{id} {i}: deviation {std}, theirs {std_of}"
            );
        }
    }
}

/// The episodes of a case; the checksum after every block.
fn play(case: &Case) -> Vec<String> {
    let mut env = bare(&case.id, &case.kwargs);
    let spec = env.spec();
    let ActionSpace::Box { high, .. } = &spec.action else { panic!("continuous actions") };
    let mut obs = vec![f32::NAN; spec.obs.size()];
    let (mut lcg, mut fnv, mut sums) = (case.seed, 0xcbf2_9ce4_8422_2325_u64, Vec::new());
    let mut add = |bytes: &[u8]| {
        for &byte in bytes {
            fnv = (fnv ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        fnv
    };
    let inner = case.singles[0].2.len();
    let mut starts = case.starts.iter().cycle();
    load(env.as_mut(), starts.next().expect("there are starts"));
    for step in 0..case.steps {
        let reach = if step % 7 == 0 { 1.5 } else { 1.0 };
        let action: Vec<f32> = high
            .iter()
            .map(|&high| {
                lcg = lcg
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let x = (lcg >> 40) as f64 / f64::from(1 << 23) - 1.0;
                (f64::from(high) * reach * x) as f32
            })
            .collect();
        let next = env.step(Action::Continuous(&action), &mut obs).expect("a good action");
        add(&obs.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
        add(&env.state().expect("has a state").save()[8 * case.extra + 8..][..8 * inner]);
        add(&next.reward.to_le_bytes());
        let sum = add(&[next.terminated.into()]);
        if (step + 1) % BLOCK == 0 {
            sums.push(format!("{sum:016x}"));
        }
        if next.terminated || (step + 1) % 300 == 0 {
            load(env.as_mut(), starts.next().expect("it cycles"));
        }
    }
    sums
}

/// Whether this machine is like the one that made the golden file.
fn exact() -> bool {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        return true;
    }
    eprintln!("not x86-64 Linux with AVX2 and FMA: single steps to 1e-10 instead of trajectories");
    false
}

fn bare(id: &str, kwargs: &Kwargs) -> Box<dyn Env> {
    Registry::builtin().make_bare(id, kwargs).expect("a good environment")
}

fn load(env: &mut dyn Env, state: &[f64]) {
    let bytes: Vec<u8> = state.iter().flat_map(|x| x.to_le_bytes()).collect();
    env.state().expect("has a state").load(&bytes).expect("a good state");
}

/// What is before the engine's state, time, positions, velocities, and what else there is.
fn save(env: &mut dyn Env) -> Vec<f64> {
    let bytes = env.state().expect("has a state").save();
    bytes.chunks_exact(8).map(|x| f64::from_le_bytes(x.try_into().expect("eight"))).collect()
}

fn near(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (i, (x, y)) in ours.iter().zip(theirs).enumerate() {
        let close = (x - y).abs() <= tolerance * y.abs().max(1.0);
        assert!(close, "{what}: number {i} is {x}, theirs {y}");
    }
}

fn widen(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().copied().map(f64::from).collect()
}

fn moments(numbers: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let n = numbers.clone().count() as f64;
    let mean = numbers.clone().sum::<f64>() / n;
    (mean, (numbers.map(|x| (x - mean) * (x - mean)).sum::<f64>() / n).sqrt())
}

fn one() -> usize {
    1
}

fn five_hundred() -> u64 {
    500
}

/// Of both suites.
fn golden() -> Golden {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut all = Golden { cases: Vec::new(), specs: Vec::new() };
    for file in ["mujoco.json", "dmc.json"] {
        let text = std::fs::read_to_string(folder.join(file)).expect("golden files are committed");
        let golden: Golden = serde_json::from_str(&text).expect("golden files are as generated");
        all.cases.extend(golden.cases);
        all.specs.extend(golden.specs);
    }
    all
}
