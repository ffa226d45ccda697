"""The published systems as a table of experiments, and their runs: ``geomlat reproduce``.

A family of systems is one module with a tuple ``EXPERIMENTS`` and one line in `geomlat.reproduce.table`.
"""

from __future__ import annotations

from geomlat.reproduce.experiment import BUDGETS, MARKS, Budget, Experiment, Gate, Published
from geomlat.reproduce.results import STATUSES, Result, status
from geomlat.reproduce.task import Task

__all__ = [
    "BUDGETS",
    "MARKS",
    "STATUSES",
    "Budget",
    "Experiment",
    "Gate",
    "Published",
    "Result",
    "Task",
    "status",
]
