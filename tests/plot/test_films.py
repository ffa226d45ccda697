"""Films of densities, and maps of the torus: what they show is where it is."""

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from geomlat import VonMisesFisher, plot
from geomlat.distributions import VonMises
from geomlat.plot import sphere, video
from geomlat.plot.sphere import hammer

LAW = VonMisesFisher(plot.from_degrees(90.0, 30.0), 30.0)


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    for name in ("COARSE", "FINE"):
        monkeypatch.setattr(sphere, name, 61)


def density(x):
    return np.exp(LAW.log_prob(x))


def test_tables_are_close_to_the_density():
    x = LAW.sample(300, rng=0)
    table = plot.tabulated(density, 1.0)
    # h^2 / 8 times the second derivative, kappa^2 sin^2 of the angle times the density, both ways.
    np.testing.assert_allclose(table(x), density(x), rtol=0.03)
    seam, poles = plot.from_degrees([180.0, -180.0], 10.0), np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    np.testing.assert_allclose(table(seam), density(seam), rtol=1e-2)
    np.testing.assert_allclose(table(poles), density(poles), rtol=1e-6)


def test_globes_turn_once_and_keep_one_scale():
    x = LAW.sample(200, rng=0)
    film = plot.rotating_globes({"law": (density, None), "both": (density, x), "draws": (None, x)}, latitude=30.0)
    figure = film.still(0.25)
    axes = figure.axes[:3]
    assert [ax.get_title() for ax in axes] == ["law", "both", "draws"]
    assert [len(ax.images) for ax in axes] == [1, 1, 0]
    assert all(isinstance(ax.images[0].norm, LogNorm) for ax in axes[:2])
    assert (axes[0].images[0].norm.vmin, axes[0].images[0].norm.vmax) == (0.1, 100.0)
    # A quarter turn faces the mode, half a turn later it is behind.
    values = np.asarray(axes[0].images[0].get_array())
    middle = np.array(values.shape) // 2
    assert values[tuple(middle)] == pytest.approx(np.nanmax(values), rel=0.02, abs=0.0)
    assert len(axes[1].collections[0].get_offsets()) == 200
    assert len(film.still(0.75).axes[2].collections[0].get_offsets()) < 20
    np.testing.assert_allclose(
        np.asarray(film.still(0.0).axes[0].images[0].get_array()),
        np.asarray(film.still(1.0).axes[0].images[0].get_array()),
        atol=1e-9,
    )
    with pytest.raises(ValueError, match="at least one panel"):
        plot.rotating_globes({})


def test_a_density_is_seen_to_be_learnt(monkeypatch):
    x, flat = LAW.sample(50, rng=0), lambda x: np.full(len(x), 0.25 / np.pi)
    snapshots = [(0, 2.5, flat), (10, 1.0, density)]
    film = plot.learning_film(snapshots, (density, x), floor=0.5, seconds=1.0, title="how")
    first, last = film.still(0.0), film.still(1.0)
    assert [ax.get_title() for ax in first.axes[:2]] == ["step 0", "target"]
    assert last.axes[0].get_title() == "step 10"
    shown = [np.asarray(f.axes[0].images[0].get_array()) for f in (first, last)]
    assert np.nanmax(np.abs(shown[0] - 1.0)) < 1e-9
    np.testing.assert_allclose(shown[1], np.asarray(last.axes[1].images[0].get_array()))
    np.testing.assert_allclose(first.axes[0].collections[0].get_offsets(), hammer(x))
    below = last.axes[2]
    assert [len(line.get_xdata()) for line in below.lines[:2]] == [2, 2]
    assert below.lines[2].get_ydata()[0] == 0.5
    assert len(plot.learning_film(snapshots, (density, x)).still(0.0).axes[2].lines) == 2
    monkeypatch.setattr(video, "FPS", 2)
    frames = list(film.frames())
    assert len(frames) == 2 + round(film.pause * 2)
    assert {f.shape for f in frames} == {frames[0].shape}
    assert (frames[0] != frames[1]).any()
    assert (frames[1] == frames[2]).all()
    with pytest.raises(ValueError, match="at least one snapshot"):
        plot.learning_film([], (density, x))


def test_films_are_saved(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "FPS", 3)
    film = plot.rotating_globes({"law": (density, None)}, seconds=1.0)
    path = plot.save_video(film, tmp_path / "globe.gif")
    assert path.stat().st_size > 5000


def test_maps_of_the_torus_are_the_right_way_up():
    law = VonMises(np.radians([60.0, -120.0]), np.array([30.0, 10.0]))
    x = law.sample((100,), rng=0)
    panels = {"one": (lambda a: np.exp(law.log_prob(a)), x), "points": (None, x)}
    figure = plot.torus_maps(panels, names=("phi", "psi"), title="torsions")
    one, two = figure.axes[:2]
    assert figure.get_suptitle() == "torsions"
    assert (one.get_xlabel(), one.get_ylabel(), two.get_ylabel()) == ("phi (degrees)", "psi (degrees)", "")
    values = np.asarray(one.images[0].get_array())
    row, column = np.unravel_index(values.argmax(), values.shape)
    assert one.images[0].origin == "lower"
    assert (column - 179.5, row - 179.5) == (pytest.approx(60.0, abs=1.0), pytest.approx(-120.0, abs=1.0))
    assert values.mean() == pytest.approx(1.0, rel=1e-6, abs=0.0)
    np.testing.assert_allclose(two.collections[0].get_offsets(), np.degrees(x))
    assert not two.images
    with pytest.raises(ValueError, match="at least one panel"):
        plot.torus_maps({})


def test_densities_of_zero_leave_no_holes():
    def half(x):
        return np.where(x[..., 0] > 0.0, 1.0, 0.0)

    x = np.zeros((0, 2))
    images = [plot.torus_maps({"half": (half, x)}).axes[0].images[0]]
    images += [plot.density_maps({"half": (half, np.zeros((0, 3)))}).axes[0].images[0]]
    for image in images:
        shown = np.asarray(image.get_array())
        known = ~np.isnan(shown)
        assert (shown[known] > 0.0).all()
        assert not np.ma.getmaskarray(image.norm(shown[known])).any()


def test_the_bias_of_estimates_is_drawn():
    ax = plot.estimation_bias((1, 10, 100), (0.5, 0.06, -0.001), (0.1, 0.01, 0.002), title="bias").axes[0]
    bars = ax.containers[0]
    np.testing.assert_allclose(bars[0].get_ydata().astype(float), (0.5, 0.06, -0.001))
    np.testing.assert_allclose(bars[2][0].get_segments()[1][:, 1], (0.05, 0.07))
    decay = ax.lines[-1]
    assert decay.get_label() == "1 / samples"
    np.testing.assert_allclose(decay.get_ydata(), 0.5 / decay.get_xdata())
    assert (decay.get_xdata()[0], len(decay.get_xdata())) == (1.0, 200)
    assert (ax.get_xscale(), ax.get_yscale(), ax.get_title()) == ("log", "symlog", "bias")
