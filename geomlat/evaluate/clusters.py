"""How well a latent space clusters by label, measured with its own metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.evaluate.neighbours import Distances, euclidean
from geomlat.random import Stream, stream


@dataclass(frozen=True)
class ClusterScores:
    """Agreement of a latent space with labels.

    ``silhouette`` of the labels themselves (-1..1), and the adjusted Rand index (1 is perfect, 0 chance) and the
    normalised mutual information (0..1, arithmetic mean) between the labels and a k-medoids clustering.
    """

    silhouette: float
    ari: float
    nmi: float


def cluster_scores(
    z: Any,
    labels: Any,
    *,
    pairwise_dist: Distances | None = None,
    n_clusters: int | None = None,
    max_points: int = 2000,
    rng: Any,
) -> ClusterScores:
    """Silhouette, ARI and NMI of latent points ``(n, ...)`` against labels ``(n,)``.

    The clustering is `k_medoids`: it needs nothing but distances, so it is the same procedure on every manifold.
    It holds the whole distance matrix; of more than ``max_points`` points a random subset of that size is scored
    (32 MB at 2000). ``n_clusters`` defaults to the number of labels.
    """
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

    labels, root = to_host(labels), stream(rng).child("clusters")
    if labels.shape != (len(z),):
        msg = f"labels must have one entry per point ({len(z)}), got shape {labels.shape}"
        raise ValueError(msg)
    if len(z) > max_points:
        kept = np.sort(root.child("subset").generator().choice(len(z), max_points, replace=False))
        z, labels = z[kept], labels[kept]
    d = to_host((euclidean if pairwise_dist is None else pairwise_dist)(z, z)).astype(np.float64)
    np.fill_diagonal(d, 0.0)
    found = k_medoids(d, len(np.unique(labels)) if n_clusters is None else n_clusters, rng=root)
    return ClusterScores(
        float(silhouette_score(d, labels, metric="precomputed")),
        float(adjusted_rand_score(labels, found)),
        float(normalized_mutual_info_score(labels, found)),
    )


def matched_accuracy(labels: Any, found: Any) -> float:
    """The share of points whose cluster is the one matched to their label, by the best matching of the two.

    Labels and clusters ``(n,)`` are whole numbers from 0, perhaps more of the ones than of the others. Kuhn (1955).
    """
    from scipy.optimize import linear_sum_assignment

    labels, found = (np.asarray(to_host(a)) for a in (labels, found))
    if labels.shape != found.shape or labels.ndim != 1 or not len(labels):
        msg = f"labels and clusters are two vectors of one length, got shapes {labels.shape} and {found.shape}"
        raise ValueError(msg)
    table = np.zeros((labels.max() + 1, found.max() + 1))
    np.add.at(table, (labels, found), 1)
    rows, columns = linear_sum_assignment(-table)
    return float(table[rows, columns].sum() / len(labels))


def k_medoids(d: np.ndarray, n_clusters: int, *, starts: int = 10, rng: Any) -> np.ndarray:
    """Cluster index ``(n,)`` from a distance matrix ``(n, n)``: the best of several alternating descents.

    Minimises the sum of squared distances to the nearest of ``n_clusters`` points chosen from the data, by turns
    assigning points to medoids and moving each medoid to the best point of its cluster; first medoids are spread as
    in k-means++ (each drawn with probability proportional to its squared distance from those before).
    References: Park and Jun (2009), "A simple and fast algorithm for K-medoids clustering"; Arthur and
    Vassilvitskii (2007), "k-means++".
    """
    if not 1 <= n_clusters <= len(d):
        msg = f"n_clusters must lie between 1 and the number of points ({len(d)}), got {n_clusters}"
        raise ValueError(msg)
    square, root = np.asarray(d, dtype=np.float64) ** 2, stream(rng).child("medoids")
    runs = [_descend(square, _spread(square, n_clusters, root.child(s))) for s in range(starts)]
    best = min(runs, key=lambda medoids: square[:, medoids].min(axis=1).sum())
    found: np.ndarray = square[:, best].argmin(axis=1)
    return found


def _spread(square: np.ndarray, n_clusters: int, rng: Stream) -> np.ndarray:
    generator = rng.generator()
    medoids = [int(generator.integers(len(square)))]
    while len(medoids) < n_clusters:
        gap = square[:, medoids].min(axis=1)
        # Fewer distinct points than clusters: every point is as good as another.
        p = gap / gap.sum() if gap.sum() > 0 else None
        medoids.append(int(generator.choice(len(square), p=p)))
    return np.array(medoids)


def _descend(square: np.ndarray, medoids: np.ndarray) -> np.ndarray:
    while True:
        nearest = square[:, medoids].argmin(axis=1)
        moved = medoids.copy()
        for c in range(len(medoids)):
            members = np.flatnonzero(nearest == c)
            if members.size:
                moved[c] = members[square[np.ix_(members, members)].sum(axis=1).argmin()]
        # Each turn lowers the cost or stops, so this ends; comparing costs, not medoids, ends ties too.
        if square[:, moved].min(axis=1).sum() >= square[:, medoids].min(axis=1).sum():
            return medoids
        medoids = moved
