//! Sequences against the model: they stop at the end of an episode, and are whole up to there.

use std::collections::BTreeSet;

use agents::{
    experience::Sequences,
    replay::sampler::{PrioritizedConfig, SamplerConfig},
};
use envs::Dtype;
use networks::random;

use super::{
    harness::{holds, within},
    host,
    model::{Event, GAMMA, Pair, Transition, case, id},
};

/// Checks each sequence, and gives the observations at which they begin and the masks' sums.
fn check(pair: &Pair, s: &Sequences, steps: usize) -> (BTreeSet<u32>, Vec<usize>) {
    let batch = s.rows.len();
    let (b, k) = (batch as i64, steps as i64);
    assert_eq!(s.obs.size(), [b, k + 1, 3]);
    for column in [&s.reward, &s.discount, &s.mask] {
        assert_eq!(column.size(), [b, k]);
    }
    let obs: Vec<u32> = host(&s.obs).chunks(3).map(id).collect();
    let (reward, discount, mask) = (host(&s.reward), host(&s.discount), host(&s.mask));
    let action = host(&s.action);
    let width = action.len() / (batch * steps);
    assert_eq!(s.action.size(), [b, k, width as i64]);
    let (mut keys, mut lengths) = (BTreeSet::new(), Vec::new());
    for i in 0..batch {
        let first = obs[i * (steps + 1)];
        let model = &pair.models[s.rows[i].env];
        let life: Vec<&Transition> =
            model.transitions.iter().skip_while(|t| t.obs != first).collect();
        assert_eq!(life[0].row, s.rows[i].number);
        let ended = |t: &Transition| t.terminated || t.truncated;
        // What the episode still holds, up to its end or to now.
        let rest = life.iter().position(|t| ended(t)).map_or(life.len(), |end| end + 1);
        let made = rest.min(steps);
        for step in 0..steps {
            let at = i * steps + step;
            let seen = (obs[i * (steps + 1) + step], obs[i * (steps + 1) + step + 1]);
            let acted = &action[at * width..(at + 1) * width];
            if step >= made {
                let last = life[made - 1].next_obs;
                assert_eq!(seen, (last, last), "step {step} after the end");
                let zeros = (mask[at], reward[at], discount[at]);
                assert_eq!(zeros, (0.0, 0.0, 0.0), "step {step} after the end");
                assert!(acted.iter().all(|&a| a == 0.0));
                continue;
            }
            let t = life[step];
            assert_eq!(seen, (t.obs, t.next_obs), "step {step} from {first}");
            let gamma = if t.terminated { 0.0 } else { GAMMA as f32 };
            let got = (mask[at], reward[at], discount[at]);
            assert_eq!(got, (1.0, t.reward, gamma), "step {step} from {first}");
            let scale = if width == 1 { 1.0 } else { 7.0 };
            assert_eq!(acted[0], t.action as f32 / scale, "step {step} from {first}");
        }
        keys.insert(first);
        lengths.push(made);
    }
    (keys, lengths)
}

#[test]
fn sequences_are_the_models_and_stop_at_episode_ends() {
    holds(case, |case, seed| {
        let mut pair = case.feed();
        let steps = 1 + seed as usize % 7;
        let s = pair.replay.sequences(200, steps, 0, &mut random::stream(seed, 0));
        assert!(s.weights.is_none());
        check(&pair, &s, steps);

        let sampler = SamplerConfig::Prioritized(PrioritizedConfig::default());
        let mut pair = pair.with_sampler(&sampler);
        let valid = pair.expected().len();
        let s = pair.replay.sequences(2 * valid, steps, 0, &mut random::stream(seed, 1));
        assert_eq!(host(s.weights.as_ref().unwrap()), vec![1.0; 2 * valid]);
        let (keys, _) = check(&pair, &s, steps);
        assert_eq!(keys.len(), valid, "they begin where transitions do");
    });
}

/// By hand: episodes of 4 steps and one that goes on for 2, sequences of 3: of the 6 beginnings four reach an
/// end or the newest step too soon.
#[test]
fn lengths_by_hand() {
    within(60, || {
        for terminated in [true, false] {
            let mut pair = Pair::new(1, 20, 1, Dtype::U8, true);
            for i in 0..6 {
                let last = i == 3;
                let (terminated, truncated) = (last && terminated, last && !terminated);
                pair.step(0, &[Event { reward: 1.0, terminated, truncated }]);
            }
            let s = pair.replay.sequences(300, 3, 0, &mut random::stream(1, 0));
            let (keys, lengths) = check(&pair, &s, 3);
            // Observations 2, 3, 4, 5 (6 is the last), then 7, 8 (9 is now).
            assert_eq!(keys, [2, 3, 4, 5, 7, 8].into());
            let found: BTreeSet<(u64, usize)> =
                s.rows.iter().map(|row| row.number).zip(lengths).collect();
            assert_eq!(found, [(0, 3), (1, 3), (2, 2), (3, 1), (5, 2), (6, 1)].into());
        }
    });
}
