"""The vMF functions against mpmath, each other, bounds and differences, on every kind of array."""

from __future__ import annotations

import datetime
import math
from pathlib import Path

import numpy as np
import pytest
from make_reference import grid
from vmf_mpmath import exact, moments_by_quadrature, moments_by_series, mp

from geomlat import special
from geomlat.grad import richardson
from geomlat.special import vmf

ONE = ("phi", "phi_minus_x", "ratio", "one_minus_ratio", "dratio", "kl", "dkl")
PAIRS = {"phi_pair": ("phi", "ratio"), "kl_pair": ("kl", "dkl"), "tail_pair": ("phi_minus_x", "one_minus_ratio")}
TOLERANCE = 5e-14
REFERENCE = np.load(Path(__file__).with_name("vmf_reference.npz"))
ANCHORS = [
    (3, 1, 0.1515959239281357, 0.2759383390336895),
    (3, 10, 1.995732316838217, 0.09999991755385476),
    (6, 5, 1.227723006703351, 0.3077331787344444),
    (11, 30, 6.529288704941768, 0.1435415412407844),
    (41, 50, 12.33476231174837, 0.2546569535654769),
    (3, 500, 5.907755278982137, 0.002),
]


def error(got, expected):
    got, expected = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    # Subnormal results carry fewer digits.
    scale = np.maximum(np.abs(expected), 1e-307)
    return np.abs(got - expected) / scale


def test_the_fixture_covers_the_grid():
    points = grid()
    np.testing.assert_array_equal(REFERENCE["m"], [m for m, _ in points])
    np.testing.assert_array_equal(REFERENCE["kappa"], [x for _, x in points])


@pytest.mark.parametrize("name", ONE)
def test_against_the_fixture(name):
    got = getattr(special, f"vmf_{name}")(REFERENCE["m"], REFERENCE["kappa"])
    assert got.dtype == np.float64
    assert error(got, REFERENCE[name]).max() < TOLERANCE


@pytest.mark.parametrize("name", ONE)
def test_plain_python_is_the_same_function(name):
    f = getattr(vmf, f"vmf_{name}_scalar")
    got = [f(float(m), float(x)) for m, x in zip(REFERENCE["m"], REFERENCE["kappa"], strict=True)]
    assert error(got, REFERENCE[name]).max() < TOLERANCE


@pytest.mark.parametrize(("pair", "names"), PAIRS.items())
def test_pairs_are_their_parts(pair, names):
    m, x = REFERENCE["m"], REFERENCE["kappa"]
    for got, name in zip(getattr(special, f"vmf_{pair}")(m, x), names, strict=True):
        assert error(got, REFERENCE[name]).max() < TOLERANCE
        assert error(got, getattr(special, f"vmf_{name}")(m, x)).max() < TOLERANCE


@pytest.mark.parametrize(("m", "kappa", "kl", "dkl"), ANCHORS)
def test_published_values(m, kappa, kl, dkl):
    assert special.vmf_kl(float(m), float(kappa)) == pytest.approx(kl, rel=1e-12, abs=0)
    assert special.vmf_dkl(float(m), float(kappa)) == pytest.approx(dkl, rel=1e-12, abs=0)


def test_fresh_points_against_mpmath():
    """Twenty points that change from day to day: m in 2..1e6, kappa in 1e-4..1e12."""
    gen = np.random.default_rng(datetime.datetime.now(datetime.UTC).date().toordinal())
    for _ in range(20):
        m, x = float(np.round(2 * 5e5 ** gen.random())), 10 ** gen.uniform(-4, 12)
        expected = exact(m, x)
        for name in ONE:
            got = getattr(special, f"vmf_{name}")(m, x)
            assert error(got, float(expected[name])) < TOLERANCE, (name, m, x)


@pytest.mark.parametrize(("m", "x"), [(2, 200), (3, 300), (2.5, 160), (50, 400), (1e5, 1e4)])
def test_the_two_references_agree(m, x):
    with mp.workdps(50):
        m, x = mp.mpf(m), mp.mpf(x)
        for a, b in zip(moments_by_series(m, x), moments_by_quadrature(m, x), strict=True):
            assert abs(a / b - 1) < mp.mpf(10) ** -30


@pytest.mark.parametrize("m", [1.0, 2.0, 3.0, 128.0, 1e6])
def test_at_zero(m):
    values = {name: float(getattr(special, f"vmf_{name}")(m, 0.0)) for name in ONE}
    expected = {"phi": 0, "phi_minus_x": 0, "ratio": 0, "one_minus_ratio": 1, "dratio": 1 / m, "kl": 0, "dkl": 0}
    assert values == expected


@pytest.mark.parametrize("m", [1.0, 1.5, 2.0, 3.0, 23.0, 1e6, 1e150])
def test_every_finite_input_gives_a_finite_result(m):
    x = np.concatenate([[0.0, 5e-324], np.logspace(-320, 308, 400)])
    for name in ONE:
        assert np.isfinite(getattr(special, f"vmf_{name}")(m, x)).all(), name


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("x", [(3.0, -1.0), (0.5, 1.0), (math.nan, 1.0), (3.0, math.nan)])
def test_illegal_values_give_nan(name, x):
    assert np.isnan(getattr(special, f"vmf_{name}")(*x))
    assert math.isnan(getattr(vmf, f"vmf_{name}_scalar")(*x))


def test_illegal_values_give_nan_in_pairs():
    for pair in PAIRS:
        assert np.isnan(getattr(special, f"vmf_{pair}")(3.0, -1.0)).all()


@pytest.mark.parametrize("name", ONE)
def test_float32_is_the_rounded_float64(name):
    keep = (REFERENCE["m"] < 1e6) & (REFERENCE["kappa"] < 1e12) & (REFERENCE["kappa"] > 1e-8)
    m, x = (np.float32(REFERENCE[k][keep]) for k in ("m", "kappa"))
    f = getattr(special, f"vmf_{name}")
    got = f(m, x)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, f(m.astype(float), x.astype(float)).astype(np.float32))
    assert f(3.0, x).dtype == np.float32
    assert f(3, x[0]).dtype == np.float32


def test_bounds_of_the_ratio():
    """Amos (1974): x/(v+1/2+sqrt((v+3/2)^2+x^2)) <= A <= x/(v+1/2+sqrt((v+1/2)^2+x^2)); A' > 0; A' < A/x."""
    gen = np.random.default_rng(0)
    m, x = 2 * 5e5 ** gen.random(20_000), 10 ** gen.uniform(-6, 12, 20_000)
    v = m / 2 - 1
    a, da = special.vmf_ratio(m, x), special.vmf_dratio(m, x)
    slack = 1 + 4e-16
    assert (a * slack >= x / (v + 0.5 + np.hypot(v + 1.5, x))).all()
    assert (a <= slack * x / (v + 0.5 + np.hypot(v + 0.5, x))).all()
    assert (da > 0).all()
    assert (da * x <= a * (1 + 1e-14)).all()


def test_order_in_kappa():
    m, x = np.meshgrid([2.0, 3.0, 22.0, 1e4], np.logspace(-3, 9, 500), indexing="ij")
    for name in ("phi", "ratio", "kl"):
        assert (np.diff(getattr(special, f"vmf_{name}")(m, x)) >= 0).all(), name
    for name in ("phi_minus_x", "one_minus_ratio", "dratio"):
        assert (np.diff(getattr(special, f"vmf_{name}")(m, x)) <= 0).all(), name


def test_identities_that_cancel_at_the_ends_hold_in_the_middle():
    m, x = np.meshgrid([2.0, 3.0, 7.0, 40.0], np.linspace(0.5, 80, 300), indexing="ij")
    phi, a, da = special.vmf_phi(m, x), special.vmf_ratio(m, x), special.vmf_dratio(m, x)
    np.testing.assert_allclose(special.vmf_kl(m, x), x * a - phi, rtol=0, atol=1e-13)
    np.testing.assert_allclose(da, 1 - a * a - (m - 1) * a / x, rtol=0, atol=1e-14)
    np.testing.assert_allclose(special.vmf_dkl(m, x), x * da, rtol=1e-14)
    np.testing.assert_allclose(special.vmf_ratio(3.0, x), 1 / np.tanh(x) - 1 / x, rtol=1e-14)


@pytest.mark.parametrize("rule", special.DERIVATIVES, ids=lambda r: r.name)
def test_derivatives_by_differences(rule):
    gen = np.random.default_rng(1)
    for _ in range(12):
        *fixed, x = rule.sample(gen)
        estimate, doubt = richardson(lambda y, fixed=fixed: rule.f(*fixed, y), np.asarray(x), np.asarray(x), 1e-2)
        got = x * float(rule.df(*fixed, x))
        scale = max(abs(got), abs(float(estimate)))
        assert abs(got - float(estimate)) <= max(1e-8 * scale, 10 * doubt), (fixed, x)


def test_shapes():
    m, x = np.array([2.0, 3.0, 50.0])[:, None], np.array([0.0, 1.0, 40.0, 1e5])
    x.setflags(write=False)
    table = special.vmf_kl(m, x)
    assert table.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            assert table[i, j] == special.vmf_kl(m[i, 0], x[j])
    np.testing.assert_array_equal(special.vmf_kl(m, np.broadcast_to(x, (3, 4))[:, ::-1]), table[:, ::-1])
    assert special.vmf_kl(3.0, np.empty((0, 2))).shape == (0, 2)
    assert np.shape(special.vmf_kl(3.0, np.array(2.0))) == ()
    assert [a.shape for a in special.vmf_kl_pair(m, x)] == [(3, 4), (3, 4)]


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_libraries(library, dtype):
    xp = pytest.importorskip(library)
    m, x = np.array([[2.0], [41.0]], dtype=dtype), np.array([0.0, 0.5, 30.0, 1e6], dtype=dtype)
    for name in ONE:
        f = getattr(special, f"vmf_{name}")
        got = f(xp.asarray(m), xp.asarray(x))
        assert type(got) is type(xp.asarray(x))
        assert got.dtype == getattr(xp, dtype)
        np.testing.assert_array_equal(np.from_dlpack(got), f(m, x))
        np.testing.assert_array_equal(np.from_dlpack(f(3.0, xp.asarray(x))), f(3.0, x))
