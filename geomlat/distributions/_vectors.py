"""What the laws of vectors with independent coordinates share: checks, shapes, streams, and weights of data."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.backends import Array, floating, namespace
from geomlat.distributions._directional import check_range, normalised
from geomlat.grad import sum_to
from geomlat.random import Stream, draw_shape, stream


class Vectors:
    """The base of laws of vectors with independent coordinates, two parameters ``(..., n)`` that broadcast."""

    _shape: tuple[int, ...]

    def _accept(self, **bounds: str) -> None:
        """Check the two parameters named by keyword, each within its bound, and keep them as arrays of one dtype."""
        law, (a, b) = type(self).__name__, bounds
        arrays = floating(namespace(getattr(self, a), getattr(self, b)), getattr(self, a), getattr(self, b))
        shapes = [tuple(x.shape) for x in arrays]
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            shape = ()
        if not shape:
            msg = f"{law} needs {a} and {b} of shapes (..., n) that broadcast, got {shapes[0]} and {shapes[1]}"
            raise ValueError(msg)
        for field, bound, x in zip(bounds, bounds.values(), arrays, strict=True):
            check_range(law, field, x, bound)
            object.__setattr__(self, field, x)
        object.__setattr__(self, "_shape", shape)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of laws."""
        return self._shape[:-1]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """``(n,)``."""
        return self._shape[-1:]

    def _numbers(self, shape: int | tuple[int, ...], rng: Any) -> tuple[tuple[int, ...], Stream]:
        """The shape of a draw, and the stream of its numbers: the offset of ``rng`` counts vectors."""
        first = stream(rng)
        return draw_shape(shape) + self._shape, Stream(first.key0, first.key1, first.offset * self._shape[-1])

    def same_space(self, p: Any) -> None:
        """Raise ValueError unless ``p`` is a law of vectors of the same length."""
        if self.event_shape != p.event_shape:
            msg = f"KL needs two laws on one space, got event shapes {self.event_shape} and {p.event_shape}"
            raise ValueError(msg)

    def _spread(self, x: Array) -> Array:
        return namespace(x).broadcast_to(x, self._shape)


def real_dtype(law: str, x: Array) -> None:
    """Raise TypeError unless the array is float32 or float64, which the compiled kernels take."""
    xp = namespace(x)
    if x.dtype not in (xp.float32, xp.float64):
        msg = f"{law} needs float32 or float64, got {x.dtype}"
        raise TypeError(msg)


def wide(x: Array) -> Array:
    """``x`` in float64."""
    xp = namespace(x)
    return xp.astype(x, xp.float64, copy=False)


def narrow(g: Array, like: Array) -> Array:
    """The cotangent of ``like`` from one that was broadcast: in its shape and dtype."""
    return namespace(g).astype(sum_to(g, like.shape), like.dtype, copy=False)


def one_number(x: Array, like: Array) -> Array:
    """``x``, without axes if it is one number: NumPy multiplies ``(k, 1)`` by ``(1,)`` 20 times as slowly."""
    return x.reshape(()) if type(x) is np.ndarray and x.size == 1 and x.ndim <= like.ndim else x


def supported(dl: Array, x: Array, inside: Array) -> tuple[Array, Array]:
    """Cotangents ``(..., 1)``, 0 where a coordinate is not ``inside`` the support, and the points, 1/2 for those."""
    xp = namespace(x)
    kept = xp.where(xp.all(inside, axis=-1), dl, xp.zeros_like(dl))[..., None]
    return kept, xp.where(inside, x, xp.full_like(x, 0.5))


def data_weights(law: str, x: Array, weights: Array | None) -> Array:
    """Weights ``(..., k, 1)`` with sum 1 for points ``(..., k, n)``; ValueError if there is no point."""
    xp = namespace(x, weights)
    if x.ndim < 2 or x.shape[-2] == 0:
        msg = f"{law}.fit needs points of shape (..., k, n) with k > 0, got {tuple(x.shape)}"
        raise ValueError(msg)
    w = xp.ones_like(x[..., 0]) if weights is None else xp.astype(weights, x.dtype, copy=False)
    return normalised(f"{law}.fit", w, x.shape[-2])[..., None]
