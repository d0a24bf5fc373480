//! What a configuration says of an intervention, and which of them fit a network and each other.

use std::{fmt::Debug, sync::Arc};

use super::Intervention;
use crate::{
    optim::OptimConfig,
    params::Params,
    registry::{Holds, Named, Part},
};

/// An entry of the list `interventions`.
pub type InterventionConfig = Named<dyn InterventionSettings>;

/// The settings of one intervention.
pub trait InterventionSettings: Debug + Send + Sync {
    /// # Errors
    /// One sentence about the first value that cannot work, beginning with its key.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// Whether it can work on this model, beside the others of the list.
    ///
    /// # Errors
    /// One sentence about what is in the way, naming both sides.
    fn check(&self, _host: &Host<'_>) -> Result<(), String> {
        Ok(())
    }

    /// What it does to weights, for others that could not stand it.
    fn effects(&self) -> Effects {
        Effects::default()
    }

    /// Makes the intervention of the model that owns `p`.
    fn build(&self, p: &mut Params) -> Box<dyn Intervention>;
}

/// What an intervention does to weights after the optimiser's step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Replaces neurons, so that two of the kind would undo each other's choices.
    pub replaces_neurons: bool,
    /// Changes weights in another way than by projection.
    pub disturbs_norms: bool,
}

/// The model that an intervention is to work on.
pub struct Host<'a> {
    /// Its parameters.
    pub params: &'a Params,
    /// Its optimiser.
    pub optim: &'a OptimConfig,
    /// The whole list of interventions.
    pub interventions: &'a [InterventionConfig],
    /// The place of this one in it.
    pub index: usize,
}

impl Host<'_> {
    /// The interventions that come after this one.
    pub fn later(&self) -> &[InterventionConfig] {
        &self.interventions[self.index + 1..]
    }

    /// The first other intervention of the list that replaces neurons, if it comes later.
    fn replaced_twice(&self) -> Option<&InterventionConfig> {
        self.later().iter().find(|other| other.effects().replaces_neurons)
    }
}

/// Whether the interventions can work on a model with parameters `p` and this optimiser, and with each
/// other.
///
/// # Errors
/// One sentence about the first that cannot, naming it.
pub fn check(
    interventions: &[InterventionConfig],
    params: &Params,
    optim: &OptimConfig,
) -> Result<(), String> {
    for (index, intervention) in interventions.iter().enumerate() {
        let host = Host { params, optim, interventions, index };
        intervention.check(&host)?;
        let kind = intervention.kind();
        if !intervention.effects().replaces_neurons {
            continue;
        }
        if params.neurons().is_empty() {
            return Err(format!(
                "{kind} cannot work here: the network has no units that can be replaced; give an mlp hidden layers with \
                 the norm, if any, before the activation, or a residual network blocks, and an activation with one \
                 output a unit"
            ));
        }
        if let Some(second) = host.replaced_twice() {
            return Err(format!(
                "{kind} and {} both replace units and would undo each other's choices; keep one",
                second.kind()
            ));
        }
    }
    Ok(())
}

/// Checks the numbers of each intervention.
///
/// # Errors
/// One sentence about the first that cannot work, naming intervention and key.
pub fn validate(interventions: &[InterventionConfig]) -> Result<(), String> {
    interventions.iter().try_for_each(|i| i.validate().map_err(|e| format!("{}: {e}", i.kind())))
}

impl<P: Part + InterventionSettings> Holds<P> for dyn InterventionSettings {
    fn hold(part: Arc<P>) -> Arc<Self> {
        part
    }
}

/// Refuses a number that is negative or not finite.
pub(super) fn at_least_0(key: &str, value: f64) -> Result<(), String> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(format!("{key} is {value}; it must be at least 0"))
}

/// Refuses what would never be due.
pub(super) fn some_time(every_updates: u64, on_task_change: bool) -> Result<(), String> {
    if every_updates > 0 || on_task_change {
        return Ok(());
    }
    Err("it never acts; give every_updates or on_task_change = true".to_owned())
}
