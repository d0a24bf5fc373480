//! `minatar/asterix`: gather gold and keep away from enemies, which cross eight rows from the sides.
//!
//! A reward of 1 for each piece of gold; an enemy's touch ends the game. In time things come and
//! move faster.

use serde::{Deserialize, Serialize};

use crate::suites::minatar::game::{Colour, Dice, Game, Input, Planes, ahead, inside};

/// Steps between two steps of the difficulty, less two.
const RAMP_INTERVAL: i32 = 100;

/// Something that crosses a row.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Thing {
    x: i32,
    rightward: bool,
    gold: bool,
}

/// The rules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Asterix {
    x: i32,
    y: i32,
    /// At most one in each row: index 0 is row 1.
    things: [Option<Thing>; 8],
    spawn_speed: i32,
    spawn_timer: i32,
    move_speed: i32,
    move_timer: i32,
    ramp_timer: i32,
    ramp_index: i32,
}

impl Asterix {
    fn spawn(&mut self, dice: &mut impl Dice) {
        let rightward = dice.unit() < 0.5;
        let gold = dice.unit() < 1.0 / 3.0;
        let free = || (0..self.things.len()).filter(|&row| self.things[row].is_none());
        let count = free().count() as u32;
        if count == 0 {
            return;
        }
        let chosen = free().nth(dice.below(count) as usize);
        if let Some(row) = chosen {
            let x = if rightward { 0 } else { 9 };
            self.things[row] = Some(Thing { x, rightward, gold });
        }
    }

    /// Gold the player touches is taken; returns how much, and whether an enemy is touched.
    fn touch(&mut self) -> (i32, bool) {
        let (mut taken, mut caught) = (0, false);
        for (y, slot) in (1..).zip(&mut self.things) {
            match slot {
                Some(thing) if (thing.x, y) == (self.x, self.y) => {
                    if thing.gold {
                        taken += 1;
                        *slot = None;
                    } else {
                        caught = true;
                    }
                }
                _ => {}
            }
        }
        (taken, caught)
    }

    fn ramp(&mut self) {
        if self.spawn_speed == 1 && self.move_speed == 1 {
            return;
        }
        if self.ramp_timer >= 0 {
            self.ramp_timer -= 1;
            return;
        }
        // Things move faster at every second step only.
        if self.ramp_index % 2 == 1 {
            self.move_speed = (self.move_speed - 1).max(1);
        }
        self.spawn_speed = (self.spawn_speed - 1).max(1);
        self.ramp_index += 1;
        self.ramp_timer = RAMP_INTERVAL;
    }
}

impl Game for Asterix {
    const NAME: &'static str = "asterix";
    const CHANNELS: &'static [Colour] = &[
        [90, 200, 250], // player
        [235, 70, 70],  // enemy
        [85, 85, 105],  // trail
        [255, 205, 60], // gold
    ];
    const MINIMAL: &'static [Input] =
        &[Input::Stay, Input::Left, Input::Up, Input::Right, Input::Down];

    fn reset(&mut self, _: &mut impl Dice) {
        *self = Self {
            x: 5,
            y: 5,
            things: [None; 8],
            spawn_speed: 10,
            spawn_timer: 10,
            move_speed: 5,
            move_timer: 5,
            ramp_timer: RAMP_INTERVAL,
            ramp_index: 0,
        };
    }

    fn act(&mut self, input: Input, ramping: bool, dice: &mut impl Dice) -> (i32, bool) {
        if self.spawn_timer == 0 {
            self.spawn(dice);
            self.spawn_timer = self.spawn_speed;
        }
        match input {
            Input::Left => self.x = (self.x - 1).max(0),
            Input::Right => self.x = (self.x + 1).min(9),
            Input::Up => self.y = (self.y - 1).max(1),
            Input::Down => self.y = (self.y + 1).min(8),
            Input::Stay | Input::Fire => {}
        }
        let (mut reward, mut over) = self.touch();
        if self.move_timer == 0 {
            self.move_timer = self.move_speed;
            for slot in &mut self.things {
                *slot = slot
                    .map(|thing| Thing { x: ahead(thing.x, thing.rightward), ..thing })
                    .filter(|thing| inside(thing.x));
            }
            let (taken, caught) = self.touch();
            reward += taken;
            over |= caught;
        }
        self.spawn_timer -= 1;
        self.move_timer -= 1;
        if ramping {
            self.ramp();
        }
        (reward, over)
    }

    fn observe(&self, planes: &mut Planes<'_>) {
        planes.set(0, self.x, self.y);
        for (y, thing) in (1..).zip(&self.things) {
            if let Some(Thing { x, rightward, gold }) = *thing {
                planes.set(if gold { 3 } else { 1 }, x, y);
                planes.set_if_inside(2, ahead(x, !rightward), y);
            }
        }
    }

    fn sound(&self) -> bool {
        inside(self.x)
            && (1..=8).contains(&self.y)
            && self.things.iter().flatten().all(|thing| inside(thing.x))
            && self.spawn_speed >= 1
            && self.move_speed >= 1
    }
}
