//! [`Pool`]: which environments share a worker.
//!
//! Environments made one after the other by one thread, in the same way, share a worker until it is
//! full or one of them is reset. So the environments of a vector, which are made first and then
//! reset, are in workers of their own, and two actor threads never wait for each other.
//!
//! A worker whose environments have all been dropped waits for the next ones made in the same way:
//! an evaluation does not import the packages again. Idle workers end with the registry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, ThreadId};

use super::options::Options;
use super::worker::Worker;
use crate::EnvError;
use crate::registry::sources::SourceRecord;

/// The workers of one registry.
pub(super) struct Pool {
    /// Workers that take more environments, and the thread that made those they have.
    open: Mutex<Vec<(ThreadId, Weak<Mutex<Worker>>)>>,
    /// Workers without environments.
    idle: Mutex<Vec<Arc<Mutex<Worker>>>>,
    /// What workers loaded.
    sources: SourceRecord,
}

/// Where an environment was made.
pub(super) struct Seat {
    pub(super) worker: Arc<Mutex<Worker>>,
    pub(super) slot: usize,
}

impl Pool {
    pub(super) fn new(sources: SourceRecord) -> Self {
        Self { open: Mutex::default(), idle: Mutex::default(), sources }
    }

    /// Makes an environment, in a worker that is there already if one fits.
    pub(super) fn make(&self, options: &Options) -> Result<Seat, EnvError> {
        let maker = thread::current().id();
        if let Some(worker) = self.open_worker(maker, options) {
            let slot = lock(&worker).make()?;
            return Ok(Seat { worker, slot });
        }
        // An idle one may have been killed; if so, a new one is started.
        let idle = self.idle_worker(options).and_then(|worker| {
            let slot = lock(&worker).make().ok()?;
            Some((worker, slot))
        });
        let (worker, slot) = if let Some(found) = idle {
            found
        } else {
            let (worker, sources) = Worker::start(options)?;
            self.sources.add(sources);
            (Arc::new(Mutex::new(worker)), 0)
        };
        lock(&self.open).push((maker, Arc::downgrade(&worker)));
        Ok(Seat { worker, slot })
    }

    fn open_worker(&self, maker: ThreadId, options: &Options) -> Option<Arc<Mutex<Worker>>> {
        let mut open = lock(&self.open);
        open.retain(|(_, worker)| worker.strong_count() > 0);
        open.iter().filter(|(thread, _)| *thread == maker).find_map(|(_, worker)| {
            let worker = worker.upgrade()?;
            let fits = {
                let worker = lock(&worker);
                worker.has_room() && worker.options() == options
            };
            fits.then_some(worker)
        })
    }

    fn idle_worker(&self, options: &Options) -> Option<Arc<Mutex<Worker>>> {
        let mut idle = lock(&self.idle);
        let fits = idle.iter().position(|worker| lock(worker).options() == options)?;
        Some(idle.swap_remove(fits))
    }

    /// A worker takes no more environments.
    pub(super) fn close(&self, worker: &Arc<Mutex<Worker>>) {
        lock(&self.open).retain(|(_, open)| !std::ptr::eq(open.as_ptr(), Arc::as_ptr(worker)));
    }

    /// Keeps a worker without environments.
    pub(super) fn keep(&self, worker: Arc<Mutex<Worker>>) {
        lock(&self.idle).push(worker);
    }
}

/// What a thread that panicked left behind is as good as an error: the next call finds it out.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
