"""The divergence from any wrapped normal law of the hyperbolic plane to one with a single scale, by quadrature.

As `geomlat.distributions._hyperbolic_kl`, in the coordinates c = L e of a draw in the frame at its centre:
e = rho (cos, sin) is standard normal, and the direction from which its angle is counted, and towards which nodes crowd,
is the one that L takes to the other centre, at coordinates t. Tested for k D <= 8, k s <= 2 and axes up to 10 to 1, to
1e-11.
"""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import elementwise, scalar
from geomlat.distributions._hyperbolic_kl import TAIL, branch_width, integrand
from geomlat.special.quadrature import NODES, WEIGHTS
from geomlat.special.radial import sinhc_scalar


@scalar
def plane_kl_scalar(
    curvature: float, t1: float, t2: float, l11: float, l21: float, l22: float, other: float
) -> tuple[float, float, float, float, float, float, float, float]:
    """The divergence and its derivatives by curvature, t, the entries of L and the other scale."""
    k, det = math.sqrt(-curvature), l11 * l22
    apart = math.hypot(t1, t2)
    start = math.atan2((t2 - l21 * t1 / l11) / l22, t1 / l11) if apart > 0.0 else 0.0
    c0, s0 = math.cos(start), math.sin(start)
    near = math.hypot(l11 * c0, l21 * c0 + l22 * s0)
    uneven = (l11 * l11 + l21 * l21 + l22 * l22) / det
    radii = 2 + int(TAIL * math.sqrt(uneven * det) * k / 8.0)
    mass, value, by_k, by_1, by_2, by_o = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    by_11, by_21, by_22 = 0.0, 0.0, 0.0
    for panel in range(radii):
        for j in range(24):
            rho = (TAIL + 1.0) * (panel + NODES[j]) / radii
            density = WEIGHTS[j] * rho * math.exp(-0.5 * rho * rho)
            width = branch_width(k, apart, rho * near)
            last = math.asinh(math.pi / width)
            count = 2 + int(last / 3.0 + uneven)
            for node in range(48 * count):
                part, i = node // 48, node % 24
                t = last * (part + NODES[i]) / count
                turn = width * math.sinh(t)
                angle = start + (turn if node % 48 < 24 else -turn)
                e1, e2 = rho * math.cos(angle), rho * math.sin(angle)
                weight = density * WEIGHTS[i] * math.cosh(t) * width * last / count
                f, f_k, f_t1, f_t2, f_o, f_v1, f_v2 = along_vectors(k, t1, t2, l11 * e1, l21 * e1 + l22 * e2, other)
                mass += weight
                value += weight * f
                by_k += weight * f_k
                by_1 += weight * f_t1
                by_2 += weight * f_t2
                by_o += weight * f_o
                by_11 += weight * f_v1 * e1
                by_21 += weight * f_v2 * e1
                by_22 += weight * f_v2 * e2
    kl = 2.0 * math.log(other) - math.log(det) - 1.0 + value / mass
    by_11, by_22 = by_11 / mass - 1.0 / l11, by_22 / mass - 1.0 / l22
    return kl, by_k / mass, by_1 / mass, by_2 / mass, by_11, by_21 / mass, by_22, by_o / mass + 2.0 / other


@scalar
def along_vectors(
    k: float, t1: float, t2: float, v1: float, v2: float, other: float
) -> tuple[float, float, float, float, float, float, float]:
    """The integrand of `_hyperbolic_kl` for the vectors t and v, with derivatives by K, t, s' and v."""
    apart, r = math.hypot(t1, t2), math.hypot(v1, v2)
    a1, a2 = (t1 / apart, t2 / apart) if apart > 0.0 else (1.0, 0.0)
    b1, b2 = v1 / r, v2 / r
    half = 0.25 * ((a1 - b1) * (a1 - b1) + (a2 - b2) * (a2 - b2))
    f, f_k, f_d, f_r, f_o, common = integrand(2.0, k, apart, r, other, half)
    far_d, far_r = sinhc_scalar(k * apart), sinhc_scalar(k * r)
    cosine = 1.0 - 2.0 * half
    turn_t, turn_v = -common * far_d * r * far_r, -common * far_d * far_r * apart
    return (
        f,
        f_k,
        f_d * a1 + turn_t * (b1 - cosine * a1),
        f_d * a2 + turn_t * (b2 - cosine * a2),
        f_o,
        f_r * b1 + turn_v * (a1 - cosine * b1),
        f_r * b2 + turn_v * (a2 - cosine * b2),
    )


plane_kl: Any = elementwise(plane_kl_scalar, cost=1e6, outputs=8)
