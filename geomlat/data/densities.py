"""Toy laws of the plane with exact log-densities: what a flow can at best reach is known.

Each has ``sample(n, rng=) -> (points (n, 2), labels (n,))``, ``log_prob(x)`` of points ``(n, 2)`` and
``log_prob(x, label)`` of one component.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import i0e, log_ndtr, logsumexp

from geomlat.random import stream

Array = Any
TAU = 2.0 * math.pi


class PlanarLaw:
    """A mixture of ``components`` laws of equal weight."""

    components: int

    def sample(self, n: int, *, rng: Any) -> tuple[Array, Array]:
        """``n`` points and the component of each, in turn."""
        labels = np.arange(n) % self.components
        return self._points(labels, stream(rng).generator()), labels

    def log_prob(self, x: Array, label: int | None = None) -> Array:
        """The log-density of the mixture, or of one component."""
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != 2:
            msg = f"points of the plane have shape (n, 2), got {x.shape}"
            raise ValueError(msg)
        if label is not None:
            return self._log_prob(x, label)
        each = [self._log_prob(x, c) for c in range(self.components)]
        return logsumexp(np.stack(each), axis=0) - math.log(self.components)

    def entropy(self, n: int = 200_000, *, rng: Any = 0) -> tuple[float, float]:
        """The differential entropy in nats as the mean of ``-log_prob`` over ``n`` draws, and its standard error."""
        l = -self.log_prob(self.sample(n, rng=rng)[0])
        return float(l.mean()), float(l.std() / math.sqrt(n))

    @abstractmethod
    def _points(self, labels: Array, rng: np.random.Generator) -> Array: ...

    @abstractmethod
    def _log_prob(self, x: Array, label: int) -> Array: ...


@dataclass(frozen=True)
class Pinwheel(PlanarLaw):
    """Wings that are normal along a ray and turn with its length (Johnson, Duvenaud, Wiltschko et al. 2016).

    ``x = R(2 pi k / wings + rate e^f0) f``, f normal about (1, 0) with standard deviations ``radial``, ``tangential``.
    A point comes from every f with ``|f| = |x|`` and the right angle; with them the density is exact.
    """

    wings: int = 5
    radial: float = 0.3
    tangential: float = 0.05
    rate: float = 0.4

    @property
    def components(self) -> int:  # type: ignore[override]
        """The wings."""
        return self.wings

    def _points(self, labels: Array, rng: np.random.Generator) -> Array:
        f = rng.standard_normal((len(labels), 2)) * [self.radial, self.tangential] + [1.0, 0.0]
        angle = TAU * labels / self.wings + self.rate * np.exp(f[:, 0])
        c, s = np.cos(angle), np.sin(angle)
        return np.stack((c * f[:, 0] - s * f[:, 1], s * f[:, 0] + c * f[:, 1]), axis=-1)

    def _log_prob(self, x: Array, label: int) -> Array:
        blocks = [self._block(part, label) for part in np.array_split(x, max(1, len(x) // 2000))]
        return np.concatenate(blocks)

    def _block(self, x: Array, label: int) -> Array:
        r = np.hypot(x[:, 0], x[:, 1])[:, None]
        angle = (np.arctan2(x[:, 1], x[:, 0]) - TAU * label / self.wings)[:, None]
        psi = np.linspace(-math.pi, math.pi, 361)
        gap = np.sin(0.5 * self._gap(psi, r, angle))
        crossing = (gap[:, :-1] * gap[:, 1:] <= 0.0) & (np.abs(gap[:, :-1] - gap[:, 1:]) < 1.0)
        row, column = np.nonzero(crossing)
        low, high = psi[column], psi[column + 1]
        rr, aa, start = r[row, 0], angle[row, 0], gap[row, column]
        for _ in range(50):
            middle = 0.5 * (low + high)
            same = np.sin(0.5 * self._gap(middle, rr, aa)) * start > 0.0
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        f0, f1 = rr * np.cos(low), rr * np.sin(low)
        jacobian = np.abs(1.0 - self.rate * np.exp(f0) * f1)
        l = -0.5 * ((f0 - 1.0) / self.radial) ** 2 - 0.5 * (f1 / self.tangential) ** 2 - np.log(jacobian)
        found = np.full(len(x), -np.inf)
        np.logaddexp.at(found, row, l - math.log(TAU * self.radial * self.tangential))
        return found

    def _gap(self, psi: Array, r: Array, angle: Array) -> Array:
        return psi + self.rate * np.exp(r * np.cos(psi)) - angle


@dataclass(frozen=True)
class Circles(PlanarLaw):
    """Circles of the given ``radii`` about the origin, blurred.

    ``blur="radial"`` moves the radius alone by a normal number of standard deviation ``noise``, ``"isotropic"`` adds
    normal noise to both coordinates.
    """

    radii: tuple[float, ...] = (0.8, 0.4)
    noise: float = 0.005
    blur: str = "radial"

    def __post_init__(self) -> None:
        if self.blur not in ("radial", "isotropic") or not self.noise > 0.0 or min(self.radii) <= 0.0:
            msg = f"Circles needs positive radii and noise and a blur, radial or isotropic; got {self}"
            raise ValueError(msg)

    @property
    def components(self) -> int:  # type: ignore[override]
        """The circles."""
        return len(self.radii)

    def _points(self, labels: Array, rng: np.random.Generator) -> Array:
        angle = rng.uniform(0.0, TAU, len(labels))
        unit = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
        radius = np.asarray(self.radii)[labels]
        if self.blur == "radial":
            return unit * (radius + self.noise * rng.standard_normal(len(labels)))[:, None]
        return unit * radius[:, None] + self.noise * rng.standard_normal((len(labels), 2))

    def _log_prob(self, x: Array, label: int) -> Array:
        r, radius, sd = np.hypot(x[:, 0], x[:, 1]), self.radii[label], self.noise
        near = -0.5 * ((r - radius) / sd) ** 2
        if self.blur == "isotropic":
            return near + np.log(i0e(r * radius / sd**2)) - math.log(TAU * sd**2)
        far = -0.5 * ((r + radius) / sd) ** 2
        return np.logaddexp(near, far) - np.log(np.maximum(r, 1e-300)) - math.log(TAU * math.sqrt(TAU) * sd)


@dataclass(frozen=True)
class Arcs(PlanarLaw):
    """Curves blurred by isotropic normal noise: ``kind="moons"``, two half circles, or ``"spirals"``, two arms.

    The density is an integral along the curve, by the midpoint rule with 1000 nodes.
    """

    kind: str = "moons"
    noise: float = 0.1
    components: int = 2

    def __post_init__(self) -> None:
        if self.kind not in ("moons", "spirals") or not self.noise >= 0.02:
            msg = f"Arcs are moons or spirals with noise of at least 0.02, got {self.kind!r} and {self.noise}"
            raise ValueError(msg)

    def curve(self, t: Array, label: int) -> Array:
        """The curve at ``t`` in [0, 1], uniform in t."""
        if self.kind == "moons":
            c, s = np.cos(math.pi * t), np.sin(math.pi * t)
            return np.stack((c, s), axis=-1) if label == 0 else np.stack((1.0 - c, 0.5 - s), axis=-1)
        angle = 3.0 * math.pi * np.sqrt(t)
        sign = 1.0 if label == 0 else -1.0
        return sign * np.stack((-np.cos(angle), np.sin(angle)), axis=-1) * (angle / (3.0 * math.pi))[..., None]

    def _points(self, labels: Array, rng: np.random.Generator) -> Array:
        t = rng.uniform(size=len(labels))
        x = self.curve(t, 0)
        x[labels == 1] = self.curve(t, 1)[labels == 1]
        return x + self.noise * rng.standard_normal(x.shape)

    def _log_prob(self, x: Array, label: int) -> Array:
        nodes = self.curve((np.arange(1000) + 0.5) / 1000, label)
        blocks = []
        for part in np.array_split(x, max(1, len(x) // 500)):
            square = ((part[:, None] - nodes) ** 2).sum(-1)
            blocks.append(logsumexp(-0.5 * square / self.noise**2, axis=1))
        return np.concatenate(blocks) - math.log(1000 * TAU * self.noise**2)


@dataclass(frozen=True)
class Checkerboard(PlanarLaw):
    """Uniform on the dark squares of a ``side`` x ``side`` board over [-1, 1]^2, blurred by nothing or by ``noise``."""

    side: int = 4
    noise: float = 0.0

    @property
    def components(self) -> int:  # type: ignore[override]
        """The dark squares."""
        return len(self._corners)

    @property
    def _corners(self) -> Array:
        dark = np.argwhere(np.add.outer(np.arange(self.side), np.arange(self.side)) % 2 == 0)
        return dark * (2.0 / self.side) - 1.0

    def _points(self, labels: Array, rng: np.random.Generator) -> Array:
        x = self._corners[labels] + rng.uniform(0.0, 2.0 / self.side, (len(labels), 2))
        return x + self.noise * rng.standard_normal(x.shape)

    def _log_prob(self, x: Array, label: int) -> Array:
        below, width = x - self._corners[label], 2.0 / self.side
        if self.noise == 0.0:
            inside = ((below >= 0.0) & (below < width)).all(axis=-1)
            return np.where(inside, -2.0 * math.log(width), -np.inf)
        # The mass of a normal law between two edges, on the side where its tails do not cancel.
        a, b = below / self.noise, (below - width) / self.noise
        flip = b > 0.0
        high, low = log_ndtr(np.where(flip, -b, a)), log_ndtr(np.where(flip, -a, b))
        mass = high + np.log(-np.expm1(np.minimum(low - high, -1e-300)))
        return mass.sum(axis=-1) - 2.0 * math.log(width)
