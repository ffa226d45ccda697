"""The row kernels of S^2 without a branch or a call, so that LLVM does several rows at once in vector registers.

For flat arrays of points of three numbers (a stride that LLVM does not know costs the vectors) with one row of each
argument for each of the result; `geomlat.manifolds.sphere_rows` has the rest. Differences are scaled by 2^500 before
they are squared, so that chords of 1e-300 keep their digits.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import inlined, kernel
from geomlat.backends.libm import fast_angle, fast_cos_sin

UP = 2.0**500
DOWN = 2.0**-500
LEAST = 2.0**-1022
FAR = 0.8


@inlined
def chord_angle(x0: float, x1: float, x2: float, y0: float, y1: float, y2: float) -> float:
    """``2 atan2(|x - y|, |x + y|)``, both chords freed of the difference of the lengths of x and y."""
    d0, d1, d2 = UP * (x0 - y0), UP * (x1 - y1), UP * (x2 - y2)
    s0, s1, s2 = x0 + y0, x1 + y1, x2 + y2
    skew = 0.5 * (d0 * s0 + d1 * s1 + d2 * s2)
    near = max((d0 * d0 + d1 * d1 + d2 * d2) - skew * skew, 0.0)
    s0, s1, s2 = UP * s0, UP * s1, UP * s2
    far = max((s0 * s0 + s1 * s1 + s2 * s2) - skew * skew, 0.0)
    return 2.0 * fast_angle(math.sqrt(near), math.sqrt(far))


@kernel(cost=2.0)
def dist3_row(i: int, x: Any, y: Any, out: Any) -> None:
    """The angle of two rows."""
    x0, x1, x2 = np.float64(x[3 * i]), np.float64(x[3 * i + 1]), np.float64(x[3 * i + 2])
    out[i] = chord_angle(x0, x1, x2, np.float64(y[3 * i]), np.float64(y[3 * i + 1]), np.float64(y[3 * i + 2]))


@kernel(cost=2.0)
def exp3_row(i: int, x: Any, u: Any, out: Any) -> None:
    """``cos(r) x + (sin(r) / r) u``."""
    u0, u1, u2 = np.float64(u[3 * i]), np.float64(u[3 * i + 1]), np.float64(u[3 * i + 2])
    r = math.sqrt(u0 * u0 + u1 * u1 + u2 * u2)
    c, s = fast_cos_sin(r)
    k = s / r if r > 0.0 else 1.0
    out[3 * i] = c * np.float64(x[3 * i]) + k * u0
    out[3 * i + 1] = c * np.float64(x[3 * i + 1]) + k * u1
    out[3 * i + 2] = c * np.float64(x[3 * i + 2]) + k * u2


@kernel(cost=3.0)
def log3_row(i: int, x: Any, y: Any, out: Any) -> None:
    """``theta v / |v|``, v the projection of y - x or of y + x; at the cut locus pi times an axis made tangent."""
    x0, x1, x2 = np.float64(x[3 * i]), np.float64(x[3 * i + 1]), np.float64(x[3 * i + 2])
    y0, y1, y2 = np.float64(y[3 * i]), np.float64(y[3 * i + 1]), np.float64(y[3 * i + 2])
    c, xx = x0 * y0 + x1 * y1 + x2 * y2, x0 * x0 + x1 * x1 + x2 * x2
    sign = 1.0 if c > 0.0 else -1.0
    v0, v1, v2 = y0 - sign * x0, y1 - sign * x1, y2 - sign * x2
    k = (x0 * v0 + x1 * v1 + x2 * v2) / xx
    v0, v1, v2 = UP * (v0 - k * x0), UP * (v1 - k * x1), UP * (v2 - k * x2)
    cut = v0 == 0.0 and v1 == 0.0 and v2 == 0.0 and c <= 0.0
    first = abs(x0) <= FAR
    h = x0 if first else x1
    v0 = UP * ((1.0 if first else 0.0) - h * x0) if cut else v0
    v1 = UP * ((0.0 if first else 1.0) - h * x1) if cut else v1
    v2 = UP * (0.0 - h * x2) if cut else v2
    s = math.sqrt(v0 * v0 + v1 * v1 + v2 * v2)
    a = fast_angle(DOWN * s, abs(c))
    a = a if c > 0.0 else math.pi - a
    f = (math.pi if cut else a) / max(s, LEAST)
    out[3 * i], out[3 * i + 1], out[3 * i + 2] = f * v0, f * v1, f * v2
