//! Threads that share one computation.
//!
//! The calling thread is one of them. Between two computations the others spin for some microseconds, since the next
//! one usually follows at once, and then sleep.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
    },
    thread::{JoinHandle, Thread},
};

use super::matrix::Rows;

/// Turns of a spinning loop before a thread sleeps: tens of microseconds.
const SPINS: u32 = 20_000;

/// Rows that go through a network together: what they leave in between still lies in the cache when it is read.
const ROWS: usize = 128;

type Job<'a> = &'a (dyn Fn(usize) + Sync);

/// What the threads share.
#[derive(Default)]
struct Shared {
    /// Counts jobs.
    round: AtomicUsize,
    /// Where the job's reference lies, on the stack of [`Team::run`].
    job: AtomicPtr<Job<'static>>,
    /// Threads that have not finished it.
    busy: AtomicUsize,
    stop: AtomicBool,
    /// Who waits for them.
    caller: Mutex<Option<Thread>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A number of threads, the caller included.
pub struct Team {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Team({})", self.threads())
    }
}

impl Team {
    /// With so many threads, at least the caller's.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub fn new(threads: usize) -> std::io::Result<Team> {
        let mut team = Team::alone();
        for index in 1..threads {
            let shared = Arc::clone(&team.shared);
            let name = format!("update-{index}");
            let body = move || work(&shared, index);
            team.workers.push(std::thread::Builder::new().name(name).spawn(body)?);
        }
        Ok(team)
    }

    /// The caller's thread only.
    pub fn alone() -> Team {
        Team { shared: Arc::default(), workers: Vec::new() }
    }

    /// How many.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Calls `job` once on every thread, with its number, and waits for all.
    fn run(&mut self, job: Job<'_>) {
        if self.workers.is_empty() {
            return job(0);
        }
        let shared = &self.shared;
        let mut here = job;
        if let Ok(mut caller) = shared.caller.lock() {
            *caller = Some(std::thread::current());
        }
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        shared.job.store((&raw mut here).cast(), Ordering::Relaxed);
        shared.round.fetch_add(1, Ordering::Release);
        for worker in &self.workers {
            worker.thread().unpark();
        }
        let own = catch_unwind(AssertUnwindSafe(|| job(0)));
        // `here` and all that the job borrows must outlive the last thread's use of them.
        wait(|| shared.busy.load(Ordering::Acquire) == 0);
        let theirs = shared.panic.lock().ok().and_then(|mut panic| panic.take());
        if let Some(panic) = own.err().or(theirs) {
            resume_unwind(panic);
        }
    }

    /// Divides `count` rows among the threads.
    pub fn rows(&mut self, count: usize, job: impl Fn(&Rows) + Sync) {
        let threads = self.threads();
        let parts = count.div_ceil(ROWS).next_multiple_of(threads);
        self.tasks(parts, |part| {
            let range: Range<usize> = part * count / parts..(part + 1) * count / parts;
            if !range.is_empty() {
                job(&Rows::new(range));
            }
        });
    }

    /// All rows at once, on the calling thread.
    pub fn whole<R>(&mut self, count: usize, job: impl FnOnce(&Rows) -> R) -> R {
        job(&Rows::new(0..count))
    }

    /// Calls `job` for every number below `count`, once, on whichever thread is free.
    pub fn tasks(&mut self, count: usize, job: impl Fn(usize) + Sync) {
        let next = AtomicUsize::new(0);
        self.run(&|_| {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= count {
                    return;
                }
                job(task);
            }
        });
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A panic inside a job was passed on by `run`.
            let _ = worker.join();
        }
    }
}

/// One worker's life.
fn work(shared: &Shared, index: usize) {
    let mut seen = 0;
    loop {
        wait(|| {
            shared.round.load(Ordering::Acquire) != seen || shared.stop.load(Ordering::Acquire)
        });
        if shared.stop.load(Ordering::Acquire) {
            return;
        }
        seen += 1;
        // SAFETY: `run` waits for this thread before its reference and what it borrows go out of scope.
        let job = unsafe { *shared.job.load(Ordering::Relaxed) };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(index)))
            && let Ok(mut first) = shared.panic.lock()
        {
            first.get_or_insert(panic);
        }
        let caller = shared.caller.lock().ok().and_then(|caller| caller.clone());
        if shared.busy.fetch_sub(1, Ordering::Release) == 1
            && let Some(caller) = caller
        {
            caller.unpark();
        }
    }
}

/// Until `done`: spinning first, then asleep. Whoever makes it so wakes this thread.
fn wait(done: impl Fn() -> bool) {
    let mut spins = 0;
    while !done() {
        spins += 1;
        if spins < SPINS {
            std::hint::spin_loop();
        } else {
            std::thread::park();
        }
    }
}
