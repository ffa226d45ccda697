"""Uniform and normal draws: the law, the open interval, and that no split of the work changes them."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from geomlat import random
from geomlat.backends import thread_limit
from geomlat.random import normal, philox, stream, uniform, unit

DRAWS = [uniform, normal]
SEEDS = range(200)
LEVEL = 1e-4


def by_hand(draw, n, s):
    """The specification: element j takes its half of the Philox block of counter j // 2."""
    purpose = {uniform: random.PURPOSE_UNIFORM, normal: random.PURPOSE_NORMAL}[draw]
    out = []
    for j in range(s.offset, s.offset + n):
        c, k = j // 2, (np.uint64(s.key0), np.uint64(s.key1))
        a, b, c, d = philox(np.uint64(0), np.uint64(c % 2**32), np.uint64(c >> 32), purpose, *k)
        pair = unit(a, b), unit(c, d)
        out.append((pair if draw is uniform else random.box_muller(*pair))[j % 2])
    return np.array(out)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("offset", [0, 1, 6, 2**33 - 3, 2**34 + 1])
@pytest.mark.parametrize("n", [1, 2, 5, 3000])
def test_draws_follow_the_scalar_source(draw, offset, n):
    s = stream(17).at(offset)
    assert np.array_equal(draw(n, rng=s), by_hand(draw, n, s))


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [(1,), (2,), (3, 4, 9), (1000, 1001, 2111)])
def test_any_split_gives_the_same_draws(draw, dtype, cuts):
    s = stream(5).at(3)
    edges = [0, *cuts, 5001]
    parts = [draw(b - a, rng=s.at(a), dtype=dtype) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(draw(5001, rng=s, dtype=dtype), np.concatenate(parts))


@pytest.mark.parametrize("draw", DRAWS)
def test_a_long_draw_starts_with_a_short_one(draw):
    # The first runs on all threads, the second on one.
    assert np.array_equal(draw(200_003, rng=3)[:77], draw(77, rng=3))


@pytest.mark.parametrize("draw", DRAWS)
def test_thread_counts_agree(draw):
    with thread_limit(1):
        alone = draw(200_001, rng=1)
    assert np.array_equal(draw(200_001, rng=1), alone)


def test_the_simulator_draws_the_same(simulated):
    program = """
import numpy as np
from geomlat import random
from geomlat.backends import Kernel
Kernel.cpu = Kernel.cuda
s = random.stream(8).at(5)
print([random.uniform(41, rng=s).tolist(), random.normal(41, rng=s).tolist()])
"""
    u, z = simulated(program)
    s = stream(8).at(5)
    assert u == uniform(41, rng=s).tolist()
    assert z == normal(41, rng=s).tolist()


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shape", [(), 0, (3, 0), (2, 3)])
def test_shapes(draw, shape):
    assert draw(shape, rng=1).shape == ((shape,) if isinstance(shape, int) else shape)


def test_single_uniforms_are_the_rounded_draw():
    single, double = uniform(4001, rng=2, dtype=np.float32), uniform(4001, rng=2)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=3e-7, atol=3e-7)


def test_single_precision_stays_below_one():
    # Element 3856215 of stream 0 is the first whose float64 value rounds to 1 in float32.
    near_one = stream(0).at(3_856_215)
    assert np.float32(uniform(1, rng=near_one).item()) == 1.0
    assert uniform(1, rng=near_one, dtype=np.float32).item() == 1.0 - 2.0**-24


@pytest.mark.parametrize(("draw", "law"), [(uniform, stats.uniform), (normal, stats.norm)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_law(draw, law, dtype):
    p = [stats.kstest(draw(5000, rng=seed, dtype=dtype).astype(float), law.cdf).pvalue for seed in SEEDS]
    assert min(p) > LEVEL / len(p)
    assert stats.kstest(p, "uniform").pvalue > LEVEL


@pytest.mark.parametrize("draw", DRAWS)
def test_neighbours_are_independent(draw):
    # Both members of a pair, and neighbours across pairs: values and squares, lags 1 to 4; 16 z-scores.
    x = draw(1_000_000, rng=77)
    x = (x - x.mean()) / x.std()
    for y in (x, (x * x - 1.0) / np.std(x * x)):
        for lag in range(1, 5):
            for part in (slice(0, None, 2), slice(1, None, 2)):
                a, b = y[:-lag][part], y[lag:][part]
                assert abs(np.mean(a * b)) * math.sqrt(len(a)) < 4.5


def test_tails():
    # The expected number beyond 4.5 among 2e6 is 13.6; Poisson, level 1e-4 both sides.
    beyond = np.count_nonzero(np.abs(normal(2_000_000, rng=123)) > 4.5)
    low, high = stats.poisson.ppf([5e-5, 1 - 5e-5], 2e6 * 2 * stats.norm.sf(4.5))
    assert low <= beyond <= high
