//! `minatar/seaquest`: a submarine gathers divers, shoots fish and submarines, and needs air.
//!
//! A reward of 1 for each enemy, and for surfacing with six divers as many as tenths of the air are
//! left. The game is over when an enemy or bullet hits, when the air is spent, or when the submarine
//! surfaces without a diver. With each surfacing enemies come and move faster.
//!
//! Longer than other files: the rules stand in one place and in the order of the package's `seaquest.py`, so that
//! the two can be read side by side.

use serde::{Deserialize, Serialize};

use crate::suites::minatar::game::{ALL_INPUTS, Colour, Dice, Game, Input, Planes, ahead, inside};

const MAX_OXYGEN: i32 = 200;
const MAX_DIVERS: i32 = 6;
/// Steps between two of the player's shots.
const SHOT_COOL_DOWN: i32 = 5;
const ENEMY_SHOT_INTERVAL: i32 = 10;
const DIVER_SPAWN_SPEED: i32 = 30;
const DIVER_MOVE_INTERVAL: i32 = 5;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Bullet {
    pub(in crate::suites::minatar) x: i32,
    pub(in crate::suites::minatar) y: i32,
    pub(in crate::suites::minatar) rightward: bool,
}

/// A diver, or an enemy's fish or submarine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Swimmer {
    pub(in crate::suites::minatar) x: i32,
    pub(in crate::suites::minatar) y: i32,
    pub(in crate::suites::minatar) rightward: bool,
    pub(in crate::suites::minatar) move_timer: i32,
    /// Submarines only.
    pub(in crate::suites::minatar) shot_timer: i32,
}

/// The rules.
///
/// Where the order of things matters it is the package's: lists from the newest to the oldest, and
/// of equal things the oldest leaves.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::suites::minatar) struct Seaquest {
    pub(in crate::suites::minatar) x: i32,
    pub(in crate::suites::minatar) y: i32,
    pub(in crate::suites::minatar) rightward: bool,
    pub(in crate::suites::minatar) oxygen: i32,
    /// Below zero after six have been brought up: one is then taken as at any surfacing.
    pub(in crate::suites::minatar) diver_count: i32,
    pub(in crate::suites::minatar) surfaced: bool,
    pub(in crate::suites::minatar) bullets: Vec<Bullet>,
    pub(in crate::suites::minatar) enemy_bullets: Vec<Bullet>,
    pub(in crate::suites::minatar) fish: Vec<Swimmer>,
    pub(in crate::suites::minatar) subs: Vec<Swimmer>,
    pub(in crate::suites::minatar) divers: Vec<Swimmer>,
    pub(in crate::suites::minatar) shot_timer: i32,
    pub(in crate::suites::minatar) spawn_speed: i32,
    pub(in crate::suites::minatar) spawn_timer: i32,
    pub(in crate::suites::minatar) diver_timer: i32,
    pub(in crate::suites::minatar) move_speed: i32,
    pub(in crate::suites::minatar) ramp_index: i32,
}

impl Seaquest {
    fn spawn_enemy(&mut self, dice: &mut impl Dice) {
        let rightward = dice.unit() < 0.5;
        let is_sub = dice.unit() < 1.0 / 3.0;
        let enemy = swimmer(rightward, dice, self.move_speed);
        let mut others = self.subs.iter().chain(&self.fish);
        if others.any(|other| other.y == enemy.y && other.rightward != rightward) {
            return; // they would meet
        }
        if is_sub { &mut self.subs } else { &mut self.fish }.push(enemy);
    }

    fn spawn_diver(&mut self, dice: &mut impl Dice) {
        let rightward = dice.unit() < 0.5;
        self.divers.push(swimmer(rightward, dice, DIVER_MOVE_INTERVAL));
    }

    fn player(&mut self, input: Input) {
        match input {
            Input::Fire if self.shot_timer == 0 => {
                self.bullets.push(Bullet { x: self.x, y: self.y, rightward: self.rightward });
                self.shot_timer = SHOT_COOL_DOWN;
            }
            Input::Left => (self.x, self.rightward) = ((self.x - 1).max(0), false),
            Input::Right => (self.x, self.rightward) = ((self.x + 1).min(9), true),
            Input::Up => self.y = (self.y - 1).max(0),
            Input::Down => self.y = (self.y + 1).min(8),
            Input::Stay | Input::Fire => {}
        }
    }

    /// Returns how many enemies were hit.
    fn move_bullets(&mut self) -> i32 {
        let mut hits = 0;
        for i in (0..self.bullets.len()).rev() {
            let bullet = &mut self.bullets[i];
            bullet.x = ahead(bullet.x, bullet.rightward);
            let bullet = *bullet;
            let struck = |enemies: &mut Vec<Swimmer>| {
                let hit =
                    enemies.iter().position(|enemy| (enemy.x, enemy.y) == (bullet.x, bullet.y));
                hit.map(|k| enemies.remove(k)).is_some()
            };
            if !inside(bullet.x) {
                remove_first(&mut self.bullets, &bullet);
            } else if struck(&mut self.fish) || struck(&mut self.subs) {
                remove_first(&mut self.bullets, &bullet);
                hits += 1;
            }
        }
        hits
    }

    fn move_divers(&mut self) {
        for i in (0..self.divers.len()).rev() {
            let mut diver = self.divers[i];
            let mut aboard = self.takes(&diver);
            if !aboard {
                let moved = diver.swim(DIVER_MOVE_INTERVAL);
                self.divers[i] = diver;
                aboard = moved && self.takes(&diver);
            }
            if aboard {
                self.diver_count += 1;
            }
            if aboard || !inside(diver.x) {
                remove_first(&mut self.divers, &diver);
            }
        }
    }

    fn takes(&self, diver: &Swimmer) -> bool {
        self.at(diver.x, diver.y) && self.diver_count < MAX_DIVERS
    }

    /// Returns how many were hit, and whether one touched the player.
    fn move_subs(&mut self) -> (i32, bool) {
        let (mut hits, mut caught) = (0, false);
        for i in (0..self.subs.len()).rev() {
            let mut sub = self.subs[i];
            let gone = self.swim_enemy(&mut sub, &mut hits, &mut caught);
            let shoots = sub.shot_timer == 0;
            // It still shoots in the step it leaves in.
            if shoots {
                let Swimmer { x, y, rightward, .. } = sub;
                self.enemy_bullets.push(Bullet { x, y, rightward });
            }
            let timer = if shoots { ENEMY_SHOT_INTERVAL } else { sub.shot_timer - 1 };
            self.subs[i] = Swimmer { shot_timer: timer, ..sub };
            if gone {
                // Unlike fish no two are equal: their shots say when they came.
                self.subs.remove(i);
            }
        }
        (hits, caught)
    }

    fn move_fish(&mut self) -> (i32, bool) {
        let (mut hits, mut caught) = (0, false);
        for i in (0..self.fish.len()).rev() {
            let mut fish = self.fish[i];
            let gone = self.swim_enemy(&mut fish, &mut hits, &mut caught);
            self.fish[i] = fish;
            if gone {
                remove_first(&mut self.fish, &fish);
            }
        }
        (hits, caught)
    }

    /// One step of an enemy; returns whether it is gone.
    fn swim_enemy(&mut self, enemy: &mut Swimmer, hits: &mut i32, caught: &mut bool) -> bool {
        *caught |= self.at(enemy.x, enemy.y);
        if !enemy.swim(self.move_speed) {
            return false;
        }
        if !inside(enemy.x) {
            return true;
        }
        if self.at(enemy.x, enemy.y) {
            *caught = true;
            return false;
        }
        let met = self.bullets.iter().position(|b| (b.x, b.y) == (enemy.x, enemy.y));
        if let Some(k) = met {
            self.bullets.remove(k);
            *hits += 1;
        }
        met.is_some()
    }

    /// Returns whether one hit the player.
    fn move_enemy_bullets(&mut self) -> bool {
        let mut hit = false;
        for i in (0..self.enemy_bullets.len()).rev() {
            let mut bullet = self.enemy_bullets[i];
            hit |= self.at(bullet.x, bullet.y);
            bullet.x = ahead(bullet.x, bullet.rightward);
            self.enemy_bullets[i] = bullet;
            if inside(bullet.x) {
                hit |= self.at(bullet.x, bullet.y);
            } else {
                remove_first(&mut self.enemy_bullets, &bullet);
            }
        }
        hit
    }

    /// Is the player there?
    fn at(&self, x: i32, y: i32) -> bool {
        (x, y) == (self.x, self.y)
    }

    /// Fresh air, for a diver or for all six; returns the reward.
    fn surface(&mut self, ramping: bool) -> i32 {
        self.surfaced = true;
        let mut reward = 0;
        if self.diver_count == MAX_DIVERS {
            self.diver_count = 0;
            reward = self.oxygen * 10 / MAX_OXYGEN;
        }
        self.oxygen = MAX_OXYGEN;
        self.diver_count -= 1;
        if ramping && (self.spawn_speed > 1 || self.move_speed > 2) {
            // Enemies move faster at every second step only.
            if self.ramp_index % 2 == 1 {
                self.move_speed = (self.move_speed - 1).max(2);
            }
            self.spawn_speed = (self.spawn_speed - 1).max(1);
            self.ramp_index += 1;
        }
        reward
    }
}

impl Swimmer {
    /// Waits, or moves on and waits for `interval` from then on. Returns whether it moved.
    fn swim(&mut self, interval: i32) -> bool {
        if self.move_timer > 0 {
            self.move_timer -= 1;
            return false;
        }
        self.move_timer = interval;
        self.x = ahead(self.x, self.rightward);
        true
    }
}

/// A new one at its edge, in any row but the first and the last.
fn swimmer(rightward: bool, dice: &mut impl Dice, move_timer: i32) -> Swimmer {
    let x = if rightward { 0 } else { 9 };
    let y = 1 + dice.below(8) as i32;
    Swimmer { x, y, rightward, move_timer, shot_timer: ENEMY_SHOT_INTERVAL }
}

fn remove_first<T: PartialEq>(list: &mut Vec<T>, item: &T) {
    if let Some(i) = list.iter().position(|other| other == item) {
        list.remove(i);
    }
}

impl Game for Seaquest {
    const NAME: &'static str = "seaquest";
    const CHANNELS: &'static [Colour] = &[
        [90, 200, 250],  // sub_front
        [50, 120, 180],  // sub_back
        [250, 250, 250], // friendly_bullet
        [85, 85, 105],   // trail
        [250, 150, 70],  // enemy_bullet
        [120, 220, 110], // enemy_fish
        [235, 70, 70],   // enemy_sub
        [70, 110, 220],  // oxygen_gauge
        [255, 205, 60],  // diver_gauge
        [255, 225, 110], // diver
    ];
    const MINIMAL: &'static [Input] = &ALL_INPUTS;

    fn reset(&mut self, _: &mut impl Dice) {
        (self.x, self.y, self.rightward) = (5, 0, false);
        (self.oxygen, self.diver_count, self.surfaced) = (MAX_OXYGEN, 0, true);
        self.bullets.clear();
        self.enemy_bullets.clear();
        self.fish.clear();
        self.subs.clear();
        self.divers.clear();
        self.shot_timer = 0;
        (self.spawn_speed, self.spawn_timer) = (20, 20);
        self.diver_timer = DIVER_SPAWN_SPEED;
        (self.move_speed, self.ramp_index) = (5, 0);
    }

    fn act(&mut self, input: Input, ramping: bool, dice: &mut impl Dice) -> (i32, bool) {
        if self.spawn_timer == 0 {
            self.spawn_enemy(dice);
            self.spawn_timer = self.spawn_speed;
        }
        if self.diver_timer == 0 {
            self.spawn_diver(dice);
            self.diver_timer = DIVER_SPAWN_SPEED;
        }
        self.player(input);
        let mut reward = self.move_bullets();
        self.move_divers();
        let (hits, touched) = self.move_subs();
        let mut over = touched | self.move_enemy_bullets();
        reward += hits;
        let (hits, touched) = self.move_fish();
        over |= touched;
        reward += hits;

        self.spawn_timer = (self.spawn_timer - 1).max(0);
        self.diver_timer = (self.diver_timer - 1).max(0);
        self.shot_timer = (self.shot_timer - 1).max(0);
        over |= self.oxygen <= 0;
        if self.y > 0 {
            self.oxygen -= 1;
            self.surfaced = false;
        } else if !self.surfaced {
            if self.diver_count == 0 {
                over = true;
            } else {
                reward += self.surface(ramping);
            }
        }
        (reward, over)
    }

    fn observe(&self, planes: &mut Planes<'_>) {
        planes.set(0, self.x, self.y);
        planes.set(1, ahead(self.x, !self.rightward), self.y);
        for x in 0..self.oxygen.max(0) * 10 / MAX_OXYGEN {
            planes.set(7, x, 9);
        }
        for x in 9 - self.diver_count..9 {
            planes.set(8, x, 9);
        }
        for (channel, bullets) in [(2, &self.bullets), (4, &self.enemy_bullets)] {
            for bullet in bullets {
                planes.set(channel, bullet.x, bullet.y);
            }
        }
        for (channel, swimmers) in [(5, &self.fish), (6, &self.subs), (9, &self.divers)] {
            for swimmer in swimmers {
                planes.set(channel, swimmer.x, swimmer.y);
                planes.set_if_inside(3, ahead(swimmer.x, !swimmer.rightward), swimmer.y);
            }
        }
    }

    fn sound(&self) -> bool {
        let bullets = || self.bullets.iter().chain(&self.enemy_bullets).map(|b| (b.x, b.y));
        let swimmers = || [&self.fish, &self.subs, &self.divers].into_iter().flatten();
        let places = swimmers().map(|s| (s.x, s.y)).chain(bullets());
        inside(self.x)
            && inside(ahead(self.x, !self.rightward))
            && (0..=8).contains(&self.y)
            && (-1..=MAX_OXYGEN).contains(&self.oxygen)
            && (-1_000_000..=MAX_DIVERS).contains(&self.diver_count)
            && { places }.all(|(x, y)| inside(x) && (0..=8).contains(&y))
    }
}
