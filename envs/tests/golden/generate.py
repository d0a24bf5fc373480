"""Golden rows for tests/gymnasium.rs, made by Gymnasium itself.

Made with Python 3.11.7, gymnasium 1.4.0, numpy 2.4.6 on x86-64 Linux:

    python3 -m venv /tmp/gymvenv
    /tmp/gymvenv/bin/pip install gymnasium==1.4.0 numpy==2.4.6
    /tmp/gymvenv/bin/python generate.py      # writes one <id>.json per environment here

A row is [case, state, action, next_obs, reward, terminated]. The state is put into the
environment before each step, so no random number generator has to be ported. Cases are sets of
constructor arguments. CI does not run this.
"""

import json
import math
from pathlib import Path

import gymnasium as gym
import numpy as np

assert gym.__version__ == "1.4.0", gym.__version__
HERE = Path(__file__).parent
RNG = np.random.default_rng(0)


def bound(x):
    return float(x) if math.isfinite(x) else str(float(x))


def dump(env_id, cases, states, inject):
    """`states`: list of (case index, f64 state, action)."""
    env = gym.make(env_id)
    space, action = env.observation_space, env.action_space
    resets = np.array([env.reset(seed=seed)[0] for seed in range(2000)])
    spec = {
        "obs_low": [bound(x) for x in space.low],
        "obs_high": [bound(x) for x in space.high],
        "action": int(action.n)
        if isinstance(action, gym.spaces.Discrete)
        else [[bound(x) for x in action.low], [bound(x) for x in action.high]],
        "time_limit": env.spec.max_episode_steps,
        # Observation ranges and means over 2000 resets.
        "reset_min": resets.min(axis=0).astype(float).tolist(),
        "reset_max": resets.max(axis=0).astype(float).tolist(),
        "reset_mean": resets.mean(axis=0).astype(float).tolist(),
    }
    raw = [gym.make(env_id, **kwargs).unwrapped for kwargs in cases]
    rows = []
    for case, state, act in states:
        inject(raw[case], state)
        obs, reward, terminated, truncated, _ = raw[case].step(act)
        assert not truncated
        rows.append(
            [
                case,
                [float(x) for x in state],
                act if isinstance(act, int) else [float(x) for x in act],
                [float(x) for x in np.asarray(obs, dtype=np.float32)],
                float(reward),
                bool(terminated),
            ]
        )
    ended = sum(row[5] for row in rows)
    lines = ",\n".join(json.dumps(row) for row in rows)
    head = json.dumps({"spec": spec, "cases": cases})[:-1]
    (HERE / f"{env_id}.json").write_text(f'{head}, "rows": [\n{lines}\n]}}\n')
    print(env_id, len(rows), "rows,", ended, "terminal")


def uniform(low, high, n):
    return RNG.uniform(low, high, size=(n, len(low)))


def around(x):
    """The numbers just below, at, and just above a border."""
    return [np.nextafter(x, -np.inf), x, np.nextafter(x, np.inf)]


def cartpole():
    def inject(env, state):
        env.state = np.array(state, dtype=np.float64)
        env.steps_beyond_terminated = None

    limit = 12 * 2 * math.pi / 360
    states = [s for s in uniform([-2.4, -3, -0.2, -3], [2.4, 3, 0.2, 3], 150)]
    states += [s for s in uniform([-4.8, -9, -3.2, -9], [4.8, 9, 3.2, 9], 40)]
    for sign in (-1, 1):
        states += [[sign * x, 0.0, 0.0, 0.0] for x in around(2.4)]
        states += [[0.0, 0.0, sign * x, 0.0] for x in around(limit)]
        states += [[sign * 2.399, sign * 0.05, 0.0, 0.0], [sign * 2.399, sign * 0.04, 0.0, 0.0]]
    rows = [(i % 2, list(map(float, s)), int(RNG.integers(2))) for i, s in enumerate(states)]
    dump("CartPole-v1", [{}, {"sutton_barto_reward": True}], rows, inject)


def mountain_car():
    def inject(env, state):
        env.state = np.array(state, dtype=np.float64)

    states = [s for s in uniform([-1.2, -0.07], [0.6, 0.07], 150)]
    states += [s for s in uniform([0.42, -0.01], [0.52, 0.07], 50)]
    states += [s for s in uniform([-1.2, -0.07], [-1.15, 0.0], 30)]
    for v in (-0.07, 0.0, 0.01, 0.02, 0.07):
        states += [[x, v] for p in (-1.2, 0.5, 0.6) for x in around(p)]
    rows = [(i % 2, list(map(float, s)), int(RNG.integers(3))) for i, s in enumerate(states)]
    dump("MountainCar-v0", [{}, {"goal_velocity": 0.02}], rows, inject)


def mountain_car_continuous():
    def inject(env, state):
        env.state = np.array(state, dtype=np.float32)

    states = [s for s in uniform([-1.2, -0.07], [0.6, 0.07], 150)]
    states += [s for s in uniform([0.38, -0.01], [0.47, 0.07], 50)]
    states += [s for s in uniform([-1.2, -0.07], [-1.15, 0.0], 30)]
    states += [[p, v] for p in (-1.2, 0.45, 0.6) for v in (-0.07, 0.0, 0.01, 0.02, 0.07)]
    rows = []
    for i, s in enumerate(states):
        act = RNG.uniform(-1, 1) if i % 5 else RNG.choice([-1.5, -1.0, 0.0, 1.0, 2.0])
        # The state is f32 in Gymnasium, but for the step after reset.
        rows.append((i % 2, [float(np.float32(x)) for x in s], np.array([act], dtype=np.float32)))
    dump("MountainCarContinuous-v0", [{}, {"goal_velocity": 0.02}], rows, inject)


def acrobot():
    def inject(env, state):
        env.state = np.array(state, dtype=np.float64)

    pi = math.pi
    fast = [pi, pi, 4 * pi, 9 * pi]
    states = [s for s in uniform([-x for x in fast], fast, 100)]
    states += [s for s in uniform([-0.1] * 4, [0.1] * 4, 50)]
    states += [s for s in uniform([2.4, -0.6, -1, -1], [pi, 0.6, 1, 1], 80)]
    for sign in (-1, 1):
        states += [[sign * pi, 0, sign * 12, 0], [0, sign * pi, 0, sign * 28], [0, 0, 0, 0]]
        states += [[sign * pi, sign * pi, sign * 4 * pi, sign * 9 * pi]]
    rows = [(0, list(map(float, s)), int(RNG.integers(3))) for s in states]

    # Steps that end just above or below the height where episodes end.
    env = gym.make("Acrobot-v1").unwrapped
    near = []
    while len(near) < 40:
        state = [float(x) for x in uniform([1.5, -1.5, -2, -2], [pi, 1.5, 2, 2], 1)[0]]
        act = int(RNG.integers(3))
        inject(env, state)
        env.step(act)
        height = -math.cos(env.state[0]) - math.cos(env.state[1] + env.state[0])
        if abs(height - 1.0) < 0.005:
            near.append((0, state, act))
    rows += near
    dump("Acrobot-v1", [{}], rows, inject)


def pendulum():
    def inject(env, state):
        env.state = np.array(state, dtype=np.float64)

    states = [s for s in uniform([-math.pi, -8], [math.pi, 8], 150)]
    states += [s for s in uniform([-60, -8], [60, 8], 60)]
    states += [[x * k, v] for k in (-3, -1, 1, 3) for x in around(math.pi) for v in (-8, 0, 7.9)]
    states += [[0.0, 0.0], [0.0, 8.0], [0.0, -8.0]]
    rows = []
    for i, s in enumerate(states):
        act = RNG.uniform(-2, 2) if i % 5 else RNG.choice([-3.0, -2.0, 0.0, 2.0, 5.0])
        rows.append((i % 2, list(map(float, s)), np.array([act], dtype=np.float32)))
    dump("Pendulum-v1", [{}, {"g": 9.81}], rows, inject)


cartpole()
mountain_car()
mountain_car_continuous()
acrobot()
pendulum()
