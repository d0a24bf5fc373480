//! The fused plan against autograd, and against itself on other threads and instruction sets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    arch::{mlp::MlpConfig, simba::SimbaConfig, simba_v2::SimbaV2Config},
    exec::fused_cpu::{Host, Isa, Plan, ProgramBuilder, Purpose, Real, Team},
    forward::Forward,
    layers::{
        activation::{ActivationConfig, Crelu, Relu, Silu, Tanh},
        norm::{BatchNorm, LayerNorm, NoNorm, NormConfig, RmsNorm},
    },
    network::{ArchConfig, Network},
    params::Params,
    random::{self, Rng},
    trace::Trace,
};
use proptest::prelude::*;
use std::sync::Arc;
use tch::{Kind, Tensor};

const HEADS: [(&str, i64); 2] = [("mean", 3), ("spread", 17)];

struct Case {
    net: Arc<dyn Network>,
    params: Params,
    x: Tensor,
    /// The loss is the sum of outputs times these.
    weights: Vec<Tensor>,
}

impl Case {
    fn new(arch: &ArchConfig, input: i64, batch: i64, kind: Kind, rng: &mut Rng) -> Case {
        let mut params = Params::default();
        let net = arch.build(&mut params, "net", &[input], &HEADS, rng).unwrap();
        let mut params = params.to_kind(kind);
        // Gains, offsets, biases and scalers away from their first values.
        let _guard = tch::no_grad_guard();
        for p in params.trainable_mut() {
            let noise = random::normal(&p.value.size(), rng).to_kind(kind) * 0.1;
            let _ = p.value.g_add_(&noise);
        }
        let mut draw = |shape: [i64; 2]| random::normal(&shape, rng).to_kind(kind);
        let x = draw([batch, input]);
        let weights = HEADS.iter().map(|(_, width)| draw([batch, *width])).collect();
        Case { net, params, x, weights }
    }

    /// Outputs, gradients of parameters, gradient of the input, activations.
    fn autograd(&self) -> (Vec<Tensor>, Vec<Tensor>, Tensor, Vec<Tensor>) {
        let x = self.x.copy().set_requires_grad(true);
        let mut trace = Trace::on();
        let outputs = self.net.forward(&mut Forward::train(&self.params, &mut trace), &x);
        let terms = outputs.iter().zip(&self.weights).map(|(y, w)| (y * w).sum(y.kind()));
        let loss: Tensor = terms.sum();
        let mut inputs: Vec<&Tensor> = self.params.trainable().map(|p| &p.value).collect();
        inputs.push(&x);
        let mut grads = Tensor::run_backward(&[&loss], &inputs, false, false);
        let of_input = grads.pop().unwrap();
        let trace = trace.entries().iter().map(|e| e.values.detach()).collect();
        (outputs.iter().map(Tensor::detach).collect(), grads, of_input, trace)
    }

    fn fused<T: Real>(
        &self,
        isa: Isa,
        threads: usize,
    ) -> (Vec<Tensor>, Vec<Tensor>, Tensor, Vec<Tensor>) {
        let (batch, input) = self.x.size2().unwrap();
        let (mut builder, x) = ProgramBuilder::new(&self.params, input as usize);
        let outputs = self.net.program(&mut builder, x).unwrap();
        let program = builder.finish(outputs);
        let purpose = Purpose::Learn { input_columns: 0..input as usize };
        // Room for more rows than there are.
        let mut plan = Plan::<T>::new(program, isa, batch as usize + 3, purpose, &self.params);
        let grads: Vec<Tensor> = self.params.trainable().map(|p| p.value.zeros_like()).collect();
        plan.bind(&self.params, &grads);
        let mut team = Team::new(threads).unwrap();
        let batch = batch as usize;
        let x = Host::of(&self.x);
        let weights: Vec<Host<'_, T>> = self.weights.iter().map(Host::of).collect();
        team.rows(batch, |rows| {
            plan.input().load(rows, 0, &x);
            plan.forward(rows);
            for (i, weights) in weights.iter().enumerate() {
                plan.output_grad(i).load(rows, 0, weights);
            }
            plan.backward_to_input(rows);
        });
        let of_input = plan.input_grad().view(batch).copy();
        team.rows(batch, |rows| plan.backward(rows));
        team.tasks(plan.tasks(), |task| plan.gradients(batch, task));
        let outputs = (0..plan.outputs()).map(|i| plan.output(i).view(batch).copy()).collect();
        let trace = plan.trace(batch);
        let trace = trace.entries().iter().map(|e| e.values.copy()).collect();
        (outputs, grads, of_input, trace)
    }
}

fn gap(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    let size = 1.0 + b.abs().max().double_value(&[]);
    (a - b).abs().max().double_value(&[]) / size
}

fn activation(i: usize) -> ActivationConfig {
    let all: [ActivationConfig; 4] =
        [Relu {}.into(), Tanh {}.into(), Silu {}.into(), Crelu {}.into()];
    all[i].clone()
}

fn norm(i: usize) -> NormConfig {
    let all: [NormConfig; 5] = [
        NoNorm {}.into(),
        LayerNorm { affine: true }.into(),
        LayerNorm { affine: false }.into(),
        RmsNorm { affine: true, part: 1.0 }.into(),
        RmsNorm { affine: false, part: 0.4 }.into(),
    ];
    all[i].clone()
}

prop_compose! {
    fn mlps()(
        hidden in prop::collection::vec(1i64..70, 0..4),
        a in 0usize..4, n in 0usize..5, after: bool, input: bool, bias: bool,
    ) -> ArchConfig {
        let norm = norm(n);
        MlpConfig {
            hidden,
            activation: activation(a),
            norm_after_activation: after && n > 0,
            norm_input: input && n > 0,
            norm,
            bias,
            ..MlpConfig::default()
        }
        .into()
    }
}

prop_compose! {
    fn simbas()(width in 1i64..40, blocks in 1i64..3, a in 0usize..4, n in 0usize..5) -> ArchConfig {
        let (activation, norm) = (activation(a), norm(n));
        SimbaConfig { width, blocks, activation, norm, ..SimbaConfig::default() }.into()
    }
}

prop_compose! {
    fn simba_v2s()(width in 2i64..40, blocks in 1i64..3) -> ArchConfig {
        SimbaV2Config { width, blocks, ..SimbaV2Config::default() }.into()
    }
}

fn archs() -> impl Strategy<Value = ArchConfig> {
    prop_oneof![3 => mlps(), 1 => simbas(), 1 => simba_v2s()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// In f64 outputs, activations and every gradient are autograd's to 1e-10.
    #[test]
    fn a_plan_is_autograd(arch in archs(), input in 1i64..40, batch in 1i64..50, seed: u64) {
        let mut rng = random::stream(seed, 0);
        let case = Case::new(&arch, input, batch, Kind::Double, &mut rng);
        let (outputs, grads, of_input, trace) = case.autograd();
        let (got_outputs, got_grads, got_of_input, got_trace) = case.fused::<f64>(Isa::best(), 1);
        prop_assert_eq!(trace.len(), got_trace.len());
        for (name, got, want) in [
            ("output", &got_outputs, &outputs),
            ("activation", &got_trace, &trace),
            ("gradient", &got_grads, &grads),
            ("input's gradient", &vec![got_of_input], &vec![of_input]),
        ] {
            for (i, (got, want)) in got.iter().zip(want).enumerate() {
                let gap = gap(got, want);
                prop_assert!(gap < 1e-10, "{} {} of {:?}: {:e}", name, i, arch, gap);
            }
        }
    }

    /// Whatever computes it, f32 has the same bits.
    #[test]
    fn bits_depend_on_nothing(arch in archs(), input in 1i64..40, batch in 1i64..50, seed: u64) {
        let mut rng = random::stream(seed, 1);
        let case = Case::new(&arch, input, batch, Kind::Float, &mut rng);
        let first = case.fused::<f32>(Isa::best(), 1);
        for isa in Isa::available() {
            for threads in [1, 2, 4] {
                let other = case.fused::<f32>(isa, threads);
                for (a, b) in first.0.iter().zip(&other.0).chain(first.1.iter().zip(&other.1)) {
                    prop_assert!(a.equal(b), "{:?} with {} threads: {:?}", isa, threads, arch);
                }
                prop_assert!(first.2.equal(&other.2));
            }
        }
    }
}

/// What has no fused form says so in words.
#[test]
fn statistics_over_a_batch_have_no_plan() {
    let arch: ArchConfig =
        MlpConfig { norm: BatchNorm::default().into(), ..MlpConfig::default() }.into();
    let mut rng = random::stream(0, 0);
    let mut params = Params::default();
    let net = arch.build(&mut params, "net", &[4], &HEADS, &mut rng).unwrap();
    let (mut builder, x) = ProgramBuilder::new(&params, 4);
    let why = net.program(&mut builder, x).unwrap_err();
    assert_eq!(why, "statistics over a batch have no fused form");
}

/// A weight that anybody changes is copied again, and one that nobody changes is not.
#[test]
fn changed_weights_are_seen() {
    let mut rng = random::stream(3, 0);
    let arch: ArchConfig = MlpConfig { hidden: vec![8], ..MlpConfig::default() }.into();
    let mut case = Case::new(&arch, 4, 5, Kind::Double, &mut rng);
    let before = case.fused::<f64>(Isa::best(), 1).0;
    let (mut builder, x) = ProgramBuilder::new(&case.params, 4);
    let outputs = case.net.program(&mut builder, x).unwrap();
    let mut plan =
        Plan::<f64>::new(builder.finish(outputs), Isa::best(), 5, Purpose::Evaluate, &case.params);
    let mut team = Team::new(1).unwrap();
    let mut run = |plan: &mut Plan<f64>, case: &Case| {
        plan.bind(&case.params, &[]);
        let x = Host::of(&case.x);
        team.rows(5, |rows| {
            plan.input().load(rows, 0, &x);
            plan.forward(rows);
        });
        plan.output(0).view(5).copy()
    };
    assert!(run(&mut plan, &case).equal(&before[0]));
    {
        let _guard = tch::no_grad_guard();
        let p = case.params.trainable_mut().next().unwrap();
        let _ = p.value.g_mul_scalar_(1.5);
    }
    let after = run(&mut plan, &case);
    assert!(!after.equal(&before[0]));
    assert!(after.equal(&case.fused::<f64>(Isa::best(), 1).0[0]));
}

/// A panic on any thread reaches the caller, and the team can go on.
#[test]
fn a_panic_is_passed_on() {
    let mut team = Team::new(3).unwrap();
    for bad in 0..3 {
        let run = std::panic::AssertUnwindSafe(|| {
            team.rows(3, |rows| assert!(!rows.range().contains(&bad), "row {bad}"));
        });
        let panic = std::panic::catch_unwind(run).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), &format!("row {bad}"));
    }
    let sum = std::sync::atomic::AtomicUsize::new(0);
    team.tasks(100, |task| {
        sum.fetch_add(task, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(sum.into_inner(), 4950);
}
