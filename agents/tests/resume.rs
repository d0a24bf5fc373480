//! A run that was stopped and resumed equals one that was not, bit for bit; what cannot be continued is
//! cut, not made up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::fs;

use agents::{
    agent::InterventionCount,
    config::{Config, RuntimeConfig},
    logging::metrics::read_rows,
    replay::{
        Replay,
        sampler::{PrioritizedConfig, SampleWeightDecayConfig, SamplerConfig},
    },
};
use envs::Env;
use harness::{
    Counting, Run, config,
    resuming::{COMMON, dqn, names, whole},
    scripted, within,
};
use networks::random;
use tch::Device;

fn sac() -> Config {
    let methods = "[{ kind = 'l2_init', strength = 0.01 }, { kind = 'shrink_perturb', shrink = 0.9, perturb = 0.1, every_updates \
                   = 11 }]";
    config(&format!(
        "{COMMON}
        env = {{ name = 'Pendulum-v1', kwargs = {{ max_episode_steps = 23 }} }}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48 }}
        [agent]
        kind = 'sac'
        actor = {{ arch = {{ kind = 'mlp', hidden = [12] }}, interventions = {methods} }}
        critic = {{ arch = {{ kind = 'mlp', hidden = [12] }}, interventions = {methods}, \
                    optim = {{ kind = 'sgd', lr = 0.001, momentum = 0.9, clip_grad_norm = 1.0 }} }}"
    ))
}

fn simba_v2() -> Config {
    let Config { normalize, diagnostics, agent, .. } = config(harness::SIMBA_V2);
    Config { normalize, diagnostics, agent, ..sac() }
}

/// Every intervention that there is, often enough to act many times, and every diagnostic.
const EVERYTHING: &str = "
    diagnostics = { every_updates = 10, rank_every_updates = 30, curvature_every_updates = 60, \
                    refit_every_updates = 90, refit_steps = 5, probe_size = 16 }
";
const CBP: &str = "{ kind = 'cbp', replacement_rate = 0.05, maturity_threshold = 5, utility = \
                   'adaptable_contribution' }";
const REDO: &str = "{ kind = 'redo', threshold = 0.3, every_updates = 7 }";
const RESETS: &str = "{ kind = 'reset_layers', layers = 'heads', every_updates = 37 }";
const SHRINK: &str = "{ kind = 'shrink_perturb', shrink = 0.9, perturb = 0.1, every_updates = 11 }";
const BEFORE: &str = "{ kind = 'l2_init', strength = 0.01 }";
const NAP: &str = "{ kind = 'nap', every_updates = 3, gains = { kind = 'pull', strength = 0.01 } }";

/// DQN with one of the replacing interventions, under a target of its own.
fn plastic_dqn(replacing: &str, target: &str) -> Config {
    config(&format!(
        "{COMMON}{EVERYTHING}
        env.name = 'CartPole-v1'
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48 }}
        [agent]
        kind = 'dqn'
        target = {target}
        network.arch = {{ kind = 'mlp', hidden = [12, 10], norm = {{ kind = 'layer_norm' }} }}
        network.interventions = [{BEFORE}, {replacing}, {RESETS}, {SHRINK}, {NAP}]
        network.optim = {{ lr = 0.01, clip_grad_norm = 0.1, groups = [{{ roles = ['bias'], lr_factor = 0.5 }}] }}"
    ))
}

/// SAC with one in the actor and the other in the critics.
fn plastic_sac() -> Config {
    config(&format!(
        "{COMMON}{EVERYTHING}
        env = {{ name = 'Pendulum-v1', kwargs = {{ max_episode_steps = 23 }} }}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48 }}
        [agent]
        kind = 'sac'
        actor = {{ arch = {{ kind = 'mlp', hidden = [12] }}, interventions = [{BEFORE}, {REDO}, {RESETS}] }}
        critic = {{ arch = {{ kind = 'mlp', hidden = [12] }}, interventions = [{BEFORE}, {CBP}, {SHRINK}] }}"
    ))
}

/// SimbaV2 whose critics' units are replaced.
fn plastic_simba_v2() -> Config {
    let text = harness::SIMBA_V2.replace(
        "critic.optim",
        &format!(
            "critic.interventions = [{CBP}]\n    actor.interventions = [{REDO}]\n    critic.optim"
        ),
    );
    let Config { normalize, diagnostics, agent, .. } = config(&text);
    Config { normalize, diagnostics, agent, ..sac() }
}

/// Convolutions on stacks of frames, which replay holds once: `CartPole`'s three newest observations as
/// a picture of 3 x 4.
fn pixels() -> Config {
    config(&format!(
        "{COMMON}{EVERYTHING}
        env = {{ name = 'CartPole-v1', kwargs = {{ frame_stack = 3 }} }}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48, n_step = 2 }}
        [agent]
        kind = 'dqn'
        target = {{ kind = 'polyak', tau = 0.05 }}
        network.arch = {{ kind = 'conv', torso = 'minatar', body = {{ kind = 'mlp', hidden = [12] }} }}
        network.interventions = [{BEFORE}, {CBP}, {RESETS}, {SHRINK}]
        network.optim.lr = 0.01"
    ))
}

/// CrossQ: running statistics in every network, no targets, and an actor that waits; with two outputs a unit and weights
/// that start without noise.
fn crossq() -> Config {
    let arch = "norm = { kind = 'batch_renorm', warmup = 40 }, norm_after_activation = true, norm_input = true";
    config(&format!(
        "{COMMON}{EVERYTHING}
        env = {{ name = 'Pendulum-v1', kwargs = {{ max_episode_steps = 23 }} }}
        replay = {{ capacity = 240, batch_size = 8, learning_starts = 48 }}
        [agent]
        kind = 'sac'
        target_networks = false
        policy_delay = 3
        actor.arch = {{ kind = 'mlp', hidden = [12], {arch} }}
        critic.arch = {{ kind = 'mlp', hidden = [12], activation = 'crelu', init = 'zero_hadamard', {arch} }}"
    ))
}

fn plastic() -> [Config; 5] {
    [
        plastic_dqn(CBP, "{ kind = 'hard', every_updates = 7 }"),
        plastic_dqn(REDO, "{ kind = 'polyak', tau = 0.05 }"),
        plastic_sac(),
        plastic_simba_v2(),
        pixels(),
    ]
}

/// Replays that do not sample uniformly, all past their capacity: with n-step returns, stacks of frames, and
/// distributions of normalised returns; and by age.
fn sampled() -> [Config; 4] {
    let with = |mut config: Config, sampler: SamplerConfig| {
        config.replay.sampler = sampler;
        config
    };
    // As long as the whole run, also where a part of it is shorter.
    let beta_updates = 170;
    let prioritized = PrioritizedConfig { beta_updates, ..PrioritizedConfig::default() };
    let prioritized = SamplerConfig::Prioritized(prioritized);
    let decay = SampleWeightDecayConfig { horizon: 150, min_weight: 0.1 };
    [
        with(dqn(), prioritized),
        with(pixels(), prioritized),
        with(simba_v2(), prioritized),
        with(sac(), SamplerConfig::SampleWeightDecay(decay)),
    ]
}

/// Actors that are ahead of the learner when the run stops.
fn lagging(config: Config, lag: u64) -> Config {
    let runtime = RuntimeConfig { lag, ..config.runtime };
    Config { runtime, ..config }
}

fn all() -> impl Iterator<Item = Config> {
    [dqn(), sac(), simba_v2(), crossq(), lagging(dqn(), 2), lagging(simba_v2(), 5)]
        .into_iter()
        .chain(plastic())
        .chain(sampled())
}

#[test]
fn a_stopped_and_resumed_run_equals_a_whole_one() {
    within(300, || {
        for config in all() {
            let (_run, whole) = whole(&config);
            assert!(whole.state.updates > 150 && whole.state.episodes > 8);
            assert!(whole.best.is_some() && whole.state.last_eval.is_some());

            let run = Run::new(&config);
            let report = run.train_until(&mut |p| p.env_steps >= 208).unwrap();
            assert!(report.interrupted);
            assert_eq!(report.steps, 208);
            let between = run.newest().state;
            let mid_episode = |a: &agents::storage::state::ActorState| {
                let running = serde_json::to_value(&a.envs).unwrap()["running"].clone();
                running.as_array().unwrap().iter().any(|e| e["length"].as_u64().unwrap() > 0)
            };
            assert!(between.actors.iter().all(mid_episode), "stopped in mid-episode");

            let report = run.resume().unwrap();
            assert_eq!((report.steps, report.restarted), (400, 0));
            run.outcome().assert_equals(&whole, "stopped at 208");
        }
    });
}

/// The runs above prove nothing unless every intervention acts and shows itself.
#[test]
fn every_intervention_acts_in_these_runs() {
    within(60, || {
        for config in plastic() {
            let run = Run::new(&config);
            let report = run.train().unwrap();
            assert!(!report.interventions.is_empty());
            for acted in &report.interventions {
                let InterventionCount { net, kind, count } = acted;
                assert!(*count > 3, "{net}'s {kind} acted {count} times");
            }
            let rows = read_rows(&run.path.join("metrics.jsonl"), u64::MAX).unwrap();
            let shown = |end: &str| {
                let tags = rows.iter().flat_map(|r| r.histograms.keys());
                tags.filter(|tag| tag.ends_with(end)).count()
            };
            let cbp = report.interventions.iter().any(|m| m.kind == "cbp");
            assert_eq!(shown("/utility") > 5, cbp);
            assert!(shown("/age") > 5);
            let tags: Vec<&String> = rows.iter().flat_map(|r| r.metrics.keys()).collect();
            for end in ["/replaced", "/distance_from_init", "/weight_stable_rank"] {
                assert!(tags.iter().any(|tag| tag.ends_with(end)), "{end}");
            }
        }
    });
}

/// The runs above prove nothing unless the samplers change what is learned.
#[test]
fn every_sampler_changes_its_run() {
    within(60, || {
        for config in sampled() {
            let mut uniform = config.clone();
            uniform.replay.sampler = SamplerConfig::default();
            let models = [config, uniform].map(|config| whole(&config).1.model);
            assert!(models[0] != models[1]);
        }
    });
}

/// Three parts, the first of which ended by its own `total_steps`. Actors with a lag do not run ahead of an end.
#[test]
fn total_steps_can_grow_between_parts() {
    within(300, || {
        for config in all().filter(|config| config.runtime.lag == 0) {
            let (_run, whole) = whole(&config);
            let mut run = Run::new(&config);
            run.config.total_steps = 128; // an evaluation is due there in the whole run too
            assert!(!run.train().unwrap().interrupted);
            run.config.total_steps = 320;
            assert!(
                run.go(Some(run.newest()), None, &mut |p| p.env_steps >= 240).unwrap().interrupted
            );
            run.config.total_steps = 400;
            run.resume().unwrap();
            run.outcome().assert_equals(&whole, "three parts");
        }
    });
}

/// `kill -9`: the folder holds rows and a best checkpoint from after the checkpoint, and a torn
/// last line.
#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    within(300, || {
        for config in all() {
            let (run, whole) = whole(&config);
            for name in names("step", &[384, 400]) {
                fs::remove_dir_all(run.path.join("checkpoints").join(name)).unwrap();
            }
            let record = run.path.join("metrics.jsonl");
            let mut text = fs::read_to_string(&record).unwrap();
            text.push_str("{\"step\":300,\"wall_s\":1.0,\"metr");
            fs::write(&record, text).unwrap();
            assert_eq!(run.newest().state.env_steps, 288);
            run.resume().unwrap();
            run.outcome().assert_equals(&whole, "killed after 288");
        }
    });
}

#[test]
fn wall_time_adds_up_and_rows_stay_in_order() {
    within(60, || {
        let run = Run::new(&dqn());
        run.train_until(&mut |p| p.env_steps >= 208).unwrap();
        let before = run.newest().state.wall_s;
        assert!(before > 0.0);
        let report = run.resume().unwrap();
        assert!(report.wall_s > before, "{} after {before}", report.wall_s);
        let rows = read_rows(&run.path.join("metrics.jsonl"), u64::MAX).unwrap();
        let later: Vec<f64> = rows.iter().filter(|r| r.step > 208).map(|r| r.wall_s).collect();
        let earliest = later.iter().copied().fold(f64::INFINITY, f64::min);
        assert!(!later.is_empty() && earliest >= before, "{earliest} after {before}");
    });
}

/// TensorBoard shows each number once after a resume: one event file, made from the record.
/// A viewer that is open reads the files of a run in the order of their names and goes on to the next one.
#[test]
fn a_resume_gets_an_event_file_behind_the_others() {
    within(60, || {
        let run = Run::new(&dqn());
        run.train_until(&mut |p| p.env_steps >= 208).unwrap();
        let files = || {
            let files = fs::read_dir(&run.path).unwrap().map(|e| e.unwrap().path());
            let mut files: Vec<_> =
                files.filter(|p| p.to_string_lossy().contains("events.out.tfevents")).collect();
            files.sort();
            files
        };
        let [first] = files().try_into().unwrap();
        let before = fs::read(&first).unwrap();
        run.resume().unwrap();
        let [kept, second] = files().try_into().unwrap();
        assert_eq!((&kept, fs::read(&kept).unwrap()), (&first, before));
        assert!(fs::metadata(second).unwrap().len() > 1000);
    });
}

/// Samples the replay of the newest checkpoint: every transition lies within one episode of
/// [`Counting`], in consecutive steps, with its own rewards. `cuts` counts transitions shorter than
/// `n_step` that bootstrap before their episode's end: those in front of a restart.
fn check_counting_replay(run: &Run) -> usize {
    let checkpoint = run.newest();
    let (c, mut env) = (&run.config, run.registry.make("counting", &envs::Kwargs::new()).unwrap());
    let spec = env.spec();
    let (n, gamma) = (c.replay.n_step, c.agent.gamma());
    let mut replay =
        Replay::new(&spec, c.runtime.envs(), c.replay.capacity, n, gamma, Device::Cpu).unwrap();
    replay.load(checkpoint.state.replay.as_ref().unwrap(), &checkpoint.replay.unwrap()).unwrap();
    let steps = checkpoint.state.env_steps;
    assert_eq!(replay.len() as u64, steps, "one transition per environment step");
    let _ = env.reset(0, &mut [0.0; 2]);

    let batch = replay.sample(20 * steps as usize, &mut random::stream(9, 0));
    let host = |t: &tch::Tensor| Vec::<f32>::try_from(&t.flatten(0, -1)).unwrap();
    let (obs, next) = (host(&batch.obs), host(&batch.next_obs));
    let (reward, discount) = (host(&batch.reward), host(&batch.discount));
    let mut cuts = std::collections::BTreeSet::new();
    for i in 0..reward.len() {
        let (episode, t) = (obs[2 * i], obs[2 * i + 1]);
        let (next_episode, next_t) = (next[2 * i], next[2 * i + 1]);
        let what = format!("[{episode}, {t}] -> [{next_episode}, {next_t}]");
        assert_eq!(episode, next_episode, "{what} crosses episodes");
        let k = next_t - t;
        assert!((1.0..=n as f32).contains(&k), "{what} in {n} steps");
        let expected: f64 = (0..k as i32).map(|j| gamma.powi(j) * f64::from(t + j as f32)).sum();
        assert!((f64::from(reward[i]) - expected).abs() < 1e-4, "{what}: {} {expected}", reward[i]);
        let (length, terminates) = Counting::law(episode as u32);
        let over = next_t as u32 == length;
        let expected = if over && terminates { 0.0 } else { gamma.powi(k as i32) };
        assert!((f64::from(discount[i]) - expected).abs() < 1e-6, "{what}: {}", discount[i]);
        if (k as usize) < n && !over {
            cuts.insert((episode as u32, t as u32));
        }
    }
    cuts.len()
}

fn counting(mode: &str) -> Config {
    config(&format!(
        "total_steps = 360
        env.name = 'counting'
        runtime = {{ actors = 2, envs_per_actor = 2, sync_every = 4, mode = '{mode}', \
                     queue = 12, torch_threads = 1 }}
        replay = {{ capacity = 1000, batch_size = 4, learning_starts = 40, n_step = 3 }}
        eval.episodes = 0"
    ))
}

#[test]
fn an_environment_without_state_restarts_and_the_replay_marks_the_cut() {
    within(60, || {
        for (can_save, restarted) in [(false, 4), (true, 0)] {
            let run = Run::with(&counting("lockstep"), Counting::registry(can_save));
            run.go(None, Some(Box::new(scripted(|_| {}))), &mut |p| p.env_steps >= 208).unwrap();
            let mut told = 0;
            let report = run
                .go(Some(run.newest()), Some(Box::new(scripted(|_| {}))), &mut |p| {
                    told = p.restarted;
                    false
                })
                .unwrap();
            assert_eq!((report.restarted, told), (restarted, restarted));
            let cuts = check_counting_replay(&run);
            assert_eq!(cuts > 0, !can_save, "{cuts} transitions in front of a cut");
        }
    });
}

/// An async checkpoint holds rounds that were received and not yet learned from; a resume learns
/// from them first, at the observations they were made at.
#[test]
fn rounds_not_yet_learned_from_survive_an_async_checkpoint() {
    within(60, || {
        for can_save in [true, false] {
            let run = Run::with(&counting("async"), Counting::registry(can_save));
            let slow = || scripted(|_| std::thread::sleep(std::time::Duration::from_millis(1)));
            let stop_at = |at: u64| move |p: &agents::runtime::session::Progress| p.env_steps >= at;
            run.go(None, Some(Box::new(slow())), &mut stop_at(120)).unwrap();
            let waiting: usize = run.newest().state.pending.iter().map(Vec::len).sum();
            assert!(waiting > 15, "{waiting} rounds wait: the actors are ahead of a slow learner");
            // Stopped again at once, with most of the old rounds still waiting, then to the end.
            run.go(Some(run.newest()), Some(Box::new(slow())), &mut |_| true).unwrap();
            assert!(run.newest().state.pending.iter().all(|p| p.len() > 5));
            run.go(Some(run.newest()), Some(Box::new(slow())), &mut |_| false).unwrap();
            let cuts = check_counting_replay(&run);
            assert_eq!(cuts > 0, !can_save, "{cuts} transitions in front of a cut");
        }
    });
}
