//! A replay that holds each frame once against one that holds whole stacks, fed alike.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::collections::BTreeMap;

use agents::{
    experience::{Batch, Experience},
    replay::{
        Replay,
        sampler::{PrioritizedConfig, SamplerConfig},
    },
    storage::tensor_file::{self, TensorFile},
};
use envs::{ActionSpace, Actions, Dtype, EnvSpec, Outcome};
use harness::{holds, within};
use networks::random;
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

const GAMMA: f64 = 0.9;
/// Components of a frame.
const FRAME: usize = 3;

/// What happens to one environment in one round.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Step {
        reward: f32,
        terminated: bool,
        truncated: bool,
    },
    /// The environment begins a new episode out of turn: a resume without its state.
    Restart,
}

/// A unique frame, of bytes.
fn frame(id: u32) -> [f32; FRAME] {
    [id % 256, id / 256 % 256, id / 65_536].map(|x| x as f32)
}

fn id(stack: &[f32]) -> u32 {
    let newest = &stack[stack.len() - FRAME..];
    newest[0] as u32 + 256 * newest[1] as u32 + 65_536 * newest[2] as u32
}

/// One environment: its stack, as [`envs::FrameStack`] makes it, and the rows it gave a replay.
#[derive(Default)]
struct Life {
    /// `[frames * FRAME]`, oldest first.
    stack: Vec<f32>,
    /// Of every observation: its newest frame, and the row that its episode began with.
    rows: Vec<(u32, usize)>,
    began: usize,
}

impl Life {
    fn reset(&mut self, newest: u32, frames: usize) {
        self.stack = frame(newest).repeat(frames);
        self.began = self.rows.len();
        self.rows.push((newest, self.began));
    }

    fn step(&mut self, newest: u32) {
        self.stack.drain(..FRAME);
        self.stack.extend(frame(newest));
        self.rows.push((newest, self.began));
    }

    /// Whether all frames of the stack of each row that is still held are, too.
    fn whole(&self, capacity: usize, frames: usize) -> impl Iterator<Item = (u32, bool)> + '_ {
        let oldest = self.rows.len().saturating_sub(capacity);
        self.rows.iter().enumerate().skip(oldest).map(move |(row, &(newest, began))| {
            // A row that begins an episode is known to by the row before it.
            let whole = oldest == 0 || row + 1 >= oldest + frames || began > oldest;
            (newest, whole)
        })
    }
}

/// Both replays and their environments.
struct Both {
    stacked: Replay,
    plain: Replay,
    spec: EnvSpec,
    lives: Vec<Life>,
    frames: usize,
    rows: usize,
    next: u32,
}

fn spec(frames: usize, dtype: Dtype, discrete: bool) -> EnvSpec {
    let action = if discrete { ActionSpace::Discrete(7) } else { ActionSpace::symmetric(2) };
    let mut spec = EnvSpec::vector(frames * FRAME, action);
    spec.obs.shape = vec![frames, FRAME];
    (spec.obs.dtype, spec.obs.frames) = (dtype, frames);
    spec
}

impl Both {
    fn new(case: &Case) -> Both {
        let dtype = if case.bytes { Dtype::U8 } else { Dtype::F32 };
        let spec = spec(case.frames, dtype, case.discrete);
        let (envs, capacity) = (case.envs, case.capacity);
        Replay::check(&spec, envs, capacity, case.n).unwrap();
        let new = |spec: &EnvSpec| {
            Replay::new(spec, envs, capacity, case.n, GAMMA, Device::Cpu)
                .unwrap()
                .with_between(true)
        };
        let mut whole = spec.clone();
        whole.obs.frames = 1;
        let sampler = SamplerConfig::Prioritized(PrioritizedConfig::default());
        let stacked = new(&spec).with_sampler(&sampler).unwrap();
        let plain = new(&whole);
        let lives = (0..envs).map(|_| Life::default()).collect();
        let rows = capacity.div_ceil(envs) + 1;
        let mut both = Both { stacked, plain, spec, lives, frames: case.frames, rows, next: 1 };
        (0..envs).for_each(|i| both.restart(i));
        for round in &case.rounds {
            for (i, turn) in round.iter().enumerate() {
                if matches!(turn, Turn::Restart) {
                    both.restart(i);
                }
            }
            both.step(round);
        }
        both
    }

    fn fresh(&mut self) -> u32 {
        self.next += 1;
        self.next
    }

    fn restart(&mut self, env: usize) {
        let newest = self.fresh();
        self.lives[env].reset(newest, self.frames);
        self.stacked.start(env, &self.lives[env].stack);
        self.plain.start(env, &self.lives[env].stack);
    }

    fn step(&mut self, round: &[Turn]) {
        let (mut choices, mut data) = (Vec::new(), Vec::new());
        let mut e = Experience {
            actions: Actions::Discrete(Vec::new()),
            outcomes: Vec::new(),
            next_obs: Vec::new(),
            reset_obs: Vec::new(),
        };
        for (i, &turn) in round.iter().enumerate() {
            let (reward, terminated, truncated) = match turn {
                Turn::Step { reward, terminated, truncated } => (reward, terminated, truncated),
                Turn::Restart => (1.5, false, false),
            };
            let newest = self.fresh();
            self.lives[i].step(newest);
            choices.push((newest % 7) as usize);
            data.extend([(newest % 7) as f32 / 7.0, -0.5]);
            e.outcomes.push(Outcome { reward, terminated, truncated, task: 0, episode: None });
            e.next_obs.extend(&self.lives[i].stack);
            if terminated || truncated {
                let newest = self.fresh();
                self.lives[i].reset(newest, self.frames);
                e.reset_obs.extend(&self.lives[i].stack);
            }
        }
        e.actions = match self.spec.action {
            ActionSpace::Discrete(_) => Actions::Discrete(choices),
            ActionSpace::Box { .. } => Actions::Continuous { data, dim: 2 },
        };
        self.stacked.push(0, &e);
        self.plain.push(0, &e);
    }

    /// Whether nothing was forgotten: both draw from the same rows then.
    fn complete(&self) -> bool {
        self.lives.iter().all(|life| life.rows.len() <= self.rows)
    }

    fn whole(&self) -> BTreeMap<u32, bool> {
        self.lives.iter().flat_map(|life| life.whole(self.rows, self.frames)).collect()
    }
}

fn host(t: &Tensor) -> Vec<f32> {
    Vec::try_from(&t.to_kind(Kind::Float).flatten(0, -1)).unwrap()
}

/// The bits of every transition of a batch, by the newest frame of its observation.
fn transitions(b: &Batch) -> BTreeMap<u32, Vec<u32>> {
    let n = b.reward.size()[0] as usize;
    let fields: Vec<Vec<f32>> = b.fields().iter().map(|(_, t)| host(t)).collect();
    let mut out = BTreeMap::new();
    for i in 0..n {
        let parts = fields.iter().map(|f| &f[i * f.len() / n..(i + 1) * f.len() / n]);
        let bits: Vec<u32> = parts.flatten().map(|x| x.to_bits()).collect();
        let obs = &fields[0];
        let key = id(&obs[i * obs.len() / n..(i + 1) * obs.len() / n]);
        let before = out.insert(key, bits.clone());
        assert!(before.is_none_or(|before| before == bits), "{key} was drawn in two ways");
    }
    out
}

#[derive(Debug)]
struct Case {
    envs: usize,
    frames: usize,
    n: usize,
    capacity: usize,
    bytes: bool,
    discrete: bool,
    /// Per round and environment.
    rounds: Vec<Vec<Turn>>,
}

fn turn() -> impl Strategy<Value = Turn> {
    let step = (-3.0f32..3.0, 0u8..20).prop_map(|(reward, end)| Turn::Step {
        reward,
        terminated: end < 2 || end == 3,
        truncated: end == 2 || end == 3,
    });
    prop_oneof![15 => step, 1 => Just(Turn::Restart)]
}

fn case() -> impl Strategy<Value = Case> {
    (1usize..=3, 2usize..=6, 1usize..=4, 0usize..60, any::<bool>(), any::<bool>()).prop_flat_map(
        |(envs, frames, n, extra, bytes, discrete)| {
            let rounds = prop::collection::vec(prop::collection::vec(turn(), envs), n + 3..90);
            rounds.prop_map(move |rounds| {
                let capacity = (n + 2 + frames) * envs + extra;
                Case { envs, frames, n, capacity, bytes, discrete, rounds }
            })
        },
    )
}

/// All that the plain replay draws, the other draws bit for bit, but for rows whose oldest frames
/// were forgotten. At 40 draws a row, one is missed by chance with probability 10^-15.
#[test]
fn stacks_put_together_are_the_stacks() {
    holds(case, |case, seed| {
        let mut both = Both::new(case);
        let rng = || random::stream(seed, 0);
        if both.complete() {
            let (a, b) = (both.stacked.sample(64, &mut rng()), both.plain.sample(64, &mut rng()));
            for ((name, a), (_, b)) in a.fields().iter().zip(b.fields()) {
                assert_eq!((a.size(), host(a)), (b.size(), host(b)), "{name}");
            }
        }
        let whole = both.whole();
        let drawn = transitions(&both.plain.sample(40 * whole.len(), &mut rng()));
        let wanted: BTreeMap<_, _> =
            drawn.into_iter().filter(|(newest, _)| whole[newest]).collect();
        let got = transitions(&both.stacked.sample(40 * whole.len(), &mut rng()));
        assert!(!wanted.is_empty());
        assert_eq!(got, wanted);

        // Priorities are of whole stacks alone: none is refused, at one number from the generator each.
        let (mut rng, batch) = (rng(), 2 * wanted.len());
        let b = both.stacked.draw(batch, 0, &mut rng);
        assert_eq!(rng.get_word_pos(), 2 * batch as u128, "a draw was refused");
        assert_eq!(transitions(&Batch { weights: None, ..b }), wanted);
    });
}

/// Read back from its file it draws the same and goes on where it was, in the same episodes.
#[test]
fn a_saved_replay_goes_on_alike() {
    holds(case, |case, seed| {
        let mut both = Both::new(case);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        let (meta, columns) = both.stacked.save();
        tensor_file::write(&path, &columns).unwrap();
        let file = TensorFile::open(&path).unwrap();
        let mut again =
            Replay::new(&both.spec, case.envs, case.capacity, case.n, GAMMA, Device::Cpu)
                .unwrap()
                .with_between(true);
        again.load(&meta, &file).unwrap();
        let bits = |replay: &mut Replay| {
            let b = replay.sample(32, &mut random::stream(seed, 0));
            b.fields().iter().map(|(_, t)| host(t)).collect::<Vec<_>>()
        };
        assert_eq!(bits(&mut again), bits(&mut both.stacked));
        both.stacked = again;
        for i in 0..case.envs {
            both.stacked.start(i, &both.lives[i].stack);
        }
        let step = Turn::Step { reward: 0.5, terminated: false, truncated: false };
        (0..case.n + case.frames).for_each(|_| both.step(&vec![step; case.envs]));
        let whole = both.whole();
        let mut draw = |replay: fn(&mut Both) -> &mut Replay| {
            let n = 40 * whole.len();
            transitions(&replay(&mut both).sample(n, &mut random::stream(seed, 1)))
        };
        let (got, drawn) = (draw(|b| &mut b.stacked), draw(|b| &mut b.plain));
        let wanted: BTreeMap<_, _> =
            drawn.into_iter().filter(|(newest, _)| whole[newest]).collect();
        assert_eq!(got, wanted);
    });
}

/// Three frames by hand: `a` is repeated until there are others, episodes do not mix, and an exact
/// resume is one of the whole stack.
#[test]
fn by_hand() {
    within(60, || {
        let step = |terminated| Turn::Step { reward: 1.0, terminated, truncated: false };
        let rounds =
            vec![vec![step(false)], vec![step(false)], vec![step(true)], vec![step(false)]];
        let (frames, n, capacity) = (3, 1, 20);
        let case = Case { envs: 1, frames, n, capacity, bytes: true, discrete: true, rounds };
        // Frames: 2 3 4 5 (the last one), then 6 7.
        let mut both = Both::new(&case);
        let b = both.stacked.sample(200, &mut random::stream(1, 0));
        let ids = |stack: &[f32]| stack.chunks(FRAME).map(id).collect::<Vec<_>>();
        let (obs, next) = (host(&b.obs), host(&b.next_obs));
        let size = frames * FRAME;
        let pairs = obs.chunks(size).zip(next.chunks(size));
        let drawn: BTreeMap<_, _> = pairs.map(|(a, b)| (ids(a), ids(b))).collect();
        let wanted = [
            (vec![2, 2, 2], vec![2, 2, 3]),
            (vec![2, 2, 3], vec![2, 3, 4]),
            (vec![2, 3, 4], vec![3, 4, 5]),
            (vec![6, 6, 6], vec![6, 6, 7]),
        ];
        assert_eq!(drawn, wanted.into());

        let (before, stack) = (both.stacked.bytes(), both.lives[0].stack.clone());
        assert_eq!(ids(&stack), [6, 6, 7]);
        both.stacked.start(0, &stack);
        assert_eq!(both.stacked.bytes(), before, "the same stack goes on");
        // The newest frame is the same, and the stack is not: a new episode.
        let other = [frame(7), frame(7), frame(7)].concat();
        both.stacked.start(0, &other);
        assert_eq!(both.stacked.bytes(), before + FRAME + 4 + 4 + 1, "one row more, of one frame");
        both.stacked.start(0, &other);
        assert_eq!(both.stacked.bytes(), before + FRAME + 4 + 4 + 1);
    });
}

#[test]
fn too_few_rows_are_refused() {
    let spec = spec(4, Dtype::U8, true);
    assert_eq!(Replay::check(&spec, 2, 18, 3), Ok(()));
    let error = Replay::check(&spec, 2, 17, 3).unwrap_err();
    assert!(error.contains("replay.capacity is 17") && error.contains("at least 18"), "{error}");
    for frames in [0, 5] {
        let mut odd = spec.clone();
        odd.obs.frames = frames;
        let error = Replay::check(&odd, 2, 1000, 3).unwrap_err();
        assert!(error.contains("12 components") && error.contains("stack of"), "{error}");
    }
}
