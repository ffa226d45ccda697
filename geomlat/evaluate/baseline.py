"""The floor under every model: features drawn independently, each by its own smoothed frequency or normal law."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.backends import to_host


def factorised_baseline(train: Any, test: Any, likelihood: Any = "bernoulli") -> np.ndarray:
    """Log-likelihood ``(n_test,)`` in nats of an independent-pixel model fitted to ``train``.

    Each pixel ``j`` has its Laplace-smoothed frequency ``f_j = (sum_i x_ij + 1) / (n T + 2)`` with ``T`` trials, and
    ``log p(x) = sum_j [log C(T, x_j) + x_j log f_j + (T - x_j) log(1 - f_j)]``.

    Parameters
    ----------
    train, test
        ``(n, pixels)`` counts ``0..T``; grey levels in [0, 1] at ``T = 1`` give a cross-entropy and no density.
    likelihood
        ``"bernoulli"``, ``"binomial:16"`` (16 trials: scikit-learn's digits), or an object with ``trials``. An object
        with ``levels`` and ``unit``, the highest level, has a histogram for each pixel instead:
        ``f_jk = (count_jk + 1/2) / (n + levels/2)`` (Krichevsky and Trofimov 1981).
    """
    if hasattr(likelihood, "levels"):
        return _histograms(train, test, likelihood.levels, likelihood.unit)
    total = _trials(likelihood)
    train, test = _pixels(train, total, "train"), _pixels(test, total, "test")
    if train.shape[1] != test.shape[1]:
        msg = f"train and test must have the same number of pixels, got {train.shape[1]} and {test.shape[1]}"
        raise ValueError(msg)
    f = (train.sum(axis=0, dtype=np.float64) + 1.0) / (len(train) * total + 2.0)
    test = test.astype(np.float64)
    log_p: np.ndarray = test @ np.log(f) + (total - test) @ np.log1p(-f)
    if total > 1:
        from scipy.special import gammaln

        log_p += (gammaln(total + 1.0) - gammaln(test + 1.0) - gammaln(total - test + 1.0)).sum(axis=1)
    return log_p


def independent_normals(train: Any, test: Any, *, least: float) -> np.ndarray:
    """Log-likelihood ``(n_test,)`` in nats of a normal law for each feature, fitted to the rows of ``train``.

    No standard deviation is below ``least``, without which a feature that does not vary would have no density.
    """
    train, test = (to_host(x).astype(np.float64) for x in (train, test))
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1] or not len(train) or not least > 0.0:
        msg = f"independent_normals takes rows of one width and least > 0, got {train.shape}, {test.shape} and {least}"
        raise ValueError(msg)
    sd = np.maximum(train.std(axis=0), least)
    log_p: np.ndarray = -0.5 * (((test - train.mean(axis=0)) / sd) ** 2 + np.log(2.0 * np.pi * sd**2)).sum(axis=1)
    return log_p


def _histograms(train: Any, test: Any, levels: int, top: float) -> np.ndarray:
    scale = (levels - 1) / top
    train, test = (np.rint(scale * _pixels(x, top, n)).astype(np.int64) for x, n in ((train, "train"), (test, "test")))
    log_p = np.zeros(len(test))
    for seen, asked in zip(train.T, test.T, strict=True):
        f = (np.bincount(seen, minlength=levels) + 0.5) / (len(seen) + 0.5 * levels)
        log_p += np.log(f)[asked]
    return log_p


def _trials(likelihood: Any) -> int:
    name, _, number = likelihood.partition(":") if isinstance(likelihood, str) else ("", "", "")
    if name == "bernoulli" and not number:
        return 1
    trials = int(number) if name == "binomial" and number.isdecimal() else getattr(likelihood, "trials", 0)
    if trials < 1:
        msg = f"likelihood must be 'bernoulli', 'binomial:N' or an object with trials, got {likelihood!r}"
        raise ValueError(msg)
    return int(trials)


def _pixels(pixels: Any, total: float, name: str) -> np.ndarray:
    x = to_host(pixels)
    if x.ndim != 2 or not x.size:
        msg = f"{name} must have shape (n, pixels) and not be empty, got {x.shape}"
        raise ValueError(msg)
    if not (x.min() >= 0 and x.max() <= total):
        msg = f"{name} must lie in [0, {total:g}], got values from {x.min()} to {x.max()}"
        raise ValueError(msg)
    return x
