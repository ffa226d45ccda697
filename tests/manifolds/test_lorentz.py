"""The chart of the hyperboloid by its space part: what the differences of far points keep."""

from __future__ import annotations

import mpmath
import numpy as np

from geomlat.manifolds import Hyperboloid
from geomlat.manifolds.lorentz import base, beside


def test_the_part_across_is_rounded_by_the_shorter_of_a_point_and_a_difference():
    m, gen = Hyperboloid(4), np.random.default_rng(0)
    a = np.tile(gen.standard_normal((20, 4)), (8, 1))
    share = np.repeat([0.3, 0.55, 0.7, 0.9, 0.999, 1.0, 1.1, 2.1], 20)[:, None]
    b = share * a + 1e-6 * gen.standard_normal(a.shape)
    x, y = (m.project(np.pad(1e3 * c, ((0, 0), (1, 0)))) for c in (a, b))
    got = beside(np, base(np, x, 1.0), base(np, y, 1.0))
    with mpmath.workdps(50):
        for p, q, g in zip(x[:, 1:], y[:, 1:], got, strict=True):
            p, q, g = (mpmath.matrix(v.tolist()) for v in (p, q, g))
            wanted = q - p * (mpmath.fdot(p, q) / mpmath.fdot(p, p))
            short = min(mpmath.norm(q), mpmath.norm(q - p))
            assert mpmath.norm(g - wanted) <= 8e-16 * short
