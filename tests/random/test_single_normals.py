"""The float32 normals: their words, their law, and that no split of the work changes them."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from geomlat.backends import kernel, thread_limit
from geomlat.random import (
    PURPOSE_SINGLE,
    fill_single_normals,
    normal,
    philox,
    single_circle,
    single_pair,
    stream,
)

SEEDS = range(200)
LEVEL = 1e-4
WORDS = [0, 1, 2**9 - 1, 2**23, 2**30 - 1, 2**31, 2**32 - 512, 2**32 - 1]


@kernel()
def _fill(i, words, out):
    fill_single_normals(words, words[2], out[i])


def normals(n, seed, offset=0):
    out = np.empty((1, n), np.float32)
    _fill(1, stream(seed).at(offset).words, out)
    return out[0]


def exact(a, b):
    """The pair of two words by the formula, in float64 from the rounded uniform on."""
    u = min(float(np.float32((a + 0.5) * 2.0**-32)), 1.0 - 2.0**-24)
    angle = 0.5 * math.pi * (((b >> 7) % 2**23) + 0.5) * 2.0**-23
    r = math.sqrt(-2.0 * math.log(u))
    return r * math.cos(angle) * (-1) ** (b >> 30), r * math.sin(angle) * (-1) ** (b >> 31)


def test_pairs_follow_the_formula():
    words = [*WORDS, *np.random.default_rng(0).integers(0, 2**32, 60).tolist()]
    for a, b in itertools.product(words, words):
        found, wanted = single_pair(np.uint64(a), np.uint64(b)), exact(a, b)
        assert all(type(x) is np.float32 for x in found)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-7 * math.hypot(*wanted))
        assert all(x != 0.0 and math.isfinite(x) for x in found)


def test_the_angle_meets_every_quarter_and_both_ends():
    # The ends of a quarter, where one coordinate is smallest: exact places, no zero, relative errors there too.
    for b in [*(k << 30 for k in range(4)), *((k << 30) - 1 & 2**32 - 1 for k in range(4)), 2**29]:
        u = float(np.float32(((b >> 7) % 2**23 + 0.5) * 2.0**-23))
        c, s = single_circle(np.uint64(b))
        assert float(c) == pytest.approx(math.sin(0.5 * math.pi * (1.0 - u)) * (-1) ** (b >> 30), rel=3e-7, abs=0.0)
        assert float(s) == pytest.approx(math.sin(0.5 * math.pi * u) * (-1) ** (b >> 31), rel=3e-7, abs=0.0)


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 2**34 - 3])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 1001, 9000])
def test_elements_follow_the_scalar_source(offset, n):
    s, found = stream(17), []
    for k in range(offset // 4, (offset + n + 3) // 4):
        key = np.uint64(s.key0), np.uint64(s.key1)
        a, b, c, d = philox(np.uint64(0), np.uint64(k % 2**32), np.uint64(k >> 32), PURPOSE_SINGLE, *key)
        found += [*single_pair(a, b), *single_pair(c, d)]
    # The source rounds a product and a sum twice where the processor rounds once.
    np.testing.assert_allclose(normals(n, 17, offset), found[offset % 4 :][:n], rtol=5e-7)
    assert np.array_equal(normal(n, rng=s.at(offset), dtype=np.float32), normals(n, 17, offset))


def test_thread_counts_agree():
    with thread_limit(1):
        alone = normal(300_001, rng=stream(1).at(2), dtype=np.float32)
    assert np.array_equal(normal(300_001, rng=stream(1).at(2), dtype=np.float32), alone)


def test_the_simulator_draws_the_same(simulated):
    program = """
import numpy as np
from geomlat import random
from geomlat.backends import Kernel
Kernel.cpu = Kernel.cuda
print(random.normal(41, rng=random.stream(8).at(5), dtype=np.float32).tolist())
"""
    np.testing.assert_allclose(simulated(program), normal(41, rng=stream(8).at(5), dtype=np.float32), rtol=5e-7)


@pytest.mark.parametrize("cuts", [(1,), (2,), (3, 4, 9), (1000, 1001, 2111)])
def test_any_split_gives_the_same_draws(cuts):
    edges = [0, *cuts, 5001]
    parts = [normals(b - a, 5, 3 + a) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(normals(5001, 5, 3), np.concatenate(parts))


def test_law():
    p = [stats.kstest(normals(5000, seed).astype(float), stats.norm.cdf).pvalue for seed in SEEDS]
    assert min(p) > LEVEL / len(p)
    assert stats.kstest(p, "uniform").pvalue > LEVEL


def test_neighbours_are_independent():
    # Members of one quadruple and of the next: values and squares, lags 1 to 4, each place; 32 z-scores.
    x = normals(1_000_000, 77).astype(float)
    x = (x - x.mean()) / x.std()
    for y in (x, (x * x - 1.0) / np.std(x * x)):
        for lag in range(1, 5):
            for place in range(4):
                a, b = y[:-lag][place::4], y[lag:][place::4]
                assert abs(np.mean(a * b)) * math.sqrt(len(a)) < 4.5


def test_tails():
    # The expected number beyond 4.5 among 2e6 is 13.6; Poisson, level 1e-4 both sides.
    x = normals(2_000_000, 123)
    low, high = stats.poisson.ppf([5e-5, 1 - 5e-5], 2e6 * 2 * stats.norm.sf(4.5))
    assert low <= np.count_nonzero(np.abs(x) > 4.5) <= high
    assert exact(0, 0)[0] == pytest.approx(math.sqrt(2 * 33 * math.log(2)))
