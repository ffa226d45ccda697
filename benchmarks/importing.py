"""Import time in fresh processes, interleaved with NumPy's."""

from __future__ import annotations

import subprocess
import sys

from timing import Row, interleave


def import_time() -> list[Row]:
    """``import geomlat`` beside ``import numpy``: the wall time of the whole process."""
    ours, numpy = (lambda name=name: subprocess.run([sys.executable, "-c", f"import {name}"], check=True)
                   for name in ("geomlat", "numpy"))  # fmt: skip
    times = interleave(ours, numpy, rounds=15)
    row = Row("import geomlat", "fresh process", "import numpy", "process", *times, "NumPy + 0.05 s", "NumPy + 0.02 s")
    extra = sorted(a - b for a, b in zip(*times, strict=True))
    row.passed = extra[len(extra) // 2] <= 0.05
    row.note = f"{1e3 * extra[len(extra) // 2]:+.0f} ms beside NumPy"
    return [row]
