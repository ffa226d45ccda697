"""The array fields of an object: read, replaced and compared with cotangents, through objects inside objects."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import Any

Array = Any


def array_fields(obj: Any) -> list[Array]:
    """The arrays an object holds, in field order; those of the objects among its fields in their place."""
    return list(_arrays(obj))


def with_fields(obj: Any, arrays: list[Array]) -> Any:
    """A copy of ``obj`` with other arrays in the places of `array_fields`."""
    return _rebuilt(obj, iter(arrays))


def leaves(tree: Any) -> list[Any]:
    """The cotangents in nested tuples, in order."""
    return [leaf for part in tree for leaf in leaves(part)] if isinstance(tree, tuple) else [tree]


def _arrays(value: Any) -> Iterator[Array]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _arrays(getattr(value, field.name))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _arrays(part)
    elif hasattr(value, "dtype") and hasattr(value, "shape"):
        yield value


def _rebuilt(value: Any, arrays: Iterator[Array]) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        new = copy.copy(value)
        for field in dataclasses.fields(value):
            object.__setattr__(new, field.name, _rebuilt(getattr(value, field.name), arrays))
        return new
    if isinstance(value, tuple | list):
        return type(value)(_rebuilt(part, arrays) for part in value)
    return next(arrays) if hasattr(value, "dtype") and hasattr(value, "shape") else value
