"""Kernels run by the interpreter, so that a mutant of one needs no compiler while its tests have few rows.

What compiled code does otherwise than Python (division by zero, overflow, the logarithm of a negative number) raises
here; a test that meets this, or a kernel that has cost too much, waits for the compiler.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from geomlat.backends import sources
from geomlat.backends.kernels import Kernel

Name = tuple[str, str]
BUDGET = 0.7
"""Seconds that a kernel may take by the interpreter in one test: the compiler takes several for most kernels."""


class NeedsCompilerError(BaseException):
    """Ends a test that the interpreter cannot decide; no test catches it."""


def parts(f: Callable[..., Any]) -> list[FunctionType]:
    """A compiled function and all those it calls."""
    found, waiting = dict[int, FunctionType](), [f]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            assert isinstance(one, FunctionType)
            found[id(one)] = one
            waiting += [g for g in sources.globals_of(one).values() if sources.is_scalar_source(g)]
    return list(found.values())


class Interpreted:
    """Stands in for the compiled loop of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel, self.left = kernel, BUDGET

    def __call__(self, low: int, high: int, *arguments: Any) -> None:
        """Run the rows; `NeedsCompilerError` where Python raises or has had its time."""
        try:
            self.rows(low, high, arguments)
        except IndexError:  # compiled code would read whatever lies there
            raise
        except Exception as reason:
            raise NeedsCompilerError from reason

    def rows(self, low: int, high: int, arguments: tuple[Any, ...]) -> None:
        """The body for each row, float32 arrays by way of float64, as compiled code with its float64 scalars has it."""
        wide = [a.astype(np.float64) if getattr(a, "dtype", None) == np.float32 else a for a in arguments]
        with np.errstate(all="ignore"):
            for i in range(low, high):
                start = time.thread_time()
                self.kernel.body(i, *wide)
                self.left -= time.thread_time() - start
                if self.left < 0:
                    raise TimeoutError
            for a, w in zip(arguments, wide, strict=True):
                if a is not w and isinstance(a, np.ndarray) and a.flags.writeable:
                    a[...] = w
