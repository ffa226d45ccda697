"""The streamed estimate against a linear-Gaussian model whose log p(x) is known in closed form."""

import math
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from geomlat import random
from geomlat.evaluate import log_likelihood

FEATURES, LATENT, NOISE = 4, 2, 0.7


@dataclass
class LinearGaussian:
    """``z ~ N(0, I)``, ``x = A z + noise``; the proposal is the posterior with its covariance times ``widen``."""

    a: np.ndarray
    widen: float = 1.0

    def exact(self, x):
        cov = self.a @ self.a.T + NOISE**2 * np.eye(len(self.a))
        return multivariate_normal(np.zeros(len(self.a)), cov).logpdf(x)

    def log_weights(self, theta, x, *, samples, rng):
        precision = np.eye(self.a.shape[1]) + self.a.T @ self.a / NOISE**2
        cov = self.widen * np.linalg.inv(precision)
        loc, root = x @ self.a @ np.linalg.inv(precision) / NOISE**2, np.linalg.cholesky(cov)
        eps = random.normal((samples, len(x), self.a.shape[1]), rng=rng)
        z = loc + eps @ root.T
        log_q = -0.5 * (eps**2).sum(-1) - np.log(np.diag(root)).sum()
        r = (x - z @ self.a.T) / NOISE
        log_p = -0.5 * (r**2).sum(-1) - self.a.shape[0] * math.log(NOISE * math.sqrt(2 * math.pi))
        return log_p - 0.5 * (z**2).sum(-1) - log_q


@dataclass
class Given:
    """A model whose weights are a table: sample ``s`` of a call gets the next unused row of ``table``."""

    table: np.ndarray

    def __post_init__(self):
        self.used = 0

    def log_weights(self, theta, x, *, samples, rng):
        self.used += samples
        return self.table[self.used - samples : self.used]


@pytest.fixture
def a():
    return random.normal((FEATURES, LATENT), rng=5)


@pytest.fixture
def x(a):
    return random.normal((40, LATENT), rng=6) @ a.T + NOISE * random.normal((40, FEATURES), rng=7)


def test_the_posterior_as_proposal_has_no_variance(a, x):
    model = LinearGaussian(a)
    result = log_likelihood(model, None, x, samples=30, rng=0, rows=16, block=7)
    np.testing.assert_allclose(result.log_p, model.exact(x), rtol=1e-12)
    np.testing.assert_allclose(result.effective_samples, 30, rtol=1e-12)
    assert result.monte_carlo_error.max() < 1e-12
    assert result.mean == pytest.approx(model.exact(x).mean(), rel=1e-12, abs=0.0)
    assert result.standard_error == pytest.approx(model.exact(x).std(ddof=1) / math.sqrt(40), rel=1e-10, abs=0.0)


def test_a_wide_proposal_is_within_its_own_error(a, x):
    model = LinearGaussian(a, widen=2.0)
    result = log_likelihood(model, None, x, samples=4000, rng=1, rows=16, block=256)
    z = (result.log_p - model.exact(x)) / result.monte_carlo_error
    # 40 independent z-scores: level 1e-3 for the largest is 4.2; their spread is 1 within 4 / sqrt(80).
    assert np.abs(z).max() < 4.2
    assert 0.55 < z.std() < 1.45
    # E[w^2] / E[w]^2 of N(0, 1) under N(0, v), per latent dimension, is v / sqrt(2 v - 1): here 2 / sqrt(3).
    np.testing.assert_allclose(result.effective_samples, 4000 * (math.sqrt(3) / 2) ** LATENT, rtol=0.05)
    assert result.effective_samples_min == result.effective_samples.min()
    assert result.effective_samples_mean == result.effective_samples.mean()


@pytest.mark.parametrize("block", [1, 3, 10, 64])
def test_streamed_moments_equal_the_direct_ones(block):
    table = random.normal((10, 5), rng=2) * 300 - 1000 * np.arange(5)
    result = log_likelihood(Given(table), None, np.zeros((5, 1)), samples=10, rng=0, block=block)
    top = table.max(0)
    w = np.exp(table - top)
    np.testing.assert_allclose(result.log_p, top + np.log(w.mean(0)), rtol=1e-14)
    np.testing.assert_allclose(result.effective_samples, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-12)
    np.testing.assert_allclose(result.monte_carlo_error, w.std(0, ddof=1) / w.mean(0) / math.sqrt(10), rtol=1e-12)


def test_nearly_equal_weights_keep_their_variance():
    table = np.tile(1e-9 * np.array([[1.0], [-1.0]]), (50, 1)) - 100
    result = log_likelihood(Given(table), None, np.zeros((1, 1)), samples=100, rng=0, block=7)
    assert result.monte_carlo_error[0] == pytest.approx(1e-9 / math.sqrt(99), rel=1e-4, abs=0.0)


def test_zero_weights_are_minus_infinity_and_not_nan():
    table = np.array([[-math.inf, -math.inf], [-math.inf, 0.0], [-math.inf, -math.inf]])
    result = log_likelihood(Given(table), None, np.zeros((2, 1)), samples=3, rng=0, block=1)
    np.testing.assert_allclose(result.log_p, [-math.inf, -math.log(3)])
    np.testing.assert_allclose(result.effective_samples, [0.0, 1.0])
    assert result.monte_carlo_error[0] == math.inf


def test_settings_fix_the_draws(a, x):
    model = LinearGaussian(a, widen=2.0)
    settings = {"samples": 20, "rows": 16, "block": 6}
    first = log_likelihood(model, None, x, rng=3, **settings)
    np.testing.assert_array_equal(first.log_p, log_likelihood(model, None, x, rng=3, **settings).log_p)
    assert not np.any(first.log_p == log_likelihood(model, None, x, rng=4, **settings).log_p)
    # Blocks of rows and of samples draw from streams of their own.
    twice = np.concatenate([x[:16], x[:16]])
    rows = log_likelihood(model, None, twice, rng=3, **settings).log_p
    assert not np.any(rows[:16] == rows[16:])
    one = log_likelihood(model, None, x, rng=3, samples=6, rows=16, block=6).log_p
    two = log_likelihood(model, None, x, rng=3, samples=12, rows=16, block=6).log_p
    assert not np.any(np.isclose(one, two))


def test_memory_depends_on_neither_samples_nor_rows(a):
    def peak(samples, n):
        x = np.zeros((n, FEATURES))
        tracemalloc.start()
        log_likelihood(LinearGaussian(a), None, x, samples=samples, rng=0, rows=64, block=20)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(20, 64)
    small = peak(40, 64)
    assert peak(4000, 64) < 1.1 * small
    assert peak(40, 2048) < 1.1 * small + 2 * 3 * 8 * 2048


def test_float32_weights_are_summed_in_float64(a, x):
    class Single(LinearGaussian):
        def log_weights(self, theta, x, *, samples, rng):
            return super().log_weights(theta, x, samples=samples, rng=rng).astype(np.float32)

    result = log_likelihood(Single(a), None, x, samples=1000, rng=0)
    assert result.log_p.dtype == np.float64
    np.testing.assert_allclose(result.log_p, LinearGaussian(a).exact(x), rtol=1e-6)


@pytest.mark.parametrize("threads", [1, None])
def test_blas_is_held_to_the_threads(a, x, threads):
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def blas():
        return [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]

    class Watching(LinearGaussian):
        def log_weights(self, theta, x, *, samples, rng):
            self.seen = blas()
            return super().log_weights(theta, x, samples=samples, rng=rng)

    model, before = Watching(a), blas()
    log_likelihood(model, None, x, samples=2, rng=0, threads=threads)
    assert model.seen == (before if threads is None else [1] * len(before))
    assert blas() == before


def test_text_names_the_numbers(a, x):
    text = str(log_likelihood(LinearGaussian(a), None, x, samples=30, rng=0))
    assert "40 rows, 30 samples, effective sample size 30.0 mean, 30.0 min" in text


@pytest.mark.parametrize("wrong", [{"samples": 0}, {"rows": 0}, {"block": 0}, {"threads": 0}])
def test_sizes_are_checked(a, x, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} >= 1"):
        log_likelihood(LinearGaussian(a), None, x, rng=0, **wrong)


def test_bad_weights_raise(x):
    with pytest.raises(ValueError, match="got 0"):
        log_likelihood(Given(np.zeros((3, 1))), None, x[:0], rng=0)
    with pytest.raises(ValueError, match=r"\(3, 40\), got \(3, 1\)"):
        log_likelihood(Given(np.zeros((3, 1))), None, x, samples=3, rng=0)
    bad = np.zeros((3, 2))
    bad[1, 1] = math.nan
    with pytest.raises(FloatingPointError, match="row 1 "):
        log_likelihood(Given(bad), None, x[:2], samples=3, rng=0, block=1)
