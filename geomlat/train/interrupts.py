"""Ctrl-C and threads around a training loop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Within, Ctrl-C is raised by the function this yields, so that no step is cut in two; a second one at once.

    Outside the main thread, and where the program has a handler of its own, nothing is changed.
    """
    pending = False

    def remember(signum: int, frame: FrameType | None) -> None:
        nonlocal pending
        if pending:
            raise KeyboardInterrupt
        pending = True

    def check() -> None:
        if pending:
            raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield check
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
