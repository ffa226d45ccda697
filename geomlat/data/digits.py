"""The small handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

import numpy as np

from geomlat.data.dataset import Dataset, stratified


def digits() -> Dataset:
    """1797 handwritten digits, 8 x 8 pixels, each a count 0..16; no network needed.

    A pixel counts the dark cells of a 4 x 4 block of a 32 x 32 bitmap, hence a Binomial(16) likelihood. Split 70/15/15,
    stratified by class, the same for everyone. Alpaydin and Kaynak (1998), UCI repository.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = x.astype(np.uint8), y.astype(np.int64)
    return Dataset(
        name="digits (counts 0..16)",
        **stratified(x, y),
        likelihood="binomial:16",
        note="scikit-learn's 8 x 8 digits, split 70/15/15, stratified, fixed seed; pixels are counts of 16 cells",
        image_shape=(8, 8),
    )
