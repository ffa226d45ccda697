"""The plain autoencoder: a code without a distribution, the yardstick of the variational ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import Params
from geomlat.models.estimator import Estimator
from geomlat.models.likelihood import Likelihood
from geomlat.nn import MLP

Array = Any


@dataclass(frozen=True)
class Code:
    """A point mass: what an autoencoder has for a posterior."""

    point: Array

    def mode(self) -> Array:
        """The point."""
        return self.point


@dataclass(frozen=True, eq=False)
class Autoencoder(Estimator):
    """An autoencoder of rows ``(n, n_features)`` with a Euclidean code; its loss is the reconstruction alone.

    The encoder sees ``x / unit``.
    """

    encoder: MLP
    decoder: MLP
    likelihood: Likelihood
    unit: float = 1.0

    @property
    def n_features(self) -> int:
        """Features of a row of the data."""
        return self.encoder.n_in

    def draw(self, theta: Array, x: Array, *, rng: Any) -> None:
        """Nothing is random."""
        return

    def loss_vjp(
        self, theta: Array, x: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of ``-log p(x | code)``, and ``pull(g)``; there is no rate for ``beta`` to weigh."""
        p, n = self.view(theta), x.shape[0]
        z, pull_encoder = self.encoder.vjp(p, x / self.unit)
        out, pull_decoder = self.decoder.vjp(p, z)
        nll, pull_nll = self.likelihood.nll_vjp(out, x)
        xp = namespace(nll)

        def pull(g: Params) -> None:
            pull_encoder(pull_decoder(pull_nll(xp.full_like(nll, 1 / n)), g), g, inputs=False)

        return xp.mean(nll), pull

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """The batch mean of the loss, which is the reconstruction."""
        loss, _ = self.loss_vjp(theta, x, noise)
        return {"loss": loss, "reconstruction": loss}

    def encode(self, theta: Array, x: Array) -> Code:
        """The code of each row."""
        return Code(self.encoder.vjp(self.view(theta), x / self.unit)[0])

    def decode(self, theta: Array, z: Array) -> Array:
        """The reconstruction at each code."""
        return self.likelihood.mean(self.decoder.vjp(self.view(theta), z)[0])
