"""Each wrong formula below, put into the source of the hyperboloid or of its chart, breaks a law."""

from __future__ import annotations

import pytest
from test_mutations import breaks_a_law, mutant

from geomlat.manifolds import hyperboloid, lorentz

HYPERBOLOID = [
    ("xp.cosh(r) * p.a + sinhc(r) * us", "xp.cosh(r) * p.a - sinhc(r) * us"),
    ("xp.cosh(r) * p.a + sinhc(r) * us", "p.a + sinhc(r) * us"),
    ("dnorm = (c - s)", "dnorm = (s - c)"),
    ("dnorm = dnorm + s", "dnorm = dnorm - s"),
    ("c * g + da, x", "g + da, x"),
    ("s * g + du, u", "s * g - du, u"),
    ("f * (q.a - p.a) - g * p.a), out", "f * (q.a - p.a) + g * p.a), out"),
    ("turned = (1 - (f + g))", "turned = (1 - f)"),
    ("straight = f *", "straight = 2 * f *"),
    ("da = da - (f + g) * k", "da = da - f * k"),
    ("- turned * direction(xp, n, sinh) + straight * n", "- turned * direction(xp, n, sinh) - straight * n"),
    ("2 * self.radius * xp.asinh(way.half[..., 0]), out", "self.radius * xp.asinh(way.half[..., 0]), out"),
    ("widened(xp, -dd[..., None] * n, y)", "widened(xp, dd[..., None] * n, y)"),
    ("along(xp, p.slope, us) * high + along", "along(xp, p.slope, us) * high - along"),
    ("u[..., 1:] + k * (p.a + q.a)), out", "u[..., 1:] - k * (p.a + q.a)), out"),
    ("dk = along(xp, g, p.a + q.a) / (2", "dk = along(xp, g, p.a + q.a) / (4"),
    ("along(xp, p.unit, us) * rise - along", "along(xp, p.unit, us) - along"),
    ("dk * (k * m - low)", "dk * (k * m + low)"),
    ("dk * (away + k * n)", "dk * (away - k * n)"),
    ("g + dk * m, u", "g - dk * m, u"),
    ("u[..., 1:] + lift * p.a)", "u[..., 1:])"),
    ("da = da + lift * g + dlift", "da = da + lift * g - dlift"),
    ("-dlift * p.height", "dlift * p.height"),
    ("(self.n - 1) * log_sinhc", "self.n * log_sinhc"),
    ("(self.n - 1) * log_sinhc", "(1 - self.n) * log_sinhc"),
    ("(self.n - 1) / self.radius * dlog", "(self.n - 1) * dlog"),
    ("along(xp, p.slope, u[..., 1:]) * (p.a / (p.height + self.radius))", "along(xp, p.slope, u[..., 1:]) * p.slope"),
    ("da = da - t * lorentz.lower", "da = da + t * lorentz.lower"),
    ("t = along(xp, p.a, c) / self.radius", "t = along(xp, p.a, c)"),
    ("+ du[..., :1]) / self.radius", "- du[..., :1]) / self.radius"),
    ("safe / xp.tanh(safe)", "safe"),
]
LORENTZ = [
    ("return xp.concat([-g[..., :1]", "return xp.concat([g[..., :1]"),
    ("(radius / at.height) ** 2 * at.unit", "(radius / at.height) * at.unit"),
    ("+ s * t", "- s * t"),
    ("(p.size / usable) * q.height + ", "(p.size / usable) * p.height + "),
    ("xp.where(p.size >= q.size, q.unit, p.unit)", "xp.where(p.size >= q.size, p.unit, q.unit)"),
    ("xp.sqrt(2 * (1 +", "xp.sqrt(2 + (1 +"),
    ("/ (2 * radius) * length", "/ radius * length"),
    ("return ratio / cosh", "return ratio"),
    ("- 2 * (way.half / cosh) ** 2 * p.size", "- (way.half / cosh) ** 2 * p.size"),
    ("m = beside(xp, p, q) - (drop", "m = beside(xp, p, q) + (drop"),
    ("(drop / q.height - p.size * bend)", "(drop / q.height + p.size * bend)"),
    ("return -along(xp, at.slope, u) / at.height * low, low", "return along(xp, at.slope, u) / at.height * low, low"),
    ("du[..., :1] * lower", "-du[..., :1] * lower"),
    ("return (dball - along", "return (dball + along"),
    ("dy[..., :1] * (y[..., 1:]", "-dy[..., :1] * (y[..., 1:]"),
]


@pytest.mark.parametrize(("old", "new"), HYPERBOLOID)
def test_a_wrong_formula_is_seen(old, new):
    assert breaks_a_law(mutant(hyperboloid, old, new).Hyperboloid(3, -2.0))


@pytest.mark.parametrize(("old", "new"), LORENTZ)
def test_a_wrong_chart_is_seen(old, new):
    broken, whole = mutant(lorentz, old, new), mutant(hyperboloid, "import math", "import math")
    whole.__dict__.update({k: broken.__dict__[k] for k in dir(lorentz) if k in whole.__dict__ and k[0] != "_"})
    whole.lorentz = broken
    assert breaks_a_law(whole.Hyperboloid(3, -2.0))


def test_the_formulas_as_they_are_hold():
    assert not breaks_a_law(mutant(hyperboloid, "import math", "import math").Hyperboloid(3, -2.0))
