"""``geomlat check``: its table, its exit status and its complaints."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

from geomlat.cli import laws, main
from geomlat.manifolds import MANIFOLDS, Euclidean, Sphere
from geomlat.testing.libraries import LIBRARIES, Library

SURFACES = """
from geomlat import Sphere

class Dented(Sphere):
    def __init__(self):
        super().__init__(2)
    def transport(self, x, y, u, /, *, out=None):
        return u

ROUND = Sphere(2)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two manifolds, float64 alone."""
    monkeypatch.setattr(laws, "MANIFOLDS", {"Euclidean": (Euclidean(2),), "Sphere": (Sphere(1), Sphere(2))})
    monkeypatch.setattr(laws, "LIBRARIES", {k: v for k, v in LIBRARIES.items() if k == "numpy-float64"})


def rows(out: str) -> dict[str, list[str]]:
    lines = out[out.index("examples each law saw") :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("---")) + 1
    cells = [line.replace(", ", ",").split() for line in itertools.takewhile(bool, lines[start:])]
    return {law: counts for law, *counts in cells}


@pytest.mark.usefixtures("few")
def test_the_table_counts_the_examples_of_every_law(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--examples", "3"]) == 0
    out = capsys.readouterr().out
    assert "Sphere(n=1) on numpy-float64: 28 laws hold" in out
    assert rows(out)["exp_log_inverse"] == ["3", "6"]
    assert rows(out)["pullbacks_are_derivatives"] == ["1", "2"]
    assert "all laws hold" in out


@pytest.mark.usefixtures("few")
def test_one_manifold_of_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--manifold", "Sphere", "--examples", "1"]) == 0
    assert "Euclidean" not in capsys.readouterr().out


@pytest.mark.usefixtures("few")
def test_a_broken_manifold_of_ones_own_is_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "surfaces.py").write_text(SURFACES)
    names = ["--manifold", "surfaces:Dented", "--manifold", "surfaces:ROUND"]
    try:
        assert main(["check", *names, "--examples", "20"]) == 1
    finally:
        sys.modules.pop("surfaces", None)
    out = capsys.readouterr().out
    assert "transport_turns_log does not hold on Dented(n=2)" in out
    assert "roundings (ulps)" in out
    assert "Sphere(n=2) on numpy-float64: 28 laws hold" in out
    assert rows(out)["exp_log_inverse"] == ["20", "20"]
    assert rows(out)["transport_turns_log"][1:] == ["FAIL", "20"]
    assert "failures" in out
    assert "" not in sys.path


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--manifold", "Klein"], "there is no manifold 'Klein': take one of Euclidean"),
        (["--manifold", "nowhere:Klein"], "cannot load --manifold nowhere:Klein"),
        (["--manifold", "geomlat:Klein"], "cannot load --manifold geomlat:Klein"),
        (["--examples", "0"], "examples must be at least 1"),
    ],
)
def test_what_cannot_be_checked_is_one_line(argv: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *argv]) == 2
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1


def test_a_backend_that_is_missing_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laws, "LIBRARIES", {"cupy-float64": Library("no_such_package", "float64")})
    assert main(["check", "--backend", "cupy"]) == 2
    assert "--backend cupy needs the package no_such_package" in capsys.readouterr().err


def test_the_default_is_the_whole_table_on_every_numpy_array(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(laws, "examine", lambda m, library, *, examples: seen.append((m, library, examples)) or [])
    assert main(["check"]) == 0
    kinds = [name for name in LIBRARIES if name.startswith("numpy-")]
    assert seen == [(m, k, 25) for family in MANIFOLDS.values() for m in family for k in kinds]


def test_a_slow_library_sees_fewer_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("array_api_strict")
    seen = set()
    monkeypatch.setattr(laws, "examine", lambda m, library, *, examples: seen.add((library, examples)) or [])
    assert main(["check", "--backend", "strict"]) == 0
    assert seen == {("strict-float64", 5), ("strict-float32", 5)}


def test_without_hypothesis_the_extra_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    assert main(["check"]) == 2
    assert "pip install 'geomlat[test]'" in capsys.readouterr().err
