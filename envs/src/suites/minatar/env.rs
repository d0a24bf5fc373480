//! [`MinAtar`]: a [`Game`] as an environment.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::game::{ALL_INPUTS, CELLS, Dice, Game, Input, Planes, SIDE};
use super::picture;
use crate::registry::kwargs::{flag, integer};
use crate::{
    Action, ActionSpace, Dtype, Env, EnvError, EnvSpec, Frame, Kwargs, Params, Space, State, Step,
    params,
};

/// Most planes that `channels` may ask for; no game has more than 10 of its own.
const MOST_CHANNELS: usize = 64;

/// The package has no limit, and a player who never fails would never end an evaluation.
const TIME_LIMIT: u32 = 10_000;

pub(super) fn id<G: Game>() -> String {
    format!("minatar/{}", G::NAME)
}

/// A game under way.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Play<G> {
    pub(super) game: G,
    /// What was done last, and is done again by chance.
    pub(super) last: Input,
    pub(super) over: bool,
}

impl<G: Game> Play<G> {
    /// Differs from the package, whose last input outlives the episode: there, the same seed would
    /// not give the same episode.
    pub(super) fn reset(&mut self, dice: &mut impl Dice) {
        self.game.reset(dice);
        (self.last, self.over) = (Input::Stay, false);
    }

    pub(super) fn act(
        &mut self,
        input: Input,
        sticky: f64,
        ramping: bool,
        dice: &mut impl Dice,
    ) -> i32 {
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

/// How many planes the keyword asks for; by default the game's own.
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
pub(super) struct MinAtar<G> {
    sticky_action_prob: f64,
    difficulty_ramping: bool,
    inputs: &'static [Input],
    /// Planes of an observation: the game's, then zeros.
    channels: usize,
    play: Play<G>,
    rng: ChaCha8Rng,
}

impl<G: Game> MinAtar<G> {
    pub(super) fn new(kwargs: &Kwargs) -> Result<Self, EnvError> {
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
