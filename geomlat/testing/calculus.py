"""The laws of derivatives: the volume of the exponential map and every pullback, against extrapolated differences.

A manifold's own array fields (a curvature, say) are differentiated like arguments, whatever the manifold. Differences
need NumPy float64 arrays, away from the cut locus and from where a function is not smooth (coinciding
points for `dist`); `pullbacks_keep_kind` takes any library, any dtype and those places too.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.grad import gradcheck, richardson
from geomlat.manifolds.base import OPERATIONS
from geomlat.testing.fields import array_fields, leaves, with_fields
from geomlat.testing.laws import stretch
from geomlat.testing.measure import fail, host, nearest

Array = Any

POINTS = ("exp", "geodesic", "project", "retract", "mean")
"""The differentiable operations whose value is a point."""


def logdet_exp_is_volume(m: Any, *, x: Array, u: Array) -> None:
    """``logdet_exp(x, u) = log |det d exp(x, .)|`` at u: that of the numerical differential in orthonormal frames."""
    batch = np.broadcast_shapes(x.shape[: x.ndim - len(m.ambient_shape)], u.shape[: u.ndim - len(m.ambient_shape)])
    xs, us = (np.broadcast_to(a, batch + m.ambient_shape) for a in (x, u))
    logs = np.broadcast_to(m.logdet_exp(x, u), batch)
    for i in np.ndindex(*batch):
        p, v = xs[i], us[i]
        c, y = m.to_coordinates(p, v), m.exp(p, v)

        def end(c: np.ndarray, p: np.ndarray = p, y: np.ndarray = y) -> Any:
            return nearest(m, m.exp(p, m.from_coordinates(p, c)), y)

        step = 1e-2 * max(1.0, float(np.max(np.abs(c), initial=0.0)))
        columns = [m.to_coordinates(y, richardson(end, c, e, h=step)[0]) for e in np.eye(m.dim)]
        jacobian = np.stack(columns, axis=-1) if columns else np.zeros((0, 0))
        values = np.linalg.svd(jacobian, compute_uv=False)
        noise = 1e-9 * np.max(values, initial=1.0) / np.min(values, initial=1.0)
        expected = float(np.linalg.slogdet(jacobian)[1])
        if not abs(float(logs[i]) - expected) <= noise * (1 + abs(expected)):
            fail("logdet_exp_is_volume", m, f"{float(logs[i])!r}, the differential has {expected!r}", x=p, u=v)


def pullbacks_are_derivatives(m: Any, **case: Array) -> None:
    """Every ``f_vjp`` gives the value of ``f`` bitwise and its derivatives, with each argument broadcast in turn.

    The last cotangents are those of the manifold's array fields, in field order.
    """
    shifts = [np.zeros(np.shape(a)) for a in array_fields(m)]
    for name, kinds in OPERATIONS.items():
        args = [np.asarray(case[k]) for k in kinds]
        value = getattr(m, name)(*args)
        value = value[0] if name == "mean" else value
        given = dict(zip(kinds, args, strict=True))
        if not np.array_equal(_rule(m, name)(*args)[0], value):
            fail("pullbacks_are_derivatives", m, f"{name} and {name}_vjp differ in value", **given)
        calls = [args]
        if case["t"].ndim and case["t"].size and len(args) > 1:
            for k in range(len(args)):
                calls += [[a[0] if i == k else a for i, a in enumerate(args)]]
                calls += [[a if i == k else a[0] for i, a in enumerate(args)]]
        for call in calls if case["t"].size else ():
            try:
                moved = [*call, *shifts] if call is args else call
                rule = _of_fields(m, name, len(call))
                smooth = _continuous(m, rule, *moved) if name in POINTS else rule
                gradcheck(
                    smooth, *moved, directions=1, step=[*_steps(m, kinds, call), *[1e-2] * (len(moved) - len(call))]
                )
            except AssertionError as error:
                fail("pullbacks_are_derivatives", m, f"{name}_vjp: {error}", **dict(zip(kinds, call, strict=True)))


def pullbacks_keep_kind(m: Any, **case: Array) -> None:
    """Cotangents are finite, and have the shape, library, dtype and device of their arguments; None gives None."""
    for name, kinds in OPERATIONS.items():
        args = [case[k] for k in kinds]
        before = [host(a).copy() for a in args]
        y, pull = _rule(m, name)(*args)
        cotangents = pull(namespace(y).ones_like(y))
        given = dict(zip(kinds, args, strict=True))
        for (kind, a), g in zip(given.items(), cotangents, strict=False):
            if g is not None and _kind(g) != _kind(a):
                fail("pullbacks_keep_kind", m, f"{name}_vjp gives {kind} {_kind(a)} a cotangent {_kind(g)}")
            if g is not None and not np.all(np.isfinite(host(g))):
                fail("pullbacks_keep_kind", m, f"{name}_vjp gives {kind} {host(g)}", **given)
        fields, arrays = leaves(cotangents[len(args) :]), array_fields(m)
        if len(fields) != len(arrays):
            fail("pullbacks_keep_kind", m, f"{name}_vjp gives {len(fields)} cotangents for {len(arrays)} array fields")
        for a, g in zip(arrays, fields, strict=True):
            if g is not None and _kind(g) != (tuple(a.shape), *_kind(y)[1:]):
                fail("pullbacks_keep_kind", m, f"{name}_vjp gives a field {_kind(a)} a cotangent {_kind(g)}")
            if g is not None and not np.all(np.isfinite(host(g))):
                fail("pullbacks_keep_kind", m, f"{name}_vjp gives a field {host(g)}", **given)
        if any(g is not None for g in leaves(pull(None))) or len(leaves(pull(None))) != len(leaves(cotangents)):
            fail("pullbacks_keep_kind", m, f"the pull of {name}_vjp does not treat None as zero")
        if not all(np.array_equal(host(a), b, equal_nan=True) for a, b in zip(args, before, strict=True)):
            fail("pullbacks_keep_kind", m, f"{name}_vjp changes its arguments")


def curvature_crosses_zero(m: Any, **case: Array) -> None:
    """Where a field is called ``curvature``, every operation and pullback is continuous in it through zero.

    At a curvature h of either sign the values and all cotangents are those at zero up to a multiple of h: a formula
    that cancels is off by ``eps / h``, one that switches by a finite amount.
    """
    if not hasattr(getattr(m, "curvature", None), "dtype"):
        return
    for name, kinds in OPERATIONS.items():
        args = [case[k] for k in kinds]
        flat = _values(dataclasses.replace(m, curvature=0 * m.curvature), name, args)
        for h in (1e-30, 1e-12, 1e-9, 1e-7):
            for sign in (-1, 1):
                bent = _values(dataclasses.replace(m, curvature=0 * m.curvature + sign * h), name, args)
                for got, expected in zip(bent, flat, strict=True):
                    scale = 1 + np.max(np.abs(expected), initial=0.0)
                    error = np.max(np.abs(got - expected), initial=0.0) / scale
                    if not error <= 64 * float(np.finfo(got.dtype).eps) + 1e3 * h:
                        what = f"{name}_vjp jumps by {error:.3g} between curvature 0 and {sign * h}"
                        fail("curvature_crosses_zero", m, what, **dict(zip(kinds, args, strict=True)))


def _values(m: Any, name: str, args: list[Array]) -> list[np.ndarray]:
    # The value of an operation and its cotangents for a fixed cotangent of the value.
    y, pull = _rule(m, name)(*args)
    weights = np.cos(np.arange(math.prod(y.shape))).reshape(y.shape)
    dy = namespace(y).asarray(weights, dtype=y.dtype, device=getattr(y, "device", None))
    return [host(a) for a in (y, *leaves(pull(dy))) if a is not None]


def _continuous(m: Any, rule: Any, *args: Array) -> Any:
    # The rule of an operation whose value is a point, without jumps by a period around the arguments.
    around = rule(*args)[0]

    def vjp(*args: Array) -> tuple[Array, Any]:
        y, pull = rule(*args)
        return nearest(m, y, around), pull

    return vjp


def _steps(m: Any, kinds: tuple[str, ...], args: list[Array]) -> list[float]:
    # A hundredth of an argument. Of points less where the border of a ball is closer than that, but no rounding of
    # what they are mapped to where they lie at the center of their coordinates.
    steps = []
    for kind, a in zip(kinds, args, strict=True):
        point, size = kind in ("x", "y", "points", "others"), float(np.max(np.abs(a), initial=0.0)) or 1.0
        near = float(np.max(stretch(m, a), initial=1.0)) if point else 1.0
        steps.append(1e-2 * (max(1.0, 0.1 / size) if point else 1.0) * min(1.0, 10.0 / near))
    return steps


def _kind(a: Array) -> tuple[Any, ...]:
    return tuple(a.shape), a.dtype, getattr(a, "device", None)


def _of_fields(m: Any, name: str, count: int) -> Any:
    # The rule of an operation as a function of its arguments and, if given, of shifts of the manifold's array fields.
    def vjp(*args: Array) -> tuple[Array, Any]:
        shifts = args[count:]
        moved = with_fields(m, [a + s for a, s in zip(array_fields(m), shifts, strict=True)]) if shifts else m
        y, pull = _rule(moved, name)(*args[:count])
        return y, lambda dy: tuple(leaves(pull(dy)))[: len(args)]

    return vjp


def _rule(m: Any, name: str) -> Any:
    f = getattr(m, f"{name}_vjp")

    def vjp(*args: Array) -> tuple[Array, Any]:
        y, pull = f(*args)
        return (y[0] if name == "mean" else y), pull

    return vjp


CALCULUS = (logdet_exp_is_volume, pullbacks_are_derivatives, pullbacks_keep_kind, curvature_crosses_zero)
