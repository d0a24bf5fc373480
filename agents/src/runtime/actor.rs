//! The actor: environments and a policy copy, one thread each.

use crossbeam::channel::{Receiver, Sender, TryRecvError};
use envs::{ActionSpace, Actions, VecEnv};
use networks::random::{self, Rng};
use rand::RngExt;

use crate::{
    agent::{ActMode, Policy},
    config::{Config, Mode},
    error::Error,
    experience::Experience,
    runtime::{
        message::{FromActor, ToActor},
        streams,
    },
    storage::state::ActorState,
};

/// One actor's state. [`Actor::step`] is the whole of acting; the thread around it is [`run`].
pub struct Actor {
    envs: VecEnv,
    policy: Box<dyn Policy>,
    rng: Rng,
    /// Steps done by each of this actor's environments.
    rounds: u64,
    /// Environment steps per round over all actors.
    round_size: u64,
    learning_starts: u64,
}

impl Actor {
    /// Actor number `index` of the run.
    pub fn new(config: &Config, index: usize, envs: VecEnv, policy: Box<dyn Policy>) -> Self {
        Actor {
            envs,
            policy,
            rng: random::stream(config.seed, streams::actor(index)),
            rounds: 0,
            round_size: config.runtime.envs() as u64,
            learning_starts: config.replay.learning_starts,
        }
    }

    /// `[N * D]` observations that the next actions answer.
    pub fn obs(&self) -> &[f32] {
        self.envs.obs()
    }

    /// The policy's weights become those of the snapshot.
    pub fn load(&mut self, snapshot: &crate::agent::Snapshot) {
        self.policy.load(snapshot);
    }

    /// Acts once in every environment: uniformly at random before `learning_starts`.
    ///
    /// # Errors
    /// What an environment fails with.
    pub fn step(&mut self) -> Result<Experience, envs::EnvError> {
        let env_step = self.rounds * self.round_size;
        let n = self.envs.len();
        let actions = if env_step < self.learning_starts {
            random_actions(&self.envs.spec().action, n, &mut self.rng)
        } else {
            let mode = ActMode::Train { env_step };
            self.policy.act(self.envs.obs(), n, mode, &mut self.rng)
        };
        self.envs.step(&actions)?;
        self.rounds += 1;

        let outcomes = self.envs.outcomes().to_vec();
        let d = self.envs.obs().len() / n;
        let ended = outcomes.iter().enumerate().filter(|(_, o)| o.terminated || o.truncated);
        let reset_obs =
            ended.flat_map(|(i, _)| &self.envs.obs()[i * d..(i + 1) * d]).copied().collect();
        Ok(Experience { actions, outcomes, next_obs: self.envs.next_obs().to_vec(), reset_obs })
    }

    /// For a checkpoint.
    pub fn state(&mut self) -> ActorState {
        ActorState { envs: self.envs.save(), rng: self.rng.clone(), rounds: self.rounds }
    }

    /// Reverse of [`Actor::state`]. Environments that cannot be saved restart their episode; the
    /// answer is how many did.
    ///
    /// # Errors
    /// When the state does not fit the environments.
    pub fn restore(&mut self, state: &ActorState) -> Result<usize, envs::EnvError> {
        let report = self.envs.load(&state.envs)?;
        self.rng = state.rng.clone();
        self.rounds = state.rounds;
        Ok(report.restarted)
    }
}

/// The thread: acts until the learner is gone.
///
/// Every `sync_every` rounds, and after the last one, a lockstep actor waits for the learner's
/// word; an async actor takes it if it is there. That is the only difference between the modes. With `runtime.lag` the
/// learner has given its word that many times in advance.
///
/// # Errors
/// What an environment fails with. A learner that is gone is a normal end.
pub fn run(
    mut actor: Actor,
    config: &Config,
    inbox: &Receiver<ToActor>,
    outbox: &Sender<FromActor>,
) -> Result<(), Error> {
    tch::set_num_threads(1);
    if outbox.send(FromActor::Start(actor.obs().to_vec())).is_err() {
        return Ok(());
    }
    let last_round = config.total_steps.div_ceil(actor.round_size);
    let mut first = true;
    loop {
        let boundary = actor.rounds.is_multiple_of(config.runtime.sync_every);
        let lockstep = config.runtime.mode == Mode::Lockstep;
        let must_wait = first || actor.rounds >= last_round || (lockstep && boundary);
        loop {
            let word = if must_wait {
                inbox.recv().map_err(|_| TryRecvError::Disconnected)
            } else if lockstep {
                Err(TryRecvError::Empty) // what is there already is for the next boundary
            } else {
                inbox.try_recv()
            };
            match word {
                Ok(ToActor::Snapshot(snapshot)) => {
                    actor.load(&snapshot);
                    // After the last round a snapshot does not start another one: it was already on its way.
                    if actor.rounds < last_round {
                        break;
                    }
                }
                Ok(ToActor::Save) => {
                    let state = FromActor::State(Box::new(actor.state()));
                    if outbox.send(state).is_err() {
                        return Ok(());
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        first = false;
        let experience = actor.step().map_err(|e| Error::Run(e.to_string()))?;
        if outbox.send(FromActor::Experience(experience)).is_err() {
            return Ok(());
        }
    }
}

fn random_actions(space: &ActionSpace, n: usize, rng: &mut Rng) -> Actions {
    match space {
        ActionSpace::Discrete(choices) => {
            Actions::Discrete((0..n).map(|_| rng.random_range(0..*choices)).collect())
        }
        ActionSpace::Box { low, .. } => {
            let data = (0..n * low.len()).map(|_| rng.random_range(-1.0f32..1.0)).collect();
            Actions::Continuous { data, dim: low.len() }
        }
    }
}
