//! The games against the package, on its own random draws; see `tests/golden/generate_minatar.py`.

use std::collections::VecDeque;
use std::path::Path;

use serde::Deserialize;

use super::env::Play;
use super::game::{ALL_INPUTS, Board, CELLS, Dice, Game, Input, Planes};
use super::games::asterix::Asterix;
use super::games::breakout::Breakout;
use super::games::freeway::Freeway;
use super::games::seaquest::{Bullet, Seaquest, Swimmer};
use super::games::space_invaders::SpaceInvaders;

/// Some episodes that the package played.
#[derive(Deserialize)]
struct Golden {
    scenes: bool,
    difficulty_ramping: bool,
    sticky_action_prob: f64,
    returns: Vec<i32>,
    actions: String,
    draws: String,
    checks: String,
}

/// The package's draws, in order.
struct Drawn(VecDeque<u8>);

impl Drawn {
    fn next(&mut self) -> u8 {
        self.0.pop_front().expect("no more draws than the package's")
    }
}

impl Dice for Drawn {
    fn unit(&mut self) -> f64 {
        (f64::from(self.next()) + 0.5) / 256.0
    }
    fn below(&mut self, n: u32) -> u32 {
        let k = u32::from(self.next());
        assert!(k < n, "a draw of another kind: {k} of 0..{n}");
        k
    }
}

#[test]
fn asterix() {
    equals_the_package::<Asterix>(5, |_| panic!("no scenes"));
}

#[test]
fn breakout() {
    equals_the_package::<Breakout>(30, |_| panic!("no scenes"));
}

#[test]
fn freeway() {
    equals_the_package::<Freeway>(10, |_| panic!("no scenes"));
}

#[test]
fn seaquest() {
    equals_the_package(100, seaquest_scene);
}

#[test]
fn space_invaders() {
    equals_the_package(100, space_invaders_scene);
}

/// As `seaquest_scene` of `generate_minatar.py`; so is the next.
fn seaquest_scene(dice: &mut Drawn) -> Seaquest {
    let mut below = |n: u32| dice.below(n) as i32;
    let (x, y, rightward) = (below(10), below(5), below(2) == 1);
    let rightward = (rightward || x == 9) && x > 0;
    let (oxygen, diver_count, surfaced) = (below(200) + 1, below(9) - 2, below(2) == 1);
    let (shot_timer, spawn_timer, diver_timer) = (below(3), below(3), below(3));
    let (spawn_speed, move_speed, ramp_index) = (below(20) + 1, below(4) + 2, below(8));
    let bullet = |below: &mut dyn FnMut(u32) -> i32| Bullet {
        x: below(10),
        y: below(3) + 1,
        rightward: below(2) == 1,
    };
    let swimmer = |below: &mut dyn FnMut(u32) -> i32, shot_timer: i32| {
        let Bullet { x, y, rightward } = bullet(below);
        Swimmer { x, y, rightward, move_timer: below(2), shot_timer }
    };
    Seaquest {
        x,
        y,
        rightward,
        oxygen,
        diver_count,
        surfaced,
        bullets: (0..below(5)).map(|_| bullet(&mut below)).collect(),
        enemy_bullets: (0..below(4)).map(|_| bullet(&mut below)).collect(),
        fish: (0..below(10)).map(|_| swimmer(&mut below, 0)).collect(),
        subs: (0..below(8)).map(|shot| swimmer(&mut below, shot)).collect(),
        divers: (0..below(4)).map(|_| swimmer(&mut below, 0)).collect(),
        shot_timer,
        spawn_speed,
        spawn_timer,
        diver_timer,
        move_speed,
        ramp_index,
    }
}

fn space_invaders_scene(dice: &mut Drawn) -> SpaceInvaders {
    let mut below = |n: u32| dice.below(n) as i32;
    let mut board = || -> Board {
        let mut row = || (below(32) + 32 * below(32)) as u16;
        std::array::from_fn(|_| row() & row())
    };
    let (mut aliens, bullets, enemy_bullets) = (board(), board(), board());
    aliens[0] |= 1;
    let (x, leftward, move_interval) = (below(10), below(2) == 0, below(7) + 6);
    let (move_timer, enemy_shot_timer, shot_timer) = (below(3), below(3), below(3));
    SpaceInvaders {
        x,
        bullets,
        enemy_bullets,
        aliens,
        leftward,
        move_interval,
        move_timer,
        enemy_shot_timer,
        shot_timer,
    }
}

/// Observations, rewards, ends of games and the order of draws, step by step.
fn equals_the_package<G: Game>(least_return: i32, scene: impl Fn(&mut Drawn) -> G) {
    let golden = load::<G>();
    let steps: usize = golden.iter().map(|golden| golden.actions.len()).sum();
    assert!(steps >= 6000, "{}: steps are missing", G::NAME);
    let best = golden.iter().flat_map(|golden| &golden.returns).max();
    assert!(best >= Some(&least_return), "{}: {best:?}, only weak play", G::NAME);
    for (i, golden) in golden.iter().enumerate() {
        let name = format!("{} {i}", G::NAME);
        let mut dice = Drawn(hex(&golden.draws, 2).map(|byte| byte as u8).collect());
        let mut play = Play::<G> { over: true, ..Play::default() };
        let mut crc = crc32fast::Hasher::new();
        let (mut returns, mut length) = (Vec::new(), 0);
        assert_eq!(golden.actions.len(), golden.checks.len() / 4, "{name}");
        for (t, (action, check)) in golden.actions.bytes().zip(hex(&golden.checks, 4)).enumerate() {
            if play.over || golden.scenes && length == 5 {
                if golden.scenes {
                    play = Play { game: scene(&mut dice), last: Input::Stay, over: false };
                } else {
                    play.reset(&mut dice);
                }
                length = 0;
                crc.update(&observation(&play.game));
                returns.push(0);
            }
            let input = ALL_INPUTS[usize::from(action - b'0')];
            let (sticky, ramping) = (golden.sticky_action_prob, golden.difficulty_ramping);
            let reward = play.act(input, sticky, ramping, &mut dice);
            crc.update(&observation(&play.game));
            crc.update(&[(reward + 1) as u8, u8::from(play.over)]);
            let ours = crc.clone().finalize() & 0xffff;
            assert_eq!(ours, check, "{name}: differs first after step {t}");
            *returns.last_mut().expect("an episode") += reward;
            length += 1;
        }
        assert_eq!(returns, golden.returns, "{name}");
        assert!(dice.0.is_empty(), "{name}: the package drew {} times more", dice.0.len());
    }
}

fn observation<G: Game>(game: &G) -> Vec<u8> {
    let mut obs = vec![0.0; G::CHANNELS.len() * CELLS];
    game.observe(&mut Planes(&mut obs));
    obs.iter().map(|&x| x as u8).collect()
}

fn load<G: Game>() -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = folder.join(format!("minatar_{}.json", G::NAME));
    let text = std::fs::read_to_string(&path).expect("the golden file is committed");
    serde_json::from_str(&text).expect("the golden file is as generate_minatar.py wrote it")
}

/// Numbers of `width` digits each.
fn hex(text: &str, width: usize) -> impl Iterator<Item = u32> {
    let digits = text.as_bytes().chunks(width);
    digits.map(|d| u32::from_str_radix(std::str::from_utf8(d).expect("ASCII"), 16).expect("hex"))
}
