//! Saved parameters.

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor, no_grad_guard};

use super::Params;

/// Everything a checkpoint stores of a model, by name. CPU tensors.
pub type StateDict = BTreeMap<String, Tensor>;

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

impl Params {
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
            // Only what was reset has one.
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
