"""Options, profiles and fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
import zlib
from pathlib import Path

import hypothesis
import pytest

pytest_plugins = ["pytester"]

hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000)
hypothesis.settings.register_profile(
    "mutants",
    parent=hypothesis.settings.get_profile("ci"),
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
    report_multiple_bugs=False,
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure() -> None:
    # A suite started in the background inherits that Ctrl-C is ignored; some tests send one.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--slow-part",
        metavar="I/N",
        help="besides the quick tests, run part I of N of those marked slow (`-m slow`: all of those, nothing else)",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.option.markexpr or any("::" in arg for arg in config.args):
        return
    part, parts = _slow_part(config.option.slow_part)
    dropped = [
        item for item in items if item.get_closest_marker("slow") and zlib.crc32(item.nodeid.encode()) % parts != part
    ]
    gone = set(dropped)
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=dropped)


def _slow_part(option: str | None) -> tuple[int, int]:
    if option is None:
        return 1, 1
    try:
        part, parts = (int(word) for word in option.split("/"))
    except ValueError:
        part, parts = 0, 0
    if not 0 <= part < parts:
        message = f"--slow-part must be I/N with 0 <= I < N, got {option!r}"
        raise pytest.UsageError(message)
    return part, parts


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, GEOMLAT_DATA; without it the test is skipped (GEOMLAT_REQUIRE_DATA=1: it fails)."""
    folder = os.environ.get("GEOMLAT_DATA")
    if folder and Path(folder).is_dir():
        return Path(folder)
    message = f"needs the real data sets: set GEOMLAT_DATA to their folder (it is {folder!r})"
    if os.environ.get("GEOMLAT_REQUIRE_DATA") == "1":
        pytest.fail(message)
    pytest.skip(message)
