//! [`Game`]: the rules of one game, and the grid it is on.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Cells in a row, and rows.
pub(super) const SIDE: usize = 10;
pub(super) const CELLS: usize = SIDE * SIDE;

/// What the player does, in the package's order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Input {
    #[default]
    Stay,
    Left,
    Up,
    Right,
    Down,
    Fire,
}

pub(super) const ALL_INPUTS: [Input; 6] =
    [Input::Stay, Input::Left, Input::Up, Input::Right, Input::Down, Input::Fire];

/// In pictures: red, green, blue.
pub(super) type Colour = [u8; 3];

/// The rules of one game. Coordinates count from the top left, `x` to the right and `y` down.
pub(super) trait Game: Default + Send + Serialize + DeserializeOwned + 'static {
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
pub(super) trait Dice {
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
pub(super) struct Planes<'a>(pub(super) &'a mut [f32]);

impl Planes<'_> {
    pub(super) fn set(&mut self, channel: usize, x: i32, y: i32) {
        self.0[channel * CELLS + y as usize * SIDE + x as usize] = 1.0;
    }

    /// As `set`, if there is such a column.
    pub(super) fn set_if_inside(&mut self, channel: usize, x: i32, y: i32) {
        if inside(x) {
            self.set(channel, x, y);
        }
    }

    pub(super) fn set_all(&mut self, channel: usize, board: &Board) {
        for (y, row) in (0..).zip(board) {
            for x in (0..SIDE as i32).filter(|x| row >> x & 1 == 1) {
                self.set(channel, x, y);
            }
        }
    }
}

/// Which cells hold something: a row each, with bit `x` for column `x`.
pub(super) type Board = [u16; SIDE];

/// All columns of a row of a [`Board`].
pub(super) const FULL_ROW: u16 = (1 << SIDE) - 1;

pub(super) fn inside(x: i32) -> bool {
    (0..SIDE as i32).contains(&x)
}

/// The next column to the right or left.
pub(super) fn ahead(x: i32, rightward: bool) -> i32 {
    if rightward { x + 1 } else { x - 1 }
}
