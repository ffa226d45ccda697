"""Cotangent trees: sums of nested tuples where None is zero, and the undoing of broadcasting."""

from __future__ import annotations

from typing import Any

import array_api_compat

Tree = Any


def add(*trees: Tree) -> Tree:
    """The sum of cotangent trees: arrays, nested tuples of them, and None for a structural zero.

    >>> add((1.0, None), None, (2.0, 3.0))
    (3.0, 3.0)
    """
    kept = [t for t in trees if t is not None]
    if not kept:
        return None
    if isinstance(kept[0], tuple):
        return tuple(add(*parts) for parts in zip(*kept, strict=True))
    total = kept[0]
    for t in kept[1:]:
        total = total + t
    return total


def sum_to(g: Any, shape: tuple[int, ...]) -> Any:
    """The cotangent of an array of ``shape`` that was broadcast to ``g.shape``: the sum over the broadcast axes."""
    shape = tuple(shape)
    if g.shape == shape:
        return g
    lead = g.ndim - len(shape)
    axes = tuple(range(lead)) + tuple(lead + i for i, n in enumerate(shape) if n == 1 and g.shape[lead + i] != 1)
    xp = array_api_compat.array_namespace(g)
    return xp.reshape(xp.sum(g, axis=axes), shape)
