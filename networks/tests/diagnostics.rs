//! Measures of activations against `golden/vectors_plasticity.json`, in f64 to 1e-12, and by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    diagnostics::{
        Spectrum, dead_fraction, dormant_fraction, feature_norm, linearised_fraction,
        rarely_active_fraction, saturated_fraction, unit_measures, unit_scores,
        units::{feature_variance, gradient_dormant_fraction, gradient_scores, mean_cosine, usage},
        zero_fraction,
    },
    random,
    trace::Activity,
};
use serde_json::Value;
use tch::Tensor;
use vectors::{tensor, vectors};

fn close(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{what}: {got} instead of {want}");
}

fn close_all(got: &Tensor, want: &Value, what: &str) {
    let want = want.as_array().unwrap();
    assert_eq!(got.size(), [want.len() as i64], "{what}");
    for (got, want) in Vec::<f64>::try_from(got).unwrap().iter().zip(want) {
        close(*got, want, what);
    }
}

/// The fraction of a list of booleans that are true.
fn share(v: &Value) -> Value {
    let mask: Vec<f64> =
        v.as_array().unwrap().iter().map(|b| f64::from(u8::from(b.as_bool().unwrap()))).collect();
    (mask.iter().sum::<f64>() / mask.len() as f64).into()
}

#[test]
fn ranks_are_those_of_the_vectors() {
    let v = &vectors("plasticity")["ranks"];
    let a = tensor(&v["A"]);
    let centred = &a - a.mean_dim(Some([0i64].as_slice()), true, None::<tch::Kind>);
    let eye = Tensor::eye(4, (tch::Kind::Double, tch::Device::Cpu));
    let outer = {
        let column = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]).view([5, 1]);
        column.matmul(&Tensor::from_slice(&[1.0, 2.0, 3.0]).view([1, 3]))
    };
    let diagonal = Tensor::from_slice(&[1.0, 0.1, 0.01, 0.001]).diag(0);
    for (name, matrix) in [
        ("A_result", a),
        ("A_centered", centred),
        ("identity4", eye),
        ("rank1", outer),
        ("diag", diagonal),
    ] {
        let (s, want) = (Spectrum::of(&matrix).unwrap(), &v[name]);
        let whole = |n: usize| n as f64;
        for (got, want) in s.values().iter().zip(want["singular_values"].as_array().unwrap()) {
            close(*got, want, name);
        }
        close(s.effective_rank(), &want["effective_rank_entropy_sigma"], name);
        close(s.stable_rank(), &want["stable_rank"], name);
        close(s.participation_ratio(), &want["participation_ratio"], name);
        close(whole(s.srank(0.01)), &want["srank_delta001"], name);
        close(whole(s.feature_rank(0.01)), &want["infer_rank_001"], name);
        close(s.spectral_norm(), &want["singular_values"][0], name);
        if name != "rank1" {
            close(s.condition(), &want["condition"], name); // of rounding alone there
        }
    }
}

#[test]
fn units_are_those_of_the_vectors() {
    let v = &vectors("plasticity")["dormancy"];
    let h = tensor(&v["activations"]);
    close_all(&unit_scores(&h), &v["redo_score"], "score");
    let conv = tensor(&v["conv_activations_NCHW"]);
    close_all(&unit_scores(&conv), &v["conv_score"], "score of a convolution");
    let grad = tensor(&v["grad_W_rows"]);
    close_all(&gradient_scores(&grad), &v["grama_score_l1"], "gradient score");
    close(gradient_dormant_fraction(&grad, 0.01), &share(&v["grama_mask_001"]), "learning");
    for tau in ["0", "0.01", "0.025", "0.1"] {
        let got = dormant_fraction(&h, tau.parse().unwrap());
        close(got, &share(&v[format!("mask_tau_{tau}")]), tau);
    }
    close(dormant_fraction(&h, 0.025), &v["fraction_tau_0025"], "tau 0.025");
    close(dormant_fraction(&h, 0.1), &v["fraction_tau_01"], "tau 0.1");
    close(dead_fraction(&h), &share(&v["dead_all_zero"]), "dead");
    close(rarely_active_fraction(&h, 0.01), &share(&v["cbp_dormant_1pct"]), "rarely active");
    close(zero_fraction(&h), &v["zero_fraction"], "zeros");
    let z = tensor(&v["preactivations"]);
    close(linearised_fraction(&z.relu()), &share(&v["linearised_relu"]), "linearised");
    close(dead_fraction(&z.relu()), &share(&v["dead_relu"]), "dead ReLU");
    close(saturated_fraction(&z.tanh()), &v["tanh_saturated_099"], "saturated");
}

/// Activations of pictures have a row for each position. Nothing as large as their square is made: here that
/// would be eight terabytes.
#[test]
fn ranks_of_a_million_rows() {
    let rows = Tensor::from_slice(&[3f32, 0.0, 0.0, 4.0]).view([2, 2]).repeat([500_000, 1]);
    for matrix in [rows.shallow_clone(), rows.tr()] {
        let s = Spectrum::of(&matrix).unwrap();
        let want = [4.0, 3.0].map(|x: f64| x * 500_000f64.sqrt());
        assert!(s.values().iter().zip(want).all(|(got, want)| (got / want - 1.0).abs() < 1e-12));
        assert_eq!(s.values().len(), 2);
    }
}

/// A layer of zeros is dead, dormant and of rank 0, not NaN; f32 and f64 agree; and measures that mean
/// nothing for a nonlinearity are not among its names.
#[test]
fn the_edges() {
    let zero = Tensor::zeros([6, 3], (tch::Kind::Float, tch::Device::Cpu));
    assert_eq!((dormant_fraction(&zero, 0.0), dead_fraction(&zero)), (1.0, 1.0));
    assert_eq!((feature_norm(&zero), rarely_active_fraction(&zero, 0.01)), (0.0, 1.0));
    let s = Spectrum::of(&zero).unwrap();
    assert_eq!((s.effective_rank(), s.srank(0.01), s.stable_rank()), (0.0, 0, 0.0));
    assert_eq!((s.feature_rank(0.01), s.participation_ratio(), s.spectral_norm()), (0, 0.0, 0.0));
    assert_eq!((usage(&zero), feature_variance(&zero)), (0.0, 0.0));
    assert_eq!(gradient_dormant_fraction(&zero, 0.0), 1.0);
    assert!(mean_cosine(&zero).is_nan(), "rows of zeros have no direction");
    assert_eq!(Spectrum::of(&(&zero / 0.0)), None, "a spectrum of NaN is none");
    let h = Tensor::from_slice(&[3f32, 4.0, 0.0, 0.0]).view([2, 2]);
    assert_eq!(feature_norm(&h), 2.5);
    let names = |activity| -> Vec<&str> {
        unit_measures(&h, activity).into_iter().map(|(name, _)| name).collect()
    };
    let any = ["feature_norm", "feature_variance", "feature_cosine", "usage"];
    assert_eq!(names(Activity::Linear), any);
    assert_eq!(names(Activity::Silu), any);
    assert_eq!(names(Activity::Tanh), [&any[..], &["saturated"]].concat());
    assert_eq!(names(Activity::Relu).len(), 10);
}

/// Closed forms: the mean of the cosine matrix, two-point variances, and layers of equal and of single
/// units.
#[test]
fn features_by_hand() {
    let h = random::normal(&[7, 5], &mut random::stream(3, 0)).to_kind(tch::Kind::Double);
    let (mut sum, norm) = (0.0, |k: i64| h.get(k).norm().double_value(&[]));
    for k in 0..7 {
        for l in (0..7).filter(|&l| l != k) {
            sum += h.get(k).dot(&h.get(l)).double_value(&[]) / (norm(k) * norm(l));
        }
    }
    close(mean_cosine(&h), &(sum / 42.0).into(), "mean cosine");
    let with_zero = Tensor::cat(&[&h, &h.narrow(0, 0, 1).zeros_like()], 0);
    close(mean_cosine(&with_zero), &(sum / 42.0).into(), "a row of zeros does not count");
    let row = h.narrow(0, 0, 1);
    close(mean_cosine(&Tensor::cat(&[&row, &(&row * 3.0)], 0)), &1.0.into(), "parallel");
    close(mean_cosine(&Tensor::cat(&[&row, &(&row * -3.0)], 0)), &(-1.0).into(), "opposite");
    assert!(mean_cosine(&row).is_nan(), "one row has no pair");

    let two = Tensor::from_slice(&[1.0, 0.0, 3.0, 4.0]).view([2, 2]);
    assert_eq!(feature_variance(&two), f64::midpoint(1.0, 4.0));
    close(usage(&two), &1.0.into(), "both speak alike");
    let one = Tensor::from_slice(&[0.0, 0.0, 0.0, -2.0]).view([1, 4]);
    close(usage(&one), &0.25.into(), "one of four");
    let uneven = Tensor::from_slice(&[3.0, 1.0]).view([1, 2]);
    let want = (-(0.75 * 0.75f64.ln() + 0.25 * 0.25f64.ln())).exp() / 2.0;
    close(usage(&uneven), &want.into(), "three to one");
}

/// Units have no order and inputs have none; a copy of every unit adds no direction and changes no
/// mean; a common factor is no change of shares.
#[test]
fn what_permutations_clones_and_scales_leave_alone() {
    let h = random::normal(&[20, 6], &mut random::stream(4, 0)).to_kind(tch::Kind::Double).relu();
    let h = h * Tensor::from_slice(&[0.0, 1e-3, 1.0, 1.0, 2.0, 5.0]);
    let all = |h: &Tensor| {
        let s = Spectrum::of(h).unwrap();
        vec![
            dormant_fraction(h, 0.025),
            dead_fraction(h),
            linearised_fraction(h),
            mean_cosine(h),
            usage(h),
            gradient_dormant_fraction(&h.tr(), 0.025),
            s.effective_rank(),
            s.participation_ratio(),
            feature_variance(h),
        ]
    };
    let want = all(&h);
    assert!(want[0] > want[1] && want[1] > 0.0, "dead and dormant units: {want:?}");
    let units = h.index_select(1, &Tensor::from_slice(&[5i64, 0, 3, 1, 4, 2]));
    let cases = [
        ("units", units.shallow_clone()),
        ("inputs", h.flip([0i64])),
        ("clones", Tensor::cat(&[&h, &units], 1)),
    ];
    for (name, changed) in cases {
        for (i, (got, want)) in all(&changed).iter().zip(&want).enumerate() {
            assert!((got - want).abs() < 1e-9, "{name}, measure {i}: {got} instead of {want}");
        }
    }
    for (i, (got, want)) in all(&(&h * 100.0)).iter().zip(&want).take(8).enumerate() {
        assert!((got - want).abs() < 1e-6, "scale, measure {i}: {got} instead of {want}");
    }
}

/// A convolution is its positions as further inputs, whichever measure looks.
#[test]
fn positions_are_inputs() {
    let conv = random::normal(&[3, 4, 2, 5], &mut random::stream(5, 0)).relu();
    let conv = conv * Tensor::from_slice(&[1f32, 0.0, 1e-4, 1.0]).view([1, 4, 1, 1]);
    let mut rows = Vec::new();
    for (n, y, x) in (0..30).map(|i| (i / 10, i / 5 % 2, i % 5)) {
        rows.push(conv.get(n).select(1, y).select(1, x));
    }
    let flat = Tensor::stack(&rows, 0); // [30, 4]
    for f in [dead_fraction, linearised_fraction, feature_variance, usage] {
        assert!((f(&conv) - f(&flat)).abs() < 1e-12);
    }
    for f in [dormant_fraction, rarely_active_fraction] {
        assert_eq!(f(&conv, 0.01), f(&flat, 0.01));
    }
    assert_eq!((dead_fraction(&conv), dormant_fraction(&conv, 0.01)), (0.25, 0.5));
    let norm = conv.get(0).norm().double_value(&[]);
    assert!((feature_norm(&conv.narrow(0, 0, 1)) - norm).abs() < 1e-5, "an input is a row");
}
