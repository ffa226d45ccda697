"""Latent families: layers whose output is a distribution.

``latent.vjp(p, h) -> (q, pull)`` with ``pull(dq, g) -> dh``, where ``dq`` is the tuple of cotangents of the fields of
``q``. A latent owns its head: the head's width and its constraints.
"""

from __future__ import annotations

import math
import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import Normal, PowerSpherical, SphericalCauchy, VonMisesFisher, WrappedNormal
from geomlat.distributions._vmf_rules import ESTIMATORS
from geomlat.grad import Params, add
from geomlat.manifolds import Euclidean, Manifold, Sphere
from geomlat.models.priors import Fixed
from geomlat.models.spaces import Space, StandardWrapped
from geomlat.nn import Dense, Layer
from geomlat.random import Stream

Array = Any
PullQ = Callable[[Any, Params], Array]


class Latent(Layer):
    """What a latent family has: the width of a point, its manifold, the prior that goes with it, and ``vjp``."""

    n_in: int
    dim: int

    @property
    @abstractmethod
    def manifold(self) -> Manifold:
        """Where the latent lives."""

    def manifold_at(self, p: Params) -> Manifold:
        """The manifold at the parameters ``p``."""
        return self.manifold

    @property
    @abstractmethod
    def standard_prior(self) -> Layer:
        """The prior of ``prior="standard"``."""

    @property
    def width(self) -> int:
        """Coordinates of a latent point, the decoder's input width."""
        return math.prod(self.manifold.ambient_shape)

    @abstractmethod
    def vjp(self, p: Params, h: Array) -> tuple[Any, PullQ]:
        """The posterior of each row of ``h``, and its pull."""


@dataclass(frozen=True, eq=False)
class GaussianLatent(Latent):
    """A diagonal Gaussian on R^dim: mean linear, **standard deviation** by softplus of a linear head (no floor)."""

    n_in: int
    dim: int
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", Dense(self.n_in, 2 * self.dim))

    @property
    def manifold(self) -> Euclidean:
        """Where the latent lives."""
        return Euclidean(self.dim)

    @property
    def standard_prior(self) -> Fixed:
        """The standard normal."""
        return Fixed("normal", self.dim)

    def vjp(self, p: Params, h: Array) -> tuple[Normal, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)
        scale, slope = softplus(out[..., self.dim :])
        q = Normal(out[..., : self.dim], scale)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            dloc, dscale = (xp.zeros_like(scale) if d is None else d for d in dq)
            return pull_head(xp.concat([dloc, dscale * slope], axis=-1), g)

        return q, pull


@dataclass(frozen=True, eq=False)
class DirectionalLatent(Latent):
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

    def vjp(self, p: Params, h: Array) -> tuple[Any, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)  # type: ignore[attr-defined]
        mu, pull_mu = self.manifold.project_vjp(out[..., :-1])
        concentration, slope = self.constraint(out[..., -1])
        q = self.law(mu, concentration)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            dmu, dconcentration = dq
            ddirection = xp.zeros_like(mu) if dmu is None else pull_mu(dmu)[0]
            draw = xp.zeros_like(slope) if dconcentration is None else dconcentration * slope
            return pull_head(xp.concat([ddirection, draw[..., None]], axis=-1), g)

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
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        check_shift(self.kappa_shift)
        if self.estimator not in ESTIMATORS:
            msg = f"estimator must be one of {', '.join(ESTIMATORS)}, got {self.estimator!r}"
            raise ValueError(msg)
        start = 10.0 * self.dim if self.kappa_start is None else self.kappa_start
        object.__setattr__(self, "head", self._head(start))

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
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        check_shift(self.kappa_shift)
        start = 10.0 * self.dim if self.kappa_start is None else self.kappa_start
        object.__setattr__(self, "head", self._head(start))

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
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", self._head(self.rho_start))

    def law(self, mu: Array, concentration: Array) -> SphericalCauchy:
        """The spherical Cauchy law."""
        return SphericalCauchy(mu, concentration)

    def constraint(self, raw: Array) -> tuple[Array, Array]:
        """The logistic function, below 1 by a rounding at least."""
        xp = namespace(raw)
        _, rho = softplus(raw)
        rho = xp.minimum(rho, xp.full_like(rho, 1.0 - 2.0**-20))
        return rho, rho * (1.0 - rho)


@dataclass(frozen=True, eq=False)
class WrappedLatent(Latent):
    """A wrapped normal law on a `Space`: location ``exp_o`` of a linear head, **scale** by softplus of another.

    The location is the exponential of the head's tangent vector at the origin, the scales are the standard deviations
    along the manifold's orthonormal frame there. Nagano, Yamaguchi, Fujita, Koyama (2019), section 4.
    """

    n_in: int
    space: Space
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", Dense(self.n_in, 2 * self.dim))

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension of the space."""
        return self.space.dim

    @property
    def manifold(self) -> Manifold:
        """The manifold at the curvature it starts with."""
        return self.space.manifold

    def manifold_at(self, p: Params) -> Manifold:
        """The manifold at the curvature in ``p``."""
        return self.space.vjp(p)[0]

    @cached_property
    def standard_prior(self) -> StandardWrapped:
        """The wrapped normal of scale 1 about the origin, of the same curvature."""
        return StandardWrapped(self.space)

    def vjp(self, p: Params, h: Array) -> tuple[WrappedNormal, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)
        manifold, pull_space = self.space.vjp(p)
        origin = manifold.origin(like=out)
        u, pull_frame = manifold.from_coordinates_vjp(origin, out[..., : self.dim])
        loc, pull_exp = manifold.exp_vjp(origin, u)
        scale, slope = softplus(out[..., self.dim :])
        q = WrappedNormal(manifold, loc, scale)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            *fields, dloc, dscale = dq
            _, du, *first = pull_exp(dloc)
            _, dc, *second = pull_frame(du)
            pull_space(add(*fields, tuple(first), tuple(second)), g)
            dscale = xp.zeros_like(scale) if dscale is None else dscale
            dc = xp.zeros_like(scale) if dc is None else dc
            return pull_head(xp.concat([dc, dscale * slope], axis=-1), g)

        return q, pull


def check_shift(kappa_shift: float) -> None:
    """Raise ValueError for a shift of kappa that is negative or not finite."""
    if not 0.0 <= kappa_shift < math.inf:
        msg = f"kappa_shift must be finite and at least 0, got {kappa_shift}"
        raise ValueError(msg)


def softplus(x: Array) -> tuple[Array, Array]:
    """``log(1 + e^x)`` without overflow, and its derivative, the logistic function."""
    xp = namespace(x)
    e = xp.exp(-xp.abs(x))
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(e), xp.where(x >= 0, xp.ones_like(e), e) / (1 + e)


SPACES: dict[str, dict[str, Any]] = {
    "h": {"model": "hyperboloid"},
    "p": {"model": "ball"},
    "u": {"model": "stereographic", "learned": True},
    "t": {"model": "torus"},
}
DIRECTIONAL: dict[str, Callable[..., Latent]] = {
    "vmf": VonMisesFisherLatent,
    "power": PowerSphericalLatent,
    "cauchy": SphericalCauchyLatent,
}


def latent(text: str, n_in: int, *, family: str = "vmf", **options: Any) -> Latent:
    """The latent of a short text, a letter and a dimension.

    ``"e2"`` is Gaussian on R^2; ``"s2"`` on the sphere S^2, of the ``family`` ``"vmf"``, ``"power"`` or ``"cauchy"``;
    wrapped normals are ``"h2"`` on the hyperboloid, ``"p2"`` on the Poincare ball, ``"u2"`` in the stereographic model
    with a learned curvature, ``"t2"`` on the torus.

    Raises
    ------
    ValueError
        If the text or the family is unknown.
    """
    found = re.fullmatch(r"([eshput])(\d+)", str(text))
    if not found or int(found[2]) < 1:
        msg = (
            f"unknown latent {text!r}; give a letter and a dimension of at least 1: e2 (Gaussian), s2 (sphere), "
            "h2 (hyperboloid), p2 (Poincare ball), u2 (learned curvature), t2 (torus)"
        )
        raise ValueError(msg)
    letter, dim = found[1], int(found[2])
    if letter == "e":
        return GaussianLatent(n_in, dim, **options)
    if letter in SPACES:
        return WrappedLatent(n_in, Space(dim=dim, **SPACES[letter] | options))
    if family not in DIRECTIONAL:
        msg = f"the family of a spherical latent is one of {', '.join(DIRECTIONAL)}, got {family!r}"
        raise ValueError(msg)
    return DIRECTIONAL[family](n_in, dim, **options)
