"""Training curves and the writing of files."""

import json

import numpy as np
import pytest

from geomlat import plot
from geomlat.plot import style


def rows(shift=0.0, validation=True):
    return [
        {
            "epoch": e,
            "loss": 9.0 - e + shift,
            "validation": {"loss": 10.0 - e, "reconstruction": 7.0 - e, "kl": 3.0} if validation else None,
            "beta": 0.5,
        }
        for e in (1, 2, 3)
    ]


def test_one_run_has_four_panels():
    figure = plot.training_curves(rows(), title="digits")
    assert [ax.get_title() for ax in figure.axes] == [
        "Loss",
        "Reconstruction",
        "KL to the prior",
        r"Weight of the KL, $\beta$",
    ]
    training, validation = figure.axes[0].lines
    np.testing.assert_array_equal(training.get_xydata(), [[1, 8], [2, 7], [3, 6]])
    np.testing.assert_array_equal(validation.get_ydata(), [9, 8, 7])
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), [6, 5, 4])
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), [3, 3, 3])
    assert [t.get_text() for t in figure.axes[0].get_legend().get_texts()] == ["training", "validation"]
    assert figure.axes[0].get_xlabel() == "epoch"
    assert figure.axes[0].get_ylabel() == "nats per row"


def test_runs_are_told_apart_and_gaps_are_left_out():
    figure = plot.training_curves({"S-VAE": rows(), "N-VAE": rows(1.0, validation=False)})
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["S-VAE, training", "S-VAE, validation", "N-VAE, training"]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    assert len(figure.axes[1].lines) == 1
    assert len(plot.training_curves(rows(validation=False)).axes) == 2
    single = plot.training_curves(rows()[:1])
    assert single.axes[0].lines[0].get_marker() == "o"
    for ax in single.axes:
        low, high = ax.get_xlim()
        assert [t for t in ax.get_xticks() if low <= t <= high] == [1.0]


def test_the_floor_is_drawn_in_the_panel_of_the_loss():
    figure = plot.training_curves(rows(), floor=1.5)
    assert figure.axes[0].lines[-1].get_ydata()[0] == 1.5
    assert figure.axes[0].texts[0].get_text() == "entropy of the truth"
    assert [len(ax.lines) for ax in figure.axes[1:]] == [1, 1, 1]


def test_a_folder_is_read(tmp_path):
    text = "".join(json.dumps(row) + "\n" for row in rows())
    (tmp_path / "history.jsonl").write_text(text + '{"epoch": 4, "lo')
    figure = plot.training_curves(tmp_path)
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_xdata(), [1, 2, 3])


def test_an_empty_history_is_refused():
    with pytest.raises(ValueError, match="no epochs yet"):
        plot.training_curves([])


def test_files_appear_whole(tmp_path, monkeypatch):
    figure = plot.training_curves(rows())
    path = plot.save(figure, tmp_path / "curves.png")
    assert path.read_bytes()[:4] == b"\x89PNG"
    width = int.from_bytes(path.read_bytes()[16:20], "big")
    assert width == round(figure.get_figwidth() * style.DPI)
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
    before = path.read_bytes()

    def broken(partial, **options):
        partial.write_bytes(b"half a picture")
        raise KeyboardInterrupt

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(KeyboardInterrupt):
        plot.save(figure, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]


def test_other_formats_and_wrong_places(tmp_path):
    figure = plot.training_curves(rows())
    assert plot.save(figure, str(tmp_path / "curves.svg")).read_text().startswith("<?xml")
    with pytest.raises(ValueError, match=r"end the name in \.png, \.svg or \.pdf"):
        plot.save(figure, tmp_path / "curves.xyz")
    with pytest.raises(FileNotFoundError):
        plot.save(figure, tmp_path / "nowhere" / "curves.png")
