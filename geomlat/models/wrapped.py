"""Latents of wrapped normal laws: hyperbolic, flat, learned curvature, torus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from geomlat.backends import namespace
from geomlat.distributions import WrappedNormal
from geomlat.grad import Params, add
from geomlat.manifolds import Manifold, Torus
from geomlat.manifolds.angles import angles_from_pairs_vjp, pairs_from_angles_vjp
from geomlat.models.latent import Array, HeadLatent, PullQ
from geomlat.models.spaces import Space, StandardWrapped
from geomlat.nn import Dense
from geomlat.nn.activations import softplus
from geomlat.nn.initialisers import zeros


@dataclass(frozen=True, eq=False)
class WrappedLatent(HeadLatent):
    """A wrapped normal law on a `Space`: location ``exp_o`` of a linear head, **scale** by softplus of another.

    The location is the exponential of the head's tangent vector at the origin, the scales are the standard deviations
    along the manifold's orthonormal frame there. Nagano, Yamaguchi, Fujita, Koyama (2019), section 4.

    With ``full`` the scale is a Cholesky factor in that frame: its diagonal is the softplus, what is below it a linear
    head ``lower`` that starts at zero. On Euclidean space it is the normal law of any covariance.

    On a torus the location has the angles of pairs ``(x, y)`` of the head, and the decoder sees ``(cos, sin)`` of each
    angle: in angles themselves both networks would have a seam at half a turn, and codes could not go round.
    """

    n_in: int
    space: Space
    full: bool = False
    loc_sd: Dense = field(init=False, repr=False)
    lower: tuple[Dense, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loc_sd", Dense(self.n_in, (3 if self._round else 2) * self.dim))
        below = self.dim * (self.dim - 1) // 2 if self.full else 0
        object.__setattr__(self, "lower", (Dense(self.n_in, below, weight_init=zeros),) if below else ())

    @property
    def head(self) -> Dense:
        """See `HeadLatent.head`."""
        return self.loc_sd

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The dimension of the space."""
        return self.space.dim

    @property
    def manifold(self) -> Manifold:
        """The manifold at the curvature it starts with."""
        return self.space.manifold

    def manifold_at(self, p: Params) -> Manifold:
        """The manifold at the curvature in ``p``."""
        return self.space.vjp(p)[0]

    @property
    def features(self) -> int:
        """The pairs of a torus, else the coordinates of a point."""
        return 2 * self.dim if self._round else self.width

    def embed_vjp(self, z: Array) -> tuple[Array, Callable[[Array], Array]]:
        """``(cos, sin)`` of the angles of a torus; points of all other spaces as they are."""
        return pairs_from_angles_vjp(z) if self._round else super().embed_vjp(z)

    @cached_property
    def standard_prior(self) -> StandardWrapped:
        """The wrapped normal of scale 1 about the origin, of the same curvature."""
        return StandardWrapped(self.space)

    @property
    def only_head(self) -> bool:
        """Without a head for what is below a diagonal."""
        return not self.full

    def vjp(self, p: Params, h: Array) -> tuple[WrappedNormal, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        out, pull_head = self.head.vjp(p, h)
        q, pull_law = self._law_vjp(p, out, h)

        def pull(dq: Any, g: Params) -> Array:
            dh, dout = pull_law(dq, g)
            return add(dh, pull_head(dout, g))

        return q, pull

    def law_vjp(self, p: Params, out: Array) -> tuple[WrappedNormal, PullQ]:
        """The posterior at each row of the head's output, and its pull; for scales of a diagonal."""
        q, pull_law = self._law_vjp(p, out, None)

        def pull(dq: Any, g: Params) -> Array:
            return pull_law(dq, g)[1]

        return q, pull

    def _law_vjp(self, p: Params, out: Array, h: Array | None) -> tuple[WrappedNormal, Callable[..., Any]]:
        # The posterior, and its pull to (dh, dout); h is for the head of what is below the diagonal.
        manifold, pull_space = self.space.vjp(p)
        loc, pull_loc = _placed_vjp(manifold, out[..., : -self.dim])
        spread, slope = softplus(out[..., -self.dim :])
        scale, pull_scale = self._factor_vjp(p, h, spread) if self.full else (spread, None)
        q = WrappedNormal(manifold, loc, scale, full=self.full)

        def pull(dq: Any, g: Params) -> tuple[Array | None, Array]:
            xp = namespace(out)
            *fields, dloc, dscale = dq
            dplace, *more = pull_loc(dloc)
            pull_space(add(*fields, *more), g)
            dscale = xp.zeros_like(scale) if dscale is None else dscale
            dh, dspread = (None, dscale) if pull_scale is None else pull_scale(dscale, g)
            dplace = xp.zeros_like(out[..., : -self.dim]) if dplace is None else dplace
            return dh, xp.concat([dplace, dspread * slope], axis=-1)

        return q, pull

    def _factor_vjp(self, p: Params, h: Array, spread: Array) -> tuple[Array, Callable[..., tuple[Array, Array]]]:
        # The lower triangular factor (..., n, n), and its pull to (dh, dspread).
        xp, n = namespace(h, spread), self.dim
        i, j = np.tril_indices(n, -1)
        place = np.full((n, n), n + len(i))
        place[np.arange(n), np.arange(n)], place[i, j] = np.arange(n), n + np.arange(len(i))
        below, pulls = zip(*(layer.vjp(p, h) for layer in self.lower), strict=True) if self.lower else ((), ())
        entries = xp.concat([spread, *below, xp.zeros_like(spread[..., :1])], axis=-1)
        factor = xp.reshape(xp.take(entries, xp.asarray(place.ravel()), axis=-1), (*spread.shape, n))

        def pull(dfactor: Array, g: Params) -> tuple[Array, Array]:
            flat = xp.reshape(dfactor, (*spread.shape[:-1], n * n))
            dh = [back(xp.take(flat, xp.asarray(i * n + j), axis=-1), g) for back in pulls]
            return add(None, *dh), xp.take(flat, xp.asarray(np.arange(n) * (n + 1)), axis=-1)

        return factor, pull

    @property
    def _round(self) -> bool:
        return self.space.model == "torus"


def _placed_vjp(manifold: Manifold, raw: Array) -> tuple[Array, Callable[[Any], tuple[Any, ...]]]:
    # The location of a raw head, and its pull to (draw, *cotangents of the manifold's fields).
    if isinstance(manifold, Torus):
        angles, pull_angles = angles_from_pairs_vjp(raw)

        def pull_pairs(dloc: Any) -> tuple[Any, ...]:
            return (None if dloc is None else pull_angles(dloc),)

        return manifold.project(angles), pull_pairs
    origin = manifold.origin(like=raw)
    u, pull_frame = manifold.from_coordinates_vjp(origin, raw)
    loc, pull_exp = manifold.exp_vjp(origin, u)

    def pull(dloc: Any) -> tuple[Any, ...]:
        _, du, *first = pull_exp(dloc)
        _, draw, *second = pull_frame(du)
        return draw, tuple(first), tuple(second)

    return loc, pull
