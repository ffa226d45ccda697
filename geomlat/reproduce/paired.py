"""Paired gaps: one system against another on the same rows, seed by seed."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from geomlat.backends import to_host
from geomlat.evaluate import mean_and_error
from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.task import Task
from geomlat.train.checkpoint import write_atomic

ROWS = "rows.npy"


def keep_rows(task: Task, values: object) -> None:
    """Keep one number for each row (a log-likelihood, an accuracy on a label set) in the folder of a run."""
    file = io.BytesIO()
    np.save(file, to_host(values).astype(np.float64))
    write_atomic(task.folder / ROWS, file.getvalue())


def kept_rows(folder: Path) -> np.ndarray:
    """What `keep_rows` kept in a folder."""
    rows: np.ndarray = np.load(folder / ROWS)
    return rows


def run(task: Task) -> Mapping[str, float]:
    """The mean of ``first - second`` over the rows that both kept, and its standard error over them.

    Raises
    ------
    ValueError
        If they kept different numbers of rows.
    """
    first, second = (kept_rows(task.needed(task.settings[key])) for key in ("first", "second"))
    if first.shape != second.shape:
        msg = f"{task.name} compares rows of shapes {first.shape} and {second.shape}; they must be the same rows"
        raise ValueError(msg)
    gap, error = mean_and_error(first - second)
    return {"gap": gap, "gap_error": error}


def gap(
    first: Experiment,
    second: Experiment,
    *,
    name: str,
    quantity: str,
    at_least: float = 0.0,
    errors: float = 0.0,
    published: Published | None = None,
) -> Experiment:
    """The experiment that measures ``first - second``, which must be ``at_least`` so much, ``errors`` errors inside.

    It runs as often as the one of the two with fewer runs, and only after both.
    """
    settings = {"first": first.name, "second": second.name}
    runs = {b: min(first.budgets[b].runs, second.budgets[b].runs) for b in first.budgets}
    return Experiment(
        name=name,
        system=f"{first.system} minus {second.system}",
        data=first.data,
        measure="gap",
        quantity=f"{quantity}, paired",
        higher_is_better=True,
        run=run,
        # The settings of both, so that a gap between shortened runs is a short run too.
        budgets={
            b: Budget({**settings, "of": [dict(e.budgets[b].settings) for e in (first, second)]}, runs[b], minutes=0.01)
            for b in runs
        },
        published=published,
        gates=(Gate(measure="gap", at_least=at_least, errors=errors),),
        needs=(first.name, second.name),
    )
