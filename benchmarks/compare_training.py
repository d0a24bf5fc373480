"""Training steps per second of ours, Stable-Baselines3 and SBX side by side: one update a step, the same networks.

    cargo build --release --features mujoco
    python benchmarks/compare_training.py target/release/supple [--rounds N] [--cores 0,1] [CASE ...]

Needs Linux and Python with stable-baselines3 (and PyTorch), sbx-rl (and JAX) and gymnasium[mujoco] (measured: see
docs/performance.md). The programs take turns, each in a process of its own that is bound to the cores, and the median
of the rounds counts. A rate is that of the steps after the first thousand updates, so neither the start of a program
nor compilation is in it. None evaluates; threads are each program's own choice.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STARTS, WARM_UP = 1_000, 1_000
CONFIGS = Path(__file__).parent.parent / "configs"
SAC = dict(learning_starts=STARTS, batch_size=256, gamma=0.99, tau=0.005)
CASES = {
    "halfcheetah": dict(
        what="SAC, HalfCheetah-v5, 2x256, batch 256",
        env="HalfCheetah-v5",
        steps=3_000,
        ours=["sac_mujoco.toml"],
        agent="SAC",
        theirs=dict(SAC, learning_rate=3e-4, policy_kwargs=dict(net_arch=[256, 256])),
    ),
    "pendulum": dict(
        what="SAC, Pendulum-v1, 2x64, batch 256",
        env="Pendulum-v1",
        steps=6_000,
        ours=["sac_pendulum.toml"],
        agent="SAC",
        theirs=dict(SAC, learning_rate=1e-3, policy_kwargs=dict(net_arch=[64, 64])),
    ),
    "cartpole": dict(
        what="DQN, CartPole-v1, 2x128, batch 64",
        env="CartPole-v1",
        steps=10_000,
        ours=["dqn_cartpole.toml", "agent.double=false", "replay.n_step=1", "runtime.update_to_data=1.0"],
        agent="DQN",
        theirs=dict(
            learning_starts=STARTS,
            batch_size=64,
            gamma=0.99,
            tau=0.01,
            target_update_interval=1,
            buffer_size=10_000,
            train_freq=1,
            learning_rate=1e-3,
            policy_kwargs=dict(net_arch=[128, 128]),
        ),
    ),
}


def our_rate(program, case):
    config, *settings = case["ours"]
    total = STARTS + WARM_UP + case["steps"]
    settings += [f"total_steps={total}", f"replay.learning_starts={STARTS}", "eval.episodes=0"]
    settings += [f"checkpoint.every_steps={total}"]
    if len(os.sched_getaffinity(0)) == 1:
        settings += ["runtime.torch_threads=1"]  # a configuration cannot know, the libraries see it
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        sets = [word for setting in settings for word in ("--set", setting)]
        command = [program, "train", CONFIGS / config, *sets, "--run-dir", run]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{program} ended with {done.returncode}: {done.stderr}")
        times = [(line["step"], line["wall_s"]) for line in map(json.loads, (run / "metrics.jsonl").open())]
    first, last = next(at for at in times if at[0] >= STARTS + WARM_UP), times[-1]
    return (last[0] - first[0]) / (last[1] - first[1])


def their_rate(library, case):
    """Runs in a process of its own: see `main`."""
    import gymnasium
    from stable_baselines3.common.callbacks import BaseCallback

    class Clock(BaseCallback):
        begin = None

        def _on_step(self):
            if self.num_timesteps == STARTS + WARM_UP:
                self.begin = time.perf_counter()
            return True

    if library == "sbx":
        import sbx as agents
    else:
        import stable_baselines3 as agents
    device = {} if library == "sbx" else dict(device="cpu")
    agent = getattr(agents, case["agent"])("MlpPolicy", gymnasium.make(case["env"]), seed=1, **case["theirs"], **device)
    clock = Clock()
    agent.learn(STARTS + WARM_UP + case["steps"], callback=clock)
    return case["steps"] / (time.perf_counter() - clock.begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the built `supple`")
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="0,1", help="the cores that each program may use")
    parser.add_argument("--one", choices=["sb3", "sbx"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    if not os.access(args.program, os.X_OK):
        parser.error(f"{args.program} is no program; build it as --help says")
    # What is started here inherits it, and so libtorch and JAX make threads for these cores only.
    try:
        os.sched_setaffinity(0, {int(core) for core in args.cores.split(",")})
    except (ValueError, OSError):
        parser.error(f"--cores {args.cores}: give cores that are there, as in 0,1")
    if args.rounds < 1:
        parser.error(f"--rounds {args.rounds}: give one or more")
    if args.one:
        print(their_rate(args.one, CASES[args.cases[0]]))
        return
    print("| training, steps/s | ours | Stable-Baselines3 | SBX | ours / SB3 | ours / SBX |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in args.cases:
        rates = {"ours": [], "sb3": [], "sbx": []}
        for _ in range(args.rounds):
            rates["ours"].append(our_rate(args.program, CASES[name]))
            for library in ("sb3", "sbx"):
                command = [sys.executable, __file__, args.program, name, "--one", library, "--cores", args.cores]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"{library} ended with {done.returncode}: {done.stderr}")
                rates[library].append(float(done.stdout.split()[-1]))
        ours, sb3, sbx = (statistics.median(rates[who]) for who in ("ours", "sb3", "sbx"))
        print(
            f"| {CASES[name]['what']} | {ours:,.0f} | {sb3:,.0f} | {sbx:,.0f} | {ours / sb3:.2f} | {ours / sbx:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
