"""The multilayer perceptron: dense layers in a row."""

from __future__ import annotations

import operator
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
        sizes = widths("sizes", self.sizes, least=2)
        names = [self.activation] * (len(sizes) - 2) + [self.final]
        inits = [None] * (len(sizes) - 2) + [self.last_init]
        pairs = pairwise(sizes)
        layers = tuple(Dense(n, m, f, init) for (n, m), f, init in zip(pairs, names, inits, strict=True))
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


def widths(name: str, given: Sequence[int], *, least: int = 0) -> tuple[int, ...]:
    """``given`` as a tuple of whole numbers from 1, ``least`` of them or more; ValueError if it is anything else."""
    try:
        found = tuple(operator.index(n) for n in given)
    except TypeError:
        found = (0,)
    if len(found) < least or min(found, default=1) < 1:
        count = f"at least {least} widths" if least > 1 else "at least one width" if least else "the widths of layers"
        msg = f"{name} holds {count}, such as (64, 64), got {given!r}"
        raise ValueError(msg)
    return found
