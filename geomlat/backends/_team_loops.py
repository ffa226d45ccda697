"""The compiled halves of `geomlat.backends.team`: a helper's wait for work, and a loop done together with helpers.

A job is some words of memory that everyone who works on it can see: how many parts are taken, how many there are, how
many rows, the address of the function that does a part, the address of its arrays, and the part that failed. The caller
takes parts from the front and helpers from the back, so that in a row of loops over the same arrays each finds what it
had before in its own cache. A helper's box holds the job it is offered and whether it is done with it. Words that
several threads write lie in cache lines apart.
"""

from __future__ import annotations

import platform
from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

WORD = ir.IntType(64)
LINE = 64
"""Bytes of a cache line."""
DONE = LINE
"""Where in a box, in bytes, a helper says that it is done; at its start is the job."""
PARTS, ROWS, FUNCTION, ARRAYS, FAILED = LINE, LINE + 8, LINE + 16, LINE + 24, 2 * LINE
"""Where in a job; at its start are the parts taken, those from the back counted by `BACK`."""
FRONT, BACK = 1, 1 << 32
STOP = -1
"""What is offered to a helper that is to leave."""
PAUSES = 64
"""Instructions of waiting between two looks at a word: about a microsecond."""

_PART = ir.FunctionType(ir.IntType(32), [ir.IntType(8).as_pointer(), WORD, WORD])
_YIELD = ir.FunctionType(ir.IntType(32), [])
_PAUSE = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}.get(platform.machine())


def _word(builder: Any, address: Any) -> Any:
    return builder.inttoptr(address, WORD.as_pointer())


@intrinsic  # type: ignore[untyped-decorator]
def load(context: Any, address: Any) -> Any:
    """The word at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_word(builder, args[0]), "seq_cst", 8)

    return types.int64(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def store(context: Any, address: Any, value: Any) -> Any:
    """Write a word."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _word(builder, args[0]), "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _changed(operation: str) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw(operation, _word(builder, args[0]), args[1], "seq_cst")

    return types.int64(types.int64, types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def exchange(context: Any, address: Any, value: Any) -> Any:
    """Write a word and give the one that was there."""
    return _changed("xchg")


@intrinsic  # type: ignore[untyped-decorator]
def add(context: Any, address: Any, value: Any) -> Any:
    """Add to a word and give the one that was there."""
    return _changed("add")


@intrinsic  # type: ignore[untyped-decorator]
def give_way(context: Any, function: Any) -> Any:
    """Let another thread have the core, by the system's function at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.call(builder.inttoptr(args[0], _YIELD.as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic  # type: ignore[untyped-decorator]
def pause(context: Any) -> Any:
    """Tell the processor that this is a loop that waits, where it has a word for that."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if _PAUSE is not None:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, _PAUSE), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic  # type: ignore[untyped-decorator]
def do_part(context: Any, function: Any, arrays: Any, low: Any, high: Any) -> Any:
    """Rows ``low .. high - 1`` by what `part_of` gave; 1 if they raised, else 0."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = builder.inttoptr(args[1], ir.IntType(8).as_pointer())
        raised = builder.call(builder.inttoptr(args[0], _PART.as_pointer()), [at, args[2], args[3]])
        return builder.zext(raised, WORD)

    return types.int64(*[types.int64] * 4), codegen


@intrinsic  # type: ignore[untyped-decorator]
def part_of(context: Any, loop: Any, arrays: Any) -> Any:
    """The addresses of a function that does a part of ``loop(low, high, *arrays)``, and of the arrays on the stack."""
    signature = context.resolve_function_type(loop, (types.int64, types.int64, *arrays.types), {})

    def codegen(context: Any, builder: Any, outer: Any, args: Any) -> Any:
        compiled = loop.dispatcher.overloads[tuple(signature.args)]
        context.add_linking_libs((compiled.library,))
        kept = cgutils.alloca_once_value(builder, args[1])
        part = ir.Function(builder.module, _PART, name=builder.module.get_unique_name("geomlat_part"))
        part.linkage = "internal"
        inner = ir.IRBuilder(part.append_basic_block())
        found = inner.load(inner.bitcast(part.args[0], kept.type))
        each = [inner.extract_value(found, k) for k in range(len(arrays.types))]
        whole = context.declare_function(builder.module, compiled.fndesc)
        status, _ = context.call_conv.call_function(
            inner, whole, signature.return_type, signature.args, [*part.args[1:], *each]
        )
        inner.ret(inner.zext(status.is_error, ir.IntType(32)))
        return context.make_tuple(builder, outer.return_type, [builder.ptrtoint(x, WORD) for x in (part, kept)])

    return types.containers.UniTuple(types.int64, 2)(loop, arrays), codegen


@numba.njit(error_model="numpy", nogil=True)
def take_parts(job, side):  # type: ignore[no-untyped-def]
    """Do parts of a job from one side until none is left."""
    parts, rows = load(job + PARTS), load(job + ROWS)
    function, arrays = load(job + FUNCTION), load(job + ARRAYS)
    while True:
        taken = add(job, side)
        front, back = taken % BACK, taken // BACK
        if front + back >= parts:
            return
        k = front if side == FRONT else parts - 1 - back
        if do_part(function, arrays, k * rows // parts, (k + 1) * rows // parts) != 0:
            store(job + FAILED, k + 1)


@numba.njit(error_model="numpy", nogil=True)
def wait_a_little(system):  # type: ignore[no-untyped-def]
    """A microsecond of waiting, then whoever else wants the core may have it."""
    for _ in range(PAUSES):
        pause()
    give_way(system)


def serve(box, system, patience):  # type: ignore[no-untyped-def]
    """Work on what comes into the box, until nothing has come for so many short waits, or `STOP`."""
    idle = 0
    while idle < patience:
        job = load(box)
        if job != 0:
            job = exchange(box, 0)
        if job == STOP:
            return
        if job != 0:
            take_parts(job, BACK)
            store(box + DONE, 1)
            idle = 0
        else:
            wait_a_little(system)
            idle += 1


@numba.njit(error_model="numpy", nogil=True)
def work(job, boxes, system, parts, rows, function, arrays):  # type: ignore[no-untyped-def]
    """Do a job with the helpers behind the boxes; the number of a part that raised, counted from 1, or 0.

    A helper that has not looked into its box when the parts are over is not waited for.
    """
    store(job, 0)
    store(job + PARTS, parts)
    store(job + ROWS, rows)
    store(job + FUNCTION, function)
    store(job + ARRAYS, arrays)
    store(job + FAILED, 0)
    for box in boxes:
        store(box + DONE, 0)
        store(box, job)
    take_parts(job, FRONT)
    for box in boxes:
        if exchange(box, 0) == 0:
            while load(box + DONE) == 0:
                wait_a_little(system)
    return load(job + FAILED)
