"""How many threads work while something long runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext


@contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """At most ``threads`` threads of the compiled loops and, if threadpoolctl is installed, of BLAS; None: no limit."""
    if threads is None:
        yield
        return
    from geomlat.backends.cpu import limit_threads

    with limit_threads(threads), _blas_limit(threads):
        yield


def _blas_limit(threads: int) -> AbstractContextManager[object]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limits
