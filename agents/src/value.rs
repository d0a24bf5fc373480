//! What a critic's outputs say of a return: one number, or a distribution over numbers.
//!
//! Everything else about values is the same in both cases: the mean decides, the lowest of several
//! critics is trusted, and the target is `r + discount * (return from the next state - cost)`.

use networks::{
    categorical::Support,
    random::{self, Rng},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

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

    /// The expected return of a [target](crate::losses::value_target): to `[B]`.
    pub fn target_mean(&self, target: &Tensor) -> Tensor {
        match self {
            ValueConfig::Scalar {} => target.shallow_clone(),
            ValueConfig::Categorical(support) => support.expectation(target),
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

/// `[B, A, W]` and actions `[B, 1]` to the outputs of those, `[B, W]`.
pub fn gather_actions(outputs: &Tensor, action: &Tensor) -> Tensor {
    let width = outputs.size()[2];
    let index = action.unsqueeze(2).expand([-1, 1, width], false); // [B, 1, W]
    outputs.gather(1, &index, false).squeeze_dim(1)
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
}
