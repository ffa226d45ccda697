"""Densities on the sphere from a flow in the ambient space, its points carried to the sphere along rays.

With an ambient density p on R^m, m = n + 1, the direction y of its points has with respect to the surface measure

    log p(y) = log of the integral over t of p(e^t y) e^{m t}

and a dequantiser q(t | y), a normal law of t = log r, bounds it from below by E_q[log p(e^t y) + m t - log q(t | y)].
Brofos, Brubaker, Lederman (2021), "Manifold density estimation via generalized dequantization".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.flows.density import Density
from geomlat.flows.flow import Flow, coupling_flow
from geomlat.grad import Params
from geomlat.manifolds import Manifold, Sphere
from geomlat.nn import MLP, widths
from geomlat.nn.activations import softplus
from geomlat.random import normal, stream
from geomlat.train.trainable import finite, shaped

Array = Any
HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
LOCATIONS = ("free", "softplus")
DEPTH = 30.0
"""How far the integrand of the radial integral may lie below its largest value and still count, in nats."""

_BLOCK = 1 << 16
_WIDE, _QUANTILES = np.linspace(-12.0, 8.0, 41), np.linspace(-9.0, 9.0, 19)


@dataclass(frozen=True, eq=False, kw_only=True)
class DequantizedDensity(Density):
    """A density on ``Sphere(n)``: an ambient coupling flow and a log-normal dequantiser of the radius.

    Parameters
    ----------
    manifold
        The sphere.
    blocks, hidden, kind, activation
        Of the ambient flow, as in `geomlat.flows.coupling_flow`.
    dequantizer
        Hidden widths of the network of the dequantiser's location and scale.
    location
        ``"free"``: any median radius; ``"softplus"``: a location of at least 0, so a median of at least 1, as in the
        published code.
    draws
        Radii per point and step. One is the evidence bound; more the importance-weighted bound, which is tighter.

    Raises
    ------
    TypeError, ValueError
        For another manifold, an unknown location or no draw.
    """

    manifold: Manifold
    blocks: int = 6
    hidden: Sequence[int] = (32, 32)
    kind: str = "affine"
    activation: str = "tanh"
    dequantizer: Sequence[int] = (32,)
    location: str = "free"
    draws: int = 1
    flow: Flow = field(init=False, repr=False)
    network: MLP = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.manifold, Sphere):
            msg = f"DequantizedDensity lives on a Sphere, got {self.manifold!r}"
            raise TypeError(msg)
        if self.location not in LOCATIONS or self.draws < 1:
            msg = f"location is one of {', '.join(LOCATIONS)} and draws at least 1, got {self.location!r}, {self.draws}"
            raise ValueError(msg)
        for name in ("hidden", "dequantizer"):
            object.__setattr__(self, name, widths(name, getattr(self, name)))
        flow = coupling_flow(self.n_features, self.blocks, self.hidden, kind=self.kind, activation=self.activation)
        object.__setattr__(self, "flow", flow)
        object.__setattr__(self, "network", MLP((self.n_features, *self.dequantizer, 2), self.activation))

    @property
    def n_features(self) -> int:
        """Ambient coordinates of a point."""
        return self.manifold.dim + 1

    def loss_vjp(
        self, theta: Array, y: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of the negative bound, and ``pull(g)``; ``noise`` is a stream or what `draw` returned."""
        p, n = self.view(theta), y.shape[0]
        eps = noise if hasattr(noise, "shape") else self.draw(theta, y, rng=noise)
        weights, pull_weights = self._log_weights_vjp(p, y, eps)
        xp = namespace(weights)
        top = xp.max(weights, axis=0)
        share = xp.exp(weights - top)
        total = xp.sum(share, axis=0)

        def pull(g: Params) -> None:
            pull_weights(share / (total * -n), g)

        return -xp.mean(top + xp.log(total / self.draws)), pull

    def draw(self, theta: Array, y: Array, *, rng: Any) -> Array:
        """The noise of a step, ``(draws, rows)``."""
        return normal((self.draws, y.shape[0]), rng=rng, dtype=np.dtype(theta.dtype), xp=namespace(theta))

    def check(self, X: Array) -> None:
        """Raise ValueError if a row of ``X`` is not a unit vector."""
        xp = namespace(X)
        if not bool(xp.all(xp.abs(xp.sum(X * X, axis=-1) - 1.0) < 1e-3)):
            msg = "X holds rows that are not unit vectors; project them with Sphere(n).project"
            raise ValueError(msg)

    def log_prob(self, X: Array, *, nodes: int = 160) -> Array:
        """The exact log-density with respect to the surface measure, by ``nodes`` points of the radial integral.

        The trapezoidal rule over the log-radii where the integrand is within 30 nats of the largest value found on a
        coarse grid and at the dequantiser's quantiles; it does not depend on how good the dequantiser is. Raises
        ValueError for fewer than two nodes.
        """
        if nodes < 2:
            msg = f"the radial integral needs at least 2 nodes, got {nodes}"
            raise ValueError(msg)
        theta, X = self.vector(), self._points(X)
        p, xp = self.view(theta), namespace(X)
        found, rows = [], max(1, _BLOCK // max(nodes, len(_WIDE) + len(_QUANTILES)))
        grid = xp.asarray(np.linspace(0.0, 1.0, nodes), dtype=X.dtype)[:, None]
        for start in range(0, max(X.shape[0], 1), rows):
            y = X[start : start + rows]
            low, high = self._reach(p, y)
            values = self._along_rays(p, y, low + (high - low) * grid)
            top = xp.max(values, axis=0)
            found.append(top + xp.log(xp.sum(xp.exp(values - top), axis=0) * ((high - low) / (nodes - 1))))
        return xp.concat(found, axis=0)

    def log_prob_estimate(self, X: Array, *, samples: int = 50, rng: Any) -> Array:
        """The importance-sampled log-density, which is low by about half the variance of its weights' mean.

        Raises ValueError for no sample.
        """
        if samples < 1:
            msg = f"an estimate needs at least one sample, got {samples}"
            raise ValueError(msg)
        theta, X = self.vector(), self._points(X)
        xp = namespace(X)
        eps = normal((samples, X.shape[0]), rng=rng, dtype=np.dtype(X.dtype), xp=xp)
        weights = self._log_weights_vjp(self.view(theta), X, eps)[0]
        top = xp.max(weights, axis=0)
        return top + xp.log(xp.mean(xp.exp(weights - top), axis=0))

    def sample(self, n: int = 1, *, rng: Any) -> Array:
        """``n`` points ``(n, ambient)``: those of the ambient flow, projected."""
        return self.manifold.project(self.flow_points(n, rng=rng))

    def flow_points(self, n: int, *, rng: Any) -> Array:
        """``n`` points of the ambient flow, not projected."""
        theta = self.vector()
        z = self.flow.base_like(theta).sample((n,), rng=stream(rng))
        return self.flow.chain.forward(self.view(theta), z)[0]

    def _along_rays(self, p: Params, y: Array, t: Array) -> Array:
        """``log p(e^t y) + m t`` at ``t`` ``(k, rows)``."""
        xp, m = namespace(y), self.n_features
        log_ambient = self.flow.log_density_vjp(p, xp.reshape(xp.exp(t)[..., None] * y, (-1, m)))[0]
        return xp.reshape(log_ambient, t.shape) + m * t

    def _reach(self, p: Params, y: Array) -> tuple[Array, Array]:
        """The least and the largest log-radius that count, ``(rows,)`` each."""
        xp = namespace(y)
        loc, scale = self._dequantizer_vjp(p, y)[0]
        wide, quantiles = (xp.asarray(a, dtype=y.dtype)[:, None] for a in (_WIDE, _QUANTILES))
        t = xp.sort(xp.concat((wide + xp.zeros_like(loc), loc + scale * quantiles), axis=0), axis=0)
        values = self._along_rays(p, y, t)
        inside = values > xp.max(values, axis=0) - DEPTH
        # With one node more on either side.
        inside = inside | xp.concat((inside[1:], inside[-1:]), axis=0) | xp.concat((inside[:1], inside[:-1]), axis=0)
        return (
            xp.min(xp.where(inside, t, xp.full_like(t, math.inf)), axis=0),
            xp.max(xp.where(inside, t, xp.full_like(t, -math.inf)), axis=0),
        )

    def _dequantizer_vjp(
        self, p: Params, y: Array
    ) -> tuple[tuple[Array, Array], Callable[[Array, Array, Params], None]]:
        """Location and scale of the log-radius, and ``pull(dloc, dscale, g)``."""
        xp = namespace(y)
        h, pull_network = self.network.vjp(p, y)
        loc, slope_loc = softplus(h[:, 0]) if self.location == "softplus" else (h[:, 0], xp.ones_like(h[:, 0]))
        scale, slope = softplus(h[:, 1])

        def pull(dloc: Array, dscale: Array, g: Params) -> None:
            pull_network(xp.stack((dloc * slope_loc, dscale * slope), axis=-1), g, inputs=False)

        return (loc, scale), pull

    def _log_weights_vjp(self, p: Params, y: Array, eps: Array) -> tuple[Array, Callable[[Array, Params], None]]:
        """``log p(e^t y) + m t - log q(t | y)`` at ``t = loc + scale eps``, ``(draws, rows)``, and ``pull(dl, g)``."""
        xp, m = namespace(y), self.n_features
        (loc, scale), pull_dequantizer = self._dequantizer_vjp(p, y)
        t = loc + scale * eps
        x = xp.exp(t)[..., None] * y
        log_ambient, pull_flow = self.flow.log_density_vjp(p, xp.reshape(x, (-1, m)))
        value = xp.reshape(log_ambient, t.shape) + m * t + 0.5 * eps * eps + HALF_LOG_TAU + xp.log(scale)

        def pull(dl: Array, g: Params) -> None:
            dx, _ = pull_flow(xp.reshape(dl, (-1,)), g)
            dt = xp.sum(xp.reshape(dx, x.shape) * x, axis=-1) + m * dl
            pull_dequantizer(xp.sum(dt, axis=0), xp.sum(dt * eps + dl / scale, axis=0), g)

        return value, pull

    def _points(self, X: Array) -> Array:
        X = finite("X", shaped("X", X, self.n_features))
        self.check(X)
        return namespace(X).astype(X, self.vector().dtype, copy=False)
