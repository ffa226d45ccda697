"""Lengths of rows, for the tables of distances of flat spaces and of products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import kernel, scalar, summation

# Squares between these, and their sum, are far from underflow and overflow.
LOW, HIGH = 1e-280, 1e280


@summation
def square_gap(x: Any, i: int, y: Any, j: int) -> float:
    """``|x_i - y_j|^2``."""
    total = 0.0
    for k in range(x.shape[1]):
        d = np.float64(x[i, k]) - np.float64(y[j, k])
        total += d * d
    return total


@scalar
def unit_of(largest: float) -> float:
    """What numbers are divided by before they are squared: the largest of them, 1 where that is 0 or infinite."""
    return largest if 0.0 < largest < math.inf else 1.0


@scalar
def scaled_gap(x: Any, i: int, y: Any, j: int) -> float:
    """``|x_i - y_j|`` without underflow or overflow."""
    largest, total = 0.0, 0.0
    for k in range(x.shape[1]):
        largest = max(largest, abs(np.float64(x[i, k]) - np.float64(y[j, k])))
    unit = unit_of(largest)
    for k in range(x.shape[1]):
        d = (np.float64(x[i, k]) - np.float64(y[j, k])) / unit
        total += d * d
    return unit * math.sqrt(total)


@kernel(cost=4.0)
def chords_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The lengths of the differences of a row of x and all rows of y."""
    for j in range(y.shape[0]):
        total = square_gap(x, i, y, j)
        out[i, j] = math.sqrt(total) if LOW < total < HIGH else scaled_gap(x, i, y, j)


@kernel(cost=2.0)
def roots_row(i: int, tables: Any, scales: Any, out: Any) -> None:
    """Of row i of several tables the roots of the sums of squares, each table times its scale."""
    for j in range(out.shape[1]):
        total, largest = 0.0, 0.0
        for t in range(tables.shape[0]):
            d = scales[t] * np.float64(tables[t, i, j])
            total += d * d
        if LOW < total < HIGH:
            out[i, j] = math.sqrt(total)
        else:
            for t in range(tables.shape[0]):
                largest = max(largest, scales[t] * np.float64(tables[t, i, j]))
            unit, total = unit_of(largest), 0.0
            for t in range(tables.shape[0]):
                d = scales[t] * np.float64(tables[t, i, j]) / unit
                total += d * d
            out[i, j] = unit * math.sqrt(total)
