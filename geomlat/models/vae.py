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

from array_api_compat import device

from geomlat.backends import namespace
from geomlat.distributions import WrappedNormal, euclidean_kl
from geomlat.grad import Params, add
from geomlat.manifolds import Manifold
from geomlat.models.angles import CosineLoss
from geomlat.models.estimator import Estimator
from geomlat.models.likelihood import Likelihood
from geomlat.models.objectives import evidence_bound, importance_bound, one_factor_bound
from geomlat.models.posterior import Posterior
from geomlat.models.priors import Fixed, ProductPrior
from geomlat.models.rate import AT_DRAWS, CLOSED, EUCLIDEAN, rate_vjp
from geomlat.models.spaces import FLAT, StandardWrapped
from geomlat.models.vamp import VampPrior
from geomlat.nn import MLP, GatedMLP
from geomlat.random import Stream, stream
from geomlat.train.settings import at_least

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
        term is ``beta max(mean KL, free_bits)``. A VampPrior on a product is no product: they are of the whole.
    iwae
        The draws of each row in the importance-weighted bound (Burda et al. 2016), which is then minimised; 0 is the
        evidence lower bound with one draw, its rate in closed form where there is one.
    euclidean_kl
        Train with the rate of the normal laws in the tangent space, which was printed for wrapped normal latents and is
        **not** their KL: what results is no bound. `report` and all scores keep to the true one.

    Raises
    ------
    ValueError
        For free bits that are negative or together with ``iwae``, and for ``euclidean_kl`` with it, with a latent that
        is not a wrapped normal law or with another prior than the standard one.
    """

    posterior: Posterior
    decoder: MLP | GatedMLP
    likelihood: Likelihood
    prior: Fixed | StandardWrapped | ProductPrior | VampPrior
    free_bits: float = 0.0
    iwae: int = 0
    euclidean_kl: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.free_bits < math.inf:
            msg = f"free_bits must be finite and at least 0, got {self.free_bits}"
            raise ValueError(msg)
        at_least("iwae", self.iwae, 0)
        if self.iwae and (self.free_bits or self.euclidean_kl):
            msg = f"the importance-weighted bound has no free bits and no Euclidean KL, got iwae={self.iwae} with them"
            raise ValueError(msg)
        if self.euclidean_kl and not self._curved:
            what = f"a {type(self.posterior.latent).__name__} with a {type(self.prior).__name__} prior"
            msg = f"euclidean_kl is for one latent of constant curvature with the standard prior, got {what}"
            raise ValueError(msg)

    @property
    def n_features(self) -> int:
        """Features of a row of the data."""
        return self.posterior.network.n_in

    @property
    def code_width(self) -> int:
        """Coordinates of a code."""
        return self.posterior.latent.width

    @property
    def manifold(self) -> Manifold:
        """Where the codes live, with the fitted curvature if it is learned."""
        return self.posterior.latent.manifold_at(self.view(self.vector()))

    def begin(self, theta: Array, x: Array, *, rng: Any, prepare: Callable[..., Array] | None = None) -> None:
        """Set what starts from rows of the data in a fresh vector: pseudo-inputs, if the prior has such."""
        if isinstance(self.prior, VampPrior):
            self.prior.begin(self.view(theta), x, rng=rng, prepare=prepare)

    def draw(self, theta: Array, x: Array, *, rng: Any) -> Any:
        """All the noise of one step at ``x``: frozen, so that the objective is a deterministic function of theta."""
        return self._noise(self.encode(theta, x), stream(rng))

    def loss_vjp(
        self, theta: Array, x: Array, noise: Any, *, beta: float = 1.0
    ) -> tuple[Array, Callable[[Params], None]]:
        """The batch mean of the negative bound, and ``pull(g)``, which adds to the gradient's views.

        ``noise`` is what `draw` returned, or a stream to draw it from, which saves `draw`'s pass through the encoder.
        """
        p = self.view(theta)
        if self.rule == CLOSED and not self.free_bits:
            drawn = self.posterior.drawn_vjp(self.prior, p, x, noise)
            if drawn is not None:
                return self._drawn_vjp(p, x, drawn, beta)
        z, rate, pull_codes = self._codes_vjp(p, x, noise)
        out, pull_decoder = self.decoded_vjp(p, z)
        nll, pull_nll = self.likelihood.nll_vjp(out, x)
        if self.iwae:
            loss, dnll, drate, advantage = importance_bound(nll, rate, beta)
        else:
            loss, dnll, drate, advantage = evidence_bound(nll, rate, beta, self.free_bits)

        def pull(g: Params) -> None:
            pull_codes(pull_decoder(pull_nll(dnll), g), drate, advantage, g)

        return loss, pull

    def _drawn_vjp(self, p: Params, x: Array, drawn: Any, beta: float) -> tuple[Array, Callable[[Params], None]]:
        # The same from the codes and rates of one pass: with one factor, no free bits and no need of an advantage.
        z, rate, pull_codes = drawn
        out, pull_decoder = self.decoded_vjp(p, z)
        nll, pull_nll = self.likelihood.mean_nll_vjp(out, x)
        loss, drate = one_factor_bound(nll, rate, beta)

        def pull(g: Params) -> None:
            pull_codes(pull_decoder(pull_nll(), g), drate, g)

        return loss, pull

    def _codes_vjp(self, p: Params, x: Array, noise: Any) -> tuple[Array, Array, Callable[..., None]]:
        # Codes and their rates (..., factors), and pull(dz, drate, advantage, g).
        q, pull_posterior = self.posterior.vjp(p, x)
        r, pull_prior = self.prior.vjp(p)
        noise = self._noise(q, noise)
        z, pull_sample = q.rsample_vjp(noise)
        rate, pull_rate = rate_vjp(q, r, z, rule=self.rule, noise=noise)

        def pull(dz: Array, drate: Array, advantage: Array, g: Params) -> None:
            dq, dr, dz_rate = pull_rate(drate)
            pull_prior(dr, g)
            dq = add(dq, pull_sample(add(dz_rate, dz), advantage=advantage))
            pull_posterior(dq, g, inputs=False)

        return z, rate, pull

    def decoded_vjp(self, p: Params, z: Array) -> tuple[Array, Callable[[Array, Params], Array]]:
        """The decoder's output at codes ``(..., width)``, and ``pull(dout, g) -> dz``."""
        features, pull_embedding = self.posterior.latent.embed_vjp(z)
        out, pull_decoder = self.decoder.vjp(p, features)

        def pull(dout: Array, g: Params) -> Array:
            return pull_embedding(pull_decoder(dout, g))

        return out, pull

    @property
    def rule(self) -> str:
        """How the rate of a training step is found, a name of `rate_vjp`."""
        return EUCLIDEAN if self.euclidean_kl else AT_DRAWS if self.iwae else CLOSED

    @property
    def _curved(self) -> bool:
        return isinstance(self.prior, StandardWrapped) and self.prior.space.model not in FLAT

    def _noise(self, q: Any, noise: Any) -> Any:
        shape = (self.iwae,) if self.iwae else ()
        return q.draw(shape, rng=noise) if isinstance(noise, Stream) else noise

    def report(self, theta: Array, x: Array, noise: Any) -> dict[str, Array]:
        """Batch means without gradients, in nats: ``loss`` (beta = 1, no free bits), ``reconstruction``, ``kl``.

        The loss is the sum of the other two, or the importance-weighted bound if that is trained. A product of latents
        with the standard prior has the KL of each factor besides, ``kl_0``, ``kl_1``, and so on. The KL is the true
        one; a wrapped normal latent of constant curvature with the standard prior has ``euclidean_kl`` beside it, which
        is not.
        """
        p = self.view(theta)
        q, _ = self.posterior.vjp(p, x)
        r, _ = self.prior.vjp(p)
        noise = self._noise(q, noise)
        z = q.rsample(noise)
        nll, _ = self.likelihood.nll_vjp(self.decoded_vjp(p, z)[0], x)
        rate, _ = rate_vjp(q, r, z, rule=AT_DRAWS if self.iwae else CLOSED, noise=noise)
        xp = namespace(nll)
        reconstruction, kl = xp.mean(nll), xp.mean(xp.sum(rate, axis=-1))
        loss = importance_bound(nll, rate, 1.0)[0] if self.iwae else reconstruction + kl
        found = {"loss": loss, "reconstruction": reconstruction, "kl": kl}
        if rate.shape[-1] > 1:
            found |= {f"kl_{i}": xp.mean(rate[..., i]) for i in range(rate.shape[-1])}
        if self._curved and isinstance(r, WrappedNormal):
            found["euclidean_kl"] = xp.mean(euclidean_kl(q, r))
        return found

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
        nll, _ = self.likelihood.nll_vjp(self.decoded_vjp(p, z)[0], x)
        return r.log_prob(z) - q.log_prob(z) - nll

    def encode(self, theta: Array, x: Array) -> Any:
        """The posterior ``q(z | x)`` of each row."""
        return self.posterior.vjp(self.view(theta), x)[0]

    def decode(self, theta: Array, z: Array) -> Array:
        """The mean of ``p(x | z)`` at each code."""
        return self.likelihood.mean(self.decoded_vjp(self.view(theta), z)[0])

    def interpolate(self, A: Array, B: Array, *, steps: int = 9) -> Array:
        """Decoded points of the geodesics from the codes of rows ``A`` to those of rows ``B`` ``(n, n_features)``.

        ``(steps, n, n_features)``: means of ``p(x | z)`` at equal steps of latent distance, both ends included.
        """
        at_least("steps", steps, 2)
        if len(A) != len(B):
            msg = f"interpolate takes as many rows A as B, the ends of each geodesic; got {len(A)} and {len(B)}"
            raise ValueError(msg)
        x, y, manifold = self.transform(A), self.transform(B), self.manifold
        xp, u = namespace(x), manifold.log(x, y)
        t = xp.linspace(0.0, 1.0, steps, dtype=x.dtype, device=device(x))
        return self.decode(self.vector(), xp.astype(manifold.geodesic(x, u, t[:, None]), x.dtype, copy=False))

    def sample(self, n: int = 1, *, rng: Any, mean: bool = False) -> Array:
        """``n`` rows drawn from the model: z from the prior, then x from ``p(x | z)``, or its mean if asked for."""
        theta, first = self.vector(), stream(rng)
        p = self.view(theta)
        z = self.prior.vjp(p)[0].sample((n,), rng=first.child("latent"))
        out, _ = self.decoded_vjp(p, namespace(theta).astype(z, theta.dtype))
        return self.likelihood.mean(out) if mean else self.likelihood.sample(out, rng=first.child("data"))

    def score_samples(self, X: Array, *, samples: int = 100, rng: Any = 0) -> Array:
        """The importance-sampled log-likelihood of each row, ``(n,)``; see `geomlat.evaluate.log_likelihood`."""
        from geomlat.evaluate import log_likelihood

        return log_likelihood(self, self.vector(), self.checked(X), samples=samples, rng=rng).log_p

    def score(self, X: Array, y: None = None) -> float:
        """The mean of `score_samples`."""
        return float(self.score_samples(X).mean())
