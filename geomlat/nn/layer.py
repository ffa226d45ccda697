"""The base of every layer: an immutable description of shapes that holds no arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.grad import Layout, Params
from geomlat.random import Stream, stream

Pull = Callable[..., Any]
Initialiser = Callable[[Stream, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Layer:
    """A description of a differentiable map with parameters.

    A subclass is a frozen dataclass with ``eq=False``: two layers of equal shape are two layers, and one layer held in
    two places is one set of parameters. Its layers (fields that are layers, or tuples of them) are found by themselves;
    it declares the parameters it owns in `parameters` and reads them by ``p.of(self)``.

    ``vjp(p, x) -> (y, pull)`` and ``pull(dy, g) -> dx``: the pull adds to the views ``g`` and returns the cotangent of
    the input. Nothing is kept on ``self``, so that a layer may be called twice in one step.

    `Dense`, `MLP` and the couplings also take views of several vectors (see `geomlat.grad.Layout.view`) and inputs
    ``(k, n, n_in)``: k layers side by side, in one batched product.
    """

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """Name, shape and initialiser of each parameter this layer itself owns."""
        return {}

    def children(self) -> Iterator[tuple[str, Layer]]:
        """The layers among the fields, with their names."""
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Layer):
                yield f.name, value
            elif isinstance(value, tuple):
                yield from ((f"{f.name}.{i}", v) for i, v in enumerate(value) if isinstance(v, Layer))

    @cached_property
    def layout(self) -> Layout:
        """The layout of the flat vector: this layer's parameters, then its children's, each layer once."""
        return Layout([(owner, name, shape) for owner, name, shape, _ in self._walk("", set())])

    def init(self, *, rng: Any, dtype: Any = np.float64) -> np.ndarray:
        """A fresh flat parameter vector; each parameter has a stream of its own, named by its path."""
        theta = np.empty(self.layout.size, dtype=dtype)
        first, p = stream(rng), self.layout.view(theta)
        for _, name, shape, initialise in self._walk("", set()):
            p[name][...] = initialise(first.child(name), shape)
        return theta

    def view(self, vector: Any) -> Params:
        """Named views of a flat vector: theta, its gradient, or a moment of the optimiser."""
        return self.layout.view(vector)

    def _walk(self, prefix: str, seen: set[int]) -> Iterator[tuple[Layer, str, tuple[int, ...], Initialiser]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        for name, (shape, initialise) in self.parameters().items():
            yield self, prefix + name, shape, initialise
        for name, child in self.children():
            yield from child._walk(f"{prefix}{name}.", seen)


def stacked_vjp(layers: Sequence[Any], p: Params, x: Any) -> tuple[Any, Pull]:
    """Layers in a row: the last output, and ``pull(dy, g, inputs=True) -> dx``."""
    pulls = []
    for layer in layers:
        x, pull_layer = layer.vjp(p, x)
        pulls.append(pull_layer)

    def pull(dy: Any, g: Params, *, inputs: bool = True) -> Any:
        for pull_layer in reversed(pulls[1:]):
            dy = pull_layer(dy, g)
        return pulls[0](dy, g, inputs=inputs)

    return x, pull
