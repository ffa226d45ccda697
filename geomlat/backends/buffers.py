"""Temporary arrays of a step, whose memory is handed from one step to the next.

A fresh array of more than some hundred kilobytes comes from the system page by page, at 3 GB/s where a warm one is
written at 15: of a step of 8 couplings of 128 units that was a third.
"""

from __future__ import annotations

from typing import Any

import numpy as np

KEPT = 1 << 27
"""Bytes of memory kept for later."""

_free: dict[int, list[np.ndarray]] = {}


class _Loan:
    """The owner of a buffer's memory: when the last array that views it is gone, the next one may have it."""

    def __init__(self, buffer: np.ndarray) -> None:
        self.buffer = buffer
        self.__array_interface__ = buffer.__array_interface__

    def __del__(self) -> None:
        size = self.buffer.nbytes
        if size > KEPT:
            return
        # Counted anew: a count kept beside it drifts where a thread, or the garbage collector, comes in between.
        if size + sum(n * len(buffers) for n, buffers in list(_free.items())) > KEPT:
            _free.clear()  # what is there was of other sizes
        _free.setdefault(size, []).append(self.buffer)


def scratch(size: int, dtype: Any) -> np.ndarray:
    """A vector like `numpy.empty`, in memory that an earlier one of this size has left behind if there is some.

    Its memory is lent anew only when no array refers to it any more.
    """
    count = size * np.dtype(dtype).itemsize
    try:
        buffer = _free[count].pop()
    except (KeyError, IndexError):
        buffer = np.empty(count, np.uint8)
    return np.asarray(_Loan(buffer)).view(dtype)
