"""Affine layers and relus in a row as compiled passes; the kernels are in `geomlat.nn._dense_kernels`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import rows, tiles
from geomlat.backends.buffers import scratch
from geomlat.grad import Layout, Params
from geomlat.nn import _dense_kernels as kernels

Array = Any
FINISHES = {"identity": tiles.PLAIN, "relu": tiles.RELU}
MOST_ROWS = 256
"""Rows up to which tiles are no slower than BLAS, whose packing pays from there on."""
FEW = 64
"""Inputs up to which their cotangents are found in the pass: each call of BLAS wakes its threads beside ours."""

PRODUCTS = 50
"""Products of a nanosecond, roughly."""


@dataclass(frozen=True)
class Plan:
    """The tables of the kernels for some layers in one layout, and how much they need."""

    layers: ndarray
    turning: ndarray
    strips: ndarray
    stored: int
    turned: int
    widest: int
    weights: int


def takes(layers: tuple[Any, ...], p: Params, x: Array) -> bool:
    """Whether the compiled passes know these layers and arrays: NumPy's, of one dtype, a few rows, for one model."""
    theta = p.buffer
    if type(x) is not ndarray or type(theta) is not ndarray or x.dtype != theta.dtype or x.dtype.char not in "fd":
        return False
    if theta.ndim != 1 or not theta.flags.c_contiguous or x.ndim == 0 or x.shape[-1] != layers[0].n_in:
        return False
    return 0 < x.size <= MOST_ROWS * layers[0].n_in and _known(layers)


def run(layers: tuple[Any, ...], p: Params, x: ndarray) -> tuple[ndarray, Callable[..., Array]]:
    """The last output, and ``pull(dy, g, inputs=True) -> dx``, as of `geomlat.nn.layer.stacked_vjp`."""
    plan, batch, dtype, theta = _plan(layers, p.layout), x.shape[:-1], x.dtype, p.buffer
    n, n_out, last = math.prod(batch), layers[-1].n_out, layers[-1]
    data, sizes = rows(x, batch).reshape(-1), _sizes(n, plan.weights)
    room, parts = scratch(n * plan.stored + plan.turned, dtype), -(-n // kernels.PART)
    store, turned = room[: n * plan.stored], room[n * plan.stored :]
    flat = rows(theta, ()).reshape(-1)
    kernels.forward(parts + plan.turning.size, sizes, plan.layers, plan.turning, flat, data, store, turned)
    y = store[n * (plan.stored - n_out) :].reshape(*batch, n_out)

    def pull(dy: Array, g: Params, *, inputs: bool = True) -> Array:
        if dy is None:
            return None
        top = dy if dy.shape == y.shape else np.broadcast_to(dy, y.shape)
        top = np.where(y > 0.0, top, 0.0) if last.rule.name == "relu" else top
        ds, zeros = rows(np.asarray(top, dtype), batch).reshape(-1), _zeros_and_one(plan.widest, dtype)
        back = scratch(n * (plan.stored - n_out), dtype)
        few = inputs and layers[0].n_in <= FEW
        dx = np.empty(n * layers[0].n_in if few else 0, dtype)
        kernels.pull_rows(parts, sizes, plan.layers, turned, zeros, flat, store, ds, back, dx)
        into, grad = _plan(layers, g.layout), g.buffer
        direct = grad.dtype == dtype and grad.ndim == 1 and grad.flags.c_contiguous
        kept = np.array([direct and not g.overwrites(layer, 0) for layer in layers], np.int64)
        total = grad if direct else np.zeros(g.layout.size, dtype)
        kernels.pull_weights(
            len(into.strips), sizes, into.layers, into.strips, kept, zeros, data, store, ds, back, total
        )
        if not direct:
            g.vector[...] += total
        if not inputs or few:
            return dx.reshape(*batch, -1) if few else None
        first = (ds if len(layers) == 1 else back[: n * layers[0].n_out]).reshape(*batch, -1)
        return first @ p.of(layers[0])[0].T

    return y, pull


# Both are read by the kernels and never written.
@lru_cache(maxsize=256)
def _sizes(n: int, weights: int) -> ndarray:
    return np.array((n, kernels.PART, n * weights // PRODUCTS))


@lru_cache(maxsize=64)
def _zeros_and_one(n: int, dtype: np.dtype[Any]) -> ndarray:
    values = np.zeros(n + 1, dtype)
    values[-1] = 1.0
    return values


@lru_cache(maxsize=256)
def _known(layers: tuple[Any, ...]) -> bool:
    return all(layer.rule.name in FINISHES for layer in layers)


@lru_cache(maxsize=256)
def _plan(layers: tuple[Any, ...], layout: Layout) -> Plan:
    table, strips, stored, turned, source = [], [], 0, 0, -1
    for l, layer in enumerate(layers):
        weight, bias = (layout.slices[name][0].start for name in layout.owned[layer])
        n_in, n_out = layer.n_in, layer.n_out
        table.append((weight, bias, n_in, n_out, source, stored, turned if l else -1, FINISHES[layer.rule.name]))
        strips += [(l, k, min(kernels.STRIP, n_in - k)) for k in range(0, n_in, kernels.STRIP)] + [(l, 0, 0)]
        source, stored, turned = stored, stored + n_out, turned + (n_in * n_out if l else 0)
    widest = max(max(layer.n_in, layer.n_out) for layer in layers)
    # The largest first, so that no thread is left alone with one at the end.
    strips.sort(key=lambda s: -s[2] * table[s[0]][3])
    weights = sum(layer.n_in * layer.n_out for layer in layers)
    return Plan(np.array(table), np.arange(1, len(layers)), np.array(strips), stored, turned, widest, weights)
