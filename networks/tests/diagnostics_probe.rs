//! The plasticity probe: against least squares, against itself, and on networks that lost units.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use networks::forward::Forward;
use networks::{
    arch::{mlp::MlpConfig, simba_v2::SimbaV2Config},
    diagnostics::{
        dead_fraction,
        probe::{ProbeConfig, ProbeFit, fit_random_targets, random_targets},
    },
    interventions::Clock,
    model::Model,
    network::{ArchConfig, Network},
    optim::{OptimConfig, Sgd},
    params::{ParamId, Params},
    random::{self, stream},
    trace::Trace,
};
use tch::{Device, Kind, Tensor, no_grad_guard};

fn mlp(hidden: Vec<i64>, outputs: &[(&str, i64)]) -> (Arc<dyn Network>, Params) {
    let mut params = Params::default();
    let arch = ArchConfig::from(MlpConfig { hidden, ..MlpConfig::default() });
    let net = arch.build(&mut params, "f", &[4], outputs, &mut stream(1, 0)).unwrap();
    (net, params)
}

fn id(params: &Params, name: &str) -> ParamId {
    params.iter().find(|(_, p)| p.name == name).unwrap().0
}

fn config(steps: usize, batch: i64, lr: f64) -> ProbeConfig {
    ProbeConfig { steps, batch, optim: OptimConfig { lr, ..OptimConfig::default() } }
}

/// Without hidden layers the probe is linear regression, so it ends at the least squares error; all
/// outputs are fitted, and the first of the losses is that of the network before any step.
#[test]
fn a_linear_probe_ends_at_least_squares() {
    let (net, params) = mlp(vec![], &[("a", 1), ("b", 2)]);
    let mut rng = stream(2, 0);
    let x = random::normal(&[32, 4], &mut rng).to_kind(Kind::Double);
    let y = random_targets(32, 3, 10.0, &mut rng).to_kind(Kind::Double);
    let optim = OptimConfig::new(Sgd::default(), 0.2);
    let config = ProbeConfig { steps: 2_000, batch: 32, optim };
    let params = params.to_kind(Kind::Double);
    let outputs = net.forward(&mut Forward::eval(&params, &mut Trace::off()), &x);
    let first = (Tensor::cat(&outputs, 1) - &y).square().mean(Kind::Double).double_value(&[]);
    let fit = fit_random_targets(&*net, params, &x, &y, &config, &mut rng);
    let design = Tensor::cat(&[&x, &x.narrow(1, 0, 1).ones_like()], 1);
    let (q, _) = Tensor::linalg_qr(&design, "reduced");
    let rest = &y - q.matmul(&q.tr().matmul(&y));
    let want = rest.square().mean(Kind::Double).double_value(&[]);
    assert!((fit.last / want - 1.0).abs() < 1e-9, "{} instead of {want}", fit.last);
    assert_eq!(fit.losses.len(), 2_000);
    assert!((fit.losses[0] / first - 1.0).abs() < 1e-12, "{} {first}", fit.losses[0]);
    let mean = fit.losses.iter().sum::<f64>() / 2_000.0;
    assert!((fit.auc - mean).abs() < 1e-9 && fit.last < fit.auc && fit.auc < first);
}

/// The same draws give the same bits, other draws do not, and the parameters looked at stay; moments
/// are fresh, so a second probe of a copy is the first.
#[test]
fn a_probe_changes_nothing_and_repeats() {
    let (net, params) = mlp(vec![16], &[("y", 2)]);
    let before = params.to_flat();
    let x = random::normal(&[40, 4], &mut stream(3, 0));
    let y = random_targets(40, 2, 1.0, &mut stream(3, 1));
    let run = |params: Params, draws| {
        fit_random_targets(&*net, params, &x, &y, &config(50, 8, 1e-2), &mut stream(4, draws))
    };
    let first = run(params.detached_copy(), 0);
    assert_eq!(first, run(params.detached_copy(), 0));
    assert_ne!(first, run(params.detached_copy(), 1));
    assert_eq!(before, params.to_flat());
    assert_eq!(first, run(params, 0), "nor do gradients or moments of a training model matter");
    assert_eq!(first.against(&first), 1.0);
}

#[test]
fn random_targets_are_normal() {
    let y = random_targets(500, 4, 10.0, &mut stream(8, 0));
    assert_eq!(y.size(), [500, 4]);
    let (mean, square) = (y.mean(Kind::Double), y.square().mean(Kind::Double));
    let (mean, square) = (mean.double_value(&[]), square.double_value(&[]));
    // Four standard errors: 10 / sqrt(2000) and 100 sqrt(2 / 2000).
    assert!(mean.abs() < 0.9 && (square - 100.0).abs() < 12.7, "{mean} {square}");
}

/// Minibatches keep inputs and targets together: what the network already says has no loss.
#[test]
fn minibatches_are_pairs() {
    let (net, params) = mlp(vec![16], &[("y", 2)]);
    let x = random::normal(&[40, 4], &mut stream(5, 0));
    let y = net.forward(&mut Forward::eval(&params, &mut Trace::off()), &x)[0].detach();
    let fit = fit_random_targets(&*net, params, &x, &y, &config(20, 8, 1e-9), &mut stream(5, 1));
    assert!(fit.losses.iter().all(|&l| l < 1e-12), "{fit:?}");
}

/// The same network with nine in ten units dead fits worse, and one whose units were put in another
/// order fits the same.
#[test]
fn dead_units_fit_worse_and_order_is_nothing() {
    let (net, fresh) = mlp(vec![60], &[("y", 2)]);
    let fresh = fresh.to_kind(Kind::Double);
    let x = random::normal(&[64, 4], &mut stream(6, 0)).to_kind(Kind::Double);
    let y = random_targets(64, 2, 1.0, &mut stream(6, 1)).to_kind(Kind::Double);
    let fit = |params: Params| -> ProbeFit {
        fit_random_targets(&*net, params, &x, &y, &config(400, 64, 1e-2), &mut stream(6, 2))
    };
    let bias = id(&fresh, "f/hidden_0/bias");
    let units = [(id(&fresh, "f/hidden_0/weight"), 0), (bias, 0), (id(&fresh, "f/y/weight"), 1)];
    let mut dead = fresh.detached_copy();
    let mut shuffled = fresh.detached_copy();
    {
        let _guard = no_grad_guard();
        let _ = dead.get_mut(bias).narrow(0, 0, 54).fill_(-100.0);
        for (id, dim) in units {
            let turned = shuffled.get(id).flip([dim]);
            shuffled.get_mut(id).copy_(&turned);
        }
    }
    let mut trace = Trace::on();
    let _ = net.forward(&mut Forward::eval(&dead, &mut trace), &x);
    assert_eq!(dead_fraction(&trace.entries()[0].values), 0.9);
    let (fresh, dead, shuffled) = (fit(fresh), fit(dead), fit(shuffled));
    assert!(dead.against(&fresh) > 2.0, "{} {}", dead.last, fresh.last);
    assert!(dead.auc > 1.2 * fresh.auc, "{} {}", dead.auc, fresh.auc);
    assert!((shuffled.against(&fresh) - 1.0).abs() < 1e-6, "{} {}", shuffled.last, fresh.last);
}

/// On full batches the probe is `Model::minimize` of the mean squared error, with rows that must be of
/// unit norm kept so.
#[test]
fn a_probe_trains_as_a_model_does() {
    let mut params = Params::default();
    let arch = ArchConfig::from(SimbaV2Config::default());
    let net = arch.build(&mut params, "f", &[4], &[("y", 1)], &mut stream(7, 0)).unwrap();
    let x = random::normal(&[16, 4], &mut stream(7, 1));
    let y = random_targets(16, 1, 1.0, &mut stream(7, 2));
    let config = config(10, 16, 2e-3);
    let copy = params.detached_copy();
    let fit = fit_random_targets(&*net, copy, &x, &y, &config, &mut stream(7, 3));
    let mut model = Model::new("m", net, params, &config.optim, &[], Device::Cpu).unwrap();
    for probed in &fit.losses {
        let loss = (&model.forward(&x)[0] - &y).square().mean(Kind::Float);
        let mut rng = stream(7, 4);
        let step = model.minimize(&loss, &Trace::off(), &[], Clock::default(), &mut rng).unwrap();
        assert!((step.loss / probed - 1.0).abs() < 1e-5, "{} {probed}", step.loss);
    }
    assert!(fit.last < fit.losses[0], "{fit:?}");
}
