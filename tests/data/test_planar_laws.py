"""Toy laws of the plane: densities integrate to one, samples follow them, entropies."""

import numpy as np
import pytest
from scipy import stats

from geomlat.data import Arcs, Checkerboard, Circles, Pinwheel

LAWS = {
    "pinwheel": (Pinwheel(3), 3.0, 240),
    "pinwheel-5": (Pinwheel(5, rate=0.25), 3.0, 240),
    "circles": (Circles(noise=0.05), 1.5, 400),
    "circles-isotropic": (Circles((1.0, 0.4), 0.06, "isotropic"), 1.6, 200),
    "moons": (Arcs("moons"), 2.6, 160),
    "spirals": (Arcs("spirals", 0.05), 1.4, 160),
    "checkerboard": (Checkerboard(4), 1.0, 400),
    "checkerboard-blurred": (Checkerboard(4, 0.05), 1.5, 400),
}
every = pytest.mark.parametrize("name", LAWS)


def grid(reach, n):
    axis = reach * (2.0 * (np.arange(n) + 0.5) / n - 1.0)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2), (2.0 * reach / n) ** 2


@every
def test_densities_integrate_to_one(name):
    law, reach, n = LAWS[name]
    x, cell = grid(reach, n)
    assert np.exp(law.log_prob(x, 1)).sum() * cell == pytest.approx(1.0, abs=2e-3)


@every
def test_samples_follow_the_density(name):
    law, reach, _ = LAWS[name]
    points, labels = law.sample(20_000, rng=0)
    x, cell = grid(reach, 120)
    mass = np.exp(law.log_prob(x)).reshape(20, 6, 20, 6).sum(axis=(1, 3)) * cell
    edges = reach * np.linspace(-1.0, 1.0, 21)
    counts = np.histogram2d(points[:, 0], points[:, 1], (edges, edges))[0]
    kept = mass * len(points) > 50
    expected = len(points) * mass[kept]
    score = ((counts[kept] - expected) ** 2 / expected).sum()
    # Labels go in turn, which only narrows the counts; the grid's error widens the bound.
    assert stats.chi2.sf(0.8 * score, kept.sum()) > 1e-3
    assert np.isfinite(law.log_prob(points[:1000])).all()
    assert (np.bincount(labels) >= 20_000 // law.components).all()


def test_known_entropies():
    h, error = Circles((1.0, 0.4), 0.06, "isotropic").entropy()
    x, _ = Circles((1.0, 0.4), 0.06, "isotropic").sample(200_000, rng=1)
    assert error < 3e-3
    assert h - np.log(x.std(axis=0)).sum() == pytest.approx(1.9006, abs=0.01)
    assert Checkerboard(4).entropy()[0] == pytest.approx(np.log(2.0))


def test_mistakes():
    with pytest.raises(ValueError, match="radial or isotropic"):
        Circles(blur="both")
    with pytest.raises(ValueError, match="moons or spirals"):
        Arcs("lines")
    with pytest.raises(ValueError, match=r"\(n, 2\)"):
        Pinwheel().log_prob(np.zeros(2))
