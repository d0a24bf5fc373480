//! ZerO against the reference's numbers, and in networks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    arch::{
        conv::{ConvConfig, Torso},
        mlp::MlpConfig,
        simba::SimbaConfig,
    },
    forward::Forward,
    init::{
        He, Init, InitConfig, InitSettings, Place, Position, ZeroHadamard, ZeroHadamardSpread,
        zero_matrix,
    },
    interventions::{Clock, ShrinkPerturb},
    layers::norm::NoNorm,
    model::Model,
    network::{ArchConfig, Ensemble},
    optim::{OptimConfig, Sgd},
    params::Params,
    random,
    trace::Trace,
};
use serde_json::Value;
use std::{collections::HashSet, sync::Arc};
use tch::{Device, Kind, Tensor};

fn golden() -> Value {
    vectors::vectors("optim_init")["zero_init"].take()
}

fn shape(case: &Value) -> Vec<i64> {
    serde_json::from_value(case["shape"].clone()).unwrap()
}

fn gap(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a.to_kind(Kind::Double) - b).abs().max().double_value(&[])
}

fn place(position: Position, shape: &[i64], network: usize) -> Place {
    Place { position, fan_in: shape[1..].iter().product(), fan_out: shape[0], network }
}

fn distinct(w: &Tensor) -> usize {
    let rows: Vec<Vec<f64>> = Vec::try_from(w.to_kind(Kind::Double)).unwrap();
    rows.iter().map(|row| format!("{row:?}")).collect::<HashSet<_>>().len()
}

#[test]
fn matrices_are_the_reference() {
    let golden = golden();
    for (key, spread) in [("matrices", false), ("spread", true)] {
        let cases = golden[key].as_array().unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let (shape, want) = (shape(case), vectors::tensor(&case["W"]));
            let got = zero_matrix(shape[0], shape[1], spread);
            assert!(gap(&got, &want) < 1e-15, "{key} {shape:?}");
            if spread {
                let n = |key: &str| case[key].as_u64().unwrap() as usize;
                assert_eq!(distinct(&got), n("distinct_rows"));
                let paper = zero_matrix(shape[0], shape[1], false);
                assert_eq!(distinct(&paper), n("distinct_rows_of_paper"));
            }
        }
    }
}

#[test]
fn kernels_are_the_reference() {
    let mut rng = random::stream(1, 0);
    let before = rng.clone();
    for case in golden()["convs"].as_array().unwrap() {
        let shape = shape(case);
        let init = ZeroHadamard {}.weight(&place(Position::Hidden, &shape, 0));
        let got = init.sample(&shape, &mut rng);
        assert!(gap(&got, &vectors::tensor(&case["W"])) < 1e-7, "{shape:?}");
    }
    assert_eq!(rng, before, "nothing is drawn");
}

/// Layers that end a residual branch and heads are zero, and where too few inputs make all rows differ, the spread
/// variant takes an orthogonal matrix.
#[test]
fn a_place_chooses() {
    for position in [Position::Branch, Position::Output] {
        for init in [&ZeroHadamard {} as &dyn InitSettings, &ZeroHadamardSpread {}] {
            let (weight, bias) = init.layer(place(position, &[8, 2], 0));
            assert!(matches!((weight, bias), (Init::Constant(0.0), Init::Constant(0.0))));
        }
    }
    let spread = |shape: &[i64]| ZeroHadamardSpread {}.weight(&place(Position::Hidden, shape, 0));
    assert!(matches!(spread(&[9, 3]), Init::Orthogonal(1.0)), "9 rows need 4 inputs");
    assert!(matches!(spread(&[8, 3]), Init::Other(_)));
    assert!(matches!(spread(&[2, 3]), Init::Other(_)));
}

/// New rows have the norm of the old ones.
#[test]
fn a_replaced_row_has_the_norm_of_its_layer() {
    for shape in [[8, 3], [9, 3], [4, 7]] {
        let init = ZeroHadamard {}.weight(&place(Position::Hidden, &shape, 0));
        let norms = |w: &Tensor| w.norm_scalaropt_dim(2.0, [1i64].as_slice(), false);
        let old = norms(&init.sample(&shape, &mut random::stream(1, 0)));
        let new = norms(&init.rows(&shape, 2, &mut random::stream(1, 0)));
        assert!((old.narrow(0, 0, 1) - new).abs().max().double_value(&[]) < 1e-6, "{shape:?}");
    }
}

/// Two critics that started the same would stay the same.
#[test]
fn twins_differ() {
    for init in [InitConfig::from(ZeroHadamard {}), ZeroHadamardSpread {}.into()] {
        let arch: ArchConfig =
            MlpConfig { hidden: vec![16, 16], init, ..MlpConfig::default() }.into();
        let (mut p, mut rng) = (Params::default(), random::stream(1, 0));
        let nets: Vec<_> = (0..2)
            .map(|i| arch.build(&mut p, &format!("q{i}"), &[4], &[("y", 1)], &mut rng).unwrap())
            .collect();
        let weight = |name: &str| p.iter().find(|(_, q)| q.name == name).unwrap().1.value.detach();
        for layer in ["hidden_0", "hidden_1"] {
            let [a, b] = ["q0", "q1"].map(|q| weight(&format!("{q}/{layer}/weight")));
            assert_ne!(a, b, "{layer}");
            let size = |w: &Tensor| w.square().sum(Kind::Double).double_value(&[]);
            assert!((size(&a) - size(&b)).abs() < 1e-6, "the same rows up to order and signs");
        }
        let optim = OptimConfig { lr: 1e-2, ..OptimConfig::default() };
        let mut m = Model::new("q", Arc::new(Ensemble(nets)), p, &optim, &[], Device::Cpu).unwrap();
        let x = random::normal(&[32, 4], &mut rng);
        for _ in 0..5 {
            let mut trace = Trace::off();
            let loss: Tensor = m
                .forward_train(&x, &mut trace)
                .iter()
                .map(|y| (y - x.narrow(1, 0, 1)).square().mean(Kind::Float))
                .sum();
            m.minimize(&loss, &trace, &[], Clock::default(), &mut rng).unwrap();
        }
        let y = m.forward(&x);
        assert!((&y[0] - &y[1]).abs().max().double_value(&[]) > 1e-3);
    }
}

#[test]
fn shrink_and_perturb_has_no_noise_to_add() {
    let arch: ArchConfig =
        MlpConfig { init: ZeroHadamard {}.into(), ..MlpConfig::default() }.into();
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 1)], &mut random::stream(1, 0)).unwrap();
    let method =
        ShrinkPerturb { shrink: 0.9, perturb: 0.1, every_updates: 5, on_task_change: false };
    let error = Model::new("f", net, p, &OptimConfig::default(), &[method.into()], Device::Cpu);
    let error = error.err().unwrap();
    assert!(error.contains("`f/hidden_0/weight` is the same whenever it is drawn"), "{error}");
}

/// At the start every block is the identity and every output 0, in a torso too.
#[test]
fn networks_start_at_zero() {
    let simba =
        SimbaConfig { width: 8, init: Some(ZeroHadamard {}.into()), ..SimbaConfig::default() };
    let body =
        MlpConfig { hidden: vec![8], init: ZeroHadamardSpread {}.into(), ..MlpConfig::default() };
    let torso = ConvConfig {
        torso: Torso::Minatar,
        init: ZeroHadamard {}.into(),
        body: Some(body.into()),
        ..ConvConfig::default()
    };
    for (arch, input) in [(ArchConfig::from(simba), &[5][..]), (torso.into(), &[4, 6, 6])] {
        let mut p = Params::default();
        let net = arch.build(&mut p, "f", input, &[("y", 2)], &mut random::stream(1, 0)).unwrap();
        let x = random::normal(&[3, input.iter().product()], &mut random::stream(2, 0));
        let mut trace = Trace::on();
        let y = net.forward(&mut Forward::eval(&p, &mut trace), &x);
        assert_eq!(y[0].abs().max().double_value(&[]), 0.0);
        assert!(trace.entries().iter().all(|e| e.values.abs().max().double_value(&[]) > 0.0));
    }
}

/// A regression with a deep residual network without norms and plain SGD (the reference's demonstration): He's
/// weights diverge at every rate, ZerO learns at a high one.
#[test]
fn deep_networks_without_norms_learn() {
    let fit = |blocks: i64, init: InitConfig, lr: f64| {
        let arch: ArchConfig = SimbaConfig {
            width: 16,
            blocks,
            expansion: 2,
            norm: NoNorm {}.into(),
            init: Some(init),
            ..SimbaConfig::default()
        }
        .into();
        let (mut p, mut rng) = (Params::default(), random::stream(1, 0));
        let net = arch.build(&mut p, "f", &[16], &[("y", 1)], &mut rng).unwrap();
        let optim = OptimConfig::new(Sgd::default(), lr);
        let mut m = Model::new("f", net, p, &optim, &[], Device::Cpu).unwrap();
        let teacher = random::normal(&[16, 1], &mut rng) / 4.0;
        let mut losses = Vec::new();
        for _ in 0..200 {
            let x = random::normal(&[64, 16], &mut rng);
            let mut trace = Trace::off();
            let y = &m.forward_train(&x, &mut trace)[0];
            let target = x.matmul(&teacher).tanh() * 1.6;
            let loss = (y - target).square().mean(Kind::Float);
            match m.minimize(&loss, &trace, &[], Clock::default(), &mut rng) {
                Ok(step) if step.loss < 1e6 => losses.push(step.loss),
                _ => return f64::INFINITY,
            }
        }
        losses[190..].iter().sum::<f64>() / 10.0
    };
    for blocks in [4, 16, 48] {
        let zero = fit(blocks, ZeroHadamard {}.into(), 0.03);
        assert!(zero < 0.25, "{blocks} blocks: {zero}");
        let he = fit(blocks, He {}.into(), 0.03);
        assert!(he.is_infinite(), "{blocks} blocks: {he}");
    }
}
