//! Whole updates of SAC with SimbaV2 networks against the official code's: losses, entropy, target
//! distributions, gradients, and every parameter after each step.
//!
//! `golden/vectors_simbav2_update.json` was made by the official code (one critic, case `single`);
//! `golden/simbav2_update_cdq.json` by the script beside it, written from the paper and checked
//! against the first file (two critics, case `cdq`). Any file of this structure can take their
//! place: sizes and the number of critics are read from it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path};

use agents::{
    agent::Agent,
    algorithms::sac::{Noise, Sac, SacConfig},
    config::Config,
    experience::Batch,
    logging::record::Scalars,
    replay::draws::NoReplay,
};
use envs::{ActionSpace, EnvSpec};
use networks::{interventions::Clock, params::StateDict, random};
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// Every case of every file, by name.
fn cases() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut cases = Vec::new();
    for name in ["vectors_simbav2_update.json", "simbav2_update_cdq.json"] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let file: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        cases.extend(file.into_iter().map(|(case, value)| (format!("{name}: {case}"), value)));
    }
    assert!(cases.len() >= 2, "{} cases", cases.len());
    cases
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| panic!("{v} is not a number"))
}

/// Nested lists of numbers as an f64 tensor.
fn tensor(v: &Value) -> Tensor {
    match v {
        Value::Array(rows) if rows.iter().all(Value::is_number) => {
            Tensor::from_slice(&rows.iter().map(number).collect::<Vec<_>>())
        }
        Value::Array(rows) => Tensor::stack(&rows.iter().map(tensor).collect::<Vec<_>>(), 0),
        other => Tensor::from(number(other)),
    }
}

/// One network of the file as ours: names, and `[in, out]` kernels as `[out, in]` weights.
fn network(v: &Value, prefix: &str) -> Vec<(String, Tensor)> {
    let weight = |v: &Value| tensor(v).tr().contiguous();
    let mut out = vec![
        ("embed/weight".to_owned(), weight(&v["embedder"]["w"])),
        ("embed/scaler".to_owned(), tensor(&v["embedder"]["scaler"])),
    ];
    for (i, block) in v["blocks"].as_array().unwrap().iter().enumerate() {
        out.push((format!("block_{i}/up/weight"), weight(&block["w1"])));
        out.push((format!("block_{i}/scaler"), tensor(&block["scaler"])));
        out.push((format!("block_{i}/down/weight"), weight(&block["w2"])));
        out.push((format!("block_{i}/alpha"), tensor(&block["alpha"])));
    }
    let heads: &[(&str, &str)] = match v["head"].get("mean_w1") {
        Some(_) => &[("mean_", "mean"), ("std_", "log_std")],
        None => &[("", "value")],
    };
    for (theirs, ours) in heads {
        let part = |part: &str| &v["head"][format!("{theirs}{part}")];
        out.push((format!("{ours}/hidden/weight"), weight(part("w1"))));
        out.push((format!("{ours}/scaler"), tensor(part("scaler"))));
        out.push((format!("{ours}/out/weight"), weight(part("w2"))));
        out.push((format!("{ours}/out/bias"), tensor(part("bias"))));
    }
    out.into_iter().map(|(name, t)| (format!("{prefix}/{name}"), t)).collect()
}

/// A list of critics as the networks `q0`, `q1`, ... of `model`.
fn critics(v: &Value, model: &str) -> Vec<(String, Tensor)> {
    let list = v.as_array().unwrap().iter().enumerate();
    list.flat_map(|(i, critic)| network(critic, &format!("{model}/q{i}"))).collect()
}

fn config(case: &Value) -> Config {
    let (actor, critic, adam) = (&case["hp_actor"], &case["hp_critic"], &case["adam"]);
    let arch = |hp: &Value| {
        format!(
            "arch = {{ kind = 'simba_v2', width = {}, blocks = {}, shift = {}, scaler_init = {}, \
             scaler_scale = {}, alpha_init = {}, alpha_scale = {} }}",
            hp["d"], hp["L"], hp["c_shift"], hp["s"], hp["s"], hp["a_init"], hp["a_scale"]
        )
    };
    let optim = format!(
        "{{ lr = {}, beta1 = {}, beta2 = {}, eps = {}, schedule = {{ kind = 'linear', \
         end_factor = {}, updates = {} }} }}",
        adam["lr_init"],
        adam["b1"],
        adam["b2"],
        adam["eps"],
        number(&adam["lr_end"]) / number(&adam["lr_init"]),
        adam["transition_steps"],
    );
    let actions = number(&case["batch"]["action"][0].as_array().unwrap().len().into());
    let critics = case["critics0"].as_array().unwrap();
    assert_eq!(case["use_cdq"].as_bool().unwrap(), critics.len() > 1, "critics and use_cdq");
    let text = format!(
        "[agent]\nkind = 'sac'\ncritics = {}\ntau = {}\ntarget_entropy_per_dim = {}\n\
         log_std = {{ kind = 'tanh', min = -10.0, max = 2.0 }}\n\
         value = {{ kind = 'categorical', bins = {}, min = {}, max = {} }}\nalpha_optim = {optim}\n\
         [agent.actor]\n{}\noptim = {optim}\n[agent.critic]\n{}\noptim = {optim}",
        critics.len(),
        case["tau"],
        number(&case["target_entropy"]) / actions,
        critics[0]["head"]["bias"].as_array().unwrap().len(),
        critic["vmin"],
        critic["vmax"],
        arch(actor),
        arch(critic),
    );
    Config::parse(&text, &[]).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

/// What is compared with what, at which tolerance.
struct Check {
    place: String,
    tolerance: f64,
}

impl Check {
    fn tensor(&self, what: &str, got: &Tensor, want: &Tensor) {
        assert_eq!(got.size(), want.size(), "{} {what}", self.place);
        let (got, want) = (got.to_kind(Kind::Double), want.to_kind(Kind::Double));
        let gap = ((&got - &want).abs() / want.abs().clamp_min(1.0)).max().double_value(&[]);
        assert!(gap <= self.tolerance, "{} {what}: off by {gap:e}", self.place);
    }

    fn number(&self, what: &str, got: f64, want: &Value) {
        self.tensor(what, &Tensor::from(got), &Tensor::from(number(want)));
    }
}

/// Runs every update of a case in `kind`, with autograd or fused: f64 proves the formulas, f32 is what trains. The official
/// file's schedule was evaluated in f32, which limits f64 to 1e-8 from the second update on.
fn replays(case: &Value, name: &str, kind: Kind, fused: bool) {
    let (tight, loose) = if kind == Kind::Double { (1e-9, 1e-8) } else { (1e-6, 2e-5) };
    let config = config(case);
    let sac = config.agent.settings::<SacConfig>().expect("it was SAC");
    let batch = &case["batch"];
    let columns = |key: &str| batch[key][0].as_array().unwrap().len();
    let spec = EnvSpec::vector(columns("observation"), ActionSpace::symmetric(columns("action")));
    let mut rng = random::stream(1, 0);
    let mut agent = Sac::new(sac, &spec, Device::Cpu, &mut rng).unwrap().to_kind(kind);

    // The file's initial state over the agent's own; what is not in the file (moments, step counts)
    // is at its start already.
    let mut state = save(&agent);
    let mut start = network(&case["actor0"], "actor/pi");
    start.extend(critics(&case["critics0"], "critic"));
    start.extend(critics(&case["targets0"], "target"));
    start.push(("temperature/log_alpha".to_owned(), tensor(&case["log_temp0"])));
    let named = state.keys().filter(|k| !k.contains('#')).count();
    assert_eq!(start.len(), named, "{name}: every tensor is in the file");
    state.extend(start);
    agent.load(&state).unwrap();
    if fused {
        agent.fuse(1).unwrap();
    }

    let column = |key: &str| tensor(&batch[key]).to_kind(kind);
    let gamma = number(&case["gamma"]).powf(number(&case["n_step"]));
    let b = Batch {
        obs: column("observation"),
        action: column("action"),
        reward: column("reward"),
        discount: (1.0 - column("terminated")) * gamma,
        next_obs: column("next_observation"),
        between: None,
        weights: None,
        rows: Vec::new(),
    };
    for (t, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let place = format!("{name}, {kind:?}, fused {fused}, update {t}:");
        let check = Check { place: place.clone(), tolerance: loose };
        let close = Check { place, tolerance: if t == 0 { tight } else { loose } };
        let before = save(&agent);
        let noise = Noise {
            obs: tensor(&step["eps_actor"]).to_kind(kind),
            next_obs: tensor(&step["eps_next"]).to_kind(kind),
            between: None,
        };
        let clock = Clock { update: t as u64, log: true, ..Clock::default() };
        let mut log = Scalars::default();
        agent.update_with(&b, &noise, &mut NoReplay, clock, &mut rng, &mut log).unwrap();
        let log = log.take();
        let logged = |tag: &str| log.iter().find(|(name, _)| name == tag).unwrap().1;
        let after = save(&agent);

        close.number("temperature before", alpha(&before), &step["temperature_before"]);
        check.number("log temperature", alpha(&after).ln(), &step["log_temp_after"]);
        close.number("actor loss", logged("loss/actor"), &step["actor_loss"]);
        close.number("critic loss", logged("loss/critic"), &step["critic_loss"]);
        close.number("entropy", logged("policy/entropy"), &step["entropy"]);
        let excess = number(&step["entropy"]) - number(&case["target_entropy"]);
        let loss = number(&step["temperature_before"]) * excess;
        close.number("the file's temperature loss", loss, &step["temperature_loss"]);
        let target = tensor(&step["target_probs"]);
        close.number("target", logged("q/target"), &expected(case, &target).into());

        // Adam's first moment holds the gradient: m_t = b1 m_{t-1} + (1 - b1) g.
        let b1 = number(&case["adam"]["b1"]);
        let gradient = |name: &str| {
            let name = format!("{name}#0");
            (&after[&name] - &before[&name] * b1) / (1.0 - b1)
        };
        if let Some(actor) = step.get("actor_grad").filter(|v| !v.is_null()) {
            let mut wanted = network(actor, "actor/pi");
            wanted.extend(critics(&step["critic_grads"], "critic"));
            for (name, want) in wanted {
                close.tensor(&format!("gradient of {name}"), &gradient(&name), &want);
            }
        }
        if let Some(actor) = step.get("actor_after").filter(|v| !v.is_null()) {
            let mut wanted = network(actor, "actor/pi");
            wanted.extend(critics(&step["critics_after"], "critic"));
            wanted.extend(critics(&step["targets_after"], "target"));
            for (name, want) in wanted {
                check.tensor(&name, &after[&name], &want);
            }
        }
    }
}

fn save(agent: &Sac) -> StateDict {
    let mut state = StateDict::new();
    agent.save(&mut state);
    state
}

fn alpha(state: &StateDict) -> f64 {
    state["temperature/log_alpha"].to_kind(Kind::Double).exp().double_value(&[])
}

/// Mean over the batch of the expected value of target distributions.
fn expected(case: &Value, probs: &Tensor) -> f64 {
    let (low, high) = (number(&case["hp_critic"]["vmin"]), number(&case["hp_critic"]["vmax"]));
    let values = Tensor::linspace(low, high, probs.size()[1], (Kind::Double, Device::Cpu));
    probs.matmul(&values).mean(Kind::Double).double_value(&[])
}

fn replay_all(kind: Kind) {
    for (name, case) in cases() {
        for fused in [false, true] {
            replays(&case, &name, kind, fused);
        }
    }
}

#[test]
fn updates_are_the_official_ones_in_f64() {
    replay_all(Kind::Double);
}

#[test]
fn updates_are_the_official_ones_in_f32() {
    replay_all(Kind::Float);
}
