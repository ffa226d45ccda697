"""`import geomlat` is cheap, lazy, and loads nothing optional."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import geomlat

EXTRAS = {"numba", "cupy", "torch", "jax", "sklearn", "matplotlib", "pooch", "safetensors", "tabulate", "tqdm"}
EXTRAS |= {"threadpoolctl", "hypothesis", "mpmath"}


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_loads_no_numba_and_nothing_optional() -> None:
    loaded = python("import geomlat, sys; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & EXTRAS


def test_using_names_loads_no_numba() -> None:
    loaded = python("import geomlat, sys; [getattr(geomlat, n) for n in geomlat.__all__]; print(*sys.modules)").split()
    assert not {name.split(".")[0] for name in loaded} & EXTRAS


def test_import_costs_at_most_numpy_and_50_ms() -> None:
    # The least of several runs: other work on the machine only ever adds time.
    code = "from time import perf_counter as t; import numpy; a = t(); import geomlat; print(t() - a)"
    assert min(float(python(code)) for _ in range(7)) < 0.05


def test_names_are_lazy_and_listed() -> None:
    assert set(geomlat.__all__) <= set(dir(geomlat))
    assert geomlat.gradcheck is importlib.import_module("geomlat.grad").gradcheck
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = geomlat.nonsense  # type: ignore[attr-defined]


def test_names_agree_with_those_for_type_checkers() -> None:
    tree = ast.parse(Path(geomlat.__file__).read_text())
    block = next(n for n in tree.body if isinstance(n, ast.If))
    names = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names == set(geomlat.__all__)


def test_citation_names_this_version() -> None:
    citation = (Path(__file__).parents[2] / "CITATION.cff").read_text()
    assert f"version: {geomlat.__version__}\n" in citation
