//! Each loss against numbers computed by hand, one row per case, and identities.

use networks::categorical::Support;

use super::*;

const SCALAR: ValueConfig = ValueConfig::Scalar {};
const THREE_BINS: ValueConfig = ValueConfig::Categorical(Support { bins: 3, min: -1.0, max: 1.0 });

fn row(x: &[f64]) -> Tensor {
    Tensor::from_slice(x)
}

fn column(x: &[f64]) -> Tensor {
    row(x).view([-1, 1])
}

fn scalar(x: f64) -> Tensor {
    Tensor::from(x)
}

#[track_caller]
fn assert_close(got: &Tensor, wanted: &[f64]) {
    let got = Vec::<f64>::try_from(&got.to_kind(Kind::Double).flatten(0, -1)).unwrap();
    assert_eq!(got.len(), wanted.len(), "{got:?}, not {wanted:?}");
    for (g, w) in got.iter().zip(wanted) {
        assert!((g - w).abs() < 1e-12, "{got:?}, not {wanted:?}");
    }
}

/// Rows: bootstraps, 1 + 0.5 * (4 - 1) = 2.5; terminates, 2 + 0 * (...) = 2; pays for its cost,
/// -1 + 0.9 * (10 - -2) = 9.8. Without the cost: 3, 2 and 8.
#[test]
fn a_target_of_numbers_by_hand() {
    let (next, reward) = (column(&[4.0, 7.0, 10.0]), row(&[1.0, 2.0, -1.0]));
    let (discount, cost) = (row(&[0.5, 0.0, 0.9]), row(&[1.0, 3.0, -2.0]));
    assert_close(&value_target(SCALAR, &next, &reward, &discount, Some(&cost)), &[2.5, 2.0, 9.8]);
    assert_close(&value_target(SCALAR, &next, &reward, &discount, None), &[3.0, 2.0, 8.0]);
}

/// Support -1, 0, 1 and probabilities 1/2, 1/4, 1/4. First row: 0.5 + 0.5 * (-1, 0, 1) = (0, 0.5, 1), so mass 1/2 stays
/// at 0, the next 1/4 is halved between 0 and 1, and the last 1/4 is at 1: (0, 5/8, 3/8). Second row: the episode
/// terminated, and all mass is at the reward -0.25: (1/4, 3/4, 0). Third row: the cost 1 shifts the values to
/// (-2, -1, 0), and -2 is clipped: (3/4, 1/4, 0).
#[test]
fn a_target_of_distributions_by_hand() {
    let logits = row(&[2f64.ln(), 0.0, 0.0]).expand([3, 3], false);
    let (reward, discount) = (row(&[0.5, -0.25, 0.0]), row(&[0.5, 0.0, 1.0]));
    let y = value_target(THREE_BINS, &logits, &reward, &discount, Some(&row(&[0.0, 5.0, 1.0])));
    assert_close(&y, &[0.0, 0.625, 0.375, 0.25, 0.75, 0.0, 0.75, 0.25, 0.0]);
}

/// The target network says (1, 5) and (7, 3). Double DQN values the online network's choice (the first action, then the
/// second): 1 + 0.5 * 1 = 1.5 and 2 + 0.5 * 3 = 3.5. DQN takes the target's own best: 1 + 0.5 * 5 = 3.5 and
/// 2 + 0.5 * 7 = 5.5.
#[test]
fn double_and_plain_q_targets_by_hand() {
    let next = row(&[1.0, 5.0, 7.0, 3.0]).view([2, 2, 1]);
    let (reward, discount) = (row(&[1.0, 2.0]), row(&[0.5, 0.5]));
    let online = row(&[9.0, 8.0, -2.0, -1.0]).view([2, 2]);
    assert_close(&q_target(SCALAR, &next, &online, &reward, &discount), &[1.5, 3.5]);
    let own = SCALAR.mean(&next);
    assert_close(&q_target(SCALAR, &next, &own, &reward, &discount), &[3.5, 5.5]);
}

/// The chosen action's whole distribution is the target: the second action is sure of -1, the first of 1.
#[test]
fn a_q_target_takes_the_chosen_distribution() {
    let next = row(&[0.0, 0.0, 99.0, 99.0, 0.0, 0.0]).view([1, 2, 3]);
    let target = |chooser: [f64; 2]| {
        let chooser = row(&chooser).view([1, 2]);
        q_target(THREE_BINS, &next, &chooser, &row(&[0.0]), &row(&[1.0]))
    };
    assert_close(&target([1.0, 0.0]), &[0.0, 0.0, 1.0]);
    assert_close(&target([0.0, 1.0]), &[1.0, 0.0, 0.0]);
}

/// Critics (3, 5) and (4, 2), temperature 0.5, log-probabilities -2 and 1: 1 + 0.9 * (3 + 1) = 4.6 and
/// 0 + 0.9 * (2 - 0.5) = 1.35; where the episode terminated, the reward alone.
#[test]
fn the_soft_target_by_hand() {
    let next = [column(&[3.0, 5.0]), column(&[4.0, 2.0])];
    let target = |discount: &[f64]| {
        let log_prob = row(&[-2.0, 1.0]);
        sac_target(SCALAR, &next, &scalar(0.5), &log_prob, &row(&[1.0, 0.0]), &row(discount))
    };
    assert_close(&target(&[0.9, 0.9]), &[4.6, 1.35]);
    assert_close(&target(&[0.0, 0.0]), &[1.0, 0.0]);
}

/// -0.5 * (0.9 * -2 + 0.81 * 1) = 0.495; in the second row the episode ended after the first step: -0.5 * 0.9 * 4 = -1.8.
#[test]
fn the_entropy_inside_n_steps_by_hand() {
    let log_prob = row(&[-2.0, 1.0, 4.0, 8.0]).view([2, 2]);
    let discount = row(&[0.9, 0.81, 0.9, 0.0]).view([2, 2]);
    assert_close(&entropy_bonus(&scalar(0.5), &log_prob, &discount), &[0.495, -1.8]);
}

/// Mean of 0.5 * -2 - 3 = -4 and 0.5 * 1 - 2 = -1.5. Gradients: alpha / B = 0.25 for log-probabilities, -1 / B for values.
#[test]
fn the_actor_loss_and_its_gradient_by_hand() {
    let log_prob = row(&[-2.0, 1.0]).set_requires_grad(true);
    let q = row(&[3.0, 2.0]).set_requires_grad(true);
    let loss = sac_actor_loss(&scalar(0.5), &log_prob, &q);
    assert_close(&loss, &[-2.75]);
    loss.backward();
    assert_close(&log_prob.grad(), &[0.25, 0.25]);
    assert_close(&q.grad(), &[-0.5, -0.5]);
}

/// -2 * mean(-3 - 1, 2 - 1) = 3, with slope -mean = 1.5: the temperature falls where the entropy, 0.5, is above -1.
#[test]
fn the_temperature_loss_and_its_gradient_by_hand() {
    let alpha = scalar(2.0).set_requires_grad(true);
    let loss = temperature_loss(&alpha, &row(&[-3.0, 2.0]), -1.0);
    assert_close(&loss, &[3.0]);
    loss.backward();
    assert_close(&alpha.grad(), &[1.5]);
}

/// Errors 0.5 and -3. Squared: 0.25 and 9. Huber at 1: 0.125 and 1 * (3 - 0.5) = 2.5; at 2: 0.125 and 2 * (3 - 1) = 4.
/// Weights 0.5 and 2 multiply each before the mean over both.
#[test]
fn losses_of_numbers_by_hand() {
    let (q, y, weights) = (column(&[1.5, -1.0]), row(&[1.0, 2.0]), row(&[0.5, 2.0]));
    for (loss, plain, weighted) in [
        (TdLoss::Squared, f64::midpoint(0.25, 9.0), f64::midpoint(0.125, 18.0)),
        (TdLoss::Huber { delta: 1.0 }, f64::midpoint(0.125, 2.5), f64::midpoint(0.0625, 5.0)),
        (TdLoss::Huber { delta: 2.0 }, f64::midpoint(0.125, 4.0), f64::midpoint(0.0625, 8.0)),
    ] {
        assert_close(&value_loss(SCALAR, &q, &y, None, loss), &[plain]);
        assert_close(&value_loss(SCALAR, &q, &y, Some(&weights), loss), &[weighted]);
    }
    assert_close(&errors(SCALAR, &[q], &y), &[0.5, 3.0]);
}

/// Errors (0.5, -3) and (1, -1): losses (0.25 + 9) / 2 and (1 + 1) / 2 add up, and absolute errors are averaged.
#[test]
fn several_critics_add_losses_and_average_errors() {
    let q = [column(&[1.5, -1.0]), column(&[2.0, 1.0])];
    let (y, weights) = (row(&[1.0, 2.0]), row(&[0.5, 2.0]));
    assert_close(&sac_critic_loss(SCALAR, &q, &y, None), &[4.625 + 1.0]);
    let weighted = f64::midpoint(0.125, 18.0) + f64::midpoint(0.5, 2.0);
    assert_close(&sac_critic_loss(SCALAR, &q, &y, Some(&weights)), &[weighted]);
    assert_close(&errors(SCALAR, &q, &y), &[0.75, 2.0]);
}

/// `[B, 1]` against `[B]` would broadcast to `[B, B]`.
#[test]
fn shapes_that_would_broadcast_are_refused() {
    let refused = |f: &(dyn Fn() + std::panic::RefUnwindSafe)| {
        let text = std::panic::catch_unwind(f).expect_err("a wrong shape is a bug in the caller");
        text.downcast_ref::<String>().expect("a message").clone()
    };
    let target = || {
        drop(value_loss(SCALAR, &column(&[1.0, 2.0]), &column(&[1.0, 2.0]), None, TdLoss::Squared));
    };
    assert_eq!(refused(&target), "target has shape [2, 1]; it must be [2]");
    let weights = || {
        let (q, y, weights) = (column(&[1.0, 2.0]), row(&[1.0, 2.0]), column(&[1.0, 2.0]));
        drop(value_loss(SCALAR, &q, &y, Some(&weights), TdLoss::Squared));
    };
    assert_eq!(refused(&weights), "weights has shape [2, 1]; it must be [2]");
    let actor = || drop(sac_actor_loss(&scalar(1.0), &row(&[1.0, 2.0]), &column(&[1.0, 2.0])));
    assert_eq!(refused(&actor), "log_prob has shape [2]; it must be [2, 1]");
    let next = || {
        let (next, reward) = (row(&[0.0; 6]).view([2, 3]), row(&[0.0, 0.0]));
        drop(value_target(SCALAR, &next, &reward, &reward, None));
    };
    assert_eq!(refused(&next), "next has shape [2, 3]; it must be [2, 1]");
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
    let loss = value_loss(value, &logits, &target, None, TdLoss::Squared).double_value(&[]);
    let floor = loss_floor(value, &target);
    for (got, key) in [(loss, "cross_entropy"), (floor, "floor"), (loss - floor, "excess")] {
        assert!((got - vector[key].as_f64().unwrap()).abs() < 1e-12, "{key}: {got}");
    }
    // Reached where the outputs are the target, and 0 where that is sure of one bin.
    let least = value_loss(value, &target.log(), &target, None, TdLoss::Squared).double_value(&[]);
    assert!((least - floor).abs() < 1e-12);
    assert_eq!(loss_floor(value, &Tensor::eye(6, (Kind::Float, tch::Device::Cpu))), 0.0);
    assert_eq!(loss_floor(SCALAR, &target), 0.0);
}

/// Each sample's own loss is its error where there is a distribution, and the loss is their weighted mean.
#[test]
fn weights_multiply_each_cross_entropy() {
    let value = ValueConfig::Categorical(Support { bins: 3, min: -1.0, max: 1.0 });
    let logits = Tensor::from_slice(&[0.5, -1.0, 2.0, 0.0, 0.3, 0.1]).view([2, 3]);
    let target = Tensor::from_slice(&[0.2, 0.3, 0.5, 1.0, 0.0, 0.0]).view([2, 3]);
    let loss = |weights: Option<&Tensor>| {
        value_loss(value, &logits, &target, weights, TdLoss::Squared).double_value(&[])
    };
    let each = Vec::<f64>::try_from(&errors(value, &[logits.shallow_clone()], &target)).unwrap();
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
    let numbers = value_target(
        SCALAR,
        &categorical.mean(&logits).unsqueeze(1),
        &reward,
        &discount,
        Some(&cost),
    );
    let target = value_target(categorical, &logits, &reward, &discount, Some(&cost));
    let gap = (categorical.target_mean(&target) - &numbers).abs().max().double_value(&[]);
    assert!(gap < 1e-12, "{gap}");
    assert!((numbers.double_value(&[2]) - 1.25).abs() < 1e-15);
    let mass = target.sum_dim_intlist(-1, false, None::<Kind>);
    assert!((mass - 1.0).abs().max().double_value(&[]) < 1e-12);
    assert!(categorical.boundary_mass(&target).unwrap() < 1.0 / 51.0);
    let beyond = value_target(categorical, &logits, &(&reward + 100.0), &discount, None);
    assert!((categorical.boundary_mass(&beyond).unwrap() - 1.0).abs() < 1e-12);
}
