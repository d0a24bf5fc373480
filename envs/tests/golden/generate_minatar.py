"""Golden games for src/suites/minatar/tests.rs, played by the package MinAtar itself.

Made with Python 3.11.7, MinAtar 1.0.15, numpy 2.4.6 on x86-64 Linux:

    python3 -m venv /tmp/minatar
    /tmp/minatar/bin/pip install numpy==2.4.6
    /tmp/minatar/bin/pip install --no-deps MinAtar==1.0.15
    /tmp/minatar/bin/python generate_minatar.py  # writes one minatar_<game>.json per game here

The package's random draws are written down and given to our games, so no random number generator
has to be ported. A planner that knows the draws to come plays some episodes, so that the games get
to their hard ends; the others are random. CI does not run this.

`draws` are bytes in hex: `k` of a draw from [0, 1), which is (k + 0.5) / 256, or the number of a
draw of whole numbers, counted from the lowest. `actions` are digits. `checks` are the lower 16 bits,
in hex, of a running CRC-32 after each step, of the observation as bytes (channels first), the reward
plus 1 as a byte, and the terminal flag; a reset adds its observation only.

With `scenes`, every few steps begin in a drawn scene instead, crowded so that rare meetings happen.
"""

import copy
import json
import sys
import zlib
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.modules.setdefault("seaborn", None)  # only for pictures
from minatar import Environment  # noqa: E402

assert version("MinAtar") == "1.0.15"
HERE = Path(__file__).parent


class Draws:
    """A generator like NumPy's with coarse numbers, which writes them down."""

    def __init__(self, seed):
        self.inner, self.taken = np.random.RandomState(seed), bytearray()

    def rand(self, n=None):
        k = self.inner.randint(256, size=n)
        self.taken += bytes(np.atleast_1d(k).tolist())
        return (k + 0.5) / 256

    def randint(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        k = self.inner.randint(high - low, size=size)
        self.taken += bytes(np.atleast_1d(k).tolist())
        return k + low


# What a planner likes, besides rewards.
LIKES = {
    "asterix": lambda game: 0.0,
    "breakout": lambda game: -0.05 * abs(game.pos - game.ball_x),
    "freeway": lambda game: -0.05 * game.pos,
    "seaquest": lambda game: 0.4 * game.diver_count - (game.oxygen < 12) * 0.2 * game.sub_y,
    "space_invaders": lambda game: 0.0,
}


def plan(env, name, rng):
    """The first action of the best of some random futures."""
    best, chosen = -np.inf, 0
    actions = env.minimal_action_set()
    for future in range(24):
        world, value, first = copy.deepcopy(env), 0.0, actions[future % len(actions)]
        action = first
        for step in range(14):
            reward, over = world.act(action)
            value += 0.97**step * reward
            if over:
                value -= 100 - step
                break
            if rng.rand() < 0.4:
                action = rng.choice(actions)
        value += LIKES[name](world.env) + 1e-3 * rng.rand()
        if value > best:
            best, chosen = value, first
    return chosen


def seaquest_scene(game, below):
    game.sub_x, game.sub_y = below(10), below(5)
    rightward = below(2) == 1
    game.sub_or = (rightward or game.sub_x == 9) and game.sub_x > 0  # both cells on the board
    game.oxygen, game.diver_count, game.surface = below(200) + 1, below(9) - 2, below(2) == 1
    game.shot_timer, game.e_spawn_timer, game.d_spawn_timer = below(3), below(3), below(3)
    game.e_spawn_speed, game.move_speed, game.ramp_index = below(20) + 1, below(4) + 2, below(8)

    def place():
        return [below(10), below(3) + 1, below(2) == 1]

    game.f_bullets = [place() for _ in range(below(5))]
    game.e_bullets = [place() for _ in range(below(4))]
    game.e_fish = [place() + [below(2)] for _ in range(below(10))]
    game.e_subs = [place() + [below(2), shot] for shot in range(below(8))]
    game.divers = [place() + [below(2)] for _ in range(below(4))]
    game.terminal = False


def space_invaders_scene(game, below):
    def board():
        rows = [below(32) + 32 * below(32) & below(32) + 32 * below(32) for _ in range(10)]
        return np.array([[float(row >> x & 1) for x in range(10)] for row in rows])

    game.alien_map, game.f_bullet_map, game.e_bullet_map = board(), board(), board()
    game.alien_map[0, 0] = 1  # there is always one
    game.pos, game.alien_dir, game.enemy_move_interval = below(10), 2 * below(2) - 1, below(7) + 6
    game.alien_move_timer, game.alien_shot_timer, game.shot_timer = below(3), below(3), below(3)
    game.terminal = False


SCENES = {"seaquest": seaquest_scene, "space_invaders": space_invaders_scene}


def play(name, steps, planned, ramping, sticky, seed, scenes=False):
    """`planned`: how many steps of an episode are planned; those after it are random."""
    rng = np.random.RandomState(seed)
    env = Environment(name, sticky_action_prob=sticky, difficulty_ramping=ramping)
    env.random = env.env.random = Draws(seed)
    crc, actions, checks, returns, ramps = 0, "", "", [], [0]

    def look(crc):
        return zlib.crc32(env.state().transpose(2, 0, 1).astype(np.uint8).tobytes(), crc)

    over, length = True, 0
    while len(actions) < steps:
        if over or scenes and length == 5:
            if scenes:
                SCENES[name](env.env, lambda n: int(env.random.randint(n)))
            else:
                env.reset()
            env.last_action = 0  # ours starts over in each episode, so that it depends on its seed alone
            crc, length, returns = look(crc), 0, returns + [0]
        action = int(plan(env, name, rng) if length < planned else rng.randint(6))
        reward, over = env.act(action)
        crc = zlib.crc32(bytes([int(reward) + 1, over]), look(crc))
        actions += str(action)
        checks += f"{crc & 0xFFFF:04x}"
        returns[-1] += int(reward)
        ramps.append(env.env.difficulty_ramp() or 0)
        length += 1
    print(name, planned, ramping, sticky, "returns", returns, "ramp", max(ramps))
    return {
        "scenes": scenes,
        "difficulty_ramping": ramping,
        "sticky_action_prob": sticky,
        "returns": returns,
        "actions": actions,
        "draws": env.random.taken.hex(),
        "checks": checks,
    }


for game in sys.argv[1:] or LIKES:
    games = [
        play(game, 3000, 10**6, True, 0.1, 1),
        play(game, 1500, 150, True, 0.25, 2),
        play(game, 500, 10**6, False, 0.0, 3),
        play(game, 1000, 0, True, 0.1, 4),
    ]
    if game in SCENES:
        games.append(play(game, 500, 0, True, 0.1, 5, scenes=True))
    text = ",\n".join(json.dumps(game) for game in games)
    (HERE / f"minatar_{game}.json").write_text(f"[{text}]\n")
