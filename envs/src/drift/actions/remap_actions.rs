//! [`RemapActions`]: what actions do is exchanged.

use rand::RngExt;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::drift::drifting::{Begin, Change};
use crate::drift::period::index;
use crate::drift::random::{Use, rng};
use crate::{Action, ActionSpace, Env, EnvError, EnvSpec};

/// Choices change places; components of continuous actions change places and signs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches of a TOML table")]
pub struct RemapActions {
    /// Steps of an environment between two draws; 0 draws once.
    pub period: u64,
    /// Whether choices or components change places.
    #[serde(default = "crate::drift::period::yes")]
    pub permute: bool,
    /// Whether components change signs, each with probability 1/2. Choices have none.
    #[serde(default = "crate::drift::period::yes")]
    pub flip: bool,
    /// Whether actions are as they are in the first period.
    #[serde(default)]
    pub identity_first: bool,
    /// Whether [`Env::task`] counts the changes.
    #[serde(default = "crate::drift::period::yes")]
    pub signal_task_change: bool,
    /// What is drawn follows from this and the number of the period.
    #[serde(default)]
    pub seed: u64,
}

pub(in crate::drift) struct Remapping {
    config: RemapActions,
    discrete: bool,
    /// Which choice or component outside each one inside is.
    from: Vec<usize>,
    /// The sign of each component inside.
    signs: Vec<f32>,
    /// The period they were drawn for.
    drawn: Option<u64>,
    inner: Vec<f32>,
}

impl RemapActions {
    pub(in crate::drift) fn build(&self, spec: &EnvSpec) -> Result<Remapping, EnvError> {
        let size = spec.action.size();
        let discrete = matches!(spec.action, ActionSpace::Discrete(_));
        let changes = (self.permute && size > 1) || (self.flip && !discrete);
        if !changes {
            let what = if discrete { "choices" } else { "components" };
            return Err(format!(
                "with permute = {}, flip = {} and actions of {size} {what} it changes nothing; \
                 leave the entry out, or let it permute or flip",
                self.permute, self.flip
            )
            .into());
        }
        if let ActionSpace::Box { low, high } = &spec.action {
            let symmetric = low.iter().all(|&x| x == -1.0) && high.iter().all(|&x| x == 1.0);
            if !symmetric {
                return Err("it is for actions between -1 and 1; put ActionRescale inside".into());
            }
        }
        let (from, signs, inner) = ((0..size).collect(), vec![1.0; size], vec![0.0; size]);
        Ok(Remapping { config: self.clone(), discrete, from, signs, drawn: None, inner })
    }
}

impl Change for Remapping {
    fn index(&self, age: u64) -> u64 {
        index(age, self.config.period)
    }

    fn begin(&mut self, begin: Begin, _env: &mut dyn Env) -> Result<(), EnvError> {
        if self.drawn.replace(begin.index) == Some(begin.index) {
            return Ok(());
        }
        self.from = (0..self.from.len()).collect();
        self.signs.fill(1.0);
        if begin.index == 0 && self.config.identity_first {
            return Ok(());
        }
        let mut rng = rng(Use::RemapActions, self.config.seed, begin.index);
        if self.config.permute {
            self.from.shuffle(&mut rng);
        }
        if self.config.flip && !self.discrete {
            for sign in &mut self.signs {
                *sign = if rng.random() { -1.0 } else { 1.0 };
            }
        }
        Ok(())
    }

    fn act<'a>(&'a mut self, action: Action<'a>) -> Result<Action<'a>, EnvError> {
        let n = self.from.len();
        if self.discrete {
            return Ok(Action::Discrete(self.from[action.choice(n)?]));
        }
        let action = action.components(n)?;
        for (i, x) in self.inner.iter_mut().enumerate() {
            *x = self.signs[i] * action[self.from[i]];
        }
        Ok(Action::Continuous(&self.inner))
    }
}
