"""Latent families: layers whose output is a distribution.

``latent.vjp(p, h) -> (q, pull)`` with ``pull(dq, g) -> dh``, where ``dq`` is the tuple of cotangents of the fields of
``q``. A latent owns its head: the head's width and its constraints.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import Normal, VonMisesFisher
from geomlat.distributions._vmf_rules import ESTIMATORS
from geomlat.grad import Params
from geomlat.manifolds import Euclidean, Sphere
from geomlat.models.priors import Fixed
from geomlat.nn import Dense, Layer
from geomlat.random import Stream

Array = Any
PullQ = Callable[[Any, Params], Array]


@dataclass(frozen=True, eq=False)
class GaussianLatent(Layer):
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

    @property
    def width(self) -> int:
        """Coordinates of a latent point, the decoder's input width."""
        return self.dim

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
class VonMisesFisherLatent(Layer):
    """A von Mises-Fisher distribution on S^dim: mu a normalised linear head, ``kappa = softplus(head) + kappa_shift``.

    With ``kappa_shift = 0`` the uniform law is within reach; the literature's shift of 1 keeps it out of reach
    (KL >= 0.1516 on S^2). The bias of the head for kappa starts at ``kappa_start`` (None: 10 dim), so that codes carry
    information from the first step; from 0, one run in three on the digits fell to the uniform law and stayed there.
    """

    n_in: int
    dim: int
    kappa_shift: float = 0.0
    estimator: str = "implicit"
    kappa_start: float | None = None
    head: Dense = field(init=False)

    def __post_init__(self) -> None:
        if not 0.0 <= self.kappa_shift < math.inf:
            msg = f"kappa_shift must be finite and at least 0, got {self.kappa_shift}"
            raise ValueError(msg)
        if self.estimator not in ESTIMATORS:
            msg = f"estimator must be one of {', '.join(ESTIMATORS)}, got {self.estimator!r}"
            raise ValueError(msg)
        start = 10.0 * self.dim if self.kappa_start is None else self.kappa_start

        def bias(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
            value = np.zeros(shape)
            value[-1] = start
            return value

        object.__setattr__(self, "head", Dense(self.n_in, self.dim + 2, bias_init=bias))

    @cached_property
    def manifold(self) -> Sphere:
        """Where the latent lives."""
        return Sphere(self.dim)

    @property
    def standard_prior(self) -> Fixed:
        """The uniform law."""
        return Fixed("uniform", self.dim)

    @property
    def width(self) -> int:
        """Coordinates of a latent point, the decoder's input width."""
        return self.dim + 1

    def vjp(self, p: Params, h: Array) -> tuple[VonMisesFisher, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)
        mu, pull_mu = self.manifold.project_vjp(out[..., :-1])
        kappa, slope = softplus(out[..., -1])
        q = VonMisesFisher(mu, kappa + self.kappa_shift, estimator=self.estimator)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            dmu, dkappa = dq
            ddirection = xp.zeros_like(mu) if dmu is None else pull_mu(dmu)[0]
            draw = xp.zeros_like(kappa) if dkappa is None else dkappa * slope
            return pull_head(xp.concat([ddirection, draw[..., None]], axis=-1), g)

        return q, pull


def softplus(x: Array) -> tuple[Array, Array]:
    """``log(1 + e^x)`` without overflow, and its derivative, the logistic function."""
    xp = namespace(x)
    e = xp.exp(-xp.abs(x))
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(e), xp.where(x >= 0, xp.ones_like(e), e) / (1 + e)


def latent(text: str, n_in: int, **options: Any) -> GaussianLatent | VonMisesFisherLatent:
    """The latent of a short text, a letter and a dimension: ``"e2"`` is Gaussian on R^2, ``"s2"`` vMF on S^2."""
    found = re.fullmatch(r"([es])(\d+)", str(text))
    if not found or int(found[2]) < 1:
        msg = f"unknown latent {text!r}; give a letter and a dimension of at least 1: e2 (Gaussian), s2 (sphere)"
        raise ValueError(msg)
    if found[1] == "e":
        return GaussianLatent(n_in, int(found[2]), **options)
    return VonMisesFisherLatent(n_in, int(found[2]), **options)
