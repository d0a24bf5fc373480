//! Measures of activations against `golden/vectors_plasticity.json`, in f64 to 1e-10, and by hand.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    diagnostics::{
        Spectrum, dead_fraction, dormant_fraction, feature_norm, linearised_fraction,
        rarely_active_fraction, saturated_fraction, unit_measures, unit_scores, zero_fraction,
    },
    trace::Activity,
};
use serde_json::Value;
use tch::Tensor;
use vectors::{tensor, vectors};

fn close(got: f64, want: &Value, what: &str) {
    let want = want.as_f64().unwrap();
    assert!((got - want).abs() <= 1e-10 * want.abs().max(1.0), "{what}: {got} instead of {want}");
}

/// The fraction of a list of booleans that are true.
fn share(v: &Value) -> Value {
    let mask: Vec<f64> =
        v.as_array().unwrap().iter().map(|b| f64::from(u8::from(b.as_bool().unwrap()))).collect();
    (mask.iter().sum::<f64>() / mask.len() as f64).into()
}

#[test]
fn ranks_are_those_of_the_vectors() {
    let v = &vectors()["ranks"];
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
        close(s.effective_rank_of_variance(), &want["effective_rank_entropy_sigma2"], name);
        close(s.stable_rank(), &want["stable_rank"], name);
        close(s.participation_ratio(), &want["participation_ratio"], name);
        close(whole(s.srank(0.01)), &want["srank_delta001"], name);
        close(whole(s.variance_rank(0.01)), &want["srank_delta001_squared"], name);
        close(whole(s.numerical_rank()), &want["numerical_rank_tol"], name);
        close(whole(s.feature_rank(0.01)), &want["infer_rank_001"], name);
        if name != "rank1" {
            close(s.condition(), &want["condition"], name); // of rounding alone there
        }
    }
}

#[test]
fn units_are_those_of_the_vectors() {
    let v = &vectors()["dormancy"];
    let h = tensor(&v["activations"]);
    let scores = Vec::<f64>::try_from(&unit_scores(&h)).unwrap();
    for (got, want) in scores.iter().zip(v["redo_score"].as_array().unwrap()) {
        close(*got, want, "score");
    }
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

/// A layer of zeros is dead, dormant and of rank 0, not NaN; f32 and f64 agree; and measures that mean
/// nothing for a nonlinearity are not among its names.
#[test]
fn the_edges() {
    let zero = Tensor::zeros([6, 3], (tch::Kind::Float, tch::Device::Cpu));
    assert_eq!((dormant_fraction(&zero, 0.0), dead_fraction(&zero)), (1.0, 1.0));
    assert_eq!((feature_norm(&zero), rarely_active_fraction(&zero, 0.01)), (0.0, 1.0));
    let s = Spectrum::of(&zero).unwrap();
    assert_eq!((s.effective_rank(), s.srank(0.01), s.stable_rank()), (0.0, 0, 0.0));
    assert_eq!((s.numerical_rank(), s.feature_rank(0.01), s.variance_rank(0.01)), (0, 0, 0));
    assert_eq!(Spectrum::of(&(&zero / 0.0)), None, "a spectrum of NaN is none");
    let h = Tensor::from_slice(&[3f32, 4.0, 0.0, 0.0]).view([2, 2]);
    assert_eq!(feature_norm(&h), 2.5);
    let names = |activity| -> Vec<&str> {
        unit_measures(&h, activity).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(Activity::Linear), ["feature_norm"]);
    assert_eq!(names(Activity::Silu), ["feature_norm"]);
    assert_eq!(names(Activity::Tanh), ["feature_norm", "saturated"]);
    assert_eq!(names(Activity::Relu).len(), 7);
}
