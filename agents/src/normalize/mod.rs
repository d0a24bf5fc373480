//! An agent behind running statistics: it sees normalised observations and scaled rewards, whatever
//! its algorithm and network.
//!
//! When what is counted follows SimbaV2's code: after a round's updates the learner shows the agent
//! that round, and the observations that the next actions will answer enter the moments, together
//! with the rewards just received (`order = "after_update"`; by default rewards enter before the updates). So the actors' next weights come with statistics that include
//! the observation they act on, an episode's last observation is never counted, and neither is the
//! very first one of a run. Nothing is counted in evaluations or updates.

pub mod moments;

use std::sync::Arc;

use envs::{Actions, EnvSpec};
use networks::{
    interventions::Clock,
    model::NonFinite,
    params::{LoadError, StateDict},
    random::Rng,
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::{
    agent::{ActMode, Agent, InterventionCount, Policy, Snapshot},
    diagnostics::probe::{BatchView, NetworkProbe},
    experience::{Batch, Experience, Row, Sequences},
    logging::record::Scalars,
    normalize::moments::{Order, ReturnScale, ReturnScaleConfig, RunningMoments},
    replay::draws::Sampler,
};

/// `[normalize]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeConfig {
    /// Observations by their running mean and variance.
    pub obs: bool,
    /// Rewards by the running scale of returns.
    pub reward: RewardNormConfig,
}

impl NormalizeConfig {
    /// # Errors
    /// One sentence about the first value that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        match self.reward {
            RewardNormConfig::ReturnScale(c) if c.bound.is_nan() || c.bound <= 0.0 => Err(format!(
                "reward.bound is {}; it must be greater than 0 (inf for no bound)",
                c.bound
            )),
            _ => Ok(()),
        }
    }
}

/// `[normalize.reward]`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RewardNormConfig {
    /// Rewards as they are.
    None {},
    /// Divided by the running scale of discounted returns.
    ReturnScale(ReturnScaleConfig),
}

impl Default for RewardNormConfig {
    fn default() -> Self {
        RewardNormConfig::None {}
    }
}

/// The statistics around an agent.
pub struct Normalized {
    inner: Box<dyn Agent>,
    obs: Option<RunningMoments>,
    reward: Option<ReturnScale>,
}

impl Normalized {
    /// Puts around `inner` what `config` asks for, with returns discounted by `gamma` over `envs` environments;
    /// `inner` itself if that is nothing.
    pub fn wrap(
        inner: Box<dyn Agent>,
        config: &NormalizeConfig,
        spec: &EnvSpec,
        gamma: f64,
        envs: usize,
    ) -> Box<dyn Agent> {
        let obs = config.obs.then(|| RunningMoments::new(spec.obs.size()));
        let reward = match config.reward {
            RewardNormConfig::None {} => None,
            RewardNormConfig::ReturnScale(scale) => Some(ReturnScale::new(scale, gamma, envs)),
        };
        if obs.is_none() && reward.is_none() {
            return inner;
        }
        Box::new(Normalized { inner, obs, reward })
    }

    fn count_rewards(&mut self, round: &[Experience], now: Order) {
        let Some(scale) = self.reward.as_mut().filter(|scale| scale.order() == now) else { return };
        let outcomes = || round.iter().flat_map(|e| &e.outcomes);
        let rewards: Vec<f64> = outcomes().map(|o| f64::from(o.reward)).collect();
        let ended: Vec<bool> = outcomes().map(|o| o.terminated || o.truncated).collect();
        scale.observe(&rewards, &ended);
    }

    /// What the agent inside sees of a raw batch.
    fn normalized(&self, batch: &Batch) -> Batch {
        Statistics { obs: self.obs.as_ref(), reward: self.reward.as_ref() }.batch(batch)
    }
}

/// What raw data is normalised by at one moment.
#[derive(Clone, Copy)]
struct Statistics<'a> {
    obs: Option<&'a RunningMoments>,
    reward: Option<&'a ReturnScale>,
}

impl Statistics<'_> {
    fn batch(&self, batch: &Batch) -> Batch {
        let mut b = batch.shallow_clone();
        if let Some(moments) = self.obs {
            b.obs = moments.apply_tensor(&b.obs).to_kind(Kind::Float);
            b.next_obs = moments.apply_tensor(&b.next_obs).to_kind(Kind::Float);
            if let Some(between) = &mut b.between {
                between.obs = moments.apply_tensor(&between.obs).to_kind(Kind::Float);
            }
        }
        if let Some(scale) = self.reward {
            b.reward = &batch.reward / scale.denominator();
        }
        b
    }

    fn sequences(&self, mut s: Sequences) -> Sequences {
        if let Some(moments) = self.obs {
            s.obs = moments.apply_tensor(&s.obs).to_kind(Kind::Float);
        }
        if let Some(scale) = self.reward {
            s.reward = &s.reward / scale.denominator();
        }
        s
    }
}

/// Replay as the agent inside sees it.
struct NormalizedSampler<'a> {
    inner: &'a mut dyn Sampler,
    statistics: Statistics<'a>,
}

impl Sampler for NormalizedSampler<'_> {
    fn sample(&mut self, batch: usize) -> Batch {
        self.statistics.batch(&self.inner.sample(batch))
    }

    fn sequences(&mut self, batch: usize, steps: usize) -> Sequences {
        self.statistics.sequences(self.inner.sequences(batch, steps))
    }

    fn report(&mut self, rows: &[Row], errors: &Tensor) {
        self.inner.report(rows, errors);
    }
}

impl Agent for Normalized {
    fn fuse(&mut self, threads: usize) -> Result<(), String> {
        self.inner.fuse(threads)
    }

    fn is_fused(&self) -> bool {
        self.inner.is_fused()
    }

    fn update(
        &mut self,
        batch: &Batch,
        replay: &mut dyn Sampler,
        clock: Clock,
        rng: &mut Rng,
        log: &mut Scalars,
    ) -> Result<(), NonFinite> {
        if let Some(scale) = self.reward.as_ref().filter(|_| clock.log) {
            log.scalar("normalize/reward_denominator", scale.denominator());
            log.scalar("normalize/largest_return", scale.largest);
        }
        let statistics = Statistics { obs: self.obs.as_ref(), reward: self.reward.as_ref() };
        let b = statistics.batch(batch);
        let mut replay = NormalizedSampler { inner: replay, statistics };
        self.inner.update(&b, &mut replay, clock, rng, log)
    }

    fn receive(&mut self, round: &[Experience]) {
        self.count_rewards(round, Order::BeforeUpdate);
        self.inner.receive(round);
    }

    fn observe(&mut self, round: &[Experience]) {
        if let Some(moments) = &mut self.obs {
            let rows: Vec<f64> =
                round.iter().flat_map(Experience::upcoming).map(|&x| f64::from(x)).collect();
            moments.update(&rows);
        }
        self.count_rewards(round, Order::AfterUpdate);
        self.inner.observe(round);
    }

    fn probe(&self, batch: &Batch, rng: &mut Rng) -> Vec<NetworkProbe<'_>> {
        self.inner.probe(&self.normalized(batch), rng)
    }

    fn batch_view(&self, batch: &Batch) -> Option<BatchView> {
        self.inner.batch_view(&self.normalized(batch))
    }

    fn value(&self, obs: &[f32], rng: &mut Rng) -> Option<(Vec<f64>, f64)> {
        let (mut values, bonus) = match &self.obs {
            Some(moments) => self.inner.value(&moments.apply(obs), rng),
            None => self.inner.value(obs, rng),
        }?;
        // Back to rewards as they come.
        let scale = self.reward.as_ref().map_or(1.0, ReturnScale::denominator);
        for value in &mut values {
            *value *= scale;
        }
        Some((values, bonus * scale))
    }

    fn intervention_counts(&self) -> Vec<InterventionCount> {
        self.inner.intervention_counts()
    }

    fn policy(&self) -> Box<dyn Policy> {
        let obs = self.obs.clone().map(Arc::new);
        Box::new(NormalizedPolicy { inner: self.inner.policy(), obs })
    }

    fn snapshot(&self, version: u64) -> Snapshot {
        Snapshot { obs: self.obs.clone().map(Arc::new), ..self.inner.snapshot(version) }
    }

    fn save(&self, out: &mut StateDict) {
        if let Some(moments) = &self.obs {
            moments.save("normalize/obs", out);
        }
        if let Some(scale) = &self.reward {
            scale.save("normalize/reward", out);
        }
        self.inner.save(out);
    }

    fn load(&mut self, from: &StateDict) -> Result<(), LoadError> {
        if let Some(moments) = &mut self.obs {
            moments.load("normalize/obs", from)?;
        }
        if let Some(scale) = &mut self.reward {
            scale.load("normalize/reward", from)?;
        }
        self.inner.load(from)
    }

    fn first_non_finite(&self) -> Option<String> {
        let bad = |moments: Option<&RunningMoments>, name: &str| {
            moments.filter(|m| !m.is_finite()).map(|_| name.to_owned())
        };
        bad(self.obs.as_ref(), "normalize/obs")
            .or_else(|| bad(self.reward.as_ref().map(|r| &r.moments), "normalize/reward"))
            .or_else(|| self.inner.first_non_finite())
    }
}

struct NormalizedPolicy {
    inner: Box<dyn Policy>,
    obs: Option<Arc<RunningMoments>>,
}

impl Policy for NormalizedPolicy {
    fn load(&mut self, snapshot: &Snapshot) {
        self.obs.clone_from(&snapshot.obs);
        self.inner.load(snapshot);
    }

    fn act(&mut self, obs: &[f32], n: usize, mode: ActMode, rng: &mut Rng) -> Actions {
        match &self.obs {
            Some(moments) => self.inner.act(&moments.apply(obs), n, mode, rng),
            None => self.inner.act(obs, n, mode, rng),
        }
    }
}
