"""All parameters of a model in one flat vector, with views of it by layer and by name."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import array_api_compat
import numpy as np
from numpy import ndarray

LARGE = 4096
"""Entries from which a pass over a view takes longer than a look at it."""


class Layout:
    """Where each named parameter of each layer lies in the flat vector.

    ``entries`` are ``(owner, name, shape)``; a layer that appears twice in a model has one entry, so that a shared
    parameter is one slice. The same layout serves theta, its gradient, the moments of the optimiser and the average.
    """

    def __init__(self, entries: list[tuple[object, str, tuple[int, ...]]]) -> None:
        self.slices: dict[str, tuple[slice, tuple[int, ...]]] = {}
        self.owned: dict[object, list[str]] = {}
        start = 0
        for owner, name, shape in entries:
            if name in self.slices:
                msg = f"two parameters are called {name!r}"
                raise ValueError(msg)
            size = math.prod(shape)
            self.slices[name] = (slice(start, start + size), shape)
            self.owned.setdefault(owner, []).append(name)
            start += size
        self.size = start

    def view(self, vector: Any) -> Params:
        """Named views of a flat vector of this layout; writing to a view writes to the vector.

        Of several vectors ``(k, size)`` the views are ``(k, *shape)``: k models of one layout, evaluated at once.
        """
        if vector.ndim > 2 or vector.shape[-1:] != (self.size,):
            msg = f"the parameter vector has shape {vector.shape}, this model needs ({self.size},)"
            raise ValueError(msg)
        return Params(self, vector)


class Params(Mapping[str, Any]):
    """Views of a flat vector: ``p["decoder.0.weight"]`` by name, ``w, b = p.of(layer)`` by the layer that owns them."""

    def __init__(self, layout: Layout, vector: Any) -> None:
        self.layout, self._vector = layout, vector
        self._unset: dict[int, Any] = {}
        self._views: dict[str, Any] = {}
        self._owned: dict[object, tuple[Any, ...]] = {}

    # Made when first asked for: the compiled passes read the vector itself.
    def _view(self, name: str) -> Any:
        found = self._views.get(name)
        if found is None:
            where, shape = self.layout.slices[name]
            found = self._views[name] = self._vector[..., where].reshape(self._vector.shape[:-1] + shape)
        return found

    def _of(self, layer: object) -> tuple[Any, ...]:
        owned = self._owned.get(layer)
        if owned is None:
            owned = self._owned[layer] = tuple(self._view(n) for n in self.layout.owned[layer])
        return owned

    @property
    def vector(self) -> Any:
        """The flat vector."""
        if self._unset:
            self._settle(*self._unset.values())
        return self._vector

    @property
    def buffer(self) -> Any:
        """The flat vector as it is: a large view that was cleared and not looked at since has old numbers there."""
        return self._vector

    def of(self, layer: object) -> tuple[Any, ...]:
        """The parameters a layer owns itself, in the order it declares them."""
        owned = self._of(layer)
        if self._unset:
            self._settle(*owned)
        return owned

    def clear(self) -> None:
        """Set the vector to zero: large views only when they are next looked at, unless `add_product` is first.

        That spares a gradient three passes in four. What is read past this object, from the vector it was made of, may
        be old until `vector` is asked for.
        """
        for view in map(self._view, self.layout.slices):
            if type(view) is ndarray and view.ndim > 1 and view.size >= LARGE:
                self._unset[id(view)] = view
            else:
                view[...] = 0

    def add_product(self, layer: object, k: int, a: Any, b: Any) -> None:
        """``w += a @ b``, w the parameter ``k`` of a layer."""
        view = self._of(layer)[k]
        if self.overwrites(layer, k):
            np.matmul(a, b, out=view)
        else:
            view += array_api_compat.array_namespace(a, b).matmul(a, b)

    def overwrites(self, layer: object, k: int) -> bool:
        """Whether what is added to the parameter ``k`` of a layer has to be written to `buffer` instead, this once."""
        return self._unset.pop(id(self._of(layer)[k]), None) is not None

    def _settle(self, *views: Any) -> None:
        for view in views:
            if self._unset.pop(id(view), None) is not None:
                view[...] = 0

    def __getitem__(self, name: str) -> Any:
        view = self._view(name)
        self._settle(view)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.slices)

    def __len__(self) -> int:
        return len(self.layout.slices)
