"""Averages, rate and distortion, active units and the factorised baseline against direct formulas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binom, norm

from geomlat import random
from geomlat.evaluate import (
    active_units,
    bound,
    factor_active_units,
    factorised_baseline,
    independent_normals,
    mean_and_error,
    rate_distortion,
)
from geomlat.manifolds import Euclidean, Product, Torus


def test_mean_and_error():
    mean, error = mean_and_error(np.array([1.0, 2.0, 6.0], dtype=np.float32))
    assert (mean, error) == (3.0, pytest.approx(math.sqrt(7 / 3)))
    assert mean_and_error([2.0]) == (2.0, math.inf)
    with pytest.raises(ValueError, match="non-empty vector"):
        mean_and_error(np.zeros((2, 2)))


def test_rate_and_distortion_are_apart_and_correlated():
    nll, rate = random.normal(50, rng=0) + 3, random.uniform((50, 2), rng=1)
    rate[:, 1] -= nll
    r = rate_distortion(nll, rate)
    assert (r.distortion, r.rate) == pytest.approx((nll.mean(), rate.sum(1).mean()))
    np.testing.assert_allclose(r.factor_rates, rate.mean(0))
    assert r.elbo == pytest.approx(-r.distortion - r.rate)
    # nll + rate cancels to the two uniforms, so the bound's error is that of rate[:, 0] and the uniform in rate[:, 1].
    assert r.elbo_error == pytest.approx((nll + rate.sum(1)).std(ddof=1) / math.sqrt(50))
    assert r.elbo_error < 0.5 * math.hypot(r.distortion_error, r.rate_error)
    assert rate_distortion(nll, rate[:, 0]).factor_rates.shape == (1,)
    with pytest.raises(ValueError, match="nll must have shape"):
        rate_distortion(nll, rate[:3])


def test_active_units_are_those_whose_mean_varies():
    spread = np.array([1.0, 0.0, 0.09, 0.11])
    means = random.normal((40000, 4), rng=3) * spread + 5.0
    np.testing.assert_array_equal(active_units(means), [True, False, False, True])
    np.testing.assert_array_equal(active_units(means, threshold=1e-4), [True, False, True, True])
    np.testing.assert_array_equal(active_units(means.astype(np.float32), threshold=0.5), [True, False, False, False])
    with pytest.raises(ValueError, match="n >= 2"):
        active_units(means[:1])


def test_units_of_a_product_are_counted_by_factor_and_angles_have_no_seam():
    noise = random.normal((2000, 5), rng=4)
    still, moving = np.pi + 0.02 * noise[:, 0], np.pi + 0.5 * noise[:, 1]
    angles = np.mod(np.stack([still, moving], axis=-1) + np.pi, 2 * np.pi) - np.pi
    flat = noise[:, 2:] * np.array([1.0, 0.0, 0.2])
    assert np.abs(angles[:, 0]).min() > 3.0
    assert angles[:, 0].std() > 3.0
    means = np.concatenate([flat, angles], axis=-1).astype(np.float32)
    assert factor_active_units(means, Product(Euclidean(3), Torus(2))) == [2, 1]
    assert factor_active_units(angles, Torus(2)) == [1]
    assert factor_active_units(angles, Torus(2), threshold=1e-5) == [2]


def test_binomial_baseline_is_the_smoothed_frequency():
    g = np.random.default_rng(0)
    train, test = g.integers(0, 17, (30, 6)), g.integers(0, 17, (9, 6))
    train[:, 2] = 0
    f = (train.sum(0) + 1) / (30 * 16 + 2)
    expected = binom(16, f).logpmf(test).sum(1)
    np.testing.assert_allclose(factorised_baseline(train, test, "binomial:16"), expected, rtol=1e-12)
    f = ((train > 8).sum(0) + 1) / 32
    expected = binom(1, f).logpmf(test > 8).sum(1)
    np.testing.assert_allclose(factorised_baseline(train > 8, test > 8, "binomial:1"), expected, rtol=1e-12)
    np.testing.assert_allclose(factorised_baseline(train > 8, test > 8), expected, rtol=1e-12)


def test_normals_are_fitted_to_each_feature():
    g = np.random.default_rng(0)
    train, test = g.standard_normal((50, 3)) * [1.0, 0.2, 0.0] + [0.0, 3.0, 1.0], g.standard_normal((9, 3))
    sd = np.maximum(train.std(0), 0.3)
    assert sd[0] > 0.3
    expected = norm(train.mean(0), sd).logpdf(test).sum(1)
    np.testing.assert_allclose(independent_normals(train, test, least=0.3), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="least > 0, got"):
        independent_normals(train, test[:, :2], least=0.3)


def test_baseline_normalises_over_all_images():
    train = np.array([[0, 1], [0, 2], [0, 3]])
    images = np.array([(i, j) for i in range(4) for j in range(4)])
    assert np.exp(factorised_baseline(train, images, SimpleNamespace(trials=3))).sum() == pytest.approx(
        1.0, rel=1e-13, abs=0.0
    )


@pytest.mark.parametrize(
    ("train", "test", "likelihood", "message"),
    [
        (np.ones((2, 2)), np.ones((2, 3)), "bernoulli", "same number of pixels"),
        (np.full((2, 2), 2), np.ones((2, 2)), "bernoulli", r"train must lie in \[0, 1\]"),
        (np.ones((2, 2)), np.full((2, 2), -1), "binomial:16", r"test must lie in \[0, 16\]"),
        (np.ones((2, 2)), np.full((2, 2), np.nan), "bernoulli", "test must lie"),
        (np.ones(2), np.ones((2, 2)), "bernoulli", "train must have shape"),
        (np.ones((2, 2)), np.ones((2, 2)), "gauss", "or an object with trials, got 'gauss'"),
        (np.ones((2, 2)), np.ones((2, 2)), "binomial", "or an object with trials, got 'binomial'"),
    ],
)
def test_baseline_input_is_checked(train, test, likelihood, message):
    with pytest.raises(ValueError, match=message):
        factorised_baseline(train, test, likelihood)


def test_the_bound_is_the_mean_over_rows_whatever_the_blocks():
    seen = []

    def report(theta, x, noise):
        seen.append(noise)
        return {"loss": theta * x.mean(), "kl": x.max()}

    x = np.arange(7.0)
    found = bound(SimpleNamespace(report=report), 2.0, x, rng=5, rows=3)
    assert found == pytest.approx({"loss": 6.0, "kl": (3 * 2 + 3 * 5 + 6) / 7})
    assert seen == [random.stream(5).child(i) for i in (0, 3, 6)]
    with pytest.raises(ValueError, match="rows of data"):
        bound(SimpleNamespace(report=report), 2.0, x[:0], rng=5)
