//! The rules: what happens in one step, and where chances come in.

use serde::{Deserialize, Serialize};

/// Columns and rows; the last one is beside the first one.
pub(super) const WIDTH: usize = 24;
pub(super) const HEIGHT: usize = 15;
pub(super) const CELLS: usize = WIDTH * HEIGHT;

/// First column of each biome, left and right, and how many it has.
pub(super) const BIOMES: [usize; 2] = [4, 16];
pub(super) const BIOME_WIDTH: usize = 4;
/// Pieces of each kind of food, and walls, that a biome gets.
const EACH: usize = 15;
const BIOME_WALLS: usize = 4;
/// Walls anywhere, the biomes included.
const WALLS: usize = 24;
/// Foods in all: their number never changes.
const FOODS: usize = 4 * EACH;

/// Steps after which food that was not eaten moves elsewhere.
const EXPIRY: u64 = 500;

/// What a cell holds: nothing, one of four foods (index plus one), or a wall.
pub(super) type Cell = u8;
pub(super) const EMPTY: Cell = 0;
pub(super) const WALL: Cell = 5;

/// Rewards of the four foods: in the middle of the wave, and what the wave adds in its first half and
/// takes in its second one; at step 0, when none is in reach, the package adds nothing. In order: oyster and chanterelle of the left biome, then of the right one.
const REWARDS: [(i32, i32); 4] = [(-5, 9), (-5, 3), (-5, -3), (-5, -9)];

/// Steps right and down of each action, in the package's order: down, right, up, left.
const MOVES: [(usize, usize); ACTIONS] = [(0, 1), (1, 0), (0, HEIGHT - 1), (WIDTH - 1, 0)];
pub(super) const ACTIONS: usize = 4;

/// Where chances come from: a generator, or in tests the draws of the package.
pub(super) trait Dice {
    /// Steps until a food is there again, less one: 9 or 10.
    fn delay(&mut self) -> u8;
    /// One of these cells, all as likely; there is at least one.
    fn choose(&mut self, cells: &[u16]) -> u16;
}

/// One piece of food. Eaten or expired, it waits in another cell of its biome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Food {
    /// 1 to 4.
    pub(super) kind: Cell,
    pub(super) cell: u16,
    /// Steps until it is there; 0 if it is.
    pub(super) timer: u8,
    /// When it last came.
    since: u64,
}

/// All that the next step depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct World {
    /// All, those to come included.
    pub(super) foods: Vec<Food>,
    /// What each cell holds, row by row.
    cells: Vec<Cell>,
    pub(super) x: usize,
    pub(super) y: usize,
    /// Steps so far, which set the phase of the wave.
    pub(super) clock: u64,
}

impl World {
    /// A life that begins at `clock`, the player in the middle.
    pub(super) fn new(clock: u64, dice: &mut impl Dice) -> Self {
        let mut cells = vec![EMPTY; CELLS];
        scatter(&mut cells, |_| true, WALL, WALLS, dice);
        for (biome, first) in (0..).zip(BIOMES) {
            let inside = |cell: usize| (first..first + BIOME_WIDTH).contains(&(cell % WIDTH));
            scatter(&mut cells, inside, WALL, BIOME_WALLS, dice);
            for kind in [2 * biome + 1, 2 * biome + 2] {
                scatter(&mut cells, inside, kind, EACH, dice);
            }
        }
        Self::from_cells(cells, clock)
    }

    /// A life that begins with these things in their places.
    pub(super) fn from_cells(cells: Vec<Cell>, clock: u64) -> Self {
        let there = (0..).zip(&cells).filter(|&(_, &kind)| kind != EMPTY && kind != WALL);
        let food = |(cell, &kind)| Food { kind, cell, timer: 0, since: clock };
        Self { foods: there.map(food).collect(), cells, x: WIDTH / 2, y: HEIGHT / 2, clock }
    }

    /// One step, and its reward.
    pub(super) fn act(&mut self, action: usize, period: u64, dice: &mut impl Dice) -> i32 {
        let (right, down) = MOVES[action];
        let (x, y) = ((self.x + right) % WIDTH, (self.y + down) % HEIGHT);
        if self.cells[y * WIDTH + x] != WALL {
            (self.x, self.y) = (x, y);
        }
        // Food that comes in this step is eaten in the next one at the earliest.
        let here = (self.y * WIDTH + self.x) as u16;
        let is_eaten = |food: &Food| food.cell == here && food.timer == 0;
        let eats = (1..WALL).contains(&self.cells[usize::from(here)]);
        let eaten = if eats { self.foods.iter().position(is_eaten) } else { None };
        let reward = eaten.map_or(0, |food| reward(self.foods[food].kind, self.clock, period));

        for food in &mut self.foods {
            food.timer = food.timer.saturating_sub(1);
            // A timer at 0 means that it came now or earlier; only now is its cell still empty.
            let cell = &mut self.cells[usize::from(food.cell)];
            if food.timer == 0 && *cell == EMPTY {
                *cell = food.kind;
                food.since = self.clock;
            }
        }
        if let Some(food) = eaten {
            self.replace(food, dice);
        }
        // One in a step: the oldest, of several the last one.
        let old =
            self.foods.iter().enumerate().filter(|(_, food)| {
                food.timer == 0 && self.clock.saturating_sub(food.since) >= EXPIRY
            });
        let oldest = old.max_by_key(|(_, food)| (self.clock - food.since, food.cell));
        if let Some((food, _)) = oldest {
            self.replace(food, dice);
        }
        self.clock += 1;
        reward
    }

    /// Takes a food away, to come back in a free cell of its biome.
    fn replace(&mut self, index: usize, dice: &mut impl Dice) {
        let from = usize::from(self.foods[index].cell);
        self.cells[from] = EMPTY;
        let first = biome(from);
        let mut awaits = [false; CELLS];
        for food in self.foods.iter().filter(|food| food.timer > 0) {
            awaits[usize::from(food.cell)] = true;
        }
        let mut free = [0; BIOME_WIDTH * HEIGHT];
        let mut count = 0;
        let cells =
            (0..CELLS).step_by(WIDTH).flat_map(|row| row + first..row + first + BIOME_WIDTH);
        for cell in cells.filter(|&cell| self.cells[cell] == EMPTY && !awaits[cell]) {
            free[count] = cell as u16;
            count += 1;
        }
        let food = &mut self.foods[index];
        food.timer = dice.delay() + 1;
        food.cell = dice.choose(&free[..count]);
    }

    /// What the cells of a row hold.
    pub(super) fn row(&self, y: usize) -> &[Cell] {
        &self.cells[y * WIDTH..(y + 1) * WIDTH]
    }

    /// Whether everything is where it can be, as it must be in a state that was saved here.
    pub(super) fn sound(&self) -> bool {
        let in_its_biome = |food: &Food| {
            let first = BIOMES[usize::from(food.kind > 2)];
            let cell = usize::from(food.cell);
            cell < CELLS && (first..first + BIOME_WIDTH).contains(&(cell % WIDTH))
        };
        let food_is_sound = |food: &Food| {
            (1..WALL).contains(&food.kind)
                && in_its_biome(food)
                && food.timer <= 11
                && food.since <= self.clock
                && self.cells[usize::from(food.cell)]
                    == if food.timer == 0 { food.kind } else { EMPTY }
        };
        let mut places: Vec<u16> = self.foods.iter().map(|food| food.cell).collect();
        places.sort_unstable();
        places.dedup();
        let there = self.cells.iter().filter(|cell| (1..WALL).contains(*cell)).count();
        self.cells.len() == CELLS
            && self.cells.iter().all(|&cell| cell <= WALL)
            && (self.foods.len(), places.len()) == (FOODS, FOODS)
            && self.foods.iter().all(food_is_sound)
            && there == self.foods.iter().filter(|food| food.timer == 0).count()
            && self.x < WIDTH
            && self.y < HEIGHT
    }
}

/// First column of the biome of a cell with food.
fn biome(cell: usize) -> usize {
    BIOMES[usize::from(cell % WIDTH >= BIOMES[1])]
}

/// What eating this food at this time gives: a square wave. Differs from the package, which takes the
/// sign of a sine in single precision: of its 39 changes in 10 million steps two come a step later.
pub(super) fn reward(kind: Cell, clock: u64, period: u64) -> i32 {
    let (middle, wave) = REWARDS[usize::from(kind - 1)];
    if is_first_half(clock, period) { middle + wave } else { middle - wave }
}

/// Whether the left biome's oyster is good at this time, and not the right one's chanterelle.
fn is_first_half(clock: u64, period: u64) -> bool {
    (clock % period) < period.div_ceil(2)
}

/// How often the wave has gone up or down by this time.
pub(super) fn changes(clock: u64, period: u64) -> u64 {
    2 * (clock / period) + u64::from(!is_first_half(clock, period))
}

/// Puts `n` of a kind into free cells among those that are `inside`.
fn scatter(
    cells: &mut [Cell],
    inside: impl Fn(usize) -> bool,
    kind: Cell,
    n: usize,
    dice: &mut impl Dice,
) {
    for _ in 0..n {
        let free: Vec<u16> =
            (0..CELLS).filter(|&i| cells[i] == EMPTY && inside(i)).map(|i| i as u16).collect();
        cells[usize::from(dice.choose(&free))] = kind;
    }
}
