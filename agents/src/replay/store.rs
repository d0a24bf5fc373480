//! The rings of all environments, and batches of their rows.

use networks::random::Rng;
use tch::{Device, Kind, Tensor};

use super::{
    ring::{Ring, Scratch},
    sampler::Scheme,
};
use crate::experience::{Batch, Between, Row, Sequences};

pub(super) struct Store {
    pub(super) rings: Vec<Ring>,
    pub(super) obs_dim: usize,
    /// Powers of gamma: `discounts[k] = gamma^k`, `k` up to `n_step`.
    pub(super) discounts: Vec<f32>,
    /// Whether batches hold what lies between the ends of a transition.
    between: bool,
    pub(super) device: Device,
    scratch: Scratch,
}

impl Store {
    pub(super) fn new(
        rings: Vec<Ring>,
        obs_dim: usize,
        discounts: Vec<f32>,
        device: Device,
    ) -> Self {
        Store { rings, obs_dim, discounts, between: false, device, scratch: Scratch::default() }
    }

    pub(super) fn with_between(self, between: bool) -> Self {
        Store { between: between && self.discounts.len() > 2, ..self }
    }

    pub(super) fn n_step(&self) -> u64 {
        self.discounts.len() as u64 - 1
    }

    /// `batch` whole transitions that `scheme` chooses; see [`Replay::sample`](super::Replay::sample).
    pub(super) fn batch(&mut self, scheme: &mut dyn Scheme, batch: usize, rng: &mut Rng) -> Batch {
        let mut s = std::mem::take(&mut self.scratch);
        s.clear();
        while s.reward.len() < batch {
            let (env, row) = scheme.propose(&self.rings, s.reward.len(), batch, rng);
            let ring = &self.rings[env];
            let Some((reward, discount, next)) = ring.n_step(row, &self.discounts) else {
                continue; // an episode's last observation, or the n steps are not over yet
            };
            if !ring.gather(row, next, &mut s) {
                continue; // the oldest of its frames were forgotten
            }
            if self.between {
                ring.gather_between(row, next, &self.discounts, &mut s);
            }
            s.reward.push(reward);
            s.discount.push(discount);
            s.rows.push(self.row(env, row));
        }
        let out = self.tensors(&mut s, batch as i64);
        self.scratch = s;
        out
    }

    /// `batch` sequences of up to `steps` steps whose beginnings `scheme` chooses.
    pub(super) fn sequences(
        &mut self,
        scheme: &mut dyn Scheme,
        batch: usize,
        steps: usize,
        rng: &mut Rng,
    ) -> Sequences {
        let mut s = std::mem::take(&mut self.scratch);
        s.clear();
        while s.rows.len() < batch {
            let (env, row) = scheme.propose(&self.rings, s.rows.len(), batch, rng);
            if self.rings[env].gather_sequence(row, steps, self.discounts[1], &mut s) {
                s.rows.push(self.row(env, row));
            }
        }
        let (batch, steps) = (batch as i64, steps as i64);
        let column = |data: &[f32]| self.to(&Tensor::from_slice(data)).view([batch, steps]);
        let out = Sequences {
            obs: self.obs(&s.obs, &s.obs_u8).view([batch, steps + 1, self.obs_dim as i64]),
            action: self.action(&s).view([batch, steps, -1]),
            reward: column(&s.reward),
            discount: column(&s.discount),
            mask: column(&s.mask),
            weights: None,
            rows: std::mem::take(&mut s.rows),
        };
        self.scratch = s;
        out
    }

    fn row(&self, env: usize, number: u64) -> Row {
        // One step of each environment a round.
        let age = self.rings[env].steps_since(number) * self.rings.len() as u64;
        Row { env, number, age }
    }

    fn to(&self, t: &Tensor) -> Tensor {
        t.to_device(self.device)
    }

    /// Whichever of the two has the observations, flat.
    fn obs(&self, floats: &[f32], bytes: &[u8]) -> Tensor {
        let t =
            if bytes.is_empty() { Tensor::from_slice(floats) } else { Tensor::from_slice(bytes) };
        self.to(&t).to_kind(Kind::Float)
    }

    fn action(&self, s: &Scratch) -> Tensor {
        if s.choice.is_empty() {
            self.to(&Tensor::from_slice(&s.action))
        } else {
            self.to(&Tensor::from_slice(&s.choice))
        }
    }

    fn tensors(&self, s: &mut Scratch, batch: i64) -> Batch {
        let rows = |t: Tensor| t.view([batch, -1]);
        Batch {
            obs: rows(self.obs(&s.obs, &s.obs_u8)),
            action: rows(self.action(s)),
            reward: self.to(&Tensor::from_slice(&s.reward)),
            discount: self.to(&Tensor::from_slice(&s.discount)),
            next_obs: rows(self.obs(&s.next_obs, &s.next_obs_u8)),
            between: self.between.then(|| Between {
                obs: self.obs(&s.between, &s.between_u8).view([batch, -1, self.obs_dim as i64]),
                discount: rows(self.to(&Tensor::from_slice(&s.between_discount))),
            }),
            weights: None,
            rows: std::mem::take(&mut s.rows),
        }
    }
}
