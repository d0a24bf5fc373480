//! Convolutional torsos against sums written out in loops.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod pictures;

use networks::forward::Forward;
use networks::{
    arch::{
        conv::{Channels, ConvConfig, Torso},
        mlp::MlpConfig,
    },
    network::ArchConfig,
    params::{Params, Role},
    random,
    trace::{Activity, Trace},
};
use pictures::{build, host, linear_body, small_body};
use tch::{Device, Kind, Tensor};

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
                body: Some(linear_body()),
                channels,
                divide_by: Some(255.0),
                ..ConvConfig::default()
            };
            let last = channels == Channels::Last;
            let shape = if last { [k, h, w, c] } else { [k, c, h, w] };
            let (net, p) = build(&config, &shape).unwrap();
            let p = p.to_kind(Kind::Double);
            let size = k * c * h * w;
            let x = random::uniform(&[2, size], 0.0, 256.0, &mut random::stream(2, 0)).floor();
            let x = x.to_kind(Kind::Double);
            let mut trace = Trace::on();
            let y = &net.forward(&mut Forward::eval(&p, &mut trace), &x)[0];

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
        let arch = ArchConfig::from(ConvConfig { torso, ..ConvConfig::default() });
        let net = arch.build(&mut p, "q", &input, &heads, &mut random::stream(1, 0)).unwrap();
        let mut trace = Trace::on();
        let size = input.iter().product();
        let y = net.forward(
            &mut Forward::eval(&p, &mut trace),
            &Tensor::zeros([2, size], (Kind::Float, Device::Cpu)),
        );
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
        assert_eq!(
            p.neurons().iter().map(|u| u.layer.as_str()).collect::<Vec<_>>(),
            ["q/hidden_0"]
        );
    }
}

/// As PyTorch's: all within `1 / sqrt(fan_in)`, and as spread as a uniform distribution is (4 standard errors).
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
        body: Some(small_body()),
        divide_by,
        ..ConvConfig::default()
    };
    let x = random::uniform(&[4, 30], 0.0, 255.0, &mut random::stream(3, 0));
    let run = |config: &ConvConfig, shape: &[i64], x: &Tensor| {
        let (net, p) = build(config, shape).unwrap();
        host(&net.forward(&mut Forward::eval(&p, &mut Trace::off()), x)[0])
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
    let mut arch = ArchConfig::from(ConvConfig::default());
    arch.resolve(7.0);
    let resolved = arch.settings::<ConvConfig>().expect("it was one");
    assert_eq!(resolved.divide_by, Some(7.0));
    let body =
        resolved.body.as_ref().and_then(|body| body.settings::<MlpConfig>()).expect("an MLP");
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
    let nested = Some(ArchConfig::from(ConvConfig::default()));
    let wrong = |config: ConvConfig| ArchConfig::from(config).validate().unwrap_err();
    assert!(wrong(ConvConfig { body: nested, ..nature.clone() }).contains("body.kind is \"conv\""));
    for divide_by in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = wrong(ConvConfig { divide_by: Some(divide_by), ..nature.clone() });
        assert!(error.contains("divide_by is"), "{error}");
    }
    let bad = ArchConfig::from(MlpConfig { hidden: vec![0], ..MlpConfig::default() });
    let error = wrong(ConvConfig { body: Some(bad), ..nature });
    assert!(error.starts_with("body.hidden"), "{error}");
}
