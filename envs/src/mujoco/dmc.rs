//! The `DeepMind` Control Suite, by ids such as `dmc/cheetah-run`.
//!
//! An observation is `dm_control`'s, its parts one after the other. Steps are bitwise those of
//! `dm_control` 1.0.50 with the same libmujoco; where episodes start is drawn from the same
//! distributions, by another generator. Rewards are between 0 and 1, and no episode ends but by
//! its time limit.

mod acrobot;
mod ball_in_cup;
mod cartpole;
mod cheetah;
mod dog;
mod finger;
mod hopper;
mod models;
mod pendulum;
mod physics;
mod point_mass;
mod reacher;
mod rewards;
mod walker;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::engine::Data;
use super::render;
use super::sim::Sim;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, Registry, State, Step, bytes,
};

/// Steps in an episode of every task, whatever its seconds.
const TIME_LIMIT: u32 = 1000;

/// Adds the suite to a registry.
pub(crate) fn register(registry: &mut Registry) {
    add(registry, "dmc/acrobot-swingup", || acrobot::make(false));
    add(registry, "dmc/acrobot-swingup_sparse", || acrobot::make(true));
    add(registry, "dmc/ball_in_cup-catch", ball_in_cup::make);
    add(registry, "dmc/cartpole-balance", || cartpole::make(false, false));
    add(registry, "dmc/cartpole-balance_sparse", || cartpole::make(false, true));
    add(registry, "dmc/cartpole-swingup", || cartpole::make(true, false));
    add(registry, "dmc/cartpole-swingup_sparse", || cartpole::make(true, true));
    add(registry, "dmc/cheetah-run", cheetah::make);
    add(registry, "dmc/dog-fetch", || dog::make(dog::Goal::Fetch));
    add(registry, "dmc/dog-run", || dog::make(dog::Goal::Move(9.0)));
    add(registry, "dmc/dog-stand", || dog::make(dog::Goal::Stand));
    add(registry, "dmc/dog-trot", || dog::make(dog::Goal::Move(3.0)));
    add(registry, "dmc/dog-walk", || dog::make(dog::Goal::Move(1.0)));
    add(registry, "dmc/finger-spin", || finger::make(finger::Goal::Spin));
    add(registry, "dmc/finger-turn_easy", || finger::make(finger::Goal::Turn(0.07)));
    add(registry, "dmc/finger-turn_hard", || finger::make(finger::Goal::Turn(0.03)));
    add(registry, "dmc/hopper-hop", || hopper::make(true));
    add(registry, "dmc/hopper-stand", || hopper::make(false));
    add(registry, "dmc/pendulum-swingup", pendulum::make);
    add(registry, "dmc/point_mass-easy", point_mass::make);
    add(registry, "dmc/reacher-easy", || reacher::make(0.05));
    add(registry, "dmc/reacher-hard", || reacher::make(0.015));
    add(registry, "dmc/walker-run", || walker::make(Some(8.0)));
    add(registry, "dmc/walker-stand", || walker::make(None));
    add(registry, "dmc/walker-walk", || walker::make(Some(1.0)));
}

fn add<T: Task>(
    registry: &mut Registry,
    id: &'static str,
    make: impl Fn() -> Made<T> + Send + Sync + 'static,
) {
    registry.insert(id, move || make().map(|(sim, task)| Dmc { id, sim, task }));
}

/// A simulation and what is to be done in it.
type Made<T> = Result<(Sim, T), EnvError>;

/// What one domain adds to its simulation.
trait Task: Send + 'static {
    /// How many steps of the engine make one of the environment.
    const SUB_STEPS: u32 = 1;

    /// Moves the model from its rest position to where an episode starts.
    ///
    /// # Errors
    /// No start was found.
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng) -> Result<(), EnvError>;

    /// What an agent sees.
    fn observation(&self, data: &Data) -> impl Iterator<Item = f64>;

    /// Reward of being there.
    fn reward(&self, data: &Data) -> f64;

    /// Where the target is, if [`Task::start`] puts one somewhere: it is in the model, and so not
    /// in the engine's state.
    fn target(&self, _data: &Data) -> Option<[f64; 2]> {
        None
    }

    /// Moves the target.
    fn set_target(&self, _data: &mut Data, _to: [f64; 2]) {}
}

/// One environment. Its saved state is [`Task::target`], if any, and that of [`Sim`], as numbers.
struct Dmc<T> {
    id: &'static str,
    sim: Sim,
    task: T,
}

impl<T: Task> Dmc<T> {
    fn observe(&self, obs: &mut [f32]) {
        for (to, x) in obs.iter_mut().zip(self.task.observation(self.sim.data())) {
            *to = x as f32;
        }
    }
}

impl<T: Task> Env for Dmc<T> {
    fn spec(&self) -> EnvSpec {
        let bounds = self.sim.model().actuator_ctrlrange();
        let [low, high] = [0, 1].map(|i| bounds.iter().map(|bound| bound[i] as f32).collect());
        EnvSpec::vector(
            self.task.observation(self.sim.data()).count(),
            ActionSpace::Box { low, high },
        )
        .with_time_limit(TIME_LIMIT)
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        physics::reset(self.sim.data_mut());
        self.task.start(self.sim.data_mut(), &mut rng)?;
        physics::settle(self.sim.data_mut());
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let data = self.sim.data_mut();
        let action = action.components(data.ctrl().len())?;
        for (control, &x) in data.ctrl_mut().iter_mut().zip(action) {
            *control = f64::from(x);
        }
        physics::step(data, T::SUB_STEPS);
        self.observe(obs);
        let reward = self.task.reward(self.sim.data()) as f32;
        Ok(Step { reward, terminated: false, truncated: false })
    }

    fn render(&mut self) -> Result<Option<Frame>, EnvError> {
        render::picture(self.sim.data_mut()).map(Some)
    }

    fn params(&mut self) -> Option<&mut dyn Params> {
        Some(&mut self.sim)
    }

    fn state(&mut self) -> Option<&mut dyn State> {
        Some(self)
    }
}

impl<T: Task> State for Dmc<T> {
    fn save(&self) -> Vec<u8> {
        let target = self.task.target(self.sim.data());
        let mut numbers: Vec<f64> = target.into_iter().flatten().collect();
        numbers.extend(self.sim.save());
        bytes::from_f64s(&numbers)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let numbers = bytes::to_f64_vec(bytes, self.id)?;
        let mut state = numbers.as_slice();
        if let Some(old) = self.task.target(self.sim.data()) {
            let Some((&target, rest)) = state.split_first_chunk() else {
                return Err("a saved state of no bytes; the checkpoint is damaged".into());
            };
            state = rest;
            self.task.set_target(self.sim.data_mut(), target);
            // Computes what follows from the target, too.
            return self.sim.load(state).inspect_err(|_| {
                self.task.set_target(self.sim.data_mut(), old);
            });
        }
        self.sim.load(state)
    }
}
