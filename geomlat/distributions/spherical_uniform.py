"""The uniform law on a sphere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import Array, kernel, namespace
from geomlat.random import Stream, draw_shape, normal, stream


def log_area(m: int) -> float:
    """The log surface area of the unit sphere of R^m, log(2 pi^(m/2) / Gamma(m/2))."""
    return math.log(2.0) + 0.5 * m * math.log(math.pi) - math.lgamma(0.5 * m)


@dataclass(frozen=True)
class SphericalUniform:
    """The uniform law on the unit sphere S^n of R^(n+1); ``n >= 1`` is the intrinsic dimension.

    log q(z) = -log area(S^n), with respect to the surface measure. It has no array fields: cotangents are ``()``.

    >>> round(SphericalUniform(2).entropy(), 4)
    2.531
    """

    n: int

    def __post_init__(self) -> None:
        if not isinstance(self.n, int | np.integer) or self.n < 1:
            msg = f"SphericalUniform needs an intrinsic dimension n >= 1 (an int), got {self.n!r}"
            raise ValueError(msg)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """``()``."""
        return ()

    @property
    def event_shape(self) -> tuple[int, ...]:
        """``(n + 1,)``."""
        return (self.n + 1,)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any, dtype: Any = np.float64, xp: Any = np) -> Array:
        """Uniform points ``shape + (n + 1,)``, which are their own noise; NumPy's, or CuPy's by ``xp``."""
        full, m, first = draw_shape(shape), self.n + 1, stream(rng)
        flat = Stream(first.key0, first.key1, first.offset * m)
        z = normal((math.prod(full), m), rng=flat, dtype=dtype, xp=xp)
        _normalise(len(z), z)
        return z.reshape((*full, m))

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any, dtype: Any = np.float64, xp: Any = np) -> Array:
        """Draws ``shape + (n + 1,)``."""
        return self.draw(shape, rng=rng, dtype=dtype, xp=xp)

    def rsample(self, noise: Array) -> Array:
        """The noise itself."""
        return noise

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[()]]]:
        """`rsample` and its pullback, to nothing."""

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[()]:
            return ()

        return noise, pull

    def log_prob(self, x: Array) -> Array:
        """-log area for each point ``(..., n + 1)``; the points are taken to be on the sphere."""
        if x.shape[-1:] != self.event_shape:
            msg = f"points on S^{self.n} have shape (..., {self.n + 1}), got {x.shape}"
            raise ValueError(msg)
        xp = namespace(x)
        return xp.full_like(x[..., 0], -log_area(self.n + 1))

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[None]]]:
        """`log_prob` and its pullback ``(None,)``: the density is constant."""

        def pull(dl: Array | None) -> tuple[None]:
            return (None,)

        return self.log_prob(x), pull

    def entropy(self) -> float:
        """log area."""
        return log_area(self.n + 1)

    def entropy_vjp(self) -> tuple[float, Callable[[Array | None], tuple[()]]]:
        """`entropy` and its pullback, to nothing."""

        def pull(dh: Array | None) -> tuple[()]:
            return ()

        return self.entropy(), pull

    def mean(self) -> Array:
        """The mean in R^(n+1), zero."""
        return np.zeros(self.n + 1)

    def mode(self) -> Array:
        """The first unit vector; every point is a mode."""
        return np.eye(1, self.n + 1)[0]

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> SphericalUniform:
        """The uniform law on the sphere the points ``(..., n + 1)`` lie on; nothing else is estimated."""
        return cls(x.shape[-1] - 1)


@kernel(cost=2.0)
def _normalise(i: int, z: Any) -> None:
    total = 0.0
    for j in range(z.shape[1]):
        total += np.float64(z[i, j]) * np.float64(z[i, j])
    scale = 1.0 / math.sqrt(total)
    for j in range(z.shape[1]):
        z[i, j] = scale * np.float64(z[i, j])
