"""Vectors along the last axis: the few expressions every manifold is written in, and the row kernels' call."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import Kernel, aligned, namespace, rows

Array = Any


def dot(xp: Any, u: Array, v: Array) -> Array:
    """``sum(u v)``, without the vector axis."""
    return xp.sum(u * v, axis=-1)


def length(xp: Any, u: Array) -> Array:
    """The Euclidean norm, scaled by the largest entry so that it neither underflows nor overflows."""
    if u.shape[-1] == 0:
        return xp.sum(u, axis=-1)
    largest = xp.max(xp.abs(u), axis=-1)
    usable = (largest > 0) & (largest < xp.inf)
    scale = xp.where(usable, largest, xp.ones_like(largest))
    scaled = u / scale[..., None]
    return scale * xp.sqrt(xp.sum(scaled * scaled, axis=-1))


def direction(xp: Any, u: Array, r: Array) -> Array:
    """``u / r`` for the length ``r`` of ``u``, and zero where ``r`` is zero."""
    return u / xp.where(r > 0, r, xp.ones_like(r))[..., None]


def batch_shape(*arrays: Array, events: int = 1) -> tuple[int, ...]:
    """The shape that the leading axes of the arguments broadcast to."""
    return np.broadcast_shapes(*(a.shape[: len(a.shape) - events] for a in arrays))


def spread(xp: Any, a: Array, shape: tuple[int, ...]) -> Array:
    """A fresh array: ``a`` repeated to ``shape``."""
    return xp.broadcast_to(a, shape) * 1


def store(y: Array, out: Array | None) -> Array:
    """``y``, written to ``out`` if the caller gave one."""
    if out is None:
        return y
    check_out(out, tuple(y.shape), y.dtype)
    out[...] = y
    return out


def compiled(*arrays: Array) -> bool:
    """Whether the row kernels take these arguments: NumPy or CuPy arrays of one dtype, float32 or float64."""
    kind = type(arrays[0])
    if kind is not ndarray and kind.__module__ != "cupy":
        return False
    dtype = arrays[0].dtype
    return dtype.char in "fd" and all(type(a) is kind and a.dtype == dtype for a in arrays)


def by_rows(
    loop: Kernel,
    *arrays: Array,
    out: Array | None,
    event: int = 1,
    numbers: tuple[float, ...] = (),
    triples: Kernel | None = None,
) -> Array:
    """Run a row kernel over arrays with one vector axis; the result has ``event`` (0 or 1) trailing axes.

    The kernel takes the arrays, then the ``numbers``, then the result. ``triples`` runs instead, over flat arrays,
    where vectors have three entries and every argument has a row for each of the result.
    """
    shape, width = arrays[0].shape, arrays[0].shape[-1]
    if all(a.shape == shape and a.flags.c_contiguous and a.flags.writeable for a in arrays):
        n = arrays[0].size // width if width else 0
        batch, flat = shape[:-1], [a.reshape(n, width) for a in arrays]
    else:
        batch, flat = aligned(*arrays, events=(1,) * len(arrays))
        n = math.prod(batch)
    result = batch + (width,) * event
    if out is None:
        xp = np if type(arrays[0]) is ndarray else namespace(*arrays)
        y = xp.empty(result, dtype=arrays[0].dtype)
    else:
        check_out(out, result, arrays[0].dtype)
        y = out
    if triples is not None and width == 3 and all(a.shape[0] == n for a in flat):
        triples(n, *(a.reshape(-1) for a in flat), *numbers, y.reshape(-1))
    else:
        loop(n, *flat, *numbers, y.reshape(n, width) if event else y.reshape(n))
    return y if event or batch else y[()]


def all_pairs(loop: Kernel, x: Array, y: Array, *, out: Array | None, numbers: tuple[float, ...] = ()) -> Array:
    """Run a kernel that fills row i of a table from row i of x and all rows of y, two arrays of vectors."""
    if out is None:
        out = namespace(x).empty((x.shape[0], y.shape[0]), dtype=x.dtype)
    check_out(out, (x.shape[0], y.shape[0]), x.dtype)
    loop(x.shape[0], rows(x, x.shape[:1]), rows(y, y.shape[:1]), *numbers, out)
    return out


def check_out(out: Array, shape: tuple[int, ...], dtype: Any) -> None:
    """Raise ValueError unless ``out`` can take a result."""
    contiguous = getattr(getattr(out, "flags", None), "c_contiguous", True)
    if tuple(out.shape) != shape or out.dtype != dtype or not contiguous:
        msg = f"out must be a C-contiguous array of shape {shape} and dtype {dtype}, got {tuple(out.shape)} {out.dtype}"
        raise ValueError(msg)
