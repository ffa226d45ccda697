"""Worker processes that stop at a checkpoint when they are told to, or when the process that made them is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from geomlat.reproduce.running import Job, execute

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_working = threading.Event()


@contextmanager
def workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """An executor of ``count`` processes of one thread each; if the block is left by an exception they are stopped."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(stop, os.getpid()))
    try:
        yield executor
    except BaseException:
        stop.set()
        raise
    finally:
        executor.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


def work(job: Job) -> dict[str, Any]:
    """`execute` in a worker."""
    return call(execute, job)


def call(f: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """``f(*args)`` in a worker: here an interrupt ends the run, elsewhere it ends nothing."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _working.set()
    try:
        return f(*args)
    except KeyboardInterrupt as stop:
        # An Exception, since a KeyboardInterrupt would take the worker down and report a broken pool.
        raise InterruptedError(str(stop) or "interrupted") from None
    finally:
        _working.clear()
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _begin(stop: Any, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_watch, args=(stop, parent), daemon=True).start()


def _watch(stop: Any, parent: int) -> None:
    while not stop.wait(1.0) and os.getppid() == parent:
        pass
    if _working.is_set():
        os.kill(os.getpid(), signal.SIGINT)
    if os.getppid() != parent:
        while _working.is_set():
            time.sleep(0.1)
        os._exit(1)
