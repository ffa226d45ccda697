"""Spaces of constant curvature K in stereographic coordinates, smooth in K through zero."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import is_host, is_scalar, namespace
from geomlat.grad import add, sum_to
from geomlat.manifolds.base import Array, Pull, SpaceForm, constant, draw
from geomlat.manifolds.conformal import Conformal
from geomlat.manifolds.curved import dlog_sine, log_sine, signed_root
from geomlat.manifolds.gyro import (
    conformal,
    conformal_pull,
    inside,
    inside_pull,
    pair,
    pair_pull,
    reflected,
    rotation_pull,
    step,
    step_pull,
)
from geomlat.manifolds.stereographic_rows import dist_row, exp_row, log_row, pairwise_row, transport_row
from geomlat.manifolds.vectors import (
    all_pairs,
    by_rows,
    compiled,
    direction,
    dot,
    length,
    store,
)

EPS = {char: float(np.finfo(char).eps) for char in "fd"}


@dataclass(frozen=True, eq=False)
class Stereographic(Conformal):
    """The space of dimension n and curvature K with the metric ``(2 / (1 + K |x|^2))^2 |dx|^2``.

    For K < 0 it is the open ball of radius ``1 / sqrt(-K)``, for K = 0 flat space (with lengths ``2 |dx|``), for K > 0
    the sphere of radius ``1 / sqrt(K)`` seen from its pole, which lies at infinity: a point of R^n stands for every
    other. All operations and their derivatives are continuous in K. Points and tangents have shape ``(..., n)``.

    ``curvature`` is a number or a 0-d array and is a parameter: every pull returns its cotangent after those of the
    arguments. The points decide library and dtype; the curvature is cast to theirs.

    `exp` and `project` end where ``sqrt(-K) |x| <= 1 - 16 eps``, a distance of ``34 / sqrt(-K)`` from the origin (14 in
    float32), and for K > 0 at most ``pi / sqrt(K)`` less a rounding. Close to the border errors grow like ``eps e^R``
    with the distance ``R / sqrt(-K)``. At the cut locus of x, for K > 0 the point ``-x / (K |x|^2)``, the geodesic is
    the one through the origin, and pullbacks are finite: they keep only what does not diverge.

    References: Ungar (2008), Analytic Hyperbolic Geometry, chapters 3 and 6; Bachmann, Becigneul and Ganea (2020),
    Constant curvature graph convolutional networks, section 2.

    >>> s = Stereographic(2, -1.0)
    >>> s.dist(np.array([0.0, 0.0]), np.array([0.0, np.tanh(0.5)]))
    np.float64(1.0)
    """

    n: int
    curvature: Array

    def __post_init__(self) -> None:
        self._check_dimension()
        if is_scalar(self.curvature) or is_host(self.curvature):
            k = np.asarray(self.curvature, dtype=getattr(self.curvature, "dtype", np.float64))
            object.__setattr__(self, "curvature", k)
            if k.ndim == 0 and not np.isfinite(k):
                msg = f"{type(self).__name__}(n, curvature) needs a finite curvature, got {k}"
                raise ValueError(msg)
        if self.curvature.shape != ():
            msg = f"{type(self).__name__}(n, curvature) needs one number, got an array of shape {self.curvature.shape}"
            raise ValueError(msg)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n={self.n}, curvature={self.curvature!s})"

    def _check_dimension(self) -> None:
        if self.n < 1:
            msg = f"{type(self).__name__}(n) needs n >= 1, got {self.n}"
            raise ValueError(msg)

    @property
    def injectivity_radius(self) -> Any:  # type: ignore[override]
        """``pi / sqrt(K)``, or inf for K <= 0: a float, or a 0-d array if the curvature is one of another library."""
        return self._radii(math.pi, math.inf)

    @property
    def _stride(self) -> Any:
        # As on `Sphere` and on `Hyperboloid`.
        return self._radii(math.pi / 2, 2.0)

    def _radii(self, positive: float, negative: float) -> Any:
        # Either number over sqrt(|K|), by the sign of K; inf at K = 0.
        k = self.curvature
        xp = namespace(k)
        some, one = k != 0, xp.ones_like(k)
        radius = xp.where(k > 0, positive * one, negative * one) / xp.sqrt(xp.where(some, xp.abs(k), one))
        radius = xp.where(some, radius, math.inf * one)
        return float(radius) if is_host(radius) else radius

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """One of curvature K and period ``2 pi / sqrt(K)``, both arrays: no answer depends on the sign of K."""
        k = self.curvature
        xp = namespace(k)

        def pull(dforms: Sequence[tuple[Any, Any]]) -> tuple[Any, ...]:
            ((dk, dperiod),) = dforms
            some = k > 0
            slope = xp.where(some, -math.pi / xp.where(some, k, xp.ones_like(k)) ** 1.5, xp.zeros_like(k))
            by_period = None if dperiod is None else (float(slope) if is_host(slope) else slope) * dperiod
            return self._field(add(dk, by_period))

        period = 2 * self.injectivity_radius
        return (SpaceForm(1, self.n, k, np.asarray(period) if is_scalar(period) else period),), pull

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x (+) tan_K(|u| / A) u / |u|`` with ``A = 1 + K |x|^2`` and Moebius addition, as a displacement of x.

        ``y = x + (A / D) (c p - K |p|^2 x)``, ``p = s u / |u|``, ``s / c = tan_K(|u| / A)``,
        ``D = |c - K <x, p>|^2 + K^2 |x /\\ p|^2 = A (c^2 + K s^2) - K |c x + p|^2``.
        """
        if self._compiled(x, u):
            eps = EPS[x.dtype.char]
            return by_rows(exp_row, x, u, out=out, numbers=(float(self.curvature), eps))
        xp, x, u, k = self._operands(x, u)
        return store(inside(xp, k, step(xp, k, x, u).y), out)

    def exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`exp` and the pull to ``(dx, du, dK)``."""
        xp, x, u, k = self._operands(x, u)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, None, *self._field(None)
            way = step(xp, k, x, u)
            dy, dlimit = inside_pull(xp, k, way.y, dy)
            dx, du, dk = step_pull(xp, k, way, x, u, dy)
            return sum_to(dx, x.shape), sum_to(du, u.shape), *self._field(xp.sum(dk) + dlimit)

        return self.exp(x, u), pull

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``A theta e``: theta half the distance, e the direction of ``A d + K |d|^2 x``, ``d = y - x``."""
        if self._compiled(x, y):
            return by_rows(log_row, x, y, out=out, numbers=(float(self.curvature),))
        xp, x, y, k = self._operands(x, y)
        two = pair(xp, k, x, y)
        return store((two.ax * two.theta)[..., None] * two.first, out)

    def log_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`log` and the pull to ``(dx, dy, dK)``; smooth at ``x = y``."""
        xp, x, y, k = self._operands(x, y)

        def pull(du: Any) -> tuple[Any, ...]:
            if du is None:
                return None, None, *self._field(None)
            two = pair(xp, k, x, y)
            along = dot(xp, two.first, du)
            dx, dy, dk = pair_pull(xp, k, two, x, y, two.ax * along)
            dn = (two.ax * two.spin)[..., None] * (du - along[..., None] * two.first)
            dd = two.ax[..., None] * dn + 2 * k * dot(xp, x, dn)[..., None] * two.d
            ddx, ddk = conformal_pull(xp, k, x, two.theta * along + dot(xp, two.d, dn))
            square = two.delta * two.delta
            dx = dx + ddx - dd + (k * square)[..., None] * dn
            dk = dk + ddk + square * dot(xp, x, dn)
            return sum_to(dx, x.shape), sum_to(dy + dd, y.shape), *self._field(xp.sum(dk))

        return self.log(x, y), pull

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``2 arctan_K(|(-x) (+) y|)``, as ``atan2(sqrt(K) |x - y|, C)`` or ``asinh(sqrt(-K) |x - y| / B)``.

        ``B^2 = A_x A_y``, ``C^2 = (1 + K <x, y>)^2 + K^2 |x /\\ y|^2``: nothing cancels near ``x = y``, near the cut
        locus or near K = 0.
        """
        if self._compiled(x, y):
            return by_rows(dist_row, x, y, out=out, event=0, numbers=(float(self.curvature),))
        xp, x, y, k = self._operands(x, y)
        return store(2 * pair(xp, k, x, y).theta, out)

    def dist_vjp(self, x: Array, y: Array, /) -> tuple[Array, Pull]:
        """`dist` and the pull to ``(dx, dy, dK)``; the diverging part is zero at ``x = y`` and at the cut locus."""
        xp, x, y, k = self._operands(x, y)

        def pull(dd: Any) -> tuple[Any, ...]:
            if dd is None:
                return None, None, *self._field(None)
            dx, dy, dk = pair_pull(xp, k, pair(xp, k, x, y), x, y, 2 * dd)
            return sum_to(dx, x.shape), sum_to(dy, y.shape), *self._field(xp.sum(dk))

        return self.dist(x, y), pull

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if self._compiled(x, y) and x.ndim == y.ndim == 2:
            return all_pairs(pairwise_row, x, y, out=out, numbers=(float(self.curvature),))
        return super().pairwise_dist(x, y, out=out)

    def transport(self, x: Array, y: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``(A_y / A_x) (I - 2 d d^T) (I - 2 e e^T) u``: e the direction of `log`, d that of ``y - x``; an isometry.

        The inversion that swaps x and y reflects in d; it turns the geodesic around, which the reflection in e undoes.
        """
        if self._compiled(x, y, u):
            return by_rows(transport_row, x, y, u, out=out, numbers=(float(self.curvature),))
        xp, x, y, u, k = self._operands(x, y, u)
        two = pair(xp, k, x, y)
        turned = reflected(xp, reflected(xp, u, two.first), direction(xp, two.d, two.delta))
        return store((two.ay / two.ax)[..., None] * turned, out)

    def transport_vjp(self, x: Array, y: Array, u: Array, /) -> tuple[Array, Pull]:
        """`transport` and the pull to ``(dx, dy, du, dK)``."""
        xp, x, y, u, k = self._operands(x, y, u)

        def pull(dv: Any) -> tuple[Any, ...]:
            if dv is None:
                return None, None, None, *self._field(None)
            two = pair(xp, k, x, y)
            dx, dy, du, dk = rotation_pull(xp, k, two, x, y, u, dv)
            return sum_to(dx, x.shape), sum_to(dy, y.shape), sum_to(du, u.shape), *self._field(xp.sum(dk))

        return self.transport(x, y, u), pull

    def project(self, x: Array, /) -> Array:
        """x, shortened to the largest length there is: see the class."""
        xp, x, k = self._operands(x)
        return inside(xp, k, x)

    def project_vjp(self, x: Array, /) -> tuple[Array, Pull]:
        """`project` and the pull to ``(dx, dK)``."""
        xp, x, k = self._operands(x)

        def pull(dy: Any) -> tuple[Any, ...]:
            if dy is None:
                return None, *self._field(None)
            dx, dk = inside_pull(xp, k, x, dy)
            return dx, *self._field(dk)

        return self.project(x), pull

    def logdet_exp(self, x: Array, u: Array, /) -> Array:
        """``(n - 1) log |sin_K(r) / r|`` with ``r = 2 |u| / A``."""
        xp, x, u, k = self._operands(x, u)
        return (self.n - 1) * log_sine(k, 2 * length(xp, u) / conformal(xp, k, x))

    def logdet_exp_vjp(self, x: Array, u: Array, /) -> tuple[Array, Pull]:
        """`logdet_exp` and the pull to ``(dx, du, dK)``."""
        xp, x, u, k = self._operands(x, u)

        def pull(dl: Any) -> tuple[Any, ...]:
            if dl is None:
                return None, None, *self._field(None)
            r, pull_norm = self.norm_vjp(x, u)
            dz = (self.n - 1) * dl * dlog_sine(k, r)
            dx, du, *field = pull_norm(2 * k * r * dz)
            return dx, du, *(f + xp.sum(r * r * dz) for f in field)

        return self.logdet_exp(x, u), pull

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether x is finite and ``1 + K |x|^2 > -atol`` (0 if None): the border does not belong to the ball."""
        xp, x, k = self._operands(x)
        s, root = signed_root(xp, k)
        border = 1 + s * dot(xp, root * x, root * x)
        return xp.all(xp.isfinite(x), axis=-1) & (border > (0.0 if atol is None else -atol))

    def origin(self, shape: tuple[int, ...] = (), *, like: Array | None = None) -> Array:
        """Zero."""
        return constant(np.zeros(self.n), (*shape, self.n), like)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """`exp` of a standard normal at the origin, for every sign of K: continuous in K, not uniform on the sphere."""
        c = draw((*shape, self.n), rng=rng, like=like)
        return self.exp(0 * c, c / 2)

    def _grain(self, x: Array) -> Any:
        return namespace(x).clip(self.norm(x, x), min=1.0)

    def _curving(self, r: Array) -> Array:
        xp = namespace(r)
        k = self.number(xp, r)
        return 1 + 2 * k * r * r * dlog_sine(k, r)

    def _compiled(self, *arrays: Array) -> bool:
        # Whether the row kernels take these arguments, whose shapes are checked then, and the curvature as a number.
        k = self.curvature
        if not (compiled(*arrays) and (is_scalar(k) or is_host(k))):
            return False
        for a in arrays:
            self._check_shape(a)
        return True
