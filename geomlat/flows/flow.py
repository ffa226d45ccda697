"""The distribution a flow makes: a base law carried through transforms."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import Normal
from geomlat.flows.coupling import AdditiveCoupling, AffineCoupling
from geomlat.flows.density import Density
from geomlat.flows.linear import ActNorm, Permutation
from geomlat.flows.spline import SplineCoupling
from geomlat.flows.transform import Chain, Transform
from geomlat.grad import Params
from geomlat.nn import Layer, widths
from geomlat.train.trainable import finite, shaped

Array = Any


@dataclass(frozen=True, eq=False)
class Flow(Density):
    """``x = T(z)`` with z from a base law: ``log p(x) = log base(T^-1 x) + log |det dT^-1/dx|``.

    It is used in two ways. The methods with ``p`` (views of a parameter vector) are pure; ``fit``, ``log_prob`` and
    ``sample`` are the conveniences that keep a fitted vector.

    Parameters
    ----------
    transforms
        The first is next to the base.
    base
        Any law with ``sample(shape, rng=)`` and ``log_prob(z)``, whose parameters are not trained, a fitted flow too;
        without ``log_prob_vjp`` it is differentiated numerically. None is the standard normal in the dtype of the data.
    context
        Features of the context each row comes with, 0 for none.

    Raises
    ------
    ValueError
        If a transform takes another number of context features.

    References
    ----------
    Rezende, Mohamed (2015), eq. 5; Papamakarios, Nalisnick, Rezende, Mohamed, Lakshminarayanan (2021), eq. 1.
    """

    transforms: Sequence[Transform]
    base: Any = None
    context: int = 0
    chain: Chain = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        object.__setattr__(self, "chain", Chain(tuple(self.transforms)))
        if not self.chain.contexts <= {self.context}:
            taken = ", ".join(map(str, sorted(self.chain.contexts)))
            msg = f"every transform of a flow takes its {self.context} context features, got some that take {taken}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:
        """Coordinates of a point."""
        return self.chain.dim

    @property
    def n_features(self) -> int:
        """Columns of the training data: those of a point, then those of its context."""
        return self.dim + self.context

    def children(self) -> Iterator[tuple[str, Layer]]:
        """The transforms; a base that is a flow keeps its parameters to itself."""
        return ((name, layer) for name, layer in super().children() if name != "base")

    def config(self) -> dict[str, Any]:
        """As of every model; of a base that cannot be described the name alone."""
        try:
            return super().config()
        except TypeError:
            kind = type(self.base)
            return {**replace(self, base=None).config(), "base": {"type": f"{kind.__module__}.{kind.__qualname__}"}}

    def base_like(self, x: Array) -> Any:
        """The base law, in the dtype of ``x`` if it is the standard normal."""
        if self.base is not None:
            return self.base
        xp = namespace(x)
        loc = xp.zeros(self.dim, dtype=x.dtype)
        return Normal(loc, xp.ones_like(loc))

    def log_density_vjp(
        self, p: Params, x: Array, context: Array | None = None
    ) -> tuple[Array, Callable[[Array, Params], tuple[Array, Array | None]]]:
        """``log p(x)`` ``(...)`` at points ``(..., dim)``, and ``pull(dl, g) -> (dx, dcontext)``."""
        (z, logdet), pull_chain = self.chain.inverse_vjp(p, x, context)
        log_base, pull_base = self._base_vjp(z)

        def pull(dl: Array, g: Params) -> tuple[Array, Array | None]:
            return pull_chain((pull_base(dl), dl), g)

        return log_base + logdet, pull

    def rsample_vjp(
        self, p: Params, noise: Array, context: Array | None = None
    ) -> tuple[tuple[Array, Array], Callable[..., tuple[Array, Array | None]]]:
        """``(x, log p(x))`` of base points ``noise`` ``(..., dim)``; ``pull((dx, dl), g) -> (dnoise, dcontext)``."""
        (x, logdet), pull_chain = self.chain.forward_vjp(p, noise, context)
        log_base, pull_base = self._base_vjp(noise)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dx, dl = cotangent
            dnoise, dcontext = pull_chain((dx, None if dl is None else -dl), g)
            return dnoise if dl is None else dnoise + pull_base(dl), dcontext

        return (x, log_base - logdet), pull

    def start(self, X: Array, *, context: Array | None = None, rng: Any) -> Array:
        """A parameter vector whose `ActNorm` layers are set, from the data to the base, by the rows of ``X``.

        Each then hands rows of mean 0 and variance 1 to the transform before it; for ``fit(X, theta=)``.

        Raises
        ------
        ValueError
            If the shapes are wrong or some coordinate does not vary.
        """
        rows, context = self._split(self._joined(finite("X", shaped("X", X, self.dim)), context))
        theta = self.init(rng=rng)
        p, rows = self.view(theta), namespace(rows).astype(rows, theta.dtype, copy=False)
        for transform in reversed(self.transforms):
            if isinstance(transform, ActNorm):
                transform.initialise(p, rows)
            rows = transform.inverse(p, rows, context)[0]
        return theta

    def fit(self, X: Array, y: None = None, *, context: Array | None = None, **settings: Any) -> Flow:
        """Maximum likelihood on the rows of ``X``, with the ``context`` of each; settings as `geomlat.train.fit`.

        Rows of ``validation=`` hold their context in columns behind those of the point.
        """
        shaped("X", X, self.dim)
        return super().fit(self._joined(X, context), **settings)

    def log_prob(self, X: Array, context: Array | None = None) -> Array:
        """``log p`` ``(...)`` of points ``(..., dim)`` by the fitted parameters, those with a context in rows."""
        X = np.asarray(X) if isinstance(X, list | tuple) else X
        if context is None and X.ndim != 2 and X.shape[-1:] == (self.dim,):
            xp = namespace(X)
            return xp.reshape(self.log_prob(xp.reshape(X, (-1, self.dim))), X.shape[:-1])
        rows = self._joined(finite("X", shaped("X", X, self.dim)), context)
        theta = self.vector()
        rows, p = namespace(rows).astype(rows, theta.dtype, copy=False), self.view(theta)
        return in_blocks(lambda block: self.log_density_vjp(p, *self._split(block))[0], rows)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array], tuple[Array]]]:
        """``log p`` of points ``(..., dim)`` by the fitted parameters, and ``pull(dl) -> (dx,)``, as of any law."""
        theta = self.vector()
        l, pull_density = self.log_density_vjp(self.view(theta), x)

        def pull(dl: Array) -> tuple[Array]:
            return (pull_density(dl, self.view(namespace(theta).zeros_like(theta)))[0],)

        return l, pull

    def score_samples(self, X: Array, context: Array | None = None) -> Array:
        """`log_prob`, by the name scikit-learn gives it."""
        return self.log_prob(X, context)

    def sample(self, n: int | tuple[int, ...] = 1, *, rng: Any, context: Array | None = None) -> Array:
        """``n`` points ``(n, dim)``, or a batch of shape ``n``; with a context one row for each of them, or for all."""
        theta = self.vector()
        z = self.base_like(theta).sample(n if isinstance(n, tuple) else (n,), rng=rng)
        xp = namespace(z)
        rows = xp.astype(xp.reshape(z, (-1, self.dim)), theta.dtype, copy=False)
        p, rows = self.view(theta), self._joined(rows, context)
        return xp.reshape(in_blocks(lambda block: self.chain.forward(p, *self._split(block))[0], rows), z.shape)

    def _base_vjp(self, z: Array) -> tuple[Array, Callable[[Array], Array]]:
        if self.base is not None:
            return _log_base_vjp(self.base, z)

        def pull(dl: Array) -> Array:
            return -z * dl[..., None]

        squares = namespace(z).sum(z * z, axis=-1)
        return -0.5 * squares - 0.5 * self.dim * math.log(2.0 * math.pi), pull

    def _rows_vjp(self, p: Params, rows: Array) -> tuple[Array, Callable[[Array, Params], Any]]:
        return self.log_density_vjp(p, *self._split(rows))

    def _split(self, rows: Array) -> tuple[Array, Array | None]:
        return (rows, None) if not self.context else (rows[:, : self.dim], rows[:, self.dim :])

    def _joined(self, x: Array, context: Array | None) -> Array:
        if (context is None) != (self.context == 0):
            given = "none" if context is None else "some"
            msg = f"this flow takes {self.context} context features of each row, got {given}"
            raise ValueError(msg)
        if context is None:
            return x
        xp, context = namespace(x), finite("context", shaped("context", context, self.context))
        if context.shape[0] not in (1, x.shape[0]):
            msg = f"context has {context.shape[0]} rows for {x.shape[0]} points: give one row for each, or one for all"
            raise ValueError(msg)
        context = xp.broadcast_to(xp.astype(context, x.dtype, copy=False), (x.shape[0], self.context))
        return xp.concat((x, context), axis=-1)


ROWS = 1 << 15
"""Rows evaluated at once: of each a pass keeps what a pull would need, kilobytes in a deep flow."""


def in_blocks(f: Callable[[Array], Array], rows: Array) -> Array:
    """``f(rows)``, of a function of single rows, by blocks of `ROWS`."""
    blocks = [f(rows[first : first + ROWS]) for first in range(0, max(rows.shape[0], 1), ROWS)]
    return blocks[0] if len(blocks) == 1 else namespace(rows).concat(blocks, axis=0)


STEP = 1e-3
"""Of the differences that stand for the pull of a base without one; relative to points beyond 1."""


def _log_base_vjp(base: Any, z: Array) -> tuple[Array, Callable[[Array], Array]]:
    """``log_prob`` of a base at ``z`` in the dtype of ``z``, and ``pull(dl) -> dz``.

    A base without ``log_prob_vjp`` is differentiated by central differences of fourth order in float64.
    """
    xp = namespace(z)
    l, pull_law = base.log_prob_vjp(z) if hasattr(base, "log_prob_vjp") else (base.log_prob(z), None)

    def pull(dl: Array) -> Array:
        if pull_law is not None:
            dz = pull_law(dl)[0]  # None of a constant density
            return xp.zeros_like(z) if dz is None else xp.astype(dz, z.dtype, copy=False)
        wide, columns = xp.astype(z, xp.float64), []
        for j in range(z.shape[-1]):
            at = xp.arange(z.shape[-1]) == j
            h = xp.where(at, STEP * xp.maximum(xp.abs(wide), xp.ones_like(wide)), xp.zeros_like(wide))
            near, far = (base.log_prob(wide + k * h) - base.log_prob(wide - k * h) for k in (1, 2))
            columns.append((8.0 * near - far) / (12.0 * xp.sum(h, axis=-1)))
        return dl[..., None] * xp.astype(xp.stack(columns, axis=-1), z.dtype, copy=False)

    return xp.astype(l, z.dtype, copy=False), pull


_KINDS = {"affine": AffineCoupling, "additive": AdditiveCoupling, "spline": SplineCoupling}


def coupling_flow(
    dim: int,
    blocks: int = 8,
    hidden: Sequence[int] = (64,),
    *,
    kind: str = "affine",
    context: int = 0,
    base: Any = None,
    **options: Any,
) -> Flow:
    """A flow of ``blocks`` couplings that keep the first and the second half in turn; in odd dimensions of three and
    more a cyclic permutation stands between them, so that every pair of coordinates meets.

    ``kind`` is ``"affine"``, ``"additive"`` or ``"spline"``; ``options`` go to the coupling.

    Raises
    ------
    ValueError
        For an unknown kind, fewer than two coordinates, no block or hidden widths that are none.
    """
    if kind not in _KINDS or dim < 2 or blocks < 1:
        kinds = ", ".join(_KINDS)
        msg = f"a coupling flow is of kind {kinds}, with dim >= 2 and blocks >= 1; got {kind!r}, {dim}, {blocks}"
        raise ValueError(msg)
    hidden = widths("hidden", hidden)
    transforms: list[Transform] = []
    for k in range(blocks):
        transforms.append(_KINDS[kind](dim=dim, hidden=hidden, flip=bool(k % 2), context=context, **options))
        if dim > 2 and k < blocks - 1:
            transforms.append(Permutation(tuple(int(j) for j in np.roll(np.arange(dim), math.ceil(dim / 4)))))
    return Flow(tuple(transforms), base, context)
