//! Python environments: any of Gymnasium as `gymnasium:ID`, a user's own as
//! `python:MODULE:CALLABLE`. They run in worker processes, several in each.
//!
//! | file | holds |
//! | --- | --- |
//! | `options.rs`, `json.rs` | the bridge's own keyword arguments; all of them as Python reads them |
//! | `pool.rs` | which environments share a worker |
//! | `env.rs` | [`PythonEnv`](env::PythonEnv): one of them as an [`Env`] |
//! | `worker.rs` | commands to a worker, answers, and its replacement |
//! | `process.rs`, `link.rs`, `layout.rs` | the process, its socket and the memory shared with it |
//! | `child.rs` | starting a process, and how it ended |
//! | `worker/*.py` | the other side; `link.py` says how the two talk |
//!
//! A step of several environments costs one message there and one back: [`Env::begin`] collects the
//! actions of all environments of a worker, and the last one sends them. Numbers travel in a file
//! in memory which the worker maps and this side reads and writes, so there is no `unsafe` here.
//!
//! No worker outlives this process. The end of the socket ends it; where it hangs in an environment
//! the kernel does (`PR_SET_PDEATHSIG`, on Linux), or a thread of the worker that watches the socket.

mod child;
mod env;
mod json;
mod layout;
mod link;
mod options;
mod pool;
mod process;
mod worker;

use std::sync::Arc;

use crate::{Env, EnvError, Kwargs, Registry};
use env::PythonEnv;
use options::Options;
use pool::Pool;

/// Adds both families.
pub(crate) fn register(registry: &mut Registry) {
    for family in ["gymnasium", "python"] {
        let pool = Arc::new(Pool::new(registry.sources.clone()));
        registry.insert_wary_family(&format!("{family}:"), move |id, kwargs, wrapping| {
            make(&pool, family, id, kwargs, wrapping)
        });
    }
}

fn make(
    pool: &Arc<Pool>,
    family: &'static str,
    id: &str,
    kwargs: &Kwargs,
    wrapping: &[&str],
) -> Result<Box<dyn Env>, EnvError> {
    if family == "python" && id.split_once(':').is_none_or(|(a, b)| a.is_empty() || b.is_empty()) {
        return Err("the name must be python:MODULE:CALLABLE, such as python:my_envs:Maze".into());
    }
    let seat = pool.make(&Options::new(family, id, kwargs, wrapping)?)?;
    Ok(Box::new(PythonEnv::new(seat, pool)))
}
