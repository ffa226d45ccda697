"""Kernel densities on spheres: the definition, normalisation, the choice of the concentration."""

import numpy as np
import pytest

from geomlat.distributions import Mixture, VonMisesFisher
from geomlat.evaluate import SphericalKernelDensity, sphere_nodes


def test_it_is_the_mixture_of_laws_at_the_points():
    law = VonMisesFisher(np.array([0.0, 0.6, 0.8]), 5.0)
    x, y = law.sample((40,), rng=0), law.sample((30,), rng=1)
    fit = SphericalKernelDensity(20.0).fit(x)
    mixture = Mixture(np.zeros(40), VonMisesFisher(x, np.full(40, 20.0)))
    np.testing.assert_allclose(fit.score_samples(y), mixture.log_prob(y), atol=1e-12)
    nodes, weights = sphere_nodes(40)
    assert weights @ np.exp(fit.score_samples(nodes)) == pytest.approx(1.0, abs=1e-10)
    assert fit.score(y) == pytest.approx(fit.score_samples(y).mean())


@pytest.mark.parametrize("dim", [1, 3])
def test_held_out_points_choose_the_concentration(dim):
    law = VonMisesFisher(np.eye(dim + 1)[0], 30.0)
    x, y = law.sample((500,), rng=0), law.sample((500,), rng=1)
    fit = SphericalKernelDensity().fit(x, validation=y)
    assert 30.0 < fit.kappa_ < 3000.0
    for factor in (0.5, 2.0):
        assert SphericalKernelDensity(factor * fit.kappa_).fit(x).score(y) < fit.score(y)
    assert fit.score(y) < law.log_prob(y).mean()


def test_without_either_there_is_nothing_to_choose_by():
    with pytest.raises(ValueError, match="needs kappa=, or validation points"):
        SphericalKernelDensity().fit(np.eye(3))
