"""Likelihood heads of bits, counts and real values, and the likelihood of a short text."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.models.angles import CosineLoss, VonMisesSoftplusKappa
from geomlat.models.bits import counts_nll, has_rows
from geomlat.models.gaussian import GaussianLogVariance, GaussianSoftplusSD
from geomlat.models.likelihood import Array, Likelihood, Pull, span
from geomlat.models.logistic import DiscretisedLogistic
from geomlat.nn.activations import sigmoid
from geomlat.random import normal, stream, uniform


@dataclass(frozen=True)
class Binomial(Likelihood):
    """Counts out of ``trials`` with log-odds ``out``: ``log p = log C(N, x) + x out - N softplus(out)``.

    ``x`` holds integers 0 .. N. Grey levels 0 .. 16 of the scikit-learn digits are Binomial(16).
    """

    trials: int

    def __post_init__(self) -> None:
        if self.trials < 1:
            msg = f"Binomial needs at least one trial, got {self.trials}"
            raise ValueError(msg)

    @property
    def unit(self) -> float:
        """The size of the data: ``x / unit`` is of order one."""
        return float(self.trials)

    @property
    def bounded(self) -> bool:
        """They are within ``[0, unit]``."""
        return True

    def width(self, n_features: int) -> int:
        """One log-odds for each feature."""
        return n_features

    def check(self, x: Array) -> None:
        """ValueError unless ``x`` holds counts 0 .. trials."""
        xp = namespace(x)
        broken = xp.isdtype(x.dtype, "real floating") and bool(xp.any(xp.abs(xp.round(x) - x) > 0))
        if broken or bool(xp.any((x < 0) | (x > self.trials))):
            msg = f"a Binomial likelihood takes whole numbers 0 .. {self.trials}; {span(x)}"
            raise ValueError(msg)

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``-log p(x | out)`` summed over the features, and its pull, which is ``N sigmoid(out) - x``."""
        xp, n = namespace(out, x), self.trials
        if has_rows(out, x):
            nll, residual = counts_nll(out, x, n)
        else:
            high = xp.maximum(out, xp.zeros_like(out))
            far = xp.log1p(xp.exp(xp.minimum(out, xp.zeros_like(out)) - high))
            nll, residual = xp.sum(n * (high + far) - x * out, axis=-1), n * sigmoid(xp, out) - x

        def pull(dnll: Array) -> Array:
            return sum_to(dnll[..., None] * residual, out.shape)

        return xp.astype(nll - self._log_choose(x, nll.dtype), out.dtype, copy=False), pull

    def mean_nll_vjp(self, out: Array, x: Array) -> tuple[Array, Callable[[], Array]]:
        """See `Likelihood.mean_nll_vjp`; the derivative comes out of the one pass."""
        if not has_rows(out, x) or out.shape != x.shape:
            return super().mean_nll_vjp(out, x)
        xp = namespace(out, x)
        nll, dout = counts_nll(out, x, self.trials, share=1 / math.prod(out.shape[:-1]))

        def pull() -> Array:
            return dout

        return xp.astype(nll - self._log_choose(x, nll.dtype), out.dtype, copy=False), pull

    def mean(self, out: Array) -> Array:
        """``N sigmoid(out)``."""
        xp = namespace(out)
        return self.trials * sigmoid(xp, out)

    def sample(self, out: Array, *, rng: Any) -> Array:
        """Counts drawn by ``trials`` comparisons with uniforms."""
        first, p = stream(rng), self.mean(out) / self.trials
        draws = (uniform(p.shape, rng=first.child(k), dtype=p.dtype, xp=namespace(p)) < p for k in range(self.trials))
        return sum(d.astype(p.dtype) for d in draws)

    def _log_choose(self, x: Array, dtype: Any) -> Array:
        xp, log_factorial = namespace(x), [math.lgamma(k + 1) for k in range(self.trials + 1)]
        table = [log_factorial[-1] - a - b for a, b in zip(log_factorial, reversed(log_factorial), strict=True)]
        each = xp.take(xp.asarray(table, dtype=dtype), xp.reshape(xp.astype(x, xp.int64), (-1,)))
        return xp.sum(xp.reshape(each, x.shape), axis=-1)


@dataclass(frozen=True)
class Bernoulli(Binomial):
    """Bits with log-odds ``out``: ``log p = x out - softplus(out)``. Grey values in [0, 1] give the cross-entropy."""

    trials: int = 1

    def check(self, x: Array) -> None:
        """ValueError unless ``x`` is within [0, 1]."""
        if bool(namespace(x).any((x < 0) | (x > 1))):
            msg = f"a Bernoulli likelihood takes values within [0, 1]; {span(x)}"
            raise ValueError(msg)

    def _log_choose(self, x: Array, dtype: Any) -> Array:
        return 0.0


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Real values with mean ``out`` and one fixed standard deviation ``sd`` (in the units of the data)."""

    sd: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.sd < math.inf:
            msg = f"Gaussian needs a finite sd > 0, got {self.sd}"
            raise ValueError(msg)

    @property
    def unit(self) -> float:
        """Real values are taken as they are."""
        return 1.0

    def width(self, n_features: int) -> int:
        """One mean for each feature."""
        return n_features

    def check(self, x: Array) -> None:
        """Every real number is within the support."""

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``|x - out|^2 / (2 sd^2) + n log(sd sqrt(2 pi))`` and its pull."""
        xp = namespace(out, x)
        r = (out - x) / self.sd
        const = r.shape[-1] * (math.log(self.sd) + 0.5 * math.log(2 * math.pi))
        nll = 0.5 * xp.sum(r * r, axis=-1) + const

        def pull(dnll: Array) -> Array:
            return sum_to(dnll[..., None] * r / self.sd, out.shape)

        return nll, pull

    def mean(self, out: Array) -> Array:
        """``out``."""
        return out

    def sample(self, out: Array, *, rng: Any) -> Array:
        """``out`` plus normal noise."""
        return out + self.sd * normal(out.shape, rng=rng, dtype=out.dtype, xp=namespace(out))


# Each takes the words after the name, which are separated by colons.
LIKELIHOODS: dict[str, tuple[Callable[..., Likelihood], str]] = {
    "bernoulli": (Bernoulli, "bernoulli"),
    "binomial": (lambda trials: Binomial(int(trials)), "binomial:N"),
    "gaussian": (lambda sd="1": Gaussian(float(sd)), "gaussian[:SD]"),
    "gaussian-sd": (lambda floor="1e-3": GaussianSoftplusSD(float(floor)), "gaussian-sd[:FLOOR]"),
    "gaussian-log-variance": (
        lambda floor="1e-3": GaussianLogVariance(float(floor)),
        "gaussian-log-variance[:FLOOR]",
    ),
    "logistic": (lambda *words: _logistic(*words), "logistic[:TOP[:LEVELS]]"),
    "logistic-shared": (lambda *words: _logistic(*words, shared=True), "logistic-shared[:TOP[:LEVELS]]"),
    "von-mises": (VonMisesSoftplusKappa, "von-mises[:per-row]"),
    "cosine": (CosineLoss, "cosine"),
}


def likelihood(text: str | Likelihood) -> Likelihood:
    """The likelihood of a short text: a name and numbers.

    ``"bernoulli"``, ``"binomial:16"`` (trials), ``"gaussian"``, ``"gaussian:0.1"`` (standard deviation),
    ``"gaussian-sd"`` and ``"gaussian-log-variance"`` (a spread from the decoder), ``"logistic"``
    (`DiscretisedLogistic` of the grey levels 0..255), ``"logistic:1"`` (of shares k/255), ``"logistic:1:766"`` (of
    shares k/765), and ``"logistic-shared"`` likewise. For angles as pairs, ``"von-mises"`` and ``"von-mises:per-row"``
    (`VonMisesSoftplusKappa`) and ``"cosine"``, a loss that is no likelihood (`CosineLoss`).
    """
    if isinstance(text, Likelihood):
        return text
    name, *words = str(text).split(":")
    make, _ = LIKELIHOODS.get(name, (None, ""))
    try:
        if make is not None:
            return make(*words)
        reason = ""
    except (TypeError, ValueError) as error:
        reason = f" ({error})" if isinstance(error, ValueError) else ""
    msg = f"unknown likelihood {text!r}{reason}; choose one of {', '.join(shape for _, shape in LIKELIHOODS.values())}"
    raise ValueError(msg)


def _logistic(top: str = "", levels: str = "256", *, shared: bool = False) -> DiscretisedLogistic:
    return DiscretisedLogistic(int(levels), float(top) if top else None, shared)
