"""Draws the curves of one run: python3 docs/plot_run.py RUN_FOLDER OUTPUT.png (needs matplotlib)."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

run, output = pathlib.Path(sys.argv[1]), sys.argv[2]
rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def series(tag):
    points = [(r["step"], r["metrics"][tag]) for r in rows if tag in r["metrics"]]
    return [s for s, _ in points], [v for _, v in points]


figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
steps, returns = series("train/episode_return")
left.plot(steps, returns, ".", color="#b0b7c3", markersize=3, label="training episodes")
steps, mean = series("eval/return_mean")
_, std = series("eval/return_std")
low = [m - s for m, s in zip(mean, std)]
high = [m + s for m, s in zip(mean, std)]
left.fill_between(steps, low, high, color="#2a6fdb", alpha=0.2, linewidth=0)
left.plot(steps, mean, color="#2a6fdb", label="evaluation, mean and std")
left.set(xlabel="environment steps", title="return")
left.legend(frameon=False, loc="lower right")
for tag, colour in [("q/mean", "#2a6fdb"), ("q/target", "#e0803a")]:
    right.plot(*series(tag), color=colour, label=tag, linewidth=1)
right.set(xlabel="environment steps", title="value")
right.legend(frameon=False, loc="lower right")
for axis in (left, right):
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
figure.tight_layout()
figure.savefig(output, dpi=110)
