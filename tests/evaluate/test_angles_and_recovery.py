"""Scores of predicted angles, and whether a latent space found a circle or a tree."""

import numpy as np
import pytest
import scipy.stats

from geomlat.data import load, tree
from geomlat.distributions import VonMises
from geomlat.evaluate import (
    angular_scores,
    circle_recovery,
    circular_correlation,
    circular_rank_correlation,
    distance_recovery,
    independent_angles,
)
from geomlat.manifolds import PoincareBall
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.random import stream

RNG = np.random.default_rng(0)


def rows(n=40, places=3):
    angles = RNG.uniform(-np.pi, np.pi, (n, places))
    there = np.arange(places) < RNG.integers(1, places + 1, n)[:, None]
    return angles, there


def test_errors_go_the_short_way_round():
    true = pairs_from_angles(np.radians([[179.0, 0.0], [-90.0, 10.0]]), np.array([[True, True], [True, False]]))
    predicted = 7.0 * pairs_from_angles(np.radians([[-179.0, 30.0], [-86.0, 99.0]]))
    scores = angular_scores(predicted, true, bins=4)
    assert scores.mean_error == pytest.approx(12.0)
    assert scores.median_error == pytest.approx(4.0)
    np.testing.assert_array_equal(scores.edges, [-180, -90, 0, 90, 180])
    np.testing.assert_array_equal(scores.bin_counts, [0, 1, 1, 1])
    np.testing.assert_allclose(scores.bin_errors, [np.nan, 4.0, 30.0, 2.0])
    assert "12.00 +- " in str(scores)


def test_the_standard_error_is_that_of_rows():
    """Repeating every angle within its row adds nothing; repeating the rows halves the variance."""
    angles, _ = rows(60, 1)
    true, predicted = pairs_from_angles(angles), pairs_from_angles(angles + 0.5 * RNG.standard_normal(angles.shape))
    one = angular_scores(predicted, true)
    errors = np.degrees(np.abs(np.mod(np.arctan2(predicted[:, 1], predicted[:, 0]) - angles[:, 0] + np.pi, 2 * np.pi)))
    errors = np.abs(errors - 180.0)
    assert one.standard_error == pytest.approx(errors.std() / np.sqrt(60))
    wide = angular_scores(np.tile(predicted, 4), np.tile(true, 4))
    long = angular_scores(np.tile(predicted, (2, 1)), np.tile(true, (2, 1)))
    assert wide.standard_error == pytest.approx(one.standard_error)
    assert long.standard_error == pytest.approx(one.standard_error / np.sqrt(2))


def test_absent_angles_do_not_count():
    angles, there = rows()
    predicted = RNG.standard_normal((40, 6))
    scores = angular_scores(predicted, pairs_from_angles(angles, there))
    other = predicted.reshape(40, 3, 2).copy()
    other[~there] = 5.0
    again = angular_scores(other.reshape(40, 6), pairs_from_angles(angles, there))
    assert scores.mean_error == again.mean_error
    assert scores.correlation == again.correlation
    assert scores.standard_error == again.standard_error
    assert scores.bin_counts.sum() == there.sum()
    with pytest.raises(ValueError, match="some angles"):
        angular_scores(predicted, np.zeros((40, 6)))


def test_the_correlation_is_that_of_its_definition():
    a = RNG.vonmises(0.3, 1.5, 30)
    b = a + RNG.vonmises(0.0, 2.0, 30)
    i, j = np.triu_indices(30, 1)
    da, db = np.sin(a[i] - a[j]), np.sin(b[i] - b[j])
    expected = (da @ db) / np.sqrt((da @ da) * (db @ db))
    assert circular_correlation(a, b) == pytest.approx(expected, abs=1e-12)
    assert circular_correlation(a, 2.0 - a) == pytest.approx(-1.0)
    assert circular_correlation(a, a + 5.0) == pytest.approx(1.0)
    assert circular_correlation(a, np.ones(30)) == 0.0


def test_ranks_see_the_cyclic_order_alone():
    a = RNG.uniform(0, 2 * np.pi, 50)
    stretched = a + 0.9 * np.sin(a)
    assert circular_correlation(a, stretched) < 0.95
    assert circular_rank_correlation(a, stretched) == pytest.approx(1.0)
    assert circular_rank_correlation(a, np.mod(-stretched + 2.0, 2 * np.pi)) == pytest.approx(-1.0)
    assert abs(circular_rank_correlation(a, RNG.permutation(a))) < 0.4


def test_independent_angles_are_von_mises_laws_by_place():
    angles, there = rows(200)
    angles = angles * 0.4
    train, test = (pairs_from_angles(x[s], there[s]) for x, s in ((angles, slice(150)), (angles, slice(150, 200))))
    expected = np.zeros(50)
    for j in range(3):
        law = VonMises.fit(angles[:150][there[:150, j], j][:, None])
        each = scipy.stats.vonmises.logpdf(angles[150:, j], law.kappa[0], loc=law.loc[0])
        expected += np.where(there[150:, j], each, 0.0)
    np.testing.assert_allclose(independent_angles(train, test), expected, rtol=1e-10)
    nothing = independent_angles(np.zeros((5, 6)), test)
    np.testing.assert_allclose(nothing, -np.log(2 * np.pi) * there[150:].sum(-1))


@pytest.mark.parametrize("centre", [(0.0, 0.0), (5.0, -2.0)])
def test_a_stretched_closed_curve_is_a_circle(centre):
    t = RNG.uniform(0, 2 * np.pi, 300)
    z = np.stack([3.0 * np.cos(t), np.sin(t)], axis=-1) + centre
    found = circle_recovery(z, t)
    assert found.recovered
    assert found.rank_correlation == pytest.approx(1.0, abs=1e-3)
    assert found.correlation < found.rank_correlation
    assert "circle recovered" in str(found)


def test_folded_and_scattered_codes_are_no_circle():
    t = RNG.uniform(0, 2 * np.pi, 300)
    folded = np.stack([np.cos(t), np.abs(np.sin(t))], axis=-1)
    twice = np.stack([np.cos(2 * t), np.sin(2 * t)], axis=-1)
    for z in (folded, twice, RNG.standard_normal((300, 2))):
        assert not circle_recovery(z, t).recovered
    with pytest.raises(ValueError, match=r"codes \(n, 2\)"):
        circle_recovery(np.zeros((5, 3)), np.zeros(5))


def test_distances_are_correlated_over_pairs():
    x = RNG.standard_normal((20, 2))
    true = np.sqrt(((x[:, None] - x) ** 2).sum(-1))
    found = distance_recovery(3.0 * x, true)
    assert found.correlation == pytest.approx(1.0)
    stretched = distance_recovery(x, true**3)
    assert stretched.rank_correlation == pytest.approx(1.0)
    assert stretched.correlation < 0.95
    i, j = np.triu_indices(20, 1)
    ball, z = PoincareBall(2), 0.2 * x
    curved = distance_recovery(z, true, pairwise_dist=ball.pairwise_dist)
    expected = scipy.stats.pearsonr(ball.dist(z[i], z[j]), true[i, j]).statistic
    assert curved.correlation == pytest.approx(expected)
    collapsed = distance_recovery(np.ones((20, 2)), true)
    assert (collapsed.correlation, collapsed.rank_correlation) == (0.0, 0.0)
    with pytest.raises(ValueError, match=r"\(n, n\)"):
        distance_recovery(x, true[:5])


def test_bits_of_the_tree_are_as_far_apart_as_its_nodes():
    d = load("tree")
    bits = d.train.astype(int)
    assert bits.shape == (255, 254)
    hamming = (bits[:, None] != bits).sum(-1)
    steps = np.full((255, 255), 10**6)
    np.fill_diagonal(steps, 0)
    for child in range(1, 255):
        parent = (child - 1) // 2
        steps[child, :child] = steps[parent, :child] + 1
        steps[:child, child] = steps[child, :child]
    np.testing.assert_array_equal(hamming, steps)
    np.testing.assert_array_equal(bits.sum(1), d.train_labels)
    assert np.bincount(d.train_labels).tolist() == [1, 2, 4, 8, 16, 32, 64, 128]


def test_bits_flip_anew_whatever_the_batches():
    d = tree(5, noise=0.2)
    rng = stream(3)
    x = d.prepare(d.train, rng=rng)
    assert x.dtype == np.float32
    assert set(np.unique(x)) == {0.0, 1.0}
    parts = np.concatenate([d.prepare(d.train[:10], rng=rng), d.prepare(d.train[10:], rng=rng.at(10))])
    np.testing.assert_array_equal(parts, x)
    flips = np.stack([d.prepare(d.train, rng=k) != d.train for k in range(100)])
    assert flips.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.16 / flips.size))
    np.testing.assert_array_equal(tree(3, noise=0.0).prepare(tree(3).train, rng=0), tree(3).train)
    with pytest.raises(ValueError, match="2 <= depth <= 14"):
        tree(1)
