"""Loops in parts: every row once, the limit kept, errors and interrupts waited for, forks and other threads at home."""

import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import wait

import numba
import numpy as np
import pytest

from geomlat.backends import thread_limit
from geomlat.backends.threads import _pool, in_parts, one_blas_thread, thread_count


@pytest.fixture(autouse=True)
def four_threads(monkeypatch):
    """As on a machine of four cores."""
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 1000])
def test_every_row_once(n):
    count = np.zeros(n, int)

    def loop(low, high):
        count[low:high] += 1

    in_parts(loop, n)
    assert np.array_equal(count, np.ones(n, int))


def test_several_threads_work():
    seen = set()

    def loop(low, high):
        seen.add(threading.get_ident())
        time.sleep(0.02)

    in_parts(loop, 1000)
    assert 2 <= len(seen) <= 4
    assert threading.get_ident() in seen


def test_the_limit_is_kept_and_given_back():
    seen = set()

    def loop(low, high):
        seen.add((threading.get_ident(), low, high))

    with thread_limit(1):
        assert thread_count() == 1
        in_parts(loop, 1000)
        with thread_limit(3):
            assert thread_count() == 3
        assert thread_count() == 1
    assert seen == {(threading.get_ident(), 0, 1000)}
    with thread_limit(100):
        assert thread_count() == 4
    with thread_limit(None):
        assert thread_count() == 4


def test_a_loop_inside_a_part_uses_its_thread():
    seen = set()
    in_parts(lambda low, high: seen.add(thread_count()), 1000)
    assert seen == {1}
    assert thread_count() == 4


def test_a_helper_that_never_started_holds_no_array():
    """The pool is busy: the helpers of a loop wait in its queue until long after the loop has ended."""
    busy = threading.Event()
    blockers = [_pool(os.getpid()).submit(busy.wait) for _ in range(64)]
    try:
        a = np.zeros(1000)
        gone = weakref.ref(a)
        in_parts(lambda low, high, a: None, 1000, a)
        del a
        assert gone() is None
    finally:
        busy.set()
        wait(blockers)


def test_the_last_to_leave_gives_the_blas_threads_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        before = threads()
        first, second = one_blas_thread(), one_blas_thread()
        assert first.__enter__()
        assert second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == before
        with pytest.raises(KeyError), one_blas_thread():
            raise KeyError
        assert threads() == before


@pytest.mark.parametrize("broken", [0, 62, 937])
def test_an_error_reaches_the_caller_and_nothing_runs_on(broken):
    running = []

    def loop(low, high):
        running.append(low)
        time.sleep(0.005)
        running.remove(low)
        if low == broken:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        in_parts(loop, 1000)
    assert not running


def test_a_forked_child_has_threads_of_its_own():
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from geomlat.random import normal
before = normal(10**6, rng=1)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(normal(10**6, rng=1), before) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    env = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    assert subprocess.run([sys.executable, "-c", program], env=env, timeout=60, check=False).returncode == 0
