"""Charts of manifolds, products side by side, classes apart, and ways along geodesics."""

import numpy as np
import pytest

from geomlat import models, plot
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Product, Sphere, Stereographic, Torus
from geomlat.plot.images import tiled

SPACES = {
    "s1": [Sphere(1)],
    "s2": [Sphere(2)],
    "e2": [Euclidean(2), Stereographic(2, np.array(0.5)), Stereographic(2, np.float32(0.0))],
    "t2": [Torus(2)],
    "disc": [Hyperboloid(2, -2.0), PoincareBall(2, -0.3), Stereographic(2, np.array(-3.0))],
}


@pytest.mark.parametrize(("space", "manifold"), [(s, m) for s, all_of in SPACES.items() for m in all_of], ids=repr)
def test_a_chart_goes_there_and_back(space, manifold):
    chart = plot.chart(manifold)
    z = manifold.random_point((20,), rng=0)
    assert chart.space == space
    there = chart.there(z)
    np.testing.assert_allclose(chart.back(there), z, rtol=1e-9, atol=1e-12)
    if space == "e2":
        length = np.linalg.norm(there, axis=-1)
        np.testing.assert_allclose(length, manifold.dist(manifold.origin(like=z), z), rtol=1e-9)
    if space == "disc":
        # The unit disc is isometric at its own scale: distance 2 artanh |w| from the middle, in radii of curvature.
        radius = manifold.dist(manifold.origin(), z) * np.sqrt(-float(manifold.curvature))
        np.testing.assert_allclose(2.0 * np.arctanh(np.linalg.norm(there, axis=-1)), radius, rtol=1e-9)


def test_other_manifolds_have_none():
    assert [plot.chart(m) for m in (Sphere(3), Hyperboloid(4), Euclidean(1), Product(Sphere(2)))] == [None] * 4


def test_factors_stand_side_by_side():
    manifold = Product(Sphere(2), Euclidean(3), Hyperboloid(2, -0.69), Stereographic(2, np.float32(0.1)))
    z = manifold.random_point((30,), rng=1)
    figure = plot.latent_product(z, manifold, np.arange(30) % 3, title="both")
    assert [ax.get_title() for ax in figure.axes] == ["S^2", "H^2, curvature -0.69", "M^2, curvature 0.1"]
    sphere, _, disc, _ = manifold.split(z)
    first, second = (np.asarray(ax.collections[0].get_offsets()) for ax in figure.axes[:2])
    for shown, expected in ((first, plot.hammer(sphere)), (second, plot.chart(Hyperboloid(2, -0.69)).there(disc))):
        np.testing.assert_allclose(shown[np.lexsort(shown.T)], expected[np.lexsort(expected.T)])
    assert len(figure.axes[2].get_legend().get_texts()) == 3
    many = Product(*[Sphere(1)] * 6)
    axes = plot.latent_product(many.random_point((30,), rng=1), many).axes
    assert [ax.get_subplotspec().rowspan.start for ax in axes] == [0, 0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="none of the factors"):
        plot.latent_product(np.zeros((2, 3)), Product(Euclidean(3)))


@pytest.mark.parametrize("space", ["s2", "e2"])
def test_each_class_has_its_points(space):
    z = Sphere(2).random_point((40,), rng=0) if space == "s2" else Euclidean(2).random_point((40,), rng=0)
    labels = np.arange(40) % 7
    figure = plot.latent_classes(z, labels, space=space)
    assert [ax.get_title() for ax in figure.axes] == [str(c) for c in range(7)]
    for c, ax in enumerate(figure.axes):
        assert len(ax.collections[0].get_offsets()) == (labels == c).sum()
    with pytest.raises(ValueError, match="at least one"):
        plot.latent_classes(z[:0], labels[:0])


@pytest.mark.parametrize("latent", ["s2", "h2", "e2", "u2", "t2", "s2,h2"])
def test_ways_follow_geodesics(latent):
    model = models.vae(6, latent=latent, hidden=(5,))
    model.fitted(model.init(rng=0, dtype=np.float32))
    gen = np.random.default_rng(0)
    a, b = (gen.integers(0, 2, (4, 6)).astype(np.float32) for _ in range(2))
    ways = model.interpolate(a, b, steps=5)
    assert ways.shape == (5, 4, 6)
    assert ways.dtype == np.float32
    for end, rows in ((0, a), (-1, b)):
        np.testing.assert_allclose(ways[end], model.inverse_transform(model.transform(rows)), atol=1e-5)
    x, y, m = model.transform(a), model.transform(b), model.manifold
    half = m.exp(x, 0.5 * m.log(x, y))
    np.testing.assert_allclose(m.dist(x, half), 0.5 * m.dist(x, y), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(ways[2], model.inverse_transform(half), atol=1e-5)
    with pytest.raises(ValueError, match="steps"):
        model.interpolate(a, b, steps=1)
    with pytest.raises(ValueError, match="as many rows A as B"):
        model.interpolate(a[:1], b)


def test_ways_are_lines_of_images():
    steps = np.random.default_rng(0).uniform(size=(3, 2, 4))
    figure = plot.interpolations(steps, (2, 2))
    board = figure.axes[0].images[0].get_array()
    expected = tiled(steps.swapaxes(0, 1).reshape(6, 2, 2), 3)
    np.testing.assert_allclose(np.ma.filled(board, np.nan), expected)
    with pytest.raises(ValueError, match="steps, n, pixels"):
        plot.interpolations(steps[0], (2, 2))
