//! Diagnostics of a run: what is looked at, when, under which names, and that looking changes nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::collections::{BTreeMap, BTreeSet};

use agents::{
    agent::Agent,
    config::Config,
    diagnostics::{
        config::{DiagnosticsConfig, DueTiers},
        diagnostic::{Context, Measure},
        histograms,
        registry::Diagnostics,
    },
    experience::Batch,
    logging::record::{Record, Scalars},
    replay::draws::NoReplay,
};
use envs::{ActionSpace, EnvSpec};
use harness::{Run, SIMBA_V2, config, within};
use networks::{diagnostics::dormant_fraction, interventions::Clock, params::StateDict, random};
use tch::{Device, Kind, Tensor};

fn simba_v2() -> Config {
    let Config { normalize, diagnostics, agent, .. } = config(SIMBA_V2);
    let rest = config(
        "total_steps = 200\nenv.name = 'Pendulum-v1'\neval.episodes = 0\n\
         runtime = { update_to_data = 0.5, torch_threads = 1 }\n\
         replay = { capacity = 120, batch_size = 8, learning_starts = 40 }\n[agent]\nkind = 'sac'",
    );
    Config { normalize, diagnostics, agent, ..rest }
}

/// Updates of a run are the same bits whether it is looked at or not; the looks come when they are due
/// and cover every layer.
#[test]
fn looking_changes_nothing_and_comes_when_due() {
    within(120, || {
        let seen = Run::new(&simba_v2());
        seen.train().unwrap();
        let mut unseen = simba_v2();
        unseen.diagnostics.every_updates = 0;
        unseen.diagnostics.rank_every_updates = 0;
        unseen.diagnostics.curvature_every_updates = 0;
        let unseen = Run::new(&unseen);
        unseen.train().unwrap();
        let (seen, unseen) = (seen.outcome(), unseen.outcome());
        assert!(seen.model == unseen.model && seen.replay == unseen.replay);
        assert_eq!(seen.state, unseen.state);

        // 80 updates: units after every tenth, ranks after every thirtieth.
        let of = |rows: &[(u64, serde_json::Map<String, serde_json::Value>)], end: &str| -> usize {
            let tags = rows.iter().flat_map(|(_, row)| row.keys());
            tags.filter(|t| t.starts_with("plasticity/") && t.ends_with(end)).count()
        };
        // A ReLU layer: one in the actor, two in each of two critics; and both networks as a whole.
        assert_eq!(of(&seen.rows, "/dead"), 8 * (5 + 2));
        // Recorded layers: embedding, hidden units and output of each block.
        assert_eq!(of(&seen.rows, "/effective_rank"), 2 * (3 + 2 * 5 + 2));
        assert_eq!(of(&unseen.rows, ""), 0);
        let (_, row) =
            seen.rows.iter().find(|(_, r)| r.keys().any(|k| k.ends_with("/dead"))).unwrap();
        assert!(row.contains_key("plasticity/critic/q1/block_1/up/dead"), "{row:?}");
        assert!(row.contains_key("plasticity/actor/pi/mean/out/weight_norm"), "{row:?}");
    });
}

fn dqn(activation: &str) -> Box<dyn Agent> {
    let text = format!(
        "[agent]\nkind = 'dqn'\nnetwork.arch = {{ kind = 'mlp', hidden = [6, 5], activation = '{activation}' }}"
    );
    let spec = EnvSpec::vector(3, ActionSpace::Discrete(2));
    config(&text).build_agent(&spec, Device::Cpu, &mut random::stream(1, 0)).unwrap()
}

fn batch() -> Batch {
    let mut rng = random::stream(2, 0);
    Batch {
        obs: random::normal(&[32, 3], &mut rng),
        action: Tensor::zeros([32, 1], (Kind::Int64, Device::Cpu)),
        reward: Tensor::zeros([32], (Kind::Float, Device::Cpu)),
        discount: Tensor::zeros([32], (Kind::Float, Device::Cpu)),
        next_obs: random::normal(&[32, 3], &mut rng),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

const UNITS: DueTiers = DueTiers { units: true, ranks: false, curvature: false, refit: false };
const CHEAP: DueTiers = DueTiers { ranks: true, ..UNITS };

/// Without the weights of the start.
fn measures(agent: &dyn Agent, batch: &Batch, look: DueTiers) -> Vec<Measure> {
    let mut rng = random::stream(4, 0);
    let probes = agent.probe(batch, &mut rng.clone());
    let mut cx = Context { initial: &StateDict::new(), refit_steps: 50, rng: &mut rng };
    Diagnostics::current().of_networks(&probes, look, &mut cx)
}

fn value(found: &[Measure], layer: &str, measure: &str) -> f64 {
    found.iter().find(|m| m.layer == layer && m.measure == measure).unwrap().value
}

const CURVATURE: DueTiers = DueTiers { curvature: true, units: false, ..UNITS };

fn sac(critics: usize, value: &str) -> Box<dyn Agent> {
    let text = format!(
        "[agent]\nkind = 'sac'\ncritics = {critics}\nvalue = {value}\n\
         actor.arch = {{ kind = 'mlp', hidden = [6] }}\ncritic.arch = {{ kind = 'mlp', hidden = [6] }}"
    );
    let spec = EnvSpec::vector(3, ActionSpace::symmetric(1));
    config(&text).build_agent(&spec, Device::Cpu, &mut random::stream(1, 0)).unwrap()
}

/// Readiness is a part of what the loss can lose. A categorical critic that predicts its targets has little to lose,
/// however large its cross-entropy; of an actor's loss nobody knows.
#[test]
fn readiness_is_of_the_loss_above_its_floor() {
    let b = Batch { action: Tensor::zeros([32, 1], (Kind::Float, Device::Cpu)), ..batch() };
    for value_of in
        ["{ kind = 'scalar' }", "{ kind = 'categorical', bins = 21, min = -5.0, max = 5.0 }"]
    {
        let agent = sac(2, value_of);
        let found = measures(agent.as_ref(), &b, CURVATURE);
        let of =
            |net: &str| found.iter().filter(|m| m.net == net && m.measure == "readiness").count();
        assert_eq!((of("actor"), of("critic")), (0, 1), "{value_of}");
    }
    // Two bins around the reward 0 of a last step: every target is (1/2, 1/2), with an entropy of ln 2.
    let agent = sac(1, "{ kind = 'categorical', bins = 2, min = -1.0, max = 1.0 }");
    let mut rng = random::stream(4, 0);
    let probes = agent.probe(&b, &mut rng);
    let critic = &probes[1];
    let (loss, floor) =
        ((critic.loss)(0, 32).double_value(&[]), critic.floor.as_ref().unwrap()(0, 32));
    assert!((floor - 2f64.ln()).abs() < 1e-6 && loss >= floor, "{floor} {loss}");
    let found = measures(agent.as_ref(), &b, CURVATURE);
    let params: Vec<&Tensor> = critic.model.params.trainable().map(|p| &p.value).collect();
    let gradient = Tensor::run_backward(&[(critic.loss)(0, 32)], &params, false, false);
    let square: f64 = gradient
        .iter()
        .map(|g| g.to_kind(Kind::Double).square().sum(None::<Kind>).double_value(&[]))
        .sum();
    let of =
        |measure| found.iter().find(|m| m.net == "critic" && m.measure == measure).unwrap().value;
    let wanted = square / (loss - floor) * of("gradient_reliability");
    assert!((of("readiness") / wanted - 1.0).abs() < 1e-3, "{} {wanted}", of("readiness"));
}

/// Rows whose gradients are large come last: minibatches of the first half alone would not know them.
#[test]
fn minibatches_make_up_the_batch_they_are_compared_with() {
    let rows = |x: f64, n: i64| Tensor::full([n], x, (Kind::Float, Device::Cpu));
    let b = batch();
    let many = |t: &Tensor| Tensor::cat(&vec![t; 32], 0); // 1024 rows
    let b = Batch {
        obs: many(&b.obs),
        action: many(&b.action),
        reward: Tensor::cat(&[rows(0.0, 512), rows(100.0, 512)], 0),
        discount: rows(0.0, 1024),
        next_obs: many(&b.next_obs),
        between: None,
        weights: None,
        rows: Vec::new(),
    };
    let found = measures(dqn("relu").as_ref(), &b, CURVATURE);
    let reliability = value(&found, "_global", "gradient_reliability");
    assert!(reliability > 0.0 && reliability <= 1.0, "{reliability}");
}

/// Four critics of one kind are as redundant as one, not four times.
#[test]
fn local_redundancy_is_of_one_critic() {
    let b = Batch { action: Tensor::zeros([32, 1], (Kind::Float, Device::Cpu)), ..batch() };
    let of = |critics| {
        let found = measures(sac(critics, "{ kind = 'scalar' }").as_ref(), &b, CURVATURE);
        found.iter().find(|m| m.net == "critic" && m.measure == "local_redundancy").unwrap().value
    };
    let ratio = of(4) / of(1);
    assert!((0.5..2.0).contains(&ratio), "{ratio}");
}

/// Two of six units of the first layer are switched off by their biases, one is always on: that is
/// what the measures say, of that layer, and the names are the documented ones.
#[test]
fn dead_units_are_seen_where_they_are() {
    let mut agent = dqn("relu");
    let mut state = StateDict::new();
    agent.save(&mut state);
    let bias = &state["q/q/hidden_0/bias"];
    for (unit, b) in [(1, -100f64), (4, -100.0), (2, 100.0)] {
        let _ = bias.get(unit).fill_(b);
    }
    agent.load(&state).unwrap();
    let batch = batch();
    let found = measures(agent.as_ref(), &batch, CHEAP);
    let of = |measure| value(&found, "q/hidden_0", measure);
    assert!((of("dead") - 2.0 / 6.0).abs() < 1e-12 && (of("linearised") - 1.0 / 6.0).abs() < 1e-12);
    assert!(of("rarely_active") >= 2.0 / 6.0 && of("zeros") > 2.0 / 6.0);
    assert!(value(&found, "q/hidden_1", "dead") < 1.0);
    // The unit at 100 makes the others' share of the average small: dormant, though not dead.
    let weight = state["q/q/hidden_0/weight"].tr();
    let h = (batch.obs.matmul(&weight) + bias).relu();
    assert_eq!(of("dormant_0.025"), dormant_fraction(&h, 0.025));
    assert!(of("dormant_0.1") > of("dead"));
    let norm = state["q/q/q/weight"].to_kind(Kind::Double).norm().double_value(&[]);
    assert!((value(&found, "q/q", "weight_norm") - norm).abs() < 1e-12);
    assert!(of("effective_rank") >= 1.0 && of("effective_rank") <= 4.0, "four units live");
    assert_eq!(found[0].tag(), "plasticity/q/q/hidden_0/feature_norm");

    let names = |activation: &str| -> BTreeSet<&'static str> {
        let agent = dqn(activation);
        measures(agent.as_ref(), &batch, UNITS).into_iter().map(|m| m.measure).collect()
    };
    let any = [
        "feature_norm",
        "feature_variance",
        "feature_cosine",
        "usage",
        "weight_norm",
        "weight_mean_abs",
        "target_lag",
    ];
    let tanh = [&any[..], &["saturated"]].concat();
    assert_eq!(names("tanh"), tanh.into_iter().collect());
    assert_eq!(names("silu"), any.into_iter().collect());
    assert!(measures(agent.as_ref(), &batch, DueTiers::default()).is_empty());
}

/// At the start a network learns as well as one from the start; with all units of a layer switched off it
/// does not, and the fresh one still does.
#[test]
fn refits_compare_with_the_start() {
    let mut agent = dqn("relu");
    let mut start = StateDict::new();
    agent.save(&mut start);
    let initial: StateDict = start.iter().map(|(k, t)| (k.clone(), t.copy())).collect();
    let look = DueTiers { refit: true, ..DueTiers::default() };
    let refit = |agent: &dyn Agent| {
        let mut rng = random::stream(4, 0);
        let probes = agent.probe(&batch(), &mut rng.clone());
        let mut cx = Context { initial: &initial, refit_steps: 50, rng: &mut rng };
        let found = Diagnostics::current().of_networks(&probes, look, &mut cx);
        ["refit_loss", "refit_loss_fresh", "refit_loss_ratio"].map(|m| value(&found, "_global", m))
    };
    let [now, fresh, ratio] = refit(agent.as_ref());
    assert_eq!((now, ratio), (fresh, 1.0));
    let _ = start["q/q/hidden_0/bias"].shallow_clone().fill_(-100.0);
    agent.load(&start).unwrap();
    let [dead, same, ratio] = refit(agent.as_ref());
    assert_eq!(same, fresh);
    assert!(dead > fresh && ratio == dead / fresh, "{dead} {fresh} {ratio}");
}

/// Before anything was replaced, units are as old as there were updates; each has a utility.
#[test]
fn histograms_are_of_every_unit() {
    let text = "[agent]\nkind = 'dqn'\nnetwork.arch = { kind = 'mlp', hidden = [6, 5] }\n\
                network.interventions = [{ kind = 'cbp' }]";
    let spec = EnvSpec::vector(3, ActionSpace::Discrete(2));
    let mut rng = random::stream(1, 0);
    let mut agent = config(text).build_agent(&spec, Device::Cpu, &mut rng).unwrap();
    let batch = batch();
    for _ in 0..3 {
        let clock = Clock::default();
        agent.update(&batch, &mut NoReplay, clock, &mut rng, &mut Scalars::default()).unwrap();
    }
    let mut found = BTreeMap::new();
    for record in histograms(&agent.probe(&batch, &mut rng)) {
        let Record::Histogram { tag, values } = record else { panic!("{record:?}") };
        found.insert(tag, values);
    }
    assert_eq!(found.len(), 4, "{:?}", found.keys());
    for (layer, units) in [("hidden_0", 6), ("hidden_1", 5)] {
        let of = |measure: &str| &found[&format!("plasticity/q/q/{layer}/{measure}")];
        assert_eq!(*of("age"), vec![3.0; units]);
        assert_eq!(of("utility").len(), units);
        assert!(of("utility").iter().any(|&u| u > 0.0));
    }
}

/// Replacements are counted by layer and in all.
#[test]
fn replacements_are_counted() {
    let text = "[agent]\nkind = 'dqn'\nnetwork.arch = { kind = 'mlp', hidden = [6, 5] }\n\
                network.interventions = [{ kind = 'cbp', maturity_threshold = 1, replacement_rate = 0.5 }]";
    let spec = EnvSpec::vector(3, ActionSpace::Discrete(2));
    let mut rng = random::stream(1, 0);
    let mut agent = config(text).build_agent(&spec, Device::Cpu, &mut rng).unwrap();
    for _ in 0..3 {
        agent
            .update(&batch(), &mut NoReplay, Clock::default(), &mut rng, &mut Scalars::default())
            .unwrap();
    }
    let found = measures(agent.as_ref(), &batch(), UNITS);
    let of = |layer| value(&found, layer, "replaced");
    let [whole, first, second] = ["_global", "q/hidden_0", "q/hidden_1"].map(of);
    assert!(first > 0.0 && second > 0.0 && whole == first + second);
    assert_eq!(agent.intervention_counts()[0].count as f64, whole);
}

#[test]
fn zero_is_never() {
    let config = DiagnosticsConfig {
        every_updates: 4,
        rank_every_updates: 0,
        curvature_every_updates: 0,
        refit_every_updates: 0,
        ..DiagnosticsConfig::default()
    };
    let due: Vec<u64> = (1..=9).filter(|&u| config.due(u).units).collect();
    assert_eq!(due, [4, 8]);
    assert!((1..100).all(|u| config.due(u) == DueTiers::default() || config.due(u) == UNITS));
}
