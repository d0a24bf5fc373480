//! Losses and their targets: pure functions of tensors, without parameters, clock or RNG.
//!
//! Every function checks the shapes of its arguments, because tensors of other shapes broadcast and give a
//! loss that means nothing. `B` is the batch, `A` the number of discrete actions, `W` a value's outputs
//! ([`ValueConfig::width`]: 1, or the `N` bins of a distribution). A target of values is `[B]` numbers or
//! `[B, N]` probabilities. Targets carry no gradient: callers compute them under `no_grad`.
//!
//! | paper | functions |
//! | --- | --- |
//! | SAC (Haarnoja et al. 2018, arXiv 1812.05905) | [`sac_target`], [`sac_critic_loss`], [`sac_actor_loss`], [`temperature_loss`], [`entropy_bonus`] |
//! | DQN (Mnih et al. 2015), double DQN (van Hasselt et al. 2016, arXiv 1509.06461) | [`q_target`], [`value_loss`] |
//! | C51 (Bellemare et al. 2017, arXiv 1707.06887) | [`value_target`], [`value_loss`], [`loss_floor`] |
//! | prioritised replay (Schaul et al. 2016, arXiv 1511.05952) | the weights of [`value_loss`], [`errors`] |

use networks::categorical::cross_entropy;
use tch::{Kind, Reduction, Tensor, no_grad_guard};

use crate::value::{ValueConfig, gather_actions};

/// The loss between a number and its target. Distributions have one loss only, the cross-entropy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TdLoss {
    /// `(q - y)^2`, as in SAC.
    Squared,
    /// `(q - y)^2 / 2` where that difference is below `delta`, and `delta (|q - y| - delta / 2)` beyond (DQN's
    /// clipped error).
    Huber {
        /// Where the loss turns from quadratic to linear.
        delta: f64,
    },
}

impl TdLoss {
    /// Of numbers `[B]`: each, or their mean.
    fn of(self, q: &Tensor, y: &Tensor, reduction: Reduction) -> Tensor {
        match (self, reduction) {
            (TdLoss::Squared, Reduction::None) => (q - y).square(),
            (TdLoss::Squared, _) => mean(&(q - y).square()),
            (TdLoss::Huber { delta }, _) => q.huber_loss(y, reduction, delta),
        }
    }
}

/// What the value of a state should become, given the outputs `next` `[B, W]` at the next state:
/// `y = reward + discount * (return - cost)`, as numbers `[B]` or probabilities `[B, N]`.
///
/// `reward`, `discount` and `cost` are `[B]`. `discount` is 0 after termination. A cost shifts every value of
/// a distribution alike. A distribution's target is projected to the support (C51, equation 7).
pub fn value_target(
    value: ValueConfig,
    next: &Tensor,
    reward: &Tensor,
    discount: &Tensor,
    cost: Option<&Tensor>,
) -> Tensor {
    let batch = reward.size()[0];
    check_shape("reward", reward, &[batch]);
    check_shape("discount", discount, &[batch]);
    check_shape("next", next, &[batch, value.width()]);
    if let Some(cost) = cost {
        check_shape("cost", cost, &[batch]);
    }
    match value {
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

/// DQN's target: `y = r + discount * Q'(s', argmax_a chooser(s', a))`.
///
/// `next` `[B, A, W]` are the target network's outputs at the next state, `chooser` `[B, A]` the expected values
/// that choose the action: the online network's in double DQN (equation 4), the target network's otherwise.
pub fn q_target(
    value: ValueConfig,
    next: &Tensor,
    chooser: &Tensor,
    reward: &Tensor,
    discount: &Tensor,
) -> Tensor {
    let (batch, actions) = (reward.size()[0], next.size().get(1).copied().unwrap_or(0));
    check_shape("next", next, &[batch, actions, value.width()]);
    check_shape("chooser", chooser, &[batch, actions]);
    let next = gather_actions(next, &chooser.argmax(1, true)); // [B, W]
    value_target(value, &next, reward, discount, None)
}

/// SAC's target: `y = r + discount * (min_i Q'_i(s', a') - alpha log pi(a'|s'))` (equation 3, with the minimum over
/// critics of section 6).
///
/// `next` are the target critics' outputs `[B, W]` at actions drawn from the policy, whose log-probability is
/// `log_prob` `[B]`; `alpha` is `[]`. A distribution is that of the critic with the smallest mean, as in SimbaV2.
pub fn sac_target(
    value: ValueConfig,
    next: &[Tensor],
    alpha: &Tensor,
    log_prob: &Tensor,
    reward: &Tensor,
    discount: &Tensor,
) -> Tensor {
    check_shape("alpha", alpha, &[]);
    let cost = alpha * log_prob; // [B]
    value_target(value, &value.min_critic(next), reward, discount, Some(&cost))
}

/// The entropy terms of the steps inside n-step transitions, discounted:
/// `sum over k = 1 .. n-1 of gamma^k (-alpha log pi(a_k|s_k))`, `[B]` (equation 2, written out for n steps).
///
/// `log_prob` and `discount` are `[B, n - 1]`; `discount` holds `gamma^k`, or 0 after the end of the episode.
pub fn entropy_bonus(alpha: &Tensor, log_prob: &Tensor, discount: &Tensor) -> Tensor {
    check_shape("alpha", alpha, &[]);
    check_shape("log_prob", log_prob, &discount.size());
    -alpha * (log_prob * discount).sum_dim_intlist(1i64, false, None::<Kind>)
}

/// SAC's actor loss: `J(pi) = E[ alpha log pi(a|s) - min_i Q_i(s, a) ]` (equation 9).
///
/// `log_prob` `[B]` and `q` `[B]`, the smallest expected value over critics, are those of reparametrised actions, so
/// gradients reach the policy through both.
pub fn sac_actor_loss(alpha: &Tensor, log_prob: &Tensor, q: &Tensor) -> Tensor {
    check_shape("alpha", alpha, &[]);
    check_shape("log_prob", log_prob, &q.size());
    mean(&(alpha * log_prob - q))
}

/// SAC's temperature loss: `J(alpha) = E[ -alpha (log pi(a|s) + target_entropy) ]` (equation 18).
///
/// `alpha` is `[]` and carries the gradient; `log_prob` `[B]` carries none.
pub fn temperature_loss(alpha: &Tensor, log_prob: &Tensor, target_entropy: f64) -> Tensor {
    check_shape("alpha", alpha, &[]);
    -alpha * mean(&(log_prob + target_entropy))
}

/// SAC's critic loss: the sum over critics of `E[ (Q_i(s, a) - y)^2 ]` (equation 5, without its factor 1/2), or of
/// cross-entropies of distributions. As [`value_loss`] for each critic's outputs `[B, W]`.
pub fn sac_critic_loss(
    value: ValueConfig,
    q: &[Tensor],
    y: &Tensor,
    weights: Option<&Tensor>,
) -> Tensor {
    q.iter().map(|q| value_loss(value, q, y, weights, TdLoss::Squared)).sum()
}

/// Mean loss of outputs `[B, W]` against a target: `scalar` of numbers, the cross-entropy of distributions. Where
/// there are weights `[B]`, each sample's loss is multiplied by its weight before the mean over `B`.
pub fn value_loss(
    value: ValueConfig,
    outputs: &Tensor,
    target: &Tensor,
    weights: Option<&Tensor>,
    scalar: TdLoss,
) -> Tensor {
    check_target(value, outputs, target);
    let each = match (value, weights) {
        // Reduced by the loss itself: the gradient of a mean of many losses differs in its last bits.
        (ValueConfig::Scalar {}, None) => {
            return scalar.of(&outputs.squeeze_dim(1), target, Reduction::Mean);
        }
        (ValueConfig::Scalar {}, Some(_)) => {
            scalar.of(&outputs.squeeze_dim(1), target, Reduction::None)
        }
        (ValueConfig::Categorical(_), _) => cross_entropy(outputs, target),
    }; // [B]
    match weights {
        Some(weights) => {
            check_shape("weights", weights, &each.size());
            mean(&(each * weights))
        }
        None => mean(&each),
    }
}

/// The size of each sample's error, `[B]`, by which replay can be prioritised: `|q - y|` of numbers, and the
/// cross-entropy of distributions, which is the loss. (Rainbow, arXiv 1710.02298, takes the divergence: the
/// cross-entropy minus the target's entropy.) Several critics `[B, W]` give the mean of theirs.
pub fn errors(value: ValueConfig, critics: &[Tensor], target: &Tensor) -> Tensor {
    let _guard = no_grad_guard();
    let error = |outputs: &Tensor| {
        check_target(value, outputs, target);
        match value {
            ValueConfig::Scalar {} => (outputs.squeeze_dim(1) - target).abs(),
            ValueConfig::Categorical(_) => cross_entropy(outputs, target),
        }
    };
    critics.iter().map(error).sum::<Tensor>() / critics.len() as f64
}

/// The least that [`value_loss`] can be against a target, whatever the outputs: the mean entropy of its
/// distributions, 0 for numbers.
pub fn loss_floor(value: ValueConfig, target: &Tensor) -> f64 {
    match value {
        ValueConfig::Scalar {} => 0.0,
        ValueConfig::Categorical(_) => {
            let entropy = -target.xlogy(target).sum_dim_intlist(-1, false, Kind::Double);
            mean(&entropy).double_value(&[])
        }
    }
}

fn check_target(value: ValueConfig, outputs: &Tensor, target: &Tensor) {
    let batch = target.size()[0];
    check_shape("outputs", outputs, &[batch, value.width()]);
    match value {
        ValueConfig::Scalar {} => check_shape("target", target, &[batch]),
        ValueConfig::Categorical(_) => check_shape("target", target, &[batch, value.width()]),
    }
}

#[track_caller]
fn check_shape(name: &str, tensor: &Tensor, wanted: &[i64]) {
    let shape = tensor.size();
    assert!(shape == wanted, "{name} has shape {shape:?}; it must be {wanted:?}");
}

fn mean(t: &Tensor) -> Tensor {
    t.mean(None::<Kind>)
}

#[cfg(test)]
mod tests;
