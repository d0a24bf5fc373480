//! [`EnvSpec`]: the observations and actions of an environment.

mod bounds;
pub(crate) mod check;

use serde::{Deserialize, Serialize};

/// The observations and actions of an environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvSpec {
    /// Shape and bounds of an observation.
    pub obs: Space,
    /// The actions it takes.
    pub action: ActionSpace,
    /// Steps after which [`Registry::make`](crate::Registry::make) truncates an episode.
    pub time_limit: Option<u32>,
}

impl EnvSpec {
    /// A spec with `n` unbounded observation components and no time limit.
    pub fn vector(n: usize, action: ActionSpace) -> Self {
        Self { obs: Space::vector(n), action, time_limit: None }
    }

    /// The same spec with a time limit in steps.
    #[must_use]
    pub fn with_time_limit(self, steps: u32) -> Self {
        Self { time_limit: Some(steps), ..self }
    }
}

/// Shape, bounds and type of an observation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// Lengths of the axes, outermost first; observations are flat in this order.
    pub shape: Vec<usize>,
    /// Lowest value of each component, one per flat component; may be infinite.
    #[serde(with = "bounds")]
    pub low: Vec<f32>,
    /// Highest value of each component, one per flat component; may be infinite.
    #[serde(with = "bounds")]
    pub high: Vec<f32>,
    /// What the numbers are, for who stores many of them.
    pub dtype: Dtype,
    /// 1, or the number `k` of frames that every observation is a stack of: equal parts one after
    /// another, oldest first, of which each step drops the first and appends one, and a reset
    /// repeats its only one. Replay stores such frames once, so a wrapper that changes observations
    /// in any other way must put it back to 1.
    #[serde(default = "one")]
    pub frames: usize,
}

fn one() -> usize {
    1
}

impl Space {
    /// `n` components without bounds.
    pub fn vector(n: usize) -> Self {
        Self::bounded(vec![f32::NEG_INFINITY; n], vec![f32::INFINITY; n])
    }

    /// A vector with the given bounds, one pair per component.
    pub fn bounded(low: Vec<f32>, high: Vec<f32>) -> Self {
        Self { shape: vec![low.len()], low, high, dtype: Dtype::F32, frames: 1 }
    }

    /// Number of flat components; `usize::MAX` where it would be more.
    pub fn size(&self) -> usize {
        if self.shape.contains(&0) {
            return 0;
        }
        self.shape.iter().fold(1, |size: usize, &n| size.saturating_mul(n))
    }
}

/// The type of an observation's numbers. They travel as `f32` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Any real number.
    F32,
    /// Whole numbers from 0 to 255: may be stored in a byte.
    U8,
}

/// The actions an environment takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionSpace {
    /// One of `0..n`.
    Discrete(usize),
    /// A vector within bounds, one pair per component.
    Box {
        /// Lowest value of each component.
        #[serde(with = "bounds")]
        low: Vec<f32>,
        /// Highest value of each component.
        #[serde(with = "bounds")]
        high: Vec<f32>,
    },
}

impl ActionSpace {
    /// `n` components in `[-1, 1]`.
    pub fn symmetric(n: usize) -> Self {
        Self::Box { low: vec![-1.0; n], high: vec![1.0; n] }
    }

    /// Number of choices if discrete, of components if not.
    pub fn size(&self) -> usize {
        match self {
            Self::Discrete(n) => *n,
            Self::Box { low, .. } => low.len(),
        }
    }
}
