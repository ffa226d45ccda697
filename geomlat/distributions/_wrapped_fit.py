"""Maximum likelihood for wrapped normal laws: scoring steps for the centre, expectation steps for the scale."""

from __future__ import annotations

from typing import Any

from array_api_compat import device

from geomlat.backends import Array, namespace
from geomlat.distributions._directional import finite_estimate, normalised
from geomlat.distributions.wrapped_normal import WrappedNormal
from geomlat.manifolds import Manifold

STEPS, HALVINGS, CLOSE = 400, 30, 1e-11


def fit_wrapped_normal(
    manifold: Manifold, x: Array, weights: Array | None = None, *, full: bool = False
) -> WrappedNormal:
    """The law of weighted maximum likelihood for points ``(..., k, *ambient)`` and weights ``(..., k)``.

    A local maximum, climbed from the Frechet mean and the moments there: the centre moves along Sigma times the score,
    the scale to the second moments that the windings of the points have under the law (an expectation-maximisation
    step), both halved together until the likelihood rises. The scale is diagonal, or the lower triangular factor if
    ``full``; it is never shared. On spheres of dimension at least 2 the likelihood has weak poles where the centre is a
    point; they are not looked for.

    >>> import numpy as np
    >>> from geomlat.manifolds import Euclidean
    >>> x = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [1.0, -1.0]])
    >>> fit_wrapped_normal(Euclidean(2), x).scale.round(4)
    array([0.7071, 0.7071])

    Raises
    ------
    ValueError
        If there is no point, or the points do not vary in some direction, so that the likelihood has no maximum.
    """
    xp, ambient = namespace(x, weights), len(manifold.ambient_shape)
    if x.ndim <= ambient or x.shape[-1 - ambient] == 0:
        msg = f"fit_wrapped_normal needs points (..., k, *{tuple(manifold.ambient_shape)}), k > 0, got {tuple(x.shape)}"
        raise ValueError(msg)
    points = xp.astype(x, xp.float64, copy=False)
    w = xp.ones_like(points[(..., *(0,) * ambient)]) if weights is None else xp.astype(weights, xp.float64, copy=False)
    w = normalised("fit_wrapped_normal", w, points.shape[-1 - ambient])
    loc = manifold.mean(points, w)[0]
    c = _coordinates(manifold, loc, points, ambient)
    moments = xp.sum(w[..., None, None] * c[..., :, None] * c[..., None, :], axis=-3)
    variances = xp.linalg.diagonal(moments)
    if not bool(xp.all(variances > 0.0)):
        msg = "fit_wrapped_normal: the points do not vary in some direction, so that the scale has no estimate"
        raise ValueError(msg)
    scale = xp.linalg.cholesky(moments) if full else xp.sqrt(variances)
    pace, before = xp.ones_like(variances[..., 0]), xp.zeros_like(variances)
    for _ in range(STEPS):
        loc, scale, towards, size = _climb(xp, manifold, points, w, loc, scale, full, pace)
        # A score that turns around has been overshot: curvature adds to the information of the flat law.
        turned = xp.sum(towards * before, axis=-1) < 0.0
        pace, before = xp.where(turned, 0.7 * pace, xp.clip(1.05 * pace, max=1.0)), towards
        if not bool(xp.any(size > CLOSE)):
            break
    finite_estimate("fit_wrapped_normal", "the scale", scale, x.dtype)
    return WrappedNormal(manifold, xp.astype(loc, x.dtype, copy=False), xp.astype(scale, x.dtype, copy=False), full)


def _climb(
    xp: Any, manifold: Manifold, points: Array, w: Array, loc: Array, scale: Array, full: bool, pace: Array
) -> tuple[Array, Array, Array, Array]:
    """One step: the new centre and scale, the scaled score of the centre before it, and the size of the whole one."""
    value, dloc, dscale = _likelihood(xp, manifold, points, w, loc, scale, full, True)
    factor = scale if full else scale[..., None] * _identity(xp, scale)
    score = manifold.to_coordinates(loc, manifold.egrad_to_rgrad(loc, dloc))
    towards = xp.matmul(xp.matrix_transpose(factor), score[..., None])[..., 0]
    step = pace[..., None] * xp.matmul(factor, towards[..., None])[..., 0]
    if full:
        lower = xp.tril(xp.matmul(xp.matrix_transpose(factor), dscale), k=-1)
        excess = lower + xp.matrix_transpose(lower) + _diagonal(xp, factor, dscale)
    else:
        excess = scale * dscale
    size = xp.max(xp.abs(towards), axis=-1) + xp.max(xp.abs(excess), axis=(-2, -1) if full else -1)
    share, left = xp.ones_like(value), xp.ones_like(value, dtype=xp.bool)
    new_loc, new_scale = loc, scale
    for _ in range(HALVINGS):
        t = xp.where(left, share, xp.zeros_like(share))
        trial = manifold.exp(loc, manifold.from_coordinates(loc, t[..., None] * step))
        width = _widened(xp, scale, t, excess, full)
        at = _likelihood(xp, manifold, points, w, trial, width, full, False)[0]
        good = left & (at >= value - 1e-15 * (1.0 + xp.abs(value)))
        pad = (...,) + (None,) * (trial.ndim - value.ndim)
        new_loc = xp.where(good[pad], trial, new_loc)
        new_scale = xp.where(good[(..., *(None,) * (1 + full))], width, new_scale)
        left, share = left & ~good, 0.5 * share
        if not bool(xp.any(left)):
            break
    return new_loc, new_scale, towards, size


def _widened(xp: Any, scale: Array, t: Array, excess: Array, full: bool) -> Array:
    # The factor of L (1 + t excess) L^T: second moments are positive definite, so that t <= 1 keeps it so.
    if not full:
        return scale * xp.sqrt(xp.clip(1.0 + t[..., None] * excess, min=1e-3))
    return xp.matmul(scale, xp.linalg.cholesky(_identity(xp, scale) + t[..., None, None] * excess))


def _diagonal(xp: Any, factor: Array, dscale: Array) -> Array:
    both = xp.matmul(xp.matrix_transpose(factor), dscale)
    return xp.linalg.diagonal(both)[..., None] * _identity(xp, factor)


def _likelihood(
    xp: Any, manifold: Manifold, points: Array, w: Array, loc: Array, scale: Array, full: bool, slopes: bool
) -> tuple[Array, Array, Array]:
    """The weighted mean of log q and its derivatives by the centre and the scale."""
    ambient = len(manifold.ambient_shape)
    law = WrappedNormal(manifold, xp.expand_dims(loc, axis=-1 - ambient), xp.expand_dims(scale, axis=-2 - full), full)
    if not slopes:
        return xp.sum(w * law.log_prob(points), axis=-1), loc, scale
    log_q, pull = law.log_prob_vjp(points)
    *_, dloc, dscale = pull(w)
    return (
        xp.sum(w * log_q, axis=-1),
        xp.squeeze(dloc, axis=-1 - ambient),
        xp.squeeze(dscale, axis=-2 - full),
    )


def _coordinates(manifold: Manifold, loc: Array, points: Array, ambient: int) -> Array:
    base = namespace(loc).expand_dims(loc, axis=-1 - ambient)
    return manifold.to_coordinates(base, manifold.log(base, points))


def _identity(xp: Any, like: Array) -> Array:
    return xp.eye(like.shape[-1], dtype=like.dtype, device=device(like))
