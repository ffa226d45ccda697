"""Kernels on CUDA: the row body compiled by numba-cuda, one thread a row, over CuPy arrays on CuPy's current stream.

With ``NUMBA_ENABLE_CUDASIM=1`` set before Numba is imported the same kernels run over NumPy arrays in the simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from numba import config, cuda

from geomlat.backends import sources

_THREADS = 128
_GRID = "def loop(n, {args}):\n    for i in range(cuda.grid(1), n, cuda.gridsize(1)):\n        body(i, {args})\n"


@cache
def compile_scalar(f: Callable[..., Any]) -> Any:
    """The CUDA device function of a scalar."""
    return cuda.jit(device=True)(sources.twin(f, compile_scalar))


@cache
def compile_kernel(body: Callable[..., None]) -> Any:
    """The CUDA kernel of a row body: a grid-stride loop."""
    return cuda.jit(grid_loop(body))


def grid_loop(body: Callable[..., None]) -> Callable[..., None]:
    """The undecorated grid-stride loop around a row body, for `compile_kernel` and for compilation to PTX."""
    source, _ = sources.loop_source(body, _GRID)
    scope: dict[str, Any] = {"body": compile_scalar(body), "cuda": cuda, "__name__": body.__module__}
    exec(compile(source, f"<geomlat-{body.__name__}>", "exec"), scope)
    loop: Callable[..., None] = scope["loop"]
    return loop


def launch(body: Callable[..., None], n: int, *arrays: Any) -> None:
    """Run the kernel for ``n`` rows."""
    if n == 0:
        return
    blocks = min((n + _THREADS - 1) // _THREADS, 1 << 16)
    if config.ENABLE_CUDASIM:
        compile_kernel(body)[blocks, min(n, _THREADS)](n, *arrays)
        return
    import cupy

    stream = cuda.external_stream(cupy.cuda.get_current_stream().ptr)
    compile_kernel(body)[blocks, _THREADS, stream](
        n, *(cuda.as_cuda_array(a) if isinstance(a, cupy.ndarray) else a for a in arrays)
    )
