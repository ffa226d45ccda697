"""Grey levels as points of a space where flows work: dequantised, spread by a logit, rotated to principal axes.

A pixel x in 0 .. 255 becomes ``y = (x + u) / 256`` with u uniform on [0, 1), then ``t = logit(a + (1 - 2 a) y)``; the
vector of all t is centred and rotated to its principal axes. The first of them, divided by their standard deviations,
are the coordinates a flow models; the others are independent normals. With the log-determinant of all this a density of
the coordinates is one of y, and by Jensen's inequality ``-E log p(y) / (n log 2) + 8`` is an upper bound on the bits
per dimension of the grey levels (Theis, van den Oord, Bethge 2016, section 3.1; the logit: Dinh, Sohl-Dickstein, Bengio
2017, section 4.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.random import uniform

Array = Any

MARGIN = 0.05
LEVELS = 256
# A pixel that is black in every image varies by its dequantisation alone; nothing may vary less in float32.
LEAST = 1e-8


@dataclass(frozen=True, eq=False)
class PixelFrame:
    """The frame of a set of images: ``mean`` (n,), orthonormal ``axes`` (n, n) by columns, and their ``scale`` (n,).

    Parameters
    ----------
    rank
        How many principal axes are coordinates.
    """

    mean: Array
    axes: Array
    scale: Array
    rank: int

    @classmethod
    def of(cls, X: Array, rank: int, *, rng: Any) -> PixelFrame:
        """The frame of the grey levels ``X`` (m, n), of which ``rank`` axes are kept.

        Raises
        ------
        ValueError
            If ``X`` is not rows of grey levels, or the rank not one of 1 .. n.
        """
        t, _ = _spread(_levels(X), rng)
        if not 1 <= rank <= t.shape[1]:
            msg = f"the rank of a frame of {t.shape[1]} pixels lies between 1 and {t.shape[1]}, got {rank}"
            raise ValueError(msg)
        mean = t.mean(axis=0)
        values, axes = np.linalg.eigh((t - mean).T @ (t - mean) / len(t))
        return cls(mean, axes[:, ::-1], np.sqrt(np.maximum(values[::-1], LEAST)), rank)

    def encode(self, X: Array, *, rng: Any) -> tuple[Array, Array]:
        """Coordinates ``(m, rank)`` in float32 of grey levels, and what to add to their log-density for that of y."""
        t, logdet = _spread(_levels(X), rng)
        z = (t - self.mean) @ self.axes / self.scale
        tail = z[:, self.rank :]
        rest = logdet - np.log(self.scale).sum() - 0.5 * ((tail * tail).sum(axis=1) + tail.shape[1] * _LOG_TAU)
        return z[:, : self.rank].astype(np.float32), rest

    def decode(self, z: Array) -> Array:
        """Images ``(m, n)`` in [0, 1] at coordinates ``(m, rank)``, the other axes at their mean."""
        t = self.mean + to_host(z) * self.scale[: self.rank] @ self.axes[:, : self.rank].T
        return np.clip((1.0 / (1.0 + np.exp(-t)) - MARGIN) / (1.0 - 2.0 * MARGIN), 0.0, 1.0)

    def bits(self, log_prob: Array) -> Array:
        """Bits per dimension from log-densities of y: a bound on those of the grey levels."""
        return math.log2(LEVELS) - np.asarray(log_prob, dtype=np.float64) / (len(self.mean) * math.log(2.0))


_LOG_TAU = math.log(2.0 * math.pi)


def _levels(X: Array) -> Array:
    X = to_host(X)
    if X.ndim != 2 or not ((X >= 0) & (X < LEVELS) & (np.floor(X) == X)).all():
        msg = f"a pixel frame takes rows of grey levels, whole numbers of 0 .. {LEVELS - 1}; got shape {X.shape}"
        raise ValueError(msg)
    return X


def _spread(X: Array, rng: Any) -> tuple[Array, Array]:
    """The logits of dequantised grey levels, and the sum of the log-derivatives of t by y."""
    y = (X + uniform(X.shape, rng=rng)) / LEVELS
    s = MARGIN + (1.0 - 2.0 * MARGIN) * y
    slope = (1.0 - 2.0 * MARGIN) / (s * (1.0 - s))
    return np.log(s) - np.log1p(-s), np.log(slope).sum(axis=1)
