"""Golden trajectories for tests/mujoco.rs, made by dm_control itself.

Made with Python 3.11.7, dm_control 1.0.50, mujoco 3.17.0, numpy 2.4.6 on x86-64 Linux:

    python3 -m venv /tmp/dmcvenv
    /tmp/dmcvenv/bin/pip install dm_control==1.0.50 mujoco==3.17.0 numpy==2.4.6
    /tmp/dmcvenv/bin/python generate_dmc.py      # writes dmc.json here

Cases are as in generate_mujoco.py, which explains them, but for their starts: dm_control is reset
and continues, the test loads the state noted after the reset. A state begins with where the target
is, if a reset draws that; `extra` says how many numbers these are. CI does not run this.
"""

import json
import math
from pathlib import Path

import mujoco
import numpy as np
from dm_control import suite

assert mujoco.__version__ == "3.17.0", mujoco.__version__
HERE = Path(__file__).parent
STATE = mujoco.mjtState.mjSTATE_INTEGRATION
STEPS = 1000
BLOCK = 50  # steps between two notes of the checksum
STARTS = 4  # different ones


class Lcg:
    """Knuth's MMIX generator; its 24 highest bits make a number in [-1, 1)."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 40) / 2**23 - 1.0


class Fnv:
    def __init__(self):
        self.state = 0xCBF29CE484222325

    def add(self, data):
        for byte in data:
            self.state = ((self.state ^ byte) * 0x100000001B3) % 2**64


def f32(numbers):
    return np.asarray(numbers, dtype=np.float32)


def floats(numbers):
    return [float(x) for x in numbers]


def flat(observation):
    return f32(np.concatenate([np.ravel(part) for part in observation.values()]))


def target(domain, physics):
    """Where in the model the target of this episode is."""
    if domain == "reacher":
        return physics.named.model.geom_pos["target", ["x", "y"]]
    if domain == "finger":
        return physics.named.model.site_pos["target", ["x", "z"]]
    return np.empty(0)


def state(domain, physics):
    return np.concatenate([target(domain, physics), physics.get_state(STATE)])


def load(domain, task, seed):
    # No limit of its own: episodes here are of any length.
    kwargs = {"random": seed, "time_limit": float("inf")}
    return suite.load(domain, task, task_kwargs=kwargs)


def approach(domain, physics):
    """Puts the model where it is about to be rewarded, which random actions hardly reach."""
    qpos, qvel = physics.named.data.qpos, physics.named.data.qvel
    if domain == "acrobot":
        qpos[["shoulder", "elbow"]] = 0.01, -0.02
    elif domain == "ball_in_cup":
        qpos[["ball_x", "ball_z"]] = 0.01, 0.36
    elif domain == "cartpole":
        qpos[["slider", "hinge_1"]] = 0.1, 0.03
    elif domain == "dog" and "ball_root" in physics.named.model.jnt_type.axes.row.names:
        qpos["ball_root"][:3] = 0.12, 0.05, 0.04
        qvel["ball_root"] = 0.1
    elif domain == "finger":
        x, z = target(domain, physics) - physics.named.data.xanchor["hinge", ["x", "z"]]
        qpos["hinge"] = 0.1 - math.atan2(x, z)
        if physics.named.model.dof_damping["hinge"] < 0.1:  # to be spun
            qvel["hinge"] = -25
    elif domain == "hopper":
        qpos[:] = 0
        qvel["rootx"] = 1.7
    elif domain == "point_mass":
        qpos[:] = 0.008, -0.006
    elif domain == "reacher":
        finger = physics.named.data.geom_xpos["finger", ["x", "y"]]
        physics.named.model.geom_pos["target", ["x", "y"]] = finger + 0.01
    physics.after_reset()


def case(domain, task, seed):
    env = load(domain, task, seed)
    physics = env.physics
    lcg, checksum = Lcg(seed + 1), Fnv()
    singles, sums, starts, rewarded = [], [], [], 0
    high = env.action_spec().maximum

    def start():
        env.reset()
        if len(starts) % 2 == 1:
            approach(domain, physics)
        starts.append(floats(state(domain, physics)))

    start()
    for step in range(STEPS):
        # Beyond the bounds now and then: the engine clips, rewards are of the unclipped action.
        reach = 1.5 if step % 7 == 0 else 1.0
        act = f32([float(h) * reach * lcg.next() for h in high])
        before = floats(state(domain, physics))
        moment = env.step(act)
        assert not moment.last()
        obs, reward = flat(moment.observation), float(f32(moment.reward))
        inner = np.concatenate([physics.data.qpos, physics.data.qvel])
        checksum.add(obs.tobytes())
        checksum.add(inner.tobytes())
        checksum.add(f32([reward]).tobytes() + bytes([False]))
        rewarded += reward > 0
        if step == 0 or step % 251 == 0:
            singles.append([before, floats(act), floats(inner), floats(obs), reward, False])
        if (step + 1) % BLOCK == 0:
            sums.append(f"{checksum.state:016x}")
        if (step + 1) % 300 == 0:
            start()
    assert len(starts) == STARTS and rewarded > 0
    print(f"{domain}-{task}: {STEPS} steps, {rewarded} of them rewarded")
    return {
        "id": f"dmc/{domain}-{task}",
        "kwargs": {},
        "seed": seed + 1,
        "steps": STEPS,
        "extra": len(target(domain, physics)),
        "starts": starts,
        "singles": singles,
        "checksums": sums,
        "rest": None,
    }


def std_error(obs):
    """Standard errors of the deviations, relative to them."""
    std = obs.std(axis=0)
    kurtosis = (((obs - obs.mean(axis=0)) / np.where(std > 0, std, 1)) ** 4).mean(axis=0)
    return floats(np.round(np.sqrt(np.maximum(kurtosis - 1, 0) / (4 * len(obs))), 3))


def spec(domain, task):
    """Spaces, limits, and where episodes start."""
    limit = suite.load(domain, task)._step_limit
    env = load(domain, task, 0)
    size, resets = len(flat(env.reset().observation)), RESETS.get((domain, task), 500)
    obs = np.array([flat(env.reset().observation) for _ in range(resets)], dtype=np.float64)
    obs = obs.reshape(resets, size)
    return {
        "id": f"dmc/{domain}-{task}",
        "obs": size,
        "low": floats(env.action_spec().minimum),
        "high": floats(env.action_spec().maximum),
        "time_limit": math.ceil(limit),
        "resets": resets,
        "reset_mean": floats(f32(obs.mean(axis=0))) if resets else [],
        "reset_std": floats(f32(obs.std(axis=0))) if resets else [],
        "reset_std_error": std_error(obs) if resets else [],
    }


TASKS = {
    "acrobot": ["swingup", "swingup_sparse"],
    "ball_in_cup": ["catch"],
    "cartpole": ["balance", "balance_sparse", "swingup", "swingup_sparse"],
    "cheetah": ["run"],
    "dog": ["fetch", "run", "stand", "trot", "walk"],
    "finger": ["spin", "turn_easy", "turn_hard"],
    "hopper": ["hop", "stand"],
    "pendulum": ["swingup"],
    "point_mass": ["easy"],
    "reacher": ["easy", "hard"],
    "walker": ["run", "stand", "walk"],
}

# Forces of contacts are large and rare: deviations need many starts. Tasks with none here start as
# the other ones of their domain do.
RESETS = {
    ("cheetah", "run"): 2000,
    ("dog", "fetch"): 8000,
    ("dog", "run"): 0,
    ("dog", "stand"): 0,
    ("dog", "trot"): 0,
    ("dog", "walk"): 0,
    ("hopper", "hop"): 20000,
    ("hopper", "stand"): 0,
}

if __name__ == "__main__":
    names = [(domain, task) for domain, tasks in TASKS.items() for task in tasks]
    cases = [case(*name, seed) for seed, name in enumerate(names)]
    lines = ",\n".join(json.dumps(each) for each in cases)
    specs = ",\n".join(json.dumps(spec(*name)) for name in names)
    (HERE / "dmc.json").write_text(f'{{"cases": [\n{lines}\n], "specs": [\n{specs}\n]}}\n')
