"""A few parameters apart from the others: their own learning rate, their own clip, a later start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from geomlat.grad import Layout
from geomlat.optim.optimizer import Optimizer, State
from geomlat.optim.schedules import Hyperparameter

Array = Any


@dataclass(frozen=True)
class Apart(Optimizer):
    """``rest`` for the vector but for the entries ``parts``, which ``own`` moves, from the update ``after`` on.

    Until then these entries stand still. `update` returns the norm of the other entries' gradient; each clips alone.
    Skopek, Ganea, Becigneul (2020) start the curvature of a latent space so, ten epochs late; `apart` finds it.

    Raises
    ------
    ValueError
        If the two optimisers keep different moments, ``after`` is negative, or parts overlap.
    """

    lr: Hyperparameter = field(init=False)
    rest: Optimizer
    own: Optimizer
    parts: tuple[tuple[int, int], ...]
    after: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "lr", self.rest.lr)
        if self.clip is not None or self.rest.moments != self.own.moments:
            msg = f"Apart needs two optimisers of one kind and no clip of its own, got {self.rest!r} and {self.own!r}"
            raise ValueError(msg)
        ordered = sorted(self.parts)
        self._require("after", self.after >= 0, "at least 0")
        apart = all(a < b for a, b in ordered) and all(a[1] <= b[0] for a, b in pairwise(ordered))
        self._require("parts", apart, "slices (start, stop) that do not overlap")

    def init(self, theta: Array) -> State:
        """See `Optimizer.init`."""
        return self.rest.init(theta)

    def update(self, theta: Array, grad: Array, state: State) -> Array:
        """See `Optimizer.update`."""
        step, vectors = state["step"], (theta, grad, *(state[name] for name in self.rest.moments))
        kept = [[v[a:b] + 0 for v in vectors] for a, b in self.parts]
        for a, b in self.parts:
            grad[a:b] = 0
        norm = self.rest.update(theta, grad, state)
        for (a, b), values in zip(self.parts, kept, strict=True):
            for v, value in zip(vectors, values, strict=True):
                v[a:b] = value
            if step >= self.after:
                moments = {name: state[name][a:b] for name in self.own.moments}
                self.own.update(theta[a:b], grad[a:b], {"step": step - self.after, **moments})
        return norm


def apart(
    layout: Layout, rest: Optimizer, own: Optimizer, *, names: str = r"(^|\.)curvature$", after: int = 0
) -> Optimizer:
    """`Apart` for the parameters whose names the regular expression ``names`` finds; ``rest`` itself if it finds none.

    >>> from geomlat.optim import Adam
    >>> layout = Layout([("net", "weight", (4,)), ("space", "latent.space.curvature", ())])
    >>> apart(layout, Adam(1e-3), Adam(1e-4, clip=1.0), after=500).parts
    ((4, 5),)
    """
    parts = tuple((where.start, where.stop) for name, (where, _) in layout.slices.items() if re.search(names, name))
    return Apart(rest, own, parts, after) if parts else rest
