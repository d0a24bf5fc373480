//! From a TOML file and `--set` overrides to a checked [`Config`]: read, override, deserialise
//! strictly, validate. Every error is one sentence that names the key and the remedy.

mod explain;
mod tables;

use std::path::Path;

use envs::EnvSpec;
use networks::{methods::MethodConfig, optim::OptimConfig, unread::unread};

use toml::Table;

use crate::{
    config::{AgentConfig, Config, NetworkConfig, gamma_heuristic},
    dqn::{DqnConfig, TargetRule},
    error::Error,
    sac::SacConfig,
    value::ValueConfig,
};
pub use tables::{apply_override, from_table, read, set, table};

impl Config {
    /// Reads `path`, applies `overrides` (`a.b=value`), and checks the result.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key or a value that cannot work.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Config, Error> {
        load(path, |text| Config::parse(text, overrides))
    }

    /// The same from the `config.toml` of a run folder, which has every key of its time: what it lacks came later and
    /// is as it was before.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_resolved(path: &Path, overrides: &[String]) -> Result<Config, Error> {
        load(path, |text| {
            let mut table = table(text)?;
            tables::as_it_was(&mut table);
            let text = toml::to_string(&table).map_err(|e| e.to_string())?;
            Config::parse(&text, overrides)
        })
    }

    /// The same from a string; errors do not name a file.
    ///
    /// # Errors
    /// As [`Config::load`], as a sentence.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Config, String> {
        let mut config: Config = read(text, overrides)?;
        config.validate()?;
        config.resolve_schedules();
        Ok(config)
    }

    /// Puts numbers where the configuration leaves them to the run: the length of learning-rate
    /// schedules, the discount if it follows the episode's length, and what convolutions divide
    /// pictures by. The run folder holds the result.
    ///
    /// # Errors
    /// When the discount should follow the time limit of an environment without one.
    pub fn resolve(&mut self, spec: &EnvSpec) -> Result<(), String> {
        self.resolve_schedules();
        // Normalised observations have no bounds.
        let scale = spec.obs.scale().filter(|_| !self.normalize.obs);
        let high = scale.map_or(1.0, f64::from);
        for network in self.agent.networks_mut() {
            network.arch.resolve(high);
        }
        let (gamma, heuristic) = match &mut self.agent {
            AgentConfig::Sac(c) => (&mut c.gamma, &mut c.gamma_heuristic),
            AgentConfig::Dqn(c) => (&mut c.gamma, &mut c.gamma_heuristic),
        };
        if *heuristic {
            let steps = spec.time_limit.ok_or_else(|| {
                format!(
                    "agent.gamma_heuristic needs an environment with a time limit and {} has none; \
                     set agent.gamma instead",
                    self.env.name
                )
            })?;
            *gamma = gamma_heuristic(f64::from(steps));
            *heuristic = false;
        }
        Ok(())
    }

    fn resolve_schedules(&mut self) {
        // As SimbaV2 counts: steps before the first update included, so the end comes near.
        let updates = (self.total_steps as f64 * self.runtime.update_to_data) as u64;
        for optim in self.agent.optimisers() {
            optim.schedule.resolve(updates.max(1));
        }
    }

    /// Checks every number against what can work.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let (r, p) = (&self.runtime, &self.replay);
        at_least("total_steps", self.total_steps, 1)?;
        at_least("log_every_updates", self.log_every_updates, 1)?;
        at_least("runtime.actors", r.actors as u64, 1)?;
        at_least("runtime.envs_per_actor", r.envs_per_actor as u64, 1)?;
        at_least("runtime.sync_every", r.sync_every, 1)?;
        at_least("runtime.queue", r.queue as u64, 1)?;
        at_least("replay.batch_size", p.batch_size as u64, 1)?;
        at_least("replay.n_step", p.n_step as u64, 1)?;
        at_least("checkpoint.keep", self.checkpoint.keep as u64, 1)?;
        at_most("runtime.actors", r.actors as u64, 1_024)?;
        at_most("runtime.envs_per_actor", r.envs_per_actor as u64, 4_096)?;
        at_most("runtime.queue", r.queue as u64, 65_536)?;
        at_most("runtime.torch_threads", r.torch_threads as u64, 1_024)?;
        at_most("replay.batch_size", p.batch_size as u64, 1 << 20)?;
        at_most("replay.n_step", p.n_step as u64, 10_000)?;
        at_most("eval.episodes", self.eval.episodes as u64, 1_000_000)?;
        at_most("env.age", self.env.age, OLDEST)?;
        for age in &self.eval.ages {
            at_most("eval.ages", *age, OLDEST)?;
        }
        between("runtime.update_to_data", r.update_to_data, 0.0, 1_000.0)?;
        let row = p.n_step as u64 + 3;
        let least = row * r.envs() as u64;
        if p.learning_starts < least {
            return Err(format!(
                "replay.learning_starts is {}; with {} environments and n_step {} it must be at \
                 least {least}, so that every environment has whole transitions to sample",
                p.learning_starts,
                r.envs(),
                p.n_step
            ));
        }
        if (p.capacity as u64) < least {
            return Err(format!("replay.capacity is {}; it must be at least {least}", p.capacity));
        }
        let table =
            Table::try_from(self).map_err(|e| format!("it cannot be written as TOML: {e}"))?;
        for key in ["agent", "normalize"] {
            table.get(key).map_or(Ok(()), |value| tables::check_floats(key, value))?;
        }
        between("diagnostics.probe_size", self.diagnostics.probe_size as f64, 2.0, 65_536.0)?;
        self.normalize.validate().map_err(|e| format!("normalize.{e}"))?;
        match &self.agent {
            AgentConfig::Sac(c) => c.validate(),
            AgentConfig::Dqn(c) => c.validate(),
        }
    }

    /// The configuration as the TOML file that a run folder keeps.
    ///
    /// # Errors
    /// When a value has no TOML form (a null in `env.kwargs`).
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| Error::Config(format!("cannot be written as TOML: {e}")))
    }

    /// Whether a resume may change this key: it decides how long the run is and what is looked at and
    /// kept of it, not what is learned.
    pub fn may_change_on_resume(key: &str) -> bool {
        ["total_steps", "log_every_updates"].contains(&key)
            || ["eval.", "checkpoint.", "diagnostics."].iter().any(|part| key.starts_with(part))
    }

    /// Whether a run with the configuration `before` (as [`Config::to_toml`] writes it) may go on with
    /// this one.
    ///
    /// # Errors
    /// The end of a sentence that the file's name begins, with the keys that differ and may not.
    pub fn check_resumes(&self, before: &str) -> Result<(), String> {
        let now = table(&self.to_toml().map_err(|e| e.to_string())?)?;
        let mut keys = tables::differences(&table(before)?, &now);
        keys.retain(|key| !Config::may_change_on_resume(key));
        if keys.is_empty() {
            return Ok(());
        }
        Err(format!(
            "is no longer what the run was trained with: {} differ; put that back, or \
             start a new run from its weights with `supple train config.toml --init-from RUN`",
            keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
        ))
    }
}

fn load(path: &Path, parse: impl FnOnce(&str) -> Result<Config, String>) -> Result<Config, Error> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::Config(format!("cannot read the configuration {place}: {e}")))?;
    parse(&text).map_err(|e| Error::Config(format!("{place}: {e}")))
}

/// A random walk takes seconds to such an age.
const OLDEST: u64 = 1_000_000_000;

const HEURISTIC: &str = "agent.gamma_heuristic = true";

impl SacConfig {
    /// Checks every number against what can work; keys begin with `agent`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let c = self;
        between("agent.gamma", c.gamma, 0.0, 1.0)?;
        between("agent.tau", c.tau, 0.0, 1.0)?;
        between("agent.alpha", c.alpha, 1e-12, 1e12)?;
        c.alpha_optim.validate().map_err(|e| format!("agent.alpha_{e}"))?;
        c.value.validate().map_err(|e| format!("agent.value: {e}"))?;
        c.log_std.validate().map_err(|e| format!("agent.log_std: {e}"))?;
        between("agent.target_entropy_per_dim", c.target_entropy_per_dim, -1e6, 1e6)?;
        at_least("agent.critics", c.critics as u64, 1)?;
        at_most("agent.critics", c.critics as u64, 100)?;
        let other = SacConfig::default();
        if c.gamma_heuristic {
            unread("agent.gamma", &c.gamma, &other.gamma, HEURISTIC)?;
        }
        if !c.learn_alpha {
            let beside = "agent.learn_alpha = false";
            let (mine, default) = (c.target_entropy_per_dim, other.target_entropy_per_dim);
            unread("agent.target_entropy_per_dim", &mine, &default, beside)?;
            if c.alpha_optim != other.alpha_optim {
                return Err(format!("agent.alpha_optim does nothing with {beside}; leave it out"));
            }
        }
        validate_network("agent.actor", &c.actor)?;
        validate_network("agent.critic", &c.critic)
    }
}

impl DqnConfig {
    /// Checks every number against what can work; keys begin with `agent`.
    ///
    /// # Errors
    /// One sentence about the first that cannot.
    pub fn validate(&self) -> Result<(), String> {
        let c = self;
        between("agent.gamma", c.gamma, 0.0, 1.0)?;
        between("agent.epsilon.start", c.epsilon.start, 0.0, 1.0)?;
        between("agent.epsilon.end", c.epsilon.end, 0.0, 1.0)?;
        between("agent.huber_delta", c.huber_delta, 1e-12, 1e12)?;
        c.value.validate().map_err(|e| format!("agent.value: {e}"))?;
        match c.target {
            TargetRule::Hard { every_updates } => {
                at_least("agent.target.every_updates", every_updates, 1)?;
            }
            TargetRule::Polyak { tau } => between("agent.target.tau", tau, 0.0, 1.0)?,
        }
        let other = DqnConfig::default();
        if c.gamma_heuristic {
            unread("agent.gamma", &c.gamma, &other.gamma, HEURISTIC)?;
        }
        if let ValueConfig::Categorical(_) = c.value {
            let beside = "agent.value.kind = \"categorical\"";
            unread("agent.huber_delta", &c.huber_delta, &other.huber_delta, beside)?;
        }
        validate_network("agent.network", &c.network)
    }
}

/// Checks the numbers of a network whose key is `key`.
///
/// # Errors
/// One sentence about the first that cannot work.
pub fn validate_network(key: &str, c: &NetworkConfig) -> Result<(), String> {
    let table =
        toml::Value::try_from(c).map_err(|e| format!("{key} cannot be written as TOML: {e}"))?;
    tables::check_floats(key, &table)?;
    c.arch.validate().map_err(|e| format!("{key}.arch.{e}"))?;
    OptimConfig::validate(&c.optim).map_err(|e| format!("{key}.{e}"))?;
    c.methods.iter().try_for_each(MethodConfig::validate).map_err(|e| format!("{key}.methods: {e}"))
}

fn at_least(key: &str, value: u64, least: u64) -> Result<(), String> {
    if value >= least {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be at least {least}"))
    }
}

fn at_most(key: &str, value: u64, most: u64) -> Result<(), String> {
    if value <= most { Ok(()) } else { Err(format!("{key} is {value}; it must be at most {most}")) }
}

fn between(key: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(format!("{key} is {value}; it must be between {low} and {high}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            (
                dqn("network.optim = { rule = 'adamw', momentum = 0.9 }"),
                "agent.network.optim.momentum",
            ),
            (dqn("network.optim = { rule = 'sgd', beta1 = 0.8 }"), "agent.network.optim.beta1"),
            (dqn("network.optim = { rule = 'sgd', beta2 = 0.99 }"), "agent.network.optim.beta2"),
            (dqn("network.optim = { rule = 'sgd', eps = 1e-5 }"), "agent.network.optim.eps"),
            (
                dqn(
                    "value = { kind = 'categorical', bins = 51, min = 0.0, max = 1.0 }\nhuber_delta = 2.0",
                ),
                "agent.huber_delta",
            ),
            (dqn("gamma = 0.9\ngamma_heuristic = true"), "agent.gamma"),
            (sac("gamma = 0.9\ngamma_heuristic = true"), "agent.gamma"),
            (
                sac("learn_alpha = false\ntarget_entropy_per_dim = -0.5"),
                "agent.target_entropy_per_dim",
            ),
            (sac("learn_alpha = false\nalpha_optim = { lr = 1e-3 }"), "agent.alpha_optim"),
            (sac("critic.optim = { rule = 'sgd', beta1 = 0.8 }"), "agent.critic.optim.beta1"),
            (
                dqn(
                    "network.optim.schedule = { kind = 'cosine_restarts', start_factor = 0.1, end_factor = 0.1, restart = 'task' }",
                ),
                "agent.network.optim.schedule.start_factor",
            ),
            (
                dqn(
                    "network.methods = [{ kind = 'cbp', utility = 'random', transfer_mean = false, decay_rate = 0.5 }]",
                ),
                "agent.network.methods: cbp: decay_rate",
            ),
        ] {
            let got = error(&text);
            assert!(got.starts_with(&format!("{key} does nothing with ")), "{text}\n got: {got}");
        }
        for text in
            ["network.optim = { rule = 'sgd', momentum = 0.9 }", "network.optim = { rule = 'sgd' }"]
        {
            let config = Config::parse(&dqn(text), &[]).unwrap();
            assert_eq!(Config::parse(&config.to_toml().unwrap(), &[]).unwrap(), config);
        }
    }

    #[test]
    fn whole_numbers_beyond_toml_are_named() {
        for seed in ["9223372036854775808", "9_223_372_036_854_775_808", "-9223372036854775809"] {
            let item = format!("seed={seed}");
            let got =
                Config::parse("[agent]\nkind = 'dqn'", std::slice::from_ref(&item)).unwrap_err();
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
            (
                "[normalize]\nreward = { kind = 'return_scale', bound = 0 }",
                "normalize.reward.bound",
            ),
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
            let AgentConfig::Sac(c) = &config.agent else { panic!("SAC") };
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
            ["", "[agent]\nkind = 'sac'\nactor.methods = [{ kind = 'l2_init', strength = 0.1 }]"]
        {
            let config = Config::parse(text, &[]).expect("valid");
            let again = Config::parse(&config.to_toml().expect("TOML"), &[]).expect("valid");
            assert_eq!(config, again);
        }
    }
}
