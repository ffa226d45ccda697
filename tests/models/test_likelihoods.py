import numpy as np
import pytest
import scipy.stats

from geomlat.grad import gradcheck
from geomlat.models import Bernoulli, Binomial, Gaussian
from geomlat.models.likelihoods import likelihood

RNG = np.random.default_rng(0)
OUT = RNG.standard_normal((5, 7)) * 4
P = 1 / (1 + np.exp(-OUT))
CASES = {
    "bernoulli": (Bernoulli(), RNG.integers(0, 2, (5, 7)).astype(float), lambda x: scipy.stats.bernoulli.logpmf(x, P)),
    "binomial": (Binomial(16), RNG.integers(0, 17, (5, 7)).astype(float), lambda x: scipy.stats.binom.logpmf(x, 16, P)),
    "gaussian": (Gaussian(0.3), RNG.standard_normal((5, 7)), lambda x: scipy.stats.norm.logpdf(x, OUT, 0.3)),
}


@pytest.mark.parametrize("name", CASES)
def test_nll_is_the_density_of_scipy(name):
    density, x, log_prob = CASES[name]
    np.testing.assert_allclose(density.nll_vjp(OUT, x)[0], -log_prob(x).sum(-1), rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_pull_is_the_derivative(name):
    density, x, _ = CASES[name]
    gradcheck(lambda out: density.nll_vjp(out, x), OUT)


@pytest.mark.parametrize("name", CASES)
def test_one_row_of_data_meets_many_samples(name):
    density, x, _ = CASES[name]
    out = RNG.standard_normal((3, 5, 7))
    nll, pull = density.nll_vjp(out, x)
    alone = [density.nll_vjp(o, x) for o in out]
    np.testing.assert_allclose(nll, [a[0] for a in alone], rtol=1e-13)
    np.testing.assert_allclose(pull(np.ones((3, 5))), [a[1](np.ones(5)) for a in alone], rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32(name):
    density, x, _ = CASES[name]
    out, x = OUT.astype(np.float32), x.astype(np.float32)
    nll, pull = density.nll_vjp(out, x)
    assert nll.dtype == np.float32
    assert pull(np.ones(5, np.float32)).dtype == np.float32
    np.testing.assert_allclose(nll, density.nll_vjp(OUT, x.astype(float))[0], rtol=2e-6)


@pytest.mark.parametrize("name", CASES)
def test_extreme_outputs_are_finite(name):
    density, x, _ = CASES[name]
    for out in (np.full((5, 7), 1e4, np.float32), np.full((5, 7), -1e4, np.float32)):
        nll, pull = density.nll_vjp(out, x.astype(np.float32))
        assert np.isfinite(nll).all()
        assert np.isfinite(pull(np.ones(5, np.float32))).all()


@pytest.mark.parametrize("name", CASES)
def test_samples_have_the_mean(name):
    density, _, _ = CASES[name]
    draws = density.sample(np.broadcast_to(OUT, (4000, 5, 7)).copy(), rng=3)
    spread = draws.std(0) / np.sqrt(4000) + 1e-9 + (draws.std(0) == 0) * 0.05
    assert np.abs((draws.mean(0) - density.mean(OUT)) / spread).max() < 5


def test_texts():
    assert likelihood("binomial:16") == Binomial(16)
    assert likelihood("gaussian:0.1") == Gaussian(0.1)
    assert likelihood("bernoulli") == Bernoulli()
    for text in ("poisson", "binomial:x", "binomial:0", "binomial", "gaussian:0", "bernoulli:2"):
        with pytest.raises(ValueError, match="bernoulli"):
            likelihood(text)
