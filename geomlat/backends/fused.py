"""A product and a sum in one instruction where the processor has one: a third of the work of a polynomial."""

from __future__ import annotations

from typing import Any

from geomlat.backends.kernels import replaced_on_cpu


@replaced_on_cpu("geomlat.backends.fused_cpu")
def multiply_add(x: Any, y: Any, z: Any) -> Any:
    """``x * y + z`` of three floats of one type, rounded once where the target has such an instruction, else twice.

    One target rounds all of them alike, in a vector as in the numbers left over, so that no split of the work shows.
    """
    return x * y + z
