//! Lanczos and Hessians on operators whose spectrum is known.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    diagnostics::curvature::{Hessian, ritz_values},
    init::Init,
    random,
};
use tch::{Device, Kind, Tensor};

fn double(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

/// `x.A x / 2` has the Hessian `A`: ends of either sign, whichever is larger, in f32 to its digits;
/// a linear loss has none, and parameters that it does not touch add zeros.
#[test]
fn hessians_of_quadratics() {
    for kind in [Kind::Double, Kind::Float] {
        let mut diagonal: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        (diagonal[3], diagonal[60]) = (-7.0, 3.0);
        let a = double(&diagonal).to_kind(kind);
        let x = Tensor::ones([100], (kind, Device::Cpu)).set_requires_grad(true);
        let unused = Tensor::ones([2], (kind, Device::Cpu)).set_requires_grad(true);
        let loss = (&a * x.square()).sum(kind) / 2.0;
        let params = [&x, &unused];
        let hessian = Hessian::of(&loss, &params);
        assert_eq!(hessian.size(), 102);
        let ends = hessian.extremes(30, &mut random::stream(4, 0)).unwrap();
        assert!((ends.top - 3.0).abs() < 1e-6 && (ends.bottom + 7.0).abs() < 1e-6, "{ends:?}");
        let linear = (&a * &x).sum(kind);
        let ends = Hessian::of(&linear, &params).extremes(5, &mut random::stream(4, 2)).unwrap();
        assert_eq!((ends.top, ends.bottom), (0.0, 0.0));
    }
}

/// No eigenvalue twice (plain Lanczos has found the first again by then), equal ones once, and the
/// whole spectrum in as many steps as there are values.
#[test]
fn lanczos_finds_each_value_once() {
    let mut rng = random::stream(5, 0);
    let values: Vec<f64> = (0..60).map(|i| 1.3f64.powi(i)).collect();
    let q = Init::Orthogonal(1.0).sample(&[60, 60], &mut rng).to_kind(Kind::Double);
    let (q, _) = Tensor::linalg_qr(&q, "reduced");
    let a = q.matmul(&double(&values).diag(0)).matmul(&q.tr());
    let ritz = ritz_values(|v| a.mv(v), 60, 60, &mut rng).unwrap();
    for (got, want) in ritz.iter().rev().zip(values.iter().rev()).take(40) {
        assert!((got / want - 1.0).abs() < 1e-9, "{got} instead of {want}");
    }
    let equal = ritz_values(|v| v * 2.0, 60, 20, &mut rng).unwrap();
    assert!(equal.len() == 1 && (equal[0] - 2.0).abs() < 1e-12, "{equal:?}");
    assert_eq!(ritz_values(|v| v * f64::NAN, 5, 5, &mut rng), None);
}
