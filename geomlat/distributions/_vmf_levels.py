"""The von Mises-Fisher law on the sphere of R^3: blocks of rows by the inverse of the distribution function.

A row's noise is a level U of the distribution function of t = 1 - w and a unit vector of the plane; t is
-log1p(U expm1(-2 kappa)) / kappa. Float32 rows do all of it in float32, from whichever of t and 2 - t is smaller, and
put the length of the point right at the end; their levels have 32 bits, so that one counter serves two rows. Each step
is a loop of its own over the block: in one long chain of polynomials the processor waits for the result of each.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, scalar
from geomlat.backends.fused import multiply_add
from geomlat.backends.libm import (
    cos_sin_turns,
    fast_exp_expm1,
    fast_log1p,
    single_exp_expm1,
    single_minus_2_log_of,
    single_split,
)
from geomlat.distributions._rows import repeat, repeat_rows
from geomlat.random import LOW, ONE, S32, SINGLE_1, SINGLE_HALF, philox, single_circle, unit

PURPOSE_RADIAL = np.uint64(3)
SINGLE_0 = np.float32(0.0)
SINGLE_2 = np.float32(2.0)
SMALLEST = np.float32(1e-15)  # below it t = 2 level to the last digit
LOWEST = np.float32(-80.0)
TWO_32 = np.uint64(2**32)
TO_11 = np.float32(1.5 * 2.0**12)


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


@inlined
def single_level(bits: Any) -> float:
    """A level in (0, 1) from a 32-bit word."""
    return (np.float64(np.uint32(bits)) + 0.5) * 2.0**-32


@scalar
def draw_single_levels(words: Any, start: Any, radial: Any, flat: Any) -> None:
    """The same in float32: levels of 32 bits, directions on a grid of 2^25 angles, two rows from one counter."""
    bits, head = flat.view(np.uint32), int(start & ONE)
    if head == 1:
        _, _, c, d = level_words(words, start >> ONE)
        radial[0], bits[0] = single_level(c), np.uint32(d)
    index, pairs = (start + ONE) >> ONE, (radial.size - head) // 2
    near = min(pairs, int(TWO_32 - (index & LOW)))
    level_pairs(words, index, radial[head : head + 2 * near], bits[2 * head :])
    far = head + 2 * near
    level_pairs(words, index + np.uint64(near), radial[far : head + 2 * pairs], bits[2 * far :])
    if head + 2 * pairs < radial.size:
        a, b, _, _ = level_words(words, index + np.uint64(pairs))
        radial[radial.size - 1], bits[2 * radial.size - 2] = single_level(a), np.uint32(b)
    for r in range(radial.size):
        flat[2 * r], flat[2 * r + 1] = single_circle(np.uint64(bits[2 * r]))


@scalar
def level_pairs(words: Any, index: Any, radial: Any, bits: Any) -> None:
    """Levels, and the words of directions, from counters that share the upper word: a fifth less work for Philox."""
    low, high = index & LOW, index >> S32
    for k in range(radial.size // 2):
        a, b, c, d = philox(np.uint64(0), (low + np.uint64(k)) & LOW, high, PURPOSE_RADIAL, words[0], words[1])
        radial[2 * k], radial[2 * k + 1] = single_level(a), single_level(c)
        bits[4 * k], bits[4 * k + 1] = np.uint32(b), np.uint32(b)  # without a gap: LLVM then stores whole vectors
        bits[4 * k + 2], bits[4 * k + 3] = np.uint32(d), np.uint32(d)


@inlined
def reflected(w: float, head: float, scale: float, along: float, uu: float) -> tuple[float, float]:
    """The first coordinate of H (w, scale g), and the factor of the other coordinates of mu in the rest of it."""
    u = head + (1.0 if head >= 0.0 else -1.0)
    g = 2.0 * (w * (1.0 + abs(head)) - scale * along) / (uu + u * u)
    return g * u - (w if head >= 0.0 else -w), g


@inlined
def single_argument(e: Any, less: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """``1 + x, x`` with -log(1 + x) = kappa t, or log(1 + x) = kappa (2 - t) where that is the smaller, in float32.

    ``e, -less`` are exp(-2 kappa) and q = 1 - e, ``low, high`` the level and V, 1 less it. 2 - t is taken where V < 1/2
    and V q < e, x being V q / e; elsewhere x = -level q, and 1 + x is e + V q where V < 1/2. Nothing cancels.
    """
    y = -less * high
    lower = high >= SINGLE_HALF
    far = (y < e) & (not lower)
    x = (y if far else less * low) / (e if far else SINGLE_1)
    return SINGLE_1 + x if far | lower else e + y, x


@inlined
def single_reflected(t: Any, axis: Any, c: Any, s: Any) -> tuple[Any, Any, Any]:
    """H (w, r (c, s)/|(c, s)|) of three float32 numbers ``axis``; ``t`` is t, or -(2 - t)."""
    head, u1, u2 = axis
    short = abs(t)
    w = short - SINGLE_1 if t < SINGLE_0 else SINGLE_1 - short
    square = max(short * (SINGLE_2 - short), SINGLE_0)
    radius = np.float32(math.sqrt(square / multiply_add(c, c, s * s)))
    c, s = radius * c, radius * s
    sign = SINGLE_1 if head >= SINGLE_0 else -SINGLE_1
    u = head + sign
    along, uu = multiply_add(u1, c, u2 * s), multiply_add(u1, u1, u2 * u2)
    g = multiply_add(w, abs(u), -along)
    g = (g + g) / multiply_add(u, u, uu)
    return multiply_add(g, u, -sign * w), multiply_add(g, u1, c), multiply_add(g, u2, s)


@inlined
def missing_length(x: Any, y: Any, z: Any) -> Any:
    """1 - |(x, y, z)| of a float32 vector whose length is 1 to a few roundings, to first order, within 1e-9.

    Of each number the multiple of 2^-11 next to it has an exact square, and so have their sums up to 4.
    """
    a, b, c = (x + TO_11) - TO_11, (y + TO_11) - TO_11, (z + TO_11) - TO_11
    square = multiply_add(c, c, multiply_add(b, b, multiply_add(a, a, -SINGLE_1)))
    rest = multiply_add(x - a, x + a, multiply_add(y - b, y + b, (z - c) * (z + c)))
    return -SINGLE_HALF * (square + rest)


@scalar
def place_levels(low: int, mu: Any, kappa: Any, work: Any, radial: Any, tangent: Any, z: Any) -> None:
    """The points ``low``, ``low + 1``, ... of their noise."""
    count = radial.size
    points, direction = z.reshape(3 * count), tangent.reshape(2 * count)
    if z.itemsize == 4:
        a, b = work[0].view(np.float32), work[1].view(np.float32)
        parts = a[:count], b[:count], a[count : 2 * count], b[count : 2 * count]
        repeat(kappa, low, parts[0])
        single_heights(parts[0], parts[1], parts[2], parts[3], radial)
        if low + count <= mu.shape[0]:
            place_single_levels(parts[0], parts[1], parts[2], parts[3], mu[low : low + count], direction, points)
        else:
            repeat_rows(mu, low, z)
            place_single_levels(parts[0], parts[1], parts[2], parts[3], z, direction, points)
    else:
        repeat_rows(mu, low, z)
        repeat(kappa, low, work[2, :count])
        place_double_levels(work[2], work[0], work[1], radial, direction, points)


@scalar
def single_heights(kappa: Any, a: Any, b: Any, t: Any, radial: Any) -> None:
    """t into ``t``, or -(2 - t) where that is the smaller, in float32."""
    for r in range(radial.size):
        t[r], b[r] = np.float32(radial[r]), np.float32(1.0 - radial[r])
    for r in range(radial.size):
        kappa[r] = max(kappa[r], SMALLEST)
        e, less = single_exp_expm1(max(-(kappa[r] + kappa[r]), LOWEST))
        a[r], t[r] = single_argument(e, less, t[r], b[r])
    for r in range(radial.size):
        exponent, f = single_split(a[r])
        t[r] = single_minus_2_log_of(exponent, t[r] if exponent == SINGLE_0 else f) / (kappa[r] + kappa[r])


@scalar
def place_single_levels(x: Any, y: Any, z: Any, t: Any, mu: Any, direction: Any, points: Any) -> None:
    """The points in float32; ``x, y, z`` are scratch, and ``mu`` may be the rows of ``points``."""
    axes = mu.reshape(points.size)
    for r in range(t.size):
        axis = np.float32(axes[3 * r]), np.float32(axes[3 * r + 1]), np.float32(axes[3 * r + 2])
        c, s = np.float32(direction[2 * r]), np.float32(direction[2 * r + 1])
        x[r], y[r], z[r] = single_reflected(t[r], axis, c, s)
    for r in range(t.size):
        short = missing_length(x[r], y[r], z[r])
        points[3 * r], points[3 * r + 1] = multiply_add(short, x[r], x[r]), multiply_add(short, y[r], y[r])
        points[3 * r + 2] = multiply_add(short, z[r], z[r])


@scalar
def place_double_levels(kappa: Any, w: Any, square: Any, radial: Any, direction: Any, points: Any) -> None:
    """From mean directions in ``points`` to the points, in float64."""
    for r in range(radial.size):
        kappa[r] = positive(kappa[r])
        w[r] = level_argument(kappa[r], radial[r])
    for r in range(radial.size):
        t, rest = t_of_argument(kappa[r], w[r])
        w[r], square[r] = 1.0 - t, t * rest
    for r in range(radial.size):
        head, u1, u2 = np.float64(points[3 * r]), np.float64(points[3 * r + 1]), np.float64(points[3 * r + 2])
        g1, g2 = np.float64(direction[2 * r]), np.float64(direction[2 * r + 1])
        scale = math.sqrt(square[r] / (g1 * g1 + g2 * g2))
        g1, g2 = scale * g1, scale * g2
        first, g = reflected(w[r], head, 1.0, u1 * g1 + u2 * g2, u1 * u1 + u2 * u2)
        points[3 * r], points[3 * r + 1], points[3 * r + 2] = first, g * u1 + g1, g * u2 + g2
