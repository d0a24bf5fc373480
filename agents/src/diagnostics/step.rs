//! What one gradient step did. [`Model::minimize`](networks::model::Model::minimize) measures it while it steps
//! (`Clock::look`), because the weights before the step are gone afterwards; this describes the numbers.

use super::diagnostic::Diagnostic;
use crate::logging::descriptor::{
    Descriptor,
    Line::{All, Whole},
    Tier,
};

const DESCRIPTORS: &[Descriptor] = &[
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/grad_norm",
        Tier::Units,
        "2-norm",
        "2-norm of the loss's gradient by a layer's weight; `_global`: by everything.",
    )
    .charts(&[Whole("Gradient norm")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/gradient_dormant",
        Tier::Units,
        "fraction",
        "Hidden layers: fraction of units whose mean absolute gradient is at most 0.01 of the layer's average, whatever the nonlinearity; `_global`: over all units.",
    )
    .source("GraMa, arXiv 2505.24061")
    .charts(&[Whole("Dormant gradients")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/grad_l1",
        Tier::Units,
        "1-norm",
        "Sum of the absolute gradient. Beside `grad_norm` it tells a gradient that vanished from one that is sparse.",
    )
    .source("Abbas et al. 2023, arXiv 2303.07507"),
    Descriptor::diagnostic(
        "plasticity/NET/_global/grad_max",
        Tier::Units,
        "gradient",
        "Largest element of the gradient in size.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/grad_tiny",
        Tier::Units,
        "fraction",
        "Fraction of the gradient below 1e-8 in size.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/relative_update",
        Tier::Units,
        "ratio",
        "`||dW|| / ||W||` of the optimiser's step.",
    )
    .charts(&[All("Relative size of an update")]),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/growth",
        Tier::Units,
        "ratio",
        "`||W + dW|| / ||W|| - 1` of the optimiser's step: what a projection takes back.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/rotation_unprojected",
        Tier::Units,
        "radians",
        "Angle by which the optimiser's step turned the weight: the effective learning rate of a weight whose scale does not matter.",
    )
    .source("Kosson et al. 2023, arXiv 2305.17212"),
    Descriptor::diagnostic(
        "plasticity/NET/LAYER/rotation",
        Tier::Units,
        "radians",
        "The same after interventions and projections; `_global`: mean over layers.",
    )
    .charts(&[All("Rotation of the weights")]),
    Descriptor::diagnostic(
        "plasticity/NET/_global/adam_signal",
        Tier::Units,
        "ratio",
        "Mean of `m^2 / v` of Adam's moments, bias corrected: 1 if gradients repeat, near `(1 - beta1) / (1 + beta1)` if they are noise.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/adam_below_eps",
        Tier::Units,
        "fraction",
        "Fraction of weights whose step is set by Adam's `eps`.",
    ),
    Descriptor::diagnostic(
        "plasticity/NET/_global/adam_largest_step",
        Tier::Units,
        "ratio",
        "Largest update over the learning rate.",
    )
    .source("Lyle et al. 2023, arXiv 2303.01486"),
];

pub(super) struct Step;

impl Diagnostic for Step {
    fn descriptors(&self) -> &[Descriptor] {
        DESCRIPTORS
    }
}
