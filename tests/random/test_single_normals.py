"""The float32 normals: their words, their law, and that no split of the work changes them."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from geomlat.backends import kernel
from geomlat.random import (
    PURPOSE_SINGLE,
    fill_single_normals,
    philox,
    single_normals,
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
    u = min(float(np.float32(((a >> 9) + ((a & 511) + 0.5) / 512) * 2.0**-23)), 1.0 - 2.0**-24)
    turn = ((b >> 30) + ((((b & (2**30 - 1)) >> 7) + 0.5) * 2.0**-23 - 0.5)) / 4
    r = math.sqrt(-2.0 * math.log(u))
    return r * math.cos(2 * math.pi * turn), r * math.sin(2 * math.pi * turn)


def test_pairs_follow_the_formula():
    words = [*WORDS, *np.random.default_rng(0).integers(0, 2**32, 60).tolist()]
    for a, b in itertools.product(words, words):
        found, wanted = single_pair(np.uint64(a), np.uint64(b)), exact(a, b)
        assert all(type(x) is np.float32 for x in found)
        np.testing.assert_allclose(found, wanted, rtol=0, atol=4e-7 * math.hypot(*wanted))
        assert all(x != 0.0 and math.isfinite(x) for x in found)


@pytest.mark.parametrize("offset", [0, 1, 2, 3, 2**34 - 3])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 6, 1001])
def test_elements_follow_the_scalar_source(offset, n):
    s, found = stream(17), []
    for e in range(offset, offset + n):
        quad = single_normals(s.words, np.uint64(e // 4))
        found.append(quad[e % 4])
    np.testing.assert_allclose(normals(n, 17, offset), found, rtol=2e-7)
    k, c = (np.uint64(s.key0), np.uint64(s.key1)), offset // 4
    words = philox(np.uint64(0), np.uint64(c % 2**32), np.uint64(c >> 32), PURPOSE_SINGLE, *k)
    pairs = single_pair(*words[:2]) + single_pair(*words[2:])
    assert pairs == single_normals(s.words, np.uint64(c))


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
    assert exact(0, 2**29)[0] == pytest.approx(math.sqrt(2 * 33 * math.log(2)))
