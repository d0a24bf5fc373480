//! Fills a grid: one process for each run, as many at a time as asked for.
//!
//! Every process is told to stop when its standard input ends (`--until-eof`), and this process holds the
//! other ends: however it dies, its runs save themselves and stop. What is done is on disk only:
//! `result.json` in a finished run, checkpoints in one that was stopped, `failed.txt` in one that ended with
//! an error. So running a grid again continues it; runs that failed are tried once more.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use agents::{
    error::Error,
    storage::{
        held::Held,
        run_dir::{self, write_atomically},
    },
};

use crate::grid::Job;

/// What is to be run, and how.
pub struct Plan<'a> {
    /// The program whose commands make runs.
    pub program: &'a Path,
    /// The folder of the grid.
    pub out: &'a Held,
    /// The processes, in the order they are started.
    pub jobs: &'a [Job],
    /// At most so many at a time.
    pub parallel: usize,
}

/// How far a grid is.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// Runs that are finished, those of earlier times included.
    pub done: usize,
    /// Runs that ended with an error.
    pub failed: usize,
    /// All.
    pub total: usize,
    /// Steps of all runs together, finished or not.
    pub steps: u64,
    /// Steps of the whole grid.
    pub total_steps: u64,
    /// Steps that were there at the start.
    pub steps_before: u64,
    /// Lines about runs that failed since the last time.
    pub news: Vec<String>,
}

const POLL: Duration = Duration::from_millis(50);
/// How long a run may take to give its folder back when all others are done.
const LOCKED: Duration = Duration::from_secs(60);

/// Runs all jobs that are not done. `watch` is called several times a second and says whether to continue;
/// when it does not, runs save themselves, and the answer is `false`.
///
/// # Errors
/// When a folder cannot be written or the program not be started; runs that fail are no error.
pub fn run(plan: &Plan<'_>, watch: &mut dyn FnMut(&Progress) -> bool) -> Result<bool, Error> {
    let mut progress = Progress { total: plan.jobs.len(), ..Progress::default() };
    let mut waiting = VecDeque::new();
    for job in plan.jobs {
        progress.total_steps += job.steps;
        if is_done(&plan.out.path().join(&job.dir)) {
            progress.done += 1;
            progress.steps_before += job.steps;
        } else {
            waiting.push_back(Attempt { job, resumes: true });
        }
    }
    let mut finished_steps = progress.steps_before;
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut going = true;
    let mut stuck: Option<Instant> = None;
    loop {
        while going && running.len() < plan.parallel {
            // A run whose grid was killed may still be saving itself: others go first.
            let free = |a: &Attempt<'_>| in_use(&plan.out.path().join(&a.job.dir)).is_none();
            let Some(next) = waiting.iter().position(free) else { break };
            let Some(attempt) = waiting.remove(next) else { break };
            let started = Running::start(plan, &attempt)?;
            progress.steps_before += started.steps();
            running.push(started);
        }
        let mut still = Vec::new();
        for mut run in running {
            let Some(status) =
                run.child.try_wait().map_err(|e| Error::io("wait for", &run.named, e))?
            else {
                still.push(run);
                continue;
            };
            match run.end(status.code()) {
                End::Done => {
                    progress.done += 1;
                    finished_steps += run.job.steps;
                }
                End::Stopped => {}
                // Its checkpoints may be damaged.
                End::Failed(_) if run.resumed && going => {
                    waiting.push_front(Attempt { job: run.job, resumes: false });
                }
                End::Failed(why) => {
                    write(&run.dir.join("failed.txt"), &why)?;
                    progress.failed += 1;
                    finished_steps += run.job.steps;
                    progress.news.push(format!("{} failed: {why}", run.job.dir.display()));
                }
            }
        }
        running = still;
        progress.steps = finished_steps + running.iter().map(Running::steps).sum::<u64>();
        if running.is_empty() && (waiting.is_empty() || !going) {
            watch(&progress);
            return Ok(going && waiting.is_empty());
        }
        if !running.is_empty() {
            stuck = None;
        } else if stuck.get_or_insert_with(Instant::now).elapsed() > LOCKED
            && let Some(why) =
                waiting.front().and_then(|a| in_use(&plan.out.path().join(&a.job.dir)))
        {
            return Err(why);
        }
        let asked = watch(&progress);
        progress.news.clear();
        if going && !asked {
            going = false;
            for run in &mut running {
                run.child.stdin = None;
            }
        }
        std::thread::sleep(POLL);
    }
}

/// Whether the run in this folder is finished.
pub fn is_done(dir: &Path) -> bool {
    dir.join("result.json").exists()
}

struct Attempt<'a> {
    job: &'a Job,
    /// Whether it may continue from a checkpoint.
    resumes: bool,
}

struct Running<'a> {
    job: &'a Job,
    dir: PathBuf,
    /// The same folder by its name, for people and other processes.
    named: PathBuf,
    log: PathBuf,
    child: Child,
    resumed: bool,
}

enum End {
    Done,
    Stopped,
    Failed(String),
}

impl<'a> Running<'a> {
    fn start(plan: &Plan<'_>, attempt: &Attempt<'a>) -> Result<Self, Error> {
        let job = attempt.job;
        let dir = plan.out.path().join(&job.dir);
        // The handle is of this process only: another one needs the name.
        let named = plan.out.name().join(&job.dir);
        make_parent(&dir)?;
        let resumed = attempt.resumes && dir.join("checkpoints").exists();
        let mut command = Command::new(plan.program);
        if resumed {
            let _ = fs::remove_file(dir.join("failed.txt"));
            command.arg("resume").arg(&named);
        } else {
            if dir.exists() {
                fs::remove_dir_all(&dir).map_err(|e| Error::io("remove", &dir, e))?;
            }
            let config = dir.with_extension("toml");
            write(&config, &job.config)?;
            command
                .arg(job.command.name())
                .arg(named.with_extension("toml"))
                .arg("--run-dir")
                .arg(&named);
        }
        let log = dir.with_extension("log");
        let open = |path: &Path| File::create(path).map_err(|e| Error::io("write", path, e));
        let child = command
            .args(["--json", "--until-eof"])
            .stdin(Stdio::piped())
            .stdout(open(&dir.with_extension("out"))?)
            .stderr(open(&log)?)
            .spawn()
            .map_err(|e| Error::io("start", plan.program, e))?;
        Ok(Running { job, dir, named, log, child, resumed })
    }

    /// What became of it; a finished run gets its result.
    fn end(&self, code: Option<i32>) -> End {
        let out = self.dir.with_extension("out");
        let said = fs::read_to_string(&out).unwrap_or_default();
        let _ = fs::remove_file(&out);
        match code {
            Some(0) => {
                let result = said.lines().last().unwrap_or("{}");
                // Not `write`: a folder that holds nothing but a result is no run.
                match write_atomically(
                    &self.dir.join("result.json"),
                    format!("{result}\n").as_bytes(),
                ) {
                    Ok(()) => End::Done,
                    Err(e) => End::Failed(e.to_string()),
                }
            }
            Some(130) => End::Stopped,
            code => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last = log.lines().rfind(|l| l.starts_with("error: "));
                End::Failed(match (last, code) {
                    (Some(line), _) => line["error: ".len()..].to_owned(),
                    (None, Some(code)) => format!("it ended with code {code} and no message"),
                    (None, None) => "a signal killed it".to_owned(),
                })
            }
        }
    }

    /// Steps so far: those of the last whole line of its metrics.
    fn steps(&self) -> u64 {
        last_step(&self.dir.join("metrics.jsonl")).unwrap_or(0).min(self.job.steps)
    }
}

fn last_step(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let end = file.seek(SeekFrom::End(0)).ok()?;
    file.seek(SeekFrom::Start(end.saturating_sub(1 << 13))).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    tail.lines().rev().find_map(|line| {
        let number = line.strip_prefix("{\"step\":")?.split(',').next()?;
        line.ends_with('}').then(|| number.parse().ok())?
    })
}

/// Why nothing can be started in the folder of a run now.
fn in_use(dir: &Path) -> Option<Error> {
    dir.exists().then(|| run_dir::lock(dir).err())?
}

/// Writes a file that is whole or not there, and its folder.
///
/// # Errors
/// What cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    make_parent(path)?;
    write_atomically(path, text.as_bytes())
}

fn make_parent(path: &Path) -> Result<(), Error> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|e| Error::io("create", parent, e))
}
