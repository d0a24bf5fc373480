//! [`Action`]: what an environment is given, and [`Actions`]: what a policy hands to several at once.

use serde::{Deserialize, Serialize};

use crate::{ActionSpace, EnvError};

/// One action. Environments from [`Registry::make`](crate::Registry::make) take continuous actions in `[-1, 1]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Action<'a> {
    /// The index of a choice.
    Discrete(usize),
    /// One number per component.
    Continuous(&'a [f32]),
}

impl<'a> Action<'a> {
    /// The index of a discrete action.
    ///
    /// # Errors
    /// The action is continuous.
    pub fn discrete(self) -> Result<usize, EnvError> {
        match self {
            Self::Discrete(choice) => Ok(choice),
            Self::Continuous(_) => Err("the environment takes discrete actions but was given a \
                continuous one; use an agent for discrete actions, such as DQN"
                .into()),
        }
    }

    /// The components of a continuous action.
    ///
    /// # Errors
    /// The action is discrete.
    pub fn continuous(self) -> Result<&'a [f32], EnvError> {
        match self {
            Self::Continuous(action) => Ok(action),
            Self::Discrete(_) => Err("the environment takes continuous actions but was given a \
                discrete one; use an agent for continuous actions, such as SAC"
                .into()),
        }
    }

    /// A choice of `0..n`, for environments that must not trust the caller.
    pub(crate) fn choice(self, n: usize) -> Result<usize, EnvError> {
        let choice = self.discrete()?;
        if choice < n {
            return Ok(choice);
        }
        Err(format!("action {choice} is not one of 0..{n}; choose below {n}").into())
    }

    /// Exactly `n` components.
    pub(crate) fn components(self, n: usize) -> Result<&'a [f32], EnvError> {
        let action = self.continuous()?;
        if action.len() == n {
            return Ok(action);
        }
        Err(format!("an action of {} components where {n} are taken; give {n}", action.len())
            .into())
    }
}

/// One action per environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Actions {
    /// One choice per environment.
    Discrete(Vec<usize>),
    /// `[N * dim]`, row-major: one row per environment.
    Continuous {
        /// The numbers.
        data: Vec<f32>,
        /// Components of one action.
        dim: usize,
    },
}

impl Actions {
    /// Number of actions.
    pub fn len(&self) -> usize {
        match self {
            Self::Discrete(choices) => choices.len(),
            Self::Continuous { data, dim } => data.len().checked_div(*dim).unwrap_or(0),
        }
    }

    /// Is there no action in here?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The action of environment `i`, which is below [`len`](Self::len).
    pub fn row(&self, i: usize) -> Action<'_> {
        match self {
            Self::Discrete(choices) => Action::Discrete(choices[i]),
            Self::Continuous { data, dim } => Action::Continuous(&data[i * dim..(i + 1) * dim]),
        }
    }

    /// Refuses actions that do not fit `n` environments with this action space.
    pub(crate) fn validate(&self, space: &ActionSpace, n: usize) -> Result<(), EnvError> {
        let bad = match (self, space) {
            (Self::Discrete(choices), ActionSpace::Discrete(_)) if choices.len() != n => {
                format!("{} actions for {n} environments; give one each", choices.len())
            }
            (Self::Discrete(choices), ActionSpace::Discrete(count)) => {
                let Some(i) = choices.iter().position(|choice| choice >= count) else {
                    return Ok(());
                };
                format!(
                    "action {} for environment {i}, which takes 0..{count}; choose below {count}",
                    choices[i]
                )
            }
            (Self::Continuous { data, dim }, ActionSpace::Box { low, .. })
                if *dim != low.len() || data.len() != n * dim =>
            {
                format!(
                    "{} numbers in actions of {dim} components for {n} environments that take {} \
                     components each; give {n} x {}",
                    data.len(),
                    low.len(),
                    low.len()
                )
            }
            (Self::Continuous { data, dim }, ActionSpace::Box { .. }) => {
                let Some(at) = data.iter().position(|x| !x.is_finite()) else { return Ok(()) };
                format!(
                    "action component {} of environment {} is {}; look for a policy that diverged",
                    at % dim,
                    at / dim,
                    data[at]
                )
            }
            (Self::Discrete(_), ActionSpace::Box { .. }) => "discrete actions for environments \
                 that take continuous ones; use an agent such as SAC"
                .into(),
            (Self::Continuous { .. }, ActionSpace::Discrete(_)) => "continuous actions for \
                 environments that take discrete ones; use an agent such as DQN"
                .into(),
        };
        Err(bad.into())
    }
}
