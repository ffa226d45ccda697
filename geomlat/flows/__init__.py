"""Flows: transforms with inverse, log-determinant and hand-written pullbacks, and the distributions they make."""

from __future__ import annotations

from geomlat.flows.autoregressive import Autoregressive
from geomlat.flows.coupling import AdditiveCoupling, AffineCoupling, Coupling
from geomlat.flows.linear import ActNorm, InvertibleLinear, Permutation
from geomlat.flows.spline import RationalQuadratic, SplineCoupling
from geomlat.flows.transform import Chain, Inverse, Transform

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "Autoregressive",
    "Chain",
    "Coupling",
    "Inverse",
    "InvertibleLinear",
    "Permutation",
    "RationalQuadratic",
    "SplineCoupling",
    "Transform",
]
