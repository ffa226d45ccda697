"""The variational mixture of normalising flows: K flows and a network that says which of them made a point.

    ELBO(x) = sum_c q(c|x) (log p_c(x) + log pi_c - log q(c|x)) <= log sum_c pi_c p_c(x)

The sum over c is exact. Pires, Figueiredo (2020), eq. 7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from geomlat.backends import namespace, to_host
from geomlat.flows import ActNorm, Flow, InvertibleLinear, coupling_flow, polar_flow
from geomlat.flows.flow import in_blocks
from geomlat.grad import Params
from geomlat.models._flow_starts import framed, taught, tried
from geomlat.nn import MLP, widths
from geomlat.nn.initialisers import zeros
from geomlat.nn.layer import Initialiser
from geomlat.random import stream, uniform
from geomlat.train.settings import at_least
from geomlat.train.trainable import Trainable, finite, shaped

Array = Any
OBJECTIVES = ("elbo", "marginal")


@dataclass(frozen=True, eq=False, kw_only=True)
class FlowMixture(Trainable):
    """A mixture of ``n_components`` coupling flows of ``features`` coordinates, as a density and as a clustering.

    Parameters
    ----------
    blocks, hidden, kind, activation
        Of each flow, as in `geomlat.flows.coupling_flow`; kind ``"polar"``, in the plane, is a
        `geomlat.flows.polar_flow`.
    bound
        Of each affine or spline coupling, None for its default. Beside and between the rows of a thin law log-scales
        run to their bound, and test points there have log-densities down to -1e6: 1 keeps them near the others.
    posterior_hidden
        Hidden widths of the network of q(c|x).
    objective
        ``"elbo"``, the bound above, or ``"marginal"``, the log-likelihood itself by a log-sum-exp; q then follows the
        exact p(c|x) and moves nothing else.
    learn_weights
        Whether pi is trained; it starts uniform.
    shared
        One flow with the component as a one-hot context in the place of K flows.
    framed
        Whether the flow of each component ends with a linear map and a shift of its own, which `start` sets from data.
    supervision
        The weight of the cross-entropy of q(c|x) on rows with a label.

    In training ``beta`` multiplies q's logits: an inverse temperature, whose schedule should end at 1.

    Raises
    ------
    ValueError
        For fewer than two components, an unknown objective, a negative supervision or a bound of what has none.
    """

    n_components: int
    features: int
    blocks: int = 4
    hidden: Sequence[int] = (8,)
    kind: str = "affine"
    activation: str = "relu"
    bound: float | None = None
    posterior_hidden: Sequence[int] = (16,)
    objective: str = "elbo"
    learn_weights: bool = True
    shared: bool = False
    framed: bool = False
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
        if self.kind == "polar" and (self.features != 2 or self.shared):
            msg = f"polar flows are of 2 features and not shared, got {self.features} and shared={self.shared}"
            raise ValueError(msg)
        if self.bound is not None and self.kind not in ("affine", "spline"):
            msg = f"bound= is of affine and spline couplings, got {self.bound} for kind {self.kind!r}"
            raise ValueError(msg)
        for name in ("hidden", "posterior_hidden"):
            object.__setattr__(self, name, widths(name, getattr(self, name)))
        made = tuple(self._flow() for _ in range(1 if self.shared else k))
        sizes = (self.features, *self.posterior_hidden, k)
        object.__setattr__(self, "flows", made)
        object.__setattr__(self, "posterior", MLP(sizes, self.activation))

    def _flow(self) -> Flow:
        context, sizes = self.n_components if self.shared else 0, (self.blocks, self.hidden)
        given = {"activation": self.activation, "bound": self.bound}
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.kind == "polar":
            flow = polar_flow(*sizes, **options)
        else:
            flow = coupling_flow(self.features, *sizes, kind=self.kind, context=context, **options)
        frame = (InvertibleLinear(self.features), ActNorm(self.features)) if self.framed else ()
        return Flow((*flow.transforms, *frame), flow.base, context)

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
            several = xp.broadcast_to(x, (k, *x.shape))
            l, pull_flows = self.flows[0].log_density_vjp(self._stacked(p), several)

            def pull(dl: Array, g: Params) -> None:
                pull_flows(dl.T, self._stacked(g))

            return l.T, pull
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
        q = xp.exp(log_q)
        bound = xp.sum(q * (joint - log_q), axis=-1)
        exact = _log_sum_exp(joint)
        free, weight = (bound, q) if self.objective == "elbo" else (exact[:, 0], xp.exp(joint - exact))
        fixed = xp.sum(target * (joint + self.supervision * log_q), axis=-1)
        objective = xp.where(known[:, 0], fixed, free)

        def pull(g: Params) -> None:
            djoint = xp.where(known, target, weight) / -n
            pull_flows(djoint, g)
            if self.learn_weights:
                dlogits = g.of(self)[0]
                dlogits += xp.sum(djoint, axis=0) - xp.exp(log_pi) * xp.sum(djoint)
            follow = q * (joint - log_q - bound[:, None]) if self.objective == "elbo" else weight - q
            dh = xp.where(known, self.supervision * (target - q), follow)
            pull_posterior(beta * dh / -n, g, inputs=False)

        return -xp.mean(objective), pull

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """Batch means: ``loss`` (of the objective), ``nll`` (of the marginal density); in nats."""
        p, (points, _) = self.view(theta), self._split(x)
        joint = self.component_log_probs_vjp(p, points)[0] + self._log_weights(p)
        return {"loss": self.loss_vjp(theta, x, noise)[0], "nll": -namespace(x).mean(_log_sum_exp(joint))}

    def start(self, X: Array, y: Array | None = None, *, nested: bool = False, rng: Any) -> Array:
        """A parameter vector whose components are Gaussians fitted to the rows of ``X`` by EM, known labels kept.

        EM begins with k-means++ cells; the Gaussians of a ``nested`` start have one centre and differ in size.

        Raises
        ------
        ValueError
            If the mixture is not ``framed`` or its flows are shared: such components have no frames to set.
        """
        if not self.framed or self.shared:
            msg = "only components with frames start from data: use framed=True and shared=False"
            raise ValueError(msg)
        return framed(self, self._rows(X, y), nested=nested, rng=rng)

    def fit(
        self,
        X: Array,
        y: Array | None = None,
        *,
        starts: int = 0,
        trial_epochs: int = 20,
        labelled_epochs: int = 0,
        **settings: Any,
    ) -> FlowMixture:
        """Train on the rows of ``X`` ``(n, features)``, with labels ``y`` ``(n,)``, -1 where unknown, if there are any.

        With ``starts`` each of that many vectors by `start`, the last of them nested, is first trained for
        ``trial_epochs`` by the objective ``"marginal"``; the one of the largest objective on the rows goes on. With
        ``labelled_epochs`` the mixture first takes that many steps of ``Adam(1e-3)`` on the rows with a label alone.

        Raises
        ------
        ValueError
            If the shapes are wrong, a label is not an integer of -1 .. n_components - 1, or no row has a label where
            ``labelled_epochs`` are asked for, a number of them is negative, or two kinds of starts are asked for.
        """
        validation = settings.pop("validation", None)
        if validation is not None:
            settings["validation"] = self._rows(validation, None)
        rows = self._rows(X, y)
        if not settings.get("resume"):
            counts = {"starts": starts, "trial_epochs": trial_epochs, "labelled_epochs": labelled_epochs}
            for name, value in counts.items():
                at_least(name, value, 0)
            if starts and (labelled_epochs or settings.get("theta") is not None):
                msg = "a mixture starts from data (starts=) or from labels (labelled_epochs=) or theta=, not from both"
                raise ValueError(msg)
            if starts:
                settings["theta"] = tried(self, rows, starts, trial_epochs, settings)
            if labelled_epochs:
                settings["theta"] = taught(self, rows, labelled_epochs, settings)
        return super().fit(rows, **settings)

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
        self._known(() if component is None else (component,))
        first, theta = stream(rng), self.vector()
        p, xp = self.view(theta), namespace(theta)
        edges = np.cumsum(to_host(self.weights()).astype(np.float64))
        u = uniform(n, rng=first.child("component")) * edges[-1]
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
            If fewer than two would remain, the flows are shared, or there is no such component.
        """
        self._known(components)
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

    def _known(self, components: Sequence[int]) -> None:
        unknown = [c for c in components if c not in range(self.n_components)]
        if unknown:
            msg = f"components are numbered 0 .. {self.n_components - 1}, got {', '.join(map(str, unknown))}"
            raise ValueError(msg)

    def _stacked(self, p: Params) -> Params:
        """The parameters of all flows, which lie one after the other, as those of one flow with an axis more."""
        layout, first = self.flows[0].layout, self.n_components
        vectors = p.vector[first : first + self.n_components * layout.size]
        return layout.view(vectors.reshape(self.n_components, layout.size))

    def _joint(self, X: Array) -> Array:
        p = self.view(self.vector())
        log_p = in_blocks(lambda x: self.component_log_probs_vjp(p, x)[0], self._points(X))
        return log_p + self._log_weights(p)

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
