"""Pixels as coordinates: the density they give is one of dequantised grey levels."""

import numpy as np
import pytest
from scipy import integrate, stats

from geomlat.flows import PixelFrame
from geomlat.flows.pixels import MARGIN
from geomlat.random import uniform


def levels(n=200, pixels=4, seed=0):
    gen = np.random.default_rng(seed)
    return np.clip(90 + gen.standard_normal((n, 2)) @ gen.uniform(-40, 40, (2, pixels)), 0, 255).astype(np.uint8)


def density(frame, x, rng):
    z, rest = frame.encode(x, rng=rng)
    return stats.norm.logpdf(z.astype(float)).sum(axis=1) + rest


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_a_standard_normal_is_a_normal_law_of_the_logits(rank):
    x = levels()
    frame = PixelFrame.of(x, rank, rng=0)
    y = (x + uniform(x.shape, rng=7)) / 256.0
    s = MARGIN + (1.0 - 2.0 * MARGIN) * y
    covariance = frame.axes * frame.scale**2 @ frame.axes.T
    law = stats.multivariate_normal(frame.mean, covariance)
    expected = law.logpdf(np.log(s / (1.0 - s))) + np.log((1.0 - 2.0 * MARGIN) / (s * (1.0 - s))).sum(axis=1)
    np.testing.assert_allclose(density(frame, x, 7), expected, rtol=1e-5)


def test_one_pixel_integrates_to_its_mass():
    frame = PixelFrame.of(levels(pixels=1), 1, rng=0)

    def at(y):
        s = MARGIN + (1.0 - 2.0 * MARGIN) * y
        slope = (1.0 - 2.0 * MARGIN) / (s * (1.0 - s))
        return stats.norm.pdf((np.log(s / (1.0 - s)) - frame.mean[0]) / frame.scale[0]) * slope / frame.scale[0]

    total = integrate.quad(at, 0.0, 1.0)[0]
    x = np.arange(256)[:, None]
    mass = np.mean([np.exp(density(frame, x, seed)).mean() for seed in range(40)])
    assert mass == pytest.approx(total, rel=1e-3, abs=0.0)
    assert 0.9 < total <= 1.0


def test_coordinates_are_white_and_images_come_back():
    x = levels()
    frame = PixelFrame.of(x, 4, rng=0)
    z, _ = frame.encode(x, rng=0)
    np.testing.assert_allclose(z.T @ z / len(z), np.eye(4), atol=1e-3)
    assert np.abs(frame.decode(z) - (x + 0.5) / 256.0).max() < 0.51 / 256.0
    np.testing.assert_allclose(frame.bits(np.array([0.0, 4.0 * np.log(2.0)])), [8.0, 7.0])


def test_mistakes():
    for bad in (np.full((3, 2), 0.5), np.full((3, 2), 256), np.zeros(3)):
        with pytest.raises(ValueError, match="whole numbers of 0"):
            PixelFrame.of(bad, 1, rng=0)
    with pytest.raises(ValueError, match="lies between 1 and 4"):
        PixelFrame.of(levels(), 5, rng=0)
