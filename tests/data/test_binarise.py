"""Binarisation: known answers, exact ends, the same draws for any batch split."""

from __future__ import annotations

import numpy as np
import pytest

from geomlat.data import binarise, scale, threshold
from geomlat.data.binarise import PURPOSE_BINARISE, _binarise
from geomlat.random import philox, stream

GREY = np.random.default_rng(0).integers(0, 256, (13, 30), dtype=np.uint8)


def test_frequencies_match_the_grey_level() -> None:
    grey = np.tile(np.arange(256, dtype=np.uint8), (20000, 1))
    mean = binarise(grey, rng=1).mean(axis=0, dtype=float)
    p = np.arange(256) / 255
    z = (mean - p)[1:-1] / np.sqrt(p * (1 - p) / len(grey))[1:-1]
    assert mean[0] == 0
    assert mean[255] == 1
    assert np.abs(z).max() < 4.9
    assert (z**2).sum() == pytest.approx(254, abs=5 * np.sqrt(2 * 254))


def test_every_pixel_compares_its_own_word_of_the_counter() -> None:
    s = stream(7).at(40)
    words = [philox(*map(np.uint64, (j // 4, 40 + i, 0, PURPOSE_BINARISE, s.key0, s.key1)))[j % 4] for i, j in PAIRS]
    expected = [int(w) * 255 < int(GREY[i, j]) << 32 for (i, j), w in zip(PAIRS, words, strict=True)]
    assert binarise(GREY, rng=s)[tuple(np.transpose(PAIRS))].tolist() == expected


PAIRS = [(i, j) for i in (0, 5, 12) for j in range(30)]


def test_the_python_source_is_the_compiled_loop() -> None:
    out = np.empty(GREY.shape, np.float32)
    for i in range(len(GREY)):
        _binarise.body(i, stream(3).words, GREY, out)
    np.testing.assert_array_equal(out, binarise(GREY, rng=3))


def test_draws_do_not_depend_on_the_batch_split() -> None:
    whole, s = binarise(GREY, rng=5), stream(5)
    parts = [binarise(GREY[a:b], rng=s.at(a)) for a, b in [(0, 4), (4, 5), (5, 13)]]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert (binarise(GREY, rng=6) != whole).any()


@pytest.mark.parametrize("prepare", [binarise, threshold, scale])
def test_batches_of_any_kind(prepare) -> None:
    frozen = GREY.copy()
    frozen.flags.writeable = False
    expected = prepare(GREY, rng=0)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(prepare(frozen, rng=0), expected)
    np.testing.assert_array_equal(prepare(np.asfortranarray(GREY), rng=0), expected)
    np.testing.assert_array_equal(prepare(np.repeat(GREY, 2, axis=0)[::2], rng=0), expected)
    assert prepare(GREY[:0], rng=0).shape == (0, 30)


def test_fixed_rules() -> None:
    grey = np.array([[0, 127, 128, 255]], np.uint8)
    assert threshold(grey).tolist() == [[0, 0, 1, 1]]
    np.testing.assert_allclose(scale(grey), [[0, 127 / 255, 128 / 255, 1]], rtol=1e-7)


def test_wrong_batches_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8, got float64"):
        binarise(GREY / 255, rng=0)
    with pytest.raises(ValueError, match=r"\(n, pixels\), got \(30,\)"):
        binarise(GREY[0], rng=0)
