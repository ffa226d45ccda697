"""Where arrays live and how kernels run on them; no mathematics.

``namespace(*arrays)`` finds the array library from the arguments. ``@scalar`` marks a plain Python function of floats,
``@kernel`` a plain Python function of a row index and arrays; each is the one source for both targets: Numba loops over
NumPy arrays (`geomlat.backends.cpu`) and numba-cuda kernels over CuPy arrays (`geomlat.backends.cuda`). Every other
library reaches them through DLPack (`through_dlpack`). Nothing here reads global state.
"""

from __future__ import annotations

from geomlat.backends.arrays import (
    Array,
    aligned,
    cycled,
    floating,
    is_host,
    is_scalar,
    namespace,
    native,
    rows,
    through_dlpack,
    to_host,
)
from geomlat.backends.kernels import Kernel, elementwise, inlined, kernel, scalar, summation
from geomlat.backends.threads import thread_limit

__all__ = [
    "Array",
    "Kernel",
    "aligned",
    "cycled",
    "elementwise",
    "floating",
    "inlined",
    "is_host",
    "is_scalar",
    "kernel",
    "namespace",
    "native",
    "rows",
    "scalar",
    "summation",
    "thread_limit",
    "through_dlpack",
    "to_host",
]
