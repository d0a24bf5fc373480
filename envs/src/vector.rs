//! [`VecEnv`]: several environments stepped together.
//!
//! Autoreset happens in the same step (Gymnasium's `AutoresetMode.SAME_STEP`): when an episode
//! ends, [`VecEnv::next_obs`] holds its true last observation and [`VecEnv::obs`] already the
//! first one of the next episode, so no transition is made up across the border.

mod faults;
pub(crate) mod outcome;
pub(crate) mod saved;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::{Actions, Env, EnvError, EnvSpec};
use faults::{at, finite};
use outcome::{Episode, Outcome};
use saved::{LoadReport, VecEnvState};

/// Several environments of one spec, with autoreset and episode statistics.
pub struct VecEnv {
    envs: Vec<Box<dyn Env>>,
    spec: EnvSpec,
    rng: ChaCha8Rng,
    /// `[N * D]`
    obs: Vec<f32>,
    /// `[N * D]`
    next_obs: Vec<f32>,
    outcomes: Vec<Outcome>,
    running: Vec<Episode>,
    /// Steps of each environment.
    steps: u64,
    /// Does any environment want to hear of its action early?
    begins: bool,
    /// Episodes that each environment still plays; without end unless limited.
    episodes_left: Vec<u64>,
    /// Steps after which an episode is cut off here, whatever the environment says.
    max_episode_steps: u64,
    /// The seed of each environment's episode.
    seeds: Vec<u64>,
    /// Is an interrupted episode played again?
    play_again: bool,
}

impl VecEnv {
    /// Takes the environments and resets all. Every episode's seed is one `u64` of `rng`.
    ///
    /// # Errors
    /// No environment, a spec that makes no sense ([`EnvSpec::validate`]), specs that differ, or a
    /// failing reset.
    pub fn new(envs: Vec<Box<dyn Env>>, rng: ChaCha8Rng) -> Result<Self, EnvError> {
        let first = envs.first().ok_or("there is no environment to step; give at least one")?;
        let spec = first.spec();
        // Before they are compared: NaN differs from itself.
        spec.validate()?;
        if let Some(i) = envs.iter().position(|env| env.spec() != spec) {
            return Err(format!(
                "environment {i} differs from environment 0: {:?} against {spec:?}; give \
                 environments of one kind",
                envs[i].spec()
            )
            .into());
        }
        let (n, size) = (envs.len(), spec.obs.size());
        let none =
            Outcome { reward: 0.0, terminated: false, truncated: false, task: 0, episode: None };
        let mut all = Self {
            envs,
            spec,
            rng,
            obs: vec![0.0; n * size],
            next_obs: vec![0.0; n * size],
            outcomes: vec![none; n],
            running: vec![Episode::default(); n],
            steps: 0,
            begins: true,
            episodes_left: vec![u64::MAX; n],
            max_episode_steps: u64::MAX,
            seeds: vec![0; n],
            play_again: false,
        };
        for i in 0..n {
            all.reset(i)?;
        }
        all.next_obs.copy_from_slice(&all.obs);
        Ok(all)
    }

    /// From here on environment `i` plays `episodes[i]` episodes and then stands still: it is neither
    /// reset nor stepped, so no step beyond the evaluation can fail. Episodes longer than
    /// `max_episode_steps` are cut off, and one that was interrupted is played again from the same seed. For
    /// evaluations; not part of a saved state.
    #[must_use]
    pub fn limited(mut self, episodes: Vec<u64>, max_episode_steps: u64) -> Self {
        debug_assert_eq!(episodes.len(), self.envs.len(), "one number for each environment");
        self.episodes_left = episodes;
        self.max_episode_steps = max_episode_steps;
        self.play_again = true;
        self
    }

    /// Whether every environment has played all its episodes.
    pub fn is_over(&self) -> bool {
        self.episodes_left.iter().all(|&left| left == 0)
    }

    /// The spec all environments share.
    pub fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    /// Number of environments.
    pub fn len(&self) -> usize {
        self.envs.len()
    }

    /// Never: there is at least one environment.
    pub fn is_empty(&self) -> bool {
        self.envs.is_empty()
    }

    /// What to act on now: `[N * D]`, row-major.
    pub fn obs(&self) -> &[f32] {
        &self.obs
    }

    /// What the last step led to: `[N]`. Not part of a saved state.
    pub fn outcomes(&self) -> &[Outcome] {
        &self.outcomes
    }

    /// The observations the last step led to: `[N * D]`. Where it ended an episode, this is that
    /// episode's last observation, and [`obs`](Self::obs) is the next one's first.
    pub fn next_obs(&self) -> &[f32] {
        &self.next_obs
    }

    /// Steps every environment once and resets those whose episode ended. Allocates nothing.
    ///
    /// # Errors
    /// Actions that do not fit, an environment that fails, or numbers that are not finite. The
    /// environments are then in no defined state.
    pub fn step(&mut self, actions: &Actions) -> Result<(), EnvError> {
        actions.validate(&self.spec.action, self.envs.len())?;
        let size = self.spec.obs.size();
        self.steps += 1;
        if self.begins {
            let mut begins = false;
            for (i, env) in self.envs.iter_mut().enumerate() {
                begins |= self.episodes_left[i] > 0 && env.begin(actions.row(i));
            }
            self.begins = begins;
        }
        for i in 0..self.envs.len() {
            if self.episodes_left[i] == 0 {
                // Told once.
                self.outcomes[i] = Outcome { truncated: false, episode: None, ..self.outcomes[i] };
                continue;
            }
            let row = i * size..(i + 1) * size;
            let env = &mut self.envs[i];
            let running = &mut self.running[i];
            let (task, interruptions) = (env.task(), env.interruptions());
            let step = env
                .step(actions.row(i), &mut self.next_obs[row.clone()])
                .map_err(|error| at(i, running.length + 1, &error.to_string()))?;
            finite(&self.next_obs[row.clone()], i, running.length + 1)?;
            if !step.reward.is_finite() {
                let what = format!("the reward is {}; it must be finite", step.reward);
                return Err(at(i, running.length + 1, &what));
            }
            running.return_ += f64::from(step.reward);
            running.length += 1;

            let cut = !step.terminated && running.length >= self.max_episode_steps;
            let truncated = step.truncated || cut;
            let done = step.terminated || truncated;
            let interrupted = env.interruptions() != interruptions;
            self.outcomes[i] = Outcome {
                reward: step.reward,
                terminated: step.terminated,
                truncated,
                task,
                episode: (done && !interrupted).then_some(*running),
            };
            if interrupted && self.play_again {
                self.begin(i)?;
                continue;
            }
            if done {
                self.episodes_left[i] -= 1;
            }
            if done && self.episodes_left[i] > 0 {
                self.reset(i)?;
            } else {
                self.obs[row.clone()].copy_from_slice(&self.next_obs[row]);
            }
        }
        Ok(())
    }

    /// All that is needed to continue later as if nothing had happened, as far as the environments
    /// can save their state.
    pub fn save(&mut self) -> VecEnvState {
        VecEnvState {
            rng: self.rng.clone(),
            obs: self.obs.clone(),
            running: self.running.clone(),
            steps: self.steps,
            envs: self.envs.iter_mut().map(|env| Some(env.state()?.save())).collect(),
        }
    }

    /// Continues from a saved state. Environments that cannot save theirs begin a new episode, at
    /// their age.
    ///
    /// # Errors
    /// A state of other environments than these, or a failing reset.
    pub fn load(&mut self, state: &VecEnvState) -> Result<LoadReport, EnvError> {
        let n = self.envs.len();
        let saved = (state.envs.len(), state.running.len(), state.obs.len());
        if saved != (n, n, self.obs.len()) {
            return Err(format!(
                "the saved state is of {} environments with {} observation numbers, here are {n} \
                 with {}; resume with the environments of the checkpoint",
                saved.0,
                saved.2,
                self.obs.len()
            )
            .into());
        }
        self.rng = state.rng.clone();
        self.obs.copy_from_slice(&state.obs);
        self.running.copy_from_slice(&state.running);
        self.steps = state.steps;
        let mut restarted = 0;
        for i in 0..n {
            if let (Some(bytes), Some(inner)) = (&state.envs[i], self.envs[i].state()) {
                inner.load(bytes).map_err(|error| at(i, 0, &error.to_string()))?;
            } else {
                self.envs[i].set_age(self.steps);
                self.reset(i)?;
                restarted += 1;
            }
        }
        self.next_obs.copy_from_slice(&self.obs);
        Ok(LoadReport { resumed: n - restarted, restarted })
    }

    /// Begins the next episode of environment `i`.
    fn reset(&mut self, i: usize) -> Result<(), EnvError> {
        self.seeds[i] = self.rng.next_u64();
        self.begin(i)
    }

    /// Begins the episode of environment `i` that its seed gives.
    fn begin(&mut self, i: usize) -> Result<(), EnvError> {
        let size = self.spec.obs.size();
        let obs = &mut self.obs[i * size..(i + 1) * size];
        self.envs[i].reset(self.seeds[i], obs).map_err(|error| at(i, 0, &error.to_string()))?;
        finite(obs, i, 0)?;
        self.running[i] = Episode::default();
        Ok(())
    }
}
