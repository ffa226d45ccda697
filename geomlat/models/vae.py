"""The variational autoencoder: one objective, whatever the latent family, the prior and the likelihood.

The negative evidence lower bound of a row x is ``E_q[-log p(x | z)] + beta KL(q(z | x) || p(z))`` (Kingma and Welling
2014; beta: Higgins et al. 2017). With a von Mises-Fisher latent it is the hyperspherical VAE of Davidson, Falorsi,
De Cao, Kipf, Tomczak (2018).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.distributions import leave_one_out
from geomlat.grad import Params, add
from geomlat.manifolds import Manifold
from geomlat.models.angles import CosineLoss
from geomlat.models.estimator import Estimator
from geomlat.models.likelihood import Likelihood
from geomlat.models.posterior import Posterior
from geomlat.models.priors import Fixed
from geomlat.models.rate import rate_vjp
from geomlat.models.vamp import VampPrior
from geomlat.nn import MLP, GatedMLP
from geomlat.random import Stream, stream

Array = Any


@dataclass(frozen=True, eq=False)
class VAE(Estimator):
    """A variational autoencoder of rows ``(n, n_features)``.

    Parameters
    ----------
    posterior, decoder, likelihood, prior
        Its parts; `geomlat.models.vae` puts the usual ones together in one line.
    free_bits
        Nats of KL of each latent factor, averaged over the batch, that cost nothing (Kingma et al. 2016): the rate
        term is ``beta max(mean KL, free_bits)``.
    """

    posterior: Posterior
    decoder: MLP | GatedMLP
    likelihood: Likelihood
    prior: Fixed | VampPrior
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.free_bits < math.inf:
            msg = f"free_bits must be finite and at least 0, got {self.free_bits}"
            raise ValueError(msg)

    @property
    def n_features(self) -> int:
        """Features of a row of the data."""
        return self.posterior.network.n_in

    @property
    def manifold(self) -> Manifold:
        """Where the codes live, with the fitted curvature if it is learned."""
        return self.posterior.latent.manifold_at(self.view(self.vector()))

    def draw(self, theta: Array, x: Array, *, rng: Any) -> Any:
        """All the noise of one step at ``x``: frozen, so that the objective is a deterministic function of theta."""
        return self.encode(theta, x).draw(rng=rng)

    def loss_vjp(
        self, theta: Array, x: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of the negative evidence lower bound, and ``pull(g)``, which adds to the gradient's views.

        ``noise`` is what `draw` returned, or a stream to draw it from, which saves `draw`'s pass through the encoder.
        """
        p, n = self.view(theta), x.shape[0]
        q, pull_posterior = self.posterior.vjp(p, x)
        r, pull_prior = self.prior.vjp(p)
        z, pull_sample = q.rsample_vjp(q.draw(rng=noise) if isinstance(noise, Stream) else noise)
        out, pull_decoder = self.decoder.vjp(p, z)
        nll, pull_nll = self.likelihood.nll_vjp(out, x)
        rate, pull_rate = rate_vjp(q, r, z)
        xp = namespace(nll)
        mean_rate = xp.mean(rate, axis=0)
        counted = xp.astype(mean_rate > self.free_bits, rate.dtype)
        loss = xp.mean(nll) + beta * xp.sum(counted * mean_rate + (1 - counted) * self.free_bits)

        def pull(g: Params) -> None:
            weight = beta * counted
            dq, dr, dz = pull_rate(xp.zeros_like(rate) + weight / n)
            pull_prior(dr, g)
            dz = add(dz, pull_decoder(pull_nll(xp.full_like(nll, 1 / n)), g))
            cost = nll + xp.sum(weight * rate, axis=-1)
            dq = add(dq, pull_sample(dz, advantage=leave_one_out(cost) / n))
            pull_posterior(dq, g, inputs=False)

        return loss, pull

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """Batch means without gradients: ``loss`` (beta = 1, no free bits), ``reconstruction``, ``kl``; in nats."""
        p = self.view(theta)
        q, _ = self.posterior.vjp(p, x)
        r, _ = self.prior.vjp(p)
        z = q.rsample(q.draw(rng=noise) if isinstance(noise, Stream) else noise)
        nll, _ = self.likelihood.nll_vjp(self.decoder.vjp(p, z)[0], x)
        rate, _ = rate_vjp(q, r, z)
        xp = namespace(nll)
        reconstruction, kl = xp.mean(nll), xp.sum(xp.mean(rate, axis=0))
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}

    def log_weights(self, theta: Array, x: Array, *, samples: int, rng: Any) -> Array:
        """Importance log-weights ``log p(x | z) + log p(z) - log q(z | x)`` at draws of q, ``(samples, n)``.

        Raises
        ------
        ValueError
            If the model was built on a loss that is no likelihood.
        """
        if isinstance(self.likelihood, CosineLoss):
            msg = "the cosine loss is no likelihood, so a row has no log p(x); train with 'von-mises' to have one"
            raise ValueError(msg)
        p = self.view(theta)
        q, _ = self.posterior.vjp(p, x)
        r, _ = self.prior.vjp(p)
        z = q.sample((samples,), rng=rng)
        nll, _ = self.likelihood.nll_vjp(self.decoder.vjp(p, z)[0], x)
        return r.log_prob(z) - q.log_prob(z) - nll

    def encode(self, theta: Array, x: Array) -> Any:
        """The posterior ``q(z | x)`` of each row."""
        return self.posterior.vjp(self.view(theta), x)[0]

    def decode(self, theta: Array, z: Array) -> Array:
        """The mean of ``p(x | z)`` at each code."""
        return self.likelihood.mean(self.decoder.vjp(self.view(theta), z)[0])

    def sample(self, n: int = 1, *, rng: Any, mean: bool = False) -> Array:
        """``n`` rows drawn from the model: z from the prior, then x from ``p(x | z)``, or its mean if asked for."""
        theta, first = self.vector(), stream(rng)
        p = self.view(theta)
        z = self.prior.vjp(p)[0].sample((n,), rng=first.child("latent"))
        out = self.decoder.vjp(p, namespace(theta).astype(z, theta.dtype))[0]
        return self.likelihood.mean(out) if mean else self.likelihood.sample(out, rng=first.child("data"))

    def score_samples(self, X: Array, *, samples: int = 100, rng: Any = 0) -> Array:
        """The importance-sampled log-likelihood of each row, ``(n,)``; see `geomlat.evaluate.log_likelihood`."""
        from geomlat.evaluate import log_likelihood

        return log_likelihood(self, self.vector(), self.checked(X), samples=samples, rng=rng).log_p

    def score(self, X: Array, y: None = None) -> float:
        """The mean of `score_samples`."""
        return float(self.score_samples(X).mean())
