"""The von Mises law on angles, and its product over a torus."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, namespace, native
from geomlat.distributions import _vmf_sampling
from geomlat.distributions._directional import finite_estimate
from geomlat.distributions._vectors import Vectors, data_weights, narrow, real_dtype, wide
from geomlat.distributions._vmf_fit import inverse_ratio
from geomlat.distributions._vmf_kl import bregman
from geomlat.distributions._vmf_stein import stein
from geomlat.distributions.kl import register_kl
from geomlat.distributions.spherical_uniform import SphericalUniform
from geomlat.grad import sum_to
from geomlat.special.vmf import vmf_dkl, vmf_dratio, vmf_kl, vmf_one_minus_ratio, vmf_phi_minus_x, vmf_ratio

LOG_TAU = math.log(2.0 * math.pi)


@dataclass(frozen=True, eq=False)
class VonMises(Vectors):
    """Vectors of independent angles, each with a von Mises law: a law on the circle (n = 1) or the torus.

    log q(x) = sum_j (kappa_j cos(x_j - loc_j) - phi(2, kappa_j) - log(2 pi)),   phi(2, kappa) = log I_0(kappa)

    with respect to arc length, in radians. The event is the last axis: ``loc`` and ``kappa >= 0`` are ``(..., n)`` and
    broadcast against each other; kappa = 0 is the uniform law. Angles are drawn in [-pi, pi] and accepted anywhere. It
    is `VonMisesFisher` at m = 2 in another coordinate, with its sampler (Best and Fisher 1979) and its exact implicit
    gradient. Tested for kappa = 0 .. 1e8, float32 and float64; the arithmetic is float64. In SciPy it is
    ``vonmises(kappa, loc=loc)``. Reference: Mardia and Jupp (2000), section 3.5.4.

    >>> import numpy as np
    >>> VonMises(np.array([0.5, -2.0]), 4.0).mode()
    array([ 0.5, -2. ])

    Raises
    ------
    ValueError
        If the shapes do not broadcast, there is no event axis, or (host arrays only) a number is not finite or
        kappa negative.
    TypeError
        For a dtype other than float32 and float64.
    """

    loc: Array
    kappa: Array

    def __post_init__(self) -> None:
        self._accept(loc="finite", kappa="finite and >= 0")
        real_dtype("VonMises", self.loc)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Float64 noise ``shape + batch_shape + event_shape``: the signed root of the accepted odds.

        A stream's offset counts vectors.
        """
        full, first = self._numbers(shape, rng)

        def fill(loc: Array, kappa: Array) -> Array:
            xp = namespace(loc)
            plane = xp.zeros((2,), dtype=loc.dtype)
            odds, side = _vmf_sampling.draw_noise(plane, kappa, full, self._shape, first, False)
            return xp.where(side[..., 0] < 0.0, -xp.sqrt(odds), xp.sqrt(odds))

        return native(fill, self.loc, self.kappa)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Angles in [-pi, pi], ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """loc + 2 atan(sqrt(b) noise), b = 1/(2 kappa + sqrt(1 + 4 kappa^2)), wrapped to [-pi, pi]."""
        xp = namespace(noise, self.loc)
        angle = wide(self.loc) + 2.0 * xp.atan(self._tangent(noise))
        angle = angle - 2.0 * math.pi * xp.floor((angle + math.pi) / (2.0 * math.pi))
        return xp.astype(angle, self.loc.dtype, copy=False)

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dloc, dkappa)``; ``advantage`` is not needed and ignored.

        d angle / d kappa = -y sin(angle - loc), the derivative at a fixed level of the distribution function (Figurnov,
        Mohamed, Mnih 2018), y the Stein kernel of `VonMisesFisher` at m = 2.
        """

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            dz, h, kappa = wide(dz), self._tangent(noise), wide(self.kappa)
            rest = 2.0 / (1.0 + h * h)
            y = stein(2.0, kappa, h * h * rest, rest, vmf_one_minus_ratio(2.0, kappa))
            return narrow(dz, self.loc), narrow(-dz * y * h * rest, self.kappa)

        return self.rsample(noise), pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at angles ``x`` ``(..., n)``, summed over the last axis."""
        xp, kappa = namespace(x, self.loc), wide(self.kappa)
        s = xp.sin(0.5 * (wide(x) - wide(self.loc)))
        value = -xp.sum(2.0 * kappa * s * s + vmf_phi_minus_x(2.0, kappa) + LOG_TAU, axis=-1)
        return xp.astype(value, xp.result_type(x.dtype, self.loc.dtype), copy=False)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dloc, dkappa)``."""
        value, xp = self.log_prob(x), namespace(x, self.loc)

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            kappa, d = wide(self.kappa), wide(x) - wide(self.loc)
            s, dl = xp.sin(0.5 * d), wide(dl)[..., None]
            g = dl * kappa * xp.sin(d)
            dkappa = dl * (vmf_one_minus_ratio(2.0, kappa) - 2.0 * s * s)
            dx = xp.astype(sum_to(-g, x.shape), value.dtype, copy=False)
            return dx, narrow(g, self.loc), narrow(dkappa, self.kappa)

        return value, pull

    def entropy(self) -> Array:
        """sum_j log(2 pi) - KL(q_j || uniform)."""
        xp = namespace(self.kappa)
        value = xp.broadcast_to(LOG_TAU - vmf_kl(2.0, wide(self.kappa)), self._shape)
        return xp.astype(xp.sum(value, axis=-1), self.kappa.dtype, copy=False)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[None, Array | None]]]:
        """`entropy` and its pullback to ``(None, dkappa)``."""

        def pull(dh: Array | None) -> tuple[None, Array | None]:
            return None, None if dh is None else self._uniform_pull(-dh)

        return self.entropy(), pull

    def mean(self) -> Array:
        """The mean direction, loc."""
        return self._spread(self.loc)

    def mode(self) -> Array:
        """loc (at kappa = 0 every angle is a mode)."""
        return self.mean()

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> VonMises:
        """Weighted maximum likelihood from angles ``(..., k, n)`` and weights ``(..., k)``.

        loc is the direction of the mean of (cos x, sin x), in [-pi, pi], and I_1/I_0(kappa) its length.

        Raises
        ------
        ValueError
            If there is no point, or some coordinate does not vary: the likelihood then grows without bound in kappa.
        """
        xp, angles = namespace(x, weights), wide(x)
        w = data_weights(cls.__name__, angles, weights)
        c, s = xp.sum(w * xp.cos(angles), axis=-2), xp.sum(w * xp.sin(angles), axis=-2)
        loc = xp.atan2(s, c)
        # 1 - length without cancellation.
        deficit = 2.0 * xp.sum(w * xp.sin(0.5 * (angles - loc[..., None, :])) ** 2, axis=-2)
        kappa = inverse_ratio(2.0, xp.sqrt(c * c + s * s), deficit)
        finite_estimate(cls.__name__, "kappa", kappa, x.dtype)
        return cls(xp.astype(loc, x.dtype, copy=False), xp.astype(kappa, x.dtype, copy=False))

    def _tangent(self, noise: Array) -> Array:
        """tan((angle - loc)/2)."""
        xp, x = namespace(noise), 2.0 * wide(self.kappa)
        return noise / xp.sqrt(x + xp.sqrt(1.0 + x * x))

    def _uniform_pull(self, dk: Array) -> Array:
        """The cotangent of kappa under the sum of the divergences from uniform."""
        full = namespace(dk).broadcast_to(dk[..., None] * vmf_dkl(2.0, self.kappa), self._shape)
        return sum_to(full, self.kappa.shape)


@register_kl(VonMises, SphericalUniform)
def von_mises_uniform(q: VonMises, p: SphericalUniform) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL from the uniform law of one angle, `SphericalUniform(1)`, a function of kappa alone."""
    if q.event_shape != (1,) or p.n != 1:
        msg = f"KL needs one angle and SphericalUniform(1), got event shapes {q.event_shape} and {p.event_shape}"
        raise ValueError(msg)
    xp = namespace(q.kappa)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        return (None, None if dk is None else q._uniform_pull(dk)), ()

    return xp.broadcast_to(vmf_kl(2.0, q.kappa), q._shape)[..., 0], pull


@register_kl(VonMises, VonMises)
def von_mises_von_mises(q: VonMises, p: VonMises) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """KL = sum_j [phi_p - phi_q - A_q (kappa_p - kappa_q)] + kappa_p A_q (1 - cos(loc_q - loc_p))."""
    xp, between = namespace(q.loc, p.loc), q.loc - p.loc
    chord = 2.0 * xp.sin(0.5 * between) ** 2
    strength = p.kappa * vmf_ratio(2.0, q.kappa)
    kl = xp.sum(bregman(2.0, q.kappa, p.kappa) + strength * chord, axis=-1)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return (None, None), (None, None)
        d = dk[..., None]
        dloc = d * strength * xp.sin(between)
        dq = d * vmf_dratio(2.0, q.kappa) * ((q.kappa - p.kappa) + p.kappa * chord)
        tails = vmf_one_minus_ratio(2.0, q.kappa) - vmf_one_minus_ratio(2.0, p.kappa)
        dp = d * (tails + vmf_ratio(2.0, q.kappa) * chord)
        return (sum_to(dloc, q.loc.shape), sum_to(dq, q.kappa.shape)), (
            sum_to(-dloc, p.loc.shape),
            sum_to(dp, p.kappa.shape),
        )

    return kl, pull
