"""Maps of densities show the density, on one scale, and the points where they are."""

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from geomlat import SphericalUniform, VonMisesFisher, plot
from geomlat.plot.sphere import hammer, hammer_inverse

MODE = plot.from_degrees(-35.0, 25.0)


def test_maps_show_multiples_of_the_uniform_density():
    law = VonMisesFisher(MODE, 30.0)
    points = law.sample(50, rng=0)
    panels = {
        "one": (lambda x: np.exp(law.log_prob(x)), points),
        "flat": (lambda x: np.full(len(x), 0.25 / np.pi), points),
    }
    figure = plot.density_maps(panels, title="two")
    maps = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in maps] == ["one", "flat"]
    assert figure.get_suptitle() == "two"
    for ax, value in zip(maps, (lambda x: 4 * np.pi * np.exp(law.log_prob(x)), lambda x: np.ones(len(x))), strict=True):
        image = ax.images[0]
        assert isinstance(image.norm, LogNorm)
        assert (image.norm.vmin, image.norm.vmax) == (0.1, 100.0)
        shown = np.asarray(image.get_array())
        rows, columns = shown.shape
        left, right, low, high = image.get_extent()
        i, j = rows // 4, columns // 3
        at = np.array([left + (right - left) * (j + 0.5) / columns, high - (high - low) * (i + 0.5) / rows])
        assert shown[i, j] == pytest.approx(float(value(hammer_inverse(at)[None])[0]), rel=1e-12, abs=0.0)
        np.testing.assert_allclose(ax.collections[0].get_offsets(), hammer(points), atol=1e-12)
    assert figure.axes[-1].get_xlabel() == "density, in multiples of the uniform one"


def test_the_centre_moves_densities_and_points_alike():
    law = VonMisesFisher(np.array([-1.0, 0.0, 0.0]), 50.0)
    point = np.array([[-1.0, 0.0, 0.0]])
    ax = plot.density_maps({"one": (lambda x: np.exp(law.log_prob(x)), point)}, centre=150.0).axes[0]
    # Longitude 180 is 30 degrees east of the middle.
    expected = hammer(plot.from_degrees(30.0, 0.0))
    np.testing.assert_allclose(ax.collections[0].get_offsets()[0], expected, atol=1e-12)
    shown, (left, right, low, high) = np.asarray(ax.images[0].get_array()), ax.images[0].get_extent()
    i, j = np.unravel_index(np.nanargmax(shown), shown.shape)
    at = left + (right - left) * (j + 0.5) / shown.shape[1], high - (high - low) * (i + 0.5) / shown.shape[0]
    np.testing.assert_allclose(at, expected, atol=0.01)


def test_maps_are_laid_out_in_columns():
    panels = {name: (lambda x: np.ones(len(x)), np.eye(3)) for name in "abc"}
    figure = plot.density_maps(panels, columns=1)
    wide = plot.density_maps(panels, columns=3)
    assert figure.get_figheight() > 2 * wide.get_figheight()
    assert wide.get_figwidth() == 3 * figure.get_figwidth()
    with pytest.raises(ValueError, match="at least one panel"):
        plot.density_maps({})


def test_globes_and_profiles_show_the_laws():
    laws = {"broad": VonMisesFisher(MODE, 2.0), "narrow": VonMisesFisher(MODE, 40.0), "flat": SphericalUniform(2)}
    figure = plot.density_globes(laws, MODE, title="three")
    below = figure.axes[0]
    assert [line.get_label() for line in below.lines] == list(laws)
    for line, law in zip(below.lines, laws.values(), strict=True):
        angle = np.radians(line.get_xdata())
        w = np.cos(angle)[:, None] * MODE + np.sin(angle)[:, None] * plot.from_degrees(55.0, 0.0)
        np.testing.assert_allclose(line.get_ydata(), np.exp(law.log_prob(w)), rtol=1e-11)
    globes = figure.axes[1:]
    assert [ax.get_title() for ax in globes] == list(laws)
    top = float(np.exp(laws["narrow"].log_prob(MODE)))
    assert {ax.images[0].norm.vmax for ax in globes} == {top}
    brightest = [np.nanmax(np.asarray(ax.images[0].get_array())) for ax in globes]
    np.testing.assert_allclose(brightest, [float(np.exp(law.log_prob(MODE))) for law in laws.values()], rtol=1e-3)
    with pytest.raises(ValueError, match="at least one law"):
        plot.density_globes({}, MODE)


def test_a_rose_has_the_area_of_its_density():
    law = VonMisesFisher(np.array([0.6, 0.8]), 3.0)
    x = law.sample(400, rng=0)
    figure = plot.density_rose(lambda p: np.exp(law.log_prob(p)), x, bins=24, title="rose")
    ax = figure.axes[0]
    bars = ax.patches
    assert len(bars) == 24
    share = np.array([bar.get_height() ** 2 * bar.get_width() for bar in bars])
    assert share.sum() == pytest.approx(1.0, rel=1e-12, abs=0.0)
    angle = np.arctan2(x[:, 1], x[:, 0])
    middle = np.array([bar.get_x() + 0.5 * bar.get_width() for bar in bars])
    for k in (0, 3, 20):
        near = np.abs((angle - middle[k] + np.pi) % (2 * np.pi) - np.pi) < np.pi / 24
        assert share[k] == pytest.approx(near.mean(), abs=1e-12)
    around, height = ax.lines[0].get_data()
    points = np.stack([np.cos(around), np.sin(around)], axis=-1)
    np.testing.assert_allclose(height**2, np.exp(law.log_prob(points)), rtol=1e-12)
    np.testing.assert_allclose(ax.lines[1].get_ydata() ** 2, 1 / (2 * np.pi), rtol=1e-12)
    assert ax.get_title() == "rose"
    assert (ax.get_theta_offset(), ax.get_theta_direction()) == (np.pi / 2, -1)
