"""Faces in grey levels: the Frey video and Labeled Faces in the Wild."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import namespace
from geomlat.data.dataset import Dataset, stratified
from geomlat.data.files import Source, fetch, read_npz
from geomlat.random import stream

FRAMES, TRAIN, HELD_OUT = 1965, 1565, 200


def freyfaces(split: int | str = 0) -> Dataset:
    """Frey Faces: 1965 frames of one man's face on video, 28 x 20, grey levels 0..255; 1565 / 200 / 200.

    Frames that follow each other are nearly the same. A random split puts the neighbours of nearly every test frame
    into the training set, so that its likelihoods are those of a lookup as much as of a model; it is what the
    literature reports. Roweis, Saul, Hinton (2002); the split sizes are those of Tomczak, Welling (2018).

    Parameters
    ----------
    split
        A whole number for a random split, each number another; ``"contiguous"`` for the first frames, those after
        them, and the last.

    Raises
    ------
    ValueError
        For any other split.
    """
    frames = np.frombuffer(fetch(FREY), np.uint8).reshape(FRAMES, 560)
    if split == "contiguous":
        name = "contiguous split"
        note = (
            "train, validation and test follow each other in the video; only frames at the two borders are neighbours"
        )
    elif isinstance(split, int) and split >= 0:
        frames = frames[stream(split).generator().permutation(FRAMES)]
        name = f"random split {split}"
        note = "a random split of a video leaks: nearly every test frame has a neighbour in train (see the contiguous)"
    else:
        msg = f"a split of the Frey faces is a whole number or 'contiguous', got {split!r}"
        raise ValueError(msg)
    return Dataset(
        name=f"freyfaces ({name})",
        train=frames[:TRAIN],
        validation=frames[TRAIN : TRAIN + HELD_OUT],
        test=frames[TRAIN + HELD_OUT :],
        train_labels=None,
        validation_labels=None,
        test_labels=None,
        likelihood="logistic",
        note=note,
        image_shape=(28, 20),
        ink=False,
    )


def columns_of_mat(content: bytes) -> bytes:
    """The columns of the matrix ``ff`` of a MATLAB file, one image each, as bytes."""
    from scipy.io import loadmat

    try:
        found = loadmat(io.BytesIO(content))["ff"]
    except (KeyError, TypeError, NotImplementedError) as failure:
        msg = f"not a MATLAB file with a matrix ff ({failure})"
        raise ValueError(msg) from failure
    return np.ascontiguousarray(found.T.astype(np.uint8)).tobytes()


FREY = Source(
    "freyfaces/frames.bytes",
    "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78",
    ("https://cs.nyu.edu/~roweis/data/frey_rawface.mat", "http://www.cs.nyu.edu/~roweis/data/frey_rawface.mat"),
    "freyfaces/freyfaces_uint8_1965x28x20.npz",
    columns_of_mat,
    partial(read_npz, key="images"),
)
_LFW = {
    "images_rgbsum": "263c3a3c495e7e169531b24a3d0548c667f87941a7342d8597c0c5a721baaa53",
    "target": "88665cbedb7bd9ea403dc9b1a27711f4bf9d3ec3515e5b2a08732f178d413e51",
}
LFW = {
    key: Source(
        f"lfw/{key}.bytes", digest, (), "lfw/lfw70_deepfunneled_50x37.npz", read_local=partial(read_npz, key=key)
    )
    for key, digest in _LFW.items()
}


def shares(total: Any, *, rng: Any = None) -> Any:
    """Sums 0..765 of red, green and blue as shares in [0, 1], in float32; ``rng`` is not used."""
    xp = namespace(total)
    return xp.astype(total, xp.float32) / 765


def levels(total: Any, *, rng: Any = None) -> Any:
    """Sums 0..765 of red, green and blue as grey levels 0..255, the nearest to a third, in float32."""
    xp = namespace(total)
    return xp.astype((total + 1) // 3, xp.float32)


_VARIANTS: dict[str, tuple[Callable[..., Any], str, str, str]] = {
    "levels": (levels, "grey levels", "logistic", "grey levels are the nearest to (R + G + B) / 3"),
    "shares": (shares, "cross-entropy", "bernoulli", "values are (R + G + B) / 765; their cross-entropy is no density"),
}


def lfw(variant: str = "levels") -> Dataset:
    """Labeled Faces in the Wild: the 1288 pictures of the seven people with 70 or more, 50 x 37, labelled by person.

    The crop and the size are those of scikit-learn's ``fetch_lfw_people(min_faces_per_person=70, resize=0.4)``. Below
    GEOMLAT_DATA the deep-funnelled alignment is used; without it scikit-learn downloads the funnelled one into its
    cache, and the name says so. Split 70/15/15 at random, stratified by person, the same for everyone: the same seven
    people are in all three. Huang, Ramesh, Berg, Learned-Miller (2007).

    Parameters
    ----------
    variant
        ``"levels"`` for whole grey levels 0..255, ``"shares"`` for the shares in [0, 1] that a cross-entropy takes:
        its value at a perfect reconstruction is not zero but the entropy of the greys, 1147 nats a picture.
    """
    if variant not in _VARIANTS:
        msg = f"unknown LFW variant {variant!r}; there are {', '.join(_VARIANTS)}"
        raise ValueError(msg)

    prepare, words, likelihood, rule = _VARIANTS[variant]
    x, y, alignment = _people()
    return Dataset(
        name=f"lfw ({words}, {alignment})",
        **stratified(x, y),
        likelihood=likelihood,
        note=f"the 7 people with 70 pictures or more, in all three splits (70/15/15, stratified); {rule}",
        prepare=prepare,
        image_shape=(50, 37),
        ink=False,
    )


def _people() -> tuple[ndarray, ndarray, str]:
    # The sums of red, green and blue, (1288, 1850), and the person.
    try:
        sums = np.frombuffer(fetch(LFW["images_rgbsum"]), np.uint16).reshape(-1, 1850)
        return sums, np.frombuffer(fetch(LFW["target"]), np.uint8).astype(np.int64), "deep-funnelled"
    except OSError:
        from sklearn.datasets import fetch_lfw_people

        people = fetch_lfw_people(min_faces_per_person=70, resize=0.4)
        sums = np.rint(765.0 * people.images.reshape(-1, 1850)).astype(np.uint16)
        return sums, people.target.astype(np.int64), "funnelled"
