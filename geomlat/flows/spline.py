"""Rational-quadratic splines: monotone, smooth to the first derivative, inverted by one quadratic equation.

On a bin of width w and height h with s = h/w, xi = (x - x_k)/w, a = xi (1 - xi) and slopes d0, d1 at its ends

    y = y_k + h (s xi^2 + d0 a) / (s + (d0 + d1 - 2 s) a)
    y' = s^2 (d1 xi^2 + 2 s a + d0 (1 - xi)^2) / (s + (d0 + d1 - 2 s) a)^2

Gregory and Delbourgo (1982); Durkan, Bekasov, Murray, Papamakarios (2019), eqs. 4, 5 and 29. Widths and heights are
softmax shares of [-bound, bound], slopes are softplus; raw parameters of zero give the identity.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar
from geomlat.flows.coupling import Coupling
from geomlat.flows.monotone import MonotoneKernels

Array = Any

LEAST = 1e-3  # share of a bin and least slope: below, the inverse loses digits in float32
SLOPE_OFFSET = math.log(math.expm1(1.0 - LEAST))


@dataclass(frozen=True)
class RationalQuadratic:
    """The spline on [-bound, bound], and the identity outside; or, ``circular``, on a circle of that length.

    Raw parameters of each number: ``bins`` widths, ``bins`` heights, then the slopes at the inner knots, to which a
    circle adds that of its end.
    """

    bins: int = 8
    bound: float = 3.0
    circular: bool = False

    def __post_init__(self) -> None:
        if not (2 <= self.bins <= 200 and 0.0 < self.bound < math.inf):
            msg = f"a spline needs 2 to 200 bins and a positive finite bound, got {self.bins} and {self.bound}"
            raise ValueError(msg)

    @property
    def width(self) -> int:
        """Raw parameters of each number."""
        return 3 * self.bins - (0 if self.circular else 1)

    def forward_vjp(self, h: Array, x: Array) -> Any:
        """``(y, log slope)`` and its pullback to ``(dh, dx)``."""
        return _KERNELS.vjp((self.bins, self.bound, int(self.circular)), False, h, x)

    def inverse_vjp(self, h: Array, y: Array) -> Any:
        """``(x, -log slope)`` and its pullback to ``(dh, dy)``."""
        return _KERNELS.vjp((self.bins, self.bound, int(self.circular)), True, h, y)


@dataclass(frozen=True, eq=False, kw_only=True)
class SplineCoupling(Coupling):
    """A coupling that moves each coordinate by a rational-quadratic spline; the identity beyond ``bound``.

    Durkan, Bekasov, Murray, Papamakarios (2019), section 3.
    """

    bins: int = 8
    bound: float = 3.0

    @property
    def map(self) -> RationalQuadratic:
        """The spline."""
        return RationalQuadratic(self.bins, self.bound)


@scalar
def exp_sum(h: Any, i: int, first: int, bins: int) -> tuple[float, float]:
    """The largest of ``bins`` raw shares and the sum of their exponentials relative to it."""
    top = np.float64(h[i, first])
    for j in range(1, bins):
        top = max(top, np.float64(h[i, first + j]))
    total = 0.0
    for j in range(bins):
        total += math.exp(np.float64(h[i, first + j]) - top)
    return top, total


@scalar
def share(raw: float, top: float, total: float, bins: int) -> float:
    """The share of a bin, at least LEAST."""
    return LEAST + (1.0 - LEAST * bins) * math.exp(raw - top) / total


@scalar
def slope_at(h: Any, i: int, bins: int, circular: int, k: int) -> float:
    """The slope at knot k = 0 .. bins."""
    if circular == 0:
        if k in (0, bins):
            return 1.0
        raw = np.float64(h[i, 2 * bins + k - 1])
    else:
        raw = np.float64(h[i, 2 * bins + k % bins])
    z = raw + SLOPE_OFFSET
    return LEAST + max(z, 0.0) + math.log1p(math.exp(-abs(z)))


@scalar
def bin_of(
    h: Any, i: int, bins: int, bound: float, circular: int, at: float, side: int
) -> tuple[int, float, float, float, float, float, float]:
    """``(k, x_k, w, y_k, h, d0, d1)`` of the bin that holds x = ``at`` (side 0) or y = ``at`` (side 1)."""
    top_w, sum_w = exp_sum(h, i, 0, bins)
    top_h, sum_h = exp_sum(h, i, bins, bins)
    left, low, w, height, k = -bound, -bound, 0.0, 0.0, 0
    for j in range(bins):
        w = 2.0 * bound * share(np.float64(h[i, j]), top_w, sum_w, bins)
        height = 2.0 * bound * share(np.float64(h[i, bins + j]), top_h, sum_h, bins)
        k = j
        edge = left + w if side == 0 else low + height
        if at < edge or j == bins - 1:
            break
        left += w
        low += height
    return k, left, w, low, height, slope_at(h, i, bins, circular, k), slope_at(h, i, bins, circular, k + 1)


@scalar
def spline_value(xi: float, w: float, height: float, d0: float, d1: float) -> tuple[float, float]:
    """``y - y_k`` and the log of the slope at xi in [0, 1]."""
    s, a = height / w, xi * (1.0 - xi)
    den = s + (d0 + d1 - 2.0 * s) * a
    top = d1 * xi * xi + 2.0 * s * a + d0 * (1.0 - xi) * (1.0 - xi)
    return height * (s * xi * xi + d0 * a) / den, math.log(top) + 2.0 * math.log(s / den)


@scalar
def spline_solve(t: float, w: float, height: float, d0: float, d1: float) -> float:
    """The xi of ``y - y_k = t``: Durkan et al. (2019), eq. 29, then a step of Newton's method.

    With steep ends on a flat bin the discriminant cancels to some 1e-10 of its terms.
    """
    s = height / w
    r = d0 + d1 - 2.0 * s
    a, b, c = height * (s - d0) + t * r, height * d0 - t * r, -s * t
    xi = -2.0 * c / (b + math.sqrt(max(b * b - 4.0 * a * c, 0.0)))
    xi = min(max(xi, 0.0), 1.0)
    rise, log_slope = spline_value(xi, w, height, d0, d1)
    return min(max(xi - (rise - t) / (w * math.exp(log_slope)), 0.0), 1.0)


@scalar
def spline_adjoint(
    xi: float, w: float, height: float, d0: float, d1: float, dy: float, dl: float
) -> tuple[float, float, float, float, float]:
    """Cotangents of ``(x, w, h, d0, d1)``, where x_k has that of x negated and y_k has dy."""
    s, a, u = height / w, xi * (1.0 - xi), 1.0 - xi
    r = d0 + d1 - 2.0 * s
    num, den = s * xi * xi + d0 * a, s + r * a
    top = d1 * xi * xi + 2.0 * s * a + d0 * u * u
    dnum, dden, dtop = dy * height / den, -dy * height * num / (den * den) - 2.0 * dl / den, dl / top
    da = dtop * 2.0 * s + dnum * d0 + dden * r
    ds = 2.0 * dl / s + dtop * 2.0 * a + dnum * xi * xi + dden * (1.0 - 2.0 * a)
    dxi = dtop * 2.0 * (d1 * xi - d0 * u) + dnum * 2.0 * s * xi + da * (1.0 - 2.0 * xi)
    dx = dxi / w
    return (
        dx,
        -(ds * s + dxi * xi) / w,
        dy * num / den + ds / w,
        dtop * u * u + (dnum + dden) * a,
        dtop * xi * xi + dden * a,
    )


@kernel(cost=100.0)
def _forward(i: int, bins: int, bound: float, circular: int, h: Any, x: Any, y: Any, logdet: Any) -> None:
    at = np.float64(x[i])
    if circular == 0 and not abs(at) < bound:
        y[i], logdet[i] = at, 0.0
    else:
        _, left, w, low, height, d0, d1 = bin_of(h, i, bins, bound, circular, at, 0)
        rise, log_slope = spline_value(min(max((at - left) / w, 0.0), 1.0), w, height, d0, d1)
        y[i], logdet[i] = low + rise, log_slope


@kernel(cost=100.0)
def _inverse(i: int, bins: int, bound: float, circular: int, h: Any, y: Any, x: Any, logdet: Any) -> None:
    at = np.float64(y[i])
    if circular == 0 and not abs(at) < bound:
        x[i], logdet[i] = at, 0.0
    else:
        _, left, w, low, height, d0, d1 = bin_of(h, i, bins, bound, circular, at, 1)
        xi = spline_solve(at - low, w, height, d0, d1)
        x[i], logdet[i] = left + w * xi, -spline_value(xi, w, height, d0, d1)[1]


@kernel(cost=200.0)
def _pull(
    i: int,
    bins: int,
    bound: float,
    circular: int,
    inverse: int,
    h: Any,
    x: Any,
    dy: Any,
    dlogdet: Any,
    dh: Any,
    dx: Any,
) -> None:
    at, cy, cl = np.float64(x[i]), np.float64(dy[i]), np.float64(dlogdet[i])
    for j in range(dh.shape[1]):
        dh[i, j] = 0.0
    if circular == 0 and not abs(at) < bound:
        dx[i] = cy
    else:
        k, left, w, _, height, d0, d1 = bin_of(h, i, bins, bound, circular, at, 0)
        xi = min(max((at - left) / w, 0.0), 1.0)
        if inverse != 0:
            slope = math.exp(spline_value(xi, w, height, d0, d1)[1])
            c = (cy - cl * spline_adjoint(xi, w, height, d0, d1, 0.0, 1.0)[0]) / slope
            dx[i], cy, cl = c, -c, -cl
        gx, gw, gh, g0, g1 = spline_adjoint(xi, w, height, d0, d1, cy, cl)
        if inverse == 0:
            dx[i] = gx
        pull_shares(h, i, 0, bins, 2.0 * bound, k, -gx, gw, dh)
        pull_shares(h, i, bins, bins, 2.0 * bound, k, cy, gh, dh)
        pull_slope(h, i, bins, circular, k, g0, dh)
        pull_slope(h, i, bins, circular, k + 1, g1, dh)


@scalar
def pull_shares(
    h: Any, i: int, first: int, bins: int, length: float, k: int, dknot: float, dbin: float, dh: Any
) -> None:
    """From the cotangents of knot k and of bin k to those of the raw shares, through the softmax."""
    top, total = exp_sum(h, i, first, bins)
    mean = 0.0
    for j in range(k + 1):
        mean += math.exp(np.float64(h[i, first + j]) - top) / total * (dknot if j < k else dbin)
    for j in range(bins):
        g = dknot if j < k else (dbin if j == k else 0.0)
        weight = length * (1.0 - LEAST * bins) * math.exp(np.float64(h[i, first + j]) - top) / total
        dh[i, first + j] = weight * (g - mean)


@scalar
def pull_slope(h: Any, i: int, bins: int, circular: int, k: int, dslope: float, dh: Any) -> None:
    """From the cotangent of the slope at knot k to that of its raw parameter."""
    if circular != 0:
        j = 2 * bins + k % bins
        dh[i, j] += dslope / (1.0 + math.exp(-(np.float64(h[i, j]) + SLOPE_OFFSET)))
    elif 0 < k < bins:
        j = 2 * bins + k - 1
        dh[i, j] += dslope / (1.0 + math.exp(-(np.float64(h[i, j]) + SLOPE_OFFSET)))


_KERNELS = MonotoneKernels(_forward, _inverse, _pull)
