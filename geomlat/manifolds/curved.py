"""Radial functions of a space of curvature K as array-API expressions, smooth through K = 0.

Each is an analytic function of ``z = K r^2``, by ``t = sqrt(|K|) r``, which does not overflow. Below t = 1 both signs
share one series, beyond it the sine or the hyperbolic sine is taken. Derivatives are by z.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from geomlat.backends import namespace
from geomlat.manifolds.radial import _LOG_SERIES, _horner

Array = Any

_SINE = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(10))
_COSINE = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(11))
_SINE_SLOPE = tuple((k + 1) * a for k, a in enumerate(_SINE[1:]))
_LOG = tuple(-a for a in _LOG_SERIES)
_LOG_SLOPE = tuple((k + 1) * a for k, a in enumerate(_LOG))
_REST = tuple((-1.0) ** k / (4 * k + 6) for k in range(24))
SMALL = 0.2
"""The |z| below which the series of `arc_rest` is taken; 24 terms reach 1e-17 there."""


class Tangent(NamedTuple):
    """``g = sn / r`` and ``c = cn`` with ``sn / cn = tan_K(r)``, ``h = c^2 + z g^2``, and their derivatives by z.

    (sin, cos) where that is bounded; for z <= -1 divided by cosh: (tanh, 1). Only what does not depend on the factor
    is of use.
    """

    g: Array
    c: Array
    h: Array
    dg: Array
    dc: Array
    dh: Array


def tangent(k: Array, r: Array) -> Tangent:
    """The tangent function of curvature K as a quotient."""
    xp, near, z, far = _split(k, r)
    one, open_ = xp.ones_like(far), (k < 0) & ~near
    g, c = xp.sin(far) / far, xp.cos(far)
    tanh, decay = xp.tanh(far) / far, xp.exp(-2 * far)
    sech2 = 4 * decay / (1 + decay) ** 2
    g, h = xp.where(open_, tanh, g), xp.where(open_, sech2, one)
    dg = (xp.where(open_, tanh, c) - xp.where(open_, sech2, g)) / (2 * far) / far
    g = xp.where(near, _horner(_SINE, z), g)
    c = xp.where(near, _horner(_COSINE, z), xp.where(open_, one, c))
    dg = xp.where(near, _horner(_SINE_SLOPE, z), dg)
    dc, dh = xp.where(open_, 0 * g, -g / 2), xp.where(open_, h * g, 0 * g)
    return Tangent(g, c, h, dg, dc, dh)


def log_sine(k: Array, r: Array) -> Array:
    """``log |sin(r sqrt K) / (r sqrt K)|``: log(sin t / t) for K > 0, log(sinh t / t) for K < 0."""
    xp, near, z, far = _split(k, r)
    grown = far - xp.log(far) - (math.log(2.0) - xp.log1p(-xp.exp(-2 * far)))
    beyond = xp.where(k < 0, grown, xp.log(xp.abs(xp.sin(far) / far)))
    return xp.where(near, z * _horner(_LOG, z), beyond)


def dlog_sine(k: Array, r: Array) -> Array:
    """The derivative of `log_sine`: ``(t cot t - 1) / (2 z)``, ``t coth t`` in place of ``t cot t`` for K < 0."""
    xp, near, z, far = _split(k, r)
    cot = xp.where(k < 0, 1 / xp.tanh(far), xp.cos(far) / xp.sin(far))
    return xp.where(near, _horner(_LOG_SLOPE, z), signed_root(xp, k)[0] * (cot - 1 / far) / (2 * far))


def arc_rest(k: Array, r: Array, ratio: Array) -> Array:
    """``(1 - f) / (2 z)`` for ``f = arctan_K(r) / r``, which is given as ``ratio``."""
    xp = namespace(r)
    s, root = signed_root(xp, k)
    t = root * r
    near = t * t < SMALL
    z = xp.where(near, s * t * t, xp.zeros_like(t))
    far = xp.where(near, xp.ones_like(t), s * t * t)
    return xp.where(near, _horner(_REST, z), (1 - ratio) / (2 * far))


def signed_root(xp: Any, k: Array) -> tuple[Array, Array]:
    """The sign of K, 1 at zero, and ``sqrt(|K|)``."""
    return xp.where(k < 0, -xp.ones_like(k), xp.ones_like(k)), xp.sqrt(xp.abs(k))


def _split(k: Array, r: Array) -> tuple[Any, Array, Array, Array]:
    # Whether t is below one, z where it is, and t where it is not.
    xp = namespace(r)
    s, root = signed_root(xp, k)
    t = root * r
    near = t < 1
    low = xp.where(near, t, xp.zeros_like(t))
    return xp, near, s * low * low, xp.where(near, xp.ones_like(t), t)
