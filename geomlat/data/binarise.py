"""Grey levels made binary: by chance at every visit, or at a threshold."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.backends import kernel, namespace, rows
from geomlat.random import LOW, S32, philox, stream


def binarise(grey: Any, *, rng: Any) -> Any:
    """Dynamic binarisation: each pixel is 1 with probability ``grey / 255``, in float32.

    Salakhutdinov and Murray (2008). Row ``i`` depends on ``rng`` and ``i`` alone (`Stream.at` moves the first row), so
    the draws do not depend on how the data were split into batches. Levels 0 and 255 are certain.

    Parameters
    ----------
    grey
        Levels 0..255, uint8, shape ``(n, pixels)``.
    rng
        Anything `geomlat.random.stream` takes.

    Raises
    ------
    TypeError, ValueError
        If ``grey`` is not a uint8 matrix.
    """
    xp = namespace(grey)
    if grey.dtype != xp.uint8:
        msg = f"dynamic binarisation takes grey levels 0..255 of dtype uint8, got {grey.dtype}"
        raise TypeError(msg)
    if grey.ndim != 2:
        msg = f"grey must have shape (n, pixels), got {tuple(grey.shape)}"
        raise ValueError(msg)
    out = xp.empty(grey.shape, dtype=xp.float32)
    if out.size:
        _binarise(len(grey), xp.asarray(stream(rng).words), rows(grey, grey.shape[:1]), out)
    return out


def threshold(grey: Any, *, rng: Any = None) -> Any:
    """1 where the level is above 127, else 0, in float32; ``rng`` is not used."""
    xp = namespace(grey)
    return xp.astype(grey > 127, xp.float32)


def scale(grey: Any, *, rng: Any = None) -> Any:
    """Levels 0..255 mapped to the interval [0, 1], in float32; ``rng`` is not used."""
    xp = namespace(grey)
    return xp.astype(grey, xp.float32) / 255


BYTE = np.uint64(255)
PURPOSE_BINARISE = np.uint64(16)


@kernel(cost=3.0)
def _binarise(i: int, words: Any, grey: Any, out: Any) -> None:
    # a * 255 < grey * 2^32 compares a 32-bit uniform with grey / 255 without rounding.
    row = words[2] + np.uint64(i)
    width = grey.shape[1]
    for block in range((width + 3) // 4):
        draws = philox(np.uint64(block), row & LOW, row >> S32, PURPOSE_BINARISE, words[0], words[1])
        for k in range(min(4, width - 4 * block)):
            j = 4 * block + k
            out[i, j] = 1.0 if draws[k] * BYTE < (np.uint64(grey[i, j]) << S32) else 0.0
