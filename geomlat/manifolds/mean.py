"""The weighted Frechet mean on manifolds of constant curvature: Newton's method in an orthonormal frame.

The mean minimises ``f(x) = sum_i w_i dist(x, p_i)^2 / 2``. With ``l_i = log(x, p_i)`` of length ``r_i`` and direction
``e_i``, its gradient is ``-sum_i w_i l_i`` and its Hessian ``sum_i w_i (k(r_i) I + (1 - k(r_i)) e_i e_i^T)``, where
``k`` is ``r cot r`` on the unit sphere and ``r coth r`` on hyperbolic space (Karcher 1977; Pennec 2006, section 4).
Eigenvalues below `FLOOR` are replaced by their absolute value, so that far from the minimum each step still descends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from geomlat.backends import floating, is_host, is_scalar, namespace
from geomlat.manifolds.vectors import direction, dot, length

Array = Any

STEPS = 30
"""Newton steps at most. NumPy arrays stop earlier when all have converged; other libraries are never asked."""

FLOOR = 0.1
"""The smallest curvature of f a step is scaled by."""

LEAST = -16.0
"""Where k falls below, within 0.2 of the cut locus of the sphere, a step uses this instead."""

TOLERANCE = 64.0
"""Roundings of the gradient's length, times the mean's largest entry if that exceeds one, that count as none."""


class MeanStatus(NamedTuple):
    """How an iterative mean ended: one flag and one residual for each batch element, and the steps that were made."""

    converged: Array
    """Whether the length of the gradient fell below 64 roundings of the point, or of one if that is larger."""

    residual: Array
    """The length of ``sum_i w_i log(x, p_i)`` with normalised weights, before the last step."""

    steps: int


def normalised(xp: Any, points: Array, weights: Array | None, ambient: int) -> Array:
    """The weights, broadcast with the points' batch shape, so that they sum to one along the last axis.

    Raises
    ------
    ValueError
        If there are no points.
    """
    shape = tuple(points.shape[: points.ndim - ambient])
    if not shape or shape[-1] == 0:
        msg = f"a mean needs points of shape (..., k, *ambient) with k > 0, got {tuple(points.shape)}"
        raise ValueError(msg)
    if weights is None:
        ones = xp.ones_like(points[(..., *(0,) * ambient)])
        return ones / shape[-1]
    weights = xp.broadcast_to(weights, np.broadcast_shapes(shape, weights.shape))
    return weights / xp.sum(weights, axis=-1, keepdims=True)


def frechet_mean(
    manifold: Any, curving: Callable[[Array], Array], limit: Any, start: Array, points: Array, weights: Array
) -> tuple[Array, MeanStatus]:
    """The mean of ``points`` under normalised ``weights`` from a ``start``, by steps no longer than ``limit``.

    ``curving(r)`` is the function k above.
    """
    xp, x = namespace(points), start
    limit = limit if is_scalar(limit) else xp.astype(limit, points.dtype)
    tolerance = TOLERANCE * float(xp.finfo(points.dtype).eps)
    steps = 0
    while steps < STEPS:
        steps += 1
        coordinates, values, vectors = _model(xp, manifold, curving, x, points, weights, least=LEAST)
        gradient = xp.sum(weights[..., None] * coordinates, axis=-2)
        residual = length(xp, gradient)
        scale = xp.where(values > FLOOR, values, xp.clip(xp.abs(values), min=FLOOR))
        step = _apply(xp, vectors, 1 / scale, gradient)
        size = length(xp, step)
        step = step * xp.clip(limit / xp.where(size > 0, size, xp.ones_like(size)), max=1.0)[..., None]
        grain = manifold._grain(x)
        x = manifold.project(manifold.exp(x, manifold.from_coordinates(x, step)))
        converged = residual <= tolerance * grain
        if is_host(x) and converged.all():
            break
    return x, MeanStatus(converged, residual, steps)


def mean_pull(
    manifold: Any, curving: Callable[[Array], Array], x: Array, points: Array, weights: Array, dx: Array
) -> tuple[Array, ...]:
    """The cotangents of the points, of the unnormalised weights (times their sum) and of the manifold's fields.

    By the implicit function theorem, from ``sum_i w_i log(x, p_i) = 0``:
    ``H dx = sum_i (w_i d log(x, p_i) + dw_i log(x, p_i))``. The sum vanishes, so that the frame's fields do not matter.
    """
    xp = namespace(points)
    (dx,) = floating(xp, dx)
    coordinates, values, vectors = _model(xp, manifold, curving, x, points, weights, least=-math.inf)
    zero = xp.zeros_like(coordinates[..., 0, :])
    _, dc = manifold.from_coordinates_vjp(x, zero)[1](dx)[:2]
    h = _apply(xp, vectors, 1 / values, dc)
    base = _beside(xp, manifold, x)
    logs, pull_log = manifold.log_vjp(base, points)
    each = xp.broadcast_to(h[..., None, :], coordinates.shape)
    _, dlog = manifold.to_coordinates_vjp(base, logs)[1](weights[..., None] * each)[:2]
    _, dpoints, *fields = pull_log(dlog)
    return dpoints, dot(xp, coordinates, h[..., None, :]), *fields


def _model(
    xp: Any, manifold: Any, curving: Callable[[Array], Array], x: Array, points: Array, weights: Array, *, least: float
) -> tuple[Array, Array, Array]:
    # Coordinates of the logs, and the eigenvalues and eigenvectors of the Hessian with k cut off at ``least``: k has
    # no bound at a cut locus, and a single point there must not stop the steps.
    base = _beside(xp, manifold, x)
    c = manifold.to_coordinates(base, manifold.log(base, points))
    r = length(xp, c)
    e, k = direction(xp, c, r), xp.clip(curving(r), min=least)
    outer = xp.matmul(xp.matrix_transpose((weights * (1 - k))[..., None] * e), e)
    isotropic = xp.sum(weights * k, axis=-1)[..., None, None]
    eye = xp.eye(c.shape[-1], dtype=c.dtype, device=array_api_compat.device(c))
    values, vectors = xp.linalg.eigh(isotropic * eye + outer)
    return c, values, vectors


def _apply(xp: Any, vectors: Array, scale: Array, v: Array) -> Array:
    along = xp.matmul(xp.matrix_transpose(vectors), v[..., None])[..., 0]
    return xp.matmul(vectors, (scale * along)[..., None])[..., 0]


def _beside(xp: Any, manifold: Any, x: Array) -> Array:
    return xp.expand_dims(x, axis=-1 - len(manifold.ambient_shape))
