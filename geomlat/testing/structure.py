"""A law as the flat list of its parameters, whatever its family and however it is nested."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

Array = Any


def names(q: Any) -> list[str]:
    """The dotted names of the array fields of a law, in field order, those of the laws inside it included."""
    found = []
    for name, value in _fields(q):
        found += [name] if _is_array(value) else [f"{name}.{k}" for k in names(value)]
    return found


def arrays(q: Any) -> list[Array]:
    """The array fields of a law, in the order of `names`."""
    found: list[Array] = []
    for _, value in _fields(q):
        found += [value] if _is_array(value) else arrays(value)
    return found


def rebuild(q: Any, new: list[Array]) -> Any:
    """A law like ``q`` with other array fields, in the order of `names`."""
    rest, changes = list(new), {}
    for name, value in _fields(q):
        count = 1 if _is_array(value) else len(arrays(value))
        changes[name] = rest[0] if _is_array(value) else rebuild(value, rest[:count])
        rest = rest[count:]
    if isinstance(q, tuple):
        return tuple(changes.get(str(i), part) for i, part in enumerate(q))
    parts = [value for value in changes.values() if isinstance(value, tuple)]
    # A law of several parts takes them one by one.
    return type(q)(*parts[0]) if parts else dataclasses.replace(q, **changes)


def flat(q: Any, cotangent: Any) -> list[Array | None]:
    """The cotangent of a law as a list in the order of `names`; None for a structural zero."""
    if cotangent is None:
        return [None] * len(arrays(q))
    if len(_fields(q)) == 1 and isinstance(_fields(q)[0][1], tuple):
        return flat(_fields(q)[0][1], cotangent)
    found: list[Array | None] = []
    for (_, value), g in zip(_fields(q), cotangent, strict=True):
        found += [g] if _is_array(value) else flat(value, g)
    return found


def _fields(q: Any) -> list[tuple[str, Any]]:
    # What holds arrays; the other fields are static and have no cotangent.
    if isinstance(q, tuple):
        pairs = [(str(i), part) for i, part in enumerate(q)]
    else:
        pairs = [(f.name, getattr(q, f.name)) for f in dataclasses.fields(q)]
    return [(k, v) for k, v in pairs if _is_array(v) or (_is_law(v) and arrays(v))]


def _is_law(v: Any) -> bool:
    return dataclasses.is_dataclass(v) or (isinstance(v, tuple) and all(dataclasses.is_dataclass(p) for p in v))


def _is_array(v: Any) -> bool:
    return hasattr(v, "dtype") and hasattr(v, "shape") and not isinstance(v, np.generic)
