"""What the trainable densities share: the likelihood as the objective, and the names of scikit-learn."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Params
from geomlat.train.trainable import Trainable

Array = Any


class Density(Trainable):
    """A trainable law whose subclasses give ``log_prob(X)`` and ``sample(n, rng=)`` by the fitted parameters.

    It is trained by maximum likelihood if they give ``log_density_vjp(p, x) -> (l, pull)``, with ``pull(dl, g)``, else
    by a ``loss_vjp`` of their own.
    """

    @abstractmethod
    def log_prob(self, X: Array) -> Array:
        """The log-density of each row of ``X`` by the fitted parameters."""

    def log_density_vjp(self, p: Params, x: Array) -> tuple[Array, Callable[[Array, Params], Any]]:
        """``log p(x)`` of points, and ``pull(dl, g)`` to the parameters."""
        raise NotImplementedError

    def _rows_vjp(self, p: Params, rows: Array) -> tuple[Array, Callable[[Array, Params], Any]]:
        """`log_density_vjp` of rows of training data."""
        return self.log_density_vjp(p, rows)

    def loss_vjp(
        self, theta: Array, x: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of ``-log p(x)``, and ``pull(g)``."""
        l, pull_density = self._rows_vjp(self.view(theta), x)
        xp = namespace(l)

        def pull(g: Params) -> None:
            pull_density(xp.full_like(l, -1.0 / x.shape[0]), g)

        return -xp.mean(l), pull

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """The batch mean of the objective as ``loss``, in nats."""
        return {"loss": self.loss_vjp(theta, x, noise)[0]}

    def score_samples(self, X: Array) -> Array:
        """`log_prob`, by the name scikit-learn gives it."""
        return self.log_prob(X)
