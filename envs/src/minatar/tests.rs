//! The games against the package, on its own random draws; see `tests/golden/generate_minatar.py`.

use std::collections::VecDeque;
use std::path::Path;

use serde::Deserialize;

use super::asterix::Asterix;
use super::breakout::Breakout;
use super::freeway::Freeway;
use super::seaquest::Seaquest;
use super::space_invaders::SpaceInvaders;
use super::{ALL_INPUTS, CELLS, Dice, Game, Planes, Play};

/// Some episodes that the package played.
#[derive(Deserialize)]
struct Golden {
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
    equals_the_package::<Asterix>(5);
}

#[test]
fn breakout() {
    equals_the_package::<Breakout>(30);
}

#[test]
fn freeway() {
    equals_the_package::<Freeway>(10);
}

#[test]
fn seaquest() {
    equals_the_package::<Seaquest>(10);
}

#[test]
fn space_invaders() {
    equals_the_package::<SpaceInvaders>(10);
}

/// Observations, rewards, ends of games and the order of draws, step by step.
fn equals_the_package<G: Game>(least_return: i32) {
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
        let mut returns = Vec::new();
        assert_eq!(golden.actions.len(), golden.checks.len() / 4, "{name}");
        for (t, (action, check)) in golden.actions.bytes().zip(hex(&golden.checks, 4)).enumerate() {
            if play.over {
                play.reset(&mut dice);
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
