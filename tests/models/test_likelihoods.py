import numpy as np
import pytest
import scipy.stats

from geomlat.grad import gradcheck
from geomlat.models import (
    Bernoulli,
    Binomial,
    DiscretisedLogistic,
    Gaussian,
    GaussianLogVariance,
    GaussianSoftplusSD,
    vae,
)
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


@pytest.mark.parametrize("trials", [1, 16])
@pytest.mark.parametrize("width", [1, 7, 512, 1100])
def test_the_compiled_rows_are_the_array_expressions(width, trials):
    """Against the same formulas on array-api-strict; far log-odds, and float32 to roundings of the trials."""
    strict, gen = pytest.importorskip("array_api_strict"), np.random.default_rng(2)
    density = Bernoulli() if trials == 1 else Binomial(trials)
    out = gen.standard_normal((3, 4, width)) * np.array([1.0, 30.0, 1000.0])[:, None, None]
    x = gen.integers(0, trials + 1, (4, width)).astype(float)
    nll, pull = density.nll_vjp(out, x)
    there, pull_there = density.nll_vjp(strict.asarray(out), strict.asarray(x))
    np.testing.assert_allclose(nll, np.asarray(there), rtol=1e-13, atol=1e-13)
    dnll = gen.standard_normal((3, 4))
    np.testing.assert_allclose(pull(dnll), np.asarray(pull_there(strict.asarray(dnll))), rtol=1e-12, atol=1e-300)
    low, pull_low = density.nll_vjp(out.astype(np.float32), x.astype(np.float32))
    exact, pull_exact = density.nll_vjp(out.astype(np.float32).astype(float), x)
    assert low.dtype == np.float32
    np.testing.assert_allclose(low, exact, rtol=2.0**-22, atol=2.0**-53 * width)
    # Near 0 it keeps its digits, where float64 ends at a rounding of 1.
    lost = 2.0**-53 if trials == 1 else 2.0**-22 * trials
    np.testing.assert_allclose(
        pull_low(np.ones((3, 4), np.float32)), pull_exact(np.ones((3, 4))), rtol=2.0**-22, atol=lost
    )


def test_data_that_is_no_number_is_seen():
    out = np.zeros((2, 3))
    out[1, 2] = np.nan
    nll = Bernoulli().nll_vjp(out, np.ones((2, 3)))[0]
    assert np.isnan(nll).tolist() == [False, True]


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


SPREADS = {
    "sd": (GaussianSoftplusSD(0.2), lambda raw: 0.2 + np.logaddexp(raw, 0.0)),
    "log-variance": (GaussianLogVariance(0.2), lambda raw: np.sqrt(0.04 + np.exp(raw))),
}


@pytest.mark.parametrize("name", SPREADS)
def test_learned_spreads_follow_the_convention_of_their_head(name):
    density, spread = SPREADS[name]
    gen = np.random.default_rng(3)
    out, x = gen.standard_normal((5, 14)), gen.standard_normal((5, 7))
    s = spread(out[:, 7:])
    np.testing.assert_allclose(
        density.nll_vjp(out, x)[0], -scipy.stats.norm.logpdf(x, out[:, :7], s).sum(-1), rtol=1e-12
    )
    gradcheck(lambda o: density.nll_vjp(o, x), out)
    np.testing.assert_array_equal(density.mean(out), out[:, :7])
    draws = density.sample(np.broadcast_to(out, (4000, 5, 14)).copy(), rng=3)
    assert np.abs((draws.mean(0) - out[:, :7]) / s).max() < 5 / np.sqrt(4000)
    assert np.abs(draws.std(0) / s - 1).max() < 5 / np.sqrt(8000)
    many = gen.standard_normal((3, 5, 14))
    alone = [density.nll_vjp(o, x) for o in many]
    nll, pull = density.nll_vjp(many, x)
    np.testing.assert_allclose(nll, [a[0] for a in alone], rtol=1e-13)
    np.testing.assert_allclose(pull(np.ones((3, 5))), [a[1](np.ones(5)) for a in alone], rtol=1e-13)
    for extreme in (1e4, -1e4):
        value, pull = density.nll_vjp(np.full((5, 14), extreme, "f"), x.astype("f"))
        assert value.dtype == pull(np.ones(5, "f")).dtype == np.float32
        assert np.isfinite(value).all()
        assert np.isfinite(pull(np.ones(5, "f"))).all()
    with pytest.raises(ValueError, match="floor > 0"):
        type(density)(0.0)


LOGISTIC = {
    "pixel": (DiscretisedLogistic(), 14, 1.0),
    "shared": (DiscretisedLogistic(shared=True), 8, 1.0),
    "shares": (DiscretisedLogistic(top=1.0), 14, 1 / 255),
    "few levels": (DiscretisedLogistic(5), 14, 1.0),
}


def logistic(name, n=5):
    """A likelihood, an output of its decoder, and levels with both ends among them."""
    density, width, step = LOGISTIC[name]
    k = np.random.default_rng(1).integers(0, density.levels, (n, 7))
    k[0, :3], k[1, :3] = 0, density.levels - 1
    return density, 2.0 * np.random.default_rng(2).standard_normal((n, width)), k * step


@pytest.mark.parametrize("name", LOGISTIC)
def test_logistic_pull_is_the_derivative(name):
    density, out, x = logistic(name)
    gradcheck(lambda o: density.nll_vjp(o, x), out, method="complex")


def masses(density, location, scale, dtype=np.float64):
    k = np.arange(density.levels, dtype=dtype)[:, None]
    out = np.broadcast_to(np.array([location, scale], dtype), (density.levels, 2))
    return np.exp(-density.nll_vjp(out, k)[0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("levels", [2, 256, 766])
def test_logistic_masses_sum_to_one_and_have_the_mean(levels, dtype):
    density, k = DiscretisedLogistic(levels), np.arange(levels)
    for location in (-30.0, -2.0, 0.1, 30.0):
        for scale in (-30.0, -2.0, 0.0, 3.0, 30.0):
            p = masses(density, location, scale, dtype).astype(float)
            # k / 766 is rounded, k / 256 is not.
            tolerance = 3e-5 if dtype == np.float32 else 4e-16 if levels < 766 else 1e-14
            assert abs(p.sum() - 1) < tolerance
            mean = density.mean(np.array([location, scale], dtype))[0]
            assert mean == pytest.approx(p @ k, rel=3e-13 if dtype == np.float64 else 1e-4, abs=1e-6)


def test_logistic_masses_are_differences_of_the_logistic_function():
    from mpmath import mp, mpf

    density, worst = DiscretisedLogistic(), 0.0
    with mp.workdps(60):
        for location, raw in ((0.3, -1.0), (-4.0, 2.0), (2.0, -20.0)):
            m = 1 / (1 + mp.exp(-mpf(location)))
            s = mp.exp(-3 + 5 * mp.tanh(mpf(raw) / 5))

            def below(k, m=m, s=s):
                return mpf(k > 0) if k in (0, 256) else 1 / (1 + mp.exp(-(mpf(k) / 256 - m) / s))

            for k in (0, 1, 60, 128, 200, 254, 255):
                nll = density.nll_vjp(np.array([location, raw]), np.array([float(k)]))[0]
                exact = -mp.log(below(k + 1) - below(k))
                worst = max(worst, abs(float((mpf(float(nll)) - exact) / exact)))
    assert worst < 1e-12


@pytest.mark.parametrize("name", LOGISTIC)
def test_logistic_in_float32(name):
    density, out, x = logistic(name)
    nll, pull = density.nll_vjp(out.astype("f"), x.astype("f"))
    dout = pull(np.ones(5, "f"))
    exact, exact_pull = density.nll_vjp(out, x)
    assert nll.dtype == dout.dtype == density.mean(out.astype("f")).dtype == np.float32
    np.testing.assert_allclose(nll, exact, rtol=2e-6)
    np.testing.assert_allclose(dout, exact_pull(np.ones(5)), rtol=1e-3, atol=1e-3)
    for extreme in (1e4, -1e4):
        nll, pull = density.nll_vjp(np.full_like(out, extreme, dtype="f"), x.astype("f"))
        assert np.isfinite(nll).all()
        assert np.isfinite(pull(np.ones(5, "f"))).all()


@pytest.mark.parametrize("name", LOGISTIC)
def test_logistic_samples_are_levels_with_its_mean_and_masses(name):
    density, out, _ = logistic(name)
    draws = density.sample(np.broadcast_to(out, (4000, *out.shape)).copy(), rng=3)
    density.check(draws.astype(np.float32))
    assert draws.max() <= density.unit
    spread = draws.std(0) / np.sqrt(4000) + 1e-9 * density.unit + (draws.std(0) == 0) * 0.05 * density.unit
    assert np.abs((draws.mean(0) - density.mean(out)) / spread).max() < 5
    one = np.array([0.4, -0.5])
    p = masses(DiscretisedLogistic(), *one)
    counts = np.bincount(DiscretisedLogistic().sample(np.broadcast_to(one, (20000, 2)), rng=1)[:, 0].astype(int))
    kept = np.flatnonzero(20000 * p > 20)
    chi2 = ((counts[kept] - 20000 * p[kept]) ** 2 / (20000 * p[kept])).sum()
    assert scipy.stats.chi2.sf(chi2, kept.size) > 1e-3


def test_logistic_takes_levels_alone():
    DiscretisedLogistic().check(np.arange(256, dtype=np.uint8))
    DiscretisedLogistic(top=1.0).check((np.arange(256) / 255).astype(np.float32))
    DiscretisedLogistic(766, top=1.0).check((np.arange(766) / 765).astype(np.float32))
    for x in (np.array([256.0]), np.array([-1.0]), np.array([0.5])):
        with pytest.raises(ValueError, match=r"levels 0 \.\. 255 in steps of 1"):
            DiscretisedLogistic().check(x)
    with pytest.raises(ValueError, match=r"steps of 0\.0039"):
        DiscretisedLogistic(top=1.0).check(np.array([0.005]))
    for bad in ({"levels": 1}, {"top": 0.0}, {"top": np.inf}):
        with pytest.raises(ValueError, match="levels >= 2 and top > 0"):
            DiscretisedLogistic(**bad)


def test_prepared_rows_outside_the_support_are_refused_before_training():
    x = np.arange(24).reshape(4, 6).astype(np.uint8)
    with pytest.raises(ValueError, match="takes the 256 levels"):
        vae(6, hidden=(3,), latent="e1", likelihood="logistic").fit(
            x, epochs=1, prepare=lambda b, rng: b / np.float32(255)
        )


def test_logistic_shared_scale_is_that_of_every_pixel():
    out = np.array([[0.1, -0.4, 1.3, 0.2]])
    x = np.array([[3.0, 100.0, 255.0]])
    wide = np.concatenate([out[:, :3], np.repeat(out[:, 3:], 3, axis=1)], axis=1)
    shared, pixel = DiscretisedLogistic(shared=True), DiscretisedLogistic()
    np.testing.assert_allclose(shared.nll_vjp(out, x)[0], pixel.nll_vjp(wide, x)[0], rtol=1e-15)
    np.testing.assert_array_equal(shared.mean(out), pixel.mean(wide))


def test_texts():
    assert likelihood("gaussian-sd:0.1") == GaussianSoftplusSD(0.1)
    assert likelihood("gaussian-log-variance") == GaussianLogVariance()
    assert likelihood("logistic") == DiscretisedLogistic()
    assert likelihood("logistic:1:766") == DiscretisedLogistic(766, 1.0)
    assert likelihood("logistic-shared:1") == DiscretisedLogistic(256, 1.0, True)
    assert likelihood(Gaussian(2.0)) == Gaussian(2.0)
    assert likelihood("binomial:16") == Binomial(16)
    assert likelihood("gaussian:0.1") == Gaussian(0.1)
    assert likelihood("bernoulli") == Bernoulli()
    for text in (
        "poisson",
        "binomial:x",
        "binomial:0",
        "binomial",
        "gaussian:0",
        "bernoulli:2",
        "logistic:0",
        "logistic:1:x",
    ):
        with pytest.raises(ValueError, match="bernoulli"):
            likelihood(text)
