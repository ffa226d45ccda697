"""The laws can fail: each wrong formula below, put into the source of a manifold, breaks one of them."""

from __future__ import annotations

import inspect
import sys
import types

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from geomlat.manifolds import Euclidean, Sphere, Torus, embedded, euclidean, flat, product, sphere, torus
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
    ("return self.project(x + u)", "return self.project(x + 2 * u)"),
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
        laws()
        calculus()
    except LawError:
        return True
    return False


MUTANTS = [(sphere, "Sphere", o, n) for o, n in SPHERE] + [(torus, "Torus", o, n) for o, n in TORUS]


@pytest.mark.parametrize(("module", "name", "old", "new"), MUTANTS)
def test_a_wrong_formula_is_seen(module, name, old, new):
    assert breaks_a_law(getattr(mutant(module, old, new), name)(3))


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


def test_the_formulas_as_they_are_hold():
    assert not breaks_a_law(mutant(sphere, "import math", "import math").Sphere(3))
    assert not breaks_a_law(mutant(torus, "import math", "import math").Torus(3))


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
