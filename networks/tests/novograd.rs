//! `NovoGrad` against the reference's numbers, and what it promises.

mod vectors;

use networks::{
    init::Init,
    neurons::{NeuronGroup, Outgoing},
    optim::{NovoGrad, Optim, OptimConfig},
    params::{ParamId, Params, Role},
    random,
};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vectors::{tensor, vectors};

fn tensors(value: &Value) -> Vec<Tensor> {
    value.as_array().expect("a list").iter().map(tensor).collect()
}

fn params(values: &[Tensor]) -> Params {
    let mut p = Params::default();
    for (i, value) in values.iter().enumerate() {
        p.add_value(format!("p{i}"), Role::Hidden, Init::Constant(0.0), value);
    }
    p
}

#[test]
fn it_is_the_reference() {
    let golden = vectors("optim_init");
    let cases = golden["novograd"].as_array().expect("cases");
    assert!(cases.len() >= 5);
    for (i, case) in cases.iter().enumerate() {
        let number = |key: &str| case[key].as_f64().expect("a number");
        let yes = |key: &str| case[key].as_bool().expect("yes or no");
        let settings = NovoGrad {
            beta1: number("beta1"),
            beta2: number("beta2"),
            eps: number("eps"),
            weight_decay: number("weight_decay"),
            grad_averaging: yes("grad_averaging"),
            eps_inside_root: yes("eps_inside_root"),
        };
        let mut p = params(&tensors(&case["p0"]));
        let mut optim = Optim::new(OptimConfig::new(settings, number("lr")), &mut p, Device::Cpu);
        for (t, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
            optim.step(&mut p, &tensors(&step["g"]), 0);
            for (q, want) in p.trainable().zip(tensors(&step["p"])) {
                let gap = (q.value.detach() - want).abs().max().double_value(&[]);
                assert!(gap < 1e-13, "case {i}, step {t}, {}: {gap:e}", q.name);
            }
        }
    }
}

/// A loss times 1000 trains alike: to epsilon, that is to rounding.
#[test]
fn the_scale_of_the_loss_does_not_matter() {
    let run = |scale: f64| {
        let mut p = params(&[random::normal(&[6, 4], &mut random::stream(1, 0))]);
        let mut optim =
            Optim::new(OptimConfig::new(NovoGrad::default(), 0.01), &mut p, Device::Cpu);
        for step in 0..50 {
            let noise = random::normal(&[6, 4], &mut random::stream(2, step));
            let grad = (p.trainable().next().expect("one").value.detach() + noise) * scale;
            optim.step(&mut p, &[grad], 0);
        }
        p.trainable().next().expect("one").value.detach().copy()
    };
    let (one, thousand) = (run(1.0), run(1000.0));
    let gap = ((&one - thousand).abs().max() / one.abs().max()).double_value(&[]);
    assert!(gap < 1e-5, "{gap:e}");
}

/// A single number would move by the sign of its gradient.
#[test]
fn single_numbers_are_refused() {
    let mut p = Params::default();
    let one = Tensor::zeros([], (Kind::Float, Device::Cpu));
    p.add_value("log_alpha".to_owned(), Role::Scalar, Init::Constant(0.0), &one);
    let config = OptimConfig::new(NovoGrad::default(), 0.01);
    let error = config.rule.check(&p).unwrap_err();
    assert!(error.contains("single number `log_alpha`") && error.contains("\"adam\""), "{error}");
    assert!(OptimConfig::default().rule.check(&p).is_ok());
}

/// A neuron drawn again forgets its momentum; the layer's one number stays.
#[test]
fn replaced_neurons_forget_their_momentum_alone() {
    use networks::interventions::{Clock, InterventionSettings, Redo, StepCx};
    use networks::trace::{Activity, Trace};

    let mut p = Params::default();
    let mut add = |name: &str, role, shape: &[i64]| -> ParamId {
        let value = random::normal(shape, &mut random::stream(3, shape[0] as u64));
        p.add_value(name.to_owned(), role, Init::TorchDefault, &value)
    };
    let incoming = add("in", Role::Hidden, &[2, 3]);
    let out = add("out", Role::Output, &[4, 2]);
    p.add_neurons(NeuronGroup::new("h", incoming, [], vec![Outgoing { weight: out, bias: None }]));
    let mut redo = Redo { threshold: 0.1, every_updates: 1 }.build(&mut p);
    let mut optim = Optim::new(OptimConfig::new(NovoGrad::default(), 0.01), &mut p, Device::Cpu);
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Float, Device::Cpu));
    optim.step(&mut p, &[ones(&[2, 3]), ones(&[4, 2])], 0);
    let mut trace = Trace::on();
    trace.record("h", Activity::Relu, &Tensor::from_slice(&[0f32, 1.0]).view([1, 2]));
    let mut rng = random::stream(1, 0);
    redo.weights(&mut p, &mut StepCx::new(&trace, Clock::default(), 1, &mut rng));

    let mut saved = networks::params::StateDict::new();
    p.save("m", &mut saved);
    let sum = |name: &str, dim: i64, i: i64| {
        saved[name].select(dim, i).abs().sum(Kind::Double).double_value(&[])
    };
    assert_eq!((sum("m/in#0", 0, 0), sum("m/out#0", 1, 0)), (0.0, 0.0), "the dormant one");
    assert!(sum("m/in#0", 0, 1) > 0.5 && sum("m/out#0", 1, 1) > 0.5, "the other one");
    assert_eq!(saved["m/in#1"].double_value(&[]), 6.0, "the squared norm of all six gradients");
}
