"""Pictures of predicted against true angles."""

import numpy as np
import pytest

from geomlat import plot
from geomlat.evaluate import angular_scores
from geomlat.manifolds.angles import pairs_from_angles

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(-np.pi, np.pi, (300, 2))
THERE = RNG.uniform(size=(300, 2)) < 0.7
X = pairs_from_angles(TRUE, THERE)


def test_every_angle_that_is_there_is_drawn_beside_its_prediction():
    figure = plot.angles({"near": pairs_from_angles(TRUE + 0.2), "far": RNG.standard_normal((300, 4))}, X, title="both")
    ring, _, square, _ = figure.axes[:4]
    assert ring.get_title() == "near\nmean error 11.5\N{DEGREE SIGN}"
    segments = np.array(ring.collections[0].get_segments())
    assert segments.shape == (250, 2, 2)
    np.testing.assert_allclose(np.hypot(*segments[:, 0].T), 1.0)
    turned = np.arctan2(*segments[:, 1].T[::-1]) - np.arctan2(*segments[:, 0].T[::-1])
    np.testing.assert_allclose(np.cos(turned), np.cos(0.2), rtol=1e-9)
    points = square.collections[0].get_offsets()
    assert len(points) == THERE.sum()
    np.testing.assert_allclose(points[:, 0], np.degrees(TRUE[THERE]))
    np.testing.assert_allclose(square.collections[0].get_array(), np.degrees(0.2))
    assert figure.get_suptitle() == "both"
    with pytest.raises(ValueError, match="at least one"):
        plot.angles({}, X)


@pytest.mark.parametrize("columns", [1, 2])
def test_nothing_written_is_cut_off(columns):
    long = "H-VAE, dihedral angles in pairs, absent ones padded by zeros: rebuilt"
    figure = plot.angles({f"model {k}": pairs_from_angles(TRUE + 0.2) for k in range(columns)}, X, title=long)
    figure.draw_without_rendering()
    labels = [label for ax in figure.axes if ax.axison for label in (ax.title, ax.xaxis.label, ax.yaxis.label)]
    assert "predicted, degrees" in [label.get_text() for label in labels]
    for text in (*labels, *figure.texts):
        box = text.get_window_extent()
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.width, text


def test_errors_are_steps_over_the_circle():
    found = {name: angular_scores(pairs_from_angles(TRUE + d), X, bins=6) for name, d in (("a", 0.1), ("b", 0.3))}
    figure = plot.angle_errors(found)
    above, below = figure.axes
    np.testing.assert_allclose(above.patches[1].get_data().values, np.degrees(0.3))
    np.testing.assert_array_equal(below.patches[0].get_data().values, found["a"].bin_counts)
    assert below.patches[0].get_data().values.sum() == THERE.sum()
    figure.canvas.draw()
    assert above.get_legend().get_window_extent().x0 >= above.get_window_extent().x1
    with pytest.raises(ValueError, match="at least one"):
        plot.angle_errors({})
