"""Affine layers and relus in a row, compiled: rows through all of them in one pass, and their gradients in two more.

A few rows go through every layer before the next ones start, so that threads meet once a pass and not once a layer. The
gradient of a weight is a sum over all rows, so its own rows are what is shared out then: each number is added up in the
order of the rows by one thread, and the result does not depend on how many there are.

A row of ``layers`` says where things lie: weight and bias in theta, inputs, outputs, the columns before its input and
before its output in ``store`` (of each column a number for every row; -1 for the input of the first layer, which is x),
the transposed weight (-1: none), and the finish, a relu or nothing. ``sizes``: rows, rows of a part, and roughly the
nanoseconds of a pass.
"""

from __future__ import annotations

from typing import Any

from geomlat.backends import kernel
from geomlat.backends.tiles import GATE, PLAIN, RELU, dots, product, transpose

PART = 16
"""Rows that go through the layers together."""
STRIP = 64
"""Rows of a weight whose gradient is added up together."""


def _cost(n: int, sizes: Any, *arrays: Any) -> float:
    return float(sizes[2])


@kernel(cost=_cost)
def forward(i: int, sizes: Any, layers: Any, turning: Any, theta: Any, x: Any, store: Any, turned: Any) -> None:
    """Part ``i`` of the rows to ``store``; the parts after the last are weights to transpose."""
    rows, per = sizes[0], sizes[1]
    parts = (rows + per - 1) // per
    if i >= parts:
        l = turning[i - parts]
        transpose(layers[l, 2], layers[l, 3], theta, layers[l, 0], turned, layers[l, 6])
        return
    begin = i * per
    n = min(per, rows - begin)
    for l in range(layers.shape[0]):
        weight, bias, n_in, n_out = layers[l, 0], layers[l, 1], layers[l, 2], layers[l, 3]
        to = rows * layers[l, 5] + begin * n_out
        if l == 0:
            product(
                n, n_out, n_in, x, begin * n_in, n_in, 1, theta, weight, n_out, theta, bias, 0,
                store, to, n_out, store, to, layers[l, 7],
            )  # fmt: skip
        else:
            product(
                n, n_out, n_in, store, rows * layers[l, 4] + begin * n_in, n_in, 1, theta, weight, n_out, theta, bias,
                0, store, to, n_out, store, to, layers[l, 7],
            )  # fmt: skip


@kernel(cost=_cost)
def pull_rows(
    i: int, sizes: Any, layers: Any, turned: Any, zeros: Any, theta: Any, store: Any, dy: Any, back: Any, dx: Any
) -> None:
    """Part ``i`` of the cotangents of every layer's sums but the last one's, ``dy``, to ``back``, which is as store.

    Those of x go to ``dx``, if that is not empty.
    """
    rows, per, last = sizes[0], sizes[1], layers.shape[0] - 1
    begin = i * per
    n = min(per, rows - begin)
    for l in range(last, 0, -1):
        n_in, n_out = layers[l, 2], layers[l, 3]
        to, finish = rows * layers[l, 4] + begin * n_in, GATE if layers[l - 1, 7] == RELU else PLAIN
        if l == last:
            product(
                n, n_in, n_out, dy, begin * n_out, n_out, 1, turned, layers[l, 6], n_in, zeros, 0, 0,
                back, to, n_in, store, to, finish,
            )  # fmt: skip
        else:
            product(
                n, n_in, n_out, back, rows * layers[l, 5] + begin * n_out, n_out, 1, turned, layers[l, 6], n_in,
                zeros, 0, 0, back, to, n_in, store, to, finish,
            )  # fmt: skip
    if dx.shape[0] > 0:
        n_in, n_out, to, weight = layers[0, 2], layers[0, 3], begin * layers[0, 2], layers[0, 0]
        sums = back
        if last == 0:
            sums = dy
        dots(n, n_in, n_out, sums, begin * n_out, n_out, theta, weight, n_out, zeros, 0, 0, dx, to, n_in)


@kernel(cost=_cost)
def pull_weights(
    i: int, sizes: Any, layers: Any, strips: Any, kept: Any, zeros: Any, x: Any, store: Any, dy: Any, back: Any,
    grad: Any,
) -> None:  # fmt: skip
    """Strip ``i`` of a layer's weight, or its bias: ``grad += seen^T ds``, or ``=`` where ``kept`` is 0.

    A row of ``strips``: the layer, the first row of its weight and how many, none for the bias. ``zeros`` ends in a 1.
    """
    rows, l, first, count, last = sizes[0], strips[i, 0], strips[i, 1], strips[i, 2], layers.shape[0] - 1
    n_in, n_out, at, from_sums = layers[l, 2], layers[l, 3], 0, back
    if l != last:
        at = rows * layers[l, 5]
    else:
        from_sums = dy
    if count == 0:
        to, one = layers[l, 1], zeros.shape[0] - 1
        product(1, n_out, rows, zeros, one, 0, 0, from_sums, at, n_out, grad, to, 0, grad, to, n_out, store, 0, PLAIN)
        return
    to = layers[l, 0] + first * n_out
    seen, begin, start, s0, s_row = store, first, grad, to, n_out
    if l == 0:
        seen = x
    else:
        begin = rows * layers[l, 4] + first
    if kept[l] == 0:
        start, s0, s_row = zeros, 0, 0
    product(
        count, n_out, rows, seen, begin, 1, n_in, from_sums, at, n_out, start, s0, s_row,
        grad, to, n_out, store, 0, PLAIN,
    )  # fmt: skip
