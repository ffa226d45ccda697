"""What each operation on manifolds needs of an array library, and what each library has: the data behind the table.

``python -m geomlat.testing.capabilities > docs/capabilities.md`` writes the page; `supports` decides which tests skip.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from geomlat.backends import kernels
from geomlat.manifolds import MANIFOLDS
from geomlat.manifolds.base import OPERATIONS, Manifold
from geomlat.testing.libraries import LIBRARIES

OTHERS = ("contains", "origin", "random_point", "random_tangent")
"""The operations without a pullback."""

NEEDS: dict[str, frozenset[str]] = {
    name: frozenset(
        need
        for need, needed in {
            "out": "out" in inspect.signature(getattr(Manifold, name)).parameters,
            "linalg": name == "mean",
        }.items()
        if needed
    )
    for name in (*OPERATIONS, *OTHERS)
}
"""``"linalg"``: the operation needs that extension of the array API; ``"out"``: it takes an array for its result."""

LACKS: dict[str, dict[str, str]] = {
    "jax-float64": {"out": "JAX arrays cannot be written"},
    "jax-float32": {"out": "JAX arrays cannot be written"},
}
"""What a library does not have, and why."""

HEAD = """# What runs where

Written by `python -m geomlat.testing.capabilities`; the tests hold the table to be true and skip by it.

Every operation keeps the library, dtype and device of its arguments, and so do its pullback and its cotangents. None
asks an array for its values: no Python branch on them, nothing fetched to the host. (`mean` makes thirty steps
everywhere but on NumPy arrays, which stop it when all have converged.) array-api-strict runs without boolean indexing
and without data-dependent shapes, its float32 on the device that has no float64.
"""
FOOT = """`out=`: the operation takes an array for its result; linalg: it needs that extension of the array API. CuPy's
columns are held by `geomlat check --backend cupy` and `pytest -m gpu` on a machine with a GPU. What libraries lack:
"""
KERNELS = """Where NumPy and CuPy arrays run a compiled kernel, alone or in one of the steps; elsewhere, and on every
other library, the array expressions run.
"""


def supports(library: str, operation: str, feature: str = "") -> str:
    """Why an operation, or a ``feature`` of it such as ``"out"``, is not for a library of `LIBRARIES`; else ``""``."""
    lacks = LACKS.get(library, {})
    wanted = [feature] if feature else NEEDS[operation] - {"out"}
    return next((lacks[need] for need in wanted if need in lacks), "")


@contextmanager
def kernels_run() -> Iterator[list[str]]:
    """The names of the compiled kernels that run inside the context."""
    seen: list[str] = []
    call = kernels.Kernel.__call__

    def counted(self: kernels.Kernel, n: int, *arrays: Any) -> None:
        seen.append(self.__name__)
        call(self, n, *arrays)

    kernels.Kernel.__call__ = counted  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        kernels.Kernel.__call__ = call  # type: ignore[method-assign]


def compiled(m: Any, operation: str) -> bool:
    """Whether an operation on float64 NumPy arrays runs a compiled kernel."""
    points, one = m.random_point((3,), rng=0), m.random_point(rng=1)
    made = {
        **dict.fromkeys(("x", "y", "a"), one),
        **dict.fromkeys(("u", "v"), m.random_tangent(one, rng=2)),
        "t": one.sum() * 0,
        "c": m.to_coordinates(one, m.random_tangent(one, rng=2)),
        "points": points,
        "others": points,
        "weights": points.reshape(3, -1).sum(-1) * 0 + 1,
    }
    with kernels_run() as seen:
        getattr(m, operation)(*(made[kind] for kind in OPERATIONS[operation]))
    return bool(seen)


def support_table() -> list[list[str]]:
    """A row for each operation: its name, what it needs, and each library's answer."""
    rows = [["operation", "needs", *LIBRARIES]]
    for name, needs in NEEDS.items():
        named = ", ".join({"out": "`out=`", "linalg": "linalg"}[need] for need in sorted(needs, reverse=True))
        rows.append([f"`{name}`", named, *(_answer(library, name) for library in LIBRARIES)])
    return rows


def _answer(library: str, name: str) -> str:
    if supports(library, name):
        return "no"
    return "no `out=`" if "out" in NEEDS[name] and supports(library, name, "out") else "yes"


def kernel_table() -> list[list[str]]:
    """A row for each operation: on which manifolds NumPy and CuPy arrays run a compiled kernel."""
    rows = [["operation", *MANIFOLDS]]
    for name in OPERATIONS:
        runs = (compiled(family[-1], name) for family in MANIFOLDS.values())
        rows.append([f"`{name}`", *("yes" if run else "" for run in runs)])
    return rows


def page() -> str:
    """The Markdown page."""
    lacks = [f"- `{name}`: no `{need}`, {why}." for name, found in LACKS.items() for need, why in found.items()]
    parts = [HEAD, "## Operations and array libraries\n", _markdown(support_table())]
    parts += [FOOT, *lacks, "\n## Compiled kernels\n", KERNELS, _markdown(kernel_table())]
    return "\n".join(parts)


def _markdown(rows: list[list[str]]) -> str:
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
