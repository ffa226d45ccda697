"""The distributions on other array libraries."""

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import WrappedNormal
from geomlat.manifolds import Sphere


@pytest.fixture(params=["torch", "array_api_strict"])
def xp(request):
    return pytest.importorskip(request.param)


def same(a, b):
    assert type(a) is not np.ndarray
    np.testing.assert_allclose(np.from_dlpack(a), b, rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("full", [False, True])
def test_wrapped_normal(xp, full):
    gen = np.random.default_rng(0)
    loc, scale = unit_rows(gen, 4, 3), gen.uniform(0.5, 2, (4, 2))
    scale = np.linalg.cholesky(np.eye(2) + 0.3 * scale[:, :, None] * scale[:, None, :]) if full else scale
    ours = WrappedNormal(Sphere(2), loc, scale, full=full)
    q = WrappedNormal(Sphere(2), xp.asarray(loc), xp.asarray(scale), full=full)
    z, pull = q.rsample_vjp(q.draw(2, rng=1))
    expected, expected_pull = ours.rsample_vjp(ours.draw(2, rng=1))
    same(z, expected)
    for got, want in zip(pull(z)[1:], expected_pull(expected)[1:], strict=True):
        same(got, want)
    log_q, pull = q.log_prob_vjp(z)
    log_ours, pull_ours = ours.log_prob_vjp(expected)
    same(log_q, log_ours)
    for got, want in zip(pull(log_q)[::2], pull_ours(log_ours)[::2], strict=True):
        same(got, want)
    same(q.mean(), loc)
