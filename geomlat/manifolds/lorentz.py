"""The hyperboloid in the chart of its space part, as array expressions that keep their digits far out.

A point is ``(x0, a)`` with ``x0 = sqrt(R^2 + |a|^2)``; a tangent at it is ``(q . u, u)`` with ``q = a / x0``. The time
entries follow from the space parts and are never read: at radius r a Minkowski product of rounded entries is off by
``eps e^2r``, while an error of ``eps e^r``, the rounding of a direction, is all that the space parts bring with them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from geomlat.grad import sum_to
from geomlat.manifolds.vectors import batch_shape, direction, dot, length

Array = Any


class Base(NamedTuple):
    """A point: its space part and what the formulas need of it, with a vector axis of 1."""

    a: Array
    size: Array
    """``|a|``."""
    height: Array
    """``x0``."""
    unit: Array
    """``a / |a|``, zero where a is."""
    slope: Array
    """``q = a / x0``."""


def base(xp: Any, x: Array, radius: float) -> Base:
    """The `Base` of points ``(..., n + 1)``."""
    a = x[..., 1:]
    r = length(xp, a)
    height = xp.hypot(r, xp.full_like(r, radius))[..., None]
    return Base(a, r[..., None], height, direction(xp, a, r), a / height)


def point(xp: Any, a: Array, radius: float) -> Array:
    """The point with space part ``a``."""
    r = length(xp, a)
    return xp.concat([xp.hypot(r, xp.full_like(r, radius))[..., None], a], axis=-1)


def tangent(xp: Any, at: Base, u: Array) -> Array:
    """The tangent with space part ``u``."""
    return vector(xp, along(xp, at.slope, u), u)


def vector(xp: Any, head: Array, tail: Array) -> Array:
    """``(head, tail)``, broadcast to each other's batch."""
    batch = batch_shape(head, tail)
    parts = [xp.broadcast_to(a, (*batch, a.shape[-1])) for a in (head, tail)]
    return xp.concat(parts, axis=-1)


def mirror(xp: Any, g: Array) -> Array:
    """A vector with its time entry negated."""
    return xp.concat([-g[..., :1], g[..., 1:]], axis=-1)


def along(xp: Any, e: Array, u: Array) -> Array:
    """``e . u``, with its vector axis of 1."""
    return dot(xp, e, u)[..., None]


def across(xp: Any, at: Base, u: Array) -> Array:
    """The part of a space vector orthogonal to a."""
    return u - along(xp, at.unit, u) * at.unit


def lower(xp: Any, at: Base, u: Array, radius: float) -> Array:
    """The metric ``G = I - q q^T`` of the chart times u: the part across a, and that along a times ``(R / x0)^2``."""
    t = along(xp, at.unit, u)
    return (u - t * at.unit) + t * (radius / at.height) ** 2 * at.unit


def metric(xp: Any, at: Base, u: Array, v: Array, radius: float) -> Array:
    """``u . G v``."""
    shrunk = radius / at.height[..., 0]
    s, t = dot(xp, at.unit, u) * shrunk, dot(xp, at.unit, v) * shrunk
    return dot(xp, across(xp, at, u), across(xp, at, v)) + s * t


def size(xp: Any, at: Base, u: Array, radius: float) -> Array:
    """``sqrt(u . G u)``."""
    return xp.hypot(length(xp, across(xp, at, u)), dot(xp, at.unit, u) * (radius / at.height[..., 0]))


def beside(xp: Any, p: Base, q: Base) -> Array:
    """The part of b orthogonal to a, from the shorter of b and b - a: what rounds off must not exceed the result."""
    return across(xp, p, xp.where(2 * q.size < p.size, q.a, q.a - p.a))


class Between(NamedTuple):
    """Two points in polar form, with a vector axis of 1."""

    half: Array
    """``sinh(d / 2R)`` of their distance d."""
    rise: Array
    """``sinh(r - s)`` of their radii over R."""
    turn: Array
    """The difference of their unit space parts."""


def between(xp: Any, p: Base, q: Base, radius: float) -> Between:
    """The polar form of two points; nothing in it cancels more than the space parts do.

    With ``D = |a| - |b| = (a - b) . (a + b) / (|a| + |b|)`` the difference of the unit space parts is
    ``(a - b - D e) / max(|a|, |b|)``, e the unit part of the shorter, and ``sinh(r - s) = D (|a| + |b|) /
    (|a| y0 + |b| x0)``. Then ``sinh(d / 2R)^2 = sinh((r - s) / 2)^2 + |a| |b| |turn|^2 / (2R)^2``.
    """
    gap, total = p.a - q.a, p.size + q.size
    usable = xp.where(total > 0, total, xp.ones_like(total))
    drop = along(xp, gap, (p.a + q.a) / usable)
    weighted = (p.size / usable) * q.height + (q.size / usable) * p.height
    rise = drop / xp.where(total > 0, weighted, xp.ones_like(total))
    longer = xp.maximum(p.size, q.size)
    longer = xp.where(total > 0, longer, xp.ones_like(total))
    turn = (gap - drop * xp.where(p.size >= q.size, q.unit, p.unit)) / longer
    fall = rise / xp.sqrt(2 * (1 + xp.hypot(rise, xp.ones_like(rise))))
    side = xp.sqrt(p.size) * xp.sqrt(q.size) / (2 * radius) * length(xp, turn)[..., None]
    return Between(xp.hypot(fall, side), rise, turn)


def slopes(xp: Any, p: Base, q: Base, way: Between, radius: float) -> tuple[Array, Array]:
    """``b - (y0 / x0) a`` and ``a - (x0 / y0) b``: minus ``R^2`` times the gradients of ``cosh(d / R)`` by a and b."""
    bend, drop = along(xp, way.turn, way.turn) / 2, radius * radius * way.rise
    m = beside(xp, p, q) - (drop / p.height + q.size * bend) * p.unit
    return m, beside(xp, q, p) + (drop / q.height - p.size * bend) * q.unit


def sinh_of(xp: Any, way: Between, radius: float) -> Array:
    """``R sinh(d / R)``, without the vector axis."""
    return 2 * radius * (way.half * xp.hypot(way.half, xp.ones_like(way.half)))[..., 0]


def reach(xp: Any, at: Base, u: Array, radius: float) -> tuple[Array, Array]:
    """The space part and the length of a tangent, shortened so that no float overflows at its end."""
    norm = size(xp, at, u, radius)[..., None]
    top = math.log(float(xp.finfo(u.dtype).max)) - 1 - xp.clip(xp.log(at.height), min=0)
    far = norm > radius * top
    cut = xp.where(far, radius * top / xp.where(far, norm, xp.ones_like(norm)), xp.ones_like(norm))
    return cut * u, cut * norm


def shares(xp: Any, half: Array) -> tuple[Array, Array]:
    """``d / sinh d`` and ``d tanh(d / 2)`` of ``half = sinh(d / 2)``."""
    one = xp.ones_like(half)
    cosh, arc = xp.hypot(half, one), xp.asinh(half)
    ratio = xp.where(half > 0, arc / xp.where(half > 0, half, one), one)
    return ratio / cosh, 2 * arc * (half / cosh)


def lean(xp: Any, p: Base, q: Base, way: Between, u: Array, radius: float) -> Array:
    """``<y, u> / (R^2 - <x, y>)``, by the part of y - x tangent at x."""
    cosh = xp.hypot(way.half, xp.ones_like(way.half))
    shrunk = radius / p.height
    part = along(xp, p.unit, q.a - p.a) / cosh / cosh - 2 * (way.half / cosh) ** 2 * p.size
    side = along(xp, beside(xp, p, q) / cosh / cosh, across(xp, p, u))
    return (side + shrunk * part * (shrunk * along(xp, p.unit, u))) / (2 * radius * radius)


def from_point(xp: Any, y: Array, dy: Array) -> Array:
    """The cotangent of the space part of a point ``y`` from that of the point."""
    return dy[..., 1:] + dy[..., :1] * (y[..., 1:] / y[..., :1])


def from_tangent(xp: Any, at: Base, u: Array, du: Array, radius: float) -> tuple[Array, Array]:
    """The cotangents of the space part u of a tangent and of the point a from that of the tangent."""
    return du[..., 1:] + du[..., :1] * at.slope, du[..., :1] * lower(xp, at, u, radius) / at.height


def from_size(xp: Any, at: Base, u: Array, norm: Array, dnorm: Array, radius: float) -> tuple[Array, Array]:
    """The cotangents of a and of u from that of the `size` of u."""
    low = dnorm * lower(xp, at, direction(xp, u, norm), radius)
    return -along(xp, at.slope, u) / at.height * low, low


def from_ball(xp: Any, at: Base, dball: Array, radius: float) -> Array:
    """The cotangent of a from that of ``a / (x0 + R)``."""
    total = at.height + radius
    return (dball - along(xp, at.a / total, dball) * at.slope) / total


def widened(xp: Any, da: Array, x: Array) -> Array:
    """The cotangent of a point or tangent x from that of its space part."""
    return sum_to(vector(xp, 0 * da[..., :1], da), x.shape)
