"""Codes drawn, and their rates against the usual prior, in one pass over the rows of the head."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import rows
from geomlat.distributions._vmf_rules import rsample_pull
from geomlat.distributions._vmf_sampling import draw_noise, place_noise
from geomlat.distributions.von_mises_fisher import VonMisesFisherNoise
from geomlat.models import _latent_rows as kernels
from geomlat.models.directional import VonMisesFisherLatent
from geomlat.models.latent import Latent
from geomlat.models.latents import GaussianLatent
from geomlat.models.priors import Fixed
from geomlat.models.spaces import StandardWrapped
from geomlat.models.wrapped import WrappedLatent
from geomlat.nn import Layer
from geomlat.random import Stream, normal

Array = Any
Drawn = tuple[ndarray, ndarray, Callable[[Array, Array], ndarray]]
Rule = Callable[[Any, ndarray, Any], Drawn]


def rule_of(latent: Latent, prior: Layer) -> Rule | None:
    """What `drawn_vjp` does for a latent and a prior: for a few pairs of them there is a compiled rule.

    ``rule(latent, out, noise) -> (z, rate, pull)`` with the rows of the head ``out`` ``(n, width)``, the codes and
    their rates ``(n,)``, and ``pull(dz, drate) -> dout``; ``noise`` is as of the latent's law, or a stream.
    """
    if isinstance(latent, GaussianLatent) and isinstance(prior, Fixed) and prior.family == "normal":
        return gaussian_vjp
    if isinstance(latent, VonMisesFisherLatent) and isinstance(prior, Fixed) and latent.estimator == "implicit":
        return von_mises_fisher_vjp
    if isinstance(latent, WrappedLatent) and isinstance(prior, StandardWrapped) and latent.only_head:
        open_plane = latent.space.model == "hyperboloid" and latent.dim > 1  # on a line the rate has a closed form
        return hyperbolic_vjp if prior.space is latent.space and open_plane and prior.scale == 1.0 else None
    return None


def gaussian_vjp(latent: GaussianLatent, out: ndarray, noise: Any) -> Drawn:
    """A diagonal normal law against the standard one."""
    n, out = len(out), rows(out, out.shape[:1])
    e = _normals(noise, n, latent.dim, out.dtype)
    z, rate = np.empty((n, latent.dim), out.dtype), np.empty(n, out.dtype)
    kernels.gaussian(n, out, e, z, rate)

    def pull(dz: Array, drate: Array) -> ndarray:
        dout = np.empty_like(out)
        kernels.gaussian_pull(n, out, e, rows(dz, (n,)), rows(drate, (n,), 0), dout)
        return dout

    return z, rate, pull


def hyperbolic_vjp(latent: WrappedLatent, out: ndarray, noise: Any) -> Drawn:
    """A wrapped normal law on a hyperboloid against that of scale 1 about the origin, its rate at the draw."""
    n, out, dim = len(out), rows(out, out.shape[:1]), latent.dim
    e, numbers = _normals(noise, n, dim, out.dtype), (_radius(latent), _longest(out.dtype))
    z, rate = np.empty((n, dim + 1), out.dtype), np.empty(n, out.dtype)
    kept = np.empty((n, 3, dim))
    kernels.hyperbolic(n, out, e, *numbers, z, rate, kept)

    def pull(dz: Array, drate: Array) -> ndarray:
        dout, work = np.empty_like(out), np.empty((n, 2, dim))
        kernels.hyperbolic_pull(n, out, e, *numbers, kept, rows(dz, (n,)), rows(drate, (n,), 0), work, dout)
        return dout

    return z, rate, pull


def von_mises_fisher_vjp(latent: VonMisesFisherLatent, out: ndarray, noise: Any) -> Drawn:
    """A von Mises-Fisher law against the uniform one, its concentration by the implicit gradient."""
    n, m, out = len(out), latent.dim + 1, rows(out, out.shape[:1])
    mu, kappa, rate = (np.empty(shape, out.dtype) for shape in ((n, m), n, n))
    tail, slopes, closed = np.empty(n), np.empty((n, 3)), m == 3
    kernels.von_mises_fisher(n, out, latent.kappa_shift, mu, kappa, tail, rate, slopes)
    if isinstance(noise, Stream):
        radial, tangent = draw_noise(mu, kappa, (n,), (n,), noise, closed)
    else:
        radial, tangent = noise.radial, noise.tangent
    z = place_noise(mu, kappa, radial, tangent, closed)

    def pull(dz: Array, drate: Array) -> ndarray:
        dout, advantage = np.empty_like(out), np.zeros((), out.dtype)
        dmu, dkappa = rsample_pull(
            mu, kappa, tail, radial, tangent, dz, advantage, closed=closed, estimator=latent.estimator
        )
        kernels.von_mises_fisher_pull(n, mu, slopes, dmu, dkappa, rows(drate, (n,), 0), dout)
        return dout

    return z, rate, pull


def takes(rule: Rule, latent: Latent, x: Array, theta: Array, noise: Any) -> bool:
    """Whether a rule knows these arrays: NumPy's, of one dtype, one code for each row of ``x``."""
    if type(x) is not ndarray or type(theta) is not ndarray or x.ndim != 2 or theta.ndim != 1:
        return False
    if x.dtype != theta.dtype or x.dtype.char not in "fd" or len(x) == 0:
        return False
    if isinstance(noise, Stream):
        return True
    if rule is von_mises_fisher_vjp:
        known = isinstance(noise, VonMisesFisherNoise) and type(noise.tangent) is ndarray
        return known and noise.closed == (latent.dim == 2) and noise.tangent.shape == (len(x), latent.dim)
    return type(noise) is ndarray and noise.dtype == x.dtype and noise.shape == (len(x), latent.dim)


def _normals(noise: Any, n: int, dim: int, dtype: Any) -> Array:
    if not isinstance(noise, Stream):
        return rows(noise, (n,))
    return normal((n, dim), rng=Stream(noise.key0, noise.key1, noise.offset * dim), dtype=dtype)


def _radius(latent: WrappedLatent) -> float:
    return 1.0 / math.sqrt(-latent.space.curvature)


def _longest(dtype: Any) -> float:
    # Of both tangents; the square of the end is a float64 too.
    return 0.5 * (min(math.log(float(np.finfo(dtype).max)), 350.0) - 2.0)
