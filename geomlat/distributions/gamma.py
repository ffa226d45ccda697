"""The gamma law with independent coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, elementwise, namespace, native, scalar
from geomlat.distributions._directional import finite_estimate
from geomlat.distributions._gamma_sampling import gamma_centre, log_gamma_draws
from geomlat.distributions._gamma_stein import gamma_stein
from geomlat.distributions._vectors import Vectors, data_weights, narrow, real_dtype, supported, wide
from geomlat.distributions.kl import register_kl
from geomlat.special.gamma import HALF_LOG_TAU, stirling_scalar, trigamma
from geomlat.special.stirling import (
    lgamma_bregman,
    lgamma_excess,
    log1p_gap,
    log_minus_digamma,
    log_minus_digamma_scalar,
    ratio_gap,
    ratio_gap_scalar,
    trigamma_excess,
    trigamma_excess_scalar,
)


@dataclass(frozen=True, eq=False)
class Gamma(Vectors):
    """Vectors of positive numbers with independent gamma laws of shape a and rate r.

    log q(x) = sum_j (a_j log r_j + (a_j - 1) log x_j - r_j x_j - log Gamma(a_j))

    The event is the last axis: ``shape`` and ``rate`` are ``(..., n)``, positive, and broadcast against each other. The
    density is 0 at negative numbers. Draws are differentiated by the shape at a fixed level of the distribution
    function (Figurnov, Mohamed, Mnih 2018). Tested for shapes 1e-3 .. 1e10, float32 and float64; the arithmetic is
    float64. In SciPy it is ``gamma(shape, scale=1 / rate)``. Reference: Marsaglia and Tsang (2000), for the sampler.

    >>> import numpy as np
    >>> Gamma(np.array([2.0, 5.0]), 2.0).mean()
    array([1. , 2.5])

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no event axis, or (host arrays only) a parameter is not positive and
        finite.
    TypeError
        For a dtype other than float32 and float64.
    """

    shape: Array
    rate: Array

    def __post_init__(self) -> None:
        self._accept(shape="finite and > 0", rate="finite and > 0")
        real_dtype("Gamma", self.shape)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Float64 noise ``shape + batch_shape + event_shape``: log(rate x / d), d = shape - 1/3 (2/3 if shape < 1).

        A stream's offset counts vectors.
        """
        full, first = self._numbers(shape, rng)
        return native(lambda a: log_gamma_draws(a, full, self._shape, first), self.shape)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Positive draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """d exp(noise) / rate; what underflows in the dtype is its smallest normal number."""
        xp = namespace(noise, self.rate)
        value = _point(wide(self.shape), wide(self.rate), noise, float(xp.finfo(self.rate.dtype).smallest_normal))
        return xp.astype(value, self.rate.dtype, copy=False)

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dshape, drate)``; ``advantage`` is not needed and ignored.

        dshape is the derivative at a fixed level of the distribution function, not at this noise.
        """
        z = self.rsample(noise)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            g = wide(dz) * wide(z)
            dshape = g * gamma_stein(wide(self.shape), noise)
            return narrow(dshape, self.shape), narrow(-g / wide(self.rate), self.rate)

        return z, pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at ``x`` ``(..., n)``, summed over the last axis; -inf where a coordinate is negative."""
        xp = namespace(x, self.rate)
        value = xp.sum(_log_prob(wide(self.shape), wide(self.rate), wide(x)), axis=-1)
        return xp.astype(value, xp.result_type(x.dtype, self.rate.dtype), copy=False)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dshape, drate)``; zero from points with a coordinate <= 0."""

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            a, r = wide(self.shape), wide(self.rate)
            dl, inside = supported(wide(dl), wide(x), x > 0.0)
            dx = dl * ((a - 1.0) / inside - r)
            return (
                narrow(dx, x),
                narrow(dl * _score(a, r, inside), self.shape),
                narrow(dl * (a / r - inside), self.rate),
            )

        return self.log_prob(x), pull

    def entropy(self) -> Array:
        """sum_j a_j - log r_j + log Gamma(a_j) + (1 - a_j) psi(a_j)."""
        xp, a = namespace(self.rate), wide(self.shape)
        value = xp.log(a / wide(self.rate)) + lgamma_excess(a) + (a - 1.0) * log_minus_digamma(a)
        return xp.astype(xp.sum(self._spread(value), axis=-1), self.rate.dtype, copy=False)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[Array | None, Array | None]]]:
        """`entropy` and its pullback to ``(dshape, drate)``."""

        def pull(dh: Array | None) -> tuple[Array | None, Array | None]:
            if dh is None:
                return None, None
            a, full = wide(self.shape), self._spread(wide(dh)[..., None])
            return narrow(full * (trigamma(a) - trigamma_excess(a)), self.shape), narrow(
                -full / wide(self.rate), self.rate
            )

        return self.entropy(), pull

    def mean(self) -> Array:
        """shape / rate."""
        return self.shape / self.rate

    def mode(self) -> Array:
        """(shape - 1) / rate, 0 for shapes below 1."""
        xp, above = namespace(self.rate), self.shape - 1.0
        return xp.where(above > 0.0, above, xp.zeros_like(above)) / self.rate

    def variance(self) -> Array:
        """shape / rate^2."""
        return self.shape / self.rate / self.rate

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> Gamma:
        """Weighted maximum likelihood from points ``(..., k, n)`` and weights ``(..., k)``.

        log a - psi(a) is the log of the mean less the mean of the logs, and the rate a over the mean.

        Raises
        ------
        ValueError
            If there is no point, a coordinate is not positive, or some coordinate does not vary.
        """
        xp, points = namespace(x, weights), wide(x)
        if not bool(xp.all(points > 0.0)):
            msg = "Gamma.fit needs positive points; got NaN or a number <= 0"
            raise ValueError(msg)
        w = data_weights(cls.__name__, points, weights)
        mean = xp.sum(w * points, axis=-2)
        wide_mean = mean[..., None, :]
        gaps = ratio_gap((points - wide_mean) / wide_mean, points / wide_mean)
        shape = inverse_log_minus_digamma(xp.sum(w * gaps, axis=-2))
        finite_estimate(cls.__name__, "the shape", shape, x.dtype)
        return cls(xp.astype(shape, x.dtype, copy=False), xp.astype(shape / mean, x.dtype, copy=False))


@register_kl(Gamma, Gamma)
def gamma_gamma(q: Gamma, p: Gamma) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL = sum_j a_p (u - 1 - log u) + D(a_q, a_p), u = (r_p a_q) / (r_q a_p), both terms non-negative.

    D is the divergence `geomlat.special.stirling.lgamma_bregman` of the shapes.
    """
    q.same_space(p)
    xp = namespace(q.rate, p.rate)
    aq, rq, ap, rp = (wide(a) for a in (q.shape, q.rate, p.shape, p.rate))
    e = ((rp - rq) * aq + rq * (aq - ap)) / (rq * ap)
    value = xp.sum(ap * log1p_gap(e) + lgamma_bregman(aq, ap), axis=-1)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return (None, None), (None, None)
        d = wide(dk)[..., None]
        daq = d * (ap * e / aq - (ap - aq) * trigamma_excess(aq) / aq)
        dap = d * (log_minus_digamma(aq) - log_minus_digamma(ap) - xp.log1p(e))
        return (narrow(daq, q.shape), narrow(-d * ap * e / rq, q.rate)), (
            narrow(dap, p.shape),
            narrow(d * ap * e / rp, p.rate),
        )

    return xp.astype(value, xp.result_type(q.rate.dtype, p.rate.dtype), copy=False), pull


@scalar
def gamma_log_prob_scalar(a: float, rate: float, x: float) -> float:
    """The log-density of one number, about the mode where a is large."""
    if x < 0.0 or x == math.inf:
        return -math.inf
    if x == 0.0:
        return math.log(rate) if a == 1.0 else math.copysign(math.inf, 1.0 - a)
    y = rate * x
    if a < 10.0:
        return a * math.log(rate) + (a - 1.0) * math.log(x) - y - math.lgamma(a)
    return (
        0.5 * math.log(a) - HALF_LOG_TAU - stirling_scalar(a) - math.log(x) - a * ratio_gap_scalar((y - a) / a, y / a)
    )


@scalar
def gamma_point_scalar(a: float, rate: float, noise: float, least: float) -> float:
    """d exp(noise) / rate, at least ``least``."""
    return max(gamma_centre(a) * math.exp(noise) / rate, least)


@scalar
def gamma_score_scalar(a: float, rate: float, x: float) -> float:
    """Its derivative by the shape, log(rate x) - psi(a)."""
    e = (rate * x - a) / a
    return (math.log1p(e) if abs(e) < 0.5 else math.log(rate * x / a)) + log_minus_digamma_scalar(a)


@scalar
def inverse_log_minus_digamma_scalar(c: float) -> float:
    """a with log a - psi(a) = c, infinite at 0; Newton's steps in log a, where the function is nearly a line."""
    if not c > 0.0:
        return math.inf
    a = (3.0 - c + math.sqrt((c - 3.0) * (c - 3.0) + 24.0 * c)) / (12.0 * c)
    for _ in range(30):
        step = (log_minus_digamma_scalar(a) - c) / trigamma_excess_scalar(a)
        a *= math.exp(min(max(step, -2.0), 2.0))
        if abs(step) < 1e-8:  # the next one would be its square
            break
    return a


_log_prob = elementwise(gamma_log_prob_scalar, cost=60.0)
_score = elementwise(gamma_score_scalar, cost=60.0)
inverse_log_minus_digamma = elementwise(inverse_log_minus_digamma_scalar, cost=500.0)
_point = elementwise(gamma_point_scalar, cost=15.0)
