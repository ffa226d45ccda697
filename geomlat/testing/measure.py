"""How the laws measure: errors in roundings of the result's dtype, and messages that say what broke."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Array = Any


class LawError(AssertionError):
    """A law that does not hold: its name, the manifold, the error in roundings and the inputs."""


def host(x: Array) -> np.ndarray:
    """``x`` as a NumPy array, whatever its library and device."""
    if type(x).__module__.startswith("array_api_strict"):
        import array_api_strict

        x = array_api_strict.asarray(x, device=array_api_strict.Device("CPU_DEVICE"))
    if hasattr(x, "get"):
        x = x.get()
    if hasattr(x, "detach"):
        x = x.detach().cpu()
    return np.asarray(x)


def nearest(manifold: Any, got: Array, expected: Array) -> np.ndarray:
    """The coordinates of the point ``got`` nearest to ``expected``, where some have a period."""
    got = host(got)
    period = np.broadcast_to(manifold.period, manifold.ambient_shape)
    wrapped = np.isfinite(period)
    if not np.any(wrapped):
        return np.asarray(got)
    period = np.where(wrapped, period, 1.0)
    turns = np.where(wrapped, np.round((got - host(expected)) / period), 0.0)
    return np.asarray(got - turns * period, dtype=got.dtype)


def roundings(got: Array, expected: Array, scale: Array) -> np.ndarray:
    """``|got - expected|`` in units of the rounding error of numbers of size ``scale``, in the dtype of ``got``."""
    got, expected = host(got), host(expected)
    error = np.abs(got.astype(np.float64) - expected.astype(np.float64))
    unit = float(np.finfo(got.dtype).eps) * np.broadcast_to(np.asarray(host(scale), np.float64), error.shape)
    least = float(np.finfo(got.dtype).smallest_subnormal)
    return np.where(error == 0, 0.0, error / np.maximum(unit, least))


def require(law: str, manifold: Any, got: Array, expected: Array, scale: Array, limit: float, **inputs: Array) -> None:
    """Raise `LawError` unless ``got`` is within ``limit`` roundings (relative to ``scale``) of ``expected``."""
    if host(got).shape != np.broadcast_shapes(host(got).shape, host(expected).shape):
        fail(law, manifold, f"the result has shape {host(got).shape}, not {host(expected).shape}", **inputs)
    with np.errstate(over="ignore"):
        error = roundings(got, expected, scale)
    worst = float(np.max(error, initial=0.0))
    if np.all(error <= limit):
        return
    where = np.unravel_index(int(np.argmax(np.where(np.isnan(error), np.inf, error))), error.shape)
    both = f"{host(got)[where]!r}, not {np.broadcast_to(host(expected), error.shape)[where]!r}"
    at = f" at index {tuple(map(int, where))}" if where else ""
    fail(law, manifold, f"{both}{at}: off by {worst:.3g} roundings (ulps), {limit:g} are allowed", **inputs)


def fail(law: str, manifold: Any, what: str, **inputs: Array) -> None:
    """Raise the `LawError` of a law."""
    lines = [f"{law} does not hold on {manifold!r}: {what}"]
    lines += [
        f"  {name} = {np.array2string(host(value), precision=17, threshold=40)}" for name, value in inputs.items()
    ]
    raise LawError("\n".join(lines))


def check_law(law: Callable[..., None], manifold: Any, case: Mapping[str, Array]) -> None:
    """Call ``law(manifold, ...)`` with the inputs it names, or all if it names none, of a `strategies.cases` case."""
    law(manifold, **(inputs_of(law, case) or case))


def inputs_of(law: Callable[..., None], case: Mapping[str, Array]) -> dict[str, Array]:
    """The inputs that a law names."""
    parameters = inspect.signature(law).parameters.values()
    return {p.name: case[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
