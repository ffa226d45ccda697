"""Flows of the plane that go around a centre: coordinates are an angle and the logarithm of a radius.

A ring is no bent blob: a flow from a normal law has to tear a hole, at a price in steps and in likelihood. In these
coordinates a ring is a strip that closes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.flows.coupling import AffineCoupling
from geomlat.flows.flow import Flow
from geomlat.flows.spline import SplineCoupling
from geomlat.flows.transform import Moved, Pull, Transform, dense
from geomlat.grad import Params
from geomlat.nn import widths
from geomlat.random import normal, stream, uniform

Array = Any

BOUND = 8.0
"""Of the log-scale of log-radii: a ring may be as thin as exp(-8) of its radius."""

LEAST_RADIUS = 1e-15
"""The radius at which the centre itself, which has no angle, is taken to lie."""


@dataclass(frozen=True, eq=False)
class Polar(Transform):
    """``(t, s) -> e^s (cos t, sin t)``, with ``logdet = 2 s``; back, t lies in (-pi, pi] and s is at least log 1e-15.

    The way back is discontinuous across t = pi; its pullback is that of the smooth part.
    """

    dim: int = 2

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, logdet)`` and its pullback."""
        xp, t, r = namespace(x), x[..., 0], namespace(x).exp(x[..., 1])
        y = xp.stack((r * xp.cos(t), r * xp.sin(t)), axis=-1)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dy, dlogdet = dense(cotangent[0], y), dense(cotangent[1], t)
            along = xp.sum(dy * y, axis=-1) + 2.0 * dlogdet
            return xp.stack((dy[..., 1] * y[..., 0] - dy[..., 0] * y[..., 1], along), axis=-1), None

        return (y, 2.0 * x[..., 1]), pull

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, logdet)`` and its pullback."""
        xp, a, b = namespace(y), y[..., 0], y[..., 1]
        r = xp.maximum(xp.hypot(a, b), LEAST_RADIUS)
        s = xp.log(r)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, None]:
            dx, dlogdet = dense(cotangent[0], y), dense(cotangent[1], s)
            dt, ds = dx[..., 0] / r, (dx[..., 1] - 2.0 * dlogdet) / r
            c, d = a / r, b / r
            return xp.stack((ds * c - dt * d, ds * d + dt * c), axis=-1), None

        return (xp.stack((xp.atan2(b, a), s), axis=-1), -2.0 * s), pull


@dataclass(frozen=True)
class AngleAndNormal:
    """The base of a flow in polar coordinates: a uniform angle in (-pi, pi) and an independent standard normal."""

    def sample(self, shape: tuple[int, ...], *, rng: Any) -> Array:
        """Draws ``shape + (2,)``."""
        first = stream(rng)
        t = math.pi * (2.0 * uniform(shape, rng=first.child("angle")) - 1.0)
        return namespace(t).stack((t, normal(shape, rng=first.child("normal"))), axis=-1)

    def log_prob_vjp(self, z: Array) -> tuple[Array, Callable[[Array], tuple[Array]]]:
        """The log-density ``(...)`` at ``z`` ``(..., 2)``, and its pullback."""
        xp, s = namespace(z), z[..., 1]

        def pull(dl: Array) -> tuple[Array]:
            return (xp.stack((xp.zeros_like(s), -dl * s), axis=-1),)

        return -0.5 * s * s - 1.5 * math.log(2.0 * math.pi), pull


def polar_flow(blocks: int = 4, hidden: Sequence[int] = (16,), *, activation: str = "relu", context: int = 0) -> Flow:
    """A flow of the plane around the origin: couplings that move log-radius and angle in turn, then `Polar`.

    The angle moves by a spline that keeps (-pi, pi) and has slope 1 at its ends, so that the density closes.
    """
    hidden = widths("hidden", hidden)
    made: list[Transform] = []
    given: dict[str, Any] = {"dim": 2, "hidden": hidden, "activation": activation, "context": context}
    for k in range(blocks):
        if k % 2 == 0:
            made.append(AffineCoupling(keep=(0,), bound=BOUND, **given))
        else:
            made.append(SplineCoupling(keep=(1,), bound=math.pi, **given))
    return Flow((*made, Polar()), AngleAndNormal(), context)
