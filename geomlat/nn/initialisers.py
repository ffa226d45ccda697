"""Initial parameters: pure functions of a random stream and a shape ``(n_in, n_out)``."""

from __future__ import annotations

import math

import numpy as np

from geomlat.random import Stream, normal, uniform


def zeros(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """All zero."""
    return np.zeros(shape)


def he_normal(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """Normal with variance ``2 / n_in``, which keeps the scale through a relu. He et al. (2015), eq. 10."""
    return math.sqrt(2.0 / shape[0]) * np.asarray(normal(shape, rng=rng))


def glorot_uniform(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform on ``+-sqrt(6 / (n_in + n_out))``. Glorot and Bengio (2010), eq. 16."""
    bound = math.sqrt(6.0 / (shape[0] + shape[1]))
    return bound * (2.0 * np.asarray(uniform(shape, rng=rng)) - 1.0)


def orthogonal(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform (Haar) with orthonormal columns, or rows if there are fewer. Saxe et al. (2014); Mezzadri (2007)."""
    n, m = shape
    q, r = np.linalg.qr(np.asarray(normal((max(n, m), min(n, m)), rng=rng)))
    q = q * np.where(np.diagonal(r) < 0.0, -1.0, 1.0)
    return q if n >= m else q.T
