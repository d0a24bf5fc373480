//! The rules against the package, on its own random draws; see `tests/golden/generate_forager.py`.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::world::{self, BIOME_WIDTH, BIOMES, CELLS, Dice, EMPTY, HEIGHT, WALL, World};
use super::{Forager, Kwargs};

#[derive(Deserialize)]
struct Golden {
    /// A time, and the rewards of the four foods then.
    waves: Vec<(u64, f32, f32, f32, f32)>,
    lives: Vec<Life>,
}

#[derive(Deserialize)]
struct Life {
    aperture_size: usize,
    period: u64,
    start: String,
    actions: String,
    draws: Vec<u16>,
    checks: String,
    counts: [usize; 3],
}

/// The package's draws, in order.
struct Drawn(VecDeque<u16>);

impl Dice for Drawn {
    fn delay(&mut self) -> u8 {
        self.0.pop_front().expect("no more draws than the package's") as u8
    }
    fn choose(&mut self, cells: &[u16]) -> u16 {
        let cell = self.0.pop_front().expect("no more draws than the package's");
        assert!(cells.contains(&cell), "cell {cell} is none of {cells:?}");
        cell
    }
}

fn golden() -> Golden {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let text = std::fs::read_to_string(folder.join("forager_two_biome.json"));
    let text = text.expect("the golden file is committed");
    serde_json::from_str(&text).expect("the golden file is as generate_forager.py wrote it")
}

fn digits(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|digit| digit - b'0')
}

/// Observations, rewards, all things and all timers, step by step.
#[test]
fn lives_equal_the_package() {
    let Golden { lives, .. } = golden();
    let steps: usize = lives.iter().map(|life| life.actions.len()).sum();
    assert!(steps >= 12_000, "steps are missing");
    let [eaten, expired, both] =
        [0, 1, 2].map(|i| lives.iter().map(|life| life.counts[i]).sum::<usize>());
    assert!(eaten > 1000 && expired > 500 && both > 20, "{eaten} {expired} {both}: too little");
    for (i, life) in lives.iter().enumerate() {
        let size = i64::try_from(life.aperture_size).expect("small");
        let kwargs = Kwargs::from_iter([("aperture_size".to_owned(), size.into())]);
        let mut env = Forager::new(&kwargs).expect("good");
        env.world = World::from_cells(digits(&life.start).collect(), 0);
        assert!(env.world.sound());
        let mut dice = Drawn(life.draws.clone().into());
        let mut obs = vec![f32::NAN; 3 * life.aperture_size.pow(2)];
        let mut crc = crc32fast::Hasher::new();
        for (t, action) in digits(&life.actions).enumerate() {
            let reward = env.world.act(usize::from(action), life.period, &mut dice);
            env.observe(&mut obs);
            let seen: Vec<u8> = obs.iter().map(|&x| x as u8).collect();
            crc.update(&seen);
            let (mut timers, mut kinds) = ([0; CELLS], [0; CELLS]);
            for food in env.world.foods.iter().filter(|food| food.timer > 0) {
                timers[usize::from(food.cell)] = food.timer;
                kinds[usize::from(food.cell)] = food.kind;
            }
            let cells = (0..HEIGHT).flat_map(|y| env.world.row(y)).copied().collect::<Vec<u8>>();
            for bytes in [&cells[..], &timers, &kinds] {
                crc.update(bytes);
            }
            crc.update(&[env.world.x as u8, env.world.y as u8, reward as i8 as u8]);
            let check = u32::from_str_radix(&life.checks[4 * t..4 * t + 4], 16).expect("hex");
            let ours = crc.clone().finalize() & 0xffff;
            assert_eq!(ours, check, "life {i} differs first after step {t}");
            assert!(env.world.sound(), "life {i}, step {t}");
        }
        assert!(dice.0.is_empty(), "life {i}: the package drew {} times more", dice.0.len());
    }
}

#[test]
fn rewards_equal_the_package() {
    for (clock, oyster, chanterelle, right_oyster, right_chanterelle) in golden().waves {
        let expected = [oyster, chanterelle, right_oyster, right_chanterelle];
        let ours = [1, 2, 3, 4].map(|kind| world::reward(kind, clock, 500_000) as f32);
        assert_eq!(ours, expected, "at {clock}");
        assert_eq!(world::changes(clock, 500_000), clock / 250_000);
    }
}

/// As counted in the package's starts: 24 walls anywhere, then 4 walls and 15 of each food in a biome.
#[test]
fn worlds_have_the_package_s_numbers_of_things() {
    let (mut left_walls, mut places) = (BTreeMap::new(), [0; CELLS]);
    for seed in 0..2000 {
        let world = World::new(7, &mut ChaCha8Rng::seed_from_u64(seed));
        assert!(world.sound() && (world.x, world.y, world.clock) == (12, 7, 7));
        let (mut counts, mut left) = ([0; 6], 0);
        let cells = (0..HEIGHT).flat_map(|y| world.row(y).iter().enumerate());
        for ((column, &kind), times_a_wall) in cells.zip(&mut places) {
            counts[usize::from(kind)] += 1;
            let inside =
                |biome: usize| (BIOMES[biome]..BIOMES[biome] + BIOME_WIDTH).contains(&column);
            assert!(
                kind == EMPTY || kind == WALL || inside(usize::from(kind > 2)),
                "{seed}: {kind} in column {column}"
            );
            left += usize::from(kind == WALL && inside(0));
            *times_a_wall += usize::from(kind == WALL);
        }
        assert_eq!(counts, [CELLS - 92, 15, 15, 15, 15, 32], "{seed}");
        *left_walls.entry(left).or_insert(0) += 1;
    }
    // 4 and those of 24 that fall on 60 of 360 cells: 8 in the mean.
    let total: usize = left_walls.iter().map(|(walls, n)| walls * n).sum();
    assert!((15_700..16_300).contains(&total), "{left_walls:?}");
    assert!(left_walls.keys().all(|walls| (4..=28).contains(walls)), "{left_walls:?}");
    // A twelfth of 2000 outside of biomes gets one of the 24, inside 4 of 60 come on top.
    assert!(places.iter().all(|n| (80..400).contains(n)), "{places:?}");
}

/// A cell is of one thing at a time, one that is to come included.
#[test]
fn lives_of_our_own_stay_sound() {
    for seed in 0..5 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new(0, &mut rng);
        for t in 0..10_000 {
            world.act(rng.random_range(0..4), 100, &mut rng);
            assert!(world.sound(), "{seed}, step {t}");
        }
    }
}

/// Delays, cells: the generator's own.
#[test]
fn chances_are_even() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let short = (0..10_000).filter(|_| {
        let delay = Dice::delay(&mut rng);
        assert!(delay == 9 || delay == 10, "{delay}");
        delay == 9
    });
    assert!((4800..5200).contains(&short.count()));
    let mut counts = [0; 4];
    for _ in 0..10_000 {
        let cell = rng.choose(&[3, 5, 6, 300]);
        counts[[3, 5, 6, 300].iter().position(|&c| c == cell).expect("one of them")] += 1;
    }
    assert!(counts.iter().all(|n| (2350..2650).contains(n)), "{counts:?}");
}

#[test]
fn states_that_cannot_be_are_refused() {
    let env = Forager::new(&Kwargs::new()).expect("good");
    let text = serde_json::to_string(&env.world).expect("plain numbers");
    let sound =
        |text: &str| serde_json::from_str::<World>(text).expect("of the right form").sound();
    assert!(sound(&text));
    for (from, to) in [
        ("\"x\":12", "\"x\":24"),
        ("\"y\":7", "\"y\":15"),
        ("\"timer\":0", "\"timer\":12"),
        ("\"timer\":0", "\"timer\":3"),
        ("\"kind\":1", "\"kind\":5"),
        ("\"kind\":1", "\"kind\":3"),
        ("\"since\":0", "\"since\":1"),
        ("\"cells\":[", "\"cells\":[0,"),
        ("\"foods\":[", "\"foods\":[{\"kind\":1,\"cell\":4,\"timer\":1,\"since\":0},"),
    ] {
        let other = text.replacen(from, to, 1);
        assert_ne!(other, text, "{from}");
        assert!(!sound(&other), "{to} was taken");
    }
}
