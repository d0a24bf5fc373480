//! What `--help` says below the arguments.

pub(super) const OVERVIEW: &str = "\
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
  101  a bug; the line that begins with `error:` says where it is and asks for a report
  130  interrupted (Ctrl-C or SIGTERM); a checkpoint was saved, so `resume` continues from there";

pub(super) const TRAIN: &str = "\
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
  Whatever ends a run, `supple resume` continues from its latest complete checkpoint.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted";

pub(super) const RESUME: &str = "\
Examples:
  supple resume runs/quickstart-1
  supple resume runs/quickstart-1 --set total_steps=60000

A damaged checkpoint is named and the one before it is used. In lockstep mode on the CPU the run
ends bit for bit as if it had never stopped, if the environment can save its state; environments
that cannot begin a new episode, and a warning says how many did.

Exit codes: 0 done, 1 error, 2 wrong usage, 130 interrupted";

pub(super) const EVAL: &str = "\
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

pub(super) const DIAGNOSE: &str = "\
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

pub(super) const BENCH: &str = "\
Examples:
  supple bench                                         the suites, their sources and costs
  supple bench control/cartpole-drift --quick          minutes instead of hours
  supple bench control/cartpole-drift --methods plain,cbp --seeds 5
  supple bench my_grid.toml --jobs 1 --out results

A grid:
  A TOML file with a configuration, methods as named overrides of it, and seeds; docs/benchmarks.md
  says more. Every run is a process of its own with one libtorch thread.

Stopping:
  Ctrl-C saves the runs and ends with exit code 130; the same command continues, also after kill -9. A run
  that fails is reported and retried by the next call; the others continue.

Exit codes: 0 done, 1 error or a run failed, 2 wrong usage, 130 interrupted";

pub(super) const STREAM: &str = "\
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

pub(super) const REPORT: &str = "\
Examples:
  supple report runs/bench/control-cartpole-drift
  supple report runs/quickstart-1 runs/quickstart-2 --out comparison
  supple report runs/sac_mujoco-1 runs/mujoco_128-1 --steps 50000

Runs whose configurations differ only in their seeds and checkpoints are one method. The report is
report.html, which needs nothing else, report.md, figures as SVG and PNG, and the numbers as CSV and JSON.

Exit codes: 0 done, 1 error, 2 wrong usage";

pub(super) const ENVS: &str = "\
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

pub(super) const CHECK_ENV: &str = "\
Examples:
  supple check-env CartPole-v1
  supple check-env Pendulum-v1 --set g=9.81 --set frame_stack=3
  supple check-env Pendulum-v1 --set 'drift=[{ kind = \"obs_delay\", steps = 2 }]'

Plays up to some ten thousand random steps, and says every five seconds how far it is. Each finding says what was seen, where, and what to do about it.

Exit codes: 0 no error found (there may be warnings), 1 an error found, 2 wrong usage";
