"""What an ``rng=`` argument means, and how streams divide."""

import numpy as np
import pytest

from geomlat.random import Stream, normal, stream, uniform

WORDS = [0, 1, 97, "a", "ab", "", 2**32, 2**40 + 1]


def test_an_int_names_a_stream():
    assert stream(5) == stream(5) == stream(np.int64(5)) != stream(6)


def test_a_generator_advances():
    rng = np.random.default_rng(0)
    first, second = stream(rng), stream(rng)
    assert first != second
    assert first == stream(np.random.default_rng(0))
    assert np.any(normal(4, rng=rng) != normal(4, rng=rng))


def test_a_stream_is_not_advanced():
    s = stream(3)
    assert stream(s) is s
    assert np.array_equal(normal(5, rng=s), normal(5, rng=s))


def test_none_takes_fresh_entropy():
    assert stream(None) != stream(None)


def test_global_state_is_not_read():
    np.random.seed(1)  # noqa: NPY002
    first = normal(3, rng=7)
    np.random.seed(2)  # noqa: NPY002
    assert np.array_equal(first, normal(3, rng=7))


@pytest.mark.parametrize("bad", [-1, np.int64(-3)])
def test_a_negative_seed_is_refused(bad):
    with pytest.raises(ValueError, match="non-negative int, got -"):
        stream(bad)


@pytest.mark.parametrize("bad", [True, 1.5, "seed", np.random.RandomState(0), [1, 2]])
def test_other_types_are_refused(bad):
    with pytest.raises(TypeError, match=f"got {type(bad).__name__}"):
        stream(bad)


@pytest.mark.parametrize("draw", [uniform, normal])
def test_bad_draws_are_refused(draw):
    with pytest.raises(ValueError, match="negative"):
        draw((2, -1), rng=0)
    with pytest.raises(TypeError, match="float32 or float64"):
        draw(3, rng=0, dtype=np.int64)


def test_paths_name_different_children():
    paths = [(), *[(a,) for a in WORDS], *[(a, b) for a in WORDS for b in WORDS], (0, 0, 0), (0, 0, 0, 0)]
    keys = {stream(1).child(*p) for p in paths}
    assert len(keys) == len(paths)
    assert stream(1).child("x") != stream(2).child("x")
    assert stream(1).child("x", 3) == stream(1).child("x", np.int64(3)) == stream(1).at(9).child("x", 3)


def test_children_refuse_floats():
    with pytest.raises(TypeError):
        stream(1).child(0.5)


def test_children_are_uncorrelated():
    # 40 * 39 / 2 pairs of children and their parent: the largest of 820 z-scores, family-wise level 1e-3.
    n, parent = 2000, stream(11)
    draws = np.stack([normal(n, rng=parent), *[normal(n, rng=parent.child(k)) for k in range(40)]])
    z = np.corrcoef(draws)[np.triu_indices(41, 1)] * np.sqrt(n)
    assert np.abs(z).max() < 4.99
    assert abs(np.mean(z**2) - 1.0) < 3.3 * np.sqrt(2.0 / z.size)


def test_generator_depends_on_key_and_offset():
    s = stream(4)
    a, b, c = (x.generator().random(3) for x in (s, Stream(s.key0, s.key1), s.at(1)))
    assert np.array_equal(a, b)
    assert np.any(a != c)
