"""Laws to SciPy and back."""

import numpy as np
import pytest
from scipy import stats

from geomlat.distributions import (
    Beta,
    Gamma,
    LogNormal,
    Normal,
    PowerSpherical,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
)
from geomlat.interop import from_scipy, to_scipy
from geomlat.testing.structure import arrays

A, B = np.array([[0.7, 2.5], [1.5, 4.0]]), np.array([0.5, 3.0])
VECTORS = [Normal(A, B), LogNormal(A, B), Gamma(A, B), Beta(A, B), VonMises(A, B)]


@pytest.mark.parametrize("q", VECTORS, ids=lambda q: type(q).__name__)
def test_laws_of_vectors(q):
    x = q.sample(7, rng=1)
    frozen = to_scipy(q)
    np.testing.assert_allclose(frozen.logpdf(x).sum(-1), q.log_prob(x), rtol=1e-10, atol=1e-12)
    back = from_scipy(frozen)
    assert type(back) is type(q)
    for ours, theirs in zip(arrays(q), arrays(back), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-14)


@pytest.mark.parametrize(
    ("frozen", "x"),
    [
        (stats.norm(1.0, 2.0), 0.3),
        (stats.norm(scale=2.0), 0.3),
        (stats.lognorm(0.5, scale=3.0), 2.0),
        (stats.gamma(a=2.0, scale=0.25), 2.0),
        (stats.gamma(2.0), 2.0),
        (stats.beta(2.0, b=0.5), 0.7),
        (stats.vonmises(3.0, 0.5), 2.0),
        (stats.vonmises(kappa=3.0), 2.0),
    ],
)
def test_from_positional_and_keyword_parameters(frozen, x):
    np.testing.assert_allclose(from_scipy(frozen).log_prob(np.array([x])), frozen.logpdf(x), rtol=1e-12)


def test_laws_on_spheres():
    mu = np.array([0.6, 0.0, 0.8])
    frozen = to_scipy(VonMisesFisher(mu, 4.0))
    x = np.eye(3)
    np.testing.assert_allclose(frozen.logpdf(x), VonMisesFisher(mu, 4.0).log_prob(x), rtol=1e-12)
    back = from_scipy(frozen)
    np.testing.assert_allclose(back.mu, mu)
    assert float(back.kappa) == 4.0
    assert from_scipy(to_scipy(SphericalUniform(3))) == SphericalUniform(3)
    assert to_scipy(SphericalUniform(3)).rvs(2).shape == (2, 4)


def test_other_libraries_become_host_arrays():
    torch = pytest.importorskip("torch")
    q = Gamma(torch.tensor([2.0, 3.0]), torch.tensor(4.0))
    np.testing.assert_allclose(to_scipy(q).mean(), [0.5, 0.75], rtol=1e-6)


def test_what_has_no_counterpart():
    with pytest.raises(TypeError, match="SciPy has no PowerSpherical; it has Beta, Gamma"):
        to_scipy(PowerSpherical(np.eye(3)[0], 1.0))
    with pytest.raises(TypeError, match="no family for 'expon'"):
        from_scipy(stats.expon())
    with pytest.raises(TypeError, match="no family for 'float'"):
        from_scipy(1.0)
    for q in (VonMisesFisher(np.eye(3), 1.0), VonMisesFisher(np.eye(3)[0], 0.0)):
        with pytest.raises(ValueError, match="one von Mises-Fisher law at a time"):
            to_scipy(q)
    for frozen in (stats.gamma(2.0, loc=1.0), stats.lognorm(1.0, 0.5), stats.beta(1.0, 2.0, scale=2.0)):
        with pytest.raises(ValueError, match="here starts at 0"):
            from_scipy(frozen)
    with pytest.raises(ValueError, match="radians"):
        from_scipy(stats.vonmises(1.0, scale=2.0))
