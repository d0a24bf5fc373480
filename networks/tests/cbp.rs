//! Continual backprop, and Adam's ages, against `golden/vectors_plasticity.json` in f64.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    init::Init,
    interventions::{Cbp, Clock, Intervention, InterventionConfig, Redo, StepCx, Utility},
    neurons::{NeuronGroup, Outgoing},
    optim::{Adam, Optim, OptimConfig},
    params::{ParamId, Params, Role},
    random::{self, Rng},
    trace::{Activity, Trace},
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad_guard};
use vectors::{tensor, vectors};

fn close(got: &Tensor, want: &Value, what: &str) {
    let want = tensor(want);
    assert_eq!(got.size(), want.size(), "{what}");
    let gap = (got.detach() - want).abs().max().double_value(&[]);
    assert!(gap <= 1e-12, "{what}: off by {gap:e}");
}

fn named<'a>(p: &'a Params, name: &str) -> &'a Tensor {
    &p.iter().find(|(_, q)| q.name == name).unwrap().1.value
}

/// The golden network: one hidden layer of four units, two outputs.
struct Toy {
    p: Params,
    ids: [ParamId; 4],
    cbp: Box<dyn Intervention>,
    rng: Rng,
}

impl Toy {
    fn new(v: &Value, config: Cbp) -> Toy {
        let mut p = Params::default();
        let mut add = |key: &str, role| {
            p.add_value(key.to_owned(), role, Init::TorchDefault, &tensor(&v["inputs"][key]))
        };
        let ids = [
            add("W_in", Role::Hidden),
            add("b_in", Role::Bias),
            add("W_out", Role::Output),
            add("b_out", Role::Bias),
        ];
        let [w_in, b_in, w_out, b_out] = ids;
        let outgoing = vec![Outgoing { weight: w_out, bias: Some(b_out) }];
        p.add_neurons(NeuronGroup::new("h", w_in, [b_in], outgoing));
        let cbp = InterventionConfig::from(config).build(&mut p);
        Toy { p, ids, cbp, rng: random::stream(1, 0) }
    }

    /// One step with these activations; how many units were replaced.
    fn step(&mut self, number: u64, features: &Tensor) -> u64 {
        let mut trace = Trace::on();
        trace.record("h", Activity::Relu, features);
        let mut cx = StepCx::new(&trace, Clock::default(), number, &mut self.rng);
        self.cbp.weights(&mut self.p, &mut cx);
        cx.count
    }
}

fn config(v: &Value, utility: Utility) -> Cbp {
    Cbp {
        utility,
        replacement_rate: v["inputs"]["replacement_rate"].as_f64().unwrap(),
        maturity_threshold: v["inputs"]["maturity_threshold"].as_u64().unwrap(),
        decay_rate: v["inputs"]["decay"].as_f64().unwrap(),
        accumulate: true,
        transfer_mean: false,
    }
}

/// Utilities, ages, what is due, who is chosen, and every weight after each replacement. The fresh
/// incoming rows are the golden file's.
#[test]
fn every_utility_chooses_as_published() {
    let v = &vectors("plasticity")["cbp"];
    let outgoing = v["inputs"]["W_out"].as_array().unwrap().len() as f64;
    let runs = [
        ("contribution", Utility::Contribution, false, 1.0),
        ("zero_contribution", Utility::ZeroContribution, false, 1.0),
        ("adaptable_contribution", Utility::AdaptableContribution, false, 1.0),
        ("adaptation", Utility::Adaptation, false, 1.0),
        ("weight", Utility::Weight, false, 1.0),
        ("feature_by_input", Utility::FeatureByInput, false, 1.0),
        // The paper sums where the code averages: the same choices.
        ("contribution_paper_sum", Utility::Contribution, false, outgoing),
        ("adaptable_contribution_bias_transfer", Utility::AdaptableContribution, true, 1.0),
    ];
    assert_eq!(runs.len(), v["runs"].as_object().unwrap().len(), "a run is not tested");
    for (key, utility, transfer_mean, factor) in runs {
        let mut toy = Toy::new(v, Cbp { transfer_mean, ..config(v, utility) });
        let mut replacements = 0;
        let steps = v["runs"][key].as_array().unwrap();
        for (t, (want, features)) in
            steps.iter().zip(v["inputs"]["features"].as_array().unwrap()).enumerate()
        {
            let what = |part: &str| format!("{key}, step {t}, {part}");
            let number = t as u64 + 1;
            let ages: Vec<f64> =
                toy.p.births(0).iter().map(|&b| (number as i64 - b) as f64).collect();
            close(&Tensor::from_slice(&ages), &want["age"], &what("age"));
            let before = toy.p.births(0).to_vec();
            let acted = toy.step(number, &tensor(features));
            let chosen: Vec<usize> = want["selected"]
                .as_array()
                .unwrap()
                .iter()
                .map(|i| i.as_u64().unwrap() as usize)
                .collect();
            assert_eq!(acted, chosen.len() as u64, "{}", what("how many"));
            let births = toy.p.births(0).to_vec();
            for (i, (now, before)) in births.iter().zip(before).enumerate() {
                let wanted = if chosen.contains(&i) { number as i64 } else { before };
                assert_eq!(*now, wanted, "{}", what(&format!("birth of {i}")));
            }
            // The file has what the choice was made by; afterwards the chosen start again at 0.
            let mut utilities: Vec<f64> = serde_json::from_value(want["util_ema"].clone()).unwrap();
            for &unit in &chosen {
                utilities[unit] = 0.0;
            }
            close(&(named(&toy.p, "h@utility") * factor), &json!(utilities), &what("utility"));
            close(
                named(&toy.p, "h@replacement_accumulator"),
                &want["accumulator"],
                &what("replacement_accumulator"),
            );
            if chosen.is_empty() {
                continue;
            }
            let _guard = no_grad_guard();
            for &unit in &chosen {
                let mut row = toy.p.get(toy.ids[0]).get(unit as i64);
                let bound = 3f64.sqrt().recip();
                assert!(row.abs().max().double_value(&[]) <= bound, "not the layer's own law");
                row.copy_(&tensor(&v["inputs"]["init_rows"][replacements]));
                replacements += 1;
            }
            for (id, key) in toy.ids.iter().zip(["W_in", "b_in", "W_out", "b_out"]) {
                close(toy.p.get(*id), &want[key], &what(key));
            }
        }
        assert!(replacements > 0, "{key} replaced nothing");
    }
}

/// Averages are corrected by the age of each unit: of two mature ones the older is replaced, whose use is
/// half of the younger's, though its average has had ninety steps more to grow.
#[test]
fn the_young_are_not_taken_for_the_useless() {
    let mut p = Params::default();
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Double, Device::Cpu));
    let w_in = p.add_value("in".to_owned(), Role::Hidden, Init::TorchDefault, &ones(&[2, 1]));
    let w_out = p.add_value("out".to_owned(), Role::Output, Init::TorchDefault, &ones(&[1, 2]));
    let outgoing = vec![Outgoing { weight: w_out, bias: None }];
    p.add_neurons(NeuronGroup::new("h", w_in, [], outgoing));
    // From step 5 on a fraction of the old one is due, in step 100 of both: then it is one unit.
    let config = Cbp {
        replacement_rate: 0.0104,
        maturity_threshold: 4,
        transfer_mean: false,
        ..Cbp::default()
    };
    let mut cbp = InterventionConfig::from(config).build(&mut p);
    let mut rng = random::stream(1, 0);
    let mut trace = Trace::on();
    trace.record("h", Activity::Relu, &Tensor::from_slice(&[1.0, 2.0]).view([1, 2]));
    for number in 1..=100 {
        p.births(0)[1] = (number as i64 - 1).min(95);
        let mut cx = StepCx::new(&trace, Clock::default(), number, &mut rng);
        cbp.weights(&mut p, &mut cx);
        assert_eq!(cx.count, u64::from(number == 100), "step {number}");
    }
    assert_eq!(p.births(0), [100, 95]);
}

/// Fractions of units add up over updates: five units at a rate of 0.001 and a maturity of 100.
#[test]
fn fractions_add_up_to_whole_units() {
    let v = &vectors("plasticity")["cbp"];
    let s = &v["accumulator_schedule"];
    let (n, maturity) = (s["n_units"].as_i64().unwrap(), s["maturity"].as_u64().unwrap());
    let mut p = Params::default();
    let mut rng = random::stream(1, 0);
    let w_in = p.add("in".to_owned(), Role::Hidden, &[n, 3], Init::He, &mut rng);
    let w_out = p.add("out".to_owned(), Role::Output, &[2, n], Init::He, &mut rng);
    p.add_neurons(NeuronGroup::new("h", w_in, [], vec![Outgoing { weight: w_out, bias: None }]));
    let config = Cbp {
        replacement_rate: s["rr"].as_f64().unwrap(),
        maturity_threshold: maturity,
        ..Cbp::default()
    };
    let mut cbp = InterventionConfig::from(config).build(&mut p);
    let mut trace = Trace::on();
    trace.record("h", Activity::Relu, &Tensor::ones([1, n], (Kind::Float, Device::Cpu)));
    let mut hits = Vec::new();
    for step in 1..=2000 {
        let mut cx = StepCx::new(&trace, Clock::default(), step, &mut rng);
        cbp.weights(&mut p, &mut cx);
        if cx.count > 0 {
            hits.push((step, cx.count));
        }
        // As in the golden toy, nobody gets younger.
        p.births(0).fill(0);
    }
    let want: Vec<(u64, u64)> = serde_json::from_value(s["first_hits"].clone()).unwrap();
    assert_eq!(hits[..want.len()], want);
    assert_eq!(hits.iter().map(|(_, n)| n).sum::<u64>(), s["total_2000"].as_u64().unwrap());
}

/// Without accumulation each update replaces a unit with probability `rate * mature units`, and the
/// fraction above whole units is dropped, as in the released code.
#[test]
fn without_accumulation_fractions_are_chances() {
    let v = &vectors("plasticity")["cbp"];
    for (rate, low, high) in [(0.05, 340, 460), (0.4, 2000, 2000)] {
        let base = config(v, Utility::Contribution);
        let config = Cbp { replacement_rate: rate, accumulate: false, ..base };
        let mut toy = Toy::new(v, config);
        let h = Tensor::ones([2, 4], (Kind::Double, Device::Cpu));
        let mut replaced = 0;
        for step in 1..=2000 {
            // Everybody is mature at all times: 4 units, so 0.2 and 1.6 units an update.
            replaced += toy.step(step + 100, &h);
            toy.p.births(0).fill(0);
        }
        // 400 +- 60 is 3.4 standard deviations of the binomial.
        assert!((low..=high).contains(&replaced), "rate {rate}: {replaced}");
    }
}

#[test]
fn random_utility_spares_nobody() {
    let v = &vectors("plasticity")["cbp"];
    let mut toy = Toy::new(v, config(v, Utility::Random));
    let h = Tensor::ones([2, 4], (Kind::Double, Device::Cpu));
    let mut counts = [0; 4];
    for step in 1..=2000 {
        let before = toy.p.births(0).to_vec();
        toy.step(step, &h);
        let now = toy.p.births(0).to_vec();
        for i in 0..4 {
            counts[i] += u32::from(now[i] != before[i]);
        }
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*least > 70 && *most < 2 * least, "{counts:?}");
}

/// ReDo replaces the dormant of each layer in that layer.
#[test]
fn redo_replaces_where_units_are_dormant() {
    let mut p = Params::default();
    let ones = |shape: &[i64]| Tensor::ones(shape, (Kind::Double, Device::Cpu));
    let [a, b, out] = [("a", [3, 1]), ("b", [3, 3]), ("out", [1, 3])].map(|(name, shape)| {
        p.add_value(name.to_owned(), Role::Hidden, Init::TorchDefault, &ones(&shape))
    });
    p.add_neurons(NeuronGroup::new("a", a, [], vec![Outgoing { weight: b, bias: None }]));
    p.add_neurons(NeuronGroup::new("b", b, [], vec![Outgoing { weight: out, bias: None }]));
    let mut redo =
        InterventionConfig::from(Redo { threshold: 0.1, every_updates: 1 }).build(&mut p);
    let mut trace = Trace::on();
    for (layer, h) in [("a", [1.0, 1.0, 0.05]), ("b", [0.1, 3.0, 0.2])] {
        trace.record(layer, Activity::Relu, &Tensor::from_slice(&h).view([1, 3]));
    }
    let mut rng = random::stream(1, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 7, &mut rng);
    redo.weights(&mut p, &mut cx);
    // Scores are 1.46, 1.46, 0.07 and 0.09, 2.73, 0.18.
    assert_eq!(cx.count, 2);
    assert_eq!((p.births(0).to_vec(), p.births(1).to_vec()), (vec![0, 0, 7], vec![7, 0, 0]));
    assert_eq!((p.replaced(0), p.replaced(1)), (Some(1), Some(1)));
}

/// A replaced unit restarts Adam for its own weights: moments, and the steps that corrections count.
#[test]
fn adam_counts_the_age_of_each_unit() {
    let v = &vectors("plasticity")["adam_per_element_step"];
    for (key, reset_before) in
        [("standard_eps_no_reset", None), ("standard_eps_reset_index1_before_step2", Some(2))]
    {
        let mut p = Params::default();
        let p0 = tensor(&v["p0"]).view([3, 1]);
        let w = p.add_value("w".to_owned(), Role::Hidden, Init::Constant(0.0), &p0);
        p.add_neurons(NeuronGroup::new("h", w, [], Vec::new()));
        // ReDo replaces the one unit of three that is silent.
        let mut redo =
            InterventionConfig::from(Redo { threshold: 0.0, every_updates: 1 }).build(&mut p);
        let [beta1, beta2] = [0, 1].map(|i| v["betas"][i].as_f64().unwrap());
        let (lr, eps) = (v["lr"].as_f64().unwrap(), v["eps"].as_f64().unwrap());
        let optim = OptimConfig::new(Adam { eps, beta1, beta2, ..Adam::default() }, lr);
        let mut optim = Optim::new(optim, &mut p, Device::Cpu);
        for (t, grad) in v["grads"].as_array().unwrap().iter().enumerate() {
            if reset_before == Some(t) {
                let mut trace = Trace::on();
                let h = Tensor::from_slice(&[1.0, 0.0, 1.0]).view([1, 3]);
                trace.record("h", Activity::Relu, &h);
                let mut rng = random::stream(1, 0);
                let mut cx = StepCx::new(&trace, Clock::default(), optim.steps(), &mut rng);
                redo.weights(&mut p, &mut cx);
                assert_eq!(cx.count, 1);
            }
            optim.step(&mut p, &[tensor(grad).view([3, 1])], 0);
            close(&p.get(w).view([3]), &v[key][t]["p"], &format!("{key}, step {t}"));
        }
    }
}

/// `|update| / lr` of the first gradient after a reset is 1, however long the run, of what feeds the unit,
/// its own numbers and what reads it.
#[test]
fn the_first_step_of_a_new_unit_has_the_length_of_a_first_step() {
    let ratios = &vectors("plasticity")["adam_per_element_step"]["first_step_ratio_after_reset"];
    for (steps, want) in ratios.as_object().unwrap() {
        let steps: u64 = steps.parse().unwrap();
        if steps > 10_000 {
            continue; // Too long for a loop; corrections are 1 to rounding from 17,000 on.
        }
        let mut p = Params::default();
        let one = Tensor::ones([1, 1], (Kind::Double, Device::Cpu));
        let mut add = |name: &str, role, value: &Tensor| {
            p.add_value(name.to_owned(), role, Init::Constant(0.0), value)
        };
        let incoming = add("w", Role::Hidden, &one);
        let own = add("b", Role::Bias, &one.view([1]));
        let out = add("out", Role::Output, &one);
        let outgoing = vec![Outgoing { weight: out, bias: None }];
        p.add_neurons(NeuronGroup::new("h", incoming, [own], outgoing));
        let mut redo =
            InterventionConfig::from(Redo { threshold: 1.0, every_updates: 1 }).build(&mut p);
        let optim = OptimConfig::new(Adam { eps: 1e-30, ..Adam::default() }, 0.01);
        let mut optim = Optim::new(optim, &mut p, Device::Cpu);
        let grads = [&one * 0.3, one.view([1]) * 0.3, &one * 0.3];
        for _ in 0..steps {
            optim.step(&mut p, &grads, 0);
        }
        let mut trace = Trace::on();
        trace.record("h", Activity::Relu, &one);
        let mut rng = random::stream(1, 0);
        let mut cx = StepCx::new(&trace, Clock::default(), steps, &mut rng);
        redo.weights(&mut p, &mut cx);
        let numbers = |p: &Params| {
            [incoming, own, out].map(|id| p.get(id).sum(Kind::Double).double_value(&[]))
        };
        assert_eq!(numbers(&p), [0.0; 3], "a fresh start");
        optim.step(&mut p, &grads, 0);
        let want = want["per_element"].as_f64().unwrap();
        for moved in numbers(&p) {
            let ratio = moved.abs() / 0.01;
            assert!((ratio - want).abs() < 1e-9, "after {steps} steps: {ratio}, not {want}");
        }
    }
}
