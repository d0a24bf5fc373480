//! Hidden units that can be replaced: what feeds them, what reads them, and how one is replaced.
//!
//! An architecture registers [`NeuronGroup`] for a layer only where every outgoing of its units is known:
//! hidden layers of an MLP, the inner layers of residual blocks, never the residual stream. What is
//! not registered cannot be replaced.
//!
//! A replaced unit gets incoming weights from its layer's own distribution, a bias of zero, scaler and norm
//! affine as at the start, and outgoing weights of zero, so that the layers behind do not notice it. Moments
//! of all of these are zeroed, and its *birth* is the current step: Adam counts the age of every
//! weight from the younger of its two ends, so a fresh unit has a bias correction of its own.

pub use crate::params::{NeuronGroup, Outgoing};

use tch::{Kind, Tensor, no_grad_guard};

use crate::{
    fused,
    init::Init,
    params::{Fresh, Param, ParamId, Params, Role},
    random::Rng,
};

impl Params {
    /// Registers units of a layer.
    pub fn add_neurons(&mut self, units: NeuronGroup) {
        self.units.push(units);
    }

    /// The groups of units that can be replaced.
    pub fn neurons(&self) -> &[NeuronGroup] {
        &self.units
    }

    /// From now on, births and replacements are remembered. Idempotent.
    pub(crate) fn remember_births(&mut self) {
        for i in 0..self.units.len() {
            if self.units[i].history.is_some() {
                continue;
            }
            let n = self.get(self.units[i].incoming).size()[0];
            let layer = self.units[i].layer.clone();
            let mut add = |what: &str, shape: &[i64]| {
                let zeros = Tensor::zeros(shape, (Kind::Int64, tch::Device::Cpu));
                let name = format!("{layer}@{what}");
                self.add_value(name, Role::State, Init::Constant(0.0), &zeros)
            };
            self.units[i].history = Some((add("birth", &[n]), add("replaced", &[])));
        }
    }

    /// The optimiser step of each unit's birth: 0 for those of the start.
    ///
    /// # Panics
    /// If no intervention replaces units: then nothing is remembered.
    pub fn births(&mut self, group: usize) -> &mut [i64] {
        let (births, _) = self.units[group].history.expect("births are remembered");
        fused::host_slice(self.get_mut(births))
    }

    /// How many optimiser steps ago each unit was born, at step `step`; `None` where no intervention
    /// replaces units.
    pub fn ages(&self, group: usize, step: u64) -> Option<Vec<f64>> {
        let (births, _) = self.units[group].history?;
        let births = Vec::<i64>::try_from(self.get(births)).ok()?;
        Some(births.iter().map(|&b| (step as i64 - b) as f64).collect())
    }

    /// How many units of a group were replaced so far; `None` where no intervention does.
    pub fn replaced(&self, group: usize) -> Option<u64> {
        let (_, replaced) = self.units[group].history?;
        Some(self.get(replaced).int64_value(&[]) as u64)
    }

    /// Replaces `units` of a group after optimiser step `step`. With `mean`, each unit's mean
    /// activation, what the layers behind lose on average goes into their biases, where they have any.
    ///
    /// # Panics
    /// If births are not remembered.
    pub(crate) fn replace_units(
        &mut self,
        group: usize,
        units: &[usize],
        step: u64,
        mean: Option<&[f64]>,
        rng: &mut Rng,
    ) {
        let _guard = no_grad_guard();
        let g = self.units[group].clone();
        let (births, replaced) = g.history.expect("births are remembered");
        let incoming = self.get(g.incoming);
        let (size, options) = (incoming.size(), (incoming.kind(), incoming.device()));
        let rows: Vec<i64> = units.iter().map(|&u| u as i64).collect();
        let index = Tensor::from_slice(&rows).to_device(options.1);
        let fresh = self.init(g.incoming).rows(&size, rows.len() as i64, rng);
        let fresh = fresh.to_kind(options.0).to_device(options.1);
        let p = self.param_mut(g.incoming);
        let _ = p.value.index_copy_(0, &index, &fresh);
        p.reset_moments(0, &index);
        for &id in &g.per_neuron {
            let p = self.param_mut(id);
            let start = match (p.role, &p.init) {
                (Role::Bias, _) => 0.0,
                (_, Init::Constant(c)) => *c,
                (role, init) => unreachable!("a {role:?} per unit starts constant, not {init:?}"),
            };
            let _ = p.value.index_fill_(0, &index, start);
            p.reset_moments(0, &index);
        }
        let transferred_mean =
            mean.map(|m| Tensor::from_slice(m).to_kind(options.0).to_device(options.1));
        self.zero_outgoing(&g, &index, transferred_mean.as_ref());
        for outgoing in &g.outgoing {
            self.param_mut(outgoing.weight).reset_moments(1, &index);
        }
        for &unit in units {
            fused::host_slice::<i64>(self.get_mut(births))[unit] = step as i64;
        }
        let _ = self.get_mut(replaced).g_add_scalar_(rows.len() as i64);
        self.fresh.push(Fresh::NeuronGroup { group, units: index, transferred_mean });
    }

    /// Zeroes outgoing weights, after their mean contribution went into the biases of the layers behind.
    fn zero_outgoing(&mut self, g: &NeuronGroup, index: &Tensor, mean: Option<&Tensor>) {
        for outgoing in &g.outgoing {
            if let (Some(bias), Some(mean)) = (outgoing.bias, mean) {
                let lost = self.get(outgoing.weight).index_select(1, index).mv(mean); // [out]
                let _ = self.get_mut(bias).g_add_(&lost);
            }
            let _ = self.get_mut(outgoing.weight).index_fill_(1, index, 0.0);
        }
    }

    /// Draws a whole parameter again from its distribution after optimiser step `step`, moments zeroed.
    pub(crate) fn replace(&mut self, id: ParamId, step: u64, rng: &mut Rng) {
        let _guard = no_grad_guard();
        let p = self.param_mut(id);
        let fresh = p.init.sample(&p.value.size(), rng);
        p.value.copy_(&fresh);
        for m in &mut p.moments {
            let _ = m.zero_();
        }
        p.birth = step;
        for i in 0..self.units.len() {
            if self.units[i].incoming == id && self.units[i].history.is_some() {
                self.births(i).fill(step as i64);
            }
        }
        self.fresh.push(Fresh::Whole(id));
    }

    /// What the last step of `source` reset becomes the same here, so that an average never
    /// holds half of an old unit and half of a new one. Without `units`, only whole parameters.
    pub(crate) fn copy_reset_params(&mut self, source: &Params, units: bool) {
        let _guard = no_grad_guard();
        for fresh in &source.fresh {
            match fresh {
                Fresh::Whole(id) => self.get_mut(*id).copy_(source.get(*id)),
                Fresh::NeuronGroup { group, units: index, transferred_mean } if units => {
                    let g = source.units[*group].clone();
                    for id in g.per_neuron.iter().copied().chain([g.incoming]) {
                        let rows = source.get(id).index_select(0, index);
                        let _ = self.get_mut(id).index_copy_(0, index, &rows);
                    }
                    self.zero_outgoing(&g, index, transferred_mean.as_ref());
                }
                Fresh::NeuronGroup { .. } => {}
            }
        }
    }
}

impl Param {
    /// Zeroes the moments of rows (`dim` 0) or columns (1). Moments of another shape are of the whole layer
    /// and stay.
    fn reset_moments(&mut self, dim: i64, index: &Tensor) {
        let shape = self.value.size();
        for m in self.moments.iter_mut().filter(|m| m.size() == shape) {
            let _ = m.index_fill_(dim, index, 0.0);
        }
    }
}
