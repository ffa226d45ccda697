"""The array libraries that the laws run on, and how each of them takes a case drawn in NumPy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

Array = Any


class Library(NamedTuple):
    """An array library with one of its dtypes; ``LIBRARIES`` has them by name."""

    module: str
    """What has to be installed."""

    dtype: str
    """``"float64"`` or ``"float32"``."""

    kind: str = ""
    """``"read-only"``: NumPy arrays that refuse to be written."""

    @property
    def installed(self) -> bool:
        """Whether the module can be imported."""
        return importlib.util.find_spec(self.module) is not None

    @property
    def compiled(self) -> bool:
        """Whether its arrays are those the compiled kernels take as they are."""
        return self.module in ("numpy", "cupy")

    def array(self, a: np.ndarray) -> Array:
        """A fresh array of this library and dtype; floats of another one are rounded.

        float32 of array-api-strict lives on its device that has no float64.
        """
        a = np.array(a, dtype=self.dtype)
        if self.module == "numpy":
            a.flags.writeable = self.kind != "read-only"
            return a
        xp = importlib.import_module("jax.numpy" if self.module == "jax" else self.module)
        if self.module == "array_api_strict":
            return xp.asarray(a, device=xp.Device("CPU_DEVICE" if self.dtype == "float64" else "no_float64"))
        return xp.from_numpy(a) if self.module == "torch" else xp.asarray(a)

    def case(self, case: Mapping[str, np.ndarray]) -> dict[str, Array]:
        """`array` of all inputs of a law."""
        return {name: self.array(a) for name, a in case.items()}

    def context(self) -> AbstractContextManager[Any]:
        """Where the laws run: array-api-strict without data-dependent shapes, JAX with float64 where it is meant."""
        if self.module == "array_api_strict":
            return _fixed_shapes()
        if self.module == "jax" and self.dtype == "float64":
            context: AbstractContextManager[Any] = importlib.import_module("jax").enable_x64(True)
            return context
        return nullcontext()


@contextmanager
def _fixed_shapes() -> Iterator[None]:
    strict = importlib.import_module("array_api_strict")
    flags = strict.get_array_api_strict_flags()
    strict.set_array_api_strict_flags(boolean_indexing=False, data_dependent_shapes=False)
    try:
        yield
    finally:
        before = {name: flags[name] for name in ("boolean_indexing", "data_dependent_shapes")}
        strict.set_array_api_strict_flags(**before)


LIBRARIES: dict[str, Library] = {
    "numpy-float64": Library("numpy", "float64"),
    "numpy-float32": Library("numpy", "float32"),
    "numpy-read-only": Library("numpy", "float64", "read-only"),
    "cupy-float64": Library("cupy", "float64"),
    "cupy-float32": Library("cupy", "float32"),
    "strict-float64": Library("array_api_strict", "float64"),
    "strict-float32": Library("array_api_strict", "float32"),
    "torch-float64": Library("torch", "float64"),
    "torch-float32": Library("torch", "float32"),
    "jax-float64": Library("jax", "float64"),
    "jax-float32": Library("jax", "float32"),
}
