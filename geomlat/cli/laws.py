"""``geomlat check``: the laws of `geomlat.testing` over the table of manifolds, on the user's machine."""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from geomlat.manifolds import MANIFOLDS
from geomlat.testing.examination import Outcome, examine
from geomlat.testing.libraries import LIBRARIES

EXAMPLES = 25
SLOW_EXAMPLES = 5
"""Examples of each law where the array expressions run uncompiled."""


def check(backend: str, names: Sequence[str] | None, examples: int | None) -> int:
    """Run the laws, print the failures and the table, and return the exit status, 1 if a law fails."""
    libraries = [name for name in LIBRARIES if name.startswith(f"{backend}-")]
    first = LIBRARIES[libraries[0]]
    if not first.installed:
        msg = f"--backend {backend} needs the package {first.module}, which is not installed"
        raise ValueError(msg)
    count = examples if examples is not None else EXAMPLES if first.compiled else SLOW_EXAMPLES
    families = {name: _instances(name) for name in names or MANIFOLDS}
    outcomes = {name: _examine(family, libraries, count) for name, family in families.items()}
    print(f"\nexamples each law saw on {', '.join(libraries)}:\n\n{table(outcomes)}")
    failed = sum(bool(o.failure) for found in outcomes.values() for o in found)
    print(f"\n{failed} failures" if failed else "\nall laws hold")
    return 1 if failed else 0


def _instances(name: str) -> tuple[Any, ...]:
    if name in MANIFOLDS:
        return MANIFOLDS[name]
    module, _, attribute = name.partition(":")
    if not attribute:
        msg = f"there is no manifold {name!r}: take one of {', '.join(MANIFOLDS)}, or MODULE:NAME of your own"
        raise ValueError(msg)
    sys.path.insert(0, "")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        msg = f"cannot load --manifold {name}: {error}"
        raise ValueError(msg) from error
    finally:
        sys.path.remove("")
    return (found() if isinstance(found, type) else found,)


def _examine(family: Sequence[Any], libraries: Sequence[str], count: int) -> list[Outcome]:
    found = []
    for manifold in family:
        for library in libraries:
            began = time.monotonic()
            outcomes = examine(manifold, library, examples=count)
            failures = [o.failure for o in outcomes if o.failure]
            verdict = f"{len(failures)} of {len(outcomes)} laws fail" if failures else f"{len(outcomes)} laws hold"
            print(f"{manifold!r} on {library}: {verdict} ({time.monotonic() - began:.1f} s)", flush=True)
            print("".join(f"\n{failure}\n" for failure in failures), end="", flush=True)
            found += outcomes
    return found


def table(outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """One row for each law, one column for each family: the examples it saw, and in how many runs it failed."""
    laws = list(dict.fromkeys(o.law for found in outcomes.values() for o in found))
    rows = [[law, *(_cell([o for o in found if o.law == law]) for found in outcomes.values())] for law in laws]
    text: str = tabulate(
        rows, ["law", *outcomes], colalign=("left", *("right",) * len(outcomes)), disable_numparse=True
    )
    return text


def _cell(outcomes: Sequence[Outcome]) -> str:
    seen = sum(o.examples for o in outcomes)
    failed = sum(bool(o.failure) for o in outcomes)
    return f"{seen}, {failed} FAIL" if failed else str(seen)
