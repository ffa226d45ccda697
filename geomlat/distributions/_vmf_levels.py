"""The von Mises-Fisher law on the sphere of R^3: blocks of rows by the inverse of the distribution function.

A row's noise is a level U of the distribution function of t = 1 - w and a unit vector of the plane; t is
-log1p(U expm1(-2 kappa)) / kappa, in float64 whatever the dtype, as is the reflection. Each step is a loop of its own
over the block: in one long chain of polynomials the processor waits for the result of each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, scalar
from geomlat.backends.libm import cos_sin_turns, fast_exp_expm1, fast_log1p
from geomlat.distributions._rows import row
from geomlat.random import LOW, S32, philox, single_circle, unit

PURPOSE_RADIAL = np.uint64(3)


@inlined
def level_argument(kappa: float, level: float) -> float:
    """x = level expm1(-2 kappa)."""
    return level * fast_exp_expm1(max(-2.0 * kappa, -690.0))[1]


@inlined
def t_of_argument(kappa: float, x: float) -> tuple[float, float]:
    """``(t, 2 - t)`` from x = level expm1(-2 kappa)."""
    t = -fast_log1p(x) / kappa
    return t, max(2.0 - t, 2.0**-53)


@inlined
def positive(kappa: float) -> float:
    """kappa, or at 0 a number so small that t = 2 level to the last digit."""
    return max(kappa, 1e-290)


@scalar
def t_of_level(kappa: float, level: float) -> tuple[float, float]:
    """``(t, 2 - t)`` at a level of the distribution function."""
    k = positive(kappa)
    return t_of_argument(k, level_argument(k, level))


@inlined
def level_words(words: Any, index: Any) -> tuple[Any, Any, Any, Any]:
    """The words of a row: two of its level, two of its direction."""
    return philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_RADIAL, words[0], words[1])


@scalar
def draw_levels(words: Any, first: Any, radial: Any, tangent: Any) -> None:
    """A level of the distribution function and a direction in the plane for the rows ``first``, ``first + 1``, ...."""
    flat, start = tangent.reshape(2 * radial.size), words[2] + first
    if tangent.itemsize == 4:
        draw_single_levels(words, start, radial, flat)
        return
    for r in range(radial.size):
        a, b, c, d = level_words(words, start + np.uint64(r))
        radial[r] = unit(a, b)
        flat[2 * r], flat[2 * r + 1] = cos_sin_turns(unit(c, d))


@scalar
def draw_single_levels(words: Any, start: Any, radial: Any, flat: Any) -> None:
    """The same in float32: the levels are those of float64, the directions on a grid of 2^25 angles."""
    bits = flat.view(np.uint32)
    for r in range(radial.size):
        a, b, c, d = level_words(words, start + np.uint64(r))
        radial[r] = unit(a, b)
        bits[2 * r], bits[2 * r + 1] = np.uint32(c), np.uint32(d)
    for r in range(radial.size):
        flat[2 * r], flat[2 * r + 1] = single_circle(np.uint64(bits[2 * r]))


@inlined
def reflected(w: float, head: float, scale: float, along: float, uu: float) -> tuple[float, float]:
    """The first coordinate of H (w, scale g), and the factor of the other coordinates of mu in the rest of it."""
    u = head + (1.0 if head >= 0.0 else -1.0)
    g = 2.0 * (w * (1.0 + abs(head)) - scale * along) / (uu + u * u)
    return g * u - (w if head >= 0.0 else -w), g


@scalar
def place_levels(low: int, mu: Any, work: Any, radial: Any, tangent: Any, z: Any) -> None:
    """The points ``low``, ``low + 1``, ... of their noise; ``work[2]`` holds kappa."""
    count, w, square, kappa = radial.size, work[0], work[1], work[2]
    for r in range(count):
        kappa[r] = positive(kappa[r])
        w[r] = level_argument(kappa[r], radial[r])
    for r in range(count):
        t, rest = t_of_argument(kappa[r], w[r])
        w[r], square[r] = 1.0 - t, t * rest
    points, direction = z.reshape(3 * count), tangent.reshape(2 * count)
    if low + count <= mu.shape[0]:
        axes = mu[low : low + count].reshape(3 * count)
        for j in range(3 * count):
            points[j] = axes[j]
    else:
        for r in range(count):
            k = row(low + r, mu.shape[0])
            points[3 * r], points[3 * r + 1], points[3 * r + 2] = mu[k, 0], mu[k, 1], mu[k, 2]
    for r in range(count):
        head, u1, u2 = np.float64(points[3 * r]), np.float64(points[3 * r + 1]), np.float64(points[3 * r + 2])
        g1, g2 = np.float64(direction[2 * r]), np.float64(direction[2 * r + 1])
        scale = math.sqrt(square[r] / (g1 * g1 + g2 * g2))
        g1, g2 = scale * g1, scale * g2
        first, g = reflected(w[r], head, 1.0, u1 * g1 + u2 * g2, u1 * u1 + u2 * u2)
        points[3 * r], points[3 * r + 1], points[3 * r + 2] = first, g * u1 + g1, g * u2 + g2
