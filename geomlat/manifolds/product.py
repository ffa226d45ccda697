"""Products of manifolds: one array holds the factors' coordinates side by side."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from geomlat.backends import namespace
from geomlat.grad import add
from geomlat.manifolds.base import BLOCK, OPERATIONS, Array, Manifold, Pull, SpaceForm
from geomlat.manifolds.flat_rows import roots_row
from geomlat.manifolds.mean import MeanStatus
from geomlat.manifolds.vectors import check_out, compiled, direction, length, store
from geomlat.random import stream

# The power of a factor's scale that its part of a result is multiplied by.
POWERS = {
    "inner": 2,
    "norm": 1,
    "dist": 1,
    "pairwise_dist": 1,
    "to_coordinates": 1,
    "from_coordinates": -1,
    "egrad_to_rgrad": -2,
}
SUMS = ("inner", "logdet_exp")
LENGTHS = ("norm", "dist", "pairwise_dist")


@dataclass(frozen=True, init=False, repr=False)
class Product(Manifold):
    """The product of manifolds, with the metric ``sum_i s_i^2 g_i``: lengths in factor i are multiplied by ``s_i``.

    Points and tangents have shape ``(..., N)``: the ambient arrays of the factors, flattened and side by side; `split`
    takes them apart, `join` puts them together. Coordinates are side by side too. ``scales`` are positive numbers, 1
    if None: a scale that is learned is the curvature of a `geomlat.manifolds.Stereographic` factor. A pull returns,
    after the arguments' cotangents, one tuple for each factor that has array fields.

    >>> p = Product(Euclidean(1), Torus(1), scales=(2.0, 1.0))
    >>> p.dist(np.array([0.0, 3.0]), np.array([2.0, -3.2831853071795862]))
    np.float64(4.0)
    """

    factors: tuple[Manifold, ...]
    scales: tuple[float, ...]
    _ambient: ClassVar[tuple[slice, ...]]
    _frame: ClassVar[tuple[slice, ...]]

    def __init__(self, *factors: Manifold, scales: Sequence[float] | None = None) -> None:
        scales = (1.0,) * len(factors) if scales is None else tuple(float(s) for s in scales)
        if not factors or len(scales) != len(factors) or not all(0 < s < math.inf for s in scales):
            msg = f"Product needs factors and a positive finite scale for each, got {len(factors)} and scales {scales}"
            raise ValueError(msg)
        object.__setattr__(self, "factors", factors)
        object.__setattr__(self, "scales", scales)
        object.__setattr__(self, "_ambient", _slices([math.prod(f.ambient_shape) for f in factors]))
        object.__setattr__(self, "_frame", _slices([f.dim for f in factors]))

    def __repr__(self) -> str:
        scales = "" if set(self.scales) == {1.0} else f", scales={self.scales}"
        return f"Product({', '.join(map(repr, self.factors))}{scales})"

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The sum of the factors' dimensions."""
        return int(self._frame[-1].stop)

    @property
    def ambient_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """``(N,)``."""
        return (self._ambient[-1].stop,)

    @property
    def injectivity_radius(self) -> float:  # type: ignore[override]
        """The least of the factors' scaled radii."""
        return min(s * f.injectivity_radius for s, f in zip(self.scales, self.factors, strict=True))

    @property
    def period(self) -> tuple[float, ...]:  # type: ignore[override]
        """Those of the factors, one for each coordinate."""
        periods = [np.broadcast_to(f.period, f.ambient_shape).reshape(-1) for f in self.factors]
        return tuple(np.concatenate(periods).tolist())

    def split(self, x: Array, /) -> tuple[Array, ...]:
        """The points or tangents ``(..., *ambient)`` of each factor."""
        return self._parts(*self._points(x))

    def join(self, *parts: Array) -> Array:
        """The point or tangent ``(..., N)`` with these parts, whose batches broadcast."""
        for f, a in zip(self.factors, parts, strict=True):
            f._check_shape(a)
        return self._whole(namespace(*parts), parts)

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """`exp` of each factor."""
        return store(self._of("exp", x, u), out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du, *dfactors)``."""
        return self._of_vjp("exp", x, u)

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """`log` of each factor."""
        return store(self._of("log", x, y), out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy, *dfactors)``."""
        return self._of_vjp("log", x, y)

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """The root of the sum of the squares ``(s_i d_i)^2``, scaled so that it neither underflows nor overflows."""
        return store(self._of("dist", x, y), out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy, *dfactors)``; the diverging part is zero where a factor's distance is."""
        return self._of_vjp("dist", x, y)

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)`` from those of the factors, in blocks of rows of 8 MiB or one row."""
        xp, x, y = self._points(x, y)
        if x.ndim < 2 or y.ndim < 2:
            msg = (
                f"pairwise_dist takes sets of points (..., k, {x.shape[-1]}), got {tuple(x.shape)} and {tuple(y.shape)}"
            )
            raise ValueError(msg)
        lead, k, l = np.broadcast_shapes(x.shape[:-2], y.shape[:-2]), x.shape[-2], y.shape[-2]
        step = max(1, BLOCK // max(1, math.prod(lead) * l * len(self.factors)))
        blocks = [slice(i, min(i + step, k)) for i in range(0, max(k, 1), step)]
        if compiled(x, y) and x.ndim == y.ndim == 2:
            return self._table(xp, x, y, blocks, out)
        if out is None:
            return xp.concat([self._of("pairwise_dist", x[..., rows, :], y) for rows in blocks], axis=-2)
        check_out(out, (*lead, k, l), x.dtype)
        for rows in blocks:
            out[..., rows, :] = self._of("pairwise_dist", x[..., rows, :], y)
        return out

    def _table(self, xp: Any, x: Array, y: Array, blocks: list[slice], out: Array | None) -> Array:
        k, l, count = x.shape[0], y.shape[0], len(self.factors)
        found = xp.empty((k, l), dtype=x.dtype) if out is None else out
        check_out(found, (k, l), x.dtype)
        room = xp.empty(count * blocks[0].stop * l, dtype=x.dtype)
        scales, others = xp.asarray(self.scales, dtype=xp.float64), self._parts(xp, y)
        for rows in blocks:
            n = rows.stop - rows.start
            tables = xp.reshape(room[: count * n * l], (count, n, l))
            for f, a, b, table in zip(self.factors, self._parts(xp, x[rows]), others, tables, strict=True):
                f.pairwise_dist(a, b, out=table)
            roots_row(n, tables, scales, found[rows])
        return found

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """``sum_i s_i^2 <u_i, v_i>``."""
        return self._of("inner", x, u, v)

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(dx, du, dv, *dfactors)``."""
        return self._of_vjp("inner", x, u, v)

    def norm(self, x: Array, u: Array, /) -> Array:
        """The root of the sum of the squares ``(s_i |u_i|)^2``."""
        return self._of("norm", x, u)

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(dx, du, *dfactors)``; zero at ``u = 0``."""
        return self._of_vjp("norm", x, u)

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """`transport` of each factor."""
        return store(self._of("transport", x, y, u), out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du, *dfactors)``."""
        return self._of_vjp("transport", x, y, u)

    def project(self, x: Array, /) -> Array:
        """`project` of each factor."""
        return self._of("project", x)

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx, *dfactors)``."""
        return self._of_vjp("project", x)

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """`to_tangent` of each factor."""
        return self._of("to_tangent", x, u)

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(dx, du, *dfactors)``."""
        return self._of_vjp("to_tangent", x, u)

    def retract(self, x: Array, u: Array, /) -> Array:
        """`retract` of each factor."""
        return self._of("retract", x, u)

    def retract_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`retract` and the pull to ``(dx, du, *dfactors)``."""
        return self._of_vjp("retract", x, u)

    def egrad_to_rgrad(self, x: Array, g: Array, /) -> Array:
        """The gradient of each factor, divided by ``s_i^2``."""
        return self._of("egrad_to_rgrad", x, g)

    def egrad_to_rgrad_vjp(self, x: Array, g: Array, /) -> tuple[Array, Pull]:
        """`egrad_to_rgrad` and the pull to ``(dx, dg, *dfactors)``."""
        return self._of_vjp("egrad_to_rgrad", x, g)

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """The sum over the factors; the scales cancel."""
        return self._of("logdet_exp", x, u)

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(dx, du, *dfactors)``."""
        return self._of_vjp("logdet_exp", x, u)

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """Those of each factor times ``s_i``, side by side."""
        return self._of("to_coordinates", x, u)

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du, *dfactors)``."""
        return self._of_vjp("to_coordinates", x, u)

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """The tangents with each factor's coordinates, divided by ``s_i``."""
        return self._of("from_coordinates", x, c)

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc, *dfactors)``."""
        return self._of_vjp("from_coordinates", x, c)

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """Those of the factors, with lengths multiplied by their scales; nothing if those of a factor are not known."""
        rules = [f.space_forms_vjp() for f in self.factors]
        if not all(forms for forms, _ in rules):
            return super().space_forms_vjp()
        scaled = [
            form._replace(curvature=form.curvature / s**2, period=form.period * s)
            for s, (forms, _) in zip(self.scales, rules, strict=True)
            for form in forms
        ]

        def pull(dforms: Sequence[tuple[Any, Any]]) -> tuple[Any, ...] | None:
            rest, found = list(dforms), []
            for s, (forms, pull_factor) in zip(self.scales, rules, strict=True):
                mine = [(None if k is None else k / s**2, None if t is None else t * s) for k, t in rest[: len(forms)]]
                rest = rest[len(forms) :]
                found.append(pull_factor(mine))
            return tuple(g for g in found if g is not None) or None

        return tuple(scaled), pull

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether each part lies on its factor."""
        inside = [f.contains(a, atol=atol) for f, a in zip(self.factors, self.split(x), strict=True)]
        return namespace(*inside).all(namespace(*inside).stack(inside, axis=-1), axis=-1)

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """The factors' origins."""
        return self.join(*(f.origin(shape, like=like) for f in self.factors))

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Independent random points of the factors, each from a stream of its own."""
        first = stream(rng)
        streams = (first.child("factor", i, first.offset) for i in range(len(self.factors)))
        return self.join(*(f.random_point(shape, rng=r, like=like) for f, r in zip(self.factors, streams, strict=True)))

    def mean(self, points: Array, weights: Array | None = None, /) -> tuple[Array, MeanStatus]:
        """The mean of each factor; it has converged where all have, and its residual is the scaled root of squares."""
        return self.mean_vjp(points, weights)[0]

    def mean_vjp(self, points: Array, weights: Array | None = None, /) -> tuple[tuple[Array, MeanStatus], Pull]:
        """`mean` and the pull from the point's cotangent to ``(dpoints, dweights, *dfactors)``."""
        xp, points, *given = self._points(points, scalars=() if weights is None else (weights,))
        results = [f.mean_vjp(a, *given) for f, a in zip(self.factors, self.split(points), strict=True)]
        status = [s for (_, s), _ in results]
        residual = length(xp, xp.stack([a * s.residual for a, s in zip(self.scales, status, strict=True)], axis=-1))
        converged = xp.all(xp.stack([s.converged for s in status], axis=-1), axis=-1)

        def pull(dx: Any) -> tuple[Any, ...]:
            parts = [None] * len(results) if dx is None else self.split(dx)
            given = [back(d) for (_, back), d in zip(results, parts, strict=True)]
            return self._gathered(given, ("points", "weights"), (points, weights))

        x = self.join(*(x for (x, _), _ in results))
        return (x, MeanStatus(converged, residual, max(s.steps for s in status))), pull

    def _of(self, name: str, *args: Array) -> Array:
        # The operation of each factor, put together.
        xp, _, parts = self._operands(name, args)
        return self._combined(xp, name, [getattr(f, name)(*p) for f, p in zip(self.factors, parts, strict=True)])

    def _of_vjp(self, name: str, *args: Array) -> tuple[Array, Pull]:
        xp, arrays, parts = self._operands(name, args)
        results = [getattr(f, f"{name}_vjp")(*p) for f, p in zip(self.factors, parts, strict=True)]
        values = [y for y, _ in results]

        def pull(dy: Any) -> tuple[Any, ...]:
            shares = [None] * len(results) if dy is None else self._shares(xp, name, values, dy)
            given = [back(d) for (_, back), d in zip(results, shares, strict=True)]
            return self._gathered(given, OPERATIONS[name], arrays)

        return self._combined(xp, name, values), pull

    def _operands(self, name: str, args: tuple[Array, ...]) -> tuple[Any, list[Array], list[tuple[Array, ...]]]:
        framed = "c" in OPERATIONS[name]
        xp, *arrays = self._point_and_coordinates(*args) if framed else self._points(*args)
        split = [self._parts(xp, a) for a in (arrays[:1] if framed else arrays)]
        split += [tuple(a[..., s] for s in self._frame) for a in arrays[len(split) :]]
        return xp, arrays, list(zip(*split, strict=True))

    def _combined(self, xp: Any, name: str, values: list[Array]) -> Array:
        scaled = self._scaled(name, values)
        if name in SUMS:
            return sum(scaled[1:], scaled[0])
        if name in LENGTHS:
            return length(xp, xp.stack(scaled, axis=-1))
        return _beside(xp, scaled) if name == "to_coordinates" else self._whole(xp, scaled)

    def _shares(self, xp: Any, name: str, values: list[Array], dy: Array) -> list[Array]:
        # The cotangents of the factors' values.
        if name in SUMS:
            return self._scaled(name, [dy] * len(values))
        if name in LENGTHS:
            each = xp.stack(self._scaled(name, values), axis=-1)
            toward = dy[..., None] * direction(xp, each, length(xp, each))
            return self._scaled(name, [toward[..., i] for i in range(len(values))])
        parts = [dy[..., s] for s in self._frame] if name == "to_coordinates" else list(self._parts(xp, dy))
        return self._scaled(name, parts)

    def _parts(self, xp: Any, x: Array) -> tuple[Array, ...]:
        lead = x.shape[:-1]
        return tuple(
            x[..., s] if len(f.ambient_shape) == 1 else xp.reshape(x[..., s], (*lead, *f.ambient_shape))
            for s, f in zip(self._ambient, self.factors, strict=True)
        )

    def _whole(self, xp: Any, parts: Sequence[Array]) -> Array:
        sizes = (s.stop - s.start for s in self._ambient)
        flat = [
            a if len(f.ambient_shape) == 1 else xp.reshape(a, (*a.shape[: a.ndim - len(f.ambient_shape)], n))
            for f, a, n in zip(self.factors, parts, sizes, strict=True)
        ]
        return _beside(xp, flat)

    def _scaled(self, name: str, values: list[Array]) -> list[Array]:
        power = POWERS.get(name, 0)
        return [v if s == 1.0 or not power else s**power * v for s, v in zip(self.scales, values, strict=True)]

    def _gathered(self, given: list[tuple[Any, ...]], kinds: tuple[str, ...], arrays: Sequence[Any]) -> tuple[Any, ...]:
        # The arguments' cotangents from those of their parts, then one tuple for each factor that has fields.
        found: list[Any] = []
        for k, (kind, a) in enumerate(zip(kinds, arrays, strict=True)):
            parts = [g[k] for g in given]
            if kind == "weights" or all(g is None for g in parts):
                found.append(add(*parts))
                continue
            xp, lead = namespace(a), tuple(a.shape[:-1])
            slices = self._frame if kind == "c" else self._ambient
            whole = [xp.zeros_like(a[..., s]) if g is None else g for g, s in zip(parts, slices, strict=True)]
            flat = [xp.reshape(g, (*lead, s.stop - s.start)) for g, s in zip(whole, slices, strict=True)]
            found.append(xp.concat(flat, axis=-1))
        return (*found, *(tuple(g[len(arrays) :]) for g in given if len(g) > len(arrays)))


def _slices(sizes: list[int]) -> tuple[slice, ...]:
    ends = np.cumsum([0, *sizes]).tolist()
    return tuple(slice(a, b) for a, b in itertools.pairwise(ends))


def _beside(xp: Any, parts: list[Array]) -> Array:
    leads = {tuple(a.shape[:-1]) for a in parts}
    if len(leads) > 1:
        lead = np.broadcast_shapes(*leads)
        parts = [xp.broadcast_to(a, (*lead, a.shape[-1])) for a in parts]
    return xp.concat(parts, axis=-1)
