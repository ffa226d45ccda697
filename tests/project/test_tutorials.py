"""The tutorials' Python runs from top to bottom and prints what the page says."""

import contextlib
import doctest
import io
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md"))
BLOCKS = re.compile(r"```python\n(.*?)```(?:\n\n```text\n(.*?)```)?", re.DOTALL)


def test_there_are_tutorials():
    assert [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_tutorial_runs_as_printed(page, tmp_path, monkeypatch):
    pytest.importorskip("array_api_strict")
    monkeypatch.chdir(tmp_path)
    blocks = BLOCKS.findall(page.read_text())
    assert sum(bool(printed) for _, printed in blocks) >= 1
    scope = {"__name__": page.stem}
    for code, printed in blocks:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code, scope)
        assert said.getvalue() == printed


@pytest.mark.parametrize("name", ["index", "errata"])
def test_a_page_shows_what_it_says(name):
    page = PAGES[0].parents[1] / f"{name}.md"
    found = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 10
    assert found.failed == 0
