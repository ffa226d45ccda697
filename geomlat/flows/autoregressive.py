"""Autoregressive transforms: each coordinate is moved by a map that the coordinates of the data before it decide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from geomlat.backends import namespace
from geomlat.flows.elementwise import Affine, ElementMap
from geomlat.flows.spline import RationalQuadratic
from geomlat.flows.transform import Moved, Pull, Transform, dense
from geomlat.grad import Params, add
from geomlat.nn.masked import MADE

Array = Any


@dataclass(frozen=True, eq=False, kw_only=True)
class Autoregressive(Transform):
    """The masked autoregressive flow: ``x_i = T(z_i; h_i(x_1 .. x_{i-1}))``, h by a `MADE`.

    Going back from data to base takes one pass, so densities are quick; going forward takes ``dim`` passes. Wrapped in
    `Inverse` it is the inverse autoregressive flow. Papamakarios, Pavlakou, Murray (2017).

    Parameters
    ----------
    dim, hidden, context, activation
        As in `geomlat.flows.Coupling`.
    map
        What moves a coordinate: `geomlat.flows.elementwise.Affine` or a spline.
    """

    dim: int
    hidden: Sequence[int] = (64,)
    context: int = 0
    activation: str = "relu"
    map: ElementMap | RationalQuadratic = field(default_factory=Affine)
    network: MADE = field(init=False, repr=False)

    def __post_init__(self) -> None:
        made = MADE(self.dim, self.hidden, self.map.width, self.context, self.activation)
        object.__setattr__(self, "hidden", made.hidden)
        object.__setattr__(self, "network", made)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(z, logdet)`` and its pullback, in one pass of the network."""
        xp = namespace(y, p.vector)
        h, pull_network = self._read(xp, p, y, context)
        (z, logdets), pull_map = self.map.inverse_vjp(h, y)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dz, dlogdet = dense(cotangent[0], y), dense(cotangent[1], logdets[..., 0])
            dh, dy = pull_map(dz, dlogdet[..., None] + xp.zeros_like(logdets))
            through, dcontext = pull_network(dh, g)
            return dy + through, dcontext

        return (z, xp.sum(logdets, axis=-1)), pull

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, logdet)`` and its pullback, coordinate by coordinate."""
        xp = namespace(x, p.vector)
        y, total, steps = xp.zeros_like(x), xp.zeros_like(x[..., 0]), []
        for i in range(self.dim):
            h, pull_network = self._read(xp, p, y, context)
            (moved, logdet), pull_map = self.map.forward_vjp(h[..., i : i + 1, :], x[..., i : i + 1])
            y = xp.concat((y[..., :i], moved, y[..., i + 1 :]), axis=-1)
            total = total + logdet[..., 0]
            steps.append((h, pull_network, pull_map))

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dy, dlogdet = dense(cotangent[0], x), dense(cotangent[1], total)[..., None]
            columns, dcontext = [], None
            for i in reversed(range(self.dim)):
                h, pull_network, pull_map = steps[i]
                dh_i, dx_i = pull_map(dy[..., i : i + 1], dlogdet)
                dh = xp.zeros_like(h)
                dh[..., i : i + 1, :] = dh_i
                through, dc = pull_network(dh, g)
                dy, dcontext = dy + through, add(dcontext, dc)
                columns.append(dx_i)
            return xp.concat(columns[::-1], axis=-1), dcontext

        return (y, total), pull

    def _read(self, xp: Any, p: Params, y: Array, context: Array | None) -> tuple[Array, Any]:
        seen = y if context is None else xp.concat((y, context), axis=-1)
        raw, pull_network = self.network.vjp(p, seen)
        h = xp.reshape(raw, (*y.shape, self.map.width))

        def pull(dh: Array, g: Params) -> tuple[Array, Array | None]:
            dseen = pull_network(xp.reshape(dh, raw.shape), g)
            return dseen[..., : self.dim], None if context is None else dseen[..., self.dim :]

        return h, pull
