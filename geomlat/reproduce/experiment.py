"""What an experiment is: a published system, its data, its number, the gate it must pass and its settings by budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from geomlat.reproduce.floors import Floor
from geomlat.reproduce.task import Task

BUDGETS = ("smoke", "standard", "full")
"""From the check that everything runs to what the papers ran."""

MARKS = {
    "code": "read from the original repository",
    "doc": "printed in the document it was reported in",
    "check": "computed independently",
    "2nd": "confirmed through a second public source",
    "mem": "recalled from the paper, not verified again",
}
"""How far a published number can be trusted."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number somebody printed: its value, where, and how sure we are of it.

    Parameters
    ----------
    value, spread
        The number, and the standard deviation between the ``runs`` behind it (None: not stated).
    source
        Author and year, or a short name of the document.
    mark
        One of `MARKS`.
    """

    value: float
    spread: float | None = None
    runs: int = 1
    source: str
    mark: str

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            msg = f"a published number needs a mark of {', '.join(MARKS)}, got {self.mark!r}"
            raise ValueError(msg)

    @property
    def error(self) -> float:
        """The standard error of the value; 0 where no spread is stated."""
        return (self.spread or 0.0) / math.sqrt(self.runs)


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A bound that the mean of a measured number must keep, ``errors`` standard errors inside it, or its ``median``."""

    measure: str
    at_least: float | None = None
    at_most: float | None = None
    errors: float = 0.0
    median: bool = False

    def __post_init__(self) -> None:
        if (self.at_least is None) == (self.at_most is None):
            msg = f"a gate on {self.measure} needs at_least= or at_most=, and not both"
            raise ValueError(msg)
        if self.median and self.errors:
            msg = f"a gate on the median of {self.measure} cannot ask for standard errors, which are of means"
            raise ValueError(msg)

    def holds(self, value: float, error: float | None) -> bool:
        """Whether a mean with its standard error keeps the bound, or a median, for which none is asked."""
        if self.errors and error is None:
            return False
        margin = self.errors * (error or 0.0)
        if self.at_least is not None:
            return value - margin >= self.at_least
        return value + margin <= (self.at_most or 0.0)

    def __str__(self) -> str:
        """The bound in words."""
        sign, bound = (">=", self.at_least) if self.at_least is not None else ("<=", self.at_most)
        name = f"median {self.measure}" if self.median else self.measure
        return f"{name} {sign} {bound:g}" + (f" by {self.errors:g} standard errors" if self.errors else "")


@dataclass(frozen=True)
class Budget:
    """The settings of a run, how many runs (seeds 0, 1, ...), and the minutes one of them takes on one core."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    runs: int = 1
    minutes: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row of the reproduction table.

    Parameters
    ----------
    name
        What the command line calls it: ``svae-mnist-d2``.
    system, data
        As the table prints them; ``data`` names the binarisation, where pixels are binarised.
    measure, quantity
        The key in the measured numbers that the row shows, and what it is in words: ``"log p(x), nats"``.
    higher_is_better
        Which way the measure improves.
    run
        ``run(task) -> numbers``, once for each seed; a function of a module, that other processes can import.
        `NAME_error`, if it is among the numbers, is the standard error of NAME within one run (over test rows, say),
        `NAME_untrained` the number before training.
    budgets
        By name, see `BUDGETS`: smoke is a few seconds and needs no downloaded file, full is what was published.
    published, gates
        What to compare with and what must hold; at least one of the two.
    floor
        What independent features are worth on these data, in the unit of the measure.
    beside
        Other measured numbers in the unit of the measure that the row shows after it, and what they are in words.
    needs
        Names of experiments whose run of the same seed must have ended, see `Task.needed`.
    detail
        ``detail(means) -> Markdown``, of the means of all measured numbers: what stands below the table of its family.
    """

    name: str
    system: str
    data: str
    measure: str
    quantity: str
    higher_is_better: bool
    run: Callable[[Task], Mapping[str, float]]
    budgets: Mapping[str, Budget]
    published: Published | None = None
    gates: tuple[Gate, ...] = ()
    floor: Floor | None = None
    beside: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    detail: Callable[[Mapping[str, float]], str] | None = None

    def __post_init__(self) -> None:
        if set(self.budgets) != set(BUDGETS):
            msg = f"experiment {self.name} needs the budgets {', '.join(BUDGETS)}, got {', '.join(self.budgets)}"
            raise ValueError(msg)
        if self.published is None and not self.gates:
            msg = f"experiment {self.name} has neither a published number nor a gate, so that nothing could be missed"
            raise ValueError(msg)
        object.__setattr__(self, "budgets", MappingProxyType(dict(self.budgets)))

    def __reduce__(self) -> tuple[Callable[[str], Experiment], tuple[str]]:
        """To other processes goes the name; they have the same table."""
        return _named, (self.name,)


def _named(name: str) -> Experiment:
    from geomlat.reproduce.table import experiments

    return experiments()[name]
