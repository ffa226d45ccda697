"""Mixtures of von Mises-Fisher laws beside scikit-learn's KMeans and GaussianMixture: quality, time and memory.

Every fit has a process of its own, after a small fit that loads and compiles everything; the sides take turns. All
settings but the number of components are the defaults (covariances: full in a chart, diagonal above 3 dimensions).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import Row, interleave

from geomlat import SphericalUniform, VonMisesFisher, VonMisesFisherMixture, data
from geomlat.distributions._unit_rows import unit_rows
from geomlat.distributions._vmf_em import Parameters, expectation
from geomlat.special import vmf_ratio

ROUNDS = 3
BATCH = 1000


def planted(n: int, m: int, kappa: float, k: int, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """``n`` draws around ``k`` random directions of R^m, made in blocks: nothing but the rows is large."""
    mu = SphericalUniform(m - 1).sample(k, rng=1)
    labels = np.random.default_rng(2).integers(0, k, n)
    x = np.empty((n, m), dtype)
    for i in range(0, n, 8192):
        x[i : i + 8192] = VonMisesFisher(mu[labels[i : i + 8192]], kappa).sample(rng=3 + i)
    return x, labels


def separation(n: int, m: int, kappa: float, k: int, *_: Any) -> str:
    """How far apart planted clusters are, in degrees: the nearest two means, and a draw from its own mean."""
    mu = SphericalUniform(m - 1).sample(k, rng=1)
    apart = np.degrees(np.arccos(np.max(mu @ mu.T - 2 * np.eye(k))))
    own = np.degrees(np.arccos(vmf_ratio(float(m), kappa)))
    return f"{n} x {m}, K = {k}, kappa = {kappa:g}: means {apart:.0f} degrees apart, draws {own:.0f} from their own"


def mnist() -> tuple[np.ndarray, np.ndarray]:
    """The training images as unit vectors, and their digits."""
    d = data.load("mnist-grey")
    x = d.train.astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True), d.train_labels


def places(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Points to fit and points held out."""
    d = data.load(kind)
    return d.train, d.test


def winds() -> tuple[np.ndarray, np.ndarray]:
    """The days in turn fitted and held out, five parts of them: each part is the rest's test."""
    d = data.load("wind")
    x = np.concatenate([d.train, d.validation, d.test])
    return x, x


def chart(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the points and the log of the surface measure in them: where a Gaussian mixture is at home."""
    angle = np.arctan2(x[:, 1], x[:, 0])
    if x.shape[1] == 2:
        return angle[:, None] % (2 * np.pi), np.zeros(len(x))
    lat = np.arcsin(np.clip(x[:, 2], -1, 1))
    return np.stack([angle, lat], axis=1), np.log(np.cos(lat))


ARI, TEST = "ARI", "test log p"
SMALL, WIDE = (20_000, 50, 100.0, 20, np.float64), (20_000, 768, 600.0, 20, np.float32)
BIG, LONG = (1_000_000, 256, 250.0, 50, np.float32), (50_000, 4096, 2500.0, 20, np.float32)
# Name: what it is, data, K, peers, measure of quality, and the quality and memory (MB in all) that must be reached.
CASES: dict[str, tuple[str, Callable[[], Any], int, tuple[str, ...], str, float, float]] = {
    "planted-50": (separation(*SMALL), lambda: planted(*SMALL), 20, ("KMeans", "GaussianMixture"), ARI, 0.98, np.inf),
    "planted-768": (separation(*WIDE), lambda: planted(*WIDE), 20, ("KMeans",), ARI, 0.98, np.inf),
    "mnist": ("MNIST, 50000 x 784, K = 10", mnist, 10, ("KMeans", "GaussianMixture"), "NMI", 0.48, np.inf),
    "mnist-50": ("MNIST, 50000 x 784, K = 50", mnist, 50, ("KMeans",), "NMI", 0.5, np.inf),
    "wind": ("wind, 310 x 2, K = 3", winds, 3, ("GaussianMixture",), "log p of 5 folds", -1.3, np.inf),
    "quakes": (
        "earthquakes, 4896 x 3, K = 120",
        lambda: places("earthquake"),
        120,
        ("GaussianMixture",),
        TEST,
        -0.3,
        np.inf,
    ),
    "fires": ("fires, 10247 x 3, K = 120", lambda: places("fire"), 120, ("GaussianMixture",), TEST, 0.8, np.inf),
    "big": (separation(*BIG), lambda: planted(*BIG), 50, ("KMeans",), ARI, 0.98, 4096),
    "stream": (f"{separation(*LONG)}, streamed", lambda: planted(*LONG), 20, ("MiniBatchKMeans",), ARI, 0.98, np.inf),
}


def made(who: str, k: int, m: int) -> Any:
    """An estimator with its default settings."""
    if who == "ours":
        return VonMisesFisherMixture(k, rng=0)
    import sklearn.cluster
    import sklearn.mixture

    if who == "GaussianMixture":
        return sklearn.mixture.GaussianMixture(k, covariance_type="diag" if m > 3 else "full", random_state=0)
    return getattr(sklearn.cluster, who)(k, random_state=0)


def fitted(who: str, k: int, x: np.ndarray, batches: bool) -> Any:
    """An estimator that has seen the rows, at once or batch by batch."""
    model = made(who, k, x.shape[1])
    if not batches:
        return model.fit(chart(x)[0] if who == "GaussianMixture" and x.shape[1] <= 3 else x)
    for i in range(0, len(x), BATCH):
        model.partial_fit(x[i : i + BATCH])
    return model


def log_p(who: str, model: Any, x: np.ndarray) -> float:
    """The mean log-density of points with respect to the surface measure."""
    if who == "ours":
        return float(model.score(x))
    angles, measure = chart(x)
    return float(np.mean(model.score_samples(angles) - measure))


def worker(case: str, who: str) -> dict[str, float]:
    """One fit: seconds, quality, and the memory in MB that it took beyond the data, and in all."""
    _, load, k, _, measure, _, _ = CASES[case]
    x, truth = load()
    fitted(who, min(k, 10), x[:2000].copy(), case == "stream")
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    start = time.perf_counter()
    if case == "wind":
        parts = [np.arange(len(x)) % 5 == i for i in range(5)]
        quality = float(np.mean([log_p(who, fitted(who, k, x[~part], False), x[part]) for part in parts]))
    else:
        model = fitted(who, k, x, case == "stream")
    seconds, peak = time.perf_counter() - start, memory("VmHWM")
    if measure == TEST:
        quality = log_p(who, model, truth)
    elif case != "wind":
        from sklearn import metrics

        score = metrics.adjusted_rand_score if measure == ARI else metrics.normalized_mutual_info_score
        quality = float(score(truth, model.predict(x)))
    return {"seconds": seconds, "quality": quality, "beyond": peak - before, "in_all": peak}


def memory(field: str) -> float:
    """The process's resident memory now (VmRSS) or at its largest (VmHWM), in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measured(case: str, who: str) -> dict[str, float]:
    """`worker` in a process of its own."""
    command = [sys.executable, __file__, case, who]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def mixtures() -> list[Row]:
    """A row for each data set and peer, and the time of a step by the number of rows."""
    return [row for case in CASES for row in rows(case)] + growth()


def growth() -> list[Row]:
    """One EM step at m = 64 and K = 20: its time is linear in the number of rows."""
    sizes = (10_000, 100_000, 1_000_000)
    x, _ = planted(sizes[-1], 64, 100.0, 20)
    sets = [unit_rows("growth", x[:n]) for n in sizes]
    model = VonMisesFisherMixture(20, rng=0).fit(x[:2000])
    at = Parameters(model.weights_, model.mu_, model.kappa_)
    times = interleave(*(lambda r=r: expectation(r, at, hard=False) for r in sets), rounds=5)
    per_row = [[t / n for t in run] for run, n in zip(times, sizes, strict=True)]
    middle = [statistics.median(run) for run in per_row]
    found = []
    for n, run in zip(sizes, per_row, strict=True):
        row = Row("vMF mixture, one step", f"{n} x 64, K = 20", "", "row", run, gate="within 2x of the others")
        row.passed = max(middle) <= 2 * min(middle)
        found.append(row)
    return found


def rows(case: str) -> list[Row]:
    """The rows of one data set."""
    name, _, _, peers, measure, gate, limit = CASES[case]
    runs: dict[str, list[dict[str, float]]] = {who: [] for who in ("ours", *peers)}
    for _ in range(2 if case == "big" else ROUNDS):
        for who, found in runs.items():
            found.append(measured(case, who))

    def of(who: str, field: str) -> float:
        return statistics.median(run[field] for run in runs[who])

    found = []
    for peer in peers:
        note = (
            f"{measure} {of('ours', 'quality'):.3f}, peer {of(peer, 'quality'):.3f}; memory beyond the data "
            f"{of('ours', 'beyond'):.0f} MB, peer {of(peer, 'beyond'):.0f} MB; in all {of('ours', 'in_all'):.0f} MB"
        )
        times = [[run["seconds"] for run in runs[who]] for who in ("ours", peer)]
        held = f"{measure} >= {gate:g}" + (f", {limit:g} MB in all" if np.isfinite(limit) else "")
        row = Row("vMF mixture", name, peer, "fit", *times, gate=held, note=note)
        row.passed = of("ours", "quality") >= gate and of("ours", "in_all") <= limit
        found.append(row)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps(worker(*sys.argv[1:])))
