"""Couplings: some coordinates are kept and decide how the others are moved (Dinh, Krueger, Bengio 2015; Dinh,
Sohl-Dickstein, Bengio 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import namespace
from geomlat.flows._affine_rows import moved_rows, pulled_rows
from geomlat.flows._coupling_run import LARGEST_BOUND, Moves, Run, Step, run_of
from geomlat.flows.elementwise import Affine, ElementMap, Shift
from geomlat.flows.transform import Moved, Pull, Transform, dense, points
from geomlat.grad import Params
from geomlat.nn import MLP, widths
from geomlat.nn.initialisers import zeros

Array = Any


@dataclass(frozen=True, eq=False, kw_only=True)
class Coupling(Transform):
    """The kept coordinates (and the context) feed a network whose output moves each of the others by a monotone map.

    Parameters
    ----------
    dim
        Coordinates.
    hidden
        Widths of the network's hidden layers.
    keep
        The coordinates kept; None keeps the first half, and ``flip=True`` the others of those named.
    context
        Features of the context, 0 for none.
    activation
        Of the network, whose last layer starts at zero, so that the transform starts as the identity.

    Raises
    ------
    ValueError
        If ``keep`` names a coordinate twice or does not leave at least one of each kind.
    """

    dim: int
    hidden: Sequence[int] = (64,)
    keep: Sequence[int] | None = None
    flip: bool = False
    context: int = 0
    activation: str = "relu"
    network: MLP = field(init=False, repr=False)
    kept: tuple[int, ...] = field(init=False, repr=False)
    moved: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        keep = range(self.dim // 2) if self.keep is None else tuple(self.keep)
        others = [j for j in range(self.dim) if j not in set(keep)]
        kept, moved = (others, sorted(keep)) if self.flip else (sorted(keep), others)
        once = len(set(keep)) == len(keep) and set(keep) <= set(range(self.dim))
        if not once or not moved or not (kept or self.periodic):
            msg = f"a coupling of {self.dim} coordinates keeps some of them, each once, and moves some; got keep={keep}"
            raise ValueError(msg)
        seen = len(kept) * (2 if self.periodic else 1) + self.context
        hidden = widths("hidden", self.hidden)
        sizes = (*((seen, *hidden) if seen else (1,)), len(moved) * self.map.width)
        object.__setattr__(self, "kept", tuple(kept))
        object.__setattr__(self, "moved", tuple(moved))
        object.__setattr__(self, "hidden", hidden)
        object.__setattr__(self, "network", MLP(sizes, self.activation, last_init=zeros))

    @property
    def periodic(self) -> bool:
        """Whether the kept coordinates are angles, of which the network sees cosines and sines."""
        return False

    @property
    def map(self) -> ElementMap:
        """What moves a coordinate."""
        raise NotImplementedError

    def forward_vjp(self, p: Params, x: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(y, logdet)`` and its pullback."""
        return self._by_rows(p, x, context, False) or self._move(p, x, context, self.map.forward_vjp)

    def inverse_vjp(self, p: Params, y: Array, context: Array | None = None) -> tuple[Moved, Pull]:
        """``(x, logdet)`` and its pullback."""
        return self._by_rows(p, y, context, True) or self._move(p, y, context, self.map.inverse_vjp)

    def step(self, inverse: bool) -> Step | None:
        """See `Transform.step`: scales and shifts decided by a network with relu, in no way of a subclass."""
        rules = ("forward_vjp", "inverse_vjp", "_decide")
        if any(getattr(type(self), rule) is not getattr(Coupling, rule) for rule in rules):
            return None
        if type(self.map) not in (Affine, Shift) or self.activation != "relu" or self.periodic:
            return None
        bound = getattr(self.map, "bound", 1.0)
        return Moves(self.kept, self.moved, self.network, self.map.width, bound) if bound < LARGEST_BOUND else None

    @cached_property
    def _runs(self) -> tuple[Run | None, ...]:
        return tuple(run_of((self.step(inverse),), inverse, self.dim) for inverse in (False, True))

    def _by_rows(self, p: Params, x: Array, context: Array | None, inverse: bool) -> tuple[Moved, Pull] | None:
        run, x = self._runs[inverse], points(x, self.dim)
        return run(p, x, context) if run is not None and run.takes(p, x, context) else None

    def _move(self, p: Params, x: Array, context: Array | None, move: Any) -> tuple[Moved, Pull]:
        xp, n_moved = namespace(x, p.vector), len(self.moved)
        kept, moving = _taken(xp, x, self.kept), _taken(xp, x, self.moved)
        h, pull_network = self._decide(xp, p, kept, moving, context)
        (moved, logdets), pull_move = move(xp.reshape(h, (*h.shape[:-1], n_moved, self.map.width)), moving)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dy, dlogdet = dense(cotangent[0], x), dense(cotangent[1], logdets[..., 0])
            dh, dmoving = pull_move(_taken(xp, dy, self.moved), dlogdet[..., None] + xp.zeros_like(logdets))
            dkept, dcontext = pull_network(xp.reshape(dh, h.shape), g)
            return self._merged(xp, _taken(xp, dy, self.kept) + dkept, dmoving), dcontext

        return (self._merged(xp, kept, moved), xp.sum(logdets, axis=-1)), pull

    def _decide(self, xp: Any, p: Params, kept: Array, moving: Array, context: Array | None) -> tuple[Array, Any]:
        features = [xp.cos(kept), xp.sin(kept)] if self.periodic else [kept]
        features += [] if context is None else [context]
        if not self.kept and context is None:
            features = [xp.ones_like(moving[..., :1])]
        seen = features[0] if len(features) == 1 else xp.concat(features, axis=-1)
        h, pull_network = self.network.vjp(p, seen)
        n = len(self.kept)

        def pull(dh: Array, g: Params) -> tuple[Array, Array | None]:
            dseen = pull_network(dh, g)
            if not self.periodic:
                return dseen[..., :n], None if context is None else dseen[..., n:]
            dkept = features[0][..., :n] * dseen[..., n : 2 * n] - xp.sin(kept) * dseen[..., :n]
            return dkept, None if context is None else dseen[..., 2 * n :]

        return h, pull

    def _merged(self, xp: Any, kept: Array, moved: Array) -> Array:
        order = self.kept + self.moved
        both = xp.concat((kept, moved), axis=-1)
        return _taken(xp, both, tuple(order.index(j) for j in range(self.dim)))


def _taken(xp: Any, x: Array, columns: tuple[int, ...]) -> Array:
    if _contiguous(columns):
        first = columns[0] if columns else 0
        return x[..., first : first + len(columns)]
    return xp.take(x, xp.asarray(columns), axis=-1)


def _contiguous(columns: tuple[int, ...]) -> bool:
    return not columns or columns == tuple(range(columns[0], columns[0] + len(columns)))


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineCoupling(Coupling):
    """RealNVP's coupling: a scale with bounded, smooth logarithm and a shift.

    The log-determinant counts the moved coordinates only. Dinh, Sohl-Dickstein, Bengio (2017), eq. 7.
    """

    bound: float = 3.0

    @property
    def map(self) -> Affine:
        """Scale and shift."""
        return Affine(self.bound)

    def _move(self, p: Params, x: Array, context: Array | None, move: Any) -> tuple[Moved, Pull]:
        # The network is small, and most of the time of a step would go into taking columns apart.
        if type(x) is not ndarray or x.dtype != p.vector.dtype or x.dtype.char not in "fd":
            return super()._move(p, x, context, move)
        kept, inverse = _taken(np, x, self.kept), move.__name__ == "inverse_vjp"
        h, pull_network = self._decide(np, p, kept, x, context)
        if h.shape[:-1] != x.shape[:-1]:
            x = np.broadcast_to(x, (*h.shape[:-1], self.dim))
        columns = np.array(self.moved)
        y, logdet, held = moved_rows(columns, self.bound, inverse, h, x)

        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dy, dlogdet = dense(cotangent[0], x), dense(cotangent[1], logdet)
            dh, dx = pulled_rows(columns, inverse, held, x, y, dy, dlogdet)
            dkept, dcontext = pull_network(dh, g)
            where = slice(self.kept[0], self.kept[-1] + 1) if _contiguous(self.kept) else list(self.kept)
            dx[..., where] += dkept
            return dx, dcontext

        return (y, logdet), pull


@dataclass(frozen=True, eq=False, kw_only=True)
class AdditiveCoupling(Coupling):
    """NICE's coupling: a shift, so that volumes are kept. Dinh, Krueger, Bengio (2015), eq. 4."""

    @property
    def map(self) -> Shift:
        """A shift."""
        return Shift()
