"""Densities on the sphere S^2 from splines on the cylinder around it.

    x = (sqrt(1 - z^2) cos phi, sqrt(1 - z^2) sin phi, z)

takes the cylinder of longitudes phi and heights z to the sphere without a change of area (Archimedes), so that a
density of (phi, z) is one of x. Couplings move z by splines of [-1, 1] that phi decides, and phi by circular splines
that z decides. Rezende, Papamakarios, Racaniere et al. (2020), section 2.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from geomlat.backends import namespace
from geomlat.flows.circular import Rotated
from geomlat.flows.coupling import Coupling
from geomlat.flows.density import Density
from geomlat.flows.spline import RationalQuadratic
from geomlat.flows.transform import Chain
from geomlat.grad import Params
from geomlat.manifolds import Manifold, Sphere
from geomlat.nn import widths
from geomlat.random import stream, uniform

Array = Any
LOG_AREA = math.log(4.0 * math.pi)


@dataclass(frozen=True, eq=False, kw_only=True)
class CylinderCoupling(Coupling):
    """A coupling of (phi, z): phi decides how z in [-1, 1] is moved, or by ``flip=True`` z how phi is."""

    dim: int = 2
    bins: int = 16

    @property
    def periodic(self) -> bool:
        """Whether phi is kept."""
        return not self.flip

    @property
    def map(self) -> Rotated | RationalQuadratic:
        """The spline of phi with its turn, or that of z."""
        return Rotated(RationalQuadratic(self.bins, math.pi, circular=True)) if self.flip else self._of_heights

    @property
    def _of_heights(self) -> RationalQuadratic:
        return RationalQuadratic(self.bins, 1.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class CylindricalFlow(Density):
    """A density on ``Sphere(2)`` that starts as the uniform law; it has no seam, but kinks at the poles (0, 0, +-1).

    Parameters
    ----------
    manifold
        The sphere.
    blocks, hidden, activation
        Couplings, of which every second moves z, and their networks.
    bins
        Of each spline.

    Raises
    ------
    TypeError, ValueError
        For another manifold, or no block.
    """

    manifold: Manifold
    blocks: int = 6
    hidden: Sequence[int] = (32, 32)
    activation: str = "tanh"
    bins: int = 16
    chain: Chain = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.manifold != Sphere(2):
            msg = f"CylindricalFlow lives on Sphere(2), got {self.manifold!r}"
            raise TypeError(msg)
        if self.blocks < 1:
            msg = f"CylindricalFlow needs at least one block, got {self.blocks}"
            raise ValueError(msg)
        object.__setattr__(self, "hidden", widths("hidden", self.hidden))
        settings: dict[str, Any] = {"hidden": self.hidden, "activation": self.activation, "bins": self.bins}
        couplings = tuple(CylinderCoupling(flip=bool(k % 2), **settings) for k in range(self.blocks))
        object.__setattr__(self, "chain", Chain(couplings))

    @property
    def n_features(self) -> int:
        """Ambient coordinates of a point."""
        return 3

    def log_density_vjp(self, p: Params, x: Array) -> tuple[Array, Callable[[Array, Params], None]]:
        """``log p(x)`` of points ``(rows, 3)``, and ``pull(dl, g)`` to the parameters."""
        xp = namespace(x, p.vector)
        at = xp.stack((xp.atan2(x[:, 1], x[:, 0]), x[:, 2]), axis=-1)
        (_, logdet), pull_chain = self.chain.inverse_vjp(p, at)

        def pull(dl: Array, g: Params) -> None:
            pull_chain((None, dl), g)

        return logdet - LOG_AREA, pull

    def check(self, X: Array) -> None:
        """Raise ValueError if a row of ``X`` is not a unit vector."""
        xp = namespace(X)
        if not bool(xp.all(xp.abs(xp.sum(X * X, axis=-1) - 1.0) < 1e-3)):
            msg = "X holds rows that are not unit vectors; project them with Sphere(2).project"
            raise ValueError(msg)

    def log_prob(self, X: Array) -> Array:
        """The log-density of each row of ``X`` with respect to the surface measure, by the fitted parameters."""
        theta, X = self.vector(), self.checked(X)
        return self.log_density_vjp(self.view(theta), namespace(X).astype(X, theta.dtype, copy=False))[0]

    def sample(self, n: int = 1, *, rng: Any) -> Array:
        """``n`` points ``(n, 3)``."""
        theta = self.vector()
        xp = namespace(theta)
        u = xp.astype(2.0 * uniform((n, 2), rng=stream(rng), xp=xp) - 1.0, theta.dtype)
        at, _ = self.chain.forward(self.view(theta), u * xp.asarray([math.pi, 1.0], dtype=u.dtype))
        r = xp.sqrt(xp.maximum((1.0 - at[:, 1]) * (1.0 + at[:, 1]), xp.zeros_like(at[:, 1])))
        return xp.stack((r * xp.cos(at[:, 0]), r * xp.sin(at[:, 0]), at[:, 1]), axis=-1)
