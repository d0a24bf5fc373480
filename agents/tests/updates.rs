//! One update of each agent against the equations, written here a second time in f64 and without
//! the crates' networks, distributions or losses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use agents::{
    agent::Agent,
    config::Config,
    experience::{Batch, Between},
    logging::record::Scalars,
    replay::draws::NoReplay,
};
use envs::{ActionSpace, EnvSpec};
use networks::{
    interventions::Clock,
    params::StateDict,
    random::{self, Rng},
};
use tch::{Device, Kind, Tensor};

const B: i64 = 7;
const D: i64 = 3;

fn batch(action: Tensor, rng: &mut Rng) -> Batch {
    Batch {
        obs: random::normal(&[B, D], rng),
        action,
        reward: random::normal(&[B], rng) * 3.0,
        // Terminal, one step, three steps.
        discount: Tensor::from_slice(&[0.0f32, 0.99, 0.970_299, 0.0, 0.99, 0.99, 0.970_299]),
        next_obs: random::normal(&[B, D], rng),
        between: None,
        weights: None,
        rows: Vec::new(),
    }
}

fn save(agent: &dyn Agent) -> StateDict {
    let mut state = StateDict::new();
    agent.save(&mut state);
    state
}

/// Runs one logged update and returns its numbers by tag.
fn update(agent: &mut dyn Agent, batch: &Batch, update: u64, rng: &mut Rng) -> Vec<(String, f64)> {
    let mut log = Scalars::default();
    let clock = Clock { env_step: 100, update, task: 0, log: true, look: false };
    agent.update(batch, &mut NoReplay, clock, rng, &mut log).unwrap();
    log.take()
}

fn close(numbers: &[(String, f64)], tag: &str, want: f64) {
    let got = numbers.iter().find(|(t, _)| t == tag).unwrap_or_else(|| panic!("no {tag}")).1;
    assert!((got - want).abs() < 1e-5 * want.abs().max(1.0), "{tag} is {got} instead of {want}");
}

/// `x W^T + b` of a saved layer, in f64.
fn affine(state: &StateDict, layer: &str, x: &Tensor) -> Tensor {
    let get = |part: &str| state[&format!("{layer}/{part}")].to_kind(Kind::Double);
    x.to_kind(Kind::Double).matmul(&get("weight").tr()) + get("bias")
}

/// One hidden layer of ReLU units, then a head.
fn net(state: &StateDict, prefix: &str, head: &str, x: &Tensor) -> Tensor {
    affine(
        state,
        &format!("{prefix}/{head}"),
        &affine(state, &format!("{prefix}/hidden_0"), x).relu(),
    )
}

fn number(t: &Tensor) -> f64 {
    t.to_kind(Kind::Double).double_value(&[])
}

fn dqn(text: &str) -> Box<dyn Agent> {
    let text = format!(
        "[agent]\nkind = 'dqn'\n{text}\n[agent.network]\narch = {{ kind = 'mlp', hidden = [6] }}\n\
         optim = {{ lr = 0.05 }}"
    );
    let config = Config::parse(&text, &[]).unwrap();
    let spec = EnvSpec::vector(D as usize, ActionSpace::Discrete(4));
    config.build_agent(&spec, Device::Cpu, &mut random::stream(3, 0)).unwrap()
}

fn q_of(state: &StateDict, model: &str, dueling: bool, x: &Tensor) -> Tensor {
    if !dueling {
        return net(state, &format!("{model}/q"), "q", x);
    }
    let advantage = net(state, &format!("{model}/q"), "advantage", x);
    let value = net(state, &format!("{model}/q"), "value", x);
    &value + &advantage - advantage.mean_dim(Some([1i64].as_slice()), true, Kind::Double)
}

/// Thirty updates in a row, so that online and target networks come to prefer different actions.
#[test]
fn dqn_is_its_equations() {
    for (double, dueling) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut agent = dqn(&format!(
            "double = {double}\ndueling = {dueling}\nhuber_delta = 0.7\n\
             target = {{ kind = 'polyak', tau = 0.1 }}"
        ));
        let mut rng = random::stream(4, 0);
        let mut disagreed = 0;
        for t in 0..30 {
            let action = Tensor::from_slice(&[0i64, 1, 2, 3, 0, 1, 2]).view([B, 1]);
            let b = batch(action, &mut rng);
            let s = save(agent.as_ref());
            let q_next = q_of(&s, "target", dueling, &b.next_obs);
            let online_best = q_of(&s, "q", dueling, &b.next_obs).argmax(1, true);
            let target_best = q_next.argmax(1, true);
            disagreed += i32::from(!online_best.equal(&target_best));
            let best = if double { online_best } else { target_best };
            let y = &b.reward + &b.discount * q_next.gather(1, &best, false).squeeze_dim(1);
            let q = q_of(&s, "q", dueling, &b.obs).gather(1, &b.action, false).squeeze_dim(1);
            let e = (&q - &y).abs();
            // Huber: e^2 / 2 up to delta, then delta (e - delta / 2).
            let huber = (e.square() * 0.5).where_self(&e.le(0.7), &((&e - 0.35) * 0.7));
            let numbers = update(agent.as_mut(), &b, t, &mut rng);
            close(&numbers, "loss/q", number(&huber.mean(Kind::Double)));
            close(&numbers, "q/mean", number(&q.mean(Kind::Double)));
            close(&numbers, "q/target", number(&y.mean(Kind::Double)));

            // Polyak average of the new online weights.
            let after = save(agent.as_ref());
            for (name, target) in s.iter().filter(|(name, _)| name.starts_with("target/")) {
                let online = &after[&name.replacen("target", "q", 1)];
                let gap = (target * 0.9 + online * 0.1 - &after[name]).abs().max();
                assert!(number(&gap) < 1e-6, "{name}");
            }
        }
        assert!(disagreed > 0, "the networks never disagreed, so double was not tested");
    }
}

/// Rows of a `[B, N]` tensor on the host.
fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    let row = |i| Vec::try_from(&t.to_kind(Kind::Double).get(i).flatten(0, -1)).unwrap();
    (0..t.size()[0]).map(row).collect()
}

/// Seven bins from -3 to 3; the probabilities of logits.
fn softmax(logits: &[f64]) -> Vec<f64> {
    let highest = logits.iter().copied().fold(f64::MIN, f64::max);
    let weights: Vec<f64> = logits.iter().map(|x| (x - highest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

fn expected(probs: &[f64]) -> f64 {
    probs.iter().enumerate().map(|(j, p)| p * (j as f64 - 3.0)).sum()
}

/// C51's Algorithm 1, bin by bin, on the logits of each action: with and without double learning and
/// dueling heads, whose sum is of logits.
#[test]
fn categorical_dqn_is_its_equations() {
    const N: usize = 7;
    for (double, dueling) in [(false, false), (true, false), (false, true), (true, true)] {
        let mut agent = dqn(&format!(
            "double = {double}\ndueling = {dueling}\ntarget = {{ kind = 'polyak', tau = 0.1 }}\n\
             value = {{ kind = 'categorical', bins = {N}, min = -3.0, max = 3.0 }}"
        ));
        // `[B][A]` logits of `N` bins.
        let logits = |state: &StateDict, model: &str, x: &Tensor| -> Vec<Vec<Vec<f64>>> {
            let head = |head: &str| rows(&net(state, &format!("{model}/q"), head, x));
            if !dueling {
                let split = |row: &Vec<f64>| row.chunks(N).map(<[f64]>::to_vec).collect();
                return head("q").iter().map(split).collect();
            }
            let of = |(advantage, value): (&Vec<f64>, &Vec<f64>)| {
                let actions: Vec<&[f64]> = advantage.chunks(N).collect();
                let bin = |a: &[f64], j: usize| {
                    value[j] + a[j] - actions.iter().map(|b| b[j]).sum::<f64>() / 4.0
                };
                actions.iter().map(|a| (0..N).map(|j| bin(a, j)).collect()).collect()
            };
            head("advantage").iter().zip(&head("value")).map(of).collect()
        };
        let mut rng = random::stream(4, 0);
        for t in 0..30 {
            let chosen = [0usize, 1, 2, 3, 0, 1, 2];
            let action = Tensor::from_slice(&chosen.map(|a| a as i64)).view([B, 1]);
            let b = batch(action, &mut rng);
            let s = save(agent.as_ref());
            let (next, online) = (logits(&s, "target", &b.next_obs), logits(&s, "q", &b.next_obs));
            let now = logits(&s, "q", &b.obs);
            let (reward, discount) = (rows(&b.reward.view([B, 1])), rows(&b.discount.view([B, 1])));
            let (mut loss, mut q_mean, mut y_mean, mut edges) = (0.0, 0.0, 0.0, 0.0);
            for i in 0..B as usize {
                let judge = if double { &online[i] } else { &next[i] };
                let values: Vec<f64> = judge.iter().map(|l| expected(&softmax(l))).collect();
                let best = (0..4).max_by(|&a, &b| values[a].total_cmp(&values[b])).unwrap();
                let mut target = [0.0; N];
                for (j, p) in softmax(&next[i][best]).iter().enumerate() {
                    let z = reward[i][0] + discount[i][0] * (j as f64 - 3.0);
                    let place = z.clamp(-3.0, 3.0) + 3.0;
                    let (l, u) = (place.floor(), place.ceil());
                    if l == u {
                        target[l as usize] += p;
                    } else {
                        target[l as usize] += p * (u - place);
                        target[u as usize] += p * (place - l);
                    }
                }
                let probs = softmax(&now[i][chosen[i]]);
                let size = B as f64;
                loss -= target.iter().zip(&probs).map(|(m, p)| m * p.ln()).sum::<f64>() / size;
                q_mean += expected(&probs) / size;
                y_mean += expected(&target) / size;
                edges += (target[0] + target[N - 1]) / size;
            }
            let numbers = update(agent.as_mut(), &b, t, &mut rng);
            close(&numbers, "loss/q", loss);
            close(&numbers, "q/mean", q_mean);
            close(&numbers, "q/target", y_mean);
            close(&numbers, "q/boundary_mass", edges);
        }
    }
}

/// A reward or an observation that is not finite ends an update with an error that names it: a
/// distribution's arithmetic neither panics on it nor clips it to the end of the support.
#[test]
fn a_batch_that_is_not_finite_is_named() {
    for value in ["kind = 'scalar'", "kind = 'categorical'"] {
        for (field, bad) in
            [("reward", f64::NAN), ("next_obs", f64::NAN), ("reward", f64::INFINITY)]
        {
            let mut agent = dqn(&format!("value = {{ {value} }}"));
            let mut rng = random::stream(8, 0);
            let action = Tensor::from_slice(&[0i64, 1, 2, 3, 0, 1, 2]).view([B, 1]);
            let b = batch(action, &mut rng);
            let spoilt = if field == "reward" { &b.reward } else { &b.next_obs };
            let _ = spoilt.flatten(0, -1).get(D).fill_(bad);
            let mut log = Scalars::default();
            let result = agent.update(&b, &mut NoReplay, Clock::default(), &mut rng, &mut log);
            let error = result.unwrap_err();
            assert_eq!(error.culprit, format!("batch `{field}`"), "{value}");
        }
    }
}

/// A hard target is a copy after every third update and otherwise untouched.
#[test]
fn dqn_hard_target_copies_on_its_period() {
    let mut agent = dqn("target = { kind = 'hard', every_updates = 3 }");
    let mut rng = random::stream(5, 0);
    for t in 0..7 {
        let before = save(agent.as_ref());
        let action = Tensor::from_slice(&[0i64, 1, 2, 3, 0, 1, 2]).view([B, 1]);
        update(agent.as_mut(), &batch(action, &mut rng), t, &mut rng);
        let after = save(agent.as_ref());
        let name = "target/q/hidden_0/weight";
        let (copied, kept) =
            (after[name].equal(&after["q/q/hidden_0/weight"]), after[name].equal(&before[name]));
        assert_eq!((copied, kept), if t % 3 == 2 { (true, false) } else { (false, true) }, "{t}");
    }
}

/// `(action, log_prob)` of the squashed Gaussian for given noise: the density of u, and the slope of
/// tanh in its textbook form, log(1 - tanh(u)^2).
fn squashed(state: &StateDict, obs: &Tensor, noise: &Tensor) -> (Tensor, Tensor) {
    let mean = net(state, "actor/pi", "mean", obs);
    let log_std = net(state, "actor/pi", "log_std", obs).clamp(-20.0, 2.0);
    let u = &mean + log_std.exp() * noise;
    let a = u.tanh();
    let normal = noise.square() * -0.5 - log_std - 0.5 * (2.0 * std::f64::consts::PI).ln();
    let slope = (1f64 - a.square()).log();
    (a, (normal - slope).sum_dim_intlist(-1, false, Kind::Double))
}

fn min_q(state: &StateDict, model: &str, obs: &Tensor, action: &Tensor) -> Tensor {
    let x = Tensor::cat(&[obs.to_kind(Kind::Double), action.to_kind(Kind::Double)], 1);
    let q = |i: usize| net(state, &format!("{model}/q{i}"), "value", &x).squeeze_dim(1);
    q(0).minimum(&q(1))
}

/// SAC equations 9, 18 and 3, in this order: the critic's target uses the actor and the temperature
/// that this very update has changed.
#[test]
fn sac_is_its_equations() {
    sac_equations(None);
}

/// The same with n-step transitions: each step between adds the policy's entropy there, discounted.
#[test]
fn sac_counts_the_entropy_of_every_step() {
    sac_equations(Some([[0.99, 0.9801], [0.99, 0.0], [0.0, 0.0]]));
}

/// With discounts of two steps between, for the rows of a batch in turn.
fn sac_equations(discounts: Option<[[f32; 2]; 3]>) {
    let text = "[agent]\nkind = 'sac'\nalpha = 0.4\nalpha_optim = { lr = 0.01 }\ntau = 0.1\n\
         actor = { arch = { kind = 'mlp', hidden = [6] }, optim = { lr = 0.01 } }\n\
         critic = { arch = { kind = 'mlp', hidden = [6] }, optim = { lr = 0.01 } }";
    let config = Config::parse(text, &[]).unwrap();
    let spec = EnvSpec::vector(D as usize, ActionSpace::symmetric(2));
    let mut agent = config.build_agent(&spec, Device::Cpu, &mut random::stream(3, 0)).unwrap();
    let mut rng = random::stream(6, 0);
    for t in 0..3 {
        let mut b = batch(random::normal(&[B, 2], &mut rng).tanh(), &mut rng);
        b.between = discounts.map(|discounts| {
            let rows: Vec<f32> =
                discounts.iter().cycle().take(B as usize).flatten().copied().collect();
            let discount = Tensor::from_slice(&rows).view([B, 2]);
            Between { obs: random::normal(&[B, 2, D], &mut rng), discount }
        });
        let before = save(agent.as_ref());
        let mut noise = rng.clone(); // the update's own draws, in its order
        let numbers = update(agent.as_mut(), &b, t, &mut rng);
        let after = save(agent.as_ref());
        let alpha = |s: &StateDict| number(&s["temperature/log_alpha"]).exp();

        let eps = random::normal(&[B, 2], &mut noise).to_kind(Kind::Double);
        let (action, log_prob) = squashed(&before, &b.obs, &eps);
        let q = min_q(&before, "critic", &b.obs, &action);
        close(&numbers, "loss/actor", number(&(&log_prob * alpha(&before) - q).mean(Kind::Double)));
        close(&numbers, "policy/entropy", -number(&log_prob.mean(Kind::Double)));

        // Adam's first step on log alpha is its rate against the sign of
        // d/d log_alpha of -alpha (log pi + H), H = -2.
        if t == 0 {
            let slope = -alpha(&before) * (number(&log_prob.mean(Kind::Double)) - 2.0);
            let want = alpha(&before).ln() - 0.01 * slope.signum();
            assert!((alpha(&after).ln() - want).abs() < 1e-5, "log alpha");
        }
        close(&numbers, "policy/alpha", alpha(&after));

        let eps = random::normal(&[B, 2], &mut noise).to_kind(Kind::Double);
        let (action, log_prob) = squashed(&after, &b.next_obs, &eps);
        let q_next = min_q(&before, "target", &b.next_obs, &action);
        let mut y = &b.reward + &b.discount * (q_next - log_prob * alpha(&after));
        if let Some(between) = &b.between {
            let eps = random::normal(&[B, 2, 2], &mut noise).to_kind(Kind::Double);
            for k in 0..2 {
                let step = |t: &Tensor| t.select(1, k);
                let (_, log_prob) = squashed(&after, &step(&between.obs), &step(&eps));
                y -= step(&between.discount) * log_prob * alpha(&after);
            }
        }
        let x = Tensor::cat(&[&b.obs, &b.action], 1);
        let loss: f64 = (0..2)
            .map(|i| net(&before, &format!("critic/q{i}"), "value", &x).squeeze_dim(1))
            .map(|q| number(&(q - &y).square().mean(Kind::Double)))
            .sum();
        close(&numbers, "loss/critic", loss);
        close(&numbers, "q/target", number(&y.mean(Kind::Double)));
        for (name, old) in before.iter().filter(|(name, _)| name.starts_with("target/")) {
            let online = &after[&name.replacen("target", "critic", 1)];
            let gap = (old * 0.9 + online * 0.1 - &after[name]).abs().max();
            assert!(number(&gap) < 1e-6, "{name}");
        }
    }
}

/// The actor's step goes downhill on the actor's loss, the critic's on the critic's, and neither
/// leaks into the other: with a rate of zero a model stays as it is while the other moves.
#[test]
fn sac_gradients_stay_in_their_model() {
    for (still, moves) in [("actor", "critic"), ("critic", "actor")] {
        let model = |name: &str, lr: &str| {
            format!(
                "{name} = {{ arch = {{ kind = 'mlp', hidden = [6] }}, optim = {{ lr = {lr} }} }}"
            )
        };
        let text = format!(
            "[agent]\nkind = 'sac'\nlearn_alpha = false\n{}\n{}",
            model(still, "1e-30"),
            model(moves, "0.01")
        );
        let config = Config::parse(&text, &[]).unwrap();
        let spec = EnvSpec::vector(D as usize, ActionSpace::symmetric(2));
        let mut agent = config.build_agent(&spec, Device::Cpu, &mut random::stream(3, 0)).unwrap();
        let mut rng = random::stream(7, 0);
        let b = batch(random::normal(&[B, 2], &mut rng).tanh(), &mut rng);
        let before = save(agent.as_ref());
        update(agent.as_mut(), &b, 0, &mut rng);
        let after = save(agent.as_ref());
        let weights = |model: &str| {
            let model = format!("{model}/");
            before.keys().filter(move |n| n.starts_with(&model) && !n.contains('#')).cloned()
        };
        assert!(weights(still).all(|n| before[&n].equal(&after[&n])), "{still} must stay");
        assert!(weights(moves).any(|n| !before[&n].equal(&after[&n])), "{moves} must move");
        assert!(after["temperature/log_alpha"].equal(&before["temperature/log_alpha"]));
    }
}
