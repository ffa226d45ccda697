"""Generative models as immutable descriptions; after ``fit`` they carry their parameter vector.

``vae(n_features, latent="s2", hidden=(256, 128), likelihood="bernoulli")`` builds a variational autoencoder in one
line, ``autoencoder(...)`` the plain one; ``build(config)`` makes a model again from its description and
``load(directory)`` from a run's folder.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geomlat import flows
from geomlat.distributions import Normal, VonMises
from geomlat.flows.elementwise import Affine, Shift
from geomlat.flows.polar import AngleAndNormal
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Sphere, Torus
from geomlat.models.angles import CosineLoss, VonMisesSoftplusKappa
from geomlat.models.autoencoder import Autoencoder
from geomlat.models.directional import PowerSphericalLatent, SphericalCauchyLatent, VonMisesFisherLatent
from geomlat.models.flow_mixture import FlowMixture
from geomlat.models.gaussian import GaussianLogVariance, GaussianSoftplusSD
from geomlat.models.independent import independent_features
from geomlat.models.latent import Latent
from geomlat.models.latents import GaussianLatent, ProductLatent
from geomlat.models.latents import latent as _latent
from geomlat.models.likelihood import Likelihood
from geomlat.models.likelihoods import Bernoulli, Binomial, Gaussian
from geomlat.models.likelihoods import likelihood as _likelihood
from geomlat.models.logistic import DiscretisedLogistic
from geomlat.models.posterior import Posterior
from geomlat.models.priors import Fixed, ProductPrior
from geomlat.models.rate import rate_vjp
from geomlat.models.spaces import Space, StandardWrapped
from geomlat.models.vae import VAE
from geomlat.models.vamp import AggregatePosterior, VampPrior
from geomlat.models.wrapped import WrappedLatent
from geomlat.nn import MLP, Dense, GatedMLP, widths
from geomlat.nn import config as _config
from geomlat.train import load_checkpoint
from geomlat.train.settings import at_least
from geomlat.train.trainable import Trainable

__all__ = [
    "VAE",
    "AggregatePosterior",
    "Autoencoder",
    "Bernoulli",
    "Binomial",
    "CosineLoss",
    "DiscretisedLogistic",
    "Fixed",
    "FlowMixture",
    "Gaussian",
    "GaussianLatent",
    "GaussianLogVariance",
    "GaussianSoftplusSD",
    "Latent",
    "Likelihood",
    "Posterior",
    "PowerSphericalLatent",
    "ProductLatent",
    "ProductPrior",
    "Space",
    "SphericalCauchyLatent",
    "StandardWrapped",
    "VampPrior",
    "VonMisesFisherLatent",
    "VonMisesSoftplusKappa",
    "WrappedLatent",
    "autoencoder",
    "build",
    "independent_features",
    "load",
    "rate_vjp",
    "vae",
]

_KNOWN = (
    VAE,
    Autoencoder,
    Posterior,
    GaussianLatent,
    VonMisesFisherLatent,
    PowerSphericalLatent,
    SphericalCauchyLatent,
    WrappedLatent,
    Space,
    StandardWrapped,
    ProductLatent,
    ProductPrior,
    VampPrior,
    Fixed,
    MLP,
    GatedMLP,
    Dense,
    Bernoulli,
    Binomial,
    Gaussian,
    DiscretisedLogistic,
    GaussianSoftplusSD,
    GaussianLogVariance,
    VonMisesSoftplusKappa,
    CosineLoss,
    FlowMixture,
    flows.Flow,
    flows.CylindricalFlow,
    flows.DequantizedDensity,
    flows.TangentFlow,
    flows.WrappedDensity,
    flows.ActNorm,
    flows.AdditiveCoupling,
    flows.AffineCoupling,
    flows.Autoregressive,
    flows.Chain,
    flows.CircularSpline,
    flows.CylinderCoupling,
    flows.Inverse,
    flows.InvertibleLinear,
    flows.Moebius,
    flows.Permutation,
    flows.Polar,
    flows.RationalQuadratic,
    Affine,
    Shift,
    flows.SplineCoupling,
    AngleAndNormal,
    Normal,
    VonMises,
    Euclidean,
    Hyperboloid,
    PoincareBall,
    Sphere,
    Torus,
)


def vae(
    n_features: int,
    *,
    latent: str = "s2",
    hidden: Sequence[int] = (256, 128),
    likelihood: str | Likelihood = "bernoulli",
    prior: str = "standard",
    layers: str = "dense",
    activation: str = "relu",
    free_bits: float = 0.0,
    iwae: int = 0,
    euclidean_kl: bool = False,
    **latent_options: Any,
) -> VAE:
    """A variational autoencoder with a mirrored decoder.

    Parameters
    ----------
    n_features
        Columns of the data.
    latent
        ``"s2"`` is a von Mises-Fisher latent on the sphere S^2 (three coordinates), ``"e2"`` a Gaussian one on R^2,
        ``"h2"``, ``"p2"`` and ``"u2"`` wrapped normals on the hyperboloid, the ball and where the curvature is learned,
        ``"t2"`` one on the torus; ``"e5:full"`` has any covariance; ``"s2,h2,e2"`` and ``"4*s2"`` are products.
    hidden
        Widths of the encoder's hidden layers; the decoder has them in reverse.
    likelihood
        ``"bernoulli"``, ``"binomial:N"``, ``"gaussian"``, ``"gaussian:SD"``, ``"logistic"`` for grey levels 0..255,
        ``"von-mises"`` for angles as pairs (cos, sin), or a likelihood object; see
        `geomlat.models.likelihoods.likelihood`.
    prior
        ``"standard"``: the uniform law on a sphere, N(0, I) on R^n, the wrapped normal of scale 1 about the origin
        elsewhere. ``"vamp:500"``: a `VampPrior` of 500 pseudo-inputs, with any latent; ``"vamp:500:data"`` starts them
        from rows of the data, ``"vamp:500:weights"`` learns their weights, and both words may stand. They are held to
        the range of pixels and counts; those of real values and of angles are free, standard normal at the start.
    layers
        ``"dense"`` with the ``activation``, or ``"gated"``.
    free_bits, iwae, euclidean_kl
        Of the objective, see `VAE`.
    latent_options
        For a sphere ``family`` (``"vmf"``, ``"power"``, ``"cauchy"``), ``kappa_shift`` (0; the literature's +1) and
        ``kappa_start``, of vmf also ``estimator`` (``"implicit"``), of cauchy only ``rho_start``; for ``h``, ``p`` and
        ``u`` the ``curvature`` (-1), for ``u``, where it is the start, also ``learned`` (False: it stays).

    Raises
    ------
    ValueError
        If a name is unknown or a size is not positive.
    """
    at_least("n_features", n_features, 1)
    hidden = widths("hidden", hidden, least=1)
    family = _latent(latent, hidden[-1], **latent_options)
    density = _likelihood(likelihood)
    posterior = Posterior(_network((n_features, *hidden), None, layers, activation), family, density.unit)
    return VAE(
        posterior=posterior,
        decoder=_network((family.features, *reversed(hidden)), density.width(n_features), layers, activation),
        likelihood=density,
        prior=_prior(prior, posterior, density.bounded),
        free_bits=free_bits,
        iwae=iwae,
        euclidean_kl=euclidean_kl,
    )


def _network(sizes: tuple[int, ...], n_out: int | None, layers: str, activation: str) -> MLP | GatedMLP:
    if layers == "gated" and activation == "relu":
        return GatedMLP(sizes, n_out)
    if layers == "gated":
        msg = f"gated layers have their gate for an activation, got {activation!r} with them"
        raise ValueError(msg)
    if layers != "dense":
        msg = f"unknown layers {layers!r}; choose 'dense' or 'gated'"
        raise ValueError(msg)
    final = activation if n_out is None else None
    return MLP(sizes if n_out is None else (*sizes, n_out), activation=activation, final=final)


def _prior(prior: str, posterior: Posterior, bounded: bool) -> Any:
    name, *words = str(prior).split(":")
    if name == "standard" and not words:
        return posterior.latent.standard_prior
    count = words[0] if words and words[0].isdecimal() else None
    flags = set(words if count is None else words[1:])
    if name == "vamp" and flags <= {"data", "weights"}:
        known: dict[str, Any] = {"from_data": "data" in flags, "learn_weights": "weights" in flags}
        known |= {} if bounded else {"start": 0.0, "spread": 1.0, "clipped": False}
        return VampPrior(posterior, int(count or 500), **known)
    msg = (
        f"unknown prior {prior!r}; choose 'standard', or 'vamp:K' with K pseudo-inputs, such as 'vamp:500', and after "
        "it ':data' to start them from rows of the data, ':weights' to learn their weights"
    )
    raise ValueError(msg)


def autoencoder(
    n_features: int,
    *,
    latent: str = "e2",
    hidden: Sequence[int] = (256, 128),
    likelihood: str | Likelihood = "bernoulli",
    activation: str = "relu",
) -> Autoencoder:
    """A plain autoencoder with a Euclidean code (``latent="e2"`` for two coordinates) and a mirrored decoder."""
    at_least("n_features", n_features, 1)
    hidden = widths("hidden", hidden, least=1)
    code, density = _latent(latent, hidden[-1]), _likelihood(likelihood)
    if not isinstance(code, GaussianLatent):
        msg = f"an autoencoder has a Euclidean code, e1, e2, ...; got {latent!r}"
        raise ValueError(msg)
    return Autoencoder(
        encoder=MLP((n_features, *hidden, code.dim), activation=activation),
        decoder=MLP((code.dim, *reversed(hidden), density.width(n_features)), activation=activation),
        likelihood=density,
        unit=density.unit,
    )


def build(config: dict[str, Any]) -> Any:
    """The model, mixture or density of a description made by its ``config()``."""
    model = _config.build(config, {cls.__name__: cls for cls in _KNOWN})
    if not isinstance(model, Trainable):
        msg = f"not the description of a geomlat model: {config.get('type') if isinstance(config, dict) else config!r}"
        raise ValueError(msg)
    return model


def load(directory: str | os.PathLike[str]) -> Any:
    """The model of a run's folder, with the weights its last checkpoint would return.

    Raises
    ------
    CheckpointError
        If there is no checkpoint, or it cannot be read.
    """
    checkpoint = load_checkpoint(Path(directory))
    return build(checkpoint.model).fitted(checkpoint.theta, checkpoint)
