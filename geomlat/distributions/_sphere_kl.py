"""The divergence between isotropic wrapped normal laws on a sphere, by quadrature over radius and angle.

With r the distance of a point of the unit sphere to the centre of q and d that to the centre of p, D away, the density
of q is a function of r alone and that of p of d, and the points at distance r have d by their angle f with the
direction of the other centre, of density proportional to sin(f)^(n-2),

    sin(d/2)^2 = sin((D - r)/2)^2 + sin(D) sin(r) sin(f/2)^2
    cos(d/2)^2 = cos((D + r)/2)^2 + sin(D) sin(r) sin((pi - f)/2)^2,

neither of which cancels. The density of p, for n >= 2, has a logarithmic pole at its antipode and, where it is wound,
at its centre: at f = +-i w or pi +- i w, w = 2 asinh(sqrt(sin((D - r)/2)^2 / (sin(D) sin(r)))) and the like. Each
half of the angles is taken in t, f = w sinh(t), by panels of 24 Gauss-Legendre nodes. The integrand of r is smooth but
at r = D and r = pi - D, where it is cut, and at its ends: double exponential rules (Takahasi and Mori 1974).

Tested for n = 2 .. 100 and scales 1e-3 .. 10, to 5e-12, the derivatives to 1e-8; that by the scale s of q is a mean of
its score, of which rounding leaves 1e-15 (D / s)^2. At D = pi wound laws have a kink: the derivative by D is 0 there.
"""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import elementwise, scalar
from geomlat.distributions._windings import TAIL, radii, windings_scalar
from geomlat.special.quadrature import NODES, WEIGHTS

TAU = 2.0 * math.pi
HALF_LOG_TAU = 0.5 * math.log(TAU)
STEPS = 120
OPPOSITE = math.pi - 2e-15


@scalar
def sphere_kl_scalar(
    dim: float, period: float, apart: float, scale: float, other: float
) -> tuple[float, float, float, float, float]:
    """The divergence and its derivatives by the length of great circles, the distance and the two scales."""
    radius = period / TAU
    s, d, o = scale / radius, min(apart / radius, math.pi), other / radius
    start, stop = radii(dim, s)
    first, second = min(max(min(d, math.pi - d), start), stop), min(max(max(d, math.pi - d), start), stop)
    mass, value, by_s, by_d, by_o, drift = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for piece in range(3):
        low = start if piece == 0 else (first if piece == 1 else second)
        high = first if piece == 0 else (second if piece == 1 else stop)
        for j in range(1, STEPS):
            t = 6.4 * j / STEPS - 3.2
            e = math.exp(-math.pi * math.sinh(t))
            weight = (high - low) * math.cosh(t) * e / ((1.0 + e) * (1.0 + e))
            r = low + (high - low) / (1.0 + e) if t < 0.0 else high - (high - low) * e / (1.0 + e)
            sine = math.sin(r)
            if weight * sine > 0.0:
                log_q, _, score = log_density(dim, r, sine, math.cos(r), s)
                weight *= math.exp(log_q + (dim - 1.0) * math.log(sine))
                log_p, slope, score_p = over_angles(dim, d, r, sine, o)
                mass += weight
                drift += weight * score
                value += weight * (log_q - log_p)
                by_s += weight * score * (log_q - log_p)
                by_d -= weight * slope
                by_o -= weight * score_p
    value /= mass
    by_s, by_d, by_o = (by_s - drift * value) / mass, by_d / mass if d < OPPOSITE else 0.0, by_o / mass
    by_period = -(s * by_s + d * by_d + o * by_o) / period
    return value, by_period, by_d / radius, by_s / radius, by_o / radius


@scalar
def log_density(dim: float, r: float, sine: float, cosine: float, s: float) -> tuple[float, float, float]:
    """The log-density at distance r of the law of scale s, and its derivatives by r and s."""
    wound, by_r, by_a, _ = windings_scalar(dim, r, 1.0 / s, TAU)
    u = r / s
    value = wound - 0.5 * u * u - dim * (math.log(s) + HALF_LOG_TAU) + (dim - 1.0) * math.log(r / sine)
    slope = by_r - u / s + (dim - 1.0) * (1.0 / r - cosine / sine)
    return value, slope, (u * u - dim - by_a / s) / s


@scalar
def over_angles(dim: float, d: float, r: float, sine: float, o: float) -> tuple[float, float, float]:
    """Means over the angle of the log-density of p and of its derivatives by D and its scale."""
    both = math.sin(d) * sine
    near, far = abs(math.sin(0.5 * (d - r))), abs(math.cos(0.5 * (d + r)))
    low = math.asin(math.exp(-TAIL / (dim - 2.0))) if dim > 2.0 else 0.0
    mass, value, by_d, by_o = 0.0, 0.0, 0.0, 0.0
    for half in range(2):
        width = branch_width(near if half == 0 else far, both)
        first, last = math.asinh(low / width), math.asinh(0.5 * math.pi / width)
        count = 1 + int((last - first) / 3.0)
        for node in range(24 * count):
            j = node % 24
            t = first + (last - first) * (node // 24 + NODES[j]) / count
            angle = width * math.sinh(t)
            weight = (last - first) / count * width * WEIGHTS[j] * math.cosh(t)
            if dim > 2.0:
                weight *= math.exp((dim - 2.0) * math.log(math.sin(angle)))
            h = math.sin(0.5 * angle)
            h *= h
            g = 1.0 - h
            if half == 1:
                h, g = g, h
            chord, rest = math.sqrt(near * near + both * h), math.sqrt(far * far + both * g)
            there, cosine = 2.0 * math.atan2(chord, rest), (rest - chord) * (rest + chord)
            turn = 2.0 * math.cos(d) * sine
            lean = math.sin(d - r) + turn * h if half == 0 else math.sin(d + r) - turn * g
            f, slope, score = log_density(dim, there, 2.0 * chord * rest, cosine, o)
            mass += weight
            value += weight * f
            by_d += weight * slope * lean / (2.0 * chord * rest)
            by_o += weight * score
    return value / mass, by_d / mass, by_o / mass


@scalar
def branch_width(chord: float, both: float) -> float:
    """The distance of the branch points from the real angles: at least 1e-6, at most 10."""
    return max(2.0 * math.asinh(chord / math.sqrt(both)), 1e-6) if chord * chord < 1e4 * both else 10.0


sphere_kl: Any = elementwise(sphere_kl_scalar, cost=3e6, outputs=5)
