"""The flat torus: n angles in [-pi, pi), wrapped by the number 2 pi itself and not by its rounding."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.manifolds.base import Array, SpaceForm, constant
from geomlat.manifolds.flat import Flat
from geomlat.manifolds.mean import TOLERANCE, MeanStatus
from geomlat.manifolds.torus_rows import LARGEST, TAU, TURN, gap_row, gaps_row, turn_row, turned_row
from geomlat.manifolds.vectors import all_pairs, by_rows, compiled, length, store
from geomlat.random import uniform

# The parts of 2 pi whose products with integers of 12 bits are exact in float32, and the largest angle they reduce.
TURN_32 = (6.28125, 0.0019350051879882812, 3.019916050561733e-07)
LARGEST_32 = 2e4


@dataclass(frozen=True)
class Torus(Flat):
    """The product of n unit circles as angles in [-pi, pi); points and tangents have shape ``(..., n)``.

    Results are right to a rounding for the angles as given, across the seam too, where sums of up to 4e8 (2e4 in
    float32 outside the compiled loops) are taken. Beyond that the error grows to the rounding of the sum.
    The cut locus of x is where an angle differs by half a turn: there `log` keeps the sign of ``y - x``.

    >>> t = Torus(1)
    >>> t.exp(np.array([3.0]), np.array([1.0])), t.log(np.array([3.0]), np.array([-3.0]))
    (array([-2.28318531]), array([0.28318531]))
    """

    n: int

    def __post_init__(self) -> None:
        if self.n < 1:
            msg = f"Torus(n) needs n >= 1, got {self.n}"
            raise ValueError(msg)

    injectivity_radius = math.pi

    period = 2 * math.pi

    def exp(self, x: Array, u: Array, /, *, out: Array | None = None) -> Array:
        """``x + u`` less the multiple of 2 pi that leaves it in [-pi, pi)."""
        if compiled(x, u):
            self._check_shape(x)
            self._check_shape(u)
            return by_rows(turn_row, x, u, out=out)
        xp, x, u = self._points(x, u)
        y, half = _reduced(xp, x, u), _half(xp, x)
        return store(xp.where(y >= half, -half, y), out)

    def log(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``y - x`` less the multiple of 2 pi that leaves it in [-pi, pi]."""
        if compiled(x, y):
            self._check_shape(x)
            self._check_shape(y)
            return by_rows(turned_row, x, y, out=out)
        xp, x, y = self._points(x, y)
        return store(_reduced(xp, y, -x), out)

    def dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """``|log(x, y)|``."""
        if compiled(x, y):
            self._check_shape(x)
            self._check_shape(y)
            return by_rows(gap_row, x, y, out=out, event=0)
        xp, x, y = self._points(x, y)
        return store(length(xp, _reduced(xp, y, -x)), out)

    def pairwise_dist(self, x: Array, y: Array, /, *, out: Array | None = None) -> Array:
        """All distances ``(..., k, l)``, by the formula of `dist`: without temporaries for two sets, else in blocks."""
        if not (compiled(x, y) and x.ndim == y.ndim == 2):
            return super().pairwise_dist(x, y, out=out)
        self._check_shape(x)
        self._check_shape(y)
        return all_pairs(gaps_row, x, y, out=out)

    def project(self, x: Array, /) -> Array:
        """``x`` less the multiple of 2 pi that leaves it in [-pi, pi)."""
        xp, x = self._points(x)
        half = _half(xp, x)
        return xp.where((x >= -half) & (x < half), x, self.exp(x, xp.zeros_like(x)))

    def space_forms_vjp(self) -> tuple[tuple[SpaceForm, ...], Callable[[Sequence[tuple[Any, Any]]], Any]]:
        """n circles."""
        return (SpaceForm(self.n, 1, 0.0, 2 * math.pi),), super().space_forms_vjp()[1]

    def contains(self, x: Array, /, *, atol: float | None = None) -> Array:
        """Whether every angle lies in [-pi, pi) of its dtype, to ``atol`` (0 if None)."""
        xp, x = self._points(x)
        half, atol = _half(xp, x), 0.0 if atol is None else atol
        return xp.all((x >= -half - atol) & (x < half + atol), axis=-1)

    def random_point(self, shape: tuple[int, ...] = (), *, rng: Any, like: Array | None = None) -> Array:
        """Uniform points."""
        return self.project(constant(TAU * (uniform((*shape, self.n), rng=rng) - 0.5), (*shape, self.n), like))

    def mean(self, points: Array, weights: Array | None = None, /) -> tuple[Array, MeanStatus]:
        """The weighted Frechet mean over the axis before the last: the global one, in closed form.

        The minimum has, in each angle, the arithmetic mean of the points with the first j in order turned once, for
        some j; all k are compared by cumulative sums (Hotz and Huckemann 2015, "Intrinsic means on the circle").
        """
        return self.mean_vjp(points, weights)[0]

    def _mean(self, xp: Any, points: Array, w: Array) -> tuple[Array, MeanStatus]:
        shape = (*w.shape, self.n)
        points, w = xp.broadcast_to(self.project(points), shape), xp.broadcast_to(w[..., None], shape)
        order = xp.argsort(points, axis=-2)
        ordered, mass = (xp.take_along_axis(a, order, axis=-2) for a in (points, w))
        middle = xp.sum(mass * ordered, axis=-2, keepdims=True)
        turned = xp.cumulative_sum(mass, axis=-2)
        cost = xp.cumulative_sum(mass * (ordered - middle), axis=-2) + math.pi * turned * (1 - turned)
        best = xp.take_along_axis(turned, xp.argmin(cost, axis=-2, keepdims=True), axis=-2)
        start = self.project(middle + TAU * best)
        step = xp.sum(w * self.log(start, points), axis=-2)
        residual = length(xp, step)
        converged = residual <= TOLERANCE * float(xp.finfo(points.dtype).eps)
        return self.exp(start[..., 0, :], step), MeanStatus(converged, residual, 1)


def _half(xp: Any, x: Array) -> Array:
    return xp.full_like(x, math.pi)


def _reduced(xp: Any, a: Array, b: Array) -> Array:
    # a + b less the nearest multiple of 2 pi, with what the sum lost to rounding (Knuth 1969) given back.
    s = a + b
    t = s - a
    rest = (a - (s - t)) + (b - t)
    double = float(xp.finfo(s.dtype).eps) < 1e-10
    (p, q, r), largest = (TURN, LARGEST) if double else (TURN_32, LARGEST_32)
    large = xp.abs(s) > largest
    s = xp.where(large, xp.remainder(s, xp.full_like(s, TAU)), s)
    k = xp.round(s / TAU)
    y = ((s - k * p) - k * q) - (k * r - xp.where(large, xp.zeros_like(s), rest))
    # The quotient is rounded: a little past half a turn it may have given the wrong multiple.
    k = xp.where(xp.abs(y) > _half(xp, y), xp.sign(y), xp.zeros_like(y))
    return ((y - k * p) - k * q) - k * r
