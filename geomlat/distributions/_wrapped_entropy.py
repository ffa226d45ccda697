"""What the curvature of a space adds to the entropy of a normal law wrapped on it, with its derivatives.

Open spaces, K = -k^2 <= 0: the mean of (n - 1) log sinhc(k |c|), c normal with variances v_i in its principal axes.
From the product log sinhc(x) = sum_j log(1 + x^2 / (pi j)^2) and log(1 + y) = int (1 - exp(-t y)) exp(-t) / t dt,

    E log sinhc = int_0^inf (1 - prod_i (1 + 2 t k^2 v_i)^(-1/2)) theta(t) dt / t,   theta(t) = sum_j exp(-(pi j)^2 t),

one integral in any dimension and for any scale, taken by the trapezoidal rule in s, t = exp(s - exp(-s)).

Closed spaces, circles and spheres with one scale: the density is a function of the distance r alone, and the entropy an
integral over r by the double exponential rule (Takahasi and Mori 1974), whose ends take the logarithmic poles.
Tested for k s <= 100, and s <= 1e3 periods on circles and spheres of dimension up to 100, to 1e-12.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import Array, elementwise, is_host, is_scalar, namespace, scalar
from geomlat.distributions._windings import known, may_close, radii, whole_sphere, windings_scalar
from geomlat.distributions.normal import HALF_LOG_TAU
from geomlat.manifolds.base import Manifold, SpaceForm

Pull = Callable[[Array], tuple[Array, Array | None, tuple[Array | None, Array | None]]]
STEP = 1.0 / 20.0
NODES = 200


def _rule() -> tuple[np.ndarray, np.ndarray]:
    s = np.arange(-4.6, 1.8, STEP)
    t = np.exp(s - np.exp(-s))
    j = np.arange(1, 6)[:, None]
    with np.errstate(under="ignore"):
        low = (0.5 + np.sum(np.exp(-j * j / t), axis=0)) / np.sqrt(math.pi * t) - 0.5
        high = np.sum(np.exp(-((math.pi * j) ** 2) * t), axis=0)
    return t, np.where(t < 0.3, low, high) * (1.0 + np.exp(-s)) * STEP


TIMES, THETA = _rule()


def entropy_vjp(
    manifold: Manifold, spread: Array, factor: Array | None, isotropic: bool
) -> tuple[Array, Callable[[Array | None], tuple[Array | None, Array | None, Any]]]:
    """The entropy of a wrapped normal law and its pullback to ``(dspread, dfactor, dfields)``.

    ``spread`` holds the standard deviations, or the diagonal of ``factor`` if that is not None.
    """
    forms, pull_forms = manifold.space_forms_vjp()
    xp, start = namespace(spread), 0
    if not forms:
        raise _unknown(manifold, "its factors of constant curvature are not known (space_forms_vjp)")
    blocks, total = [], 0.0
    for form in forms:
        here = slice(start, start + form.copies * form.dim)
        start += form.copies * form.dim
        rows = None if factor is None else factor[..., here, :]
        if may_close(form):
            _check_closed(manifold, form, factor, isotropic, len(forms))
        value, pull_block = (_closed if may_close(form) else _open)(form, spread[..., here], rows)
        total = total + value
        blocks.append(pull_block)

    def pull(dh: Array | None) -> tuple[Array | None, Array | None, Any]:
        if dh is None:
            return None, None, pull_forms([(None, None)] * len(forms))
        dspread, drows, dforms = zip(*(block(dh) for block in blocks), strict=True)
        dfactor = None
        if factor is not None:
            kept = [xp.zeros_like(factor[..., : form.copies * form.dim, :]) for form in forms]
            dfactor = xp.concat([k if d is None else d for k, d in zip(kept, drows, strict=True)], axis=-2)
        return xp.concat(dspread, axis=-1), dfactor, pull_forms(dforms)

    return total, pull


def _open(form: SpaceForm, spread: Array, rows: Array | None) -> tuple[Array, Pull]:
    """On open factors: the normal law's entropy and the mean of the log volume."""
    xp, flat = namespace(spread), form.dim == 1 or (is_scalar(form.curvature) and form.curvature == 0.0)
    value = xp.sum(xp.log(spread) + (HALF_LOG_TAU + 0.5), axis=-1)
    if flat:

        def pull_flat(dh: Array) -> tuple[Array, Array | None, tuple[Array | None, Array | None]]:
            return dh[..., None] / spread, None, (None, None)

        return value, pull_flat
    k = -(float(form.curvature) if is_host(form.curvature) else form.curvature)
    if rows is None:
        variances, axes = spread * spread, None
    else:
        variances, axes = xp.linalg.eigh(xp.matmul(rows, xp.matrix_transpose(rows)))
    mean, slopes = mean_log_sinhc(k * variances)
    power = form.dim - 1.0

    def pull(dh: Array) -> tuple[Array, Array | None, tuple[Array | None, Array | None]]:
        d = (power * dh)[..., None] * slopes
        dk, drows = -xp.sum(d * variances), None
        dspread = dh[..., None] / spread
        if rows is None or axes is None:
            return dspread + 2.0 * k * d * spread, None, (dk, None)
        drows = xp.matmul(axes * (2.0 * k * d)[..., None, :], xp.matmul(xp.matrix_transpose(axes), rows))
        return dspread, drows, (dk, None)

    return value + power * mean, pull


def _closed(form: SpaceForm, spread: Array, rows: Array | None) -> tuple[Array, Pull]:
    """On circles, each with its scale, or on one sphere, whose scales are equal."""
    xp = namespace(spread)
    period = float(form.period) if is_host(form.period) else form.period
    values, by_scale, by_period = closed_entropy(float(form.dim), spread[..., :: form.dim], period)

    def pull(dh: Array) -> tuple[Array, Array | None, tuple[Array | None, Array | None]]:
        d = dh[..., None]
        # The scale of a sphere is shared by its coordinates.
        dspread = xp.repeat(d * by_scale / form.dim, form.dim, axis=-1)
        return dspread, None, (None, xp.sum(d * by_period))

    return xp.sum(values, axis=-1), pull


def _check_closed(manifold: Manifold, form: SpaceForm, factor: Array | None, isotropic: bool, count: int) -> None:
    if factor is not None and count * form.copies > 1:
        raise _unknown(manifold, "full=True mixes factors with windings")
    if form.dim > 1 and not isotropic:
        raise _unknown(manifold, "the scale on a sphere must be one number, of shape (..., 1)")
    if form.dim > 1 and known(form.curvature) and not whole_sphere(form):
        raise _unknown(manifold, "the factor is no whole sphere")


def _unknown(manifold: Manifold, why: str) -> NotImplementedError:
    return NotImplementedError(
        f"the entropy of this law on {manifold!r} is not known: {why}; entropy_estimate(q, rng=...) gives an estimate"
    )


def mean_log_sinhc(variances: Array) -> tuple[Array, Array]:
    """E log sinhc |c| for normal coordinates with these variances ``(..., n)``, and its derivatives by them."""
    xp = namespace(variances)
    where = {"dtype": variances.dtype, "device": device(variances)}
    times, theta = xp.asarray(TIMES, **where), xp.asarray(THETA, **where)
    wide = 2.0 * times * variances[..., None]
    log_det = -0.5 * xp.sum(xp.log1p(wide), axis=-2)
    value = -xp.sum(xp.expm1(log_det) * theta, axis=-1)
    return value, xp.sum((xp.exp(log_det) * theta * times)[..., None, :] / (1.0 + wide), axis=-1)


@scalar
def closed_entropy_scalar(dim: float, scale: float, period: float) -> tuple[float, float, float]:
    """The entropy on the sphere (dim 1: the circle) with great circles of length ``period``; by scale and period."""
    radius = period / (2.0 * math.pi)
    value, by_scale = unit_entropy(dim, scale / radius)
    by_period = (dim - by_scale * scale / radius) / period
    return value + dim * math.log(radius), by_scale / radius, by_period


@scalar
def unit_entropy(dim: float, s: float) -> tuple[float, float]:
    """The entropy on the unit sphere and its derivative by the scale s."""
    power = dim - 1.0
    start, stop = radii(dim, s)
    log_c = -dim * (math.log(s) + 0.5 * math.log(2.0 * math.pi))
    mass, total, slope = 0.0, 0.0, 0.0
    for j in range(1, NODES):
        t = 6.4 * j / NODES - 3.2
        e = math.exp(-math.pi * math.sinh(t))
        r = start + (stop - start) / (1.0 + e)
        wound, _, by_a, _ = windings_scalar(dim, r, 1.0 / s, 2.0 * math.pi)
        log_w = wound - 0.5 * (r / s) * (r / s)
        if power > 0.0:
            log_w += power * math.log(r)
        log_q = log_c + log_w
        if power > 0.0:
            log_q -= power * math.log(math.sin(r))
        weight = math.exp(log_w + log_c) * math.cosh(t) * e / ((1.0 + e) * (1.0 + e))
        score = (r / s) * (r / s) / s - by_a / (s * s) - dim / s
        mass += weight
        total += weight * log_q
        slope += weight * score * log_q
    return -total / mass, -slope / mass


closed_entropy: Any = elementwise(closed_entropy_scalar, cost=3e4, outputs=3)
