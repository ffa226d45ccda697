"""Row kernels of the hyperboloid's frames and pullbacks: a small batch spends longer between array operations than in
them. They follow `geomlat.manifolds.hyperboloid` and `geomlat.manifolds.lorentz`, in float64, and round once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Kernel, aligned, inlined, kernel, namespace, scalar, summation
from geomlat.backends.libm import fast_exp_expm1
from geomlat.grad import sum_to
from geomlat.manifolds.hyperboloid_rows import (
    FAR,
    HUGE,
    TINY,
    arc,
    height,
    hypotenuse,
    scaled_size,
    squares,
    tangent_size,
)
from geomlat.special.radial import dlog_sinhc_scalar, log_sinhc_scalar

Array = Any


def rows_of(loop: Kernel, *arrays: Array, numbers: tuple[float, ...], width: int) -> Array:
    """A row kernel over vectors of any widths; the result has vectors of ``width``, or with 0 none."""
    shape, flat = aligned(*arrays, events=(1,) * len(arrays))
    y = namespace(*arrays).empty((*shape, width) if width else shape, dtype=arrays[0].dtype)
    n = math.prod(shape)
    loop(n, *flat, *numbers, y.reshape((n, width) if width else (n,)))
    return y if width or shape else y[()]


def pulled(loop: Kernel, x: Array, u: Array, *more: Array, numbers: tuple[float, ...]) -> tuple[Array, Array]:
    """The cotangents of x and of u by a kernel that reads vectors x, u, ``more`` and fills a row of each."""
    shape, flat = aligned(x, u, *more, events=(1,) * (2 + len(more)))
    xp, n = namespace(x, u), math.prod(shape)
    dx, du = (xp.empty((*shape, a.shape[-1]), dtype=x.dtype) for a in (x, u))
    loop(n, *flat, *numbers, dx.reshape(n, x.shape[-1]), du.reshape(n, u.shape[-1]))
    return sum_to(dx, x.shape), sum_to(du, u.shape)


def longest(x: Array) -> float:
    """The length of a tangent at the origin whose end is still a number of the dtype, in units of R."""
    return math.log(float(np.finfo(x.dtype).max)) - 1


@scalar
def extent(x: Any, a: int) -> float:
    """``|a|`` of the space part of row a."""
    total = squares(x, a, 1.0)
    return math.sqrt(total) if TINY < total < HUGE else scaled_size(x, a)


@scalar
def usable(size: float) -> float:
    """A size to divide by: of nothing, 1."""
    return size if size > 0.0 else 1.0


@inlined
def part(p: float, size: float) -> float:
    """``p / size`` before anything else, which a summation would be free to change."""
    return p / size


@summation
def shared(x: Any, a: int, size: float, u: Any, b: int, first: int) -> float:
    """``a . u / size``; the space part of u starts at column ``first``."""
    total = 0.0
    for j in range(1, x.shape[1]):
        total += part(np.float64(x[a, j]), size) * np.float64(u[b, j - 1 + first])
    return total


@scalar
def lowered(u: float, unit: float, along: float, shrunk: float) -> float:
    """An entry of the metric times a tangent: the part across, and that along times ``(R / x_0)^2``."""
    return (u - along * unit) + along * shrunk * shrunk * unit


@kernel(cost=10.0)
def from_coordinates_row(i: int, x: Any, c: Any, radius: float, out: Any) -> None:
    """``c + (a . c) a / (R (x_0 + R))``, time first."""
    a, b = min(i, x.shape[0] - 1), min(i, c.shape[0] - 1)
    total = height(x, a, radius) + radius
    t = shared(x, a, 1.0, c, b, 0) / radius
    out[i, 0] = t
    for j in range(1, x.shape[1]):
        out[i, j] = np.float64(c[b, j - 1]) + t * (np.float64(x[a, j]) / total)


@kernel(cost=15.0)
def from_coordinates_pull_row(i: int, x: Any, c: Any, du: Any, radius: float, dx: Any, dc: Any) -> None:
    """The cotangents of x and c."""
    a, b, d = min(i, x.shape[0] - 1), min(i, c.shape[0] - 1), min(i, du.shape[0] - 1)
    high = height(x, a, radius)
    total = high + radius
    t, turned = shared(x, a, 1.0, c, b, 0) / radius, shared(x, a, total, du, d, 1)
    dt = (turned + np.float64(du[d, 0])) / radius
    dx[i, 0] = 0.0
    for j in range(1, x.shape[1]):
        p, g = np.float64(x[a, j]), np.float64(du[d, j])
        dx[i, j] = dt * np.float64(c[b, j - 1]) + t * (g - turned * (p / high)) / total
        dc[i, j - 1] = g + dt * p


@kernel(cost=10.0)
def to_coordinates_row(i: int, x: Any, u: Any, radius: float, out: Any) -> None:
    """``u - (u_0 / (x_0 + R)) a``, the time entry from the space part."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    high = height(x, a, radius)
    t = shared(x, a, high, u, b, 1)
    for j in range(1, x.shape[1]):
        out[i, j - 1] = np.float64(u[b, j]) - t * (np.float64(x[a, j]) / (high + radius))


@kernel(cost=15.0)
def to_coordinates_pull_row(i: int, x: Any, u: Any, dc: Any, radius: float, dx: Any, du: Any) -> None:
    """The cotangents of x and u."""
    a, b, d = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1), min(i, dc.shape[0] - 1)
    high, size = height(x, a, radius), usable(extent(x, a))
    total, along = high + radius, shared(x, a, size, u, b, 1)
    lean, t = shared(x, a, high, u, b, 1), shared(x, a, total, dc, d, 0)
    dx[i, 0], du[i, 0] = 0.0, 0.0
    for j in range(1, x.shape[1]):
        p, g = np.float64(x[a, j]), np.float64(dc[d, j - 1])
        low = lowered(np.float64(u[b, j]), p / size, along, radius / high)
        dx[i, j] = lean * (t * (p / high) - g) / total - t * low / high
        du[i, j] = g - t * (p / high)


@kernel(cost=8.0)
def norm_row(i: int, x: Any, u: Any, radius: float, out: Any) -> None:
    """The length of a tangent."""
    out[i] = tangent_size(x, min(i, x.shape[0] - 1), u, min(i, u.shape[0] - 1), radius)


@kernel(cost=15.0)
def norm_pull_row(i: int, x: Any, u: Any, dr: Any, radius: float, dx: Any, du: Any) -> None:
    """The cotangents of x and u; zero where u is."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    norm, slope = tangent_size(x, a, u, b, radius), np.float64(dr[min(i, dr.shape[0] - 1), 0])
    pull_norm(i, x, a, u, b, norm, slope, radius, dx, du)


@kernel(cost=30.0)
def volume_row(i: int, x: Any, u: Any, radius: float, power: float, out: Any) -> None:
    """``(n - 1) log(sinh(r) / r)`` of a tangent, ``power`` n - 1."""
    norm = tangent_size(x, min(i, x.shape[0] - 1), u, min(i, u.shape[0] - 1), radius)
    out[i] = power * log_sinhc_scalar(norm / radius)


@kernel(cost=40.0)
def volume_pull_row(i: int, x: Any, u: Any, dl: Any, radius: float, power: float, dx: Any, du: Any) -> None:
    """The cotangents of x and u."""
    a, b = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1)
    norm = tangent_size(x, a, u, b, radius)
    slope = power / radius * dlog_sinhc_scalar(norm / radius) * np.float64(dl[min(i, dl.shape[0] - 1), 0])
    pull_norm(i, x, a, u, b, norm, slope, radius, dx, du)


@scalar
def pull_norm(
    i: int, x: Any, a: int, u: Any, b: int, norm: float, slope: float, radius: float, dx: Any, du: Any
) -> None:
    """The cotangents of x and u from that of the length ``norm``, into row i."""
    high, size, norm = height(x, a, radius), usable(extent(x, a)), usable(norm)
    lean, along = shared(x, a, high, u, b, 1), shared(x, a, size, u, b, 1) / norm
    dx[i, 0], du[i, 0] = 0.0, 0.0
    for j in range(1, x.shape[1]):
        low = slope * lowered(np.float64(u[b, j]) / norm, np.float64(x[a, j]) / size, along, radius / high)
        dx[i, j], du[i, j] = -lean / high * low, low


@kernel(cost=20.0)
def exp_pull_row(i: int, x: Any, u: Any, y: Any, dy: Any, radius: float, most: float, dx: Any, du: Any) -> None:
    """The cotangents of x and u from the end y and its cotangent, at a tangent cut as by `exp_row`."""
    a, b, e, d = min(i, x.shape[0] - 1), min(i, u.shape[0] - 1), min(i, y.shape[0] - 1), min(i, dy.shape[0] - 1)
    high, size, norm = height(x, a, radius), usable(extent(x, a)), tangent_size(x, a, u, b, radius)
    r, cut = norm / radius, 1.0
    if r > FAR:
        cut = min(1.0, (most - max(math.log(high), 0.0)) / r)
        r *= cut
    norm, time = usable(norm), np.float64(dy[d, 0])
    grown, less_one = fast_exp_expm1(0.5 * r)
    half = 0.5 * (less_one + less_one / grown)
    c, s = 1.0 + 2.0 * half * half, half * (grown + 1.0 / grown) / r if r > 0.0 else 1.0
    lean, along = cut * shared(x, a, high, u, b, 1), shared(x, a, size, u, b, 1) / norm
    straight, onward = 0.0, 0.0
    for j in range(1, x.shape[1]):
        g = np.float64(dy[d, j]) + time * (np.float64(y[e, j]) / np.float64(y[e, 0]))
        straight += g * (np.float64(u[b, j]) / norm)
        onward += g * (np.float64(x[a, j]) / radius)
    dnorm = (c - s) * straight + s * r * onward
    dx[i, 0], du[i, 0] = 0.0, 0.0
    for j in range(1, x.shape[1]):
        g = np.float64(dy[d, j]) + time * (np.float64(y[e, j]) / np.float64(y[e, 0]))
        low = dnorm * lowered(np.float64(u[b, j]) / norm, np.float64(x[a, j]) / size, along, radius / high)
        dx[i, j], du[i, j] = c * g - lean / high * low, s * g + low


@kernel(cost=40.0)
def log_pull_row(i: int, x: Any, y: Any, du: Any, radius: float, dx: Any, dy: Any) -> None:
    """The cotangents of x and y; the vectors of `lorentz.between` and `lorentz.slopes` are found entry by entry."""
    a, b, d = min(i, x.shape[0] - 1), min(i, y.shape[0] - 1), min(i, du.shape[0] - 1)
    p, q = extent(x, a), extent(y, b)
    high, far, both, time = hypotenuse(p, radius), hypotenuse(q, radius), usable(p + q), np.float64(du[d, 0])
    own, other, longer, near = usable(p), usable(q), usable(max(p, q)), p >= q
    drop = 0.0
    for j in range(1, x.shape[1]):
        s, t = np.float64(x[a, j]), np.float64(y[b, j])
        drop += (s - t) * ((s + t) / both)
    rise = drop / usable((p / both) * far + (q / both) * high)
    turn, aside, behind = 0.0, 0.0, 0.0
    for j in range(1, x.shape[1]):
        s, t = np.float64(x[a, j]), np.float64(y[b, j])
        w = ((s - t) - drop * (t / other if near else s / own)) / longer
        turn += w * w
        aside += (s / own) * (t if 2.0 * q < p else t - s)
        behind += (t / other) * (s if 2.0 * p < q else s - t)
    fall = abs(rise) / math.sqrt(2.0 + 2.0 * hypotenuse(abs(rise), 1.0))
    half = hypotenuse(fall, math.sqrt(p) * math.sqrt(q) / (2.0 * radius) * math.sqrt(turn))
    cosh, angle = hypotenuse(half, 1.0), arc(half)
    f = angle / half / cosh if half > 0.0 else 1.0
    g = 2.0 * angle * (half / cosh)
    forward, inward, along = 0.0, 0.0, 0.0
    for j in range(1, x.shape[1]):
        s = np.float64(x[a, j])
        v, k = f * (np.float64(y[b, j]) - s) - g * s, np.float64(du[d, j]) + time * (s / high)
        forward += k * (v / usable(2.0 * radius * angle))
        inward += k * (s / radius)
        along += (s / own) * v
    slope = f * inward / radius - (1.0 - (f + g)) * forward / usable(2.0 * radius * half * cosh)
    back, ahead = radius * radius * rise / high + 0.5 * q * turn, radius * radius * rise / far - 0.5 * p * turn
    dx[i, 0], dy[i, 0] = 0.0, 0.0
    for j in range(1, x.shape[1]):
        s, t = np.float64(x[a, j]), np.float64(y[b, j])
        v, k = f * (t - s) - g * s, np.float64(du[d, j]) + time * (s / high)
        m = ((t if 2.0 * q < p else t - s) - aside * (s / own)) - back * (s / own)
        n = ((s if 2.0 * p < q else s - t) - behind * (t / other)) + ahead * (t / other)
        dx[i, j] = time * lowered(v, s / own, along, radius / high) / high - (f + g) * k + slope * m
        dy[i, j] = f * k + slope * n
