"""What every fit does with weights, with points that do not vary, and with input it cannot use."""

import dataclasses

import numpy as np
import pytest

from geomlat.distributions import (
    Beta,
    Gamma,
    LogNormal,
    Normal,
    PowerSpherical,
    SphericalCauchy,
    VonMises,
    VonMisesFisher,
    fit_wrapped_normal,
)
from geomlat.manifolds import Sphere

POLE, TWO = np.eye(4)[0], np.array([0.3, 2.0])
LAWS = [
    VonMisesFisher(POLE, 3.0),
    PowerSpherical(POLE, 3.0),
    SphericalCauchy(POLE, 0.4),
    VonMises(TWO, 3.0),
    Normal(TWO, 0.3),
    LogNormal(TWO, 0.3),
    Gamma(TWO, 3.0),
    Beta(TWO, 3.0),
]
every = pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)


def arrays(law):
    return [getattr(law, f.name) for f in dataclasses.fields(law) if hasattr(getattr(law, f.name), "shape")]


@every
def test_weights_are_repetitions(law):
    x = law.sample(30, rng=0)
    w = np.random.default_rng(1).integers(0, 4, 30)
    weighted, repeated = type(law).fit(x, w.astype(float)), type(law).fit(np.repeat(x, w, axis=0))
    for a, b in zip(arrays(weighted), arrays(repeated), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


@every
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_points_that_coincide_have_no_fit(law, dtype):
    for seed in range(5):
        x = law.sample(3, rng=seed).astype(dtype)
        for same in (x[:1], np.repeat(x[:1], 7, axis=0)):
            with pytest.raises(ValueError, match=f"{type(law).__name__}.fit: all points coincide"):
                type(law).fit(same)
        with pytest.raises(ValueError, match="all points coincide"):
            type(law).fit(x, np.array([0.0, 1.0, 0.0]))


@every
def test_narrow_data_have_a_fit(law):
    """A hundred roundings wide."""
    for dtype in (np.float32, np.float64):
        x = law.sample((1,), rng=0).astype(dtype)
        eps = np.finfo(dtype).eps
        gaps = 100 * eps * np.random.default_rng(1).standard_normal((40, x.shape[-1]))
        near = (x * (1 + gaps)).astype(dtype)
        if hasattr(law, "mu") and dtype is np.float32:
            near = (near / np.linalg.norm(near.astype(float), axis=-1, keepdims=True)).astype(dtype)
        assert all(np.all(np.isfinite(a)) for a in arrays(type(law).fit(near)))


@every
def test_unusable_input_is_one_clear_error(law):
    x, name = law.sample(6, rng=0), type(law).__name__
    for weights, message in (
        (np.zeros(6), "not all 0"),
        (-np.ones(6), "at least 0"),
        (np.full(6, np.nan), "finite"),
        (np.ones(5), "one weight for each of the 6 points"),
        (np.array(1.0), "one weight for each of the 6 points"),
    ):
        with pytest.raises(ValueError, match=rf"{name}.fit needs .*{message}"):
            type(law).fit(x, weights)
    with pytest.raises(ValueError, match=f"{name}.fit needs points of shape"):
        type(law).fit(x[:0])
    with pytest.raises(ValueError, match=rf"{name}.fit.*(finite|NaN)"):
        type(law).fit(np.full_like(x, np.nan))


def test_wrapped_normal_weights():
    with pytest.raises(ValueError, match="fit_wrapped_normal needs one weight for each of the 3 points"):
        fit_wrapped_normal(Sphere(2), np.eye(3), np.ones(2))


def test_single_precision_moments_are_those_of_doubles():
    x = (1000.0 + np.random.default_rng(0).standard_normal((100_000, 1))).astype(np.float32)
    fit, wide = Normal.fit(x), Normal.fit(x.astype(np.float64))
    np.testing.assert_allclose(fit.loc, wide.loc, rtol=6e-8)
    np.testing.assert_allclose(fit.scale, wide.scale, rtol=6e-8)
