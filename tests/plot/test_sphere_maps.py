"""The projections as mathematics: equal area, inverse, orientation."""

import math

import numpy as np
import pytest

from geomlat import random
from geomlat.plot import from_degrees, hammer, hammer_inverse
from geomlat.plot.sphere import HALF_HEIGHT, HALF_WIDTH, VIEW, behind, globe_map, hammer_map, orthographic
from geomlat.plot.style import canvas


@pytest.fixture
def points():
    x = random.normal((500, 3), rng=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_hammer_inverse_undoes_hammer(points):
    np.testing.assert_allclose(hammer_inverse(hammer(points)), points, atol=1e-13)
    p = np.array([[1.0, 0.3], [-2.5, -0.4], [0.0, 1.41], [0.0, 0.0]])
    np.testing.assert_allclose(hammer(hammer_inverse(p)), p, atol=1e-12)
    assert np.isnan(hammer_inverse(np.array([[2.0, 1.2], [2.9, 0.0]]))).all()


def test_hammer_keeps_area(points):
    # The area of the image of an orthonormal frame at x by extrapolated central differences; the map is torn at the
    # antimeridian and steep near the poles, where differences are no good.
    x = points[(points[:, 0] > -0.9) & (np.abs(points[:, 2]) < 0.98)]
    u = np.cross(x, [0.3, -0.5, 0.81])
    u /= np.linalg.norm(u, axis=1, keepdims=True)

    def difference(t, h):
        ahead, back = x * math.cos(h) + t * math.sin(h), x * math.cos(h) - t * math.sin(h)
        return (hammer(ahead) - hammer(back)) / (2 * h)

    du, dv = ((4 * difference(t, 1e-4) - difference(t, 2e-4)) / 3 for t in (u, np.cross(x, u)))
    area = du[:, 0] * dv[:, 1] - du[:, 1] * dv[:, 0]
    np.testing.assert_allclose(np.abs(area), 1.0, rtol=1e-9)
    assert math.pi * HALF_WIDTH * HALF_HEIGHT == pytest.approx(4 * math.pi)


def test_hammer_landmarks():
    places = hammer(from_degrees([0, 0, 0, 179.9999999, -179.9999999, 90], [0, 90, -90, 0, 0, 0]))
    expected = [[0, 0], [0, HALF_HEIGHT], [0, -HALF_HEIGHT], [HALF_WIDTH, 0], [-HALF_WIDTH, 0]]
    np.testing.assert_allclose(places[:5], expected, atol=1e-7)
    # Snyder: on the equator x = 2 sqrt(2) sin(lon / 2) / sqrt(1 + cos(lon / 2)).
    assert places[5, 0] == pytest.approx(2 / math.sqrt(1 + math.sqrt(0.5)))


def test_globe_looks_from_its_view(points):
    p, height = orthographic(from_degrees(*VIEW), VIEW)
    np.testing.assert_allclose([*p, height], [0, 0, 1], atol=1e-15)
    p, height = orthographic(points, VIEW)
    np.testing.assert_allclose((p**2).sum(-1) + height**2, 1.0)
    # North is up, east is right.
    assert orthographic(from_degrees(VIEW[0], VIEW[1] + 5), VIEW)[0][1] > 0.08
    assert orthographic(from_degrees(VIEW[0] + 5, VIEW[1]), VIEW)[0][0] > 0.07
    np.testing.assert_allclose(orthographic(points, behind(VIEW))[1], -height, atol=1e-15)


@pytest.mark.parametrize(("draw", "area"), [(hammer_map, 4 * math.pi), (globe_map, math.pi)])
def test_shading_covers_the_map_and_only_it(draw, area):
    ax = canvas(3, 3).add_subplot()
    draw(ax, density=lambda x: 1.0 + x[:, 2])
    image = np.ma.filled(ax.images[0].get_array(), np.nan)
    left, right, bottom, top = ax.images[0].get_extent()
    share = np.isfinite(image).mean()
    assert share * (right - left) * (top - bottom) == pytest.approx(area, rel=0.01, abs=0.0)
    # Denser in the north, which is the top row.
    assert np.nanmean(image[:60]) > np.nanmean(image[-60:]) + 0.5
    if draw is hammer_map:
        # The map keeps area, so the mean pixel is the mean over the sphere.
        assert np.nanmean(image) == pytest.approx(1.0, abs=1e-6)


def test_graticule_hides_behind_the_globe():
    ax = canvas(3, 3).add_subplot()
    globe_map(ax)
    assert len(ax.lines) == 16
    assert any(np.isnan(line.get_xydata()).any() for line in ax.lines)
