//! All that works on weights, with weights of four axes: interventions, optimisers, measures and curvature.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod pictures;

use std::sync::Arc;

use networks::forward::Forward;
use networks::{
    arch::{
        conv::{ConvConfig, Torso},
        simba::SimbaConfig,
        simba_v2::SimbaV2Config,
    },
    diagnostics::{
        Spectrum,
        curvature::{Hessian, per_sample_gradients},
        step::weight_measures,
        units::per_unit,
    },
    init::Init,
    interventions::{
        Cbp, Clock, InterventionConfig, L2Init, Layers, Nap, NapGains, Redo, ResetLayers,
        ShrinkPerturb,
    },
    model::Model,
    network::{ArchConfig, Network},
    optim::{Adam, AdamW, OptimConfig, Sgd},
    params::{ParamId, Params, Role},
    random,
    trace::{Activity, Trace},
};
use pictures::{build, host, linear_body, small_body};
use tch::{Device, Kind, Tensor};

/// One hidden layer on 12 numbers, its weight as a matrix or with four axes.
struct Layer {
    weight: ParamId,
    bias: ParamId,
    head: ParamId,
}

impl Network for Layer {
    fn forward(&self, fw: &mut Forward<'_>, x: &Tensor) -> Vec<Tensor> {
        let p = fw.params;
        let h = x.linear(&p.get(self.weight).flatten(1, -1), Some(p.get(self.bias))).relu();
        fw.record("hidden", Activity::Relu, &h);
        vec![h.linear(p.get(self.head), None::<&Tensor>)]
    }
}

fn layer(shape: &[i64], optim: &OptimConfig, interventions: &[InterventionConfig]) -> Model {
    let (mut p, mut rng) = (Params::default(), random::stream(5, 0));
    let weight = p.add("hidden/weight".into(), Role::Hidden, shape, Init::TorchDefault, &mut rng);
    let bias = p.add("hidden/bias".into(), Role::Bias, &[5], Init::Uniform(0.1), &mut rng);
    p.in_heads(true);
    let head = p.add("head/weight".into(), Role::Output, &[2, 5], Init::TorchDefault, &mut rng);
    p.in_heads(false);
    let net = Arc::new(Layer { weight, bias, head });
    Model::new("m", net, p, optim, interventions, Device::Cpu).unwrap()
}

/// Weight interventions, optimisers and every measure of a step and of weights do with four axes what
/// they do with the matrix of the same numbers, to the bit.
#[test]
fn four_axes_are_one_matrix() {
    let mut interventions = vec![
        InterventionConfig::from(L2Init { strength: 0.1 }),
        InterventionConfig::from(ShrinkPerturb {
            shrink: 0.9,
            perturb: 0.1,
            every_updates: 3,
            on_task_change: false,
        }),
        InterventionConfig::from(ResetLayers {
            layers: Layers::All,
            every_updates: 5,
            on_task_change: false,
        }),
    ];
    let weight_decay = 0.1;
    let optims = [
        OptimConfig::new(Adam { weight_decay, ..Adam::default() }, 0.01),
        OptimConfig::new(AdamW { weight_decay, ..AdamW::default() }, 0.01),
        OptimConfig::new(Sgd { weight_decay, ..Sgd::default() }, 0.01),
    ];
    for optim in optims {
        let optim = OptimConfig { clip_grad_norm: Some(0.05), ..optim };
        let start = layer(&[5, 12], &optim, &[]);
        let run = |shape: &[i64], interventions: &[InterventionConfig]| {
            let (mut model, mut rng) = (layer(shape, &optim, interventions), random::stream(6, 0));
            let mut found = Vec::new();
            for update in 0..8 {
                let x = random::normal(&[16, 12], &mut rng);
                let mut trace = Trace::on();
                let loss = model.forward_train(&x, &mut trace)[0].square().mean(Kind::Float);
                let clock = Clock { update, look: true, log: true, ..Clock::default() };
                let step = model.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
                found.extend(step.layers.into_iter().map(|m| (m.layer, m.measure, m.value)));
                let initial = |name: &str| {
                    let (_, q) = start.params.iter().find(|(_, q)| q.name == name).unwrap();
                    let four = name == "hidden/weight";
                    Some(if four { q.value.view(shape) } else { q.value.shallow_clone() })
                };
                let weights = weight_measures(&model.params, initial);
                found.extend(weights.into_iter().map(|m| (m.layer, m.measure, m.value)));
            }
            (model.params.to_flat().to_vec(), found)
        };
        let (matrix, found) = run(&[5, 12], &interventions);
        let (four, also) = run(&[5, 3, 2, 2], &interventions);
        assert_eq!(matrix, four, "{:?}", optim.rule.kind());
        assert_eq!(found, also, "{:?}", optim.rule.kind());
        assert!(found.len() > 100 && found.iter().all(|(.., value)| value.is_finite()));
        for left_out in 0..interventions.len() {
            let mut fewer = interventions.clone();
            fewer.remove(left_out);
            assert_ne!(run(&[5, 3, 2, 2], &fewer).0, four, "method {left_out} does something");
        }
        interventions.rotate_left(1);
    }
}

fn conv_model(
    interventions: &[InterventionConfig],
    body: Option<ArchConfig>,
) -> Result<Model, String> {
    let config = ConvConfig { torso: Torso::Minatar, body, ..ConvConfig::default() };
    let (net, p) = build(&config, &[2, 5, 4]).unwrap();
    let optim = OptimConfig { lr: 0.01, ..OptimConfig::default() };
    Model::new("m", net, p, &optim, interventions, Device::Cpu)
}

fn pictures(n: i64) -> Tensor {
    random::uniform(&[n, 40], 0.0, 1.0, &mut random::stream(7, 0))
}

fn step(model: &mut Model, update: u64) -> f64 {
    let x = pictures(16);
    let mut trace = Trace::on();
    let y = model.forward_train(&x, &mut trace).remove(0);
    let wanted = x.narrow(1, 0, 3);
    let loss = (y - wanted).square().mean(Kind::Float);
    let clock = Clock { update, look: true, ..Clock::default() };
    let mut rng = random::stream(8, update);
    model.minimize(&loss, &trace, &[("x", &x)], clock, &mut rng).unwrap().loss
}

/// Methods that replace units act in the body and leave channels alone; one that needs norms behind
/// every layer is refused.
#[test]
fn channels_are_no_units() {
    let cbp = Cbp { replacement_rate: 0.5, maturity_threshold: 0, ..Cbp::default() };
    for method in [
        InterventionConfig::from(cbp),
        InterventionConfig::from(Redo { threshold: 1.0, every_updates: 1 }),
    ] {
        let mut model = conv_model(&[method], Some(small_body())).unwrap();
        let layers: Vec<&str> = model.params.neurons().iter().map(|u| u.layer.as_str()).collect();
        assert_eq!(layers, ["q/hidden_0"]);
        let mut plain = conv_model(&[], Some(small_body())).unwrap();
        step(&mut model, 0);
        step(&mut plain, 0);
        assert!(model.params.replaced(0).unwrap() > 0);
        let value = |m: &Model, name: &str| {
            host(&m.params.iter().find(|(_, q)| q.name == name).unwrap().1.value)
        };
        for name in ["q/conv_0/weight", "q/conv_0/bias"] {
            assert_eq!(value(&model, name), value(&plain, name), "{name}");
        }
        assert_ne!(value(&model, "q/hidden_0/weight"), value(&plain, "q/hidden_0/weight"));
    }
    // Nothing to replace in front of a linear body.
    let error = conv_model(&[InterventionConfig::from(cbp)], Some(linear_body())).err().unwrap();
    assert!(error.contains("no units"), "{error}");
    let nap = InterventionConfig::from(Nap { every_updates: 1, gains: NapGains::Joint {} });
    let error = conv_model(&[nap], None).err().unwrap();
    assert!(error.contains("`q/conv_0` has no norm"), "{error}");
}

/// Any architecture learns behind a torso, and unit rows stay where they belong.
#[test]
fn every_body_learns() {
    let bodies = [
        None,
        Some(ArchConfig::from(SimbaConfig { width: 16, ..SimbaConfig::default() })),
        Some(ArchConfig::from(SimbaV2Config { width: 16, ..SimbaV2Config::default() })),
    ];
    for body in bodies {
        let mut model = conv_model(&[], body.clone()).unwrap();
        let first = step(&mut model, 0);
        let last = (1..60).map(|update| step(&mut model, update)).last().unwrap();
        assert!(last < 0.3 * first, "{body:?}: from {first} to {last}");
        assert!(model.params.hypersphere_error() < 1e-6);
    }
}

/// Moves all parameters along a direction.
fn shift(p: &mut Params, direction: &Tensor, by: f64) {
    let _guard = tch::no_grad_guard();
    let ids: Vec<ParamId> = p.iter().map(|(id, _)| id).collect();
    let mut from = 0;
    for id in ids {
        let value = p.get_mut(id);
        let n = value.numel() as i64;
        let part = direction.narrow(0, from, n).view_as(value) * by;
        let _ = value.g_add_(&part);
        from += n;
    }
}

/// Single gradients add up to the whole one, and Hessian products are differences of gradients.
#[test]
fn curvature_of_convolutions() {
    let (net, p) = build(
        &ConvConfig { torso: Torso::Minatar, body: Some(small_body()), ..ConvConfig::default() },
        &[2, 5, 4],
    )
    .unwrap();
    let mut p = p.to_kind(Kind::Double);
    let x = pictures(6).to_kind(Kind::Double);
    let loss = |p: &Params, x: &Tensor| {
        net.forward(&mut Forward::eval(p, &mut Trace::off()), x)[0].square().mean(Kind::Double)
    };
    let gradient = |p: &Params| {
        let values: Vec<&Tensor> = p.trainable().map(|q| &q.value).collect();
        let grads = Tensor::run_backward(&[loss(p, &x)], &values, false, false);
        networks::diagnostics::flat(&grads)
    };
    let values: Vec<&Tensor> = p.trainable().map(|q| &q.value).collect();
    let single = per_sample_gradients(&values, 6, |i| loss(&p, &x.narrow(0, i, 1)));
    let mean = single.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
    let apart = (mean - gradient(&p)).abs().max().double_value(&[]);
    assert!(apart < 1e-14, "{apart:e}");

    let direction = random::normal(&[p.count() as i64], &mut random::stream(9, 0));
    let direction = direction.to_kind(Kind::Double);
    let product = Hessian::of(&loss(&p, &x), &values).product(&direction);
    drop(values);
    let h = 1e-6;
    shift(&mut p, &direction, h);
    let after = gradient(&p);
    shift(&mut p, &direction, -2.0 * h);
    let before = gradient(&p);
    let difference = (after - before) / (2.0 * h);
    let error = (&difference - &product).abs().max().double_value(&[]);
    let size = product.abs().max().double_value(&[]);
    assert!(size > 1e-3 && error < 1e-6 * size.max(1.0), "{error:e} of {size}");
}

/// Ranks are of matrices: one row a position, and one row a channel of a weight.
#[test]
fn ranks_of_convolutions() {
    let model = conv_model(&[], Some(small_body())).unwrap();
    let trace = model.trace(&pictures(3));
    let h = &trace.get("q/conv_0").unwrap().values; // [3, 16, 3, 2]
    let rows = per_unit(h);
    assert_eq!(rows.size(), [18, 16]);
    assert_eq!(rows.double_value(&[7, 5]), h.double_value(&[1, 5, 0, 1]));
    let spectrum = Spectrum::of(&rows).unwrap();
    let square: f64 = spectrum.values().iter().map(|s| s * s).sum();
    let want: f64 = host(h).iter().map(|x| x * x).sum();
    assert!((square / want - 1.0).abs() < 1e-12);
    let (_, q) = model.params.iter().find(|(_, q)| q.name == "q/conv_0/weight").unwrap();
    assert_eq!(Spectrum::of(&q.value.flatten(1, -1)).unwrap().values().len(), 16);
}
