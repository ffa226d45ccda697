"""Surfaces in pictures: points, tangents, what hides what, and the pixels of each."""

import numpy as np
import pytest

from geomlat import manifolds
from geomlat.grad import richardson
from geomlat.manifolds import Hyperboloid, Sphere, Torus
from geomlat.plot.stage import THICKNESS
from geomlat.plot.stages import STAGES, stage
from geomlat.random import normal

SHOWN = {"Sphere": (Sphere(2),), "Torus": (Torus(2),), "Hyperboloid": (Hyperboloid(2), Hyperboloid(2, curvature=-4.0))}
if hasattr(manifolds, "PoincareBall"):
    SHOWN["PoincareBall"] = manifolds.PoincareBall(2), manifolds.PoincareBall(2, curvature=-4.0)
EACH = [m for ms in SHOWN.values() for m in ms]


def inside(m, k=200):
    """Points well within what the stage shows."""
    x = m.origin((k,))
    radius = stage(m).far / 2
    c = normal((k, 2), rng=0)
    c *= np.minimum(1.0, radius / np.linalg.norm(c, axis=1, keepdims=True))
    return m.exp(x, m.from_coordinates(x, c))


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_points_tangents_and_normals(m):
    s, x = stage(m), inside(m)
    np.testing.assert_allclose(s.lift(s.embed(x)), x, atol=1e-12)
    u = m.from_coordinates(x, normal((len(x), 2), rng=1))
    # The differential along a geodesic.
    for i in range(5):
        expected, doubt = richardson(
            lambda t, i=i: s.embed(m.exp(x[i], t * u[i])), np.float64(0.0), np.float64(1.0), 0.05
        )
        np.testing.assert_allclose(s.push(x[i], u[i]), expected, atol=1e-8 + 10 * doubt)
    np.testing.assert_allclose(np.sum(s.normals(s.embed(x)) * s.push(x, u), axis=-1), 0.0, atol=1e-12)


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_each_pixel_knows_its_point(m):
    s = stage(m)
    p = s.pixels()
    on = ~np.isnan(p).any(axis=-1)
    assert 0.4 < on.mean() < 0.95
    np.testing.assert_allclose(s.embed(s.lift(p[on])), p[on], atol=2e-3)
    a, seen = s.seen(p[on])
    assert seen.all()
    rows, columns = np.nonzero(on)
    across = s.half_width * ((2 * columns + 1) / on.shape[1] - 1)
    up = s.half_height * (1 - (2 * rows + 1) / on.shape[0])
    np.testing.assert_allclose(a, np.stack([across, up], axis=-1), atol=1e-9)
    # Moved away from the viewer it is hidden, moved towards the viewer it is seen.
    towards = s.frame[:, 2]
    assert not s.seen(p[on] - 0.05 * towards)[1].any()
    assert s.seen(p[on] + 0.05 * towards)[1].all()
    light = s.shades(p)[on]
    assert 0 <= light.min() <= light.max() <= 1
    assert np.all(m.contains(s.home(), atol=1e-2))
    assert s.points(s.home())[1]


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_the_rim_bounds_what_is_seen(m):
    s = stage(m)
    rim = np.concatenate(s.rim())
    rim = rim[~np.isnan(rim).any(axis=-1)]
    a = ((rim - s.centre) @ s.frame)[:, :2]
    _, seen = s.seen(rim)
    assert seen.mean() > 0.4
    # A little to one side of a seen rim there is the surface, to the other there is none, or one farther back.
    depth = ((rim - s.centre) @ s.frame)[:, 2]
    around = 1e-3 * np.stack([np.cos(t := np.linspace(0, 2 * np.pi, 24, endpoint=False)), np.sin(t)], axis=-1)
    near = s.heights(a[seen][:, None] + around)
    jump = np.isnan(near) | (np.abs(near - depth[seen][:, None]) > 0.25)
    assert np.all(jump.any(axis=1))
    # But for the cusps where two rims meet.
    assert jump.all(axis=1).mean() < 0.01
    assert np.all(np.abs(a) <= np.array([s.half_width, s.half_height]))


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_the_grid_lies_on_the_manifold(m):
    for line in stage(m).grid():
        assert np.all(m.contains(m.project(line)))
        np.testing.assert_allclose(m.dist(m.project(line), line), 0.0, atol=1e-12)


def test_the_far_side_is_hidden_and_every_view_works():
    x = Sphere(2).random_point((500,), rng=0)
    for view in ((0.0, 0.0), (70.0, -30.0), (10.0, 90.0)):
        s = stage(Sphere(2), view)
        np.testing.assert_array_equal(s.points(x)[1], x @ s.frame[:, 2] > -0.5 * THICKNESS)
    torus = stage(Torus(2), (0.0, 0.0))
    places = np.array([[0.0, 0.0], [np.pi, 0.0], [0.0, np.pi], [np.pi, np.pi], [np.pi / 2, 0.0]])
    np.testing.assert_array_equal(torus.points(places)[1], [True, False, False, False, True])
    above = stage(Torus(2), (0.0, 90.0))
    np.testing.assert_array_equal(above.points(np.abs(places - [0.0, 0.1]))[1], True)
    from_the_side, from_above = (
        stage(Hyperboloid(2), (0.0, lat)).points(Hyperboloid(2).origin())[1] for lat in (5, 60)
    )
    assert not from_the_side
    assert from_above
    for lat in (-60.0, 5.0, 89.0):
        bowl = stage(Hyperboloid(2), (20.0, lat))
        assert np.isfinite(bowl.pixels()).all(axis=-1).mean() > 0.4


def test_only_these_surfaces_are_drawn():
    assert set(SHOWN) <= set(STAGES)
    for m in (Sphere(3), manifolds.Euclidean(2), "s2"):
        with pytest.raises(ValueError, match=r"pictures show Sphere\(2\), Hyperboloid\(2\), Torus\(2\)"):
            stage(m)
