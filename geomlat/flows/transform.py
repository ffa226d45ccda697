"""The interface of a transform: a bijection with parameters, its log-determinants and their pullbacks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from geomlat.backends import namespace
from geomlat.flows._coupling_run import Run, Step, run_of
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

    @property
    def contexts(self) -> set[int]:
        """The features of a context that it, or each of its parts, takes; nothing where it looks at none."""
        return {self.context} if hasattr(self, "context") else set()

    def step(self, inverse: bool) -> Step | None:
        """What a compiled pass over rows does for this transform or its inverse, if it knows it."""
        return None

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

    @property
    def contexts(self) -> set[int]:
        """Those of the transform."""
        return self.transform.contexts

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

    @property
    def contexts(self) -> set[int]:
        """Those of its transforms."""
        return set().union(*(t.contexts for t in self.transforms))

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """First to last."""
        return _composed(self._passes[0], p, points(x, self.dim), context)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """Last to first."""
        return _composed(self._passes[1], p, points(y, self.dim), context)

    @cached_property
    def _passes(self) -> tuple[list[_Pass], list[_Pass]]:
        return _grouped(self.transforms, False, self.dim), _grouped(self.transforms[::-1], True, self.dim)


_Rule = Callable[..., tuple[Moved, Pull]]
_Pass = tuple[Run | None, list[_Rule]]


def _grouped(transforms: tuple[Transform, ...], inverse: bool, dim: int) -> list[_Pass]:
    passes: list[_Pass] = []
    for _, group in groupby(transforms, key=lambda t: t.step(inverse) is not None):
        members = tuple(group)
        rules = [t.inverse_vjp if inverse else t.forward_vjp for t in members]
        passes.append((run_of([t.step(inverse) for t in members], inverse, dim), rules))
    return passes


def _composed(passes: list[_Pass], p: Params, x: Array, context: Array | None) -> tuple[Moved, Pull]:
    total, pulls = None, []
    for run, rules in passes:
        todo: Sequence[_Rule] = [run] if run is not None and run.takes(p, x, context) else rules
        for f in todo:
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


def points(x: Array, dim: int) -> Array:
    """``x``, which the kernels read by rows of ``dim`` numbers; raises ValueError if its points have others."""
    if x.shape[-1:] != (dim,):
        msg = f"these transforms are of points (..., {dim}), got an array of shape {x.shape}"
        raise ValueError(msg)
    return x


def dense(cotangent: Array | None, like: Array) -> Array:
    """A cotangent, or zeros in place of None."""
    return namespace(like).zeros_like(like) if cotangent is None else cotangent
