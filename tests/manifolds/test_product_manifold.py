"""Products: what is put together from the factors, their scales, and the cotangents of their fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds import Euclidean, Hyperboloid, Product, SpecialOrthogonal, Sphere, Torus
from geomlat.random import stream

MIXED = Product(Sphere(2), Hyperboloid(3), Torus(2), scales=(2.0, 1.0, 0.25))


@dataclass(frozen=True, eq=False)
class Stretched(Euclidean):
    """A line whose unit of length is an array field."""

    unit: Any

    def dist_vjp(self, x, y, /):
        """The pull gives the cotangent of the field too."""
        d, pull_dist = super().dist_vjp(x, y)

        def pull(dd):
            if dd is None:
                return None, None, None
            return *pull_dist(self.unit * dd), np.sum(d * dd)

        return self.unit * d, pull


def test_dimensions_add_up():
    assert MIXED.dim == 7
    assert MIXED.ambient_shape == (9,)
    assert MIXED.injectivity_radius == 0.25 * np.pi
    assert Product(Euclidean(2), Hyperboloid(2)).injectivity_radius == np.inf
    assert MIXED.period == (np.inf,) * 7 + (2 * np.pi,) * 2
    assert repr(Product(Sphere(2), Torus(1))) == "Product(Sphere(n=2), Torus(n=1))"
    assert repr(MIXED) == "Product(Sphere(n=2), Hyperboloid(n=3), Torus(n=2), scales=(2.0, 1.0, 0.25))".replace(
        "Hyperboloid(n=3)", repr(Hyperboloid(3))
    )
    assert Product(Sphere(2), scales=[2]) == Product(Sphere(2), scales=(2.0,)) != Product(Sphere(2))
    assert len({Product(Sphere(2)), Product(Sphere(2)), Product(Sphere(3))}) == 2


def test_split_and_join_are_inverse_and_broadcast():
    x = MIXED.random_point((4, 3), rng=0)
    parts = MIXED.split(x)
    assert [p.shape for p in parts] == [(4, 3, 3), (4, 3, 4), (4, 3, 2)]
    np.testing.assert_array_equal(MIXED.join(*parts), x)
    y = MIXED.join(parts[0], parts[1][0], parts[2][0, 0])
    assert y.shape == (4, 3, 9)
    np.testing.assert_array_equal(y[3, 2], np.concatenate([parts[0][3, 2], parts[1][0, 2], parts[2][0, 0]]))
    with pytest.raises(ValueError, match=r"Torus\(n=2\) takes arrays of shape \(..., 2\), got \(1, 3\)"):
        MIXED.join(parts[0], parts[1], np.zeros((1, 3)))


def test_values_are_those_of_the_factors():
    x, y = MIXED.random_point((2, 5), rng=1)
    u = MIXED.log(x, y)
    rows = list(zip(MIXED.factors, MIXED.split(x), MIXED.split(y), MIXED.split(u), strict=True))
    for f, a, b, v in rows:
        np.testing.assert_array_equal(v, f.log(a, b))
    np.testing.assert_array_equal(MIXED.transport(x, y, u), MIXED.join(*(f.transport(a, b, v) for f, a, b, v in rows)))
    squares = [s * f.dist(a, b) for s, (f, a, b, _) in zip(MIXED.scales, rows, strict=True)]
    np.testing.assert_allclose(MIXED.dist(x, y), np.linalg.norm(squares, axis=0), rtol=4e-16)
    np.testing.assert_allclose(MIXED.inner(x, u, u), MIXED.dist(x, y) ** 2, rtol=1e-14)
    volumes = [f.logdet_exp(a, v) for f, a, _, v in rows]
    np.testing.assert_allclose(MIXED.logdet_exp(x, u), np.sum(volumes, axis=0), rtol=4e-16)


def test_small_and_large_lengths_survive():
    p = Product(Euclidean(1), Euclidean(1), scales=(3.0, 4.0))
    for size in (1e-300, 1e-170, 1e200):
        assert p.dist(np.zeros(2), np.array([size, size])) == pytest.approx(5 * size, rel=4e-16, abs=0.0)
        assert p.norm(np.zeros(2), np.array([size, size])) == pytest.approx(5 * size, rel=4e-16, abs=0.0)


def test_fields_of_factors_get_nested_cotangents():
    p = Product(Sphere(1), Stretched(2, np.array(1.5)), Stretched(1, np.array(0.5)), scales=(1.0, 2.0, 1.0))
    x, y = np.random.default_rng(0).standard_normal((2, 4, 5))

    def rule(a, b):
        d, pull = Product(Sphere(1), Stretched(2, a), Stretched(1, b), scales=p.scales).dist_vjp(x, y)

        def back(dd):
            _, _, (da,), (db,) = pull(dd)
            return da, db

        return d, back

    gradcheck(rule, np.array(1.5), np.array(0.5))
    assert p.dist_vjp(x, y)[1](None) == (None, None, (None,), (None,))
    assert len(p.norm_vjp(x, y)[1](np.ones(4))) == 2
    q = Product(Euclidean(1), p)
    x, y = (np.concatenate([a[:, :1], a], axis=1) for a in (x, y))
    dx, _, (first, second) = q.dist_vjp(x, y)[1](np.ones(4))
    assert dx.shape == x.shape
    assert first[0].shape == second[0].shape == ()


def test_factors_draw_independently_and_offsets_differ():
    p = Product(Sphere(2), Sphere(2), Torus(1))
    x = p.random_point((2000,), rng=0)
    a, b, _ = p.split(x)
    # Nine products of uncorrelated coordinates of variance 1/3: four standard errors.
    assert np.max(np.abs(np.mean(a[:, :, None] * b[:, None, :], axis=0))) < 4 / 3 / np.sqrt(2000)
    np.testing.assert_array_equal(p.random_point((2000,), rng=0), x)
    assert not np.any(p.random_point((5,), rng=stream(0).at(1)) == x[:5])
    assert p.random_point((5,), rng=0, like=np.float32(0)).dtype == np.float32


def test_the_mean_is_made_of_the_factors_means():
    points, weights = MIXED.random_point((6, 40), rng=2), np.random.default_rng(0).random(40)
    points = MIXED.exp(points[:, :1], 0.1 * MIXED.log(points[:, :1], points))
    x, status = MIXED.mean(points, weights)
    each = [f.mean(a, weights) for f, a in zip(MIXED.factors, MIXED.split(points), strict=True)]
    np.testing.assert_array_equal(x, MIXED.join(*(m for m, _ in each)))
    assert np.all(status.converged)
    assert status.steps == max(s.steps for _, s in each)
    np.testing.assert_array_equal(status.residual >= 0.99 * np.asarray([2.0 * each[0][1].residual]), True)


def test_pairwise_distances_come_in_blocks(monkeypatch):
    x, y = MIXED.random_point((2, 7), rng=0), MIXED.random_point((5,), rng=1)
    whole, pull = MIXED.pairwise_dist_vjp(x, y)
    g = np.random.default_rng(0).standard_normal(whole.shape)
    cotangents = pull(g)
    monkeypatch.setattr("geomlat.manifolds.base.BLOCK", 60)
    monkeypatch.setattr("geomlat.manifolds.product.BLOCK", 60)
    np.testing.assert_array_equal(MIXED.pairwise_dist(x, y), whole)
    out = np.empty_like(whole)
    assert MIXED.pairwise_dist(x, y, out=out) is out
    np.testing.assert_array_equal(out, whole)
    for a, b in zip(pull(g), cotangents, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-15)
    with pytest.raises(ValueError, match=r"sets of points \(..., k, 9\), got \(9,\)"):
        MIXED.pairwise_dist(x[0, 0], y)
    with pytest.raises(ValueError, match="out must be"):
        MIXED.pairwise_dist(x, y, out=np.empty(3))


def exact(a, b, scales=1.0):
    square = (np.abs(a[:, None].astype(np.longdouble) - b) * scales) ** 2
    return np.sqrt(square.sum(-1))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 3, 50])
def test_a_table_of_flat_distances_is_right_next_to_the_points_and_far_away(dtype, n):
    gen, tiny = np.random.default_rng(0), 1e-30 if dtype is np.float32 else 1e-200
    y = gen.standard_normal((40, n)).astype(dtype)
    y[:5], y[5:10] = tiny * y[:5], y[5:10] / tiny
    near = 1.0 + 10.0 ** -gen.uniform(1, 7, (30, 1))
    most = np.full((1, n), 3e37 if dtype is np.float32 else 1e306, dtype)
    x = np.concatenate((y, y[:30] * near.astype(dtype), most))
    space = Euclidean(n)
    table, single = space.pairwise_dist(x, y), float(np.finfo(dtype).eps)
    np.testing.assert_allclose(table, exact(x, y).astype(dtype), rtol=4 * single)
    np.testing.assert_array_equal(np.diag(table), 0.0)
    np.testing.assert_allclose(table, space.dist(x[:, None], y), rtol=20 * single)
    half = Product(*[Euclidean(1)] * n, scales=[0.5] * n).pairwise_dist(x, y)
    np.testing.assert_allclose(half, exact(x, y, 0.5).astype(dtype), rtol=4 * single)


def test_tables_of_lengths_whose_squares_vanish_or_overflow():
    for size in (1e-200, 1e200):
        x = size * np.array([[3.0, -1.0, 2.0], [0.0, 0.0, 1.0]])
        for space, scale in ((Euclidean(3), 1.0), (Product(*[Euclidean(1)] * 3, scales=[2.0] * 3), 2.0)):
            table = scale * size * 2 * np.sqrt([[14.0, 4.75], [4.75, 1.0]])
            np.testing.assert_allclose(space.pairwise_dist(x, -x), table, rtol=1e-15)
    for low in (1e-200, 1e200):
        p = Product(Euclidean(1), Euclidean(1), scales=(3 * low, 4 * low))
        np.testing.assert_allclose(p.pairwise_dist(np.zeros((1, 2)), np.ones((1, 2))), 5 * low, rtol=1e-15)


@pytest.mark.parametrize("lead", [(), (3,)])
def test_blocks_are_as_large_as_they_may_be(lead, monkeypatch):
    monkeypatch.setattr("geomlat.manifolds.product.BLOCK", 500)
    asked = []

    class Seen(Euclidean):
        def pairwise_dist(self, x, y, /, *, out=None):
            d = super().pairwise_dist(x, y, out=out)
            asked.append(d.size)
            return d

    p, gen = Product(Seen(2), Seen(1)), np.random.default_rng(0)
    x, y = gen.standard_normal((*lead, 37, 3)), gen.standard_normal((7, 3))
    row = 7 * int(np.prod(lead))
    steps = [row * n for n in np.diff([*range(0, 37, 500 // (2 * row)), 37])]
    for out in (None, np.empty((*lead, 37, 7))):
        asked.clear()
        np.testing.assert_allclose(p.pairwise_dist(x, y, out=out), p.dist(x[..., None, :], y), rtol=1e-14)
        assert asked[::2] == asked[1::2] == steps


@pytest.mark.parametrize("lead", [(), (3,)])
def test_blocks_of_matrices_are_as_large_as_they_may_be(lead, monkeypatch):
    monkeypatch.setattr("geomlat.manifolds.base.BLOCK", 400)
    m = SpecialOrthogonal(3)
    x, y = m.random_point((*lead, 11), rng=2), m.random_point((5,), rng=3)
    blocks = m._row_blocks(np, x, y)
    row = 5 * 9 * int(np.prod(lead))
    assert [a.size * 5 for _, a in blocks] == [row * n for n in np.diff([*range(0, 11, 400 // row), 11])]
    np.testing.assert_array_equal(np.concatenate([a for _, a in blocks], axis=-4)[..., 0, :, :], x)
    assert [rows.stop - rows.start for rows, _ in blocks] == [a.shape[-4] for _, a in blocks]


def test_the_residual_of_a_mean_is_the_root_of_squares_of_the_scaled_ones():
    p = Product(Sphere(2), Hyperboloid(2), Torus(1), scales=(3.0, 0.5, 2.0))
    points = p.random_point((5,), rng=4)
    _, status = p.mean(points)
    each = [f.mean(a)[1].residual for f, a in zip(p.factors, p.split(points), strict=True)]
    np.testing.assert_allclose(status.residual, np.linalg.norm(np.array(p.scales) * each), rtol=1e-14)


def test_tables_of_no_points_of_infinite_ones_and_of_several_sets():
    p = Product(Sphere(2), Euclidean(2), scales=(2.0, 0.5))
    x, y = p.random_point((6,), rng=0), p.random_point((7,), rng=1)
    assert p.pairwise_dist(x[:0], y).shape == (0, 7)
    assert p.pairwise_dist(x, y[:0]).shape == (6, 0)
    several = p.pairwise_dist(np.stack((x, x[::-1])), y)
    np.testing.assert_allclose(several[1, ::-1], p.pairwise_dist(x, y), rtol=1e-14)
    x[0, -1], x[1, -1] = np.inf, np.nan
    table = p.pairwise_dist(x, y)
    assert np.isinf(table[0]).all()
    assert np.isnan(table[1]).all()
    assert np.isfinite(table[2:]).all()
    for bad in (np.empty((6, 6)), np.empty((6, 7), np.float32)):
        with pytest.raises(ValueError, match="out must be a C-contiguous array"):
            p.pairwise_dist(x, y, out=bad)


def test_out_takes_the_result():
    x, y = MIXED.random_point((2, 4), rng=0)
    u = MIXED.log(x, y)
    for name, args in {"exp": (x, u), "log": (x, y), "dist": (x, y), "transport": (x, y, u)}.items():
        out = np.full_like(getattr(MIXED, name)(*args), np.nan)
        assert getattr(MIXED, name)(*args, out=out) is out
        np.testing.assert_array_equal(out, getattr(MIXED, name)(*args))


@pytest.mark.parametrize("scales", [(1.0,), (1.0, 0.0), (1.0, -2.0), (1.0, np.inf), (1.0, np.nan)])
def test_wrong_scales_are_named(scales):
    with pytest.raises(ValueError, match="Product needs factors and a positive finite scale for each, got 2"):
        Product(Sphere(2), Torus(1), scales=scales)
    with pytest.raises(ValueError, match="Product needs factors"):
        Product()
