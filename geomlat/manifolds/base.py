"""What every manifold offers, and the operations that follow from the others on all of them.

Points first, positional only. Points and tangents are ambient arrays whose trailing axes are ``ambient_shape``; all
leading axes broadcast. Library, dtype and device of the arguments are those of the result; Python numbers do not
promote. Inputs are not checked beyond their trailing shape: `Manifold.contains` finds points off the manifold.

Every differentiable operation ``f`` has a twin ``f_vjp(*args) -> (y, pull)``; ``pull(dy)`` gives the ambient
(Euclidean) cotangents of the array arguments in order, then of the manifold's array fields. They are the exact
derivatives of the formulas as written, which extend the operation off the manifold; None, a structural zero, gives None
for each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import array_api_compat
import numpy as np

from geomlat.backends import floating, namespace
from geomlat.grad import add, sum_to
from geomlat.manifolds.mean import MeanStatus, frechet_mean, mean_pull, normalised
from geomlat.manifolds.vectors import check_out, spread
from geomlat.random import normal

Array = Any
Pull = Callable[[Any], tuple[Any, ...]]

OPERATIONS: dict[str, tuple[str, ...]] = {
    "exp": ("x", "u"),
    "log": ("x", "y"),
    "dist": ("x", "y"),
    "inner": ("x", "u", "v"),
    "norm": ("x", "u"),
    "transport": ("x", "y", "u"),
    "geodesic": ("x", "u", "t"),
    "project": ("a",),
    "to_tangent": ("x", "a"),
    "retract": ("x", "u"),
    "egrad_to_rgrad": ("x", "a"),
    "logdet_exp": ("x", "u"),
    "to_coordinates": ("x", "u"),
    "from_coordinates": ("x", "c"),
    "pairwise_dist": ("points", "others"),
    "mean": ("points", "weights"),
}
"""The differentiable operations and what each takes: points x, y, tangents u, v at x, a time t, an ambient array a,
coordinates c, point sets with an axis of their own, and weights."""


class SpaceForm(NamedTuple):
    """``copies`` neighbouring factors of dimension ``dim`` and of one curvature, all geodesics of length ``period``."""

    copies: int
    dim: int
    curvature: Any
    period: Any
    """inf where geodesics do not close."""


BLOCK = 1 << 20
"""Elements of the largest temporary of a pairwise operation: 8 MiB in float64."""


class Manifold:
    """A Riemannian manifold as a set of pure functions of arrays; the object itself is an immutable description."""

    dim: int
    """The intrinsic dimension n."""

    ambient_shape: tuple[int, ...]
    """The trailing shape of points and tangents."""

    injectivity_radius: float
    """Up to this length the exponential map is one-to-one at every point."""

    period: float | tuple[float, ...] = math.inf
    """Coordinates of a point that differ by multiples of it name the same point: of all, or one number for each."""

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """The end of the geodesic from ``x`` with velocity ``u`` after unit time."""
        raise NotImplementedError

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du)``."""
        raise NotImplementedError

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """The shortest velocity at ``x`` that reaches ``y``."""
        raise NotImplementedError

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy)``."""
        raise NotImplementedError

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """The geodesic distance."""
        raise NotImplementedError

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy)``."""
        raise NotImplementedError

    def inner(self, x: Array, u: Array, v: Array, /) -> Array:
        """The metric at ``x`` of two tangents."""
        raise NotImplementedError

    def inner_vjp(self, x: Array, u: Array, v: Array, /) -> tuple[Array, Pull]:
        """`inner` and the pull to ``(dx, du, dv)``."""
        raise NotImplementedError

    def norm(self, x: Array, u: Array, /) -> Array:
        """The length of a tangent, right from the smallest to the largest floats."""
        raise NotImplementedError

    def norm_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`norm` and the pull to ``(dx, du)``; zero at ``u = 0``."""
        raise NotImplementedError

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """Parallel transport of ``u`` from ``x`` to ``y`` along the shortest geodesic."""
        raise NotImplementedError

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du)``."""
        raise NotImplementedError

    def project(self, x: Array, /) -> Array:
        """An ambient array brought to the manifold."""
        raise NotImplementedError

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx,)``."""
        raise NotImplementedError

    def to_tangent(self, x: Array, u: Array, /) -> Array:
        """The orthogonal projection of an ambient vector to the tangent space at ``x``."""
        raise NotImplementedError

    def to_tangent_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_tangent` and the pull to ``(dx, du)``."""
        raise NotImplementedError

    def egrad_to_rgrad(self, x: Array, g: Array, /) -> Array:
        """The Riemannian gradient from the ambient one: the tangent whose inner product with ``v`` is ``sum(g v)``."""
        raise NotImplementedError

    def egrad_to_rgrad_vjp(self, x: Array, g: Array, /) -> tuple[Array, Pull]:
        """`egrad_to_rgrad` and the pull to ``(dx, dg)``."""
        raise NotImplementedError

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """The log of the absolute determinant of the differential of ``exp(x, .)`` at ``u``, in orthonormal frames."""
        raise NotImplementedError

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(dx, du)``."""
        raise NotImplementedError

    def to_coordinates(self, x: Array, u: Array, /) -> Array:
        """The coordinates ``(..., n)`` of a tangent in an orthonormal frame at ``x``."""
        raise NotImplementedError

    def to_coordinates_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`to_coordinates` and the pull to ``(dx, du)``."""
        raise NotImplementedError

    def from_coordinates(self, x: Array, c: Array, /) -> Array:
        """The tangent with coordinates ``c`` of shape ``(..., n)`` in the frame of `to_coordinates`."""
        raise NotImplementedError

    def from_coordinates_vjp(self, x: Array, c: Array, /) -> tuple[Array, Pull]:
        """`from_coordinates` and the pull to ``(dx, dc)``."""
        raise NotImplementedError

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether each point lies on the manifold, to ``atol`` (100 roundings of its dtype if None)."""
        raise NotImplementedError

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """The base point, repeated to a batch ``shape``, in the library, dtype and on the device of ``like``."""
        raise NotImplementedError

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Random points: uniform where the manifold is compact, else `exp` of a standard normal at the origin."""
        raise NotImplementedError

    def mean(self, points: Array, weights: Array | None = None, /) -> tuple[Array, MeanStatus]:
        """The weighted Frechet mean over the axis before the ambient ones, and a `geomlat.manifolds.mean.MeanStatus`.

        Weights are normalised. Newton's method from the projected arithmetic mean, at most 30 steps, batched.
        """
        return self.mean_vjp(points, weights)[0]

    def mean_vjp(self, points: Array, weights: Array | None = None, /) -> tuple[tuple[Array, MeanStatus], Pull]:
        """`mean` and the pull from the point's cotangent to ``(dpoints, dweights)``, exact where it has converged."""
        xp, points, *given = self._points(points, scalars=() if weights is None else (weights,))
        ambient = len(self.ambient_shape)
        w = normalised(xp, points, given[0] if given else None, ambient)
        start = self.project(xp.sum(self._per_point(w) * points, axis=-1 - ambient))
        x, status = frechet_mean(self, self._curving, self._stride, start, points, w)

        def pull(dx: Any) -> tuple[Any, ...]:
            if dx is None:
                return None, *self.log_vjp(x, x)[1](None)[1:]
            dpoints, dw, *fields = mean_pull(self, self._curving, x, points, w, dx)
            if not given:
                return dpoints, None, *fields
            total = xp.sum(xp.broadcast_to(given[0], w.shape), axis=-1, keepdims=True)
            return dpoints, sum_to(dw / total, given[0].shape), *fields

        return (x, status), pull

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """The factors of constant curvature, in the order of the frame's coordinates; nothing if there are none known.

        The pull takes the cotangents of each factor's (curvature, period) to a tuple of those of the array fields, or
        to None where there is no such field.
        """

        def pull(dforms: Sequence[tuple[Any, Any]]) -> None:
            return None

        return (), pull

    def _grain(self, x: Array) -> Array:
        # How many roundings a rounding of the entries of x moves it: at least one.
        xp = namespace(x)
        return xp.clip(xp.max(xp.abs(x), axis=tuple(range(-len(self.ambient_shape), 0))), min=1)

    def _curving(self, r: Array) -> Array:
        # The Hessian of half the squared distance across the geodesic, at distance r: see `geomlat.manifolds.mean`.
        raise NotImplementedError

    @property
    def _stride(self) -> Any:
        # The longest step towards a mean.
        return self.injectivity_radius / 2

    def random_tangent(self, x: Array, /, *, rng: Any) -> Array:
        """A standard normal in an orthonormal frame at each ``x``."""
        _, x = self._points(x)
        shape = tuple(x.shape[: x.ndim - len(self.ambient_shape)])
        return self.from_coordinates(x, draw((*shape, self.dim), rng=rng, like=x))

    def retract(self, x: Array, u: Array, /) -> Array:
        """A cheap map that agrees with `exp` to first order and always ends on the manifold: ``project(x + u)``."""
        _, x, u = self._points(x, u)
        return self.project(x + u)

    def retract_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`retract` and the pull to ``(dx, du)``."""
        _, x, u = self._points(x, u)
        y, pull_project = self.project_vjp(x + u)

        def pull(dy: Any) -> tuple[Any, ...]:
            d, *fields = pull_project(dy)
            return (None, None, *fields) if d is None else (sum_to(d, x.shape), sum_to(d, u.shape), *fields)

        return y, pull

    def geodesic(self, x: Array, u: Array, t: Array, /) -> Array:
        """``exp(x, t u)`` for times ``t`` of the batch's shape."""
        _, x, u, t = self._points(x, u, scalars=(t,))
        return self.exp(x, self._per_point(t) * u)

    def geodesic_vjp(self, x: Array, u: Array, t: Array, /) -> tuple[Array, Pull]:
        """`geodesic` and the pull to ``(dx, du, dt)``."""
        xp, x, u, t = self._points(x, u, scalars=(t,))
        y, pull_exp = self.exp_vjp(x, self._per_point(t) * u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, *pull_exp(None)
            dx, dtu, *fields = pull_exp(dy)
            axes = tuple(range(-len(self.ambient_shape), 0))
            dt = xp.sum(dtu * u, axis=axes)
            return dx, sum_to(self._per_point(t) * dtu, u.shape), sum_to(dt, t.shape), *fields

        return y, pull

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)`` between points ``x`` ``(..., k, *ambient)`` and ``y`` ``(..., l, *ambient)``.

        Computed in blocks of rows whose temporaries stay below 8 MiB or one row.
        """
        xp, x, y = self._points(x, y)
        axis = -1 - len(self.ambient_shape)
        y = xp.expand_dims(y, axis=axis - 1)
        blocks = self._row_blocks(xp, x, y)
        if out is None:
            return xp.concat([self.dist(a, y) for _, a in blocks], axis=-2)
        lead = np.broadcast_shapes(x.shape[:axis], y.shape[: axis - 1])
        check_out(out, (*lead, x.shape[axis], y.shape[axis]), x.dtype)
        for rows, a in blocks:
            out[..., rows, :] = self.dist(a, y)
        return out

    def pairwise_dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`pairwise_dist` and the pull to ``(dx, dy)``, in the same blocks."""
        xp, x, y = self._points(x, y)
        axis = -1 - len(self.ambient_shape)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                one = (..., slice(0, 1), *(slice(None),) * len(self.ambient_shape))
                return self.dist_vjp(x[one], y[one])[1](None)
            dx: list[Any] = []
            rest: tuple[Any, ...] | None = None
            for rows, a in self._row_blocks(xp, x, y):
                _, pull_dist = self.dist_vjp(a, xp.expand_dims(y, axis=axis - 1))
                da, db, *fields = pull_dist(dd[..., rows, :])
                dx.append(xp.squeeze(da, axis=axis))
                rest = add(rest, (xp.squeeze(db, axis=axis - 1), *fields))
            return xp.concat(dx, axis=axis), *(rest or ())

        return self.pairwise_dist(x, y), pull

    def _row_blocks(self, xp: Any, x: Array, y: Array) -> list[tuple[slice, Array]]:
        # The rows of x, with an axis for those of y, in blocks that bound the broadcast temporaries.
        axis = -1 - len(self.ambient_shape)
        k = x.shape[axis]
        per_row = math.prod(x.shape) // max(k, 1) * y.shape[axis]
        step = max(1, BLOCK // max(1, per_row))
        spread = xp.expand_dims(x, axis=axis)
        tail = (slice(None),) * (1 + len(self.ambient_shape))
        blocks = [slice(i, min(i + step, k)) for i in range(0, max(k, 1), step)]
        return [(b, spread[(..., b, *tail)]) for b in blocks]

    def _per_point(self, t: Array) -> Array:
        return t[(..., *(None,) * len(self.ambient_shape))]

    def _points(self, *points: Array, scalars: tuple[Array, ...] = ()) -> tuple[Any, ...]:
        # The namespace and the arguments as arrays of one floating dtype, their trailing shape checked.
        xp = namespace(*points, *scalars)
        arrays = floating(xp, *points, *scalars)
        for a in arrays[: len(points)]:
            self._check_shape(a)
        return (xp, *arrays)

    def _point_and_coordinates(self, x: Array, c: Array) -> tuple[Any, Array, Array]:
        xp, x, c = self._points(x, scalars=(c,))
        if c.ndim == 0 or c.shape[-1] != self.dim:
            msg = f"{self!r} takes coordinates of shape (..., {self.dim}), got {tuple(c.shape)}"
            raise ValueError(msg)
        return xp, x, c

    def _check_shape(self, *arrays: Array) -> None:
        for x in arrays:
            if tuple(x.shape[len(x.shape) - len(self.ambient_shape) :]) != self.ambient_shape:
                wanted = ", ".join(map(str, self.ambient_shape))
                msg = f"{self!r} takes arrays of shape (..., {wanted}), got {tuple(x.shape)}"
                raise ValueError(msg)


def constant(values: Any, shape: tuple[int, ...], like: Array | None) -> Array:
    """A NumPy array repeated to ``shape``, in the library, dtype and on the device of ``like``."""
    if like is None:
        return np.array(np.broadcast_to(values, shape), dtype=np.float64)
    xp = namespace(like)
    like = floating(xp, like)[0]
    return spread(xp, xp.asarray(values, dtype=like.dtype, device=array_api_compat.device(like)), shape)


def draw(shape: tuple[int, ...], *, rng: Any, like: Array | None) -> Array:
    """Standard normals in the library, dtype and on the device of ``like``; the same numbers in every library."""
    return constant(normal(shape, rng=rng), shape, like)
