"""Says whether two builds train every shipped configuration to the same bits.

    cargo build --release --features mujoco
    python benchmarks/compare_builds.py take CHECKOUT PROGRAM before.json    # in a checkout of the commit before
    python benchmarks/compare_builds.py take CHECKOUT PROGRAM after.json
    python benchmarks/compare_builds.py compare before.json after.json

For changes that should move nothing. Each build trains the files of its own `configs/`, so that keys may be renamed:
some hundred steps in lockstep with one thread, evaluations and diagnostics included. Taken are a hash of every tensor
of the last checkpoint, whatever it is called, and the values in `metrics.jsonl`. Needs Python 3.9, nothing else.
`compare` prints one line per configuration; its exit code is 1 if any differs.
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
    """Type, shape and hash of the bytes of each tensor, sorted."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    body = 8 + length
    found = []
    for name, entry in json.loads(data[8:body]).items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            digest = hashlib.sha256(data[body + start : body + end]).hexdigest()
            found.append(f"{entry['dtype']} {entry['shape']} {digest}")
    return sorted(found)


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
    values = []
    for line in (run / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        timed = ("time/", "throughput/", "perf/", "steps_per", "updates_per")
        values += [f"{row['step']} {v!r}" for tag, v in row["metrics"].items() if not any(t in tag for t in timed)]
    return {"tensors": tensors(checkpoint / "model.safetensors"), "values": sorted(values)}


def take(a):
    """Trains every configuration and writes what it came to."""
    configs = sorted((a.checkout / "configs").rglob("*.toml"))
    configs = [c.relative_to(a.checkout / "configs") for c in configs]
    configs = [c for c in configs if c.parts[0] not in ("bench", "stream")]

    def one(config):
        with tempfile.TemporaryDirectory() as folder:
            return str(config), trained(a.checkout.resolve(), a.program.resolve(), config, folder)

    with ThreadPoolExecutor(a.jobs) as pool:
        a.file.write_text(json.dumps(dict(pool.map(one, configs)), indent=1))


def compare(a):
    """Prints a verdict per configuration."""
    before, after = (json.loads(file.read_text()) for file in (a.before, a.after))
    same = True
    for config in sorted(before.keys() | after.keys()):
        old, new = before.get(config, "missing"), after.get(config, "missing")
        if isinstance(old, str) or isinstance(new, str):
            verdict = f"before: {old if isinstance(old, str) else 'trained'}, after: {new if isinstance(new, str) else 'trained'}"
        else:
            gone = [sum((Counter(old[key]) - Counter(new[key])).values()) for key in ("tensors", "values")]
            came = [sum((Counter(new[key]) - Counter(old[key])).values()) for key in ("tensors", "values")]
            sizes = [len(old[key]) for key in ("tensors", "values")]
            verdict = f"{sizes[0]} tensors, {sizes[1]} logged values"
            if any(gone) or any(came):
                verdict = f"differs: {gone[0]} of {sizes[0]} tensors (new: {came[0]}), {gone[1]} of {sizes[1]} values (new: {came[1]})"
            else:
                verdict = f"same: {verdict}"
        same &= verdict.startswith("same:")
        print(f"{config}: {verdict}")
    sys.exit(not same)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = p.add_subparsers(required=True)
    t = commands.add_parser("take", help="train every configuration of a checkout")
    t.add_argument("checkout", type=Path)
    t.add_argument("program", type=Path)
    t.add_argument("file", type=Path, help="where the result goes")
    t.add_argument("--jobs", type=int, default=2, help="runs at a time (default %(default)s)")
    t.set_defaults(call=take)
    c = commands.add_parser("compare", help="say which configurations differ")
    c.add_argument("before", type=Path)
    c.add_argument("after", type=Path)
    c.set_defaults(call=compare)
    a = p.parse_args()
    a.call(a)


if __name__ == "__main__":
    main()
