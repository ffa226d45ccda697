"""The posterior of a VAE: a network and a latent family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.grad import Params
from geomlat.models.drawn import rule_of, takes
from geomlat.models.latent import HeadLatent, Latent
from geomlat.nn import MLP, GatedMLP, Layer, in_a_row

Array = Any


@dataclass(frozen=True, eq=False)
class Posterior(Layer):
    """``q(z | x)``: a network and the latent family that reads its output.

    Parameters
    ----------
    network, latent
        Its two halves.
    unit
        The network sees ``x / unit``, the likelihood ``x`` itself. Counts 0..16 fed to it as they are cost a Gaussian
        latent some 13 nats on the digits.
    """

    network: MLP | GatedMLP
    latent: Latent
    unit: float = 1.0

    def vjp(self, p: Params, x: Array) -> tuple[Any, Callable[..., Array]]:
        """The posterior of each row, and ``pull(dq, g, inputs=True) -> dx``; data need no ``dx``."""
        seen, latent = x if self.unit == 1.0 else x / self.unit, self.latent
        if isinstance(latent, HeadLatent) and latent.only_head and isinstance(self.network, MLP):
            # The head goes through with the network, whose threads need not meet once more.
            h, pull_network = in_a_row((*self.network.layers, latent.head), p, seen)
            q, pull_latent = latent.law_vjp(p, h)
        else:
            h, pull_network = self.network.vjp(p, seen)
            q, pull_latent = latent.vjp(p, h)

        def pull(dq: Any, g: Params, *, inputs: bool = True) -> Array:
            dx = pull_network(pull_latent(dq, g), g, inputs=inputs)
            return dx / self.unit if inputs and self.unit != 1.0 else dx

        return q, pull

    def drawn_vjp(self, prior: Layer, p: Params, x: Array, noise: Any) -> Any:
        """A code of each row and its rate in one pass: ``(z, rate, pull)`` with ``pull(dz, drate, g)``.

        None where no compiled rule knows the latent, the prior and the arrays; `geomlat.models.drawn.rule_of`.
        """
        latent, rule = self.latent, rule_of(self.latent, prior)
        if rule is None or not isinstance(self.network, MLP) or not takes(rule, latent, x, p.buffer, noise):
            return None
        seen = x if self.unit == 1.0 else x / self.unit
        out, pull_network = in_a_row((*self.network.layers, latent.head), p, seen)  # type: ignore[attr-defined]
        z, rate, pull_rule = rule(latent, out, noise)

        def pull(dz: Array, drate: Array, g: Params) -> None:
            pull_network(pull_rule(dz, drate), g, inputs=False)

        return z, rate, pull
