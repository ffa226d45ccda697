"""Geometry in 80 decimal digits: what the accuracy table is measured against.

Points and tangents are the given floats, taken as exact: a point is brought to the manifold (the sphere along its ray,
the hyperboloid at its space part, a rotation by its polar factor), a tangent to the tangent space there.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mpmath import matrix, mp, mpf

mp.dps = 80
Vector = Sequence[Any]


def dot(u: Vector, v: Vector) -> Any:
    return mp.fdot(u, v)


def mix(a: Any, u: Vector, b: Any, v: Vector) -> list[Any]:
    return [a * s + b * t for s, t in zip(u, v, strict=True)]


class Curved:
    """The unit sphere (K = 1) or the unit hyperboloid (K = -1) of dimension n, the pole's axis first."""

    def __init__(self, n: int, sign: int) -> None:
        self.n, self.sign = n, sign
        self.cut = mp.pi if sign > 0 else None

    def inner(self, u: Vector, v: Vector) -> Any:
        return self.sign * u[0] * v[0] + dot(u[1:], v[1:])

    def point(self, x: Vector) -> list[Any]:
        if self.sign > 0:
            r = mp.norm(x)
            return [a / r for a in x]
        return [mp.sqrt(1 + dot(x[1:], x[1:])), *x[1:]]

    def tangent(self, x: Vector, u: Vector) -> list[Any]:
        x = self.point(x)
        if self.sign > 0:
            return mix(1, u, -dot(x, u), x)
        return [dot(x[1:], u[1:]) / x[0], *u[1:]]

    def origin(self) -> list[Any]:
        return [mpf(1)] + [mpf(0)] * self.n

    def frame(self, c: Vector) -> list[Any]:
        return [mpf(0), *c]

    def exp(self, x: Vector, u: Vector) -> list[Any]:
        x, u = self.point(x), self.tangent(x, u)
        r = mp.sqrt(abs(self.inner(u, u)))
        c, s = (mp.cos(r), mp.sin(r)) if self.sign > 0 else (mp.cosh(r), mp.sinh(r))
        return mix(c, x, s / r if r else 1, u)

    def dist(self, x: Vector, y: Vector) -> Any:
        x, y = self.point(x), self.point(y)
        gap = mix(1, x, -1, y)
        half = mp.sqrt(abs(self.inner(gap, gap))) / 2
        if self.sign < 0:
            return 2 * mp.asinh(half)
        return 2 * mp.atan2(half, mp.norm(mix(1, x, 1, y)) / 2)

    def log(self, x: Vector, y: Vector) -> list[Any]:
        d, x, y = self.dist(x, y), self.point(x), self.point(y)
        c, s = (mp.cos(d), mp.sin(d)) if self.sign > 0 else (mp.cosh(d), mp.sinh(d))
        return mix(d / s if d else 1, y, -c * (d / s if d else 1), x)

    def transport(self, x: Vector, y: Vector, u: Vector) -> list[Any]:
        x, y, u = self.point(x), self.point(y), self.tangent(x, u)
        return mix(1, u, -self.inner(y, u) / (self.sign + self.inner(x, y)), mix(1, x, 1, y))

    def logdet_exp(self, x: Vector, u: Vector) -> Any:
        u = self.tangent(x, u)
        r = mp.sqrt(abs(self.inner(u, u)))
        return (self.n - 1) * mp.log((mp.sin(r) if self.sign > 0 else mp.sinh(r)) / r)


class Projected:
    """The same spaces of any curvature K != 0 in stereographic coordinates, by the map from `Curved`."""

    def __init__(self, n: int, curvature: float) -> None:
        self.n, self.scale = n, mp.sqrt(abs(mpf(curvature)))
        self.space = Curved(n, 1 if curvature > 0 else -1)
        self.cut = mp.pi / self.scale if curvature > 0 else None

    def up(self, p: Vector, v: Vector | None = None) -> tuple[list[Any], list[Any]]:
        k, p = self.space.sign, [self.scale * a for a in p]
        v = [self.scale * a for a in v] if v is not None else [mpf(0)] * self.n
        h, pv = 1 + k * dot(p, p), dot(p, v)
        return [(2 - h) / h, *(2 * a / h for a in p)], [
            -4 * k * pv / h**2,
            *mix(2 / h, v, -4 * k * pv / h**2, p),
        ]

    def down(self, x: Vector, u: Vector | None = None) -> list[Any]:
        p = [a / (1 + x[0]) for a in x[1:]]
        if u is None:
            return [a / self.scale for a in p]
        return [(b - a * u[0]) / (1 + x[0]) / self.scale for a, b in zip(p, u[1:], strict=True)]

    def origin(self) -> list[Any]:
        return [mpf(0)] * self.n

    def frame(self, c: Vector) -> list[Any]:
        return [a / 2 for a in c]

    def exp(self, x: Vector, u: Vector) -> list[Any]:
        return self.down(self.space.exp(*self.up(x, u)))

    def dist(self, x: Vector, y: Vector) -> Any:
        return self.space.dist(self.up(x)[0], self.up(y)[0]) / self.scale

    def log(self, x: Vector, y: Vector) -> list[Any]:
        at = self.up(x)[0]
        return self.down(at, self.space.log(at, self.up(y)[0]))

    def transport(self, x: Vector, y: Vector, u: Vector) -> list[Any]:
        at, end = self.up(x, u), self.up(y)[0]
        return self.down(end, self.space.transport(at[0], end, at[1]))

    def logdet_exp(self, x: Vector, u: Vector) -> Any:
        return self.space.logdet_exp(*self.up(x, u))


class Rotations:
    """SO(3) as nine entries, with the metric whose distance is the angle."""

    cut = mp.pi

    def origin(self) -> list[Any]:
        return list(mp.eye(3))

    def frame(self, c: Vector) -> list[Any]:
        return list(_hat(c))

    def exp(self, x: Vector, u: Vector) -> list[Any]:
        r = _polar(x)
        return list(r * _rotation(_vee(r.T * _square(u))))

    def dist(self, x: Vector, y: Vector) -> Any:
        return mp.norm(self._turn(x, y))

    def log(self, x: Vector, y: Vector) -> list[Any]:
        return list(_polar(x) * _hat(self._turn(x, y)))

    def transport(self, x: Vector, y: Vector, u: Vector) -> list[Any]:
        r, half = _polar(x), _rotation([a / 2 for a in self._turn(x, y)])
        return list(r * half * _hat(_vee(r.T * _square(u))) * half)

    def logdet_exp(self, x: Vector, u: Vector) -> Any:
        r = mp.norm(_vee(_polar(x).T * _square(u)))
        return 2 * mp.log(2 * mp.sin(r / 2) / r)

    def _turn(self, x: Vector, y: Vector) -> list[Any]:
        q = _polar(x).T * _polar(y)
        sine = _vee(q)
        s = mp.norm(sine)
        angle = mp.atan2(s, (q[0, 0] + q[1, 1] + q[2, 2] - 1) / 2)
        return [angle / s * a for a in sine] if s else [mpf(0)] * 3


def _square(x: Vector) -> Any:
    return matrix([list(x[3 * i : 3 * i + 3]) for i in range(3)])


def _polar(x: Vector) -> Any:
    r = _square(x)
    for _ in range(4):
        r = (r + (r**-1).T) / 2
    return r


def _hat(c: Vector) -> Any:
    a, b, d = c
    return matrix([[0, -d, b], [d, 0, -a], [-b, a, 0]])


def _vee(m: Any) -> list[Any]:
    return [(m[2, 1] - m[1, 2]) / 2, (m[0, 2] - m[2, 0]) / 2, (m[1, 0] - m[0, 1]) / 2]


def _rotation(c: Vector) -> Any:
    r, h = mp.norm(c), _hat(c)
    return mp.eye(3) + (mp.sin(r) / r) * h + ((1 - mp.cos(r)) / r**2) * (h * h) if r else mp.eye(3)


class Flat:
    """R^n, or the torus of n angles if it has a period."""

    def __init__(self, n: int, period: Any = None) -> None:
        self.n, self.period = n, period
        self.cut = period / 2 if period else None

    def origin(self) -> list[Any]:
        return [mpf(0)] * self.n

    def frame(self, c: Vector) -> list[Any]:
        return list(c)

    def wrap(self, x: Vector) -> list[Any]:
        return [a - self.period * mp.nint(a / self.period) for a in x] if self.period else list(x)

    def exp(self, x: Vector, u: Vector) -> list[Any]:
        return self.wrap(mix(1, x, 1, u))

    def dist(self, x: Vector, y: Vector) -> Any:
        return mp.norm(self.log(x, y))

    def log(self, x: Vector, y: Vector) -> list[Any]:
        return self.wrap(mix(1, y, -1, x))

    def transport(self, x: Vector, y: Vector, u: Vector) -> list[Any]:
        return list(u)

    def logdet_exp(self, x: Vector, u: Vector) -> Any:
        return mpf(0)


class Factors:
    """A product of the spaces above, their arrays side by side, with lengths of each multiplied by its scale."""

    cut = None

    def __init__(self, *parts: tuple[Any, int, int, Any]) -> None:
        # Of each: the space, the length of its arrays, its dimension, its scale.
        self.parts = parts

    def split(self, x: Vector, which: int = 1) -> list[Any]:
        ends = [sum(p[which] for p in self.parts[:i]) for i in range(len(self.parts) + 1)]
        return [list(x[a:b]) for a, b in pairwise(ends)]

    def each(self, name: str, *args: Vector) -> list[Any]:
        split = zip(*(self.split(a) for a in args), strict=True)
        return [getattr(p[0], name)(*one) for p, one in zip(self.parts, split, strict=True)]

    def origin(self) -> list[Any]:
        return [a for p in self.parts for a in p[0].origin()]

    def frame(self, c: Vector) -> list[Any]:
        split = zip(self.parts, self.split(c, 2), strict=True)
        return [a for p, one in split for a in p[0].frame([t / p[3] for t in one])]

    def exp(self, x: Vector, u: Vector) -> list[Any]:
        return [a for part in self.each("exp", x, u) for a in part]

    def log(self, x: Vector, y: Vector) -> list[Any]:
        return [a for part in self.each("log", x, y) for a in part]

    def transport(self, x: Vector, y: Vector, u: Vector) -> list[Any]:
        return [a for part in self.each("transport", x, y, u) for a in part]

    def dist(self, x: Vector, y: Vector) -> Any:
        return mp.norm([p[3] * d for p, d in zip(self.parts, self.each("dist", x, y), strict=True)])

    def logdet_exp(self, x: Vector, u: Vector) -> Any:
        return mp.fsum(self.each("logdet_exp", x, u))
