//! `minatar/breakout`: bounce a ball off a paddle so that it breaks bricks.
//!
//! A reward of 1 for each brick; the game is over when the ball passes the paddle. The ball moves
//! along diagonals; three new rows of bricks come when all are broken.

use serde::{Deserialize, Serialize};

use crate::suites::minatar::game::{
    Board, Colour, Dice, FULL_ROW, Game, Input, Planes, SIDE, inside,
};

/// Rows of bricks.
const BRICKS: Board = [0, FULL_ROW, FULL_ROW, FULL_ROW, 0, 0, 0, 0, 0, 0];

/// The rules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Breakout {
    paddle: i32,
    ball: [i32; 2],
    /// Where the ball was a step ago.
    last: [i32; 2],
    rightward: bool,
    downward: bool,
    bricks: Board,
    /// Whether the ball was in a brick's place a step ago; it then passes through the next one.
    strike: bool,
}

impl Game for Breakout {
    const NAME: &'static str = "breakout";
    const CHANNELS: &'static [Colour] = &[
        [90, 200, 250],  // paddle
        [250, 250, 250], // ball
        [85, 85, 105],   // trail
        [225, 110, 75],  // brick
    ];
    const MINIMAL: &'static [Input] = &[Input::Stay, Input::Left, Input::Right];

    fn reset(&mut self, dice: &mut impl Dice) {
        let rightward = dice.below(2) == 0;
        let start = [if rightward { 0 } else { 9 }, 3];
        *self = Self {
            paddle: 4,
            ball: start,
            last: start,
            rightward,
            downward: true,
            bricks: BRICKS,
            strike: false,
        };
    }

    fn act(&mut self, input: Input, _ramping: bool, _: &mut impl Dice) -> (i32, bool) {
        match input {
            Input::Left => self.paddle = (self.paddle - 1).max(0),
            Input::Right => self.paddle = (self.paddle + 1).min(9),
            _ => {}
        }
        self.last = self.ball;
        let [old_x, old_y] = self.ball;
        let mut x = if self.rightward { old_x + 1 } else { old_x - 1 };
        let mut y = if self.downward { old_y + 1 } else { old_y - 1 };
        if !inside(x) {
            x = x.clamp(0, 9);
            self.rightward = !self.rightward;
        }

        let (mut reward, mut over, mut strike) = (0, false, false);
        if y < 0 {
            y = 0;
            self.downward = !self.downward;
        } else if self.bricks[y as usize] >> x & 1 == 1 {
            strike = true;
            if !self.strike {
                reward = 1;
                self.bricks[y as usize] &= !(1 << x);
                y = old_y;
                self.downward = !self.downward;
            }
        } else if y == 9 {
            if self.bricks == [0; SIDE] {
                self.bricks = BRICKS;
            }
            // Hit from above, the paddle reflects the ball; hit from the side, it returns it.
            let (above, aside) = (old_x == self.paddle, x == self.paddle);
            if above || aside {
                y = old_y;
                self.downward = !self.downward;
                self.rightward ^= !above;
            } else {
                over = true;
            }
        }
        self.strike = strike;
        self.ball = [x, y];
        (reward, over)
    }

    fn observe(&self, planes: &mut Planes<'_>) {
        planes.set(0, self.paddle, 9);
        planes.set(1, self.ball[0], self.ball[1]);
        planes.set(2, self.last[0], self.last[1]);
        planes.set_all(3, &self.bricks);
    }

    fn sound(&self) -> bool {
        inside(self.paddle)
            && self.ball.iter().chain(&self.last).all(|&x| inside(x))
            && self.bricks.iter().all(|&row| row <= FULL_ROW)
    }
}
