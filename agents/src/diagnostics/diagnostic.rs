//! What a diagnostic is, and what it finds.

use networks::{
    diagnostics::step::{Measured, WHOLE},
    params::StateDict,
    random::Rng,
};
use serde::Serialize;

use super::probe::{BatchView, NetworkProbe};
use crate::logging::{descriptor::Descriptor, record::plasticity_tag};

/// A family of numbers about an agent that share their work and their tier. Looking changes nothing: a diagnostic
/// reads networks and never trains or reinitialises them, and its only random numbers are those of the context.
pub trait Diagnostic: Send + Sync {
    /// Every number that it can find, all of one tier. The listing, the documentation and the dashboard are made of
    /// these.
    fn descriptors(&self) -> &[Descriptor];
    /// Of one network on the probe batch.
    fn of_network(
        &self,
        _probe: &NetworkProbe<'_>,
        _cx: &mut Context<'_>,
        _out: &mut Vec<Measure>,
    ) {
    }
    /// Of what the agent makes of the probe batch.
    fn of_batch(&self, _view: &BatchView, _out: &mut Vec<Measure>) {}
    /// Of how one update changed what the agent makes of one batch.
    fn of_update(&self, _before: &BatchView, _after: &BatchView, _out: &mut Vec<Measure>) {}
}

/// What a diagnostic may read beside the network.
pub struct Context<'a> {
    /// The weights of the start as `NET/PARAMETER`; without them nothing is compared with the start.
    pub initial: &'a StateDict,
    /// `diagnostics.refit_steps`
    pub refit_steps: usize,
    /// The stream of this look.
    pub rng: &'a mut Rng,
}

/// One number about one layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// `actor`, `critic`, `q`.
    pub net: String,
    /// `q0/hidden_1`; `_global` for the whole network.
    pub layer: String,
    /// `dormant_0.025`.
    pub measure: &'static str,
    /// Its value.
    pub value: f64,
}

impl Measure {
    /// About one layer of `net`.
    pub fn new(net: &str, layer: &str, measure: &'static str, value: f64) -> Self {
        Measure { net: net.to_owned(), layer: layer.to_owned(), measure, value }
    }

    /// About `net` as a whole.
    pub fn whole(net: &str, measure: &'static str, value: f64) -> Self {
        Measure::new(net, WHOLE, measure, value)
    }

    pub(super) fn of(net: &str, found: &Measured) -> Self {
        Measure::new(net, &found.layer, found.measure, found.value)
    }

    /// `plasticity/<net>/<layer>/<measure>`
    pub fn tag(&self) -> String {
        plasticity_tag(&self.net, &self.layer, self.measure)
    }
}
