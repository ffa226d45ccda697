"""The laws of distributions: each a function of an `Example` that raises `LawError` where the family breaks it.

Quadrature, differences and bitwise comparisons, without chance; `geomlat.testing.sampling` holds the statistical laws.
Check a family of your own with::

    example = Example(MyLaw(loc, scale), chart=LINE)
    for law in FAMILY_LAWS:
        law(example)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geomlat.distributions.kl import has_closed_form, kl_divergence, kl_divergence_vjp
from geomlat.grad import gradcheck
from geomlat.testing.charts import Chart
from geomlat.testing.example import Array, Example, close, same, tangent
from geomlat.testing.kinds import a_batch_is_a_loop, draws_split, single_precision_is_rounded
from geomlat.testing.measure import fail
from geomlat.testing.structure import arrays, flat, names, rebuild

Pull = Callable[[Any], Any]
Rule = Callable[..., tuple[Any, Pull]]


def density_integrates_to_one(e: Example) -> None:
    """``int q = 1``, ``entropy() = -int q log q``, ``mean()`` is that of the density, and no node beats ``mode()``."""
    if e.chart is None:
        return
    q, (x, mass, log_q) = e.q, _masses(e)
    close("density_integrates_to_one", q, "the integral of the density", mass.sum(0), 1.0, 1e-9)
    if hasattr(q, "entropy"):
        entropy = -np.sum(mass * np.where(mass > 0, log_q, 0.0), axis=0)
        close("density_integrates_to_one", q, "the entropy", q.entropy(), entropy, 1e-9, 1.0)
    if hasattr(q, "mean") and not e.intrinsic:
        mean = e.chart.mean(q, x, mass)
        close("density_integrates_to_one", q, "the mean", q.mean(), mean, 1e-9, np.max(np.abs(mean)))
    if hasattr(q, "mode") and not np.all(log_q <= q.log_prob(q.mode()) + 1e-9):
        fail("density_integrates_to_one", q, "the density is higher elsewhere than at the mode")


def score_has_mean_zero(e: Example) -> None:
    """``int q d log q / d theta = 0`` for every parameter (but a direction about which the chart is symmetric)."""
    if e.chart is None:
        return
    x, mass, _ = _masses(e)
    # The size of what cancels: the mean over a part of the space about which the law is not symmetric.
    pull, part = e.q.log_prob_vjp(x)[1], mass.copy()
    part[int(0.4 * len(part)) :] = 0.0
    whole, partial = (flat(e.q, tuple(pull(dl)[1:])) for dl in (mass, part))
    for name, g, size in zip(names(e.q), whole, partial, strict=True):
        if g is not None and not (name in e.unit and isinstance(e.chart, Chart)):
            g, size = tangent(e, name, g), float(np.max(np.abs(np.asarray(size))))
            close("score_has_mean_zero", e.q, f"the mean of d log q / d {name}", g, 0.0, 1e-8, size)


def draws_move_with_the_level(e: Example) -> None:
    """``q(y) dy/dtheta = -dF/dtheta`` along the chart: a draw keeps its level of the distribution function F.

    For the parameters in ``level``, but those of laws inside the law (a draw of a mixture keeps the level of its
    component); the right side is an integral of the score over the shorter tail.
    """
    q, chart = e.q, e.chart
    moving = [name for name in e.level if "." not in name]
    if not moving or not isinstance(chart, Chart):
        return
    for seed in range(3):
        z, pull = q.rsample_vjp(q.draw(rng=seed))
        moved: list[Any] = flat(q, pull(chart.slope(q, z)))
        y, left = chart.read(q, z), chart.level(q, z[None])[0] < 0.5
        x, log_weight = chart.nodes(
            q, start=np.where(left, _end(chart, q, 0), y), stop=np.where(left, y, _end(chart, q, 1))
        )
        log_q, pull_density = q.log_prob_vjp(x)
        tail = flat(q, tuple(pull_density(np.exp(log_q + log_weight))[1:]))
        density = np.exp(q.log_prob(z) + chart.place(q, y)[1])
        for name, dy, df in zip(names(q), moved, tail, strict=True):
            if name in moving:
                shape = dy.shape[: density.ndim] + (1,) * (dy.ndim - density.ndim)
                sign = np.where(left, -1.0, 1.0).reshape(shape)
                expected = sign * df / density.reshape(shape)
                close("draws_move_with_the_level", q, f"dy / d {name}", dy, expected, 1e-8)


def pullbacks_are_derivatives(e: Example) -> None:
    """Every ``_vjp`` gives the value of its function bitwise and its derivatives, with each argument broadcast in turn.

    `log_prob`, `entropy`, the divergences, and `rsample` by the parameters that are not in ``level``.
    """
    q, params = e.q, arrays(e.q)
    x = q.sample(rng=1)
    same(q, "log_prob", q.log_prob(x), q.log_prob_vjp(x)[0])
    _differences("log_prob_vjp", q, _density_rule(q), [x, *params])
    if hasattr(q, "entropy"):
        same(q, "entropy", q.entropy(), q.entropy_vjp()[0])
        _differences("entropy_vjp", q, _entropy_rule(q), params)
    if hasattr(q, "rsample_vjp"):
        noise = q.draw((2,), rng=5)
        same(q, "rsample", q.rsample(noise), q.rsample_vjp(noise)[0])
        same(q, "sample", q.rsample(noise), q.sample((2,), rng=5))
        free = [i for i, name in enumerate(names(q)) if name not in e.level]
        _differences("rsample_vjp", q, _draw_rule(e, q.draw(rng=2), free), [params[i] for i in free])
    for p in e.others:
        same(q, "kl_divergence", kl_divergence(q, p), kl_divergence_vjp(q, p)[0])
        _differences(f"kl_divergence_vjp to {type(p).__name__}", q, _divergence_rule(q, p), [*params, *arrays(p)])


def divergences_are_expectations(e: Example) -> None:
    """``KL(q || p) = int q (log q - log p) >= 0`` for the closed forms, and ``KL(q || q) = 0`` exactly."""
    if has_closed_form(e.q, e.q):
        same(e.q, "KL(q || q)", kl_divergence(e.q, e.q), np.zeros(e.q.batch_shape))
    for p in e.others:
        value = kl_divergence(e.q, p)
        if not np.all(value >= 0):
            fail("divergences_are_expectations", e.q, f"KL(q || {type(p).__name__}) = {value}")
        if e.chart is not None and p.event_shape == e.q.event_shape:
            x, mass, log_q = _masses(e)
            gap = np.zeros_like(mass)
            np.subtract(log_q, p.log_prob(x), out=gap, where=mass > 0)
            expected = np.sum(mass * gap, axis=0)
            close("divergences_are_expectations", e.q, f"KL to {p!r}", value, expected, 1e-8, 1.0)


def coordinates_add(e: Example) -> None:
    """Laws of one number side by side as one law of vectors: densities, entropies, divergences add; the draws agree."""
    q, params = e.q, arrays(e.q)
    if q.event_shape != (1,) or any(a.shape != (*q.batch_shape, 1) for a in params):
        return
    joint = rebuild(q, [a[:, 0] for a in params])
    x = q.sample(5, rng=4)
    same(q, "the draws of the vector", joint.sample(5, rng=4), x[..., 0])
    close("coordinates_add", q, "log_prob", joint.log_prob(x[..., 0]), q.log_prob(x).sum(-1), 1e-13, 1.0)
    if hasattr(q, "entropy"):
        close("coordinates_add", q, "entropy", joint.entropy(), q.entropy().sum(), 1e-13, 1.0)
    for p in e.others:
        if arrays(p) and all(a.shape == (*q.batch_shape, 1) for a in arrays(p)):
            side = rebuild(p, [a[:, 0] for a in arrays(p)])
            close("coordinates_add", q, "KL", kl_divergence(joint, side), kl_divergence(q, p).sum(), 1e-13, 1.0)
    # Two laws of vectors whose last parameter is shared by the coordinates.
    shared = rebuild(q, [*(np.stack([a[:, 0]] * 2) for a in params[:-1]), np.full((2, 1), params[-1][0, 0])])
    pullbacks_are_derivatives(Example(shared, level=e.level))
    draws_split(Example(shared))


def _masses(e: Example) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    assert e.chart is not None
    x, log_weight = e.chart.nodes(e.q)
    log_q = np.asarray(e.q.log_prob(x))
    return x, np.exp(log_q + log_weight), log_q


def _end(chart: Chart, q: Any, which: int) -> np.ndarray:
    c, w = chart.frame(q)
    end = c + w * np.sinh(chart.range(w)[which])
    # Just inside, so that a circle's end is not wrapped to the other one.
    return np.asarray(end - (1e-9 if chart.periodic else 0.0) * (2 * which - 1))


def _density_rule(q: Any) -> Rule:
    def vjp(x: Array, *new: Array) -> tuple[Array, Pull]:
        value, pull_density = rebuild(q, list(new)).log_prob_vjp(x)

        def pull(dl: Array) -> Any:
            dx, *dq = pull_density(dl)
            return dx, *flat(q, tuple(dq))

        return value, pull

    return vjp


def _entropy_rule(q: Any) -> Rule:
    def vjp(*new: Array) -> tuple[Array, Pull]:
        value, pull = rebuild(q, list(new)).entropy_vjp()
        return value, lambda dh: tuple(flat(q, pull(dh)))

    return vjp


def _draw_rule(e: Example, noise: Any, free: list[int]) -> Rule:
    # An angle jumps where it is wrapped; its cosine and sine do not.
    circle, params = isinstance(e.chart, Chart) and e.chart.periodic, arrays(e.q)

    def vjp(*new: Array) -> tuple[Any, Pull]:
        law = rebuild(e.q, [new[free.index(i)] if i in free else a for i, a in enumerate(params)])
        z, pull_draw = law.rsample_vjp(noise)

        def pull(dz: Any) -> Any:
            dz = dz[1] * np.cos(z) - dz[0] * np.sin(z) if circle else dz
            zeros = np.zeros(z.shape[: z.ndim - len(e.q.event_shape)])
            return tuple(g for i, g in enumerate(flat(e.q, pull_draw(dz, advantage=zeros))) if i in free)

        return ((np.cos(z), np.sin(z)) if circle else z), pull

    return vjp


def _divergence_rule(q: Any, p: Any) -> Rule:
    count = len(arrays(q))

    def vjp(*new: Array) -> tuple[Array, Pull]:
        value, pull_kl = kl_divergence_vjp(rebuild(q, list(new[:count])), rebuild(p, list(new[count:])))

        def pull(dk: Array) -> Any:
            dq, dp = pull_kl(dk)
            return *flat(q, dq), *flat(p, dp)

        return value, pull

    return vjp


def _differences(name: str, q: Any, rule: Rule, args: list[Array]) -> None:
    # All arguments in full, then each in turn with the batch of one law beside the others in full, and the other way.
    calls = [args]
    for k in range(len(args)) if len(args) > 1 else ():
        calls.append([a[0] if i == k else a for i, a in enumerate(args)])
        calls.append([a if i == k else a[0] for i, a in enumerate(args)])
    for call in calls if args else ():
        try:
            gradcheck(rule, *call, step=1e-3, directions=1)
        except AssertionError as error:
            fail("pullbacks_are_derivatives", q, f"{name}: {error}")


FAMILY_LAWS = (
    density_integrates_to_one,
    score_has_mean_zero,
    draws_move_with_the_level,
    pullbacks_are_derivatives,
    divergences_are_expectations,
    draws_split,
    a_batch_is_a_loop,
    single_precision_is_rounded,
    coordinates_add,
)
