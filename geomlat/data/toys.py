"""Toy sets whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.data.dataset import Dataset
from geomlat.random import normal, stream, uniform


def circle(
    n: int = 1000, *, n_features: int = 100, concentration: float = 5.0, noise: float = 0.1, rng: Any = 0
) -> Dataset:
    """Three clusters on a circle, bent into ``R^n_features`` and blurred: does a latent space find the circle again?

    Angles ``t`` are drawn from three von Mises laws 120 degrees apart; the observation is
    ``x = V tanh(W (cos t, sin t) + b) + noise * e`` with one random hidden layer of width ``n_features``, scaled so
    that a coordinate is of order one. The experiment of Davidson et al. (2018), figure 1; its map was not published.

    Parameters
    ----------
    n
        Number of rows, split 80/10/10; at least 10.
    n_features
        Dimension of the observations.
    concentration
        Of each cluster, in 1/radian^2.
    noise
        Standard deviation of the Gaussian noise; the data set's likelihood is the Gaussian with this one.
    rng
        Anything `geomlat.random.stream` takes: points, map and noise.
    """
    if n < 10 or n_features < 1 or not noise > 0 or not concentration >= 0:
        msg = (
            "circle needs n >= 10, n_features >= 1, noise > 0 and concentration >= 0, "
            f"got {n=}, {n_features=}, {noise=}, {concentration=}"
        )
        raise ValueError(msg)
    first = stream(rng)
    host = first.child("points").generator()
    labels = host.integers(0, 3, n)
    angles = np.mod(host.vonmises(2 * math.pi / 3 * labels, concentration), 2 * math.pi)
    x = _embed(angles, n_features, first) + noise * normal((n, n_features), rng=first.child("noise"))
    ends = [n * 8 // 10, n * 9 // 10]
    (train, validation, test), parts, truth = (np.split(a, ends) for a in (x.astype(np.float32), labels, angles))
    return Dataset(
        name=f"circle in R^{n_features} (Gaussian noise {noise:g})",
        train=train,
        validation=validation,
        test=test,
        train_labels=parts[0],
        validation_labels=parts[1],
        test_labels=parts[2],
        likelihood=f"gaussian:{noise:g}",
        note="three von Mises clusters on a circle through a random tanh layer, split 80/10/10",
        angles=(truth[0], truth[1], truth[2]),
    )


def _embed(angles: np.ndarray, width: int, first: Any) -> np.ndarray:
    points = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    inner = normal((2, width), rng=first.child("inner"))
    shift = normal(width, rng=first.child("shift"))
    outer = normal((width, width), rng=first.child("outer")) / math.sqrt(width)
    return np.asarray(np.tanh(points @ inner + shift) @ outer)


def tree(depth: int = 8, *, noise: float = 0.1) -> Dataset:
    """The nodes of a complete binary tree as rows of bits whose Hamming distance is the distance in the tree.

    A tree of ``depth`` levels has ``2^depth - 1`` nodes. There is a bit for each edge, set on the way from the root to
    the node, so that two rows differ in the edges between their nodes. Every visit flips each bit anew with
    probability ``noise``. The experiment of Nagano, Yamaguchi, Fujita, Koyama (2019), section 5.1, with 255 nodes and a
    tenth of the bits flipped.

    All three splits are all nodes without noise, in the order of a heap: node ``k`` has the children ``2k + 1`` and
    ``2k + 2``. The labels are the levels, from 0.

    Parameters
    ----------
    depth
        Levels, 2 to 14.
    noise
        Probability of a flip, below 1/2.
    """
    if not 2 <= depth <= 14 or not 0 <= noise < 0.5:
        msg = f"tree needs 2 <= depth <= 14 and 0 <= noise < 0.5, got {depth=}, {noise=}"
        raise ValueError(msg)
    n = 2**depth - 1
    bits = np.zeros((n, n), dtype=np.uint8)
    for node in range(1, n):
        bits[node] = bits[(node - 1) // 2]
        bits[node, node] = 1
    bits = bits[:, 1:]
    levels = np.floor(np.log2(np.arange(n) + 1)).astype(np.int64)
    return Dataset(
        name=f"binary tree of {n} nodes (bits flipped with probability {noise:g})",
        train=bits,
        validation=bits,
        test=bits,
        train_labels=levels,
        validation_labels=levels,
        test_labels=levels,
        likelihood="bernoulli",
        note="a bit for each edge on the way from the root; flips are drawn anew at every visit; all splits are alike",
        prepare=partial(flipped, noise=noise),
    )


def flipped(bits: Any, *, noise: float, rng: Any) -> Any:
    """``bits`` ``(n, m)`` in float32, each turned into its opposite with probability ``noise``.

    Row ``i`` depends on ``rng`` and ``i`` alone: `Stream.at` moves the first row.
    """
    xp, first = namespace(bits), stream(rng)
    x = xp.astype(bits, xp.float32)
    own = replace(first, offset=first.offset * bits.shape[1])
    return xp.abs(x - xp.astype(uniform(x.shape, rng=own, dtype=x.dtype, xp=xp) < noise, x.dtype))
