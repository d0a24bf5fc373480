//! SimbaV2 piece by piece against `golden/vectors_simbav2.json` (made in f64 by a Python reference
//! that was checked against the official code), in f64 to 1e-10 and in f32 to 1e-6; and
//! the parameter counts of the published table.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

use networks::{
    arch::simba_v2::SimbaV2Config,
    categorical::{Support, cross_entropy},
    layers::l2_normalize,
    network::ArchConfig,
    optim::Schedule,
    params::{Params, Role, StateDict},
    random,
    squashed_gaussian::{LogStd, SquashedGaussian},
    trace::Trace,
};
use serde_json::Value;
use tch::{Kind, Tensor};

const KINDS: [(Kind, f64); 2] = [(Kind::Double, 1e-10), (Kind::Float, 1e-6)];

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/vectors_simbav2.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Nested lists of numbers as a tensor.
fn tensor(v: &Value, kind: Kind) -> Tensor {
    fn f64s(v: &Value) -> Tensor {
        match v {
            Value::Array(rows) if rows.iter().all(Value::is_number) => {
                let row: Vec<f64> = rows.iter().map(|x| x.as_f64().unwrap()).collect();
                Tensor::from_slice(&row)
            }
            Value::Array(rows) => Tensor::stack(&rows.iter().map(f64s).collect::<Vec<_>>(), 0),
            other => Tensor::from(other.as_f64().unwrap_or_else(|| panic!("{other}: no number"))),
        }
    }
    f64s(v).to_kind(kind)
}

/// Within `tolerance`, relative where the number is above 1.
fn close(got: &Tensor, want: &Value, tolerance: f64, what: &str) {
    let (got, want) = (got.detach().to_kind(Kind::Double), tensor(want, Kind::Double));
    assert_eq!(got.size(), want.size(), "{what}");
    let gap = ((&got - &want).abs() / want.abs().clamp_min(1.0)).max().double_value(&[]);
    assert!(gap <= tolerance, "{what}: off by {gap:e}");
}

/// The `[agent.*.arch]` of an `hp` table.
fn config(hp: &Value) -> SimbaV2Config {
    let f = |key: &str| hp[key].as_f64().unwrap();
    SimbaV2Config {
        width: hp["d"].as_i64().unwrap(),
        blocks: hp["L"].as_i64().unwrap(),
        shift: f("c_shift"),
        scaler_init: Some(f("s")),
        scaler_scale: Some(f("s")),
        alpha_init: Some(f("a_init")),
        alpha_scale: Some(f("a_scale")),
        ..SimbaV2Config::default()
    }
}

/// The file's network as ours: names, and `[in, out]` kernels as `[out, in]` weights.
fn state(net: &Value, heads: &[(&str, &str)]) -> StateDict {
    let mut out = StateDict::new();
    let mut put = |name: String, t: Tensor| {
        out.insert(format!("m/f/{name}"), t);
    };
    let vector = |v: &Value| tensor(v, Kind::Double);
    let weight = |v: &Value| vector(v).tr().contiguous();
    put("embed/weight".to_owned(), weight(&net["embedder"]["w"]));
    put("embed/scaler".to_owned(), vector(&net["embedder"]["scaler"]));
    for (i, block) in net["blocks"].as_array().unwrap().iter().enumerate() {
        put(format!("block_{i}/up/weight"), weight(&block["w1"]));
        put(format!("block_{i}/scaler"), vector(&block["scaler"]));
        put(format!("block_{i}/down/weight"), weight(&block["w2"]));
        put(format!("block_{i}/alpha"), vector(&block["alpha"]));
    }
    for (theirs, ours) in heads {
        let part = |part: &str| &net["head"][format!("{theirs}{part}")];
        put(format!("{ours}/hidden/weight"), weight(part("w1")));
        put(format!("{ours}/scaler"), vector(part("scaler")));
        put(format!("{ours}/out/weight"), weight(part("w2")));
        put(format!("{ours}/out/bias"), vector(part("bias")));
    }
    out
}

/// Runs the file's network on `x`: outputs, and activations by layer.
fn run(
    hp: &Value,
    net: &Value,
    heads: &[(&str, &str)],
    widths: &[i64],
    x: &Tensor,
) -> (Vec<Tensor>, Trace) {
    let outputs: Vec<(&str, i64)> =
        heads.iter().zip(widths).map(|((_, ours), &width)| (*ours, width)).collect();
    let mut p = Params::default();
    let arch = ArchConfig::from(config(hp));
    let built =
        arch.build(&mut p, "f", &[x.size()[1]], &outputs, &mut random::stream(1, 0)).unwrap();
    let mut p = p.to_kind(x.kind());
    let state = state(net, heads);
    assert_eq!(state.len(), p.iter().count(), "every parameter is in the file");
    p.load("m", &state).unwrap();
    let mut trace = Trace::on();
    let y = built.forward(&mut networks::forward::Forward::eval(&p, &mut trace), x);
    (y, trace)
}

fn activation<'a>(trace: &'a Trace, layer: &str) -> &'a Tensor {
    &trace.entries().iter().find(|e| e.layer == layer).unwrap().values
}

#[test]
fn l2_norm_and_row_projection() {
    let v = vectors();
    for (kind, tolerance) in KINDS {
        let x = tensor(&v["l2norm"]["x"], kind);
        close(&l2_normalize(&x), &v["l2norm"]["y"], tolerance, "l2norm");

        let projection = &v["weight_projection"];
        let mut kernels =
            vec![(tensor(&projection["W2"], kind), tensor(&projection["W2_proj"], kind))];
        let (many, projected) =
            (tensor(&projection["W3"], kind), tensor(&projection["W3_proj"], kind));
        kernels.extend((0..many.size()[0]).map(|i| (many.get(i), projected.get(i))));
        for (w, want) in kernels {
            // Kernels are [in, out]; ours is the transpose, and output units are its rows.
            let mut p = Params::default();
            let init = networks::init::Init::Hyperspherical;
            let id = p.add_value("w".to_owned(), Role::Hyperspherical, init, &w.tr().contiguous());
            for _ in 0..2 {
                p.project_to_hypersphere();
                let gap = (p.get(id).tr() - &want).abs().max().double_value(&[]);
                assert!(gap <= tolerance, "{kind:?}: {gap:e}");
            }
        }
    }
}

/// Embedder, block and MLP through a network that has nothing else: the first entry of the file's
/// networks feeds `hyper_mlp` and `lerp_block`, whose input is the embedder's output.
#[test]
fn embedder_and_block() {
    let v = vectors();
    for (kind, tolerance) in KINDS {
        let actor = &v["actor"];
        let heads = [("mean_", "mean"), ("std_", "log_std")];
        // The file's parts come from one actor.
        assert_eq!(v["embedder"]["P"], actor["P"]["embedder"]);
        assert_eq!(v["lerp_block"]["P"], actor["P"]["blocks"][0]);
        assert_eq!(v["lerp_block"]["x"], v["embedder"]["y"]);
        let x = tensor(&v["embedder"]["x"], kind);
        let (_, trace) = run(&actor["hp"], &actor["P"], &heads, &[2, 2], &x);
        close(activation(&trace, "f/embed"), &v["embedder"]["y"], tolerance, "embedder");
        close(activation(&trace, "f/block_0"), &v["lerp_block"]["y"], tolerance, "lerp_block");
        // The MLP's output is l2(W2 (u + 1e-8)) of its recorded hidden units u.
        let w2 = tensor(&v["hyper_mlp"]["P"]["w2"], kind);
        let y = l2_normalize(&(activation(&trace, "f/block_0/up") + 1e-8).matmul(&w2));
        close(&y, &v["hyper_mlp"]["y"], tolerance, "hyper_mlp");
    }
}

#[test]
fn policy_and_its_distribution() {
    let v = vectors();
    let (actor, extreme) = (&v["actor"], &v["tanh_gauss_extreme"]);
    for (kind, tolerance) in KINDS {
        let heads = [("mean_", "mean"), ("std_", "log_std")];
        let x = tensor(&actor["obs"], kind);
        let (y, _) = run(&actor["hp"], &actor["P"], &heads, &[2, 2], &x);
        let log_std = LogStd::Tanh { min: -10.0, max: 2.0 }.apply(&y[1]);
        close(&y[0], &actor["mean"], tolerance, "mean");
        close(&log_std, &actor["log_std"], tolerance, "log_std");
        let dist = SquashedGaussian::new(y[0].shallow_clone(), log_std);
        let eps = tensor(&actor["eps"], kind);
        let sample = dist.sample_with(&eps);
        close(&sample.action, &actor["action"], tolerance, "action");
        close(&sample.log_prob, &actor["log_prob"], tolerance, "log_prob");
        close(&dist.mode(), &actor["eval_action"], tolerance, "eval_action");

        let dist = SquashedGaussian::new(
            tensor(&extreme["mean"], kind),
            tensor(&extreme["log_std"], kind),
        );
        let sample = dist.sample_with(&tensor(&extreme["eps"], kind));
        close(&sample.action, &extreme["action"], tolerance, "extreme action");
        close(&sample.log_prob, &extreme["log_prob"], tolerance, "extreme log_prob");
    }
}

#[test]
fn critic_and_its_distribution() {
    let v = vectors();
    let critic = &v["critic"];
    for (kind, tolerance) in KINDS {
        let x = Tensor::cat(&[tensor(&critic["obs"], kind), tensor(&critic["act"], kind)], 1);
        let bins = critic["P"]["head"]["bias"].as_array().unwrap().len() as i64;
        let (y, _) = run(&critic["hp"], &critic["P"], &[("", "value")], &[bins], &x);
        let f = |key: &str| critic["hp"][key].as_f64().unwrap();
        let support = Support { bins, min: f("vmin"), max: f("vmax") };
        close(&support.mean(&y[0]), &critic["q"], tolerance, "q");
        close(&y[0].log_softmax(-1, None::<Kind>), &critic["log_prob"], tolerance, "log_prob");
    }
}

#[test]
fn categorical_projection_and_loss() {
    let v = vectors();
    let mut cases = 0;
    for (name, c) in v.as_object().unwrap().iter().filter(|(k, _)| k.starts_with("c51_projection"))
    {
        cases += 1;
        for (kind, tolerance) in KINDS {
            let probs = tensor(&c["target_probs"], kind);
            let f = |key: &str| c[key].as_f64().unwrap();
            let support = Support { bins: probs.size()[1], min: f("vmin"), max: f("vmax") };
            let discount = (1.0 - tensor(&c["done"], kind)) * f("gamma_n");
            let column = |t: &Tensor| t.unsqueeze(1);
            let values = column(&tensor(&c["reward"], kind))
                + column(&discount)
                    * (support.values(&probs) - column(&tensor(&c["alpha_logp"], kind)));
            let target = support.project(&probs, &values);
            close(&target, &c["projected"], tolerance, name);
            let mean = support.expectation(&target);
            close(&mean, &c["projected_mean"], tolerance, &format!("{name} mean"));
            let loss = cross_entropy(&tensor(&c["pred_log_probs"], kind), &target);
            close(&loss.mean(None::<Kind>), &c["loss"], tolerance, &format!("{name} loss"));
        }
    }
    assert!(cases >= 2, "{cases} projections");
}

#[test]
fn learning_rate_schedule() {
    for row in vectors()["lr_schedule"].as_array().unwrap() {
        let schedule = Schedule::Linear { end_factor: 0.5, updates: 1_000_000 };
        let lr = 1e-4 * schedule.factor(row["step"].as_u64().unwrap());
        assert!((lr - row["lr"].as_f64().unwrap()).abs() < 1e-16, "{row}: {lr}");
    }
}

/// The published table: SAC's actor of width 128 with one block, critics of width 512 with two.
#[test]
fn parameter_counts_are_the_published_ones() {
    let count = |width, blocks, input, outputs: &[(&str, i64)]| {
        let mut p = Params::default();
        let arch = ArchConfig::from(SimbaV2Config { width, blocks, ..SimbaV2Config::default() });
        // Constant weights would do, but orthogonal ones are what there is.
        arch.build(&mut p, "f", &[input], outputs, &mut random::stream(1, 0)).unwrap();
        p.count()
    };
    for (o, a, critics, actor, critic) in [
        (5, 1, 1, 165_890, 4_517_989),
        (11, 3, 2, 167_174, 9_044_170),
        (17, 6, 2, 168_716, 9_053_386),
        (376, 17, 2, 217_506, 9_432_266),
        (223, 38, 1, 203_340, 4_648_549),
    ] {
        assert_eq!(count(128, 1, o, &[("mean", a), ("log_std", a)]), actor, "actor {o} {a}");
        assert_eq!(critics * count(512, 2, o + a, &[("value", 101)]), critic, "critic {o} {a}");
    }
}
