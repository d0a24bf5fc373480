//! Measures of gradients and curvature against `golden/vectors_plasticity.json`, and identities between
//! them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod vectors;

use networks::{
    diagnostics::{
        curvature::{
            Hessian, KernelSpectrum, local_redundancy, per_sample_gradients, tangent_kernel,
        },
        gradients::{
            AdamHealth, Readiness, conflict_fraction, l1, l2, max_abs, mean_cosine, noise_scale,
            tiny_fraction,
        },
    },
    init::Init,
    optim::{Adam, Optim, OptimConfig, Sgd},
    params::{Params, Role},
    random,
};
use serde_json::Value;
use tch::{Device, Kind, Tensor};
use vectors::{tensor, vectors};

fn close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{what}: {got} instead of {want}");
}

fn close_all(got: &Tensor, want: &Tensor, what: &str) {
    assert_eq!(got.size(), want.size(), "{what}");
    let error = (got - want).abs().max().double_value(&[]);
    assert!(error <= 1e-12, "{what}: off by {error}");
}

fn double(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

/// The vectors' `v . tanh(W x + b) + c` and its mean squared error.
struct Tiny {
    golden: Value,
    params: [Tensor; 4],
    x: Tensor,
    y: Tensor,
}

impl Tiny {
    fn new() -> Self {
        let golden = vectors("plasticity")["optimisation_diagnostics"].take();
        let theta = tensor(&golden["theta"]);
        let part = |start, length| theta.narrow(0, start, length).copy();
        let params = [part(0, 6).view([3, 2]), part(6, 3), part(9, 3), part(12, 1)]
            .map(|p| p.set_requires_grad(true));
        let (x, y) = (tensor(&golden["X"]), tensor(&golden["y"]));
        Tiny { golden, params, x, y }
    }

    fn number(&self, key: &str) -> f64 {
        self.golden[key].as_f64().unwrap()
    }

    fn list(&self) -> [&Tensor; 4] {
        self.params.each_ref()
    }

    fn forward(&self) -> Tensor {
        let [w, b, v, c] = self.list();
        (self.x.matmul(&w.tr()) + b).tanh().mv(v) + c
    }

    fn loss(&self) -> Tensor {
        (self.forward() - &self.y).square().mean(Kind::Double)
    }

    fn grads(&self) -> Vec<Tensor> {
        Tensor::run_backward(&[self.loss()], &self.list(), false, false)
    }

    /// `J`, `[4, 13]`.
    fn jacobian(&self) -> Tensor {
        per_sample_gradients(&self.list(), 4, |i| self.forward().get(i))
    }

    /// Gradients of each sample's squared error, `[4, 13]`.
    fn samples(&self) -> Tensor {
        let error = |i| (self.forward() - &self.y).square().get(i);
        per_sample_gradients(&self.list(), 4, error)
    }
}

#[test]
fn gradients_are_those_of_the_vectors() {
    let net = Tiny::new();
    close_all(&net.forward().detach(), &tensor(&net.golden["pred"]), "outputs");
    let grads = net.grads();
    let golden = tensor(&net.golden["grad"]);
    close_all(&networks::diagnostics::flat(&grads), &golden, "gradient");
    close(l2(&grads), net.number("grad_norm"), "norm");
    let samples = net.samples();
    close(mean_cosine(&samples), net.number("mean_offdiag_cosine"), "mean cosine");
    let negative = tensor(&net.golden["per_sample_grad_cosine"]).lt(0.0).sum(Kind::Double);
    close(conflict_fraction(&samples), negative.double_value(&[]) / 12.0, "conflicts");
    close(noise_scale(&samples), net.number("gradient_noise_scale_simple"), "noise scale");
}

#[test]
fn sizes_of_gradients_by_hand() {
    let grads = [double(&[3.0, -4.0, 0.0]), double(&[9e-9, 1.1e-8]).view([2, 1])];
    close(l1(&grads), 7.0 + 2e-8, "l1");
    close(l2(&grads), 5.0, "l2");
    assert_eq!((max_abs(&grads), tiny_fraction(&grads)), (4.0, 0.4));
}

/// Scales and equal samples; rows of zeros have no direction.
#[test]
fn agreement_by_hand() {
    let g = random::normal(&[6, 9], &mut random::stream(1, 0)).to_kind(Kind::Double);
    let one = Tensor::cat(&[&g.narrow(0, 0, 1), &(g.narrow(0, 1, 5) * 50.0)], 0);
    close(mean_cosine(&one), mean_cosine(&g), "a sample's size");
    close(conflict_fraction(&one), conflict_fraction(&g), "a sample's size");
    close(noise_scale(&(&g * 50.0)), noise_scale(&g), "the size of all");
    close(noise_scale(&(&g.narrow(0, 0, 1) + g.zeros_like())), 0.0, "equal samples");
    let opposite = double(&[1.0, 2.0, -1.0, -2.0, 0.0, 0.0]).view([3, 2]);
    assert_eq!(conflict_fraction(&opposite), 1.0);
    assert_eq!(conflict_fraction(&double(&[1.0, 0.0, 0.0, 1.0]).view([2, 2])), 0.0);
    assert!(conflict_fraction(&opposite.narrow(0, 1, 2)).is_nan());
}

/// `||grad_i||^2 = 4 e_i^2 K_ii` from the vectors' outputs and kernel; with minibatches of one,
/// `1 / reliability = 1 + (N - 1) / N * noise scale`; with the whole as a minibatch it is 1.
#[test]
fn readiness_is_its_formula() {
    let net = Tiny::new();
    let error = (tensor(&net.golden["pred"]) - &net.y).square() * 4.0;
    let mean = (error * tensor(&net.golden["entk"]).diag(0)).mean(Kind::Double).double_value(&[]);
    let (loss, square) = (net.number("loss"), net.number("grad_norm").powi(2));
    let (grads, samples) = (net.grads(), net.samples());
    let ready = Readiness::of(loss, &grads, &samples);
    close(ready.strength, square / loss, "strength");
    close(ready.reliability, square / mean, "reliability");
    close(ready.value(), square * square / (loss * mean), "readiness");
    close(1.0 / ready.reliability, 1.0 + 0.75 * noise_scale(&samples), "noise");
    let whole = networks::diagnostics::flat(&grads).unsqueeze(0);
    close(Readiness::of(loss, &grads, &whole).reliability, 1.0, "the whole");
}

/// Each update of the vectors' Adam is `lr` times the largest step, whatever its number.
#[test]
fn adam_health_is_that_of_the_vectors() {
    let v = &vectors("plasticity")["adam_per_element_step"];
    let (config, lr) = (Adam { eps: 1e-2, ..Adam::default() }, 0.1);
    let mut before = tensor(&v["p0"]);
    for (i, step) in v["standard_eps_no_reset"].as_array().unwrap().iter().enumerate() {
        let (after, m, v) = (tensor(&step["p"]), tensor(&step["m"]), tensor(&step["v"]));
        let health = AdamHealth::of(&[m], &[v], config, i as u64 + 1);
        let largest = (&after - &before).abs().max().double_value(&[]);
        close(health.largest_step * lr, largest, "largest step");
        if i == 0 {
            close(health.signal, 1.0, "one gradient has no noise");
        }
        before = after;
    }
    let m = double(&[0.1, 0.0, 0.2, 0.0, 0.0]);
    let v = double(&[0.04, 0.0, 0.08, 4e-5, 5e-4]);
    let config = Adam { beta1: 0.5, beta2: 0.5, ..config };
    // After one step both corrections are 1/2: m 0.2, 0, 0.4, 0, 0 and v 0.08, 0, 0.16, 8e-5, 1e-3.
    let health = AdamHealth::of(&[m], &[v], config, 1);
    close(health.signal, (0.5 + 1.0) / 5.0, "signal");
    assert_eq!(health.below_eps, 0.4, "0 and 8e-5 are below 1e-4");
}

/// The moments beside parameters are those of the list, and other optimisers have none.
#[test]
fn adam_health_of_parameters() {
    let mut params = Params::default();
    let mut rng = random::stream(2, 0);
    let id = params.add("w".into(), Role::Hidden, &[3, 2], Init::TorchDefault, &mut rng);
    let config = OptimConfig::new(Adam { eps: 0.1, ..Adam::default() }, 0.01);
    let mut optim = Optim::new(config.clone(), &mut params, Device::Cpu);
    assert_eq!(AdamHealth::of_params(&params, &config, 0), None);
    let (mut steps, mut largest) = (0, 0.0);
    for _ in 0..5 {
        let before = params.get(id).detach().copy();
        optim.step(&mut params, &[random::normal(&[3, 2], &mut rng)], 0);
        steps += 1;
        largest = (params.get(id).detach() - before).abs().max().double_value(&[]);
    }
    let health = AdamHealth::of_params(&params, &config, steps).unwrap();
    let error = health.largest_step * 0.01 / largest - 1.0;
    assert!(error.abs() < 1e-3 && health.signal > 0.0, "{health:?} {largest}");
    let config = OptimConfig::new(Sgd { momentum: 0.9, ..Sgd::default() }, 0.01);
    let _ = Optim::new(config.clone(), &mut params, Device::Cpu);
    assert_eq!(AdamHealth::of_params(&params, &config, 5), None);
}

#[test]
fn kernels_are_those_of_the_vectors() {
    let net = Tiny::new();
    let kernel = tangent_kernel(&net.jacobian());
    close_all(&kernel, &tensor(&net.golden["entk"]), "kernel");
    let s = KernelSpectrum::of(&kernel).unwrap();
    close_all(&double(s.values()), &tensor(&net.golden["entk_eigs"]), "eigenvalues");
    close(s.condition(), net.number("entk_cond"), "condition");
    close(s.effective_rank(), net.number("entk_effective_rank"), "effective rank");
    close(s.trace(), kernel.trace().double_value(&[]), "trace");
    close(s.top_share(), s.values()[0] / s.trace(), "share of the first");
    let clones = net.jacobian().narrow(0, 0, 1).repeat([3, 1]);
    let s = KernelSpectrum::of(&tangent_kernel(&clones)).unwrap();
    assert_eq!((s.condition(), s.top_share()), (f64::INFINITY, 1.0), "clones are one direction");
    close(s.effective_rank(), 1.0, "clones are one direction");
    assert_eq!(KernelSpectrum::of(&(kernel / 0.0)), None);
}

/// Thirteen steps are exact for thirteen parameters; the products of the unit vectors make the trace.
#[test]
fn the_hessian_is_that_of_the_vectors() {
    let net = Tiny::new();
    let params = net.list();
    let hessian = Hessian::of(&net.loss(), &params);
    let near = |got: f64, key: &str| {
        let want = net.number(key);
        assert!((got - want).abs() < 1e-7, "{key}: {got} instead of {want}"); // finite differences
    };
    let ends = hessian.extremes(30, &mut random::stream(3, 0)).unwrap();
    near(ends.top, "hessian_top");
    near(ends.bottom, "hessian_bottom");
    let eye = Tensor::eye(13, (Kind::Double, Device::Cpu));
    let columns: Vec<Tensor> = (0..13).map(|i| hessian.product(&eye.get(i))).collect();
    let whole = Tensor::stack(&columns, 0);
    near(whole.trace().double_value(&[]), "hessian_trace");
    close_all(&whole, &whole.tr(), "symmetry");
}

/// The mean trace of the kernel, for one output and for two, with `1 / sigma^2`.
#[test]
fn local_redundancy_is_its_formula() {
    let net = Tiny::new();
    let j = net.jacobian();
    let trace = tensor(&net.golden["entk"]).trace().double_value(&[]);
    close(local_redundancy(&j, 1.0), trace / 4.0, "one output");
    close(local_redundancy(&j, 0.5), trace, "a quarter of the noise");
    // A second output, three times the first.
    let exact = local_redundancy(&Tensor::stack(&[&j, &(&j * 3.0)], 1), 2.0);
    close(exact, 10.0 * trace / 16.0, "two outputs");
}
