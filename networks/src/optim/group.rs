//! Parameters that an optimiser steps in another way than the rest, chosen by what they are to the network.

use serde::{Deserialize, Serialize};

use crate::params::{Param, Role};

/// An entry of `optim.groups`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// What the parameters are.
    pub roles: Vec<GroupRole>,
    /// Factor on the learning rate.
    #[serde(default = "one")]
    pub lr_factor: f64,
    /// Whether the optimiser's weight decay acts on them.
    #[serde(default = "yes")]
    pub weight_decay: bool,
}

fn one() -> f64 {
    1.0
}

fn yes() -> bool {
    true
}

/// The roles of parameters that gradients change, as a configuration names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupRole {
    /// Weights of hidden layers, with a norm behind them or without.
    Hidden,
    /// Weights of output layers.
    Output,
    /// Weights with rows of unit length.
    Hyperspherical,
    /// Learned elementwise factors.
    Scaler,
    /// Biases.
    Bias,
    /// Gains of norms.
    NormGain,
    /// Offsets of norms.
    NormOffset,
}

impl GroupRole {
    /// As a configuration spells it.
    fn name(self) -> &'static str {
        match self {
            GroupRole::Hidden => "hidden",
            GroupRole::Output => "output",
            GroupRole::Hyperspherical => "hyperspherical",
            GroupRole::Scaler => "scaler",
            GroupRole::Bias => "bias",
            GroupRole::NormGain => "norm_gain",
            GroupRole::NormOffset => "norm_offset",
        }
    }

    fn of(role: Role) -> Option<GroupRole> {
        Some(match role {
            Role::Hidden | Role::ScaleInvariant => GroupRole::Hidden,
            Role::Output => GroupRole::Output,
            Role::Hyperspherical => GroupRole::Hyperspherical,
            Role::Scaler => GroupRole::Scaler,
            Role::Bias => GroupRole::Bias,
            Role::NormGain => GroupRole::NormGain,
            Role::NormOffset => GroupRole::NormOffset,
            Role::Scalar | Role::Buffer { .. } | Role::State => return None,
        })
    }
}

impl Group {
    /// The group of a parameter: the first that names its role.
    pub(super) fn find<'a>(groups: &'a [Group], param: &Param) -> Option<&'a Group> {
        let role = GroupRole::of(param.role)?;
        groups.iter().find(|group| group.roles.contains(&role))
    }
}

/// # Errors
/// One sentence about the first number that cannot work or group that does nothing, beginning with its key.
pub(super) fn check(groups: &[Group], weight_decay: f64) -> Result<(), String> {
    let mut seen = Vec::new();
    for (i, group) in groups.iter().enumerate() {
        if group.roles.is_empty() {
            return Err(format!("groups[{i}].roles is empty; name at least one"));
        }
        if let Some(role) = group.roles.iter().find(|role| seen.contains(role)) {
            let role = role.name();
            return Err(format!("groups[{i}].roles has {role} a second time; name each once"));
        }
        seen.extend(&group.roles);
        if !(group.lr_factor >= 0.0 && group.lr_factor.is_finite()) {
            let factor = group.lr_factor;
            return Err(format!("groups[{i}].lr_factor is {factor}; it must be at least 0"));
        }
        if !group.weight_decay && weight_decay == 0.0 {
            return Err(format!(
                "groups[{i}].weight_decay = false does nothing without optim.weight_decay; leave it out"
            ));
        }
        if group.weight_decay && group.lr_factor == 1.0 {
            return Err(format!(
                "groups[{i}] changes nothing; give lr_factor or weight_decay = false"
            ));
        }
    }
    Ok(())
}
