//! `minatar/...`: five Atari games on a grid of 10 x 10 cells.
//!
//! K. Young, T. Tian, "`MinAtar`: An Atari-Inspired Testbed for Thorough and Reproducible
//! Reinforcement Learning Experiments", 2019, arXiv 1903.03176. Games of the Python package
//! `MinAtar` 1.0.15, step by step.
//!
//! An observation has a plane of 10 x 10 zeros and ones for each kind of object: `[C, 10, 10]`, as
//! convolutions want it (the package's are `[10, 10, C]`). `channels` adds planes that stay zero, so
//! that games of different objects have one shape. Each game is one file below.

mod asterix;
mod breakout;
mod freeway;
mod picture;
mod seaquest;
mod space_invaders;
#[cfg(test)]
mod tests;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::registry::{flag, integer};
use crate::{
    Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, Frame, Kwargs, Params, Registry, Space,
    State, Step, params,
};

/// Cells in a row, and rows.
const SIDE: usize = 10;
const CELLS: usize = SIDE * SIDE;

/// Most planes that `channels` may ask for; no game has more than 10 of its own.
const MOST_CHANNELS: usize = 64;

/// The package has no limit, and a player who never fails would never end an evaluation.
const TIME_LIMIT: u32 = 10_000;

/// Adds all games.
pub(crate) fn register(registry: &mut Registry) {
    add::<asterix::Asterix>(registry);
    add::<breakout::Breakout>(registry);
    add::<freeway::Freeway>(registry);
    add::<seaquest::Seaquest>(registry);
    add::<space_invaders::SpaceInvaders>(registry);
}

fn add<G: Game>(registry: &mut Registry) {
    let known = ["difficulty_ramping", "minimal_actions", "channels"];
    registry.insert_known(&id::<G>(), &known, |kwargs| Ok(Box::new(MinAtar::<G>::new(kwargs)?)));
}

fn id<G: Game>() -> String {
    format!("minatar/{}", G::NAME)
}

/// What the player does, in the package's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Input {
    #[default]
    Stay,
    Left,
    Up,
    Right,
    Down,
    Fire,
}

const ALL_INPUTS: [Input; 6] =
    [Input::Stay, Input::Left, Input::Up, Input::Right, Input::Down, Input::Fire];

/// In pictures: red, green, blue.
type Colour = [u8; 3];

/// The rules of one game. Coordinates count from the top left, `x` to the right and `y` down.
trait Game: Default + Send + Serialize + DeserializeOwned + 'static {
    const NAME: &'static str;
    /// Kinds of objects, a plane of the observation each.
    const CHANNELS: &'static [Colour];
    /// The inputs that do something in this game.
    const MINIMAL: &'static [Input];

    /// The start of an episode.
    fn reset(&mut self, dice: &mut impl Dice);

    /// One step: its reward, and whether the game is over. With `ramping` it grows harder in time.
    fn act(&mut self, input: Input, ramping: bool, dice: &mut impl Dice) -> (i32, bool);

    /// Marks where things are.
    fn observe(&self, planes: &mut Planes<'_>);

    /// Whether everything is on the board, as it must be in a state that was saved here.
    fn sound(&self) -> bool;
}

/// Where chances come from: a generator, or in tests the draws of the package.
trait Dice {
    /// Evenly from `[0, 1)`.
    fn unit(&mut self) -> f64;
    /// Evenly from `0..n`.
    fn below(&mut self, n: u32) -> u32;
}

impl Dice for ChaCha8Rng {
    fn unit(&mut self) -> f64 {
        self.random()
    }
    fn below(&mut self, n: u32) -> u32 {
        self.random_range(0..n)
    }
}

/// Planes of an observation, `[C, 10, 10]`.
struct Planes<'a>(&'a mut [f32]);

impl Planes<'_> {
    fn set(&mut self, channel: usize, x: i32, y: i32) {
        self.0[channel * CELLS + y as usize * SIDE + x as usize] = 1.0;
    }

    /// As `set`, if there is such a column.
    fn set_if_inside(&mut self, channel: usize, x: i32, y: i32) {
        if inside(x) {
            self.set(channel, x, y);
        }
    }

    fn set_all(&mut self, channel: usize, board: &Board) {
        for (y, row) in (0..).zip(board) {
            for x in (0..SIDE as i32).filter(|x| row >> x & 1 == 1) {
                self.set(channel, x, y);
            }
        }
    }
}

/// Which cells hold something: a row each, with bit `x` for column `x`.
type Board = [u16; SIDE];

/// All columns of a row of a [`Board`].
const FULL_ROW: u16 = (1 << SIDE) - 1;

fn inside(x: i32) -> bool {
    (0..SIDE as i32).contains(&x)
}

/// The next column to the right or left.
fn ahead(x: i32, rightward: bool) -> i32 {
    if rightward { x + 1 } else { x - 1 }
}

/// A game under way.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Play<G> {
    game: G,
    /// What was done last, and is done again by chance.
    last: Input,
    over: bool,
}

impl<G: Game> Play<G> {
    /// Differs from the package, whose last input outlives the episode: there, the same seed would
    /// not give the same episode.
    fn reset(&mut self, dice: &mut impl Dice) {
        self.game.reset(dice);
        (self.last, self.over) = (Input::Stay, false);
    }

    fn act(&mut self, input: Input, sticky: f64, ramping: bool, dice: &mut impl Dice) -> i32 {
        if dice.unit() >= sticky {
            self.last = input;
        }
        if self.over {
            return 0;
        }
        let (reward, over) = self.game.act(self.last, ramping, dice);
        self.over = over;
        reward
    }
}

/// How many planes are asked for; the game's own if not said.
fn channels<G: Game>(kwargs: &Kwargs) -> Result<usize, EnvError> {
    let own = G::CHANNELS.len();
    let Some(asked) = integer(kwargs, "channels")? else { return Ok(own) };
    let fits = usize::try_from(asked).ok().filter(|n| (own..=MOST_CHANNELS).contains(n));
    fits.ok_or_else(|| {
        format!(
            "channels = {asked} does not fit the {own} planes of this game; give {own} to \
             {MOST_CHANNELS}"
        )
        .into()
    })
}

/// One game as an environment.
struct MinAtar<G> {
    sticky_action_prob: f64,
    difficulty_ramping: bool,
    inputs: &'static [Input],
    /// Planes of an observation: the game's, then zeros.
    channels: usize,
    play: Play<G>,
    rng: ChaCha8Rng,
}

impl<G: Game> MinAtar<G> {
    fn new(kwargs: &Kwargs) -> Result<Self, EnvError> {
        let minimal = flag(kwargs, "minimal_actions")?.unwrap_or(false);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut play = Play::<G>::default();
        play.reset(&mut rng);
        Ok(Self {
            sticky_action_prob: 0.1,
            difficulty_ramping: flag(kwargs, "difficulty_ramping")?.unwrap_or(true),
            inputs: if minimal { G::MINIMAL } else { &ALL_INPUTS },
            channels: channels::<G>(kwargs)?,
            play,
            rng,
        })
    }

    fn observe(&self, obs: &mut [f32]) {
        obs.fill(0.0);
        self.play.game.observe(&mut Planes(obs));
    }
}

impl<G: Game> Env for MinAtar<G> {
    fn spec(&self) -> EnvSpec {
        let size = self.channels * CELLS;
        EnvSpec {
            obs: Space {
                shape: vec![self.channels, SIDE, SIDE],
                low: vec![0.0; size],
                // A plane that stays zero has room for what another game shows there.
                high: vec![1.0; size],
                dtype: Dtype::U8,
                frames: 1,
            },
            action: ActionSpace::Discrete(self.inputs.len()),
            time_limit: Some(TIME_LIMIT),
        }
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        self.rng = ChaCha8Rng::seed_from_u64(seed);
        self.play.reset(&mut self.rng);
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let input = self.inputs[action.choice(self.inputs.len())?];
        let (sticky, ramping) = (self.sticky_action_prob, self.difficulty_ramping);
        let reward = self.play.act(input, sticky, ramping, &mut self.rng);
        self.observe(obs);
        Ok(Step { reward: reward as f32, terminated: self.play.over, truncated: false })
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        let mut obs = vec![0.0; G::CHANNELS.len() * CELLS];
        self.observe(&mut obs);
        Ok(Some(picture::draw(&obs, G::CHANNELS)))
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(self)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

const STICKY: &str = "sticky_action_prob";

impl<G: Game> Params for MinAtar<G> {
    fn names(&self) -> Vec<&str> {
        vec![STICKY]
    }

    fn get(&self, name: &str) -> Option<f64> {
        (name == STICKY).then_some(self.sticky_action_prob)
    }

    fn set(&mut self, name: &str, value: f64) -> Result<(), EnvError> {
        if name != STICKY {
            return Err(params::unknown(name, &self.names()));
        }
        if !(0.0..=1.0).contains(&value) {
            return Err(format!("{name} = {value} is no probability; give 0 to 1").into());
        }
        self.sticky_action_prob = value;
        Ok(())
    }
}

/// The saved state is JSON: the game, then its generator.
impl<G: Game> State for MinAtar<G> {
    fn save(&self) -> Vec<u8> {
        serde_json::to_vec(&(&self.play, &self.rng)).expect("plain numbers in plain structs")
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let saved = serde_json::from_slice::<(Play<G>, ChaCha8Rng)>(bytes);
        let (play, rng) = saved.ok().filter(|(play, _)| play.game.sound()).ok_or_else(|| {
            format!(
                "{} bytes are not a saved state of {}; check that the checkpoint is of the same \
                 environment",
                bytes.len(),
                id::<G>()
            )
        })?;
        (self.play, self.rng) = (play, rng);
        Ok(())
    }
}
