//! Convolutional torsos against sums written out in loops, and all that works on weights with
//! weights of four axes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;

use networks::{
    arch::{
        conv::{Channels, ConvConfig, Torso},
        mlp::{Activation, MlpConfig},
        simba::SimbaConfig,
        simba_v2::SimbaV2Config,
    },
    diagnostics::{
        Spectrum,
        curvature::{Hessian, per_sample_gradients},
        step::weight_measures,
        units::per_unit,
    },
    init::Init,
    methods::{CbpConfig, Clock, Layers, MethodConfig, NapGains},
    model::Model,
    network::{ArchConfig, Network},
    optim::{OptimConfig, Rule},
    params::{ParamId, Params, Role},
    random,
    trace::{Activity, Trace},
};
use tch::{Device, Kind, Tensor};

fn host(t: &Tensor) -> Vec<f64> {
    Vec::try_from(&t.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn linear_body() -> ArchConfig {
    ArchConfig::Mlp(MlpConfig { hidden: vec![], ..MlpConfig::default() })
}

fn small_body() -> ArchConfig {
    let config =
        MlpConfig { hidden: vec![6], activation: Activation::Tanh, ..MlpConfig::default() };
    ArchConfig::Mlp(config)
}

fn build(config: &ConvConfig, input: &[i64]) -> Result<(Arc<dyn Network>, Params), String> {
    let mut p = Params::default();
    let arch = ArchConfig::Conv(config.clone());
    let net = arch.build(&mut p, "q", input, &[("y", 3)], &mut random::stream(1, 0))?;
    Ok((net, p))
}

fn refused(config: &ConvConfig, input: &[i64]) -> String {
    build(config, input).err().unwrap()
}

/// `[C, H, W]` numbers of one picture.
struct Planes {
    shape: [usize; 3],
    x: Vec<f64>,
}

/// `relu(b_o + sum_cij w_ocij x_c(s y + i)(s x + j))`, one sum at a time.
fn by_loops(input: &Planes, weight: &Tensor, bias: &Tensor, stride: usize) -> Planes {
    let size: Vec<usize> = weight.size().iter().map(|&n| n as usize).collect();
    let (outs, ins, kernel) = (size[0], size[1], size[2]);
    let (w, b) = (host(weight), host(bias));
    let [channels, height, width] = input.shape;
    assert_eq!((channels, size[3]), (ins, kernel));
    let (h, v) = ((height - kernel) / stride + 1, (width - kernel) / stride + 1);
    let mut x = Vec::new();
    for o in 0..outs {
        for y in 0..h {
            for z in 0..v {
                let mut sum = b[o];
                for c in 0..ins {
                    for i in 0..kernel {
                        for j in 0..kernel {
                            let at = (c * height + stride * y + i) * width + stride * z + j;
                            sum += w[((o * ins + c) * kernel + i) * kernel + j] * input.x[at];
                        }
                    }
                }
                x.push(sum.max(0.0));
            }
        }
    }
    Planes { shape: [outs, h, v], x }
}

fn assert_close(got: &[f64], want: &[f64], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!((g - w).abs() < 1e-12 * w.abs().max(1.0), "{what}, number {i}: {g}, not {w}");
    }
}

/// Every torso, on pictures that its strides do not divide, channels first and last, of bytes.
#[test]
fn torsos_are_their_sums() {
    for (torso, strides, [k, c, h, w]) in [
        (Torso::Nature, vec![4, 2, 1], [2, 1, 37, 45]),
        (Torso::ImpalaSmall, vec![4, 2], [1, 3, 22, 33]),
        (Torso::Minatar, vec![1], [3, 2, 5, 4]),
    ] {
        for channels in [Channels::First, Channels::Last] {
            let config = ConvConfig {
                torso,
                body: Some(Box::new(linear_body())),
                channels,
                divide_by: Some(255.0),
            };
            let last = channels == Channels::Last;
            let shape = if last { [k, h, w, c] } else { [k, c, h, w] };
            let (net, p) = build(&config, &shape).unwrap();
            let p = p.to_kind(Kind::Double);
            let size = k * c * h * w;
            let x = random::uniform(&[2, size], 0.0, 256.0, &mut random::stream(2, 0)).floor();
            let x = x.to_kind(Kind::Double);
            let mut trace = Trace::on();
            let y = &net.forward(&p, &x, &mut trace)[0];

            let value = |name: &str| {
                let found = p.iter().find(|(_, q)| q.name == format!("q/{name}"));
                found.unwrap().1.value.shallow_clone()
            };
            for sample in 0..2 {
                let numbers = host(&x.get(sample));
                // From the input's own order to frames, channels, rows, columns.
                let place = |f: i64, ch: i64, row: i64, column: i64| {
                    if last {
                        ((f * h + row) * w + column) * c + ch
                    } else {
                        ((f * c + ch) * h + row) * w + column
                    }
                };
                let mut planes = Planes { shape: [k * c, h, w].map(|n| n as usize), x: Vec::new() };
                for (f, ch) in (0..k).flat_map(|f| (0..c).map(move |ch| (f, ch))) {
                    for (row, column) in (0..h).flat_map(|r| (0..w).map(move |v| (r, v))) {
                        planes.x.push(numbers[place(f, ch, row, column) as usize] / 255.0);
                    }
                }
                for (i, &stride) in strides.iter().enumerate() {
                    let (weight, bias) =
                        (value(&format!("conv_{i}/weight")), value(&format!("conv_{i}/bias")));
                    planes = by_loops(&planes, &weight, &bias, stride);
                    let entry = trace.get(&format!("q/conv_{i}")).unwrap();
                    assert_eq!(entry.activity, Activity::Relu);
                    let [outs, height, width] = planes.shape.map(|n| n as i64);
                    assert_eq!(entry.values.size(), [2, outs, height, width]);
                    let what = format!("{torso:?}, {channels:?}, layer {i}");
                    assert_close(&host(&entry.values.get(sample)), &planes.x, &what);
                    assert!(planes.x.iter().any(|&x| x > 0.0) && planes.x.contains(&0.0), "{what}");
                }
                let (weight, bias) = (host(&value("y/weight")), host(&value("y/bias")));
                let want: Vec<f64> = weight
                    .chunks(planes.x.len())
                    .zip(bias)
                    .map(|(w, b)| b + w.iter().zip(&planes.x).map(|(w, x)| w * x).sum::<f64>())
                    .collect();
                assert_close(&host(&y.get(sample)), &want, "the head");
            }
        }
    }
}

/// Sizes of the papers: features of the torsos and weights of the whole network for 4 actions
/// (1 684 128 + 513 a each, Mnih et al.'s network).
#[test]
fn published_sizes() {
    let heads = [("q", 4)];
    for (torso, input, positions, features, hidden, count) in [
        (Torso::Nature, [4, 84, 84], vec![20, 9, 7], 3136, 512, Some(1_684_128 + 4 * 513)),
        (Torso::ImpalaSmall, [3, 72, 96], vec![], 32 * 7 * 10, 256, None),
        (
            Torso::ImpalaSmall,
            [4, 84, 84],
            vec![20, 9],
            2592,
            256,
            Some(4112 + 8224 + 663_808 + 4 * 257),
        ),
        (Torso::Minatar, [4, 10, 10], vec![8], 1024, 128, Some(592 + 131_200 + 4 * 129)),
    ] {
        let mut p = Params::default();
        let arch = ArchConfig::Conv(ConvConfig { torso, ..ConvConfig::default() });
        let net = arch.build(&mut p, "q", &input, &heads, &mut random::stream(1, 0)).unwrap();
        let mut trace = Trace::on();
        let size = input.iter().product();
        let y = net.forward(&p, &Tensor::zeros([2, size], (Kind::Float, Device::Cpu)), &mut trace);
        assert_eq!(y[0].size(), [2, 4]);
        for (i, n) in positions.into_iter().enumerate() {
            assert_eq!(trace.get(&format!("q/conv_{i}")).unwrap().values.size()[2..], [n, n]);
        }
        let found = |name: &str| p.iter().find(|(_, q)| q.name == name).unwrap().1.value.size();
        assert_eq!(found("q/hidden_0/weight"), [hidden, features], "{torso:?}");
        if let Some(count) = count {
            assert_eq!(p.count(), count, "{torso:?}");
        }
        // The body is the network that it would be on its own.
        assert_eq!(p.units().iter().map(|u| u.layer.as_str()).collect::<Vec<_>>(), ["q/hidden_0"]);
    }
}

/// As PyTorch's: all within `1 / sqrt(fan_in)`, and as spread as a uniform law is (4 standard errors).
#[test]
fn weights_follow_their_law() {
    let (_, p) = build(&ConvConfig::default(), &[4, 84, 84]).unwrap();
    for (i, (fan_in, n)) in [(256, 8192), (512, 32_768), (576, 36_864)].into_iter().enumerate() {
        for (part, count) in [("weight", n), ("bias", 0)] {
            let name = format!("q/conv_{i}/{part}");
            let (_, q) = p.iter().find(|(_, q)| q.name == name).unwrap();
            let bound = f64::from(fan_in).sqrt().recip();
            let x = host(&q.value);
            assert!(x.iter().all(|x| x.abs() <= bound), "{name}");
            assert!(x.iter().any(|x| x.abs() > 0.8 * bound), "{name}");
            if count > 0 {
                assert_eq!((x.len(), q.role), (count, Role::Hidden), "{name}");
                let variance = x.iter().map(|x| x * x).sum::<f64>() / count as f64;
                let error = 4.0 * 0.9 / (count as f64).sqrt();
                assert!((variance * 3.0 / bound.powi(2) - 1.0).abs() < error, "{name}");
            }
        }
    }
}

/// A picture without channels, with one, and a stack of one are the same; scaling is a division.
#[test]
fn shapes_of_one_picture() {
    let config = |divide_by| ConvConfig {
        torso: Torso::Minatar,
        body: Some(Box::new(small_body())),
        divide_by,
        ..ConvConfig::default()
    };
    let x = random::uniform(&[4, 30], 0.0, 255.0, &mut random::stream(3, 0));
    let run = |config: &ConvConfig, shape: &[i64], x: &Tensor| {
        let (net, p) = build(config, shape).unwrap();
        host(&net.forward(&p, x, &mut Trace::off())[0])
    };
    let plain = run(&config(None), &[5, 6], &x);
    assert_eq!(run(&config(None), &[1, 5, 6], &x), plain);
    assert_eq!(run(&config(None), &[1, 1, 5, 6], &x), plain);
    let last = ConvConfig { channels: Channels::Last, ..config(None) };
    assert_eq!(run(&last, &[5, 6], &x), plain);
    assert_eq!(run(&last, &[5, 6, 1], &x), plain);
    assert_eq!(run(&config(Some(255.0)), &[5, 6], &x), run(&config(None), &[5, 6], &(&x / 255.0)));
    assert_ne!(run(&config(Some(255.0)), &[5, 6], &x), plain);
    // What is left to the run: the largest input, and the paper's body.
    let mut arch = ArchConfig::Conv(ConvConfig::default());
    arch.resolve(7.0);
    let ArchConfig::Conv(resolved) = &arch else { unreachable!("it was one") };
    assert_eq!(resolved.divide_by, Some(7.0));
    let Some(ArchConfig::Mlp(body)) = resolved.body.as_deref() else { unreachable!("an MLP") };
    assert_eq!(body.hidden, [512]);
    let before = arch.clone();
    arch.resolve(8.0);
    assert_eq!(arch, before, "what is there stays");
}

#[test]
fn what_is_no_picture_is_refused() {
    let nature = ConvConfig::default();
    for (input, parts) in [
        (&[11][..], ["[11]", "[C, H, W]"]),
        (&[1, 2, 3, 84, 84], ["[1, 2, 3, 84, 84]", "[C, H, W]"]),
        (&[4, 10, 10], ["[4, 10, 10]", "at least 36x36"]),
        (&[4, 35, 84], ["[4, 35, 84]", "35x84"]),
        (&[4, 84, 35], ["[4, 84, 35]", "84x35"]),
        // Channels last read as channels first.
        (&[84, 84, 3], ["[84, 84, 3]", "`channels`"]),
    ] {
        let error = refused(&nature, input);
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    for (torso, least) in [(Torso::Nature, 36), (Torso::ImpalaSmall, 20), (Torso::Minatar, 3)] {
        let config = ConvConfig { torso, ..ConvConfig::default() };
        assert!(build(&config, &[least, least]).is_ok(), "{torso:?}");
        assert!(refused(&config, &[least - 1, least]).contains("at least"), "{torso:?}");
    }
    let nested = Some(Box::new(ArchConfig::Conv(ConvConfig::default())));
    let wrong = |config: ConvConfig| ArchConfig::Conv(config).validate().unwrap_err();
    assert!(wrong(ConvConfig { body: nested, ..nature.clone() }).contains("body.kind is \"conv\""));
    for divide_by in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = wrong(ConvConfig { divide_by: Some(divide_by), ..nature.clone() });
        assert!(error.contains("divide_by is"), "{error}");
    }
    let bad = ArchConfig::Mlp(MlpConfig { hidden: vec![0], ..MlpConfig::default() });
    let error = wrong(ConvConfig { body: Some(Box::new(bad)), ..nature });
    assert!(error.starts_with("body.hidden"), "{error}");
}

/// One hidden layer on 12 numbers, its weight as a matrix or with four axes.
struct Layer {
    weight: ParamId,
    bias: ParamId,
    head: ParamId,
}

impl Network for Layer {
    fn forward(&self, p: &Params, x: &Tensor, trace: &mut Trace) -> Vec<Tensor> {
        let h = x.linear(&p.get(self.weight).flatten(1, -1), Some(p.get(self.bias))).relu();
        trace.record("hidden", Activity::Relu, &h);
        vec![h.linear(p.get(self.head), None::<&Tensor>)]
    }
}

fn layer(shape: &[i64], optim: &OptimConfig, methods: &[MethodConfig]) -> Model {
    let (mut p, mut rng) = (Params::default(), random::stream(5, 0));
    let weight = p.add("hidden/weight".into(), Role::Hidden, shape, Init::FanIn, &mut rng);
    let bias = p.add("hidden/bias".into(), Role::Bias, &[5], Init::Uniform(0.1), &mut rng);
    p.in_heads(true);
    let head = p.add("head/weight".into(), Role::Output, &[2, 5], Init::FanIn, &mut rng);
    p.in_heads(false);
    let net = Arc::new(Layer { weight, bias, head });
    Model::new("m", net, p, optim, methods, Device::Cpu).unwrap()
}

/// Weight methods, optimisers and every measure of a step and of weights do with four axes what
/// they do with the matrix of the same numbers, to the bit.
#[test]
fn four_axes_are_one_matrix() {
    let mut methods = vec![
        MethodConfig::ClipGradNorm { max_norm: 0.05 },
        MethodConfig::L2Init { strength: 0.1 },
        MethodConfig::ShrinkPerturb {
            shrink: 0.9,
            perturb: 0.1,
            every_updates: 3,
            on_task_change: false,
        },
        MethodConfig::ResetLayers { layers: Layers::All, every_updates: 5, on_task_change: false },
    ];
    let optims = [Rule::Adam, Rule::Adamw, Rule::Sgd].map(|rule| OptimConfig {
        rule,
        lr: 0.01,
        weight_decay: 0.1,
        ..OptimConfig::default()
    });
    for optim in optims {
        let start = layer(&[5, 12], &optim, &[]);
        let run = |shape: &[i64], methods: &[MethodConfig]| {
            let (mut model, mut rng) = (layer(shape, &optim, methods), random::stream(6, 0));
            let mut found = Vec::new();
            for update in 0..8 {
                let x = random::normal(&[16, 12], &mut rng);
                let mut trace = Trace::on();
                let loss = model.forward_traced(&x, &mut trace)[0].square().mean(Kind::Float);
                let clock = Clock { update, look: true, log: true, ..Clock::default() };
                let step = model.minimize(&loss, &trace, &[], clock, &mut rng).unwrap();
                found.extend(step.layers.into_iter().map(|m| (m.layer, m.measure, m.value)));
                let initial = |name: &str| {
                    let (_, q) = start.params.iter().find(|(_, q)| q.name == name).unwrap();
                    let four = name == "hidden/weight";
                    Some(if four { q.value.view(shape) } else { q.value.shallow_clone() })
                };
                let weights = weight_measures(&model.params, initial);
                found.extend(weights.into_iter().map(|m| (m.layer, m.measure, m.value)));
            }
            (model.params.to_flat().to_vec(), found)
        };
        let (matrix, found) = run(&[5, 12], &methods);
        let (four, also) = run(&[5, 3, 2, 2], &methods);
        assert_eq!(matrix, four, "{:?}", optim.rule);
        assert_eq!(found, also, "{:?}", optim.rule);
        assert!(found.len() > 100 && found.iter().all(|(.., value)| value.is_finite()));
        for left_out in 0..methods.len() {
            let mut fewer = methods.clone();
            fewer.remove(left_out);
            assert_ne!(run(&[5, 3, 2, 2], &fewer).0, four, "method {left_out} does something");
        }
        methods.rotate_left(1);
    }
}

fn conv_model(methods: &[MethodConfig], body: Option<Box<ArchConfig>>) -> Result<Model, String> {
    let config = ConvConfig { torso: Torso::Minatar, body, ..ConvConfig::default() };
    let (net, p) = build(&config, &[2, 5, 4]).unwrap();
    let optim = OptimConfig { lr: 0.01, ..OptimConfig::default() };
    Model::new("m", net, p, &optim, methods, Device::Cpu)
}

fn pictures(n: i64) -> Tensor {
    random::uniform(&[n, 40], 0.0, 1.0, &mut random::stream(7, 0))
}

fn step(model: &mut Model, update: u64) -> f64 {
    let x = pictures(16);
    let mut trace = Trace::on();
    let y = model.forward_traced(&x, &mut trace).remove(0);
    let wanted = x.narrow(1, 0, 3);
    let loss = (y - wanted).square().mean(Kind::Float);
    let clock = Clock { update, look: true, ..Clock::default() };
    let mut rng = random::stream(8, update);
    model.minimize(&loss, &trace, &[("x", &x)], clock, &mut rng).unwrap().loss
}

/// Methods that replace units act in the body and leave channels alone; one that needs norms behind
/// every layer is refused.
#[test]
fn channels_are_no_units() {
    let cbp = CbpConfig { replacement_rate: 0.5, maturity_threshold: 0, ..CbpConfig::default() };
    for method in [MethodConfig::Cbp(cbp), MethodConfig::Redo { threshold: 1.0, every_updates: 1 }]
    {
        let mut model = conv_model(&[method], Some(Box::new(small_body()))).unwrap();
        let layers: Vec<&str> = model.params.units().iter().map(|u| u.layer.as_str()).collect();
        assert_eq!(layers, ["q/hidden_0"]);
        let mut plain = conv_model(&[], Some(Box::new(small_body()))).unwrap();
        step(&mut model, 0);
        step(&mut plain, 0);
        assert!(model.params.replaced(0).unwrap() > 0);
        let value = |m: &Model, name: &str| {
            host(&m.params.iter().find(|(_, q)| q.name == name).unwrap().1.value)
        };
        for name in ["q/conv_0/weight", "q/conv_0/bias"] {
            assert_eq!(value(&model, name), value(&plain, name), "{name}");
        }
        assert_ne!(value(&model, "q/hidden_0/weight"), value(&plain, "q/hidden_0/weight"));
    }
    // Nothing to replace in front of a linear body.
    let error = conv_model(&[MethodConfig::Cbp(cbp)], Some(Box::new(linear_body()))).err().unwrap();
    assert!(error.contains("no units"), "{error}");
    let nap = MethodConfig::Nap { every_updates: 1, gains: NapGains::Joint {} };
    let error = conv_model(&[nap], None).err().unwrap();
    assert!(error.contains("`q/conv_0` has no norm"), "{error}");
}

/// Any architecture learns behind a torso, and unit rows stay where they belong.
#[test]
fn every_body_learns() {
    let bodies = [
        None,
        Some(Box::new(ArchConfig::Simba(SimbaConfig { width: 16, ..SimbaConfig::default() }))),
        Some(Box::new(ArchConfig::SimbaV2(SimbaV2Config {
            width: 16,
            ..SimbaV2Config::default()
        }))),
    ];
    for body in bodies {
        let mut model = conv_model(&[], body.clone()).unwrap();
        let first = step(&mut model, 0);
        let last = (1..60).map(|update| step(&mut model, update)).last().unwrap();
        assert!(last < 0.3 * first, "{body:?}: from {first} to {last}");
        assert!(model.params.unit_row_error() < 1e-6);
    }
}

/// Moves all parameters along a direction.
fn shift(p: &mut Params, direction: &Tensor, by: f64) {
    let _guard = tch::no_grad_guard();
    let ids: Vec<ParamId> = p.iter().map(|(id, _)| id).collect();
    let mut from = 0;
    for id in ids {
        let value = p.get_mut(id);
        let n = value.numel() as i64;
        let part = direction.narrow(0, from, n).view_as(value) * by;
        let _ = value.g_add_(&part);
        from += n;
    }
}

/// Single gradients add up to the whole one, and Hessian products are differences of gradients.
#[test]
fn curvature_of_convolutions() {
    let (net, p) = build(
        &ConvConfig {
            torso: Torso::Minatar,
            body: Some(Box::new(small_body())),
            ..ConvConfig::default()
        },
        &[2, 5, 4],
    )
    .unwrap();
    let mut p = p.to_kind(Kind::Double);
    let x = pictures(6).to_kind(Kind::Double);
    let loss = |p: &Params, x: &Tensor| {
        net.forward(p, x, &mut Trace::off())[0].square().mean(Kind::Double)
    };
    let gradient = |p: &Params| {
        let values: Vec<&Tensor> = p.trainable().map(|q| &q.value).collect();
        let grads = Tensor::run_backward(&[loss(p, &x)], &values, false, false);
        networks::diagnostics::flat(&grads)
    };
    let values: Vec<&Tensor> = p.trainable().map(|q| &q.value).collect();
    let single = per_sample_gradients(&values, 6, |i| loss(&p, &x.narrow(0, i, 1)));
    let mean = single.mean_dim(Some([0i64].as_slice()), false, Kind::Double);
    let apart = (mean - gradient(&p)).abs().max().double_value(&[]);
    assert!(apart < 1e-14, "{apart:e}");

    let direction = random::normal(&[p.count() as i64], &mut random::stream(9, 0));
    let direction = direction.to_kind(Kind::Double);
    let product = Hessian::of(&loss(&p, &x), &values).product(&direction);
    drop(values);
    let h = 1e-6;
    shift(&mut p, &direction, h);
    let after = gradient(&p);
    shift(&mut p, &direction, -2.0 * h);
    let before = gradient(&p);
    let difference = (after - before) / (2.0 * h);
    let error = (&difference - &product).abs().max().double_value(&[]);
    let size = product.abs().max().double_value(&[]);
    assert!(size > 1e-3 && error < 1e-6 * size.max(1.0), "{error:e} of {size}");
}

/// Ranks are of matrices: one row a position, and one row a channel of a weight.
#[test]
fn ranks_of_convolutions() {
    let model = conv_model(&[], Some(Box::new(small_body()))).unwrap();
    let trace = model.trace(&pictures(3));
    let h = &trace.get("q/conv_0").unwrap().values; // [3, 16, 3, 2]
    let rows = per_unit(h);
    assert_eq!(rows.size(), [18, 16]);
    assert_eq!(rows.double_value(&[7, 5]), h.double_value(&[1, 5, 0, 1]));
    let spectrum = Spectrum::of(&rows).unwrap();
    let square: f64 = spectrum.values().iter().map(|s| s * s).sum();
    let want: f64 = host(h).iter().map(|x| x * x).sum();
    assert!((square / want - 1.0).abs() < 1e-12);
    let (_, q) = model.params.iter().find(|(_, q)| q.name == "q/conv_0/weight").unwrap();
    assert_eq!(Spectrum::of(&q.value.flatten(1, -1)).unwrap().values().len(), 16);
}
