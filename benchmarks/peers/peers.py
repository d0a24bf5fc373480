"""Training steps per second of Supple and of other frameworks: the same tasks, networks, batches and threads, one
update a step. The frameworks take turns, each round in a process of its own that is bound to the cores, and the median
of the rounds counts. A rate is that of the steps after the warm-up, so that it contains neither the start of a process
nor compilation. Nothing evaluates.

`cargo xtask peers` runs this in an environment with what requirements.txt lists; its --help has the options.
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parent.parent / "configs"
NAMES = {"supple": "Supple", "sb3": "Stable-Baselines3", "sbx": "SBX", "rlox": "rlox", "thrust": "thrust-rl"}
LIBRARIES = ["sb3", "sbx", "rlox"]
PACKAGES = ["stable-baselines3", "torch", "sbx-rl", "jax", "rlox", "gymnasium", "mujoco", "numpy"]
SAC = dict(batch_size=256, gamma=0.99, tau=0.005)
CASES = {
    "halfcheetah": dict(
        what="SAC, HalfCheetah-v5, 2x256, batch 256",
        env="HalfCheetah-v5",
        steps=3_000,
        config="sac_mujoco.toml",
        settings=[],
        agent="SAC",
        width=256,
        library=dict(SAC, learning_rate=3e-4),
    ),
    "pendulum": dict(
        what="SAC, Pendulum-v1, 2x64, batch 256",
        env="Pendulum-v1",
        steps=6_000,
        config="sac_pendulum.toml",
        settings=[],
        agent="SAC",
        width=64,
        library=dict(SAC, learning_rate=1e-3),
    ),
    "cartpole": dict(
        what="DQN, CartPole-v1, 2x128, batch 64",
        env="CartPole-v1",
        steps=10_000,
        config="dqn_cartpole.toml",
        settings=["agent.double=false", "replay.n_step=1", "runtime.update_to_data=1.0"],
        agent="DQN",
        width=128,
        library=dict(batch_size=64, gamma=0.99, buffer_size=10_000, learning_rate=1e-3),
        sb3=dict(tau=0.01, target_update_interval=1, train_freq=1),
        # rlox has no Polyak targets; it copies the network now and then, which is less work.
        rlox=dict(double_dqn=False),
    ),
}


class Failed(Exception):
    """One sentence for the user."""


def timing(case, quick):
    """Steps before the first update, steps of warm-up, steps that count."""
    return (300, 200, 500) if quick else (1_000, 1_000, case["steps"])


def environment(threads):
    """What makes every library use this many threads; none leaves the choice to each."""
    if threads is None:
        return dict(os.environ)
    # NPROC is JAX's, RAYON_NUM_THREADS thrust-rl's, OMP_NUM_THREADS everybody else's.
    variables = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC", "RAYON_NUM_THREADS"]
    return {**os.environ, **dict.fromkeys(variables, str(threads))}


def run(command, env):
    try:
        # In a folder of its own, for what a library writes where it stands (MuJoCo its log).
        with tempfile.TemporaryDirectory() as folder:
            words = [str(word) for word in command]
            done = subprocess.run(words, capture_output=True, text=True, env=env, cwd=folder)
    except OSError as error:
        raise Failed(f"cannot run {command[0]} ({error.strerror}); build it, or give the path of a program") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["no message"]
        raise Failed(f"`{shlex.join(map(str, command))}` ended with {done.returncode}: {said[-1]}")
    return done.stdout


def supple_rate(program, case, args):
    starts, warm_up, steps = timing(case, args.quick)
    total = starts + warm_up + steps
    settings = [*case["settings"], f"total_steps={total}", f"replay.learning_starts={starts}", "eval.episodes=0"]
    settings += [f"checkpoint.every_steps={total}"]
    if args.threads is not None:
        settings += [f"runtime.torch_threads={args.threads}"]
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        sets = [word for setting in settings for word in ("--set", setting)]
        command = [program, "train", CONFIGS / case["config"], *sets, "--run-dir", run_dir]
        run(command, environment(args.threads))
        with (run_dir / "metrics.jsonl").open() as lines:
            times = [(line["step"], line["wall_s"]) for line in map(json.loads, lines)]
    counted = [at for at in times if at[0] >= starts + warm_up]
    if len(counted) < 2 or counted[-1][1] <= counted[0][1]:
        raise Failed(f"the run of {program} logged no two times after its warm-up; check `log_every_updates`")
    (first, begin), (last, end) = counted[0], counted[-1]
    return (last - first) / (end - begin)


def thrust_rate(program, case, args):
    """The examples of thrust-rl take their number of steps from a variable and time nothing, so that the difference
    of two runs is what tells."""
    starts, warm_up, steps = timing(case, args.quick)
    seconds = []
    for total in (starts + warm_up, starts + warm_up + steps):
        begin = time.perf_counter()
        run([program], {**environment(args.threads), "TOTAL_TIMESTEPS": str(total)})
        seconds.append(time.perf_counter() - begin)
    return steps / (seconds[1] - seconds[0])


def library_rate(library, case, args):
    """Runs in a process of its own."""
    starts, warm_up, steps = timing(case, args.quick)
    times = {}

    def at_step(step):
        if step == starts + warm_up:
            times["begin"] = time.perf_counter()
        return True

    import torch

    torch.manual_seed(1)
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    settings = dict(case["library"], learning_starts=starts, **case.get("rlox" if library == "rlox" else "sb3", {}))
    if library == "rlox":
        from rlox import algorithms
        from rlox.callbacks import Callback

        class Clock(Callback):
            def on_step(self, step, **_):
                return at_step(step)

        agent_class = getattr(algorithms, case["agent"])
        agent = agent_class(case["env"], hidden=case["width"], callbacks=[Clock()], seed=1, **settings)
        agent.train(starts + warm_up + steps)
        return steps / (time.perf_counter() - times["begin"])

    import gymnasium
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        def _on_step(self):
            return at_step(self.num_timesteps)

    if library == "sbx":
        import sbx as agents
    else:
        import stable_baselines3 as agents

        settings["device"] = "cpu"
    settings["policy_kwargs"] = dict(net_arch=[case["width"]] * 2)
    agent = getattr(agents, case["agent"])("MlpPolicy", gymnasium.make(case["env"]), seed=1, **settings)
    agent.learn(starts + warm_up + steps, callback=Clock())
    return steps / (time.perf_counter() - times["begin"])


def rate(who, name, args):
    """One round of one framework, or none where it has no program for this case."""
    case = CASES[name]
    if who == "supple":
        return supple_rate(args.program, case, args)
    if who == "thrust":
        return thrust_rate(args.thrust[name], case, args) if name in args.thrust else None
    command = [sys.executable, __file__, name, "--one", who, "--cores", args.cores]
    command += ["--threads", "own" if args.threads is None else args.threads, *(["--quick"] if args.quick else [])]
    return float(run(command, environment(args.threads)).split()[-1])


def table(rates):
    """Markdown of {case: {framework: rates of its rounds}}: medians, and Supple's relative to the others."""
    frameworks = [who for who in NAMES if any(who in row for row in rates.values())]
    peers = [who for who in frameworks if who != "supple"] if "supple" in frameworks else []
    header = ["training, steps/s", *(NAMES[who] for who in frameworks), *(f"Supple / {NAMES[who]}" for who in peers)]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for name, row in rates.items():
        medians = {who: statistics.median(row[who]) for who in frameworks if row.get(who)}
        cells = [f"{medians[who]:,.0f}" if who in medians else "" for who in frameworks]
        pairs = ["supple" in medians and who in medians and medians["supple"] / medians[who] for who in peers]
        lines.append([CASES[name]["what"], *cells, *(f"{pair:.2f}" if pair else "" for pair in pairs)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ranges(rates):
    """The slowest and fastest round of each, to tell a difference from noise."""
    texts = []
    for name, row in rates.items():
        each = [f"{NAMES[who]} {min(row[who]):,.0f} to {max(row[who]):,.0f}" for who in NAMES if row.get(who)]
        texts.append(f"{name}: {', '.join(each)}")
    return "; ".join(texts)


def processor():
    """The model's name as Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def conditions(args, load):
    """Where, with what and how this was measured, as lines of Markdown."""
    threads = "own choice" if args.threads is None else args.threads
    machine = f"{processor()}, cores {args.cores} of {os.cpu_count()}, load {load:.1f} before, {datetime.date.today()}"
    versions = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    if "supple" in args.only:
        commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True)
        at = f" ({commit.stdout.strip()})" if args.built and commit.returncode == 0 else ""
        versions.insert(0, run([args.program, "--version"], environment(None)).strip() + at)
    lines = [
        f"- {machine}",
        f"- threads of each program: {threads}; rounds: {args.rounds}",
        f"- {', '.join(versions)}",
        f"- `{shlex.join(['cargo', 'xtask', 'peers', *args.shown])}`",
    ]
    if not args.thrust:
        lines.append("- thrust-rl: skipped, no program was given (`--thrust CASE=PATH`)")
    if args.quick:
        lines.append("- `--quick` shows that everything runs; its rates are noise")
    return lines


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(2, f"error: {message}; see `cargo xtask peers --help`\n")


def arguments(words):
    parser = Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default=",".join(map(str, sorted(os.sched_getaffinity(0))[:2])))
    parser.add_argument("--threads")
    parser.add_argument("--only")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--program")
    parser.add_argument("--built")  # as --program, but from this checkout
    parser.add_argument("--thrust", action="append", default=[])
    parser.add_argument("--needs", action="store_true")
    parser.add_argument("--one", choices=LIBRARIES)
    args = parser.parse_args(words)
    args.shown = without(words, "--built")
    args.program = args.program or args.built

    args.cases = args.cases or list(CASES)
    if unknown := sorted(set(args.cases) - set(CASES)):
        parser.error(f"there is no case {', '.join(unknown)}, only {', '.join(CASES)}")
    everyone = ["supple", *LIBRARIES]
    args.only = everyone if args.only is None else args.only.split(",")
    if unknown := sorted(set(args.only) - set(everyone)):
        parser.error(f"--only knows no {', '.join(unknown)}, only {', '.join(everyone)}")
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds} measures nothing, 1 is the least")
    try:
        cores = {int(core) for core in args.cores.split(",")}
    except ValueError:
        parser.error(f"--cores {args.cores} is no list of cores such as 0,1")
    if absent := sorted(cores - os.sched_getaffinity(0)):
        parser.error(f"--cores {args.cores}: this process may not use core {', '.join(map(str, absent))}")
    # What is started from here inherits it, so that nothing makes threads for other cores.
    os.sched_setaffinity(0, cores)
    text = str(len(cores)) if args.threads is None else args.threads
    if text != "own" and not (text.isdecimal() and int(text) > 0):
        parser.error(f"--threads {text} is neither a number of threads nor `own`")
    args.threads = None if text == "own" else int(text)
    pairs = [pair.partition("=") for pair in args.thrust]
    for name, _, path in pairs:
        if name not in CASES or not path:
            parser.error(f"--thrust {name} is no case with a program, as pendulum=PATH is")
    args.thrust = {name: executable(parser, path) for name, _, path in pairs}
    if args.needs or args.one:
        return args
    if "supple" in args.only and args.program is None:
        parser.error("there is no Supple to measure without --program PATH")
    args.program = args.program and executable(parser, args.program)
    return args


def executable(parser, path):
    """Absolute, because programs run in folders of their own."""
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        parser.error(f"{path} is no program")
    return os.path.abspath(path)


def without(words, option):
    """The words less an option and its value."""
    words = [word for word in words if not word.startswith(f"{option}=")]
    while option in words:
        place = words.index(option)
        del words[place : place + 2]
    return words


def main():
    args = arguments(sys.argv[1:])
    # xtask asks this before it sets up and builds.
    if args.needs:
        print(" ".join(args.only))
        return
    if args.one:
        print(library_rate(args.one, CASES[args.cases[0]], args))
        return
    load = os.getloadavg()[0]
    frameworks = [*(who for who in NAMES if who in args.only), *(["thrust"] if args.thrust else [])]
    rates = {name: {who: [] for who in frameworks} for name in args.cases}
    for name in args.cases:
        for number in range(args.rounds):
            # Each round begins with another one, so that what a turn leaves behind (heat, caches) favours none.
            turn = number % len(frameworks)
            for who in frameworks[turn:] + frameworks[:turn]:
                if (found := rate(who, name, args)) is not None:
                    rates[name][who].append(found)
                    print(f"{name}, round {number + 1} of {args.rounds}: {NAMES[who]} {found:,.0f}", file=sys.stderr)
    print(table(rates), "", *conditions(args, load), sep="\n")
    if args.rounds > 1:
        print(f"- slowest and fastest rounds: {ranges(rates)}")


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        sys.exit(f"error: {error}")
