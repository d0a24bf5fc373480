//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Reinforcement-learning agents that stay plastic.
#[derive(Debug, Parser)]
#[command(name = "supple", version, about, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train an agent as a TOML file says
    Train {
        /// The configuration, for example configs/quickstart.toml
        config: PathBuf,
        /// Override a key, for example --set seed=2 --set env.name=Acrobot-v1
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Folder of the run; must be new or empty [default: the next runs/CONFIG-N]
        #[arg(long, value_name = "DIR")]
        run_dir: Option<PathBuf>,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
    },
    /// Go on with a run from its newest whole checkpoint
    Resume {
        /// The run folder
        run: PathBuf,
        /// Override a key that does not change what is learned: total_steps, eval.*, checkpoint.*
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
    },
    /// Play greedy episodes with the best weights of a run
    Eval {
        /// The run folder, or one checkpoint folder in it
        run: PathBuf,
        /// Number of episodes
        #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        episodes: u32,
        /// Seed of the episodes
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Use the newest checkpoint instead of the best
        #[arg(long)]
        newest: bool,
        /// Print the result as one JSON object on the last line of standard output
        #[arg(long)]
        json: bool,
    },
    /// List the environments that can be made here
    Envs,
    /// Check an environment and say what is wrong, where, and how to mend it
    CheckEnv {
        /// Id of the environment
        id: String,
        /// Keyword argument of the environment, for example --set gravity=12.0
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
}
