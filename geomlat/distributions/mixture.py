"""Mixtures of laws of any family, the choice of the component summed out of the density."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import Array, floating, is_host, namespace, native
from geomlat.grad import sum_to
from geomlat.random import Stream, draw_shape, stream, uniform


@dataclass(frozen=True, eq=False)
class MixtureNoise:
    """What one draw froze: the chosen component ``shape + batch_shape``, and the noise of a draw of every component."""

    choice: Array
    parts: Any


@dataclass(frozen=True, eq=False)
class Mixture:
    """The mixture of K laws of one family with weights softmax(logits).

    log q(x) = log sum_k softmax(logits)_k q_k(x)

    ``logits`` is ``(..., K)``, ``components`` a law of any family whose batch ends in K; the axes before K are the
    batch. Draws are of one component each: `rsample_vjp` is the pathwise rule of the component that was chosen, and the
    score of the choice times the advantage for the logits. A draw of every component is made, of which one is kept.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> q = Mixture(np.log(np.array([0.25, 0.75])), Normal(np.array([[-1.0], [2.0]]), 0.5))
    >>> q.responsibilities(np.array([0.5])).round(4)
    array([0.25, 0.75])

    Raises
    ------
    ValueError
        If the last axes of logits and of the components' batch differ, the batches do not fit, or (host arrays only) a
        logit is NaN or infinite (-inf, a weight of 0, is allowed).
    """

    logits: Array
    components: Any

    def __post_init__(self) -> None:
        (logits,) = floating(namespace(self.logits), self.logits)
        shape, inner = tuple(logits.shape), tuple(self.components.batch_shape)
        own = inner[:-1]
        fits = len(shape) > 0 and shape[-1:] == inner[-1:] and shape[-1] > 0
        fits = fits and all(a in (1, b) for a, b in zip(reversed(shape[:-1]), reversed(own), strict=False))
        if not fits:
            msg = f"Mixture needs logits (..., K) and components of a batch (..., K) they fit, got {shape} and {inner}"
            raise ValueError(msg)
        if is_host(logits) and logits.size and not np.all(logits.real.max(axis=-1) < math.inf):
            msg = "Mixture: logits must be finite or -inf, got NaN or inf"
            raise ValueError(msg)
        object.__setattr__(self, "logits", logits)

    @cached_property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of mixtures."""
        return np.broadcast_shapes(self.logits.shape[:-1], self.components.batch_shape[:-1])

    @property
    def event_shape(self) -> tuple[int, ...]:
        """That of the components."""
        return tuple(self.components.event_shape)

    def log_weights(self) -> Array:
        """The logs of the weights, ``(..., K)``."""
        return self.logits - _log_sum_exp(self.logits)[..., None]

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> MixtureNoise:
        """The component of each draw, and a draw of each component; a stream's offset counts draws of the mixture."""
        first, count = stream(rng), self.logits.shape[-1]
        full = draw_shape(shape) + self.batch_shape
        chooser = first.child("component").at(first.offset)

        def fill(logits: Array) -> Array:
            xp = namespace(logits)
            weights = xp.exp(xp.astype(logits, xp.float64) - _log_sum_exp(xp.astype(logits, xp.float64))[..., None])
            u = uniform(full, rng=chooser, xp=xp)
            return xp.sum(xp.astype(u[..., None] >= xp.cumulative_sum(weights, axis=-1)[..., :-1], xp.int64), axis=-1)

        extra = len(full) - len(self.components.batch_shape) + 1
        parts = self.components.draw(full[:extra], rng=Stream(first.key0, first.key1, first.offset * count))
        return MixtureNoise(native(fill, self.logits), parts)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: MixtureNoise) -> Array:
        """The draws of the chosen components."""
        return self._chosen(noise, self.components.rsample(noise.parts))

    def rsample_vjp(self, noise: MixtureNoise) -> tuple[Array, Callable[..., tuple[Array | None, Any]]]:
        """`rsample` and its pullback to ``(dlogits, dcomponents)``.

        ``pull(dz, advantage)`` needs the advantage, the loss of each draw less a baseline: the choice of a component
        has no derivative but its score, onehot - weights (`leave_one_out` gives a baseline).
        """
        every, pull_every = self.components.rsample_vjp(noise.parts)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Array | None, Any]:
            xp, shape = namespace(every), tuple(noise.choice.shape)
            if advantage is None or tuple(advantage.shape) != shape:
                msg = f"Mixture needs pull(dz, advantage=...), the loss of each draw, of shape {shape}"
                raise ValueError(msg)
            hot = self._one_hot(noise)
            score = hot - xp.exp(self.log_weights())
            dlogits = sum_to(xp.astype(advantage, hot.dtype, copy=False)[..., None] * score, self.logits.shape)
            spread = None if dz is None else xp.expand_dims(dz, axis=self._axis) * self._over_event(hot)
            return dlogits, pull_every(spread, advantage=advantage[..., None] * hot)

        return self._chosen(noise, every), pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at ``x`` ``(..., *event_shape)``."""
        return _log_sum_exp(self._joint(x)[0])

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Array | None, Array | None, Any]]]:
        """`log_prob` and its pullback to ``(dx, dlogits, dcomponents)``; zero from points where the density is 0."""
        joint, pull_density = self._joint(x)
        value = _log_sum_exp(joint)

        def pull(dl: Array | None) -> tuple[Array | None, Array | None, Any]:
            if dl is None:
                return None, None, None
            xp = namespace(joint)
            dl = xp.where(xp.isfinite(value), dl, xp.zeros_like(dl))[..., None]
            share = self._shares(joint, value)
            dlogits = sum_to(dl * (share - xp.exp(self.log_weights())), self.logits.shape)
            dx, *dcomponents = pull_density(dl * share)
            return xp.squeeze(dx, axis=self._axis), dlogits, tuple(dcomponents)

        return value, pull

    def responsibilities(self, x: Array) -> Array:
        """The probabilities ``(..., K)`` of the components, given a point; 0 where the density is 0."""
        joint = self._joint(x)[0]
        return self._shares(joint, _log_sum_exp(joint))

    def em(self, x: Array, weights: Array | None = None, *, steps: int = 100, tolerance: float = 1e-10) -> Mixture:
        """Weighted maximum likelihood of points ``(n, *event_shape)`` by expectation-maximisation from this mixture.

        Each step fits the components, by their family's own ``fit``, to the points weighted by the responsibilities. It
        ends when the mean log-likelihood rises by less than ``tolerance``, at a local maximum (Dempster, Laird, Rubin
        1977). For mixtures without a batch.

        Raises
        ------
        ValueError
            If the mixture has a batch, or a component is left without points that determine it.
        """
        if self.batch_shape:
            msg = f"Mixture.em takes one mixture, got a batch {self.batch_shape}"
            raise ValueError(msg)
        xp, mixture, last = namespace(x), self, -math.inf
        w = xp.ones_like(x[:, 0]) if weights is None else xp.astype(weights, x.dtype, copy=False)
        w = w / xp.sum(w)
        points = xp.broadcast_to(x[None, ...], (self.logits.shape[-1], *x.shape))
        for _ in range(steps):
            joint = mixture._joint(x)[0]
            value = _log_sum_exp(joint)
            level = float(xp.sum(w * value))
            if level - last < tolerance:
                break
            last = level
            share = w[:, None] * mixture._shares(joint, value)
            fit = type(self.components).fit(points, xp.matrix_transpose(share))
            found = ((f.name, getattr(fit, f.name)) for f in dataclasses.fields(fit))
            components = dataclasses.replace(self.components, **{k: a for k, a in found if hasattr(a, "dtype")})
            mixture = Mixture(xp.log(xp.sum(share, axis=0)), components)
        return mixture

    @property
    def _axis(self) -> int:
        # That of the components, counted from the end.
        return -1 - len(self.event_shape)

    def _joint(self, x: Array) -> tuple[Array, Callable[[Array], tuple[Any, ...]]]:
        value, pull = self.components.log_prob_vjp(namespace(x).expand_dims(x, axis=self._axis))
        return value + self.log_weights(), pull

    def _shares(self, joint: Array, value: Array) -> Array:
        xp = namespace(joint)
        return xp.exp(joint - xp.where(xp.isfinite(value), value, xp.zeros_like(value))[..., None])

    def _one_hot(self, noise: MixtureNoise) -> Array:
        xp = namespace(self.logits)
        numbers = xp.arange(self.logits.shape[-1], dtype=noise.choice.dtype, device=device(self.logits))
        return xp.astype(noise.choice[..., None] == numbers, self.logits.dtype)

    def _over_event(self, hot: Array) -> Array:
        return hot[(...,) + (None,) * len(self.event_shape)]

    def _chosen(self, noise: MixtureNoise, every: Array) -> Array:
        xp, hot = namespace(every), self._over_event(self._one_hot(noise))
        return xp.sum(xp.where(hot > 0.0, every, xp.zeros_like(every)), axis=self._axis)


def _log_sum_exp(x: Array) -> Array:
    """log sum exp along the last axis; -inf of nothing but -inf."""
    xp = namespace(x)
    top = xp.max(x, axis=-1, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    total = xp.sum(xp.exp(x - top), axis=-1)
    none = total == 0.0
    return (
        xp.where(none, xp.full_like(total, -math.inf), xp.log(xp.where(none, xp.ones_like(total), total))) + top[..., 0]
    )
