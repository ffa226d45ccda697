"""The row kernels as the Python functions that they are, in few rows: against the array expressions and mpmath."""

from __future__ import annotations

import sys

import mpmath
import numpy as np
import pytest

from geomlat.backends import Kernel
from geomlat.manifolds import (
    Euclidean,
    Hyperboloid,
    SpecialOrthogonal,
    Sphere,
    Stereographic,
    Torus,
    hyperboloid_rows,
    sphere_rows,
)

SPACES = [
    Euclidean(3),
    Hyperboloid(2, -0.6),
    Hyperboloid(4, -3.0),
    SpecialOrthogonal(3),
    Sphere(2),
    Sphere(4),
    Stereographic(3, -1.3),
    Stereographic(3, 0.0),
    Stereographic(3, 0.9),
    Torus(3),
]
CALLS = {
    "exp": "xu",
    "log": "xy",
    "dist": "xy",
    "transport": "xyu",
    "norm": "xu",
    "logdet_exp": "xu",
    "to_coordinates": "xu",
    "from_coordinates": "xc",
    "to_tangent": "xa",
    "project": "a",
}
SIZES = [0.0, 1e-200, 1e-9, 0.4, 2.0]


@pytest.fixture
def by_python(monkeypatch):
    """Kernels run by the interpreter until the call, after which no array goes to a kernel."""

    def run(self, n, *arrays):
        with np.errstate(all="ignore"):
            for i in range(n):
                self.body(i, *arrays)

    monkeypatch.setattr(Kernel, "cpu", run)
    monkeypatch.setattr("geomlat.manifolds.hyperboloid_plane.MANY", 1)
    users = [m for name, m in sys.modules.items() if name.startswith("geomlat.manifolds.") and hasattr(m, "compiled")]
    return lambda: [monkeypatch.setattr(module, "compiled", lambda *_: False) for module in users]


def rows(m):
    """Points at all pairs of sizes from the origin, and tangents of the second size."""
    gen, o = np.random.default_rng(4), m.origin()
    unit = min(m.injectivity_radius, 3.0) / 3
    ways = gen.standard_normal((2, m.dim))
    a, b = unit * ways / np.linalg.norm(ways, axis=-1, keepdims=True)
    x, y = (np.stack([m.exp(o, m.from_coordinates(o, s * w)) for s in SIZES]) for w in (a, b))
    x, y = np.repeat(x, len(SIZES), axis=0), np.concatenate([y] * len(SIZES))
    c = np.concatenate([np.array(SIZES)[:, None] * (a - 0.3 * b)] * len(SIZES))
    x, y, c = (np.concatenate([v, w]) for v, w in ((x, x), (y, m.exp(x, m.from_coordinates(x, 1e-5 * c))), (c, -5 * c)))
    u = m.from_coordinates(x, c)
    return {"x": x, "y": y, "u": u, "c": c, "a": x + 0.1 * gen.standard_normal(x.shape)}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("m", SPACES, ids=repr)
def test_rows_and_their_pulls_are_the_array_expressions(m, name, by_python):
    given = rows(m)
    args = [given[k] for k in CALLS[name]]

    def both():
        y, pull = getattr(m, f"{name}_vjp")(*args)
        return [y, *pull(np.cos(np.arange(1.0, 1.0 + y.size)).reshape(y.shape))]

    got = both()
    by_python()
    for one, other in zip(got, both(), strict=True):
        assert (one is None) == (other is None)
        if one is not None and np.ndim(one):
            one, other = (np.reshape(v, (len(args[0]), -1)) for v in (one, other))
            size = np.max(np.abs(other), axis=-1, keepdims=True)
            gap = np.abs(one - other) / (1e-13 * size + 1e-300)
            assert np.all(gap < 1), (np.nanmax(gap), np.argwhere(~(gap < 1))[:5].tolist())


@pytest.mark.parametrize("x0", [0.0, 2.0])
def test_the_pull_of_a_tangent_that_is_cut_short(x0, by_python):
    m = Hyperboloid(3, -0.6)
    x = m.exp(m.origin((3,)), m.from_coordinates(m.origin((3,)), x0 * np.eye(3)))
    u = m.from_coordinates(x, np.array([1e3, 40.0, 2e30])[:, None] * np.array([0.6, 0.0, -0.8]))
    dy = 1e-10 * np.cos(np.arange(12.0)).reshape(3, 4)
    got = m.exp_vjp(x, u)[1](dy)
    by_python()
    for one, other in zip(got, m.exp_vjp(x, u)[1](dy), strict=True):
        assert np.all(np.abs(one - other) <= 1e-11 * np.max(np.abs(other), axis=-1, keepdims=True))


@pytest.mark.parametrize("k", [0.7, 1e4])
@pytest.mark.parametrize("gap", [1e-1, 1e-8, 1e-15])
def test_close_to_the_cut_locus_a_log_is_as_long_as_the_distance(gap, k, by_python):
    m = Stereographic(3, k)
    x = m.random_point((6,), rng=0)
    u = m.random_tangent(x, rng=1)
    y = m.exp(x, u * ((np.pi - gap) / np.sqrt(k) / m.norm(x, u))[:, None])
    for p, q in ((x, y), (y, x)):
        np.testing.assert_allclose(m.norm(p, m.log(p, q)), m.dist(p, q), rtol=1e-15)


@pytest.mark.parametrize("k", [-1.3, 0.0])
def test_overflowing_tangents_end_where_the_array_expressions_say(k, by_python):
    m, x, u = Stereographic(2, k), np.array([[0.3, 0.1], [0.0, 0.0]]), 2.0**500 * np.array([3.0, -4.0])
    y = m.exp(x, u)
    by_python()
    np.testing.assert_allclose(y, m.exp(x, u), rtol=1e-15)


def test_overflowing_tangents_of_a_sphere_end_on_their_geodesic(by_python):
    m, x, u = Stereographic(2, 0.9), np.array([0.3, 0.1]), 2.0**500 * np.array([3.0, -4.0])
    v = m.log(x, m.exp(x, u))
    assert abs(v[0] * 4.0 + v[1] * 3.0) < 1e-14


def test_tangents_of_the_sphere_of_which_the_square_overflows():
    """Of length 5 2^500, which is a number; its cosine is that of this number."""
    y = np.empty((1, 3))
    sphere_rows.exp_row.body(0, np.array([[1.0, 0.0, 0.0]]), 2.0**500 * np.array([[0.0, 3.0, -4.0]]), y)
    c, s = np.cos(5.0 * 2.0**500), np.sin(5.0 * 2.0**500)
    np.testing.assert_allclose(y, [[c, 0.6 * s, -0.8 * s]], rtol=1e-14)


def test_tangents_from_border_to_border_end_inside(by_python):
    m, gen = Stereographic(3, -3.0), np.random.default_rng(0)
    x = gen.standard_normal((30, 3))
    x = m.project((1 - 1e-14) / np.sqrt(3) * x / np.linalg.norm(x, axis=-1, keepdims=True))
    u = (-1 + 1e-9 * gen.standard_normal(x.shape)) * x
    assert np.all(m.contains(m.exp(x, u * (50 / m.norm(x, u))[:, None])))


def space(*v):
    return np.array([[np.nan, *v]])


PAIRS = [
    ((1.2, -0.5, 2.0), (0.3, 0.8, -0.6)),
    ((0.3, 0.8, -0.6), (1.2, -0.5, 2.0)),
    ((1.2, -0.5, 2.0), (1.2, -0.5, 2.0 + 1e-9)),
    ((3e-200, -1e-200, 2e-200), (1e-200, 2e-200, -1e-200)),
    ((3e-200, -1e-200, 2e-200), (1.0, 2.0, -1.0)),
    ((0.0, 0.0, 0.0), (1.0, 2.0, -1.0)),
    ((5.0, 0.5, 0.0), (50.0, -40.0, 30.0)),
]


@pytest.mark.parametrize(("a", "b"), PAIRS)
def test_half_chords_scaled_or_not_against_mpmath(a, b):
    radius, x, y = 0.7, space(*a), space(*b)
    with mpmath.workdps(450):
        p, q, r = mpmath.matrix(a), mpmath.matrix(b), mpmath.mpf(radius)
        high, far = (mpmath.sqrt(r * r + mpmath.fdot(v, v)) for v in (p, q))
        exact = float(mpmath.sqrt(((high * far - mpmath.fdot(p, q)) / r**2 - 1) / 2))
        distance = float(2 * r * mpmath.asinh(exact))
    with np.errstate(all="ignore"):
        for half in (hyperboloid_rows.scaled_half_chord, hyperboloid_rows.half_chord):
            assert half(x, 0, y, 0, radius) == pytest.approx(exact, rel=4e-15, abs=0.0)
        assert hyperboloid_rows.row_dist(x, 0, y, 0, radius) == pytest.approx(distance, rel=4e-15, abs=0.0)
        assert hyperboloid_rows.height(x, 0, radius) == pytest.approx(float(high), rel=1e-15, abs=0.0)
