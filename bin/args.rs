//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand, builder::RangedU64ValueParser};

const OVERVIEW: &str = "\
Examples:
  supple envs                            what there is to solve
  supple kinds                           what a configuration can name
  supple train configs/quickstart.toml   learn, into runs/quickstart-1
  supple resume runs/quickstart-1        resume after a stop or a crash
  supple eval runs/quickstart-1          play with the best weights
  supple diagnose runs/quickstart-1      see which layers are still alive

Output:
  Results go to standard output, progress and messages to standard error.

Exit codes:
  0    done
  1    error; the last line on standard error that begins with `error:` says what, where and what
       to do, and the traceback of a Python exception stands below it
  2    wrong usage of the command line
  130  interrupted (Ctrl-C or SIGTERM); a checkpoint was saved, so `resume` goes on from there";

const TRAIN: &str = "\
Examples:
  supple train configs/quickstart.toml
  supple train configs/sac_pendulum.toml --set seed=2 --set env.kwargs.g=9.81
  supple train configs/dqn_cartpole.toml --run-dir /tmp/run --json
  supple train configs/sac_pendulum.toml --init-from runs/sac_pendulum-1

The configuration:
  Keys that the file leaves out have defaults; docs/configuration.md lists all keys. The file with
  all defaults filled in is kept as config.toml in the run folder.

Starting from another run:
  --init-from takes over every network that fits and the running statistics; optimisers, counters and
  schedules start fresh, and random actions still come first (replay.learning_starts).

Stopping:
  Ctrl-C (or SIGTERM) saves a checkpoint and ends with exit code 130; a second Ctrl-C, a second or more
  later, ends at once.
  Whatever ends a run, `supple resume` goes on from its newest whole checkpoint.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted";

const RESUME: &str = "\
Examples:
  supple resume runs/quickstart-1
  supple resume runs/quickstart-1 --set total_steps=60000

A damaged checkpoint is named and the one before it is used. In lockstep mode on the CPU the run
ends bit for bit as if it had never stopped, if the environment can save its state; environments
that cannot begin a new episode, and a warning says how many did.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted";

const EVAL: &str = "\
Examples:
  supple eval runs/quickstart-1
  supple eval runs/quickstart-1 --episodes 100 --seed 7 --json
  supple eval runs/quickstart-1/checkpoints/step-000000020000
  supple eval runs/sac_pendulum_gravity-1 --newest --step-offset 0
  supple eval runs/quickstart-1 --episodes 3 --video videos
  supple eval runs/quickstart-1 --as-recorded

The same seed plays the same episodes. The best weights are those of the evaluation with the
highest mean return; a run that was never evaluated has its newest ones played.

A Python environment must come from the same files as in training: one of the same name elsewhere is refused,
one that was edited since is named.

Videos:
  DIR/episode-000.gif              one for each episode
  DIR/episode-000/frame-00000.png  a picture of each step, the first from before the first action
  DIR must be new or empty, and appears when all episodes are played.

Exit codes: 0 done, 1 error, 2 wrong usage";

const DIAGNOSE: &str = "\
Examples:
  supple diagnose runs/quickstart-1
  supple diagnose runs/quickstart-1/checkpoints/step-000000020000 --probe 4096
  supple diagnose runs/quickstart-1 --deep
  supple diagnose runs/quickstart-1 --json
  supple diagnose --list

For each network a table of its units and one of its weights, one row for each layer, measured on transitions from the checkpoint's own
replay (so a best-... checkpoint, which has none, cannot be diagnosed). --list and docs/metrics.md say
what each measure is; a measure that means nothing for a layer is a dash.

Exit codes: 0 done, 1 error, 2 wrong usage";

const BENCH: &str = "\
Examples:
  supple bench                                         the suites, their sources and costs
  supple bench control/cartpole-drift --quick          minutes instead of hours
  supple bench control/cartpole-drift --methods plain,cbp --seeds 5
  supple bench my_grid.toml --jobs 1 --out results

A grid:
  A TOML file with a configuration, methods as named overrides of it, and seeds; docs/benchmarks.md
  says more. Every run is a process of its own with one libtorch thread.

Stopping:
  Ctrl-C saves the runs and ends with exit code 130; the same command goes on, also after kill -9. A run
  that fails is reported and retried by the next call; the others continue.

Exit codes: 0 done, 1 error or a run failed, 2 wrong usage, 130 interrupted";

const STREAM: &str = "\
Examples:
  supple stream configs/stream/bit_flipping.toml
  supple stream configs/stream/random_labels.toml --set seed=2 --set 'network.interventions=[{ kind = \"nap\" }]'
  supple stream configs/stream/permuted_inputs.toml --run-dir /tmp/run --json

The configuration:
  kind is bit_flipping, random_labels or permuted_inputs; docs/streams.md lists the keys of each. The
  file with all defaults filled in is kept as config.toml in the run folder, and what was measured as
  metrics.jsonl. `supple report` compares run folders, `supple bench` runs whole suites.

Stopping:
  Ctrl-C (or SIGTERM) ends a run at its next row of metrics with exit code 130. Streams are short and not
  resumed: the same command with the same --run-dir restarts an unfinished run.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted";

const REPORT: &str = "\
Examples:
  supple report runs/bench/control-cartpole-drift
  supple report runs/quickstart-1 runs/quickstart-2 --out comparison
  supple report runs/sac_mujoco-1 runs/mujoco_128-1 --steps 50000

Runs whose configurations differ only in their seeds and checkpoints are one method. The report is
report.html, which needs nothing else, report.md, figures as SVG and PNG, and the numbers as CSV and JSON.

Exit codes: 0 done, 1 error, 2 wrong usage";

const ENVS: &str = "\
Columns:
  ID           what env.name in a configuration takes
  OBSERVATION  how many numbers, or the shape
  ACTION       how many choices, or how many numbers in [-1, 1] (rescaled to the environment's own)
  TIME LIMIT   steps after which an episode is cut off
  KWARGS       what env.kwargs takes, physical constants with their values

Names are grouped by what comes before / or :, and NAME... stands for all that begin so. Below the
table stand those that cannot be made here, and why.

Every environment also takes max_episode_steps (-1 for no limit), action_repeat and frame_stack.

Exit codes: 0 done, 1 error";

const CHECK_ENV: &str = "\
Examples:
  supple check-env CartPole-v1
  supple check-env Pendulum-v1 --set g=9.81 --set frame_stack=3
  supple check-env Pendulum-v1 --set 'drift=[{ kind = \"obs_delay\", steps = 2 }]'

Plays up to some ten thousand random steps, and says every five seconds how far it is. Each finding says what was seen, where, and what to do about it.

Exit codes: 0 no error found (there may be warnings), 1 an error found, 2 wrong usage";

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
    /// Go on with a run from its newest whole checkpoint
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
        #[arg(long, requires = "list", conflicts_with = "run")]
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
    /// Check an environment and say what is wrong, where, and how to mend it
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
