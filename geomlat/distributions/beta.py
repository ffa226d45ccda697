"""The beta law with independent coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, elementwise, namespace, native, scalar
from geomlat.distributions._beta_rules import (
    beta_divergence,
    beta_entropy,
    beta_entropy_slope,
    beta_log_prob,
    beta_score,
    beta_shapes,
)
from geomlat.distributions._beta_stein import beta_stein
from geomlat.distributions._directional import finite_estimate
from geomlat.distributions._gamma_sampling import log_odds_draws
from geomlat.distributions._vectors import Vectors, data_weights, narrow, real_dtype, supported, wide
from geomlat.distributions.kl import register_kl
from geomlat.special.gamma import digamma_diff, trigamma, trigamma_diff
from geomlat.special.stirling import ratio_gap


@dataclass(frozen=True, eq=False)
class Beta(Vectors):
    """Vectors of numbers between 0 and 1 with independent beta laws.

    log q(x) = sum_j ((a_j - 1) log x_j + (b_j - 1) log(1 - x_j) - log B(a_j, b_j))

    The event is the last axis: ``a`` and ``b`` are ``(..., n)``, positive, and broadcast against each other. The
    density is 0 outside 0 .. 1. Draws are differentiated at a fixed level of the distribution function (Figurnov,
    Mohamed, Mnih 2018). Tested for shapes 0.01 .. 1e6, float32 and float64; the arithmetic is float64. In SciPy it is
    ``beta(a, b)``.

    >>> import numpy as np
    >>> Beta(np.array([1.0, 3.0]), 1.0).mean()
    array([0.5 , 0.75])

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no event axis, or (host arrays only) a parameter is not positive and
        finite.
    TypeError
        For a dtype other than float32 and float64.
    """

    a: Array
    b: Array

    def __post_init__(self) -> None:
        self._accept(a="finite and > 0", b="finite and > 0")
        real_dtype("Beta", self.a)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Float64 noise ``shape + batch_shape + event_shape``: the logit of the draw, from two gamma variates.

        A stream's offset counts vectors.
        """
        full, first = self._numbers(shape, rng)
        return native(lambda a, b: log_odds_draws(a, b, full, self._shape, first), self.a, self.b)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws between 0 and 1, ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """1 / (1 + exp(-noise)), kept off 0 and 1, which the density may not have, by the last number in the dtype."""
        xp, info = namespace(noise, self.a), namespace(self.a).finfo(self.a.dtype)
        value = _clipped_expit(noise, float(info.smallest_normal), 1.0 - 0.5 * float(info.eps))
        return xp.astype(value, self.a.dtype, copy=False)

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(da, db)``, at a fixed level; ``advantage`` is not needed and ignored."""

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            a, b, x, rest = wide(self.a), wide(self.b), _expit(noise), _expit(-noise)
            g = wide(dz) * x * rest
            return narrow(g * beta_stein(a, b, x, rest), self.a), narrow(-g * beta_stein(b, a, rest, x), self.b)

        return self.rsample(noise), pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at ``x`` ``(..., n)``, summed over the last axis; -inf where a coordinate is outside 0..1."""
        xp = namespace(x, self.a)
        value = xp.sum(beta_log_prob(wide(self.a), wide(self.b), wide(x)), axis=-1)
        return xp.astype(value, xp.result_type(x.dtype, self.a.dtype), copy=False)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, da, db)``; zero from points with a coordinate at or beyond an end."""

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            a, b = wide(self.a), wide(self.b)
            dl, inside = supported(wide(dl), wide(x), (x > 0.0) & (x < 1.0))
            da, db = beta_score(a, b, inside)
            dx = dl * ((a - 1.0) / inside - (b - 1.0) / (1.0 - inside))
            return narrow(dx, x), narrow(dl * da, self.a), narrow(dl * db, self.b)

        return self.log_prob(x), pull

    def entropy(self) -> Array:
        """sum_j log B(a_j, b_j) - (a_j - 1) E log x_j - (b_j - 1) E log(1 - x_j)."""
        xp, value = namespace(self.a), beta_entropy(wide(self.a), wide(self.b))
        return xp.astype(xp.sum(value, axis=-1), self.a.dtype, copy=False)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[Array | None, Array | None]]]:
        """`entropy` and its pullback to ``(da, db)``."""

        def pull(dh: Array | None) -> tuple[Array | None, Array | None]:
            if dh is None:
                return None, None
            da, db = beta_entropy_slope(wide(self.a), wide(self.b))
            return narrow(wide(dh)[..., None] * da, self.a), narrow(wide(dh)[..., None] * db, self.b)

        return self.entropy(), pull

    def mean(self) -> Array:
        """a / (a + b)."""
        return self.a / (self.a + self.b)

    def mode(self) -> Array:
        """(a - 1) / (a + b - 2); an end if only one shape is above 1, the mean (no mode) if neither is."""
        xp = namespace(self.a, self.b)
        a, b = self._spread(self.a) - 1.0, self._spread(self.b) - 1.0
        a, b = xp.where(a > 0.0, a, xp.zeros_like(a)), xp.where(b > 0.0, b, xp.zeros_like(b))
        none = a + b == 0.0
        return xp.where(none, self.mean(), a / xp.where(none, xp.ones_like(a), a + b))

    def variance(self) -> Array:
        """a b / ((a + b)^2 (a + b + 1))."""
        s = self.a + self.b
        return (self.a / s) * (self.b / s) / (s + 1.0)

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> Beta:
        """Weighted maximum likelihood from points ``(..., k, n)`` and weights ``(..., k)``.

        The means of log x and of log(1 - x) are those of the law.

        Raises
        ------
        ValueError
            If there is no point, a coordinate is not between 0 and 1, or some coordinate does not vary.
        """
        xp, points = namespace(x, weights), wide(x)
        if not bool(xp.all((points > 0.0) & (points < 1.0))):
            msg = "Beta.fit needs points between 0 and 1, both excluded; got NaN or a number outside"
            raise ValueError(msg)
        w = data_weights(cls.__name__, points, weights)
        mean = xp.sum(w * points, axis=-2)
        p, q = mean[..., None, :], 1.0 - mean[..., None, :]
        less = xp.sum(w * ratio_gap((points - p) / p, points / p), axis=-2)
        other = xp.sum(w * ratio_gap((p - points) / q, (1.0 - points) / q), axis=-2)
        a, b = beta_shapes(mean, less, other)
        finite_estimate(cls.__name__, "the smaller shape", xp.minimum(a, b), x.dtype)
        return cls(xp.astype(a, x.dtype, copy=False), xp.astype(b, x.dtype, copy=False))


@register_kl(Beta, Beta)
def beta_beta(q: Beta, p: Beta) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL = log B(c, d) - log B(a, b) + (a - c) E log x + (b - d) E log(1 - x), p of shapes c and d."""
    q.same_space(p)
    xp = namespace(q.a, p.a)
    a, b, c, d = (wide(s) for s in (q.a, q.b, p.a, p.b))
    value = xp.sum(beta_divergence(a, b, c, d), axis=-1)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return (None, None), (None, None)
        g = wide(dk)[..., None]
        shared = trigamma(a + b)
        da = g * ((a - c) * trigamma_diff(a, b) - (b - d) * shared)
        db = g * ((b - d) * trigamma_diff(b, a) - (a - c) * shared)
        dc, dd = digamma_diff(a, b) - digamma_diff(c, d), digamma_diff(b, a) - digamma_diff(d, c)
        return (narrow(da, q.a), narrow(db, q.b)), (narrow(g * dc, p.a), narrow(g * dd, p.b))

    return xp.astype(value, xp.result_type(q.a.dtype, p.a.dtype), copy=False), pull


@scalar
def expit_scalar(s: float) -> float:
    """1 / (1 + exp(-s)), relatively accurate at both ends."""
    return 1.0 / (1.0 + math.exp(-s)) if s > -700.0 else math.exp(s)


@scalar
def clipped_expit_scalar(s: float, least: float, most: float) -> float:
    """It, within bounds."""
    return min(max(expit_scalar(s), least), most)


_expit = elementwise(expit_scalar, cost=10.0)
_clipped_expit = elementwise(clipped_expit_scalar, cost=10.0)
