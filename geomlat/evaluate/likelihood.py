"""Importance-sampled log-likelihood, streamed over blocks of rows and of samples in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from geomlat.backends import namespace, thread_limit, to_host
from geomlat.evaluate.rate import mean_and_error
from geomlat.random import stream


class Weighted(Protocol):
    """What `log_likelihood` asks of a model."""

    def log_weights(self, theta: Any, x: Any, *, samples: int, rng: Any) -> Any:
        """Draws of ``log p(x|z) + log p(z) - log q(z|x)``, shape ``(samples, n)``."""


@dataclass(frozen=True)
class LogLikelihood:
    """Importance-sampled ``log p(x)`` of each row, in nats, and how far it can be trusted.

    Parameters
    ----------
    log_p
        ``(n,)``: the estimate for each row. Its expectation is a lower bound, tighter with more samples.
    monte_carlo_error
        ``(n,)``: standard error of each row's estimate due to sampling (delta method); inf for one sample.
    effective_samples
        ``(n,)``: effective sample size of each row's weights, between 1 and ``samples``.
    samples
        Importance samples per row.
    """

    log_p: np.ndarray
    monte_carlo_error: np.ndarray
    effective_samples: np.ndarray
    samples: int

    @property
    def mean(self) -> float:
        """Mean over rows, nats per row."""
        return mean_and_error(self.log_p)[0]

    @property
    def standard_error(self) -> float:
        """Standard error of the mean over rows: the spread of the data, the sampling of the weights included."""
        return mean_and_error(self.log_p)[1]

    @property
    def effective_samples_mean(self) -> float:
        """Mean effective sample size over rows."""
        return float(self.effective_samples.mean())

    @property
    def effective_samples_min(self) -> float:
        """Effective sample size of the worst row."""
        return float(self.effective_samples.min())

    def __str__(self) -> str:
        """One line for tables and logs."""
        return (
            f"log p(x) = {self.mean:.3f} +- {self.standard_error:.3f} nats "
            f"({len(self.log_p)} rows, {self.samples} samples, effective sample size "
            f"{self.effective_samples_mean:.1f} mean, {self.effective_samples_min:.1f} min)"
        )


def log_likelihood(
    model: Weighted,
    theta: Any,
    x: Any,
    *,
    samples: int = 500,
    rng: Any,
    rows: int = 128,
    block: int = 50,
    threads: int | None = 1,
) -> LogLikelihood:
    """``log p(x) ~ log (1/S) sum_s w_s`` with ``log w = log p(x|z) + log p(z) - log q(z|x)`` and ``z ~ q(z|x)``.

    ``model.log_weights(theta, x, samples=, rng=) -> (samples, n)`` is called for at most ``rows`` rows and ``block``
    samples at a time, and only three float64 numbers per row of the current block are kept between calls, so that the
    memory depends on neither ``samples`` nor ``len(x)`` (beyond the result).

    The call for the rows from ``i`` and the samples from ``s`` on draws from ``stream(rng).child("weights", i, s)``.
    So the same ``rng``, ``rows`` and ``block`` give the same numbers, and a larger ``samples`` continues the same
    draws; other block sizes give other, equally distributed draws, since only the model knows how many
    random numbers a row takes.

    BLAS and the compiled loops are held to ``threads`` threads, as in training; None leaves them alone. On a busy
    machine, threads that wait for each other made small networks more than ten times slower.

    Raises
    ------
    ValueError
        For non-positive sizes, no rows, or weights of the wrong shape.
    FloatingPointError
        Where a weight is NaN or ``+inf`` (a diverged parameter vector).

    References
    ----------
    Burda, Grosse and Salakhutdinov (2016), "Importance Weighted Autoencoders", eq. 8.
    """
    sizes = {"samples": samples, "rows": rows, "block": block, "threads": 1 if threads is None else threads}
    for name, value in (sizes | {"len(x)": len(x)}).items():
        if value < 1:
            msg = f"log_likelihood needs {name} >= 1, got {value}"
            raise ValueError(msg)
    root = stream(rng).child("weights")
    parts = []
    with thread_limit(threads):
        for i in range(0, len(x), rows):
            batch = x[i : i + rows]
            counts = ((s, min(block, samples - s)) for s in range(0, samples, block))
            draws = (_checked(model, theta, batch, n, root.child(i, s)) for s, n in counts)
            peak, mean, spread = (to_host(a) for a in _moments(draws))
            bad = np.flatnonzero(np.isnan(peak) | (peak == math.inf))
            if bad.size:
                msg = f"the importance weight of row {i + bad[0]} is NaN or inf; have the parameters diverged?"
                raise FloatingPointError(msg)
            parts.append(_estimates(peak, mean, spread, samples))
    log_p, error, effective = (np.concatenate(column) for column in zip(*parts, strict=True))
    return LogLikelihood(log_p, error, effective, samples)


def _checked(model: Weighted, theta: Any, x: Any, samples: int, rng: Any) -> Any:
    w = model.log_weights(theta, x, samples=samples, rng=rng)
    if tuple(w.shape) != (samples, len(x)):
        msg = f"log_weights must have shape (samples, n) = {(samples, len(x))}, got {tuple(w.shape)}"
        raise ValueError(msg)
    return w


def _moments(draws: Iterator[Any]) -> tuple[Any, Any, Any]:
    """Running maximum of ``log w``, and mean and summed squared deviation of ``exp(log w - maximum)``, per row.

    Chan's update of blocks: a plain sum of squares would lose the variance of nearly equal weights.
    """
    peak = mean = spread = None
    seen = 0
    for log_w in draws:
        xp = namespace(log_w)
        log_w = xp.astype(log_w, xp.float64)
        n, top = log_w.shape[0], xp.max(log_w, axis=0)
        w = xp.exp(log_w - _finite(xp, top))
        m = xp.mean(w, axis=0)
        q = xp.sum((w - m) ** 2, axis=0)
        if peak is None:
            peak, mean, spread, seen = top, m, q, n
            continue
        high = xp.maximum(peak, top)
        old, new = xp.exp(peak - _finite(xp, high)), xp.exp(top - _finite(xp, high))
        step, total = m * new - mean * old, seen + n
        mean = mean * old + step * (n / total)
        spread = spread * old**2 + q * new**2 + step**2 * (seen * n / total)
        peak, seen = high, total
    return peak, mean, spread


def _finite(xp: Any, peak: Any) -> Any:
    # A row whose weights are all zero has peak -inf; subtracting 0 keeps exp(-inf) = 0 instead of NaN.
    return xp.where(peak == -math.inf, xp.zeros_like(peak), peak)


def _estimates(
    peak: np.ndarray, mean: np.ndarray, spread: np.ndarray, samples: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``log p``, its delta-method error ``s / (mean sqrt(S))`` and ``(sum w)^2 / sum w^2`` from the moments."""
    alive = mean > 0
    safe = np.where(alive, mean, 1.0)
    relative = spread / (samples * safe**2)
    error = np.sqrt(relative / (samples - 1)) if samples > 1 else np.full_like(mean, math.inf)
    log_p = np.where(alive, peak + np.log(safe), -math.inf)
    return log_p, np.where(alive, error, math.inf), np.where(alive, samples / (1.0 + relative), 0.0)
