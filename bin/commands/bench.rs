//! `supple bench`: a grid of runs, from methods and seeds to a report.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use agents::{
    config::Config,
    runtime::session::Parts,
    storage::{held::Held, run_dir},
};
use anyhow::{Context, Result, anyhow, bail};
use benchmarks::{
    grid::{self, Command, Grid, Job, MethodSpec},
    runner::{self, Plan, Progress},
    suites,
    supervised::StreamRun,
};
use envs::{Registry, edit_distance};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    output::{note, print, program},
    progress::clock,
    stop,
};

/// What was asked for.
pub(super) struct Asked<'a> {
    pub(super) methods: &'a [String],
    pub(super) seeds: Option<u64>,
    pub(super) jobs: Option<usize>,
    pub(super) out: Option<&'a Path>,
    pub(super) quick: bool,
}

pub(super) fn run(registry: &Registry, suite: Option<&str>, asked: &Asked<'_>) -> Result<ExitCode> {
    let Some(suite) = suite else { return list() };
    let (name, mut grid) = load(suite, asked.quick)?;
    let all = grid.methods.clone();
    if let Some(seeds) = asked.seeds {
        grid.seeds = seeds;
    }
    if !asked.methods.is_empty() {
        grid.only(asked.methods).map_err(|e| anyhow!(e))?;
    }
    let jobs = grid.jobs().map_err(|e| anyhow!("{name}: {e}"))?;
    check(&grid, &jobs, registry).with_context(|| name.clone())?;
    if let Some(sentence) = grid::uneven(&jobs) {
        note(&format!("note: {sentence}"));
    }
    let out = asked.out.map_or_else(|| default_out(&name, asked.quick), Path::to_owned);
    run_dir::make_folder(&out)?;
    // Two of them in one folder would take each other's runs for broken ones.
    let held = Held::open(&out)?;
    let _lock = run_dir::lock(held.path())?;
    let kept = keep(&grid, &all, &out)?;

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let parallel = asked.jobs.unwrap_or(cores);
    note(&format!("{name}: {} runs, {parallel} at a time, in {}", jobs.len(), out.display()));
    let exe = std::env::current_exe().context("cannot find this program")?;
    let plan = Plan { program: &exe, out: &held, jobs: &jobs, parallel };
    let stop = stop::signal(false, || note("stopping: runs save themselves"))?;
    let mut display = Display::new();
    let whole = runner::run(&plan, &mut |progress| {
        display.update(progress);
        stop.is_empty()
    })?;
    display.bar.finish_and_clear();
    if !whole {
        note(&format!("stopped; the same command continues: {} bench {suite} ...", program()));
        return Ok(ExitCode::from(130));
    }
    let out = held.name();
    let report = super::report::of_grid(&name, &kept, &out, None)?;
    print(&format!("report: {}", report.display()))?;
    let failed = jobs.iter().any(|job| !runner::is_done(&out.join(&job.dir)));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The suites, what they cost, and where their protocols come from.
fn list() -> Result<ExitCode> {
    let mut text = String::from("Suites (or give the path of a TOML file of your own):\n");
    for (name, file) in suites::SUITES {
        let grid = Grid::parse(file, false).map_err(|e| anyhow!("{name}: {e}"))?;
        let methods: Vec<&str> = grid.methods.iter().map(|m| m.name.as_str()).collect();
        let _ = write!(
            text,
            "\n{name}\n  {}\n  source:  {}\n  cost:    {}\n  methods: {}\n",
            grid.title,
            grid.source.trim(),
            grid.cost.trim(),
            methods.join(", ")
        );
    }
    print(text.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// By the name of a suite or the path of a file.
fn load(suite: &str, quick: bool) -> Result<(String, Grid)> {
    let path = Path::new(suite);
    let is_file = path.extension().is_some_and(|e| e == "toml");
    let (name, text) = if is_file {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {suite}"))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        (stem, text)
    } else if let Some(text) = suites::find(suite) {
        (suite.to_owned(), text.to_owned())
    } else {
        let names = suites::SUITES.iter().map(|(name, _)| *name);
        let near = names.min_by_key(|name| edit_distance(name, suite)).unwrap_or_default();
        bail!(
            "there is no suite {suite}; did you mean {near}? `{} bench` lists all, and a grid of your \
             own is a file that ends in .toml",
            program()
        );
    };
    let grid = Grid::parse(&text, quick).map_err(|e| anyhow!("{suite}: {e}"))?;
    Ok((name, grid))
}

fn default_out(name: &str, quick: bool) -> PathBuf {
    let end = if quick { "-quick" } else { "" };
    PathBuf::from(format!("runs/bench/{}{end}", name.replace('/', "-")))
}

/// Everything that can be wrong with a configuration is found before the first run.
fn check(grid: &Grid, jobs: &[Job], registry: &Registry) -> Result<()> {
    for method in &grid.methods {
        let Some(job) = jobs.iter().find(|job| job.method == method.name) else { continue };
        match job.command {
            Command::Train => {
                let config = Config::parse(&job.config, &[]);
                let config = config.map_err(|e| anyhow!("method {}: {e}", method.name))?;
                Parts::new(&config, registry).with_context(|| format!("method {}", method.name))?;
            }
            Command::Stream => {
                let start = StreamRun::parse(&job.config, &[]).and_then(|run| run.start());
                start.map_err(|e| anyhow!("method {}: {e}", method.name))?;
            }
        }
    }
    Ok(())
}

/// The grid stays in its folder; another one is refused there. More seeds or methods of the same grid
/// are welcome: the answer is all that is there now, with methods in the order of `all`, the file's.
fn keep(grid: &Grid, all: &[MethodSpec], out: &Path) -> Result<Grid> {
    let path = out.join("grid.toml");
    let mut kept = grid.clone();
    if let Ok(text) = std::fs::read_to_string(&path) {
        let old = Grid::parse(&text, false).map_err(|e| anyhow!("{}: {e}", path.display()))?;
        let same_methods = grid.methods.iter().all(|m| {
            old.methods.iter().all(|o| o.name != m.name || (&o.set, o.fresh) == (&m.set, m.fresh))
        });
        let same = (&old.config, &old.vary, &old.score, old.command)
            == (&grid.config, &grid.vary, &grid.score, grid.command);
        if !(same && same_methods) {
            bail!(
                "{} holds runs of a grid with other settings (grid.toml there); give another --out",
                out.display()
            );
        }
        kept.seeds = kept.seeds.max(old.seeds);
        let others =
            old.methods.into_iter().filter(|o| grid.methods.iter().all(|m| m.name != o.name));
        kept.methods.extend(others);
        let place = |m: &MethodSpec| all.iter().position(|a| a.name == m.name).unwrap_or(all.len());
        kept.methods.sort_by_key(place);
    }
    let text = kept.to_toml().map_err(|e| anyhow!(e))?;
    runner::write(&path, &text)?;
    Ok(kept)
}

/// A bar on a terminal, lines elsewhere.
struct Display {
    bar: ProgressBar,
    started: Instant,
    said: Option<(Instant, usize)>,
}

/// Without a terminal something is said at least this often.
const SILENCE: Duration = Duration::from_secs(60);

impl Display {
    fn new() -> Self {
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{bar:30.cyan} {msg}") {
            bar.set_style(style);
        }
        Display { bar, started: Instant::now(), said: None }
    }

    fn update(&mut self, p: &Progress) {
        for line in &p.news {
            self.bar.suspend(|| note(line));
        }
        let done = p.steps.saturating_sub(p.steps_before) as f64;
        let rate = done / self.started.elapsed().as_secs_f64().max(1e-9);
        let left = p.total_steps.saturating_sub(p.steps) as f64 / rate;
        let failed = if p.failed > 0 { format!(", {} failed", p.failed) } else { String::new() };
        let left = if left.is_finite() { format!(", {} left", clock(left)) } else { String::new() };
        let line = format!("{}/{} runs{failed}{left}", p.done, p.total);
        self.bar.set_length(p.total_steps.max(1));
        self.bar.set_position(p.steps);
        self.bar.set_message(line.clone());
        let ended = p.done + p.failed;
        let due = self.said.is_none_or(|(at, then)| at.elapsed() >= SILENCE || then != ended);
        if self.bar.is_hidden() && due {
            self.said = Some((Instant::now(), ended));
            note(&line);
        }
    }
}
