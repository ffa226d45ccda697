"""The power spherical sampler, its frozen noise and its implicit gradient."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from scipy.special import betaln
from vmf_quadrature import unit_rows

from geomlat.distributions import PowerSpherical
from geomlat.distributions._beta_stein import beta_stein, beta_stein_scalar
from geomlat.distributions._gamma_sampling import log1p_remainder
from geomlat.grad import gradcheck
from geomlat.special import digamma_diff

LEVEL = 1e-3
CELLS = [(m, k) for m in (2, 3, 4, 6, 21, 128) for k in (0.0, 0.5, 2.0, 20.0, 1e4, 1e8, 1e12)]
CHECKS = 4


def z_test(x):
    return 2 * stats.norm.sf(abs(x.mean()) / (x.std() / math.sqrt(len(x))))


@pytest.mark.parametrize("cell", range(len(CELLS)))
def test_law(cell):
    """Distribution of (1 - w)/2, uniform directions independent of it: each p-value above LEVEL / all checks."""
    m, kappa = CELLS[cell]
    gen = np.random.default_rng(1000 + cell)
    mu, count = unit_rows(gen, m), 50_000 if m < 100 else 10_000
    a = gen.standard_normal(m)
    a = (a - (a @ mu) * mu) / np.linalg.norm(a - (a @ mu) * mu)
    z = PowerSpherical(mu, kappa).sample(count, rng=2000 + cell)
    u = z - mu
    t = 0.5 * np.sum(u * u, axis=1)
    side = u + t[:, None] * mu
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    along, total = side @ a, side.sum(0)
    half = 0.5 * (m - 1)
    law = stats.beta(half, half + kappa)
    p_values = [
        stats.kstest(np.minimum(0.5 * t, 1.0), law.cdf).pvalue,
        z_test((0.5 * t - law.mean()) / law.std()),
        stats.chi2.sf((m - 1) * (total @ total) / count, m - 1),
        z_test(along * (0.5 * t / law.mean() - 1))
        if m == 2
        else stats.kstest(0.5 * (1 + along), stats.beta(m / 2 - 1, m / 2 - 1).cdf).pvalue,
    ]
    assert np.abs(np.linalg.norm(z, axis=1) - 1).max() < 1e-14
    assert min(p_values) > LEVEL / (CHECKS * len(CELLS)), p_values


def test_log1p_remainder():
    for e in (-0.9, -0.0501, -0.0499, 1e-3, 0.03, 0.0499, 0.0501, 2.0):
        with mp.workdps(40):
            x = mp.mpf(e)
            expected = float(mp.log1p(x) - x + x**2 / 2 - x**3 / 3)
        assert log1p_remainder(e) == pytest.approx(expected, rel=1e-9 if 0.05 < abs(e) < 0.06 else 1e-14, abs=0.0)


def test_the_series_of_log1p_remainder_reaches_the_rounding():
    # At its ends the last two terms are 12 and 6 roundings, which a mean over many points tells from their noise.
    for low in (-0.05, 0.049):
        points = np.linspace(low, low + 0.001, 102)[1:-1].tolist()
        with mp.workdps(40):
            exact = [mp.log1p(x) - x + mp.mpf(x) ** 2 / 2 - mp.mpf(x) ** 3 / 3 for x in points]
            errors = [float(log1p_remainder(x) / e - 1) for x, e in zip(points, exact, strict=True)]
        assert abs(np.mean(errors)) < 3e-16


# ---- the implicit derivative ----


def mp_beta_stein(a, b, x):
    """int of (log u - E log u) over the tail, divided by the density in the logit, at the precision of mpmath."""
    a, b = mp.mpf(a), mp.mpf(b)
    mean, start = mp.psi(0, a) - mp.psi(0, a + b), mp.log(x / (1 - x))

    def log_p(s):
        return -a * mp.log1p(mp.exp(-s)) - b * mp.log1p(mp.exp(s))

    step = 3 / mp.sqrt((a + b) * x * (1 - x)) if min(a, b) > 2 else mp.mpf(2)
    step = min(step, 2) * (1 if mp.log(x) >= mean else -1)
    points = [start]
    while log_p(points[-1]) - log_p(start) > -60:
        points.append(points[-1] + step)
    return mp.quad(lambda s: (-mp.log1p(mp.exp(-s)) - mean) * mp.exp(log_p(s) - log_p(start)), points)


@pytest.mark.parametrize(("m", "kappa"), [(2, 1e-3), (2, 40.0), (4, 2.0), (5, 1e6), (16, 50.0), (40, 8.0), (1000, 1e3)])
def test_beta_stein_against_mpmath(m, kappa):
    b = 0.5 * (m - 1)
    a = b + kappa
    for level in (1e-6, 0.05, 0.5, 0.95, 1 - 1e-6):
        miss = float(stats.beta(b, a).isf(level))
        with mp.workdps(25):
            exact = float(mp_beta_stein(a, b, 1 - mp.mpf(miss)))
        assert beta_stein_scalar(a, b, 1 - miss, miss) == pytest.approx(exact, rel=1e-13, abs=0.0)


def test_beta_stein_limits_and_expectation():
    for a, b in ((0.5, 0.5), (3.0, 1.5), (700.0, 20.0)):
        end = float(digamma_diff(a, b)) / b
        assert float(beta_stein(a, b, 1.0, 0.0)) == pytest.approx(end, rel=1e-15, abs=0.0)
        assert float(beta_stein(a, b, 1.0, 1e-13 / a)) == pytest.approx(end, rel=1e-9, abs=0.0)
        # E[x (1 - x) ds/da] is the derivative of the mean a / (a + b).
        logit = stats.logistic
        s = np.linspace(-45 / a - 3 if a < 9 else math.log(a / b) - 12, 45 / b + 3 if b < 9 else 16, 8001)
        x, rest = logit.cdf(s), logit.sf(s)
        mass = np.exp(a * logit.logcdf(s) + b * logit.logsf(s) - betaln(a, b)) * (s[1] - s[0])
        assert mass.sum() == pytest.approx(1, rel=1e-9, abs=0.0)
        expected = b / (a + b) ** 2
        assert (mass * x * rest * beta_stein(a, b, x, rest)).sum() == pytest.approx(expected, rel=1e-9, abs=0.0)


@pytest.mark.parametrize("m", [2, 4, 9])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 1e6])
def test_mean_direction_at_frozen_noise(m, kappa):
    mu = np.concatenate([unit_rows(np.random.default_rng(m), 4, m), np.eye(m)[:1], -np.eye(m)[:1]])
    noise = PowerSpherical(mu, kappa).draw(rng=2)

    def vjp(mu):
        z, pull = PowerSpherical(mu, kappa).rsample_vjp(noise)
        return z, lambda dz: pull(dz)[0]

    gradcheck(vjp, mu, step=1e-3)


@pytest.mark.parametrize(("m", "kappa"), [(2, 1.0), (3, 10.0), (5, 2.0), (11, 5.0), (41, 20.0)])
def test_unbiased(m, kappa):
    """d/dkappa of E <c, z> and of E <mu, z>^2, which are rational."""
    gen = np.random.default_rng(m)
    mu, c = unit_rows(gen, 2, m)
    q = PowerSpherical(mu, np.full(50_000, kappa))
    z, pull = q.rsample_vjp(q.draw(rng=100 + m))
    linear = pull(np.broadcast_to(c, z.shape))[1]
    square = pull(2 * (z @ mu)[:, None] * mu)[1]
    total = kappa + m - 1
    exact_linear = (m - 1) / total**2 * (c @ mu)
    # E w^2 = 1 - 4 E h (1 - h) = 1 - 4 a (a + kappa) / (total (total + 1)), a = (m - 1)/2.
    a = 0.5 * (m - 1)
    exact_square = -4 * a * (1 / (total * (total + 1)) - (a + kappa) * (2 * total + 1) / (total * (total + 1)) ** 2)
    limit = stats.norm.isf(LEVEL / 2 / 10)
    for g, exact in ((linear, exact_linear), (square, exact_square)):
        assert abs(g.mean() - exact) < limit * g.std() / math.sqrt(len(g))


def test_edges_and_structural_zeros():
    for m in (2, 3, 5, 9):
        q = PowerSpherical(np.eye(m)[0], np.array([0.0, 1e-300, 1e-8, 1e8, 1e12]))
        z, pull = q.rsample_vjp(q.draw((50,), rng=1))
        assert all(np.all(np.isfinite(g)) for g in pull(np.ones_like(z)))
        assert pull(None) == (None, None)
        np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1, rtol=1e-14)


# ---- other libraries and the CUDA simulator ----


SIMULATED = """
import numpy as np
from geomlat.distributions import _gamma_sampling, _power_rules as rules
from geomlat.distributions._beta_stein import beta_stein
from geomlat.random import stream

words = np.append(stream(3).words, np.uint64(5))
for m in (2, 3, 6):
    gen = np.random.default_rng(m)
    mu = gen.standard_normal((4, m))
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    x, results = mu[::-1].copy(), []
    kappa, constant = np.array([0.0, 1e-12, 4.0, 1e6]), np.zeros(1)
    for run in ("cpu", "cuda"):
        radial, value, dx, dmu, dkappa = np.empty(8), np.empty(4), np.empty((4, m)), np.empty((4, m)), np.empty(4)
        # Workers of four rows, as on the CPU, and of one, as on a GPU, give the same draws.
        workers, per = (2, 4) if run == "cpu" else (8, 1)
        left, work = np.empty((workers, per), np.uint64), np.empty((workers, 2, per))
        getattr(_gamma_sampling._log_gamma, run)(workers, left, work, words, kappa + (m - 1) / 2, radial)
        getattr(rules._log_prob, run)(4, x, mu, kappa, constant, value)
        getattr(rules._log_prob_pull, run)(4, x, mu, kappa, constant, np.ones(4), dx, dmu, dkappa)
        y = np.empty(8)
        getattr(beta_stein.loop, run)(
            8, np.array([m + 4.0]), np.array([m / 2]), np.linspace(0.01, 0.99, 8), np.linspace(0.99, 0.01, 8), y)
        results.append((radial, value, dx, dmu, dkappa, y))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)
print("equal")
"""


@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")
def test_the_same_draws_in_the_cuda_simulator():
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED],
        env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "equal", done.stderr
