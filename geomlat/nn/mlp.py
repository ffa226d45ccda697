"""The multilayer perceptron: dense layers in a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from geomlat.grad import Params
from geomlat.nn._dense_run import run, takes
from geomlat.nn.dense import Dense
from geomlat.nn.layer import Initialiser, Layer, stacked_vjp

Array = Any


@dataclass(frozen=True, eq=False)
class MLP(Layer):
    """Dense layers of the widths ``sizes = (n_in, hidden, ..., n_out)``, shapes ``(..., n_in)`` to ``(..., n_out)``.

    Parameters
    ----------
    sizes
        At least two widths.
    activation
        After every layer but the last.
    final
        After the last layer; None leaves it affine.
    last_init
        Initialiser of the last layer's weight, such as `geomlat.nn.zeros` for a map that starts constant.

    Raises
    ------
    ValueError
        For fewer than two widths, a width below 1 or an unknown activation.
    """

    sizes: Sequence[int]
    activation: str | None = "relu"
    final: str | None = field(default=None, kw_only=True)
    last_init: Initialiser | None = field(default=None, kw_only=True)
    layers: tuple[Dense, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sizes = tuple(self.sizes)
        if len(sizes) < 2:
            msg = f"MLP needs at least an input and an output width, got sizes={sizes}"
            raise ValueError(msg)
        names = [self.activation] * (len(sizes) - 2) + [self.final]
        inits = [None] * (len(sizes) - 2) + [self.last_init]
        widths = pairwise(sizes)
        layers = tuple(Dense(n, m, f, init) for (n, m), f, init in zip(widths, names, inits, strict=True))
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "layers", layers)

    @property
    def n_in(self) -> int:
        """The width of the input."""
        return self.layers[0].n_in

    @property
    def n_out(self) -> int:
        """The width of the output."""
        return self.layers[-1].n_out

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[..., Array]]:
        """The output, and ``pull(dy, g, inputs=True) -> dx`` as in `Dense.vjp`."""
        return in_a_row(self.layers, p, x)


def in_a_row(layers: tuple[Dense, ...], p: Params, x: Array) -> tuple[Array, Callable[..., Array]]:
    """The output of dense layers one after another, and ``pull(dy, g, inputs=True) -> dx`` as in `Dense.vjp`."""
    return run(layers, p, x) if takes(layers, p, x) else stacked_vjp(layers, p, x)
