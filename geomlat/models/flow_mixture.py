"""The variational mixture of normalising flows: K flows and a network that says which of them made a point.

    ELBO(x) = sum_c q(c|x) (log p_c(x) + log pi_c - log q(c|x)) <= log sum_c pi_c p_c(x)

The sum over c is exact. Pires, Figueiredo (2020), eq. 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.flows import Flow, coupling_flow
from geomlat.grad import Params
from geomlat.nn import MLP
from geomlat.nn.initialisers import zeros
from geomlat.nn.layer import Initialiser
from geomlat.train.trainable import Trainable, finite, shaped

Array = Any
OBJECTIVES = ("elbo", "marginal")


@dataclass(frozen=True, eq=False, kw_only=True)
class FlowMixture(Trainable):
    """A mixture of ``n_components`` coupling flows of ``features`` coordinates, as a density and as a clustering.

    Parameters
    ----------
    blocks, hidden, kind, activation
        Of each flow, as in `geomlat.flows.coupling_flow`.
    posterior_hidden
        Hidden widths of the network of q(c|x).
    objective
        ``"elbo"``, the bound above, or ``"marginal"``, the log-likelihood itself by a log-sum-exp, which leaves q
        untrained and uses the exact p(c|x).
    learn_weights
        Whether pi is trained; it starts uniform.
    shared
        One flow with the component as a one-hot context in the place of K flows.
    supervision
        The weight of the cross-entropy of q(c|x) on rows with a label.

    In training ``beta`` multiplies q's logits: an inverse temperature, whose schedule should end at 1.

    Raises
    ------
    ValueError
        For fewer than two components, an unknown objective or a negative supervision.
    """

    n_components: int
    features: int
    blocks: int = 4
    hidden: Sequence[int] = (8,)
    kind: str = "affine"
    activation: str = "relu"
    posterior_hidden: Sequence[int] = (16,)
    objective: str = "elbo"
    learn_weights: bool = True
    shared: bool = False
    supervision: float = 1.0
    flows: tuple[Flow, ...] = field(init=False, repr=False)
    posterior: MLP = field(init=False, repr=False)

    def __post_init__(self) -> None:
        k = self.n_components
        if k < 2 or self.objective not in OBJECTIVES or not self.supervision >= 0.0:
            msg = (
                f"a mixture needs n_components >= 2, an objective of {', '.join(OBJECTIVES)} and supervision >= 0; "
                f"got {k}, {self.objective!r}, {self.supervision}"
            )
            raise ValueError(msg)
        context = k if self.shared else 0
        made = tuple(
            coupling_flow(
                self.features, self.blocks, self.hidden, kind=self.kind, activation=self.activation, context=context
            )
            for _ in range(1 if self.shared else k)
        )
        sizes = (self.features, *self.posterior_hidden, k)
        for name in ("hidden", "posterior_hidden"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "flows", made)
        object.__setattr__(self, "posterior", MLP(sizes, self.activation))

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``logits`` of pi, (n_components,)."""
        return {"logits": ((self.n_components,), zeros)}

    @property
    def n_features(self) -> int:
        """Columns of the training data: those of a point, then its label, -1 where there is none."""
        return self.features + 1

    def component_log_probs_vjp(self, p: Params, x: Array) -> tuple[Array, Callable[[Array, Params], None]]:
        """``log p_c(x)`` ``(n, n_components)``, and ``pull(dl, g)``."""
        xp, n, k = namespace(x), x.shape[0], self.n_components
        if not self.shared:
            found = [flow.log_density_vjp(p, x) for flow in self.flows]

            def pull(dl: Array, g: Params) -> None:
                for c, (_, pull_flow) in enumerate(found):
                    pull_flow(dl[:, c], g)

            return xp.stack([l for l, _ in found], axis=-1), pull
        context = xp.repeat(xp.eye(k, dtype=x.dtype), n, axis=0)
        l, pull_shared = self.flows[0].log_density_vjp(p, xp.tile(x, (k, 1)), context)

        def pull_all(dl: Array, g: Params) -> None:
            pull_shared(xp.reshape(dl.T, (n * k,)), g)

        return xp.reshape(l, (k, n)).T, pull_all

    def loss_vjp(
        self, theta: Array, x: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of the negative objective, and ``pull(g)``.

        A row with label y has the objective ``log p_y(x) + log pi_y + supervision log q(y|x)``.
        """
        p, (x, labels) = self.view(theta), self._split(x)
        xp, n = namespace(x), x.shape[0]
        log_p, pull_flows = self.component_log_probs_vjp(p, x)
        log_pi = self._log_weights(p)
        h, pull_posterior = self.posterior.vjp(p, x)
        log_q = _log_softmax(beta * h)
        joint = log_p + log_pi
        known = (labels >= 0.0)[:, None]
        target = xp.astype(labels[:, None] == xp.arange(self.n_components), x.dtype)
        weight = xp.exp(log_q if self.objective == "elbo" else _log_softmax(joint))
        if self.objective == "elbo":
            free = xp.sum(weight * (joint - log_q), axis=-1)
        else:
            free = _log_sum_exp(joint)[:, 0]
        fixed = xp.sum(target * (joint + self.supervision * log_q), axis=-1)
        objective = xp.where(known[:, 0], fixed, free)

        def pull(g: Params) -> None:
            djoint = xp.where(known, target, weight) / -n
            pull_flows(djoint, g)
            if self.learn_weights:
                dlogits = g.of(self)[0]
                dlogits += xp.sum(djoint, axis=0) - xp.exp(log_pi) * xp.sum(djoint)
            dh = xp.where(known, self.supervision * (target - xp.exp(log_q)), xp.zeros_like(log_q))
            if self.objective == "elbo":
                dh = xp.where(known, dh, weight * (joint - log_q - free[:, None]))
            pull_posterior(beta * dh / -n, g, inputs=False)

        return -xp.mean(objective), pull

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """Batch means: ``loss`` (of the objective), ``nll`` (of the marginal density); in nats."""
        p, (points, _) = self.view(theta), self._split(x)
        joint = self.component_log_probs_vjp(p, points)[0] + self._log_weights(p)
        return {"loss": self.loss_vjp(theta, x, noise)[0], "nll": -namespace(x).mean(_log_sum_exp(joint))}

    def fit(self, X: Array, y: Array | None = None, **settings: Any) -> FlowMixture:
        """Train on the rows of ``X`` ``(n, features)``, with labels ``y`` ``(n,)``, -1 where unknown, if there are any.

        Raises
        ------
        ValueError
            If the shapes are wrong, or a label is not an integer of -1 .. n_components - 1.
        """
        validation = settings.pop("validation", None)
        if validation is not None:
            settings["validation"] = self._rows(validation, None)
        return super().fit(self._rows(X, y), **settings)

    def log_prob(self, X: Array) -> Array:
        """The log-density of the mixture at each row."""
        return _log_sum_exp(self._joint(X))[:, 0]

    def score_samples(self, X: Array) -> Array:
        """`log_prob`, by the name scikit-learn gives it."""
        return self.log_prob(X)

    def elbo(self, X: Array) -> Array:
        """The bound at each row, with the network's q(c|x)."""
        joint, log_q = self._joint(X), _log_softmax(self._network(X))
        xp = namespace(joint)
        return xp.sum(xp.exp(log_q) * (joint - log_q), axis=-1)

    def predict_proba(self, X: Array) -> Array:
        """The exact p(c|x) of each row, ``(n, n_components)``."""
        joint = self._joint(X)
        return namespace(joint).exp(_log_softmax(joint))

    def predict(self, X: Array) -> Array:
        """The likeliest component of each row."""
        joint = self._joint(X)
        return namespace(joint).argmax(joint, axis=-1)

    def amortised_proba(self, X: Array) -> Array:
        """The network's q(c|x) of each row."""
        h = self._network(X)
        return namespace(h).exp(_log_softmax(h))

    def weights(self) -> Array:
        """pi."""
        log_pi = self._log_weights(self.view(self.vector()))
        return namespace(log_pi).exp(log_pi)

    def sample(self, n: int = 1, *, rng: Any, component: int | None = None) -> Array:
        """``n`` points ``(n, features)`` of the mixture, or of one component."""
        from geomlat.random import stream, uniform

        first, theta = stream(rng), self.vector()
        p, xp = self.view(theta), namespace(theta)
        edges = np.cumsum(np.asarray(self.weights(), dtype=np.float64))
        u = np.asarray(uniform(n, rng=first.child("component"))) * edges[-1]
        chosen = np.minimum(np.searchsorted(edges, u, side="right"), self.n_components - 1)
        chosen = np.full(n, component) if component is not None else chosen
        x = xp.empty((n, self.features), dtype=theta.dtype)
        for c in range(self.n_components):
            rows = np.flatnonzero(chosen == c)
            flow = self.flows[0 if self.shared else c]
            z = flow.base_like(theta).sample((len(rows),), rng=first.child("base", c))
            context = xp.tile(xp.eye(self.n_components, dtype=theta.dtype)[c], (len(rows), 1)) if self.shared else None
            x[rows] = flow.chain.forward(p, z, context)[0]
        return x

    def without(self, *components: int) -> FlowMixture:
        """A fitted mixture that lacks some components; the weights of the others keep their ratios.

        Raises
        ------
        ValueError
            If fewer than two would remain, or the flows are shared.
        """
        kept = [c for c in range(self.n_components) if c not in components]
        if self.shared or len(kept) < 2:
            msg = f"components are removed from a mixture of separate flows that keeps two or more, kept {kept}"
            raise ValueError(msg)
        small = replace(self, n_components=len(kept))
        old = self.view(self.vector())
        theta = np.empty(small.layout.size, dtype=self.vector().dtype)
        new = small.view(theta)
        new["logits"][...] = old["logits"][kept]
        for c, source in enumerate(kept):
            for name in new:
                if name.startswith(f"flows.{c}."):
                    new[name][...] = old[f"flows.{source}." + name.removeprefix(f"flows.{c}.")]
        for name in new:
            if name.startswith("posterior."):
                new[name][...] = old[name] if old[name].shape == new[name].shape else old[name][..., kept]
        return small.fitted(theta)

    def _joint(self, X: Array) -> Array:
        p, x = self.view(self.vector()), self._points(X)
        return self.component_log_probs_vjp(p, x)[0] + self._log_weights(p)

    def _network(self, X: Array) -> Array:
        return self.posterior.vjp(self.view(self.vector()), self._points(X))[0]

    def _points(self, X: Array) -> Array:
        X = finite("X", shaped("X", X, self.features))
        return namespace(X).astype(X, self.vector().dtype, copy=False)

    def _log_weights(self, p: Params) -> Array:
        return _log_softmax(p.of(self)[0][None])[0]

    def _split(self, rows: Array) -> tuple[Array, Array]:
        return rows[:, : self.features], rows[:, self.features]

    def _rows(self, X: Array, y: Array | None) -> Array:
        X = finite("X", shaped("X", X, self.features))
        xp = namespace(X)
        labels = xp.full((X.shape[0],), -1.0, dtype=X.dtype) if y is None else xp.asarray(y, dtype=X.dtype)
        right = labels.shape == (X.shape[0],) and bool(xp.all(labels == xp.round(labels)))
        if not right or not bool(xp.all((labels >= -1.0) & (labels < self.n_components))):
            msg = f"y holds one integer of -1 .. {self.n_components - 1} for each row of X, -1 where it is unknown"
            raise ValueError(msg)
        return xp.concat((X, labels[:, None]), axis=-1)


def _log_sum_exp(x: Array) -> Array:
    xp = namespace(x)
    top = xp.max(x, axis=-1, keepdims=True)
    return top + xp.log(xp.sum(xp.exp(x - top), axis=-1, keepdims=True))


def _log_softmax(x: Array) -> Array:
    return x - _log_sum_exp(x)
