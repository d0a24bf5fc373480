//! [`Task`]: what a domain adds to its simulation, and [`Dmc`], which makes an environment of both.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::physics;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::render;
use crate::suites::mujoco::sim::Sim;
use crate::{Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Params, State, Step, bytes};

/// Steps in an episode of every task, whatever its seconds.
const TIME_LIMIT: u32 = 1000;

/// A simulation and what is to be done in it.
pub(super) type Made<T> = Result<(Sim, T), EnvError>;

/// What one domain adds to its simulation.
pub(super) trait Task: Send + 'static {
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
pub(super) struct Dmc<T> {
    id: &'static str,
    sim: Sim,
    task: T,
}

impl<T: Task> Dmc<T> {
    pub(super) fn new(id: &'static str, (sim, task): (Sim, T)) -> Self {
        Self { id, sim, task }
    }

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
