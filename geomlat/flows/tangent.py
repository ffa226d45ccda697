"""Densities on a manifold from flows in tangent spaces, carried there by the exponential map.

    p(y) = sum_k w_k sum over u with exp(b_k, u) = y of p_k(c(u)) / |det d exp(b_k, u)|

with c(u) the coordinates of u in the orthonormal frame at the base b_k. One base is a chart, several are an atlas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from geomlat.backends import namespace, to_host
from geomlat.flows.density import Density
from geomlat.flows.flow import Flow, coupling_flow
from geomlat.grad import Params
from geomlat.manifolds import Manifold, Sphere, Torus
from geomlat.nn import widths
from geomlat.nn.initialisers import zeros
from geomlat.nn.layer import Initialiser
from geomlat.random import stream, uniform
from geomlat.train.trainable import finite, shaped

Array = Any
POLE = 1e-6
"""The distance from a base on a sphere, or from its antipode, nearer than which a point counts as that far away: a
density carried there by the exponential map has a pole of order n - 1, too slight to matter but infinite."""


@dataclass(frozen=True, eq=False, kw_only=True)
class TangentFlow(Density):
    """A density on a manifold whose points are vectors: a coupling flow in the tangent space at each base.

    Parameters
    ----------
    manifold
        With one ambient axis: a sphere, a torus, or without bound on the injectivity radius (hyperbolic, flat space).
    base
        One point ``(ambient,)`` or an atlas ``(charts, ambient)``.
    blocks, hidden, kind, activation
        Of each flow, as in `geomlat.flows.coupling_flow`.
    windings
        Geodesics counted on a sphere beyond the shortest one, in either direction, or turns of each angle of a torus;
        0 counts only points nearer than the cut locus, so that what a flow puts beyond it is lost and the density
        integrates to less than 1.

    Raises
    ------
    ValueError
        For another manifold, a base that is not on it, or a negative number of windings.
    """

    manifold: Manifold
    base: Any
    blocks: int = 6
    hidden: Sequence[int] = (32, 32)
    kind: str = "affine"
    activation: str = "tanh"
    windings: int = 1
    flows: tuple[Flow, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        base = np.atleast_2d(np.asarray(self.base, dtype=np.float64))
        if base.shape[1:] != tuple(self.manifold.ambient_shape) or not bool(np.all(self.manifold.contains(base))):
            msg = f"base holds points of {self.manifold!r}, shape (charts, {self.manifold.ambient_shape[0]})"
            raise ValueError(msg)
        apart = isinstance(self.manifold, Sphere | Torus) or math.isinf(self.manifold.injectivity_radius)
        if not apart:
            msg = f"TangentFlow knows the cut loci of spheres and tori alone, got {self.manifold!r}"
            raise ValueError(msg)
        if self.windings < 0:
            msg = f"windings is at least 0, got {self.windings}"
            raise ValueError(msg)
        object.__setattr__(self, "hidden", widths("hidden", self.hidden))
        made = tuple(
            coupling_flow(self.manifold.dim, self.blocks, self.hidden, kind=self.kind, activation=self.activation)
            for _ in base
        )
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "flows", made)

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``logits`` of the weights of the charts."""
        return {"logits": ((len(self.base),), zeros)}

    @property
    def n_features(self) -> int:
        """Ambient coordinates of a point."""
        return int(self.manifold.ambient_shape[0])

    def log_density_vjp(self, p: Params, y: Array) -> tuple[Array, Callable[[Array, Params], None]]:
        """``log p(y)`` of points ``(rows, ambient)``, and ``pull(dl, g)`` to the parameters."""
        xp = namespace(y, p.vector)
        logits = p.of(self)[0]
        log_weights = logits - xp.max(logits)
        log_weights = log_weights - xp.log(xp.sum(xp.exp(log_weights)))
        terms, pulls = [], []
        for k, flow in enumerate(self.flows):
            c, volume = self._preimages(xp, y, k)
            l, pull_flow = flow.log_density_vjp(p, xp.reshape(c, (-1, self.manifold.dim)))
            terms.append(xp.reshape(l, volume.shape) - volume + log_weights[k])
            pulls.append(pull_flow)
        joint = xp.concat(terms, axis=0)
        top = xp.max(joint, axis=0)
        share = xp.exp(joint - top)
        total = xp.sum(share, axis=0)

        def pull(dl: Array, g: Params) -> None:
            djoint = dl * share / total
            dlogits = g.of(self)[0]
            dlogits -= xp.exp(log_weights) * xp.sum(dl)
            each = joint.shape[0] // len(self.flows)
            for k, pull_flow in enumerate(pulls):
                part = djoint[k * each : (k + 1) * each]
                dlogits[k] += xp.sum(part)
                pull_flow(xp.reshape(part, (-1,)), g)

        return top + xp.log(total), pull

    def _preimages(self, xp: Any, y: Array, k: int) -> tuple[Array, Array]:
        """The tangents at base k that reach y, in coordinates, and the log-volumes of the exponential map there.

        Shapes ``(tangents, rows, dim)`` and ``(tangents, rows)``.
        """
        base = xp.asarray(self.base[k], dtype=y.dtype)
        u = self.manifold.log(base, y)
        c, volume = self.manifold.to_coordinates(base, u), self.manifold.logdet_exp(base, u)
        if isinstance(self.manifold, Torus):
            turns = xp.asarray(self._turns(), dtype=c.dtype)[:, None, :]
            return c + turns, volume + xp.zeros_like(turns[..., 0])
        if not isinstance(self.manifold, Sphere):
            return c[None], volume[None]
        n, length = self.manifold.dim, self.manifold.norm(base, u)
        turns, r = xp.asarray(self._turns(), dtype=c.dtype), xp.maximum(length, xp.full_like(length, POLE))
        first = xp.astype(xp.arange(n) == 0, c.dtype)
        direction = xp.where((length < POLE)[:, None], first, c / r[:, None])
        volume = xp.maximum(volume, xp.full_like(volume, (n - 1) * math.log(POLE / math.pi)))
        return c + turns[..., None] * direction, volume - (n - 1) * xp.log(xp.abs((r + turns) / r))

    def _turns(self) -> np.ndarray:
        """What is added to a tangent: to its length on a sphere, ``(tangents, 1)``, to its angles on a torus."""
        counts = range(-self.windings, self.windings + 1)
        repeat = self.manifold.dim if isinstance(self.manifold, Torus) else 1
        return 2.0 * math.pi * np.array(list(product(counts, repeat=repeat)))

    def check(self, X: Array) -> None:
        """Raise ValueError if a row of ``X`` is not on the manifold."""
        xp = namespace(X)
        if not bool(xp.all(xp.max(xp.abs(self.manifold.project(X) - X), axis=-1) < 1e-3)):
            msg = f"X holds rows that are not on {self.manifold!r}; project them first"
            raise ValueError(msg)

    def log_prob(self, X: Array) -> Array:
        """The log-density of each row of ``X`` with respect to the Riemannian measure, by the fitted parameters."""
        theta, X = self.vector(), finite("X", shaped("X", X, self.n_features))
        self.check(X)
        return self.log_density_vjp(self.view(theta), namespace(X).astype(X, theta.dtype, copy=False))[0]

    def sample(self, n: int = 1, *, rng: Any) -> Array:
        """``n`` points ``(n, ambient)``, those of a chart by its weight.

        With ``windings=0`` some may come from beyond the cut locus, where `log_prob` does not count them.
        """
        theta, first = self.vector(), stream(rng)
        p, xp = self.view(theta), namespace(theta)
        logits = to_host(p.of(self)[0]).astype(np.float64)
        edges = np.cumsum(np.exp(logits - logits.max()))
        chosen = np.searchsorted(edges, uniform(n, rng=first.child("chart")) * edges[-1], side="right")
        y = xp.empty((n, self.n_features), dtype=theta.dtype)
        for k, flow in enumerate(self.flows):
            rows = np.flatnonzero(chosen == k)
            base = xp.asarray(self.base[k], dtype=theta.dtype)
            z = flow.base_like(theta).sample((len(rows),), rng=first.child("base", k))
            c, _ = flow.chain.forward(p, z)
            y[rows] = self.manifold.exp(base, self.manifold.from_coordinates(base, c))
        return y
