//! Spectral normalisation against the reference's numbers, and what a model with it keeps.

mod vectors;

use networks::{
    arch::mlp::MlpConfig,
    init::Init,
    interventions::{Clock, Layers, ResetLayers},
    layers::{
        norm::{LayerNorm, NoNorm, NormConfig},
        reparam::{ReparamSettings, SpectralNorm, WeightLayers},
    },
    model::Model,
    network::ArchConfig,
    optim::{OptimConfig, Sgd},
    params::{ParamId, Params, Role, StateDict},
    random,
    trace::Trace,
};
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad_guard};
use vectors::{tensor, vectors};

fn close(got: &Tensor, want: &Value, what: &str) {
    let gap = (got.detach().flatten(0, -1) - tensor(want).flatten(0, -1)).abs().max();
    let gap = gap.double_value(&[]);
    assert!(gap < 1e-12, "{what}: {gap:e}");
}

fn set(p: &mut Params, name: &str, value: &Tensor) {
    let _guard = no_grad_guard();
    let id = find(p, name);
    p.get_mut(id).copy_(value);
}

fn find(p: &Params, name: &str) -> ParamId {
    p.iter().find(|(_, q)| q.name == name).map(|(id, _)| id).expect("there is one")
}

#[test]
fn it_is_the_reference() {
    let golden = vectors("weight_norms");
    let cases = golden["spectral_norm"].as_array().expect("cases");
    assert!(cases.len() >= 5);
    for (i, case) in cases.iter().enumerate() {
        for gradient in [true, false] {
            let settings = SpectralNorm {
                lipschitz: case["k"].as_f64().expect("a number"),
                only_larger: case["only_larger"].as_bool().expect("yes or no"),
                iterations: case["iterations"].as_u64().expect("a count") as usize,
                gradient,
                ..SpectralNorm::default()
            };
            let (mut p, steps) = (Params::default(), case["steps"].as_array().expect("steps"));
            let first = tensor(&steps[0]["w"]);
            let w = p.add_value("w".to_owned(), Role::Hidden, Init::Constant(0.0), &first);
            let reparam = settings.build(w, &mut p);
            set(&mut p, "w@u", &tensor(&case["u0"]));
            for (t, step) in steps.iter().enumerate() {
                let what = |what: &str| format!("case {i}, step {t}, {what}");
                set(&mut p, "w", &tensor(&step["w"]));
                reparam.advance(&mut p, false);
                close(p.get(find(&p, "w@u")), &step["u"], &what("u"));
                close(p.get(find(&p, "w@v")), &step["v"], &what("v"));
                let w_hat = reparam.effective(p.get(w), &p);
                close(&w_hat, &step["w_hat"], &what("w_hat"));
                let loss = (w_hat * tensor(&step["up"])).sum(Kind::Double);
                let grad = Tensor::run_backward(&[&loss], &[p.get(w)], false, false).remove(0);
                let want = if gradient { &step["grad"] } else { &step["grad_detached"] };
                close(&grad, want, &what("gradient"));
            }
        }
    }
}

fn arch(layers: WeightLayers) -> ArchConfig {
    let weight = SpectralNorm { layers, ..SpectralNorm::default() }.into();
    ArchConfig::from(MlpConfig { hidden: vec![6, 5], weight, ..MlpConfig::default() })
}

fn model(
    arch: &ArchConfig,
    interventions: &[networks::interventions::InterventionConfig],
) -> Model {
    let (mut p, mut rng) = (Params::default(), random::stream(1, 0));
    let net = arch.build(&mut p, "f", &[3], &[("y", 2)], &mut rng).expect("fits");
    let optim = OptimConfig::new(Sgd::default(), 0.3);
    Model::new("f", net, p, &optim, interventions, Device::Cpu).expect("fits")
}

fn inputs() -> Tensor {
    random::normal(&[16, 3], &mut random::stream(2, 0))
}

fn step(m: &mut Model) {
    let mut trace = Trace::on();
    let y = &m.forward_train(&inputs(), &mut trace)[0];
    let loss = (y - 1.0).square().mean(Kind::Float);
    let (clock, mut rng) = (Clock::default(), random::stream(3, 0));
    m.minimize(&loss, &trace, &[], clock, &mut rng).expect("finite");
}

/// The first singular value at the start is exact, and the estimate keeps up with moving weights.
#[test]
fn the_layer_stretches_nothing() {
    let mut m = model(&arch(WeightLayers::All), &[]);
    let largest = |m: &Model, name: &str, pass: &str| {
        let u = m.params.get(find(&m.params, &format!("{name}@u")));
        let w = m.params.get(find(&m.params, name));
        let v = m.params.get(find(&m.params, &format!("{name}@v")));
        let estimate = u.dot(&w.mv(v)).double_value(&[]);
        let exact = w.detach().svd(true, true).1.max().double_value(&[]);
        assert!((exact / estimate - 1.0).abs() < 0.05, "{pass} {name}: {exact} and {estimate}");
        (exact, estimate)
    };
    let names = ["f/hidden_0/weight", "f/hidden_1/weight", "f/y/weight"];
    for name in names {
        let (exact, estimate) = largest(&m, name, "at the start");
        assert!((exact / estimate - 1.0).abs() < 1e-6, "{name}");
    }
    for _ in 0..50 {
        step(&mut m);
    }
    for name in names {
        largest(&m, name, "after 50 steps");
    }
}

/// A pass changes nothing, whatever it is for.
#[test]
fn looking_changes_nothing() {
    let m = model(&arch(WeightLayers::All), &[]);
    let before = m.params.to_flat();
    let train = m.forward_train(&inputs(), &mut Trace::on());
    let eval = m.forward(&inputs());
    assert_eq!(m.params.to_flat(), before);
    assert_eq!((&train[0] - &eval[0]).abs().max().double_value(&[]), 0.0);
}

/// Copies get the singular vectors: an actor's, a folded one, a target by a hard copy; a Polyak average iterates its own.
#[test]
fn copies_compute_the_same() {
    let mut m = model(&arch(WeightLayers::Hidden), &[]);
    let (mut actor, mut hard, mut soft) = (m.target().folded(), m.target(), m.target());
    for _ in 0..20 {
        step(&mut m);
        m.polyak_update(&mut soft, 0.5);
    }
    let want = &m.forward(&inputs())[0];
    actor.params.load_flat(&m.params.to_flat());
    m.polyak_update(&mut hard, 1.0);
    for (copy, what, tolerance) in [(&actor, "actor", 1e-6), (&hard, "hard copy", 0.0)] {
        let gap = (&copy.forward(&inputs())[0] - want).abs().max().double_value(&[]);
        assert!(gap <= tolerance, "{what}: {gap:e}");
    }
    let double = m.target().folded().to_kind(Kind::Double);
    let gap = &double.forward(&inputs().to_kind(Kind::Double))[0] - want;
    assert!(gap.abs().max().double_value(&[]) < 1e-6, "a folded copy computes in another kind");
    for name in ["f/hidden_0/weight", "f/hidden_1/weight"] {
        let u = soft.params.get(find(&soft.params, &format!("{name}@u")));
        assert!((u.norm().double_value(&[]) - 1.0).abs() < 1e-5, "a direction, not an average");
        let w = soft.params.get(find(&soft.params, name));
        let exact = w.svd(true, true).1.max().double_value(&[]);
        let estimate = w.tr().mv(u).norm().double_value(&[]);
        assert!((exact / estimate - 1.0).abs() < 0.05, "{name}: {exact} and {estimate}");
    }
}

#[test]
fn a_saved_model_goes_on_bit_for_bit() {
    let resets = ResetLayers { layers: Layers::Heads, every_updates: 3, on_task_change: false };
    let mut a = model(&arch(WeightLayers::All), &[resets.into()]);
    for _ in 0..5 {
        step(&mut a);
    }
    let (mut saved, mut b) = (StateDict::new(), model(&arch(WeightLayers::All), &[resets.into()]));
    a.save(&mut saved);
    b.load(&saved).expect("the same model");
    for _ in 0..5 {
        step(&mut a);
        step(&mut b);
    }
    assert_eq!(a.params.to_flat(), b.params.to_flat());
    assert_eq!(a.params.count(), 6 * 3 + 6 + 5 * 6 + 5 + 2 * 5 + 2, "buffers are not learned");
}

/// Whole layers are reset: the estimates of targets that get them at once are of the new weights.
#[test]
fn targets_follow_resets() {
    let resets = ResetLayers { layers: Layers::All, every_updates: 1, on_task_change: false };
    let mut m = model(&arch(WeightLayers::All), &[resets.into()]);
    for _ in 0..30 {
        let (mut soft, mut between) = (m.target(), m.target());
        step(&mut m);
        m.polyak_update(&mut soft, 0.1);
        m.sync_resets(&mut between);
        for target in [&soft, &between] {
            for name in ["f/hidden_0/weight", "f/hidden_1/weight", "f/y/weight"] {
                let get = |name: &str| target.params.get(find(&target.params, name));
                let w = get(name);
                let sigma = get(&format!("{name}@u")).dot(&w.mv(get(&format!("{name}@v"))));
                let exact = w.detach().svd(true, true).1.max().double_value(&[]);
                let ratio = sigma.double_value(&[]) / exact;
                assert!((0.8..1.001).contains(&ratio), "{name}: {ratio}");
            }
        }
    }
}

#[test]
fn what_it_does_nothing_for_is_refused() {
    let with = |hidden: Vec<i64>, norm: NormConfig, settings: SpectralNorm| {
        let arch = MlpConfig { hidden, norm, weight: settings.into(), ..MlpConfig::default() };
        ArchConfig::from(arch).validate().unwrap_err()
    };
    let (none, norm) = (NormConfig::from(NoNorm {}), NormConfig::from(LayerNorm { affine: true }));
    for (error, said) in [
        (
            with(vec![4], norm.clone(), SpectralNorm::default()),
            "does nothing on hidden layers with a norm",
        ),
        (
            with(
                vec![4],
                none.clone(),
                SpectralNorm { layers: WeightLayers::Intermediate, ..SpectralNorm::default() },
            ),
            "weight.layers chooses none of 1 hidden layers",
        ),
        (
            with(vec![4], none.clone(), SpectralNorm { lipschitz: 0.0, ..SpectralNorm::default() }),
            "weight.lipschitz is 0; it must be greater than 0",
        ),
        (
            with(vec![4], none, SpectralNorm { iterations: 0, ..SpectralNorm::default() }),
            "weight.iterations is 0; it must be between 1 and 1000",
        ),
    ] {
        assert!(error.contains(said), "{error}");
    }
    let heads = SpectralNorm { layers: WeightLayers::Heads, ..SpectralNorm::default() };
    let arch = MlpConfig { norm, weight: heads.into(), ..MlpConfig::default() };
    assert!(ArchConfig::from(arch).validate().is_ok());
}
