"""The power spherical law: a unimodal law on the sphere with an exact sampler and elementary functions throughout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from geomlat.backends import Array, namespace, native
from geomlat.distributions import _power_rules
from geomlat.distributions._directional import Directional, finite_estimate, resultant
from geomlat.distributions._power_fit import best_direction, concentration, mean_miss
from geomlat.distributions.spherical_uniform import log_area
from geomlat.random import stream
from geomlat.special.power import ps_dkl, ps_dlog_peak, ps_kl, ps_log_peak


@dataclass(frozen=True, eq=False)
class PowerSphericalNoise:
    """What one draw froze: radial numbers ``shape`` in float64 and tangent normals ``shape + (m - 1,)``.

    The radial number is the level of the distribution function at m = 3, else the odds (1 - h)/h that were drawn.
    """

    radial: Array
    tangent: Array


@dataclass(frozen=True, eq=False)
class PowerSpherical(Directional):
    """The power spherical law on the unit sphere of R^m, m >= 2, with density for the surface measure

        q(z) = h^kappa B(a, a) / (B(a + kappa, a) area),   h = (1 + <mu, z>)/2,   a = (m - 1)/2

    so that h ~ Beta(a + kappa, a). ``mu`` is ``(..., m)`` of unit length, ``kappa >= 0`` is ``(...)``; they broadcast.
    kappa = 0 is the uniform law. Tested for m = 2 .. 1e6, kappa = 0 .. 1e12, float32 and float64; per-row scalars are
    evaluated in float64. Samples are differentiated by the exact implicit rule in every dimension. Reference: De Cao
    and Aziz (2020), "The power spherical distribution", eqs. 3-8.

    >>> import numpy as np
    >>> q = PowerSpherical(np.array([0.0, 0.0, 1.0]), 3.0)
    >>> q.mean()
    array([0. , 0. , 0.6])

    Raises
    ------
    ValueError
        For shapes that do not broadcast, m < 2, and (host arrays only) kappa negative or not finite, or mu whose
        squared length is off 1 by more than 0.1.
    TypeError
        For a dtype other than float32 and float64.
    """

    mu: Array
    kappa: Array

    _to_uniform = ps_kl, ps_dkl

    def __post_init__(self) -> None:
        self._accept("kappa")

    @cached_property
    def _kappa64(self) -> Array:
        xp = namespace(self.kappa)
        return xp.astype(self.kappa, xp.float64, copy=False)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> PowerSphericalNoise:
        """The noise of draws ``shape + batch_shape + (m,)``; row i depends on its global index, not on the batch."""
        full, first = self._full(shape), stream(rng)

        def fill(mu: Array, kappa: Array) -> Any:
            return _power_rules.draw_noise(mu, kappa, full, self.batch_shape, first)

        return PowerSphericalNoise(*native(fill, self.mu, self.kappa))

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + (m,)``, bit for bit ``rsample(draw(shape, rng=rng))``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: PowerSphericalNoise) -> Array:
        """The points of frozen noise. For m other than 3 the noise holds <mu, z>, whatever kappa is now."""
        self._check_noise(noise)
        return native(_power_rules.place_noise, self.mu, self.kappa, noise.radial, noise.tangent)

    def rsample_vjp(self, noise: PowerSphericalNoise) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dmu, dkappa)``; ``advantage`` is not needed and ignored.

        dkappa is the derivative at a fixed level of the distribution function, y (mu - w z) along each point
        (Figurnov, Mohamed, Mnih 2018); dmu is that of the reflection at fixed noise.
        """
        z = self.rsample(noise)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if dz is None:
                return None, None
            dz = namespace(z).astype(dz, z.dtype, copy=False)
            rule = _power_rules.rsample_pull
            dmu, dkappa = native(rule, self.mu, self.kappa, noise.radial, noise.tangent, dz)
            return dmu, dkappa

        return z, pull

    def log_prob(self, x: Array) -> Array:
        """kappa log h + log_peak - log area at ``x`` ``(..., m)``, taken to be on the sphere; -inf at -mu."""
        m, xp = self.event_shape[0], namespace(x, self.mu)
        constant = log_area(m) - ps_log_peak(float(m), self._kappa64)
        return native(_power_rules.log_prob, self._points(x, xp), self.mu, self.kappa, constant)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dmu, dkappa)``, the ambient derivatives of the formula there.

        h is continued off the sphere as |x + mu|^2 / (|x + mu|^2 + |x - mu|^2). At x = -mu the cotangents are zero.
        """
        value, xp = self.log_prob(x), namespace(x, self.mu)

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            points = self._points(x, xp)
            slope = ps_dlog_peak(float(self.event_shape[0]), self._kappa64)
            dl = xp.astype(dl, points.dtype, copy=False)
            dx, dmu, dkappa = native(_power_rules.log_prob_pull, points, self.mu, self.kappa, slope, dl)
            return dx, dmu, dkappa

        return value, pull

    def mean(self) -> Array:
        """The mean kappa / (kappa + m - 1) mu in R^m, shorter than 1."""
        return (self.kappa / (self.kappa + (self.event_shape[0] - 1.0)))[..., None] * self.mu

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> PowerSpherical:
        """Weighted maximum likelihood from points ``(..., n, m)`` and weights ``(..., n)``.

        mu maximises the mean of log h, whatever kappa is (a local maximum, climbed from the direction of the mean);
        kappa then solves psi(2 a + kappa) - psi(a + kappa) = -mean log h.

        Raises
        ------
        ValueError
            If there is no point, or all points coincide: the likelihood then grows without bound in kappa.
        """
        xp = namespace(x, weights)
        points, w, mu, _ = resultant(cls.__name__, x, weights)
        mu = best_direction(xp, points, w, mu)
        kappa = concentration(float(x.shape[-1]), mean_miss(xp, points, w, mu))
        finite_estimate(cls.__name__, "kappa", kappa, x.dtype)
        return cls(xp.astype(mu, x.dtype, copy=False), xp.astype(kappa, x.dtype, copy=False))

    def _check_noise(self, noise: PowerSphericalNoise) -> None:
        if noise.tangent.shape[-1] + 1 != self.event_shape[0]:
            msg = f"this noise was drawn on the sphere of R^{noise.tangent.shape[-1] + 1}; draw it from this law"
            raise ValueError(msg)
