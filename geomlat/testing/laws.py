"""The laws of design section 6 that need no derivative: each a function ``law(manifold, *, ...)`` of arrays.

Points ``x, y, z``; tangents ``u, v`` at x and ``w`` at y; coordinates ``c, d``; times ``t`` in [0, 1]; an ambient array
``a``; ``points`` with an axis of their own and ``weights``. The arrays may be of any library and dtype. Tolerances are
in roundings of the result, times what the inputs' own rounding does to it: next to a cut locus the direction of a
logarithm, far out on a hyperbolic space every distance.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.manifolds.base import OPERATIONS
from geomlat.manifolds.vectors import length
from geomlat.testing.measure import LawError, check_law, fail, host, nearest, require

Array = Any

LIMIT = 32.0
"""Roundings an identity may be off by."""


def exp_log_inverse(m: Any, *, x: Array, u: Array) -> None:
    """``log(x, exp(x, u)) = u`` inside the injectivity radius."""
    r = _size(m, m.norm(x, u))
    keep = r < m.injectivity_radius
    got = host(m.log(x, m.exp(x, u)))
    require(
        "exp_log_inverse",
        m,
        np.where(keep, got, 0),
        np.where(keep, host(u), 0),
        _wide(m, x, u) * stretch(m, m.exp(x, u)) * _cut(m, r),
        LIMIT,
        x=x,
        u=u,
    )


def log_exp_inverse(m: Any, *, x: Array, y: Array) -> None:
    """``exp(x, log(x, y)) = y``, at the cut locus too.

    On a hyperboloid both terms of exp are up to ``|x| cosh(d)`` large, and ``cosh(d)`` up to ``2 |x| |y|``. Towards the
    pole of a stereographic projection the entries of y move `_reach` times as far as its angle, which the rounding of a
    logarithm of length d turns by ``eps d``, that of x by ``eps |x|``.
    """
    u = m.log(x, y)
    back = nearest(m, m.exp(x, u), y)
    turned = _size(m, m.norm(x, u)) + stretch(m, x) * _largest(m, x)
    scale = np.maximum(_both(m, x, x, y), (_reach(m, y) - 1.0) * turned)
    require("log_exp_inverse", m, back, _all(m, y, x), scale, LIMIT, x=x, y=y)


def log_is_tangent(m: Any, *, x: Array, y: Array) -> None:
    """``to_tangent(x, log(x, y)) = log(x, y)``."""
    u = m.log(x, y)
    require("log_is_tangent", m, m.to_tangent(x, u), u, _largest(m, u) * _wide(m, x, x, y), LIMIT, x=x, y=y)


def exp_stays(m: Any, *, x: Array, u: Array) -> None:
    """``exp``, ``retract`` and ``geodesic`` end on the manifold, whatever the length of the tangent."""
    for k in (1.0, 10.0):
        for name in ("exp", "retract"):
            if not np.all(host(m.contains(getattr(m, name)(x, k * u)))):
                fail("exp_stays", m, f"{name}(x, {k} u) is off the manifold", x=x, u=u)


def dist_is_norm_of_log(m: Any, *, x: Array, y: Array) -> None:
    """``dist(x, y) = |log(x, y)|``."""
    got = m.dist(x, y)
    require("dist_is_norm_of_log", m, got, m.norm(x, m.log(x, y)), _flat(m, _both(m, x, y)), LIMIT, x=x, y=y)


def dist_from_origin(m: Any, *, c: Array) -> None:
    """``dist(o, exp(o, u)) = |u|`` and ``log(o, exp(o, u)) = u`` at the base point, relative to ``|u|`` from 1e-300."""
    o = m.origin(like=c)
    u = m.from_coordinates(o, c)
    r, y = m.norm(o, u), m.exp(o, u)
    keep = host(r) < m.injectivity_radius
    size, grown = _size(m, r), stretch(m, y)
    scale = _flat(m, size * grown)
    require("dist_from_origin", m, np.where(keep, host(m.dist(o, y)), 0), np.where(keep, host(r), 0), scale, LIMIT, c=c)
    keep, scale = size < m.injectivity_radius, size * grown * _cut(m, size)
    require("dist_from_origin", m, np.where(keep, host(m.log(o, y)), 0), np.where(keep, host(u), 0), scale, LIMIT, c=c)


def dist_is_symmetric(m: Any, *, x: Array, y: Array) -> None:
    """``dist(x, y) = dist(y, x)`` and ``dist(x, x) = 0``."""
    require("dist_is_symmetric", m, m.dist(x, y), m.dist(y, x), m.dist(x, y), 4.0, x=x, y=y)
    require("dist_is_symmetric", m, m.dist(x, x), 0 * host(m.dist(x, x)), 0.0, 0.0, x=x)


def dist_is_triangular(m: Any, *, x: Array, y: Array, z: Array) -> None:
    """``dist(x, z) <= dist(x, y) + dist(y, z)``."""
    direct, detour = host(m.dist(x, z)), host(m.dist(x, y)) + host(m.dist(y, z))
    wide = _flat(m, _both(m, x, y)) + _flat(m, _both(m, y, z))
    require("dist_is_triangular", m, np.maximum(direct, detour), detour, wide, LIMIT, x=x, y=y, z=z)


def geodesic_has_ends(m: Any, *, x: Array, u: Array, t: Array) -> None:
    """``geodesic(x, u, 0) = x``, ``geodesic(x, u, 1) = exp(x, u)``, ``geodesic(x, s u, t) = geodesic(x, u, s t)``."""
    wide, size = _wide(m, x, u), _size(m, m.norm(x, u))
    ends = (
        (m.geodesic(x, u, 0 * t), _all(m, x, u)),
        (m.geodesic(x, u, 0 * t + 1), m.exp(x, u)),
        (m.geodesic(x, 0.5 * u, t), m.geodesic(x, u, 0.5 * t)),
    )
    for got, end in ends:
        scale = np.maximum(wide, (_reach(m, namespace(x).asarray(end, copy=True)) - 1.0) * size)
        require("geodesic_has_ends", m, nearest(m, got, end), end, scale, LIMIT, x=x, u=u, t=t)


def geodesic_has_constant_speed(m: Any, *, x: Array, u: Array, t: Array) -> None:
    """``dist(x, geodesic(x, u, t)) = t |u|`` inside the injectivity radius."""
    far = host(t) * host(m.norm(x, u))
    keep = far < m.injectivity_radius
    got = host(m.dist(x, m.geodesic(x, u, t)))
    scale = _flat(m, _wide(m, x, u) * stretch(m, m.exp(x, u)))
    require(
        "geodesic_has_constant_speed", m, np.where(keep, got, 0), np.where(keep, far, 0), scale, LIMIT, x=x, u=u, t=t
    )


def transport_is_isometric(m: Any, *, x: Array, y: Array, u: Array, v: Array) -> None:
    """``<T u, T v>_y = <u, v>_x``."""
    got = m.inner(y, m.transport(x, y, u), m.transport(x, y, v))
    scale = host(m.norm(x, u)) * host(m.norm(x, v)) * _flat(m, _both(m, x, y))
    require("transport_is_isometric", m, got, m.inner(x, u, v), scale, LIMIT, x=x, y=y, u=u, v=v)


def transport_has_inverse(m: Any, *, x: Array, y: Array, u: Array) -> None:
    """``transport(y, x, transport(x, y, u)) = u`` and ``transport(x, x, u) = u``."""
    scale = np.maximum(_size(m, m.norm(x, u)) * _both(m, x, y), _largest(m, u))
    require("transport_has_inverse", m, m.transport(y, x, m.transport(x, y, u)), u, scale, LIMIT, x=x, y=y, u=u)
    require("transport_has_inverse", m, m.transport(x, x, u), u, scale, LIMIT, x=x, u=u)


def transport_has_adjoint(m: Any, *, x: Array, y: Array, u: Array, w: Array) -> None:
    """``<transport(x, y, u), w>_y = <u, transport(y, x, w)>_x``."""
    got = m.inner(y, m.transport(x, y, u), w)
    scale = host(m.norm(x, u)) * host(m.norm(y, w)) * _flat(m, _both(m, x, y))
    require("transport_has_adjoint", m, got, m.inner(x, u, m.transport(y, x, w)), scale, LIMIT, x=x, y=y, u=u, w=w)


def transport_is_linear(m: Any, *, x: Array, y: Array, u: Array) -> None:
    """``transport(x, y, u / s) = transport(x, y, u) / s``: tangents of 1e-300 are carried like those of length one."""
    xp, power = (
        namespace(x),
        np.exp2(np.floor(np.log2(np.maximum(_largest(m, u), float(np.finfo(host(u).dtype).tiny))))),
    )
    scaled = xp.asarray(host(u) / power.astype(host(u).dtype), device=getattr(u, "device", None))
    expected = host(m.transport(x, y, scaled)).astype(float) * power
    require("transport_is_linear", m, m.transport(x, y, u), expected, _largest(m, expected), LIMIT, x=x, y=y, u=u)


def transport_is_tangent(m: Any, *, x: Array, y: Array, u: Array) -> None:
    """``transport`` ends in the tangent space at ``y``."""
    got = m.transport(x, y, u)
    scale = _largest(m, got) * _wide(m, x, y, y) * _cut(m, _size(m, m.dist(x, y)))
    require("transport_is_tangent", m, got, m.to_tangent(y, got), scale, LIMIT, x=x, y=y, u=u)


def transport_turns_log(m: Any, *, x: Array, y: Array) -> None:
    """``transport(x, y, log(x, y)) = -log(y, x)``: a geodesic transports its own velocity."""
    back = m.log(y, x)
    scale = np.maximum(_both(m, x, y), _largest(m, back)) * _cut(m, _size(m, m.dist(x, y)))
    require("transport_turns_log", m, m.transport(x, y, m.log(x, y)), -host(back), scale, LIMIT, x=x, y=y)


def project_is_idempotent(m: Any, *, a: Array, x: Array) -> None:
    """``project`` lands on the manifold and changes nothing there."""
    p = m.project(a)
    if not np.all(host(m.contains(p))):
        fail("project_is_idempotent", m, "project(a) is off the manifold", a=a)
    require("project_is_idempotent", m, nearest(m, m.project(p), p), p, _wide(m, p), LIMIT, a=a)
    require("project_is_idempotent", m, nearest(m, m.project(x), x), x, _wide(m, x), LIMIT, x=x)


def to_tangent_is_orthogonal(m: Any, *, x: Array, a: Array, u: Array) -> None:
    """``to_tangent`` is the identity on tangents, and what it removes is orthogonal to them in coordinates."""
    p = m.to_tangent(x, a)
    scale = (_largest(m, p) + _largest(m, u) + _largest(m, a)) * _wide(m, x, x)
    require("to_tangent_is_orthogonal", m, m.to_tangent(x, p), p, scale, LIMIT, x=x, a=a)
    require("to_tangent_is_orthogonal", m, m.to_tangent(x, u), _all(m, u, x), scale, LIMIT, x=x, u=u)
    back = m.from_coordinates(x, m.to_coordinates(x, p))
    require("to_tangent_is_orthogonal", m, back, p, scale, LIMIT, x=x, a=a)


def frame_is_orthonormal(m: Any, *, x: Array, c: Array, d: Array) -> None:
    """``<from_coordinates(c), from_coordinates(d)> = c . d`` and ``to_coordinates(from_coordinates(c)) = c``."""
    u, v = m.from_coordinates(x, c), m.from_coordinates(x, d)
    c64, d64 = host(c).astype(float), host(d).astype(float)
    size = _flat(m, _wide(m, x)) ** 2 * length(np, c64)
    scale = size * length(np, d64)
    require("frame_is_orthonormal", m, m.inner(x, u, v), np.sum(c64 * d64, axis=-1), scale, LIMIT, x=x, c=c, d=d)
    require("frame_is_orthonormal", m, m.to_coordinates(x, u), _all(m, c, x, 1), size[..., None], LIMIT, x=x, c=c)


def rgrad_represents(m: Any, *, x: Array, a: Array, v: Array) -> None:
    """``<egrad_to_rgrad(x, g), v>_x = sum(g v)`` for every tangent v."""
    g = m.egrad_to_rgrad(x, a)
    axes = tuple(range(-len(m.ambient_shape), 0))
    expected = np.sum(host(a).astype(float) * host(v).astype(float), axis=axes)
    scale = (host(m.norm(x, g)) * host(m.norm(x, v)) + np.sum(np.abs(host(a) * host(v)), axis=axes)) * _flat(
        m, _wide(m, x)
    ) ** 2
    require("rgrad_represents", m, m.inner(x, g, v), expected, scale, LIMIT, x=x, a=a, v=v)


def retract_is_first_order(m: Any, *, x: Array, v: Array) -> None:
    """``|retract(x, h v) - exp(x, h v)| = O(h^2)``."""
    h = 1e-3
    end = m.exp(x, h * v)
    gap = np.abs(nearest(m, m.retract(x, h * v), end) - host(end))
    size = 1 + (_size(m, m.norm(x, v)) * max(1.0, math.pi / m.injectivity_radius)) ** 2
    noise = LIMIT * float(np.finfo(gap.dtype).eps)
    bound = (h * h * size + noise) * _wide(m, x) * _wide(m, x, v)
    if not np.all(gap <= bound):
        fail("retract_is_first_order", m, f"off by {float(np.max(gap / bound)) * h * h:.3g} at h = {h}", x=x, v=v)


def mean_is_stationary(m: Any, *, points: Array, weights: Array) -> None:
    """The weighted logarithms at the mean sum to zero, and the status says that it has converged."""
    x, status = m.mean(points, weights)
    if not np.all(host(status.converged)):
        fail(
            "mean_is_stationary",
            m,
            f"it did not converge: residual {host(status.residual)}",
            points=points,
            weights=weights,
        )
    xp, axis = namespace(x), -1 - len(m.ambient_shape)
    base = xp.expand_dims(x, axis=axis)
    logs = host(m.to_coordinates(base, m.log(base, points))).astype(float)
    w = host(weights).astype(float)
    total = np.sum((w / np.sum(w, axis=-1, keepdims=True))[..., None] * logs, axis=-2)
    wide = _flat(m, _wide(m, x))[..., None]
    require(
        "mean_is_stationary", m, total.astype(host(x).dtype), 0 * total, wide, 4 * LIMIT, points=points, weights=weights
    )


def pairwise_is_dist(m: Any, *, points: Array, others: Array) -> None:
    """``pairwise_dist(x, y)[i, j] = dist(x[i], y[j])``."""
    xp, axis = namespace(points), -1 - len(m.ambient_shape)
    expected = m.dist(xp.expand_dims(points, axis=axis), xp.expand_dims(others, axis=axis - 1))
    require(
        "pairwise_is_dist",
        m,
        m.pairwise_dist(points, others),
        expected,
        host(expected),
        8.0,
        points=points,
        others=others,
    )


def random_draws_belong(m: Any, *, x: Array) -> None:
    """Random points lie on the manifold, random tangents are tangent; equal seeds give equal draws of x's kind."""
    p = m.random_point((5,), rng=3, like=x)
    v = m.random_tangent(p, rng=4)
    if not np.all(host(m.contains(p))) or p.dtype != x.dtype or type(p) is not type(x):
        fail("random_draws_belong", m, "random_point is off the manifold or changes library or dtype", p=p)
    scale = _largest(m, v) * _wide(m, p, p)
    require("random_draws_belong", m, m.to_tangent(p, v), v, scale, LIMIT, p=p, v=v)
    require("random_draws_belong", m, m.random_point((5,), rng=3, like=x), p, 0.0, 0.0, p=p)


def batch_is_loop(m: Any, **case: Array) -> None:
    """Every operation gives a batch element what it gives that element alone, and keeps library, dtype and device."""
    for name, kinds in OPERATIONS.items():
        args = [case[k] for k in kinds]
        y = getattr(m, name)(*args)
        y = y[0] if name == "mean" else y
        if type(y) is not type(args[0]) and host(y).ndim:
            fail("batch_is_loop", m, f"{name} turns {type(args[0]).__name__} into {type(y).__name__}")
        if y.dtype != args[0].dtype or getattr(y, "device", None) != getattr(args[0], "device", None):
            fail("batch_is_loop", m, f"{name} gives {y.dtype} for {args[0].dtype}, or leaves its device")
        batch = tuple(case["t"].shape)
        for i in np.ndindex(batch) if batch else ():
            one = getattr(m, name)(*(a[(*i, ...)] for a in args))
            one = one[0] if name == "mean" else one
            scale = max(1.0, float(np.max(np.abs(host(one)), initial=0.0)))
            require("batch_is_loop", m, host(y)[i], host(one), scale, LIMIT, **dict(zip(kinds, args, strict=True)))


def _wide(m: Any, x: Array, *others: Array) -> np.ndarray:
    # One plus the largest entry of each array, multiplied: how an absolute rounding of the inputs can grow. Entries
    # are measured in those of the origin where these are below one: the radius of a strongly curved hyperboloid.
    unit = min(float(np.max(np.abs(m.origin()), initial=0.0)) or 1.0, 1.0)
    wide = stretch(m, x)
    for a in (x, *others):
        wide = wide * (1.0 + _largest(m, a) / unit)
    return wide


def _both(m: Any, x: Array, *others: Array) -> np.ndarray:
    # `_wide` of points, with what the roundings of the last one grow to.
    wide: np.ndarray = _wide(m, x, *others) * stretch(m, others[-1])
    return wide


def stretch(m: Any, x: Array) -> np.ndarray:
    """How much longer than its entries a tangent at x may be: what a rounding of x grows to, at least one."""
    return _size(m, np.maximum(1.0, 1 / np.min(_frame_lengths(m, x), axis=-1, initial=1.0)))


def _reach(m: Any, x: Array) -> np.ndarray:
    # How much longer the entries of a tangent at x are than the tangent: far out on a projection of a sphere, at least
    # one.
    return _size(m, np.max(_frame_lengths(m, x), axis=-1, initial=1.0))


def _frame_lengths(m: Any, x: Array) -> np.ndarray:
    # The lengths of the entries of the axes of the frame at x.
    xp, ambient = namespace(x), tuple(range(-len(m.ambient_shape), 0))
    axes = xp.asarray(np.eye(m.dim), dtype=x.dtype, device=getattr(x, "device", None))
    frame = host(m.from_coordinates(xp.expand_dims(x, axis=-1 - len(ambient)), axes)).astype(float)
    lengths: np.ndarray = np.sqrt(np.sum(frame**2, axis=ambient))
    return lengths


def _largest(m: Any, a: Array) -> np.ndarray:
    axes = tuple(range(-len(m.ambient_shape), 0))
    return np.asarray(np.max(np.abs(host(a).astype(float)), axis=axes, keepdims=True))


def _size(m: Any, r: Array) -> np.ndarray:
    # Lengths with axes to broadcast against points.
    size: np.ndarray = host(r).astype(float)
    return size.reshape(size.shape + (1,) * len(m.ambient_shape))


def _flat(m: Any, wide: np.ndarray) -> np.ndarray:
    flat: np.ndarray = wide.reshape(wide.shape[: wide.ndim - len(m.ambient_shape)])
    return flat


def _cut(m: Any, r: np.ndarray) -> np.ndarray:
    # How much a rounding turns the direction of a logarithm of length r.
    if math.isinf(m.injectivity_radius):
        return np.asarray(1.0)
    gap = np.maximum(m.injectivity_radius - r, 1e-300)
    return np.asarray(1.0 + r / gap)


def _all(m: Any, a: Array, other: Array, event: int | None = None) -> np.ndarray:
    # a, broadcast to the batch it shares with another array.
    event = len(m.ambient_shape) if event is None else event
    a, o = host(a), host(other)
    batch = np.broadcast_shapes(a.shape[: a.ndim - event], o.shape[: o.ndim - len(m.ambient_shape)])
    return np.broadcast_to(a, batch + a.shape[a.ndim - event :])


LAWS = (
    exp_log_inverse,
    log_exp_inverse,
    log_is_tangent,
    exp_stays,
    dist_is_norm_of_log,
    dist_from_origin,
    dist_is_symmetric,
    dist_is_triangular,
    geodesic_has_ends,
    geodesic_has_constant_speed,
    transport_is_isometric,
    transport_has_inverse,
    transport_has_adjoint,
    transport_is_linear,
    transport_is_tangent,
    transport_turns_log,
    project_is_idempotent,
    to_tangent_is_orthogonal,
    frame_is_orthonormal,
    rgrad_represents,
    retract_is_first_order,
    mean_is_stationary,
    pairwise_is_dist,
    random_draws_belong,
)

__all__ = ["LAWS", "LIMIT", "LawError", "batch_is_loop", "check_law"]
