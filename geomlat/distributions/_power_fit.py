"""Maximum likelihood for the power spherical law: the direction by ascent, then the concentration."""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import Array, elementwise, scalar
from geomlat.special.gamma import digamma_diff_scalar, trigamma_diff_scalar

STEPS, HALVINGS = 200, 40


def mean_miss(xp: Any, points: Array, w: Array, mu: Array) -> Array:
    """-sum w log h, h = (1 + <mu, x>)/2, as the mean of log1p(|x - mu|^2 / |x + mu|^2)."""
    apart = xp.sum((points - mu[..., None, :]) ** 2, axis=-1)
    across = xp.sum((points + mu[..., None, :]) ** 2, axis=-1)
    ratio = apart / xp.where(across > 0.0, across, xp.ones_like(across))
    return xp.sum(w * xp.where(across > 0.0, xp.log1p(ratio), xp.full_like(ratio, math.inf)), axis=-1)


def best_direction(xp: Any, points: Array, w: Array, mu: Array) -> Array:
    """The local minimum of `mean_miss` over the sphere that is reached from ``mu`` ``(..., m)``.

    Newton's step with the curvature averaged over directions, halved until it goes down; kappa plays no part.
    """
    m = points.shape[-1]
    best = mean_miss(xp, points, w, mu)
    for _ in range(STEPS):
        c = xp.sum(points * mu[..., None, :], axis=-1)
        pull = w / xp.where(1.0 + c > 0.0, 1.0 + c, xp.full_like(c, math.inf))
        along = xp.sum(pull * c, axis=-1)
        spread = xp.sum(pull * (1.0 - c), axis=-1) / (m - 1)
        bend = xp.where(along > 0.0, along + spread, spread)
        bend = xp.where(bend > 0.0, bend, xp.ones_like(bend))[..., None]
        step = (xp.sum(pull[..., None] * points, axis=-2) - along[..., None] * mu) / bend
        open_, moved, value = xp.ones_like(best, dtype=xp.bool), mu, best
        for _ in range(HALVINGS):
            trial = mu + step
            trial = trial / xp.sqrt(xp.sum(trial * trial, axis=-1, keepdims=True))
            at = mean_miss(xp, points, w, trial)
            better = open_ & (at <= best * (1.0 + 1e-14))
            moved, value = xp.where(better[..., None], trial, moved), xp.where(better, at, value)
            open_ = open_ & ~better
            if not xp.any(open_):
                break
            step = 0.5 * step
        size = float(xp.max(xp.abs(moved - mu))) if moved.size else 0.0
        mu, best = moved, value
        if size < 1e-15:
            break
    return mu


@scalar
def concentration_scalar(m: float, miss: float) -> float:
    """kappa with -E log h = psi(2 a + kappa) - psi(a + kappa) = ``miss``; 0 where kappa = 0 gives less.

    Newton's steps, monotone from below on a convex decreasing function; it starts from the bound a / (2 a + kappa).
    """
    a = 0.5 * (m - 1.0)
    if miss <= 0.0:
        return math.inf
    if digamma_diff_scalar(a, a) <= miss:
        return 0.0
    kappa = max(0.0, a / miss - 2.0 * a)
    for _ in range(60):
        step = (digamma_diff_scalar(a + kappa, a) - miss) / trigamma_diff_scalar(a + kappa, a)
        kappa = max(kappa + step, 0.0)
        if abs(step) <= 4e-16 * kappa:
            break
    return kappa


concentration = elementwise(concentration_scalar, cost=1000.0)
