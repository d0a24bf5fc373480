//! Keyword arguments, shapes and random choices of `minatar/...`; the rules are tested beside the
//! games, against the package.

use envs::drift::Drift;
use envs::{Action, ActionSpace, Dtype, Env, EnvError, Kwargs, Registry};
use serde_json::{Value, json};

/// Game, planes, inputs that do something.
const GAMES: [(&str, usize, usize); 5] = [
    ("asterix", 4, 5),
    ("breakout", 4, 3),
    ("freeway", 7, 3),
    ("seaquest", 10, 6),
    ("space_invaders", 6, 4),
];

fn make(game: &str, kwargs: Value) -> Result<Box<dyn Env>, EnvError> {
    let kwargs = Kwargs::try_from(kwargs).expect("an object");
    Registry::builtin().make(&format!("minatar/{game}"), &kwargs)
}

fn good(game: &str, kwargs: Value) -> Box<dyn Env> {
    make(game, kwargs).expect("known arguments")
}

/// Return and observations of up to `most` steps with the given actions, over and over.
fn play(env: &mut dyn Env, seed: u64, actions: &[usize], most: usize) -> (f32, Vec<Vec<f32>>) {
    let mut obs = vec![f32::NAN; env.spec().obs.size()];
    env.reset(seed, &mut obs).expect("reset");
    let (mut total, mut seen) = (0.0, vec![obs.clone()]);
    for &action in actions.iter().cycle().take(most) {
        let step = env.step(Action::Discrete(action), &mut obs).expect("a good action");
        total += step.reward;
        seen.push(obs.clone());
        if step.terminated {
            break;
        }
    }
    (total, seen)
}

#[test]
fn shapes_and_actions() {
    for (game, planes, minimal) in GAMES {
        let spec = good(game, json!({})).spec();
        assert_eq!(spec.obs.shape, [planes, 10, 10], "{game}");
        assert_eq!(spec.obs.dtype, Dtype::U8, "{game}");
        assert!(spec.obs.low.iter().all(|&x| x == 0.0), "{game}");
        assert!(spec.obs.high.iter().all(|&x| x == 1.0), "{game}");
        assert_eq!(spec.action, ActionSpace::Discrete(6), "{game}: as the package's -v0");
        assert_eq!(spec.time_limit, Some(10_000), "{game}");
        let spec = good(game, json!({"minimal_actions": true})).spec();
        assert_eq!(spec.action, ActionSpace::Discrete(minimal), "{game}: as the package's -v1");
    }
}

/// As continual protocols pad their games: the planes of the game, then zeros, and the same play.
#[test]
fn channels_pad_with_planes_of_zeros() {
    let actions = [0, 1, 5, 3, 2, 4, 3, 5];
    for (game, planes, _) in GAMES {
        for channels in [planes, 10, 64] {
            let mut padded = good(game, json!({ "channels": channels }));
            let spec = padded.spec();
            assert_eq!(spec.obs.shape, [channels, 10, 10], "{game}");
            assert_eq!((spec.obs.low.len(), spec.obs.high.len()), (channels * 100, channels * 100));
            assert_eq!(envs::check(padded.as_mut(), game), [], "{game} of {channels} planes");
            let mut plain = good(game, json!({}));
            for seed in 0..3 {
                let (expected, tape) = play(plain.as_mut(), seed, &actions, 300);
                let (total, wide) = play(padded.as_mut(), seed, &actions, 300);
                assert_eq!((total, wide.len()), (expected, tape.len()), "{game} {seed}");
                for (wide, obs) in wide.iter().zip(&tape) {
                    assert_eq!(&wide[..planes * 100], obs, "{game} {seed}");
                    assert!(wide[planes * 100..].iter().all(|&x| x == 0.0), "{game} {seed}");
                }
            }
        }
    }
}

/// The sequence of Continual `MinAtar` with states padded to 10 planes.
#[test]
fn padded_games_are_a_sequence_of_tasks() {
    let task = |game: &str| json!({ "name": format!("minatar/{game}") });
    let sequence = |games: &[&str], kwargs: Value| {
        let tasks: Vec<Value> = games.iter().copied().map(task).collect();
        let list = json!([{ "kind": "task_sequence", "tasks": tasks, "steps_per_task": 50 }]);
        let list: Vec<Drift> = serde_json::from_value(list).expect("well written");
        let kwargs = Kwargs::try_from(kwargs).expect("an object");
        Registry::builtin().make_drifting("minatar/breakout", &kwargs, &list)
    };
    let games = ["space_invaders", "asterix", "seaquest", "freeway", "breakout"];
    let mut env = sequence(&games, json!({ "channels": 10 })).expect("games of one shape");
    assert_eq!(env.spec().obs.shape, [10, 10, 10]);
    assert_eq!(env.spec().action, ActionSpace::Discrete(6));
    for (age, game) in (0..).step_by(50).zip(games) {
        env.set_age(age);
        let tape = play(env.as_mut(), 3, &[1, 3, 5], 40);
        let mut alone = good(game, json!({ "channels": 10 }));
        assert_eq!(tape, play(alone.as_mut(), 3, &[1, 3, 5], 40), "{game}");
        assert_eq!(env.task() as u64, age / 50);
    }

    let error = sequence(&games, json!({})).err().expect("shapes differ").to_string();
    assert_eq!(
        error,
        "env.drift, entry 0 (task_sequence): task 1 has observations of shape [4, 10, 10] and task \
         0 of [6, 10, 10]; give tasks of one shape, as channels = 10 does for games of MinAtar"
    );
}

/// A minimal action is the input it stands for.
#[test]
fn minimal_actions_are_a_choice_of_all() {
    let inputs = [
        ("asterix", vec![0, 1, 2, 3, 4]),
        ("breakout", vec![0, 1, 3]),
        ("freeway", vec![0, 2, 4]),
        ("seaquest", vec![0, 1, 2, 3, 4, 5]),
        ("space_invaders", vec![0, 1, 3, 5]),
    ];
    for (game, inputs) in inputs {
        let (mut all, mut few) =
            (good(game, json!({})), good(game, json!({"minimal_actions": true})));
        let order: Vec<usize> = (0..inputs.len()).flat_map(|i| [i, i, i, i, i]).collect();
        let same: Vec<usize> = order.iter().map(|&i| inputs[i]).collect();
        for seed in 0..5 {
            let ours = play(few.as_mut(), seed, &order, 300);
            assert_eq!(ours, play(all.as_mut(), seed, &same, 300), "{game} {seed}");
        }
    }
}

/// The cannon goes right, at once or not at all. Alone the last action is kept: at the start, none.
#[test]
fn actions_stick_with_the_given_probability() {
    let moved = |kwargs: Value| {
        let mut env = good("space_invaders", kwargs);
        let first = |seed| play(env.as_mut(), seed, &[3], 1).1[1].clone();
        (0..2000).map(first).filter(|obs| obs[96] == 1.0).count()
    };
    assert_eq!(moved(json!({"sticky_action_prob": 0.0})), 2000);
    assert_eq!(moved(json!({"sticky_action_prob": 1})), 0);
    let usual = moved(json!({}));
    assert!((1740..1860).contains(&usual), "{usual} of 2000 is not near nine tenths");
    let often = moved(json!({"sticky_action_prob": 0.5}));
    assert!((900..1100).contains(&often), "{often} of 2000 is not near a half");
}

/// Crossing the road draws new speeds, so this is about `Dice`: all speeds, both directions.
#[test]
fn cars_have_all_speeds_and_directions() {
    let mut env = good("freeway", json!({}));
    let mut obs = vec![0.0; 700];
    let (mut speeds, mut right) = ([0; 5], 0);
    for seed in 0..1000 {
        env.reset(seed, &mut obs).expect("reset");
        for (plane, count) in speeds.iter_mut().enumerate() {
            let trail = &obs[(2 + plane) * 100..(3 + plane) * 100];
            *count += trail.iter().filter(|&&x| x == 1.0).count();
            // A car starts at the left edge: its trail is at the right if it goes right.
            right += (0..10).filter(|row| trail[row * 10 + 9] == 1.0).count();
        }
    }
    assert_eq!(speeds.iter().sum::<usize>(), 8000);
    assert!(speeds.iter().all(|count| (1500..1700).contains(count)), "{speeds:?}");
    assert!((3850..4150).contains(&right), "{right} of 8000 go right");
}

/// Things come sooner from step 102 on in asterix; two games have no difficulty to ramp.
#[test]
fn difficulty_ramps_unless_told_not_to() {
    let differ = |game: &str| {
        let (mut one, mut other) =
            (good(game, json!({})), good(game, json!({"difficulty_ramping": false})));
        let differences = (0..40).filter_map(|seed| {
            let tapes =
                [&mut one, &mut other].map(|env| play(env.as_mut(), seed, &[0, 1, 2, 3], 400).1);
            let [ramped, flat] = &tapes;
            let first = ramped.iter().zip(flat).position(|(x, y)| x != y);
            first.or((ramped.len() != flat.len()).then_some(ramped.len().min(flat.len())))
        });
        differences.collect::<Vec<usize>>()
    };
    let asterix = differ("asterix");
    assert!(asterix.len() > 5 && asterix.iter().all(|&t| t > 102), "{asterix:?}");
    assert_eq!(differ("breakout"), [0; 0]);
    assert_eq!(differ("freeway"), [0; 0]);
}

#[test]
fn a_game_that_is_over_stays_so() {
    let mut env = good("breakout", json!({}));
    let (_, tape) = play(env.as_mut(), 0, &[1], 1000);
    let mut obs = vec![f32::NAN; 400];
    let step = env.step(Action::Discrete(3), &mut obs).expect("a good action");
    assert!(step.terminated && step.reward == 0.0);
    assert_eq!(&obs, tape.last().expect("some steps"), "nothing moves");
}

#[test]
fn wrong_arguments_and_states_are_refused() {
    for (kwargs, wanted) in [
        (json!({"sticky_action_prob": 1.5}), "sticky_action_prob = 1.5 is no probability"),
        (json!({"sticky_action_prob": true}), "give a number"),
        (json!({"minimal_actions": 1}), "give true or false"),
        (
            json!({"channels": 3}),
            "channels = 3 does not fit the 4 planes of this game; give 4 to 64",
        ),
        (json!({"channels": 65}), "give 4 to 64"),
        (json!({"channels": -1}), "give 4 to 64"),
        (json!({"channels": true}), "give a whole number"),
        (json!({"dificulty_ramping": true}), "did you mean 'difficulty_ramping'?"),
    ] {
        let error = make("breakout", kwargs).err().expect("refused").to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let mut env = good("breakout", json!({"max_episode_steps": -1}));
    let error = env.step(Action::Discrete(6), &mut [0.0; 400]).expect_err("no such action");
    assert!(error.to_string().contains("action 6 is not one of 0..6"), "{error}");

    let mut other = good("asterix", json!({"max_episode_steps": -1}));
    let saved = |env: &mut dyn Env| env.state().expect("has a state").save();
    // Behind the count of the time limit there is text.
    let outside =
        String::from_utf8_lossy(&saved(env.as_mut())).replace("\"paddle\":4", "\"paddle\":10");
    for bytes in [saved(other.as_mut()), outside.into_bytes()] {
        let error = env.state().expect("has a state").load(&bytes).expect_err("not of breakout");
        let wanted = "not a saved state of minatar/breakout; check that the checkpoint";
        assert!(error.to_string().contains(wanted), "{error}");
    }
    assert!(Registry::builtin().make("minatar/pong", &Kwargs::new()).is_err());
}
