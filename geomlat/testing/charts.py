"""Quadrature on the space of a law: nodes and weights by which densities integrate, and the coordinate they run along.

A `Chart` measures points by one number y and integrates over y = c + w sinh(s), where c and w come from the middle and
the spread of a few draws: panels of Gauss-Legendre nodes in s resolve a law at any place and of any width, and reach
74 widths out. A `Globe` integrates over the whole sphere S^2, whatever the law's symmetry.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.evaluate import sphere_nodes

Array = Any
PANELS, ORDER, REACH, DRAWS = 160, 12, 5.0, 1999


@dataclass(frozen=True)
class Chart:
    """A coordinate of a space, a number y for each point.

    Parameters
    ----------
    read
        ``read(q, x) -> y``, the coordinate of points.
    place
        ``place(q, y) -> (x, log_volume)``: a point with that coordinate, and the log of the measure of all of them for
        a unit of y (densities of a symmetric law are constant there).
    slope
        ``slope(q, x) -> dy``, the cotangent of x that is the derivative of the coordinate.
    ends
        The range of y around the middle ``c``; None for the whole line. A circle has ends (-pi, pi), an angle from the
        mode (0, pi), counted from c = 0.
    """

    read: Callable[[Any, np.ndarray], np.ndarray]
    place: Callable[[Any, np.ndarray], tuple[np.ndarray, np.ndarray]]
    slope: Callable[[Any, np.ndarray], np.ndarray]
    ends: tuple[float, float] | None = None

    @property
    def periodic(self) -> bool:
        """Whether the coordinate is an angle on a circle."""
        return self.ends is not None and self.ends[0] < 0.0

    def frame(self, q: Any) -> tuple[np.ndarray, np.ndarray]:
        """The middle c and the width w of each law of the batch, from draws; on a circle c is the mode."""
        y = self.read(q, np.asarray(q.sample(DRAWS, rng=0), dtype=np.float64))
        if self.periodic and hasattr(q, "mode"):
            c = self.read(q, np.asarray(q.mode(), dtype=np.float64))
        elif self.periodic:
            c = np.atan2(np.sin(y).mean(0), np.cos(y).mean(0))
        else:
            c = np.zeros_like(y[0]) if self.ends else np.median(y, axis=0)
        width = np.median(np.abs(self.wrapped(y - c)), axis=0)
        return c, np.maximum(width, 1e-300)

    def wrapped(self, y: Array) -> Array:
        """Differences of coordinates, into (-pi, pi] on a circle."""
        return y - 2.0 * math.pi * np.round(y / (2.0 * math.pi)) if self.periodic else y

    def range(self, w: np.ndarray) -> tuple[Array, Array]:
        """The ends of s."""
        low, high = self.ends or (-w * math.sinh(REACH), w * math.sinh(REACH))
        return np.arcsinh(low / w), np.arcsinh(high / w)

    def nodes(self, q: Any, start: Array = None, stop: Array = None) -> tuple[np.ndarray, np.ndarray]:
        """Points ``(count, *batch, *event)`` and the logs of their weights, for the coordinates from start to stop."""
        c, w = self.frame(q)
        low, high = self.range(w)
        low = low if start is None else np.arcsinh(self.wrapped(start - c) / w)
        high = high if stop is None else np.arcsinh(self.wrapped(stop - c) / w)
        u, weight = panels()
        u, weight = (a.reshape((-1,) + (1,) * c.ndim) for a in (u, weight))
        s = low + (high - low) * u
        x, log_volume = self.place(q, c + w * np.sinh(s))
        with np.errstate(divide="ignore"):
            return x, np.log(weight * (high - low) * w * np.cosh(s)) + log_volume

    def mean(self, q: Any, x: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """What a law's ``mean()`` is, from nodes and their masses."""
        mass = mass[..., None]
        if self.periodic:
            return np.asarray(np.atan2(np.sum(mass * np.sin(x), axis=0), np.sum(mass * np.cos(x), axis=0)))
        if self.ends:
            mu = _axis(q)[0]
            return np.asarray(np.sum(mass * np.sum(x * mu, axis=-1, keepdims=True), axis=0) * mu)
        return np.asarray(np.sum(mass * x, axis=0))

    def level(self, q: Any, x: np.ndarray) -> np.ndarray:
        """The distribution function of the coordinate at points ``(count, *batch, *event)``, from the density."""
        c, w = self.frame(q)
        low, high = self.range(w)
        nodes, log_weight = self.nodes(q)
        mass = np.exp(np.asarray(q.log_prob(nodes)) + log_weight)
        cells = mass.reshape(PANELS, ORDER, *c.shape).sum(1)
        total = np.concatenate([np.zeros((1, *c.shape)), np.cumsum(cells, axis=0)])
        at = (np.arcsinh(self.wrapped(self.read(q, x) - c) / w) - low) / (high - low) * PANELS
        grid, level = np.arange(PANELS + 1.0), np.empty(at.shape)
        for i in np.ndindex(*c.shape):
            level[:, *i] = np.interp(at[:, *i], grid, total[:, *i] / total[-1, *i])
        return level


@dataclass(frozen=True)
class Globe:
    """The product rule on S^2: Gauss-Legendre in the height and equal angles around the axis."""

    rings: int = 96

    def nodes(self, q: Any) -> tuple[np.ndarray, np.ndarray]:
        """Points ``(count, 1 ..., 3)`` for every law of the batch and the logs of their weights."""
        x, weights = sphere_nodes(self.rings)
        ones = (1,) * len(q.batch_shape)
        return x.reshape(-1, *ones, 3), np.log(weights).reshape(-1, *ones)

    def mean(self, q: Any, x: np.ndarray, mass: np.ndarray) -> np.ndarray:
        """What a law's ``mean()`` is, from nodes and their masses."""
        return np.asarray(np.sum(mass[..., None] * x, axis=0))


def panels() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of composite Gauss-Legendre on (0, 1)."""
    x, weight = np.polynomial.legendre.leggauss(ORDER)
    nodes = (np.arange(PANELS)[:, None] + 0.5 * (1.0 + x)).ravel() / PANELS
    return nodes, np.tile(weight, PANELS) / (2.0 * PANELS)


def _axis(q: Any) -> tuple[np.ndarray, np.ndarray]:
    # The mode and a unit vector orthogonal to it, for each law of the batch.
    mu = np.asarray(q.mode(), dtype=np.float64)
    e = np.random.default_rng(0).standard_normal(mu.shape)
    e = e - np.sum(e * mu, axis=-1, keepdims=True) * mu
    return mu, e / np.linalg.norm(e, axis=-1, keepdims=True)


def _angle(q: Any, x: np.ndarray) -> Array:
    mu = _axis(q)[0]
    return 2.0 * np.atan2(np.linalg.norm(x - mu, axis=-1), np.linalg.norm(x + mu, axis=-1))


def _meridian(q: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    (mu, e), m = _axis(q), q.event_shape[0]
    # The measure of the unit sphere of R^(m-1), a parallel.
    rim = math.log(2.0) + 0.5 * (m - 1) * math.log(math.pi) - math.lgamma(0.5 * (m - 1))
    volume = (m - 2) * np.log(np.sin(y)) if m > 2 else 0.0 * y
    return np.cos(y)[..., None] * mu + np.sin(y)[..., None] * e, rim + volume


def _meridian_slope(q: Any, x: np.ndarray) -> Array:
    mu, w = _axis(q)[0], np.cos(_angle(q, x))[..., None]
    tangent = w * x - mu
    return tangent / np.linalg.norm(tangent, axis=-1, keepdims=True)


def _expit(y: np.ndarray) -> Array:
    return np.where(y < 0, np.exp(y), 1.0) / (1.0 + np.exp(-np.abs(y)))


LINE = Chart(lambda q, x: x[..., 0], lambda q, y: (y[..., None], 0.0 * y), lambda q, x: np.ones_like(x))
"""Laws of one real number, events of shape (1,)."""
POSITIVE = Chart(lambda q, x: np.log(x[..., 0]), lambda q, y: (np.exp(y)[..., None], y), lambda q, x: 1.0 / x)
"""Laws of one positive number, by its logarithm."""
UNIT = Chart(
    lambda q, x: np.log(x[..., 0]) - np.log1p(-x[..., 0]),
    lambda q, y: (_expit(y)[..., None], -np.logaddexp(0, y) - np.logaddexp(0, -y)),
    lambda q, x: 1.0 / (x * (1.0 - x)),
)
"""Laws of one number between 0 and 1, by its logit."""
CIRCLE = Chart(LINE.read, LINE.place, LINE.slope, (-math.pi, math.pi))
"""Laws of one angle."""
MERIDIAN = Chart(_angle, _meridian, _meridian_slope, (0.0, math.pi))
"""Laws on a sphere that are symmetric about their mode, by the angle from it."""
GLOBE = Globe()
"""Laws on S^2."""
