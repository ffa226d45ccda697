"""Checks generated from the table of activations."""

import math

import numpy as np
import pytest

from geomlat.backends import namespace
from geomlat.grad import gradcheck
from geomlat.nn import ACTIVATIONS, activation
from geomlat.nn.activations import sigmoid

ROWS = sorted(ACTIVATIONS.values(), key=lambda row: row.name)
SCALAR = {
    "identity": lambda x: x,
    "relu": lambda x: x if x > 0 else 0.0,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.expm1(x),
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "gelu": lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "silu": lambda x: x / (1 + math.exp(-x)),
}

named = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def points(row, dtype=np.float64):
    x = np.linspace(*row.domain, 241)
    return x[np.min(np.abs(x[:, None] - np.array([*row.kinks, np.inf])), axis=1) > 1e-6].astype(dtype)


def vjp(row):
    def rule(x):
        xp = namespace(x)
        y = row.f(xp, x)

        def pull(dy):
            return dy * row.slope(xp, x, y)

        return y, pull

    return rule


@named
def test_value(row):
    x = points(row)
    expected = [SCALAR[row.name](float(t)) for t in x]
    np.testing.assert_allclose(row.f(namespace(x), x), expected, rtol=1e-14, atol=1e-15)


@named
def test_slope_point_by_point(row):
    x = points(row)
    xp = namespace(x)
    slope = row.slope(xp, x, row.f(xp, x))
    expected = row.f(xp, x + 1e-30j).imag / 1e-30
    np.testing.assert_allclose(slope, expected, rtol=1e-12, atol=1e-15)


@named
@pytest.mark.parametrize("method", ["complex", "richardson"])
def test_gradcheck(row, method):
    # Far enough from the kinks for the differences, near enough for curvature to matter.
    x = np.random.default_rng(1).uniform(0.2, 3.0, 7) * np.array([1, -1, 1, -1, 1, -1, 1])
    gradcheck(vjp(row), x, method=method)


@named
def test_float32_follows_float64(row):
    x = points(row, np.float32)
    xp = namespace(x)
    y = row.f(xp, x)
    slope = row.slope(xp, x, y)
    assert y.dtype == slope.dtype == np.float32
    wide = x.astype(np.float64)
    np.testing.assert_allclose(y, row.f(xp, wide), rtol=5e-6, atol=2e-6)
    np.testing.assert_allclose(slope, row.slope(xp, wide, row.f(xp, wide)), rtol=5e-6, atol=2e-6)


@named
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_finite_at_extremes(row, dtype):
    top = math.sqrt(float(np.finfo(dtype).max))
    x = np.array([-top, -1e4, -100.0, -0.0, 0.0, 100.0, 1e4, top], dtype)
    xp = namespace(x)
    y = row.f(xp, x)
    assert np.all(np.isfinite(y))
    assert np.all(np.isfinite(row.slope(xp, x, y)))


@named
def test_slope_at_a_kink_is_the_left_one(row):
    for kink in row.kinks:
        x, left = np.array([kink]), np.array([kink - 1e-9])
        xp = namespace(x)
        assert row.slope(xp, x, row.f(xp, x)) == row.slope(xp, left, row.f(xp, left))


@named
def test_nan_is_not_hidden(row):
    x = np.array([np.nan])
    assert np.isnan(row.f(namespace(x), x)).all()


def test_sigmoid_keeps_relative_accuracy_in_the_left_tail():
    x = np.array([-700.0, -100.0, -40.0])
    np.testing.assert_allclose(sigmoid(namespace(x), x), np.exp(x), rtol=1e-14)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown activation 'relo'; known: elu, .*tanh"):
        activation("relo")
    assert activation(None).name == "identity"


def test_against_torch():
    torch = pytest.importorskip("torch")
    functions = {
        "elu": torch.nn.functional.elu,
        "gelu": lambda t: torch.nn.functional.gelu(t, approximate="tanh"),
        "leaky_relu": torch.nn.functional.leaky_relu,
        "silu": torch.nn.functional.silu,
        "softplus": torch.nn.functional.softplus,
    }
    x = np.linspace(-8, 8, 101)
    for name, f in functions.items():
        y = activation(name).f(namespace(x), x)
        np.testing.assert_allclose(y, f(torch.from_numpy(x)).numpy(), rtol=1e-8, atol=1e-9)
