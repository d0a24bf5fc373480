//! [`Task`]: what an environment adds to its simulation, and [`Gymnasium`], which makes an
//! environment of both.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::models;
use crate::suites::mujoco::engine::Data;
use crate::suites::mujoco::options::Options;
use crate::suites::mujoco::render;
use crate::suites::mujoco::sim::Sim;
use crate::{
    Action, ActionSpace, Env, EnvError, EnvSpec, Frame, Kwargs, Params, State, Step, bytes,
};

/// What one environment adds to its simulation.
pub(super) trait Task: Sized + Send + 'static {
    /// Name in the registry.
    const ID: &'static str;
    /// Steps in an episode.
    const TIME_LIMIT: u32;
    /// How many positions and velocities the formulas need of a model.
    const NEEDS: (usize, usize);

    type Options: Options;

    /// # Errors
    /// A model that lacks what the options or the formulas name.
    fn new(options: Self::Options, sim: &Sim) -> Result<Self, EnvError>;

    /// Moves the model from its rest position to where an episode starts.
    fn start(&self, data: &mut Data, rng: &mut ChaCha8Rng);

    /// What an agent sees.
    fn observation(&self, data: &Data) -> impl Iterator<Item = f64>;

    /// Where that is which is to move forward, if anything.
    fn position(&self, _data: &Data) -> f64 {
        0.0
    }

    /// Reward of the step that led to `data`, and whether it ended the episode. `velocity` is
    /// that of [`Task::position`] over the step.
    fn judge(&self, data: &Data, action: &[f32], velocity: f64) -> (f64, bool);
}

/// One environment. Its saved state is [`Task::position`] and that of [`Sim`], as numbers.
pub(super) struct Gymnasium<T> {
    sim: Sim,
    task: T,
    frame_skip: u32,
    /// [`Task::position`] after the last step. The engine's positions of bodies lag behind those
    /// of joints, and are not part of its state.
    position: f64,
}

impl<T: Task> Gymnasium<T> {
    pub(super) fn new(kwargs: &Kwargs) -> Result<Self, EnvError> {
        let options = T::Options::read(kwargs)?;
        let sim = models::load(options.xml_file())?;
        let frame_skip = options.frame_skip();
        let model = sim.model();
        let ((nq, nv), (needed_nq, needed_nv)) =
            ((model.nq() as usize, model.nv() as usize), T::NEEDS);
        if nq < needed_nq || nv < needed_nv {
            return Err(format!(
                "model '{}' has {nq} positions and {nv} velocities where at least {needed_nq} and \
                 {needed_nv} are needed; check xml_file",
                options.xml_file()
            )
            .into());
        }
        if let Some(i) = model.actuator_ctrllimited().iter().position(|limited| !limited) {
            return Err(format!(
                "control {i} of model '{}' has no limits; give its actuator a ctrlrange",
                options.xml_file()
            )
            .into());
        }
        if model.nu() == 0 {
            return Err(format!(
                "model '{}' has no actuators, so there is nothing to do; check xml_file",
                options.xml_file()
            )
            .into());
        }
        let task = T::new(options, &sim)?;
        let position = task.position(sim.data());
        Ok(Self { sim, task, frame_skip, position })
    }

    fn observe(&self, obs: &mut [f32]) {
        for (to, x) in obs.iter_mut().zip(self.task.observation(self.sim.data())) {
            *to = x as f32;
        }
    }
}

impl<T: Task> Env for Gymnasium<T> {
    fn spec(&self) -> EnvSpec {
        let bounds = self.sim.model().actuator_ctrlrange();
        let [low, high] = [0, 1].map(|i| bounds.iter().map(|bound| bound[i] as f32).collect());
        EnvSpec::vector(
            self.task.observation(self.sim.data()).count(),
            ActionSpace::Box { low, high },
        )
        .with_time_limit(T::TIME_LIMIT)
    }

    fn reset(&mut self, seed: u64, obs: &mut [f32]) -> Result<(), EnvError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        self.sim.reset(|data| self.task.start(data, &mut rng));
        self.position = self.task.position(self.sim.data());
        self.observe(obs);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, obs: &mut [f32]) -> Result<Step, EnvError> {
        let action = action.components(self.sim.data().ctrl().len())?;
        self.sim.step(action, self.frame_skip);
        // Forces of contacts are in observations and costs.
        self.sim.data_mut().rne_post_constraint();

        let data = self.sim.data();
        let before = std::mem::replace(&mut self.position, self.task.position(data));
        let dt = self.sim.timestep() * f64::from(self.frame_skip);
        let (reward, terminated) = self.task.judge(data, action, (self.position - before) / dt);
        self.observe(obs);
        Ok(Step { reward: reward as f32, terminated, truncated: false })
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

impl<T: Task> State for Gymnasium<T> {
    fn save(&self) -> Vec<u8> {
        let mut numbers = vec![self.position];
        numbers.extend(self.sim.save());
        bytes::from_f64s(&numbers)
    }

    fn load(&mut self, bytes: &[u8]) -> Result<(), EnvError> {
        let numbers = bytes::to_f64_vec(bytes, T::ID)?;
        let (&position, state) =
            numbers.split_first().ok_or("a saved state of no bytes; the checkpoint is damaged")?;
        self.sim.load(state)?;
        self.position = position;
        Ok(())
    }
}
