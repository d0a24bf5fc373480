"""Environments for the tests of the Python bridge, good and bad."""

import os
import sys
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class World(gymnasium.Env):
    """Observes whatever its tests want."""

    def __init__(self, observation_space, action_space=None):
        self.observation_space = observation_space
        self.action_space = spaces.Discrete(2) if action_space is None else action_space
        self.t = 0

    def observe(self):
        return self.observation_space.sample()

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.t = 0
        return self.observe(), {}

    def step(self, action):
        self.t += 1
        return self.observe(), 1.0, False, self.t == 10, {}


def box(low, high, shape, dtype="float32"):
    return spaces.Box(low, high, shape, np.dtype(dtype).type)


SPACES = {
    "box": box(-1, 1, (2, 3)),
    "scalar": box(-1, 1, ()),
    "doubles": box(-1e3, 1e3, (3,), "float64"),
    "unbounded": box(-np.inf, np.inf, (2,)),
    "half": spaces.Box(np.array([0, -np.inf], np.float32), np.array([np.inf, 5], np.float32)),
    "pixels": box(0, 255, (4, 5, 3), "uint8"),
    "integers": box(-7, 300, (3,), "int64"),
    "discrete": spaces.Discrete(4),
    "started": spaces.Discrete(4, start=-2),
    "multi": spaces.MultiDiscrete([3, 2, 4]),
    "multi_grid": spaces.MultiDiscrete([[3, 2], [2, 5]]),
    "multi_started": spaces.MultiDiscrete([3, 2], start=[5, -1]),
    "binary": spaces.MultiBinary((2, 3)),
    "text": spaces.Text(6),
    "dict": spaces.Dict(
        {"z": spaces.Discrete(3), "a": box(-1, 1, (2, 2)), "m": spaces.MultiBinary(2)}
    ),
    "nested": spaces.Tuple(
        [spaces.Discrete(2), spaces.Dict({"y": box(0, 255, (2,), "uint8"), "x": box(0, 1, (1,))})]
    ),
    "bytes": spaces.Tuple([box(0, 255, (2, 2), "uint8"), box(0, 9, (3,), "uint8")]),
}


def space(name):
    return World(SPACES[name])


def flattened(name):
    """What Gymnasium makes of it."""
    return gymnasium.wrappers.FlattenObservation(World(SPACES[name]))


class Echo(World):
    """Shows the action it was given, and checks it."""

    ACTIONS = {
        "discrete": spaces.Discrete(3),
        "started": spaces.Discrete(3, start=10),
        "many": spaces.Discrete(5000, start=-1),
        "multi": spaces.MultiDiscrete([3, 2, 4]),
        "multi_started": spaces.MultiDiscrete([3, 2], start=[5, -1]),
        "grid": spaces.MultiDiscrete([[3, 2], [2, 2]]),
        "binary": spaces.MultiBinary(3),
        "box": spaces.Box(np.array([[-2, 0], [0, 0]], np.float32), np.array([[2, 1], [4, 8]], np.float32)),
        "doubles": box(-0.1, 0.1, (2,), "float64"),
        "integers": box(0, 10, (2,), "int32"),
        "too_many": spaces.MultiDiscrete([64, 65]),
        "too_binary": spaces.MultiBinary(13),
        "tuple": spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)]),
        "unbounded": box(-np.inf, np.inf, (2,)),
    }

    def __init__(self, name):
        action_space = self.ACTIONS[name]
        shape = (int(np.prod(action_space.shape or (), dtype=int)),)
        super().__init__(box(-np.inf, np.inf, shape), action_space)
        self.action = np.zeros(shape)

    def observe(self):
        return np.asarray(self.action, np.float64).reshape(-1)

    def step(self, action):
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.action = action
        return super().step(action)


class Fault(World):
    """Counts its steps, and does something bad in its third one."""

    def __init__(self, fault="none", at="step", mark=None, pause=0.0, seeds=False):
        super().__init__(box(-1e9, 1e9, (2,)))
        self.fault, self.at, self.mark, self.pause, self.seeds = fault, at, mark, pause, seeds
        self.start = 0
        self.render_mode = None
        if mark is not None:
            with open(mark, "a") as file:
                file.write(f"{os.getpid()}\n")
        self.happen("make")

    def happen(self, now):
        if now != self.at:
            return
        getattr(self, self.fault)()

    def none(self):
        pass

    def exception(self):
        raise ValueError("the bridge is out")

    def leave(self):
        sys.exit(4)

    def exit(self):
        os._exit(3)

    def kill(self):
        os.kill(os.getpid(), 9)

    def orphan(self):
        """Dies while a process that it forked lives on, with every file open."""
        helper = os.fork()
        if helper == 0:
            time.sleep(300)
            os._exit(0)
        with open(self.mark, "a") as file:
            file.write(f"{helper}\n")
        os._exit(3)

    def meet(self):
        """Waits until four are here."""
        with open(f"{self.mark}.met", "a") as file:
            file.write("here\n")
        while open(f"{self.mark}.met").read().count("here\n") < 4:
            time.sleep(0.01)

    def stop(self):
        os.kill(os.getpid(), 19)

    def hang(self):
        time.sleep(1000)

    def spin(self):
        while True:
            pass

    def close_files(self):
        os.closerange(0, 100)
        time.sleep(1000)

    def talk(self):
        print("(no protocol)", end=" ")
        os.write(1, b"(no answer) ")

    def listen(self):
        assert sys.stdin.read() == ""

    def observe(self):
        return np.array([self.t, self.start], np.float64)

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        self.start = seed if self.seeds else 0
        self.happen("reset")
        return self.observe(), info

    def step(self, action):
        time.sleep(self.pause)
        result = super().step(action)
        if self.t == 3:
            self.happen("step")
        return result

    def close(self):
        self.happen("close")


class Wrong(World):
    """Returns something wrong in its third step, or at once."""

    def __init__(self, what):
        obs = box(0, 255, (2,), "uint8") if "byte" in what else box(-1, 1, (2,))
        super().__init__(spaces.Discrete(3) if what == "outside" else obs)
        self.what = what

    def observe(self):
        if self.t < 3:
            return super().observe()
        return {
            "shape": np.zeros((2, 1), np.float32),
            "byte_float": np.array([0.5, 1.0]),
            "byte_int": np.array([300, 1]),
            "words": np.array(["a", "b"]),
            "nan": np.array([0.0, np.nan], np.float32),
            "infinite": np.array([0.0, 1e300]),
            "outside": 7,
        }.get(self.what, np.zeros(2, np.float32))

    def reset(self, *, seed=None, options=None):
        result = super().reset(seed=seed)
        return result[0] if self.what == "old_reset" else result

    def step(self, action):
        obs, reward, terminated, truncated, info = super().step(action)
        if self.t < 3:
            return obs, reward, terminated, truncated, info
        if self.what == "old_step":
            return obs, reward, terminated, info
        rewards = {"no_reward": None, "rewards": [1.0, 2.0], "nan_reward": float("nan")}
        return obs, rewards.get(self.what, reward), terminated, truncated, info


class Flags(World):
    """Returns what it is told from its first step on: the last four values of `step()`, as Python."""

    def __init__(self, returns, reset_info="{}"):
        super().__init__(box(-1, 1, (1,)))
        self.returns, self.reset_info = returns, reset_info

    def reset(self, *, seed=None, options=None):
        obs, _ = super().reset(seed=seed)
        return obs, eval(self.reset_info)

    def step(self, action):
        return (self.observe(), *eval(self.returns))


class NeverCleared(World):
    """Its first episode has `length` steps; from then on `done` stays set."""

    def __init__(self, length=5, cleared=False):
        super().__init__(box(-1, 1, (1,)))
        self.length, self.cleared, self.done = length, cleared, False

    def reset(self, *, seed=None, options=None):
        if self.cleared:
            self.done = False
        return super().reset(seed=seed)

    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        self.done |= self.t == self.length
        return obs, reward, self.done, False, info


class Tasks(World):
    """Changes its task every other step."""

    def __init__(self):
        super().__init__(box(-1, 1, (1,)))

    def step(self, action):
        *rest, info = super().step(action)
        return (*rest, {"task": np.int64(self.t // 2)})


class OddModules(World):
    """Leaves modules that cannot be looked into: one that loads itself when touched, and one without a file."""

    def __init__(self):
        super().__init__(box(-1, 1, (1,)))

        class Lazy:
            def __getattr__(self, name):
                raise ImportError("no display")

        gone = type(sys)("gone")
        gone.__file__ = os.path.join(os.path.dirname(__file__), "gone.py")
        numbered = type(sys)("numbered")
        numbered.__file__ = 3
        sys.modules.update(lazy=Lazy(), gone=gone, numbered=numbered)


class Picture(World):
    def __init__(self, render_mode=None):
        super().__init__(box(-1, 1, (1,)))
        self.render_mode = render_mode

    def render(self):
        picture = np.zeros((2, 3, 3), np.uint8)
        picture[0, 2] = [1, 2, 3]
        picture[1, 0, 1] = self.t
        return picture


class Ambiguous(World):
    def __init__(self, path=None):
        super().__init__(box(-1, 1, (1,)))


class Limited(World):
    def __init__(self, max_episode_steps=5, action_repeat=1, frame_stack=1):
        super().__init__(box(-1, 1, (1,)))


def not_an_environment():
    return "a string"


class Unlike(World):
    """No two have the same spaces."""

    made = 0

    def __init__(self):
        Unlike.made += 1
        super().__init__(box(-1, 1, (Unlike.made,)))


def graph():
    return World(spaces.Sequence(spaces.Discrete(2)))


class Words(spaces.Space):
    """A space that Gymnasium cannot flatten."""


def mission():
    return World(spaces.Dict({"image": SPACES["box"], "mission": Words()}))


class Room(World):
    """Its observation is a Dict with a part that is no fixed number of numbers, as MiniGrid's."""

    def __init__(self):
        picture = box(0, 255, (2, 2, 1), "uint8")
        parts = {"image": picture, "direction": spaces.Discrete(4), "mission": Words()}
        super().__init__(spaces.Dict(parts))

    def observe(self):
        image = np.full((2, 2, 1), 10 + self.t, np.uint8)
        return {"image": image, "direction": self.t % 4, "mission": "go"}


class Image(gymnasium.ObservationWrapper):
    """The picture alone."""

    def __init__(self, env):
        super().__init__(env)
        self.observation_space = env.observation_space["image"]

    def observation(self, observation):
        return observation["image"]


class Affine(gymnasium.ObservationWrapper):
    """`times * x + plus` of a picture."""

    def __init__(self, env, times=1, plus=0):
        super().__init__(env)
        self.times, self.plus = times, plus

    def observation(self, observation):
        return (self.times * observation + self.plus).astype(np.uint8)


def no_wrapper(env):
    return None


def beyond_f32():
    space = spaces.Box(0, 2**62, (1,), np.int64)

    class Clock(World):
        def __init__(self):
            super().__init__(space)
            self.t = 0

        def reset(self, *, seed=None, options=None):
            _, info = super().reset(seed=seed)
            self.t = 0
            return np.array([2**33], np.int64), info

        def step(self, action):
            _, *rest = super().step(action)
            self.t += 1
            return np.array([2**33 + self.t], np.int64), *rest

    return Clock()


def astray():
    """Leaves its bounds by a little."""

    class Astray(World):
        def step(self, action):
            obs, *rest = super().step(action)
            return obs + np.float32(1e6), *rest

    return Astray(SPACES["box"])


def given(**kwargs):
    """Refuses unless it was given just this."""
    assert kwargs == {"word": "a", "number": 1.5, "nested": {"list": [1, "", True]}}, kwargs
    return World(SPACES["box"])


class Slow(Fault):
    """Takes a while to import, as torch would."""

    def __init__(self, seconds):
        time.sleep(seconds)
        super().__init__()


gymnasium.register("Limited-v0", entry_point=Limited)
