"""Trains configurations with many seeds under several kernel sets and says where their last evaluations lie.

    cargo build --release
    python benchmarks/measure_configs.py target/release/supple quickstart dqn_cartpole --seeds 1-20 \\
        --kernels native,default --jobs 2 --csv docs/results/classic.csv --threshold 475

Needs Linux and Python 3.9, nothing else. A kernel set is the value of ATEN_CPU_CAPABILITY, with which libtorch computes
as another processor would (`native`: what it chooses here); sums then round differently, and a run that is unstable
ends elsewhere. `mkl-compatible` is native with MKL's most conservative matrix products (MKL_CBWR=COMPATIBLE). Runs have
one thread each. The file gets one row per evaluation when its run has ended, so a call that was stopped continues where
it was; `--summary` only prints what is there. Nothing is dropped: a run that fails stops the call.
"""

import argparse
import csv
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = "task agent config overrides kernel_set seed step return_mean return_std wall_s commit cpu".split()
KERNELS = {
    "native": {},
    "default": {"ATEN_CPU_CAPABILITY": "default"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "mkl-compatible": {"MKL_CBWR": "COMPATIBLE"},
}
SAVING = Lock()


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program", help="the supple program, built with --release")
    p.add_argument("configs", nargs="+", help="names below configs/, without .toml, or paths")
    p.add_argument("--seeds", default="1-20", help="3, 1-20 or 1-5,9 (default %(default)s)")
    p.add_argument("--kernels", default="native,default", help=f"of {', '.join(KERNELS)} (default %(default)s)")
    p.add_argument("--jobs", type=int, default=1, help="runs at a time (default %(default)s)")
    p.add_argument("--csv", type=Path, required=True, help="file that keeps the rows")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as for supple train")
    p.add_argument("--threshold", type=float, help="count the runs whose last evaluation is at least this")
    p.add_argument("--summary", action="store_true", help="train nothing")
    return p.parse_args()


def numbers(text):
    ends = [[int(n) for n in part.split("-")] for part in text.split(",")]
    return [seed for part in ends for seed in range(part[0], part[-1] + 1)]


def rows_of(path):
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def key(row):
    return row["config"], row["overrides"], row["kernel_set"], int(row["seed"])


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


def commit():
    out = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=True)
    return out.stdout.strip()


def evaluations(folder):
    """Step, wall time, mean and deviation of each evaluation; a run that was evaluated twice at a step counts once."""
    found = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        record = json.loads(line)
        if "eval/return_mean" in record["metrics"]:
            found[record["step"]] = (record["wall_s"], record["metrics"])
    return [(step, wall, m["eval/return_mean"], m["eval/return_std"]) for step, (wall, m) in sorted(found.items())]


def run(args, config, kernels, seed, about):
    path = Path(config) if config.endswith(".toml") else ROOT / "configs" / f"{config}.toml"
    settings = [*args.set, f"seed={seed}", "runtime.torch_threads=1"]
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        command = [args.program, "train", str(path), "--json", "--run-dir", str(run_dir)]
        command += [word for setting in settings for word in ("--set", setting)]
        env = {k: v for k, v in os.environ.items() if k not in ("ATEN_CPU_CAPABILITY", "MKL_CBWR")}
        done = subprocess.run(command, env=env | KERNELS[kernels], text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
        end = json.loads(done.stdout.splitlines()[-1])
        resolved = (run_dir / "config.toml").read_text().splitlines()
        found = evaluations(run_dir)
    task = value_in(resolved, "[env]", "name")
    agent = value_in(resolved, "[agent]", "kind")
    if found[-1][0] != end["steps"]:
        raise RuntimeError(f"{config}, seed {seed}: the last evaluation is of step {found[-1][0]}, not {end['steps']}")
    overrides = " ".join(args.set)
    rows = [
        dict(zip(COLUMNS, [task, agent, config, overrides, kernels, seed, step, mean, std, round(wall, 2), *about]))
        for step, wall, mean, std in found
    ]
    with SAVING:
        save(args.csv, rows)
        print(f"{config} {overrides} {kernels} seed {seed}: {rows[-1]['return_mean']:.1f}", flush=True)


def value_in(lines, table, name):
    here = lines[lines.index(table) + 1 :]
    return next(line.split("=", 1)[1].strip().strip('"') for line in here if line.split("=")[0].strip() == name)


def save(path, rows):
    """Appends the rows of one run in one write."""
    new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def interval(values):
    """95 % bootstrap interval of the mean, by percentiles of 10,000 resamples of a fixed generator."""
    generator = random.Random(0)
    means = sorted(statistics.fmean(generator.choices(values, k=len(values))) for _ in range(10_000))
    return means[249], means[9_749]


def summary(rows, threshold):
    last = {}
    for row in rows:
        if key(row) not in last or int(row["step"]) > int(last[key(row)]["step"]):
            last[key(row)] = row
    groups = {}
    for (config, overrides, kernels, _), row in last.items():
        groups.setdefault((config, overrides, kernels), []).append(row)
    print("| configuration | overrides | kernel set | seeds | mean [95 %] | min | median | max | reached | seconds |")
    print("| --- | --- | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for (config, overrides, kernels), of in groups.items():
        values = [float(row["return_mean"]) for row in of]
        low, high = interval(values)
        reached = "" if threshold is None else f"{sum(v >= threshold for v in values)} of {len(values)}"
        print(
            f"| {config} | {overrides} | {kernels} | {len(values)} | {statistics.fmean(values):.1f} [{low:.1f}, {high:.1f}] "
            f"| {min(values):.1f} | {statistics.median(values):.1f} | {max(values):.1f} | {reached} "
            f"| {statistics.median(float(row['wall_s']) for row in of):.0f} |"
        )


def main():
    args = arguments()
    kernels = args.kernels.split(",")
    if unknown := set(kernels) - set(KERNELS):
        sys.exit(f"--kernels: {', '.join(sorted(unknown))} is none of {', '.join(KERNELS)}")
    seeds, overrides = numbers(args.seeds), " ".join(args.set)
    if not args.summary:
        done = {key(row) for row in rows_of(args.csv)}
        about = (commit(), processor())
        with ThreadPoolExecutor(args.jobs) as pool:
            wanted = [(c, k, s) for c in args.configs for s in seeds for k in kernels]
            runs = [pool.submit(run, args, *w, about) for w in wanted if (w[0], overrides, *w[1:]) not in done]
            try:
                for each in runs:
                    each.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    wanted = [row for row in rows_of(args.csv) if row["config"] in args.configs and row["overrides"] == overrides]
    summary([row for row in wanted if int(row["seed"]) in seeds and row["kernel_set"] in kernels], args.threshold)


if __name__ == "__main__":
    main()
