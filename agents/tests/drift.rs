//! Runs in environments that change: resumed bit for bit, evaluated as they are at the time, and the
//! task in every row that says which.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use agents::config::Config;
use harness::{Run, config, rows, within};

const COMMON: &str = "
    seed = 3
    total_steps = 400
    log_every_updates = 3
    runtime = { actors = 2, envs_per_actor = 2, sync_every = 4, update_to_data = 0.5, \
                torch_threads = 1 }
    eval = { every_steps = 64, episodes = 3 }
    checkpoint = { every_steps = 96, keep = 4 }
";

fn dqn() -> Config {
    config(&format!(
        "{COMMON}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48, n_step = 3 }}
        [[env.drift]]
        kind = 'task_sequence'
        tasks = [{{}}, {{ kwargs = {{ gravity = 5.0 }} }}]
        steps_per_task = 30
        cycles = 0
        task_in_obs = true
        [[env.drift]]
        kind = 'permute_obs'
        period = 25
        [[env.drift]]
        kind = 'shift_obs'
        std = 2.0
        period = 25
        [[env.drift]]
        kind = 'mask_obs'
        count = 1
        period = 25
        [[env.drift]]
        kind = 'remap_actions'
        period = 40
        [[env.drift]]
        kind = 'reward'
        scales = [1.0, 0.5]
        period = 20
        [[env.drift]]
        kind = 'obs_delay'
        steps = 1
        [[env.drift]]
        kind = 'action_delay'
        steps = 2
        [agent]
        kind = 'dqn'
        network.arch = {{ kind = 'mlp', hidden = [12, 12] }}
        network.interventions = [{{ kind = 'reset_layers', layers = 'heads', on_task_change = true }}]"
    ))
}

fn sac() -> Config {
    config(&format!(
        "{COMMON}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48 }}
        [env]
        name = 'Pendulum-v1'
        kwargs = {{ max_episode_steps = 23 }}
        [[env.drift]]
        kind = 'physics'
        constant = 'gravity'
        course = {{ kind = 'random_walk', step = 0.2, low = 0.5, high = 2.0, period = 5 }}
        [[env.drift]]
        kind = 'remap_actions'
        period = 40
        [[env.drift]]
        kind = 'obs_noise'
        std = 0.1
        [agent]
        kind = 'sac'
        actor.arch = {{ kind = 'mlp', hidden = [12] }}
        critic.arch = {{ kind = 'mlp', hidden = [12] }}"
    ))
}

#[test]
fn a_stopped_and_resumed_run_equals_a_whole_one() {
    within(60, || {
        for config in [dqn(), sac()] {
            let whole = Run::new(&config);
            whole.train().unwrap();
            let run = Run::new(&config);
            assert!(run.train_until(&mut |p| p.env_steps >= 208).unwrap().interrupted);
            assert_eq!(run.resume().unwrap().restarted, 0);
            run.outcome().assert_equals(&whole.outcome(), "stopped at 208");
        }
    });
}

/// Values of a metric with their steps.
fn values(run: &Run, tag: &str) -> Vec<(u64, f64)> {
    let all = rows(&run.path);
    all.iter().filter_map(|(step, row)| Some((*step, row.get(tag)?.as_f64()?))).collect()
}

/// Two environments, 50 steps with each factor of rewards that are 1 a step. Evaluations are of the
/// task that ends there, and none of their own steps lead into the next.
#[test]
fn evaluations_are_of_the_task_that_is_on() {
    within(60, || {
        let config = config(
            "total_steps = 300
            runtime = { envs_per_actor = 2, torch_threads = 1 }
            replay = { capacity = 300, batch_size = 8, learning_starts = 290 }
            eval = { every_steps = 100, episodes = 8 }
            env.drift = [{ kind = 'reward', scales = [1.0, 10.0, 100.0], period = 50 }]
            agent = { kind = 'dqn', network = { arch = { kind = 'mlp', hidden = [8] } } }",
        );
        let run = Run::new(&config);
        run.train().unwrap();
        let returns = values(&run, "eval/return_mean");
        let lengths = values(&run, "eval/episode_length");
        assert!(lengths.iter().all(|(_, length)| *length > 7.0));
        let scales: Vec<(u64, f64)> = returns
            .iter()
            .zip(&lengths)
            .map(|((step, sum), (_, length))| (*step, (sum / length).round()))
            .collect();
        assert_eq!(scales, [(100, 1.0), (200, 10.0), (300, 100.0)]);

        // Changes show at the end of the episode that their step falls in.
        let tasks = values(&run, "task/index");
        let numbers: Vec<f64> = tasks.iter().map(|(_, task)| *task).collect();
        assert_eq!(numbers, [0.0, 1.0, 2.0]);
        let starts: Vec<u64> = tasks.iter().map(|(step, _)| *step).collect();
        assert!(
            starts[0] == 2 && (102..200).contains(&starts[1]) && (202..300).contains(&starts[2])
        );
    });
}

/// An older run begins in the task of its age, also where it is evaluated and after a resume; evaluations at
/// other ages see theirs, and are counted from there.
#[test]
fn a_run_can_begin_in_the_middle_and_look_elsewhere() {
    within(60, || {
        let config = config(
            "total_steps = 60
            runtime = { torch_threads = 1 }
            replay = { capacity = 60, batch_size = 8, learning_starts = 59 }
            eval = { every_steps = 30, episodes = 4, step_offsets = [0, 20, 70] }
            checkpoint = { every_steps = 30, keep = 4 }
            agent = { kind = 'dqn', network = { arch = { kind = 'mlp', hidden = [8] } } }
            [env]
            step_offset = 120
            drift = [{ kind = 'reward', scales = [1.0, 10.0, 100.0, 1000.0], period = 50 }]",
        );
        let run = Run::new(&config);
        run.train().unwrap();
        // Ages 149 and 179; 120, 140 and 190.
        let length = |step: u64| {
            let all = values(&run, "eval/episode_length");
            all.iter().find(|(at, _)| *at == step).unwrap().1
        };
        for (tag, want) in [
            ("eval/return_mean", [100.0, 1000.0]),
            ("eval/task_0/return_mean", [100.0, 100.0]),
            ("eval/task_1/return_mean", [100.0, 100.0]),
            ("eval/task_2/return_mean", [1000.0, 1000.0]),
        ] {
            let scales: Vec<f64> =
                values(&run, tag).iter().map(|(step, sum)| sum / length(*step)).collect();
            assert_eq!(scales.len(), 2, "{tag}");
            for (got, want) in scales.iter().zip(want) {
                assert!((got / want - 1.0).abs() < 1e-9, "{tag}: {got}, not {want}");
            }
        }
        let tasks = values(&run, "task/index");
        assert_eq!(tasks[0], (1, 2.0));
        assert_eq!(tasks[1].1, 3.0);

        let stopped = Run::new(&config);
        assert!(stopped.train_until(&mut |p| p.env_steps >= 40).unwrap().interrupted);
        stopped.resume().unwrap();
        stopped.outcome().assert_equals(&run.outcome(), "stopped at 40");
    });
}
