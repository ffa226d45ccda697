"""Products of small matrices inside kernels.

BLAS spends a third of its time packing matrices of 256 x 64 and 64 x 64, and wakes its threads for each product; a
kernel that takes a few rows through a whole network has its matrices in the nearest cache. The functions here are the
source; on the CPU those of `geomlat.backends.vector_tiles`, as fast as the processor multiplies, stand in for them.
"""

from __future__ import annotations

from typing import Any

from geomlat.backends.kernels import replaced_on_cpu

_VECTORS = "geomlat.backends.vector_tiles"
PLAIN, RELU, GATE = 0, 1, 2


@replaced_on_cpu(_VECTORS)
def product(
    rows: int,
    columns: int,
    terms: int,
    a: Any,
    a0: int,
    a_row: int,
    a_term: int,
    b: Any,
    b0: int,
    b_term: int,
    start: Any,
    s0: int,
    s_row: int,
    out: Any,
    c0: int,
    c_row: int,
    gate: Any,
    g0: int,
    finish: int,
) -> None:
    """``out[i, j] = f(start[i, j] + sum_k a[i, k] b[k, j])`` for matrices that lie in flat arrays of one dtype.

    ``a[i, k]`` is entry ``a0 + i a_row + k a_term`` of the array, and so on; ``gate`` has the rows of ``out``. The
    finish is ``PLAIN``, ``RELU`` (negative sums are 0, a NaN stays one) or ``GATE`` (0 where the gate is not positive).
    ``start`` may be ``out``. Each entry is summed in the order of k, whatever the number of rows.
    """
    for i in range(rows):
        for j in range(columns):
            total = start[s0 + i * s_row + j]
            for k in range(terms):
                total += a[a0 + i * a_row + k * a_term] * b[b0 + k * b_term + j]
            if finish == RELU and total <= 0.0:
                total = 0.0
            if finish == GATE and not gate[g0 + i * c_row + j] > 0.0:
                total = 0.0
            out[c0 + i * c_row + j] = total


@replaced_on_cpu(_VECTORS)
def dots(
    rows: int,
    columns: int,
    terms: int,
    a: Any,
    a0: int,
    a_row: int,
    b: Any,
    b0: int,
    b_column: int,
    start: Any,
    s0: int,
    s_row: int,
    out: Any,
    c0: int,
    c_row: int,
) -> None:
    """``out[i, j] = start[i, j] + sum_k a[i, k] b[j, k]``, terms side by side in both: for a few columns.

    The terms are added by lanes of a register, in an order that depends on their number alone.
    """
    for i in range(rows):
        for j in range(columns):
            total = start[s0 + i * s_row + j]
            for k in range(terms):
                total += a[a0 + i * a_row + k] * b[b0 + j * b_column + k]
            out[c0 + i * c_row + j] = total


@replaced_on_cpu(_VECTORS)
def transpose(rows: int, columns: int, a: Any, a0: int, out: Any, c0: int) -> None:
    """``out[j, i] = a[i, j]`` of whole matrices in flat arrays."""
    for i in range(rows):
        for j in range(columns):
            out[c0 + j * rows + i] = a[a0 + i * columns + j]
