"""A draw of a code and its rate against the usual prior, compiled: from the rows of the head and back in two passes.

A step of a hundred rows spends longer between array operations than in them. Everything of a row is float64 and rounded
once; ``out`` are rows of the head, ``noise`` standard normal rows.

Gaussian, with m and raw the halves of ``out`` and s = softplus(raw):

    z = m + s noise      rate = sum_j (s_j^2 + m_j^2 - 1) / 2 - log s_j

Hyperboloid of radius R, a = m / R, c = s noise / R, prior of scale 1 (Nagano, Yamaguchi, Fujita, Koyama 2019),
x = sinhc(|a|) a and x_0 = cosh |a| are the location over R, t = x . c / (1 + x_0), C = cosh |c|, S = sinhc |c|:

    z = R y, with the space part y = (C + S t) x + S c      rho = asinh |y|
    rate = sum_j (-noise_j^2 / 2 - log s_j) - (n - 1) log sinhc |s noise / R| + R^2 rho^2 / 2 + (n - 1) log sinhc rho

Von Mises-Fisher against the uniform law: the parameters and the rate here, draws by `geomlat.distributions`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar
from geomlat.special.radial import dlog_sinhc_scalar, dsinhc_scalar, log_sinhc_scalar, sinhc_scalar
from geomlat.special.vmf import vmf_kl_pair_scalar, vmf_one_minus_ratio_scalar

SMALL = 1e-8
LOCATION, TANGENT, PLACE = 0, 1, 2  # rows of ``kept``


@scalar
def softplus_scalar(x: float) -> tuple[float, float]:
    """``log(1 + e^x)`` and its derivative, without overflow."""
    e = math.exp(-abs(x))
    return max(x, 0.0) + math.log1p(e), (1.0 if x >= 0.0 else e) / (1.0 + e)


@scalar
def over_radius(slope: float, r: float, least: float) -> float:
    """``slope / r`` of an odd function, ``least`` at 0."""
    return slope / r if r > SMALL else least


@kernel(cost=20.0)
def gaussian(i: int, out: Any, noise: Any, z: Any, rate: Any) -> None:
    """The draw and the rate of each row."""
    n, total = z.shape[1], 0.0
    for j in range(n):
        m, (s, _) = np.float64(out[i, j]), softplus_scalar(np.float64(out[i, n + j]))
        z[i, j] = m + s * np.float64(noise[i, j])
        total += 0.5 * (m * m + (s - 1.0) * (s + 1.0)) - math.log(s)
    rate[i] = total


@kernel(cost=20.0)
def gaussian_pull(i: int, out: Any, noise: Any, dz: Any, drate: Any, dout: Any) -> None:
    """The cotangent of each row of the head."""
    n, d = dz.shape[1], np.float64(drate[i])
    for j in range(n):
        g, (s, slope) = np.float64(dz[i, j]), softplus_scalar(np.float64(out[i, n + j]))
        dout[i, j] = g + d * np.float64(out[i, j])
        dout[i, n + j] = (g * np.float64(noise[i, j]) + d * (s - 1.0 / s)) * slope


@scalar
def cut(r: float, longest: float) -> float:
    """The share of a tangent of length r that is gone: all of it, or as far as ``longest``, short of an overflow."""
    return 1.0 if r <= longest else longest / r


@kernel(cost=20.0)
def hyperbolic(i: int, out: Any, noise: Any, radius: float, longest: float, z: Any, rate: Any, kept: Any) -> None:
    """The draw and the rate of each row; ``kept`` (rows, 3, n) is for the pull."""
    n, total, aa, cc = noise.shape[1], 0.0, 0.0, 0.0
    for j in range(n):
        e, (s, _) = np.float64(noise[i, j]), softplus_scalar(np.float64(out[i, n + j]))
        a, c = np.float64(out[i, j]) / radius, s * e / radius
        kept[i, LOCATION, j], kept[i, TANGENT, j] = a, c
        aa += a * a
        cc += c * c
        total -= 0.5 * e * e + math.log(s)
    r, full = math.sqrt(aa), math.sqrt(cc)
    short, less = cut(r, longest), cut(full, longest)
    r, q, inner = short * r, less * full, 0.0
    grown = sinhc_scalar(r) * short
    for j in range(n):
        kept[i, LOCATION, j], kept[i, TANGENT, j] = grown * kept[i, LOCATION, j], less * kept[i, TANGENT, j]
        inner += kept[i, LOCATION, j] * kept[i, TANGENT, j]
    ahead, side = math.cosh(q) + sinhc_scalar(q) * (inner / (1.0 + math.cosh(r))), sinhc_scalar(q)
    yy = 0.0
    for j in range(n):
        y = ahead * kept[i, LOCATION, j] + side * kept[i, TANGENT, j]
        kept[i, PLACE, j] = y
        z[i, j + 1] = radius * y
        yy += y * y
    z[i, 0] = radius * math.sqrt(1.0 + yy)
    rho = math.asinh(math.sqrt(yy))
    rate[i] = total + 0.5 * (radius * rho) ** 2 + (n - 1.0) * (log_sinhc_scalar(rho) - log_sinhc_scalar(full))


@kernel(cost=20.0)
def hyperbolic_pull(
    i: int, out: Any, noise: Any, radius: float, longest: float, kept: Any, dz: Any, drate: Any, work: Any, dout: Any
) -> None:
    """The cotangent of each row of the head; ``work`` is ``(rows, 2, n)``. A tangent that was cut keeps its share."""
    n, d, aa, cc, yy, inner = noise.shape[1], np.float64(drate[i]), 0.0, 0.0, 0.0, 0.0
    for j in range(n):
        a, c, y = np.float64(out[i, j]) / radius, kept[i, TANGENT, j], kept[i, PLACE, j]
        aa += a * a
        cc += c * c
        yy += y * y
        inner += kept[i, LOCATION, j] * c
    full, q, size, height = math.sqrt(aa), math.sqrt(cc), math.sqrt(yy), math.sqrt(1.0 + yy)
    short = cut(full, longest)
    r, rho = short * full, math.asinh(size)
    by_rho = d * over_radius(radius**2 * rho + (n - 1.0) * dlog_sinhc_scalar(rho), size, radius**2 + (n - 1.0) / 3.0)
    to_y = (by_rho + radius * np.float64(dz[i, 0])) / height
    x0, high, side = math.cosh(r), math.cosh(q), sinhc_scalar(q)
    t = inner / (1.0 + x0)
    wx, wc = 0.0, 0.0
    for j in range(n):
        w = radius * np.float64(dz[i, j + 1]) + to_y * kept[i, PLACE, j]
        work[i, 0, j] = w
        wx += w * kept[i, LOCATION, j]
        wc += w * kept[i, TANGENT, j]
    # By t, by x_0 and by x . c; by |c|^2 / 2 the derivatives of C and S are S and S' / |c|.
    dinner = side * wx / (1.0 + x0)
    dheight = -dinner * t
    dsquare = wx * side + (wc + t * wx) * over_radius(dsinhc_scalar(q), q, 1.0 / 3.0)
    ax = 0.0
    for j in range(n):
        x, c, w = kept[i, LOCATION, j], kept[i, TANGENT, j], work[i, 0, j]
        dx = (high + side * t) * w + dinner * c
        ax += dx * (np.float64(out[i, j]) / radius)
        work[i, 0, j] = dx
        work[i, 1, j] = side * w + dinner * x + dsquare * c
    grown, turned = sinhc_scalar(r), over_radius(dsinhc_scalar(r), r, 1.0 / 3.0)
    spread(i, n, out, noise, radius, longest, d, work, dout)
    for j in range(n):
        a = np.float64(out[i, j]) / radius
        dout[i, j] = short / radius * (grown * work[i, 0, j] + short * (dheight * grown + short * ax * turned) * a)


@scalar
def spread(i: int, n: int, out: Any, noise: Any, radius: float, longest: float, d: float, work: Any, dout: Any) -> None:
    """The cotangents of raw scales from those of the tangents, which are in ``work``."""
    cc = 0.0
    for j in range(n):
        c = softplus_scalar(np.float64(out[i, n + j]))[0] * np.float64(noise[i, j]) / radius
        cc += c * c
    full = math.sqrt(cc)
    less, volume = cut(full, longest), d * (n - 1.0) * over_radius(dlog_sinhc_scalar(full), full, 1.0 / 3.0)
    for j in range(n):
        e, (s, slope) = np.float64(noise[i, j]), softplus_scalar(np.float64(out[i, n + j]))
        dc = less * work[i, 1, j] - volume * (s * e / radius)
        dout[i, n + j] = (dc * e / radius - d / s) * slope


@kernel(cost=60.0)
def von_mises_fisher(i: int, out: Any, shift: float, mu: Any, kappa: Any, tail: Any, rate: Any, slopes: Any) -> None:
    """Mean direction (e_1 for no direction), concentration ``softplus + shift`` and rate of each row.

    ``tail`` is one less the mean resultant; ``slopes`` (rows, 3): the length of the head's direction, the derivative of
    the rate by kappa, and that of kappa by the head.
    """
    m = mu.shape[1]
    size, largest = 0.0, 0.0
    for j in range(m):
        largest = max(largest, abs(np.float64(out[i, j])))
    scale = largest if 0.0 < largest < math.inf else 1.0
    for j in range(m):
        size += (np.float64(out[i, j]) / scale) ** 2
    size = scale * math.sqrt(size)
    for j in range(m):
        mu[i, j] = np.float64(out[i, j]) / size if size > 0.0 else (1.0 if j == 0 else 0.0)
    k, slope = softplus_scalar(np.float64(out[i, m]))
    kappa[i] = k + shift
    tail[i] = vmf_one_minus_ratio_scalar(float(m), np.float64(kappa[i]))
    value, derivative = vmf_kl_pair_scalar(float(m), np.float64(kappa[i]))
    rate[i] = value
    slopes[i, 0], slopes[i, 1], slopes[i, 2] = size, derivative, slope


@kernel(cost=20.0)
def von_mises_fisher_pull(i: int, mu: Any, slopes: Any, dmu: Any, dkappa: Any, drate: Any, dout: Any) -> None:
    """The cotangent of each row of the head; zero for a direction that is none."""
    m, along, size = mu.shape[1], 0.0, slopes[i, 0]
    for j in range(m):
        along += np.float64(mu[i, j]) * np.float64(dmu[i, j])
    for j in range(m):
        dout[i, j] = (np.float64(dmu[i, j]) - along * np.float64(mu[i, j])) / size if size > 0.0 else 0.0
    dout[i, m] = (np.float64(dkappa[i]) + np.float64(drate[i]) * slopes[i, 1]) * slopes[i, 2]
