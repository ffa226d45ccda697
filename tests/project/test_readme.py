"""The README's Python runs as printed, from top to bottom."""

import re
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_tour_runs(tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) >= 4
    scope = {}
    for block in blocks:
        exec(block, scope)
    assert scope["np"].allclose(scope["sphere"].exp(scope["x"], scope["u"]), scope["y"])


def test_the_two_commands_are_on_the_first_screen():
    top = README.splitlines()[:25]
    assert "pip install '.[train]' && geomlat train svae" in top
    assert "pip install '.[test]' && pytest" in top
