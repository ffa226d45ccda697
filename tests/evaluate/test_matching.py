"""Accuracy of a clustering by the best matching of clusters to labels."""

import itertools

import numpy as np
import pytest

from geomlat.evaluate import matched_accuracy


def test_it_is_the_best_of_all_matchings():
    gen = np.random.default_rng(0)
    labels, found = gen.integers(0, 4, 60), gen.integers(0, 4, 60)
    best = max(np.mean(np.array(order)[found] == labels) for order in itertools.permutations(range(4)))
    assert matched_accuracy(labels, found) == pytest.approx(best)
    assert matched_accuracy(labels, 3 - labels) == 1.0
    assert matched_accuracy([0, 0, 1, 1], [0, 1, 2, 2]) == 0.75
    assert matched_accuracy([0, 1, 2, 2], [0, 0, 1, 1]) == 0.75


def test_mistakes():
    with pytest.raises(ValueError, match="two vectors of one length"):
        matched_accuracy([0, 1], [0])
