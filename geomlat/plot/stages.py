"""The four stages: the sphere, the sheet of a hyperboloid, the Poincare disc, and the flat torus as a doughnut."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.plot.sphere import VIEW, graticule
from geomlat.plot.stage import Lines, Stage, View

# How close to the torus a line of sight must come to end there.
NEAR = 1e-4


class SphereStage(Stage):
    """S^2 as it is."""

    half_width = half_height = 1.06
    spot, size = (-0.2, 0.05), 0.9

    def embed(self, x: np.ndarray) -> np.ndarray:
        """``x``."""
        return x

    def push(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """``u``."""
        return u

    def lift(self, p: np.ndarray) -> np.ndarray:
        """``p``."""
        return p

    def heights(self, a: np.ndarray) -> np.ndarray:
        """``sqrt(1 - |a|^2)``."""
        square = 1.0 - (a**2).sum(axis=-1)
        return np.sqrt(np.where(square < 0, np.nan, square))

    def normals(self, p: np.ndarray) -> np.ndarray:
        """``p``."""
        return p

    def grid(self) -> Lines:
        """Meridians and parallels."""
        return graticule()

    def rim(self) -> Lines:
        """The great circle across the line of sight."""
        return [_ring() @ self.frame.T]


class HyperboloidStage(Stage):
    """The sheet of the hyperboloid of radius 1 up to the distance 1.75 from its lowest point, time upwards."""

    reach = 1.75

    def __init__(self, manifold: Any, view: View) -> None:
        super().__init__(manifold, view)
        self.size, self.far = 0.95 * manifold.radius, 1.7 * manifold.radius
        piece = np.concatenate(self.rim()) @ self.frame[:, :2]
        low, high = np.nanmin(piece, axis=0), np.nanmax(piece, axis=0)
        self.half_width, self.half_height = (0.53 * (high - low)).tolist()
        self.centre = self.frame[:, :2] @ (0.5 * (low + high))

    def home(self) -> np.ndarray:
        """The lowest point."""
        return np.asarray(self.manifold.origin())

    def embed(self, x: np.ndarray) -> np.ndarray:
        """``(x_1, x_2, x_0) sqrt(-K)``."""
        return np.asarray(np.roll(x, -1, axis=-1) / self.manifold.radius)

    def push(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The same of ``u``."""
        return self.embed(u)

    def lift(self, p: np.ndarray) -> np.ndarray:
        """The inverse."""
        return np.asarray(self.manifold.project(np.roll(p, 1, axis=-1) * self.manifold.radius))

    def heights(self, a: np.ndarray) -> np.ndarray:
        """The nearer root h of ``<q + h d, q + h d> = -1`` that lies on the piece shown."""
        q = np.concatenate([a, np.zeros((*a.shape[:-1], 1))], axis=-1) @ self.frame.T + self.centre
        d, form = self.frame[:, 2], np.array([1.0, 1.0, -1.0])
        square, half, rest = np.sum(form * d * d), np.sum(form * d * q, axis=-1), np.sum(form * q * q, axis=-1) + 1.0
        inside = half * half - square * rest
        root = np.sqrt(np.where(inside < 0, np.nan, inside))
        found = np.stack([(-half + root) / square, (-half - root) / square])
        time = q[..., 2] + found * d[2]
        shown = (time >= 1.0) & (time <= math.cosh(self.reach) + 1e-9)
        best = np.max(np.where(shown, found, -np.inf), axis=0)
        return np.where(np.isfinite(best), best, np.nan)

    def normals(self, p: np.ndarray) -> np.ndarray:
        """``(x_1, x_2, -x_0)``."""
        return np.asarray(p * np.array([1.0, 1.0, -1.0]))

    def grid(self) -> Lines:
        """Circles about the lowest point every 0.5 and rays every 30 degrees."""
        r, t = np.linspace(0, self.reach, 61), np.linspace(0, 2 * np.pi, 181)
        circles = [(np.full(181, s), t) for s in (0.5, 1.0, 1.5, self.reach)]
        rays = [(r, np.full(61, s)) for s in np.radians(np.arange(0, 360, 30))]
        return [
            self.manifold.radius * np.stack([np.cosh(s), np.sinh(s) * np.cos(w), np.sinh(s) * np.sin(w)], axis=-1)
            for s, w in circles + rays
        ]

    def rim(self) -> Lines:
        """The last circle, and where the sheet turns away: ``tanh(r) (d_1 cos t + d_2 sin t) = d_3``."""
        d, t = self.frame[:, 2], np.linspace(0, 2 * np.pi, 721)
        towards = d[0] * np.cos(t) + d[1] * np.sin(t)
        ratio = d[2] / np.where(towards > abs(d[2]), towards, np.inf)
        r = np.where((ratio > 0) & (ratio < math.tanh(self.reach)), np.arctanh(np.abs(ratio)), np.nan)
        turn = np.stack([np.sinh(r) * np.cos(t), np.sinh(r) * np.sin(t), np.cosh(r)], axis=-1)
        return [self._circle(), turn]

    def _circle(self) -> np.ndarray:
        return np.asarray(math.sinh(self.reach) * _ring() + np.array([0.0, 0.0, math.cosh(self.reach)]))


class TorusStage(Stage):
    """The flat torus bent to a doughnut: the first angle the long way round, the second the short way.

    Lengths along the short way are true to scale everywhere, those along the long way only on its top and bottom.
    """

    large, small = 1.0, 0.45
    half_width, half_height = 1.53, 1.25
    spot, size, far = (0.0, -0.4), 0.8, 1.5 * math.pi

    def embed(self, x: np.ndarray) -> np.ndarray:
        """``((R + r cos b) cos a, (R + r cos b) sin a, r sin b)``."""
        a, b = x[..., 0], x[..., 1]
        out = self.large + self.small * np.cos(b)
        return np.stack([out * np.cos(a), out * np.sin(a), self.small * np.sin(b)], axis=-1)

    def push(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The differential of `embed`."""
        a, b = x[..., 0], x[..., 1]
        out = self.large + self.small * np.cos(b)
        along = np.stack([-out * np.sin(a), out * np.cos(a), np.zeros_like(a)], axis=-1)
        across = np.stack([-np.sin(b) * np.cos(a), -np.sin(b) * np.sin(a), np.cos(b)], axis=-1)
        return np.asarray(u[..., :1] * along + u[..., 1:] * self.small * across)

    def lift(self, p: np.ndarray) -> np.ndarray:
        """The two angles."""
        out = np.hypot(p[..., 0], p[..., 1]) - self.large
        return np.stack([np.arctan2(p[..., 1], p[..., 0]), np.arctan2(p[..., 2], out)], axis=-1)

    def heights(self, a: np.ndarray) -> np.ndarray:
        """By steps as long as the distance to the surface, from in front, until it is reached or passed by."""
        flat = np.concatenate([a, np.zeros((*a.shape[:-1], 1))], axis=-1).reshape(-1, 3) @ self.frame.T
        h, going = np.full(len(flat), 2.0), np.arange(len(flat))
        for _ in range(400):
            p = flat[going] + h[going, None] * self.frame[:, 2]
            gap = np.hypot(np.hypot(p[:, 0], p[:, 1]) - self.large, p[:, 2]) - self.small
            h[going] -= gap
            going = going[(gap > NEAR) & (h[going] > -2.0)]
        h[going] = np.nan
        return np.where(h > -2.0, h, np.nan).reshape(a.shape[:-1])

    def normals(self, p: np.ndarray) -> np.ndarray:
        """Away from the circle in the middle of the tube."""
        with np.errstate(invalid="ignore"):
            ring = self.large * p[..., :2] / np.linalg.norm(p[..., :2], axis=-1, keepdims=True)
        return np.asarray(p - np.concatenate([ring, np.zeros_like(p[..., :1])], axis=-1))

    def grid(self) -> Lines:
        """Every 30 degrees of either angle."""
        t, rest = np.linspace(-np.pi, np.pi, 181), np.radians(np.arange(-180, 180, 30))
        return [np.stack(np.broadcast_arrays(*pair), axis=-1) for s in rest for pair in ((t, s), (s, t))]

    def rim(self) -> Lines:
        """Where ``cos(b) (d_1 cos a + d_2 sin a) + sin(b) d_3 = 0``: one curve outside, one around the hole."""
        d, a = self.frame[:, 2], np.linspace(-np.pi, np.pi, 361)
        b = np.arctan2(-d[0] * np.cos(a) - d[1] * np.sin(a), d[2])
        return [self.embed(np.stack([a, c], axis=-1)) for c in (b, b + np.pi)]


class DiscStage(Stage):
    """The Poincare disc, scaled to radius 1; angles are true, lengths shrink towards the rim."""

    half_width = half_height = 1.03
    spot = (-0.12, -0.1)

    def __init__(self, manifold: Any, view: View) -> None:
        super().__init__(manifold, view)
        self.frame = np.eye(3)
        self.scale = math.sqrt(-float(manifold.curvature))
        self.size, self.far = 1.4 / self.scale, 4.0 / self.scale

    def embed(self, x: np.ndarray) -> np.ndarray:
        """``(x_1, x_2, 0) sqrt(-K)``."""
        return np.concatenate([self.scale * x, np.zeros((*x.shape[:-1], 1))], axis=-1)

    def push(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The same of ``u``."""
        return self.embed(u)

    def lift(self, p: np.ndarray) -> np.ndarray:
        """The inverse."""
        return p[..., :2] / self.scale

    def heights(self, a: np.ndarray) -> np.ndarray:
        """Zero within the disc."""
        return np.where((a**2).sum(axis=-1) < 1.0, 0.0, np.nan)

    def normals(self, p: np.ndarray) -> np.ndarray:
        """Towards the viewer."""
        return np.broadcast_to(np.array([0.0, 0.0, 1.0]), p.shape)

    def grid(self) -> Lines:
        """Circles at distances 1, 2, ... from the middle, and rays every 30 degrees."""
        r, t = np.linspace(0, 0.999, 61), np.linspace(0, 2 * np.pi, 181)
        circles = [(np.tanh(d / 2), t) for d in (1.0, 2.0, 3.0, 4.0)]
        rays = [(r, s) for s in np.radians(np.arange(0, 360, 30))]
        return [
            np.stack(np.broadcast_arrays(s * np.cos(w), s * np.sin(w)), axis=-1) / self.scale for s, w in circles + rays
        ]

    def rim(self) -> Lines:
        """The circle at infinity."""
        return [_ring()]


def _ring() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 361)
    return np.stack([np.cos(t), np.sin(t), np.zeros(361)], axis=-1)


STAGES: dict[str, tuple[type[Stage], View]] = {
    "Sphere": (SphereStage, VIEW),
    "Hyperboloid": (HyperboloidStage, (-60.0, 36.0)),
    "Torus": (TorusStage, (-60.0, 42.0)),
    "PoincareBall": (DiscStage, (0.0, 90.0)),
}


def stage(manifold: Any, view: View | None = None) -> Stage:
    """The stage of a manifold: ``Sphere(2)``, ``Hyperboloid(2)``, ``Torus(2)`` or ``PoincareBall(2)``.

    Raises
    ------
    ValueError
        For any other manifold.
    """
    name = type(manifold).__name__
    if name not in STAGES or manifold.dim != 2:
        msg = f"pictures show {', '.join(f'{n}(2)' for n in STAGES)}, got {manifold!r}"
        raise ValueError(msg)
    kind, usual = STAGES[name]
    return kind(manifold, usual if view is None else view)
