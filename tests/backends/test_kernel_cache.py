"""The cache of compiled loops: hit by a second process, missed when anything the loop is made of has changed."""

import os
import subprocess
import sys
import textwrap

import pytest

from geomlat.backends import sources
from geomlat.random import box_muller

INNER = """
from geomlat.backends import scalar
SHIFT = 0.25
TABLE = (1.0, 2.0, 3.0)

@scalar
def inner(x: float) -> float:
    total = SHIFT
    for c in TABLE:
        total = total * x + c
    return total
"""
OUTER = """
from geomlat.backends import elementwise, kernel, scalar
from cachedpackage.inner import inner

@scalar
def outer(x: float) -> float:
    return 2.0 * inner(x)

lifted = elementwise(outer)

@kernel()
def rows(i, x, out):
    out[i] = outer(x[i]) + 1.0
"""
PROGRAM = """
import numpy as np
from cachedpackage.outer import lifted, rows
x, out = np.array([1.0, 2.0]), np.zeros(2)
rows(2, x, out)
value = lifted(x)
loops = [rows._loop, lifted.loop._loop]
print(out.tolist(), value.tolist(), [sum(s.stats.cache_hits.values()) for s in loops])
"""


@pytest.fixture
def package(tmp_path):
    """A package of two files, and a way to run it in a fresh process after a change of its text."""
    folder = tmp_path / "cachedpackage"
    folder.mkdir()
    (folder / "__init__.py").write_text("")

    def run(inner: str = INNER, outer: str = OUTER, cache: str = "cache") -> tuple[list, list, list]:
        # The size of the files stays as it is or not, but the outer file keeps its time stamp: Numba's own key.
        (folder / "inner.py").write_text(inner)
        (folder / "outer.py").write_text(outer)
        os.utime(folder / "outer.py", (1e9, 1e9))
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        env = {
            **os.environ,
            "NUMBA_CACHE_DIR": str(tmp_path / cache),
            "PYTHONPATH": path,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        program = [sys.executable, "-c", textwrap.dedent(PROGRAM)]
        done = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        out, value, hits = done.stdout.strip().replace("] [", "]|[").split("|")
        return eval(out), eval(value), eval(hits)

    return run


def values(x: float, shift: float = 0.25, table: tuple = (1.0, 2.0, 3.0), factor: float = 2.0) -> float:
    for c in table:
        shift = shift * x + c
    return factor * shift


def test_a_second_process_hits(package):
    first, second = package(), package()
    assert first[2] == [0, 0]
    assert second[2] == [1, 1]
    assert first[:2] == second[:2] == ([values(1.0) + 1.0, values(2.0) + 1.0], [values(1.0), values(2.0)])


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("SHIFT = 0.25", "SHIFT = 0.50", {"shift": 0.5}),
        ("(1.0, 2.0, 3.0)", "(1.0, 2.0, 4.0)", {"table": (1.0, 2.0, 4.0)}),
        ("return total", "return total * 3.0", {"factor": 6.0}),
    ],
)
def test_a_changed_callee_or_constant_in_another_file_is_noticed(package, old, new, changed):
    package()
    out, value, hits = package(INNER.replace(old, new))
    assert hits == [0, 0]
    assert value == [values(1.0, **changed), values(2.0, **changed)]
    assert out == [v + 1.0 for v in value]
    assert package() == ([values(1.0) + 1.0, values(2.0) + 1.0], [values(1.0), values(2.0)], [1, 1])


def test_only_the_changed_kernel_is_compiled_again(package):
    package()
    out, _, hits = package(outer=OUTER.replace("+ 1.0", "+ 5.0"))
    assert out == [values(1.0) + 5.0, values(2.0) + 5.0]
    assert hits == [0, 1]


def test_a_changed_loop_is_noticed():
    first, second = (sources.digest(box_muller, loop) for loop in ("range(n)", "prange(n)"))
    assert first == sources.digest(box_muller, "range(n)") != second


def test_an_unwritable_cache_is_no_error(package, tmp_path):
    (tmp_path / "blocked").write_text("a file where the folder should be")
    assert package(cache="blocked")[1:] == ([values(1.0), values(2.0)], [0, 0])
