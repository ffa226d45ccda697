"""Products of small matrices by vector tiles against their source, and scratch memory."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from geomlat.backends import buffers, tiles, vector_tiles
from geomlat.backends.buffers import scratch

dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SHAPES = [(1, 1, 1), (7, 37, 5), (4, 64, 64), (3, 2, 9), (9, 5, 1), (1, 100, 3), (6, 16, 0)]


def numbers(size, dtype, seed):
    return np.random.default_rng(seed).standard_normal(size).astype(dtype)


def tolerance(dtype):
    return 1e-13 if dtype is np.float64 else 1e-5


@dtypes
@pytest.mark.parametrize("finish", [tiles.PLAIN, tiles.RELU, tiles.GATE])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_products(shape, turned, finish, dtype):
    m, n, k = shape
    a, b, start = numbers(m * k + 3, dtype, 0), numbers(k * (n + 2) + 1, dtype, 1), numbers(m * n, dtype, 2)
    gate, out = numbers(m * (n + 1) + 5, dtype, 3), numbers(m * (n + 1) + 2, dtype, 4)
    found, expected = out.copy(), out.copy()
    steps = (1, m) if turned else (k, 1)
    for f, c in ((vector_tiles.product, found), (tiles.product, expected)):
        f(m, n, k, a, 3, *steps, b, 1, n + 2, start, 0, n, c, 2, n + 1, gate, 5, finish)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(dtype))
    left = a[3:].reshape(k, m).T if turned else a[3:].reshape(m, k)
    plain = start.reshape(m, n) + left @ b[1:].reshape(k, n + 2)[:, :n]
    if finish != tiles.PLAIN:
        opened = plain if finish == tiles.RELU else gate[5:].reshape(m, n + 1)[:, :n]
        plain = np.where(opened > 0.0, plain, 0.0)
    rows = found[2:].reshape(m, n + 1)
    np.testing.assert_allclose(rows[:, :n], plain, rtol=0, atol=tolerance(dtype))
    assert np.array_equal(rows[:, n], out[2:].reshape(m, n + 1)[:, n])  # nothing else is written


@dtypes
@pytest.mark.parametrize("shape", [(7, 3, 5), (4, 2, 64), (3, 2, 99), (9, 1, 16), (1, 4, 35)])
def test_dots_and_transposes(shape, dtype):
    m, n, k = shape
    a, b, start = numbers(m * (k + 1) + 3, dtype, 0), numbers(n * (k + 2) + 1, dtype, 1), numbers(m * n, dtype, 2)
    found, expected = np.zeros(m * (n + 1) + 2, dtype), np.zeros(m * (n + 1) + 2, dtype)
    for f, c in ((vector_tiles.dots, found), (tiles.dots, expected)):
        f(m, n, k, a, 3, k + 1, b, 1, k + 2, start, 0, n, c, 2, n + 1)
    plain = start.reshape(m, n) + a[3:].reshape(m, k + 1)[:, :k] @ b[1:].reshape(n, k + 2)[:, :k].T
    np.testing.assert_allclose(found[2:].reshape(m, n + 1)[:, :n], plain, rtol=0, atol=3 * tolerance(dtype))
    np.testing.assert_allclose(found, expected, rtol=0, atol=3 * tolerance(dtype))
    for f in (vector_tiles.transpose, tiles.transpose):
        turned = np.zeros(m * k + 1, dtype)
        f(m, k, a, 3, turned, 1)
        assert np.array_equal(turned[1:].reshape(k, m), a[3 : 3 + m * k].reshape(m, k).T)


def test_transposes_of_whole_squares():
    a, turned = numbers(24 * 17, np.float32, 0), np.zeros(24 * 17, np.float32)
    vector_tiles.transpose(24, 17, a, 0, turned, 0)
    assert np.array_equal(turned.reshape(17, 24), a.reshape(24, 17).T)


def test_a_row_does_not_depend_on_its_neighbours():
    a, b, zeros = numbers(70, np.float32, 0), numbers(10 * 45, np.float32, 1), np.zeros(45, np.float32)
    whole, one = np.zeros(7 * 45, np.float32), np.zeros(45, np.float32)
    vector_tiles.product(7, 45, 10, a, 0, 10, 1, b, 0, 45, zeros, 0, 0, whole, 0, 45, whole, 0, tiles.RELU)
    for i in range(7):
        vector_tiles.product(1, 45, 10, a, 10 * i, 10, 1, b, 0, 45, zeros, 0, 0, one, 0, 45, one, 0, tiles.RELU)
        assert np.array_equal(one, whole[45 * i : 45 * (i + 1)])


def test_a_nan_stays_one_and_a_closed_gate_stops_it():
    a, b, zeros = np.full(1, np.nan), np.ones(1), np.zeros(1)
    for finish, gate, expected in ((tiles.RELU, 0.0, np.nan), (tiles.GATE, 1.0, np.nan), (tiles.GATE, 0.0, 0.0)):
        for f in (vector_tiles.product, tiles.product):
            out = np.zeros(1)
            f(1, 1, 1, a, 0, 1, 1, b, 0, 1, zeros, 0, 0, out, 0, 1, np.full(1, gate), 0, finish)
            np.testing.assert_equal(out[0], expected)


def test_scratch_is_lent_again_only_when_nothing_refers_to_it(monkeypatch):
    monkeypatch.setattr(buffers, "_free", {})
    first = scratch(1000, np.float64)
    first[:] = 1.0
    part, place = first[10:20], first.ctypes.data
    del first
    gc.collect()
    other = scratch(2000, np.float32)
    assert other.dtype == np.float32
    assert other.shape == (2000,)
    assert other.ctypes.data != place
    other[:] = 2.0
    assert (part == 1.0).all()
    del part
    gc.collect()
    assert scratch(2000, np.float32).ctypes.data == place  # as many bytes
    assert scratch(10, np.float64).size == 10


def test_scratch_keeps_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(buffers, "_free", {})
    monkeypatch.setattr(buffers, "KEPT", 1000)
    for size in (100, 120, 200):
        scratch(size, np.float64)
    assert list(buffers._free) == [960]
    scratch(126, np.float64)
    assert list(buffers._free) == [960]
    both = scratch(5, np.float64), scratch(5, np.float64)
    del both
    assert {size: len(kept) for size, kept in buffers._free.items()} == {40: 1}


def test_no_two_threads_are_lent_the_same_scratch():
    def spoiled(mark):
        found = 0
        for k in range(300):
            held = [scratch(50 + k % 3, np.float64) for _ in range(3)]
            for buffer in held:
                buffer[:] = mark
            time.sleep(0.0)
            found += sum(int((buffer != mark).any()) for buffer in held)
        return found

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(spoiled, range(4))) == [0, 0, 0, 0]
