"""Serial and parallel loops, rows of arrays, and several Python threads at once."""

import math
import threading
from types import FunctionType

import numba
import numpy as np
import pytest

from geomlat.backends import aligned, kernel, rows, scalar, summation, thread_limit
from geomlat.backends.kernels import SHARED_WORK, WAKING_WORK


@scalar
def weight(x: float, k: int) -> float:
    """Something with a loop and a branch."""
    total = 0.0
    for j in range(k):
        total += math.sin(x + j) if x > 0.5 else x
    return total


@kernel(cost=100.0)
def weigh(i: int, x: np.ndarray, shift: np.ndarray, out: np.ndarray) -> None:
    """Row i of x against its own or the shared row of shift."""
    s = min(i, len(shift) - 1)
    for j in range(x.shape[1]):
        out[i, j] = weight(x[i, j], 3) + shift[s, j]


def plain_sum(x: np.ndarray, i: int) -> float:
    """One term after the other."""
    total = 0.0
    for j in range(x.shape[1]):
        total += x[i, j]
    return total


one_by_one, in_any_order = scalar(plain_sum), summation(FunctionType(plain_sum.__code__, globals(), "in_any_order"))


@kernel()
def add_up(i: int, x: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Both sums of row i."""
    first[i], second[i] = one_by_one(x, i), in_any_order(x, i)


def test_a_summation_keeps_partial_sums_and_nothing_else_does():
    x = np.ones((5, 1000))
    x[:, 0] = 1e16
    x[3] *= 1.5
    first, second = np.zeros(5), np.zeros(5)
    add_up(5, x, first, second)
    assert first[0] == 1e16
    assert second[0] == pytest.approx(1e16 + 999, abs=300)
    assert second[0] != first[0]
    alone = np.zeros(1)
    add_up(1, x[3:4], np.zeros(1), alone)
    assert alone[0] == second[3]


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.random.default_rng(n).random((n, 3))
    return x, np.array([[1.0, 2.0, 3.0]]), np.zeros((n, 3))


def test_the_loop_equals_the_python_body():
    x, shift, out = data(50)
    weigh(50, x, shift, out)
    expected = np.zeros_like(out)
    for i in range(50):
        weigh.body(i, x, shift, expected)
    np.testing.assert_allclose(out, expected, rtol=1e-14)


def test_the_work_decides_who_takes_part(monkeypatch):
    asked = []
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    monkeypatch.setattr("geomlat.backends.team.gather", lambda count, *, wake: asked.append((count, wake)) or [])
    for work in (SHARED_WORK - 300, SHARED_WORK + 300, WAKING_WORK + 300):
        rows_of = data(int(work / 300))
        weigh(len(rows_of[0]), *rows_of)
    assert asked == [(2, False), (2, True)]
    with thread_limit(1):
        weigh(len(rows_of[0]), *rows_of)
    weigh(1, *rows_of)
    assert len(asked) == 2


def test_the_cost_may_be_a_function():
    asked = []
    counted = kernel(cost=lambda n, *arrays: asked.append((n, len(arrays))) or 0.0)(weigh.body)
    counted(2, *data(2))
    assert asked == [(2, 3)]


def test_no_rows_is_no_work():
    weigh(0, *data(0))


def test_python_threads_may_share_the_helpers(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    n, results = 20_000, {}
    x, shift, expected = data(n)
    weigh(n, x, shift, expected)

    def work(k: int) -> None:
        out = np.zeros((n, 3))
        for _ in range(5):
            weigh(n, x, shift, out)
        results[k] = out

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 4
    assert all(np.array_equal(out, expected) for out in results.values())


@pytest.mark.parametrize("event", [0, 1, 2])
def test_rows_keep_one_shared_row(event):
    tail = (2, 3)[:event]
    x = np.arange(math.prod(tail), dtype=float).reshape(tail)
    width = () if event == 0 else (math.prod(tail),)
    assert rows(x, (5, 4), event).shape == (1, *width)
    assert rows(np.broadcast_to(x, (4, *tail)), (5, 4), event).shape == (20, *width)
    assert rows(np.broadcast_to(x, (0, *tail)), (0,), event).shape == (0, *width)


def test_rows_alias_without_copying():
    x = np.arange(12.0).reshape(4, 3)
    assert np.shares_memory(rows(x, (4,)), x)
    x.flags.writeable = False
    assert np.shares_memory(rows(x, (4,)), x)
    assert rows(x, (4,)).flags.writeable
    assert rows(x.T, (3,)).flags.c_contiguous


def test_aligned_broadcasts_batches():
    x, y = np.zeros((2, 1, 3)), np.arange(4.0)
    shape, (a, b) = aligned(x, y, events=[1, 0])
    assert shape == (2, 4)
    assert a.shape == (8, 3)
    assert b.tolist() == [0.0, 1.0, 2.0, 3.0] * 2
    with pytest.raises(ValueError, match="shape mismatch"):
        aligned(np.zeros((2, 3)), np.zeros(4), events=[1, 0])
