"""Wrong formulas, put into the sources of the stereographic model one by one, break a law or a derivative."""

from __future__ import annotations

import importlib
import inspect
import sys
import types

import numpy as np
import pytest

from geomlat.grad import gradcheck
from geomlat.manifolds.base import OPERATIONS
from geomlat.testing import LAWS, LawError, check_law
from geomlat.testing.calculus import logdet_exp_is_volume

FILES = ("curved", "gyro", "conformal", "stereographic")
FORWARD = [
    ("gyro", "1 + s * dot(xp, root * x, root * x)", "1 - s * dot(xp, root * x, root * x)"),
    ("gyro", "n, size = c * x + p", "n, size = x + p"),
    ("gyro", "a * tan.h + dot(xp, sn, sn)", "a + dot(xp, sn, sn)"),
    ("gyro", "tan.c - aside, root", "1 - aside, root"),
    ("gyro", "+ across * across", "- across * across"),
    ("gyro", "q = ahead[..., None] * p", "q = p"),
    ("gyro", "- (s * dot(xp, sw, sw))", "+ (s * dot(xp, sw, sw))"),
    ("gyro", "x + (a / d)[..., None] * q", "x + (1 / d)[..., None] * q"),
    ("gyro", "b = (1 + s * dot", "b = (1 - s * dot"),
    ("gyro", "bend = (k * delta)", "bend = (2 * k * delta)"),
    ("gyro", "xp.asinh(t / root_q)", "xp.asinh(t / chord)"),
    ("gyro", "xp.atan2(t, chord)", "xp.atan2(t, root_q)"),
    ("gyro", "return u - 2 * dot(xp, u, e)", "return u - dot(xp, u, e)"),
    ("stereographic", "(two.ax * two.theta)[..., None] * two.first", "two.theta[..., None] * two.first"),
    ("stereographic", "2 * pair(xp, k, x, y).theta", "pair(xp, k, x, y).theta"),
    ("stereographic", "reflected(xp, u, two.first), direction", "reflected(xp, u, two.last), direction"),
    ("stereographic", "(two.ay / two.ax)", "(two.ax / two.ay)"),
    ("stereographic", "(self.n - 1) * log_sine", "self.n * log_sine"),
    ("conformal", "(2 / conformal(xp, k, x))[..., None]", "(1 / conformal(xp, k, x))[..., None]"),
    ("conformal", "2 * length(xp, u) / conformal", "length(xp, u) / conformal"),
    ("conformal", "self._scaled(x, g, 2)", "self._scaled(x, g, 1)"),
    ("conformal", "self._scaled(x, u, -1)", "self._scaled(x, u, 1)"),
    ("curved", "tanh, decay = xp.tanh(far) / far", "tanh, decay = xp.tanh(far)"),
    ("curved", "sech2 = 4 * decay", "sech2 = 2 * decay"),
    ("curved", "xp.where(near, z * _horner(_LOG, z), beyond)", "xp.where(near, -z * _horner(_LOG, z), beyond)"),
    ("curved", "grown = far - xp.log(far)", "grown = far + xp.log(far)"),
]
BACKWARD = [
    ("exp", "gyro", "dd = -a * qd / way.d", "dd = a * qd / way.d"),
    ("exp", "gyro", "dq = (a / way.d)[..., None] * dy", "dq = dy"),
    ("exp", "gyro", "dp = c * dq - (2 * k * xq)", "dp = c * dq - (k * xq)"),
    ("exp", "gyro", "* p + dn\n", "* p\n"),
    ("exp", "gyro", "tan.dc * (dot(xp, p, dq) + dot(xp, dn, x))", "tan.dc * dot(xp, p, dq)"),
    ("exp", "gyro", "+ tan.dh * a * dd", "- tan.dh * a * dd"),
    ("exp", "gyro", "da = qd + tan.h * dd", "da = qd + dd"),
    ("exp", "gyro", "- 2 * k * way.r * way.r * dz / a", "- k * way.r * way.r * dz / a"),
    ("exp", "gyro", "- (k * pp)[..., None] * dq", "+ (k * pp)[..., None] * dq"),
    ("exp", "gyro", "dk - pp * xq", "dk + pp * xq"),
    ("exp", "gyro", "- dot(xp, n, n) * dd", "+ dot(xp, n, n) * dd"),
    ("exp", "gyro", "* dd + way.r * way.r * dz", "* dd"),
    ("exp", "curved", "dc, dh = xp.where(open_, 0 * g, -g / 2)", "dc, dh = xp.where(open_, 0 * g, g / 2)"),
    ("exp", "curved", "(k + 1) * a for k, a in enumerate(_SINE[1:])", "a for k, a in enumerate(_SINE[1:])"),
    ("exp", "curved", "xp.where(open_, sech2, g)) / (2 * far)", "xp.where(open_, sech2, g)) / far"),
    ("log", "stereographic", "pair_pull(xp, k, two, x, y, two.ax * along)", "pair_pull(xp, k, two, x, y, along)"),
    ("log", "stereographic", "(du - along[..., None] * two.first)", "du"),
    ("log", "stereographic", "+ 2 * k * dot(xp, x, dn)", "- 2 * k * dot(xp, x, dn)"),
    ("log", "stereographic", "two.theta * along + dot(xp, two.d, dn)", "two.theta * along"),
    ("log", "stereographic", "dx + ddx - dd + (k", "dx + ddx - dd - (k"),
    ("log", "stereographic", "dk + ddk + square * dot", "dk + ddk - square * dot"),
    ("dist", "gyro", "near = tau**3 * arc_rest", "near = -(tau**3) * arc_rest"),
    ("dist", "gyro", "+ dot(xp, y, y) / two.ay) / 2", "- dot(xp, y, y) / two.ay) / 2"),
    ("dist", "gyro", "(1 / two.ax + 1 / two.ay - 1)", "(1 / two.ax + 1 / two.ay)"),
    ("dist", "gyro", "(bend - b * e, -e)", "(bend + b * e, -e)"),
    ("dist", "gyro", "dx, dy = -(dtheta / two.ax)", "dx, dy = (dtheta / two.ax)"),
    ("dist", "gyro", "-(dtheta / two.ay)", "-(dtheta / two.ax)"),
    ("dist", "curved", "/ (4 * k + 6)", "/ (4 * k + 5)"),
    ("transport", "gyro", "first, second = (ax - 1) * ud - (ay - km)", "first, second = (ax - 1) * ud + (ay - km)"),
    ("transport", "gyro", "ax * ud + km * ux", "ax * ud - km * ux"),
    ("transport", "gyro", "day = scale / ax - ds", "day = scale / ax + ds"),
    ("transport", "gyro", "dax = -scale * ratio / ax", "dax = scale * ratio / ax"),
    ("transport", "gyro", "dkm = ds * (gd + gx) * ux - ddet", "dkm = ds * (gd + gx) * ux"),
    ("transport", "gyro", "+ m * dkm - 2 * inverse * total", "+ m * dkm"),
    ("transport", "gyro", "return dx - dd + cx, dd + cy, du", "return dx - dd + cx, dd + cy, g"),
    ("inner", "conformal", "-2 * g * dot(xp, u, v) / a", "-g * dot(xp, u, v) / a"),
    ("norm", "conformal", "-g * r / a", "g * r / a"),
    ("from_coordinates", "conformal", "power * scale / a * dot", "-power * scale / a * dot"),
    ("project", "gyro", "pushed = finite * xp.sum", "pushed = -finite * xp.sum"),
    ("project", "gyro", "dy - along * e, r)", "dy, r)"),
    ("logdet_exp", "stereographic", "pull_norm(2 * k * r * dz)", "pull_norm(k * r * dz)"),
    ("logdet_exp", "stereographic", "f + xp.sum(r * r * dz)", "f - xp.sum(r * r * dz)"),
    ("logdet_exp", "curved", "(cot - 1 / far) / (2 * far)", "(cot - 1 / far) / far"),
    ("mean", "stereographic", "2 * k * r * r * dlog_sine", "k * r * r * dlog_sine"),
    ("norm", "conformal", "return (dk,)", "return (None if dk is None else 0 * dk,)"),
]


def model(name=None, old="", new=""):
    """The class in a copy of its files, one of them changed; the compiled rows are not examined."""
    for file in FILES:
        source = inspect.getsource(importlib.import_module(f"geomlat.manifolds.{file}"))
        if file == name:
            assert source.count(old), old
            source = source.replace(old, new)
        for other in FILES:
            source = source.replace(f"geomlat.manifolds.{other} import", f"geomlat.manifolds.{other}_mutant import")
        copy = types.ModuleType(f"geomlat.manifolds.{file}_mutant")
        sys.modules[copy.__name__] = copy
        exec(compile(source, copy.__name__, "exec"), copy.__dict__)
    copy.compiled = lambda *arrays: False
    return copy.Stereographic


def case(m):
    """Two points with tangents: one within the series, one beyond, neither across the cut locus; no random choice."""
    unit = 1 / np.sqrt(abs(float(m.curvature)) + 0.3)
    gen = np.random.default_rng(3)
    x, z = 0.3 * unit * gen.uniform(-1, 1, (2, 2, 2))
    c, d = gen.standard_normal((2, 2, 2))
    c *= unit * np.array([[0.4], [2.3]]) / np.linalg.norm(c, axis=-1, keepdims=True)
    u = m.from_coordinates(x, c)
    y = m.exp(x, u)
    points = 0.3 * unit * gen.uniform(-1, 1, (2, 4, 2))
    v, w = gen.standard_normal((2, 2, 2))
    others = {"a": 5 * gen.standard_normal((2, 2)), "t": np.array([0.3, 0.8]), "weights": gen.uniform(0.2, 1, (2, 4))}
    sets = {"points": points, "others": points[:, 1:] + 0.01}
    return {"x": x, "y": y, "z": z, "u": u, "v": v, "w": w, "c": c, "d": d, **others, **sets}


def breaks(family, operations=OPERATIONS, laws=LAWS):
    for k in (-1.3, -1e-3, 0.0, 1e-3, 0.9):
        m = family(2, k)
        arrays = case(m)
        try:
            for law in laws:
                check_law(law, m, arrays)
            for name in operations:

                def rule(*args, name=name):
                    y, pull = getattr(family(2, args[-1]), f"{name}_vjp")(*args[:-1])
                    return (y[0] if name == "mean" else y), pull

                gradcheck(rule, *(arrays[kind] for kind in OPERATIONS[name]), np.asarray(k), directions=1)
        except AssertionError:
            return True
    return False


@pytest.mark.parametrize(("file", "old", "new"), FORWARD)
def test_a_wrong_formula_is_seen(file, old, new):
    assert breaks(model(file, old, new), (), (*LAWS, logdet_exp_is_volume))


@pytest.mark.parametrize(("name", "file", "old", "new"), BACKWARD)
def test_a_wrong_rule_is_seen(name, file, old, new):
    assert breaks(model(file, old, new), (name,), ())


def test_the_formulas_as_they_are_hold():
    assert issubclass(LawError, AssertionError)
    assert not breaks(model(), laws=(*LAWS, logdet_exp_is_volume))
