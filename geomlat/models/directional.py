"""Latents on the sphere S^dim: a mean direction and one concentration."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import PowerSpherical, SphericalCauchy, VonMisesFisher
from geomlat.distributions._vmf_rules import ESTIMATORS
from geomlat.grad import Params
from geomlat.manifolds import Sphere
from geomlat.models.latent import Array, HeadLatent, PullQ
from geomlat.models.priors import Fixed
from geomlat.nn import Dense
from geomlat.nn.activations import softplus
from geomlat.random import Stream


@dataclass(frozen=True, eq=False)
class DirectionalLatent(HeadLatent):
    """A law on S^dim about a mean direction mu, a normalised linear head, with one concentration."""

    n_in: int
    dim: int

    def _head(self, start: float) -> Dense:
        def bias(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
            value = np.zeros(shape)
            value[-1] = start
            return value

        return Dense(self.n_in, self.dim + 2, bias_init=bias)

    @cached_property
    def manifold(self) -> Sphere:
        """The sphere S^dim."""
        return Sphere(self.dim)

    @property
    def standard_prior(self) -> Fixed:
        """The uniform law."""
        return Fixed("uniform", self.dim)

    @abstractmethod
    def law(self, mu: Array, concentration: Array) -> Any:
        """The law at a mean direction and the value of `constraint`."""

    @abstractmethod
    def constraint(self, raw: Array) -> tuple[Array, Array]:
        """The concentration of the raw head, and its slope."""

    def law_vjp(self, p: Params, out: Array) -> tuple[Any, PullQ]:
        """The posterior at each row of the head's output, and its pull."""
        mu, pull_mu = self.manifold.project_vjp(out[..., :-1])
        concentration, slope = self.constraint(out[..., -1])
        q = self.law(mu, concentration)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            dmu, dconcentration = dq
            ddirection = xp.zeros_like(mu) if dmu is None else pull_mu(dmu)[0]
            draw = xp.zeros_like(slope) if dconcentration is None else dconcentration * slope
            return xp.concat([ddirection, draw[..., None]], axis=-1)

        return q, pull


@dataclass(frozen=True, eq=False)
class VonMisesFisherLatent(DirectionalLatent):
    """A von Mises-Fisher distribution on S^dim: mu a normalised linear head, ``kappa = softplus(head) + kappa_shift``.

    With ``kappa_shift = 0`` the uniform law is within reach; the literature's shift of 1 keeps it out of reach
    (KL >= 0.1516 on S^2). The bias of the head for kappa starts at ``kappa_start`` (None: 10 dim), so that codes carry
    information from the first step; from 0, one run in three on the digits fell to the uniform law and stayed there.
    """

    kappa_shift: float = 0.0
    estimator: str = "implicit"
    kappa_start: float | None = None
    mu_kappa: Dense = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_kappa(self.kappa_shift, self.kappa_start)
        if self.estimator not in ESTIMATORS:
            msg = f"estimator must be one of {', '.join(ESTIMATORS)}, got {self.estimator!r}"
            raise ValueError(msg)
        start = 10.0 * self.dim if self.kappa_start is None else self.kappa_start
        object.__setattr__(self, "mu_kappa", self._head(start))

    @property
    def head(self) -> Dense:
        """See `HeadLatent.head`."""
        return self.mu_kappa

    def law(self, mu: Array, concentration: Array) -> VonMisesFisher:
        """The von Mises-Fisher law."""
        return VonMisesFisher(mu, concentration, estimator=self.estimator)

    def constraint(self, raw: Array) -> tuple[Array, Array]:
        """``softplus + kappa_shift``."""
        kappa, slope = softplus(raw)
        return kappa + self.kappa_shift, slope


@dataclass(frozen=True, eq=False)
class PowerSphericalLatent(DirectionalLatent):
    """A power spherical distribution on S^dim; mu and kappa as in `VonMisesFisherLatent`.

    De Cao, Aziz (2020).
    """

    kappa_shift: float = 0.0
    kappa_start: float | None = None
    mu_kappa: Dense = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_kappa(self.kappa_shift, self.kappa_start)
        start = 10.0 * self.dim if self.kappa_start is None else self.kappa_start
        object.__setattr__(self, "mu_kappa", self._head(start))

    @property
    def head(self) -> Dense:
        """See `HeadLatent.head`."""
        return self.mu_kappa

    def law(self, mu: Array, concentration: Array) -> PowerSpherical:
        """The power spherical law."""
        return PowerSpherical(mu, concentration)

    def constraint(self, raw: Array) -> tuple[Array, Array]:
        """``softplus + kappa_shift``."""
        kappa, slope = softplus(raw)
        return kappa + self.kappa_shift, slope


@dataclass(frozen=True, eq=False)
class SphericalCauchyLatent(DirectionalLatent):
    """A spherical Cauchy distribution on S^dim: mu a normalised linear head, ``rho`` the logistic function of another.

    The head for rho starts at ``rho_start`` before the logistic function.
    """

    rho_start: float = 1.5
    mu_rho: Dense = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.rho_start):
            msg = f"rho_start must be finite, got {self.rho_start}"
            raise ValueError(msg)
        object.__setattr__(self, "mu_rho", self._head(self.rho_start))

    @property
    def head(self) -> Dense:
        """See `HeadLatent.head`."""
        return self.mu_rho

    def law(self, mu: Array, concentration: Array) -> SphericalCauchy:
        """The spherical Cauchy law."""
        return SphericalCauchy(mu, concentration)

    def constraint(self, raw: Array) -> tuple[Array, Array]:
        """The logistic function, below 1 by a rounding at least."""
        xp = namespace(raw)
        _, rho = softplus(raw)
        rho = xp.minimum(rho, xp.full_like(rho, 1.0 - 2.0**-20))
        return rho, rho * (1.0 - rho)


def check_kappa(shift: float, start: float | None) -> None:
    """Raise ValueError for a shift of kappa that is negative or not finite, or a start of its head that is not."""
    if not 0.0 <= shift < math.inf:
        msg = f"kappa_shift must be finite and at least 0, got {shift}"
        raise ValueError(msg)
    if start is not None and not math.isfinite(start):
        msg = f"kappa_start must be finite, got {start}"
        raise ValueError(msg)


DIRECTIONAL: dict[str, type[DirectionalLatent]] = {
    "vmf": VonMisesFisherLatent,
    "power": PowerSphericalLatent,
    "cauchy": SphericalCauchyLatent,
}


def known_options(law: type[DirectionalLatent]) -> set[str]:
    """The names of a family's own arguments, those after the sizes."""
    return {f.name for f in fields(law) if f.init} - {"n_in", "dim"}
