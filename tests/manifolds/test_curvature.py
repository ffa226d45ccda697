"""The cotangent of a learnable curvature: through zero, in both precisions, and on every library."""

from __future__ import annotations

import importlib

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from test_stereographic import exact_dist, exact_exp, exact_log, exact_transport, inner, precise

from geomlat.manifolds import Product, Sphere, Stereographic
from geomlat.testing.calculus import curvature_crosses_zero
from geomlat.testing.measure import host
from geomlat.testing.strategies import cases, curvatures

SIZES = [1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.5, 1.0, 3.0, 10.0]
CURVATURES = [0.0, *SIZES, *(-k for k in SIZES)]
CALLS = {
    "exp": "xu",
    "log": "xy",
    "dist": "xy",
    "inner": "xuv",
    "norm": "xu",
    "transport": "xyu",
    "egrad_to_rgrad": "xu",
    "logdet_exp": "xu",
    "to_coordinates": "xu",
    "from_coordinates": "xu",
}


def near(n, seed, dtype=np.float64):
    """One point, tangents and another point, well inside every ball of |K| <= 10."""
    gen = np.random.default_rng(seed)
    x, y, u, v = gen.standard_normal((4, n))
    x, y = (0.2 * a / np.linalg.norm(a) for a in (x, y))
    return {k: a.astype(dtype) for k, a in {"x": x, "y": y, "u": 0.3 * u, "v": v}.items()}


def slopes(m, name, case):
    """The value and the derivative of each of its entries by the curvature."""
    y, pull = getattr(m, f"{name}_vjp")(*(case[c] for c in CALLS[name]))
    xp = importlib.import_module(type(case["x"]).__module__.partition(".")[0])
    units = np.eye(host(y).size).reshape(-1, *y.shape)
    found = [host(pull(xp.asarray(e, dtype=y.dtype))[-1]) for e in units]
    assert all(d.dtype == host(y).dtype and d.shape == () for d in found)
    return host(y), np.stack(found)


EXACT = {
    "exp": exact_exp,
    "log": exact_log,
    "dist": lambda k, x, y: precise([1]) * exact_dist(k, x, y),
    "transport": exact_transport,
    "logdet_exp": lambda k, x, u: precise([1]) * exact_logdet(k, mpmath.norm(u) * 2 / (1 + k * inner(x, x))),
}


def exact_logdet(k, r):
    root = mpmath.sqrt(abs(k))
    return 2 * mpmath.log(
        r if k == 0 else (mpmath.sin(root * r) if k > 0 else mpmath.sinh(root * r)) / root
    ) - 2 * mpmath.log(r)


@pytest.mark.parametrize("k", CURVATURES)
@pytest.mark.parametrize("name", EXACT)
def test_the_derivative_by_the_curvature_is_that_of_60_digits(name, k):
    case = near(3, 5)
    m = Stereographic(3, k)
    args = [precise(case[c]) for c in CALLS[name]]
    _, got = slopes(m, name, case)
    h, kk = mpmath.mpf("1e-15"), mpmath.mpf(float(k))
    # Central differences, extrapolated: exact to far below double precision.
    coarse, fine = ((EXACT[name](kk + t, *args) - EXACT[name](kk - t, *args)) / (2 * t) for t in (h, h / 4))
    expected = np.array([float(d) for d in (16 * fine - coarse) / 15])
    assert np.linalg.norm(got - expected) <= 3e-14 * np.linalg.norm(expected)


@pytest.mark.parametrize("library", ["numpy", "torch"])
@pytest.mark.parametrize("k", CURVATURES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_float32_has_a_relative_error_below_1e_5(n, k, library):
    xp = pytest.importorskip(library)
    case32 = near(n, n + 10, np.float32)
    m = Stereographic(n, np.asarray(k, np.float32))
    for name in CALLS:
        value, slope = slopes(m, name, {c: a.astype(np.float64) for c, a in case32.items()})
        for got, expected in zip(
            slopes(m, name, {c: xp.asarray(a) for c, a in case32.items()}), (value, slope), strict=True
        ):
            assert got.dtype == np.float32
            assert np.linalg.norm(got - expected) <= 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_curvatures_of_every_size_obey_the_law_at_zero(dtype):
    @settings(max_examples=4, suppress_health_check=list(HealthCheck))
    @given(cases(Stereographic(2, 1e-3), dtype, smooth=True, shape=(2,)))
    def check(case):
        curvature_crosses_zero(Stereographic(2, np.asarray(0.5, dtype)), **case)

    check()


def test_drawn_curvatures_have_both_signs_and_many_sizes():
    seen = []

    @settings(max_examples=60)
    @given(curvatures())
    def collect(k):
        seen.append(k)

    collect()
    sizes = np.log10([abs(k) for k in seen if k])
    assert min(seen) < 0 < max(seen)
    assert 0.0 in seen
    assert sizes.min() < -9
    assert sizes.max() > 0


def test_the_points_decide_library_and_dtype():
    torch = pytest.importorskip("torch")
    x, u = (0.1 * np.arange(6.0).reshape(2, 3)).astype(np.float32) / 3, np.ones((2, 3), np.float32)
    expected = Stereographic(3, -0.5).exp(x, u)
    for m in (Stereographic(3, -0.5), Stereographic(3, np.float64(-0.5)), Stereographic(3, np.float32(-0.5))):
        assert m.exp(x, u).dtype == np.float32
        y = m.exp(torch.from_numpy(x), torch.from_numpy(u))
        assert y.dtype == torch.float32
        np.testing.assert_allclose(y, expected, rtol=1e-6)
    k = torch.tensor(-0.5, dtype=torch.float64, requires_grad=True)
    m = Stereographic(3, k)
    y, pull = m.exp_vjp(torch.from_numpy(x).double(), torch.from_numpy(u).double())
    y.sum().backward()
    np.testing.assert_allclose(host(pull(torch.ones_like(y))[2]), k.grad, rtol=1e-13)
    assert m.injectivity_radius == np.inf
    with pytest.raises(TypeError):
        m.exp(x, u)


def test_a_curvature_is_printed_as_a_number():
    assert repr(Stereographic(2, np.float32(-0.3))) == "Stereographic(n=2, curvature=-0.3)"
    assert repr(Product(Stereographic(1, 0.5), Sphere(2))) == "Product(Stereographic(n=1, curvature=0.5), Sphere(n=2))"
