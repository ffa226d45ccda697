"""The law of independent parts: a distribution on a product of spaces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import Array, namespace
from geomlat.distributions.kl import CLOSED, QUADRATURE, kl_divergence_vjp, kl_method, register_kl
from geomlat.grad import sum_to
from geomlat.random import draw_shape, stream


@dataclass(frozen=True, eq=False, init=False)
class ProductDistribution:
    """Independent laws side by side: points ``(..., N)`` hold the parts' events, flattened, as `Product` points do.

        log q(z) = sum_i log q_i(z_i)

    The measure is the product of the parts' measures (the Riemannian one of `geomlat.manifolds.Product` with scales 1).
    Every factor has the common batch shape or none; `split` and `join` take points apart and together. Noise is a tuple
    of the factors' noises. The cotangent of the law is a tuple with that of each factor, () for one without parameters.

    >>> from geomlat.distributions import Normal, SphericalUniform
    >>> q = ProductDistribution(Normal(np.zeros(2), np.ones(2)), SphericalUniform(2))
    >>> q.event_shape, q.sample(4, rng=0).shape
    ((5,), (4, 5))

    Raises
    ------
    ValueError
        If there is no factor, or their batch shapes differ.
    """

    factors: tuple[Any, ...]

    def __init__(self, *factors: Any) -> None:
        shapes = {tuple(f.batch_shape) for f in factors if f.batch_shape}
        if not factors or len(shapes) > 1:
            msg = f"ProductDistribution needs factors of one batch shape (or of none), got {sorted(shapes)}"
            raise ValueError(msg)
        object.__setattr__(self, "factors", factors)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of laws."""
        return max((tuple(f.batch_shape) for f in self.factors), key=len)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """``(N,)``, the sum of the sizes of the factors' events."""
        return (self._slices[-1].stop,)

    @cached_property
    def _slices(self) -> tuple[slice, ...]:
        ends = np.cumsum([0, *(math.prod(f.event_shape) for f in self.factors)]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))

    def split(self, x: Array) -> tuple[Array, ...]:
        """The factors' points ``(..., *event)``.

        Raises
        ------
        ValueError
            If the last axis is not N.
        """
        if tuple(x.shape[-1:]) != self.event_shape:
            msg = f"points of this product have shape (..., {self.event_shape[0]}), got {tuple(x.shape)}"
            raise ValueError(msg)
        xp, lead = namespace(x), tuple(x.shape[:-1])
        pairs = zip(self._slices, self.factors, strict=True)
        return tuple(xp.reshape(x[..., s], (*lead, *f.event_shape)) for s, f in pairs)

    def join(self, parts: tuple[Array, ...]) -> Array:
        """The point with these parts, whose leading axes broadcast."""
        xp = namespace(*parts)
        pairs = list(zip(parts, self.factors, strict=True))
        leads = [tuple(a.shape[: a.ndim - len(f.event_shape)]) for a, f in pairs]
        lead = np.broadcast_shapes(*leads)
        flat = [xp.reshape(a, (*own, math.prod(f.event_shape))) for own, (a, f) in zip(leads, pairs, strict=True)]
        return xp.concat([xp.broadcast_to(a, (*lead, a.shape[-1])) for a in flat], axis=-1)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> tuple[Any, ...]:
        """The factors' noises for draws ``shape + batch_shape + (N,)``, each from a stream of its own."""
        first, shape = stream(rng), draw_shape(shape)
        full = [shape if f.batch_shape else shape + self.batch_shape for f in self.factors]
        streams = [first.child("factor", i).at(first.offset) for i in range(len(full))]
        return tuple(f.draw(s, rng=r) for f, s, r in zip(self.factors, full, streams, strict=True))

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + (N,)``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: tuple[Any, ...]) -> Array:
        """The draws of each factor, joined."""
        return self.join(tuple(f.rsample(e) for f, e in zip(self.factors, noise, strict=True)))

    def rsample_vjp(self, noise: tuple[Any, ...]) -> tuple[Array, Callable[..., tuple[Any, ...]]]:
        """`rsample` and its pullback to ``(*dfactors)``; ``advantage`` goes to every factor."""
        parts, pulls = zip(*(f.rsample_vjp(e) for f, e in zip(self.factors, noise, strict=True)), strict=True)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Any, ...]:
            each = [None] * len(pulls) if dz is None else self.split(dz)
            return tuple(tuple(back(d, advantage=advantage)) for back, d in zip(pulls, each, strict=True))

        return self.join(parts), pull

    def log_prob(self, x: Array) -> Array:
        """The sum of the factors' log-densities at ``x`` ``(..., N)``."""
        return namespace(x).sum(self.factor_log_prob(x), axis=-1)

    def factor_log_prob(self, x: Array) -> Array:
        """The log-density of each factor at its part of ``x``, ``(..., factors)``."""
        return _columns([f.log_prob(a) for f, a in zip(self.factors, self.split(x), strict=True)])

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """`log_prob` and its pullback to ``(dx, *dfactors)``."""
        each, pull_each = self.factor_log_prob_vjp(x)

        def pull(dl: Array | None) -> tuple[Any, ...]:
            return pull_each(None if dl is None else namespace(each).broadcast_to(dl[..., None], each.shape))

        return namespace(each).sum(each, axis=-1), pull

    def factor_log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """`factor_log_prob` and its pullback to ``(dx, *dfactors)``."""
        parts = self.split(x)
        values, pulls = zip(*(f.log_prob_vjp(a) for f, a in zip(self.factors, parts, strict=True)), strict=True)

        def pull(dl: Array | None) -> tuple[Any, ...]:
            each = [back(None if dl is None else dl[..., i]) for i, back in enumerate(pulls)]
            if dl is None:
                return None, *(tuple(dq) for _, *dq in each)
            xp = namespace(x)
            dparts = [xp.zeros_like(a) if g[0] is None else g[0] for a, g in zip(parts, each, strict=True)]
            return self.join(tuple(dparts)), *(tuple(dq) for _, *dq in each)

        return _columns(list(values)), pull

    def entropy(self) -> Array:
        """The sum of the factors' entropies."""
        return sum(f.entropy() for f in self.factors)

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """`entropy` and its pullback to ``(*dfactors)``."""
        values, pulls = zip(*(f.entropy_vjp() for f in self.factors), strict=True)

        def pull(dh: Array | None) -> tuple[Any, ...]:
            return tuple(
                tuple(back(None if dh is None else sum_to(dh, f.batch_shape)))
                for f, back in zip(self.factors, pulls, strict=True)
            )

        return sum(values), pull

    def mean(self) -> Array:
        """The factors' means, joined."""
        return self.join(tuple(f.mean() for f in self.factors))

    def mode(self) -> Array:
        """The factors' modes, joined."""
        return self.join(tuple(f.mode() for f in self.factors))


def factor_kl(q: ProductDistribution, p: ProductDistribution) -> Array:
    """KL(q_i || p_i) of each factor, ``(..., factors)``; the divergence of the products is their sum.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> q = ProductDistribution(Normal(np.zeros(2), 1.0), Normal(np.ones(1), 1.0))
    >>> factor_kl(q, ProductDistribution(Normal(np.ones(2), 1.0), Normal(np.zeros(1), 1.0)))
    array([1. , 0.5])
    """
    return factor_kl_vjp(q, p)[0]


def factor_kl_vjp(
    q: ProductDistribution, p: ProductDistribution
) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """`factor_kl` and its pullback to ``(dq, dp)``, each a tuple with the cotangent of every factor.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> q = ProductDistribution(Normal(np.ones(2), 1.0), Normal(np.ones(1), 1.0))
    >>> dq, dp = factor_kl_vjp(q, q)[1](np.ones(2))
    >>> len(dq)
    2
    """
    pairs = _pairs(q, p)
    values, pulls = zip(*(kl_divergence_vjp(a, b) for a, b in pairs), strict=True)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        given = [
            back(None if dk is None else sum_to(dk[..., i], value.shape))
            for i, (back, value) in enumerate(zip(pulls, values, strict=True))
        ]
        return tuple(tuple(a) for a, _ in given), tuple(tuple(b) for _, b in given)

    return _columns(list(values)), pull


def _method(q: ProductDistribution, p: ProductDistribution) -> str | None:
    if len(q.factors) != len(p.factors):
        return None
    methods = {kl_method(a, b) for a, b in zip(q.factors, p.factors, strict=True)}
    return None if None in methods else QUADRATURE if QUADRATURE in methods else CLOSED


@register_kl(ProductDistribution, ProductDistribution, method=_method)
def product_product(
    q: ProductDistribution, p: ProductDistribution
) -> tuple[Array, Callable[[Array | None], tuple[Any, Any]]]:
    """The sum of the factors' divergences."""
    each, pull_each = factor_kl_vjp(q, p)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        return pull_each(None if dk is None else namespace(each).broadcast_to(dk[..., None], each.shape))

    return namespace(each).sum(each, axis=-1), pull


def _pairs(q: ProductDistribution, p: ProductDistribution) -> list[tuple[Any, Any]]:
    if len(q.factors) != len(p.factors):
        msg = f"KL needs products of as many factors, got {len(q.factors)} and {len(p.factors)}"
        raise ValueError(msg)
    return list(zip(q.factors, p.factors, strict=True))


def _columns(values: list[Array]) -> Array:
    xp = namespace(*values)
    shape = np.broadcast_shapes(*(v.shape for v in values))
    return xp.stack([xp.broadcast_to(v, shape) for v in values], axis=-1)
