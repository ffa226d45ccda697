"""How many threads a loop may use, and a loop in Python done in parts by several threads.

Compiled loops have their own, `geomlat.backends.team`. The caller takes parts itself until none is left, so that it
never waits for a helper that has no core. Any number of Python threads may run loops at once.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from functools import cache
from threading import Lock
from typing import Any

PARTS_PER_THREAD = 4
_limit: ContextVar[int | None] = ContextVar("geomlat_threads", default=None)


def thread_count() -> int:
    """How many threads a loop may use here: the `thread_limit`, at most Numba's count (NUMBA_NUM_THREADS)."""
    limit, most = _limit.get(), available()
    return most if limit is None else min(limit, most)


def available() -> int:
    """Numba's count of threads, which is NUMBA_NUM_THREADS or that of the cores."""
    return int(_numba_config().NUMBA_NUM_THREADS)


@cache
def _numba_config() -> Any:
    # An import statement takes a microsecond each time, and a step has a dozen loops.
    from numba import config

    return config


@contextmanager
def thread_limit(threads: int | None) -> Iterator[None]:
    """At most ``threads`` threads of the compiled loops and, if threadpoolctl is installed, of BLAS; None: no limit."""
    if threads is None:
        yield
        return
    before = _limit.set(threads)
    try:
        with _blas_limit(threads):
            yield
    finally:
        _limit.reset(before)


class _OneBlasThread:
    """BLAS on one thread while anyone is inside: its setting is the process's, so the last to leave puts it back."""

    def __init__(self) -> None:
        self.lock, self.inside = Lock(), 0
        self.limiter: Any = None

    def enter(self, controller: Any) -> None:
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                self.limiter = controller.limit(limits=1, user_api="blas")

    def leave(self) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limiter.restore_original_limits()


_one_blas_thread = _OneBlasThread()


@contextmanager
def one_blas_thread() -> Iterator[bool]:
    """BLAS on one thread, for parts that call it themselves; gives False, and does nothing, without threadpoolctl.

    Any number of threads may be inside at once.
    """
    controller = _controller()
    if controller is None:
        yield False
        return
    _one_blas_thread.enter(controller)
    try:
        yield True
    finally:
        _one_blas_thread.leave()


def in_parts(loop: Callable[..., None], n: int, *arrays: Any) -> None:
    """``loop(low, high, *arrays)`` over parts of ``0 .. n - 1`` on up to `thread_count` threads.

    Loops inside a part use the one thread it runs on.
    """
    threads = min(thread_count(), n)
    if threads <= 1:
        loop(0, n, *arrays)
        return
    parts = min(n, PARTS_PER_THREAD * threads)
    waiting = deque((k * n // parts, (k + 1) * n // parts) for k in range(parts))
    held = list(arrays)  # a helper that was not needed stays in the pool's queue, but not with the arrays

    def work() -> None:
        before = _limit.set(1)
        try:
            while waiting:
                try:
                    low, high = waiting.popleft()
                except IndexError:
                    return
                loop(low, high, *held)
        finally:
            _limit.reset(before)

    helpers = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
    try:
        work()
    finally:
        waiting.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
        held.clear()
    for helper in started:
        helper.result()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    from numba import config

    return ThreadPoolExecutor(max(int(config.NUMBA_NUM_THREADS) - 1, 1), thread_name_prefix="geomlat")


@cache
def _controller() -> Any:
    # Finding the loaded libraries takes milliseconds; NumPy's BLAS is there from the start.
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def _blas_limit(threads: int) -> AbstractContextManager[object]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    limits: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limits
