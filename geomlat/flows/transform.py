"""The interface of a transform: a bijection with parameters, its log-determinants and their pullbacks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Params, add
from geomlat.nn import Layer

Array = Any
Moved = tuple[Array, Array]
Pull = Callable[[tuple[Array | None, Array | None], Params], tuple[Array, Array | None]]


class Transform(Layer):
    """A bijection of vectors ``(..., dim)`` with parameters, perhaps conditional on a context ``(..., context)``.

    ``forward`` goes from the base to the data, ``inverse`` back. Each returns ``(y, logdet)``, the log absolute
    determinant ``(...)`` of the map it just did, so that the two are opposite. The pull of a ``*_vjp`` takes
    ``((dy, dlogdet), g)``, of which either may be None, adds to the views ``g`` and returns ``(dx, dcontext)``.
    """

    dim: int

    @abstractmethod
    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, logdet)`` and its pullback."""

    @abstractmethod
    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, logdet)`` and its pullback."""

    def forward(self, p: Params, x: Array, context: Array | None = None) -> Moved:
        """``(y, logdet)``."""
        return self.forward_vjp(p, x, context)[0]

    def inverse(self, p: Params, y: Array, context: Array | None = None) -> Moved:
        """``(x, logdet)``."""
        return self.inverse_vjp(p, y, context)[0]


@dataclass(frozen=True, eq=False)
class Inverse(Transform):
    """A transform the other way round: an inverse autoregressive flow from an autoregressive one."""

    transform: Transform

    @property
    def dim(self) -> int:  # type: ignore[override]
        """That of the transform."""
        return self.transform.dim

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """The transform's inverse."""
        return self.transform.inverse_vjp(p, x, context)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """The transform's forward map."""
        return self.transform.forward_vjp(p, y, context)


@dataclass(frozen=True, eq=False)
class Chain(Transform):
    """Transforms one after the other, the first next to the base.

    Raises
    ------
    ValueError
        If there is none, or their dimensions differ.
    """

    transforms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        if len({t.dim for t in self.transforms}) != 1:
            msg = f"a chain needs transforms of one dimension, got {[t.dim for t in self.transforms]}"
            raise ValueError(msg)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """That of its transforms."""
        return self.transforms[0].dim

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """First to last."""
        return _composed([t.forward_vjp for t in self.transforms], p, x, context)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """Last to first."""
        return _composed([t.inverse_vjp for t in reversed(self.transforms)], p, y, context)


def _composed(
    maps: list[Callable[..., tuple[Moved, Pull]]], p: Params, x: Array, context: Array | None
) -> tuple[Moved, Pull]:
    total, pulls = None, []
    for f in maps:
        (x, logdet), pull_f = f(p, x, context)
        total = add(total, logdet)
        pulls.append(pull_f)

    def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
        dx, dlogdet = cotangent
        dcontext = None
        for pull_f in reversed(pulls):
            dx, dc = pull_f((dx, dlogdet), g)
            dcontext = add(dcontext, dc)
        return dx, dcontext

    return (x, total), pull


def dense(cotangent: Array | None, like: Array) -> Array:
    """A cotangent, or zeros in place of None."""
    return namespace(like).zeros_like(like) if cotangent is None else cotangent
