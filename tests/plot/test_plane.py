"""Pictures of mixtures in the plane: which component is drawn where, the floor, the film."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from geomlat import plot
from geomlat.flows import coupling_flow
from geomlat.models import FlowMixture
from geomlat.plot import plane, video
from geomlat.plot.style import COLOURS
from geomlat.train import Snapshots, State


def halves(x):
    """Two unit normal laws at (-2, 0) and (2, 0)."""
    return np.stack([-0.5 * ((x - [c, 0.0]) ** 2).sum(-1) for c in (-2.0, 2.0)], axis=-1)


def snapshots(n=3):
    def log_prob(x):
        return np.logaddexp.reduce(halves(x), axis=1) - np.log(4.0 * np.pi)

    def proba(x):
        return np.exp(halves(x) - np.logaddexp.reduce(halves(x), axis=1)[:, None])

    return [plot.Snapshot(10 * k, 3.0 - k, log_prob, proba) for k in range(n)]


def points(n=400):
    gen = np.random.default_rng(0)
    return gen.standard_normal((n, 2)) + np.where(np.arange(n) % 2, 2.0, -2.0)[:, None] * [1.0, 0.0]


def colour_at(ax, x):
    image = ax.images[0]
    left, right, low, high = image.get_extent()
    array = np.asarray(image.get_array())
    row = int((x[1] - low) / (high - low) * array.shape[0])
    return array[row, int((x[0] - left) / (right - left) * array.shape[1])]


def test_components_are_where_they_are(monkeypatch):
    monkeypatch.setattr(plane, "CELLS", 61)
    x = points()
    figure = plot.mixture_picture(snapshots(), x, x[:50], floor=0.5, title="two")
    found, claimed, drawn, curve = figure.axes
    for centre, colour in zip((-2.0, 2.0), COLOURS, strict=False):
        np.testing.assert_allclose(colour_at(claimed, (centre, 0.0)), to_rgb(colour), atol=0.1)
    np.testing.assert_allclose(colour_at(claimed, (0.0, 4.0)), 1.0, atol=0.05)
    colours = found.collections[0].get_facecolors()[:, :3]
    np.testing.assert_allclose(colours[x[:, 0] < 0.0], np.tile(to_rgb(COLOURS[0]), (int((x[:, 0] < 0.0).sum()), 1)))
    assert len(drawn.collections[1].get_offsets()) == 50
    assert curve.lines[-1].get_ydata()[0] == 0.5
    assert figure.get_suptitle() == "two"
    assert len(plot.mixture_picture(snapshots(), x, x).axes[3].lines) == 2
    with pytest.raises(ValueError, match="at least one snapshot"):
        plot.mixture_picture([], x, x)


def test_a_film_goes_through_the_states(monkeypatch, tmp_path):
    monkeypatch.setattr(plane, "CELLS", 21)
    monkeypatch.setattr(video, "FPS", 2)
    film = plot.mixture_film(snapshots(), points(), floor=0.0, seconds=1.0)
    assert [film.still(share).axes[0].get_title() for share in (0.0, 0.5, 1.0)] == ["step 0", "step 10", "step 20"]
    assert len(film.still(0.5).axes[1].lines[1].get_xdata()) == 2
    assert plot.save_video(film, tmp_path / "film.gif").stat().st_size > 5000


def test_the_density_stands_beside_the_truth(monkeypatch):
    monkeypatch.setattr(plane, "CELLS", 41)
    x, state = points(), snapshots()[-1]

    def twice(at):
        return state.log_prob(at) + np.log(2.0)

    figure = plot.density_picture([state._replace(log_prob=twice)], state.log_prob, x, x[:50], floor=0.5, title="two")
    exact, modelled, drawn, curve = figure.axes
    one, two = (np.asarray(ax.images[0].get_array()) for ax in (exact, modelled))
    np.testing.assert_allclose(two, 2.0 * one)
    assert exact.images[0].get_clim() == modelled.images[0].get_clim() == (0.0, one.max())
    left, right, low, high = exact.images[0].get_extent()
    column, row = int((2.0 - left) / (right - left) * 41), int((0.0 - low) / (high - low) * 41)
    assert one[row, column] > 0.9 * one.max()
    assert len(drawn.collections[1].get_offsets()) == 50
    assert curve.lines[-1].get_ydata()[0] == 0.5
    with pytest.raises(ValueError, match="snapshots of a mixture"):
        plot.mixture_picture([state._replace(proba=None)], x, x)


def test_snapshots_are_models_with_the_weights_of_their_step():
    flow, x = coupling_flow(2, 2, (4,)), points(50)
    kept = Snapshots(2, first=1)
    flow.fit(x, epochs=4, batch_size=25, rng=0, callbacks=(kept,))
    shown = plot.snapshots(flow, kept.kept, x)
    assert [s.step for s in shown] == [2, 4, 8]
    np.testing.assert_array_equal(shown[-1].log_prob(x), flow.log_prob(x))
    assert shown[0].loss == pytest.approx(-shown[0].log_prob(x).mean())
    assert shown[0].loss > shown[-1].loss
    assert shown[0].proba is None
    mixture = FlowMixture(n_components=2, features=2, blocks=1)
    state = State(3, 0.0, mixture.init(rng=0))
    assert plot.snapshots(mixture, [state], x)[0].proba(x).shape == (50, 2)
