"""One row against many is that row repeated: values, and cotangents summed over the rows."""

from __future__ import annotations

import numpy as np
import pytest

from geomlat.manifolds import MANIFOLDS
from geomlat.manifolds.base import OPERATIONS

ROWS = 3


def arguments(m, kinds):
    """Rows of points, tangents, coordinates or numbers, by the letters of an operation."""
    gen = np.random.default_rng(7)
    x, y = (m.random_point((ROWS,), rng=seed) for seed in (1, 2))
    u, v = (0.3 * m.random_tangent(x, rng=seed) for seed in (3, 4))
    given = {
        "x": x,
        "y": y,
        "u": u,
        "v": v,
        "a": x + 0.3 * gen.standard_normal(x.shape),
        "t": gen.uniform(0.2, 0.8, ROWS),
    }
    return [given[k] if k in given else m.to_coordinates(x, u) for k in kinds]


def alike(got, wanted):
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12 * (1 + np.max(np.abs(wanted))))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name not in ("pairwise_dist", "mean")])
@pytest.mark.parametrize("m", [family[-1] for family in MANIFOLDS.values()], ids=repr)
def test_one_row_against_many_is_that_row_repeated(m, name):
    args, rule = arguments(m, OPERATIONS[name]), getattr(m, name + "_vjp")
    every = set(range(len(args)))
    for few in [f for k in every for f in ({k}, every - {k}) if f != every and f]:
        mixed = [a[0] if i in few else a for i, a in enumerate(args)]
        repeated = [np.repeat(a[:1], ROWS, axis=0) if i in few else a for i, a in enumerate(args)]
        (y, pull), (wanted, pull_wanted) = rule(*mixed), rule(*repeated)
        alike(y, wanted)
        dy = np.cos(np.arange(1.0, 1.0 + y.size)).reshape(y.shape)
        for k, (g, full) in enumerate(zip(pull(dy)[: len(args)], pull_wanted(dy), strict=False)):
            if full is None:
                assert g is None
            else:
                alike(g, full.sum(axis=0) if k in few else full)
