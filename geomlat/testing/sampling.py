"""The statistical laws of distributions, at a level fixed beforehand: sampler, gradients of draws, estimates.

Every law raises `LawError` if one of its p-values is below `LEVEL`, so small that a sound family fails once in some
ten thousand runs of the whole table with fresh seeds, and a wrong one with tens of thousands of draws at every run.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special, stats

from geomlat.testing.charts import Chart
from geomlat.testing.example import Example, close, tangent
from geomlat.testing.measure import fail, host
from geomlat.testing.structure import arrays, flat, names, rebuild

LEVEL = 1e-7
COUNT = 20_000


def sampler_has_density(e: Example) -> None:
    """Draws have uniform levels along the chart, a mean of -log q equal to the entropy, and scores of mean zero."""
    q = e.q
    x = np.asarray(q.sample(COUNT, rng=11))
    if isinstance(e.chart, Chart):
        level = e.chart.level(q, x).reshape(COUNT, -1)
        for i, u in enumerate(level.T):
            _likely("sampler_has_density", q, f"uniform levels of law {i}", stats.kstest(u, "uniform").pvalue)
    log_q = np.asarray(q.log_prob(x))
    if hasattr(q, "entropy"):
        _mean_zero("sampler_has_density", q, "-log q - entropy", -log_q - np.asarray(q.entropy()))
    for name, g in zip(names(q), scores(e, x), strict=True):
        if g is not None:
            _mean_zero("sampler_has_density", q, f"d log q / d {name}", g)


def pathwise_gradients_are_unbiased(e: Example) -> None:
    """The mean over draws of the gradient of f(z) is that of f(z) d log q: two estimates of one derivative.

    f(z) = sin <c, z> with c of the size of 1 / z (on a circle sin(c cos z + d sin z)), less its mean in the second
    and one more as the advantage of the first, which no right rule minds.
    """
    q = e.q
    if not hasattr(q, "rsample_vjp"):
        return
    many = _repeated(q, COUNT)
    z, pull = many.rsample_vjp(many.draw(rng=12))
    circle = isinstance(e.chart, Chart) and e.chart.periodic
    c = np.random.default_rng(0).standard_normal((2, *z.shape[1:])) / (1.0 if circle else np.abs(z).mean(0))
    inside = c[0] * np.cos(z) + c[1] * np.sin(z) if circle else c[0] * z
    slope = c[1] * np.cos(z) - c[0] * np.sin(z) if circle else c[0]
    phase = np.sum(inside, axis=-1)
    f = np.sin(phase)
    paths = flat(q, pull(np.cos(phase)[..., None] * slope, advantage=f + 1.0))
    for name, path, score in zip(names(q), paths, scores(e, z), strict=True):
        if path is None or score is None:
            continue
        centred = (f - f.mean(0)).reshape(f.shape + (1,) * (score.ndim - f.ndim))
        path = tangent(e, name, path)
        _mean_zero("pathwise_gradients_are_unbiased", q, f"d f / d {name}, pathwise less score", path - centred * score)


def fit_is_the_maximum(e: Example) -> None:
    """``fit`` finds a zero of the weighted score near the truth, and integer weights are repetitions."""
    q = e.q
    if not hasattr(type(q), "fit"):
        return
    x = np.moveaxis(np.asarray(q.sample(600, rng=13)), 0, 1).copy()
    weights = np.random.default_rng(14).integers(1, 4, x.shape[:2])
    fit = type(q).fit(x, weights.astype(float))
    points = np.moveaxis(x, 1, 0)
    for name, g in zip(names(q), scores(Example(fit, e.chart, unit=e.unit), points), strict=True):
        if g is not None:
            w = (weights / weights.sum(1, keepdims=True)).T.reshape(600, len(x), *(1,) * (g.ndim - 2))
            size = np.sqrt(np.mean(g * g, axis=0))
            close("fit_is_the_maximum", q, f"the mean score of {name}", np.sum(w * g, axis=0), 0.0, 1e-7, size + 1e-9)
    for i in range(len(x)):
        repeated = type(q).fit(np.repeat(x[i], weights[i], axis=0))
        for name, a, b in zip(names(q), arrays(fit), arrays(repeated), strict=True):
            close("fit_is_the_maximum", q, f"{name} of repeated points", a[i], b, 1e-8, np.max(np.abs(b)))
    plain = type(q).fit(x)
    gain = 2.0 * np.sum(np.asarray(plain.log_prob(points)) - np.asarray(q.log_prob(points)), axis=0)
    free = sum(int(np.prod(a.shape[1:])) - (name in e.unit) for name, a in zip(names(q), arrays(q), strict=True))
    if not np.all(gain >= -1e-9):
        fail("fit_is_the_maximum", q, f"the likelihood of the fit is below that of the truth by {gain}")
    for p in np.atleast_1d(special.chdtrc(free, gain)):
        _likely("fit_is_the_maximum", q, "the gain in likelihood over the truth", float(p))
    narrow = type(q).fit(x.astype(np.float32))
    if any(a.dtype != np.float32 for a in arrays(narrow)):
        fail("fit_is_the_maximum", q, "a fit of float32 points has another dtype")


def scores(e: Example, x: np.ndarray) -> list[np.ndarray | None]:
    """d log q / d theta at each of the points ``(count, k, *event)``, unit vectors along their sphere."""
    many = _repeated(e.q, len(x))
    value, pull = many.log_prob_vjp(x)
    _, *dq = pull(np.ones_like(value))
    found = flat(e.q, tuple(dq))
    return [g if g is None else tangent(e, name, host(g)) for name, g in zip(names(e.q), found, strict=True)]


def _repeated(q: Any, count: int) -> Any:
    return rebuild(q, [np.broadcast_to(a, (count, *a.shape)) for a in arrays(q)])


def _mean_zero(law: str, q: Any, name: str, x: np.ndarray) -> None:
    x = x.reshape(len(x), -1)
    # A number that hardly varies is zero up to rounding.
    spread = x.std(0) + 1e-12 * (1.0 + np.abs(x).max(0))
    for p in 2.0 * special.ndtr(-np.abs(x.mean(0)) / spread * math.sqrt(len(x))):
        _likely(law, q, f"mean zero of {name}", float(p))


def _likely(law: str, q: Any, name: str, p: float) -> None:
    if not p >= LEVEL:
        fail(law, q, f"{name} has the p-value {p:.2g}, {LEVEL:g} is allowed")


SAMPLING_LAWS = (sampler_has_density, pathwise_gradients_are_unbiased, fit_is_the_maximum)
