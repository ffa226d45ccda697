"""MNIST in its three usual forms, and the statically binarised one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.data.binarise import binarise, scale, threshold
from geomlat.data.dataset import Dataset
from geomlat.data.files import Source, fetch, read_npz

_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "http://yann.lecun.com/exdb/mnist/",
)
_SUMS = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MNIST = {
    name: Source(f"mnist/{name}", digest, tuple(f"{m}{name}.gz" for m in _MIRRORS), f"mnist/{name}.gz")
    for name, digest in _SUMS.items()
}
_VARIANTS: dict[str, tuple[Callable[..., Any], str, str]] = {
    "dynamic": (binarise, "dynamic binarisation", "each pixel is drawn anew at every visit with probability grey/255"),
    "thresholded": (threshold, "thresholded", "each pixel is 1 where its grey level is above 127"),
    "grey": (scale, "grey levels", "each pixel is its grey level divided by 255"),
}


def mnist(variant: str = "dynamic") -> Dataset:
    """MNIST: 60000 training and 10000 test images of handwritten digits, 28 x 28, grey levels 0..255.

    The last 10000 training images are the validation split. LeCun, Bottou, Bengio, Haffner (1998).

    Parameters
    ----------
    variant
        ``"dynamic"`` (pixels drawn anew at every visit), ``"thresholded"`` or ``"grey"``.
    """
    if variant not in _VARIANTS:
        msg = f"unknown MNIST variant {variant!r}; there are {', '.join(_VARIANTS)}"
        raise ValueError(msg)
    prepare, words, rule = _VARIANTS[variant]
    x, test = (_images(MNIST[f"{part}-images-idx3-ubyte"]) for part in ("train", "t10k"))
    y, test_labels = (_labels(MNIST[f"{part}-labels-idx1-ubyte"]) for part in ("train", "t10k"))
    return Dataset(
        name=f"mnist ({words})",
        train=x[:50000],
        validation=x[50000:],
        test=test,
        train_labels=y[:50000],
        validation_labels=y[50000:],
        test_labels=test_labels,
        likelihood="bernoulli",
        note=f"train is the first 50000 of the 60000 training images, validation the last 10000; {rule}",
        prepare=prepare,
        image_shape=(28, 28),
    )


def _images(source: Source) -> ndarray:
    return np.frombuffer(fetch(source), np.uint8, offset=16).reshape(-1, 784)


def _labels(source: Source) -> ndarray:
    return np.frombuffer(fetch(source), np.uint8, offset=8).astype(np.int64)


def pack_amat(text: bytes) -> bytes:
    """Rows of 784 digits ``0`` or ``1`` separated by spaces, as packed bits, 98 bytes a row."""
    digits = np.frombuffer(text, np.uint8)
    bits = digits[(digits == ord("0")) | (digits == ord("1"))] - ord("0")
    return np.packbits(bits.reshape(-1, 784), axis=1).tobytes()


_STATIC_SUMS = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}
STATIC = {
    split: Source(
        f"mnist_binarized/{split}.bits",
        digest,
        (f"http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/binarized_mnist_{split}.amat",),
        "mnist_binarized/binarized_mnist_packbits.npz",
        pack_amat,
        partial(read_npz, key=split),
    )
    for split, digest in _STATIC_SUMS.items()
}


def mnist_static() -> Dataset:
    """MNIST binarised once and for all: 50000 / 10000 / 10000 images of 28 x 28 bits, without labels.

    Larochelle and Murray (2011). Train and validation are a random mix of MNIST's training images; test is sorted by
    class, so shuffle it before taking a part.
    """
    train, validation, test = (_bits(STATIC[split]) for split in ("train", "valid", "test"))
    return Dataset(
        name="mnist-static (Larochelle's binarisation)",
        train=train,
        validation=validation,
        test=test,
        train_labels=None,
        validation_labels=None,
        test_labels=None,
        likelihood="bernoulli",
        note="Larochelle's fixed binarisation and split; test is sorted by class; no labels",
        image_shape=(28, 28),
    )


def _bits(source: Source) -> ndarray:
    return np.unpackbits(np.frombuffer(fetch(source), np.uint8).reshape(-1, 98), axis=1)[:, :784]
