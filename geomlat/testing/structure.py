"""A law as the flat list of its parameters, whatever its family and however it is nested."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

Array = Any


def names(q: Any) -> list[str]:
    """The dotted names of the array fields of a law, those of laws inside it included, in field order."""
    found = []
    for name, value in _fields(q):
        inner = names(value) if dataclasses.is_dataclass(value) else [""]
        found += [f"{name}.{k}" if k else name for k in inner]
    return found


def arrays(q: Any) -> list[Array]:
    """The array fields of a law, in the order of `names`."""
    found: list[Array] = []
    for _, value in _fields(q):
        found += arrays(value) if dataclasses.is_dataclass(value) else [value]
    return found


def rebuild(q: Any, new: list[Array]) -> Any:
    """A law like ``q`` with other array fields, in the order of `names`."""
    rest, changes = list(new), {}
    for name, value in _fields(q):
        if dataclasses.is_dataclass(value):
            count = len(arrays(value))
            changes[name] = rebuild(value, rest[:count])
            rest = rest[count:]
        else:
            changes[name] = rest.pop(0)
    return dataclasses.replace(q, **changes)


def flat(q: Any, cotangent: Any) -> list[Array | None]:
    """The cotangent of a law as a list in the order of `names`; None for a structural zero."""
    if cotangent is None:
        return [None] * len(arrays(q))
    found: list[Array | None] = []
    for (_, value), g in zip(_fields(q), cotangent, strict=True):
        found += flat(value, g) if dataclasses.is_dataclass(value) else [g]
    return found


def _fields(q: Any) -> list[tuple[str, Any]]:
    # Fields that hold arrays, or objects that do; the others are static and have no cotangent.
    pairs = [(f.name, getattr(q, f.name)) for f in dataclasses.fields(q)]
    return [(k, v) for k, v in pairs if _is_array(v) or (dataclasses.is_dataclass(v) and arrays(v))]


def _is_array(v: Any) -> bool:
    return hasattr(v, "dtype") and hasattr(v, "shape") and not isinstance(v, np.generic)
