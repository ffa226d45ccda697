"""Writes tests/special/vmf_reference.npz: the vMF functions on a grid of (m, kappa), by mpmath at 50 digits.

``python tests/special/make_reference.py`` (about ten seconds); `test_vmf_functions.py` reads it and adds fresh points.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from vmf_mpmath import NAMES, exact

PATH = Path(__file__).with_name("vmf_reference.npz")
DIMENSIONS = (1, 2, 2.5, 3, 4, 6, 10, 21.5, 22, 41, 66, 67, 128, 500, 1e3, 2e4, 1e6, 2e7 + 2)
KAPPAS = (0, 1e-150, 1e-100, 1e-20, 1e-8, 1e-3, 0.1, 0.7, 2, 5, 10, 16, 22, 28, 31.5, 40, 100, 400, 1e4, 1e6, 1e9, 1e12)


def borders(m: float) -> list[float]:
    """Points just below and above every switch: x^2 = 2m, x = v, and s = 32, 64, 128, 1000, 20000."""
    v = 0.5 * m - 1
    switches = [math.sqrt(2 * m), v] + [math.sqrt(s * s - v * v) for s in (32, 64, 128, 1000, 20000) if s > v]
    near = [x * f for x in switches if x > 0 for f in (1 - 1e-9, 1 + 1e-9)]
    # log I_v crosses zero close to x = 0.6627 v.
    return near + [0.6627434193491816 * v * f for f in (0.5, 0.999, 1 - 1e-6, 1, 1.01, 1.7) if v > 20]


def grid() -> list[tuple[float, float]]:
    return [(float(m), float(x)) for m in DIMENSIONS for x in sorted({*KAPPAS, *borders(m)}) if m > 1 or x < 1e4]


if __name__ == "__main__":
    points = grid()
    values = [exact(m, x) for m, x in points]
    columns = {name: np.array([float(v[name]) for v in values]) for name in NAMES}
    np.savez_compressed(PATH, m=[m for m, _ in points], kappa=[x for _, x in points], **columns)
    print(len(points), PATH.stat().st_size)
