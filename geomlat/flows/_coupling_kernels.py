"""Couplings by scale and shift in one pass over blocks of rows: the networks, what they move, and all of it back.

A block goes through every coupling before the next one starts, so that its layers stay in the nearest cache and two
threads meet once a pass and not once a layer. Each part of the rows adds up a gradient of its own; parts depend on the
number of rows alone, and so does the result. The formulas are those of `geomlat.flows.elementwise`.

Tables of whole numbers say where things lie. A row of ``couplings``: first layer, layers, kept columns and the first
of their numbers, moved columns and the first of theirs, where the input of the network is stored, where what the pull
needs is held, raw numbers of a moved column, what is held of a row. A row of ``layers``: weight and bias in theta,
inputs, outputs, where the input and the output are stored, the transposed weight, that of a last and thin layer or -1.
``sizes``: rows of a model, parts of them, rows of a part, numbers stored of a row, columns of the context, the length
of theta, of the transposed weights, of a gradient, where the gradient starts in theta, the transposed thin weights.
"""

from __future__ import annotations

from typing import Any

from geomlat.backends import inlined, kernel, scalar
from geomlat.backends.libm import fast_exp_expm1
from geomlat.backends.tiles import GATE, PLAIN, RELU, dots, product, transpose

BLOCK = 64
THIN = 4  # columns for which a tile would be mostly empty
SCALED = 2  # raw numbers of a column with a scale and a shift
LARGEST = 170.0  # of an argument of tanh, whose slope there is 1e-147


def parts_of(rows: int) -> int:
    """In how many parts the rows of a model are done: each costs a gradient, which is worth it from 64 rows on."""
    return min(-(-rows // 64), max(2, -(-rows // 256)), 8)


@inlined
def bounded(raw: float, bound: float) -> tuple[float, float]:
    """``bound tanh(raw / bound)`` and its derivative."""
    v = raw / bound
    v = LARGEST if v > LARGEST else v
    v = -LARGEST if v < -LARGEST else v
    e, less = fast_exp_expm1(2.0 * v)
    return bound * (less / (less + 2.0)), 4.0 * e / ((less + 2.0) * (less + 2.0))


@scalar
def moved(
    first: int, n: int, at: int, c: int, couplings: Any, columns: Any, bound: float, inverse: int, store: Any,
    state: Any, held: Any,
) -> None:  # fmt: skip
    """The coupling ``c`` of ``n`` rows from the network's output at ``at`` in ``store``.

    Of each moved number ``held`` keeps the factor, the derivative of the log-scale and the number it multiplies.
    """
    count, column, last = couplings[c, 4], couplings[c, 5], state.shape[1] - 1
    if couplings[c, 8] != SCALED:
        for r in range(n):
            for q in range(count):
                m = float(store[at + r * count + q])
                state[first + r, columns[column + q]] += -m if inverse != 0 else m
        return
    m, sign = n * count, -1.0 if inverse != 0 else 1.0
    begin = first * couplings[0, 9] + couplings[c, 7] * n
    # Slices, since an index that might be negative keeps the loops from becoming vectors.
    raw, factor = store[at : at + 2 * m], held[begin : begin + m]
    slope, base = held[begin + m : begin + 2 * m], held[begin + 2 * m : begin + 3 * m]
    for t in range(m):
        s, ds = bounded(float(raw[2 * t]), bound)
        slope[t] = ds
        base[t] = sign * s
    for t in range(m):
        factor[t] = fast_exp_expm1(base[t])[0]
    for r in range(n):
        for q in range(count):
            t, j = r * count + q, columns[column + q]
            shift, old = float(raw[2 * t + 1]), state[first + r, j]
            new = (old - shift) * factor[t] if inverse != 0 else old * factor[t] + shift
            state[first + r, j] = new
            state[first + r, last] += base[t]
            base[t] = new if inverse != 0 else old


@scalar
def pulled(
    first: int, n: int, at: int, c: int, couplings: Any, columns: Any, inverse: int, work: Any, state: Any, held: Any
) -> None:
    """The cotangents of the network's output of ``n`` rows to ``at`` in ``work``; ``state`` becomes that before."""
    count, column, last = couplings[c, 4], couplings[c, 5], state.shape[1] - 1
    if couplings[c, 8] != SCALED:
        for r in range(n):
            for q in range(count):
                g = state[first + r, columns[column + q]]
                work[at + r * count + q] = -g if inverse != 0 else g
        return
    m, factor = n * count, first * couplings[0, 9] + couplings[c, 7] * n
    for r in range(n):
        for q in range(count):
            t, j = r * count + q, columns[column + q]
            e, slope, base = held[factor + t], held[factor + m + t], held[factor + 2 * m + t]
            g, dlogdet = state[first + r, j], state[first + r, last]
            ds = -(g * base + dlogdet) if inverse != 0 else g * base * e + dlogdet
            work[at + 2 * t] = ds * slope
            work[at + 2 * t + 1] = -g * e if inverse != 0 else g
            state[first + r, j] = g * e


@kernel(cost=1.0)
def forward(
    i: int, sizes: Any, couplings: Any, layers: Any, columns: Any, bounds: Any, inverse: int, theta: Any, x: Any,
    context: Any, state: Any, held: Any, store: Any, turned: Any, thin: Any,
) -> None:  # fmt: skip
    """Part ``i``: ``state`` becomes the moved rows and the log-determinants, ``turned`` the transposed weights."""
    rows, parts, per, stored, given = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    k, part = i // parts, i % parts
    high, theta0 = min((part + 1) * per, rows), k * sizes[5]
    for l in range(part, layers.shape[0], parts):
        transpose(layers[l, 2], layers[l, 3], theta, theta0 + layers[l, 0], turned, k * sizes[6] + layers[l, 6])
    for l in range(layers.shape[0]):
        if layers[l, 7] >= 0:
            transpose(layers[l, 2], layers[l, 3], theta, theta0 + layers[l, 0], thin, i * sizes[9] + layers[l, 7])
    for begin in range(part * per, high, BLOCK):
        n, first = min(BLOCK, high - begin), k * rows + begin
        base = first * stored
        for r in range(n):
            for j in range(x.shape[1]):
                state[first + r, j] = x[first + r, j]
            state[first + r, x.shape[1]] = 0.0
        for c in range(couplings.shape[0]):
            l0, l1, kept = couplings[c, 0], couplings[c, 0] + couplings[c, 1], couplings[c, 2]
            at, wide = base + couplings[c, 6] * n, kept + given
            for r in range(n):
                for j in range(kept):
                    store[at + r * wide + j] = state[first + r, columns[couplings[c, 3] + j]]
                for j in range(given):
                    store[at + r * wide + kept + j] = context[first + r, j]
            for l in range(l0, l1):
                n_in, n_out, to = layers[l, 2], layers[l, 3], base + layers[l, 5] * n
                weight, bias = theta0 + layers[l, 0], theta0 + layers[l, 1]
                if layers[l, 7] >= 0:
                    across = i * sizes[9] + layers[l, 7]
                    dots(n, n_out, n_in, store, at, n_in, thin, across, n_in, theta, bias, 0, store, to, n_out)
                else:
                    product(
                        n, n_out, n_in, store, at, n_in, 1, theta, weight, n_out, theta, bias, 0,
                        store, to, n_out, store, to, RELU if l < l1 - 1 else PLAIN,
                    )  # fmt: skip
                at = to
            moved(first, n, at, c, couplings, columns, bounds[c], inverse, store, state, held)


@scalar
def add_weight(
    n: int, n_in: int, n_out: int, store: Any, seen: int, work: Any, at: int, to: int, zeros: Any, grads: Any,
    weight: int,
) -> None:  # fmt: skip
    """``seen^T ds`` of ``n`` rows to a gradient; where the layer is thin, by its transpose, which fills registers."""
    if n_out > THIN:
        product(
            n_in, n_out, n, store, seen, 1, n_in, work, at, n_out, grads, weight, n_out,
            grads, weight, n_out, store, seen, PLAIN,
        )  # fmt: skip
        return
    product(n_out, n_in, n, work, at, 1, n_out, store, seen, n_in, zeros, 0, 0, work, to, n_in, store, seen, PLAIN)
    for a in range(n_in):
        for b in range(n_out):
            grads[weight + a * n_out + b] += work[to + b * n_in + a]


@kernel(cost=2.0)
def pull(
    i: int, sizes: Any, couplings: Any, layers: Any, columns: Any, inverse: int, theta: Any, turned: Any, zeros: Any,
    held: Any, store: Any, state: Any, dcontext: Any, work: Any, direct: Any, others: Any,
) -> None:  # fmt: skip
    """Part ``i``: ``state`` starts as the cotangents of `forward`'s and ends as those of x.

    ``zeros`` has a one at its end; ``work`` is two blocks of the widest layer for each part. The first part of each
    model adds its gradient to ``direct``, the others have theirs in ``others``.
    """
    rows, parts, per, stored, given = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    k, part, one = i // parts, i % parts, zeros.shape[0] - 1
    high, size, half = min((part + 1) * per, rows), sizes[7], zeros.shape[0] * BLOCK
    grads = direct if part == 0 else others
    grad0 = k * size if part == 0 else (k * (parts - 1) + part - 1) * size
    if part > 0:
        grads[grad0 : grad0 + size] = 0.0
    grad0 -= sizes[8]
    for begin in range(part * per, high, BLOCK):
        n, first = min(BLOCK, high - begin), k * rows + begin
        for c in range(couplings.shape[0] - 1, -1, -1):
            at, to = 2 * half * i, 2 * half * i + half
            pulled(first, n, at, c, couplings, columns, inverse, work, state, held)
            for l in range(couplings[c, 0] + couplings[c, 1] - 1, couplings[c, 0] - 1, -1):
                n_in, n_out, seen = layers[l, 2], layers[l, 3], first * stored + layers[l, 4] * n
                weight, bias = grad0 + layers[l, 0], grad0 + layers[l, 1]
                add_weight(n, n_in, n_out, store, seen, work, at, to, zeros, grads, weight)
                product(
                    1, n_out, n, zeros, one, 0, 0, work, at, n_out, grads, bias, 0,
                    grads, bias, n_out, store, seen, PLAIN,
                )  # fmt: skip
                if l == couplings[c, 0] and n_in <= THIN:
                    start = k * sizes[5] + layers[l, 0]
                    dots(n, n_in, n_out, work, at, n_out, theta, start, n_out, zeros, 0, 0, work, to, n_in)
                else:
                    product(
                        n, n_in, n_out, work, at, n_out, 1, turned, k * sizes[6] + layers[l, 6], n_in, zeros, 0, 0,
                        work, to, n_in, store, seen, GATE if l > couplings[c, 0] else PLAIN,
                    )  # fmt: skip
                at, to = to, at
            kept = couplings[c, 2]
            for r in range(n):
                for j in range(kept):
                    state[first + r, columns[couplings[c, 3] + j]] += work[at + r * (kept + given) + j]
                for j in range(given):
                    dcontext[first + r, j] += work[at + r * (kept + given) + kept + j]
