"""What the laws of distributions are given, and how they compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.testing.charts import Chart, Globe
from geomlat.testing.measure import fail, host
from geomlat.testing.structure import arrays, names

Array = Any


@dataclass(frozen=True, eq=False)
class Example:
    """A law to check, and what its family says of itself.

    Parameters
    ----------
    q
        In NumPy float64, of a batch ``(k,)``, k >= 2, which every parameter has in full.
    chart
        How to integrate over its space, see `geomlat.testing.charts`; None to leave out the laws that integrate.
    level
        The parameters by which draws are differentiated at a fixed level of the distribution function; by all others
        they are at frozen noise.
    unit
        The parameters that are unit vectors.
    others
        Laws p to which ``KL(q || p)`` has a closed form, of the same batch.
    intrinsic
        Whether ``mean()`` is a point of the manifold instead of the mean of the coordinates; it is then not checked.
    """

    q: Any
    chart: Chart | Globe | None = None
    level: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    others: tuple[Any, ...] = ()
    intrinsic: bool = False


def tangent(e: Example, name: str, g: np.ndarray) -> np.ndarray:
    """A cotangent of the parameter called ``name``: of a unit vector, the part along its sphere."""
    if name not in e.unit:
        return g
    mu = dict(zip(names(e.q), arrays(e.q), strict=True))[name]
    return np.asarray(g - np.sum(g * mu, axis=-1, keepdims=True) * mu)


def same(q: Any, name: str, a: Array, b: Array) -> None:
    """Raise `LawError` unless two arrays are equal bit for bit."""
    if not np.array_equal(host(a), host(b)):
        fail("the same value", q, f"{name}: {host(a)} and {host(b)} differ")


def close(law: str, q: Any, name: str, got: Array, expected: Array, tolerance: float, floor: Array = 0.0) -> None:
    """Raise `LawError` unless ``got`` is within ``tolerance`` of ``expected``, relative to it or to ``floor``."""
    got, expected = host(got).astype(np.float64), host(expected).astype(np.float64)
    error, size = np.abs(got - expected), np.maximum(np.abs(expected), floor)
    error = np.where(error == 0, 0.0, error / np.where(size > 0, size, 1e-300))
    if not np.all(error <= tolerance):
        fail(law, q, f"{name} is {got}, not {np.broadcast_to(expected, error.shape)}: off by {np.max(error):.3g}")
