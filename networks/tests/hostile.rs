//! No architecture, optimiser or intervention makes a constructor panic, whatever its numbers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    interventions::InterventionConfig, model::Model, network::ArchConfig, optim::OptimConfig,
    params::Params, random,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

fn whole() -> impl Strategy<Value = i64> {
    prop_oneof![1..5i64, -1..1i64, Just(i64::MAX), Just(i64::MIN), Just(1 << 20)]
}

fn real() -> impl Strategy<Value = f64> {
    // JSON has neither NaN nor infinity; they are in the tests of configurations.
    prop_oneof![0.01..1.0f64, Just(0.0), Just(-1.0), Just(1e300), Just(1e-300)]
}

fn arch() -> impl Strategy<Value = Value> {
    let lists = prop::collection::vec(whole(), 0..3);
    let mlp = lists.prop_map(|hidden| json!({ "kind": "mlp", "hidden": hidden }));
    let blocks = ["simba", "simba_v2"].map(|kind| {
        (whole(), whole(), whole()).prop_map(move |(width, blocks, expansion)| {
            json!({ "kind": kind, "width": width, "blocks": blocks, "expansion": expansion })
        })
    });
    let [simba, simba_v2] = blocks;
    let conv = whole().prop_map(|width| {
        json!({ "kind": "conv", "torso": "minatar", "body": { "kind": "mlp", "hidden": [width] } })
    });
    prop_oneof![mlp, simba, simba_v2, conv]
}

fn method() -> impl Strategy<Value = Value> {
    (0..5usize, whole(), real()).prop_map(|(kind, n, x)| match kind {
        0 => json!({ "kind": "cbp", "replacement_rate": x, "decay_rate": x }),
        1 => json!({ "kind": "nap", "every_updates": n.max(0) }),
        2 => json!({ "kind": "redo", "threshold": x, "every_updates": n.max(0) }),
        3 => json!({ "kind": "l2_init", "strength": x }),
        _ => json!({ "kind": "shrink_perturb", "shrink": x, "perturb": x, "every_updates": n.max(0) }),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_network_panics(
        arch in arch(),
        method in method(),
        input in prop::collection::vec(whole(), 0..4),
        outputs in prop::collection::vec(whole(), 0..3),
        lr in real(),
        clip in prop::option::of(real()),
    ) {
        let (Ok(arch), Ok(method)) = (
            serde_json::from_value::<ArchConfig>(arch),
            serde_json::from_value::<InterventionConfig>(method),
        ) else {
            return Ok(());
        };
        let names = ["a", "b"];
        let heads: Vec<(&str, i64)> = names.into_iter().zip(outputs.iter().copied()).collect();
        let mut params = Params::default();
        let net = match arch.build(&mut params, "net", &input, &heads, &mut random::stream(1, 0)) {
            Ok(net) => net,
            Err(sentence) => {
                prop_assert!(sentence.len() > 10);
                return Ok(());
            }
        };
        let size: i64 = input.iter().product();
        let optim = OptimConfig { lr, clip_grad_norm: clip, ..OptimConfig::default() };
        match Model::new("net", net, params, &optim, &[method], Device::Cpu) {
            Err(sentence) => prop_assert!(sentence.len() > 10),
            Ok(model) => {
                let x = Tensor::zeros([2, size], (Kind::Float, Device::Cpu));
                let out = model.forward(&x);
                let widths: Vec<i64> = out.iter().map(|y| y.size()[1]).collect();
                prop_assert_eq!(widths, outputs.iter().copied().take(2).collect::<Vec<_>>());
            }
        }
    }
}
