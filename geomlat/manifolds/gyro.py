"""The formulas of stereographic coordinates and their pullbacks, on arrays that are already of one kind.

``K`` is a 0-d array, `conformal` the ``A = 1 + K |x|^2`` of a point. Products with K are taken of vectors scaled by
``sqrt(|K|)``, so that neither a large point nor a small K overflows. Pulls return the cotangent of K unsummed.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from geomlat.manifolds.curved import Tangent, arc_rest, signed_root, tangent
from geomlat.manifolds.vectors import direction, dot, length

Array = Any

MARGIN = 16
"""Roundings that points of the ball stay away from its border."""


class Step(NamedTuple):
    """What `exp` goes through, by the names of its docstring."""

    y: Array
    a: Array
    r: Array
    p: Array
    n: Array
    q: Array
    d: Array
    tan: Tangent


class Pair(NamedTuple):
    """Two points: their difference, half their distance, and the unit directions from each to the other."""

    d: Array
    delta: Array
    """``|y - x|``."""
    ax: Array
    ay: Array
    chord: Array
    """``C``, with ``C^2 + K delta^2 = A_x A_y``."""
    theta: Array
    """Half the distance."""
    spin: Array
    """``theta / (delta C)``, at ``delta = 0`` its limit; zero at the cut locus."""
    first: Array
    """The direction of `log` at x: zero if x = y, that of ``y - x`` at the cut locus."""
    last: Array
    """The direction at y of the geodesic to x."""


def conformal(xp: Any, k: Array, x: Array) -> Array:
    """``A = 1 + K |x|^2``, at least a rounding."""
    s, root = signed_root(xp, k)
    return xp.clip(1 + s * dot(xp, root * x, root * x), min=float(xp.finfo(x.dtype).eps))


def conformal_pull(xp: Any, k: Array, x: Array, da: Array) -> tuple[Array, Array]:
    """The cotangents of x and of K."""
    return (2 * k * da)[..., None] * x, dot(xp, x, x) * da


def inside(xp: Any, k: Array, x: Array) -> Array:
    """x, shortened where it is longer than the largest length."""
    limit, r = _limit(xp, k, x), length(xp, x)
    cut = r > limit
    return xp.where(cut[..., None], xp.where(cut, limit, r)[..., None] * direction(xp, x, r), x)


def inside_pull(xp: Any, k: Array, x: Array, dy: Array) -> tuple[Array, Array]:
    """The cotangents of x and of K, the latter summed."""
    limit, r = _limit(xp, k, x), length(xp, x)
    cut, e = (r > limit)[..., None], direction(xp, x, r)
    along = dot(xp, dy, e)[..., None]
    across = direction(xp, dy - along * e, r)
    flat = k == 0
    finite = xp.where(flat, xp.zeros_like(limit), limit)
    pushed = finite * xp.sum(xp.where(cut, along, xp.zeros_like(along)))
    dk = -pushed / (2 * xp.where(flat, xp.ones_like(k), k))
    return xp.where(cut, finite * across, dy), dk


def _limit(xp: Any, k: Array, x: Array) -> Array:
    # The largest length of a point: within the border for K < 0, within a rounding of the pole for K > 0.
    eps = float(xp.finfo(x.dtype).eps)
    root = xp.sqrt(xp.where(k == 0, xp.ones_like(k), xp.abs(k)))
    limit = xp.where(k < 0, xp.full_like(k, 1 - MARGIN * eps), xp.full_like(k, 1 / eps)) / root
    return xp.where(k == 0, xp.full_like(k, math.inf), limit)


def step(xp: Any, k: Array, x: Array, u: Array) -> Step:
    """The end of a geodesic, before it is shortened; at the pole, D = 0, far along ``n = c x + p``."""
    s, root = signed_root(xp, k)
    a, floor = conformal(xp, k, x), float(xp.finfo(x.dtype).eps) ** 2
    r = length(xp, u) / a
    tan = tangent(k, r)
    p, c = (tan.g / a)[..., None] * u, tan.c[..., None]
    n, size = c * x + p, length(xp, x)
    e, sn = direction(xp, x, size), root * n
    along = dot(xp, e, p)
    w = p - along[..., None] * e
    w = w - dot(xp, e, w)[..., None] * e
    sw, aside = root * w, s * (root * size) * (root * along)
    ahead, across = tan.c - aside, root * size * length(xp, sw)
    d = xp.where(k < 0, a * tan.h + dot(xp, sn, sn), ahead * ahead + across * across)
    # c p - K |p|^2 x, which cancels before the pole.
    q = ahead[..., None] * p + aside[..., None] * w - (s * dot(xp, sw, sw))[..., None] * x
    q = xp.where((d < floor)[..., None], n, q)
    d = xp.clip(d, min=floor)
    return Step(x + (a / d)[..., None] * q, a, r, p, n, q, d, tan)


def step_pull(xp: Any, k: Array, way: Step, x: Array, u: Array, dy: Array) -> tuple[Array, Array, Array]:
    """The cotangents of x, u and K, by ``D = A h - K |n|^2`` with ``n = c x + p``."""
    a, p, n, tan, c = way.a, way.p, way.n, way.tan, way.tan.c[..., None]
    qd = dot(xp, way.q, dy) / way.d
    dd = -a * qd / way.d
    dq = (a / way.d)[..., None] * dy
    xq, dn = dot(xp, x, dq), (-2 * k * dd)[..., None] * n
    pp = dot(xp, p, p)
    dp = c * dq - (2 * k * xq)[..., None] * p + dn
    up = dot(xp, u, dp) / a
    dz = tan.dg * up + tan.dc * (dot(xp, p, dq) + dot(xp, dn, x)) + tan.dh * a * dd
    da = qd + tan.h * dd - tan.g * up / a - 2 * k * way.r * way.r * dz / a
    dx, dk = conformal_pull(xp, k, x, da)
    dx = dx + dy - (k * pp)[..., None] * dq + c * dn
    du = (tan.g / a)[..., None] * dp + (2 * k * dz / (a * a))[..., None] * u
    return dx, du, dk - pp * xq - dot(xp, n, n) * dd + way.r * way.r * dz


def pair(xp: Any, k: Array, x: Array, y: Array) -> Pair:
    """The geometry of two points, all of it in the plane of ``d = y - x`` and the part w of x, and of y, across d.

    There ``C = (B, K |d| |w|)`` with ``B = 1 + K <x, y>``, the direction at x is C and at y its mirror image, so that a
    transport there and back is the identity to a rounding. w is taken from the shorter point, twice.
    """
    s, root = signed_root(xp, k)
    d = y - x
    delta, ax, ay = length(xp, d), conformal(xp, k, x), conformal(xp, k, y)
    e = direction(xp, d, delta)
    b = (1 + s * dot(xp, root * x, root * y))[..., None]
    w = xp.where((dot(xp, root * x, root * x) < dot(xp, root * y, root * y))[..., None], x, y)
    for _ in range(2):
        w = w - dot(xp, w, e)[..., None] * e
    bend = (k * delta)[..., None] * w
    chord = xp.hypot(xp.broadcast_to(b[..., 0], delta.shape), length(xp, bend))
    theta = _half_angle(xp, k, delta, chord, xp.sqrt(ax) * xp.sqrt(ay))
    some, cut = delta > 0, chord < xp.finfo(chord.dtype).smallest_normal
    safe = xp.where(cut, xp.ones_like(chord), chord)
    spin = xp.where(some, theta, xp.ones_like(theta)) / xp.where(some, delta, safe) / safe
    spin = xp.where(cut, xp.zeros_like(spin), spin)
    first, last = (_unit(xp, f, g) for f, g in ((b * e + bend, e), (bend - b * e, -e)))
    return Pair(d, delta, ax, ay, chord, theta, spin, first, last)


def _unit(xp: Any, u: Array, otherwise: Array) -> Array:
    r = length(xp, u)
    return xp.where((r > 0)[..., None], direction(xp, u, r), otherwise)


def _half_angle(xp: Any, k: Array, delta: Array, chord: Array, root_q: Array) -> Array:
    root = xp.sqrt(xp.abs(k))
    t, unit = root * delta, xp.where(k == 0, xp.ones_like(root), root)
    small = math.sqrt(float(xp.finfo(delta.dtype).eps))
    near = t < small * chord
    spherical = xp.where(near, delta / xp.where(near, chord, xp.ones_like(chord)), xp.atan2(t, chord) / unit)
    hyperbolic = xp.where(t < small * root_q, delta / root_q, xp.asinh(t / root_q) / unit)
    return xp.where(k < 0, hyperbolic, spherical)


def pair_pull(xp: Any, k: Array, two: Pair, x: Array, y: Array, dtheta: Array) -> tuple[Array, Array, Array]:
    """The cotangents of x, y and K from that of half the distance; the diverging parts at the cut locus are zero."""
    cut = two.chord < xp.finfo(two.chord.dtype).smallest_normal
    tau = xp.where(cut, xp.zeros_like(two.delta), two.delta) / xp.where(cut, xp.ones_like(two.chord), two.chord)
    some = tau > 0
    ratio = xp.where(some, two.theta, xp.ones_like(tau)) / xp.where(some, tau, xp.ones_like(tau))
    t = xp.sqrt(xp.abs(k)) * tau
    near = tau**3 * arc_rest(k, tau, ratio) - tau * (dot(xp, x, x) / two.ax + dot(xp, y, y) / two.ay) / 2
    other = xp.where(k == 0, xp.ones_like(k), 2 * k)
    far = (tau * (1 / two.ax + 1 / two.ay - 1) - two.theta) / other
    slope = xp.where((t < 0.5) & ~cut, near, far)
    dx, dy = -(dtheta / two.ax)[..., None] * two.first, -(dtheta / two.ay)[..., None] * two.last
    return (
        xp.where(cut[..., None], xp.zeros_like(dx), dx),
        xp.where(cut[..., None], xp.zeros_like(dy), dy),
        slope * dtheta,
    )


def reflected(xp: Any, u: Array, e: Array) -> Array:
    """``u - 2 <u, e> e``."""
    return u - 2 * dot(xp, u, e)[..., None] * e


def rotation_pull(
    xp: Any, k: Array, two: Pair, x: Array, y: Array, u: Array, dv: Array
) -> tuple[Array, Array, Array, Array]:
    """The cotangents of x, y, u and K of `Stereographic.transport`.

    ``R u = u - (2 K / D) (P d + Q x)`` with ``P = (A_x - 1) <d, u> - (A_y - K m) <x, u>``,
    ``Q = A_x <d, u> + K m <x, u>``, ``m = |d|^2`` and ``D = A_x A_y - K m``.
    """
    d, ax, ay = two.d, two.ax, two.ay
    unit, ratio = direction(xp, d, two.delta), ay / ax
    g = ratio[..., None] * dv
    du = reflected(xp, reflected(xp, g, unit), two.first)
    turned = reflected(xp, reflected(xp, u, two.first), unit)
    cut = two.chord < xp.finfo(two.chord.dtype).smallest_normal
    inverse = xp.where(cut, 0 * two.chord, 1 / xp.where(cut, xp.ones_like(two.chord), two.chord)) ** 2
    gd, gx, ud, ux = dot(xp, g, d), dot(xp, g, x), dot(xp, u, d), dot(xp, u, x)
    m = two.delta * two.delta
    km = k * m
    first, second = (ax - 1) * ud - (ay - km) * ux, ax * ud + km * ux
    total, ds = gd * first + gx * second, -2 * k * inverse
    ddet = -ds * total * inverse
    scale = dot(xp, turned, dv)
    day = scale / ax - ds * gd * ux + ddet * ax
    dax = -scale * ratio / ax + ds * (gd + gx) * ud + ddet * ay
    dkm = ds * (gd + gx) * ux - ddet
    dd = (ds * first)[..., None] * g + (ds * (gd * (ax - 1) + gx * ax))[..., None] * u + (2 * k * dkm)[..., None] * d
    dx = (ds * second)[..., None] * g + (ds * (gx * km - gd * (ay - km)))[..., None] * u
    cx, kx = conformal_pull(xp, k, x, dax)
    cy, ky = conformal_pull(xp, k, y, day)
    return dx - dd + cx, dd + cy, du, kx + ky + m * dkm - 2 * inverse * total
