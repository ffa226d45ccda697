"""The gamma and the beta law: accuracy against mpmath, samplers at extreme shapes, implicit derivatives, edges."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import Beta, Gamma, _beta_rules, _beta_stein, _gamma_stein, kl_divergence, kl_divergence_vjp
from geomlat.distributions import gamma as gamma_module
from geomlat.distributions._beta_rules import beta_log_prob_scalar, beta_score_scalar, beta_shapes_scalar
from geomlat.distributions._beta_stein import beta_stein_scalar
from geomlat.distributions._gamma_sampling import REJECTED, gamma_centre, gamma_trial
from geomlat.distributions._gamma_stein import gamma_stein_scalar
from geomlat.distributions._vmf_sampling import three_uniforms
from geomlat.random import box_muller, philox, stream
from geomlat.special.gamma import digamma_diff_scalar
from geomlat.special.stirling import log_minus_digamma_scalar

LEVEL = 1e-3
SHAPES = [1e-3, 0.05, 0.3, 1.0, 2.5, 9.99, 10.0, 300.0, 1e6, 1e10]


# ---- implicit derivatives ----


def mp_gamma_stein(a, w):
    """The tail integral of s - psi(a) divided by the density of the logarithm, at the precision of mpmath."""
    a = mp.mpf(a)
    y = mp.mpf(w) + mp.log((a if a >= 1 else a + 1) - mp.mpf(1) / 3)
    x, psi = mp.exp(y), mp.psi(0, a)
    side = 1 if y >= psi else -1

    def log_p(t):
        return side * a * t - x * mp.expm1(side * t)

    end = 1 / (1 + mp.sqrt(a))
    while log_p(end) > -60:
        end *= 2
    return mp.quad(lambda t: (side * (y - psi) + t) * mp.exp(log_p(t)), mp.linspace(0, end, 40))


@pytest.mark.parametrize("a", [1e-3, 0.1, 0.6, 1.0, 1.99, 2.0, 7.9, 8.0, 40.0, 1e6, 1e10])
def test_gamma_derivative_against_mpmath(a):
    for level in (1e-9, 0.2, 0.7, 1 - 1e-9):
        if a >= 1e6:
            w = stats.norm.ppf(level) / math.sqrt(a)
        elif a < 0.01:
            w = (math.log(level) + math.lgamma(a + 1)) / a - math.log(gamma_centre(a))
        else:
            w = math.log(stats.gamma(a).ppf(level) / gamma_centre(a))
        with mp.workdps(30):
            exact = float(mp_gamma_stein(a, w))
        assert gamma_stein_scalar(a, w) == pytest.approx(exact, rel=1e-12, abs=0), level


@pytest.mark.parametrize(("a", "x"), [(0.6, 0.21)])
def test_gamma_derivative_to_the_left_of_a_small_shape(a, x):
    with mp.workdps(30):
        exact = float(mp_gamma_stein(a, mp.log(mp.mpf(x) / (mp.mpf(a) + mp.mpf(2) / 3))))
    assert gamma_stein_scalar(a, math.log(x / gamma_centre(a))) == pytest.approx(exact, rel=1e-12, abs=0)


def test_the_centre_is_the_mode_of_the_cube_root():
    # Of a draw of shape a, of density y^(3a-1) exp(-y^3); below 1 of one more.
    for a in (0.01, 0.4, 1.0, 3.7, 1e6):
        power = 3.0 * (a if a >= 1.0 else a + 1.0) - 1.0
        y = gamma_centre(a) ** (1 / 3)
        assert power / y == pytest.approx(3.0 * y * y, rel=1e-14, abs=0.0)


def mp_beta_stein(a, b, s):
    """d logit / da by the tail integral of log x - E log X in the logit."""
    a, b, s = mp.mpf(a), mp.mpf(b), mp.mpf(s)
    mean = mp.psi(0, a) - mp.psi(0, a + b)

    def log_x(r):
        return -mp.log1p(mp.exp(-r))

    def log_p(t):
        return a * log_x(s + side * t) + b * log_x(-s - side * t)

    side = 1 if log_x(s) >= mean else -1
    end = mp.mpf(1)
    while log_p(end) - log_p(0) > -60:
        end *= 2
    middle = [t for t in (-side * s + k for k in (-8, -4, -2, 0, 2, 4, 8)) if 0 < t < end]
    points = sorted({mp.mpf(0), end, *middle, *(end * k / 12 for k in range(1, 12))})
    return mp.quad(lambda t: side * (log_x(s + side * t) - mean) * mp.exp(log_p(t) - log_p(0)), points)


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.05), (0.05, 3.0), (3.0, 0.05), (0.3, 1e3), (1e3, 0.3), (2.0, 3.0)])
def test_beta_derivative_against_mpmath(a, b):
    for z in (-2.0, -0.2, 0.1, 0.6, 2.5):
        s = math.log(a / b) + z * math.sqrt(1 / a + 1 / b)
        x, rest = (math.exp(-np.logaddexp(0, -s)), math.exp(-np.logaddexp(0, s)))
        with mp.workdps(20):
            exact = float(mp_beta_stein(a, b, s))
        assert beta_stein_scalar(a, b, x, rest) == pytest.approx(exact, rel=1e-12, abs=0), s


def counted(monkeypatch, module, name):
    """How often a scalar is called from now on."""
    body, calls = getattr(module, name), []
    monkeypatch.setattr(module, name, lambda *a: calls.append(a) or body(*a))
    return calls


def test_the_beta_integral_ends_at_its_floor_after_few_steps(monkeypatch):
    calls, spans = counted(monkeypatch, _beta_stein, "tail_logs"), 0
    shapes = list(itertools.product((0.6, 2.5, 40.0, 3e3, 1e6, 5e8), repeat=2))
    for (c, e), z in itertools.product(shapes, (-12.0, -4.0, -1.0, 0.0, 0.5, 2.0, 5.0, 12.0)):
        s = math.log(c / e) + z * math.sqrt(1 / c + 1 / e)
        head, tail = math.exp(-np.logaddexp(0, -s)), math.exp(-np.logaddexp(0, s))
        log_x = math.log1p(-tail) if tail < 0.5 else math.log(head)
        if log_x + digamma_diff_scalar(c, e) >= 0:
            high, low = _beta_stein.tail_logs(head, tail, _beta_stein.beta_span(c, e, head, tail))
            assert abs(c * high + e * low - _beta_stein.FLOOR) < 1
            spans += 1
    assert len(calls) - 2 * spans < 1.03 * spans


def test_the_gamma_integral_ends_at_its_floor_after_few_steps(monkeypatch):
    calls, spans = counted(monkeypatch, _gamma_stein, "exp_gap"), 0
    shapes = (0.05, 0.3, 1.0, 2.0, 8.0, 40.0, 1e3, 1e6, 1e10)
    for a, z in itertools.product(shapes, (-12.0, -5.0, -2.0, -0.5, 0.0, 0.5, 2.0, 5.0, 12.0)):
        x, w = gamma_centre(a) * math.exp(z / math.sqrt(a)), z / math.sqrt(a)
        if 0.2 < x < 1e14:
            excess = w + math.log(gamma_centre(a) / a) + log_minus_digamma_scalar(a)
            side = math.copysign(1.0, excess)
            slope = side * ((1 if a >= 1 else -2) / 3 - gamma_centre(a) * math.expm1(w))
            t = _gamma_stein.gamma_span(slope, x, side, (x - _gamma_stein.FLOOR) / a)
            assert t > 0
            assert abs(slope * t - x * _gamma_stein.exp_gap(side * t) - _gamma_stein.FLOOR) < 1
            spans += 1
    assert len(calls) - 2 * spans < 1.3 * spans


@pytest.mark.parametrize("shape", [1.0, 1.5, 4.0])
def test_an_attempt_is_taken_where_marsaglia_and_tsang_take_it(shape):
    """z normal, v = (1 + z / sqrt(9 d))^3, accepted where v > 0 and log U < z^2 / 2 + d (1 - v + log v)."""
    d, words = shape - 1 / 3, np.array([7, 11, 0, 5], np.uint64)
    taken = []
    for i in range(1500):
        u1, u2, u3 = three_uniforms(*philox(*(np.uint64(c) for c in (2, i, 0, 5, 7, 11))))
        z = box_muller(u1, u2)[0]
        v = (1 + z / math.sqrt(9 * d)) ** 3
        taken.append(v > 0 and math.log(u3) < 0.5 * z * z + d * (1 - v + math.log(v)))
        found = gamma_trial(1 / math.sqrt(9 * d), words, np.uint64(i), 2)
        assert found == pytest.approx(math.log(v), rel=1e-9, abs=1e-12) if taken[-1] else found == REJECTED
    assert 0.9 < np.mean(taken) < 0.999


def test_edges_of_draws():
    shapes = np.array([[1e-6], [1e-3], [1.0], [1e8], [1e12]])
    for q in (Gamma(shapes, 2.0), Beta(shapes, 2.0), Beta(2.0, shapes), Beta(shapes, shapes)):
        for dtype in (np.float32, np.float64):
            narrow = type(q)(*(a.astype(dtype) for a in (vars(q)[k] for k in list(vars(q))[:2])))
            z, pull = narrow.rsample_vjp(narrow.draw(400, rng=1))
            assert z.min() > 0
            assert type(q) is Gamma or z.max() < 1
            assert all(np.all(np.isfinite(g)) for g in (narrow.log_prob(z), *pull(np.ones_like(z))))


# ---- density, entropy, divergence at every size of the shapes ----


def mp_gamma(a):
    return mp.mpf(a) * (1 - mp.log(mp.mpf(a))) + mp.loggamma(mp.mpf(a))


@pytest.mark.parametrize("a", SHAPES)
def test_gamma_numbers_against_mpmath(a):
    rate = 3.0
    q = Gamma(np.array([a]), rate)
    with mp.workdps(60):
        s, r = mp.mpf(a), mp.mpf(rate)
        entropy = s - mp.log(r) + mp.loggamma(s) + (1 - s) * mp.psi(0, s)
        slope = 1 + (1 - s) * mp.psi(1, s)
        for z in (-3.0, -0.1, 0.0, 2.0):
            x = max(a / rate * (1 + z / math.sqrt(a)), 1e-5 * a / rate)
            log_q = s * mp.log(r) + (s - 1) * mp.log(mp.mpf(x)) - r * mp.mpf(x) - mp.loggamma(s)
            # A rounding of x, where the density falls steeply, is not ours.
            noise = 1e-13 + 1e-15 * abs(a - rate * x)
            assert float(q.log_prob(np.array([x]))) == pytest.approx(float(log_q), rel=1e-13, abs=noise)
        pairs = [(a * f, rate * g) for f, g in ((1.0, 1.3), (1 + 1e-6, 1.0), (0.7, 0.9), (3.0, 1.0), (0.01, 2.0))]
        for b, t in pairs:
            c, u = mp.mpf(b), mp.mpf(t)
            kl = (s - c) * mp.psi(0, s) - mp.loggamma(s) + mp.loggamma(c) + c * mp.log(r / u) + s * (u / r - 1)
            got = float(kl_divergence(q, Gamma(np.array([b]), t)))
            assert got == pytest.approx(float(kl), rel=1e-12, abs=0), (b, t)
    assert float(q.entropy()) == pytest.approx(float(entropy), rel=1e-13, abs=1e-13)
    assert float(q.entropy_vjp()[1](np.ones(()))[0][0]) == pytest.approx(float(slope), rel=1e-12, abs=0)
    theirs = stats.gamma(a, scale=1 / rate)
    assert float(q.mean()[0]) == pytest.approx(theirs.mean())
    assert float(q.variance()[0]) == pytest.approx(theirs.var())


@pytest.mark.parametrize("a", SHAPES[:-1])
@pytest.mark.parametrize("ratio", [1e-3, 0.5, 1.0, 40.0])
def test_beta_numbers_against_mpmath(a, ratio):
    b = a * ratio
    q = Beta(np.array([a]), b)
    with mp.workdps(60):
        s, t = mp.mpf(a), mp.mpf(b)
        log_b = mp.loggamma(s) + mp.loggamma(t) - mp.loggamma(s + t)
        one, two = mp.psi(0, s) - mp.psi(0, s + t), mp.psi(0, t) - mp.psi(0, s + t)
        entropy = log_b - (s - 1) * one - (t - 1) * two
        slope = -(s - 1) * mp.psi(1, s) + (s + t - 2) * mp.psi(1, s + t)
        sd = math.sqrt(ratio / (1 + ratio) ** 2 / (a + b + 1))
        for z in (-0.9, 0.0, 0.5):
            x = float(np.clip(1 / (1 + ratio) + z * sd, 1e-3 / (1 + ratio), 1 - 1e-3 * ratio / (1 + ratio)))
            y = mp.mpf(x)
            log_q = (s - 1) * mp.log(y) + (t - 1) * mp.log(1 - y) - log_b
            noise = 1e-13 + 1e-15 * abs(a * (1 - x) - b * x) * (1 + ratio) ** 2 / ratio
            assert float(q.log_prob(np.array([x]))) == pytest.approx(float(log_q), rel=1e-13, abs=noise)
        for f, g in ((1.0, 1.3), (0.7, 0.9), (3.0, 3.0), (0.01, 2.0)):
            c, d = mp.mpf(a * f), mp.mpf(b * g)
            log_d = mp.loggamma(c) + mp.loggamma(d) - mp.loggamma(c + d)
            kl = log_d - log_b + (s - c) * one + (t - d) * two
            got = float(kl_divergence(q, Beta(np.array([a * f]), b * g)))
            assert got == pytest.approx(float(kl), rel=1e-11, abs=0), (f, g)
    assert float(q.entropy()) == pytest.approx(float(entropy), rel=1e-12, abs=1e-12)
    floor = 1e-12 * max(1.0, 1 / a)
    assert float(q.entropy_vjp()[1](np.ones(()))[0][0]) == pytest.approx(float(slope), rel=1e-12, abs=floor)
    theirs = stats.beta(a, b)
    assert float(q.mean()[0]) == pytest.approx(theirs.mean())
    assert float(q.variance()[0]) == pytest.approx(theirs.var())


@pytest.mark.parametrize(("a", "b"), [(12.0, 30.0), (400.0, 11.0), (25.0, 25.0)])
def test_beta_density_far_from_its_mean(a, b):
    for x in (1e-9, 0.02, 0.3, 0.6, 0.97, 1 - 2.0**-40):
        with mp.workdps(40):
            y = mp.mpf(x)
            expected = (a - 1) * mp.log(y) + (b - 1) * mp.log(1 - y) - mp.log(mp.beta(a, b))
            slopes = [mp.log(y) - mp.psi(0, a) + mp.psi(0, a + b), mp.log(1 - y) - mp.psi(0, b) + mp.psi(0, a + b)]
        assert beta_log_prob_scalar(a, b, x) == pytest.approx(float(expected), rel=1e-14, abs=1e-14)
        assert beta_score_scalar(a, b, x) == pytest.approx([float(s) for s in slopes], rel=1e-13, abs=0.0)


@pytest.mark.parametrize("ratio", [1e-3, 0.2, 1.0, 30.0, 1e3])
@pytest.mark.parametrize("a", [0.02, 0.3, 1.0, 7.0, 1e3])
def test_shapes_of_given_mean_logarithms(a, ratio):
    b = a * ratio
    with mp.workdps(40):
        s, mean = mp.mpf(a) + mp.mpf(b), mp.mpf(a) / (mp.mpf(a) + mp.mpf(b))
        less, other = (mp.log(p) - mp.psi(0, t) + mp.psi(0, s) for p, t in ((mean, a), (1 - mean, b)))
    found = beta_shapes_scalar(float(mean), float(less), float(other))
    assert found == pytest.approx((a, b), rel=1e-10, abs=0)
    assert beta_shapes_scalar(0.5, 0.0, 0.1) == beta_shapes_scalar(0.5, 0.1, 0.0) == (math.inf, math.inf)


def test_the_score_of_a_large_shape_keeps_its_digits():
    for a, x in ((1e10, 1e10 + 1.0), (7e6, 7e6 - 3.0), (50.0, 200.0)):
        with mp.workdps(40):
            expected = float(mp.log(mp.mpf(x)) - mp.psi(0, mp.mpf(a)))
        assert gamma_module.gamma_score_scalar(a, 1.0, x) == pytest.approx(expected, rel=1e-12, abs=0.0)


def test_the_shape_and_the_shapes_are_found_in_few_steps(monkeypatch):
    calls = counted(monkeypatch, gamma_module, "log_minus_digamma_scalar")
    for a in 10.0 ** np.arange(-3, 9, 0.5):
        c = log_minus_digamma_scalar(a)
        assert gamma_module.inverse_log_minus_digamma_scalar(c) == pytest.approx(a, rel=1e-12, abs=0)
    assert len(calls) <= 47
    assert gamma_module.inverse_log_minus_digamma_scalar(0.0) == math.inf
    calls = counted(monkeypatch, _beta_rules, "log_minus_digamma_scalar")
    for a, b in itertools.product((0.05, 0.4, 2.0, 30.0, 1e4), repeat=2):
        less, other = (log_minus_digamma_scalar(t) - log_minus_digamma_scalar(a + b) for t in (a, b))
        assert beta_shapes_scalar(a / (a + b), less, other) == pytest.approx((a, b), rel=1e-9, abs=0)
    assert len(calls) <= 3 * 133


# ---- sampler, fit, support ----

CELLS = [(a, b) for a in (0.02, 0.4, 1.0, 7.0, 1e4, 1e8) for b in (None, 0.4, 30.0, 1e8)]


@pytest.mark.parametrize("cell", range(len(CELLS)))
def test_sampler(cell):
    """The distribution of the draws, of their logarithms where they underflow: p-values above LEVEL / all cells."""
    a, b = CELLS[cell]
    if b is None:
        z = Gamma(np.array([a]), 2.0).sample(20_000, rng=900 + cell)[:, 0]
        level = stats.gamma(a, scale=0.5).cdf(z)
    else:
        z = Beta(np.array([a]), b).sample(20_000, rng=900 + cell)[:, 0]
        level = stats.beta(a, b).cdf(z)
    # What is rounded to an end of the range keeps the levels of that end.
    inside = (z > 1e-300) & ((z < 1 - 1e-15) | (b is None))
    low, high = level[inside].min(), level[inside].max()
    assert stats.kstest((level[inside] - low) / (high - low), "uniform").pvalue > LEVEL / len(CELLS)
    ends = stats.binom(len(z), stats.gamma(a, scale=0.5).cdf(1e-300) if b is None else stats.beta(a, b).cdf(1e-300))
    count = int(np.sum(z <= 1e-300))
    assert min(ends.cdf(count), ends.sf(count - 1)) > LEVEL / len(CELLS)


@pytest.mark.parametrize("cell", range(7))
def test_cumulants_of_the_logarithm(cell):
    """Mean, variance and third cumulant of log x are psi, psi' and psi'': half a million draws see a wrong proposal."""
    a, n = (0.02, 0.4, 1.0, 1.5, 7.0, 1e4, 1e8)[cell], 500_000
    w = Gamma(np.array([a]), 1.0).draw(n, rng=40 + cell)[:, 0]
    with mp.workdps(30):
        mean, var, third = (float(mp.psi(k, mp.mpf(a)) - (mp.log(gamma_centre(a)) if k == 0 else 0)) for k in range(3))
    z = (w - mean) / math.sqrt(var)
    for x in (z, z * z - 1, z**3 - third / var**1.5):
        p_value = 2 * stats.norm.sf(abs(x.mean()) / x.std() * math.sqrt(n))
        assert p_value > LEVEL / 21


def test_draws_do_not_depend_on_the_batch():
    """Across the blocks of a thousand rows, of shapes that repeat, above and below 1."""
    shape = np.random.default_rng(0).uniform(0.3, 3.0, (1500, 1))
    for q, last in ((Gamma(shape, 2.0), Gamma(shape[1300:], 2.0)), (Beta(shape, 0.7), Beta(shape[1300:], 0.7))):
        assert np.array_equal(q.draw((2,), rng=7)[1, 1300:], last.draw((), rng=stream(7).at(2800)))
    three = Gamma(shape[:3], 2.0).draw(700, rng=7)
    for j in range(3):
        assert np.array_equal(three[500, j], Gamma(shape[j], 2.0).draw((), rng=stream(7).at(1500 + j)))


@pytest.mark.parametrize("shapes", [(0.03, 0.2), (0.6, 12.0), (3.0, 3.0), (50.0, 2e3), (1e6, 3e6)])
def test_fit_over_the_shapes(shapes):
    """The mean score of the fit vanishes, relative to that of one draw."""
    for q in (Gamma(np.array([shapes[0]]), shapes[1]), Beta(np.array([shapes[0]]), shapes[1])):
        x = q.sample(500, rng=1)
        x = x[(x > 1e-200) & (x < 1 - 1e-12)][:, None] if type(q) is Beta else x
        fit = type(q).fit(x)
        pull = fit.log_prob_vjp(x)[1]
        _, first, second = pull(np.full(len(x), 1 / len(x)))
        half = pull(np.where(np.arange(len(x)) < len(x) // 2, 1 / len(x), 0.0))
        assert abs(first.item()) < 1e-8 * abs(half[1].item())
        assert abs(second.item()) < 1e-8 * abs(half[2].item())


def test_outside_and_at_the_ends():
    gamma = Gamma(np.array([0.5, 1.0, 3.0]), 2.0)
    ends = [gamma.__class__(gamma.shape[j : j + 1], 2.0).log_prob(np.zeros(1)) for j in range(3)]
    assert [float(e) for e in ends] == [math.inf, math.log(2.0), -math.inf]
    beta = Beta(np.array([1.0]), 4.0)
    assert float(beta.log_prob(np.zeros(1))) == math.log(4.0)
    assert float(beta.log_prob(np.ones(1))) == -math.inf
    for q, x in (
        (gamma, [[1.0, -1.0, 2.0], [1.0, 0.5, 2.0]]),
        (Beta(np.full(3, 2.0), 3.0), [[0.5, 1.5, 0.2], [0.5] * 3]),
    ):
        value, pull = q.log_prob_vjp(np.array(x))
        assert np.array_equal(np.isneginf(value), [True, False])
        dx, *rest = pull(np.ones(2))
        inside = q.log_prob_vjp(np.array(x[1:]))[1](np.ones(1))
        assert np.array_equal(dx, np.concatenate([np.zeros((1, 3)), inside[0]]))
        for got, expected in zip(rest, inside[1:], strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-15)
    assert np.array_equal(gamma.mode(), [0.0, 0.0, 1.0])
    modes = Beta(np.array([0.5, 3.0, 0.5, 3.0]), np.array([0.5, 0.5, 2.0, 2.0])).mode()
    np.testing.assert_allclose(modes, [0.5, 1.0, 0.0, 2 / 3])


def test_the_last_draws_of_a_dtype():
    noise = np.array([[800.0], [40.0], [-800.0]])
    for dtype in (np.float64, np.float32):
        end, least = np.nextafter(dtype(1), dtype(0)), np.finfo(dtype).smallest_normal
        found = Beta(np.ones(1, dtype), dtype(1)).rsample(noise)
        np.testing.assert_array_equal(found, np.array([[end], [end], [least]]), strict=True)


def test_bad_input():
    for family, field, other in ((Gamma, "shape", "rate"), (Beta, "a", "b")):
        for bad in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match=f"{family.__name__}: {field} must be finite and > 0"):
                family(np.array([1.0, bad]), 1.0)
            with pytest.raises(ValueError, match=f"{family.__name__}: {other} must be finite and > 0"):
                family(np.ones(2), bad)
        with pytest.raises(TypeError, match="float32 or float64"):
            family(np.ones(2, np.float16), np.float16(1.0))
        with pytest.raises(ValueError, match="coincide"):
            family.fit(np.full((4, 1), 0.5))
        with pytest.raises(ValueError, match="k > 0"):
            family.fit(np.empty((0, 1)))
        with pytest.raises(ValueError, match="event shapes"):
            kl_divergence(family(np.ones(2), 1.0), family(np.ones(3), 1.0))
        for bad in (-1.0, 0.0, math.nan):
            with pytest.raises(ValueError, match="needs p"):
                family.fit(np.array([[0.5], [bad]]))
        q = family(np.ones(2), 1.0)
        assert kl_divergence_vjp(q, q)[1](None) == ((None, None), (None, None))
