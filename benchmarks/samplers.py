"""Samplers of every family beside SciPy, NumPy and torch, and how the cost of a draw grows.

Two groups of `run.py`: ``samplers`` (torch where it is installed) and ``scaling``, the cost of von
Mises-Fisher draws in the number of samples and in the dimension, with its picture, ``scaling.png``.
"""

from __future__ import annotations

import importlib.util
import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from scipy import stats
from timing import Row, interleave, no_steeper

from geomlat.distributions import (
    Beta,
    Gamma,
    LogNormal,
    Normal,
    PowerSpherical,
    SphericalCauchy,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
)
from geomlat.random import Stream, stream

HERE = Path(__file__).parent
N = 200_000
SAMPLES = (1_000, 10_000, 100_000, 1_000_000)
DIMENSIONS = (3, 10, 30, 100, 300, 1000)
Draw = Callable[[], object]


def numpy_power_spherical(m: int, kappa: float, rng: np.random.Generator) -> np.ndarray:
    """De Cao and Aziz (2020), algorithm 1, as array expressions."""
    t = 2.0 * rng.beta(0.5 * (m - 1) + kappa, 0.5 * (m - 1), (N, 1)) - 1.0
    v = rng.standard_normal((N, m - 1))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return np.concatenate([t, np.sqrt(1.0 - t * t) * v], axis=1)


def cases() -> Iterator[tuple[str, str, Draw, str, Draw]]:
    """Item, case, our draws, the peer's name and its draws."""
    rng, key = np.random.default_rng(0), stream(0)

    def ours(q: object) -> Draw:
        return lambda: q.sample(N, rng=key)

    for kappa in (0.5, 10.0, 1e4):
        q = ours(VonMises(np.zeros(1), kappa))
        yield "VonMises", f"kappa = {kappa:g}", q, "NumPy vonmises", lambda k=kappa: rng.vonmises(0.0, k, N)
        yield "VonMises", f"kappa = {kappa:g}", q, "SciPy vonmises", lambda k=kappa: stats.vonmises(k).rvs(N, rng)
    for a in (0.3, 3.0, 1e4):
        yield "Gamma", f"shape = {a:g}", ours(Gamma(np.array([a]), 1.0)), "NumPy", lambda a=a: rng.standard_gamma(a, N)
        yield "Beta", f"a = {a:g}, b = 2", ours(Beta(np.array([a]), 2.0)), "NumPy", lambda a=a: rng.beta(a, 2.0, N)
    yield "Normal", "n = 1", ours(Normal(np.zeros(1), 1.0)), "NumPy", lambda: rng.standard_normal(N)
    yield "LogNormal", "n = 1", ours(LogNormal(np.zeros(1), 1.0)), "NumPy", lambda: rng.lognormal(0.0, 1.0, N)
    for m in (3, 10):
        mu = np.full(m, m**-0.5)
        uniform = stats.uniform_direction(m)
        yield "SphericalUniform", f"m = {m}", ours(SphericalUniform(m - 1)), "SciPy", lambda u=uniform: u.rvs(N, rng)
        q = ours(PowerSpherical(mu, 10.0))
        yield "PowerSpherical", f"m = {m}", q, "NumPy formula", lambda m=m: numpy_power_spherical(m, 10.0, rng)
    angles = stats.wrapcauchy(0.5)
    yield "SphericalCauchy", "m = 2", ours(SphericalCauchy(np.eye(2)[0], 0.5)), "SciPy", lambda: angles.rvs(N, rng)
    if importlib.util.find_spec("torch"):
        yield from torch_cases(ours)


def torch_cases(ours: Callable[[object], Draw]) -> Iterator[tuple[str, str, Draw, str, Draw]]:
    """The families that torch has, in float64."""
    import torch

    one = torch.ones(1, dtype=torch.float64)
    laws = {
        "VonMises": (VonMises(np.zeros(1), 10.0), torch.distributions.VonMises(0.0 * one, 10.0 * one)),
        "Gamma": (Gamma(np.array([3.0]), 1.0), torch.distributions.Gamma(3.0 * one, one)),
        "Beta": (Beta(np.array([3.0]), 2.0), torch.distributions.Beta(3.0 * one, 2.0 * one)),
        "Normal": (Normal(np.zeros(1), 1.0), torch.distributions.Normal(0.0 * one, one)),
    }
    for name, (q, theirs) in laws.items():
        yield name, "one law", ours(q), "torch", lambda p=theirs: p.sample((N,))


def samplers() -> list[Row]:
    """One law each, float64, fresh arrays, all threads."""
    rows = []
    for item, case, ours, peer, theirs in cases():
        times = interleave(ours, theirs, rounds=7)
        rows.append(Row(item, case, peer, "sample", *([t / N for t in run] for run in times)))
    return rows


def _draws(q: VonMisesFisher, n: int, key: Stream, repeats: int) -> None:
    # One result at a time: several alive would be the price of new pages, which no other size pays.
    for _ in range(repeats):
        q.sample(n, rng=key)


def scaling() -> list[Row]:
    """Seconds for each number of a von Mises-Fisher draw, kappa = 100, over the samples at m = 10 and the dimension."""
    found, key = [], stream(0)
    for case, sizes in {"n": [(n, 10) for n in SAMPLES], "m": [(1_000_000 // m, m) for m in DIMENSIONS]}.items():
        rows = []
        for n, m in sizes:
            q = VonMisesFisher(np.full(m, m**-0.5), 100.0)
            repeats = max(1, 20_000 // n)
            times = interleave(partial(_draws, q, n, key, repeats), rounds=7)[0]
            label = f"n = {n}, m = {m}"
            rows.append(Row(f"vMF cost in {case}", label, "", "number", [t / (n * m * repeats) for t in times]))
        found += no_steeper(rows)
    return found


def picture(rows: Mapping[str, list[Row]]) -> None:
    """The time of a whole draw over n and over m, with the line of cost in proportion."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axis, name, text in zip(axes, ("n", "m"), ("samples, m = 10", "dimension"), strict=True):
        chosen = rows[f"vMF cost in {name}"]
        sizes = [dict(part.split(" = ") for part in r.case.split(", ")) for r in chosen]
        x = np.array([float(s[name]) for s in sizes])
        numbers = x * 10 if name == "n" else x
        seconds = numbers * [statistics.median(r.ours) for r in chosen]
        axis.loglog(x, seconds, "o-", label="measured")
        axis.loglog(x, seconds[-1] * x / x[-1], ":", color="0.5", label="in proportion")
        slope = math.log(seconds[-1] / seconds[-2]) / math.log(x[-1] / x[-2])
        axis.set(
            xlabel=text, ylabel="seconds" if name == "n" else "seconds for a draw", title=f"last slope {slope:.2f}"
        )
        axis.legend()
    figure.savefig(HERE / "scaling.png", dpi=120)
