"""Flows: transforms with inverse, log-determinant and hand-written pullbacks, and the distributions they make."""

from __future__ import annotations

from geomlat.flows.autoregressive import Autoregressive
from geomlat.flows.circular import CircularSpline, Moebius, circular_flow
from geomlat.flows.coupling import AdditiveCoupling, AffineCoupling, Coupling
from geomlat.flows.cylinder import CylinderCoupling, CylindricalFlow
from geomlat.flows.dequantized import DequantizedDensity
from geomlat.flows.flow import Flow, coupling_flow
from geomlat.flows.linear import ActNorm, InvertibleLinear, Permutation
from geomlat.flows.pixels import PixelFrame
from geomlat.flows.polar import Polar, polar_flow
from geomlat.flows.spline import RationalQuadratic, SplineCoupling
from geomlat.flows.tangent import TangentFlow
from geomlat.flows.transform import Chain, Inverse, Transform
from geomlat.flows.wrapped import WrappedDensity

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "Autoregressive",
    "Chain",
    "CircularSpline",
    "Coupling",
    "CylinderCoupling",
    "CylindricalFlow",
    "DequantizedDensity",
    "Flow",
    "Inverse",
    "InvertibleLinear",
    "Moebius",
    "Permutation",
    "PixelFrame",
    "Polar",
    "RationalQuadratic",
    "SplineCoupling",
    "TangentFlow",
    "Transform",
    "WrappedDensity",
    "circular_flow",
    "coupling_flow",
    "polar_flow",
]
