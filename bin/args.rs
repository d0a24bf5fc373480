//! What can be typed.

mod texts;

use std::path::PathBuf;

use clap::{Parser, Subcommand, builder::RangedU64ValueParser};

use texts::{BENCH, CHECK_ENV, DIAGNOSE, ENVS, EVAL, OVERVIEW, REPORT, RESUME, STREAM, TRAIN};

/// Reinforcement-learning agents that stay plastic.
#[derive(Debug, Parser)]
#[command(name = "supple", version, about, after_help = OVERVIEW, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train an agent as a TOML file says
    #[command(after_help = TRAIN)]
    Train {
        /// The configuration, for example configs/quickstart.toml
        config: PathBuf,
        /// Override a key of the configuration: --set seed=2; may be repeated, the last one wins
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Folder of the run; must be new or empty [default: runs/CONFIG-N, the first N free]
        #[arg(long, value_name = "DIR")]
        run_dir: Option<PathBuf>,
        /// Start from the best weights of another run, or those of one checkpoint folder in it
        #[arg(long, value_name = "RUN")]
        init_from: Option<PathBuf>,
        /// With --init-from: start from its newest checkpoint, and with its replay
        #[arg(long, requires = "init_from")]
        init_replay: bool,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
        /// Stop as on Ctrl-C when standard input ends
        #[arg(long, hide = true)]
        until_eof: bool,
    },
    /// Resume a run from its latest complete checkpoint
    #[command(after_help = RESUME)]
    Resume {
        /// The run folder
        run: PathBuf,
        /// Override what does not change learning: `total_steps`, `log_every_updates`, `eval.*`,
        /// `checkpoint.*`, `diagnostics.*`
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
        /// Stop as on Ctrl-C when standard input ends
        #[arg(long, hide = true)]
        until_eof: bool,
    },
    /// Play greedy episodes with the best weights of a run
    #[command(after_help = EVAL)]
    Eval {
        /// The run folder, or one checkpoint folder in it
        run: PathBuf,
        /// Number of episodes, 1 to 1000000
        #[arg(
            long,
            value_name = "N",
            default_value_t = 10,
            value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_000_000),
        )]
        episodes: usize,
        /// Seed of the episodes
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Age of environments that change, in steps of each [default: that of the last step]
        #[arg(long, value_name = "STEPS")]
        step_offset: Option<u64>,
        /// Play the evaluation of the checkpoint's step again, with its seeds, and compare with the record
        #[arg(long, conflicts_with_all = ["episodes", "seed", "step_offset"])]
        as_recorded: bool,
        /// Use the newest checkpoint instead of the best
        #[arg(long)]
        newest: bool,
        /// Write videos of the episodes into this folder; must be new or empty
        #[arg(long, value_name = "DIR")]
        video: Option<PathBuf>,
        /// Pictures a second in the videos, 1 to 50
        #[arg(
            long,
            value_name = "N",
            default_value_t = 30,
            requires = "video",
            value_parser = RangedU64ValueParser::<u16>::new().range(1..=50),
        )]
        fps: u16,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
    },
    /// Show how alive each layer of a checkpoint is
    #[command(after_help = DIAGNOSE)]
    Diagnose {
        /// The run folder (its newest checkpoint), or one checkpoint folder in it
        #[arg(required_unless_present = "list")]
        run: Option<PathBuf>,
        /// Transitions to look at, 2 to 65536
        #[arg(
            long,
            value_name = "N",
            default_value_t = 1_024,
            value_parser = RangedU64ValueParser::<usize>::new().range(2..=65_536),
        )]
        probe: usize,
        /// Also look at gradients, curvature and how well copies fit random targets
        #[arg(long)]
        deep: bool,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
        /// List what runs log and diagnostics measure, with tag, unit and source, and look at no run
        #[arg(long, conflicts_with_all = ["run", "probe", "deep", "json"])]
        list: bool,
        /// Print the list as the page docs/metrics.md
        #[arg(long, requires = "list", conflicts_with_all = ["run", "probe", "deep", "json"])]
        markdown: bool,
    },
    /// Follow a supervised stream as a TOML file says
    #[command(after_help = STREAM)]
    Stream {
        /// The configuration, for example `configs/stream/bit_flipping.toml`
        config: PathBuf,
        /// Override a key of the configuration: --set seed=2; may be repeated, the last one wins
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Folder of the run; must be new, empty, or hold the same run unfinished [default:
        /// runs/CONFIG-N, the first N free]
        #[arg(long, value_name = "DIR")]
        run_dir: Option<PathBuf>,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
        /// Stop as on Ctrl-C when standard input ends
        #[arg(long, hide = true)]
        until_eof: bool,
    },
    /// Run a suite, methods x seeds, and report
    #[command(after_help = BENCH)]
    Bench {
        /// Name of a suite, or a grid of your own: a path that ends in .toml [default: list the suites]
        suite: Option<String>,
        /// Only these methods, separated by commas
        #[arg(long, value_name = "A,B", value_delimiter = ',')]
        methods: Vec<String>,
        /// Seeds 1 to N [default: those of the suite]
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000))]
        seeds: Option<u64>,
        /// Runs at a time, 1 to 1024 [default: one for each core]
        #[arg(long, value_name = "J", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1_024))]
        jobs: Option<usize>,
        /// Folder of runs and report [default: runs/bench/SUITE]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// The small size that ends in minutes
        #[arg(long)]
        quick: bool,
    },
    /// Make the report of a grid, or of any runs, from their folders
    #[command(after_help = REPORT)]
    Report {
        /// The folder of a grid, or run folders (or folders full of them) to compare
        #[arg(required = true)]
        dirs: Vec<PathBuf>,
        /// Where the report goes [default: `report` in the grid's folder, else the current one]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Look at the first N steps of each run, which then need not have ended
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        steps: Option<u64>,
    },
    /// List the environments that can be made here
    #[command(after_help = ENVS)]
    Envs,
    /// List what a configuration can name by `kind`, with source and keys
    Kinds {
        /// Print the page docs/kinds.md
        #[arg(long)]
        markdown: bool,
    },
    /// Check an environment and say what is wrong, where, and how to fix it
    #[command(after_help = CHECK_ENV)]
    CheckEnv {
        /// Id of the environment, as `envs` lists it
        id: String,
        /// Keyword argument of the environment: --set gravity=12.0; may be repeated
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// About how long it may take; of a slow environment less is tried, which is said
        #[arg(
            long,
            value_name = "N",
            default_value_t = 60,
            value_parser = RangedU64ValueParser::<u64>::new().range(1..=86_400),
        )]
        seconds: u64,
    },
}
