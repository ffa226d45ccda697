"""KL between von Mises-Fisher and power spherical laws, both ways: quadrature, limits, Monte Carlo and pullbacks."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from vmf_quadrature import panels, unit_rows

from geomlat.distributions import (
    PowerSpherical,
    SphericalUniform,
    VonMisesFisher,
    kl_divergence,
    kl_divergence_vjp,
    kl_estimate,
    kl_method,
)
from geomlat.distributions._vmf_power_kl import mean_log_h
from geomlat.grad import gradcheck
from geomlat.special import digamma_diff, vmf_kl

KAPPAS = [(2.0, 5.0), (30.0, 2.0), (0.0, 3.0), (3.0, 0.0), (9.0, 60.0)]


def sphere_rule():
    """With the south pole where log h is singular: (1 + w)/2 = u^4."""
    u, weight = np.polynomial.legendre.leggauss(150)
    u, weight = 0.5 * (1 + u), 0.5 * weight
    w, weight = 2 * u**4 - 1, 8 * u**3 * weight
    turn = 2 * math.pi * np.arange(128) / 128
    rim = (2 * u**2 * np.sqrt(1 - u**4))[:, None]
    x = np.stack(np.broadcast_arrays(rim * np.cos(turn), rim * np.sin(turn), w[:, None]), -1)
    return x, np.repeat(weight[:, None], 128, 1) * (2 * math.pi / 128)


@pytest.mark.parametrize(("kq", "kp"), KAPPAS)
def test_by_the_densities_on_the_sphere_and_the_circle(kq, kp):
    gen = np.random.default_rng(1)
    for m in (2, 3):
        mu_q, mu_p = unit_rows(gen, 2, m)
        if m == 3:
            mu_p, (x, weight) = np.eye(3)[2], sphere_rule()
        else:
            x, weight = graded(mu_p)
        q, p = VonMisesFisher(mu_q, kq), PowerSpherical(mu_p, kp)
        log_q, log_p = q.log_prob(x), p.log_prob(x)
        there = np.sum(weight * np.exp(log_q) * (log_q - log_p))
        back = np.sum(weight * np.exp(log_p) * (np.maximum(log_p, -700.0) - log_q))
        assert float(kl_divergence(q, p)) == pytest.approx(there, rel=1e-7 if m == 3 else 1e-10, abs=0.0)
        assert float(kl_divergence(p, q)) == pytest.approx(back, rel=1e-7 if m == 3 else 1e-10, abs=1e-13)


def graded(mu):
    """Nodes on the circle in panels that shrink towards -mu."""
    edges = np.concatenate([[0.0], math.pi * 2.0 ** -np.arange(34, -1, -1)])
    parts = [panels(a, b, 1 if b < 0.1 else 12) for a, b in itertools.pairwise(edges)]
    off, weight = (np.concatenate(v) for v in zip(*parts, strict=True))
    off, weight = np.concatenate([off, -off]), np.tile(weight, 2)
    normal = np.array([-mu[1], mu[0]])
    return -np.cos(off)[:, None] * mu + np.sin(off)[:, None] * normal, weight


@pytest.mark.parametrize(
    ("m", "kappa", "chord"),
    [(2, 1.0, 0.0), (2, 0.5, 2.0), (2, 30.0, 1.9), (3, 100.0, 1.3), (5, 10.0, 0.0), (20, 3.0, 2.0)],
)
def test_mean_of_log_h_against_high_precision(m, kappa, chord):
    """The marginal law of the angle with mu_p, in mpmath."""
    with mp.workdps(25):
        a, k = 2 * mp.asin(mp.sqrt(mp.mpf(chord) / 2)), mp.mpf(kappa)

        def density(b):
            x = k * mp.sin(a) * mp.sin(b)
            around = mp.cosh(x) if m == 2 else mp.hyp0f1(mp.mpf(m - 1) / 2, (x / 2) ** 2)
            return mp.exp(k * (mp.cos(a) * mp.cos(b) - 1)) * around * mp.sin(b) ** (m - 2)

        width = 1 / mp.sqrt(k + m)
        marks = [a + j * width for j in range(-11, 12, 2)] + [mp.pi - mp.mpf(10) ** -j for j in range(1, 5)]
        marks = sorted({mp.mpf(0), mp.pi, *(b for b in marks if 0 < b < mp.pi)})
        expected = mp.quad(lambda b: density(b) * 2 * mp.log(mp.cos(b / 2)), marks) / mp.quad(density, marks)
        assert float(mean_log_h(float(m), kappa, chord)[0]) == pytest.approx(float(expected), rel=1e-13, abs=0.0)


@pytest.mark.parametrize("m", [2, 3, 20, 1000])
def test_limits(m):
    gen = np.random.default_rng(m)
    mu_q, mu_p = unit_rows(gen, 2, 40, m)
    kq, kp = 10 ** gen.uniform(-6, 8, (2, 40))
    q, p = VonMisesFisher(mu_q, kq), PowerSpherical(mu_p, kp)
    assert np.all(kl_divergence(q, p) >= -1e-12 * (1 + kp))
    np.testing.assert_allclose(
        kl_divergence(q, PowerSpherical(mu_p, 0.0)), vmf_kl(float(m), kq), rtol=1e-13, atol=1e-16
    )
    flat = kl_divergence(VonMisesFisher(mu_q, 0.0), p)
    np.testing.assert_allclose(flat, kl_divergence(VonMisesFisher(-mu_p, 0.0), p), rtol=1e-12, atol=1e-14)
    half = 0.5 * (m - 1)
    expected = kp * digamma_diff(half, np.full(40, half)) - (
        kl_divergence(p, SphericalUniform(m - 1)) + kp * digamma_diff(half + kp, half)
    )
    np.testing.assert_allclose(flat, expected, rtol=1e-12, atol=1e-13 * np.max(np.abs(expected)))
    # Equal modes and matched widths: the two families tend to the same normal law.
    near = kl_divergence(VonMisesFisher(mu_p, 1e6), PowerSpherical(mu_p, 2e6))
    assert np.all(np.abs(near) < 1e-5 * m * m)


def test_against_draws():
    gen = np.random.default_rng(5)
    for m in (4, 30):
        q, p = VonMisesFisher(unit_rows(gen, m), 12.0), PowerSpherical(unit_rows(gen, m), 7.0)
        assert kl_method(q, p) == "quadrature"
        z = q.sample(100_000, rng=1)
        excess = q.log_prob(z) - p.log_prob(z)
        assert abs(excess.mean() - float(kl_divergence(q, p))) < 4.5 * excess.std() / math.sqrt(100_000)
        assert kl_estimate(p, q, rng=0).method == "closed form"


@pytest.mark.parametrize("m", [2, 3, 8, 200])
def test_pullback(m):
    gen = np.random.default_rng(m)
    args = unit_rows(gen, 4, m), gen.uniform(0.3, 20, 4), unit_rows(gen, m), gen.uniform(0.3, 20, (3, 1))

    def vjp(mu_q, kq, mu_p, kp):
        value, pull = kl_divergence_vjp(VonMisesFisher(mu_q, kq), PowerSpherical(mu_p, kp))
        return value, lambda dk: tuple(g for d in pull(dk) for g in d)

    gradcheck(vjp, *args, step=1e-3)
    near = args[2] + 0.02 * gen.standard_normal((4, m))
    gradcheck(vjp, near / np.linalg.norm(near, axis=-1, keepdims=True), *args[1:], step=1e-3, directions=1)
    q, p = VonMisesFisher(args[0], args[1]), PowerSpherical(args[2], args[3])
    assert kl_divergence_vjp(q, p)[1](None) == ((None, None), (None, None))
    narrow = VonMisesFisher(args[0].astype(np.float32), args[1].astype(np.float32))
    value, pull = kl_divergence_vjp(narrow, PowerSpherical(args[2].astype(np.float32), args[3].astype(np.float32)))
    assert value.dtype == np.float32
    assert {g.dtype for d in pull(np.ones_like(value)) for g in d} == {np.dtype(np.float32)}
    np.testing.assert_allclose(value, kl_divergence(q, p), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="one sphere"):
        kl_divergence(q, PowerSpherical(np.eye(m + 1)[0], 1.0))


@pytest.mark.parametrize("chord", [0.3, 1.0, 1.7])
def test_the_slope_by_the_chord_keeps_its_digits_at_large_concentrations(chord):
    """E log h tends to log(1 - chord/2) with an error of order 1/kappa."""
    limit = -0.5 / (1.0 - 0.5 * chord)
    wide, narrow = (float(mean_log_h(3.0, kappa, chord)[2]) for kappa in (1e5, 1e8))
    assert narrow == pytest.approx(limit + 1e-3 * (wide - limit), rel=3e-12, abs=0.0)


@pytest.mark.parametrize(("m", "kappa"), [(2.0, 3.0), (5.0, 10.0), (40.0, 200.0)])
def test_the_slope_by_the_chord_goes_on_to_equal_directions(m, kappa):
    values = [float(mean_log_h(m, kappa, chord)[2]) for chord in (0.0, 1e-7, 2e-7)]
    assert values[0] == pytest.approx(2.0 * values[1] - values[2], rel=1e-11, abs=0.0)
