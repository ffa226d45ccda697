"""Densities on the torus from a flow in R^n, its points carried to the torus coordinate by coordinate, modulo 2 pi.

    log p(y) = log sum over k of p(y + 2 pi k),   k in {-windings .. windings}^n

and a dequantiser q(k | y), which gives the turns back, bounds it from below by

    sum over k of q(k | y) (log p(y + 2 pi k) - log q(k | y))

Brofos, Brubaker, Lederman (2021), "Manifold density estimation via generalized dequantization", section 3.3. The sums
are finite, so that neither is estimated. `TangentFlow` at one base of the torus trains the density itself, at the same
cost, and gets closer to modes that lie across a seam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.flows.density import Density
from geomlat.flows.flow import Flow, coupling_flow
from geomlat.grad import Params
from geomlat.manifolds import Manifold, Torus
from geomlat.nn import MLP, widths

Array = Any
MOST_CELLS = 1000


@dataclass(frozen=True, eq=False, kw_only=True)
class WrappedDensity(Density):
    """A density on ``Torus(n)``, n >= 2: a coupling flow in R^n and a dequantiser of the turns.

    Parameters
    ----------
    manifold
        The torus.
    blocks, hidden, kind, activation
        Of the flow, as in `geomlat.flows.coupling_flow`.
    dequantizer
        Hidden widths of the network of the dequantiser's logits, which sees cosines and sines.
    windings
        Turns counted to either side. What the flow puts beyond them is lost: the density then integrates to less
        than 1.

    Raises
    ------
    TypeError, ValueError
        For another manifold, no turn, or more than 1000 cells ``(2 windings + 1)^n``.
    """

    manifold: Manifold
    blocks: int = 6
    hidden: Sequence[int] = (32, 32)
    kind: str = "affine"
    activation: str = "tanh"
    dequantizer: Sequence[int] = (32,)
    windings: int = 1
    flow: Flow = field(init=False, repr=False)
    network: MLP = field(init=False, repr=False)
    turns: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.manifold, Torus):
            msg = f"WrappedDensity lives on a Torus, got {self.manifold!r}"
            raise TypeError(msg)
        n = self.manifold.dim
        if self.windings < 1 or (2 * self.windings + 1) ** n > MOST_CELLS:
            msg = f"windings is at least 1 and (2 windings + 1)^{n} at most {MOST_CELLS}, got {self.windings}"
            raise ValueError(msg)
        for name in ("hidden", "dequantizer"):
            object.__setattr__(self, name, widths(name, getattr(self, name)))
        cells = np.array(list(product(range(-self.windings, self.windings + 1), repeat=n)))
        flow = coupling_flow(n, self.blocks, self.hidden, kind=self.kind, activation=self.activation)
        object.__setattr__(self, "flow", flow)
        object.__setattr__(self, "network", MLP((2 * n, *self.dequantizer, len(cells)), self.activation))
        object.__setattr__(self, "turns", 2.0 * math.pi * cells)

    @property
    def n_features(self) -> int:
        """The number of angles."""
        return self.manifold.dim

    def loss_vjp(
        self, theta: Array, y: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of the negative bound, and ``pull(g)``."""
        p, n, xp = self.view(theta), y.shape[0], namespace(theta, y)
        joint, pull_joint = self._joint_vjp(p, y)
        logits, pull_network = self.network.vjp(p, xp.concat((xp.cos(y), xp.sin(y)), axis=-1))
        top = xp.max(logits, axis=-1, keepdims=True)
        log_q = logits - top - xp.log(xp.sum(xp.exp(logits - top), axis=-1, keepdims=True))
        q, gain = xp.exp(log_q), joint - log_q
        bound = xp.sum(q * gain, axis=-1)

        def pull(g: Params) -> None:
            pull_joint(-q / n, g)
            pull_network(-q * (gain - bound[:, None]) / n, g, inputs=False)

        return -xp.mean(bound), pull

    def check(self, X: Array) -> None:
        """Raise ValueError if ``X`` holds angles outside [-pi, pi]."""
        xp = namespace(X)
        if not bool(xp.all(xp.abs(X) < math.pi + 1e-3)):
            msg = f"X holds angles outside [-pi, pi]; project them with {self.manifold!r}.project"
            raise ValueError(msg)

    def log_prob(self, X: Array) -> Array:
        """The log-density of each row of ``X``, per square radian and the like."""
        theta, X = self.vector(), self.checked(X)
        xp = namespace(X)
        joint, _ = self._joint_vjp(self.view(theta), xp.astype(X, theta.dtype, copy=False))
        top = xp.max(joint, axis=-1)
        return top + xp.log(xp.sum(xp.exp(joint - top[:, None]), axis=-1))

    def sample(self, n: int = 1, *, rng: Any) -> Array:
        """``n`` points ``(n, angles)`` in [-pi, pi): those of the flow, wrapped."""
        theta = self.vector()
        z = self.flow.base_like(theta).sample((n,), rng=rng)
        return self.manifold.project(self.flow.chain.forward(self.view(theta), z)[0])

    def _joint_vjp(self, p: Params, y: Array) -> tuple[Array, Callable[[Array, Params], None]]:
        """``log p(y + 2 pi k)`` ``(rows, cells)``, and ``pull(dl, g)``."""
        xp, n = namespace(y, p.vector), self.n_features
        x = y[:, None, :] + xp.asarray(self.turns, dtype=y.dtype)
        l, pull_flow = self.flow.log_density_vjp(p, xp.reshape(x, (-1, n)))

        def pull(dl: Array, g: Params) -> None:
            pull_flow(xp.reshape(dl, (-1,)), g)

        return xp.reshape(l, x.shape[:-1]), pull
