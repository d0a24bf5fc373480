//! `minatar/space_invaders`: shoot the aliens, which come down, before they or their bullets hit.
//!
//! A reward of 1 for each alien. Aliens move faster the fewer they are, and from wave to wave.

use serde::{Deserialize, Serialize};

use crate::suites::minatar::game::{
    Board, Colour, Dice, FULL_ROW, Game, Input, Planes, SIDE, inside,
};

/// Steps between two of the player's shots.
const SHOT_COOL_DOWN: i32 = 5;
const ENEMY_MOVE_INTERVAL: i32 = 12;
const ENEMY_SHOT_INTERVAL: i32 = 10;

/// Four rows of six.
const WAVE: Board = {
    let row = 0b00_1111_1100;
    [row, row, row, row, 0, 0, 0, 0, 0, 0]
};

/// The rules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct SpaceInvaders {
    /// The cannon's column.
    pub(in crate::suites::minatar) x: i32,
    pub(in crate::suites::minatar) bullets: Board,
    pub(in crate::suites::minatar) enemy_bullets: Board,
    pub(in crate::suites::minatar) aliens: Board,
    pub(in crate::suites::minatar) leftward: bool,
    /// The most steps between two moves of the aliens.
    pub(in crate::suites::minatar) move_interval: i32,
    pub(in crate::suites::minatar) move_timer: i32,
    pub(in crate::suites::minatar) enemy_shot_timer: i32,
    pub(in crate::suites::minatar) shot_timer: i32,
}

impl SpaceInvaders {
    fn alien_count(&self) -> i32 {
        self.aliens.iter().map(|row| row.count_ones() as i32).sum()
    }

    fn alien_at_cannon(&self) -> bool {
        holds(self.aliens[9], self.x)
    }

    /// Moves all aliens; at the edge they turn and come down. Whether one was at the bottom then.
    fn move_aliens(&mut self) -> bool {
        let edge = if self.leftward { 0 } else { 9 };
        if !self.aliens.iter().any(|&row| holds(row, edge)) {
            for row in &mut self.aliens {
                *row = if self.leftward { *row >> 1 } else { *row << 1 };
            }
            return false;
        }
        self.leftward = !self.leftward;
        let landed = self.aliens[9] != 0;
        // From the bottom they come out at the top: seen in a game's last observation.
        self.aliens.rotate_right(1);
        landed
    }

    /// The lowest alien of the column nearest to the cannon, the left one of two, shoots.
    fn enemy_shot(&mut self) {
        let column = (0..SIDE as i32)
            .filter(|&x| self.aliens.iter().any(|&row| holds(row, x)))
            .min_by_key(|x| (x - self.x).abs());
        let Some(x) = column else { return };
        if let Some(y) = self.aliens.iter().rposition(|&row| holds(row, x)) {
            self.enemy_bullets[y] |= 1 << x;
        }
    }
}

fn holds(row: u16, x: i32) -> bool {
    row >> x & 1 == 1
}

impl Game for SpaceInvaders {
    const NAME: &'static str = "space_invaders";
    const CHANNELS: &'static [Colour] = &[
        [90, 200, 250],  // cannon
        [120, 220, 110], // alien
        [120, 220, 110], // alien_left
        [190, 225, 90],  // alien_right
        [250, 250, 250], // friendly_bullet
        [235, 70, 70],   // enemy_bullet
    ];
    const MINIMAL: &'static [Input] = &[Input::Stay, Input::Left, Input::Right, Input::Fire];

    fn reset(&mut self, _: &mut impl Dice) {
        *self = Self {
            x: 5,
            bullets: [0; SIDE],
            enemy_bullets: [0; SIDE],
            aliens: WAVE,
            leftward: true,
            move_interval: ENEMY_MOVE_INTERVAL,
            move_timer: ENEMY_MOVE_INTERVAL,
            enemy_shot_timer: ENEMY_SHOT_INTERVAL,
            shot_timer: 0,
        };
    }

    fn act(&mut self, input: Input, ramping: bool, _: &mut impl Dice) -> (i32, bool) {
        match input {
            Input::Fire if self.shot_timer == 0 => {
                self.bullets[9] |= 1 << self.x;
                self.shot_timer = SHOT_COOL_DOWN;
            }
            Input::Left => self.x = (self.x - 1).max(0),
            Input::Right => self.x = (self.x + 1).min(9),
            _ => {}
        }
        self.bullets.rotate_left(1);
        self.bullets[9] = 0;
        self.enemy_bullets.rotate_right(1);
        self.enemy_bullets[0] = 0;

        let mut over = holds(self.enemy_bullets[9], self.x) || self.alien_at_cannon();
        if self.move_timer == 0 {
            self.move_timer = self.alien_count().min(self.move_interval);
            over |= self.move_aliens();
            over |= self.alien_at_cannon();
        }
        if self.enemy_shot_timer == 0 {
            self.enemy_shot_timer = ENEMY_SHOT_INTERVAL;
            self.enemy_shot();
        }
        let mut reward = 0;
        for (aliens, bullets) in self.aliens.iter_mut().zip(&mut self.bullets) {
            let hit = *aliens & *bullets;
            *aliens &= !hit;
            *bullets &= !hit;
            reward += hit.count_ones() as i32;
        }

        self.shot_timer = (self.shot_timer - 1).max(0);
        self.move_timer -= 1;
        self.enemy_shot_timer -= 1;
        if self.alien_count() == 0 {
            if ramping {
                self.move_interval = (self.move_interval - 1).max(6);
            }
            self.aliens = WAVE;
        }
        (reward, over)
    }

    fn observe(&self, planes: &mut Planes<'_>) {
        planes.set(0, self.x, 9);
        planes.set_all(1, &self.aliens);
        planes.set_all(if self.leftward { 2 } else { 3 }, &self.aliens);
        planes.set_all(4, &self.bullets);
        planes.set_all(5, &self.enemy_bullets);
    }

    fn sound(&self) -> bool {
        let rows = || [&self.aliens, &self.bullets, &self.enemy_bullets].into_iter().flatten();
        inside(self.x) && rows().all(|&row| row <= FULL_ROW) && self.alien_count() > 0
    }
}
