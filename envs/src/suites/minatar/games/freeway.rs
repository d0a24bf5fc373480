//! `minatar/freeway`: cross a road with eight lanes, again and again.
//!
//! A reward of 1 for each crossing; a car's touch sends the player back. The game is over after
//! 2501 steps. Cars need one to five steps for a cell, and each crossing draws new speeds.

use serde::{Deserialize, Serialize};

use crate::suites::minatar::game::{Colour, Dice, Game, Input, Planes, SIDE, ahead, inside};

/// Steps between two of the player's.
const PLAYER_SPEED: i32 = 3;
const TIME_LIMIT: i32 = 2500;
/// The player's column.
const COLUMN: i32 = 4;

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Car {
    x: i32,
    rightward: bool,
    /// Steps it waits between two moves, 1 to 5.
    wait: i32,
    timer: i32,
}

/// The rules.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Freeway {
    /// The player's row.
    y: i32,
    /// One in each row from 1 to 8.
    cars: [Car; 8],
    move_timer: i32,
    time_left: i32,
}

impl Freeway {
    /// New speeds and directions; cars stay where they are.
    fn randomize(&mut self, dice: &mut impl Dice) {
        for car in &mut self.cars {
            car.wait = 1 + dice.below(5) as i32;
            car.timer = car.wait;
        }
        for car in &mut self.cars {
            car.rightward = dice.unit() >= 0.5;
        }
    }
}

impl Game for Freeway {
    const NAME: &'static str = "freeway";
    const CHANNELS: &'static [Colour] = &[
        [255, 225, 110], // chicken
        [235, 70, 70],   // car
        [200, 200, 220], // wait of 1 step
        [165, 165, 185], // wait of 2 steps
        [130, 130, 150], // wait of 3 steps
        [100, 100, 120], // wait of 4 steps
        [75, 75, 95],    // wait of 5 steps
    ];
    const MINIMAL: &'static [Input] = &[Input::Stay, Input::Up, Input::Down];

    fn reset(&mut self, dice: &mut impl Dice) {
        self.cars = [Car::default(); 8];
        self.randomize(dice);
        (self.y, self.move_timer, self.time_left) = (9, PLAYER_SPEED, TIME_LIMIT);
    }

    fn act(&mut self, input: Input, _ramping: bool, dice: &mut impl Dice) -> (i32, bool) {
        if self.move_timer == 0 && matches!(input, Input::Up | Input::Down) {
            self.move_timer = PLAYER_SPEED;
            self.y = if input == Input::Up { self.y - 1 } else { (self.y + 1).min(9) };
        }
        let mut reward = 0;
        if self.y == 0 {
            reward = 1;
            self.randomize(dice);
            self.y = 9;
        }
        for (row, car) in (1..).zip(&mut self.cars) {
            if (car.x, row) == (COLUMN, self.y) {
                self.y = 9;
            }
            if car.timer > 0 {
                car.timer -= 1;
                continue;
            }
            car.timer = car.wait;
            car.x = ahead(car.x, car.rightward).rem_euclid(SIDE as i32);
            if (car.x, row) == (COLUMN, self.y) {
                self.y = 9;
            }
        }
        self.move_timer = (self.move_timer - 1).max(0);
        self.time_left -= 1;
        (reward, self.time_left < 0)
    }

    fn observe(&self, planes: &mut Planes<'_>) {
        planes.set(0, COLUMN, self.y);
        for (y, car) in (1..).zip(&self.cars) {
            planes.set(1, car.x, y);
            let behind = ahead(car.x, !car.rightward).rem_euclid(SIDE as i32);
            planes.set(1 + car.wait as usize, behind, y);
        }
    }

    fn sound(&self) -> bool {
        (1..=9).contains(&self.y)
            && self.cars.iter().all(|car| inside(car.x) && (1..=5).contains(&car.wait))
    }
}
