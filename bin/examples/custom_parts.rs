//! One part of one's own of every family that a configuration names by `kind`, each added by one line of `main`.
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use supple::networks::{
    forward::Forward,
    init::{Init, InitSettings, Place},
    interventions::{Intervention, InterventionSettings, StepCx},
    layers::{
        Linear,
        activation::Activation,
        norm::{Norm, NormSettings},
        reparam::{Reparam, ReparamSettings, WeightLayers},
    },
    network::{ArchSettings, Network},
    optim::{OptimSettings, StepAt},
    params::{ParamId, Params, Role},
    random::Rng,
    registry::Part,
    trace::Activity,
};
use supple::{Registries, tch::Tensor};

/// The settings of a part, none of which has keys, and what it says of itself.
macro_rules! part {
    ($name:ident, $family:ty, $kind:literal, $summary:literal) => {
        #[derive(Clone, Copy, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct $name {}

        impl Part for $name {
            type Family = $family;

            const KIND: &'static str = $kind;
            const SUMMARY: &'static str = $summary;
            const SOURCE: &'static str = "an example";
        }
    };
}

part!(Softsign, dyn Activation, "softsign", "`x / (1 + |x|)`");

impl Activation for Softsign {
    fn apply(&self, x: &Tensor) -> Tensor {
        x / (x.abs() + 1.0)
    }

    fn activity(&self) -> Activity {
        Activity::Tanh
    }
}

part!(MaxNorm, dyn NormSettings, "max_norm", "by the largest unit of a sample");

impl NormSettings for MaxNorm {
    fn build(
        &self,
        _p: &mut Params,
        _name: &str,
        _width: i64,
        _eps: f64,
        _rng: &mut Rng,
    ) -> Option<Arc<dyn Norm>> {
        Some(Arc::new(*self))
    }
}

impl Norm for MaxNorm {
    fn forward(&self, _fw: &mut Forward<'_>, x: &Tensor) -> Tensor {
        x / x.abs().amax([1i64].as_slice(), true).clamp_min(1e-6)
    }

    fn per_unit(&self) -> Vec<ParamId> {
        Vec::new()
    }
}

part!(SmallUniform, dyn InitSettings, "small_uniform", "uniform in a hundredth");

impl InitSettings for SmallUniform {
    fn weight(&self, _place: &Place) -> Init {
        Init::Uniform(0.01)
    }
}

part!(BoundedWeight, dyn ReparamSettings, "bounded_weight", "layers multiply with `tanh(W)`");

impl ReparamSettings for BoundedWeight {
    fn layers(&self) -> Option<WeightLayers> {
        Some(WeightLayers::Heads)
    }

    fn build(&self, _id: ParamId, _p: &mut Params) -> Arc<dyn Reparam> {
        Arc::new(*self)
    }
}

impl Reparam for BoundedWeight {
    fn effective(&self, w: &Tensor, _p: &Params) -> Tensor {
        w.tanh()
    }

    fn advance(&self, _p: &mut Params, _jumped: bool) {}
}

part!(SignSgd, dyn OptimSettings, "sign_sgd", "steps by the sign of the gradient");

impl OptimSettings for SignSgd {
    fn moments(&self, _value: &Tensor) -> Vec<Tensor> {
        Vec::new()
    }

    fn step(&self, params: &mut Params, grads: &[Tensor], at: &StepAt<'_>) {
        for (param, grad) in params.trainable_mut().zip(grads) {
            param.value -= grad.sign() * at.lr;
        }
    }
}

part!(Patience, dyn InterventionSettings, "patience", "halves every gradient");

impl InterventionSettings for Patience {
    fn build(&self, _p: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for Patience {
    fn gradients(&mut self, _p: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
        for grad in grads {
            *grad *= 0.5;
        }
        cx.count += 1;
    }
}

part!(Linears, dyn ArchSettings, "linears", "one linear layer an output");

impl ArchSettings for Linears {
    fn assemble(
        &self,
        p: &mut Params,
        prefix: &str,
        input: &[i64],
        outputs: &[(&str, i64)],
        rng: &mut Rng,
    ) -> Result<Arc<dyn Network>, String> {
        let width = input.iter().product();
        let layer = |(name, output): &(&str, i64)| {
            let (name, zero) = (format!("{prefix}/{name}"), Some(Init::Constant(0.0)));
            Linear::new(p, &name, Role::Output, width, *output, Init::Lecun, zero, rng)
        };
        Ok(Arc::new(Heads(outputs.iter().map(layer).collect())))
    }

    fn ends(&self) -> (Option<i64>, Option<i64>) {
        (None, None)
    }
}

struct Heads(Vec<Linear>);

impl Network for Heads {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        self.0.iter().map(|head| head.forward(fw.params, x)).collect()
    }
}

fn main() -> std::process::ExitCode {
    let mut registries = Registries::builtin();
    registries.parts.add::<Softsign>();
    registries.parts.add::<MaxNorm>();
    registries.parts.add::<SmallUniform>();
    registries.parts.add::<BoundedWeight>();
    registries.parts.add::<SignSgd>();
    registries.parts.add::<Patience>();
    registries.parts.add::<Linears>();
    supple::run(registries)
}
