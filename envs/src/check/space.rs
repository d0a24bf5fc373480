//! Is the spec sound?

use super::finding::Severity;
use super::probe::Probe;
use crate::{ActionSpace, EnvSpec, is_type_limit};

impl Probe<'_> {
    /// The spec, if the check can continue with it.
    pub(super) fn spec(&mut self) -> Option<EnvSpec> {
        let spec = self.call("spec()", |env| Ok(env.spec()))?;
        self.observation_space(&spec);
        self.action_space(&spec);
        if spec.time_limit == Some(0) {
            self.error(
                "the time limit is 0 steps".into(),
                "spec().time_limit",
                "give a time limit of at least 1, or None",
            );
        }
        let sound = self.findings.iter().all(|finding| finding.severity < Severity::Error);
        sound.then_some(spec)
    }

    fn observation_space(&mut self, spec: &EnvSpec) {
        let place = self.obs_space();
        let obs = &spec.obs;
        if obs.shape.is_empty() || obs.size() == 0 {
            self.error(
                format!("observations of shape {:?} have no components", obs.shape),
                place,
                "give a shape with at least one axis, and no axis of length 0",
            );
        }
        if obs.frames == 0 || !obs.size().is_multiple_of(obs.frames) {
            self.error(
                format!("{} components cannot be a stack of {} frames", obs.size(), obs.frames),
                place,
                "give frames that divide the number of components, and 1 where there is no stack",
            );
        }
        if (obs.low.len(), obs.high.len()) != (obs.size(), obs.size()) {
            self.error(
                format!(
                    "shape {:?} has {} components, but there are {} lower and {} upper bounds",
                    obs.shape,
                    obs.size(),
                    obs.low.len(),
                    obs.high.len()
                ),
                place,
                "give one lower and one upper bound per flat component of an observation",
            );
        }
        self.bounds(place, &obs.low, &obs.high);
        // What a picture is divided by. Elsewhere bounds are no scale.
        let limit = obs.high.iter().position(|&high| is_type_limit(high));
        if let Some(i) = limit.filter(|_| obs.shape.len() > 1) {
            self.warning(
                format!("component {i} of a picture is bounded by {}, the limit of a type", obs.high[i]),
                place,
                "give the range that the numbers have, such as 0 to 1: convolutions divide pictures by \
                 their highest bound, and leave these undivided",
            );
        }
    }

    fn action_space(&mut self, spec: &EnvSpec) {
        let place = if self.is_python() { "action_space" } else { "spec().action" };
        match &spec.action {
            ActionSpace::Discrete(0) => self.error(
                "there are 0 discrete actions to choose from".into(),
                place,
                "give Discrete(n) with n of at least 1",
            ),
            ActionSpace::Discrete(_) => {}
            ActionSpace::Box { low, high } => {
                if low.is_empty() || low.len() != high.len() {
                    self.error(
                        format!("actions have {} lower and {} upper bounds", low.len(), high.len()),
                        place,
                        "give one lower and one upper bound per action component, at least one",
                    );
                }
                if let Some(i) = low.iter().chain(high).position(|x| is_type_limit(*x)) {
                    self.error(
                        format!(
                            "action component {} is bounded by the limit of a type",
                            i % low.len()
                        ),
                        place,
                        "give the range that actions have; agents act in [-1, 1], mapped to it",
                    );
                }
                if let Some(i) = low.iter().chain(high).position(|x| x.is_infinite()) {
                    self.error(
                        format!("action component {} has an infinite bound", i % low.len()),
                        place,
                        "give finite action bounds; agents act in [-1, 1], mapped to them",
                    );
                }
                self.bounds(place, low, high);
            }
        }
    }

    fn bounds(&mut self, place: &str, low: &[f32], high: &[f32]) {
        let pairs = || low.iter().zip(high);
        if let Some(i) = pairs().position(|(low, high)| low.is_nan() || high.is_nan()) {
            self.error(
                format!("a bound of component {i} is NaN"),
                place,
                "give numbers as bounds, infinite ones where there are none",
            );
        }
        if let Some(i) = pairs().position(|(low, high)| low > high) {
            self.error(
                format!("component {i} is bounded by {} below and {} above", low[i], high[i]),
                place,
                "put the lower bound below the upper one",
            );
        }
    }
}
