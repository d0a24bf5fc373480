//! The parameters of one model: an ordered list of named tensors with typed roles.
//!
//! Networks hold [`ParamId`]s and read values through `&Params`, so a target copy is a second
//! `Params` for the same network and nothing is shared by accident.

use std::{collections::BTreeMap, sync::Arc};

use tch::{Device, Kind, Tensor, no_grad_guard};

use crate::{
    fused,
    init::Init,
    layers::reparam::Reparam,
    neurons::{Fresh, NeuronGroup},
    random::Rng,
};

/// Everything a checkpoint stores of a model, by name. CPU tensors.
pub type StateDict = BTreeMap<String, Tensor>;

/// What a parameter is to the network; plasticity interventions select by role, never by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weight `[out, in]` of a hidden layer, or `[out, in, height, width]` of a convolution.
    Hidden,
    /// Weight `[out, in]` of a hidden layer whose outputs are normalised at once: scaling it, and the
    /// bias that follows it if there is one, has no effect.
    ScaleInvariant,
    /// Weight `[out, in]` of an output layer.
    Output,
    /// Weight `[out, in]` of any layer whose rows have unit 2-norm: [`crate::model::Model`] puts
    /// them back after every step (SimbaV2, arXiv 2502.15280).
    Hyperspherical,
    /// Learned elementwise factor ([`crate::layers::Scaler`]).
    Scaler,
    /// Bias of a layer.
    Bias,
    /// Gain of a normalisation layer.
    NormGain,
    /// Offset of a normalisation layer.
    NormOffset,
    /// A number outside any layer (a learned temperature, say).
    Scalar,
    /// What a layer remembers and no gradient changes: running statistics, singular vectors. Saved, sent to actors
    /// and copied to targets.
    Buffer {
        /// Whether a Polyak average of two is one: of statistics, not of directions.
        averaged: bool,
    },
    /// State of an intervention: saved, but never stepped, averaged or sent.
    State,
}

impl Role {
    /// Whether it is a layer's weight matrix.
    pub fn is_weight(self) -> bool {
        matches!(self, Role::Hidden | Role::ScaleInvariant | Role::Output | Role::Hyperspherical)
    }

    /// Whether gradients change it.
    pub fn is_trainable(self) -> bool {
        !matches!(self, Role::Buffer { .. } | Role::State)
    }
}

/// [`L2_EPS`] of weight rows: so small that a row that was zero is a unit row after any gradient, and
/// that its square is still an f32.
const ROW_EPS: f64 = 1e-18;

/// Below this a norm counts as this: zero stays zero instead of becoming NaN (SimbaV2's code).
pub(crate) const L2_EPS: f64 = 1e-8;

/// Index of a parameter in its [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamId(pub(crate) usize);

/// One named tensor.
#[derive(Debug)]
pub struct Param {
    /// Unique, with slashes: `q0/hidden_1/weight`.
    pub name: String,
    /// What it is to the network.
    pub role: Role,
    /// The distribution it was drawn from.
    pub init: Init,
    /// Current value.
    pub value: Tensor,
    /// Whether it belongs to an output head.
    pub head: bool,
    /// The optimiser step after which all of it was last drawn.
    pub(crate) birth: u64,
    /// Optimiser moments, same shape as `value`, in the optimiser's order.
    pub(crate) moments: Vec<Tensor>,
}

/// A saved state does not fit the model.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The saved state lacks a tensor.
    #[error("it lacks the tensor `{0}`: it was made with another network configuration")]
    Missing(String),
    /// The saved tensor has another shape.
    #[error(
        "tensor `{name}` has shape {found:?} where the network has {expected:?}: it was made with another network configuration"
    )]
    Shape {
        /// Name of the tensor.
        name: String,
        /// Shape in the saved state.
        found: Vec<i64>,
        /// Shape the network has.
        expected: Vec<i64>,
    },
}

/// Ordered parameters of one model.
#[derive(Debug, Default)]
pub struct Params {
    list: Vec<Param>,
    pub(crate) units: Vec<NeuronGroup>,
    /// What the last step made anew.
    pub(crate) fresh: Vec<Fresh>,
    /// Functions of weights that layers multiply with, in order of creation.
    reparams: Vec<(ParamId, Arc<dyn Reparam>)>,
    /// Their results, where values stay as they are ([`Params::fold`]).
    folded: Vec<(ParamId, Tensor)>,
    in_heads: bool,
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
        self.list.push(Param { name, role, init, value, head, birth: 0, moments });
        ParamId(self.list.len() - 1)
    }

    /// Whether what is added from now on belongs to an output head.
    pub fn in_heads(&mut self, yes: bool) {
        self.in_heads = yes;
    }

    /// The value of a parameter.
    pub fn get(&self, id: ParamId) -> &Tensor {
        &self.list[id.0].value
    }

    /// The distribution a parameter was drawn from.
    pub fn init(&self, id: ParamId) -> Init {
        self.list[id.0].init
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

    pub(crate) fn trainable_mut(&mut self) -> impl Iterator<Item = &mut Param> {
        self.list.iter_mut().filter(|p| p.role.is_trainable())
    }

    /// Number of learned scalars.
    pub fn count(&self) -> usize {
        self.trainable().map(|p| p.value.numel()).sum()
    }

    /// What a copy of the network computes with: learned values and buffers.
    fn sent(&self) -> impl Iterator<Item = &Param> {
        self.list.iter().filter(|p| p.role != Role::State)
    }

    /// Learned values and buffers one after another, on the host.
    pub fn to_flat(&self) -> Arc<[f32]> {
        let mut flat = vec![0f32; self.sent().map(|p| p.value.numel()).sum()];
        let mut rest = flat.as_mut_slice();
        for p in self.sent() {
            let n = p.value.numel();
            let host = p.value.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
            host.copy_data(&mut rest[..n], n);
            rest = &mut rest[n..];
        }
        flat.into()
    }

    /// Reverse of [`Params::to_flat`].
    ///
    /// # Panics
    /// If `flat` has another length: it came from another network.
    pub fn load_flat(&mut self, flat: &[f32]) {
        let wanted: usize = self.sent().map(|p| p.value.numel()).sum();
        assert_eq!(flat.len(), wanted, "a snapshot of another network");
        let _guard = no_grad_guard();
        let mut rest = flat;
        for p in self.list.iter_mut().filter(|p| p.role != Role::State) {
            let (head, tail) = rest.split_at(p.value.numel());
            let size = p.value.size();
            p.value.copy_(&Tensor::from_slice(head).view(size.as_slice()));
            rest = tail;
        }
        if !self.folded.is_empty() {
            self.fold();
        }
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

    /// The name of a parameter.
    pub fn name(&self, id: ParamId) -> &str {
        &self.list[id.0].name
    }

    /// Polyak average in place: `self <- (1 - tau) * self + tau * source`, and a copy with a `tau` of 1. Buffers that have
    /// no average follow by their own rule: directions of a weight by an iteration on the averaged weight.
    pub fn polyak_update(&mut self, source: &Params, tau: f64) {
        let _guard = no_grad_guard();
        let averaged =
            |p: &&Param| p.role.is_trainable() || p.role == Role::Buffer { averaged: true };
        let targets: Vec<&Tensor> = self.list.iter().filter(averaged).map(|p| &p.value).collect();
        let sources: Vec<&Tensor> = source.list.iter().filter(averaged).map(|p| &p.value).collect();
        fused::lerp_(&targets, &sources, tau);
        if tau < 1.0 {
            return self.advance_reparams(false);
        }
        // In order of creation; a source may also have state of interventions, behind.
        for (p, q) in self.list.iter_mut().zip(&source.list) {
            if p.role == (Role::Buffer { averaged: false }) {
                p.value.copy_(&q.value);
            }
        }
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

    /// A copy of values only, which asks for no gradients: a target network, or an actor's.
    #[must_use]
    pub fn detached_copy(&self) -> Params {
        let list = self
            .list
            .iter()
            .map(|p| Param {
                name: p.name.clone(),
                value: p.value.detach().copy(),
                moments: Vec::new(),
                ..*p
            })
            .collect();
        let (units, reparams) = (self.units.clone(), self.reparams.clone());
        Params { list, units, reparams, ..Params::default() }
    }

    /// Moves every tensor to `device`.
    #[must_use]
    pub fn to_device(self, device: Device) -> Params {
        self.map(|t| t.to_device(device))
    }

    /// Converts every tensor of floats to `kind`: f64 compares formulas with references.
    #[must_use]
    pub fn to_kind(self, kind: Kind) -> Params {
        self.map(|t| if t.is_floating_point() { t.to_kind(kind) } else { t.shallow_clone() })
    }

    fn map(mut self, f: impl Fn(&Tensor) -> Tensor) -> Params {
        for p in &mut self.list {
            let grad = p.value.requires_grad();
            p.value = f(&p.value.detach()).set_requires_grad(grad);
            p.moments = p.moments.iter().map(&f).collect();
        }
        if !self.folded.is_empty() {
            self.fold();
        }
        self
    }

    /// Name of the first tensor that holds a NaN or an infinity.
    pub fn first_non_finite(&self) -> Option<&str> {
        self.list.iter().find(|p| !is_finite(&p.value)).map(|p| p.name.as_str())
    }

    /// Adds values and moments to `out` under `prefix`.
    pub fn save(&self, prefix: &str, out: &mut StateDict) {
        for p in &self.list {
            let host = |t: &Tensor| t.detach().to_device(Device::Cpu).copy();
            out.insert(format!("{prefix}/{}", p.name), host(&p.value));
            for (i, m) in p.moments.iter().enumerate() {
                out.insert(format!("{prefix}/{}#{i}", p.name), host(m));
            }
            if p.birth > 0 {
                let birth = Tensor::from(p.birth as i64);
                out.insert(format!("{prefix}/{}#birth", p.name), birth);
            }
        }
    }

    /// Reverse of [`Params::save`].
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn load(&mut self, prefix: &str, from: &StateDict) -> Result<(), LoadError> {
        let _guard = no_grad_guard();
        for p in &mut self.list {
            let name = format!("{prefix}/{}", p.name);
            copy_from(&mut p.value, &name, from)?;
            for (i, m) in p.moments.iter_mut().enumerate() {
                copy_from(m, &format!("{name}#{i}"), from)?;
            }
            // Only what was drawn again has one.
            let birth = from.get(&format!("{name}#birth"));
            p.birth = birth.map_or(0, |t| t.int64_value(&[]) as u64);
        }
        Ok(())
    }
}

/// Copies `from[name]` into `into`.
///
/// # Errors
/// When it is missing or has another shape.
pub fn copy_from(into: &mut Tensor, name: &str, from: &StateDict) -> Result<(), LoadError> {
    let saved = from.get(name).ok_or_else(|| LoadError::Missing(name.to_owned()))?;
    if saved.size() != into.size() {
        return Err(LoadError::Shape {
            name: name.to_owned(),
            found: saved.size(),
            expected: into.size(),
        });
    }
    into.copy_(saved);
    Ok(())
}

/// Whether every element is finite (always for integer tensors).
pub fn is_finite(t: &Tensor) -> bool {
    !matches!(t.kind(), Kind::Float | Kind::Double | Kind::BFloat16 | Kind::Half)
        || t.detach().isfinite().all().int64_value(&[]) != 0
}
