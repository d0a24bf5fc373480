//! What replacing units does to the function of a network: exactly the units' contribution, less the wider the
//! layer behind a norm, and as published on the sphere.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod replacing;
mod vectors;

use networks::{
    arch::{mlp::MlpConfig, simba_v2::SimbaV2Config},
    init::Init,
    interventions::{Cbp, Clock, InterventionConfig, Nap, NapGains, Redo, StepCx, Utility},
    layers::{
        l2_normalize,
        norm::{LayerNorm, NormConfig},
    },
    model::Model,
    network::ArchConfig,
    neurons::{NeuronGroup, Outgoing},
    optim::OptimConfig,
    params::{Params, Role},
    random,
    trace::{Activity, Trace},
};
use replacing::{INPUT, build, eager, gap, newborn};
use tch::{Kind, Tensor, no_grad_guard};
use vectors::{tensor, vectors};

fn outputs(model: &Model, x: &Tensor) -> Tensor {
    let _guard = no_grad_guard();
    Tensor::cat(&model.forward(x), 1)
}

/// Replaces the two least useful units of the first layer at once, after one gradient-free look.
fn replace_two(arch: &ArchConfig, transfer_mean: bool) -> (Model, Tensor, Tensor, Vec<i64>) {
    let config = Cbp {
        replacement_rate: 1.0,
        maturity_threshold: 0,
        decay_rate: 0.0,
        transfer_mean,
        ..Cbp::default()
    };
    let mut m = build(arch, &[], &OptimConfig::default());
    let width = m.params.get(m.params.neurons()[0].incoming).size()[0] as f64;
    let config = Cbp { replacement_rate: 2.5 / width, ..config };
    let mut cbp = InterventionConfig::from(config).build(&mut m.params);
    let x = random::normal(&[512, INPUT], &mut random::stream(11, 0));
    let before = outputs(&m, &x);
    let trace = m.trace(&x);
    let mut rng = random::stream(5, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 1, &mut rng);
    cbp.weights(&mut m.params, &mut cx);
    let new = newborn(&mut m.params, 0, 1);
    assert_eq!(new.len(), 2);
    m.params.project_to_hypersphere();
    let after = outputs(&m, &x);
    (m, before, after, new)
}

/// Without a norm behind it, replacing changes the function by exactly what the unit contributed;
/// with the mean handed over, by its deviation from the mean; and the mean output stays.
#[test]
fn the_function_changes_by_the_contribution_of_the_unit() {
    let arch = ArchConfig::from(MlpConfig { hidden: vec![24], ..MlpConfig::default() });
    for transfer in [false, true] {
        let (m, before, after, _) = replace_two(&arch, transfer);
        let change = (&after - &before).to_kind(Kind::Double);
        let mean = change.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
        let mean = mean.abs().max().double_value(&[]);
        let x = random::normal(&[512, INPUT], &mut random::stream(11, 0));
        let fresh = build(&arch, &[], &OptimConfig::default());
        let h = fresh.trace(&x);
        let mut worst: f64 = 0.0;
        for (net, columns) in [("q0", 0), ("q1", 3)] {
            let h = h.get(&format!("{net}/hidden_0")).unwrap().values.detach();
            let centred = &h - h.mean_dim(Some([0i64].as_slice()), true, Kind::Float);
            let contribution = if transfer { centred } else { h };
            let group = usize::from(net == "q1");
            let new: Vec<i64> = {
                let births =
                    &m.params.iter().find(|(_, q)| q.name == format!("{net}/hidden_0@birth"));
                let births = Vec::<i64>::try_from(&births.unwrap().1.value).unwrap();
                (0..births.len() as i64).filter(|&i| births[i as usize] == 1).collect()
            };
            let units = &fresh.params.neurons()[group];
            let w = Tensor::cat(
                &units.outgoing.iter().map(|r| fresh.params.get(r.weight)).collect::<Vec<_>>(),
                0,
            )
            .detach();
            let index = Tensor::from_slice(&new);
            let lost = contribution.index_select(1, &index).matmul(&w.index_select(1, &index).tr());
            let change = change.narrow(1, columns, 3);
            worst = worst.max(gap(&change, &-lost.to_kind(Kind::Double)));
        }
        assert!(worst < 1e-5, "transfer {transfer}: {worst:e}");
        assert_eq!(mean < 1e-6, transfer, "mean change {mean:e}");
    }
}

/// Behind a norm, and on unit rows, the change is of the order of one unit among many: it falls with
/// the width.
#[test]
fn norms_see_a_new_unit_less_the_wider_the_layer() {
    let normed = |width| {
        let norm = NormConfig::from(LayerNorm { affine: true });
        ArchConfig::from(MlpConfig { hidden: vec![width], norm, ..MlpConfig::default() })
    };
    let v2 =
        |width| ArchConfig::from(SimbaV2Config { width, blocks: 1, ..SimbaV2Config::default() });
    let change = |arch: &ArchConfig| {
        let (_, before, after, _) = replace_two(arch, true);
        let size = before.std(true).double_value(&[]);
        (after - before).square().mean(Kind::Float).sqrt().double_value(&[]) / size
    };
    for arch in [&normed as &dyn Fn(i64) -> ArchConfig, &v2] {
        let (narrow, wide) = (change(&arch(8)), change(&arch(128)));
        assert!(wide < 0.35 * narrow && wide < 0.05, "{narrow} at 8, {wide} at 128");
    }
}

/// A SimbaV2 block by hand: the golden unit is replaced, its column zeroed, rows projected again.
#[test]
fn a_unit_on_the_sphere_as_published() {
    let v = &vectors("plasticity")["hyperspherical_cbp"];
    let number = |key: &str| v[key].as_f64().unwrap();
    let mut p = Params::default();
    let mut add = |key: &str, role, init| p.add_value(key.to_owned(), role, init, &tensor(&v[key]));
    let up = add("V1", Role::Hyperspherical, Init::Hyperspherical);
    let down = add("V2", Role::Hyperspherical, Init::Hyperspherical);
    let scaler = add("scaler", Role::Scaler, Init::Constant(number("scaler_init")));
    p.add_neurons(NeuronGroup::new(
        "up",
        up,
        [scaler],
        vec![Outgoing { weight: down, bias: None }],
    ));
    let x = tensor(&v["x"]).unsqueeze(0);
    let hidden = |p: &Params| (x.linear(p.get(up), None::<&Tensor>) * p.get(scaler)).relu();
    let block = |p: &Params| {
        let u = (hidden(p) + 1e-8).linear(p.get(down), None::<&Tensor>);
        l2_normalize(&(&x + (l2_normalize(&u) - &x) * number("alpha"))).squeeze_dim(0)
    };
    let close = |got: &Tensor, key: &str, bound: f64| {
        let gap = gap(&got.detach(), &tensor(&v[key]));
        assert!(gap <= bound, "{key}: off by {gap:e}");
    };
    close(&block(&p), "y_before", 1e-12);
    close(&(hidden(&p) + 1e-8).squeeze_dim(0), "h", 1e-12);
    // The one unit that contributes least among the eligible ones of the file is made eligible.
    let selected = v["selected"].as_u64().unwrap() as usize;
    let config =
        Cbp { replacement_rate: 1.0, maturity_threshold: 1, decay_rate: 0.0, ..Cbp::default() };
    let mut cbp = InterventionConfig::from(config).build(&mut p);
    p.births(0).fill(1);
    p.births(0)[selected] = 0;
    let mut trace = Trace::on();
    trace.record("up", Activity::Relu, &(hidden(&p) + 1e-8));
    let mut rng = random::stream(5, 0);
    let mut cx = StepCx::new(&trace, Clock::default(), 2, &mut rng);
    cbp.weights(&mut p, &mut cx);
    assert_eq!(newborn(&mut p, 0, 2), [selected as i64]);
    let utility = p.iter().find(|(_, q)| q.name == "up@utility").unwrap().1;
    let mut want = Vec::<f64>::try_from(&tensor(&v["utility_l1"])).unwrap();
    let got = Vec::<f64>::try_from(&utility.value).unwrap();
    let k = tensor(&v["V2"]).size()[0] as f64;
    want[selected] = 0.0;
    for (got, want) in got.iter().zip(want) {
        assert!((got * k - want).abs() < 1e-12, "utility {got}, not {want} / {k}");
    }
    {
        let _guard = no_grad_guard();
        let row = l2_normalize(&tensor(&v["new_direction"]).unsqueeze(0)).squeeze_dim(0);
        let fresh = p.get(up).get(selected as i64);
        let norm = fresh.norm().double_value(&[]);
        assert!((norm - 1.0).abs() < 1e-6, "a fresh row has norm {norm}");
        p.get(up).get(selected as i64).copy_(&row);
    }
    close(p.get(up), "V1_new", 1e-12);
    close(p.get(down), "V2_zeroed", 1e-12);
    close(&block(&p), "y_zeroed_no_projection", 1e-12);
    p.project_to_hypersphere();
    close(p.get(down), "V2_reprojected", 1e-12);
    close(&block(&p), "y_zeroed_reprojected", 1e-12);
}

/// New rows have the distribution of the old ones: norms and single numbers of many of them.
#[test]
fn new_rows_follow_the_law_of_the_layer() {
    for init in
        [Init::TorchDefault, Init::He, Init::Lecun, Init::Orthogonal(1.5), Init::Hyperspherical]
    {
        for shape in [[400, 6], [6, 40]] {
            let mut rng = random::stream(1, 0);
            let stack = |draw: &mut dyn FnMut() -> Tensor| {
                let rows: Vec<Tensor> = (0..300).map(|_| draw()).collect();
                Tensor::cat(&rows, 0).to_kind(Kind::Double)
            };
            let old = stack(&mut || init.sample(&shape, &mut rng));
            let new = stack(&mut || init.rows(&shape, shape[0], &mut rng));
            let moment = |t: &Tensor, k: f64| {
                t.abs().pow_tensor_scalar(k).mean(Kind::Double).double_value(&[])
            };
            assert!(new.mean(Kind::Double).double_value(&[]).abs() < 0.01);
            for k in [1.0, 2.0, 4.0] {
                let ratio = moment(&new, k) / moment(&old, k);
                // Rows of a tall orthogonal matrix have one squared norm on average only.
                let tall = matches!(init, Init::Orthogonal(_)) && shape[0] > shape[1];
                let bound = if tall && k != 2.0 { 0.35 } else { 0.04 };
                assert!((ratio - 1.0).abs() < bound, "{init:?} {shape:?} moment {k}: {ratio}");
            }
        }
    }
}

/// What cannot work is refused with the reason.
#[test]
fn methods_that_cannot_work_are_refused() {
    let flat = ArchConfig::from(MlpConfig { hidden: vec![], ..MlpConfig::default() });
    let norm = NormConfig::from(LayerNorm { affine: true });
    let mlp = ArchConfig::from(MlpConfig { hidden: vec![8], norm, ..MlpConfig::default() });
    let no_blocks =
        ArchConfig::from(SimbaV2Config { width: 4, blocks: 0, ..SimbaV2Config::default() });
    let redo = || InterventionConfig::from(Redo { threshold: 0.1, every_updates: 1 });
    let cbp = || eager(Utility::Contribution, true);
    let nap = || InterventionConfig::from(Nap { every_updates: 1, gains: NapGains::Joint {} });
    let refuse = |arch: &ArchConfig, interventions: &[InterventionConfig]| {
        let mut p = Params::default();
        arch.build(&mut p, "q", &[INPUT], &[("a", 2)], &mut random::stream(7, 0)).unwrap();
        networks::interventions::check(interventions, &p, &OptimConfig::default()).unwrap_err()
    };
    let nothing = refuse(&flat, &[cbp()]);
    assert!(
        nothing.starts_with("cbp cannot work here") && nothing.contains("no units"),
        "{nothing}"
    );
    assert!(refuse(&no_blocks, &[redo()]).starts_with("redo cannot work here"));
    let both = refuse(&mlp, &[redo(), cbp()]);
    assert!(both.contains("redo and cbp both replace units"), "{both}");
    let late = refuse(&mlp, &[nap(), cbp()]);
    assert!(late.contains("put cbp before nap"), "{late}");
}
