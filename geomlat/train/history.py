"""The history of a run as JSON lines, one object for each epoch."""

from __future__ import annotations

import json
import os
from pathlib import Path

from geomlat.train.checkpoint import write_atomic
from geomlat.train.state import Row

HISTORY = "history.jsonl"


def start_history(directory: Path, rows: list[Row]) -> None:
    """Write the file anew with the epochs a run resumes from (none for a fresh run)."""
    write_atomic(directory / HISTORY, "".join(map(_line, rows)).encode())


def append_history(directory: Path, row: Row) -> None:
    """Add the line of one epoch."""
    with (directory / HISTORY).open("a", encoding="utf-8") as f:
        f.write(_line(row))


def read_history(directory: str | os.PathLike[str]) -> list[Row]:
    """The epochs in the history file of a run; a last line cut short by a crash is left out."""
    rows = []
    for line in (Path(directory) / HISTORY).read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            rows.append(json.loads(line))
    return rows


def _line(row: Row) -> str:
    return json.dumps(row) + "\n"
