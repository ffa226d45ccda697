"""How cost grows: tables of distances and importance-sampled likelihoods, their time and the memory beyond the data.

The group ``growth`` of `run.py`; that of draws is in `samplers.py`, that of EM in `vmf_mixture.py`. `picture` draws all
four from the kept numbers, ``growth.png``.
"""

from __future__ import annotations

import re
import statistics
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from timing import Row, interleave

from geomlat.evaluate import log_likelihood
from geomlat.manifolds import Sphere
from geomlat.models import vae

HERE = Path(__file__).parent
# From the size at which the table leaves the caches of a core.
SETS = (1000, 2000, 4000)
ROWS = (100, 400, 1600)
SAMPLES = (50, 200, 800)
WITHIN, LEAST = 2.0, 1.0


def growth() -> list[Row]:
    """Time for each pair and each importance sample, and memory beyond the data: neither may grow with their number."""
    return (
        _pairs(SETS)
        + _likelihood([(n, 100) for n in ROWS], "rows")
        + _likelihood([(200, s) for s in SAMPLES], "samples")
    )


def _pairs(sizes: tuple[int, ...]) -> list[Row]:
    sphere = Sphere(2)
    points = {n: sphere.random_point((n,), rng=0) for n in sizes}
    kept = {n: np.empty((n, n)) for n in sizes}
    runs = [lambda n=n: sphere.pairwise_dist(points[n], points[n], out=kept[n]) for n in sizes]
    return _rows("distances", [f"n = {n}" for n in sizes], "pair", runs, [n * n for n in sizes])


def _likelihood(sizes: list[tuple[int, int]], what: str) -> list[Row]:
    model = vae(784, latent="s2", hidden=(64,))
    theta = model.init(rng=0, dtype=np.float32)
    x = np.random.default_rng(0).integers(0, 2, (max(n for n, _ in sizes), 784)).astype(np.float32)
    runs = [lambda n=n, s=s: log_likelihood(model, theta, x[:n], samples=s, rng=0) for n, s in sizes]
    cases = [f"n = {n}, samples = {s}" for n, s in sizes]
    return _rows(f"likelihood by {what}", cases, "sample", runs, [n * s for n, s in sizes])


def _rows(item: str, cases: list[str], unit: str, runs: list[Callable[[], object]], work: list[int]) -> list[Row]:
    times = interleave(*runs, rounds=5)
    each = [[t / w for t in run] for run, w in zip(times, work, strict=True)]
    middle, memory = [statistics.median(run) for run in each], [_beyond(call) for call in runs]
    constant = max(memory) <= WITHIN * max(min(memory), LEAST)
    rows = []
    for case, run, held in zip(cases, each, memory, strict=True):
        gate = f"time and memory within {WITHIN:g}x of the others (or {WITHIN * LEAST:g} MB)"
        row = Row(item, case, "", unit, run, gate=gate, note=f"{held:.1f} MB")
        row.passed = constant and max(middle) <= WITHIN * min(middle)
        rows.append(row)
    return rows


def _beyond(call: Callable[[], object]) -> float:
    # The largest sum of arrays alive at once, beyond the data and a kept result.
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


PANELS = {
    "vMF cost in n": ("draws on S^9", "n"),
    "vMF mixture, one step": ("rows, EM step, 64 features, K = 20", ""),
    "distances": ("points, all distances on S^2", "n"),
    "likelihood by rows": ("rows, likelihood, 100 samples", "n"),
    "likelihood by samples": ("samples, likelihood, 200 rows", "samples"),
}


def picture(rows: Mapping[str, list[Row]]) -> None:
    """Seconds of the whole over its size, with the line in proportion (for distances: to the square)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    drawn = {item: rows[item] for item in PANELS if rows.get(item)}
    figure, axes = plt.subplots(1, len(drawn), figsize=(3.1 * len(drawn), 3.1), layout="constrained", squeeze=False)
    for axis, (item, found) in zip(axes[0], drawn.items(), strict=True):
        label, key = PANELS[item]
        x = np.array([_size(r.case, key) for r in found])
        # All numbers are per unit of work, which is n, or n^2 for distances.
        work = x**2 if item == "distances" else x
        seconds = work * [statistics.median(r.ours) for r in found]
        axis.loglog(x, seconds / seconds[0], "o-", label="measured")
        axis.loglog(x, work / work[0], ":", color="0.5", label="in proportion")
        axis.minorticks_off()
        axis.set_xticks(x, [f"{v:g}" if v < 1e4 else f"{v:.0e}".replace("e+0", "e") for v in x])
        axis.set(xlabel=label, title=item if not key else item.replace(" in n", ""))
    axes[0, 0].set_ylabel("time, the first = 1")
    axes[0, 0].legend()
    figure.savefig(HERE / "growth.png", dpi=110)


def _size(case: str, key: str) -> float:
    pattern = rf"\b{key} = (\d+)" if key else r"^(\d+)"
    found = re.search(pattern, case)
    if found is None:
        msg = f"no size {key!r} in {case!r}"
        raise ValueError(msg)
    return float(found[1])
