//! From a TOML file and `--set` overrides to a checked [`Config`]: read and overridden in `tables.rs`, deserialised
//! strictly, checked in `validate.rs`. Every error is one sentence that names the key and the remedy.

mod explain;
mod tables;
mod validate;

use std::path::Path;

use envs::EnvSpec;

use crate::{algorithms::gamma_heuristic, config::Config, error::Error};
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
        let steps = spec.time_limit.map(f64::from);
        let mut error = None;
        self.agent = self.agent.changed(&mut |agent| {
            for network in agent.networks_mut() {
                network.arch.resolve(high);
            }
            let (gamma, follows) = agent.gamma_mut();
            match steps {
                _ if !*follows => {}
                Some(steps) => (*gamma, *follows) = (gamma_heuristic(steps), false),
                None => {
                    error = Some(format!(
                        "agent.gamma_heuristic needs an environment with a time limit and {} has none; set agent.gamma \
                         instead",
                        self.env.name
                    ));
                }
            }
        });
        error.map_or(Ok(()), Err)
    }

    fn resolve_schedules(&mut self) {
        // As SimbaV2 counts: steps before the first update included, so the end comes near.
        let updates = (self.total_steps as f64 * self.runtime.update_to_data) as u64;
        self.agent = self.agent.changed(&mut |agent| {
            for (every, optim) in agent.optims_mut() {
                optim.schedule.resolve((updates / every).max(1));
            }
        });
        let updates = self.updates_after(self.total_steps);
        self.replay.sampler.resolve(updates.max(1));
    }

    /// The configuration as the TOML file that a run folder keeps.
    ///
    /// # Errors
    /// When a value has no TOML form (a null in `env.kwargs`).
    pub fn to_toml(&self) -> Result<String, Error> {
        toml::to_string(self).map_err(|e| Error::Config(format!("cannot be written as TOML: {e}")))
    }

    /// Whether a resume may change this key: it decides how long the run is and what is measured and
    /// kept of it, not what is learned.
    pub fn may_change_on_resume(key: &str) -> bool {
        ["total_steps", "log_every_updates"].contains(&key)
            || ["eval.", "checkpoint.", "diagnostics."].iter().any(|part| key.starts_with(part))
    }

    /// Whether a run with the configuration `before` (as [`Config::to_toml`] writes it) may resume with
    /// this one.
    ///
    /// # Errors
    /// The end of a sentence that the file's name begins, with the keys that differ and may not.
    pub fn check_resumes(&self, before: &str) -> Result<(), String> {
        let now = table(&self.to_toml().map_err(|e| e.to_string())?)?;
        let mut before = table(before)?;
        tables::as_it_was(&mut before);
        let mut keys = tables::differences(&before, &now);
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

#[cfg(test)]
mod tests;
