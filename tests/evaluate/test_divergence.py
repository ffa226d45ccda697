"""Divergences on the sphere by quadrature, against closed forms and the published case."""

import math

import numpy as np
import pytest

from geomlat.data import spherical_modes
from geomlat.distributions import Mixture, VonMisesFisher, kl_divergence
from geomlat.evaluate import divergences, sphere_nodes


def test_the_rule_integrates_polynomials():
    x, weights = sphere_nodes(6)
    assert len(x) == 72
    assert weights.sum() == pytest.approx(4 * math.pi, rel=1e-14, abs=0.0)
    moments = np.einsum("n,ni,nj,nk,nl->ijkl", weights, x, x, x, x)
    assert moments[0, 0, 0, 0] == pytest.approx(4 * math.pi / 5)
    assert moments[0, 0, 2, 2] == pytest.approx(4 * math.pi / 15)
    assert abs(moments[0, 1, 2, 2]) < 1e-14


def test_divergences_between_von_mises_fisher_laws():
    p, q = VonMisesFisher(np.array([0.0, 0.6, 0.8]), 8.0), VonMisesFisher(np.array([0.0, 0.0, 1.0]), 3.0)
    x, weights = sphere_nodes(60)
    found = divergences(p.log_prob(x), q.log_prob(x), weights, border=1e-3)
    assert found.mass == pytest.approx(1.0, abs=1e-12)
    assert found.forward == pytest.approx(float(kl_divergence(p, q)), rel=1e-10, abs=0.0)
    assert found.reverse == pytest.approx(float(kl_divergence(q, p)), rel=1e-10, abs=0.0)
    inside = p.log_prob(x) >= p.log_prob(p.mu) + math.log(1e-3)
    assert found.spurious == pytest.approx(1.0 - weights[inside] @ np.exp(q.log_prob(x[inside])), abs=5e-3)
    draws = p.sample((200_000,), rng=0)
    assert 1.0 / found.relative_ess == pytest.approx(
        np.exp(p.log_prob(draws) - q.log_prob(draws)).mean(), rel=0.02, abs=0.0
    )


def test_what_a_model_leaves_out_costs_nothing_one_way():
    x, weights = sphere_nodes(20)
    flat, half = np.full(len(x), -math.log(4 * math.pi)), np.where(x[:, 2] > 0, -math.log(2 * math.pi), -np.inf)
    found = divergences(flat, half, weights)
    assert found.mass == pytest.approx(1.0)
    assert found.reverse == pytest.approx(math.log(2.0))
    assert found.forward == math.inf
    assert found.relative_ess == 0.0
    assert divergences(half, flat, weights).spurious == pytest.approx(0.5)


def test_the_published_target():
    target, (x, weights) = spherical_modes(), sphere_nodes(200)
    log_p = target.log_prob(x)
    uniform = divergences(log_p, np.full(len(x), -math.log(4 * math.pi)), weights)
    assert uniform.reverse == pytest.approx(20.0097, abs=1e-3)
    assert uniform.forward == pytest.approx(2.2584, abs=1e-3)
    assert -(weights * np.exp(log_p)) @ log_p == pytest.approx(0.27263, abs=1e-5)
    exact = divergences(log_p, log_p, weights)
    assert (exact.mass, exact.relative_ess) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (exact.reverse, exact.forward) == (0.0, 0.0)
    # The border cuts through cells of the rule.
    assert exact.spurious == pytest.approx(6.6e-5, abs=5e-6)
    assert isinstance(target, Mixture)
