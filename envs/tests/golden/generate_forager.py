"""Golden lives for src/suites/forager/tests.rs, lived by the package continual-foragax itself.

Made with Python 3.11.7, continual-foragax 0.58.0, jax 0.10.2, gymnax 0.0.9 on x86-64 Linux:

    python3 -m venv /tmp/foragax
    /tmp/foragax/bin/pip install continual-foragax==0.58.0 gymnax==0.0.9 jax==0.10.2 six
    /tmp/foragax/bin/python generate_forager.py  # writes forager_two_biome.json here

No random number generator is ported: where a life begins is written down, and so is what the package
drew, read off its states. `start` has an object for each cell, row by row: 0 for none, 1 and 2 for
oyster and chanterelle of the left biome, 3 and 4 for those of the right one, 5 for a wall. `actions`
are digits. `draws` are a delay and a cell for each food that is placed again, in order. `checks` are
the lower 16 bits, in hex, of a running CRC-32 after each step of: the observation (channels first),
all objects, all timers, the food that each timer is of, the player's column and row, each number a
byte, and the reward as a signed byte. `counts` are steps in which something was eaten, expired, or both.

The player goes to some food, and now and then anywhere, so that it eats much, bumps into walls, and
lets food expire. `waves` are rewards of the four foods at some times with the period of 500,000.
CI does not run this.
"""

import json
import zlib
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from foragax.registry import make

assert version("continual-foragax") == "0.58.0"
HERE = Path(__file__).parent
ID, W, H, STEPS = "ForagaxSquareWaveTwoBiome-v11", 24, 15, 3000
MOVES = [(0, 1), (1, 0), (0, -1), (-1, 0)]


def grids(state):
    o = state.object_state
    return [np.asarray(x).ravel() for x in (o.object_id, o.respawn_timer, o.respawn_object_id)]


def hex_digits(numbers):
    return "".join(f"{int(x):x}" for x in numbers)


def placed(before, after, pos, eaten):
    """Delay and cell of each food that was placed in a step: of an eaten one first."""
    (old, old_timer, _), (now, timer, kind) = before, after
    new = [int(c) for c in np.nonzero((old_timer == 0) & (timer > 0))[0]]
    gone = [int(c) for c in np.nonzero((old > 0) & (old < 5) & (now == 0))[0]]
    expired = [c for c in gone if not (eaten and c == pos)]
    assert len(new) == len(gone) and len(expired) <= 1, (new, gone)
    if len(new) == 2:
        # The cell that an expired food leaves is free for that food only.
        wanted = int(old[pos])
        new.sort(key=lambda c: (int(kind[c]) != wanted, c == expired[0]))
    return [(int(timer[c]) - 1, c) for c in new], bool(expired)


def live(seed, aperture, period):
    env = make(ID, aperture_size=aperture, observation_type="color", period=period)
    rng = np.random.RandomState(seed)
    key = jax.random.key(seed)
    obs, state = env.reset(key, env.default_params)
    start, target = grids(state)[0], 0
    actions, draws, checks, counts, crc = [], [], [], [0, 0, 0], 0
    for t in range(STEPS):
        before, (x, y) = grids(state), (int(state.pos[0]), int(state.pos[1]))
        food = np.nonzero((before[0] > 0) & (before[0] < 5))[0]
        if before[0][target] in (0, 5) or rng.rand() < 0.02:
            target = int(rng.choice(food))
        dx, dy = target % W - x, target // W - y
        action = (1 if dx > 0 else 3) if dx and (not dy or rng.rand() < 0.5) else 0 if dy > 0 else 2
        if rng.rand() < 0.2 or t % 1000 > 900:
            action = int(rng.randint(4))
        key, step_key = jax.random.split(key)
        obs, state, reward, done, _ = env.step(step_key, state, action, env.default_params)
        assert not done
        after, (x, y) = grids(state), (int(state.pos[0]), int(state.pos[1]))
        pos = y * W + x
        eaten = bool(0 < before[0][pos] < 5)
        drawn, expired = placed(before, after, pos, eaten)
        assert len(drawn) == eaten + expired
        for i, happened in enumerate((eaten, expired, eaten and expired)):
            counts[i] += int(happened)
        draws += [n for pair in drawn for n in pair]
        actions.append(action)
        seen = np.asarray(obs).transpose(2, 0, 1).astype(np.uint8).tobytes()
        rest = b"".join(x.astype(np.uint8).tobytes() for x in after)
        reward = int(reward)
        crc = zlib.crc32(seen + rest + bytes([x, y]) + reward.to_bytes(1, "big", signed=True), crc)
        checks.append(f"{crc & 0xffff:04x}")
    print(seed, counts, flush=True)
    return {
        "aperture_size": aperture,
        "period": period,
        "start": hex_digits(start),
        "actions": hex_digits(actions),
        "draws": draws,
        "checks": "".join(checks),
        "counts": counts,
    }


def waves():
    env = make(ID, observation_type="color")
    times = [1, 2, 249_999, 250_000, 250_001, 499_999, 500_000, 749_999, 750_000, 3_100_000]
    rewards = lambda t: [float(env.objects[i].reward(np.int32(t), None)) for i in range(1, 5)]
    return [[t, *rewards(t)] for t in times]


if __name__ == "__main__":
    lives = [live(0, 9, 500_000), live(1, 9, 400), live(2, 5, 700), live(3, 15, 333)]
    rows = lambda some: ",\n".join(json.dumps(one, separators=(",", ":")) for one in some)
    text = f'{{"waves":[\n{rows(waves())}\n],\n"lives":[\n{rows(lives)}\n]}}\n'
    (HERE / "forager_two_biome.json").write_text(text)
