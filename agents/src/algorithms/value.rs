//! What a critic's outputs say of a return: one number, or a distribution over numbers.
//!
//! Everything else about values is the same in both cases: the mean decides, the lowest of several
//! critics is trusted, and the target is `r + discount * (return from the next state - cost)`.

use networks::{
    categorical::{Support, cross_entropy},
    random::{self, Rng},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Reduction, Tensor, no_grad_guard};

/// `[agent.value]`. `W` below is [`ValueConfig::width`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ValueConfig {
    /// One number, by the error between numbers.
    Scalar {},
    /// Probabilities on a grid, by cross-entropy (C51, arXiv 1707.06887).
    Categorical(Support),
}

impl Default for ValueConfig {
    fn default() -> Self {
        ValueConfig::Scalar {}
    }
}

impl ValueConfig {
    /// # Errors
    /// One sentence about the first number that cannot work.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            ValueConfig::Scalar {} => Ok(()),
            ValueConfig::Categorical(support) => support.validate(),
        }
    }

    /// Network outputs per value: 1, or the logits of the bins.
    pub fn width(&self) -> i64 {
        match self {
            ValueConfig::Scalar {} => 1,
            ValueConfig::Categorical(support) => support.bins,
        }
    }

    /// The expected return that outputs mean: `[.., W] -> [..]`.
    pub fn mean(&self, outputs: &Tensor) -> Tensor {
        match self {
            ValueConfig::Scalar {} => outputs.squeeze_dim(-1),
            ValueConfig::Categorical(support) => support.mean(outputs),
        }
    }

    /// The smallest of several critics' expected returns: each `[B, W]`, to `[B]`.
    ///
    /// # Panics
    /// Without a critic.
    pub fn min_q(&self, critics: &[Tensor]) -> Tensor {
        let means = critics.iter().map(|outputs| self.mean(outputs));
        means.reduce(|a, b| a.minimum(&b)).expect("at least one critic")
    }

    /// For each sample the outputs of the critic with the smallest expected return: each `[B, W]`,
    /// to `[B, W]`. A whole distribution is chosen, never mixed from several.
    pub fn min_critic(&self, critics: &[Tensor]) -> Tensor {
        if let [one] = critics {
            return one.shallow_clone();
        }
        let all = Tensor::stack(critics, 0); // [E, B, W]
        let index = self.mean(&all).argmin(0, true).unsqueeze(2); // [1, B, 1]
        let index = index.expand([1, -1, self.width()], false);
        all.gather(0, &index, false).squeeze_dim(0)
    }

    /// What the outputs at a state should move to, given the outputs `next` `[B, W]` at the next one:
    /// `reward + discount * (return - cost)`, all `[B]`, as numbers `[B]` or probabilities `[B, N]`.
    ///
    /// The cost (SAC's `alpha * log pi`) shifts every value of a distribution alike.
    pub fn target(
        &self,
        next: &Tensor,
        reward: &Tensor,
        discount: &Tensor,
        cost: Option<&Tensor>,
    ) -> Tensor {
        match self {
            ValueConfig::Scalar {} => {
                let value = next.squeeze_dim(1);
                reward + discount * cost.map_or_else(|| value.shallow_clone(), |c| &value - c)
            }
            ValueConfig::Categorical(support) => {
                let values = support.values(next).unsqueeze(0); // [1, N]
                let values = match cost {
                    Some(cost) => values - cost.unsqueeze(1),
                    None => values,
                }; // [B or 1, N]
                let values = reward.unsqueeze(1) + discount.unsqueeze(1) * values; // [B, N]
                support.project(&next.softmax(-1, None::<Kind>), &values)
            }
        }
    }

    /// The expected return of a [`ValueConfig::target`]: to `[B]`.
    pub fn target_mean(&self, target: &Tensor) -> Tensor {
        match self {
            ValueConfig::Scalar {} => target.shallow_clone(),
            ValueConfig::Categorical(support) => support.expectation(target),
        }
    }

    /// Mean loss of outputs `[B, W]` against a target, each sample's times its weight where there are
    /// weights `[B]`: `number` gives that of two `[B]`s of numbers, as their mean or for each.
    pub fn loss(
        &self,
        outputs: &Tensor,
        target: &Tensor,
        weights: Option<&Tensor>,
        number: impl Fn(&Tensor, &Tensor, Reduction) -> Tensor,
    ) -> Tensor {
        let each = match (self, weights) {
            // Reduced by the loss itself, whose gradient has other last bits than that of a mean of many.
            (ValueConfig::Scalar {}, None) => {
                return number(&outputs.squeeze_dim(1), target, Reduction::Mean);
            }
            (ValueConfig::Scalar {}, Some(_)) => {
                number(&outputs.squeeze_dim(1), target, Reduction::None)
            }
            (ValueConfig::Categorical(_), _) => cross_entropy(outputs, target),
        };
        match weights {
            Some(weights) => (each * weights).mean(None::<Kind>),
            None => each.mean(None::<Kind>),
        }
    }

    /// The size of each sample's error, `[B]`, by which replay can be prioritised: of temporal-difference
    /// errors of numbers, and the cross-entropy of distributions, which is the loss (as Rainbow does,
    /// arXiv 1710.02298, with the divergence: less the target's entropy).
    pub fn errors(&self, outputs: &Tensor, target: &Tensor) -> Tensor {
        let _guard = no_grad_guard();
        match self {
            ValueConfig::Scalar {} => (outputs.squeeze_dim(1) - target).abs(),
            ValueConfig::Categorical(_) => cross_entropy(outputs, target),
        }
    }

    /// The least that [`ValueConfig::loss`] can be against a target, whatever the outputs: the mean entropy of its
    /// distributions, 0 for numbers.
    pub fn floor(&self, target: &Tensor) -> f64 {
        match self {
            ValueConfig::Scalar {} => 0.0,
            ValueConfig::Categorical(_) => {
                let entropy = -target.xlogy(target).sum_dim_intlist(-1, false, Kind::Double);
                entropy.mean(None::<Kind>).double_value(&[])
            }
        }
    }

    /// Negative log-likelihood of labels drawn from what outputs `[B, W]` predict, by their mean:
    /// a number with unit variance around them, or a bin.
    pub fn sampled_label_nll(&self, outputs: &Tensor, rng: &mut Rng) -> Tensor {
        match self {
            ValueConfig::Scalar {} => sampled_number_nll(outputs, rng),
            ValueConfig::Categorical(_) => {
                // The bin of the largest logit plus Gumbel noise is a draw from the softmax.
                let u = random::uniform(&outputs.size(), f64::MIN_POSITIVE, 1.0, rng);
                let gumbel = -(-u.log()).log().to_device(outputs.device());
                let label = (outputs.detach() + gumbel.to_kind(outputs.kind())).argmax(-1, true);
                -outputs.log_softmax(-1, None::<Kind>).gather(-1, &label, false).mean(None::<Kind>)
            }
        }
    }

    /// Mean mass of a target in the two outermost bins: values beyond the support were clipped there.
    pub fn boundary_mass(&self, target: &Tensor) -> Option<f64> {
        let ValueConfig::Categorical(support) = self else { return None };
        let edges = target.select(1, 0) + target.select(1, support.bins - 1);
        Some(edges.mean(None::<Kind>).double_value(&[]))
    }
}

/// Negative log-likelihood, up to a constant, of numbers drawn with unit variance around `outputs`:
/// half the squared distance, summed over a row and averaged over rows.
pub fn sampled_number_nll(outputs: &Tensor, rng: &mut Rng) -> Tensor {
    let z = random::normal(&outputs.size(), rng).to_device(outputs.device());
    let label = outputs.detach() + z.to_kind(outputs.kind());
    (outputs - label).square().sum_dim_intlist(-1, false, None::<Kind>).mean(None::<Kind>) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(t: &Tensor) -> Vec<f32> {
        Vec::try_from(&t.flatten(0, -1)).unwrap()
    }

    #[test]
    fn the_lowest_of_numbers_is_the_minimum() {
        let column = |x: [f32; 3]| Tensor::from_slice(&x).view([3, 1]);
        let q = [column([1.0, 5.0, -3.0]), column([2.0, 4.0, -4.0]), column([0.0, 9.0, -2.0])];
        let value = ValueConfig::Scalar {};
        for (n, lowest) in [(1, [1.0, 5.0, -3.0]), (2, [1.0, 4.0, -4.0]), (3, [0.0, 4.0, -4.0])] {
            assert_eq!(value.min_critic(&q[..n]).size(), [3, 1]);
            assert_eq!(host(&value.min_critic(&q[..n])), lowest, "{n} critics");
            assert_eq!(value.min_q(&q[..n]).size(), [3]);
            assert_eq!(host(&value.min_q(&q[..n])), lowest, "{n} critics");
        }
    }

    /// The vector is `excess_loss` of the reference: the same formula in `NumPy`.
    #[test]
    fn the_floor_of_a_cross_entropy_is_the_entropy_of_its_target() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/golden/excess_loss.json")).unwrap();
        let rows = |key: &str| -> Tensor {
            let rows: Vec<Vec<f64>> = serde_json::from_value(vector[key].clone()).unwrap();
            Tensor::from_slice2(&rows)
        };
        let value = ValueConfig::Categorical(Support { bins: 6, min: -1.0, max: 1.0 });
        let (logits, target) = (rows("logits"), rows("target"));
        let loss = value.loss(&logits, &target, None, |_, _, _| unreachable!()).double_value(&[]);
        let floor = value.floor(&target);
        for (got, key) in [(loss, "cross_entropy"), (floor, "floor"), (loss - floor, "excess")] {
            assert!((got - vector[key].as_f64().unwrap()).abs() < 1e-12, "{key}: {got}");
        }
        // Reached where the outputs are the target, and 0 where that is sure of one bin.
        let least =
            value.loss(&target.log(), &target, None, |_, _, _| unreachable!()).double_value(&[]);
        assert!((least - floor).abs() < 1e-12);
        assert_eq!(value.floor(&Tensor::eye(6, (Kind::Float, tch::Device::Cpu))), 0.0);
        assert_eq!(ValueConfig::Scalar {}.floor(&target), 0.0);
    }

    /// Each sample's own loss is its error where there is a distribution, and the loss is their weighted mean.
    #[test]
    fn weights_multiply_each_cross_entropy() {
        let value = ValueConfig::Categorical(Support { bins: 3, min: -1.0, max: 1.0 });
        let logits = Tensor::from_slice(&[0.5, -1.0, 2.0, 0.0, 0.3, 0.1]).view([2, 3]);
        let target = Tensor::from_slice(&[0.2, 0.3, 0.5, 1.0, 0.0, 0.0]).view([2, 3]);
        let loss = |weights: Option<&Tensor>| {
            value.loss(&logits, &target, weights, |_, _, _| unreachable!()).double_value(&[])
        };
        let each = Vec::<f64>::try_from(&value.errors(&logits, &target)).unwrap();
        // ln(e^0.5 + e^-1 + e^2) - (0.2 * 0.5 - 0.3 + 0.5 * 2), and ln(1 + e^0.3 + e^0.1)
        let by_hand = [
            (0.5f64.exp() + (-1f64).exp() + 2f64.exp()).ln() - 0.8,
            (1.0 + 0.3f64.exp() + 0.1f64.exp()).ln(),
        ];
        for (got, want) in each.iter().zip(by_hand) {
            assert!((got - want).abs() < 1e-12, "{got}, not {want}");
        }
        assert!((loss(None) - f64::midpoint(by_hand[0], by_hand[1])).abs() < 1e-12);
        let weights = Tensor::from_slice(&[0.25, 1.0]);
        let wanted = f64::midpoint(0.25 * by_hand[0], by_hand[1]);
        assert!((loss(Some(&weights)) - wanted).abs() < 1e-12);
    }

    /// Two critics, each sure of one bin of [-1, 0, 1]: the lower one's logits come through whole.
    #[test]
    fn the_lowest_of_distributions_is_one_of_them() {
        let value = ValueConfig::Categorical(Support { bins: 3, min: -1.0, max: 1.0 });
        let a = Tensor::from_slice(&[9f32, 0.0, 0.0, 0.0, 0.0, 9.0]).view([2, 3]);
        let b = Tensor::from_slice(&[0f32, 9.0, 0.0, 0.0, 8.0, 0.0]).view([2, 3]);
        let lowest = value.min_critic(&[a.shallow_clone(), b.shallow_clone()]);
        assert_eq!(host(&lowest), [9.0, 0.0, 0.0, 0.0, 8.0, 0.0]);
        let means = value.min_q(&[a, b]);
        assert!((&means - value.mean(&lowest)).abs().max().double_value(&[]) < 1e-7);
    }

    /// Inside the support a distribution's target has the mean that numbers would have; where the
    /// discount is 0 it is the reward alone.
    #[test]
    fn targets_agree_in_the_mean() {
        let support = Support { bins: 51, min: -10.0, max: 10.0 };
        let categorical = ValueConfig::Categorical(support);
        let logits = Tensor::linspace(-1.0, 1.0, 3 * 51, (Kind::Double, tch::Device::Cpu));
        let logits = logits.sin().view([3, 51]) * 3.0;
        let reward = Tensor::from_slice(&[0.3, -0.7, 1.25]);
        let discount = Tensor::from_slice(&[0.9, 0.5, 0.0]);
        let cost = Tensor::from_slice(&[0.1, -0.2, 5.0]);
        let numbers = ValueConfig::Scalar {}.target(
            &categorical.mean(&logits).unsqueeze(1),
            &reward,
            &discount,
            Some(&cost),
        );
        let target = categorical.target(&logits, &reward, &discount, Some(&cost));
        let gap = (categorical.target_mean(&target) - &numbers).abs().max().double_value(&[]);
        assert!(gap < 1e-12, "{gap}");
        assert!((numbers.double_value(&[2]) - 1.25).abs() < 1e-15);
        let mass = target.sum_dim_intlist(-1, false, None::<Kind>);
        assert!((mass - 1.0).abs().max().double_value(&[]) < 1e-12);
        assert!(categorical.boundary_mass(&target).unwrap() < 1.0 / 51.0);
        let beyond = categorical.target(&logits, &(&reward + 100.0), &discount, None);
        assert!((categorical.boundary_mass(&beyond).unwrap() - 1.0).abs() < 1e-12);
    }
}
