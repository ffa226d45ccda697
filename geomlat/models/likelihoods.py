"""Likelihood heads p(x | z): what the decoder's last layer means.

Each has ``width(n_features)``, the number of decoder outputs; ``check(x)``, which refuses data outside the support;
``nll_vjp(out, x) -> (nll, pull)`` with ``nll = -log p(x | out)`` of shape ``(...,)`` and ``pull(dnll) -> dout``;
``mean(out)`` and ``sample(out, rng=)``.
``out`` and ``x`` are ``(..., n_features)`` and broadcast, so that one ``x`` meets many samples of ``out``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.random import normal, stream, uniform

Array = Any
Pull = Callable[[Array], Array]


@dataclass(frozen=True)
class Binomial:
    """Counts out of ``trials`` with log-odds ``out``: ``log p = log C(N, x) + x out - N softplus(out)``.

    ``x`` holds integers 0 .. N. Grey levels 0 .. 16 of the scikit-learn digits are Binomial(16).
    """

    trials: int

    @property
    def unit(self) -> float:
        """The size of the data: ``x / unit`` is of order one."""
        return float(self.trials)

    def width(self, n_features: int) -> int:
        """One log-odds for each feature."""
        return n_features

    def check(self, x: Array) -> None:
        """ValueError unless ``x`` holds counts 0 .. trials."""
        xp = namespace(x)
        broken = xp.isdtype(x.dtype, "real floating") and bool(xp.any(xp.abs(xp.round(x) - x) > 0))
        if broken or bool(xp.any((x < 0) | (x > self.trials))):
            msg = f"a Binomial likelihood takes whole numbers 0 .. {self.trials}; {_range(x)}"
            raise ValueError(msg)

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``-log p(x | out)`` summed over the features, and its pull, which is ``N sigmoid(out) - x``."""
        xp = namespace(out, x)
        n = self.trials
        e = xp.exp(-xp.abs(out))
        terms = n * (xp.maximum(out, xp.zeros_like(out)) + xp.log1p(e)) - x * out
        nll = xp.sum(terms, axis=-1) - xp.sum(self._log_choose(xp, x), axis=-1)

        def pull(dnll: Array) -> Array:
            rate = xp.where(out >= 0, xp.ones_like(e), e) / (1 + e)
            return sum_to(dnll[..., None] * (n * rate - x), out.shape)

        return nll, pull

    def mean(self, out: Array) -> Array:
        """``N sigmoid(out)``."""
        xp = namespace(out)
        e = xp.exp(-xp.abs(out))
        return self.trials * xp.where(out >= 0, xp.ones_like(e), e) / (1 + e)

    def sample(self, out: Array, *, rng: Any) -> Array:
        """Counts drawn by ``trials`` comparisons with uniforms."""
        first, p = stream(rng), self.mean(out) / self.trials
        draws = (uniform(p.shape, rng=first.child(k), dtype=p.dtype) < p for k in range(self.trials))
        return sum(d.astype(p.dtype) for d in draws)

    def _log_choose(self, xp: Any, x: Array) -> Array:
        table = [
            math.lgamma(self.trials + 1) - math.lgamma(k + 1) - math.lgamma(self.trials - k + 1)
            for k in range(self.trials + 1)
        ]
        return xp.take(xp.asarray(table, dtype=x.dtype), xp.reshape(xp.astype(x, xp.int64), (-1,))).reshape(x.shape)


@dataclass(frozen=True)
class Bernoulli(Binomial):
    """Bits with log-odds ``out``: ``log p = x out - softplus(out)``. Grey values in [0, 1] give the cross-entropy."""

    trials: int = 1

    def check(self, x: Array) -> None:
        """ValueError unless ``x`` is within [0, 1]."""
        if bool(namespace(x).any((x < 0) | (x > 1))):
            msg = f"a Bernoulli likelihood takes values within [0, 1]; {_range(x)}"
            raise ValueError(msg)

    def _log_choose(self, xp: Any, x: Array) -> Array:
        return xp.zeros_like(x)


@dataclass(frozen=True)
class Gaussian:
    """Real values with mean ``out`` and one fixed standard deviation ``sd`` (in the units of the data)."""

    sd: float = 1.0

    def __post_init__(self) -> None:
        if not self.sd > 0:
            msg = f"Gaussian needs sd > 0, got {self.sd}"
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
        return out + self.sd * normal(out.shape, rng=rng, dtype=out.dtype)


def _range(x: Array) -> str:
    xp = namespace(x)
    return f"got values from {float(xp.min(x)):g} to {float(xp.max(x)):g}; scale the data or choose another likelihood"


LIKELIHOODS = ("bernoulli", "binomial:N", "gaussian", "gaussian:SD")


def likelihood(text: str | Binomial | Gaussian) -> Binomial | Gaussian:
    """The likelihood of a short text: ``"bernoulli"``, ``"binomial:16"``, ``"gaussian"``, ``"gaussian:0.1"``."""
    if not isinstance(text, str):
        return text
    name, _, argument = text.partition(":")
    try:
        if name == "bernoulli" and not argument:
            return Bernoulli()
        if name == "binomial" and int(argument) > 0:
            return Binomial(int(argument))
        if name == "gaussian":
            return Gaussian(float(argument or 1.0))
    except ValueError as error:
        msg = f"unknown likelihood {text!r} ({error}); choose one of {', '.join(LIKELIHOODS)}"
        raise ValueError(msg) from None
    msg = f"unknown likelihood {text!r}; choose one of {', '.join(LIKELIHOODS)}"
    raise ValueError(msg)
