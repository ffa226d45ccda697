"""Transforms of angles: couplings on the circle and the torus. Angles are in [-pi, pi)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import VonMises
from geomlat.flows.coupling import Coupling
from geomlat.flows.elementwise import ElementMap
from geomlat.flows.flow import Flow
from geomlat.flows.moebius import MoebiusMixture
from geomlat.flows.spline import RationalQuadratic
from geomlat.nn import widths

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

    bins: int = 8

    @property
    def periodic(self) -> bool:
        """True."""
        return True

    @property
    def map(self) -> Rotated:
        """The spline and the turn."""
        return Rotated(RationalQuadratic(self.bins, math.pi, circular=True))


@dataclass(frozen=True, eq=False, kw_only=True)
class Moebius(Coupling):
    """A coupling of angles, each moved by a mixture of Moebius maps and a turn; else as `CircularSpline`.

    Rezende, Papamakarios, Racaniere et al. (2020), section 2.1.1.
    """

    centres: int = 4

    @property
    def periodic(self) -> bool:
        """True."""
        return True

    @property
    def map(self) -> Rotated:
        """The mixture and the turn."""
        return Rotated(MoebiusMixture(self.centres))


_KINDS: dict[str, type[Coupling]] = {"spline": CircularSpline, "moebius": Moebius}


def circular_flow(
    dim: int,
    blocks: int = 4,
    hidden: Sequence[int] = (32,),
    *,
    kind: str = "spline",
    context: int = 0,
    base: Any = None,
    **options: Any,
) -> Flow:
    """A flow on the torus of ``dim`` angles: a first block moves each alone, the others keep either half in turn.

    The density has no seam. ``base`` is any law of angles, by default the uniform one, which is also what the flow
    starts as; ``options`` go to the couplings. With two angles, two blocks are the autoregressive flow of Rezende,
    Papamakarios, Racaniere et al. (2020), section 2.2.

    Raises
    ------
    ValueError
        For an unknown kind, no angle or no block.
    """
    if kind not in _KINDS or dim < 1 or blocks < 1:
        msg = f"a circular flow is of kind spline or moebius, with dim and blocks >= 1; got {kind!r}, {dim}, {blocks}"
        raise ValueError(msg)
    first, second = tuple(range(dim // 2)), tuple(range(dim // 2, dim))
    kept = [() if k == 0 or dim == 1 else (second, first)[k % 2] for k in range(blocks)]
    hidden = widths("hidden", hidden)
    couplings = [_KINDS[kind](dim=dim, hidden=hidden, keep=keep, context=context, **options) for keep in kept]
    zeros = np.zeros(dim, np.float32)
    return Flow(tuple(couplings), VonMises(zeros, zeros) if base is None else base, context)
