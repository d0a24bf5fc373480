//! Continual backprop (Dohare et al. 2024, "Loss of plasticity in deep continual learning", Nature
//! 632, Algorithm 1): after every step, each layer's units of least use are replaced, a fraction
//! `replacement_rate` of those older than `maturity_threshold` updates.
//!
//! With `h` the activations `[B, n]` behind the gradient, `W_in [n, d]` and `W_out [k, n]` after the
//! optimiser's step, `a` the ages, and `eta` = `decay_rate`, all per unit:
//!
//! ```text
//! f <- eta f + (1 - eta) mean_b h                     f^ = f / (1 - eta^a)
//! u <- eta u + (1 - eta) instantaneous utility        u^ = u / (1 - eta^a)
//! ```
//!
//! and those with the least `u^` go. [`crate::neurons`] says what replacing a unit means.
//!
//! Where the paper and its code differ we follow the code: `mean |W_out|` instead of the sum (the
//! order within a layer is the same), bias correction by age, only mature units are eligible. Against
//! the code: new weights follow the layer's own distribution; the mean contribution does go over to the
//! biases of the layers behind (there it is zeroed first, so that nothing goes over); moments and bias correction
//! of a new unit start again, by the published rule of Adam (there, a factor of it is lost).

use rand::RngExt;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::{Effects, Intervention, InterventionSettings, NeuronStats, StepCx};
use crate::{
    fused,
    init::Init,
    params::{ParamId, Params, Role},
    registry::Part,
    unread::unread,
};

/// What the use of a unit is. `o = mean_k |W_out|` and `r = mean_j |W_in|` of the unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Utility {
    /// `o mean_b |h|`: the paper's.
    #[default]
    Contribution,
    /// `o mean_b |h - f^|`
    ZeroContribution,
    /// `o mean_b |h - f^| / r`: the code's, in supervised experiments.
    AdaptableContribution,
    /// `1 / r`
    Adaptation,
    /// `mean_b |h - f^| / r`
    FeatureByInput,
    /// `o`
    Weight,
    /// Uniform in `[0, 1)`, drawn at every update: a control.
    Random,
}

impl Utility {
    /// Whether it is about deviations from a unit's mean, `|h - f^|`, instead of `|h|`.
    pub fn is_centred(self) -> bool {
        use Utility::{AdaptableContribution, FeatureByInput, ZeroContribution};
        matches!(self, ZeroContribution | AdaptableContribution | FeatureByInput)
    }

    fn reads_incoming(self) -> bool {
        matches!(
            self,
            Utility::AdaptableContribution | Utility::Adaptation | Utility::FeatureByInput
        )
    }

    /// From `o`, `r` and `size`, which is `mean_b |h|` or, if centred, `mean_b |h - f^|`. 0 of `Random`,
    /// which is drawn instead.
    pub fn of(self, out: f64, incoming: f64, size: f64) -> f64 {
        match self {
            Utility::Contribution | Utility::ZeroContribution => out * size,
            Utility::AdaptableContribution => out * size / incoming,
            Utility::Adaptation => incoming.recip(),
            Utility::FeatureByInput => size / incoming,
            Utility::Weight => out,
            Utility::Random => 0.0,
        }
    }
}

/// `kind = "cbp"`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cbp {
    /// What the use of a unit is.
    pub utility: Utility,
    /// Fraction of the mature units of each layer that is replaced per update.
    pub replacement_rate: f64,
    /// Neurons of at most this age, in updates, are left alone.
    pub maturity_threshold: u64,
    /// Decay of the running averages; 0 takes the last minibatch alone.
    pub decay_rate: f64,
    /// Fractions of a unit add up over updates; otherwise each is a probability.
    pub accumulate: bool,
    /// A unit's mean contribution goes over to the biases of the layers behind, where they have any.
    pub transfer_mean: bool,
}

impl Default for Cbp {
    /// A tenth of the rate that the paper takes in PPO with 256 units; the rest is as there.
    fn default() -> Self {
        Cbp {
            utility: Utility::default(),
            replacement_rate: 1e-5,
            maturity_threshold: 10_000,
            decay_rate: 0.99,
            accumulate: true,
            transfer_mean: true,
        }
    }
}

impl Part for Cbp {
    type Family = dyn InterventionSettings;

    const KIND: &'static str = "cbp";
    const SUMMARY: &'static str =
        "replaces the units of least utility among the mature, a fraction of them";
    const SOURCE: &'static str = "Dohare et al. 2024, Nature 632, Algorithm 1";
}

impl InterventionSettings for Cbp {
    fn validate(&self) -> Result<(), String> {
        for (key, value, ok, range) in [
            (
                "replacement_rate",
                self.replacement_rate,
                self.replacement_rate > 0.0 && self.replacement_rate <= 1.0,
                "in (0, 1]",
            ),
            ("decay_rate", self.decay_rate, (0.0..1.0).contains(&self.decay_rate), "in [0, 1)"),
        ] {
            if !ok {
                return Err(format!("{key} is {value}; it must be {range}"));
            }
        }
        if self.utility == Utility::Random && !self.transfer_mean {
            let (default, beside) =
                (Cbp::default().decay_rate, "utility = \"random\" and transfer_mean = false");
            unread("decay_rate", &self.decay_rate, &default, beside)?;
        }
        Ok(())
    }

    fn effects(&self) -> Effects {
        Effects { replaces_neurons: true, disturbs_norms: true }
    }

    fn build(&self, p: &mut Params) -> Box<dyn Intervention> {
        p.remember_births();
        let layers: Vec<(String, i64)> =
            p.neurons().iter().map(|u| (u.layer.clone(), p.get(u.incoming).size()[0])).collect();
        let groups = layers
            .into_iter()
            .map(|(layer, n)| {
                let mut state = |what: &str, shape: &[i64]| {
                    let zeros = Tensor::zeros(shape, (Kind::Double, tch::Device::Cpu));
                    let name = format!("{layer}@{what}");
                    p.add_value(name, Role::State, Init::Constant(0.0), &zeros)
                };
                Group {
                    mean: state("mean", &[n]),
                    utility: state("utility", &[n]),
                    replacement_accumulator: state("replacement_accumulator", &[]),
                }
            })
            .collect();
        Box::new(Replacing { config: *self, groups })
    }
}

/// The state of one group of units: f64, on the CPU.
struct Group {
    /// Running averages `f` and `u`, `[n]` each.
    mean: ParamId,
    utility: ParamId,
    /// Fractions of a unit that are due, a scalar.
    replacement_accumulator: ParamId,
}

struct Replacing {
    config: Cbp,
    /// In the order of [`Params::neurons`].
    groups: Vec<Group>,
}

impl Replacing {
    /// Brings a group's averages up to date; `(f^, u^)` of every unit.
    fn observe(
        &self,
        index: usize,
        ages: &[u64],
        p: &mut Params,
        cx: &mut StepCx<'_>,
    ) -> (Vec<f64>, Vec<f64>) {
        let (eta, utility) = (self.config.decay_rate, self.config.utility);
        let (group, units) = (&self.groups[index], p.neurons()[index].clone());
        let h = cx.activations(&units.layer); // [B, n]
        let correction = corrections(eta, ages);
        let (mean, mut size) = fused::column_means(&h, &vec![0.0; ages.len()]);
        let f = fused::host_slice::<f64>(p.get_mut(group.mean));
        for ((f, &age), mean) in f.iter_mut().zip(ages).zip(&mean) {
            // Who was replaced since the last step, by whatever method, starts from nothing.
            let before = if age <= 1 { 0.0 } else { *f };
            *f = eta * before + (1.0 - eta) * mean;
        }
        let f_hat: Vec<f64> = f.iter().zip(&correction).map(|(f, c)| f / c).collect();
        if utility.is_centred() {
            (_, size) = fused::column_means(&h, &f_hat);
        }
        let out = outgoing(p, &units);
        let incoming = if utility.reads_incoming() {
            let w = p.get(units.incoming).detach().abs().to_kind(Kind::Double);
            let mean = w.mean_dim(Some([1i64].as_slice()), false, Kind::Double);
            Vec::try_from(&mean).expect("one f64 per unit")
        } else {
            vec![1.0; ages.len()]
        };
        let u = fused::host_slice::<f64>(p.get_mut(group.utility));
        for (i, u) in u.iter_mut().enumerate() {
            let before = if ages[i] <= 1 { 0.0 } else { *u };
            *u = eta * before + (1.0 - eta) * utility.of(out[i], incoming[i], size[i]);
        }
        let u_hat = if utility == Utility::Random {
            ages.iter().map(|_| cx.rng.random()).collect()
        } else {
            u.iter().zip(&correction).map(|(u, c)| u / c).collect()
        };
        (f_hat, u_hat)
    }

    /// The units to replace: the least useful among the mature, as many as are due.
    fn choose(
        &self,
        index: usize,
        ages: &[u64],
        u_hat: &[f64],
        p: &mut Params,
        cx: &mut StepCx<'_>,
    ) -> Vec<usize> {
        let mature = |&i: &usize| ages[i] > self.config.maturity_threshold;
        let mut eligible: Vec<usize> = (0..ages.len()).filter(mature).collect();
        if eligible.is_empty() {
            return eligible;
        }
        let due = self.config.replacement_rate * eligible.len() as f64;
        let count = if self.config.accumulate {
            let accumulator = p.get_mut(self.groups[index].replacement_accumulator);
            let accumulated = &mut fused::host_slice::<f64>(accumulator)[0];
            *accumulated += due;
            let whole = accumulated.floor();
            *accumulated -= whole;
            whole
        } else if due < 1.0 {
            f64::from(u8::from(cx.rng.random::<f64>() < due))
        } else {
            due.floor()
        };
        if count > 0.0 {
            eligible.sort_by(|&i, &j| u_hat[i].total_cmp(&u_hat[j]));
        }
        eligible.truncate(count as usize);
        eligible
    }
}

impl Intervention for Replacing {
    fn weights(&mut self, p: &mut Params, cx: &mut StepCx<'_>) {
        let _guard = tch::no_grad_guard();
        for index in 0..self.groups.len() {
            let ages: Vec<u64> = p.births(index).iter().map(|&b| cx.step - b as u64).collect();
            let (f_hat, u_hat) = self.observe(index, &ages, p, cx);
            let chosen = self.choose(index, &ages, &u_hat, p, cx);
            if chosen.is_empty() {
                continue;
            }
            let mean: Vec<f64> = chosen.iter().map(|&i| f_hat[i]).collect();
            for &i in &chosen {
                fused::host_slice::<f64>(p.get_mut(self.groups[index].mean))[i] = 0.0;
                fused::host_slice::<f64>(p.get_mut(self.groups[index].utility))[i] = 0.0;
            }
            let mean = self.config.transfer_mean.then_some(mean.as_slice());
            p.replace_units(index, &chosen, cx.step, mean, cx.rng);
            cx.count += chosen.len() as u64;
        }
    }

    fn neuron_stats(&self, p: &Params, step: u64) -> Vec<NeuronStats> {
        let mut out = Vec::new();
        for (index, units) in p.neurons().iter().enumerate() {
            let mut add = |measure, values| {
                out.push(NeuronStats { layer: units.layer.clone(), measure, values });
            };
            let utility = p.get(self.groups[index].utility);
            add("utility", Vec::try_from(utility).expect("f64 on the CPU"));
            let ages = p.ages(index, step).expect("births are remembered");
            let mature = ages.iter().filter(|&&a| a > self.config.maturity_threshold as f64);
            add("mature", vec![mature.count() as f64 / ages.len() as f64]);
        }
        out
    }
}

/// `1 - eta^age`; of an age of 0, whose averages are 0, 1.
fn corrections(eta: f64, ages: &[u64]) -> Vec<f64> {
    let mut last = (u64::MAX, 1.0);
    let one = |&age: &u64| {
        // Most neighbours are of one age.
        if age != last.0 {
            last = (age, if age == 0 { 1.0 } else { 1.0 - eta.powf(age as f64) });
        }
        last.1
    };
    ages.iter().map(one).collect()
}

/// `mean_k |W_out|` of every unit, over all layers behind.
fn outgoing(p: &Params, units: &crate::neurons::NeuronGroup) -> Vec<f64> {
    let n = p.get(units.incoming).size()[0] as usize;
    let (mut sum, mut rows) = (vec![0.0; n], 0.0);
    for reader in &units.outgoing {
        let w = p.get(reader.weight);
        let k = w.size()[0] as f64;
        let (_, mean) = fused::column_means(w, &vec![0.0; n]);
        for (sum, mean) in sum.iter_mut().zip(mean) {
            *sum += k * mean;
        }
        rows += k;
    }
    sum.iter().map(|s| s / rows).collect()
}
