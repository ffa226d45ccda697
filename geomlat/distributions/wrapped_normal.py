"""The wrapped normal law: a normal law in the tangent space at a point, carried to the manifold by its geodesics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import Array, floating, is_host, namespace, native
from geomlat.distributions._vectors import wide
from geomlat.distributions._windings import may_close, windings_vjp
from geomlat.distributions._wrapped_entropy import entropy_vjp
from geomlat.distributions.normal import HALF_LOG_TAU
from geomlat.grad import add, sum_to
from geomlat.manifolds import Manifold
from geomlat.random import Stream, normal, stream


@dataclass(frozen=True, eq=False)
class WrappedNormal:
    """The law of ``exp(loc, u)``, u normal in the tangent space at ``loc`` with mean zero and scale ``L``.

        q(z) = sum over u with exp(loc, u) = z of N(c(u); 0, L L^T) / |det d exp(loc, u)|

    with respect to the Riemannian measure; c(u) are the coordinates of u in the manifold's orthonormal frame at loc. On
    R^n and the hyperbolic spaces there is one such u; where geodesics close (circles, spheres, tori, rotations) all
    windings are summed, until they are negligible.

    ``manifold`` has `exp`, `log`, `logdet_exp` and the frame; ``loc`` is ``(..., *ambient)``; ``scale > 0`` holds the
    standard deviations along the frame, ``(..., n)``, ``(..., 1)`` or 0-d, and if ``full`` the lower triangular
    factor L ``(..., n, n)``, of which nothing above the diagonal is read. Their batches broadcast. Cotangents come in
    the order of the fields: a tuple of those of the manifold's own array fields, if it has any, then loc and scale.

    For n >= 2 the density of a law wound on a sphere has integrable poles at loc and at its cut point; at loc itself it
    is given the value of the shortest winding. On a product a full scale is for factors that are open or circles, whose
    windings are summed over a lattice. Tested on every manifold of the table, scales 1e-3 .. 1e3, float32 and float64.
    Reference: Nagano, Yamaguchi, Fujita, Koyama (2019), "A wrapped normal distribution on hyperbolic space", alg. 1-2.

    >>> from geomlat.manifolds import Sphere
    >>> q = WrappedNormal(Sphere(2), np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2]))
    >>> q.sample(rng=0).round(3)
    array([-0.056, -0.196,  0.979])

    Raises
    ------
    ValueError
        For a manifold of dimension 0, shapes that do not fit, and (host arrays only) a loc that is not finite, or a
        scale, or a diagonal of L, that is not positive and finite.
    """

    manifold: Manifold
    loc: Array
    scale: Array
    full: bool = False

    def __post_init__(self) -> None:
        xp = namespace(self.loc, self.scale)
        loc, scale = floating(xp, self.loc, self.scale)
        object.__setattr__(self, "loc", loc)
        object.__setattr__(self, "scale", scale)
        self._check()

    @cached_property
    def batch_shape(self) -> tuple[int, ...]:
        """The shape of the batch of laws."""
        loc = self.loc.shape[: self.loc.ndim - len(self.event_shape)]
        return np.broadcast_shapes(loc, self.scale.shape[: max(self.scale.ndim - 1 - self.full, 0)])

    @property
    def event_shape(self) -> tuple[int, ...]:
        """The shape of a point."""
        return tuple(self.manifold.ambient_shape)

    @property
    def isotropic(self) -> bool:
        """Whether the shape of the scale alone says that it is one number."""
        return not self.full and (self.manifold.dim == 1 or self.scale.ndim == 0 or self.scale.shape[-1] == 1)

    def draw(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Standard normal noise ``shape + batch_shape + (n,)``; a stream's offset counts points."""
        first, n = stream(rng), self.manifold.dim
        first = Stream(first.key0, first.key1, first.offset * n)
        full = ((shape,) if isinstance(shape, int) else tuple(shape)) + self.batch_shape + (n,)

        def fill(loc: Array) -> Array:
            return normal(full, rng=first, dtype=loc.dtype, xp=namespace(loc))

        return native(fill, self.loc)

    def sample(self, shape: int | tuple[int, ...] = (), *, rng: Any) -> Array:
        """Draws ``shape + batch_shape + event_shape``."""
        return self.rsample(self.draw(shape, rng=rng))

    def rsample(self, noise: Array) -> Array:
        """``exp(loc, u)``, u with coordinates ``L noise``."""
        return self.manifold.exp(self.loc, self.manifold.from_coordinates(self.loc, self._stretched(noise)))

    def rsample_vjp(self, noise: Array) -> tuple[Array, Callable[..., tuple[Any, ...]]]:
        """`rsample` and its pullback to ``(*dmanifold, dloc, dscale)``, exact; ``advantage`` is ignored.

        The frame moves with loc: where it jumps (on the sphere, where the first coordinate of loc changes its sign) the
        derivative is that of one side.
        """
        u, pull_frame = self.manifold.from_coordinates_vjp(self.loc, self._stretched(noise))
        z, pull_exp = self.manifold.exp_vjp(self.loc, u)

        def pull(dz: Array | None, advantage: Array | None = None) -> tuple[Any, ...]:
            dz = None if dz is None else namespace(z).astype(dz, z.dtype, copy=False)
            dloc, du, *fields = pull_exp(dz)
            dframe, dc, *more = pull_frame(du)
            dscale = None if dc is None else self._stretched_pull(dc, noise)
            return *nested(add(tuple(fields), tuple(more))), add(dloc, dframe), dscale

        return z, pull

    @property
    def injective(self) -> bool:
        """Whether every point has one tangent: no geodesic closes."""
        return not any(may_close(form) for form in self.manifold.space_forms_vjp()[0])

    def log_prob_at_draw_vjp(self, noise: Array) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """The log-density at the draw of some noise, and its whole derivative, also through the draw.

        ``-|noise|^2 / 2 - log det L - n log(2 pi) / 2 - log |det d exp(loc, u)|``: no logarithm of the point is taken,
        whose rounding counts in units of the scale, so that it keeps its digits where the law is narrow. ``pull(dl)``
        gives ``(*dmanifold, dloc, dscale)``. It holds where the law is `injective`.
        """
        xp = namespace(self.loc, noise)
        u, pull_frame = self.manifold.from_coordinates_vjp(self.loc, self._stretched(noise))
        volume, pull_volume = self.manifold.logdet_exp_vjp(self.loc, u)
        flat = -xp.sum(0.5 * noise * noise + xp.log(self.spread) + HALF_LOG_TAU, axis=-1)

        def pull(dl: Array | None) -> tuple[Any, ...]:
            dloc, du, *fields = pull_volume(None if dl is None else -dl)
            dframe, dc, *more = pull_frame(du)
            dscale = None if dc is None else self._stretched_pull(dc, noise)
            if dl is not None:
                dspread = xp.broadcast_to(-dl[..., None], noise.shape) / self.spread
                dscale = add(dscale, self.spread_cotangent(dspread))
            return *nested(add(tuple(fields), tuple(more))), add(dloc, dframe), dscale

        return flat - volume, pull

    def log_prob(self, x: Array) -> Array:
        """The log-density at points ``x`` ``(..., *ambient)``, taken to be on the manifold."""
        u = self.manifold.log(self.loc, x)
        c = self.manifold.to_coordinates(self.loc, u)
        return self._tangent_vjp(c)[0] - self.manifold.logdet_exp(self.loc, u)

    def log_prob_vjp(self, x: Array) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """`log_prob` and its pullback to ``(dx, *dmanifold, dloc, dscale)``, the ambient derivatives of the formula."""
        manifold = self.manifold
        u, pull_log = manifold.log_vjp(self.loc, x)
        c, pull_frame = manifold.to_coordinates_vjp(self.loc, u)
        volume, pull_volume = manifold.logdet_exp_vjp(self.loc, u)
        tangent, pull_tangent = self._tangent_vjp(c)
        value = tangent - volume

        def pull(dl: Array | None) -> tuple[Any, ...]:
            dl = None if dl is None else namespace(value).astype(dl, value.dtype, copy=False)
            dc, dperiods, dscale = pull_tangent(dl)
            (da, du, *first), (db, dv, *second) = pull_frame(dc), pull_volume(None if dl is None else -dl)
            dbase, dx, *third = pull_log(add(du, dv))
            fields = add(tuple(first), tuple(second), tuple(third), dperiods)
            return dx, *nested(fields), add(da, db, dbase), dscale

        return value, pull

    def entropy(self) -> Array:
        """The entropy: on open spaces for every scale, on circles, and on spheres for a scale that is one number.

        Raises
        ------
        NotImplementedError
            For the other laws, with what to do instead.
        """
        return self.entropy_vjp()[0]

    def entropy_vjp(self) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """`entropy` and its pullback to ``(*dmanifold, None, dscale)``."""
        spread, factor = wide(self.spread), wide(self.factor) if self.full else None
        value, pull_entropy = entropy_vjp(self.manifold, spread, factor, self.isotropic)
        xp = namespace(value)

        def pull(dh: Array | None) -> tuple[Any, ...]:
            dspread, dfactor, fields = pull_entropy(None if dh is None else wide(dh))
            kept = nested(_rounded(self.scale.dtype, fields))
            if dspread is None:
                return *kept, None, None
            if dfactor is not None:
                dscale = self.factor_cotangent(dfactor + dspread[..., None] * wide(self._identity))
            else:
                dscale = sum_to(dspread, self.scale.shape)
            return *kept, None, xp.astype(dscale, self.scale.dtype, copy=False)

        return xp.broadcast_to(xp.astype(value, self.scale.dtype, copy=False), self.batch_shape), pull

    def mean(self) -> Array:
        """loc: the law is symmetric about it, so that it is a Frechet mean on a space symmetric about each point."""
        return namespace(self.loc).broadcast_to(self.loc, self.batch_shape + self.event_shape)

    def mode(self) -> Array:
        """loc, the mode of the normal law in its tangent space."""
        return self.mean()

    @cached_property
    def spread(self) -> Array:
        """The standard deviations of a diagonal scale, or the diagonal of L, ``(..., n)``."""
        xp = namespace(self.scale)
        if self.full:
            return xp.linalg.diagonal(self.scale)
        scale = self.scale[None] if self.scale.ndim == 0 else self.scale
        return xp.broadcast_to(scale, (*scale.shape[:-1], self.manifold.dim))

    @cached_property
    def factor(self) -> Array:
        """L as a matrix ``(..., n, n)``, its upper triangle cleared."""
        return namespace(self.scale).tril(self.scale) if self.full else self.spread[..., None] * self._identity

    def factor_cotangent(self, d: Array) -> Array:
        """The cotangent of the scale from that of L."""
        if self.full:
            return namespace(d).tril(sum_to(d, self.scale.shape))
        return sum_to(namespace(d).linalg.diagonal(d), self.scale.shape)

    def spread_cotangent(self, d: Array) -> Array:
        """The cotangent of the scale from that of `spread`."""
        return self.factor_cotangent(d[..., None] * self._identity) if self.full else sum_to(d, self.scale.shape)

    def isotropic_cotangent(self, d: Array | None) -> Array | None:
        """The cotangent of a scale that is one number, from that of the number."""
        if d is None:
            return None
        return sum_to(d[(..., *(None,) * min(self.scale.ndim, 1 + self.full))], self.scale.shape)

    @cached_property
    def _identity(self) -> Array:
        xp = namespace(self.scale)
        return xp.eye(self.manifold.dim, dtype=self.scale.dtype, device=device(self.scale))

    @cached_property
    def _inverse(self) -> Array:
        return namespace(self.scale).linalg.inv(self.factor)

    def _stretched(self, noise: Array) -> Array:
        return _product(self.factor, noise) if self.full else self.scale * noise

    def _stretched_pull(self, dc: Array, noise: Array) -> Array:
        """The cotangent of the scale from that of ``L noise``."""
        return self.factor_cotangent(_outer(dc, noise)) if self.full else sum_to(dc * noise, self.scale.shape)

    def _tangent_vjp(self, c: Array) -> tuple[Array, Callable[[Array | None], tuple[Any, ...]]]:
        """The log-density of coordinates, all windings summed, and its pullback to ``(dc, dmanifold, dscale)``."""
        xp = namespace(c, self.scale)
        w = _product(self._inverse, c) if self.full else c / self.scale
        flat = -xp.sum(0.5 * w * w + xp.log(self.spread) + HALF_LOG_TAU, axis=-1)
        inverse = self._inverse if self.full else None
        wound, pull_wound = windings_vjp(self.manifold, inverse, c, w, self.spread)

        def pull(dl: Array | None) -> tuple[Any, ...]:
            if dl is None:
                return None, None, None
            dc, dw, dspread, dfactor, dperiods = pull_wound(dl)
            dw = add(dw, -dl[..., None] * w)
            dspread = add(dspread, -dl[..., None] / self.spread)
            if not self.full:
                dscale = sum_to(dspread - dw * w / self.scale, self.scale.shape)
                return sum_to(add(dc, dw / self.scale), c.shape), dperiods, dscale
            back = _product(xp.matrix_transpose(self._inverse), dw)
            dc = sum_to(add(dc, back), c.shape)
            direct = dspread[..., None] * self._identity - _outer(back, w)
            return dc, dperiods, self.factor_cotangent(add(direct, dfactor))

        return flat + wound, pull

    def _check(self) -> None:
        n, scale = self.manifold.dim, self.scale
        if n < 1:
            msg = f"WrappedNormal needs a manifold of dimension at least 1, got {self.manifold!r}"
            raise ValueError(msg)
        fits = scale.shape[-2:] == (n, n) if self.full else scale.ndim == 0 or scale.shape[-1] in (1, n)
        event = tuple(self.loc.shape[max(self.loc.ndim - len(self.event_shape), 0) :])
        if not fits or event != self.event_shape:
            wanted = f"(..., {n}, {n})" if self.full else f"(..., {n}) or (..., 1)"
            msg = (
                f"WrappedNormal on {self.manifold!r} needs loc of shape (..., {', '.join(map(str, self.event_shape))}) "
                f"and scale of shape {wanted}, got {tuple(self.loc.shape)} and {tuple(scale.shape)}"
            )
            raise ValueError(msg)
        try:
            _ = self.batch_shape
        except ValueError:
            msg = f"the batches of loc {tuple(self.loc.shape)} and scale {tuple(scale.shape)} do not broadcast"
            raise ValueError(msg) from None
        if is_host(self.loc) and not np.isfinite(self.loc).all():
            msg = "WrappedNormal needs a finite loc (taken to be on the manifold: see its project and contains)"
            raise ValueError(msg)
        if is_host(scale) and scale.size and not (self.spread.min() > 0.0 and np.isfinite(scale).all()):
            msg = "WrappedNormal needs a positive finite scale (a Cholesky factor goes with full=True)"
            raise ValueError(msg)


def nested(fields: tuple[Any, ...]) -> tuple[Any, ...]:
    """The cotangent of an object as an entry for that of its holder: a tuple, or nothing if it has no array fields."""
    return (fields,) if fields else ()


def _rounded(dtype: Any, tree: Any) -> Any:
    if isinstance(tree, tuple):
        return tuple(_rounded(dtype, part) for part in tree)
    return None if tree is None else namespace(tree).astype(tree, dtype, copy=False)


def _product(matrix: Array, vector: Array) -> Array:
    # Column by column: the same bits for any batch and any memory layout.
    columns = (matrix[..., j] * vector[..., j : j + 1] for j in range(vector.shape[-1]))
    return sum(columns, 0.0)


def _outer(a: Array, b: Array) -> Array:
    return a[..., :, None] * b[..., None, :]
