"""The distributions on other array libraries and in the CUDA simulator."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import Normal, SphericalUniform, VonMisesFisher, kl_divergence, kl_divergence_vjp


@pytest.fixture(params=["torch", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def same(a, b):
    assert type(a) is not np.ndarray
    np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("estimator", ["implicit", "rejection", "score"])
def test_von_mises_fisher(xp, m, estimator):
    gen = np.random.default_rng(0)
    mu, kappa, dz, cost = unit_rows(gen, 4, m), gen.uniform(0, 9, 4), gen.standard_normal((2, 4, m)), np.ones((2, 4))
    ours = VonMisesFisher(mu, kappa, estimator)
    q = VonMisesFisher(xp.asarray(mu), xp.asarray(kappa), estimator)
    same(q.sample((2,), rng=1), ours.sample((2,), rng=1))
    z, pull = q.rsample_vjp(q.draw((2,), rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw((2,), rng=1))
    same(z, expected)
    for got, want in zip(
        pull(xp.asarray(dz), advantage=xp.asarray(cost)), expected_pull(dz, advantage=cost), strict=True
    ):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    same(log_q, ours.log_prob(expected))
    for got, want in zip(pull(xp.asarray(cost)), ours.log_prob_vjp(expected)[1](cost), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(q.mean(), ours.mean())
    same(kl_divergence(q, SphericalUniform(m - 1)), kl_divergence(ours, SphericalUniform(m - 1)))
    value, pull = kl_divergence_vjp(q, q)
    same(value, np.zeros(4))
    same(pull(xp.asarray(cost[0]))[0][1], np.zeros(4))
    same(SphericalUniform(m - 1).log_prob(z), SphericalUniform(m - 1).log_prob(expected))
    fit = VonMisesFisher.fit(z)
    same(fit.kappa, VonMisesFisher.fit(expected).kappa)


def test_normal(xp):
    gen = np.random.default_rng(0)
    loc, scale = gen.standard_normal((4, 3)), gen.uniform(0.5, 2, 3)
    ours, q = Normal(loc, scale), Normal(xp.asarray(loc), xp.asarray(scale))
    same(q.sample(2, rng=1), ours.sample(2, rng=1))
    z, pull = q.rsample_vjp(q.draw(rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw(rng=1))
    for got, want in zip(pull(z), expected_pull(expected), strict=True):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    for got, want in zip(pull(log_q), ours.log_prob_vjp(expected)[1](ours.log_prob(expected)), strict=True):
        same(got, want)
    same(q.entropy(), ours.entropy())
    same(kl_divergence(q, q), np.zeros(4))
    same(Normal.fit(z).scale, Normal.fit(expected).scale)


SIMULATED = """
import numpy as np
from geomlat.distributions import _vmf_rules as rules, _vmf_sampling as sampling
from geomlat.random import normal, stream

words = stream(3).words
for m, closed, estimator in ((2, 0, 0), (3, 1, 0), (3, 0, 1), (6, 0, 0), (5, 0, 2)):
    gen = np.random.default_rng(m)
    mu = gen.standard_normal((4, m))
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    kappa, tail = np.array([0.0, 1e-12, 4.0, 1e6]), np.array([1.0, 1.0, 0.3, 1e-6])
    results = []
    for run in ("cpu", "cuda"):
        b, radial, z, dmu, dkappa = np.empty(8), np.empty(8), np.empty((8, m)), np.empty((8, m)), np.empty(8)
        if closed:
            getattr(sampling._levels, run)(8, words, radial)
        else:
            getattr(sampling._envelopes, run)(8, 0, m, kappa, b)
            getattr(sampling._odds, run)(8, np.arange(8, dtype=np.uint64), words, m, b, 0, radial)
            getattr(sampling._last_odds, run)(8, words, m, b, 1, radial)
        normals = normal((8, m - 1), rng=3)
        getattr(sampling._place, run)(8, 0, mu, kappa, radial, normals, closed, z)
        dz = np.random.default_rng(1).standard_normal((8, m))
        getattr(rules._rsample_pull, run)(
            8, mu, kappa, tail, radial, normals, dz, np.ones(1), closed, estimator, dmu, dkappa)
        results.append((radial, z, dmu, dkappa))
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)
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
