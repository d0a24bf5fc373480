//! Runs end where they are told to: on Ctrl-C at the next boundary, and with whole counts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use agents::config::{Config, Mode};
use harness::{Counting, Run, config, rows, scripted, within};

fn counting(mode: &str, total_steps: u64) -> Config {
    config(&format!(
        "total_steps = {total_steps}
        env.name = 'counting'
        runtime = {{ actors = 2, envs_per_actor = 2, sync_every = 3, mode = '{mode}', \
                     update_to_data = 0.5, torch_threads = 1 }}
        replay = {{ capacity = 2000, batch_size = 4, learning_starts = 41 }}
        eval = {{ every_steps = 500, episodes = 3 }}"
    ))
}

/// Ctrl-C before the first round, in the middle, and in the round before the last.
#[test]
fn ctrl_c_saves_a_checkpoint_and_says_so() {
    for mode in ["lockstep", "async"] {
        for at in [0, 1, 701, 1193] {
            let config = counting(mode, 1200);
            within(20, move || {
                let mut run = Run::with(&config, Counting::registry(true));
                run.stop_before = at == 0;
                let mut stop = |p: &agents::runtime::session::Progress| at > 0 && p.env_steps >= at;
                let report = run.go(None, Some(Box::new(scripted(|_| {}))), &mut stop).unwrap();
                // The next boundary: every 3 rounds of 4 environments.
                let stopped = at.max(1).div_ceil(12) * 12;
                let what = format!("{:?} at {at}: {report:?}", config.runtime.mode);
                // At the end only the last evaluation is left to abandon.
                assert_eq!((report.interrupted, report.steps), (true, stopped), "{what}");
                let checkpoint = run.newest();
                assert_eq!(checkpoint.state.env_steps, stopped, "{what}");
                assert_eq!(checkpoint.state.actors.len(), 2, "{what}");

                run.stop_before = false;
                let agent = Box::new(scripted(|_| {}));
                let report = run.go(Some(checkpoint), Some(agent), &mut |_| false).unwrap();
                assert_eq!((report.interrupted, report.steps), (false, 1200), "{what}");
                assert!(report.return_mean.is_some() && run.newest().evaluating.is_empty());
            });
        }
    }
}

#[test]
fn async_runs_end_with_the_right_counts() {
    for total_steps in [1200, 1201] {
        let config = counting("async", total_steps);
        within(20, move || {
            assert_eq!(config.runtime.mode, Mode::Async);
            let run = Run::with(&config, Counting::registry(true));
            let report = run.train_agent(scripted(|_| {})).unwrap();
            let steps = total_steps.div_ceil(4) * 4; // whole rounds
            assert_eq!((report.steps, report.updates), (steps, (steps - 41) / 2));
            assert!(!report.interrupted && report.restarted == 0);

            let state = run.newest().state;
            assert_eq!((state.env_steps, state.rounds), (steps, steps / 4));
            assert_eq!((state.updates, state.episodes), (report.updates, report.episodes));
            assert!(state.pending.iter().all(Vec::is_empty), "actors stop with the learner");
            let rows = rows(&run.path);
            let with = |tag: &str| rows.iter().filter(|(_, m)| m.contains_key(tag)).count() as u64;
            assert_eq!(with("train/episode_return"), report.episodes);
            assert_eq!(with("scripted/0"), report.updates / 100);
            // At 500, 1000 (the next boundaries) and the end.
            assert_eq!(with("eval/return_mean"), 3);
            assert!(report.return_mean.is_some());
        });
    }
}
