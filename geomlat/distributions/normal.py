"""The normal law with independent coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import Array, floating, is_host, namespace, native
from geomlat.distributions._directional import normalised
from geomlat.distributions.kl import register_kl
from geomlat.grad import sum_to
from geomlat.random import Stream, normal, stream

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)


def location_and_scale(name: str, loc: Array, scale: Array) -> tuple[Array, Array]:
    """The parameters of the law called ``name`` as arrays of one dtype, checked."""
    xp = namespace(loc, scale)
    loc, scale = floating(xp, loc, scale)
    try:
        shape = np.broadcast_shapes(loc.shape, scale.shape)
    except ValueError:
        shape = ()
    if not shape:
        msg = f"{name} needs loc and scale of shapes (..., n) that broadcast, got {loc.shape} and {scale.shape}"
        raise ValueError(msg)
    if is_host(scale) and scale.size and not (scale.real.min() > 0.0 and scale.real.max() < math.inf):
        msg = f"{name} needs a positive finite scale; got NaN, infinity or a number <= 0"
        raise ValueError(msg)
    return loc, scale


@dataclass(frozen=True, eq=False)
class Normal:
    """Vectors with independent normal coordinates of mean ``loc`` and standard deviation ``scale``.

    log q(x) = -sum_j ((x_j - loc_j)^2 / (2 scale_j^2) + log scale_j + log(2 pi)/2)

    The event is the last axis: ``loc`` and ``scale`` are ``(..., n)`` and broadcast against each other.

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no event axis, or (host arrays only) a scale is not positive and
        finite.
    """

    loc: Array
    scale: Array

    def __post_init__(self) -> None:
        loc, scale = location_and_scale("Normal", self.loc, self.scale)
        object.__setattr__(self, "loc", loc)
        object.__setattr__(self, "scale", scale)

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return np.broadcast_shapes(self.loc.shape, self.scale.shape)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of laws."""
        return self._shape[:-1]

    @property
    def event_shape(self) -> tuple[int, ...]:
        """``(n,)``."""
        return self._shape[-1:]

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Standard normal noise ``shape + batch_shape + event_shape``; a stream's offset counts vectors."""
        first, dim = stream(rng), self._shape[-1]
        first = Stream(first.key0, first.key1, first.offset * dim)
        full = ((shape,) if isinstance(shape, int) else tuple(shape)) + self._shape

        def fill(loc: Array) -> Array:
            return normal(full, rng=first, dtype=loc.dtype, xp=namespace(loc))

        return native(fill, self.loc)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """loc + scale noise."""
        return self.loc + self.scale * noise

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
        return xp.sum(xp.log(self._spread) + (HALF_LOG_TAU + 0.5), axis=-1)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[None, Array | None]]]:
        """`entropy` and its pullback to ``(None, dscale)``."""

        def pull(dh: Array | None) -> tuple[None, Array | None]:
            return None, None if dh is None else sum_to(dh[..., None] / self._spread, self.scale.shape)

        return self.entropy(), pull

    @property
    def _spread(self) -> Array:
        return namespace(self.scale).broadcast_to(self.scale, self._shape)

    def mean(self) -> Array:
        """loc."""
        return namespace(self.loc).broadcast_to(self.loc, self._shape)

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
        xp = namespace(x, weights)
        if x.ndim < 2 or x.shape[-2] == 0:
            msg = f"Normal.fit needs points of shape (..., k, n) with k > 0, got {x.shape}"
            raise ValueError(msg)
        w = xp.ones_like(x[..., 0]) if weights is None else weights
        w = normalised(cls.__name__, w)[..., None]
        loc = xp.sum(w * x, axis=-2)
        return cls(loc, xp.sqrt(xp.sum(w * (x - loc[..., None, :]) ** 2, axis=-2)))


@register_kl(Normal, Normal)
def normal_normal(q: Normal, p: Normal) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL = sum_j (s^2 - 1 + u^2)/2 - log s, with s = scale_q / scale_p and u = (loc_q - loc_p) / scale_p."""
    xp = namespace(q.loc, p.loc)
    if q.event_shape != p.event_shape:
        msg = f"KL needs two laws on one space, got event shapes {q.event_shape} and {p.event_shape}"
        raise ValueError(msg)
    s, u = q.scale / p.scale, (q.loc - p.loc) / p.scale
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
