//! What numbers of a configuration can work, key by key.

use toml::Table;

use crate::{
    algorithms::range::{at_least, at_most, between, check_floats},
    config::{Config, Mode},
};

impl Config {
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
        at_most("runtime.lag", r.lag, 64)?;
        if r.lag > 0 && r.mode == Mode::Async {
            return Err(format!(
                "runtime.lag is {} and runtime.mode is \"async\", where actors take the newest weights whenever there \
                 are some; leave lag out, or set mode = \"lockstep\"",
                r.lag
            ));
        }
        at_most("runtime.torch_threads", r.torch_threads as u64, 1_024)?;
        at_most("replay.batch_size", p.batch_size as u64, 1 << 20)?;
        at_most("replay.n_step", p.n_step as u64, 10_000)?;
        at_most("eval.episodes", self.eval.episodes as u64, 1_000_000)?;
        at_most("env.step_offset", self.env.step_offset, OLDEST)?;
        for offset in &self.eval.step_offsets {
            at_most("eval.step_offsets", *offset, OLDEST)?;
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
            table.get(key).map_or(Ok(()), |value| check_floats(key, value))?;
        }
        p.sampler.validate()?;
        between("diagnostics.probe_size", self.diagnostics.probe_size as f64, 2.0, 65_536.0)?;
        self.normalize.validate().map_err(|e| format!("normalize.{e}"))?;
        self.agent.validate()
    }
}

/// A random walk takes seconds to such an offset.
const OLDEST: u64 = 1_000_000_000;
