"""Operations ask no array for its values: no Python branch on them, nothing fetched to the host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from geomlat.manifolds.base import OPERATIONS
from geomlat.testing.measure import fail

Array = Any

_DUNDERS = ("array", "bool", "buffer", "complex", "dlpack", "float", "index", "int")
READS = (*(f"__{name}__" for name in _DUNDERS), "cpu", "get", "item", "numpy", "tolist")
"""The methods by which an array's values come to Python or to another library."""


class ValueReadError(RuntimeError):
    """An array was asked for its values where that is forbidden."""


@contextmanager
def unreadable(like: Array) -> Iterator[bool]:
    """Forbid arrays of the type of ``like`` to give away their values; yields False where the type cannot be changed.

    NumPy's and CuPy's cannot. Values of a few JAX arrays are read by JAX itself; there, trace the function instead.
    """
    kind = type(like)
    names = [name for name in READS if hasattr(kind, name)]
    kept = {name: vars(kind)[name] for name in names if name in vars(kind)}
    try:
        for name in names:
            setattr(kind, name, _refusal(name))
    except TypeError:
        yield False
        return
    try:
        yield True
    finally:
        for name in names:
            delattr(kind, name)
        for name, method in kept.items():
            setattr(kind, name, method)


def _refusal(name: str) -> Any:
    def refuse(*args: Any, **keywords: Any) -> Any:
        msg = f"{name} would read the values of an array"
        raise ValueReadError(msg)

    return refuse


def values_stay(m: Any, **case: Array) -> None:
    """Every operation, its ``_vjp`` and the pull run without reading a value; says nothing of NumPy and CuPy arrays."""
    ones = {}
    for name, kinds in OPERATIONS.items():
        y = getattr(m, name)(*(case[k] for k in kinds))
        ones[name] = 0 * (y[0] if name == "mean" else y) + 1
    with unreadable(case["x"]):
        for name, kinds in OPERATIONS.items():
            args = [case[k] for k in kinds]
            try:
                getattr(m, name)(*args)
                getattr(m, f"{name}_vjp")(*args)[1](ones[name])
            except ValueReadError as error:
                read = f"{name} or {name}_vjp: {error}"
                break
        else:
            return
    fail("values_stay", m, read, **case)
