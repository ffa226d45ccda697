"""What has been measured: one JSON file for each experiment, and the word that its row deserves."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geomlat.evaluate import mean_and_error
from geomlat.reproduce.experiment import BUDGETS, Experiment, Gate
from geomlat.train.checkpoint import write_atomic

STATUSES = ("reproduced", "beaten", "missed", "short run", "not run")


@dataclass(frozen=True)
class Result:
    """The finished runs of one experiment.

    Parameters
    ----------
    experiment, budget, settings
        What ran.
    command
        What to type to run it again.
    commit, machine
        Where the code stood (several, if it moved on between runs), and what it ran on.
    runs
        One dict for each: ``seed``, ``seconds``, ``commits``, ``values`` (the measured numbers).
    """

    experiment: str
    budget: str
    settings: Mapping[str, Any]
    command: str
    commit: str
    machine: Mapping[str, Any]
    runs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Time of all runs."""
        return float(sum(run["seconds"] for run in self.runs))

    def mean(self, measure: str) -> float:
        """The mean of a measured number over the runs."""
        return statistics.fmean(run["values"][measure] for run in self.runs)

    def gated(self, gate: Gate) -> float:
        """What a gate is about: the mean or the median over the runs."""
        if gate.median:
            return float(statistics.median(run["values"][gate.measure] for run in self.runs))
        return self.mean(gate.measure)

    def error(self, measure: str) -> float | None:
        """Its standard error: between runs; of a single run its own ``MEASURE_error``, and None if it has none."""
        if len(self.runs) > 1:
            return mean_and_error([run["values"][measure] for run in self.runs])[1]
        own = self.runs[0]["values"].get(f"{measure}_error")
        return None if own is None or not math.isfinite(own) else float(own)


def status(experiment: Experiment, result: Result | None) -> str:
    """One of `STATUSES`.

    A result is short unless it has the settings of the full budget and as many runs. One that is not short is missed
    if a number that counts is not finite, if a gate fails or, without gates, if it is worse than the published number
    by more than twice the standard error of their difference; else beaten if it is better by more than that, which
    takes a standard error of ours; else reproduced.
    """
    if result is None or not result.runs:
        return "not run"
    full = experiment.budgets["full"]
    if plain(result.settings) != plain(full.settings) or len(result.runs) < full.runs:
        return "short run"
    counting = (experiment.measure, *(g.measure for g in experiment.gates))
    if not all(math.isfinite(result.mean(m)) for m in counting) or failing(experiment, result):
        return "missed"
    margin = _margin(experiment, result)
    if margin < -1.0 and not experiment.gates:
        return "missed"
    return "beaten" if margin > 1.0 and result.error(experiment.measure) is not None else "reproduced"


def current(experiment: Experiment, result: Result) -> bool:
    """Whether the command of a result would run what ran then: the settings of its budget are still the same."""
    return plain(result.settings) == plain(experiment.budgets[result.budget].settings)


def failing(experiment: Experiment, result: Result) -> list[Gate]:
    """The gates that a result does not keep, be it a short one."""
    return [g for g in experiment.gates if not g.holds(result.gated(g), result.error(g.measure))]


def _margin(experiment: Experiment, result: Result) -> float:
    """By how much ours is better than published, in units of twice the error of the difference; 0 beside nothing."""
    if experiment.published is None:
        return 0.0
    better = result.mean(experiment.measure) - experiment.published.value
    better = better if experiment.higher_is_better else -better
    error = 2.0 * math.hypot(result.error(experiment.measure) or 0.0, experiment.published.error)
    return better / error if error else math.copysign(math.inf, better) if better else 0.0


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as JSON gives them back."""
    return dict(json.loads(json.dumps(dict(settings))))


def write(folder: Path, experiment: Experiment, result: Result) -> Path:
    """Write the result of an experiment, completely or not at all; the file also says what a reader wants to see."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(set.intersection(*(set(run["values"]) for run in result.runs)))
    summary = {n: {"mean": result.mean(n), "standard_error": result.error(n)} for n in names}
    content = {**vars(result), "settings": plain(result.settings), "status": status(experiment, result)}
    path = folder / f"{experiment.name}.json"
    write_atomic(path, (json.dumps({**content, "summary": summary}, indent=1) + "\n").encode())
    return path


def read(folder: Path, experiment: Experiment) -> Result | None:
    """The result of an experiment in a folder, or None.

    Raises
    ------
    ValueError
        If there is a file that is not a result.
    """
    path = folder / f"{experiment.name}.json"
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        return Result(**{name: content[name] for name in Result.__dataclass_fields__})
    except (ValueError, KeyError, TypeError) as failure:
        msg = f"{path} is not a result of `geomlat reproduce` ({failure!r}); remove it"
        raise ValueError(msg) from failure


def worth_more(old: Result | None, new: Result) -> bool:
    """Whether a kept result must not be replaced: it is of a larger budget, or of the same one with more runs."""
    if old is None:
        return False
    before, now = (BUDGETS.index(r.budget) for r in (old, new))
    return before > now or (
        before == now and plain(old.settings) == plain(new.settings) and len(old.runs) > len(new.runs)
    )
