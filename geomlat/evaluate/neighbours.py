"""k-nearest-neighbour classification of latent points with the latent's own metric, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.random import stream

Distances = Callable[[Any, Any], Any]

# Elements of one block of the distance matrix: 32 MB in float64.
BLOCK = 2**22


def euclidean(x: Any, y: Any) -> np.ndarray:
    """Euclidean distances ``(n, m)`` between rows by differences, so that equal rows are at distance exactly 0."""
    from scipy.spatial.distance import cdist

    d: np.ndarray = cdist(to_host(x), to_host(y))
    return d


def knn_predict(
    train_z: Any, train_y: Any, test_z: Any, *, k: int = 5, pairwise_dist: Distances | None = None
) -> np.ndarray:
    """The label ``(n_test,)`` most frequent among the ``k`` nearest training points.

    Among training points at equal distance the earlier one is nearer; among labels with equally many votes the
    smallest wins (scikit-learn's rule). The distance matrix is made in blocks of at most 4 million entries.

    Parameters
    ----------
    train_z, test_z
        ``(n, ...)`` latent points; posterior means or modes.
    train_y
        ``(n_train,)`` labels.
    pairwise_dist
        ``pairwise_dist(x, y) -> (len(x), len(y))``, a manifold's method; Euclidean distances where it is None. Only
        the order of the distances counts: on one sphere the chord, None, finds the neighbours the angle does, sooner.
    """
    classes, votes_for = np.unique(to_host(train_y), return_inverse=True)
    if len(votes_for) != len(train_z):
        msg = f"train_y must have one label per training point, got {len(votes_for)} labels for {len(train_z)} points"
        raise ValueError(msg)
    if not 1 <= k <= len(train_z):
        msg = f"k must lie between 1 and the number of training points ({len(train_z)}), got {k}"
        raise ValueError(msg)
    dist = euclidean if pairwise_dist is None else pairwise_dist
    step = max(1, BLOCK // len(train_z))
    winners = np.empty(len(test_z), dtype=np.intp)
    for i in range(0, len(test_z), step):
        nearest = votes_for[_nearest(to_host(dist(test_z[i : i + step], train_z)), k)]
        votes = (nearest[:, :, None] == np.arange(len(classes))).sum(axis=1)
        winners[i : i + step] = votes.argmax(axis=1)
    predicted: np.ndarray = classes[winners]
    return predicted


def knn_accuracy(
    train_z: Any, train_y: Any, test_z: Any, test_y: Any, *, k: int = 5, pairwise_dist: Distances | None = None
) -> float:
    """The share of test points whose `knn_predict` label is right."""
    test_y = to_host(test_y)
    if test_y.shape != (len(test_z),) or not test_y.size:
        msg = f"test_y must have one label per test point ({len(test_z)}) and not be empty, got shape {test_y.shape}"
        raise ValueError(msg)
    return float(np.mean(knn_predict(train_z, train_y, test_z, k=k, pairwise_dist=pairwise_dist) == test_y))


def label_subsets(labels: Any, n_labels: int, *, n_sets: int = 20, rng: Any) -> np.ndarray:
    """Indices ``(n_sets, n_labels)`` of random labelled subsets, balanced over the classes, sorted in each set.

    Every class gets ``n_labels // n_classes`` points; classes drawn at random get one of the remaining ones each. The
    sets depend on the labels and ``rng`` alone, so that two models are compared on the same sets (paired).
    """
    labels = to_host(labels)
    members = [np.flatnonzero(labels == c) for c in np.unique(labels)]
    if not len(members) <= n_labels <= len(members) * min(len(m) for m in members):
        msg = (
            f"n_labels must give each of the {len(members)} classes at least one point and at most the "
            f"{min(len(m) for m in members)} points of the smallest class, got {n_labels}"
        )
        raise ValueError(msg)
    each, left = divmod(n_labels, len(members))
    root, sets = stream(rng).child("labels"), []
    for s in range(n_sets):
        generator = root.child(s).generator()
        lucky = generator.permutation(len(members)) < left
        chosen = [generator.choice(m, each + extra, replace=False) for m, extra in zip(members, lucky, strict=True)]
        sets.append(np.sort(np.concatenate(chosen)))
    return np.stack(sets)


def subset_accuracies(
    train_z: Any,
    train_y: Any,
    test_z: Any,
    test_y: Any,
    n_labels: int,
    *,
    n_sets: int = 20,
    k: int = 5,
    pairwise_dist: Distances | None = None,
    rng: Any,
) -> np.ndarray:
    """kNN accuracy ``(n_sets,)`` with only ``n_labels`` labelled training points, for each of ``n_sets`` subsets.

    Reference: Davidson et al. (2018), "Hyperspherical Variational Auto-Encoders", table 2 (100, 600, 1000 labels).
    """
    train_y = to_host(train_y)
    subsets = label_subsets(train_y, n_labels, n_sets=n_sets, rng=rng)
    return np.array(
        [knn_accuracy(train_z[s], train_y[s], test_z, test_y, k=k, pairwise_dist=pairwise_dist) for s in subsets]
    )


def _nearest(d: np.ndarray, k: int) -> np.ndarray:
    """Columns ``(n, k)`` of the k smallest entries of each row, the leftmost where entries tie."""
    nearest = np.argpartition(d, k - 1, axis=1)[:, :k]
    furthest = np.take_along_axis(d, nearest, axis=1).max(axis=1, keepdims=True)
    tied = (d <= furthest).sum(axis=1) > k
    nearest[tied] = np.argsort(d[tied], axis=1, kind="stable")[:, :k]
    return nearest
