"""Transforms without a network: permutations, invertible linear maps, activation normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.flows._coupling_run import Step
from geomlat.flows.transform import Moved, Pull, Transform, dense
from geomlat.grad import Params, sum_to
from geomlat.nn.initialisers import zeros
from geomlat.nn.layer import Initialiser

Array = Any


@dataclass(frozen=True, eq=False)
class Permutation(Transform):
    """``y_j = x_order[j]``; `Permutation.reversal(dim)` is the usual one between couplings.

    Raises
    ------
    ValueError
        If ``order`` does not hold each of 0 .. dim - 1 once.
    """

    order: Sequence[int]

    def __post_init__(self) -> None:
        order = tuple(int(j) for j in self.order)
        if not order or sorted(order) != list(range(len(order))):
            msg = f"a permutation holds each of 0 .. {len(order) - 1} once, got {order}"
            raise ValueError(msg)
        object.__setattr__(self, "order", order)

    @classmethod
    def reversal(cls, dim: int) -> Permutation:
        """The coordinates in reverse."""
        return cls(tuple(reversed(range(dim))))

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The number of coordinates."""
        return len(self.order)

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, 0)`` and its pullback."""
        return _permuted(x, self.order, self._back)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, 0)`` and its pullback."""
        return _permuted(y, self._back, self.order)

    def step(self, inverse: bool) -> Step:
        """See `Transform.step`."""
        return self._back if inverse else tuple(self.order)

    @property
    def _back(self) -> tuple[int, ...]:
        return tuple(self.order.index(j) for j in range(self.dim))


def _permuted(x: Array, order: Sequence[int], back: Sequence[int]) -> tuple[Moved, Pull]:
    xp = namespace(x)

    def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
        return xp.take(dense(cotangent[0], x), xp.asarray(back), axis=-1), None

    return (xp.take(x, xp.asarray(order), axis=-1), xp.zeros_like(x[..., 0])), pull


@dataclass(frozen=True, eq=False)
class InvertibleLinear(Transform):
    """``y = W x`` with ``W = L U``: L unit lower triangular, U upper triangular with diagonal ``exp(log_diagonal)``.

    Kingma and Dhariwal (2018), eq. 10, without their fixed permutation: put a `Permutation` beside it. Raises
    ValueError for a dimension below 1.
    """

    dim: int

    def __post_init__(self) -> None:
        if self.dim < 1:
            msg = f"a linear map needs a dimension of at least 1, got {self.dim}"
            raise ValueError(msg)

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``lower`` and ``upper`` (dim, dim), of which the strict triangles count, and ``log_diagonal`` (dim,)."""
        square = (self.dim, self.dim)
        return {"lower": (square, zeros), "upper": (square, zeros), "log_diagonal": ((self.dim,), zeros)}

    def matrix_vjp(self, p: Params) -> tuple[Array, Any]:
        """``W`` and ``pull(dW, g)``."""
        lower, upper, log_diagonal = p.of(self)
        xp = namespace(lower)
        unit, scale = xp.eye(self.dim, dtype=lower.dtype), xp.exp(log_diagonal)
        low, up = xp.tril(lower, k=-1) + unit, xp.triu(upper, k=1) + unit * scale[..., None]

        def pull(dw: Array, g: Params) -> None:
            dlower, dupper, dlog = g.of(self)
            dup = xp.matmul(low.mT, dw)
            dlower += xp.tril(xp.matmul(dw, up.mT), k=-1)
            dupper += xp.triu(dup, k=1)
            dlog += xp.sum(unit * dup, axis=-1) * scale

        return xp.matmul(low, up), pull

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(W x, sum log_diagonal)`` and its pullback."""
        xp, log_diagonal = namespace(x), p.of(self)[2]
        w, pull_matrix = self.matrix_vjp(p)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy = dense(cotangent[0], x)
            pull_matrix(_outer(w, dy, x), g)
            if cotangent[1] is not None:
                g.of(self)[2][...] += total(log_diagonal, cotangent[1])
            return xp.matmul(dy, w), None

        return (xp.matmul(x, w.mT), spread(x, log_diagonal)), pull

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(W^-1 y, -sum log_diagonal)`` and its pullback."""
        xp, log_diagonal = namespace(y), p.of(self)[2]
        w, pull_matrix = self.matrix_vjp(p)
        back = xp.linalg.inv(w)
        x = xp.matmul(y, back.mT)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy = xp.matmul(dense(cotangent[0], y), back)
            pull_matrix(-_outer(w, dy, x), g)
            if cotangent[1] is not None:
                g.of(self)[2][...] -= total(log_diagonal, cotangent[1])
            return dy, None

        return (x, -spread(y, log_diagonal)), pull


def _outer(w: Array, dy: Array, x: Array) -> Array:
    """The sum over points of ``dy x^T``, for each matrix of ``w``."""
    n = x.shape[-1]
    a, b = (dy, x) if w.ndim == 3 else (namespace(dy).reshape(dy, (-1, n)), namespace(x).reshape(x, (-1, n)))
    return namespace(a).matmul(a.mT, b)


def spread(x: Array, log_scale: Array) -> Array:
    """The sum of log-scales ``(n,)``, or of each of k rows of them, at every point of ``x``."""
    xp = namespace(x)
    return xp.zeros_like(x[..., 0]) + xp.sum(log_scale, axis=-1, keepdims=log_scale.ndim == 2)


def total(log_scale: Array, dlogdet: Array) -> Array:
    """The cotangent of every log-scale of a sum of them."""
    xp = namespace(dlogdet)
    return xp.sum(dlogdet, axis=-1, keepdims=True) if log_scale.ndim == 2 else xp.sum(dlogdet)


@dataclass(frozen=True, eq=False)
class ActNorm(Transform):
    """``y = exp(log_scale) x + shift``, a scale and a shift of each coordinate (Kingma and Dhariwal 2018, section 3.1).

    It starts as the identity; `initialise` sets it from data, explicitly, never at a first call.
    """

    dim: int

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``log_scale`` and ``shift``, each (dim,)."""
        return {"log_scale": ((self.dim,), zeros), "shift": ((self.dim,), zeros)}

    def initialise(self, p: Params, y: Array) -> Array:
        """Set the parameters in ``p`` so that the rows ``y`` of data go back to mean 0 and variance 1; returns those.

        Raises ValueError if some coordinate does not vary.
        """
        xp, (log_scale, shift) = namespace(y), p.of(self)
        spread = xp.std(y, axis=0)
        if not bool(xp.all(spread > 0.0)):
            msg = "ActNorm is initialised from rows that vary in every coordinate, got a constant one"
            raise ValueError(msg)
        shift[...] = xp.mean(y, axis=0)
        log_scale[...] = xp.log(spread)
        return self.inverse(p, y)[0]

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, sum log_scale)`` and its pullback."""
        log_scale, scale, shift = self._by_point(p)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy, (dlog, dshift) = dense(cotangent[0], x), g.of(self)
            dlog += _summed(dy * x * scale, dlog)
            dshift += _summed(dy, dshift)
            if cotangent[1] is not None:
                dlog += total(log_scale, cotangent[1])
            return dy * scale, None

        return (x * scale + shift, spread(x, log_scale)), pull

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, -sum log_scale)`` and its pullback."""
        log_scale, scale, shift = self._by_point(p)
        x = (y - shift) / scale

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dx, (dlog, dshift) = dense(cotangent[0], y), g.of(self)
            dlog -= _summed(dx * x, dlog)
            dshift -= _summed(dx / scale, dshift)
            if cotangent[1] is not None:
                dlog -= total(log_scale, cotangent[1])
            return dx / scale, None

        return (x, -spread(y, log_scale)), pull

    def _by_point(self, p: Params) -> tuple[Array, Array, Array]:
        log_scale, shift = p.of(self)
        scale = namespace(log_scale).exp(log_scale)
        return (log_scale, scale[:, None], shift[:, None]) if scale.ndim == 2 else (log_scale, scale, shift)


def _summed(g: Array, like: Array) -> Array:
    return namespace(g).sum(g, axis=-2) if like.ndim == 2 else sum_to(g, like.shape)
