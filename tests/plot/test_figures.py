"""Every figure is made, shows what it was given, and refuses what it cannot show."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.special import ndtri

from geomlat import plot, random
from geomlat.plot import latent as draw_points
from geomlat.plot.images import tiled
from geomlat.plot.latent_space import BINS, FLOOR, TOP
from geomlat.plot.style import COLOURS, paint

SHAPE = (4, 3)
LABELS = np.arange(60) % 4


def points(space, n=60):
    z = random.normal((n, 3 if space == "s2" else 2), rng=1)
    if space == "disc":
        return z / (1.0 + np.linalg.norm(z, axis=1, keepdims=True))
    return z if space in ("e2", "t2") else z / np.linalg.norm(z, axis=1, keepdims=True)


def shade(z):
    return 3.0 + z @ np.array([1.0, 0.5, 0.25])[: z.shape[-1]]


def recorder(seen):
    """A decoder whose images have the value `shade`, and which remembers what it was asked for."""

    def decode(z):
        seen.append(z)
        return np.repeat(shade(z)[:, None], 12, axis=1)

    return decode


@pytest.mark.parametrize("space", ["s2", "s1", "e2", "disc", "t2"])
def test_latent_shows_every_point_in_its_colour(space, tmp_path):
    from matplotlib.colors import to_rgba

    z = points(space)
    figure = draw_points(z, LABELS, space=space, title="where")
    ax = figure.axes[0]
    (dots,) = ax.collections
    colours = {tuple(c[:3]) for c in dots.get_facecolor()}
    assert colours == {to_rgba(c)[:3] for c in COLOURS[:4]}
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["0", "1", "2", "3"]
    assert ax.get_title() == "where"
    if space == "disc":
        marks = {t.get_text(): -t.xy[1] for t in ax.texts if t.get_text() in "123" and t.get_fontsize() == 7}
        np.testing.assert_allclose([2.0 * np.arctanh(marks[k]) for k in "123"], [1.0, 2.0, 3.0])
    if space in ("e2", "disc", "t2"):
        expected = z
    else:
        expected = plot.hammer(z) if space == "s2" else np.arctan2(z[:, 1:], z[:, :1])
    shown = np.asarray(dots.get_offsets())[:, : expected.shape[1]]
    assert len(shown) == 60
    np.testing.assert_allclose(shown[np.lexsort(shown.T)], expected[np.lexsort(expected.T)])
    # The first class's dots are the first class's points.
    first = np.all(dots.get_facecolor()[:, :3] == to_rgba(COLOURS[0])[:3], axis=1)
    np.testing.assert_allclose(np.sort(shown[first, 0]), np.sort(expected[LABELS == 0, 0]))
    assert plot.save(figure, tmp_path / "latent.png").stat().st_size > 5000


def test_ring_histogram_counts_every_point():
    z = points("s1")
    bars = draw_points(z, LABELS, space="s1").axes[0].patches
    assert len(bars) == 4 * BINS
    tallest = np.histogram(np.arctan2(z[:, 1], z[:, 0]), np.linspace(-np.pi, np.pi, BINS + 1))[0].max()
    unit = (TOP - FLOOR) / tallest
    assert sum(b.get_height() for b in bars) / unit == pytest.approx(60)
    assert max(b.get_y() + b.get_height() for b in bars) == pytest.approx(TOP)


def test_labels_may_be_absent_numbers_or_words():
    z = points("e2")
    assert draw_points(z, space="e2").axes[0].get_legend() is None
    coloured = draw_points(z, z[:, 0], space="e2")
    assert len(coloured.axes) == 2
    assert coloured.axes[1].get_ylim() == pytest.approx((z[:, 0].min(), z[:, 0].max()))
    words = draw_points(z, np.array(["a", "b"])[LABELS % 2], space="e2")
    assert {"a", "b"} <= {t.get_text() for t in words.axes[0].texts}
    assert len(np.unique(paint(np.arange(60) % 23, 60).keys, axis=0)) == 10


@pytest.mark.parametrize("space", ["s2", "e2"])
def test_a_class_is_named_where_its_points_are(space):
    z = np.concatenate([np.eye(3)[[0] * 1200 + [1] * 900], np.eye(3)[[2] * 300]])[:, -(3 if space == "s2" else 2) :]
    texts = draw_points(z, ["two"] * 2100 + ["one"] * 300, space=space).axes[0].texts
    places = {t.get_text(): t.get_position() for t in texts}
    expected = plot.hammer(z[[-1, 0]]) if space == "s2" else z[[-1, 0]]
    np.testing.assert_allclose([places["one"], places["two"]], expected)


def test_globe_shows_each_point_once():
    figure = plot.latent_globe(points("s2"), LABELS, title="both sides")
    counts = [len(ax.collections[0].get_offsets()) for ax in figure.axes]
    assert sum(counts) == 60
    assert min(counts) > 10
    moved = plot.latent_globe(points("s2"), LABELS, view=(90.0, 0.0))
    equator = [np.abs(ax.lines[13].get_ydata()) for ax in moved.axes]
    assert max(np.nanmax(y) for y in equator) < 1e-12
    assert "longitude 90°, latitude 0°" in moved.axes[0].get_title()
    assert "longitude -90°, latitude 0°" in moved.axes[1].get_title().replace("-0°", "0°")


def test_tiles_stand_in_reading_order():
    board = tiled(np.arange(3.0)[:, None, None] * np.ones((1, 2, 2)), 2)
    np.testing.assert_array_equal(board[:2], [[0, 0, np.nan, 1, 1]] * 2)
    np.testing.assert_array_equal(board[3:], [[2, 2, np.nan, np.nan, np.nan]] * 2)


def test_sample_grid_and_reconstructions(tmp_path):
    x = random.uniform((14, 12), rng=0)
    figure = plot.sample_grid(x, SHAPE, columns=5, title="samples")
    assert figure.axes[0].images[0].get_array().shape == (3 * 5 - 1, 5 * 4 - 1)
    figure = plot.reconstructions(x, 0.5 * x, SHAPE, columns=6, title="pairs")
    assert len(figure.axes) == 3
    board = np.ma.filled(figure.axes[1].images[0].get_array(), np.nan)
    assert board.shape == (2 * 5 - 1, 6 * 4 - 1)
    np.testing.assert_allclose(board[:4, :3], x[6].reshape(SHAPE))
    np.testing.assert_allclose(board[5:, :3], 0.5 * x[6].reshape(SHAPE))
    assert {i.get_clim() for ax in figure.axes for i in ax.images} == {(0.0, x.max())}
    plot.save(figure, tmp_path / "pairs.png")


def test_ink_is_black_on_white_or_the_reverse():
    x = np.ones((2, 12))
    for ink, name in ((True, "gray_r"), (False, "gray")):
        figures = [
            plot.sample_grid(x, SHAPE, ink=ink),
            plot.reconstructions(x, x, SHAPE, ink=ink),
            *(plot.decoded(recorder([]), SHAPE, space=s, ink=ink) for s in ("s2", "s1", "e2")),
        ]
        assert {i.get_cmap().name for f in figures for ax in f.axes for i in ax.images} == {name}


def test_mosaic_decodes_the_place_of_each_cell():
    seen = []
    ax = plot.decoded(recorder(seen), SHAPE, space="s2", across=9).axes[0]
    (z,) = seen
    np.testing.assert_allclose(np.linalg.norm(z, axis=1), 1.0)
    board, box = np.ma.filled(ax.images[0].get_array(), np.nan), ax.images[0].get_extent()
    rows, columns = board.shape
    assert columns == 9 * 4
    width, height = (box[1] - box[0]) / 9, (box[3] - box[2]) / (rows / 5)
    assert width / height == pytest.approx(4 / 5)
    assert (box[0], box[2]) == pytest.approx((-box[1], -box[3]))
    # Each cell with its centre inside the ellipse holds the shade of the point at that centre.
    centre = np.stack(
        np.meshgrid(box[0] + width * (np.arange(9) + 0.5), box[3] - height * (np.arange(rows // 5) + 0.5)), axis=-1
    )
    cells, expected = board[::5, ::4], shade(plot.hammer_inverse(centre))
    inside = np.linalg.norm(centre / [np.sqrt(8), np.sqrt(2)], axis=-1) < 0.999
    np.testing.assert_allclose(cells[inside], expected[inside], atol=1e-12)
    # Cells cut by the rim are filled too, from just inside it.
    corners = np.maximum(np.abs(centre) - [width / 2, height / 2], 0) / [np.sqrt(8), np.sqrt(2)]
    np.testing.assert_array_equal(np.isfinite(cells), np.linalg.norm(corners, axis=-1) < 1)
    assert len(z) > inside.sum()


def test_quantile_grid_has_equal_steps_of_probability():
    seen = []
    ax = plot.decoded(recorder(seen), SHAPE, space="e2", across=4).axes[0]
    np.testing.assert_allclose(np.unique(seen[0][:, 0].round(12)), ndtri([0.125, 0.375, 0.625, 0.875]))
    # The top row is the largest second coordinate; the tick of z = 0 is in the middle.
    board = np.ma.filled(ax.images[0].get_array(), np.nan)
    np.testing.assert_allclose(board[0, ::4], 3 + ndtri([0.125, 0.375, 0.625, 0.875]) + 0.5 * ndtri(0.875))
    middle = [t for t, name in zip(ax.get_xticks(), ax.get_xticklabels(), strict=True) if name.get_text() == "0"]
    assert middle == [0.5]


def test_ring_of_images_stands_at_its_angles():
    seen = []
    ax = plot.decoded(recorder(seen), SHAPE, space="s1", across=8).axes[0]
    assert len(ax.images) == 8
    for z, image in zip(seen[0], ax.images, strict=True):
        left, right, bottom, top = image.get_extent()
        np.testing.assert_allclose([0.5 * (left + right), 0.5 * (bottom + top)], z, atol=1e-12)


@pytest.mark.parametrize("space", ["s2", "s1", "e2", "disc", "t2"])
def test_decoded_defaults_draw(space, tmp_path):
    plot.save(plot.decoded(recorder([]), SHAPE, space=space, title="all"), tmp_path / f"{space}.png")


def test_comparison_puts_models_side_by_side(tmp_path):
    panels = {
        "S-VAE": plot.Panel(points("s2"), recorder([]), "s2", "ELBO -30"),
        "N-VAE": plot.Panel(points("e2"), recorder([]), "e2"),
        "ring": plot.Panel(points("s1"), recorder([]), "s1"),
    }
    figure = plot.comparison(panels, LABELS, SHAPE, title="three", ink=False)
    assert [ax.get_title() for ax in figure.axes[::2]] == ["S-VAE\nELBO -30", "N-VAE", "ring"]
    assert [len(ax.collections) for ax in figure.axes] == [1, 0, 1, 0, 1, 0]
    assert all(i.get_cmap().name == "gray" for ax in figure.axes for i in ax.images)
    plot.save(figure, tmp_path / "comparison.png")
    with pytest.raises(ValueError, match="at least one panel"):
        plot.comparison({}, LABELS, SHAPE)


def test_von_mises_fisher_curve_is_a_density(tmp_path):
    figure = plot.von_mises_fisher((0.0, 100.0), n=500)
    assert len(figure.axes) == 4
    for ax in figure.axes[2:]:
        angle, density = ax.lines[0].get_data()
        assert np.trapezoid(density, angle) == pytest.approx(1.0, abs=0.01)
        assert sum(b.get_height() * b.get_width() for b in ax.patches) == pytest.approx(1.0)
    assert len(figure.axes[1].collections[0].get_offsets()) == 500
    assert 180 < len(figure.axes[0].collections[0].get_offsets()) < 320
    again = plot.von_mises_fisher((0.0, 100.0), n=500, rng=1).axes[1].collections[0].get_offsets()
    assert not np.array_equal(figure.axes[1].collections[0].get_offsets(), again)
    plot.save(figure, tmp_path / "vmf.png")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: draw_points(points("e2"), space="s2"), r"shape \(n, 3\), got \(60, 2\)"),
        (lambda: draw_points(points("s2"), space="h2"), "'disc' .hyperbolic plane. or 't2' .torus., got 'h2'"),
        (lambda: draw_points(points("s2"), LABELS[1:]), "one entry per point"),
        (lambda: plot.decoded(recorder([]), SHAPE, space="e3"), "got 'e3'"),
        (lambda: plot.decoded(recorder([]), (5, 5)), r"rows of shape \(n, 25\), got \(\d+, 12\)"),
        (lambda: plot.sample_grid(np.zeros((2, 9)), SHAPE), r"rows of shape \(n, 12\), got \(2, 9\)"),
        (lambda: plot.sample_grid(np.zeros((0, 12)), SHAPE), "at least one image"),
        (lambda: plot.reconstructions(np.zeros((2, 12)), np.zeros((1, 12)), SHAPE), "got 2 and 1"),
    ],
)
def test_what_cannot_be_shown_is_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_the_import_is_light_and_pyplot_is_never_loaded():
    code = (
        "import sys, geomlat.plot as p;"
        "found = {'matplotlib', 'scipy', 'numba'} & set(sys.modules); assert not found, found;"
        "import numpy as np; p.sample_grid(np.ones((2, 4)), (2, 2)); assert 'matplotlib.pyplot' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("space", "reach"), [("disc", 1.0), ("t2", np.pi)])
def test_flat_mosaics_decode_the_place_of_each_cell(space, reach):
    seen = []
    ax = plot.decoded(recorder(seen), SHAPE, space=space, across=7).axes[0]
    (z,) = seen
    radius = np.linalg.norm(z, axis=1) if space == "disc" else np.abs(z).max(axis=1)
    assert radius.max() < reach
    board = np.ma.filled(ax.images[0].get_array(), np.nan)
    cells = board[np.isfinite(board)]
    np.testing.assert_allclose(np.unique(np.round(cells, 9)), np.unique(np.round(shade(z), 9)), atol=1e-8)
    down, right = np.nonzero(board == np.nanmax(board))
    assert right.mean() > board.shape[1] / 2
    assert down.mean() < board.shape[0] / 2
