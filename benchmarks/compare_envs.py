"""Environment steps per second of ours, Gymnasium and EnvPool side by side.

    cargo build --release -p envs --features mujoco --example steps
    python benchmarks/compare_envs.py target/release/examples/steps [--rounds N] [--seconds S] [ID ...]

Needs Python with gymnasium[mujoco]==1.4.0, mujoco==3.17.0 and envpool. All step with uniform random
actions drawn beforehand, and resets count. One thread: one environment of ours, one of Gymnasium.
Two threads: eight environments, ours as two threads with four each, EnvPool's pool of eight with two
threads. The programs take turns, and the best round of each counts, so that what else the machine
does spoils none of them.
"""

import argparse
import subprocess
import time

import envpool
import gymnasium
import numpy as np

IDS = [
    "Ant-v5",
    "HalfCheetah-v5",
    "Hopper-v5",
    "Humanoid-v5",
    "HumanoidStandup-v5",
    "InvertedDoublePendulum-v5",
    "InvertedPendulum-v5",
    "Pusher-v5",
    "Reacher-v5",
    "Swimmer-v5",
    "Walker2d-v5",
]
ACTIONS = 1000
ENVS, THREADS = 8, 2


def random_actions(space, *shape):
    rng = np.random.default_rng(0)
    return rng.uniform(space.low, space.high, (ACTIONS, *shape, *space.shape)).astype(space.dtype)


def gymnasium_rate(env_id, seconds):
    env = gymnasium.make(env_id, disable_env_checker=True)
    actions = random_actions(env.action_space)
    env.reset(seed=0)
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        _, _, terminated, truncated, _ = env.step(actions[steps % ACTIONS])
        steps += 1
        if terminated or truncated:
            env.reset()
    rate = steps / (time.perf_counter() - begin)
    env.close()
    return rate


def envpool_rate(env_id, seconds):
    env = envpool.make_gymnasium(env_id, num_envs=ENVS, batch_size=ENVS, num_threads=THREADS, seed=0)
    actions = random_actions(env.action_space, ENVS)
    env.reset()
    batches, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        env.step(actions[batches % ACTIONS])
        batches += 1
    rate = batches * ENVS / (time.perf_counter() - begin)
    env.close()
    return rate


def our_rates(program, env_id, seconds):
    words = subprocess.run(
        [program, str(seconds), env_id], check=True, capture_output=True, text=True
    ).stdout.split()
    return float(words[1]), float(words[2])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", help="the built example `steps`")
    parser.add_argument("ids", nargs="*", default=IDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    print("| environment | ours, 1 thread | Gymnasium | ratio | ours, 2 threads | EnvPool | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for env_id in args.ids:
        rounds = [
            (
                *our_rates(args.program, env_id, args.seconds),
                gymnasium_rate(env_id, args.seconds),
                envpool_rate(env_id, args.seconds),
            )
            for _ in range(args.rounds)
        ]
        one, two, gym, pool = (max(rates) for rates in zip(*rounds))
        print(
            f"| {env_id} | {one:,.0f} | {gym:,.0f} | {one / gym:.2f} "
            f"| {two:,.0f} | {pool:,.0f} | {two / pool:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
