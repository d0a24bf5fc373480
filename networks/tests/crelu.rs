//! Concatenated ReLU: two outputs a unit, in every architecture.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    arch::{
        conv::{ConvConfig, Torso},
        mlp::MlpConfig,
        simba::SimbaConfig,
    },
    forward::Forward,
    init::He,
    interventions::{Cbp, Clock},
    layers::activation::{Activation, ActivationConfig, Crelu, Relu},
    model::Model,
    network::ArchConfig,
    optim::OptimConfig,
    params::Params,
    random,
    trace::Trace,
};
use tch::{Device, Kind, Tensor};

fn crelu() -> ActivationConfig {
    Crelu {}.into()
}

/// Positive halves of all units, then negative ones; of a convolution, channels double.
#[test]
fn by_hand() {
    let y = Crelu {}.apply(&Tensor::from_slice2(&[[1.0, -2.0], [0.0, 3.0]]));
    assert_eq!(y, Tensor::from_slice2(&[[1.0, 0.0, 0.0, 2.0], [0.0, 3.0, 0.0, 0.0]]));
    let x = random::normal(&[2, 3, 4, 5], &mut random::stream(1, 0));
    let y = Crelu {}.apply(&x);
    assert_eq!(y.size(), [2, 6, 4, 5]);
    assert_eq!(y.narrow(1, 0, 3) - y.narrow(1, 3, 3), x);
}

/// An architecture, the shape of its input, and inputs of layers.
type Case<'a> = (ArchConfig, &'a [i64], &'a [(&'a str, i64)]);

/// Of `relu(w . x)` and `relu(-w . x)` one has a gradient at every input, so no unit is dead.
#[test]
fn every_width_follows() {
    let body = MlpConfig { hidden: vec![4], activation: crelu(), ..MlpConfig::default() };
    let torso = ConvConfig {
        torso: Torso::Minatar,
        activation: crelu(),
        body: Some(body.clone().into()),
        ..ConvConfig::default()
    };
    let mlp = MlpConfig { hidden: vec![7, 5], activation: crelu(), ..MlpConfig::default() };
    let simba = SimbaConfig { width: 3, activation: crelu(), ..SimbaConfig::default() };
    let cases: [Case<'_>; 3] = [
        (mlp.into(), &[3], &[("hidden_1", 14), ("y", 10)]),
        (simba.into(), &[3], &[("block_1/down", 24), ("y", 3)]),
        (torso.into(), &[2, 5, 5], &[("hidden_0", 32 * 9), ("y", 8)]),
    ];
    for (arch, input, inputs_of) in cases {
        let mut p = Params::default();
        let net = arch.build(&mut p, "f", input, &[("y", 2)], &mut random::stream(1, 0)).unwrap();
        for (layer, inputs) in inputs_of {
            let name = format!("f/{layer}/weight");
            let weight = p.iter().find(|(_, q)| q.name == name).unwrap().1;
            assert_eq!(weight.value.size()[1], *inputs, "{name}");
        }
        let size: i64 = input.iter().product();
        let x = random::normal(&[3, size], &mut random::stream(2, 0));
        let mut trace = Trace::on();
        let y = net.forward(&mut Forward::eval(&p, &mut trace), &x);
        assert_eq!(y[0].size(), [3, 2]);
        let hidden = &trace.entries()[0].values;
        let half = hidden.size()[1] / 2;
        let (on, off) = (hidden.narrow(1, 0, half), hidden.narrow(1, half, half));
        assert!(bool::try_from((on * off).eq(0.0).all()).unwrap());
        assert!(p.neurons().is_empty(), "a unit with two outputs is none of a group");
    }
}

#[test]
fn interventions_that_replace_units_are_refused() {
    let arch: ArchConfig = MlpConfig { activation: crelu(), ..MlpConfig::default() }.into();
    let mut p = Params::default();
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut random::stream(1, 0)).unwrap();
    let error =
        Model::new("f", net, p, &OptimConfig::default(), &[Cbp::default().into()], Device::Cpu);
    let error = error.err().unwrap();
    assert!(error.contains("an activation with one output a unit"), "{error}");
}

/// Fitting `|x|` with one unit: ReLU has one half of it, concatenated ReLU both.
#[test]
fn one_unit_learns_an_absolute_value() {
    let fit = |activation: ActivationConfig| {
        let arch: ArchConfig = MlpConfig {
            hidden: vec![1],
            activation,
            bias: false,
            init: He {}.into(),
            ..MlpConfig::default()
        }
        .into();
        let (mut p, mut rng) = (Params::default(), random::stream(1, 0));
        let net = arch.build(&mut p, "f", &[1], &[("y", 1)], &mut rng).unwrap();
        let optim = OptimConfig { lr: 2e-2, ..OptimConfig::default() };
        let mut m = Model::new("f", net, p, &optim, &[], Device::Cpu).unwrap();
        let x = random::uniform(&[64, 1], -1.0, 1.0, &mut rng);
        let mut loss = f64::INFINITY;
        for _ in 0..600 {
            let mut trace = Trace::off();
            let y = &m.forward_train(&x, &mut trace)[0];
            let error = (y - x.abs()).square().mean(Kind::Float);
            loss = m.minimize(&error, &trace, &[], Clock::default(), &mut rng).unwrap().loss;
        }
        loss
    };
    let (both, half) = (fit(crelu()), fit(Relu {}.into()));
    assert!(both < 1e-4 && half > 1e-2, "{both} and {half}");
}
