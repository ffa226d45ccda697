"""Geometry and small generative models as plain array code, with hand-written gradients.

Names are loaded when they are first used: ``import geomlat`` loads neither Numba nor any optional library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geomlat import (
        backends,
        data,
        distributions,
        evaluate,
        grad,
        interop,
        manifolds,
        models,
        nn,
        optim,
        plot,
        random,
        special,
        train,
    )
    from geomlat.distributions import (
        Beta,
        Gamma,
        LogNormal,
        Mixture,
        Normal,
        PowerSpherical,
        ProductDistribution,
        SphericalCauchy,
        SphericalUniform,
        VonMises,
        VonMisesFisher,
        VonMisesFisherMixture,
        WrappedNormal,
        kl_divergence,
        kl_divergence_vjp,
        kl_estimate,
    )
    from geomlat.grad import gradcheck
    from geomlat.manifolds import Euclidean, Hyperboloid, Product, SpecialOrthogonal, Sphere, Torus
    from geomlat.models import vae

__version__ = "0.1.0"

_SUBMODULES = (
    "backends",
    "data",
    "distributions",
    "evaluate",
    "grad",
    "interop",
    "manifolds",
    "models",
    "nn",
    "optim",
    "plot",
    "random",
    "special",
    "train",
)
_HOMES = {
    "Beta": "distributions",
    "Gamma": "distributions",
    "Euclidean": "manifolds",
    "Hyperboloid": "manifolds",
    "LogNormal": "distributions",
    "Mixture": "distributions",
    "Normal": "distributions",
    "PowerSpherical": "distributions",
    "Product": "manifolds",
    "ProductDistribution": "distributions",
    "SpecialOrthogonal": "manifolds",
    "Sphere": "manifolds",
    "SphericalCauchy": "distributions",
    "SphericalUniform": "distributions",
    "Torus": "manifolds",
    "VonMises": "distributions",
    "VonMisesFisher": "distributions",
    "VonMisesFisherMixture": "distributions",
    "WrappedNormal": "distributions",
    "gradcheck": "grad",
    "kl_divergence": "distributions",
    "kl_divergence_vjp": "distributions",
    "kl_estimate": "distributions",
    "vae": "models",
}

__all__ = [
    "Beta",
    "Euclidean",
    "Gamma",
    "Hyperboloid",
    "LogNormal",
    "Mixture",
    "Normal",
    "PowerSpherical",
    "Product",
    "ProductDistribution",
    "SpecialOrthogonal",
    "Sphere",
    "SphericalCauchy",
    "SphericalUniform",
    "Torus",
    "VonMises",
    "VonMisesFisher",
    "VonMisesFisherMixture",
    "WrappedNormal",
    "backends",
    "data",
    "distributions",
    "evaluate",
    "grad",
    "gradcheck",
    "interop",
    "kl_divergence",
    "kl_divergence_vjp",
    "kl_estimate",
    "manifolds",
    "models",
    "nn",
    "optim",
    "plot",
    "random",
    "special",
    "train",
    "vae",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"geomlat.{name}")
    if name not in _HOMES:
        msg = f"module 'geomlat' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"geomlat.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
