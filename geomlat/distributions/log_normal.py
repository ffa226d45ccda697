"""The log-normal law with independent coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from geomlat.backends import Array, namespace
from geomlat.distributions._vectors import Vectors
from geomlat.distributions.kl import register_kl
from geomlat.distributions.normal import Normal, moments, normal_normal
from geomlat.grad import sum_to


@dataclass(frozen=True, eq=False)
class LogNormal(Vectors):
    """Vectors of positive numbers whose logarithms are normal of mean ``loc`` and standard deviation ``scale``.

    log q(x) = -sum_j ((log x_j - loc_j)^2 / (2 scale_j^2) + log x_j + log scale_j + log(2 pi)/2)

    The event is the last axis: ``loc`` and ``scale`` are ``(..., n)`` and broadcast against each other. The density is
    0 where a coordinate is not positive. In SciPy it is ``lognorm(s=scale, scale=exp(loc))``.

    >>> import numpy as np
    >>> LogNormal(np.zeros(2), np.array([1.0, 2.0])).mode().round(4)
    array([0.3679, 0.0183])

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

    @cached_property
    def log(self) -> Normal:
        """The law of the logarithms."""
        return Normal(self.loc, self.scale)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Standard normal noise ``shape + batch_shape + event_shape``, that of `Normal`."""
        return self.log.draw(shape, rng=rng)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """exp(loc + scale noise)."""
        return namespace(noise).exp(self.log.rsample(noise))

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dloc, dscale)``, exact; ``advantage`` is not needed and ignored."""
        y, pull_log = self.log.rsample_vjp(noise)
        z = namespace(noise).exp(y)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            return pull_log(None if dz is None else dz * z)

        return z, pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at ``x`` ``(..., n)``, summed over the last axis; -inf where a coordinate is not positive."""
        xp = namespace(x, self.loc)
        inside, y = self._logarithms(x)
        value = self.log.log_prob(y) - xp.sum(y, axis=-1)
        return xp.where(xp.all(inside, axis=-1), value, xp.full_like(value, -xp.inf))

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dloc, dscale)``; zero from points where the density is 0."""

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            xp = namespace(x, self.loc)
            inside, y = self._logarithms(x)
            dl = xp.where(xp.all(inside, axis=-1), dl, xp.zeros_like(dl))
            dy, dloc, dscale = self.log.log_prob_vjp(y)[1](dl)
            direct = xp.broadcast_to(dl[..., None], dl.shape + self.event_shape)
            return (dy - sum_to(direct, y.shape)) / xp.exp(y), dloc, dscale

        return self.log_prob(x), pull

    def entropy(self) -> Array:
        """sum_j (loc_j + log scale_j) + n (1 + log(2 pi)) / 2."""
        return self.log.entropy() + namespace(self.loc).sum(self.log.mean(), axis=-1)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[Array | None, Array | None]]]:
        """`entropy` and its pullback to ``(dloc, dscale)``."""

        def pull(dh: Array | None) -> tuple[Array | None, Array | None]:
            if dh is None:
                return None, None
            full = namespace(dh).broadcast_to(dh[..., None], self.batch_shape + self.event_shape)
            return sum_to(full, self.loc.shape), self.log.entropy_vjp()[1](dh)[1]

        return self.entropy(), pull

    def mean(self) -> Array:
        """exp(loc + scale^2 / 2)."""
        return namespace(self.loc).exp(self.loc + 0.5 * self.scale * self.scale)

    def mode(self) -> Array:
        """exp(loc - scale^2), the mode of each coordinate."""
        return namespace(self.loc).exp(self.loc - self.scale * self.scale)

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> LogNormal:
        """Weighted maximum likelihood from points ``(..., k, n)`` and weights ``(..., k)``.

        Raises
        ------
        ValueError
            If there is no point, a coordinate is not positive, or some coordinate does not vary.
        """
        xp = namespace(x, weights)
        if not bool(xp.all(x > 0.0)):
            msg = "LogNormal.fit needs positive points; got NaN or a number <= 0"
            raise ValueError(msg)
        return cls(*moments(cls.__name__, xp.log(x), weights))

    def _logarithms(self, x: Array) -> tuple[Array, Array]:
        """Where ``x`` is positive, and its logarithm there, 0 elsewhere."""
        xp = namespace(x, self.loc)
        inside = x > 0.0
        return inside, xp.log(xp.where(inside, x, xp.ones_like(x)))


@register_kl(LogNormal, LogNormal)
def log_normal_log_normal(q: LogNormal, p: LogNormal) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL of the normal laws of the logarithms: a divergence does not change under a bijection."""
    return normal_normal(q.log, p.log)
