"""The scalar functions of splines and Moebius maps against their formulas, run by Python."""

import math

import numpy as np
import pytest

from geomlat.flows import moebius, spline
from geomlat.grad import richardson

LEAST = spline.LEAST


def derivative(f, at, k):
    return float(richardson(f, np.array(at, dtype=float), np.eye(len(at))[k], 1e-3)[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_piece_of_a_spline(seed):
    """Value, slope, root and adjoint of one bin of random width, height and slopes."""
    gen = np.random.default_rng(seed)
    (w, height, d0, d1), xi = gen.uniform(0.3, 2.0, 4), gen.uniform(0.1, 0.9)
    s, a = height / w, xi * (1.0 - xi)
    rise, log_slope = spline.spline_value(xi, w, height, d0, d1)
    assert rise == pytest.approx(height * (s * xi**2 + d0 * a) / (s + (d0 + d1 - 2.0 * s) * a), rel=1e-14, abs=0.0)
    slope = derivative(lambda v: spline.spline_value(float(v[0]) / w, w, height, d0, d1)[0], [xi * w], 0)
    assert log_slope == pytest.approx(math.log(slope), abs=1e-10)
    assert spline.spline_solve(rise, w, height, d0, d1) == pytest.approx(xi, rel=1e-14, abs=0.0)

    dy, dl = gen.standard_normal(2)

    def of(v):
        x, w, height, d0, d1 = map(float, v)
        y, log_slope = spline.spline_value(x / w, w, height, d0, d1)
        return dy * y + dl * log_slope

    found = spline.spline_adjoint(xi, w, height, d0, d1, dy, dl)
    expected = [derivative(of, [xi * w, w, height, d0, d1], k) for k in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("width", [0.4, 3.0])
def test_steep_ends_on_a_flat_bin_are_solved_to_rounding(width):
    for d0, d1 in ((2e-3, 1e3), (1e-3, 5e3), (7e3, 2e-3), (1e3, 700.0)):
        for xi in (0.05, 0.2, 0.5, 0.81, 0.96):
            height = 1e-4 * width
            t, log_slope = spline.spline_value(xi, width, height, d0, d1)
            found = spline.spline_solve(t, width, height, d0, d1)
            assert abs(found - xi) <= 4.0 * np.finfo(float).eps * (xi + t / (width * math.exp(log_slope)))


@pytest.mark.parametrize("circular", [0, 1])
def test_bins_and_what_their_parameters_get(circular):
    """Knots are running sums of softmax shares; the pulls are the derivatives of widths, knots and slopes."""
    gen, bins, bound = np.random.default_rng(circular), 5, 1.7
    h = gen.standard_normal((2, 3 * bins - 1 + circular))

    def knots(raw):
        share = np.exp(raw) / np.exp(raw).sum()
        return np.concatenate(([-bound], -bound + 2.0 * bound * np.cumsum(LEAST + (1.0 - LEAST * bins) * share)))

    def slopes(raw):
        inner = LEAST + np.log1p(np.exp(raw + math.log(math.expm1(1.0 - LEAST))))
        return np.append(inner, inner[0]) if circular else np.concatenate(([1.0], inner, [1.0]))

    at = [knots(h[1, :bins]), knots(h[1, bins : 2 * bins])]
    d = slopes(h[1, 2 * bins :])
    np.testing.assert_allclose([spline.slope_at(h, 1, bins, circular, k) for k in range(bins + 1)], d, rtol=1e-14)
    for side in (0, 1):
        for k in range(bins):
            point = 0.3 * at[side][k] + 0.7 * at[side][k + 1]
            found = spline.bin_of(h, 1, bins, bound, circular, point, side)
            expected = k, at[0][k], np.diff(at[0])[k], at[1][k], np.diff(at[1])[k], d[k], d[k + 1]
            np.testing.assert_allclose(found, expected, rtol=1e-13)
    dknot, dbin, dslope = gen.standard_normal(3)
    for k in range(bins):
        dh = np.zeros_like(h)
        spline.pull_shares(h, 1, bins, bins, 2.0 * bound, k, dknot, dbin, dh)

        def of(raw, k=k):
            edges = knots(raw)
            return dknot * edges[k] + dbin * (edges[k + 1] - edges[k])

        expected = [derivative(of, h[1, bins : 2 * bins], j) for j in range(bins)]
        np.testing.assert_allclose(dh[1, bins : 2 * bins], expected, rtol=1e-8, atol=1e-10)
        assert not dh[0].any()
        assert not dh[1, :bins].any()
        assert not dh[1, 2 * bins :].any()
    for k in range(bins + 1):
        dh = np.ones_like(h)
        spline.pull_slope(h, 1, bins, circular, k, dslope, dh)
        raw = h[1, 2 * bins :]
        expected = [derivative(lambda r, k=k: dslope * slopes(r)[k], raw, j) for j in range(len(raw))]
        np.testing.assert_allclose(dh[1, 2 * bins :] - 1.0, expected, rtol=1e-8, atol=1e-10)


def mixture(raw, x):
    """The formula in complex numbers: a Moebius map of the circle, turned so that -pi stays."""
    n = len(raw) // 3
    weight = np.exp(raw[:n]) / np.exp(raw[:n]).sum()
    v = raw[n:].reshape(n, 2) @ [1.0, 1j]
    omega = moebius.LARGEST * v / np.sqrt(1.0 + np.abs(v) ** 2)
    turn = [np.angle((1.0 - z) / (1.0 - np.conj(z))) for z in (omega * np.exp(-1j * x), -omega)]
    return float(weight @ (x + turn[0] - turn[1]))


@pytest.mark.parametrize("seed", range(4))
def test_a_mixture_of_moebius_maps(seed):
    gen, centres = np.random.default_rng(seed), 3
    h, x = gen.standard_normal((2, 9)), gen.uniform(-3.0, 3.0)
    value, slope = moebius.mixture_value(h, 1, centres, x)
    assert value == pytest.approx(mixture(h[1], x), abs=1e-13)
    assert slope == pytest.approx(derivative(lambda v: mixture(h[1], float(v[0])), [x], 0), rel=1e-8, abs=0.0)
    bend = derivative(lambda v: moebius.mixture_value(h, 1, centres, float(v[0]))[1], [x], 0)
    assert moebius.mixture_curvature(h, 1, centres, x) == pytest.approx(bend, rel=1e-7, abs=1e-8)
    dy, dslope = gen.standard_normal(2)

    def of(raw):
        y, slope = moebius.mixture_value(raw[None], 0, centres, x)
        return dy * y + dslope * slope

    dh = np.zeros_like(h)
    moebius.mixture_pull(h, 1, centres, x, dy, dslope, dy * value + dslope * slope, dh)
    np.testing.assert_allclose(dh[1], [derivative(of, h[1], k) for k in range(9)], rtol=1e-7, atol=1e-8)
    assert not dh[0].any()


def test_newton_solves_a_mixture_in_a_few_steps_and_bisection_the_rest(monkeypatch):
    """Six evaluations or so where the map is gentle; where slopes go from 1/200 to 200, no more than a bisection's."""
    gen, value, calls = np.random.default_rng(0), moebius.mixture_value, []
    monkeypatch.setattr(moebius, "mixture_value", lambda *args: calls.append(1) or value(*args))
    for scale, mean, most in ((0.3, 5.5, 10), (30.0, 15.0, 70)):
        counts = []
        for y in (0.0, -math.pi, *gen.uniform(-math.pi, math.pi, 60)):
            h = scale * gen.standard_normal((1, 12))
            calls.clear()
            x = moebius.mixture_solve(h, 0, 4, y)
            counts.append(len(calls))
            found, slope = value(h, 0, 4, x)
            assert abs(found - y) <= 1e-14 * (1.0 + slope * (1.0 + abs(x)))
        assert np.mean(counts) < mean
        assert max(counts) <= most


@pytest.mark.parametrize("centres", [2, 3, 4])
def test_centres_are_counted_from_the_corners_of_a_small_polygon(centres):
    """The map of a raw centre at minus its corner is the identity, and at 0 not."""
    radius, x = 10.0 ** (-14.5 / centres), np.linspace(-3.0, 3.0, 7)
    for j in range(centres):
        h = np.zeros((7, 3 * centres))
        h[:, j] = 200.0
        assert np.ptp(moebius.MoebiusMixture(centres).forward_vjp(h, x)[0][0] - x) > radius
        turn = 2.0 * math.pi * j / centres
        h[:, centres + 2 * j : centres + 2 * j + 2] = -radius * math.cos(turn), -radius * math.sin(turn)
        (y, log_slope), _ = moebius.MoebiusMixture(centres).forward_vjp(h, x)
        np.testing.assert_allclose(y, x, rtol=0, atol=2e-15)
        np.testing.assert_allclose(log_slope, 0.0, atol=2e-15)
