"""Latent families: layers whose output is a distribution.

``latent.vjp(p, h) -> (q, pull)`` with ``pull(dq, g) -> dh``, where ``dq`` is the tuple of cotangents of the fields of
``q``. A latent owns its head: the head's width and its constraints.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from geomlat.backends import namespace
from geomlat.distributions import Normal, ProductDistribution
from geomlat.grad import Params, add
from geomlat.manifolds import Euclidean, Product
from geomlat.models.directional import DIRECTIONAL, DirectionalLatent, known_options
from geomlat.models.latent import Array, HeadLatent, Latent, PullQ
from geomlat.models.priors import Fixed, ProductPrior
from geomlat.models.spaces import Space
from geomlat.models.wrapped import WrappedLatent
from geomlat.nn import Dense
from geomlat.nn.activations import softplus


@dataclass(frozen=True, eq=False)
class GaussianLatent(HeadLatent):
    """A diagonal Gaussian on R^dim: mean linear, **standard deviation** by softplus of a linear head (no floor)."""

    n_in: int
    dim: int
    loc_sd: Dense = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loc_sd", Dense(self.n_in, 2 * self.dim))

    @property
    def head(self) -> Dense:
        """See `HeadLatent.head`."""
        return self.loc_sd

    @property
    def manifold(self) -> Euclidean:
        """Where the latent lives."""
        return Euclidean(self.dim)

    @property
    def standard_prior(self) -> Fixed:
        """The standard normal."""
        return Fixed("normal", self.dim)

    def law_vjp(self, p: Params, out: Array) -> tuple[Normal, PullQ]:
        """The posterior at each row of the head's output, and its pull."""
        scale, slope = softplus(out[..., self.dim :])
        q = Normal(out[..., : self.dim], scale)

        def pull(dq: Any, g: Params) -> Array:
            xp = namespace(out)
            dloc, dscale = (xp.zeros_like(scale) if d is None else d for d in dq)
            return xp.concat([dloc, dscale * slope], axis=-1)

        return q, pull


@dataclass(frozen=True, eq=False)
class ProductLatent(Latent):
    """Independent latents side by side on the product of their manifolds; each has a rate of its own.

    The mixed-curvature latent of Skopek, Ganea, Becigneul (2020). Raises ValueError for no factor, or factors that
    read vectors of different widths.
    """

    factors: tuple[Latent, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", tuple(self.factors))
        if len({f.n_in for f in self.factors}) != 1:
            msg = f"a product latent needs factors that read one vector, got n_in {[f.n_in for f in self.factors]}"
            raise ValueError(msg)

    @property
    def n_in(self) -> int:  # type: ignore[override]
        """The width of the vector that all factors read."""
        return self.factors[0].n_in

    @property
    def dim(self) -> int:  # type: ignore[override]
        """The sum of the factors' dimensions."""
        return sum(f.dim for f in self.factors)

    @property
    def manifold(self) -> Product:
        """The product at the curvatures the factors start with."""
        return Product(*(f.manifold for f in self.factors))

    def manifold_at(self, p: Params) -> Product:
        """The product at the curvatures in ``p``."""
        return Product(*(f.manifold_at(p) for f in self.factors))

    @cached_property
    def standard_prior(self) -> ProductPrior:
        """The product of the factors' priors."""
        return ProductPrior(tuple(f.standard_prior for f in self.factors))

    @cached_property
    def features(self) -> int:
        """The sum of the factors' own."""
        return sum(f.features for f in self.factors)

    def embed_vjp(self, z: Array) -> tuple[Array, Callable[[Array], Array]]:
        """What the decoder sees of each factor, side by side."""
        if self.features == self.width:
            return super().embed_vjp(z)
        xp = namespace(z)
        each = [
            f.embed_vjp(z[..., a:b])
            for f, (a, b) in zip(self.factors, _bounds(f.width for f in self.factors), strict=True)
        ]
        bounds = _bounds(f.features for f in self.factors)

        def pull(dfeatures: Array) -> Array:
            return xp.concat(
                [back(dfeatures[..., a:b]) for (_, back), (a, b) in zip(each, bounds, strict=True)], axis=-1
            )

        return xp.concat([features for features, _ in each], axis=-1), pull

    def vjp(self, p: Params, h: Array) -> tuple[ProductDistribution, PullQ]:
        """The posterior of each row of ``h``, and its pull."""
        laws, pulls = zip(*(f.vjp(p, h) for f in self.factors), strict=True)

        def pull(dq: Any, g: Params) -> Array:
            return add(*(back(d, g) for back, d in zip(pulls, dq, strict=True)))

        return ProductDistribution(*laws), pull


def _bounds(sizes: Iterable[int]) -> list[tuple[int, int]]:
    # Where each of so many columns side by side begins and ends.
    return list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))


FULL, MOST = ":full", 1000
SPACES: dict[str, dict[str, Any]] = {
    "e": {"model": "euclidean"},
    "h": {"model": "hyperboloid"},
    "p": {"model": "ball"},
    "u": {"model": "stereographic", "learned": True},
    "t": {"model": "torus"},
}
CURVED = {"h": {"curvature"}, "p": {"curvature"}, "u": {"curvature", "learned"}}


def latent(text: str, n_in: int, *, family: str | None = None, **options: Any) -> Latent:
    """The latent of a short text: letters and dimensions, ``"s2,h2,e2"``, and ``"4*s2"`` for four of a kind.

    ``"e2"`` is Gaussian on R^2; ``"s2"`` on the sphere S^2, of the ``family`` ``"vmf"``, ``"power"`` or ``"cauchy"``;
    wrapped normals are ``"h2"`` on the hyperboloid, ``"p2"`` on the Poincare ball, ``"u2"`` in the stereographic model
    with a learned curvature, each of ``"u2,u2"`` its own, ``"t2"`` on the torus. ``"e5:full"``, and so for every letter
    but s, has the covariance of a Cholesky factor instead of independent coordinates. Several make a product;
    ``family`` and ``options`` then go to the factors that know them.

    Raises
    ------
    ValueError
        If the text or the family is unknown, or an option that no factor knows.
    """
    parts = [_factor(part, str(text)) for part in str(text).split(",")]
    names = [name for count, name in parts for _ in range(count)]
    if family not in (None, *DIRECTIONAL):
        msg = f"the family of a spherical latent is one of {', '.join(DIRECTIONAL)}, got {family!r}"
        raise ValueError(msg)
    law = DIRECTIONAL[family or "vmf"]
    own = [known_options(law) if name[0] == "s" else CURVED.get(name[0], set()) for name in names]
    unknown = options.keys() - set().union(*own) | ({"family"} if family and "s" not in str(text) else set())
    if unknown:
        msg = (
            f"no factor of latent {text!r} knows {', '.join(sorted(unknown))}; s has family and, of "
            f"{family or 'vmf'}, {', '.join(sorted(known_options(law)))}; h, p and u have curvature, u also learned"
        )
        raise ValueError(msg)
    each = ({k: v for k, v in options.items() if k in mine} for mine in own)
    factors = tuple(_one(name, n_in, law, mine) for name, mine in zip(names, each, strict=True))
    return factors[0] if len(factors) == 1 else ProductLatent(factors)


def _factor(part: str, text: str) -> tuple[int, str]:
    # How many of a factor, and its text; ``text`` is the whole that it stands in.
    found = re.fullmatch(r"(?:(\d+)\*)?(([eshput])0*(\d+)(:full)?)", part.strip(), re.ASCII)
    if not found or not 1 <= int(found[1] or 1) <= MOST or int(found[4]) < 1 or (found[5] and found[3] == "s"):
        where = f"{part!r} in latent {text!r}" if "," in text else f"latent {text!r}"
        msg = (
            f"unknown {where}; give a letter and a dimension of at least 1: e2 (Gaussian), s2 (sphere), h2 "
            "(hyperboloid), p2 (Poincare ball), u2 (learned curvature), t2 (torus); all but s with :full covariance; "
            f"a product has commas, s2,h2,e2, and 4*s2 for four of a kind, 1 to {MOST} times"
        )
        raise ValueError(msg)
    return int(found[1] or 1), found[2]


def _one(name: str, n_in: int, law: type[DirectionalLatent], options: dict[str, Any]) -> Latent:
    letter, size, full = name[0], name[1:].partition(":")[0], name.endswith(FULL)
    if letter == "s":
        return law(n_in, int(size), **options)
    if letter == "e" and not full:
        return GaussianLatent(n_in, int(size))
    return WrappedLatent(n_in, Space(dim=int(size), **SPACES[letter] | options), full=full)
