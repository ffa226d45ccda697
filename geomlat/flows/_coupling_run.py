"""Couplings in a row as one compiled pass; the kernels are in `geomlat.flows._coupling_kernels`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import rows
from geomlat.backends.buffers import scratch
from geomlat.flows import _coupling_kernels as kernels
from geomlat.grad import Layout, Params
from geomlat.nn import MLP

Array = Any
LARGEST_BOUND = 600.0  # of a log-scale whose exponential the kernels know


@dataclass(frozen=True, eq=False)
class Moves:
    """A coupling to the kernels: ``width`` raw numbers, scale and shift or shift alone, for each moved column."""

    kept: tuple[int, ...]
    moved: tuple[int, ...]
    network: MLP
    width: int
    bound: float


Step = Moves | tuple[int, ...]
"""What a pass does for one transform: a coupling, or a new order of the columns."""


@dataclass(frozen=True)
class Plan:
    """The tables of the kernels for one layout of theta, and how much they need."""

    couplings: ndarray
    layers: ndarray
    columns: ndarray
    bounds: ndarray
    order: list[int] | slice
    stored: int
    held: int
    turned: int
    thin: int
    widest: int
    lead: int
    size: int


@dataclass(frozen=True, eq=False)
class Run:
    """Steps in the order of the pass; ``inverse`` undoes what each coupling does forward."""

    steps: tuple[Step, ...]
    inverse: bool
    dim: int

    @cached_property
    def couplings(self) -> list[Moves]:
        """The couplings among the steps."""
        return [s for s in self.steps if isinstance(s, Moves)]

    def takes(self, p: Params, x: Array, context: Array | None) -> bool:
        """Whether the compiled pass knows these arrays: NumPy's, of one dtype, for one model or for several."""
        dtype, given = p.vector.dtype, 0
        if type(x) is not ndarray or x.dtype != dtype or dtype.char not in "fd":
            return False
        if x.size == 0 or x.shape[-1] != self.dim:
            return False
        if context is not None:
            if context.shape[:-1] != x.shape[:-1] or context.dtype != dtype:
                return False
            given = context.shape[-1]
        return (p.vector.ndim == 1 or x.ndim in (2, 3)) and self._contexts == {given}

    @cached_property
    def _contexts(self) -> set[int]:
        """The features of the context that each coupling wants."""
        return {s.network.n_in - len(s.kept) for s in self.couplings}

    def __call__(self, p: Params, x: Array, context: Array | None) -> Any:
        """``((y, logdet), pull)``, as those of a transform."""
        plan, several, dim, dtype = _plan(self, p.layout), p.vector.ndim == 2, self.dim, x.dtype
        if several:
            batch = (p.vector.shape[0], *x.shape[-2:-1])
            x = np.broadcast_to(x, (*batch, dim))
            context = None if context is None else np.broadcast_to(context, (*batch, context.shape[-1]))
        batch, models, inverse = x.shape[:-1], len(p.vector) if several else 1, int(self.inverse)
        total = math.prod(batch)
        n, theta = total // models, rows(p.vector, p.vector.shape[:-1]).reshape(-1)
        parts = kernels.parts_of(n)
        items, given = models * parts, 0 if context is None else context.shape[-1]
        lengths = theta.size // models, plan.turned, plan.size, plan.lead, plan.thin
        sizes = np.array((n, parts, -(-n // parts), plan.stored, given, *lengths))
        tables = sizes, plan.couplings, plan.layers, plan.columns
        seen = np.empty((1, 0), dtype) if context is None else rows(context, batch)
        state, held = np.empty((total, dim + 1)), scratch(total * plan.held, np.float64)
        store, turned = scratch(total * plan.stored, dtype), scratch(models * plan.turned, dtype)
        thin, data = np.empty(items * plan.thin, dtype), rows(x, batch)
        kernels.forward(items, *tables, plan.bounds, inverse, theta, data, seen, state, held, store, turned, thin)
        y, logdet = np.empty((total, dim), dtype), state[:, dim].astype(dtype)
        y[...] = state[:, plan.order]

        def pull_own(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            dstate, dseen = np.zeros((total, dim + 1)), np.zeros(seen.shape, dtype)
            for column, d in zip((plan.order, dim), cotangent, strict=True):
                if d is not None:
                    dstate[:, column] = d.reshape(total, dim) if column is not dim else d.reshape(total)
            zeros = np.zeros(plan.widest + 1, dtype)
            zeros[-1] = 1.0
            work = scratch(items * 2 * zeros.size * kernels.BLOCK, dtype)
            others = scratch(models * (parts - 1) * plan.size, dtype)
            into = g.vector[..., plan.lead : plan.lead + plan.size]
            direct = into if into.flags.c_contiguous and into.dtype == dtype else np.zeros(into.shape, dtype)
            kernels.pull(
                items, *tables, inverse, theta, turned, zeros, held, store, dstate, dseen, work,
                direct.reshape(-1), others,
            )  # fmt: skip
            if direct is not into:
                into += direct
            for k in range(parts - 1):
                into += others.reshape(models, parts - 1, plan.size)[:, k].reshape(into.shape)
            dx = dstate[:, :dim].astype(dtype).reshape(x.shape)
            return dx, None if context is None else dseen.reshape(context.shape)

        # It must not name itself: a function that does is freed by the garbage collector alone, its scratch with it.
        def pull(cotangent: tuple[Array | None, Array | None], g: Params) -> tuple[Array, Array | None]:
            if g.layout is p.layout:  # the kernels know where things lie in theta
                return pull_own(cotangent, g)
            own = p.layout.view(np.zeros_like(p.vector))
            found = pull_own(cotangent, own)
            for layer in {layer for s in self.couplings for layer in s.network.layers}:
                for into, d in zip(g.of(layer), own.of(layer), strict=True):
                    into += d
            return found

        return (y.reshape(x.shape), logdet.reshape(batch)), pull


@lru_cache(maxsize=256)
def _plan(run: Run, layout: Layout) -> Plan:
    at = list(range(run.dim))
    couplings: list[list[int]] = []
    layers: list[tuple[int, ...]] = []
    columns: list[int] = []
    stored = held = turned = thin = 0
    for s in run.steps:
        if not isinstance(s, Moves):
            at = [at[j] for j in s]
            continue
        first, seen, column = len(layers), stored, len(columns)
        source, stored = stored, stored + s.network.n_in
        for layer in s.network.layers:
            weight, bias = (layout.slices[name][0].start for name in layout.owned[layer])
            few = layer is s.network.layers[-1] and layer.n_out <= kernels.THIN
            places = source, stored, turned, thin if few else -1
            layers.append((weight, bias, layer.n_in, layer.n_out, *places))
            source, stored, size = stored, stored + layer.n_out, layer.n_in * layer.n_out
            turned, thin = turned + size, thin + size * few
        columns += [at[j] for j in (*s.kept, *s.moved)]
        n_kept, n_moved = len(s.kept), len(s.moved)
        depth = len(s.network.layers)
        couplings.append([first, depth, n_kept, column, n_moved, column + n_kept, seen, held, s.width])
        held += 3 * n_moved if s.width == kernels.SCALED else 0
    lead = min(row[0] for row in layers)
    size = max(row[1] + row[3] for row in layers) - lead  # the bias comes after the weight
    order = slice(run.dim) if at == list(range(run.dim)) else at
    widest = max(max(row[2:4]) for row in layers)
    bounds = np.array([s.bound for s in run.couplings])
    tables = np.array([[*row, held] for row in couplings]), np.array(layers), np.array(columns), bounds
    return Plan(*tables, order, stored, held, turned, thin, widest, lead, size)


def run_of(steps: Sequence[Step | None], inverse: bool, dim: int) -> Run | None:
    """The run of some steps, None if one is unknown or none is a coupling."""
    known = tuple(s for s in steps if s is not None)
    return Run(known, inverse, dim) if len(known) == len(steps) and any(isinstance(s, Moves) for s in known) else None
