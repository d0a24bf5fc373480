//! The parameters of one model: an ordered list of named tensors with typed roles.
//!
//! Networks hold [`ParamId`]s and read values through `&Params`, so a target copy is a second
//! `Params` for the same network and nothing is shared by accident.

mod copies;
mod neuron_group;
mod param;
mod state;

pub(crate) use neuron_group::Fresh;
pub use neuron_group::{NeuronGroup, Outgoing};
pub use param::{Param, ParamId, Role};
pub use state::{LoadError, StateDict, copy_from, is_finite};

use std::{fmt::Debug, sync::Arc};

use tch::{Kind, Tensor, no_grad_guard};

use crate::{fused, init::Init, random::Rng};

/// A function of one weight with which a layer multiplies in place of the weight.
pub trait Reparam: Debug + Send + Sync {
    /// What the layer multiplies with, differentiable in the stored weight `w`.
    fn effective(&self, w: &Tensor, p: &Params) -> Tensor;
    /// Brings the buffers up to date with a weight that has changed: by a step or, if `jumped`, by a reset.
    fn advance(&self, p: &mut Params, jumped: bool);
}

/// Below this a norm of a weight row counts as this: so small that a row that was zero is a unit row after any
/// gradient, and that its square is still an f32.
pub(crate) const ROW_EPS: f64 = 1e-18;

/// Ordered parameters of one model.
#[derive(Debug, Default)]
pub struct Params {
    list: Vec<Param>,
    pub(crate) units: Vec<NeuronGroup>,
    /// What the last step reset.
    pub(crate) fresh: Vec<Fresh>,
    /// Functions of weights that layers multiply with, in order of creation.
    reparams: Vec<(ParamId, Arc<dyn Reparam>)>,
    /// Their results, where values stay as they are ([`Params::fold`]).
    folded: Vec<(ParamId, Tensor)>,
    in_heads: bool,
    /// Networks whose parameters are complete.
    networks: usize,
}

impl Params {
    /// Adds a parameter drawn from `init`. What is trainable requires gradients.
    ///
    /// # Panics
    /// If the name is taken: two layers with one name are a bug in the architecture.
    pub fn add(
        &mut self,
        name: String,
        role: Role,
        shape: &[i64],
        init: Init,
        rng: &mut Rng,
    ) -> ParamId {
        let value = init.sample(shape, rng);
        self.add_value(name, role, init, &value)
    }

    /// Adds a parameter with a given value (copied); `init` is the distribution used if it is ever reset.
    ///
    /// # Panics
    /// If the name is taken.
    pub fn add_value(&mut self, name: String, role: Role, init: Init, value: &Tensor) -> ParamId {
        assert!(self.list.iter().all(|p| p.name != name), "two parameters are called {name}");
        let value = value.detach().copy().set_requires_grad(role.is_trainable());
        let (head, moments) = (self.in_heads, Vec::new());
        self.list.push(Param {
            name,
            role,
            init,
            value,
            head,
            birth: 0,
            lr_factor: 1.0,
            decays: true,
            moments,
        });
        ParamId(self.list.len() - 1)
    }

    /// Whether what is added from now on belongs to an output head.
    pub fn in_heads(&mut self, yes: bool) {
        self.in_heads = yes;
    }

    /// Which network of those that learn beside each other is being made, from 0.
    pub fn network(&self) -> usize {
        self.networks
    }

    /// What is added from now on belongs to the next network.
    pub(crate) fn end_network(&mut self) {
        self.networks += 1;
    }

    /// The value of a parameter.
    pub fn get(&self, id: ParamId) -> &Tensor {
        &self.list[id.0].value
    }

    /// The distribution a parameter was drawn from.
    pub fn init(&self, id: ParamId) -> &Init {
        &self.list[id.0].init
    }

    /// The value of a parameter, for in-place changes under `no_grad`.
    pub fn get_mut(&mut self, id: ParamId) -> &mut Tensor {
        &mut self.list[id.0].value
    }

    pub(crate) fn param_mut(&mut self, id: ParamId) -> &mut Param {
        &mut self.list[id.0]
    }

    /// All parameters in order of creation.
    pub fn iter(&self) -> impl Iterator<Item = (ParamId, &Param)> {
        self.list.iter().enumerate().map(|(i, p)| (ParamId(i), p))
    }

    /// Those that are learned, in order.
    pub fn trainable(&self) -> impl Iterator<Item = &Param> {
        self.list.iter().filter(|p| p.role.is_trainable())
    }

    /// Those that are learned, for an optimiser's step.
    pub fn trainable_mut(&mut self) -> impl Iterator<Item = &mut Param> {
        self.list.iter_mut().filter(|p| p.role.is_trainable())
    }

    /// Number of learned scalars.
    pub fn count(&self) -> usize {
        self.trainable().map(|p| p.value.numel()).sum()
    }

    /// Keeps what `reparam` makes of a weight up to date.
    pub(crate) fn add_reparam(&mut self, weight: ParamId, reparam: Arc<dyn Reparam>) {
        self.reparams.push((weight, reparam));
    }

    /// Brings the buffers of reparametrised weights up to date with weights that changed; `jumped` after a reset.
    pub(crate) fn advance_reparams(&mut self, jumped: bool) {
        for (_, reparam) in self.reparams.clone() {
            reparam.advance(self, jumped);
        }
    }

    /// Keeps what reparametrised weights amount to at the moment, for copies whose values stay as they are: an actor
    /// acts on one observation, where computing it would cost more than the layer.
    pub fn fold(&mut self) {
        let _guard = no_grad_guard();
        self.folded.clear();
        let effective =
            |(id, r): &(ParamId, Arc<dyn Reparam>)| (*id, r.effective(self.get(*id), self));
        self.folded = self.reparams.iter().map(effective).collect();
    }

    /// What a reparametrised weight amounts to, if that was kept.
    pub(crate) fn folded(&self, id: ParamId) -> Option<&Tensor> {
        self.folded.iter().find(|(folded, _)| *folded == id).map(|(_, value)| value)
    }

    /// Takes the values of buffers that a training pass proposed.
    pub(crate) fn take_proposals(&mut self, proposals: &[(ParamId, Tensor)]) {
        let _guard = no_grad_guard();
        for (id, next) in proposals {
            debug_assert!(
                matches!(self.list[id.0].role, Role::Buffer { .. }),
                "a proposal is of a buffer"
            );
            self.get_mut(*id).copy_(next);
        }
    }

    /// The name of a parameter.
    pub fn name(&self, id: ParamId) -> &str {
        &self.list[id.0].name
    }

    /// Divides every row of every [`Role::Hyperspherical`] weight by its 2-norm, in place.
    pub fn project_to_hypersphere(&mut self) {
        let _guard = no_grad_guard();
        let weights: Vec<&Tensor> = self.unit_rows().collect();
        fused::unit_rows_(&weights, ROW_EPS);
    }

    /// The largest distance of a [`Role::Hyperspherical`] row's 2-norm from 1; 0 without such weights. A row
    /// of zeros, which reads only units that were all replaced, has no direction until its next
    /// gradient and does not count.
    pub fn hypersphere_error(&self) -> f64 {
        let _guard = no_grad_guard();
        self.unit_rows()
            .map(|w| {
                let norm =
                    w.to_kind(Kind::Double).norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
                ((&norm - 1.0).abs() * norm.ne(0.0)).max().double_value(&[])
            })
            .fold(0.0, f64::max)
    }

    fn unit_rows(&self) -> impl Iterator<Item = &Tensor> {
        self.list.iter().filter(|p| p.role == Role::Hyperspherical).map(|p| &p.value)
    }
}
