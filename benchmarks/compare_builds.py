"""Says whether two builds train every shipped configuration to the same bits.

    cargo build --release --features mujoco
    python benchmarks/compare_builds.py OLD_CHECKOUT OLD_PROGRAM NEW_CHECKOUT NEW_PROGRAM

For changes that should move nothing. Each build trains the files of its own `configs/`, so that keys may be renamed:
some hundred steps in lockstep with one thread, evaluations and diagnostics included. Compared are the bits of every
tensor of the last checkpoint, whatever it is called, and the values in `metrics.jsonl`. Needs Python 3.9, nothing else.
Prints one line per configuration; the exit code is 1 if any differs.
"""

import argparse
import hashlib
import json
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STEPS, STARTS = 260, 60
SETTINGS = [
    f"total_steps={STEPS}", f"replay.learning_starts={STARTS}", "runtime.torch_threads=1", "eval.episodes=1",
    "eval.max_episode_steps=20", f"eval.every_steps={STEPS}", f"checkpoint.every_steps={STEPS}", "log_every_updates=5",
    "diagnostics.every_updates=20", "diagnostics.rank_every_updates=40", "diagnostics.probe_size=32",
    "replay.batch_size=32",
]  # fmt: skip


def tensors(path):
    """Counts of (type, shape, hash of the bytes)."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    body = 8 + length
    found = Counter()
    for name, entry in json.loads(data[8:body]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            digest = hashlib.sha256(data[body + start : body + end]).hexdigest()
            found[entry["dtype"], tuple(entry["shape"]), digest] += 1
    return found


def trained(checkout, program, config, folder):
    """The tensors and logged values of a short run, or what went wrong."""
    run = Path(folder) / "run"
    command = [program, "train", str(checkout / "configs" / config), "--run-dir", str(run), "--json"]
    for setting in SETTINGS:
        command += ["--set", setting]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=checkout)
    if ended.returncode:
        return f"failed: {ended.stderr.strip().splitlines()[-1:]}"
    (checkpoint,) = sorted((run / "checkpoints").glob("step-*"))[-1:]
    values = Counter()
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        timed = ("time/", "throughput/", "perf/", "steps_per", "updates_per")
        values.update((row["step"], repr(v)) for tag, v in row["metrics"].items() if not any(t in tag for t in timed))
    return tensors(checkpoint / "model.safetensors"), values


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("old_checkout", "old_program", "new_checkout", "new_program"):
        p.add_argument(name, type=Path)
    p.add_argument("--jobs", type=int, default=2, help="runs at a time (default %(default)s)")
    a = p.parse_args()
    configs = sorted((a.old_checkout / "configs").rglob("*.toml"))
    configs = [c.relative_to(a.old_checkout / "configs") for c in configs]
    configs = [c for c in configs if c.parts[0] not in ("bench", "stream")]

    def compare(config):
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
            old = trained(a.old_checkout, a.old_program.resolve(), config, one)
            new = trained(a.new_checkout, a.new_program.resolve(), config, two)
        for name, found in (("old", old), ("new", new)):
            if isinstance(found, str):
                return f"{name} {found}"
        gone, came = old[0] - new[0], new[0] - old[0]
        if gone or came:
            return f"differs: {sum(gone.values())} of {sum(old[0].values())} tensors"
        if old[1] != new[1]:
            return f"same tensors, differs in {sum((old[1] - new[1]).values())} of {sum(old[1].values())} logged values"
        return f"same: {sum(old[0].values())} tensors, {sum(old[1].values())} logged values"

    with ThreadPoolExecutor(a.jobs) as pool:
        verdicts = list(pool.map(compare, configs))
    for config, verdict in zip(configs, verdicts):
        print(f"{config}: {verdict}")
    sys.exit(any(not v.startswith("same:") for v in verdicts))


if __name__ == "__main__":
    main()
