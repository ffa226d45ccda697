"""`geomlat.backends.fused` on the CPU: LLVM's ``fmuladd``, which it keeps within vectors."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic  # type: ignore[untyped-decorator]
def multiply_add(typing_context: Any, x: Any, y: Any, z: Any) -> Any:
    """``x * y + z`` of three floats of one type."""
    if not (isinstance(x, types.Float) and x == y == z):
        return None

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number = args[0].type
        fused = builder.module.declare_intrinsic("llvm.fmuladd", (number,), ir.FunctionType(number, [number] * 3))
        return builder.call(fused, args)

    return x(x, y, z), codegen
