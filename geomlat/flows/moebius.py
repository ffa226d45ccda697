"""Mixtures of Moebius maps of the circle, as monotone maps of an angle.

The Moebius map with centre omega = (a, b) inside the unit disc moves the angle x, up to a rotation that fixes -pi, to

    g(x) = x + 2 (A(x) - A(-pi)),   A(x) = atan2(a sin x - b cos x, 1 - a cos x - b sin x)
    g'(x) = (1 - |omega|^2) / D(x),   D(x) = 1 - 2 (a cos x + b sin x) + |omega|^2

and a convex combination of such maps is monotone. Rezende, Papamakarios, Racaniere et al. (2020), section 2.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import kernel, namespace, scalar
from geomlat.flows.monotone import MonotoneKernels

Array = Any

LARGEST = 0.99  # of |omega|; nearer to the border one float32 step of the angle moves the image by a whole turn


@dataclass(frozen=True)
class MoebiusMixture:
    """A combination of ``centres`` Moebius maps on [-pi, pi]; raw parameters: weights, then the centres' a and b.

    A raw centre v stands for ``LARGEST w / sqrt(1 + |w|^2)`` with w = v + e_j, e_j the corners of a regular polygon of
    radius r around 0. The map of raw zeros, x + O(r^centres), is the identity to 1e-14; were r 0, all centres would
    have the same gradient and stay one.
    """

    centres: int = 4

    def __post_init__(self) -> None:
        if self.centres < 1:
            msg = f"a Moebius mixture needs at least one centre, got {self.centres}"
            raise ValueError(msg)

    @property
    def width(self) -> int:
        """Raw parameters of each angle."""
        return 3 * self.centres

    def _placed(self, h: Array) -> Array:
        turns = np.linspace(0.0, 2.0 * math.pi, self.centres, endpoint=False)
        corners = 10.0 ** (-14.5 / self.centres) * np.stack((np.cos(turns), np.sin(turns)), axis=-1)
        raw = np.concatenate((np.zeros(self.centres), corners.ravel()))
        xp = namespace(h)
        return xp.astype(h, xp.float64) + xp.asarray(raw, dtype=xp.float64, device=device(h))

    def forward_vjp(self, h: Array, x: Array) -> Any:
        """``(y, log slope)`` and its pullback to ``(dh, dx)``."""
        return _KERNELS.vjp((self.centres,), False, self._placed(h), x)

    def inverse_vjp(self, h: Array, y: Array) -> Any:
        """``(x, -log slope)`` and its pullback to ``(dh, dy)``."""
        return _KERNELS.vjp((self.centres,), True, self._placed(h), y)


@scalar
def weight_sum(h: Any, i: int, centres: int) -> tuple[float, float]:
    """The largest raw weight and the sum of the exponentials relative to it."""
    top = np.float64(h[i, 0])
    for j in range(1, centres):
        top = max(top, np.float64(h[i, j]))
    total = 0.0
    for j in range(centres):
        total += math.exp(np.float64(h[i, j]) - top)
    return top, total


@scalar
def centre(h: Any, i: int, centres: int, j: int) -> tuple[float, float]:
    """The centre (a, b) of map j."""
    v, w = np.float64(h[i, centres + 2 * j]), np.float64(h[i, centres + 2 * j + 1])
    scale = LARGEST / math.sqrt(1.0 + v * v + w * w)
    return scale * v, scale * w


@scalar
def moebius_angle(a: float, b: float, x: float) -> tuple[float, float]:
    """``g(x)`` and ``g'(x)`` of one map; A(-pi) = atan2(b, 1 + a)."""
    s, c = math.sin(x), math.cos(x)
    up, right = a * s - b * c, 1.0 - a * c - b * s
    return x + 2.0 * (math.atan2(up, right) - math.atan2(b, 1.0 + a)), (1.0 - a * a - b * b) / (up * up + right * right)


@scalar
def mixture_value(h: Any, i: int, centres: int, x: float) -> tuple[float, float]:
    """The combination and its slope at x."""
    top, total = weight_sum(h, i, centres)
    y, slope = 0.0, 0.0
    for j in range(centres):
        a, b = centre(h, i, centres, j)
        g, dg = moebius_angle(a, b, x)
        weight = math.exp(np.float64(h[i, j]) - top) / total
        y += weight * g
        slope += weight * dg
    return y, slope


@scalar
def mixture_curvature(h: Any, i: int, centres: int, x: float) -> float:
    """The derivative of the slope: g'' = -2 (1 - |omega|^2) (a sin x - b cos x) / D^2 of each map."""
    top, total = weight_sum(h, i, centres)
    s, c, found = math.sin(x), math.cos(x), 0.0
    for j in range(centres):
        a, b = centre(h, i, centres, j)
        up, right = a * s - b * c, 1.0 - a * c - b * s
        d = up * up + right * right
        found -= math.exp(np.float64(h[i, j]) - top) / total * 2.0 * (1.0 - a * a - b * b) * up / (d * d)
    return found


@scalar
def mixture_solve(h: Any, i: int, centres: int, y: float) -> float:
    """The x with image y: Newton's step where it at least halves the one before, else bisection."""
    low, high, x, before = -math.pi, math.pi, y, 2.0 * math.pi
    for _ in range(200):
        value, slope = mixture_value(h, i, centres, x)
        if value < y:
            low = x
        else:
            high = x
        new = x - (value - y) / slope
        if not low <= new <= high or 2.0 * abs(new - x) > before:
            new = 0.5 * (low + high)
        before = abs(new - x)
        x = new
        if before <= 2e-16 * (1.0 + abs(x)):
            break
    return x


@scalar
def mixture_pull(h: Any, i: int, centres: int, x: float, dy: float, dslope: float, mean: float, dh: Any) -> None:
    """The cotangents of the raw parameters from those of the value and the slope; ``mean = dy y + dslope slope``."""
    top, total = weight_sum(h, i, centres)
    s, c = math.sin(x), math.cos(x)
    for j in range(centres):
        v, w = np.float64(h[i, centres + 2 * j]), np.float64(h[i, centres + 2 * j + 1])
        n = math.sqrt(1.0 + v * v + w * w)
        a, b = LARGEST * v / n, LARGEST * w / n
        g, dg = moebius_angle(a, b, x)
        weight = math.exp(np.float64(h[i, j]) - top) / total
        dh[i, j] = weight * (dy * g + dslope * dg - mean)
        up, right, room = a * s - b * c, 1.0 - a * c - b * s, 1.0 - a * a - b * b
        d, d0 = up * up + right * right, b * b + (1.0 + a) * (1.0 + a)
        da = weight * (2.0 * dy * ((s - b) / d + b / d0) + 2.0 * dslope * (room * (c - a) / d - a) / d)
        db = weight * (2.0 * dy * ((a - c) / d - (1.0 + a) / d0) + 2.0 * dslope * (room * (s - b) / d - b) / d)
        along = (da * v + db * w) / (n * n)
        dh[i, centres + 2 * j] = LARGEST * (da - along * v) / n
        dh[i, centres + 2 * j + 1] = LARGEST * (db - along * w) / n


@kernel(cost=200.0)
def _forward(i: int, centres: int, h: Any, x: Any, y: Any, logdet: Any) -> None:
    value, slope = mixture_value(h, i, centres, np.float64(x[i]))
    y[i], logdet[i] = value, math.log(slope)


@kernel(cost=1000.0)
def _inverse(i: int, centres: int, h: Any, y: Any, x: Any, logdet: Any) -> None:
    at = mixture_solve(h, i, centres, np.float64(y[i]))
    x[i], logdet[i] = at, -math.log(mixture_value(h, i, centres, at)[1])


@kernel(cost=400.0)
def _pull(i: int, centres: int, inverse: int, h: Any, x: Any, dy: Any, dlogdet: Any, dh: Any, dx: Any) -> None:
    at, cy, cl = np.float64(x[i]), np.float64(dy[i]), np.float64(dlogdet[i])
    value, slope = mixture_value(h, i, centres, at)
    bend = mixture_curvature(h, i, centres, at) / slope
    if inverse == 0:
        dx[i] = cy * slope + cl * bend
    else:
        c = (cy - cl * bend) / slope
        dx[i], cy, cl = c, -c, -cl
    mixture_pull(h, i, centres, at, cy, cl / slope, cy * value + cl, dh)


_KERNELS = MonotoneKernels(_forward, _inverse, _pull)
