"""The marks ``@scalar`` and ``@kernel`` and what they become: loops compiled for the arrays they are given."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy import ndarray

from geomlat.backends import team
from geomlat.backends.arrays import Array, floating, namespace, rows, through_dlpack
from geomlat.backends.threads import thread_count

SHARED_WORK = 3e4
"""Estimated nanoseconds from which helpers that are awake take part in a loop."""
WAKING_WORK = 2e5
"""Estimated nanoseconds from which they are woken for it."""

F = TypeVar("F", bound=Callable[..., Any])


def scalar(f: F) -> F:
    """Mark a plain Python function of floats as a source for compiled code.

    It stays the function it is. When a kernel that calls it is compiled, for the CPU or for CUDA, a twin is compiled in
    its place. It may call ``math``, other scalars, and read module constants (floats, tuples of floats, ``np.uint64``).
    """
    f.__geomlat_scalar__ = True  # type: ignore[attr-defined]
    return f


def inlined(f: F) -> F:
    """Mark a short, branch-free `scalar` that the CPU compiler puts in place of each call.

    LLVM makes vectors of a loop only where nothing in it is called: Philox is 8 times faster so.
    """
    f.__geomlat_inlined__ = True  # type: ignore[attr-defined]
    return scalar(f)


def summation(f: F) -> F:
    """Mark a `scalar` made of sums of products along a row, whose terms may be added in any order.

    LLVM then keeps several partial sums in vector registers; one sum after the other waits four cycles for each term.
    The order depends on the length of the row alone. Nothing that must not be reassociated belongs here.
    """
    f.__geomlat_reordered__ = True  # type: ignore[attr-defined]
    return inlined(f)


def replaced_on_cpu(module: str) -> Callable[[F], F]:
    """Mark a `scalar` in whose place the CPU runs the compiled function of its name in ``module``."""

    def mark(f: F) -> F:
        f.__geomlat_cpu__ = module  # type: ignore[attr-defined]
        return scalar(f)

    return mark


class Kernel:
    """A row body ``body(i, *arrays)`` run for ``i = 0 .. n-1``, on the CPU or on a GPU by the type of its arrays.

    Parameters
    ----------
    body
        A plain Python function; it writes only row ``i`` of its output arrays, so that the rows may run in any order.
    cost
        Rough nanoseconds per element of the largest array, or a function of ``n, *arrays`` that gives those of the
        whole; decides when the loop is worth a second thread.
    """

    def __init__(self, body: Callable[..., None], cost: float | Callable[..., float]) -> None:
        self.body, self.cost = body, cost
        self.__doc__, self.__name__ = body.__doc__, body.__name__
        self._loop: Callable[..., None] | None = None
        self._shared: Callable[..., None] | None = None

    def __call__(self, n: int, *arrays: Array) -> None:
        """Run the body for every row, in place on the output arrays among ``arrays``."""
        for a in arrays:
            if type(a) is ndarray:
                self.cpu(n, *arrays)
                return
        self.cuda(n, *arrays)

    def cpu(self, n: int, *arrays: Array) -> None:
        """The Numba loop, with helpers (`geomlat.backends.team`) where the work is enough for them."""
        if self._loop is None:
            from geomlat.backends import cpu

            self._loop = cpu.compile_loop(self.body)
        work = self._work(n, arrays)
        threads = min(thread_count(), n) if work > SHARED_WORK else 1
        helpers = team.gather(threads - 1, wake=work > WAKING_WORK) if threads > 1 else None
        if not helpers:
            self._loop(0, n, *arrays)
            return
        try:
            if self._shared is None:
                from geomlat.backends import cpu

                self._shared = cpu.compile_shared(self.body, self._loop)
            team.run(self._shared, helpers, n, *arrays)
        finally:
            team.dismiss(helpers)

    def _work(self, n: int, arrays: tuple[Array, ...]) -> float:
        if callable(self.cost):
            return self.cost(n, *arrays)
        size = n
        for a in arrays:
            if type(a) is ndarray and a.size > size:
                size = a.size
        return size * self.cost

    def cuda(self, n: int, *arrays: Array) -> None:
        """The CUDA kernel over CuPy arrays, or over NumPy arrays in numba-cuda's simulator."""
        from geomlat.backends import cuda

        cuda.launch(self.body, n, *arrays)


def kernel(*, cost: float | Callable[..., float] = 5.0) -> Callable[[Callable[..., None]], Kernel]:
    """Mark a row body as a `Kernel`."""
    return lambda body: Kernel(body, cost)


class Elementwise:
    """A scalar function lifted to arrays of any library: evaluated in float64, rounded to the dtype of the inputs."""

    def __init__(self, f: Callable[..., Any], cost: float, outputs: int) -> None:
        self.f, self.outputs = f, outputs
        self.loop = Kernel(_elementwise_body(f, outputs), cost)

    def __call__(self, *args: Array) -> Any:
        """Evaluate with broadcasting; 0-d in, 0-d out.

        Raises
        ------
        TypeError
            If the arguments are of another dtype than float32 and float64 (integers count as the default dtype).
        """
        xp = namespace(*args)
        arrays = floating(xp, *args)
        first = arrays[0]
        if not (type(first) is ndarray or _is_cupy(first)):
            return through_dlpack(self, *arrays)
        if first.dtype.char not in "fd":
            msg = f"{self.f.__name__} takes float32 or float64 arrays, got {first.dtype}"
            raise TypeError(msg)
        shapes = {a.shape for a in arrays if a.shape}
        shape = shapes.pop() if len(shapes) == 1 else np.broadcast_shapes(*shapes)
        n = math.prod(shape)
        outs = [xp.empty(n, dtype=first.dtype) for _ in range(self.outputs)]
        if n:
            self.loop(n, *[rows(a, shape, 0) for a in arrays], *outs)
        outs = [o.reshape(shape)[()] for o in outs]
        return outs[0] if self.outputs == 1 else tuple(outs)


def elementwise(f: Callable[..., Any], *, cost: float = 50.0, outputs: int = 1) -> Elementwise:
    """Lift a ``@scalar`` function to arrays; with ``outputs > 1`` it returns a tuple."""
    return Elementwise(f, cost, outputs)


def _is_cupy(x: Array) -> bool:
    return type(x).__module__.partition(".")[0] == "cupy"


def _elementwise_body(f: Callable[..., Any], outputs: int) -> Callable[..., None]:
    names = list(inspect.signature(f).parameters)
    outs = [f"out{k}" for k in range(outputs)]
    read = ", ".join(f"np.float64({a}[min(i, {a}.size - 1)])" for a in names)
    write = ", ".join(f"{o}[i]" for o in outs)
    source = f"def {f.__name__}_loop(i, {', '.join(names + outs)}):\n    {write} = {f.__name__}({read})\n"
    scope: dict[str, Any] = {f.__name__: f, "np": np, "__name__": f.__module__}
    exec(source, scope)
    body: Callable[..., None] = scope[f"{f.__name__}_loop"]
    return body
