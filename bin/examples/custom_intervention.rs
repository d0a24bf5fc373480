//! An intervention of one's own behind the whole command line: noise on the gradients.
use serde::{Deserialize, Serialize};
use supple::networks::interventions::{Intervention, InterventionSettings, StepCx};
use supple::networks::{params::Params, random, registry::Part};
use supple::{Registries, tch::Tensor};

/// `interventions = [{ kind = "gradient_noise", std = 0.01 }]`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GradientNoise {
    std: f64,
    decay: f64,
}

impl Default for GradientNoise {
    fn default() -> Self {
        GradientNoise { std: 0.01, decay: 0.55 }
    }
}

impl Part for GradientNoise {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "gradient_noise";
    const SUMMARY: &'static str = "adds normal noise of `std / step^(decay / 2)` to the gradients";
    const SOURCE: &'static str = "Neelakantan et al. 2015, arXiv 1511.06807";
}

impl InterventionSettings for GradientNoise {
    fn validate(&self) -> Result<(), String> {
        if self.std > 0.0 {
            Ok(())
        } else {
            Err(format!("std is {}; it must be above 0", self.std))
        }
    }
    fn build(&self, _params: &mut Params) -> Box<dyn Intervention> {
        Box::new(*self)
    }
}

impl Intervention for GradientNoise {
    fn gradients(&mut self, _params: &Params, grads: &mut [Tensor], cx: &mut StepCx<'_>) {
        let std = self.std * (cx.step as f64).powf(-self.decay / 2.0);
        for grad in grads {
            *grad += random::normal(&grad.size(), cx.rng).to_device(grad.device()) * std;
        }
        cx.count += 1;
    }
}

fn main() -> std::process::ExitCode {
    let mut registries = Registries::builtin();
    registries.parts.add::<GradientNoise>();
    supple::run(registries)
}
