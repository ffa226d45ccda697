"""The reproduction table as Markdown, between its two marks in ``REPRODUCTION.md``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from geomlat.reproduce.experiment import Experiment, Gate, Published
from geomlat.reproduce.results import STATUSES, Result, current, failing, read, status
from geomlat.train.checkpoint import write_atomic

BEGIN, END = "<!-- begin: written by geomlat reproduce -->", "<!-- end -->"
_COLUMNS = ("system", "data and binarisation", "published", "ours", "runs", "epochs", "status", "command", "time")


def table(rows: Iterable[tuple[Experiment, Result | None]]) -> str:
    """One line for each experiment, measured or not."""
    lines = [_line(_COLUMNS), _line(["---"] * len(_COLUMNS)), *(_line(_cells(e, r)) for e, r in rows)]
    return "\n".join(lines)


def page(families: Mapping[str, Iterable[Experiment]], folder: Path) -> str:
    """How many rows have which status, then a table for each family with its details, from the results in a folder."""
    rows = {title: [(e, read(folder, e)) for e in members] for title, members in families.items()}
    found = Counter(status(*row) for members in rows.values() for row in members)
    summary = ", ".join(f"{found[word]} {word}" for word in STATUSES)
    tables = ("\n\n".join((f"## {title}", table(members), *_details(members))) for title, members in rows.items())
    return "\n\n".join((f"Of {found.total()} rows: {summary}.", *tables))


def _details(rows: Iterable[tuple[Experiment, Result | None]]) -> Iterator[str]:
    for e, r in rows:
        if e.detail is not None and r is not None:
            yield e.detail({name: r.mean(name) for name in r.runs[0]["values"]})


def insert(path: Path, text: str) -> None:
    """Replace what stands between the two marks of a file.

    Raises
    ------
    ValueError
        If the file does not have them, in this order.
    """
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{path} needs the lines {BEGIN!r} and {END!r}, between which the table is written"
        raise ValueError(msg)
    write_atomic(path, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}".encode())


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(experiment: Experiment, result: Result | None) -> list[str]:
    word = status(experiment, result)
    shown = [_gate(g, experiment, result) for g in _shown(experiment, result, word)]
    gates = f" ({'behind the gate' if word == 'short run' else 'gate'}: {'; '.join(shown)})" if shown else ""
    data = experiment.data + (f"; {experiment.floor}" if experiment.floor else "")
    head = [f"{experiment.system}: {experiment.quantity}", data, published(experiment.published)]
    if result is None:
        return [*head, "", "", "", word, f"`{command(experiment.name, 'full')}`", ""]
    mean, error = result.mean(experiment.measure), result.error(experiment.measure)
    epochs = _epochs(result)
    return [
        *head,
        number(mean, error) + _beside(experiment, result),
        str(len(result.runs)),
        epochs,
        word + gates,
        f"`{result.command}`" + ("" if current(experiment, result) else ", of other settings then"),
        duration(result.seconds) + (f" after {', '.join(experiment.needs)}" if experiment.needs else ""),
    ]


def _shown(experiment: Experiment, result: Result | None, word: str) -> list[Gate]:
    """The gates that a word is about: beside a published number those of other measures, of a short run the failing."""
    if word == "short run" and result is not None and result.budget != "smoke":
        return failing(experiment, result)
    if word == "missed" or (experiment.published is None and word == "reproduced"):
        return list(experiment.gates)
    return [g for g in experiment.gates if word in ("reproduced", "beaten") and g.measure != experiment.measure]


def _gate(gate: Gate, experiment: Experiment, result: Result | None) -> str:
    """A gate, with the number it is about where the row shows another."""
    if result is None or (gate.measure == experiment.measure and not gate.median):
        return str(gate)
    found = result.gated(gate)
    return f"{gate}: {found:.0f}" if abs(found) >= 1000.0 else f"{gate}: {found:.3g}"


def command(name: str, budget: str, backend: str = "numpy") -> str:
    """What to type to make the runs of an experiment."""
    return f"geomlat reproduce {name} --budget {budget}" + (f" --backend {backend}" if backend != "numpy" else "")


def published(value: Published | None) -> str:
    """A published number with its spread between runs and its mark."""
    if value is None:
        return "none found"
    spread = "" if value.spread is None else f" +- {value.spread:g}"
    return f"{value.value:g}{spread} [{value.mark}], {value.source}"


def number(mean: float, error: float | None) -> str:
    """A mean with its standard error, both to two digits of the error."""
    if error is None or not math.isfinite(error) or error == 0.0:
        return f"{mean:.5g}"
    digits = max(0, 1 - int(f"{error:.1e}".partition("e")[2]))
    return f"{mean:.{digits}f} +- {error:.{digits}f}"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    return (
        f"{seconds:.0f} s"
        if seconds < 100
        else f"{seconds / 60:.0f} min"
        if seconds < 6000
        else f"{seconds / 3600:.1f} h"
    )


def _beside(experiment: Experiment, result: Result) -> str:
    words = {**experiment.beside, f"{experiment.measure}_untrained": "untrained"}
    found = {name: word for name, word in words.items() if all(name in run["values"] for run in result.runs)}
    return "".join(f"; {word} {result.mean(name):.4g}" for name, word in found.items())


def _epochs(result: Result) -> str:
    """The epochs of the runs; of a row that reuses trained models the most that these had, else steps, if anything."""
    values = [run["values"].get("epochs", result.settings.get("epochs")) for run in result.runs]
    if None not in values:
        low, high = min(values), max(values)
        return f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}"
    of = result.settings.get("of", [])
    most = [settings["epochs"] for settings in (of if isinstance(of, list) else [of]) if "epochs" in settings]
    if not most and isinstance(of, list) and of:
        most = [settings["of"]["epochs"] for settings in of]  # a gap between rows that reuse models themselves
    if most:
        return f"{max(most)} at most"
    return f"{result.settings['steps']} steps" if "steps" in result.settings else ""
