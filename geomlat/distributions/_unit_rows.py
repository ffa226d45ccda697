"""Unit vectors as the rows of a dense or sparse matrix, checked once and handed out in blocks of bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import Array, namespace, to_host
from geomlat.backends.threads import in_parts, one_blas_thread

Visit = Callable[[int, slice, Any, Array], None]

BLOCK = 2**19
"""Numbers of a block and of its products together: 2 MB in float32."""

GROUPS = 16
"""Groups of blocks that may run at the same time; not the number of threads, so that sums do not depend on it."""

TOLERANCE = 1e-5
"""How far the length of a row may be from 1: what rounding to float32 leaves after a division by the length."""


@dataclass(frozen=True, eq=False)
class UnitRows:
    """The rows ``x`` ``(n, m)`` of an estimator, a NumPy or CuPy array or a SciPy CSR matrix, and their weights.

    ``weights`` is ``(n,)``, or ``(1,)`` where every row counts alike; float64.
    """

    x: Any
    weights: Array
    sparse: bool

    def __len__(self) -> int:
        return int(self.x.shape[0])

    @property
    def width(self) -> int:
        """m."""
        return int(self.x.shape[1])

    @property
    def total(self) -> float:
        """The sum of the weights of all rows."""
        share = float(self.weights.sum())
        return share * len(self) if self.weights.shape[0] == 1 and len(self) > 1 else share

    @property
    def xp(self) -> Any:
        """The namespace of dense arrays beside ``x``: NumPy's or CuPy's."""
        return namespace(self.weights)

    def each_block(self, visit: Visit, *, beside: int) -> int:
        """``visit(group, where, block, weights)`` of blocks of rows, ``beside`` more numbers a row in memory.

        The blocks of a group come in order; groups run on several threads. Returns how many groups there were.
        """
        per = beside if self.sparse else self.width + beside
        step = max(64, BLOCK // max(per, 1))
        count = -(-len(self) // step)
        groups = min(count, GROUPS)

        def loop(low: int, high: int) -> None:
            for group in range(low, high):
                for b in range(group * count // groups, (group + 1) * count // groups):
                    where = slice(b * step, min((b + 1) * step, len(self)))
                    visit(
                        group, where, self.x[where], self.weights if self.weights.shape[0] == 1 else self.weights[where]
                    )

        with one_blas_thread() as alone:
            if alone and self.xp is array_api_compat.numpy:
                in_parts(loop, groups)
            else:
                loop(0, groups)
        return groups

    def take(self, index: np.ndarray) -> UnitRows:
        """The rows of the given indices."""
        at = self.xp.asarray(index)
        weights = self.weights if self.weights.shape[0] == 1 else self.weights[at]
        return UnitRows(self.x[index if self.sparse else at], weights, self.sparse)

    def dense(self, index: np.ndarray) -> Array:
        """The rows of the given indices as a dense float64 array."""
        chosen = self.take(index).x
        chosen = chosen.toarray() if self.sparse else chosen
        return self.xp.astype(chosen, self.xp.float64)


def unit_rows(name: str, X: Any, sample_weight: Any = None, *, width: int | None = None) -> UnitRows:
    """The checked rows of an argument ``X``: dense or sparse, float32 or float64, each of length 1 within 1e-5.

    Lists and integers become float64; arrays of other libraries than NumPy and CuPy are taken as NumPy views.

    Raises
    ------
    TypeError
        For another dtype.
    ValueError
        For another shape, a row whose length is not 1 (NaN included), or weights that are not finite, non-negative
        and of shape ``(n,)``.
    """
    sparse = hasattr(X, "tocsr")
    if sparse:
        x = X.tocsr()
        if not x.has_canonical_format:
            x = x.copy()
            x.sum_duplicates()
    else:
        x = X if array_api_compat.is_cupy_array(X) else np.asarray(X if isinstance(X, list | tuple) else to_host(X))
    if x.dtype.kind in "iub":
        x = x.astype(np.float64)
    if x.dtype.char not in "fd":
        msg = f"{name} takes rows of float32 or float64, got {x.dtype}"
        raise TypeError(msg)
    if x.ndim != 2 or x.shape[0] < 1 or x.shape[1] < 2 or (width is not None and x.shape[1] != width):
        wanted = "(n, m) with n >= 1 and m >= 2" if width is None else f"(n, {width}) with n >= 1"
        msg = f"{name} takes X of shape {wanted}, got {tuple(x.shape)}"
        raise ValueError(msg)
    rows = UnitRows(x, _weights(name, np if sparse else namespace(x), x.shape[0], sample_weight), sparse)
    _check_lengths(name, rows)
    return rows


def _weights(name: str, xp: Any, n: int, weights: Any) -> Array:
    if weights is None:
        return xp.ones(1, dtype=xp.float64)
    w = xp.asarray(weights, dtype=xp.float64)
    if w.shape != (n,):
        msg = f"{name} takes sample_weight of shape ({n},), one number for each row, got {tuple(w.shape)}"
        raise ValueError(msg)
    total = float(w.sum())
    if not (float(w.min()) >= 0.0 and 0.0 < total < math.inf):
        msg = f"{name} takes sample_weight that is finite, at least 0 and not all 0"
        raise ValueError(msg)
    return w


def _check_lengths(name: str, rows: UnitRows) -> None:
    def visit(group: int, where: slice, block: Any, weights: Array) -> None:
        if rows.sparse:
            square = np.asarray(block.multiply(block).sum(axis=1), dtype=np.float64).reshape(-1)
        else:
            square = to_host(rows.xp.vecdot(block, block))
        wrong = ~(np.abs(np.sqrt(square) - 1.0) <= TOLERANCE)
        if wrong.any():
            at = int(wrong.argmax())
            msg = (
                f"{name} takes unit vectors, but row {where.start + at} has length {math.sqrt(square[at]):.6g}; "
                "divide each row by its length (and drop rows of zeros)"
            )
            raise ValueError(msg)

    rows.each_block(visit, beside=1)
