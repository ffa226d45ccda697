"""Transforms without a network: permutations, invertible linear maps, activation normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
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
        low, up = xp.tril(lower, k=-1) + unit, xp.triu(upper, k=1) + unit * scale

        def pull(dw: Array, g: Params) -> None:
            dlower, dupper, dlog = g.of(self)
            dup = xp.matmul(low.T, dw)
            dlower += xp.tril(xp.matmul(dw, up.T), k=-1)
            dupper += xp.triu(dup, k=1)
            dlog += xp.sum(unit * dup, axis=-1) * scale

        return xp.matmul(low, up), pull

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(W x, sum log_diagonal)`` and its pullback."""
        xp, log_diagonal = namespace(x), p.of(self)[2]
        w, pull_matrix = self.matrix_vjp(p)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy = dense(cotangent[0], x)
            rows = xp.reshape(dy, (-1, self.dim))
            pull_matrix(xp.matmul(rows.T, xp.reshape(x, (-1, self.dim))), g)
            if cotangent[1] is not None:
                g.of(self)[2][...] += xp.sum(cotangent[1])
            return xp.matmul(dy, w), None

        logdet = xp.zeros_like(x[..., 0]) + xp.sum(log_diagonal)
        return (xp.matmul(x, w.T), logdet), pull

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(W^-1 y, -sum log_diagonal)`` and its pullback."""
        xp, log_diagonal = namespace(y), p.of(self)[2]
        w, pull_matrix = self.matrix_vjp(p)
        back = xp.linalg.inv(w)
        x = xp.matmul(y, back.T)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy = xp.matmul(dense(cotangent[0], y), back)
            rows = xp.reshape(dy, (-1, self.dim))
            pull_matrix(-xp.matmul(rows.T, xp.reshape(x, (-1, self.dim))), g)
            if cotangent[1] is not None:
                g.of(self)[2][...] -= xp.sum(cotangent[1])
            return dy, None

        return (x, xp.zeros_like(y[..., 0]) - xp.sum(log_diagonal)), pull


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
        xp, (log_scale, shift) = namespace(x), p.of(self)
        scale = xp.exp(log_scale)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy, (dlog, dshift) = dense(cotangent[0], x), g.of(self)
            dlog += sum_to(dy * x * scale, (self.dim,))
            dshift += sum_to(dy, (self.dim,))
            if cotangent[1] is not None:
                dlog += xp.sum(cotangent[1])
            return dy * scale, None

        return (x * scale + shift, xp.zeros_like(x[..., 0]) + xp.sum(log_scale)), pull

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, -sum log_scale)`` and its pullback."""
        xp, (log_scale, shift) = namespace(y), p.of(self)
        scale = xp.exp(-log_scale)
        x = (y - shift) * scale

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dx, (dlog, dshift) = dense(cotangent[0], y), g.of(self)
            dlog -= sum_to(dx * x, (self.dim,))
            dshift -= sum_to(dx * scale, (self.dim,))
            if cotangent[1] is not None:
                dlog -= xp.sum(cotangent[1])
            return dx * scale, None

        return (x, xp.zeros_like(y[..., 0]) - xp.sum(log_scale)), pull
