"""Transforms of angles: couplings on the circle and the torus. Angles are in [-pi, pi)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from geomlat.backends import namespace
from geomlat.flows.coupling import Coupling
from geomlat.flows.elementwise import ElementMap
from geomlat.flows.moebius import MoebiusMixture
from geomlat.flows.spline import RationalQuadratic

Array = Any


@dataclass(frozen=True)
class Rotated:
    """A map of [-pi, pi] that fixes its ends, then a turn by the last raw parameter: no angle is special."""

    map: ElementMap | RationalQuadratic | MoebiusMixture

    @property
    def width(self) -> int:
        """Raw parameters of each angle."""
        return self.map.width + 1

    def forward_vjp(self, h: Array, x: Array) -> Any:
        """``(y, log slope)`` and its pullback to ``(dh, dx)``."""
        (y, logdet), pull_map = self.map.forward_vjp(h[..., :-1], wrapped(x))
        xp = namespace(y)

        def pull(dy: Array, dlogdet: Array) -> tuple[Array, Array]:
            dh, dx = pull_map(dy, dlogdet)
            return xp.concat((dh, dy[..., None]), axis=-1), dx

        return (wrapped(y + h[..., -1]), logdet), pull

    def inverse_vjp(self, h: Array, y: Array) -> Any:
        """``(x, -log slope)`` and its pullback to ``(dh, dy)``."""
        (x, logdet), pull_map = self.map.inverse_vjp(h[..., :-1], wrapped(y - h[..., -1]))
        xp = namespace(x)

        def pull(dx: Array, dlogdet: Array) -> tuple[Array, Array]:
            dh, dy = pull_map(dx, dlogdet)
            return xp.concat((dh, -dy[..., None]), axis=-1), dy

        return (x, logdet), pull


def wrapped(angle: Array) -> Array:
    """The angle in [-pi, pi)."""
    turns = namespace(angle).floor((angle + math.pi) / (2.0 * math.pi))
    return angle - 2.0 * math.pi * turns


@dataclass(frozen=True, eq=False, kw_only=True)
class CircularSpline(Coupling):
    """A coupling of angles, each moved by a periodic rational-quadratic spline and a turn.

    The kept angles reach the network as cosines and sines. With one angle, or ``keep=()``, only the context decides;
    without a context the map is the same for all. Rezende, Papamakarios, Racaniere et al. (2020), section 2.1.2.
    """

    periodic: ClassVar[bool] = True
    bins: int = 8

    @property
    def map(self) -> Rotated:
        """The spline and the turn."""
        return Rotated(RationalQuadratic(self.bins, math.pi, circular=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Moebius(Coupling):
    """A coupling of angles, each moved by a mixture of Moebius maps and a turn; else as `CircularSpline`.

    Rezende, Papamakarios, Racaniere et al. (2020), section 2.1.1.
    """

    periodic: ClassVar[bool] = True
    centres: int = 4

    @property
    def map(self) -> Rotated:
        """The mixture and the turn."""
        return Rotated(MoebiusMixture(self.centres))
