"""A network whose output i depends on the inputs before i only (MADE)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.grad import Params
from geomlat.nn.activations import Activation, activation
from geomlat.nn.initialisers import glorot_uniform, zeros
from geomlat.nn.layer import Initialiser, Layer
from geomlat.nn.mlp import widths

Array = Any


@dataclass(frozen=True, eq=False)
class MaskedDense(Layer):
    """``y = f(x @ (weight * mask) + bias)``, ``mask`` a constant 0/1 matrix ``(n_in, n_out)``."""

    mask: Any
    activation: str | None = None
    weight_init: Initialiser = glorot_uniform
    rule: Activation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", activation(self.activation))

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``weight`` of the mask's shape and ``bias``."""
        return {"weight": (self.mask.shape, self.weight_init), "bias": (self.mask.shape[1:], zeros)}

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[[Array, Params], Array]]:
        """The output, and ``pull(dy, g) -> dx``, which adds to the views ``g``."""
        weight, bias = p.of(self)
        xp, rule, (n_in, n_out) = namespace(x, weight), self.rule, self.mask.shape
        mask = xp.asarray(self.mask, dtype=weight.dtype)
        masked = weight * mask
        s = xp.matmul(x, masked) + bias
        y = rule.f(xp, s)

        def pull(dy: Array, g: Params) -> Array:
            if dy is None:
                return None
            ds = dy if rule.name == "identity" else dy * rule.slope(xp, s, y)
            dweight, dbias = g.of(self)
            rows = xp.reshape(ds, (-1, n_out))
            dweight += mask * xp.matmul(xp.reshape(x, (-1, n_in)).T, rows)
            dbias += xp.sum(rows, axis=0)
            return xp.matmul(ds, masked.T)

        return y, pull


@dataclass(frozen=True, eq=False)
class MADE(Layer):
    """The masked autoencoder of Germain, Gregor, Murray, Larochelle (2015): ``(..., dim + context)`` to
    ``(..., dim * width)``, where the ``width`` outputs of coordinate i see the coordinates before i and the context.

    The last layer starts at zero.
    """

    dim: int
    hidden: Sequence[int]
    width: int
    context: int = 0
    activation: str = "relu"
    layers: tuple[MaskedDense, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.dim < 1 or self.width < 1:
            msg = f"MADE needs coordinates and outputs of each, got {self.dim} and {self.width}"
            raise ValueError(msg)
        hidden = widths("hidden", self.hidden, least=1)
        degrees = np.concatenate((np.arange(1, self.dim + 1), np.zeros(self.context, int)))
        lowest = 0 if self.context or self.dim == 1 else 1
        layers = []
        for n in hidden:
            after = lowest + np.arange(n) % (self.dim - lowest)
            layers.append(MaskedDense((degrees[:, None] <= after).astype(float), self.activation))
            degrees = after
        outputs = np.repeat(np.arange(1, self.dim + 1), self.width)
        layers.append(MaskedDense((degrees[:, None] < outputs).astype(float), None, zeros))
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "layers", tuple(layers))

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[[Array, Params], Array]]:
        """The output, and ``pull(dy, g) -> dx``."""
        pulls = []
        for layer in self.layers:
            x, pull_layer = layer.vjp(p, x)
            pulls.append(pull_layer)

        def pull(dy: Array, g: Params) -> Array:
            for pull_layer in reversed(pulls):
                dy = pull_layer(dy, g)
            return dy

        return x, pull
