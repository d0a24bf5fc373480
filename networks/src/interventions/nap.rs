//! Normalize-and-Project (Lyle et al. 2024, arXiv 2407.01800, section 4): every hidden matrix goes
//! back to its initial Frobenius norm, `W <- ||W_0|| W / ||W||`, after the optimiser's step.
//!
//! A norm follows each such matrix, so the projection leaves the function as it is and stops what
//! growing norms do to learning: an optimiser that moves `W` by about `lr` turns it by `lr / ||W||`.
//! One norm per matrix and not per row, because a layer norm is blind only to the scale of the whole.
//! The output layer is not blind to its scale and is left alone.
//!
//! A bias between matrix and norm is scaled with its matrix, to their joint initial norm. The paper
//! drops such biases; but then a norm on the first layer hides the input's magnitude from the network.
//!
//! Learned gains and offsets of the norms bring free magnitude back. With `joint`, the pair of each
//! norm keeps its initial norm, `sqrt(units)`; that leaves the function's shape alone only for
//! nonlinearities with `f(c x) = c f(x)`, as ReLU. With `pull`, `strength * ||gain - 1||^2 + strength *
//! ||offset||^2` is added to the loss, as its gradient. Networks without them have the safest choice.
//!
//! The paper gives no code; where it leaves room (how often, which gains) the choice is a key.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad_guard};

use super::{Host, Intervention, InterventionSettings, StepCx, settings::at_least_0};
use crate::{
    fused,
    params::{Param, ParamId, Params, Role},
    registry::Part,
};

/// What happens to learned gains and offsets of the norms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NapGains {
    /// Each norm's pair goes back to its initial joint norm.
    Joint {},
    /// A penalty pulls them to where they started.
    Pull {
        /// Coefficient of the squared distance.
        strength: f64,
    },
    /// Nothing.
    Free {},
}

impl Default for NapGains {
    fn default() -> Self {
        NapGains::Joint {}
    }
}

/// `kind = "nap"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nap {
    /// Period in updates.
    pub every_updates: u64,
    /// What happens to learned gains and offsets of the norms.
    pub gains: NapGains,
}

impl Default for Nap {
    fn default() -> Self {
        Nap { every_updates: 1, gains: NapGains::default() }
    }
}

impl Part for Nap {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "nap";
    const SUMMARY: &'static str =
        "`W <- ||W_0|| W / ||W||` for every hidden matrix, together with its bias";
    const SOURCE: &'static str = "Lyle et al. 2024, arXiv 2407.01800, section 4";
}

impl InterventionSettings for Nap {
    fn validate(&self) -> Result<(), String> {
        if self.every_updates == 0 {
            return Err("every_updates is 0; it must be at least 1".to_owned());
        }
        match self.gains {
            NapGains::Pull { strength } => at_least_0("gains.strength", strength),
            NapGains::Joint {} | NapGains::Free {} => Ok(()),
        }
    }

    fn check(&self, host: &Host<'_>) -> Result<(), String> {
        fits(host).map_err(|e| format!("nap cannot work here: {e}"))?;
        if host.later().iter().any(|other| other.kind() == Self::KIND) {
            return Err("nap is in the list twice; once is enough".to_owned());
        }
        if let Some(late) = host.later().iter().find(|other| other.effects().disturbs_norms) {
            let kind = late.kind();
            return Err(format!(
                "{kind} comes after nap and would leave norms that nap must keep; put {kind} before nap"
            ));
        }
        Ok(())
    }

    fn build(&self, p: &mut Params) -> Box<dyn Intervention> {
        let mut groups = pairs(p, Role::ScaleInvariant, Role::Bias);
        if self.gains == (NapGains::Joint {}) {
            groups.extend(pairs(p, Role::NormGain, Role::NormOffset));
        }
        let spheres = groups.into_iter().map(|members| Sphere::new(members, p)).collect();
        Box::new(Projection { settings: *self, spheres })
    }
}

/// Why NaP cannot work on a network, or beside an optimiser.
fn fits(host: &Host<'_>) -> Result<(), String> {
    let p = host.params;
    let layer = |q: &Param| q.name.trim_end_matches("/weight").to_owned();
    let running = |q: &Param| q.role == Role::Buffer { averaged: true };
    if let Some((_, q)) = p.iter().find(|(_, q)| running(q)) {
        return Err(format!(
            "the running statistics of `{}` are of the weights before a projection; take layer_norm or rms_norm",
            q.name
        ));
    }
    if let Some((_, q)) = p.iter().find(|(_, q)| q.role == Role::Hidden) {
        return Err(format!(
            "layer `{}` has no norm before its nonlinearity; give an mlp with `arch.norm`",
            layer(q)
        ));
    }
    if !p.iter().any(|(_, q)| q.role == Role::ScaleInvariant) {
        let message = "there is no hidden matrix with a norm behind it; give an mlp with hidden \
                       layers and `arch.norm`";
        return Err(message.to_owned());
    }
    let decay = host.optim.rule.weight_decay();
    if decay > 0.0 {
        return Err(format!(
            "it keeps norms that optim.weight_decay = {decay} would shrink; set that to 0"
        ));
    }
    Ok(())
}

/// Tensors that share one norm, and that norm at the start (a [`Role::State`] f64 on the CPU).
struct Sphere {
    members: Vec<ParamId>,
    radius: ParamId,
}

struct Projection {
    settings: Nap,
    spheres: Vec<Sphere>,
}

/// Each parameter of the `first` role, with the one of the `second` role if that comes right after it:
/// layers add weight then bias, and gain then offset.
fn pairs(p: &Params, first: Role, second: Role) -> Vec<Vec<ParamId>> {
    let mut out: Vec<Vec<ParamId>> = Vec::new();
    let mut before = None;
    for (id, q) in p.iter() {
        match out.last_mut() {
            Some(pair) if q.role == second && before == Some(first) => pair.push(id),
            _ if q.role == first => out.push(vec![id]),
            _ => {}
        }
        before = Some(q.role);
    }
    out
}

impl Sphere {
    fn new(members: Vec<ParamId>, p: &mut Params) -> Self {
        let radius = joint_norm(&members, p).to_kind(Kind::Double).to_device(tch::Device::Cpu);
        let first = p.iter().find(|(id, _)| *id == members[0]).expect("a member");
        let (name, init) = (format!("{}@radius", first.1.name), first.1.init.clone());
        let radius = p.add_value(name, Role::State, init, &radius);
        Sphere { members, radius }
    }

    /// Scales the members to the initial norm. A group that is all zero stays so.
    fn project(&self, p: &Params) {
        let members: Vec<&Tensor> = self.members.iter().map(|&id| p.get(id)).collect();
        fused::to_norm_(&members, self.radius(p), fused::L2_EPS);
    }

    fn radius(&self, p: &Params) -> f64 {
        p.get(self.radius).double_value(&[])
    }
}

/// 2-norm of all members together, a scalar tensor.
fn joint_norm(members: &[ParamId], p: &Params) -> Tensor {
    let norms: Vec<Tensor> = members.iter().map(|&id| p.get(id).detach().norm()).collect();
    Tensor::stack(&norms, 0).norm()
}

impl Intervention for Projection {
    fn gradients(&mut self, p: &Params, grads: &mut [Tensor], _cx: &mut StepCx<'_>) {
        let NapGains::Pull { strength } = self.settings.gains else { return };
        let _guard = no_grad_guard();
        for (q, grad) in p.trainable().zip(grads) {
            let start = match q.role {
                Role::NormGain => 1.0,
                Role::NormOffset => 0.0,
                _ => continue,
            };
            *grad = &*grad + (&q.value - start) * (2.0 * strength);
        }
    }

    fn weights(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        if !cx.is_due(self.settings.every_updates, false) {
            return;
        }
        cx.count += 1;
        let _guard = no_grad_guard();
        for sphere in &self.spheres {
            sphere.project(p);
        }
        debug_assert!(self.holds(p), "a matrix left its sphere");
    }
}

impl Projection {
    /// NaN is not judged here: the next loss is, with its cause. Zero has no direction: the reader of
    /// units that were all replaced at once stays there until its next gradient.
    fn holds(&self, p: &Params) -> bool {
        self.spheres.iter().all(|s| {
            let norm = joint_norm(&s.members, p).double_value(&[]);
            let error = (norm / s.radius(p) - 1.0).abs();
            norm == 0.0 || error.is_nan() || error <= 1e-5
        })
    }
}
