"""The pullbacks of every manifold in the table against extrapolated differences."""

from __future__ import annotations

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import MANIFOLDS
from geomlat.manifolds.base import OPERATIONS

INSTANCES = [m for family in MANIFOLDS.values() for m in family if m.dim > 0]


def inputs(m, seed):
    x = m.random_point((3,), rng=seed)
    u, v = (m.random_tangent(x, rng=seed + k) for k in (1, 2))
    gen = np.random.default_rng(seed)
    near = m.exp(m.origin((3, 5)), 0.4 * m.random_tangent(m.origin((3, 5)), rng=seed + 3))
    return {
        "x": x,
        "y": m.exp(x, 0.7 * u),
        "u": u,
        "v": v,
        "t": gen.random(3),
        "a": gen.standard_normal((3, *m.ambient_shape)),
        "c": gen.standard_normal((3, m.dim)),
        "points": near,
        "others": m.random_point((3, 2), rng=seed + 4),
        "weights": gen.random((3, 5)) + 0.5,
    }


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("m", INSTANCES, ids=repr)
def test_rules(m, name):
    def vjp(*args):
        y, pull = getattr(m, f"{name}_vjp")(*args)
        return (y[0] if name == "mean" else y), pull

    case = inputs(m, 10)
    args = [case[k] for k in OPERATIONS[name]]
    np.testing.assert_array_equal(vjp(*args)[0], getattr(m, name)(*args)[0 if name == "mean" else ...])
    gradcheck(vjp, *args)
    for k in range(len(args) if len(args) > 1 else 0):
        gradcheck(vjp, *args[:k], args[k][0], *args[k + 1 :])
        gradcheck(vjp, *(a if i == k else a[1] for i, a in enumerate(args)))
    assert all(g is None for g in vjp(*args)[1](None))
    y, pull = vjp(*(a.astype(np.float32) for a in args))
    assert {g.dtype for g in pull(np.ones_like(y)) if g is not None} <= {np.dtype(np.float32)}
