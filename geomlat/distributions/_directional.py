"""What the laws with a mean direction and one number share: checks, shapes, and the resultant of data."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import Array, floating, is_host, namespace
from geomlat.distributions.spherical_uniform import log_area
from geomlat.grad import sum_to
from geomlat.random import draw_shape


class Directional:
    """The base of laws on the unit sphere of R^m with a mean direction ``mu`` and one number for each of the batch."""

    mu: Array
    _batch: tuple[int, ...]
    _field: str
    _to_uniform: tuple[Callable[..., Array], Callable[..., Array]]
    """KL to the uniform law as a function of m and the number, and its derivative by the number."""

    def _accept(self, field: str, bound: str = "finite and >= 0") -> None:
        """Check ``mu`` and the number called ``field``, within ``bound``, and keep them as arrays."""
        xp = namespace(self.mu, getattr(self, field))
        mu, number = floating(xp, self.mu, getattr(self, field))
        if mu.ndim < 1 or mu.shape[-1] < 2:
            msg = f"mu must have shape (..., m) with m >= 2, got {tuple(mu.shape)}"
            raise ValueError(msg)
        try:
            batch = np.broadcast_shapes(mu.shape[:-1], number.shape)
        except ValueError:
            msg = f"the batch of mu {mu.shape[:-1]} and {field} {number.shape} do not broadcast"
            raise ValueError(msg) from None
        if mu.dtype not in (xp.float32, xp.float64):
            msg = f"{type(self).__name__} needs float32 or float64, got {mu.dtype}"
            raise TypeError(msg)
        check_range(type(self).__name__, field, number, bound)
        if is_host(mu):
            _check_unit(mu)
        object.__setattr__(self, "mu", mu)
        object.__setattr__(self, field, number)
        object.__setattr__(self, "_field", field)
        object.__setattr__(self, "_batch", batch)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of laws."""
        return self._batch

    @property
    def event_shape(self) -> tuple[int, ...]:
        """``(m,)``, m the ambient dimension."""
        return (self.mu.shape[-1],)

    def entropy(self) -> Array:
        """log area - KL(q || uniform)."""
        m, number = self.event_shape[0], getattr(self, self._field)
        xp = namespace(number)
        value = log_area(m) - self._to_uniform[0](float(m), xp.astype(number, xp.float64, copy=False))
        return xp.broadcast_to(xp.astype(value, number.dtype, copy=False), self.batch_shape)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[None, Array | None]]]:
        """`entropy` and its pullback to ``(None, dnumber)``: it does not depend on mu."""
        number = getattr(self, self._field)

        def pull(dh: Array | None) -> tuple[None, Array | None]:
            slope = self._to_uniform[1](float(self.event_shape[0]), number)
            return None, None if dh is None else sum_to(-dh * slope, number.shape)

        return self.entropy(), pull

    def mode(self) -> Array:
        """mu (of a uniform law every point is a mode)."""
        return namespace(self.mu).broadcast_to(self.mu, self.batch_shape + self.event_shape)

    def _full(self, shape: int | tuple[int, ...]) -> tuple[int, ...]:
        return draw_shape(shape) + self.batch_shape

    def _check_points(self, x: Array) -> None:
        if x.shape[-1:] != self.event_shape:
            msg = f"points must have shape (..., {self.event_shape[0]}), got {tuple(x.shape)}"
            raise ValueError(msg)

    def _points(self, x: Array, xp: Any) -> Array:
        self._check_points(x)
        return xp.astype(x, xp.result_type(x.dtype, self.mu.dtype), copy=False)


def resultant(name: str, x: Array, weights: Array | None) -> tuple[Array, Array, Array, Array]:
    """The points in float64, their weights with sum 1, the direction of their mean (e_1 if it is 0) and its length."""
    xp = namespace(x, weights)
    if x.ndim < 2 or x.shape[-2] == 0 or x.shape[-1] < 2:
        msg = f"{name}.fit needs points of shape (..., n, m) with n > 0 and m >= 2, got {tuple(x.shape)}"
        raise ValueError(msg)
    points = xp.astype(x, xp.float64, copy=False)
    w = xp.ones_like(points[..., 0]) if weights is None else xp.astype(weights, xp.float64, copy=False)
    w = normalised(f"{name}.fit", w, x.shape[-2])
    mean = xp.sum(w[..., None] * points, axis=-2)
    length = xp.sqrt(xp.sum(mean * mean, axis=-1, keepdims=True))
    if not bool(xp.all(xp.isfinite(length))):
        msg = f"{name}.fit needs finite points"
        raise ValueError(msg)
    pole = xp.eye(1, x.shape[-1], dtype=mean.dtype, device=device(mean))[0, :]
    mu = xp.where(length > 0.0, mean / xp.where(length > 0.0, length, xp.ones_like(length)), pole)
    return points, w, mu, length[..., 0]


def normalised(name: str, weights: Array, count: int) -> Array:
    """Weights of ``count`` points, of sum 1 along the last axis; ValueError unless finite, >= 0 and not all 0."""
    xp = namespace(weights)
    if weights.ndim < 1 or weights.shape[-1] != count:
        msg = f"{name} needs one weight for each of the {count} points, got shape {tuple(weights.shape)}"
        raise ValueError(msg)
    total = xp.sum(weights, axis=-1, keepdims=True)
    if not bool(xp.all(weights >= 0.0) & xp.all((total > 0.0) & xp.isfinite(total))):
        msg = f"{name} needs weights that are finite, at least 0 and not all 0"
        raise ValueError(msg)
    return weights / total


def finite_estimate(name: str, field: str, estimate: Array, dtype: Any) -> None:
    """Raise ValueError unless every estimate is finite: the likelihood of coinciding points has no maximum.

    One that grows with the inverse square of the gaps between points of a ``dtype`` is, at its rounding, not known.
    """
    xp = namespace(estimate)
    if not xp.all(xp.abs(estimate) < float(xp.finfo(dtype).eps) ** -2):
        msg = f"{name}.fit: all points coincide (or are not finite), so that {field} has no finite estimate"
        raise ValueError(msg)


def check_range(law: str, field: str, values: Array, bound: str) -> None:
    """Raise ValueError unless the host array ``values`` is within ``bound``, one of `BOUNDS`.

    Values on a device are not looked at.
    """
    if not (is_host(values) and values.size):
        return
    low, high = values.real.min(), values.real.max()
    if not BOUNDS[bound](low, high):
        msg = f"{law}: {field} must be {bound}, got values from {low} to {high}"
        raise ValueError(msg)


BOUNDS: dict[str, Callable[[float, float], bool]] = {
    "finite": lambda low, high: -math.inf < low <= high < math.inf,
    "finite and >= 0": lambda low, high: 0.0 <= low <= high < math.inf,
    "finite and > 0": lambda low, high: 0.0 < low <= high < math.inf,
    ">= 0 and < 1": lambda low, high: 0.0 <= low <= high < 1.0,
}


def _check_unit(mu: np.ndarray) -> None:
    off = np.abs(np.einsum("...i,...i->...", mu, mu) - 1.0)
    if off.size and not off.max() <= 0.1:
        msg = f"mu must be of unit length, got squared length off by {off.max():.3g}; divide it by its norm"
        raise ValueError(msg)
