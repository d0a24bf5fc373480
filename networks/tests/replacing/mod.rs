//! Models whose units are replaced.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    interventions::{Cbp, InterventionConfig, Utility},
    model::Model,
    network::{ArchConfig, Ensemble},
    optim::OptimConfig,
    params::Params,
    random,
};
use tch::{Device, Tensor};

/// Numbers of an input.
pub(crate) const INPUT: i64 = 3;

/// Two networks of two heads each, as a pair of critics is one model.
pub(crate) fn build(
    arch: &ArchConfig,
    interventions: &[InterventionConfig],
    optim: &OptimConfig,
) -> Model {
    let mut rng = random::stream(7, 0);
    let mut p = Params::default();
    let nets = ["q0", "q1"]
        .map(|name| arch.build(&mut p, name, &[INPUT], &[("a", 2), ("b", 1)], &mut rng).unwrap())
        .into();
    Model::new("m", std::sync::Arc::new(Ensemble(nets)), p, optim, interventions, Device::Cpu)
        .unwrap()
}

pub(crate) fn gap(a: &Tensor, b: &Tensor) -> f64 {
    (a - b).abs().max().double_value(&[])
}

/// Continual backprop that replaces something at almost every update.
pub(crate) fn eager(utility: Utility, transfer_mean: bool) -> InterventionConfig {
    InterventionConfig::from(Cbp {
        utility,
        replacement_rate: 0.3,
        maturity_threshold: 2,
        decay_rate: 0.5,
        accumulate: true,
        transfer_mean,
    })
}

/// Neurons of a group born at this optimiser step.
pub(crate) fn newborn(p: &mut Params, group: usize, step: u64) -> Vec<i64> {
    let births = p.births(group).to_vec();
    (0..births.len() as i64).filter(|&i| births[i as usize] == step as i64).collect()
}
