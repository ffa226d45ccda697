"""Monotone maps of one number with parameters: what couplings and autoregressive transforms apply to each coordinate.

A map takes raw parameters ``(..., k, width)``, unconstrained and zero for the identity, and numbers ``(..., k)``. Its
``forward_vjp(h, x)`` and ``inverse_vjp(h, y)`` return ``((y, logdet), pull)`` with logdet of each number, and
``pull(dy, dlogdet) -> (dh, dx)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from geomlat.backends import namespace

Array = Any
Pull = Callable[[Array, Array], tuple[Array, Array]]


class ElementMap(Protocol):
    """The interface above."""

    @property
    def width(self) -> int:
        """Raw parameters of each number."""

    def forward_vjp(self, h: Array, x: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(y, logdet)`` and its pullback to ``(dh, dx)``."""

    def inverse_vjp(self, h: Array, y: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(x, logdet)`` and its pullback to ``(dh, dy)``."""


@dataclass(frozen=True)
class Affine:
    """``y = exp(s) x + m`` with ``s = bound tanh(h_0 / bound)``, ``m = h_1``: the log-scale is smooth and bounded.

    An unbounded exponential overflows float32 within a few couplings far from the data. Raises ValueError unless the
    bound is positive and finite.
    """

    bound: float = 3.0
    width: int = 2

    def __post_init__(self) -> None:
        if not 0.0 < self.bound < math.inf:
            msg = f"the bound of the log-scale is positive and finite, got {self.bound}"
            raise ValueError(msg)

    def forward_vjp(self, h: Array, x: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(y, s)``."""
        xp = namespace(h, x)
        t = xp.tanh(h[..., 0] / self.bound)
        s = self.bound * t
        e = xp.exp(s)

        def pull(dy: Array, dlogdet: Array) -> tuple[Array, Array]:
            ds = (dy * x * e + dlogdet) * (1.0 - t * t)
            return xp.stack((ds, dy), axis=-1), dy * e

        return (x * e + h[..., 1], s + xp.zeros_like(x)), pull

    def inverse_vjp(self, h: Array, y: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(x, -s)``."""
        xp = namespace(h, y)
        t = xp.tanh(h[..., 0] / self.bound)
        s = self.bound * t
        e = xp.exp(-s)
        x = (y - h[..., 1]) * e

        def pull(dx: Array, dlogdet: Array) -> tuple[Array, Array]:
            ds = -(dx * x + dlogdet) * (1.0 - t * t)
            dm = -dx * e
            return xp.stack((ds, dm), axis=-1), -dm

        return (x, -s + xp.zeros_like(x)), pull


@dataclass(frozen=True)
class Shift:
    """``y = x + h``: volume-preserving."""

    width: int = 1

    def forward_vjp(self, h: Array, x: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(x + h, 0)``."""
        xp = namespace(h, x)

        def pull(dy: Array, dlogdet: Array) -> tuple[Array, Array]:
            return dy[..., None], dy

        y = x + h[..., 0]
        return (y, xp.zeros_like(y)), pull

    def inverse_vjp(self, h: Array, y: Array) -> tuple[tuple[Array, Array], Pull]:
        """``(y - h, 0)``."""
        xp = namespace(h, y)

        def pull(dx: Array, dlogdet: Array) -> tuple[Array, Array]:
            return -dx[..., None], dx

        x = y - h[..., 0]
        return (x, xp.zeros_like(x)), pull
