"""Geometry on surfaces: what is drawn is where the manifold says, and videos are written whole."""

import itertools
import re
import shutil
import sys

import numpy as np
import pytest
from test_stages import EACH

from geomlat import plot
from geomlat.manifolds import Hyperboloid, Sphere, Torus
from geomlat.plot import stage as stages
from geomlat.plot import video as videos
from geomlat.plot.geometry import _corners
from geomlat.plot.picture import HIDDEN, front
from geomlat.plot.sphere import camera
from geomlat.plot.style import canvas


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(stages, "PIXELS", 90)
    monkeypatch.setattr(videos, "FPS", 4)


def picture(m, **options):
    return plot.Picture(canvas(3, 3).add_subplot(), m, **options)


def new_lines(p, draw):
    before = list(p.ax.lines)
    draw()
    return [line for line in p.ax.lines if line not in before]


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_geodesics_run_from_end_to_end(m):
    p = picture(m, title="here")
    x = p.stage.home()
    u = 0.5 * p.stage.size * m.from_coordinates(x, np.array([0.6, 0.8]))
    y = m.exp(x, u)
    (line,) = new_lines(p, lambda: p.geodesic(x, y, colour="red"))
    drawn = line.get_xydata()
    assert np.isnan(drawn[-1]).all()
    np.testing.assert_allclose(
        drawn[[0, 60, 120]], p.stage.points(m.geodesic(x, u, np.array([0, 0.5, 1.0])))[0], atol=1e-9
    )
    assert line.get_color() == "red"
    assert p.ax.get_title() == "here"
    (both,) = new_lines(p, lambda: p.ray(x, np.stack([u, -u])))
    np.testing.assert_allclose(both.get_xydata()[:121], drawn[:121], atol=1e-9)
    assert len(both.get_xydata()) == 2 * 122


def test_the_hidden_part_is_fainter():
    p = picture(Sphere(2), view=(0.0, 0.0))
    x, u = np.array([0.0, 0.0, 1.0]), np.array([-np.pi, 0.0, 0.0])
    (line,) = new_lines(p, lambda: p.ray(x, -u))
    assert line.get_alpha() == 1.0
    (line,) = [line for line in new_lines(p, lambda: p.ray(x, u)) if np.isfinite(line.get_xydata()[60]).all()]
    assert line.get_alpha() == HIDDEN
    whole, faint = new_lines(p, lambda: p.ray(np.array([1.0, 0.0, 0.0]), -u))
    kept, hidden = (np.isfinite(line.get_xydata()[:121, 0]) for line in (whole, faint))
    assert kept[:60].all()
    assert hidden[70:].all()
    # They meet in one point: every segment is drawn, none twice.
    assert (kept | hidden).all()
    assert np.sum(kept & hidden) == 1
    dots = len(p.ax.collections)
    p.dots(np.array([[1.0, 0, 0], [-1.0, 0, 0], [0.8, 0.6, 0]]))
    shown, hidden = p.ax.collections[dots:]
    assert (len(shown.get_offsets()), len(hidden.get_offsets())) == (2, 1)
    arrows = len(p.ax.patches)
    p.tangents(np.array([[1.0, 0, 0], [-1.0, 0, 0]]), np.array([0.0, 0.0, 0.5]), scale=0.5)
    front_arrow, back_arrow = p.ax.patches[arrows:]
    assert (front_arrow.get_alpha(), back_arrow.get_alpha()) == (1.0, HIDDEN)
    np.testing.assert_allclose(front_arrow._posA_posB, [[0, 0], [0, 0.25]], atol=1e-12)


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_a_ball_tints_its_pixels_and_no_others(m):
    p = picture(m)
    x, r = p.stage.home(), 0.4 * p.stage.size
    p.ball(x, r, colour="#ff0000")
    rgba = np.asarray(p.ax.images[-1].get_array())
    on = ~np.isnan(p.places).any(axis=-1)
    near = np.zeros(on.shape, bool)
    near[on] = m.dist(x, p.stage.lift(p.places[on])) <= r
    np.testing.assert_array_equal(rgba[..., 3] > 0, near)
    assert 0.005 < near.mean() < 0.3
    np.testing.assert_allclose(m.dist(x, front(m, x, r)), r, rtol=1e-9)


def test_a_density_is_darkest_where_it_is_largest():
    p = picture(Sphere(2), view=(0.0, 0.0)).density(lambda x: np.exp(3 * x[..., 2]))
    rgba = np.asarray(p.ax.images[-1].get_array())
    column = rgba[:, rgba.shape[1] // 2]
    column = column[column[:, 3] > 0]
    assert np.all(np.diff(column[:, 3]) <= 0)
    assert np.all(np.diff(column[:, :3].sum(axis=1)) >= -0.02)


def test_labels_stand_beside_their_points():
    p = picture(Torus(2)).label(np.array([0.3, 1.0]), "here")
    text = p.ax.texts[-1]
    assert text.get_text() == "here"
    np.testing.assert_allclose(text.xy, p.stage.points(np.array([0.3, 1.0]))[0])


@pytest.mark.parametrize("m", EACH, ids=repr)
def test_the_three_pictures_of_a_manifold(m, tmp_path):
    figure = plot.geometry(m)
    assert len(figure.axes) == 3
    turn, total = map(int, re.findall(r"(\d+)°", figure.axes[2].get_title()))
    # Gauss and Bonnet: the excess of the angles is the turn.
    assert abs(abs(total - 180) - turn) <= 1
    curved = {"Sphere": 1, "Torus": 0}.get(type(m).__name__, -1)
    assert np.sign(total - 180) == curved
    assert curved == 0 or turn > 20
    assert plot.save(figure, tmp_path / "three.png").stat().st_size > 20000


@pytest.mark.parametrize(
    ("m", "share", "expected"),
    [(Sphere(2), 0.5, 2 / np.pi), (Torus(2), 0.7, 1.0), (Hyperboloid(2), 1.0, np.sinh(1.7) / 1.7)],
)
def test_the_circle_spreads_as_the_volume_says(m, share, expected):
    video = plot.exponential_map(m)
    figure = video.still(share)
    said = re.search(
        r"^r = ([\d.]+): the circle has ([\d.]+) times the length 2πr$", figure.axes[0].texts[-1].get_text()
    )
    assert float(said[2]) == pytest.approx(expected, abs=0.006)
    assert float(said[1]) == pytest.approx(share * video.picture.stage.far, abs=0.006)


def test_views_and_titles_are_used():
    usual, turned = plot.geometry(Sphere(2)), plot.geometry(Sphere(2), view=(90.0, 0.0), title="turned")
    assert usual.get_suptitle() == "Sphere(n=2)"
    assert turned.get_suptitle() == "turned"
    for a, b in zip(usual.axes, turned.axes, strict=True):
        assert not np.array_equal(a.lines[0].get_ydata(), b.lines[0].get_ydata(), equal_nan=True)
    for make in (plot.parallel_transport, plot.exponential_map):
        np.testing.assert_array_equal(make(Sphere(2), view=(90.0, 0.0)).picture.stage.frame, camera((90.0, 0.0)))


def test_a_still_replaces_the_one_before():
    video = plot.parallel_transport(Sphere(2))
    figure = video.still(1.0)
    count = len(figure.axes[0].get_children())
    video.still(0.5)
    assert len(figure.axes[0].get_children()) < count
    corners = _corners(video.picture)
    sides = [line.get_xydata() for line in figure.axes[0].lines if line.get_linewidth() == 1.6]
    for i, end in ((0, corners[1]), (1, Sphere(2).geodesic(corners[1], Sphere(2).log(corners[1], corners[2]), 0.5))):
        ends = np.concatenate([side[[0, 120]] for side in sides])
        for x in (corners[i], end):
            assert np.nanmin(np.abs(ends - video.picture.stage.points(x)[0]).max(axis=1)) < 1e-9
    video.still(1.0)
    assert len(figure.axes[0].get_children()) == count
    assert "turned by" in figure.axes[0].texts[-1].get_text()


@pytest.mark.parametrize("make", [plot.parallel_transport, plot.exponential_map])
def test_a_gif_has_every_frame_on_a_still_background(make, tmp_path):
    from PIL import Image

    video = make(Sphere(2), seconds=1.0)
    frames = list(video.frames())
    assert len(frames) == 4 + 6
    assert all(f.shape == frames[0].shape and f.dtype == np.uint8 for f in frames)
    changes = [np.mean(np.any(a != b, axis=-1)) for a, b in itertools.pairwise(frames)]
    assert all(0.001 < c < 0.25 for c in changes[:3])
    assert max(changes[3:]) == 0.0
    path = plot.save_video(video, tmp_path / "it.gif")
    with Image.open(path) as image:
        assert image.size == frames[0].shape[1::-1]
        total = 0
        for i in range(image.n_frames):
            image.seek(i)
            total += image.info["duration"]
        assert total == pytest.approx(10 * 250, abs=50)
        last = np.asarray(image.convert("RGB")).astype(int)
    assert np.mean(np.abs(last - frames[-1])) < 3
    assert tuple(last[0, 0]) == (255, 255, 255)
    assert [f.name for f in tmp_path.iterdir()] == ["it.gif"]


def test_videos_end_in_gif_or_mp4_and_appear_whole(tmp_path, monkeypatch):
    video = plot.exponential_map(Sphere(2), seconds=0.5)
    with pytest.raises(ValueError, match=r"end the name in \.gif or \.mp4"):
        plot.save_video(video, tmp_path / "it.avi")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        plot.save_video(video, tmp_path / "nowhere" / "it.gif")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "which", lambda name: None)
        with pytest.raises(FileNotFoundError, match=r"needs the program ffmpeg.*write a \.gif"):
            plot.save_video(video, tmp_path / "it.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(videos, "_write_gif", lambda frames, path: path.write_bytes(b"half") and 1 / 0)
        with pytest.raises(ZeroDivisionError):
            plot.save_video(video, tmp_path / "it.gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_an_mp4_is_written(tmp_path):
    path = plot.save_video(plot.exponential_map(Sphere(2), seconds=0.5), tmp_path / "it.mp4")
    assert path.read_bytes()[4:8] == b"ftyp"
    assert path.stat().st_size > 3000


@pytest.mark.parametrize(("program", "suffix"), [(None, ".gif"), ("/usr/bin/ffmpeg", ".mp4")])
def test_a_video_without_a_suffix_is_what_can_be_written(tmp_path, monkeypatch, program, suffix):
    monkeypatch.setattr(shutil, "which", lambda name: program)
    for kind in ("gif", "mp4"):
        monkeypatch.setattr(videos, f"_write_{kind}", lambda frames, path, kind=kind: path.write_text(kind))
    path = plot.save_video(plot.exponential_map(Sphere(2), seconds=0.5), tmp_path / "it")
    assert path == tmp_path / f"it{suffix}"
    assert path.read_text() == suffix[1:]


FAKE = """#!{python}
import sys
words = sys.argv[1:]
width, height = map(int, words[words.index("-s") + 1].split("x"))
content = sys.stdin.buffer.read()
assert len(content) == width * height * 3 * {frames}, len(content)
assert words[words.index("-r") + 1] == "{fps}"
open(words[-1], "wb").write(content[:9])
"""


def test_ffmpeg_is_given_every_frame(tmp_path, monkeypatch):
    video = plot.exponential_map(Sphere(2), seconds=0.5)
    frames = list(video.frames())
    program = tmp_path / "ffmpeg"
    program.write_text(FAKE.format(python=sys.executable, frames=len(frames), fps=videos.FPS))
    program.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    path = plot.save_video(video, tmp_path / "it.mp4")
    assert path.read_bytes() == frames[0].tobytes()[:9]
    program.write_text(f"#!{sys.executable}\nraise SystemExit('no such codec')\n")
    with pytest.raises(OSError, match="ffmpeg could not write the video: no such codec"):
        plot.save_video(video, tmp_path / "other.mp4")
    assert {p.name for p in tmp_path.iterdir()} == {"ffmpeg", "it.mp4"}
