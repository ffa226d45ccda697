"""The sampler of the von Mises-Fisher law: its law, its reproducibility, its edges."""

import math
from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import KAPPA, M, cdf_of_t, unit_rows

from geomlat.distributions import SphericalUniform, VonMisesFisher
from geomlat.distributions._vmf_levels import single_heights
from geomlat.distributions._vmf_sampling import beta_odds, beta_radius
from geomlat.random import stream
from geomlat.special.vmf import vmf_dratio, vmf_one_minus_ratio

LEVEL = 1e-3
CELLS = [(m, k, "implicit") for m in M for k in KAPPA] + [(3, k, "rejection") for k in KAPPA]
CHECKS = 5
DEFAULT = {(2, 10.0), (3, 0.5), (3, 100.0), (6, 0.0), (11, 11.0), (41, 20.0), (128, 1e8)}
GRID = [
    pytest.param(i, id=f"{m}-{k:g}-{e}", marks=[] if (m, k) in DEFAULT else [pytest.mark.slow])
    for i, (m, k, e) in enumerate(CELLS)
]


def draws(q, count, seed, block=40_000):
    """Blocks of one long draw."""
    for start in range(0, count, block):
        yield q.sample(min(block, count - start), rng=stream(seed).at(start))


@pytest.mark.parametrize("cell", GRID)
def test_law(cell):
    """Distribution and moments of t, uniform directions independent of t: each p-value above LEVEL / all checks."""
    m, kappa, estimator = CELLS[cell]
    gen = np.random.default_rng(1000 + cell)
    mu, count = unit_rows(gen, m), 400_000
    a = gen.standard_normal(m)
    a = (a - (a @ mu) * mu) / np.linalg.norm(a - (a @ mu) * mu)
    q = VonMisesFisher(mu, kappa, estimator=estimator)
    t, along, total = np.empty(count), np.empty(count), np.zeros(m)
    at = 0
    for z in draws(q, count, 2000 + cell):
        u = z - mu
        here = slice(at, at + len(z))
        t[here] = 0.5 * np.sum(u * u, axis=1)
        side = u + t[here, None] * mu
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        along[here] = side @ a
        total += side.sum(0)
        at += len(z)
        assert np.abs(np.linalg.norm(z, axis=1) - 1).max() < 1e-14
    p_values = [stats.kstest(cdf_of_t(m, kappa, t), "uniform").pvalue]
    mean, var = float(vmf_one_minus_ratio(m, kappa)), float(vmf_dratio(m, kappa))
    p_values.append(z_test((t - mean) / math.sqrt(var)))
    p_values.append(z_test((t - mean) ** 2 / var - 1))
    p_values.append(stats.chi2.sf((m - 1) * (total @ total) / count, m - 1))
    if m == 2:
        p_values.append(z_test(along * (t - mean)))
    else:
        p_values.append(stats.kstest(0.5 * (1 + along), stats.beta(m / 2 - 1, m / 2 - 1).cdf).pvalue)
    assert min(p_values) > LEVEL / (CHECKS * len(CELLS)), p_values


def z_test(x):
    return 2 * stats.norm.sf(abs(x.mean()) / (x.std() / math.sqrt(len(x))))


@pytest.mark.parametrize("m", [3, 5])
def test_agrees_with_scipy(m):
    mu = unit_rows(np.random.default_rng(0), m)
    ours = VonMisesFisher(mu, 7.0).sample(20_000, rng=11) @ mu
    theirs = stats.vonmises_fisher(mu, 7.0).rvs(20_000, random_state=12) @ mu
    assert stats.ks_2samp(ours, theirs).pvalue > 1e-3


def test_broadcasting_equals_rows():
    gen = np.random.default_rng(3)
    mu, kappa = unit_rows(gen, 4, 1, 5), gen.uniform(0, 9, 3)
    z = VonMisesFisher(mu, kappa).sample(2, rng=8)
    full = VonMisesFisher(np.broadcast_to(mu, (4, 3, 5)).copy(), np.broadcast_to(kappa, (4, 3)).copy()).sample(2, rng=8)
    assert z.shape == (2, 4, 3, 5)
    assert np.array_equal(z, full)


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("kappa", [0.0, 1e-12, 1e-3, 5.0, 1e6, 1e12])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_axis_aligned_means(m, kappa, sign):
    for axis in range(m):
        mu = sign * np.eye(m)[axis]
        z = VonMisesFisher(mu, kappa).sample(200, rng=1)
        np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-15)
        # At one seed the same t is drawn whatever mu is.
        t = 0.5 * np.sum((z - mu) ** 2, axis=1)
        other = VonMisesFisher(np.eye(m)[0], kappa).sample(200, rng=1)
        np.testing.assert_allclose(t, 0.5 * np.sum((other - np.eye(m)[0]) ** 2, axis=1), rtol=1e-6, atol=1e-15)


@pytest.mark.parametrize("m", [2, 4, 7])
def test_float32_draws_the_same_heights(m):
    gen = np.random.default_rng(2)
    mu = unit_rows(gen, 6, m).astype(np.float32)
    kappa = np.array([0, 0.5, 10, 1e3, 1e5, 1e8], dtype=np.float32)
    q, wide = VonMisesFisher(mu, kappa), VonMisesFisher(mu.astype(float), kappa.astype(float))
    z = q.sample(50, rng=1)
    assert z.dtype == np.float32
    assert q.draw(rng=1).radial.dtype == np.float64
    assert np.array_equal(q.draw(50, rng=1).radial, wide.draw(50, rng=1).radial)
    np.testing.assert_allclose(np.sum(z * mu, -1), np.sum(wide.sample(50, rng=1) * mu, -1), atol=5e-7)
    t = 0.5 * np.sum((z.astype(float) - mu) ** 2, axis=-1).mean(0)
    assert t[-1] < 1e-7


def test_float32_levels_at_m_3():
    # Two rows share a counter: uniform, any two neighbours independent, at an odd start and across the index's upper
    # word, and no cut shows. Level 1e-4 for the checks together.
    q = VonMisesFisher(np.array([0.6, 0.0, 0.8], np.float32), np.float32(2.0))
    start = 2**33 - 4001
    noise = q.draw(100_003, rng=stream(5).at(start))
    u, angle = noise.radial, np.arctan2(noise.tangent[:, 1], noise.tangent[:, 0]) / (2 * math.pi)
    assert u.dtype == np.float64
    assert np.array_equal(u * 2.0**33 % 2, np.ones(len(u)))
    p = [stats.kstest(u, "uniform").pvalue, stats.kstest(angle % 1.0, "uniform").pvalue]
    sums = [u[1:] + u[:-1], u + angle, u[1:] + angle[:-1], u[:-1] + angle[1:], angle[1:] + angle[:-1]]
    p += [stats.kstest(x % 1.0, "uniform").pvalue for x in sums]
    assert min(p) > 1e-4 / len(p), p
    for low, high in ((1, 2), (3, 5002), (4000, 4003)):
        part = q.draw(high - low, rng=stream(5).at(start + low))
        assert np.array_equal(part.radial, u[low:high])
        assert np.array_equal(part.tangent, noise.tangent[low:high])


def test_float32_heights_keep_their_digits():
    # t of a level to 6e-7 of itself, or 2 - t where that is the smaller, at every concentration.
    gen = np.random.default_rng(4)
    ends = 10.0 ** gen.uniform(-15.5, -0.3, 300)
    levels = np.concatenate([ends, 1.0 - ends, gen.random(300)])
    for kappa in (0.0, 1e-20, 1e-6, 0.1, 1.0, 3.0, 11.0, 40.0, 1e3, 1e5, 1e8, 1e12):
        k, t = np.full(levels.size, kappa, np.float32), np.empty(levels.size, np.float32)
        single_heights(k, np.empty_like(t), np.empty_like(t), t, levels)
        for level, found in zip(levels, t.astype(float), strict=True):
            exact, rest = exact_heights(float(np.float32(kappa)), level)
            wanted = exact if found > 0 else -rest
            assert abs(found - wanted) <= 6e-7 * abs(wanted), (kappa, level)
            assert (rest <= 1.2) if found < 0 else (rest >= min(0.9, 0.69 / max(kappa, 1e-3))), (kappa, level)


def exact_heights(kappa, level):
    """t and 2 - t of a level, by mpmath."""
    with mp.workdps(60):
        if kappa == 0:
            return float(2 * mp.mpf(level)), float(2 * (1 - mp.mpf(level)))
        k = mp.mpf(kappa)
        t = -mp.log1p(mp.mpf(level) * mp.expm1(-2 * k)) / k
        return float(t), float(2 - t)


@pytest.mark.parametrize("m", [2, 3, 4, 32, 33, 200, 1100])
@pytest.mark.parametrize("kappa", [0.0, 3.0, 1e4])
def test_float32_points_are_those_of_float64(m, kappa):
    # The same noise: coordinates to a few roundings of 1, norms to one or two, also from mu a rounding shorter than 1.
    gen = np.random.default_rng(m)
    mu = unit_rows(gen, 300, m).astype(np.float32)
    mu[:2] = -np.eye(m)[:2]
    q = VonMisesFisher(mu, np.float32(kappa))
    noise = q.draw(2, rng=3)
    z = q.rsample(noise)
    exact = VonMisesFisher(mu.astype(float), kappa).rsample(replace(noise, tangent=noise.tangent.astype(float)))
    assert z.dtype == np.float32
    assert np.array_equal(z, q.sample(2, rng=3))
    np.testing.assert_allclose(z, exact, rtol=0, atol=4e-7)
    np.testing.assert_allclose(np.linalg.norm(z.astype(float), axis=-1), 1, rtol=6e-8 if m <= 32 else 2.5e-7)


@pytest.mark.parametrize("m", [2, 3, 4, 12])
def test_float32_directions(m):
    # Across mu: uniform on the sphere below, in any rows of the draw, at any offset. Level 1e-4 for four checks.
    mu = unit_rows(np.random.default_rng(m), m).astype(np.float32)
    z = VonMisesFisher(mu, 3.0).sample(100_003, rng=stream(7).at(5)).astype(float)
    a = np.linalg.svd(mu[None].astype(float))[2][1]
    side = z - (z @ mu)[:, None] * mu
    along = (side @ a) / np.linalg.norm(side, axis=1)
    p = [stats.binomtest(int((along > 0).sum()), len(z)).pvalue]
    if m > 2:
        law = stats.beta((m - 2) / 2, (m - 2) / 2)
        p.append(stats.kstest(0.5 * (1 + along), law.cdf).pvalue)
    part = VonMisesFisher(mu, 3.0).sample(1000, rng=stream(7).at(2005))
    assert np.array_equal(part, z[2000:3000].astype(np.float32))
    assert min(p) > 1e-4 / 4, p


def test_scalars_of_the_proposal():
    with mp.workdps(40):
        for m in (2, 3, 6, 1000):
            for u1, u2 in ((0.3, 0.2), (1e-13, 0.5 - 1e-13), (1 - 1e-13, 1e-13), (0.999, 0.75)):
                r = mp.sqrt(1 - mp.mpf(u1) ** (mp.mpf(2) / (m - 2))) if m > 2 else mp.mpf(1)
                x = r * mp.cos(2 * mp.pi * mp.mpf(u2))
                found = beta_odds(*beta_radius(m, math.log(u1)), u2)
                assert float(found) == pytest.approx(float((1 - x) / (1 + x)), rel=1e-14, abs=0)


def test_zero_size_and_read_only():
    q = VonMisesFisher(np.empty((0, 3)), np.empty(0))
    assert q.sample(4, rng=0).shape == (4, 0, 3)
    mu = unit_rows(np.random.default_rng(0), 4, 3)
    mu.flags.writeable = False
    assert VonMisesFisher(mu, 2.0).sample(rng=0).shape == (4, 3)
    strided = np.asfortranarray(mu)
    assert np.array_equal(VonMisesFisher(strided, 2.0).sample(rng=0), VonMisesFisher(mu, 2.0).sample(rng=0))


def test_bad_input():
    mu = np.array([0.0, 1.0, 0.0])
    for bad in (-1.0, math.nan, math.inf, np.array([1.0, -2.0])):
        with pytest.raises(ValueError, match="kappa must be finite and >= 0"):
            VonMisesFisher(mu, bad)
    with pytest.raises(ValueError, match="unit length"):
        VonMisesFisher(2 * mu, 1.0)
    with pytest.raises(ValueError, match="m >= 2"):
        VonMisesFisher(np.ones(1), 1.0)
    with pytest.raises(ValueError, match="do not broadcast"):
        VonMisesFisher(np.stack([mu, mu]), np.ones(3))
    with pytest.raises(ValueError, match="estimator must be one of implicit, rejection, score"):
        VonMisesFisher(mu, 1.0, estimator="pathwise")
    with pytest.raises(TypeError, match="float32 or float64"):
        VonMisesFisher(mu.astype(np.float16), np.float16(1.0))
    with pytest.raises(ValueError, match=r"\(\.\.\., 3\)"):
        VonMisesFisher(mu, 1.0).log_prob(np.ones(4))
    with pytest.raises(ValueError, match="drawn for another"):
        VonMisesFisher(mu, 1.0).rsample(VonMisesFisher(mu, 1.0, "rejection").draw(rng=0))
    with pytest.raises(ValueError, match="n >= 1"):
        SphericalUniform(0)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_spherical_uniform(n):
    u = SphericalUniform(n)
    z = u.sample(100_000, rng=n)
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1, rtol=1e-14)
    a = unit_rows(np.random.default_rng(n), n + 1)
    assert stats.kstest(0.5 * (1 + z @ a), stats.beta(n / 2, n / 2).cdf).pvalue > 1e-4
    area = {1: 2 * math.pi, 2: 4 * math.pi, 4: 8 * math.pi**2 / 3}[n]
    np.testing.assert_allclose(u.log_prob(z[:3]), -math.log(area), rtol=1e-15)
    assert u.entropy() == pytest.approx(math.log(area), rel=1e-15, abs=0.0)
    assert u.log_prob(z[:3].astype(np.float32)).dtype == np.float32
    assert SphericalUniform.fit(z) == u
    assert u.rsample_vjp(z)[1](z) == ()
    assert u.log_prob_vjp(z)[1](z[:, 0]) == (None,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_draws_into_an_array_of_the_caller(dtype):
    q = VonMisesFisher(np.eye(4, dtype=dtype)[:2], np.array([0.5, 30.0], dtype=dtype))
    out = np.full((7, 2, 4), np.nan, dtype=dtype)
    assert q.sample(7, rng=3, out=out) is out
    np.testing.assert_array_equal(out, q.sample(7, rng=3))
    other = np.float64 if dtype == np.float32 else np.float32
    for bad in (np.empty((2, 7, 4), dtype), np.empty((7, 2, 4), other), np.empty((7, 4, 2), dtype).swapaxes(1, 2)):
        with pytest.raises(ValueError, match="C-contiguous"):
            q.sample(7, rng=3, out=bad)
