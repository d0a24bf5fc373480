//! Copies of parameters: for actors, for targets, on other devices.

use std::sync::Arc;

use tch::{Device, Kind, Tensor, no_grad_guard};

use super::{
    Params,
    param::{Param, Role},
};
use crate::fused;

impl Params {
    /// What a copy of the network computes with: learned values and buffers.
    fn sent(&self) -> impl Iterator<Item = &Param> {
        self.list.iter().filter(|p| p.role != Role::State)
    }

    /// Learned values and buffers one after another, on the host.
    pub fn to_flat(&self) -> Arc<[f32]> {
        let mut flat = Vec::with_capacity(self.sent().map(|p| p.value.numel()).sum());
        for p in self.sent() {
            if let Some(values) = fused::host_f32(&p.value) {
                flat.extend_from_slice(values);
                continue;
            }
            let host = p.value.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous();
            flat.extend_from_slice(
                fused::host_f32(&host).unwrap_or_else(|| unreachable!("it was made so")),
            );
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
            rest = tail;
            if let Some(values) = fused::host_f32_mut(&mut p.value) {
                values.copy_from_slice(head);
                fused::changed_(&[&p.value]);
                continue;
            }
            let size = p.value.size();
            p.value.copy_(&Tensor::from_slice(head).view(size.as_slice()));
        }
        if !self.folded.is_empty() {
            self.fold();
        }
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

    /// A copy of values only, which asks for no gradients: a target network, or an actor's.
    #[must_use]
    pub fn detached_copy(&self) -> Params {
        let list = self
            .list
            .iter()
            .map(|p| Param {
                name: p.name.clone(),
                role: p.role,
                init: p.init.clone(),
                value: p.value.detach().copy(),
                head: p.head,
                birth: p.birth,
                lr_factor: p.lr_factor,
                decays: p.decays,
                moments: Vec::new(),
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
}
