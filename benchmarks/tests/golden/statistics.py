"""Writes statistics.json: rliable's numbers for a few sets of made-up scores.

    pip install numpy scipy rliable "pandas<3"    # numpy 2.4.6, scipy 1.17.1, rliable 1.2.0
    python statistics.py > statistics.json

Point estimates are exact. Bounds of intervals are means over BATCHES calls of REPS resamples each, with
their standard deviation over the calls: the Monte-Carlo error of one call.
"""

import json

import numpy as np
import scipy.stats
from rliable import library, metrics

BATCHES, REPS = 12, 2500
LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]

rng = np.random.default_rng(7)


def exact(scores):
    return {
        "mean": metrics.aggregate_mean(scores),
        "iqm": metrics.aggregate_iqm(scores),
        "optimality_gap": metrics.aggregate_optimality_gap(scores),
        "profile": [library.run_score_deviation(scores, level) for level in LEVELS],
    }


def interval(scores, statistic):
    bounds = []
    for batch in range(BATCHES):
        # rliable draws from numpy's global generator, whatever random_state says.
        np.random.seed(batch)
        _, found = library.get_interval_estimates(
            {"x": scores}, lambda *x: np.array([statistic(*x)]), reps=REPS
        )
        bounds.append(found["x"][:, 0])
    bounds = np.array(bounds)
    return {"bounds": bounds.mean(0), "error": bounds.std(0, ddof=1)}


def one_task(n):
    scores = rng.normal(0.6, 0.4, size=(n, 1))
    return {"scores": scores[:, 0], **exact(scores)}


def suite(runs, tasks):
    scores = rng.normal(0.6, 0.4, size=(runs, tasks)) + np.linspace(-0.3, 0.3, tasks)
    return {
        "scores": scores.T,
        **exact(scores),
        "intervals": {
            "mean": interval(scores, metrics.aggregate_mean),
            "iqm": interval(scores, metrics.aggregate_iqm),
            "optimality_gap": interval(scores, metrics.aggregate_optimality_gap),
        },
    }


def versus(own, other, with_interval):
    x, y = np.array(own)[:, None], np.array(other)[:, None]
    found = {"own": own, "other": other, "probability": metrics.probability_of_improvement(x, y)}
    if with_interval:
        found["interval"] = interval([x, y], metrics.probability_of_improvement)
    return found


def percentiles(n):
    values = np.sort(rng.normal(size=n))
    return {"values": values, "at": [2.5, 50, 97.5], "found": np.percentile(values, [2.5, 50, 97.5])}


golden = {
    "versions": {"numpy": np.__version__, "scipy": scipy.__version__},
    "reps": REPS,
    "batches": BATCHES,
    "levels": LEVELS,
    "one_task": [one_task(n) for n in [1, 2, 3, 4, 5, 6, 7, 8, 10, 20]],
    "suites": [suite(10, 1), suite(7, 4)],
    "versus": [
        versus([1.0, 2.0, 3.0], [2.0, 2.0, 0.5], False),
        versus([1.0, 1.0], [1.0, 1.0], False),
        versus([3.0], [1.0, 2.0], False),
        versus(rng.normal(0.6, 1, 12), rng.normal(0, 1, 9), True),
    ],
    "percentiles": [percentiles(n) for n in [2, 5, 40, 101]],
}
print(json.dumps(golden, indent=1, default=lambda x: x.tolist()))
