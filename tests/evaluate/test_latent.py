"""kNN, label subsets and clustering scores against scikit-learn and by construction."""

import tracemalloc

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier

from geomlat import random
from geomlat.evaluate import (
    cluster_scores,
    k_medoids,
    knn_accuracy,
    knn_predict,
    label_subsets,
    neighbours,
    subset_accuracies,
)


def angles(x, y):
    return np.arccos(np.clip(np.asarray(x) @ np.asarray(y).T, -1.0, 1.0))


def on_sphere(n, rng):
    x = random.normal((n, 3), rng=rng)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def latent():
    """Noisy regions of the sphere: 400 training and 150 test points of 4 classes."""
    z = on_sphere(550, 0)
    noisy = z + 0.6 * random.normal(z.shape, rng=1)
    y = np.array([3, 7, 11, 12])[2 * (noisy[:, 0] > 0) + (noisy[:, 1] > 0)]
    return z[:400], y[:400], z[400:], y[400:]


@pytest.mark.parametrize("k", [1, 2, 5, 400])
@pytest.mark.parametrize("metric", [None, angles])
def test_knn_is_scikit_learns(latent, k, metric, monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 400 * 32)
    train_z, train_y, test_z, test_y = latent
    reference = KNeighborsClassifier(k, algorithm="brute", metric="precomputed")
    d = metric or neighbours.euclidean
    reference.fit(d(train_z, train_z), train_y)
    predicted = knn_predict(train_z, train_y, test_z, k=k, pairwise_dist=metric)
    np.testing.assert_array_equal(predicted, reference.predict(d(test_z, train_z)))
    accuracy = knn_accuracy(train_z, train_y, test_z, test_y, k=k, pairwise_dist=metric)
    assert accuracy == pytest.approx(np.mean(predicted == test_y))


def test_chord_and_angle_have_the_same_neighbours(latent):
    by_angle = knn_predict(*latent[:3], k=5, pairwise_dist=angles)
    np.testing.assert_array_equal(knn_predict(*latent[:3], k=5), by_angle)


def test_the_metric_decides():
    train, test = np.array([[1.0, 0.0], [0.0, 9.0]]), np.array([[1.0, 8.0]])
    assert knn_predict(train, ["right", "up"], test, k=1) == "up"
    assert knn_predict(train, ["right", "up"], test, k=1, pairwise_dist=lambda x, y: -neighbours.euclidean(x, y)) == (
        "right"
    )


def test_ties_go_to_the_earlier_point_then_to_the_smaller_label():
    points, at = np.array([[1.0], [-1.0], [1.0], [-1.0]]), np.array([[0.0]])
    for labels, k, winner in [
        ([4, 2, 2, 2], 1, 4),
        ([2, 4, 4, 4], 1, 2),
        ([4, 2, 2, 4], 2, 2),
        ([4, 2, 4, 2], 3, 4),
        ([4, 2, 4, 2], 4, 2),
    ]:
        assert knn_predict(points, labels, at, k=k) == winner
    many = np.zeros((1000, 1))
    assert knn_predict(many, np.arange(1000), at, k=1) == 0


def test_knn_memory_does_not_grow_with_the_test_set(monkeypatch):
    monkeypatch.setattr(neighbours, "BLOCK", 2**16)

    def peak(n):
        z = random.normal((n, 2), rng=0)
        tracemalloc.start()
        knn_predict(z[:500], np.arange(500) % 7, z, k=5)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(1000)
    assert peak(20000) < 1.1 * peak(1000) + 4 * 8 * 20000


def test_knn_input_is_checked(latent):
    train_z, train_y, test_z, test_y = latent
    with pytest.raises(ValueError, match="399 labels for 400 points"):
        knn_predict(train_z, train_y[1:], test_z)
    with pytest.raises(ValueError, match=r"training points \(400\), got 401"):
        knn_predict(train_z, train_y, test_z, k=401)
    with pytest.raises(ValueError, match="one label per test point"):
        knn_accuracy(train_z, train_y, test_z, test_y[1:])


def test_label_subsets_are_balanced_and_paired():
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(10), 50))
    sets = label_subsets(labels, 100, n_sets=6, rng=4)
    assert sets.shape == (6, 100)
    for s in sets:
        assert len(np.unique(s)) == 100
        np.testing.assert_array_equal(np.bincount(labels[s]), 10)
    assert not np.array_equal(sets[0], sets[1])
    np.testing.assert_array_equal(sets, label_subsets(labels, 100, n_sets=6, rng=4))
    np.testing.assert_array_equal(sets[:2], label_subsets(labels, 100, n_sets=2, rng=4))
    uneven = [np.bincount(labels[s]) for s in label_subsets(labels, 23, n_sets=6, rng=4)]
    assert all(sorted(u) == [2] * 7 + [3] * 3 for u in uneven)
    assert len({tuple(u) for u in uneven}) > 1
    for wrong in (9, 501):
        with pytest.raises(ValueError, match=f"got {wrong}"):
            label_subsets(labels, wrong, rng=0)


def test_subset_accuracies_use_only_the_subset(latent):
    train_z, train_y, test_z, test_y = latent
    found = subset_accuracies(train_z, train_y, test_z, test_y, 40, n_sets=3, k=3, pairwise_dist=angles, rng=9)
    sets = label_subsets(train_y, 40, n_sets=3, rng=9)
    expected = [knn_accuracy(train_z[s], train_y[s], test_z, test_y, k=3, pairwise_dist=angles) for s in sets]
    np.testing.assert_array_equal(found, expected)


def test_scores_are_scikit_learns(latent):
    z, y = latent[0], latent[1]
    scores = cluster_scores(z, y, pairwise_dist=angles, rng=2)
    d = angles(z, z)
    np.fill_diagonal(d, 0)
    assert scores.silhouette == pytest.approx(silhouette_score(d, y, metric="precomputed"))
    assert scores.silhouette != pytest.approx(silhouette_score(z, y), abs=1e-3)
    assert 0 < scores.ari < 1
    assert 0 < scores.nmi < 1
    assert scores == cluster_scores(z, y, pairwise_dist=angles, rng=2)


def test_planted_clusters_are_found_whole():
    centres, y = on_sphere(6, 12), np.arange(300) % 6
    z = centres[y] + 0.03 * random.normal((300, 3), rng=13)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    scores = cluster_scores(z, y, pairwise_dist=angles, rng=0)
    assert (scores.ari, scores.nmi) == pytest.approx((1.0, 1.0))
    assert scores.silhouette > 0.7
    fewer = cluster_scores(z, y, pairwise_dist=angles, n_clusters=3, rng=0)
    assert fewer.ari < 0.7
    subset = cluster_scores(z, y, pairwise_dist=angles, max_points=60, rng=0)
    assert subset.ari == pytest.approx(1.0)
    assert subset.silhouette != scores.silhouette


def test_k_medoids_finds_the_best_split_in_squared_distance():
    for seed in range(8):
        z = random.normal((14, 2), rng=seed)
        square = neighbours.euclidean(z, z) ** 2
        best = min(square[:, [i, j]].min(1).sum() for i in range(14) for j in range(i))
        found = k_medoids(np.sqrt(square), 2, rng=0)
        cost = sum(square[np.ix_(m, m)].sum(1).min() for m in (np.flatnonzero(found == c) for c in range(2)))
        assert cost == pytest.approx(best)


def test_k_medoids_of_one_repeated_point():
    np.testing.assert_array_equal(k_medoids(np.zeros((4, 4)), 2, rng=0), 0)


def test_clustering_a_label_free_latent_scores_about_zero():
    z, y = on_sphere(400, 30), np.random.default_rng(1).integers(0, 5, 400)
    scores = cluster_scores(z, y, pairwise_dist=angles, rng=0)
    assert abs(scores.ari) < 0.03
    found = k_medoids(angles(z, z), 5, rng=3)
    assert adjusted_rand_score(y, found) < 0.03
    assert normalized_mutual_info_score(y, found) < 0.06


def test_cluster_input_is_checked(latent):
    with pytest.raises(ValueError, match="one entry per point"):
        cluster_scores(latent[0], latent[1][1:], rng=0)
    with pytest.raises(ValueError, match="n_clusters must lie between 1 and"):
        cluster_scores(latent[0], latent[1], n_clusters=0, rng=0)
