"""The rotation of slow tests covers each of them once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
SOURCE = """
import pytest

@pytest.mark.slow
@pytest.mark.parametrize("i", range(12))
def test_slow(i):
    pass

def test_quick():
    pass
"""


@pytest.fixture
def collect(pytester: pytest.Pytester):
    shutil.copy(CONFTEST, pytester.path / "conftest.py")
    pytester.makepyfile(test_it=SOURCE)
    pytester.makeini("[pytest]\nmarkers = slow: long")

    def run(*args: str) -> set[str]:
        result = pytester.runpytest_inprocess("--collect-only", "-q", *args)
        return {line for line in result.outlines if "::" in line}

    return run


def test_parts_cover_the_slow_tests_once(collect) -> None:
    parts = [{name for name in collect("--slow-part", f"{i}/3") if "slow" in name} for i in range(3)]
    assert [len(p) > 0 for p in parts] == [True] * 3
    assert sum(len(p) for p in parts) == len(set.union(*parts)) == 12


def test_slow_tests_run_only_when_asked_for(collect) -> None:
    assert collect() == {"test_it.py::test_quick"}
    assert len(collect("-m", "slow")) == 12
    assert len(collect("test_it.py::test_slow")) == 12


def test_a_wrong_part_is_one_clear_error(pytester: pytest.Pytester) -> None:
    shutil.copy(CONFTEST, pytester.path / "conftest.py")
    result = pytester.runpytest_inprocess("--slow-part", "3/3")
    result.stderr.fnmatch_lines(["*--slow-part must be I/N*"])
