"""Interleaved timing: the machine's speed drifts by 2x within minutes, so only ratios within one round mean much."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 11
# Threads of OpenMP spin for up to 0.2 s after their loop and would take a core from the run that comes next.
PAUSE = 0.25
WARM = 0.1
PACKAGES = ("numpy", "scipy", "numba", "array-api-compat")


@dataclass
class Row:
    """One comparison: seconds per round of this library and of the peer, scaled to one ``unit`` of work."""

    item: str
    case: str
    peer: str
    unit: str
    ours: list[float]
    theirs: list[float] = field(default_factory=list)
    gate: str = ""
    goal: str = ""
    note: str = ""
    passed: bool | None = None

    @property
    def ratios(self) -> list[float]:
        """Peer over ours, round by round."""
        return [b / a for a, b in zip(self.ours, self.theirs, strict=True)]


def interleave(*runs: Callable[[], object], rounds: int = ROUNDS, pause: float = 0.0) -> list[list[float]]:
    """Seconds of each callable in each round, one after the other, after one call of each to warm up.

    ``pause=PAUSE`` is for rounds with an OpenMP peer. The first calls after a sleep are up to twice as slow as later
    ones: after a pause each callable is called for 100 ms, and at least once, before it is timed. With 20 ms, draws
    on two threads were timed on one core in half of the rounds; from 100 ms on both cores were at work.
    """
    for run in runs:
        run()
    times: list[list[float]] = [[] for _ in runs]
    gc.disable()
    try:
        for _ in range(rounds):
            for run, found in zip(runs, times, strict=True):
                if pause:
                    time.sleep(pause)
                    _warm(run)
                start = time.perf_counter()
                run()
                found.append(time.perf_counter() - start)
    finally:
        gc.enable()
    return times


def _warm(run: Callable[[], object]) -> None:
    ready = time.perf_counter() + WARM
    run()
    while time.perf_counter() < ready:
        run()


def faster_by(
    item: str,
    case: str,
    peer: str,
    unit: str,
    times: list[list[float]],
    work: float,
    gate: float,
    goal: float,
    note: str = "",
) -> Row:
    """The row of a gate on the median ratio, peer over ours."""
    ours, theirs = ([t / work for t in run] for run in times)
    row = Row(item, case, peer, unit, ours, theirs, f"{gate:g}x", f"{goal:g}x", note)
    row.passed = statistics.median(row.ratios) >= gate
    return row


def below(item: str, case: str, unit: str, times: list[float], work: float, gate: float, goal: float) -> Row:
    """The row of a gate in seconds on our own median."""
    row = Row(item, case, "", unit, [t / work for t in times], [], span(gate), span(goal))
    row.passed = statistics.median(row.ours) <= gate
    return row


def no_steeper(rows: list[Row], within: float = 2.0) -> list[Row]:
    """Rows of growing work whose gate is that a unit never costs ``within`` times what it did at a smaller size."""
    middle = [statistics.median(r.ours) for r in rows]
    for k, row in enumerate(rows):
        row.gate = f"within {within:g}x of the smaller ones"
        row.passed = middle[k] <= within * min(middle[: k + 1])
    return rows


def span(seconds: float) -> str:
    """A time with three digits and a unit."""
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def machine() -> dict[str, object]:
    """What the numbers were measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return {
        "cpu": model or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in PACKAGES},
        "date": time.strftime("%Y-%m-%d"),
    }
