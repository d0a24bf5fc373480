//! Measures of weights and of steps against `golden/vectors_plasticity.json` and closed forms.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    diagnostics::{
        flat,
        weights::{Step, cosine, distance, mean_abs, norm, orthogonality_gap},
    },
    init::Init,
    random,
};
use tch::{Device, Kind, Tensor};
use vectors::{tensor, vectors};

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{what}: {got} instead of {want}");
}

#[test]
fn steps_are_those_of_the_vectors() {
    let v = &vectors("plasticity")["nap"];
    let number = |key: &str| v[key].as_f64().unwrap();
    let (before, change, after) =
        (tensor(&v["W0"]), tensor(&v["dW"]), tensor(&v["W_after_update"]));
    for step in [Step::of(&before, &change), Step::between(&before, &after)] {
        close(step.relative_update, number("relative_update"), "relative update");
        close(step.rotation, number("rotation_rad"), "rotation");
        close(step.growth + 1.0, number("norm_growth_before_projection"), "growth");
    }
    let projected = tensor(&v["W_projected_frobenius"]);
    let step = Step::between(&before, &projected);
    close(step.rotation, number("rotation_rad"), "the projection turns nothing");
    close(step.growth, 0.0, "and takes the growth back");
    close(norm(&before), number("rho_frobenius"), "norm");
    close(distance(&after, &before), number("relative_update"), "distance");
    close(cosine(&projected, &before), number("rotation_cos"), "cosine");

    let v = &vectors("plasticity")["optimisation_diagnostics"];
    let step = Step::of(&tensor(&v["theta"]), &tensor(&v["update"]));
    close(step.relative_update, v["relative_update"].as_f64().unwrap(), "relative update");
    close(step.rotation, v["rotation_rad"].as_f64().unwrap(), "rotation");
}

#[test]
fn the_orthogonality_gap_is_that_of_the_vectors() {
    let v = &vectors("plasticity")["other_interventions"]["parseval"];
    let loss = v["loss"].as_f64().unwrap() / v["lam"].as_f64().unwrap();
    close(orthogonality_gap(&tensor(&v["w"])), (loss / 3.0).sqrt(), "gap");
}

/// `tan(rotation) = t` and `growth = sqrt(1 + t^2) - 1` for a step `t` across the weight, to nine
/// digits down to steps whose cosine is 1 in f64; and half a turn.
#[test]
fn tiny_rotations_keep_their_digits() {
    let w = random::normal(&[4, 3], &mut random::stream(1, 0)).to_kind(Kind::Double);
    let other = random::normal(&[4, 3], &mut random::stream(1, 1)).to_kind(Kind::Double);
    let square = |t: &Tensor| t.square().sum(Kind::Double).double_value(&[]);
    let across = &other - &w * ((&w * &other).sum(Kind::Double).double_value(&[]) / square(&w));
    let across = &across * (square(&w) / square(&across)).sqrt();
    for t in [0.5, 1e-3, 1e-6, 1e-9, 1e-12] {
        let step = Step::of(&w, &(&across * t));
        let relative = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 1e-9, "{t}: {got}");
        relative(step.rotation, f64::atan(t));
        relative(step.relative_update, t);
        if t > 1e-6 {
            relative(step.growth, t * t / (1.0 + (1.0 + t * t).sqrt()));
        }
        // Of a step along the weight as well, all of it growth.
        let step = Step::of(&w, &(&w * t));
        relative(step.growth, t);
        assert!(step.rotation < 1e-15, "{}", step.rotation);
    }
    let turned = Step::of(&w, &(&w * -2.0));
    close(turned.rotation, std::f64::consts::PI, "half a turn");
    close(turned.growth, 0.0, "of the same length");
    close(Step::of(&w, &-&w).growth, -1.0, "to nothing");
}

/// Only ratios count, f32 and f64 agree, and several tensors are one.
#[test]
fn steps_have_no_scale() {
    let w = random::normal(&[5, 4], &mut random::stream(2, 0));
    let d = random::normal(&[5, 4], &mut random::stream(2, 1)) * 0.01;
    let want = Step::of(&w, &d);
    assert!(want.rotation > 1e-3 && want.growth != 0.0);
    for step in [
        Step::of(&(&w * 1024.0), &(&d * 1024.0)),
        Step::of(&w.to_kind(Kind::Double), &d.to_kind(Kind::Double)),
        Step::of(&flat(&w.split(2, 0)), &flat(&d.split(2, 0))),
        Step::of(&w.tr(), &d.tr()),
    ] {
        close(step.relative_update, want.relative_update, "relative update");
        close(step.rotation, want.rotation, "rotation");
        close(step.growth, want.growth, "growth");
    }
    close(distance(&(&w * 4.0), &w), 3.0, "distance");
    close(cosine(&(&w * 4.0), &w), 1.0, "cosine");
    close(cosine(&-&w, &w), -1.0, "cosine");
    assert!(Step::of(&w.zeros_like(), &d).relative_update.is_infinite());
    let v = Tensor::from_slice(&[3f32, -4.0]).view([1, 2]);
    assert_eq!((norm(&v), mean_abs(&v)), (5.0, 3.5));
}

/// 0 for orthonormal rows, `|g^2 - 1|` with a gain `g`, `sqrt((n - in) / n)` for orthonormal columns;
/// not moved by a rotation of the inputs.
#[test]
fn orthogonality_gaps_by_hand() {
    let mut rng = random::stream(3, 0);
    let eye = Tensor::eye(4, (Kind::Double, Device::Cpu));
    let wide = eye.narrow(0, 0, 3);
    assert_eq!(orthogonality_gap(&wide), 0.0);
    close(orthogonality_gap(&(&wide * 3.0)), 8.0, "gain");
    close(orthogonality_gap(&wide.tr()), 0.5, "tall");
    let rotation = Init::Orthogonal(1.0).sample(&[4, 4], &mut rng).to_kind(Kind::Double);
    let w = random::normal(&[3, 4], &mut rng).to_kind(Kind::Double);
    let (a, b) = (orthogonality_gap(&w), orthogonality_gap(&w.matmul(&rotation)));
    assert!((a - b).abs() < 1e-6 * a && a > 0.1, "{a} {b}");
}
