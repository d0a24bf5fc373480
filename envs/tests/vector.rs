//! Several environments stepped together: order of events, autoreset, statistics, guards, resume.

use envs::{
    Action, ActionSpace, Actions, Env, EnvError, EnvSpec, Episode, Kwargs, Registry, State, Step,
    VecEnv, VecEnvState,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Observes `[seed mod 1000, t]`, rewards with the action, ends after `length` steps.
#[derive(Clone)]
struct Clock {
    length: u32,
    truncates: bool,
    saves: bool,
    spec: EnvSpec,
    /// Overwrites the observation's second component at this step.
    spoil: Option<(u32, f32)>,
    seed: u64,
    t: u32,
    task: usize,
}

impl Clock {
    fn new(length: u32) -> Self {
        let spec = EnvSpec::vector(2, ActionSpace::Discrete(5));
        let saves = true;
        Self { length, truncates: false, saves, spec, spoil: None, seed: 0, t: 0, task: 0 }
    }

    fn observe(&self, obs: &mut [f32]) {
        obs.copy_from_slice(&[(self.seed % 1000) as f32, self.t as f32]);
        if let Some((_, value)) = self.spoil.filter(|(t, _)| *t == self.t) {
            obs[1] = value;
        }
    }
}

impl Env for Clock {
    fn spec(&self) -> EnvSpec {
        self.spec.clone()
    }
    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        (self.seed, self.t) = (seed, 0);
        self.observe(obs);
        Ok(())
    }
    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        self.t += 1;
        self.task = (self.t / 2) as usize;
        self.observe(obs);
        let reward = match action {
            Action::Discrete(4) => f32::INFINITY,
            Action::Discrete(3) => return Err("out of fuel".into()),
            Action::Discrete(choice) => choice as f32,
            Action::Continuous(action) => action[0],
        };
        let done = self.t == self.length;
        Ok(Step { reward, terminated: done && !self.truncates, truncated: done && self.truncates })
    }
    fn task(&self) -> usize {
        self.task
    }
    fn state(&mut self) -> Option<&mut dyn State> {
        self.saves.then_some(self)
    }
}

impl State for Clock {
    fn save(&self) -> Vec<u8> {
        [self.seed.to_le_bytes().as_slice(), &self.t.to_le_bytes()].concat()
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let (seed, t) = bytes.split_at_checked(8).ok_or("too short for a Clock")?;
        self.seed = u64::from_le_bytes(seed.try_into()?);
        self.t = u32::from_le_bytes(t.try_into()?);
        Ok(())
    }
}

fn vector(clocks: Vec<Clock>) -> VecEnv {
    let envs = clocks.into_iter().map(|clock| Box::new(clock) as Box<dyn Env>).collect();
    VecEnv::new(envs, ChaCha8Rng::seed_from_u64(0)).expect("equal clocks")
}

fn act(choices: &[usize]) -> Actions {
    Actions::Discrete(choices.to_vec())
}

/// The whole tape of two environments with episodes of 2 and 3 steps.
#[test]
fn episodes_end_and_begin_in_the_same_step() {
    let mut seeds = ChaCha8Rng::seed_from_u64(0);
    let mut seed = || (seeds.next_u64() % 1000) as f32;
    let cut = Clock { truncates: true, ..Clock::new(3) };
    let mut envs = vector(vec![Clock::new(2), cut]);

    let (a1, b1) = (seed(), seed());
    assert_eq!(envs.obs(), [a1, 0.0, b1, 0.0]);

    envs.step(&act(&[1, 2])).expect("step");
    assert_eq!(envs.obs(), [a1, 1.0, b1, 1.0]);
    assert_eq!(envs.next_obs(), envs.obs());
    assert!(envs.outcomes().iter().all(|o| o.episode.is_none() && !o.terminated && !o.truncated));

    envs.step(&act(&[1, 2])).expect("step");
    let a2 = seed();
    assert_eq!(envs.next_obs(), [a1, 2.0, b1, 2.0], "the true last observation");
    assert_eq!(envs.obs(), [a2, 0.0, b1, 2.0], "the next episode's first");
    let [first, second] = envs.outcomes() else { panic!("two environments") };
    assert!(first.terminated && !first.truncated && !second.terminated);
    assert_eq!(first.reward, 1.0);
    assert_eq!(first.episode, Some(Episode { return_: 2.0, length: 2 }));
    assert_eq!(second.episode, None);

    envs.step(&act(&[0, 0])).expect("step");
    let b2 = seed();
    assert_eq!(envs.next_obs(), [a2, 1.0, b1, 3.0]);
    assert_eq!(envs.obs(), [a2, 1.0, b2, 0.0]);
    let [first, second] = envs.outcomes() else { panic!("two environments") };
    assert_eq!(first.episode, None, "its second episode has just begun");
    assert!(second.truncated && !second.terminated);
    assert_eq!(second.episode, Some(Episode { return_: 4.0, length: 3 }));

    envs.step(&act(&[1, 0])).expect("step");
    let second_episode = Some(Episode { return_: 1.0, length: 2 });
    assert_eq!(envs.outcomes()[0].episode, second_episode, "statistics started over");
}

#[test]
fn a_step_belongs_to_the_task_it_was_taken_in() {
    let mut envs = vector(vec![Clock::new(9)]);
    let tasks: Vec<usize> = (0..5)
        .map(|_| {
            envs.step(&act(&[0])).expect("step");
            envs.outcomes()[0].task
        })
        .collect();
    assert_eq!(tasks, [0, 0, 1, 1, 2]);
}

fn refusal(envs: &mut VecEnv, actions: &Actions) -> String {
    envs.step(actions).expect_err("must be refused").to_string()
}

#[test]
fn actions_that_do_not_fit_are_refused() {
    let mut envs = vector(vec![Clock::new(9); 2]);
    let continuous = |data: &[f32], dim| Actions::Continuous { data: data.to_vec(), dim };
    assert!(refusal(&mut envs, &act(&[0])).contains("1 actions for 2 environments"));
    assert!(
        refusal(&mut envs, &act(&[0, 5])).contains("action 5 for environment 1, which takes 0..5")
    );
    assert!(refusal(&mut envs, &continuous(&[0.0; 2], 1)).contains("continuous actions for"));

    let boxed = Clock { spec: EnvSpec::vector(2, ActionSpace::symmetric(2)), ..Clock::new(9) };
    let mut envs = vector(vec![boxed; 2]);
    assert!(refusal(&mut envs, &act(&[0, 0])).contains("discrete actions for"));
    for (numbers, dim) in [(3, 2), (2, 1), (4, 1), (0, 0)] {
        let message = refusal(&mut envs, &continuous(&vec![0.0; numbers], dim));
        assert!(message.contains("give 2 x 2"), "{message}");
    }
    let message = refusal(&mut envs, &continuous(&[0.0, 0.0, 0.0, f32::NAN], 2));
    assert!(message.contains("action component 1 of environment 1 is NaN"), "{message}");
    assert_eq!(envs.obs()[1], 0.0, "nothing was stepped");
    envs.step(&continuous(&[0.5, 0.0, 0.25, 0.0], 2)).expect("these fit");
    assert_eq!(envs.outcomes()[1].reward, 0.25);
}

#[test]
fn numbers_that_are_not_finite_are_named() {
    let bad = Clock { spoil: Some((2, f32::NAN)), ..Clock::new(9) };
    let mut envs = vector(vec![Clock::new(9), bad]);
    envs.step(&act(&[0, 0])).expect("not yet");
    let message = refusal(&mut envs, &act(&[0, 0]));
    let expected = "environment 1, step 2 of its episode: observation component 1 is NaN";
    assert!(message.contains(expected), "{message}");

    let mut envs = vector(vec![Clock::new(9), Clock::new(9)]);
    let message = refusal(&mut envs, &act(&[4, 0]));
    assert!(
        message.contains("environment 0, step 1 of its episode: the reward is inf"),
        "{message}"
    );
    let message = refusal(&mut envs, &act(&[3, 0]));
    assert!(message.contains("environment 0, step 1 of its episode: out of fuel"), "{message}");

    let at_once: Box<dyn Env> = Box::new(Clock { spoil: Some((0, f32::NAN)), ..Clock::new(9) });
    let error = VecEnv::new(vec![at_once], ChaCha8Rng::seed_from_u64(0)).err().expect("NaN");
    assert!(error.to_string().contains("environment 0, at the start of an episode"), "{error}");
}

#[test]
fn environments_must_be_of_one_kind_and_some() {
    let make = |id| Registry::builtin().make(id, &Kwargs::new()).expect("built in");
    let rng = || ChaCha8Rng::seed_from_u64(0);
    let mixed = VecEnv::new(vec![make("CartPole-v1"), make("Acrobot-v1")], rng());
    let error = mixed.err().expect("they differ").to_string();
    assert!(error.contains("environment 1 differs from environment 0"), "{error}");
    let error = VecEnv::new(Vec::new(), rng()).err().expect("empty").to_string();
    assert!(error.contains("no environment"), "{error}");
}

/// The rest of a run after `save` equals the rest after `load`, seeds of later episodes included.
#[test]
fn a_saved_run_goes_on_bitwise() {
    for id in ["CartPole-v1", "Pendulum-v1"] {
        let make = |seed| {
            let kwargs = Kwargs::from_iter([("max_episode_steps".into(), 37.into())]);
            let envs = (0..3).map(|_| Registry::builtin().make(id, &kwargs).expect("built in"));
            VecEnv::new(envs.collect(), ChaCha8Rng::seed_from_u64(seed)).expect("equal")
        };
        let mut envs = make(1);
        run(&mut envs, 50, 0);
        let state = envs.save();
        let text = serde_json::to_string(&state).expect("plain data");
        let expected = run(&mut envs, 100, 1);

        let mut other = make(2);
        run(&mut other, 11, 3);
        let back: VecEnvState = serde_json::from_str(&text).expect("just written");
        assert_eq!(back, state);
        let report = other.load(&back).expect("same environments");
        assert_eq!((report.resumed, report.restarted), (3, 0));
        assert!(run(&mut other, 100, 1) == expected, "{id}: another way after loading");
    }
}

#[test]
fn environments_without_state_begin_a_new_episode() {
    let unsaved = Clock { saves: false, ..Clock::new(9) };
    let make = || vector(vec![Clock::new(9), unsaved.clone()]);
    let mut envs = make();
    envs.step(&act(&[1, 1])).expect("step");
    let state = envs.save();
    let mut other = make();
    let report = other.load(&state).expect("same environments");
    assert_eq!((report.resumed, report.restarted), (1, 1));
    assert_eq!(other.obs()[1], 1.0, "continues after its first step");
    assert_eq!(other.obs()[3], 0.0, "begins");
    assert_ne!(other.obs()[2], envs.obs()[2], "with a new seed");
    for _ in 0..8 {
        other.step(&act(&[1, 1])).expect("step");
    }
    assert_eq!(other.outcomes()[0].episode, Some(Episode { return_: 9.0, length: 9 }));
    assert_eq!(other.outcomes()[1].episode, None, "it has made 8 of its 9 steps");

    let error = vector(vec![Clock::new(9)]).load(&state).expect_err("one of two").to_string();
    assert!(error.contains("2 environments with 4 observation numbers, here are 1"), "{error}");
}

#[test]
fn actions_can_be_taken_row_by_row() {
    let actions = Actions::Continuous { data: vec![1.0, 2.0, 3.0, 4.0], dim: 2 };
    assert_eq!((actions.len(), actions.is_empty()), (2, false));
    assert_eq!(actions.row(1), Action::Continuous(&[3.0, 4.0]));
    assert_eq!((act(&[3, 1]).len(), act(&[3, 1]).row(0)), (2, Action::Discrete(3)));
    assert!(Actions::Continuous { data: Vec::new(), dim: 0 }.is_empty());
}

/// Steps with random actions; all that can be seen, bit by bit.
fn run(envs: &mut VecEnv, steps: usize, actions: u64) -> Vec<u64> {
    let mut rng = ChaCha8Rng::seed_from_u64(actions);
    let mut tape = Vec::new();
    for _ in 0..steps {
        let actions = match envs.spec().action {
            ActionSpace::Discrete(n) => {
                Actions::Discrete((0..envs.len()).map(|_| rng.random_range(0..n)).collect())
            }
            ActionSpace::Box { .. } => Actions::Continuous {
                data: (0..envs.len()).map(|_| rng.random_range(-1.0..1.0)).collect(),
                dim: 1,
            },
        };
        envs.step(&actions).expect("step");
        tape.extend(envs.obs().iter().chain(envs.next_obs()).map(|x| u64::from(x.to_bits())));
        for outcome in envs.outcomes() {
            let episode = outcome.episode.unwrap_or_default();
            tape.extend([u64::from(outcome.reward.to_bits()), episode.length]);
            tape.push(episode.return_.to_bits());
        }
    }
    tape
}
