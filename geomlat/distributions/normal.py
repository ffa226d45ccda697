"""The normal law with independent coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, namespace, native
from geomlat.distributions._vectors import Vectors, data_weights, one_number, wide
from geomlat.distributions.kl import register_kl
from geomlat.grad import sum_to
from geomlat.random import normal

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class Normal(Vectors):
    """Vectors with independent normal coordinates of mean ``loc`` and standard deviation ``scale``.

    log q(x) = -sum_j ((x_j - loc_j)^2 / (2 scale_j^2) + log scale_j + log(2 pi)/2)

    The event is the last axis: ``loc`` and ``scale`` are ``(..., n)`` and broadcast against each other.

    >>> import numpy as np
    >>> Normal(np.array([0.0, 1.0]), 2.0).log_prob(np.array([2.0, 1.0])).round(4)
    np.float64(-3.7242)

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no event axis, or (host arrays only) loc is not finite or a scale not
        positive and finite.
    """

    loc: Array
    scale: Array

    def __post_init__(self) -> None:
        self._accept(loc="finite", scale="finite and > 0")

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Standard normal noise ``shape + batch_shape + event_shape``; a stream's offset counts vectors."""
        full, first = self._numbers(shape, rng)

        def fill(loc: Array) -> Array:
            return normal(full, rng=first, dtype=loc.dtype, xp=namespace(loc))

        return native(fill, self.loc)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """loc + scale noise."""
        return one_number(self.loc, noise) + one_number(self.scale, noise) * noise

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dloc, dscale)``, exact; ``advantage`` is not needed and ignored."""

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            return sum_to(dz, self.loc.shape), sum_to(dz * noise, self.scale.shape)

        return self.rsample(noise), pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at ``x`` ``(..., n)``, summed over the last axis."""
        xp = namespace(x, self.loc)
        u = (x - self.loc) / self.scale
        return -xp.sum(0.5 * u * u + xp.log(self.scale) + HALF_LOG_TAU, axis=-1)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dloc, dscale)``."""

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            u = (x - self.loc) / self.scale
            g = dl[..., None] * u / self.scale
            dscale = dl[..., None] * (u * u - 1.0) / self.scale
            return sum_to(-g, x.shape), sum_to(g, self.loc.shape), sum_to(dscale, self.scale.shape)

        return self.log_prob(x), pull

    def entropy(self) -> Array:
        """sum_j log scale_j + n (1 + log(2 pi)) / 2."""
        xp = namespace(self.scale)
        return xp.sum(xp.log(self._spread(self.scale)) + (HALF_LOG_TAU + 0.5), axis=-1)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[None, Array | None]]]:
        """`entropy` and its pullback to ``(None, dscale)``."""

        def pull(dh: Array | None) -> tuple[None, Array | None]:
            return None, None if dh is None else sum_to(dh[..., None] / self._spread(self.scale), self.scale.shape)

        return self.entropy(), pull

    def mean(self) -> Array:
        """loc."""
        return self._spread(self.loc)

    def mode(self) -> Array:
        """loc."""
        return self.mean()

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> Normal:
        """Weighted maximum likelihood from points ``(..., k, n)`` and weights ``(..., k)``.

        Raises
        ------
        ValueError
            If there is no point, or some coordinate does not vary, so that the likelihood has no maximum.
        """
        return cls(*moments(cls.__name__, x, weights))


def moments(law: str, x: Array, weights: Array | None) -> tuple[Array, Array]:
    """Weighted means and standard deviations of points ``(..., k, n)``; ValueError where a coordinate does not vary."""
    xp, points = namespace(x, weights), wide(x)
    w = data_weights(law, points, weights)
    loc = xp.sum(w * points, axis=-2)
    scale = xp.sqrt(xp.sum(w * (points - loc[..., None, :]) ** 2, axis=-2))
    if not bool(xp.all(scale > 4.0 * xp.finfo(xp.float64).eps * xp.abs(loc))):
        msg = f"{law}.fit: all points coincide in some coordinate (or are not finite), so that its scale is 0"
        raise ValueError(msg)
    return xp.astype(loc, x.dtype, copy=False), xp.astype(scale, x.dtype, copy=False)


@register_kl(Normal, Normal)
def normal_normal(q: Normal, p: Normal) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL = sum_j (s^2 - 1 + u^2)/2 - log s, with s = scale_q / scale_p and u = (loc_q - loc_p) / scale_p."""
    xp = namespace(q.loc, p.loc)
    q.same_space(p)
    # A scale shared by the coordinates counts once for each of them.
    s, u = q._spread(q.scale) / p._spread(p.scale), (q.loc - p.loc) / p.scale
    kl = xp.sum(0.5 * (s * s - 1.0 + u * u) - xp.log(s), axis=-1)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return (None, None), (None, None)
        d = dk[..., None]
        dloc, dscale = d * u / p.scale, d * (s - 1.0 / s) / p.scale
        dspread = d * (1.0 - s * s - u * u) / p.scale
        return (sum_to(dloc, q.loc.shape), sum_to(dscale, q.scale.shape)), (
            sum_to(-dloc, p.loc.shape),
            sum_to(dspread, p.scale.shape),
        )

    return kl, pull
