"""The divergence between isotropic wrapped normal laws on hyperbolic space, by quadrature over radius and angle.

At curvature K = -k^2 <= 0 and dimension n, for a law of scale s and another of scale s' whose centre is D away,

    KL = n (log(s'/s) - 1/2) + E[ r'^2 / (2 s'^2) + (n - 1) (log sinhc(k r') - log sinhc(k r)) ],

r the distance of a draw to its own centre, s times a chi variate, and r' that to the other. With p the angle of the
draw with the direction to the other centre, of density proportional to sin(p)^(n-2),

    (sinh(k r'/2)/k)^2 = (sinh(k (D - r)/2)/k)^2 + (sinh(k D)/k) (sinh(k r)/k) sin(p/2)^2,

which neither cancels nor fails at K = 0. The expectation is an analytic function of r and p with branch points at
r' = i pi / k, that is at sin(p/2) = +-i w, w = cosh(k (D - r)/2) / sqrt(sinh(k D) sinh(k r)): the angle is replaced by
t, p = 2 w sinh(t). Three panels of 24 Gauss-Legendre nodes each way. Tested for n = 2 .. 100, k s <= 3 and k D <= 12,
to 1e-12.
Reference: Nagano, Yamaguchi, Fujita, Koyama (2019), section 3, for the density.
"""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import elementwise, scalar
from geomlat.special.quadrature import NODES, WEIGHTS
from geomlat.special.radial import dlog_sinhc_scalar, log_sinhc_scalar, sinhc_scalar

TAIL = 8.8  # from its mode the density of chi falls by exp(-38) within this
FLOOR = 40.0
PANELS = 3  # of radii and of angles; beyond the tested range, to k s = 25 and k D = 60, they leave 6e-10


@scalar
def hyperbolic_kl_scalar(
    dim: float, curvature: float, apart: float, scale: float, other: float
) -> tuple[float, float, float, float, float]:
    """The divergence and its derivatives by curvature, distance and the two scales."""
    k = math.sqrt(-curvature)
    mode = math.sqrt(dim - 1.0)
    start = max(mode - TAIL, 0.0)
    reach = mode + TAIL - start
    mass, value, by_k, by_d, by_s, by_o = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for panel in range(PANELS):
        for j in range(24):
            chi = start + reach * (panel + NODES[j]) / PANELS
            fall = (dim - 1.0) * math.log(chi / mode) - 0.5 * (chi * chi - mode * mode)
            weight, f, f_k, f_d, f_r, f_o = over_angles(dim, k, apart, scale * chi, other)
            density = WEIGHTS[j] * math.exp(fall)
            mass += density * weight
            value += density * f
            by_k += density * f_k
            by_d += density * f_d
            by_s += density * f_r * chi
            by_o += density * f_o
    kl = dim * (math.log(other / scale) - 0.5) + value / mass
    return kl, by_k / mass, by_d / mass, by_s / mass - dim / scale, by_o / mass + dim / other


@scalar
def over_angles(
    dim: float, k: float, apart: float, r: float, other: float
) -> tuple[float, float, float, float, float, float]:
    """Integrals over the angle of its weight, of the integrand and of its derivatives by K, D, r and s'."""
    low = math.asin(math.exp(-FLOOR / (dim - 2.0))) if dim > 2.0 else 0.0
    width = branch_width(k, apart, r)
    first, last = math.asinh(low / width), math.asinh((math.pi - low) / width)
    mass, value, by_k, by_d, by_r, by_o = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for panel in range(PANELS):
        for j in range(24):
            t = first + (last - first) * (panel + NODES[j]) / PANELS
            angle = width * math.sinh(t)
            weight = WEIGHTS[j] * math.cosh(t) * math.exp((dim - 2.0) * math.log(math.sin(angle)))
            half = math.sin(0.5 * angle)
            f, f_k, f_d, f_r, f_o, _ = integrand(dim, k, apart, r, other, half * half)
            mass += weight
            value += weight * f
            by_k += weight * f_k
            by_d += weight * f_d
            by_r += weight * f_r
            by_o += weight * f_o
    step = width * (last - first) / PANELS
    return step * mass, step * value, step * by_k, step * by_d, step * by_r, step * by_o


@scalar
def branch_width(k: float, apart: float, r: float) -> float:
    """2 w, the distance of the branch points from the real angles; at most 10, beyond which they do not matter."""
    both = sinhc_scalar(k * apart) * sinhc_scalar(k * r) * apart * r
    rise = 2.0 * math.cosh(0.5 * k * (apart - r))
    return rise / (k * math.sqrt(both)) if rise * rise < 100.0 * k * k * both else 10.0


@scalar
def integrand(
    dim: float, k: float, apart: float, r: float, other: float, half: float
) -> tuple[float, float, float, float, float, float]:
    """r'^2/(2 s'^2) + (n-1)(log sinhc(k r') - log sinhc(k r)) and its derivatives by K, D, r and s'.

    Last comes that by 2 (sinh(k r'/2)/k)^2, which is shared.
    """
    gap = apart - r
    far_d, far_r = apart * sinhc_scalar(k * apart), r * sinhc_scalar(k * r)
    near = 0.5 * gap * sinhc_scalar(0.5 * k * gap)
    chord = math.sqrt(near * near + far_d * far_r * half)
    there = 2.0 * chord * asinhc(k * chord)
    here_slope, there_slope = log_slope(k * r), log_slope(k * there)
    power = dim - 1.0
    value = there * there / (2.0 * other * other) + power * (log_sinhc_scalar(k * there) - log_sinhc_scalar(k * r))
    common = (1.0 / (other * other) + power * k * k * there_slope) / sinhc_scalar(k * there)
    lean = gap * sinhc_scalar(k * gap)
    by_d = common * (lean + 2.0 * half * far_r * math.cosh(k * apart))
    by_r = common * (2.0 * half * far_d * math.cosh(k * r) - lean) - power * k * k * r * here_slope
    bend = jensen_gap(k, apart, r, there, half)
    by_k = -0.5 * (common * bend + power * (there * there * there_slope - r * r * here_slope))
    return value, by_k, by_d, by_r, -there * there / (other * other * other), common


@scalar
def jensen_gap(k: float, apart: float, r: float, there: float, half: float) -> float:
    """-2 r' sinhc(k r') dr'/dK as (1 - half) c(D - r) + half c(D + r) - c(r').

    cosh(k r') is that mean of cosh; c(x) = (k x sinh(k x) - 2 (cosh(k x) - 1)) / k^4 is x sinh x less its linear part
    in cosh, which would cancel.
    """
    near, far = apart - r, apart + r
    total = half * far**4 * quartic(k * far) - there**4 * quartic(k * there)
    return total + (1.0 - half) * near**4 * quartic(k * near)


@scalar
def quartic(x: float) -> float:
    """(x sinh x - 2 (cosh x - 1)) / x^4, the series sum (2j - 2) x^(2j-4) / (2j)! from j = 2 where it cancels."""
    z = x * x
    if z > 9.0:
        return (x * math.sinh(x) - 2.0 * (math.cosh(x) - 1.0)) / (z * z)
    term, total = 1.0 / 24.0, 0.0
    for j in range(2, 16):
        total += (2.0 * j - 2.0) * term
        term *= z / ((2.0 * j + 1.0) * (2.0 * j + 2.0))
    return total


@scalar
def log_slope(x: float) -> float:
    """(coth x - 1/x) / x, 1/3 at 0."""
    return dlog_sinhc_scalar(x) / x if x > 1e-150 else 1.0 / 3.0


@scalar
def asinhc(x: float) -> float:
    """asinh(x) / x, 1 at 0."""
    return math.asinh(x) / x if x > 1e-150 else 1.0


hyperbolic_kl: Any = elementwise(hyperbolic_kl_scalar, cost=5e5, outputs=5)
