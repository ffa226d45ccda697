"""Serial and parallel loops, rows of arrays, and several Python threads at once."""

import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from geomlat.backends import aligned, kernel, rows, scalar
from geomlat.backends.kernels import PARALLEL_WORK


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


def data(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = np.random.default_rng(n).random((n, 3))
    return x, np.array([[1.0, 2.0, 3.0]]), np.zeros((n, 3))


def test_both_loops_equal_the_python_body():
    x, shift, out = data(50)
    weigh(50, x, shift, out)
    expected = np.zeros_like(out)
    for i in range(50):
        weigh.body(i, x, shift, expected)
    np.testing.assert_allclose(out, expected, rtol=1e-14)
    again = np.zeros_like(out)
    weigh._parallel(50, x, shift, again)
    assert np.array_equal(out, again)


def test_the_work_decides_the_loop(monkeypatch):
    small, large = data(4), data(int(PARALLEL_WORK / 300) + 1)
    weigh(4, *small)
    used = []
    monkeypatch.setattr(weigh, "_serial", lambda n, *a: used.append("serial"))
    monkeypatch.setattr(weigh, "_parallel", lambda n, *a: used.append("parallel"))
    weigh(4, *small)
    weigh(len(large[0]), *large)
    assert used == ["serial", "parallel"]


def test_no_rows_is_no_work():
    weigh(0, *data(0))


def test_python_threads_may_share_a_parallel_loop():
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


@pytest.mark.parametrize(("chosen", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(chosen, policy):
    # libgomp prints its settings when it is loaded.
    program = "import os; before = dict(os.environ); import geomlat.backends.cpu as cpu; "
    program += "print(before == dict(os.environ)); cpu.threads()"
    env = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    env |= {"OMP_DISPLAY_ENV": "verbose", **chosen}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("Numba has no libgomp here")
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
