"""The accuracy table: its measure can fail, the committed results keep the promises, a fresh sample agrees."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from mpmath import mpf

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EPS = 2.0**-52
NAMES = ["euclidean", "sphere", "torus", "hyperboloid", "ball", "rotations"]
NAMES += ["stereographic -1e-6", "stereographic +1e-6", "stereographic +1", "product"]


@pytest.fixture(scope="module")
def accuracy():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import accuracy

        yield accuracy
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in ("accuracy", "references", "peers", "timing"):
            sys.modules.pop(name, None)


def kept():
    return json.loads((BENCHMARKS / "results" / "accuracy.json").read_text())["rows"]


def limit(row):
    """What geomlat's float64 may be off by: a few roundings, times what rounded inputs do far out or near a cut."""
    far = {"hyperboloid": math.exp(row["R"]), "ball": math.exp(row["far"])}.get(row["manifold"], 1.0)
    turn = 1.0 + (row["d"] / row["gap"] if row["gap"] else 0.0)
    return 32 * EPS * far * turn


def test_the_results_keep_the_promises():
    rows = kept()
    assert {r["manifold"] for r in rows} == set(NAMES)
    near = [r for r in rows if r["d"] <= 1e-2 and r["R"] <= 1 and r["operation"] in ("dist", "log")]
    assert max(r["errors"]["geomlat float64"] for r in near) <= 1e-14
    assert not [(r, limit(r)) for r in rows if not r["errors"]["geomlat float64"] <= limit(r)]


def test_the_page_is_written_from_the_results(accuracy):
    page = (BENCHMARKS / "ACCURACY.md").read_text()
    assert page == accuracy.HEAD.format(samples=accuracy.SAMPLES) + "\n".join(accuracy.tables(kept()))


@pytest.mark.parametrize("name", ["sphere", "hyperboloid", "torus", "rotations", "product"])
def test_a_fresh_sample_keeps_them_too(accuracy, name, monkeypatch):
    m, space, settings = accuracy.cases()[name]
    monkeypatch.setattr(accuracy, "cases", lambda: {name: (m, space, settings[::4])})
    monkeypatch.setattr(accuracy, "installed", lambda n: {})
    rows = accuracy.measure(name, samples=1)
    assert len(rows) == 5 * len(settings[::4])
    assert not [(r, limit(r)) for r in rows if not r["errors"]["geomlat float64"] <= limit(r)]


@pytest.mark.parametrize("name", NAMES)
def test_a_reference_agrees_with_itself(accuracy, name):
    m, space, _ = accuracy.cases()[name]
    case = accuracy.draw(space, 1.0, 0.5, m.dim, np.random.default_rng(0))
    assert abs(space.dist(case["x"], case["y"]) - mpf("0.5")) < 1e-60
    back = space.log(case["x"], case["y"])
    assert accuracy.error([float(a) for a in back], case["u"]) < 1e-15
    there = space.transport(case["x"], case["y"], case["w"])
    again = space.transport(case["y"], case["x"], there)
    assert max(abs(a - b) for a, b in zip(again, case["w"], strict=True)) < 1e-60


def test_the_error_is_relative_and_sees_what_is_not_finite(accuracy):
    assert accuracy.error(1.5, mpf(1)) == 0.5
    assert accuracy.error([3.0, 0.0], [mpf(0), mpf(4)]) == 1.25
    assert accuracy.error(math.nan, mpf(1)) == math.inf
    assert accuracy.error(0.0, mpf(0)) == 0.0
