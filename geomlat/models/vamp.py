"""The VampPrior: a mixture of the encoder's own posteriors at trainable pseudo-inputs.

    p(z) = sum_k pi_k q(z | u_k)

Tomczak, Welling (2018), eq. 9. It takes any posterior family.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.backends import namespace, to_host
from geomlat.distributions.pairs import LIMIT, log_prob_pairs_vjp
from geomlat.grad import Params
from geomlat.models.posterior import Posterior
from geomlat.nn import Layer
from geomlat.nn.initialisers import zeros
from geomlat.nn.layer import Initialiser
from geomlat.random import Stream, normal, stream, uniform

Array = Any


@dataclass(frozen=True, eq=False)
class AggregatePosterior:
    """The mixture ``sum_k exp(log_weights_k) components_k`` of the laws of one batched family.

    The log-density is a log-sum-exp over all pairs; points x components x coordinates never exist as an array. Where
    every component has density 0 it is -inf, with no derivative.
    """

    log_weights: Array
    components: Any

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of a point."""
        return tuple(self.components.event_shape)

    def log_prob(self, x: Array) -> Array:
        """The log-density of points ``(..., *event)``."""
        return self.log_prob_vjp(x)[0]

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array], tuple[Any, Any, Any]]]:
        """`log_prob` and its pullback to ``(dx, dlog_weights, dcomponents)``."""
        xp = namespace(x)
        batch = x.shape[: x.ndim - len(self.event_shape)]
        pairs, pull_pairs = log_prob_pairs_vjp(self.components, xp.reshape(x, (-1, *self.event_shape)))
        joint = pairs + self.log_weights
        top = xp.max(joint, axis=-1, keepdims=True)
        none, zero = top == -math.inf, xp.zeros_like(top)
        share = xp.exp(joint - xp.where(none, zero, top))
        total = xp.where(none, zero + 1.0, xp.sum(share, axis=-1, keepdims=True))
        share /= total

        def pull(dl: Array) -> tuple[Any, Any, Any]:
            djoint = xp.reshape(dl, (-1, 1)) * share
            dx, *dq = pull_pairs(djoint)
            return xp.reshape(dx, x.shape), xp.sum(djoint, axis=0), tuple(dq)

        return xp.reshape(top + xp.log(total), batch), pull

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + event_shape``: a component by its weight, then a point of it."""
        first, xp = stream(rng), namespace(self.log_weights)
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        n = math.prod(shape)
        edges = np.cumsum(np.exp(to_host(self.log_weights).astype(np.float64)))
        u = np.asarray(uniform(n, rng=first.child("component"))) * edges[-1]
        chosen = np.minimum(np.searchsorted(edges, u, side="right"), len(edges) - 1)
        return xp.reshape(self._draws_of(chosen, first.child("point")), (*shape, *self.event_shape))

    def _draws_of(self, chosen: np.ndarray, rng: Stream) -> Array:
        # A draw of each of these components: the first draws of all K, then the next, in blocks. At once they took
        # 900 MB for ten thousand draws of 200 components, one of which had all the weight.
        k, n = len(self.log_weights), len(chosen)
        counts, ranks = np.bincount(chosen, minlength=k), np.empty(n, dtype=np.int64)
        ranks[np.argsort(chosen, kind="stable")] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
        order, step = np.argsort(ranks, kind="stable"), max(1, LIMIT // (k * math.prod(self.event_shape)))
        most, xp, found = int(counts.max()), namespace(self.log_weights), []
        blocks = np.split(order, np.searchsorted(ranks[order], np.arange(step, most, step)))
        for start, block in zip(range(0, max(most, 1), step), blocks, strict=True):
            draws = self.components.sample(min(step, most - start), rng=rng.at(start * k))
            found.append(draws[xp.asarray(ranks[block] - start), xp.asarray(chosen[block])])
        return xp.take(xp.concat(found, axis=0), xp.asarray(np.argsort(order)), axis=0)


@dataclass(frozen=True, eq=False)
class VampPrior(Layer):
    """The prior layer: ``n_components`` pseudo-inputs in the units of the data, seen by the posterior they share.

    Parameters
    ----------
    posterior
        The VAE's own.
    n_components
        K, at least 1.
    start, spread
        Mean and standard deviation of the random pseudo-inputs, in shares of the data's ``unit``; `initialise` sets
        them from data.
    learn_weights
        Whether pi is trained; it starts, and else stays, uniform.
    clipped
        Whether pseudo-inputs are clipped to ``[0, unit]``, as for pixels. A clipped number has no gradient.
    from_data
        Whether a training starts the pseudo-inputs from rows of its data, see `begin`.

    Raises
    ------
    ValueError
        For no component or a spread that is not positive.
    """

    posterior: Posterior
    n_components: int = 500
    start: float = 0.5
    spread: float = 0.1
    learn_weights: bool = False
    clipped: bool = True
    from_data: bool = False

    def __post_init__(self) -> None:
        if self.n_components < 1 or not self.spread > 0.0:
            msg = f"a VampPrior needs n_components >= 1 and spread > 0, got {self.n_components} and {self.spread}"
            raise ValueError(msg)

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``pseudo_inputs`` (K, n_features), in shares of the unit, and ``logits`` (K,) if they are learned."""

        def random(rng: Stream, shape: tuple[int, ...]) -> np.ndarray:
            return self.start + self.spread * np.asarray(normal(shape, rng=rng))

        shape = (self.n_components, self.posterior.network.n_in)
        weights = {"logits": ((self.n_components,), zeros)} if self.learn_weights else {}
        return {"pseudo_inputs": (shape, random), **weights}

    def initialise(self, p: Params, x: Array, *, rng: Any, prepare: Callable[..., Array] | None = None) -> None:
        """Set the pseudo-inputs in ``p`` to rows of ``x`` drawn without replacement (with, if there are too few).

        ``prepare(rows, rng=stream)`` makes the drawn rows ready, as in a training.
        """
        first = stream(rng)
        chosen = first.generator().choice(len(x), self.n_components, replace=len(x) < self.n_components)
        drawn = x[namespace(x).asarray(chosen)]
        drawn = drawn if prepare is None else prepare(drawn, rng=first.child("prepare"))
        p.of(self)[0][...] = drawn / self.posterior.unit

    def begin(self, p: Params, x: Array, *, rng: Any, prepare: Callable[..., Array] | None = None) -> None:
        """What a training does with its data before the first step: `initialise` if ``from_data``."""
        if self.from_data:
            self.initialise(p, x, rng=rng, prepare=prepare)

    def pseudo_inputs(self, p: Params) -> Array:
        """The pseudo-inputs ``(K, n_features)`` in the units of the data, as the posterior sees them."""
        raw = p.of(self)[0]
        return (namespace(raw).clip(raw, 0.0, 1.0) if self.clipped else raw) * self.posterior.unit

    def vjp(self, p: Params) -> tuple[AggregatePosterior, Callable[[Any, Params], None]]:
        """The mixture, and ``pull(dr, g)``."""
        raw, *logits = p.of(self)
        xp, unit = namespace(raw), self.posterior.unit
        q, pull_posterior = self.posterior.vjp(p, self.pseudo_inputs(p))
        scores = logits[0] if logits else xp.zeros(self.n_components, dtype=raw.dtype)
        top = xp.max(scores)
        log_weights = scores - top - xp.log(xp.sum(xp.exp(scores - top)))

        def pull(dr: Any, g: Params) -> None:
            dlog, dq = dr
            draw, *dlogits = g.of(self)
            du = unit * pull_posterior(dq, g)
            draw += xp.where((raw >= 0.0) & (raw <= 1.0), du, xp.zeros_like(du)) if self.clipped else du
            if dlogits:
                dlogits[0][...] += dlog - xp.exp(log_weights) * xp.sum(dlog)

        return AggregatePosterior(log_weights, q), pull
