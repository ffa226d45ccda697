"""Rotations of the plane and of space as array expressions: matrices, rotation vectors and unit quaternions.

A rotation by the angle t about the unit vector a is ``exp(t hat(a))``; its quaternion is ``(w, p)`` with
``w = cos(t/2) >= 0`` and ``p = sin(t/2) a``. In the plane vectors have one entry. Matrices have two trailing axes,
vectors one. The pullbacks are those of the formulas for arrays that need not be rotations.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import array_api_compat

from geomlat.backends import is_host
from geomlat.manifolds.vectors import direction, dot, length

Array = Any

SQUARINGS = 32
"""Squarings at most of a matrix of which the largest eigenvector is wanted: 2^32 powers."""

# The matrices hat(e_i), flattened.
_GENERATORS = {
    2: ((0.0, -1.0, 1.0, 0.0),),
    3: (
        (0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0),
        (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0),
        (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    ),
}


def hat(xp: Any, c: Array) -> Array:
    """The antisymmetric matrix of a vector: ``hat(c) v = c x v``."""
    n = 2 if c.shape[-1] == 1 else 3
    return xp.reshape(xp.matmul(c, _generators(xp, n, c)), (*c.shape[:-1], n, n))


def vee(xp: Any, a: Array) -> Array:
    """The vector of the antisymmetric part of a matrix; ``sum(a hat(c)) = 2 vee(a) . c``."""
    n = a.shape[-1]
    flat = xp.reshape(a, (*a.shape[:-2], n * n))
    return xp.matmul(flat, xp.matrix_transpose(_generators(xp, n, a))) / 2


def flat(xp: Any, a: Array) -> Array:
    """A matrix as a vector of its entries."""
    return xp.reshape(a, (*a.shape[:-2], math.prod(a.shape[-2:])))


def across(xp: Any, a: Array, b: Array) -> Array:
    """``a^T b``."""
    return xp.matmul(xp.matrix_transpose(a), b)


def beyond(xp: Any, a: Array, b: Array) -> Array:
    """``a b^T``."""
    return xp.matmul(a, xp.matrix_transpose(b))


def cross(xp: Any, a: Array, b: Array) -> Array:
    """``a x b`` in space."""
    return xp.matmul(hat(xp, a), b[..., None])[..., 0]


def trace_of(xp: Any, a: Array) -> Array:
    """The sum of the diagonal."""
    return xp.sum(a * eye(xp, a.shape[-1], a), axis=(-2, -1))


def radial_pull(xp: Any, u: Array, dr: Array) -> Array:
    """The cotangent of a matrix from that of its length; zero at zero."""
    f = flat(xp, u)
    return xp.reshape(dr[..., None] * direction(xp, f, length(xp, f)), (*dr.shape, *u.shape[-2:]))


def spin(xp: Any, p: Array, h: Array) -> Array:
    """The vector w with ``2 vee(p hat(w) + hat(w) p) = (tr p - p) w = h``, zero where that is singular to rounding."""
    n, trace = p.shape[-1], trace_of(xp, p)
    if n == 2:
        usable = trace > 0
        h = h / xp.where(usable, trace, xp.ones_like(trace))[..., None]
        return xp.where(usable[..., None], h, xp.zeros_like(h))
    g = trace[..., None, None] * eye(xp, 3, p) - (p + xp.matrix_transpose(p)) / 2
    scale = xp.max(xp.abs(flat(xp, g)), axis=-1)[..., None, None]
    g = g / xp.where(scale > 0, scale, xp.ones_like(scale))
    a, b, c = (g[..., i, :] for i in range(3))
    minors = xp.stack([cross(xp, b, c), cross(xp, c, a), cross(xp, a, b)], axis=-2)
    det = dot(xp, a, minors[..., 0, :])
    usable = det > 8 * float(xp.finfo(p.dtype).eps)
    det = xp.where(usable, det, xp.ones_like(det))[..., None] * xp.where(scale > 0, scale, xp.ones_like(scale))[..., 0]
    return xp.where(usable[..., None], xp.matmul(minors, h[..., None])[..., 0] / det, xp.zeros_like(h))


def nearest(xp: Any, a: Array) -> tuple[Array, Array]:
    """The unit quaternion of the rotation nearest to a: the eigenvector of `form` to its largest eigenvalue.

    The matrix is squared until it has rank one, at most `SQUARINGS` times and not after all NumPy arrays have it. No
    eigenvalue is below minus the largest by more than twice the smallest singular value of a: a shift by the length of
    a leaves the largest first. Where several rotations are nearest it is one of them, and anything for zero.
    """
    scale = xp.max(xp.abs(flat(xp, a)), axis=-1)[..., None, None]
    a = xp.where(scale > 0, a / xp.where(scale > 0, scale, xp.ones_like(scale)), xp.ones_like(a))
    corner, mixed, block = form(xp, a)
    top = xp.concat([corner[..., None], mixed], axis=-1)[..., None, :]
    m = xp.concat([top, xp.concat([mixed[..., None], block], axis=-1)], axis=-2)
    one = eye(xp, m.shape[-1], a)
    m = m + xp.sqrt(xp.sum(a * a, axis=(-2, -1)))[..., None, None] * one
    enough = 1 - 8 * float(xp.finfo(a.dtype).eps)
    for _ in range(SQUARINGS):
        m = xp.matmul(m, m)
        m = m / trace_of(xp, m)[..., None, None]
        if is_host(m) and (xp.sum(m * m, axis=(-2, -1)) >= enough).all():
            break
    q = xp.matmul(m, _largest(xp, xp.sum(m * one, axis=-1))[..., None])[..., 0]
    q = direction(xp, q, length(xp, q))
    return q[..., 0], q[..., 1:]


def turned(xp: Any, w: Array, p: Array) -> Array:
    """The rotation of a unit quaternion less the identity: ``2 w hat(p) + 2 hat(p)^2``."""
    k = hat(xp, p)
    return 2 * (w[..., None, None] * k + xp.matmul(k, k))


def turned_pull(xp: Any, w: Array, p: Array, dn: Array) -> tuple[Array, Array]:
    """The cotangents ``(dw, dp)`` of `turned`."""
    k, straight = hat(xp, p), vee(xp, dn)
    bent = vee(xp, xp.matmul(dn, k) + xp.matmul(k, dn))
    return 4 * dot(xp, straight, p), 4 * (w[..., None] * straight - bent)


def form(xp: Any, a: Array) -> tuple[Array, Array, Array]:
    """The quadratic form ``sum(R(q) a)`` of a unit quaternion q: its corner, its mixed row and its block.

    Davenport's matrix ``[[tr a, v], [v, a + a^T - tr a]]``, ``v = 2 vee(a)``; in the plane the block is ``-tr a``.
    """
    n = a.shape[-1]
    trace = trace_of(xp, a)
    if n == 2:
        return trace, 2 * vee(xp, a), -trace[..., None, None]
    return trace, 2 * vee(xp, a), a + xp.matrix_transpose(a) - trace[..., None, None] * eye(xp, 3, a)


class Turn(NamedTuple):
    """The quaternion of the rotation from x to y, and how it was found."""

    w: Array
    p: Array
    size: Array
    """The length of the vector that was divided by it, with its sign."""
    near: Array
    """Whether w is at least a half, and p comes from the antisymmetric part."""
    pick: Array
    """Else the row of the symmetric part that was taken, as a unit vector."""


def relative(xp: Any, x: Array, y: Array) -> Turn:
    """The quaternion of ``x^T y``, p relatively exact near zero, w near half a turn (Shepperd 1978).

    The antisymmetric part is that of ``(x + y)^T (y - x) / 2``, where nothing cancels, and changes its sign exactly
    when x and y are exchanged; so does p at half a turn.
    """
    q = across(xp, x, y)
    trace, _, block = form(xp, q)
    mixed = vee(xp, across(xp, x + y, y - x))
    near, shift = trace >= 0, 4 - x.shape[-1]
    block = block + shift * eye(xp, block.shape[-1], x)
    pick = _largest(xp, xp.sum(block * eye(xp, block.shape[-1], x), axis=-1))
    head = xp.where(near, shift + trace, dot(xp, mixed, pick))
    tail = xp.where(near[..., None], mixed, xp.matmul(block, pick[..., None])[..., 0])
    size = length(xp, xp.concat([head[..., None], tail], axis=-1))
    size = size * xp.where(head == 0, _orientation(xp, y - x), xp.sign(head))
    return Turn(head / size, tail / size[..., None], size, near, pick)


def relative_pull(xp: Any, turn: Turn, x: Array, y: Array, dw: Array, dp: Array) -> tuple[Array, Array]:
    """The cotangents ``(dx, dy)`` of the quaternion."""
    radial = turn.w * dw + dot(xp, turn.p, dp)
    head = (dw - radial * turn.w) / turn.size
    tail = (dp - radial[..., None] * turn.p) / turn.size[..., None]
    picked = dot(xp, tail, turn.pick)
    trace = xp.where(turn.near, head, -picked)
    mixed = xp.where(turn.near[..., None], tail, head[..., None] * turn.pick)
    dq = hat(xp, mixed) + trace[..., None, None] * eye(xp, x.shape[-1], x)
    if x.shape[-1] == 3:
        outer = xp.where(turn.near[..., None, None], xp.zeros_like(dq), tail[..., None] * turn.pick[..., None, :])
        dq = dq + outer + xp.matrix_transpose(outer)
    return beyond(xp, y, dq), xp.matmul(x, dq)


def half(xp: Any, turn: Turn) -> tuple[Array, Array, Array]:
    """The quaternion of half the rotation, and the length ``|(1 + w, p)|`` it was divided by."""
    size = xp.sqrt(2 + 2 * turn.w)
    return (1 + turn.w) / size, turn.p / size[..., None], size


def half_pull(xp: Any, h: tuple[Array, Array, Array], dw: Array, dp: Array) -> tuple[Array, Array]:
    """The cotangents of w and p of the whole."""
    w, p, size = h
    return (dw - (w * dw + dot(xp, p, dp)) / size) / size, dp / size[..., None]


def angle(xp: Any, turn: Turn) -> tuple[Array, Array, Array]:
    """``t/2 = atan2(|p|, w)``, ``|p|`` and ``p / |p|``."""
    s = length(xp, turn.p)
    return xp.atan2(s, turn.w), s, direction(xp, turn.p, s)


def eye(xp: Any, n: int, like: Array) -> Array:
    """The unit matrix in the dtype and on the device of an array."""
    return xp.eye(n, dtype=like.dtype, device=array_api_compat.device(like))


def _generators(xp: Any, n: int, like: Array) -> Array:
    return xp.asarray(_GENERATORS[n], dtype=like.dtype, device=array_api_compat.device(like))


def _largest(xp: Any, d: Array) -> Array:
    # One where the largest entry is.
    index = xp.arange(d.shape[-1], device=array_api_compat.device(d))
    return xp.astype(index == xp.argmax(d, axis=-1)[..., None], d.dtype)


def _orientation(xp: Any, d: Array) -> Array:
    # The sign of the largest entry of y - x, which tells x and y apart.
    d = flat(xp, d)
    largest = xp.take_along_axis(d, xp.argmax(xp.abs(d), axis=-1)[..., None], axis=-1)[..., 0]
    return xp.where(largest < 0, -xp.ones_like(largest), xp.ones_like(largest))
