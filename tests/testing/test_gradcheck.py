"""The checks of rules are checked: their steps, their error, what they let pass and what they refuse."""

import numpy as np
import pytest

from geomlat.grad import check, complex_step, gradcheck, gradcheck_vector, richardson


def test_extrapolated_differences_halve_their_step_and_know_their_error():
    x, v, seen = np.array([0.3, -1.2]), np.array([1.5, -0.7]), []

    def f(t):
        seen.append(t)
        return np.exp(t) * np.sin(3.0 * t)

    exact = v * np.exp(x) * (np.sin(3.0 * x) + 3.0 * np.cos(3.0 * x))
    found, error = richardson(f, x, v, 0.1)
    np.testing.assert_allclose(seen, [x + s * 0.1 / 2**k * v for k in range(6) for s in (1, -1)], rtol=1e-15)
    assert np.abs(found - exact).max() <= max(error, 1e-14)
    assert error < 1e-12
    np.testing.assert_allclose(complex_step(lambda t: np.exp(t) * np.sin(3.0 * t), x, v), exact, rtol=1e-15)


def test_the_error_reported_is_that_of_the_best_entry():
    """Of |t|^3 off zero by less than the first steps the tableau is worked out by hand."""
    h, x = 1.0, 0.1

    def f(t):
        return np.abs(t) ** 3

    rows = []
    for k in range(6):
        s = h / 2**k
        rows.append([(f(x + s) - f(x - s)) / (2 * s)])
        for j in range(k):
            rows[k].append(rows[k][j] + (rows[k][j] - rows[k - 1][j]) / (4 ** (j + 1) - 1))
    entries = [
        (max(abs(rows[k][j] - rows[k][j - 1]), abs(rows[k][j] - rows[k - 1][j - 1])), rows[k][j])
        for k in range(1, 6)
        for j in range(1, k + 1)
    ]
    found, error = richardson(f, np.array(x), np.array(1.0), h)
    assert (error, float(found)) == pytest.approx(min(entries), rel=1e-12, abs=0.0)


MATRIX = np.random.default_rng(8).standard_normal((20, 30))


def bilinear(off=0.0, matrix=MATRIX):
    """``(sum of (A x) z, x)``, pulled with a relative mistake of the first cotangent."""

    def rule(x, z):
        def pull(dy):
            return (1.0 + off) * (dy[0] * (matrix.T @ z) + dy[1]), dy[0] * (matrix @ x)

        return (np.sum((matrix @ x) * z), 1.0 * x), pull

    return rule


@pytest.mark.parametrize("method", ["complex", "richardson"])
def test_the_error_is_relative_to_the_derivative_or_a_tenth_of_the_lengths(method):
    gen = np.random.default_rng(0)
    x, z, off = gen.standard_normal(30), gen.standard_normal(20), 0.125
    by_length = []
    for seed in range(8):
        again = np.random.default_rng(seed)
        dy = again.standard_normal(()), again.standard_normal(30)
        right = bilinear()(x, z)[1](dy)[0]
        v = again.standard_normal(30)
        scale = max((1.0 + off) * abs(right @ v), 0.1 * (1.0 + off) * np.linalg.norm(right) * np.linalg.norm(v))
        by_length += [seed] if scale > (1.0 + off) * abs(right @ v) else []
        found = gradcheck(bilinear(off), x, z, method=method, rtol=1.0, directions=1, rng=seed)
        assert found == pytest.approx(off * abs(right @ v) / scale, rel=1e-9, abs=0.0)
    assert 0 < len(by_length) < 8
    each = [gradcheck(bilinear(off), x, z, method=method, rtol=1.0, directions=k, rng=by_length[0]) for k in (1, 2, 9)]
    assert each[0] <= each[1] <= each[2]
    assert each[0] < each[2] == pytest.approx(off / (1.0 + off), rel=1e-9, abs=0.0)


@pytest.mark.parametrize(("method", "tolerance"), [("complex", 1e-12), ("richardson", 1e-8)])
def test_the_tolerance(method, tolerance):
    x, z = np.random.default_rng(1).standard_normal(30), np.random.default_rng(2).standard_normal(20)
    assert gradcheck(bilinear(), x, z, method=method) < tolerance
    assert gradcheck(bilinear(0.1 * tolerance), x, z, method=method) < tolerance
    for off in (30.0 * tolerance, -30.0 * tolerance, -1.0, -2.0):
        with pytest.raises(AssertionError, match="argument 0: pull gives"):
            gradcheck(bilinear(off), x, z, method=method)
        assert gradcheck(bilinear(off), x, z, method=method, rtol=2.0 * abs(off)) > tolerance


@pytest.mark.parametrize("reported", [0.0, 1e-3])
def test_what_the_differences_cannot_know_is_let_pass(monkeypatch, reported):
    """Ten times their error, or the rounding of y over the step in units of the argument."""
    a, constant, steps, gen = np.array([-40.0, 3.0]), 1e9, [], np.random.default_rng(0)
    dy, dc, v = (gen.standard_normal(s) for s in ((2,), (), (2,)))

    def differences(f, x, v, h):
        steps.append(h)
        return dy @ v, reported

    def rule(off):
        return lambda x: ((1.0 * x, np.asarray(constant)), lambda d: d[0] + off * v / (v @ v))

    monkeypatch.setattr(check, "richardson", differences)
    size, h = np.sum(np.abs(dy * a)) + abs(dc) * constant, 1e-3 * 40.0
    doubt = max(reported, np.finfo(float).eps * size / h)
    for off in (9.9 * doubt, -9.9 * doubt):
        gradcheck(rule(off), a, step=1e-3, directions=1)
    for off in (10.1 * doubt, -10.1 * doubt):
        with pytest.raises(AssertionError, match="relative error"):
            gradcheck(rule(off), a, step=1e-3, directions=1)
    assert steps == [h] * 4


def test_steps_are_in_units_of_each_argument(monkeypatch):
    steps = []
    monkeypatch.setattr(check, "richardson", lambda f, x, v, h: (steps.append(h) or 0.0, 0.0))
    rule = lambda *args: (np.zeros(2), lambda dy: (None,) * len(args))  # noqa: E731
    gradcheck(rule, np.array([-5.0, 2.0]), np.zeros(3), np.zeros(0), directions=1)
    gradcheck(rule, np.array([-5.0, 2.0]), np.array(0.5), step=[1e-4, 1e-3], directions=2)
    np.testing.assert_allclose(steps, [5e-2, 1e-2, 1e-2, 5e-4, 5e-4, 5e-4, 5e-4], rtol=1e-15)


def test_a_vector_is_moved_by_about_the_step_whatever_its_length_and_scale():
    for n, scale in ((100, 1.0), (400, 1.0), (100, 30.0)):
        theta, moves = scale * np.sin(np.arange(n)), []

        def objective(t, theta=theta, moves=moves):
            moves.append(np.linalg.norm(t - theta))
            return np.sum(t**2), lambda g: np.add(g, 2.0 * t, out=g)

        assert gradcheck_vector(objective, theta, step=0.02) < 1e-8
        assert max(moves) == pytest.approx(0.02, rel=0.2, abs=0.0)


def test_what_is_no_pullback_is_refused():
    x, z = np.arange(3.0), np.ones(2)
    for pull, message in (
        (lambda dy: (dy * np.ones(3),), "1 cotangents for 2 arguments"),
        (lambda dy: (dy * np.ones(3), np.ones((2, 1))), r"argument 1 has shape \(2, 1\), the argument \(2,\)"),
        (lambda dy: (None, dy * np.ones(2)), "argument 0: pull gives 0.0"),
        (lambda dy: (np.full(3, np.nan), dy * np.ones(2)), "argument 0: pull gives nan"),
    ):
        with pytest.raises(AssertionError, match=message):
            gradcheck(lambda x, z, p=pull: (np.sum(x) + np.sum(z), p), x, z)

    def careless(x):
        def pull(dy):
            x[0] += 1e-3
            return dy

        return 1.0 * x, pull

    with pytest.raises(AssertionError, match="changed its argument 0"):
        gradcheck(careless, x, rtol=1.0)
