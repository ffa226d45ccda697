"""`geomlat.backends.tiles` on the CPU: tiles of a few rows and columns whose sums stay in vector registers.

LLVM does not find these tiles by itself, so they are written as its vectors: 110 Gflop/s of float32 on one core of
Zen 4 at 32 x 64 x 64, where OpenBLAS reaches 58. Goto, van de Geijn (2008), "Anatomy of high-performance matrix
multiplication", section 6.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from geomlat.backends.tiles import GATE, RELU

SIDE = 8
INDEX = ir.IntType(64)
FUSED = ("contract",)


def _register_bytes() -> int:
    named = numba.config.CPU_FEATURES
    found = llvm.get_host_cpu_features() if named is None else dict.fromkeys(named.replace("+", "").split(","), True)
    return 64 if found.get("avx512f") else 32 if found.get("avx") else 16


REGISTER = _register_bytes()
SINGLES, DOUBLES = REGISTER // 4, REGISTER // 8  # numbers in a register
ROWS, FEWER = 8 if REGISTER == 64 else 4, 4
"""Rows of a tile, whose sums are half of the registers, and of one where not so many are left; then one by one."""


class Vectors:
    """Vector instructions on the arrays among the arguments of an intrinsic; ``lanes`` None is a whole register."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, lanes: int | None) -> None:
        self.builder = builder
        self.data = {
            k: context.make_array(t)(context, builder, args[k]).data
            for k, t in enumerate(signature.args)
            if isinstance(t, types.Array)
        }
        self.number = next(iter(self.data.values())).type.pointee
        self.bytes = 4 if isinstance(self.number, ir.FloatType) else 8
        self.lanes = REGISTER // self.bytes if lanes is None else lanes
        self.type = ir.VectorType(self.number, self.lanes)
        self.zero = ir.Constant(self.type, [0.0] * self.lanes)

    def index(self, first: Any, step: Any, i: int, vectors: int = 0) -> Any:
        """``first + i step``, and so many vectors further."""
        moved = self.builder.add(first, self.builder.mul(INDEX(i), step))
        return self.builder.add(moved, INDEX(vectors * self.lanes))

    def place(self, array: int, index: Any) -> Any:
        """The address of a vector."""
        return self.builder.bitcast(self.builder.gep(self.data[array], [index]), self.type.as_pointer())

    def load(self, array: int, index: Any) -> Any:
        """A vector of an array."""
        return self.builder.load(self.place(array, index), align=self.bytes)

    def store(self, vector: Any, array: int, index: Any) -> None:
        """A vector to an array."""
        self.builder.store(vector, self.place(array, index), align=self.bytes)

    def spread(self, array: int, index: Any) -> Any:
        """A number of an array in every lane."""
        number, nothing = (
            self.builder.load(self.builder.gep(self.data[array], [index])),
            ir.Constant(self.type, ir.Undefined),
        )
        lanes = ir.VectorType(ir.IntType(32), self.lanes)
        first = self.builder.insert_element(nothing, number, ir.IntType(32)(0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(lanes, [0] * self.lanes))

    def total(self, vector: Any) -> Any:
        """The sum of the lanes, by halves."""
        width, builder = self.lanes, self.builder
        while width > 1:
            width //= 2
            halves = [ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(a, a + width))) for a in (0, width)]
            vector = builder.fadd(*(builder.shuffle_vector(vector, vector, half) for half in halves))
        return builder.extract_element(vector, ir.IntType(32)(0))

    def add_product(self, total: Any, x: Any, y: Any) -> None:
        """``total += x * y`` in one instruction where there is one."""
        step = self.builder.fmul(x, y, flags=FUSED)
        self.builder.store(self.builder.fadd(self.builder.load(total), step, flags=FUSED), total)


def _tile(rows: int, columns: int, lanes: int | None) -> Any:
    """A tile of ``rows`` by so many ``columns`` of vectors, with the arguments of `geomlat.backends.tiles.product`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        terms, _, a0, a_row, a_term, _, b0, b_term, _, s0, s_row, _, c0, c_row, _, g0, finish = args
        a, b, start, out, gate = 1, 5, 8, 11, 14
        v = Vectors(context, builder, signature, args, lanes)
        sums = {(i, j): cgutils.alloca_once(builder, v.type) for i in range(rows) for j in range(columns)}
        for (i, j), total in sums.items():
            builder.store(v.load(start, v.index(s0, s_row, i, j)), total)
        with cgutils.for_range(builder, terms, intp=INDEX) as loop:
            row, term = (builder.add(at, builder.mul(loop.index, by)) for at, by in ((b0, b_term), (a0, a_term)))
            across = [v.load(b, v.index(row, b_term, 0, j)) for j in range(columns)]
            down = [v.spread(a, v.index(term, a_row, i)) for i in range(rows)]
            for (i, j), total in sums.items():
                v.add_product(total, down[i], across[j])
        with builder.if_then(builder.icmp_signed("==", finish, INDEX(RELU))):
            for total in sums.values():
                x = builder.load(total)
                builder.store(builder.select(builder.fcmp_ordered("<=", x, v.zero), v.zero, x), total)
        with builder.if_then(builder.icmp_signed("==", finish, INDEX(GATE))):
            for (i, j), total in sums.items():
                opened = builder.fcmp_ordered(">", v.load(gate, v.index(g0, c_row, i, j)), v.zero)
                builder.store(builder.select(opened, builder.load(total), v.zero), total)
        for (i, j), total in sums.items():
            v.store(builder.load(total), out, v.index(c0, c_row, i, j))

    @intrinsic  # type: ignore[untyped-decorator]
    def tile(
        context: Any, terms: Any, a: Any, a0: Any, a_row: Any, a_term: Any, b: Any, b0: Any, b_term: Any, start: Any,
        s0: Any, s_row: Any, out: Any, c0: Any, c_row: Any, gate: Any, g0: Any, finish: Any,
    ) -> Any:  # fmt: skip
        taken = terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish
        return types.void(*taken), codegen

    return tile


def _dot(rows: int) -> Any:
    """``out[i] = start[i] + a[i] . b`` of ``rows`` rows and so many whole registers of terms."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        registers, _, a0, a_row, _, b0, _, s0, s_row, _, c0, c_row = args
        a, b, start, out = 1, 4, 6, 9
        v = Vectors(context, builder, signature, args, None)
        sums = [cgutils.alloca_once(builder, v.type) for _ in range(rows)]
        for total in sums:
            builder.store(v.zero, total)
        with cgutils.for_range(builder, registers, intp=INDEX) as loop:
            shift = builder.mul(loop.index, INDEX(v.lanes))
            y = v.load(b, builder.add(b0, shift))
            for i, total in enumerate(sums):
                v.add_product(total, v.load(a, builder.add(v.index(a0, a_row, i), shift)), y)
        for i, total in enumerate(sums):
            first = builder.load(builder.gep(v.data[start], [v.index(s0, s_row, i)]))
            place = builder.gep(v.data[out], [v.index(c0, c_row, i)])
            builder.store(builder.fadd(first, v.total(builder.load(total))), place)

    @intrinsic  # type: ignore[untyped-decorator]
    def dot(
        context: Any, registers: Any, a: Any, a0: Any, a_row: Any, b: Any, b0: Any, start: Any, s0: Any, s_row: Any,
        out: Any, c0: Any, c_row: Any,
    ) -> Any:  # fmt: skip
        return types.void(registers, a, a0, a_row, b, b0, start, s0, s_row, out, c0, c_row), codegen

    return dot


def _square() -> Any:
    """The transpose of a square of `SIDE` rows: halves of it zipped as often as its side can be halved."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, a0, a_row, _, c0, c_row = args
        v = Vectors(context, builder, signature, args, SIDE)
        lines = [v.load(0, v.index(a0, a_row, i)) for i in range(SIDE)]
        half, mask = SIDE // 2, ir.VectorType(ir.IntType(32), SIDE)
        for _ in range(SIDE.bit_length() - 1):
            zipped = []
            for low, high in zip(lines[:half], lines[half:], strict=True):
                for first in (0, half):
                    order = [x for k in range(first, first + half) for x in (k, SIDE + k)]
                    zipped.append(builder.shuffle_vector(low, high, ir.Constant(mask, order)))
            lines = zipped
        for i, line in enumerate(lines):
            v.store(line, 3, v.index(c0, c_row, i))

    @intrinsic  # type: ignore[untyped-decorator]
    def square(context: Any, a: Any, a0: Any, a_row: Any, out: Any, c0: Any, c_row: Any) -> Any:
        return types.void(a, a0, a_row, out, c0, c_row), codegen

    return square


def _by_height(columns: int, lanes: int | None) -> Any:
    """Tiles of so many columns by their number of rows."""
    tall, low, single = (_tile(rows, columns, lanes) for rows in (ROWS, FEWER, 1))

    @numba.njit(error_model="numpy", forceinline=True)
    def tile(  # type: ignore[no-untyped-def]
        high, terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish
    ):
        if high == ROWS:
            tall(terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish)
        elif high == FEWER:
            low(terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish)
        else:
            single(terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish)

    return tile


_full, _four, _thin = _by_height(2, None), _by_height(1, 4), _by_height(1, 1)
_dot_tile, _dot_row = _dot(ROWS), _dot(1)
_turned_square = _square()


@numba.njit(error_model="numpy")
def product(  # type: ignore[no-untyped-def]
    rows, columns, terms, a, a0, a_row, a_term, b, b0, b_term, start, s0, s_row, out, c0, c_row, gate, g0, finish
):
    """See `geomlat.backends.tiles.product`; ``b`` is read once for each eight rows, by strips of a tile's width."""
    width = 2 * (SINGLES if a.itemsize == 4 else DOUBLES)
    j = 0
    while j < columns:
        left = columns - j
        wide = width if left >= width else 4 if left >= 4 else 1
        i, bj = 0, b0 + j
        while i < rows:
            left = rows - i
            high = ROWS if left >= ROWS else FEWER if left >= FEWER else 1
            ai, si, ci, gi = a0 + i * a_row, s0 + i * s_row + j, c0 + i * c_row + j, g0 + i * c_row + j
            if wide == width:
                _full(
                    high, terms, a, ai, a_row, a_term, b, bj, b_term, start, si, s_row, out, ci, c_row, gate, gi, finish
                )
            elif wide == 4:
                _four(
                    high, terms, a, ai, a_row, a_term, b, bj, b_term, start, si, s_row, out, ci, c_row, gate, gi, finish
                )
            else:
                _thin(
                    high, terms, a, ai, a_row, a_term, b, bj, b_term, start, si, s_row, out, ci, c_row, gate, gi, finish
                )
            i += high
        j += wide


@numba.njit(error_model="numpy")
def dots(rows, columns, terms, a, a0, a_row, b, b0, b_column, start, s0, s_row, out, c0, c_row):  # type: ignore[no-untyped-def]
    """See `geomlat.backends.tiles.dots`."""
    lanes = SINGLES if a.itemsize == 4 else DOUBLES
    registers = terms // lanes
    for j in range(columns):
        i, bj = 0, b0 + j * b_column
        while i < rows:
            high = ROWS if rows - i >= ROWS else 1
            ai, si, ci = a0 + i * a_row, s0 + i * s_row + j, c0 + i * c_row + j
            if high == ROWS:
                _dot_tile(registers, a, ai, a_row, b, bj, start, si, s_row, out, ci, c_row)
            else:
                _dot_row(registers, a, ai, a_row, b, bj, start, si, s_row, out, ci, c_row)
            i += high
        for k in range(registers * lanes, terms):
            for i in range(rows):
                out[c0 + i * c_row + j] += a[a0 + i * a_row + k] * b[bj + k]


@numba.njit(error_model="numpy")
def transpose(rows, columns, a, a0, out, c0):  # type: ignore[no-untyped-def]
    """See `geomlat.backends.tiles.transpose`."""
    high, wide = rows // SIDE * SIDE, columns // SIDE * SIDE
    for j in range(0, wide, SIDE):
        for i in range(0, high, SIDE):
            _turned_square(a, a0 + i * columns + j, columns, out, c0 + j * rows + i, rows)
    for i in range(rows):
        for j in range(0 if i >= high else wide, columns):
            out[c0 + j * rows + i] = a[a0 + i * columns + j]
