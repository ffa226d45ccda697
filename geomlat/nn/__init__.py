"""Layers: immutable descriptions of differentiable maps whose parameters live in one flat vector."""

from __future__ import annotations

from geomlat.nn.activations import ACTIVATIONS, Activation, activation
from geomlat.nn.dense import Dense
from geomlat.nn.gated import Gated, GatedMLP
from geomlat.nn.initialisers import glorot_uniform, he_normal, orthogonal, zeros
from geomlat.nn.layer import Layer
from geomlat.nn.mlp import MLP, in_a_row, widths

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "Activation",
    "Dense",
    "Gated",
    "GatedMLP",
    "Layer",
    "activation",
    "glorot_uniform",
    "he_normal",
    "in_a_row",
    "orthogonal",
    "widths",
    "zeros",
]
