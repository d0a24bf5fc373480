//! SimBa's network against its formulas, written here a second time in f64, and the size of the
//! published networks.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use networks::{
    arch::simba::SimbaConfig,
    network::ArchConfig,
    params::{Params, Role},
    random,
    trace::Trace,
};
use tch::{Kind, Tensor};

fn get<'a>(p: &'a Params, name: &str) -> &'a Tensor {
    &p.iter().find(|(_, p)| p.name == format!("f/{name}")).unwrap().1.value
}

fn affine(p: &Params, layer: &str, x: &Tensor) -> Tensor {
    x.matmul(&get(p, &format!("{layer}/weight")).tr()) + get(p, &format!("{layer}/bias"))
}

/// `gain * (x - mean) / sqrt(var + 1e-6) + offset`, with the population variance.
fn norm(p: &Params, layer: &str, x: &Tensor) -> Tensor {
    let mean = x.mean_dim(Some([1i64].as_slice()), true, None::<Kind>);
    let var = (x - &mean).square().mean_dim(Some([1i64].as_slice()), true, None::<Kind>);
    (x - mean) / (var + 1e-6).sqrt() * get(p, &format!("{layer}/gain"))
        + get(p, &format!("{layer}/offset"))
}

/// With every parameter moved from its initial value, so that none can be left out.
#[test]
fn the_network_is_its_formulas() {
    let mut rng = random::stream(1, 0);
    let mut p = Params::default();
    let arch = ArchConfig::from(SimbaConfig {
        width: 6,
        blocks: 2,
        expansion: 3,
        ..SimbaConfig::default()
    });
    let net = arch.build(&mut p, "f", &[4], &[("mean", 2), ("log_std", 3)], &mut rng).unwrap();
    let flat: Vec<f32> = p.to_flat().to_vec();
    let moved = random::normal(&[flat.len() as i64], &mut rng) * 0.3 + Tensor::from_slice(&flat);
    p.load_flat(&Vec::<f32>::try_from(&moved).unwrap());
    let p = p.to_kind(Kind::Double);
    let x = (random::normal(&[5, 4], &mut rng) * 2.0).to_kind(Kind::Double);

    let mut h = affine(&p, "embed", &x);
    let mut hidden = Vec::new();
    for i in 0..2 {
        let part = |part: &str| format!("block_{i}/{part}");
        let u = affine(&p, &part("up"), &norm(&p, &part("norm"), &h)).relu();
        h = &h + affine(&p, &part("down"), &u);
        hidden.push(u);
    }
    let h = norm(&p, "norm", &h);
    let mut trace = Trace::on();
    let y = net.forward(&mut networks::forward::Forward::eval(&p, &mut trace), &x);
    let gap = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
    for (y, head) in y.iter().zip(["mean", "log_std"]) {
        let gap = gap(y, &affine(&p, head, &h));
        assert!(gap < 1e-12, "{head}: {gap:e}");
    }
    let seen: Vec<&str> = trace.entries().iter().map(|e| e.layer.as_str()).collect();
    assert_eq!(seen, ["f/block_0/up", "f/block_1/up", "f/norm"]);
    assert!(gap(&trace.entries()[1].values, &hidden[1]) < 1e-12);
}

/// Weights and biases of linear layers and two vectors for each normalisation, for the actor (width
/// 128, one block) and the critic (512, two) of a task with 17 observations and 6 actions.
#[test]
fn sizes_and_laws() {
    for (width, blocks, input, heads) in
        [(128, 1, 17, &[("mean", 6), ("log_std", 6)][..]), (512, 2, 23, &[("value", 1)])]
    {
        let mut p = Params::default();
        let config = SimbaConfig { width, blocks, ..SimbaConfig::default() };
        ArchConfig::from(config)
            .build(&mut p, "f", &[input], heads, &mut random::stream(1, 0))
            .unwrap();
        let d = width;
        let block = 2 * d + (4 * d * d + 4 * d) + (4 * d * d + d);
        let outputs: i64 = heads.iter().map(|(_, n)| d * n + n).sum();
        let want = (input * d + d) + blocks * block + 2 * d + outputs;
        assert_eq!(p.count() as i64, want);
        // He: variance 2 / fan_in. Orthogonal embedding: its columns are orthonormal.
        let up = get(&p, "block_0/up/weight");
        let variance = up.square().mean(Kind::Float).double_value(&[]);
        assert!((variance * d as f64 / 2.0 - 1.0).abs() < 0.03, "{variance}");
        let embed = get(&p, "embed/weight");
        let gram = embed.tr().matmul(embed) - Tensor::eye(input, (Kind::Float, embed.device()));
        assert!(gram.abs().max().double_value(&[]) < 1e-5);
        for (_, p) in p.iter().filter(|(_, p)| p.role == Role::Bias) {
            assert_eq!(p.value.abs().max().double_value(&[]), 0.0, "{}", p.name);
        }
    }
}
