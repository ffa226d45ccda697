"""The data sets themselves: shapes, splits, labels, names."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np
import pytest

from geomlat.data import SETS, Dataset, circle, load, mnist
from geomlat.data.mnist import MNIST, STATIC, pack_amat


def test_digits_are_stratified_counts_and_the_same_for_everyone() -> None:
    d = load("digits")
    assert [len(x) for x in (d.train, d.validation, d.test)] == [1257, 270, 270]
    assert d.n_features == 64
    assert d.image_shape == (8, 8)
    assert (d.train.dtype, d.train.min(), d.train.max()) == (np.uint8, 0, 16)
    shares = [np.bincount(y, minlength=10) / len(y) for y in (d.train_labels, d.validation_labels, d.test_labels)]
    assert np.abs(shares[0] - shares[1]).max() < 0.005
    assert np.abs(shares[0] - shares[2]).max() < 0.005
    again = load("digits")
    np.testing.assert_array_equal(d.train, again.train)
    rows = {row.tobytes() for row in np.concatenate([d.train, d.validation, d.test])}
    assert len(rows) == 1797
    batch = d.prepare(d.test, rng=0)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch, d.test)


@pytest.mark.parametrize(
    ("name", "printed", "values"),
    [
        ("mnist", "mnist (dynamic binarisation)", {0, 1}),
        ("mnist-thresholded", "mnist (thresholded)", {0, 1}),
        ("mnist-grey", "mnist (grey levels)", None),
    ],
)
def test_mnist(real_data: Path, name: str, printed: str, values: set[int] | None) -> None:
    d = load(name)
    assert (d.name, d.likelihood, d.image_shape) == (printed, "bernoulli", (28, 28))
    assert [x.shape for x in (d.train, d.validation, d.test)] == [(50000, 784), (10000, 784), (10000, 784)]
    assert d.train_labels is not None
    assert d.train_labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert d.test_labels is not None
    assert d.test_labels[:5].tolist() == [7, 2, 1, 0, 4]
    batch = d.prepare(d.test[:100], rng=0)
    assert batch.dtype == np.float32
    assert (set(np.unique(batch)) == values) if values else (0 <= batch.min() < batch.max() <= 1)
    assert batch.mean() == pytest.approx(d.test[:100].mean() / 255, rel=0.05, abs=0.0)


def test_static_mnist_is_binary_and_sorted_by_class_in_test(real_data: Path) -> None:
    d = load("mnist-static")
    assert [x.shape for x in (d.train, d.validation, d.test)] == [(50000, 784), (10000, 784), (10000, 784)]
    assert set(np.unique(d.test)) == {0, 1}
    assert d.train_labels is None
    assert d.prepare(d.train[:2], rng=0).dtype == np.float32


def test_packing_the_published_text_gives_the_known_bits(real_data: Path) -> None:
    # The text's own checksum is the one TensorFlow Datasets lists for the file at the published address.
    import hashlib

    bits = load("mnist-static").test
    text = np.full((len(bits), 1568), ord(" "), np.uint8)
    text[:, ::2] = bits + ord("0")
    text[:, -1] = ord("\n")
    raw = text.tobytes()
    assert hashlib.sha256(raw).hexdigest() == "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"
    STATIC["test"].verified(pack_amat(raw))


def test_every_source_has_a_checksum_and_an_address() -> None:
    for source in (*MNIST.values(), *STATIC.values()):
        assert re.fullmatch("[0-9a-f]{64}", source.sha256)
        assert all(url.startswith("http") for url in source.urls)
        assert source.urls
    assert len({source.sha256 for source in (*MNIST.values(), *STATIC.values())}) == 7


@pytest.mark.parametrize("name", ["mnist", "mnist-static"])
def test_damaged_files_are_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    for source in (*MNIST.values(), *STATIC.values()):
        (tmp_path / source.local).parent.mkdir(exist_ok=True)
        (tmp_path / source.local).write_bytes(gzip.compress(b"other"))
    with pytest.raises(ValueError, match="damaged"):
        load(name)


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(np.mod(a - b + math.pi, 2 * math.pi) - math.pi)


def test_circle_is_a_blurred_closed_curve_in_many_dimensions() -> None:
    d = circle()
    assert [x.shape for x in (d.train, d.validation, d.test)] == [(800, 100), (100, 100), (100, 100)]
    assert d.angles is not None
    t, x = d.angles[0], d.train.astype(float)
    spread = angle_between(t, 2 * math.pi / 3 * d.train_labels)
    assert np.bincount(d.train_labels).min() > 220
    assert np.cos(spread).mean() == pytest.approx(0.8934, abs=0.02)  # I1(5)/I0(5)
    assert 0.3 < x.std() < 3
    far = np.sqrt(((x[:, None] - x[None]) ** 2).sum(-1))
    near = far[np.triu_indices(800, 1)][angle_between(t[:, None], t[None])[np.triu_indices(800, 1)] < 1e-3]
    assert np.sqrt((near**2).mean() / 200) == pytest.approx(0.1, rel=0.05, abs=0.0)


def test_circle_uses_its_options() -> None:
    a, b = circle(50, rng=1), circle(50, rng=2)
    assert (a.train != b.train).any()
    np.testing.assert_array_equal(a.train, circle(50, rng=1).train)
    tight = circle(200, n_features=3, concentration=1e4, noise=0.5, rng=1)
    assert tight.train.shape == (160, 3)
    assert tight.likelihood == "gaussian:0.5"
    assert tight.angles is not None
    assert angle_between(tight.angles[0], 2 * math.pi / 3 * tight.train_labels).max() < 0.05
    with pytest.raises(ValueError, match="noise=0"):
        circle(noise=0)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown data set 'mnits'; there are digits, mnist, "):
        load("mnits")
    with pytest.raises(ValueError, match="unknown MNIST variant 'gray'; there are dynamic, thresholded, grey"):
        mnist("gray")


def test_a_dataset_cannot_be_changed() -> None:
    d = circle(10)
    assert isinstance(d, Dataset)
    with pytest.raises(AttributeError):
        d.name = "other"  # type: ignore[misc]
    assert set(SETS) >= {"digits", "mnist", "mnist-static", "circle"}
