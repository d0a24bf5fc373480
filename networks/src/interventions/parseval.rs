//! Parseval regularisation (Chung et al. 2024, arXiv 2412.07224, equation 1): the rows of hidden weights are
//! pulled towards orthogonality and one length, `strength * ||W W^T - scale I||_F^2` per layer, added to the
//! loss.
//!
//! Rows of a matrix with more rows than columns cannot all be orthogonal; the pull is then towards a tight
//! frame and its loss has a floor. The output layer is left alone, as in the paper. The paper adds learned
//! diagonal layers behind each matrix, which give back the scale that the pull takes; here that is
//! `arch.norm` with its gains, or nothing.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Host, Intervention, InterventionSettings, StepCx, settings::at_least_0};
use crate::{
    params::{Params, Role},
    registry::Part,
};

/// `kind = "parseval"`
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parseval {
    /// Coefficient of the squared distance.
    pub strength: f64,
    /// The squared length that rows are pulled to.
    pub scale: f64,
}

impl Default for Parseval {
    /// Our reading of the paper; 2 is the squared gain of orthogonal hidden layers.
    fn default() -> Self {
        Parseval { strength: 1e-3, scale: 2.0 }
    }
}

impl Part for Parseval {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "parseval";
    const SUMMARY: &'static str =
        "adds `strength ||W W^T - scale I||^2` of every hidden matrix to the loss";
    const SOURCE: &'static str = "Chung et al. 2024, arXiv 2412.07224";
}

impl InterventionSettings for Parseval {
    fn validate(&self) -> Result<(), String> {
        at_least_0("strength", self.strength)?;
        if self.scale > 0.0 && self.scale.is_finite() {
            return Ok(());
        }
        Err(format!("scale is {}; it must be greater than 0", self.scale))
    }

    fn check(&self, host: &Host<'_>) -> Result<(), String> {
        if host.params.iter().any(|(_, q)| pulled(q.role)) {
            return Ok(());
        }
        let rows = if host.params.iter().any(|(_, q)| q.role == Role::Hyperspherical) {
            "the rows of this network keep unit length whatever the loss says"
        } else {
            "there is no hidden matrix; give an mlp hidden layers"
        };
        Err(format!("{} cannot work here: {rows}", Self::KIND))
    }

    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

fn pulled(role: Role) -> bool {
    matches!(role, Role::Hidden | Role::ScaleInvariant)
}

impl Intervention for Parseval {
    fn loss_term(&mut self, p: &Params, cx: &mut StepCx<'_>) -> Option<Tensor> {
        cx.count += 1;
        let terms = p.iter().filter(|(_, q)| pulled(q.role)).map(|(_, q)| {
            let w = q.value.flatten(1, -1); // [out, in]
            let identity = Tensor::eye(w.size()[0], (w.kind(), w.device()));
            let gap = w.matmul(&w.tr()) - identity * self.scale; // [out, out]
            gap.square().sum(None::<Kind>)
        });
        terms.reduce(|a, b| a + b).map(|sum| sum * self.strength)
    }
}
