"""The row of a parameter that a draw uses: the rows of a batch repeat over the draws."""

from __future__ import annotations

from typing import Any

from geomlat.backends import scalar


@scalar
def row(i: int, count: int) -> int:
    """The row of a parameter with ``count`` rows that sample ``i`` uses: the batch repeats."""
    return i if i < count else i % count


@scalar
def repeat(values: Any, low: int, out: Any) -> None:
    """Rows ``low``, ``low + 1``, ... of the numbers ``values``, the rows repeating, into a vector."""
    if values.size == 1:
        out[:] = values[0]
    elif low + out.size <= values.size:
        here = values[low : low + out.size]  # its index is seen to be positive, which a sum of two numbers is not
        for r in range(out.size):
            out[r] = here[r]
    else:
        for r in range(out.size):
            out[r] = values[row(low + r, values.size)]


@scalar
def repeat_rows(rows: Any, low: int, out: Any) -> None:
    """The same for rows of numbers."""
    for r in range(out.shape[0]):
        k = row(low + r, rows.shape[0])
        for j in range(out.shape[1]):
            out[r, j] = rows[k, j]
