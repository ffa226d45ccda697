"""Frey faces and Labeled Faces in the Wild: splits, grey levels, where they come from."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.io
import sklearn.datasets

from geomlat.data import Dataset, freyfaces, lfw, load
from geomlat.data import faces as module
from geomlat.data.faces import FREY, LFW, columns_of_mat


def all_rows(d: Dataset) -> np.ndarray:
    return np.concatenate([d.train, d.validation, d.test])


def test_frey_faces_are_frames_split_at_random_or_in_order(real_data: Path) -> None:
    random, ordered = load("freyfaces"), load("freyfaces-contiguous")
    for d in (random, ordered):
        assert [x.shape for x in (d.train, d.validation, d.test)] == [(1565, 560), (200, 560), (200, 560)]
        assert (d.likelihood, d.image_shape, d.ink) == ("logistic", (28, 20), False)
        assert (d.train.dtype, d.train_labels) == (np.uint8, None)
    assert (random.name, ordered.name) == ("freyfaces (random split 0)", "freyfaces (contiguous split)")
    assert "leaks" in random.note
    frames = all_rows(ordered)
    assert sorted(map(bytes, frames)) == sorted(map(bytes, all_rows(random)))
    # Neighbours in the video are alike: contiguous rows differ less than those of a random split.
    assert (
        np.abs(np.diff(frames.astype(float), axis=0)).mean()
        < 0.6 * np.abs(np.diff(all_rows(random) / 1.0, axis=0)).mean()
    )
    again, other = freyfaces(0), freyfaces(1)
    np.testing.assert_array_equal(again.test, random.test)
    assert (other.test != random.test).any()
    assert load("freyfaces").prepare(random.test, rng=0).dtype == np.float32


def test_faces_are_upright(real_data: Path) -> None:
    # The forehead is lighter than the eyes below it, which lie in one line.
    mean = load("freyfaces").train.mean(axis=0).reshape(28, 20)
    assert mean[3:6, 6:14].mean() > mean[7:10, 3:17].mean() + 30


@pytest.mark.parametrize("split", [-1, "middle", 0.5])
def test_frey_splits_are_checked(real_data: Path, split: object) -> None:
    with pytest.raises(ValueError, match="whole number or 'contiguous', got"):
        freyfaces(split)  # type: ignore[arg-type]


def test_a_matlab_file_becomes_the_verified_bytes(real_data: Path) -> None:
    frames = all_rows(load("freyfaces-contiguous"))
    file = io.BytesIO()
    scipy.io.savemat(file, {"ff": frames.T})
    FREY.verified(columns_of_mat(file.getvalue()))
    file = io.BytesIO()
    scipy.io.savemat(file, {"other": frames.T})
    with pytest.raises(ValueError, match="not a MATLAB file with a matrix ff"):
        columns_of_mat(file.getvalue())


def test_lfw_has_seven_people_in_every_split(real_data: Path) -> None:
    d = load("lfw")
    assert d.name == "lfw (grey levels, deep-funnelled)"
    assert [len(x) for x in (d.train, d.validation, d.test)] == [901, 193, 194]
    assert (d.n_features, d.image_shape, d.likelihood, d.ink) == (1850, (50, 37), "logistic", False)
    parts = (d.train_labels, d.validation_labels, d.test_labels)
    counts = sum(np.bincount(y) for y in parts if y is not None)
    assert counts.tolist() == [77, 236, 121, 530, 109, 71, 144]  # type: ignore[union-attr]
    shares = [np.bincount(y) / len(y) for y in parts if y is not None]
    assert np.abs(shares[0] - shares[2]).max() < 0.01
    grey = d.prepare(d.train, rng=0)
    assert (grey.dtype, grey.min(), grey.max()) == (np.float32, 0.0, 255.0)
    np.testing.assert_array_equal(grey, np.rint(d.train / 3.0))


def test_lfw_shares_are_for_a_cross_entropy(real_data: Path) -> None:
    d = load("lfw-grey")
    x = d.prepare(d.test, rng=0)
    assert (d.likelihood, x.dtype) == ("bernoulli", np.float32)
    np.testing.assert_allclose(x, d.test / 765, rtol=1e-6)
    p = all_rows(d) / 765
    safe = np.clip(p, 1e-12, 1 - 1e-12)
    entropy = -(p * np.log(safe) + (1 - p) * np.log1p(-safe)).sum(axis=1).mean()
    assert entropy == pytest.approx(1147, abs=1)
    with pytest.raises(ValueError, match="there are levels, shares"):
        lfw("grey")


def test_without_the_folder_scikit_learn_fetches_the_people(monkeypatch: pytest.MonkeyPatch) -> None:
    y = np.repeat(np.arange(7), 20)
    sums = np.random.default_rng(0).integers(0, 766, (140, 50, 37))
    asked = {}

    def people(**settings: object) -> SimpleNamespace:
        asked.update(settings)
        return SimpleNamespace(images=(sums / 765).astype(np.float32), target=y)

    def nowhere(source: object) -> bytes:
        raise OSError

    monkeypatch.setattr(sklearn.datasets, "fetch_lfw_people", people)
    monkeypatch.setattr(module, "fetch", nowhere)
    d = lfw()
    assert d.name == "lfw (grey levels, funnelled)"
    assert asked == {"min_faces_per_person": 70, "resize": 0.4}
    found = all_rows(d)
    assert sorted(map(bytes, found)) == sorted(map(bytes, sums.reshape(140, -1).astype(np.uint16)))


def test_pictures_of_people_have_no_address_of_ours() -> None:
    assert all(not source.urls for source in LFW.values())
    assert all(url.endswith("frey_rawface.mat") for url in FREY.urls)
