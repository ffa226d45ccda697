"""The laws can fail: each wrong formula below, put into the source of a manifold, breaks one of them."""

from __future__ import annotations

import inspect
import sys
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from geomlat.grad import gradcheck
from geomlat.manifolds import (
    Euclidean,
    Sphere,
    Torus,
    base,
    embedded,
    euclidean,
    flat,
    product,
    rotations,
    special_orthogonal,
    sphere,
    torus,
)
from geomlat.testing import CALCULUS, LAWS, LawError, check_law
from geomlat.testing.strategies import cases

SPHERE = [
    ("xp.cos(r) * x + sinc(r) * u", "xp.cos(r) * x - sinc(r) * u"),
    ("xp.cos(r) * x + sinc(r) * u", "xp.cos(r) * x + u"),
    ("s * dy + along - s", "s * dy + along + s"),
    ("along = (c - s)", "along = (s - c)"),
    ("sum_to(c * dy, x.shape)", "sum_to(dy, x.shape)"),
    ("return store(xp.atan2(s, c)[..., None] * e", "return store(s[..., None] * e"),
    ("(c / rest - across)", "(c / rest + across)"),
    ("dc = -(along", "dc = (along"),
    ("(2 * xdv * c", "(xdv * c"),
    ("2 * xp.atan2(near, far)", "xp.atan2(near, far)"),
    ("g = 2 * dd", "g = dd"),
    ("p * (minus - low * x) - q", "p * (minus - low * x) + q"),
    ("-p * (minus - low * y)", "p * (minus - low * y)"),
    ("u - 2 * dot(xp, m, u)", "u - dot(xp, m, u)"),
    ("2 * mu * mg * m - mu * dv", "mu * mg * m - mu * dv"),
    ("- mg * u)", "+ mg * u)"),
    ("dv - 2 * mg * m", "dv - mg * m"),
    ("across = direction(xp, dy - dot", "across = direction(xp, dy + dot"),
    ("return u - dot(xp, x, u)[..., None] * x", "return u"),
    ("-xg * u - xu * dv", "-xg * u + xu * dv"),
    ("max(self.n - 1, 0) * log_sinc", "self.n * log_sinc"),
    ("max(self.n - 1, 0) * log_sinc", "max(self.n - 1, 0) * -log_sinc"),
    ("max(self.n - 1, 0) * dlog_sinc", "self.n * dlog_sinc"),
    ("- (sign * u[..., :1] + scale", "- (u[..., :1] + scale"),
    ("[-sign * along, c", "[along, c"),
    ("[sign * scale * scale * tu * tg, dtail]", "[scale * tu * tg, dtail]"),
    ("dalong = -sign * du[..., :1] - scale", "dalong = -sign * du[..., :1] + scale"),
    ("return namespace(r).cos(r) / sinc(r)", "return namespace(r).cos(r)"),
]
FLAT = [
    ("(sum_to(dy, x.shape), sum_to(dy, u.shape))", "(sum_to(dy, x.shape), sum_to(-dy, u.shape))"),
    ("sum_to(-du, x.shape)", "sum_to(du, x.shape)"),
    ("sum_to(-g, x.shape)", "sum_to(g, x.shape)"),
    ("spread(xp, u, (*batch_shape(x, y, u)", "spread(xp, 2 * u, (*batch_shape(x, y, u)"),
    ("return (dy,)", "return (2 * dy,)"),
    ("dw / total", "dw"),
    ("self.log(y[..., None, :], points), dy", "points, dy"),
]
TORUS = [
    ("- k * q) - (k * r", "+ k * q) - (k * r"),
    ("xp.where(y >= half, -half, y)", "xp.where(y >= 0, y, y + TAU)"),
    ("_reduced(xp, y, -x), out)", "y - x, out)"),
    ("length(xp, _reduced(xp, y, -x))", "length(xp, y - x)"),
    ("math.pi * turned * (1 - turned)", "math.pi * turned"),
    ("xp.sum(w * self.log(start, points), axis=-2)", "xp.sum(self.log(start, points), axis=-2)"),
]
BASE = [
    ("return self.project(x + u)", "return self.project(x + 2 * u)"),
    ("self.project_vjp(x + u)", "self.project_vjp(x - u)"),
    ("sum_to(d, x.shape), sum_to(d, u.shape), *fields)", "sum_to(d, x.shape), sum_to(-d, u.shape), *fields)"),
    ("return self.exp(x, self._per_point(t) * u)", "return self.exp(x, self._per_point(t * t) * u)"),
    ("dt = xp.sum(dtu * u", "dt = -xp.sum(dtu * u"),
    ("sum_to(self._per_point(t) * dtu, u.shape)", "sum_to(dtu, u.shape)"),
    ("sum_to(dw / total, given", "sum_to(dw, given"),
]
EMBEDDED = [
    ("dot(xp, u, v)", "2 * dot(xp, u, v)"),
    ("sum_to(dy[..., None] * v, u.shape)", "sum_to(dy[..., None] * u, u.shape)"),
    ("dr[..., None] * direction", "-dr[..., None] * direction"),
]
PRODUCT = [
    ('"inner": 2', '"inner": 1'),
    ('"norm": 1', '"norm": 2'),
    ('"dist": 1', '"dist": 0'),
    ('"pairwise_dist": 1', '"pairwise_dist": 0'),
    ('"to_coordinates": 1', '"to_coordinates": 0'),
    ('"from_coordinates": -1', '"from_coordinates": 0'),
    ('"egrad_to_rgrad": -2', '"egrad_to_rgrad": -1'),
    ("return sum(scaled[1:], scaled[0])", "return scaled[0]"),
    ("self._scaled(name, [dy] * len(values))", "[dy] * len(values)"),
    ("toward = dy[..., None] * direction", "toward = -dy[..., None] * direction"),
    (
        "self._scaled(name, [toward[..., i] for i in range(len(values))])",
        "[toward[..., i] for i in range(len(values))]",
    ),
    ("return self._scaled(name, parts)", "return parts"),
    ("found.append(add(*parts))", "found.append(parts[0])"),
    ("rows in blocks], axis=-2)", "rows in blocks[::-1]], axis=-2) + 1"),
]

ORTHOGONAL = [
    ("sinc(r) * k + 0.5", "sinc(r) * k + 0.6"),
    ("x + xp.matmul(x, sinc(r) * k", "x + xp.matmul(x, k"),
    ("(xp.cos(r) - a)", "(xp.cos(r) + a)"),
    ("(xp.sin(r) - 2 * r * b)", "(xp.sin(r) - r * b)"),
    ("- b[..., None] * bent", "+ b[..., None] * bent"),
    ("dx = dy + beyond(xp, dy, n) + beyond(xp, u, dk)", "dx = dy + beyond(xp, dy, n) - beyond(xp, u, dk)"),
    ("hat(xp, 2 * t[..., None] * e)), out)", "hat(xp, t[..., None] * e)), out)"),
    ("-2 * s * along", "2 * s * along"),
    ("((turn.w - ratio) * along)", "((turn.w + ratio) * along)"),
    ("dx = dx + beyond(xp, du, hat(xp, 2", "dx = dx - beyond(xp, du, hat(xp, 2"),
    ("2 * angle(xp, relative(xp, x, y))[0]", "angle(xp, relative(xp, x, y))[0]"),
    ("-2 * dd * s", "2 * dd * s"),
    ("dd * turn.w)", "dd)"),
    ("xp.sum(u * v, axis=(-2, -1)) / 2", "xp.sum(u * v, axis=(-2, -1))"),
    ("dy = dy[..., None, None] / 2", "dy = dy[..., None, None]"),
    ("g = g + xp.matmul(n, g)\n", "g = g + xp.matmul(xp.matrix_transpose(n), g)\n"),
    ("g + xp.matmul(g, n)), out)", "g), out)"),
    ("+ across(xp, first, d)", "- across(xp, first, d)"),
    ("d = d + across(xp, n, d)", "d = d - across(xp, n, d)"),
    ("dg = d + beyond(xp, d, n)", "dg = d"),
    ("+ beyond(xp, dv, first + xp.matmul(first, n))", "+ beyond(xp, dv, first)"),
    ("2 * vee(xp, across(xp, y, dy))", "vee(xp, across(xp, y, dy))"),
    ("dx = beyond(xp, dv, s) + beyond(xp, u, ds)", "dx = beyond(xp, dv, s) - beyond(xp, u, ds)"),
    ("dc = (dp - (w * dw", "dc = (dp + (w * dw"),
    ("return 1 / size, c / (2", "return 1 / size, c / (3"),
    ("return 2 * self.to_tangent(x, g)", "return self.to_tangent(x, g)"),
    ("None if dv is None else 2 * dv", "dv"),
    ("(self.dim - 1) * log_sinc(r / 2)", "(self.dim - 1) * log_sinc(r)"),
    ("(self.dim - 1) * log_sinc(r / 2)", "self.dim * log_sinc(r / 2)"),
    ("dl / (2 * math.sqrt(2))", "dl / math.sqrt(2)"),
    ("dk = hat(xp, dc / 2)\n            return", "dk = hat(xp, dc)\n            return"),
    ("dc = 2 * vee(xp, across(xp, x, du))\n            return", "dc = vee(xp, across(xp, x, du))\n            return"),
    ("cos(r / 2) / sinc(r / 2)", "cos(r) / sinc(r)"),
]
ROTATIONS = [
    ("4 * (w[..., None] * straight - bent)", "4 * (w[..., None] * straight + bent)"),
    ("return 4 * dot(xp, straight, p)", "return 2 * dot(xp, straight, p)"),
    ("block = block + shift", "block = block"),
    ("picked = dot", "picked = -dot"),
    ("head[..., None] * turn.pick)", "-head[..., None] * turn.pick)"),
    ("dq = dq + outer + xp.matrix_transpose(outer)", "dq = dq + outer"),
    ("radial = turn.w * dw + dot", "radial = turn.w * dw - dot"),
    ("size = size * xp.where(head == 0", "size = size + 0 * xp.where(head == 0"),
    ("(dw - (w * dw + dot(xp, p, dp)) / size)", "(dw + (w * dw + dot(xp, p, dp)) / size)"),
    ("size = xp.sqrt(2 + 2 * turn.w)", "size = xp.sqrt(2 + turn.w)"),
    ("g = trace[..., None, None] * eye(xp, 3, p) - (p", "g = trace[..., None, None] * eye(xp, 3, p) + (p"),
    ("cross(xp, c, a)", "cross(xp, a, c)"),
    ("for _ in range(SQUARINGS)", "for _ in range(2)"),
    ("return trace, 2 * vee(xp, a), a + xp", "return trace, 2 * vee(xp, a), a - xp"),
    ("xp.matmul(minors, h[..., None])[..., 0] / det", "xp.matmul(minors, h[..., None])[..., 0]"),
]


def mutant(module, old, new):
    source = inspect.getsource(module)
    assert old in source, old
    copy = types.ModuleType(f"{module.__name__}_mutant")
    sys.modules[copy.__name__] = copy
    exec(compile(source.replace(old, new), copy.__name__, "exec"), copy.__dict__)
    # The compiled rows stay as they are: the array expressions are what is examined.
    copy.compiled = lambda *arrays: False
    return copy


def breaks_a_law(m):
    @settings(max_examples=10, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(cases(m))
    def laws(case):
        for law in LAWS:
            check_law(law, m, case)

    @settings(max_examples=1, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(cases(m, smooth=True, shape=(2,)))
    def calculus(case):
        check_law(CALCULUS[0], m, case)
        CALCULUS[1](m, **case)

    try:
        calculus()
        laws()
    except LawError:
        return True
    return False


MUTANTS = [(sphere, "Sphere", o, n) for o, n in SPHERE] + [(torus, "Torus", o, n) for o, n in TORUS]
MUTANTS += [(special_orthogonal, "SpecialOrthogonal", o, n) for o, n in ORTHOGONAL]


@pytest.mark.parametrize(("module", "name", "old", "new"), MUTANTS)
def test_a_wrong_formula_is_seen(module, name, old, new):
    assert breaks_a_law(getattr(mutant(module, old, new), name)(3))


@pytest.mark.parametrize(("old", "new"), BASE)
def test_a_wrong_rule_of_all_manifolds_is_seen(old, new):
    broken = mutant(base, old, new).Manifold
    names = ("retract", "retract_vjp", "geodesic", "geodesic_vjp", "mean_vjp")
    assert breaks_a_law(type("Broken", (sphere.Sphere,), {name: getattr(broken, name) for name in names})(3))


@pytest.mark.parametrize(("old", "new"), EMBEDDED)
def test_a_wrong_metric_is_seen(old, new):
    broken = mutant(embedded, old, new).Embedded

    class Broken(sphere.Sphere):
        inner, inner_vjp, norm_vjp = broken.inner, broken.inner_vjp, broken.norm_vjp

    assert breaks_a_law(Broken(3))


@pytest.mark.parametrize(("old", "new"), FLAT)
def test_a_wrong_flat_rule_is_seen(old, new):
    own = {k: f for k, f in vars(mutant(flat, old, new).Flat).items() if inspect.isfunction(f)}
    kept = {k: f for k, f in own.items() if k not in vars(euclidean.Euclidean)}
    assert breaks_a_law(type("Broken", (euclidean.Euclidean,), kept)(3))


@pytest.mark.parametrize(("old", "new"), PRODUCT)
def test_a_wrong_product_is_seen(old, new):
    assert breaks_a_law(mutant(product, old, new).Product(Sphere(2), Euclidean(2), Torus(1), scales=(0.5, 3.0, 2.0)))


def breaks_beyond_right_angles(m):
    # Where the quaternion comes from the symmetric part, once from each of its rows.
    x = m.random_point(rng=0)
    try:
        for axis in np.eye(m.dim):
            y = m.exp(x, m.from_coordinates(x, 2.7 * axis + 0.1))
            gradcheck(m.log_vjp, x, y)
            gradcheck(m.dist_vjp, x, y)
            gradcheck(m.transport_vjp, x, y, m.random_tangent(x, rng=1))
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(("old", "new"), ROTATIONS)
def test_a_wrong_rotation_is_seen(old, new):
    copy, wrong = mutant(special_orthogonal, "import math", "import math"), mutant(rotations, old, new)
    for name, value in vars(wrong).items():
        if inspect.isfunction(value) and hasattr(copy, name):
            setattr(copy, name, value)
    m = copy.SpecialOrthogonal(3)
    assert breaks_beyond_right_angles(m) or breaks_a_law(m)


def test_the_formulas_as_they_are_hold():
    assert not breaks_a_law(mutant(sphere, "import math", "import math").Sphere(3))
    assert not breaks_a_law(mutant(torus, "import math", "import math").Torus(3))
    for n in (2, 3):
        m = mutant(special_orthogonal, "import math", "import math").SpecialOrthogonal(n)
        assert not breaks_a_law(m)
        assert not breaks_beyond_right_angles(m)


def test_the_message_names_law_inputs_and_error():
    class Broken(sphere.Sphere):
        def dist(self, x, y, /, *, out=None):
            return super().dist(x, y) * (1 + 1e-10)

    m = Broken(2)
    x = m.random_point(rng=0)
    with pytest.raises(
        LawError, match=r"(?s)dist_is_norm_of_log does not hold on .*off by .* roundings.* x = \[.* y = \["
    ):
        check_law(LAWS[4], m, {"x": x, "y": m.random_point(rng=1)})
