"""What likelihood heads p(x | z) have in common: what the decoder's last layer means."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from geomlat.backends import namespace

Array = Any
Pull = Callable[[Array], Array]


class Likelihood(ABC):
    """The law of a row of data given the decoder's output ``out`` ``(..., width)``.

    ``x`` is ``(..., n_features)`` and the batches broadcast, so that one ``x`` meets many samples of ``out``.
    """

    @property
    @abstractmethod
    def unit(self) -> float:
        """The size of the data: ``x / unit`` is of order one, and what the encoder sees."""

    @property
    def bounded(self) -> bool:
        """Whether every datum lies within ``[0, unit]``."""
        return False

    @abstractmethod
    def width(self, n_features: int) -> int:
        """The number of decoder outputs."""

    @abstractmethod
    def check(self, x: Array) -> None:
        """ValueError if ``x`` holds values outside the support."""

    @abstractmethod
    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``-log p(x | out)`` ``(...,)`` in nats, summed over the features, and ``pull(dnll) -> dout``."""

    def mean_nll_vjp(self, out: Array, x: Array) -> tuple[Array, Callable[[], Array]]:
        """`nll_vjp` of rows ``(n,)`` whose mean is minimised: ``pull() -> dout`` is that of 1 / n."""
        nll, pull_nll = self.nll_vjp(out, x)

        def pull() -> Array:
            return pull_nll(namespace(nll).full_like(nll, 1 / nll.shape[0]))

        return nll, pull

    @abstractmethod
    def mean(self, out: Array) -> Array:
        """The mean of the data, ``(..., n_features)``."""

    @abstractmethod
    def sample(self, out: Array, *, rng: Any) -> Array:
        """A draw of the data, ``(..., n_features)``."""


def span(x: Array) -> str:
    """The range of some data, for an error message."""
    xp = namespace(x)
    return f"got values from {float(xp.min(x)):g} to {float(xp.max(x)):g}; scale the data or choose another likelihood"
