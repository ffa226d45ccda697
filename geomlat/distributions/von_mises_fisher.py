"""The von Mises-Fisher law on a sphere of any dimension, with three gradient estimators for its samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from geomlat.backends import Array, namespace, native
from geomlat.distributions import _vmf_rules, _vmf_sampling
from geomlat.distributions._directional import Directional, finite_estimate, resultant
from geomlat.distributions._vmf_fit import inverse_ratio
from geomlat.distributions.spherical_uniform import log_area
from geomlat.random import stream
from geomlat.special.vmf import vmf_dkl, vmf_kl, vmf_one_minus_ratio, vmf_phi_minus_x, vmf_ratio


@dataclass(frozen=True, eq=False)
class VonMisesFisherNoise:
    """What one draw froze: radial numbers ``shape`` in float64 and normals ``shape + (m - 1,)`` (their direction).

    The radial number is the level of the distribution function if ``closed``, else the odds Z/(1-Z) of the accepted
    Beta variate.
    """

    radial: Array
    tangent: Array
    closed: bool


@dataclass(frozen=True, eq=False)
class VonMisesFisher(Directional):
    """The von Mises-Fisher law on the unit sphere of R^m, m >= 2, with density for the surface measure

        q(z) = exp(kappa <mu, z> - phi(m, kappa)) / area

    ``mu`` is ``(..., m)`` of unit length, ``kappa >= 0`` is ``(...)``; they broadcast. kappa = 0 is the uniform law.
    Tested for m = 2 .. 1e6, kappa = 0 .. 1e12, float32 and float64. Per-row scalars are evaluated in float64.

    ``estimator`` names how `rsample_vjp` differentiates by kappa; by mu it is always the exact pathwise rule.

    - ``"implicit"``: dz/dkappa = y(w) (mu - w z), exact in every dimension (Figurnov, Mohamed, Mnih 2018).
    - ``"rejection"``: through the accepted proposal, plus the advantage times the score of the acceptance
      (Naesseth et al. 2017; Davidson et al. 2018). It draws by rejection at m = 3 too.
    - ``"score"``: the advantage times d log q / dkappa.

    >>> import numpy as np
    >>> q = VonMisesFisher(np.array([0.0, 0.0, 1.0]), 10.0)
    >>> q.log_prob(np.array([0.0, 0.6, 0.8])).round(4)
    np.float64(-1.5353)

    Raises
    ------
    ValueError
        For shapes that do not broadcast, m < 2, an unknown estimator, and (host arrays only) kappa negative or not
        finite, or mu whose squared length is off 1 by more than 0.1.
    TypeError
        For a dtype other than float32 and float64.
    """

    mu: Array
    kappa: Array
    estimator: str = "implicit"

    _to_uniform = vmf_kl, vmf_dkl

    def __post_init__(self) -> None:
        self._accept("kappa")
        if self.estimator not in _vmf_rules.ESTIMATORS:
            msg = f"estimator must be one of {', '.join(_vmf_rules.ESTIMATORS)}, got {self.estimator!r}"
            raise ValueError(msg)

    @property
    def _closed(self) -> bool:
        return self.mu.shape[-1] == 3 and self.estimator != "rejection"

    @cached_property
    def _kappa64(self) -> Array:
        xp = namespace(self.kappa)
        return xp.astype(self.kappa, xp.float64, copy=False)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> VonMisesFisherNoise:
        """The noise of draws ``shape + batch_shape + (m,)``; row i depends on its global index, not on the batch."""
        full, first = self._full(shape), stream(rng)

        def fill(mu: Array, kappa: Array) -> Any:
            return _vmf_sampling.draw_noise(mu, kappa, full, self.batch_shape, first, self._closed)

        radial, tangent = native(fill, self.mu, self.kappa)
        return VonMisesFisherNoise(radial, tangent, self._closed)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any, out: Array | None = None) -> Array:
        """Draws ``shape + batch_shape + (m,)``, bit for bit ``rsample(draw(shape, rng=rng))``.

        ``out`` is a C-contiguous NumPy or CuPy array of that shape and of mu's dtype, which is filled and returned.
        """
        full, first = self._full(shape), stream(rng)
        if out is not None:
            self._check_out(out, (*full, *self.event_shape))

        def fill(mu: Array, kappa: Array) -> Any:
            return _vmf_sampling.sample(mu, kappa, full, first, self._closed, out)

        points = native(fill, self.mu, self.kappa)
        return points if out is None else out

    def rsample(self, noise: VonMisesFisherNoise) -> Array:
        """The points of frozen noise, smooth in mu away from mu_1 = 0 and, given the noise, in kappa."""
        self._check_noise(noise)

        def place(mu: Array, kappa: Array, radial: Array, tangent: Array) -> Any:
            return _vmf_sampling.place_noise(mu, kappa, radial, tangent, noise.closed)

        return native(place, self.mu, self.kappa, noise.radial, noise.tangent)

    def rsample_vjp(self, noise: VonMisesFisherNoise) -> tuple[Array, Callable[..., tuple[Array | None, Array | None]]]:
        """`rsample` and its pullback to ``(dmu, dkappa)``.

        ``pull(dz, advantage=None)``: ``advantage`` has z's batch shape and holds each draw's downstream loss, scaled
        like ``dz``, less a baseline (`leave_one_out`); `implicit` ignores it, the others raise ValueError without it.
        The implicit dkappa is the derivative at a fixed level of the distribution function, not at a fixed proposal.
        """
        z = self.rsample(noise)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Array | None]:
            if self.estimator == "implicit":
                if dz is None:
                    return None, None
                advantage = None
            elif advantage is None or advantage.shape != noise.radial.shape:
                got = "nothing" if advantage is None else f"shape {tuple(advantage.shape)}"
                msg = (
                    f'estimator="{self.estimator}" needs pull(dz, advantage=...), the loss of each draw, '
                    f"of shape {tuple(noise.radial.shape)}; got {got}"
                )
                raise ValueError(msg)
            xp = namespace(z)
            dz = xp.zeros_like(z) if dz is None else xp.astype(dz, z.dtype, copy=False)
            cost = xp.zeros_like(z[..., 0]) if advantage is None else xp.astype(advantage, z.dtype, copy=False)

            def rule(*arrays: Array) -> tuple[Array, Array]:
                return _vmf_rules.rsample_pull(*arrays, closed=noise.closed, estimator=self.estimator)

            tail = vmf_one_minus_ratio(float(self.event_shape[0]), self._kappa64)
            dmu, dkappa = native(rule, self.mu, self.kappa, tail, noise.radial, noise.tangent, dz, cost)
            return dmu, dkappa

        return z, pull

    def log_prob(self, x: Array) -> Array:
        """-kappa |x - mu|^2/2 - (phi - kappa) - log area at ``x`` ``(..., m)``, taken to be on the sphere."""
        m, xp = self.event_shape[0], namespace(x, self.mu)
        x = self._points(x, xp)
        constant = vmf_phi_minus_x(float(m), self._kappa64) + log_area(m)
        return native(_vmf_rules.log_prob, x, self.mu, self.kappa, constant)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, ...]]]:
        """`log_prob` and its pullback to ``(dx, dmu, dkappa)``, the ambient derivatives of the formula there."""
        value, xp = self.log_prob(x), namespace(x, self.mu)

        def pull(dl: Array | None) -> tuple[Array | None, ...]:
            if dl is None:
                return None, None, None
            points = self._points(x, xp)
            tail = vmf_one_minus_ratio(float(self.event_shape[0]), self._kappa64)
            dl = xp.astype(dl, points.dtype, copy=False)
            dx, dmu, dkappa = native(_vmf_rules.log_prob_pull, points, self.mu, self.kappa, tail, dl)
            return dx, dmu, dkappa

        return value, pull

    def mean(self) -> Array:
        """The mean A mu in R^m, shorter than 1."""
        return vmf_ratio(float(self.event_shape[0]), self.kappa)[..., None] * self.mu

    @classmethod
    def fit(cls, x: Array, weights: Array | None = None) -> VonMisesFisher:
        """Weighted maximum likelihood from points ``(..., n, m)`` and weights ``(..., n)``.

        mu is the direction of the resultant and A(kappa) its length; a zero resultant gives kappa = 0 and mu = e_1.

        Raises
        ------
        ValueError
            If there is no point, or all points coincide: the likelihood then grows without bound in kappa.
        """
        xp = namespace(x, weights)
        points, w, mu, length = resultant(cls.__name__, x, weights)
        # 1 - length without cancellation, for points on the sphere.
        deficit = 0.5 * xp.sum(w * xp.sum((points - mu[..., None, :]) ** 2, axis=-1), axis=-1)
        kappa = inverse_ratio(float(x.shape[-1]), length, deficit)
        finite_estimate(cls.__name__, "kappa", kappa, x.dtype)
        return cls(xp.astype(mu, x.dtype, copy=False), xp.astype(kappa, x.dtype, copy=False))

    def _check_out(self, out: Array, shape: tuple[int, ...]) -> None:
        fits = type(out) is type(self.mu) and hasattr(out, "flags") and out.flags.c_contiguous
        if not fits or out.shape != shape or out.dtype != self.mu.dtype:
            msg = f"out must be a C-contiguous array of mu's library, of shape {shape} and dtype {self.mu.dtype}"
            raise ValueError(msg)

    def _check_noise(self, noise: VonMisesFisherNoise) -> None:
        if noise.closed != self._closed or noise.tangent.shape[-1] + 1 != self.event_shape[0]:
            msg = "this noise was drawn for another dimension or another estimator; draw it from this law"
            raise ValueError(msg)
