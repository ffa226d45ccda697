"""Array libraries, found from the arguments alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import array_api_compat
import array_api_compat.numpy
import numpy as np
from numpy import ndarray

Array = Any


def is_scalar(x: object) -> bool:
    """Whether ``x`` is a Python number, which never decides a dtype or a library."""
    return isinstance(x, bool | int | float | complex) and not isinstance(x, np.generic)


def namespace(*arrays: Array) -> Any:
    """The array-API namespace of the arguments: array-api-compat's, and NumPy where all are Python numbers or lists.

    Raises
    ------
    TypeError
        If the arguments come from different array libraries.
    """
    for a in arrays:
        if type(a) is not ndarray:
            break
    else:
        return array_api_compat.numpy
    found = [a for a in arrays if a is not None and not is_scalar(a) and not isinstance(a, list | tuple)]
    return array_api_compat.array_namespace(*found) if found else array_api_compat.numpy


def is_host(x: Array) -> bool:
    """Whether ``x`` is a NumPy array (or scalar), which the compiled loops take as it is."""
    return isinstance(x, ndarray | np.generic)


def to_host(x: Array) -> ndarray:
    """``x`` as a NumPy array: itself, a view of another library's CPU array where it can be, else a copy."""
    if isinstance(x, ndarray):
        return x
    if array_api_compat.is_cupy_array(x):
        x = x.get()
    elif array_api_compat.is_torch_array(x):
        x = x.detach().cpu()
    return np.asarray(x)


def floating(xp: Any, *arrays: Array) -> tuple[Array, ...]:
    """The arguments as arrays of one floating dtype and device; Python numbers and integers do not promote.

    The dtype is the result type of the floating (or complex) arrays among them, else the library's default.
    """
    if xp is array_api_compat.numpy:
        return _numpy_floating(arrays)
    kept = [a for a in arrays if not is_scalar(a) and not isinstance(a, list | tuple)]
    kinds = [a.dtype for a in kept if xp.isdtype(a.dtype, ("real floating", "complex floating"))]
    device = array_api_compat.device(kept[0])
    dtype = xp.result_type(*kinds) if kinds else xp.asarray(0.0, device=device).dtype
    return tuple(
        xp.astype(a, dtype, copy=False) if hasattr(a, "dtype") else xp.asarray(a, dtype=dtype, device=device)
        for a in arrays
    )


def _numpy_floating(arrays: tuple[Array, ...]) -> tuple[ndarray, ...]:
    kinds = [a.dtype for a in arrays if isinstance(a, ndarray | np.generic) and a.dtype.kind in "fc"]
    dtype = kinds[0] if kinds else np.dtype(float)
    for other in kinds[1:]:
        if other != dtype:
            dtype = np.result_type(dtype, other)
    return tuple(a if type(a) is ndarray and a.dtype == dtype else np.asarray(a, dtype=dtype) for a in arrays)


def rows(x: Array, shape: tuple[int, ...], event: int = 1) -> Array:
    """``x`` as a C-contiguous array of rows for a kernel: one row if it has no batch, else one for each of ``shape``.

    ``event`` trailing axes belong to a row and are flattened to one (to none if ``event`` is 0). Kernels read
    row ``min(i, len(x) - 1)``, so that a parameter shared by the whole batch is never copied.
    """
    if type(x) is ndarray and x.ndim == event + 1 < 3 and x.shape[:1] == shape:
        flags = x.flags
        if flags.c_contiguous and flags.writeable:
            return x
    batch, tail = x.shape[: x.ndim - event], x.shape[x.ndim - event :]
    if batch != shape and math.prod(batch) != 1:
        x, batch = namespace(x).broadcast_to(x, shape + tail), shape
    n = math.prod(batch)
    flat = x.reshape((n, math.prod(tail)) if event else (n,))
    if type(flat) is not ndarray:
        return flat if flat.flags.c_contiguous else flat.copy()
    flat = np.ascontiguousarray(flat)
    return flat if flat.flags.writeable else np.asarray(_Writable(flat))


def cycled(x: Array, shape: tuple[int, ...], event: int = 1) -> Array:
    """``x`` as `rows`, not repeated over leading sample axes: element ``i`` of ``shape`` uses row ``i % len(x)``."""
    batch = x.shape[: x.ndim - event]
    return rows(x, batch if shape[len(shape) - len(batch) :] == batch else shape, event)


class _Writable:
    """A zero-copy alias of a read-only array, so that kernels are compiled for one type; they never write inputs."""

    def __init__(self, x: ndarray) -> None:
        self.owner = x
        self.__array_interface__ = {**x.__array_interface__, "data": (x.__array_interface__["data"][0], False)}


def aligned(*arrays: Array, events: Sequence[int]) -> tuple[tuple[int, ...], list[Array]]:
    """The common batch shape of several arrays and each of them as `rows`."""
    shapes = [a.shape[: a.ndim - e] for a, e in zip(arrays, events, strict=True)]
    shape = shapes[0] if all(s == shapes[0] for s in shapes) else np.broadcast_shapes(*shapes)
    return shape, [rows(a, shape, e) for a, e in zip(arrays, events, strict=True)]


def native(f: Callable[..., Any], *arrays: Array) -> Any:
    """``f`` of NumPy or CuPy arrays as they are, of arrays of any other library `through_dlpack`."""
    for a in arrays:
        if not is_scalar(a):
            known = is_host(a) or type(a).__module__.partition(".")[0] == "cupy"
            return f(*arrays) if known else through_dlpack(f, *arrays)
    return f(*arrays)


def through_dlpack(f: Callable[..., Any], *arrays: Array) -> Any:
    """``f`` applied to host (or CuPy) views of arrays of another library, its results handed back to that library.

    The views are zero-copy where the library's DLPack export is; the results live on the caller's device.
    """
    xp = namespace(*arrays)
    device = next(array_api_compat.device(a) for a in arrays if not is_scalar(a))
    out = f(*(a if is_scalar(a) else _to_native(a) for a in arrays))
    if isinstance(out, tuple):
        return tuple(_from_native(o, xp, device) for o in out)
    return _from_native(out, xp, device)


def _to_native(x: Array) -> Array:
    if hasattr(x, "detach"):
        x = x.detach()
    if hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] not in (1, 3):
        import cupy

        return cupy.from_dlpack(x)
    return np.from_dlpack(x)


def _from_native(y: Array, xp: Any, device: Any) -> Array:
    y = np.asarray(y) if is_host(y) else y
    if is_host(y) and not y.flags.writeable:
        y = y.copy()
    out = xp.from_dlpack(y)
    return out if array_api_compat.device(out) == device else array_api_compat.to_device(out, device)
