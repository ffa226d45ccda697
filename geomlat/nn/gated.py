"""The gated layer: a linear map times a sigmoid of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from geomlat.grad import Params
from geomlat.nn.dense import Dense
from geomlat.nn.initialisers import he_normal
from geomlat.nn.layer import Layer, stacked_vjp
from geomlat.nn.mlp import widths

Array = Any


@dataclass(frozen=True, eq=False)
class Gated(Layer):
    """``y = (x W + b) sigmoid(x V + c)``, shapes ``(..., n_in)`` to ``(..., n_out)``; weights by He's normal.

    Dauphin, Fan, Auli, Grangier (2017), eq. 1; the layer of Tomczak, Welling (2018).
    """

    n_in: int
    n_out: int
    value: Dense = field(init=False, repr=False)
    gate: Dense = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", Dense(self.n_in, self.n_out, weight_init=he_normal))
        object.__setattr__(self, "gate", Dense(self.n_in, self.n_out, "sigmoid", weight_init=he_normal))

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[..., Array]]:
        """The output, and ``pull(dy, g, inputs=True) -> dx`` as in `Dense.vjp`."""
        h, pull_value = self.value.vjp(p, x)
        s, pull_gate = self.gate.vjp(p, x)

        def pull(dy: Array, g: Params, *, inputs: bool = True) -> Array:
            if dy is None:
                return None
            dx, dgate = pull_value(dy * s, g, inputs=inputs), pull_gate(dy * h, g, inputs=inputs)
            return dx + dgate if inputs else None

        return h * s, pull


@dataclass(frozen=True, eq=False)
class GatedMLP(Layer):
    """Gated layers of the widths ``sizes = (n_in, hidden, ..., n_last)``, then, with ``n_out``, an affine map to it.

    Raises ValueError for fewer than two widths or a width below 1.
    """

    sizes: Sequence[int]
    n_out: int | None = None
    layers: tuple[Gated | Dense, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = widths("sizes", self.sizes, least=2)
        layers: list[Gated | Dense] = [Gated(n, m) for n, m in pairwise(sizes)]
        if self.n_out is not None:
            layers.append(Dense(sizes[-1], self.n_out))
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "layers", tuple(layers))

    @property
    def n_in(self) -> int:
        """The width of the input."""
        return self.layers[0].n_in

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[..., Array]]:
        """The output, and ``pull(dy, g, inputs=True) -> dx`` as in `Dense.vjp`."""
        return stacked_vjp(self.layers, p, x)
