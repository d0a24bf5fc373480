"""Golden trajectories for tests/mujoco.rs, made by Gymnasium itself.

Made with Python 3.11.7, gymnasium 1.4.0, mujoco 3.17.0, numpy 2.4.6 on x86-64 Linux:

    python3 -m venv /tmp/mjvenv
    /tmp/mjvenv/bin/pip install gymnasium==1.4.0 mujoco==3.17.0 numpy==2.4.6
    /tmp/mjvenv/bin/python generate_mujoco.py      # writes mujoco.json here

A case is an id with constructor arguments; its episodes begin in states that are injected, so no
random number generator has to be ported, and restart when terminated. Actions come from a
linear congruential generator that the test has too. Of all steps there is a running checksum
(FNV-1a, 64 bit) over the bits of everything, noted every 50 steps; some are written out, with the
state before, so that each can be repeated on its own. CI does not run this.
"""

import json
import math
from pathlib import Path

import gymnasium as gym
import mujoco
import numpy as np

assert gym.__version__ == "1.4.0", gym.__version__
assert mujoco.__version__ == "3.17.0", mujoco.__version__
HERE = Path(__file__).parent
STATE = mujoco.mjtState.mjSTATE_INTEGRATION
BLOCK = 50  # steps between two notes of the checksum
STARTS = 8  # different ones, in turn
INF = float("inf")


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


def position(env):
    """What is meant to move forward, before the next step."""
    name = type(env).__name__
    if name == "AntEnv":
        return env.data.body(env._main_body).xpos[0]
    if name == "HumanoidEnv":
        num = np.einsum("b,bj->j", env.model.body_mass, env.data.xipos)
        return (num / env.model.body_mass.sum())[0]
    if name in ("HalfCheetahEnv", "HopperEnv", "SwimmerEnv", "Walker2dEnv"):
        return env.data.qpos[0]
    return 0.0


def state(env):
    """The state as the Rust environment saves it."""
    size = mujoco.mj_stateSize(env.model, STATE)
    numbers = np.empty(size)
    mujoco.mj_getState(env.model, env.data, numbers, STATE)
    return np.concatenate([[position(env)], numbers])


def f32(numbers):
    return np.asarray(numbers, dtype=np.float32)


def floats(numbers):
    return [float(x) for x in numbers]


def plain(kwargs):
    """JSON has no infinity."""
    plain_one = lambda x: str(x) if x in (INF, -INF) else x
    return {
        key: [plain_one(x) for x in value] if isinstance(value, tuple) else value
        for key, value in kwargs.items()
    }


def change(env, constants):
    """Writes physical constants into the model, by the names they have in Rust."""
    model = env.model
    for name, value in constants.items():
        if name == "gravity":
            model.opt.gravity[:] *= value / math.sqrt(sum(x * x for x in model.opt.gravity))
        elif name == "friction":
            model.geom_friction[:, 0] *= value / model.geom_friction[:, 0].max()
        elif name == "damping":
            model.dof_damping[:] *= value
        elif name.startswith("mass/"):
            body = model.body(name[5:]).id
            model.body_inertia[body] *= value / model.body_mass[body]
            model.body_mass[body] = value
            mujoco.mj_setConst(model, env.data)
        elif name.startswith("gear/"):
            joint = model.joint(name[5:]).id
            (actuator,) = np.flatnonzero(model.actuator_trnid[:, 0] == joint)
            model.actuator_gear[actuator, 0] = value
        else:
            raise KeyError(name)


def case(env_id, steps, kwargs={}, constants={}, seed=0):
    env = gym.make(env_id, max_episode_steps=10**9, **kwargs).unwrapped
    change(env, constants)
    lcg, checksum = Lcg(seed + 1), Fnv()
    singles, sums, ended, begun = [], [], 0, 0
    high = env.action_space.high

    starts = []
    for i in range(STARTS):
        # A start of Gymnasium's own, then injected again: that is all there is to it.
        env.reset(seed=STARTS * seed + i)
        qpos, qvel = env.data.qpos.copy(), env.data.qvel.copy()
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos, qvel)
        starts.append((qpos, qvel, floats(state(env))))

    def start():
        nonlocal begun
        qpos, qvel, _ = starts[begun % STARTS]
        mujoco.mj_resetData(env.model, env.data)
        env.set_state(qpos, qvel)
        begun += 1

    start()
    for step in range(steps):
        # Beyond the bounds now and then: the engine clips, costs are of the unclipped action.
        reach = 1.5 if step % 7 == 0 else 1.0
        act = f32([float(h) * reach * lcg.next() for h in high])
        before = floats(state(env))
        obs, reward, terminated, truncated, _ = env.step(act)
        assert not truncated and np.isfinite(obs).all()
        inner = np.concatenate([env.data.qpos, env.data.qvel])
        checksum.add(f32(obs).tobytes())
        checksum.add(inner.tobytes())
        checksum.add(f32([reward]).tobytes() + bytes([bool(terminated)]))
        if step < 2 or step % 151 == 0:
            after = [floats(inner), floats(f32(obs)), float(f32([reward])[0]), bool(terminated)]
            singles.append([before, floats(act), *after])
        if (step + 1) % BLOCK == 0:
            sums.append(f"{checksum.state:016x}")
        # Episodes of 300 steps at most, so that there are several of each.
        if terminated or (step + 1) % 300 == 0:
            ended += bool(terminated)
            start()

    # Where a reset leads without noise, through the engine's own forward pass.
    rest = None
    if hasattr(env, "_reset_noise_scale"):
        env._reset_noise_scale = 0.0
        obs, _ = env.reset(seed=0)
        rest = {"obs": floats(f32(obs)), "state": floats(state(env))}
    print(f"{env_id} {kwargs | constants}: {steps} steps, {begun} starts, {ended} terminated")
    return {
        "id": env_id,
        "kwargs": plain(kwargs) | constants,
        "seed": seed + 1,
        "steps": steps,
        "starts": [start[2] for start in starts],
        "singles": singles,
        "checksums": sums,
        "rest": rest,
    }


def spec(env_id):
    """Spaces, limits, and where episodes start."""
    env = gym.make(env_id)
    obs = np.array([env.reset(seed=seed)[0] for seed in range(500)])
    return {
        "id": env_id,
        "obs": env.observation_space.shape[0],
        "low": floats(env.action_space.low),
        "high": floats(env.action_space.high),
        "time_limit": env.spec.max_episode_steps,
        "reset_mean": floats(f32(obs.mean(axis=0))),
        "reset_std": floats(f32(obs.std(axis=0))),
    }


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
OPTIONS = [
    (
        "Ant-v5",
        dict(
            frame_skip=3,
            forward_reward_weight=2.0,
            ctrl_cost_weight=0.3,
            contact_cost_weight=0.01,
            healthy_reward=0.7,
            main_body="aux_1",
            healthy_z_range=(0.4, 0.9),
            contact_force_range=(-0.5, 2.0),
            exclude_current_positions_from_observation=False,
        ),
    ),
    (
        "Ant-v5",
        dict(
            main_body=2,
            healthy_z_range=(0.6, INF),
            terminate_when_unhealthy=False,
            include_cfrc_ext_in_observation=False,
        ),
    ),
    (
        "HalfCheetah-v5",
        dict(
            frame_skip=2,
            forward_reward_weight=0.7,
            ctrl_cost_weight=0.3,
            exclude_current_positions_from_observation=False,
        ),
    ),
    (
        "Hopper-v5",
        dict(
            frame_skip=3,
            forward_reward_weight=1.3,
            ctrl_cost_weight=0.1,
            healthy_reward=0.7,
            healthy_state_range=(-3.0, 3.0),
            healthy_z_range=(0.5, 1.3),
            healthy_angle_range=(-0.5, 0.1),
            exclude_current_positions_from_observation=False,
        ),
    ),
    ("Hopper-v5", dict(terminate_when_unhealthy=False)),
    (
        "Walker2d-v5",
        dict(
            xml_file="walker2d.xml",
            frame_skip=3,
            forward_reward_weight=1.3,
            ctrl_cost_weight=0.1,
            healthy_reward=0.7,
            healthy_z_range=(0.9, 1.5),
            healthy_angle_range=(-0.5, 0.3),
            exclude_current_positions_from_observation=False,
        ),
    ),
    ("Walker2d-v5", dict(terminate_when_unhealthy=False)),
    (
        "Humanoid-v5",
        dict(
            frame_skip=3,
            forward_reward_weight=1.7,
            ctrl_cost_weight=0.3,
            contact_cost_weight=1e-4,
            contact_cost_range=(0.1, 0.5),
            healthy_reward=2.0,
            healthy_z_range=(1.1, INF),
            include_cinert_in_observation=False,
            include_cfrc_ext_in_observation=False,
            exclude_current_positions_from_observation=False,
        ),
    ),
    (
        "Humanoid-v5",
        dict(
            terminate_when_unhealthy=False,
            include_cvel_in_observation=False,
            include_qfrc_actuator_in_observation=False,
        ),
    ),
    (
        "HumanoidStandup-v5",
        dict(
            frame_skip=3,
            ctrl_cost_weight=0.3,
            impact_cost_weight=1e-4,
            impact_cost_range=(0.1, 2.0),
            include_cinert_in_observation=False,
            include_cfrc_ext_in_observation=False,
            exclude_current_positions_from_observation=False,
        ),
    ),
    (
        "HumanoidStandup-v5",
        dict(include_cvel_in_observation=False, include_qfrc_actuator_in_observation=False),
    ),
    ("InvertedDoublePendulum-v5", dict(frame_skip=2, healthy_reward=3.0)),
    ("InvertedPendulum-v5", dict(frame_skip=1)),
    (
        "Pusher-v5",
        dict(
            xml_file="pusher.xml",
            frame_skip=3,
            reward_near_weight=0.7,
            reward_dist_weight=1.3,
            reward_control_weight=0.3,
        ),
    ),
    ("Reacher-v5", dict(frame_skip=3, reward_dist_weight=1.3, reward_control_weight=0.3)),
    (
        "Swimmer-v5",
        dict(
            frame_skip=3,
            forward_reward_weight=0.7,
            ctrl_cost_weight=0.3,
            exclude_current_positions_from_observation=False,
        ),
    ),
]
CONSTANTS = [
    ("Ant-v5", {"friction": 0.05}),
    ("HalfCheetah-v5", {"gravity": 3.7, "mass/torso": 9.0, "gear/bthigh": 60.0, "damping": 1.5}),
    ("Hopper-v5", {"friction": 0.3, "mass/foot": 1.0, "mass/torso": 7.0, "gravity": 12.0}),
    ("Humanoid-v5", {"gravity": 5.0, "mass/lwaist": 5.0, "gear/right_knee": 300.0}),
]

cases = [case(env_id, 1200, seed=i) for i, env_id in enumerate(IDS)]
cases += [case(env_id, 200, kwargs, seed=100 + i) for i, (env_id, kwargs) in enumerate(OPTIONS)]
cases += [
    case(env_id, 200, constants=constants, seed=200 + i)
    for i, (env_id, constants) in enumerate(CONSTANTS)
]
lines = ",\n".join(json.dumps(each) for each in cases)
specs = ",\n".join(json.dumps(spec(env_id)) for env_id in IDS)
(HERE / "mujoco.json").write_text(f'{{"cases": [\n{lines}\n], "specs": [\n{specs}\n]}}\n')
