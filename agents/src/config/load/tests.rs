use super::*;
use crate::{algorithms::sac::SacConfig, replay::sampler::SamplerConfig};
use envs::drift::{Drift, ObsDelay, ObsNoise};
use networks::optim::Schedule;

fn error(text: &str) -> String {
    Config::parse(text, &[]).expect_err("must be refused")
}

#[test]
fn unknown_keys_name_the_path_and_the_closest_known_one() {
    for (text, wanted) in [
        ("sed = 1", "unknown key `sed`; did you mean `seed`?"),
        ("[runtime]\nactor = 2", "unknown key `runtime.actor`; did you mean `actors`?"),
        (
            "[agent]\nkind = 'dqn'\ndoubel = true",
            "unknown key `agent.doubel`; did you mean `double`?",
        ),
        (
            "[agent]\nkind = 'dqn'\n[agent.network.arch]\nkind = 'mlp'\nhiden = [1]",
            "unknown key `agent.network.arch.hiden`; did you mean `hidden`?",
        ),
        ("[agent]\nkind = 'sack'", "unknown value `agent.kind = sack`; did you mean `sac`?"),
        (
            "[runtime]\nmode = 'asink'",
            "unknown value `runtime.mode = asink`; did you mean `async`?",
        ),
        (
            "[replay]\nsampler = { kind = 'prioritised' }",
            "unknown value `replay.sampler.kind = prioritised`; did you mean `prioritized`?",
        ),
        (
            "[replay]\nsampler = { kind = 'prioritized', alfa = 1.0 }",
            "unknown key `replay.sampler.alfa`; did you mean `alpha`?",
        ),
        (
            "[replay]\nsampler = { kind = 'uniform', alpha = 1.0 }",
            "unknown key `replay.sampler.alpha`",
        ),
    ] {
        let got = error(text);
        assert!(got.starts_with(wanted), "{text}\n got: {got}\nwant: {wanted}");
    }
}

/// Each would be read by another rule, value or temperature; at its default, as a run folder's file has it, it is
/// let through.
#[test]
fn settings_that_nothing_reads_are_refused() {
    let dqn = |rest: &str| format!("[agent]\nkind = 'dqn'\n{rest}");
    let sac = |rest: &str| format!("[agent]\nkind = 'sac'\n{rest}");
    for (text, key) in [
        (dqn("network.optim = { momentum = 0.9 }"), "agent.network.optim.momentum"),
        (dqn("network.optim = { kind = 'adamw', momentum = 0.9 }"), "agent.network.optim.momentum"),
        (dqn("network.optim = { kind = 'sgd', beta1 = 0.8 }"), "agent.network.optim.beta1"),
        (dqn("network.optim = { kind = 'sgd', beta2 = 0.99 }"), "agent.network.optim.beta2"),
        (dqn("network.optim = { kind = 'sgd', eps = 1e-5 }"), "agent.network.optim.eps"),
        (
            dqn(
                "value = { kind = 'categorical', bins = 51, min = 0.0, max = 1.0 }\nhuber_delta = 2.0",
            ),
            "agent.huber_delta",
        ),
        (dqn("gamma = 0.9\ngamma_heuristic = true"), "agent.gamma"),
        (sac("gamma = 0.9\ngamma_heuristic = true"), "agent.gamma"),
        (sac("learn_alpha = false\ntarget_entropy_per_dim = -0.5"), "agent.target_entropy_per_dim"),
        (sac("learn_alpha = false\nalpha_optim = { lr = 1e-3 }"), "agent.alpha_optim"),
        (sac("critic.optim = { kind = 'sgd', beta1 = 0.8 }"), "agent.critic.optim.beta1"),
        (
            "[replay]\nsampler = { kind = 'sample_weight_decay', horizon = -5, min_weight = 0.5 }"
                .to_owned(),
            "replay.sampler.min_weight",
        ),
        (
            dqn(
                "network.optim.schedule = { kind = 'cosine_restarts', start_factor = 0.1, end_factor = 0.1, restart = 'task' }",
            ),
            "agent.network.optim.schedule.start_factor",
        ),
        (
            dqn(
                "network.interventions = [{ kind = 'cbp', utility = 'random', transfer_mean = false, decay_rate = 0.5 }]",
            ),
            "agent.network.interventions: cbp: decay_rate",
        ),
    ] {
        let got = error(&text);
        assert!(got.starts_with(&format!("{key} does nothing with ")), "{text}\n got: {got}");
    }
    for text in
        ["network.optim = { kind = 'sgd', momentum = 0.9 }", "network.optim = { kind = 'sgd' }"]
    {
        let config = Config::parse(&dqn(text), &[]).unwrap();
        assert_eq!(Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
    }
}

#[test]
fn whole_numbers_beyond_toml_are_named() {
    for seed in ["9223372036854775808", "9_223_372_036_854_775_808", "-9223372036854775809"] {
        let item = format!("seed={seed}");
        let got = Config::parse("[agent]\nkind = 'dqn'", std::slice::from_ref(&item)).unwrap_err();
        assert_eq!(
            got,
            format!("--set {item}: whole numbers go up to 9223372036854775807 in TOML")
        );
    }
    let fits = ["seed=9_223_372_036_854_775_807".to_owned()];
    assert_eq!(Config::parse("[agent]\nkind = 'dqn'", &fits).unwrap().seed, i64::MAX as u64);
}

#[test]
fn values_that_cannot_work_are_refused_by_name() {
    for (text, wanted) in [
        ("total_steps = 0", "total_steps is 0; it must be at least 1"),
        ("total_steps = -5", "invalid value: integer `-5`"),
        ("[runtime]\nactors = 0", "runtime.actors is 0"),
        ("[replay]\nlearning_starts = 2", "replay.learning_starts is 2"),
        ("[agent]\nkind = 'dqn'\ngamma = 1.5", "agent.gamma is 1.5"),
        ("[agent]\nkind = 'dqn'\ngamma = nan", "agent.gamma is NaN"),
        ("[agent]\nkind = 'sac'\n[agent.actor.optim]\nlr = 0.0", "agent.actor.optim.lr is 0"),
        ("seed = 'x'", "seed: invalid type: string \"x\""),
        ("[runtime]\nactors = 1.5", "runtime.actors: invalid type: floating point `1.5`"),
        ("[agent]\nkind = 'dqn'\ngamma = 'x'", "agent.gamma: invalid type: string \"x\""),
        (
            "[agent]\nkind = 'dqn'\n[agent.network.arch]\nkind = 'mlp'\nhidden = 'x'",
            "agent.network.arch.hidden: invalid type: string \"x\", expected a sequence",
        ),
        ("[normalize]\nreward = { kind = 'return_scale', bound = 0 }", "normalize.reward.bound"),
        ("[agent]\nkind = 'sac'\nalpha_optim = { lr = 0.0 }", "agent.alpha_optim.lr is 0"),
        (
            "[agent]\nkind = 'sac'\nlog_std = { kind = 'tanh', min = 2, max = -10 }",
            "agent.log_std: min is 2 and max -10",
        ),
        (
            "[agent]\nkind = 'dqn'\nvalue = { kind = 'categorical', bins = 1 }",
            "agent.value: bins is 1; it must be between 2",
        ),
        (
            "[agent]\nkind = 'sac'\nvalue = { kind = 'categorical', min = 3, max = inf }",
            "agent.value: min is 3 and max inf",
        ),
        (
            "[agent]\nkind = 'sac'\ncritic.arch = { kind = 'simba_v2', width = 0 }",
            "agent.critic.arch.width is 0",
        ),
        (
            "[agent]\nkind = 'sac'\ncritic.arch = { kind = 'simba_v2', scaler_init = 0.0 }",
            "agent.critic.arch.scaler_init is 0; it must be greater than 0",
        ),
        (
            "[agent]\nkind = 'sac'\ncritic.arch = { kind = 'simba', width = 65536, blocks = 9 }",
            "agent.critic.arch.width makes",
        ),
        ("seed = ", "line 1: "),
        (
            "[replay]\nsampler = { kind = 'prioritized', alpha = 1.5 }",
            "replay.sampler.alpha is 1.5; it must be between 0 and 1",
        ),
        (
            "[replay]\nsampler = { kind = 'prioritized', beta_start = nan }",
            "replay.sampler.beta_start is NaN",
        ),
        (
            "[replay]\nsampler = { kind = 'prioritized', beta_end = -1 }",
            "replay.sampler.beta_end is -1",
        ),
        ("[replay]\nsampler = { kind = 'prioritized', eps = 0 }", "replay.sampler.eps is 0"),
        (
            "[replay]\nsampler = { kind = 'sample_weight_decay', horizon = 0 }",
            "replay.sampler.horizon is 0; give the age",
        ),
        (
            "[replay]\nsampler = { kind = 'sample_weight_decay', min_weight = 0 }",
            "replay.sampler.min_weight is 0; it must be between 0.001 and 1",
        ),
    ] {
        let got = error(text);
        assert!(got.contains(wanted), "{text}\n got: {got}\nwant: {wanted}");
    }
}

/// What a configuration leaves to the run becomes a number: half of 2000 steps' updates, and the
/// discount of a 500-step and a 100-step episode.
#[test]
fn numbers_left_to_the_run_are_resolved() {
    let text = "total_steps = 2000\nruntime.update_to_data = 0.5\n[agent]\nkind = 'sac'\n\
                gamma_heuristic = true\nalpha_optim.schedule = { kind = 'cosine', end_factor = \
                0.1, updates = 7 }\ncritic.optim.schedule = { kind = 'linear', end_factor = 0.5 }";
    let spec = EnvSpec::vector(1, envs::ActionSpace::symmetric(1));
    for (limit, gamma) in [(500, 0.99), (100, 0.95), (100_000, 0.995)] {
        let mut config = Config::parse(text, &[]).expect("valid");
        config.resolve(&spec.clone().with_time_limit(limit)).expect("a time limit");
        let c = config.agent.settings::<SacConfig>().expect("SAC");
        assert!((c.gamma - gamma).abs() < 1e-12, "{limit}: {}", c.gamma);
        assert!(!c.gamma_heuristic, "the run folder holds the number");
        let linear = Schedule::Linear { end_factor: 0.5, updates: 1000 };
        assert_eq!(c.critic.optim.schedule, linear);
        assert_eq!(c.alpha_optim.schedule, Schedule::Cosine { end_factor: 0.1, updates: 7 });
        assert_eq!(c.actor.optim.schedule, Schedule::Constant {});
        let again = Config::parse(&config.to_toml().expect("TOML"), &[]).expect("valid");
        assert_eq!(again, config);
    }
    let error = Config::parse(text, &[]).expect("valid").resolve(&spec).unwrap_err();
    assert!(error.contains("CartPole-v1 has none; set agent.gamma"), "{error}");
}

/// A thousand steps of learning with an update for every second one.
#[test]
fn the_annealing_of_weights_takes_the_run() {
    let text = "total_steps = 2000\nruntime.update_to_data = 0.5\nreplay.learning_starts = 1000\n\
                replay.sampler = { kind = 'prioritized' }";
    for (set, updates) in [(vec![], 500), (vec!["replay.sampler.beta_updates=7".to_owned()], 7)] {
        let config = Config::parse(text, &set).expect("valid");
        let SamplerConfig::Prioritized(c) = config.replay.sampler else { panic!("{config:?}") };
        assert_eq!(c.beta_updates, updates);
        let again = Config::parse(&config.to_toml().expect("TOML"), &[]).expect("valid");
        assert_eq!(again, config);
    }
}

/// A run folder without a sampler was written when all replay was uniform, and resumes so.
#[test]
fn a_run_without_a_sampler_resumes_uniformly() {
    let config = Config::parse("", &[]).expect("valid");
    let mut before: toml::Table = config.to_toml().expect("TOML").parse().expect("TOML");
    let replay = before["replay"].as_table_mut().expect("a section");
    assert!(replay.remove("sampler").is_some());
    assert_eq!(config.check_resumes(&before.to_string()), Ok(()));
    let set = "replay.sampler={ kind = 'prioritized' }".to_owned();
    let other = Config::parse("", &[set]).expect("valid");
    let refusal = other.check_resumes(&before.to_string()).expect_err("another sampler");
    assert!(refusal.contains("`replay.sampler."), "{refusal}");
}

#[test]
fn overrides_reach_every_depth_and_keep_types() {
    let set = |items: &[&str]| {
        let items: Vec<String> = items.iter().map(|s| (*s).to_owned()).collect();
        Config::parse("", &items)
    };
    let c = set(&["seed=7", "env.name=Pendulum-v1", "env.kwargs.g=9.5", "runtime.mode=async"])
        .expect("valid");
    assert_eq!((c.seed, c.env.name.as_str()), (7, "Pendulum-v1"));
    assert_eq!(c.env.kwargs["g"], 9.5.into());
    // What JSON cannot say survives the run folder's file.
    let c = Config::parse("", &["env.kwargs.range=[-inf, inf]".to_owned()]).unwrap();
    assert_eq!(Config::parse(&c.to_toml().unwrap(), &[]).unwrap(), c);
    assert_eq!(c.env.kwargs["range"][1].as_float(), Some(f64::INFINITY));
    assert!(set(&["seed"]).expect_err("no value").contains("key=value"));
    assert!(set(&["seed.x=1", "seed=1"]).is_ok(), "the later one wins");
    assert!(set(&["seed=1", "seed.x=1"]).expect_err("not a section").contains("`seed`"));
    let list = "env.drift=[{ kind = 'obs_delay', steps = 1 }, { kind = 'obs_noise', std = 1 }]";
    let c = set(&[list, "env.drift.1.std=2.5"]).expect("valid");
    let noise = Drift::ObsNoise(ObsNoise { std: 2.5, seed: 0 });
    assert_eq!(c.env.drift, [Drift::ObsDelay(ObsDelay { steps: 1 }), noise]);
    let error = set(&[list, "env.drift.2.std=2.5"]).expect_err("two entries");
    assert!(error.contains("`drift` is a list of 2, counted from 0"), "{error}");
}

#[test]
fn resolved_configuration_round_trips() {
    for text in
        ["", "[agent]\nkind = 'sac'\nactor.interventions = [{ kind = 'l2_init', strength = 0.1 }]"]
    {
        let config = Config::parse(text, &[]).expect("valid");
        let again = Config::parse(&config.to_toml().expect("TOML"), &[]).expect("valid");
        assert_eq!(config, again);
    }
}

/// A schedule over the whole run is over the steps that its optimiser makes.
#[test]
fn schedules_of_a_delayed_actor_count_its_own_steps() {
    let linear = "schedule = { kind = 'linear', end_factor = 0.5 }";
    let text = format!(
        "total_steps = 1200\n[agent]\nkind = 'sac'\npolicy_delay = 3\nactor.optim.{linear}\n\
         critic.optim.{linear}\nalpha_optim.{linear}"
    );
    let config = Config::parse(&text, &[]).unwrap();
    let c = config.agent.settings::<SacConfig>().expect("SAC");
    let over = |updates| Schedule::Linear { end_factor: 0.5, updates };
    assert_eq!(c.critic.optim.schedule, over(1200));
    assert_eq!((&c.actor.optim.schedule, &c.alpha_optim.schedule), (&over(400), &over(400)));
}
