//! Parseval regularisation: its value, its gradient, and that it pulls rows apart.

use networks::{
    arch::mlp::MlpConfig,
    interventions::{Clock, Parseval},
    model::Model,
    network::ArchConfig,
    optim::{OptimConfig, Sgd},
    params::{Params, Role},
    random,
    trace::Trace,
};
use tch::{Device, Kind, Tensor};

fn model(parseval: Parseval, arch: &ArchConfig, lr: f64) -> Result<Model, String> {
    let (mut p, mut rng) = (Params::default(), random::stream(1, 0));
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut rng).expect("fits");
    let optim = OptimConfig::new(Sgd::default(), lr);
    Model::new("f", net, p, &optim, &[parseval.into()], Device::Cpu)
}

fn mlp(hidden: &[i64]) -> ArchConfig {
    ArchConfig::from(MlpConfig { hidden: hidden.to_vec(), ..MlpConfig::default() })
}

/// `sum over hidden W of || W W^T - scale I ||_F^2`, number by number.
fn distance(m: &Model, scale: f64) -> f64 {
    let hidden = m.params.iter().filter(|(_, p)| p.role == Role::Hidden);
    hidden
        .map(|(_, p)| {
            let w: Vec<Vec<f64>> = Vec::try_from(&p.value.to_kind(Kind::Double)).expect("a matrix");
            let mut sum = 0.0;
            for (i, a) in w.iter().enumerate() {
                for (j, b) in w.iter().enumerate() {
                    let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                    sum += (dot - if i == j { scale } else { 0.0 }).powi(2);
                }
            }
            sum
        })
        .sum()
}

fn step(m: &mut Model) -> networks::model::StepStats {
    let zero =
        m.forward(&Tensor::ones([4, 3], (Kind::Double, Device::Cpu)))[0].mean(Kind::Double) * 0.0;
    let clock = Clock { log: true, ..Clock::default() };
    m.minimize(&zero, &Trace::off(), &[], clock, &mut random::stream(1, 1)).expect("finite")
}

#[test]
fn the_term_is_in_the_reported_loss() {
    let settings = Parseval { strength: 0.25, scale: 1.5 };
    let mut m = model(settings, &mlp(&[5, 4]), 1e-9).expect("fits").to_kind(Kind::Double);
    let want = 0.25 * distance(&m, 1.5);
    let stats = step(&mut m);
    assert!((stats.loss - want).abs() < 1e-12 * want, "{} instead of {want}", stats.loss);
    assert_eq!(stats.terms, [("parseval", stats.loss)]);
    assert_eq!(m.intervention_counts().collect::<Vec<_>>(), [("parseval", 1)]);
}

/// The gradient of the term is `4 strength (W W^T - scale I) W`, and the output layer has none.
#[test]
fn its_gradient_is_the_formula() {
    let (strength, scale, lr) = (0.25, 1.5, 0.01);
    let mut m =
        model(Parseval { strength, scale }, &mlp(&[5]), lr).expect("fits").to_kind(Kind::Double);
    let before: Vec<Tensor> = m.params.trainable().map(|p| p.value.detach().copy()).collect();
    step(&mut m);
    for (p, w) in m.params.trainable().zip(&before) {
        let moved = p.value.detach() - w;
        let want = if p.role == Role::Hidden {
            let gap = w.matmul(&w.tr()) - Tensor::eye(5, (Kind::Double, Device::Cpu)) * scale;
            gap.matmul(w) * (-4.0 * strength * lr)
        } else {
            w.zeros_like()
        };
        let error = (moved - want).abs().max().double_value(&[]);
        assert!(error < 1e-14, "{}: {error:e}", p.name);
    }
}

/// A square matrix reaches orthogonal rows of the wanted length; one with more rows than columns its
/// floor, `(rows - columns) scale^2`.
#[test]
fn rows_become_orthogonal() {
    for (units, floor) in [(3, 0.0), (5, 8.0)] {
        let settings = Parseval { strength: 1.0, scale: 2.0 };
        let mut m = model(settings, &mlp(&[units]), 0.02).expect("fits").to_kind(Kind::Double);
        let start = distance(&m, 2.0);
        for _ in 0..2_000 {
            step(&mut m);
        }
        let end = distance(&m, 2.0);
        assert!(start > floor + 1.0 && (end - floor).abs() < 1e-6, "{start} to {end}");
    }
}

#[test]
fn networks_without_free_hidden_matrices_are_refused() {
    for (arch, said) in [
        (
            mlp(&[]),
            "interventions: parseval cannot work here: there is no hidden matrix; give an mlp hidden layers",
        ),
        (
            ArchConfig::from(networks::arch::simba_v2::SimbaV2Config {
                width: 8,
                ..networks::arch::simba_v2::SimbaV2Config::default()
            }),
            "interventions: parseval cannot work here: the rows of this network keep unit length whatever the loss says",
        ),
    ] {
        assert_eq!(model(Parseval::default(), &arch, 0.1).err().expect("refused"), said);
    }
    for (settings, said) in [
        (
            Parseval { strength: -1.0, scale: 1.0 },
            "interventions: parseval: strength is -1; it must be at least 0",
        ),
        (
            Parseval { strength: 1.0, scale: 0.0 },
            "interventions: parseval: scale is 0; it must be greater than 0",
        ),
    ] {
        assert_eq!(model(settings, &mlp(&[4]), 0.1).err().expect("refused"), said);
    }
}
