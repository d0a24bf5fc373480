//! `forager/two-biome`: a life without end among food whose worth changes sides.
//!
//! S. Tang et al., "Forager: a lightweight testbed for continual learning with partial observability
//! in RL", 2026, arXiv 2605.01131. The environment `ForagaxSquareWaveTwoBiome-v11` of the Python
//! package continual-foragax 0.58.0, step by step. Rules are in `world.rs`. Deliberately absent: the
//! package's other worlds, full-world and RGB observations, delayed rewards.
//!
//! # A life in episodes
//!
//! Nothing ever ends, but returns and evaluations are of episodes. So a time limit cuts the life into
//! pieces, by truncation, so values bootstrap. [`Env::reset`] does not begin a new world then but keeps
//! the one that is there. Only [`Env::set_age`] begins a new one, with the next reset; evaluations
//! say an age before each episode, so each of theirs has a world of its own, and depends on its
//! seed alone.

mod picture;
#[cfg(test)]
mod tests;
mod world;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::registry::kwargs::{flag, integer};
use crate::{
    Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, Frame, Kwargs, Registry, Space, State, Step,
};
use world::{ACTIONS, Cell, Dice, EMPTY, HEIGHT, WALL, WIDTH, World};

const ID: &str = "forager/two-biome";

/// Steps of a piece of a life; not of the package, which has no pieces.
const TIME_LIMIT: u32 = 1000;
/// Cells in a row of what is seen, as in the paper's main results.
const APERTURE: usize = 9;
/// Steps of the wave that rewards go by, the package's default.
const PERIOD: u64 = 500_000;

/// Planes of an observation: what can be told apart, which is colours: oysters, chanterelles, walls. In
/// which biome a food is does not show.
const PLANES: usize = 3;

/// Adds the environment.
pub(crate) fn register(registry: &mut Registry) {
    let known = ["aperture_size", "period", "signal_task_change"];
    registry.insert_known(ID, &known, |kwargs| Ok(Box::new(Forager::new(kwargs)?)));
}

impl Dice for ChaCha8Rng {
    fn delay(&mut self) -> u8 {
        self.random_range(9..11)
    }
    fn choose(&mut self, cells: &[u16]) -> u16 {
        cells[self.random_range(0..cells.len())]
    }
}

struct Forager {
    /// Cells in a row of what is seen; odd.
    aperture: usize,
    period: u64,
    signal_task_change: bool,
    world: World,
    rng: ChaCha8Rng,
    /// The age of the world that the next reset is to begin, if it is to begin one.
    begin: Option<u64>,
}

impl Forager {
    fn new(kwargs: &Kwargs) -> Result<Self, EnvError> {
        let aperture = integer(kwargs, "aperture_size")?.map_or(Ok(APERTURE), |n| {
            let odd = usize::try_from(n).ok().filter(|n| n % 2 == 1 && *n <= HEIGHT);
            odd.ok_or_else(|| {
                format!("aperture_size = {n} has no middle cell or is too wide; give 1, 3, ... 15")
            })
        })?;
        let period = integer(kwargs, "period")?.map_or(Ok(PERIOD), |n| {
            let steps = u64::try_from(n).ok().filter(|&n| n >= 2);
            steps.ok_or_else(|| format!("period = {n} has no two halves; give 2 steps or more"))
        })?;
        let signal_task_change = flag(kwargs, "signal_task_change")?.unwrap_or(true);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let world = World::new(0, &mut rng);
        Ok(Self { aperture, period, signal_task_change, world, rng, begin: Some(0) })
    }

    fn observe(&self, obs: &mut [f32]) {
        obs.fill(0.0);
        let side = self.aperture;
        // Of the top left corner, without going below 0.
        let [left, top] = [self.world.x + WIDTH, self.world.y + HEIGHT].map(|at| at - side / 2);
        for row in 0..side {
            let cells = self.world.row((top + row) % HEIGHT);
            for column in 0..side {
                if let Some(plane) = plane(cells[(left + column) % WIDTH]) {
                    obs[(plane * side + row) * side + column] = 1.0;
                }
            }
        }
    }
}

/// Where a thing shows.
fn plane(cell: Cell) -> Option<usize> {
    match cell {
        EMPTY => None,
        WALL => Some(2),
        food => Some(usize::from(food - 1) % 2),
    }
}

impl Env for Forager {
    fn spec(&self) -> EnvSpec {
        let shape = vec![PLANES, self.aperture, self.aperture];
        let size = shape.iter().product();
        EnvSpec {
            obs: Space {
                shape,
                low: vec![0.0; size],
                high: vec![1.0; size],
                dtype: Dtype::U8,
                frames: 1,
            },
            action: ActionSpace::Discrete(ACTIONS),
            time_limit: Some(TIME_LIMIT),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        if let Some(age) = self.begin.take() {
            self.rng = ChaCha8Rng::seed_from_u64(seed);
            self.world = World::new(age, &mut self.rng);
        }
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let reward = self.world.act(action.choice(ACTIONS)?, self.period, &mut self.rng);
        self.observe(obs);
        Ok(Step { reward: reward as f32, terminated: false, truncated: false })
    }

    /// How often the wave has changed.
    fn task(&self) -> usize {
        if self.signal_task_change {
            world::changes(self.world.clock, self.period) as usize
        } else {
            0
        }
    }

    fn set_age(&mut self, steps: u64) {
        self.begin = Some(steps);
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        picture::draw(&self.world, self.aperture).map(Some)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

/// The saved state is JSON: the world, its generator, and whether the next reset begins another.
impl State for Forager {
    fn save(&self) -> Vec<u8> {
        let all = (&self.world, &self.rng, self.begin);
        serde_json::to_vec(&all).expect("plain numbers in plain structs")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let saved = serde_json::from_slice::<(World, ChaCha8Rng, Option<u64>)>(bytes);
        let saved = saved.ok().filter(|(world, ..)| world.sound()).ok_or_else(|| {
            format!(
                "{} bytes are not a saved state of {ID}; check that the checkpoint is of the same \
                 environment",
                bytes.len()
            )
        })?;
        (self.world, self.rng, self.begin) = saved;
        Ok(())
    }
}
