"""The preimages of a point under the exponential map, where geodesics close, and what they add to a density.

On a space of constant positive curvature, dimension n and geodesics of length P the point at distance r, 0 <= r <= P/2,
in direction e is reached by the tangents r_k e, r_k = r + k P, for all whole k. A normal law with standard deviation
1/a along e gives the densities of its preimages the ratio to that of the shortest

    |r_k / r|^(n-1) exp(-a^2 (r_k^2 - r^2) / 2),

the power from the volume of the exponential map, n |sin| in both being equal. `windings` is the log of their sum with
its derivatives. For n >= 2 it grows without bound towards r = 0, where a whole sphere of tangents comes back; at r = 0
itself, of probability 0, only the shortest is counted. At n = 1 it is the wrapped normal law of the circle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from geomlat.backends import Array, elementwise, is_host, is_scalar, namespace, scalar
from geomlat.distributions._lattice import lattice_vjp
from geomlat.manifolds.base import Manifold, SpaceForm
from geomlat.manifolds.vectors import direction, length

REACH = 9.2  # exp(-REACH^2 / 2) is below the rounding of float64
TAIL = 40.0  # and so is exp(-TAIL)
FAR = 1e6  # scale in periods from which the sum is its integral, to 1e-12


def windings_vjp(
    manifold: Manifold, inverse: Array | None, c: Array, w: Array, spread: Array
) -> tuple[Array | float, Callable[[Array], tuple[Any, ...]]]:
    """What the other windings add to the log-density of coordinates c, and its pullback.

    ``w = L^-1 c``, ``spread`` is the diagonal of L and ``inverse`` that of a full L, else None. The pull gives
    ``(dc, dw, dspread, dfactor, dfields)``, ``dfactor`` the cotangent of L.
    """
    forms, pull_forms = manifold.space_forms_vjp()
    if not any(may_close(form) for form in forms):

        def pull_nothing(dl: Array) -> tuple[Any, ...]:
            return None, None, None, None, None

        return 0.0, pull_nothing
    if inverse is not None and sum(form.copies for form in forms) > 1:
        if any(may_close(form) and form.dim > 1 for form in forms):
            msg = f"on {manifold!r} the windings of a full scale are not summed: full=True mixes a sphere with the rest"
            raise NotImplementedError(msg)
        return lattice_vjp(forms, pull_forms, inverse, w, spread)
    xp, total, parts, start = namespace(c, w, spread), 0.0, [], 0
    for form in forms:
        here = slice(start, start + form.copies * form.dim)
        start += form.copies * form.dim
        value, pull_block = _block_vjp(xp, form, c[..., here], w[..., here], spread[..., here])
        total = total + value
        parts.append(pull_block)

    def pull(dl: Array) -> tuple[Any, ...]:
        dc, dw, dspread, dperiods = zip(*(part(dl) for part in parts), strict=True)
        fields = pull_forms([(None, dperiod) for dperiod in dperiods])
        return xp.concat(dc, axis=-1), xp.concat(dw, axis=-1), xp.concat(dspread, axis=-1), None, fields

    return total, pull


def known(size: Any) -> bool:
    """Whether a curvature or a period can be read without waiting for a device."""
    return is_scalar(size) or is_host(size)


def may_close(form: SpaceForm) -> bool:
    """Whether geodesics close: the period is finite, or an array on a device, which is not looked at."""
    return not known(form.period) or float(form.period) < math.inf


def whole_sphere(form: SpaceForm) -> bool:
    """Whether a factor whose geodesics close is known to be a sphere: of curvature (2 pi / period)^2."""
    if not (known(form.curvature) and known(form.period)):
        return False
    return abs(float(form.curvature) * (float(form.period) / (2 * math.pi)) ** 2 - 1) < 1e-6


def _block_vjp(
    xp: Any, form: SpaceForm, c: Array, w: Array, spread: Array
) -> tuple[Array, Callable[[Array], tuple[Any, ...]]]:
    """`windings_vjp` for the coordinates of one factor or of several alike."""
    dim = form.dim
    cs, ws = (xp.reshape(a, (*a.shape[:-1], form.copies, dim)) for a in (c, w))
    r, mahalanobis = length(xp, cs), length(xp, ws)
    some = r > 0
    safe = xp.where(some, r, xp.ones_like(r))
    a = 1 / spread if dim == 1 else xp.where(some, mahalanobis / safe, xp.ones_like(r))
    # A number does not promote float32 arrays.
    period = float(form.period) if is_host(form.period) else form.period
    values, by_r, by_a, by_period = windings(float(dim), r, a, period)

    def pull(dl: Array) -> tuple[Any, ...]:
        dl = dl[..., None]
        dr, da = dl * by_r, dl * by_a
        dw, dspread = xp.zeros_like(ws), -da * a * a
        if dim > 1:
            dw, dspread = (da / safe)[..., None] * direction(xp, ws, mahalanobis), xp.zeros_like(w)
            dr = dr - da * a / safe
        dc = xp.where(some, dr, xp.zeros_like(dr))[..., None] * direction(xp, cs, r)
        dc, dw = (xp.reshape(a, (*a.shape[:-2], form.copies * dim)) for a in (dc, dw))
        return dc, dw, dspread, xp.sum(dl * by_period)

    return xp.sum(values, axis=-1), pull


@scalar
def windings_scalar(dim: float, r: float, a: float, period: float) -> tuple[float, float, float, float]:
    """The log of the sum and its derivatives by r, a and the period; all 0 where no geodesic closes."""
    if not period < math.inf or (r == 0.0 and dim > 1.0):
        return 0.0, 0.0, 0.0, 0.0
    power = dim - 1.0
    if a * period * FAR < 1.0:
        return far_windings(dim, r, a, period)
    peak = math.sqrt(power) / a
    # The density falls beyond its peak, so that of the others winding -1 is the largest.
    if peak < 0.5 * period and log_ratio(power, r, a, period, -1.0) < -TAIL:
        return 0.0, 0.0, 0.0, 0.0
    top = highest(power, r, a, period, peak)
    last = int((peak + REACH / a) / period) + 2
    total, by_r, by_a, by_period = 0.0, 0.0, 0.0, 0.0
    for k in range(-last, last + 1):
        x = r + k * period
        weight = math.exp(log_ratio(power, r, a, period, k) - top)
        total += weight
        if k != 0:
            by_a -= weight * a * (x - r) * (x + r)
            slope = -a * a * x
            if power > 0.0:
                slope += power / x
                by_r -= weight * power / r
            by_r += weight * (slope + a * a * r)
            by_period += weight * k * slope
    return top + math.log(total), by_r / total, by_a / total, by_period / total


@scalar
def radii(dim: float, s: float) -> tuple[float, float]:
    """The distances on the unit sphere between which the law of scale s has its mass, to exp(-TAIL)."""
    mode, beyond = math.sqrt(dim - 1.0), 9.0
    for _ in range(4):
        excess = beyond * mode + 0.5 * beyond * beyond - TAIL
        if mode > 0.0:
            excess -= mode * mode * math.log1p(beyond / mode)
        beyond -= excess / (beyond + mode * beyond / (mode + beyond))
    start, stop = s * (mode - math.sqrt(TAIL)), s * (mode + beyond)
    return (max(start, 0.0), stop) if stop < math.pi else (0.0, math.pi)


@scalar
def log_ratio(power: float, r: float, a: float, period: float, k: float) -> float:
    """The log of the density at the preimage of winding k, relative to winding 0."""
    shift = k * period
    value = -0.5 * a * a * shift * (2.0 * r + shift)
    if power > 0.0 and k != 0.0:
        value += power * math.log(abs(1.0 + shift / r))
    return value


@scalar
def highest(power: float, r: float, a: float, period: float, peak: float) -> float:
    """The largest of the log ratios: that of winding 0 or of one beside +-peak, where the law of r has its mode."""
    right, left = math.floor((peak - r) / period), math.floor((-peak - r) / period)
    top = 0.0
    for step in range(2):
        top = max(top, log_ratio(power, r, a, period, right + step), log_ratio(power, r, a, period, left + step))
    return top


@scalar
def far_windings(dim: float, r: float, a: float, period: float) -> tuple[float, float, float, float]:
    """The sum as an integral, 2^(n/2) Gamma(n/2) / (a^n period) over the density of winding 0."""
    value = 0.5 * dim * math.log(2.0) + math.lgamma(0.5 * dim) - dim * math.log(a) - math.log(period)
    by_r = a * a * r
    if dim > 1.0:
        value -= (dim - 1.0) * math.log(r)
        by_r -= (dim - 1.0) / r
    return value + 0.5 * a * a * r * r, by_r, a * r * r - dim / a, -1.0 / period


windings: Any = elementwise(windings_scalar, cost=200.0, outputs=4)
