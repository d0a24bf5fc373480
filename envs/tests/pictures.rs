//! What environments look like: known pixels at known places, in states given by hand.

use envs::{
    Acrobot, Action, CartPole, Env, Frame, Kwargs, MountainCar, MountainCarContinuous, Pendulum,
    Registry, State,
};

const PAPER: [u8; 3] = [247, 245, 240];
const BLUE: [u8; 3] = [66, 122, 190];
const ORANGE: [u8; 3] = [229, 142, 62];
const GREEN: [u8; 3] = [84, 158, 108];
const GREY: [u8; 3] = [176, 178, 184];

/// The picture in a state of these numbers.
fn picture<E: Env + State>(mut env: E, state: &[f64]) -> Frame {
    let bytes: Vec<u8> = state.iter().flat_map(|x| x.to_le_bytes()).collect();
    env.load(&bytes).expect("a good state");
    let frame = env.render().expect("it can be drawn").expect("a picture");
    assert_eq!(frame.rgb.len(), frame.width * frame.height * 3);
    frame
}

fn pixel(frame: &Frame, x: usize, y: usize) -> [u8; 3] {
    let at = (y * frame.width + x) * 3;
    [frame.rgb[at], frame.rgb[at + 1], frame.rgb[at + 2]]
}

#[test]
fn cartpole() {
    let middle = picture(CartPole::default(), &[0.0; 4]);
    assert_eq!([middle.width, middle.height], [480, 280]);
    // The cart's left side, the pole above it, nothing beside that.
    assert_eq!(pixel(&middle, 220, 190), BLUE);
    assert_eq!(pixel(&middle, 240, 120), ORANGE);
    assert_eq!(pixel(&middle, 200, 120), PAPER);
    assert_eq!(pixel(&middle, 50, 210), GREY, "the track");
    let right = picture(CartPole::default(), &[1.0, 0.0, 0.2, 0.0]);
    assert_eq!(pixel(&right, 310, 190), BLUE, "one unit is 90 pixels");
    assert_eq!(pixel(&right, 240, 120), PAPER);
    assert_eq!(pixel(&right, 342, 120), ORANGE, "positive angles lean right");
}

#[test]
fn pendulum() {
    let up = picture(Pendulum::default(), &[0.0, 0.0]);
    assert_eq!(pixel(&up, 180, 80), ORANGE);
    assert_eq!(pixel(&up, 180, 280), PAPER);
    let left = picture(Pendulum::default(), &[std::f64::consts::FRAC_PI_2, 0.0]);
    assert_eq!(pixel(&left, 80, 180), ORANGE, "positive angles lean left");
    assert_eq!(pixel(&left, 280, 180), PAPER);
}

#[test]
fn acrobot() {
    let hanging = picture(Acrobot::default(), &[0.0; 4]);
    assert_eq!(pixel(&hanging, 200, 240), BLUE, "the first link");
    assert_eq!(pixel(&hanging, 200, 330), ORANGE, "the second");
    assert_eq!(pixel(&hanging, 100, 112), GREEN, "the goal");
    let bent = picture(Acrobot::default(), &[0.0, std::f64::consts::FRAC_PI_2, 0.0, 0.0]);
    assert_eq!(pixel(&bent, 200, 240), BLUE);
    assert_eq!(pixel(&bent, 250, 288), ORANGE, "positive angles turn left from hanging down");
    assert_eq!(pixel(&bent, 200, 330), PAPER);
}

#[test]
fn mountain_cars() {
    // At the bottom of the valley, where sin(3 x) = -1; the origin is at pixel 324, 170.
    let bottom = -std::f64::consts::FRAC_PI_6;
    let low = picture(MountainCar::default(), &[bottom, 0.0]);
    let (x, ground) = (190, 170 + 115);
    assert_eq!(pixel(&low, x, ground + 10), GREY);
    assert_eq!(pixel(&low, x, ground - 14), BLUE, "the car stands on the ground");
    assert_eq!(pixel(&low, x, ground - 60), PAPER);
    let high = picture(MountainCar::default(), &[0.45, 0.0]);
    assert_eq!(pixel(&high, x, ground - 14), PAPER, "it has gone");
    // Both flags, each on its goal.
    let other = picture(MountainCarContinuous::default(), &[bottom, 0.0]);
    let flag = |frame: &Frame| (300..480).find(|&x| pixel(frame, x, 16) == GREEN).expect("a flag");
    assert!(flag(&low).abs_diff(flag(&other)).abs_diff(13) <= 1, "a twentieth of 255 pixels apart");
    assert_eq!(pixel(&other, x, ground - 14), BLUE);
}

/// A cell is dark exactly where the observation is empty.
#[test]
fn cells_of_minatar() {
    let registry = Registry::builtin();
    for id in registry.ids().filter(|id| id.starts_with("minatar/")) {
        let mut env = registry.make(id, &Kwargs::new()).expect("built in");
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(1, &mut obs).expect("reset");
        for t in 0..60 {
            let frame = env.render().expect("it can be drawn").expect("a picture");
            assert_eq!([frame.width, frame.height], [320, 320]);
            for cell in 0..100 {
                let shown = pixel(&frame, cell % 10 * 32 + 15, cell / 10 * 32 + 15) != [26, 26, 36];
                let there = obs.iter().skip(cell).step_by(100).any(|&x| x == 1.0);
                assert_eq!(shown, there, "{id}: cell {cell} after {t} steps");
            }
            if env.step(Action::Discrete(t % 6), &mut obs).expect("a step").terminated {
                break;
            }
        }
    }
    let mut env = registry.make("minatar/breakout", &Kwargs::new()).expect("built in");
    env.reset(0, &mut [0.0; 400]).expect("reset");
    let frame = env.render().expect("it can be drawn").expect("a picture");
    assert_eq!(pixel(&frame, 4 * 32 + 3, 9 * 32 + 3), [90, 200, 250], "the paddle");
    assert_eq!(pixel(&frame, 7 * 32 + 3, 2 * 32 + 3), [225, 110, 75], "a brick");
    assert_eq!(pixel(&frame, 8 * 32 - 1, 2 * 32 + 3), [14, 14, 20], "a line between cells");
}

/// Drawing is looking: it changes nothing, and the same state looks the same.
#[test]
fn drawing_changes_nothing() {
    let registry = Registry::builtin();
    // MuJoCo's pictures depend on the machine: see mujoco_contract.rs.
    let mujoco = |id: &str| id.ends_with("-v5") || id.starts_with("dmc/");
    for id in registry.ids().filter(|id| !mujoco(id)) {
        let mut env = registry.make(id, &Kwargs::new()).expect("built in");
        let mut obs = vec![0.0; env.spec().obs.size()];
        env.reset(2, &mut obs).expect("reset");
        let before = env.state().expect("has a state").save();
        let frame = env.render().expect("it can be drawn").expect("a picture");
        assert_eq!(env.render().expect("it can be drawn").as_ref(), Some(&frame), "{id}");
        assert_eq!(env.state().expect("has a state").save(), before, "{id}");
    }
}
