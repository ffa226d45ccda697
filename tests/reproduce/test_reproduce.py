"""The table of experiments, its runs, its results and the words for them."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import geomlat
from geomlat.cli import main, reproduction
from geomlat.cli.commands import COMMANDS
from geomlat.cli.parser import make_parser
from geomlat.reproduce import (
    BUDGETS,
    Budget,
    Experiment,
    Gate,
    Published,
    Result,
    Task,
    report,
    results,
    running,
    status,
)
from geomlat.reproduce.floors import Floor
from geomlat.reproduce.machine import commit, machine
from geomlat.reproduce.running import Job, execute, plan, run_all
from geomlat.reproduce.table import chosen, experiments, families

ROOT = Path(geomlat.__file__).parents[1]
REPOSITORY = Path(__file__).parents[2]


def toy(name: str = "toy", **changes: object) -> Experiment:
    """An experiment that measures its seed plus a setting."""
    settings = {"start": 10.0}
    base = Experiment(
        name=name,
        system="Toy",
        data="none",
        measure="score",
        quantity="score",
        higher_is_better=True,
        run=lambda task: {"score": task.settings["start"] + task.seed, "score_error": 0.5},
        budgets={"smoke": Budget(), "standard": Budget(settings), "full": Budget(settings, runs=2)},
        published=Published(value=11.0, spread=1.0, runs=4, source="nobody", mark="doc"),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


FOUR = {**toy().budgets, "full": Budget({"start": 10.0}, runs=4)}


def result(
    *scores: float, experiment: Experiment | None = None, budget: str = "full", error: float | None = 0.1
) -> Result:
    settings = (experiment or toy()).budgets[budget].settings
    own = {} if error is None else {"score_error": error}
    runs = [{"seed": i, "seconds": 50.0, "values": {"score": s, **own}} for i, s in enumerate(scores)]
    return Result("toy", budget, settings, "geomlat reproduce toy", "abc", {"cpu": "?"}, runs)


@pytest.mark.parametrize("name", experiments())
def test_every_experiment_is_whole(name: str) -> None:
    e = experiments()[name]
    assert e.name == name
    assert set(e.needs) <= set(experiments())
    assert e.budgets["full"].runs >= e.budgets["standard"].runs >= e.budgets["smoke"].runs >= 1
    for budget in BUDGETS:
        json.dumps(dict(e.budgets[budget].settings))
        assert all(experiments()[n].budgets[budget].runs >= e.budgets[budget].runs for n in e.needs)
    assert e.budgets["smoke"].minutes <= 0.5


def test_names_are_patterns() -> None:
    table = {name: toy(name) for name in ("svae-d2", "svae-d5", "nvae-d2")}
    assert chosen([], table) == list(table)
    assert chosen(["*-d2"], table) == ["svae-d2", "nvae-d2"]
    with pytest.raises(ValueError, match=r"no experiment is called frog; see `geomlat reproduce --list`"):
        chosen(["svae-*", "frog"], table)


def test_what_an_experiment_must_have() -> None:
    with pytest.raises(ValueError, match="neither a published number nor a gate"):
        toy(published=None)
    with pytest.raises(ValueError, match="needs the budgets smoke, standard, full"):
        toy(budgets={"smoke": Budget()})
    with pytest.raises(ValueError, match="needs at_least= or at_most="):
        Gate(measure="score")
    with pytest.raises(ValueError, match="needs a mark of code, doc, check, 2nd, mem"):
        Published(value=1.0, source="nobody", mark="sure")


def test_gates_count_standard_errors() -> None:
    gate = Gate(measure="gap", at_least=0.0, errors=3.0)
    assert gate.holds(1.0, 0.3)
    assert not gate.holds(1.0, 0.4)
    assert not gate.holds(1.0, None)
    assert str(gate) == "gap >= 0 by 3 standard errors"
    below = Gate(measure="bits", at_most=4.54)
    assert below.holds(4.54, None)
    assert not below.holds(4.55, 0.1)
    assert not Gate(measure="bits", at_most=4.54, errors=1.0).holds(4.53, 0.02)


def test_a_gate_on_the_median_forgives_one_bad_run() -> None:
    gates = (Gate(measure="score", at_least=12.0, median=True),)
    usual = (Gate(measure="score", at_least=12.0),)
    assert status(toy(gates=gates, published=None), result(12.1, 12.2, 5.0)) == "reproduced"
    assert status(toy(gates=usual, published=None), result(12.1, 12.2, 5.0)) == "missed"
    assert status(toy(gates=gates, published=None), result(12.1, 5.0, 5.1)) == "missed"
    line = report.table([(toy(gates=gates, published=None), result(12.1, 12.2, 5.0))])
    assert "(gate: median score >= 12: 12.1)" in line
    with pytest.raises(ValueError, match="cannot ask for standard errors"):
        Gate(measure="score", at_least=12.0, errors=2.0, median=True)


@pytest.mark.parametrize(
    ("scores", "gate", "higher", "word"),
    [
        # The published 11 has an error of 0.5, so that 1 to either side is the border of a real difference.
        ((11.5, 11.6), None, True, "reproduced"),
        ((10.4, 10.5), None, True, "reproduced"),
        ((12.4, 12.5), None, True, "beaten"),
        ((12.4, 12.5), None, False, "missed"),
        ((9.4, 9.5), None, True, "missed"),
        ((9.4, 9.5), None, False, "beaten"),
        ((9.4, 9.5), 9.0, True, "reproduced"),
        ((12.4, 12.5), 13.0, True, "missed"),
        ((12.4, 12.5), 12.0, True, "beaten"),
        ((12.4,), 12.0, True, "short run"),
        ((), None, True, "not run"),
    ],
)
def test_the_word_for_a_row(scores: tuple[float, ...], gate: float | None, higher: bool, word: str) -> None:
    gates = () if gate is None else (Gate(measure="score", at_least=gate),)
    assert status(toy(gates=gates, higher_is_better=higher), result(*scores)) == word


def test_a_shortened_row_is_never_reproduced_or_beaten() -> None:
    short = toy(budgets={**toy().budgets, "standard": Budget({"start": 9.0})})
    assert status(short, result(50.0, 50.1, experiment=short, budget="standard")) == "short run"
    assert status(short, result(50.0, 50.1)) == "beaten"
    five = toy(budgets={**toy().budgets, "full": Budget({"start": 10.0}, runs=5)})
    assert [status(five, result(*[50.0] * runs)) for runs in (1, 2, 4, 5)] == ["short run"] * 3 + ["beaten"]
    single = toy(budgets={**toy().budgets, "full": Budget({"start": 10.0})})
    assert status(single, result(50.0)) == "beaten"
    assert status(short, None) == "not run"


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_missed(bad: float) -> None:
    gated, beside = (Gate(measure="score", at_least=5.0),), (Gate(measure="other", at_least=5.0),)
    for gates in ((), gated):
        assert status(toy(gates=gates), result(12.0, bad)) == "missed"
        assert status(toy(gates=gates, higher_is_better=False), result(12.0, bad)) == "missed"
    measured = result(12.4, 12.5)
    for run in measured.runs:
        run["values"]["other"] = bad
    assert status(toy(gates=beside), measured) == "missed"


def test_nothing_is_beaten_without_a_standard_error() -> None:
    single = toy(budgets={**toy().budgets, "full": Budget({"start": 10.0})})
    gated = replace(single, gates=(Gate(measure="score", at_least=12.0),))
    for error in (None, float("nan")):
        measured = result(50.0, error=error)
        assert measured.error("score") is None
        assert [status(e, measured) for e in (single, gated)] == ["reproduced", "reproduced"]
    assert [status(e, result(50.0)) for e in (single, gated)] == ["beaten", "beaten"]
    assert status(single, result(9.0, error=None)) == "missed"


def test_a_short_run_says_behind_which_gate_it_is() -> None:
    gates = (Gate(measure="score", at_least=12.0), Gate(measure="other", at_most=3.0))
    e = toy(gates=gates, budgets={**toy().budgets, "full": Budget({"start": 10.0}, runs=5)})
    measured = result(11.0, 11.5)
    for run in measured.runs:
        run["values"]["other"] = 2.0
    assert "| short run (behind the gate: score >= 12) |" in report.table([(e, measured)])
    for run in measured.runs:
        run["values"] |= {"score": 13.0, "other": 3.5}
    assert "| short run (behind the gate: other <= 3: 3.5) |" in report.table([(e, measured)])
    assert "| short run |" in report.table([(e, replace(measured, budget="smoke"))])
    for run in measured.runs:
        run["values"]["other"] = 2.5
    assert "| short run |" in report.table([(e, measured)])


@pytest.mark.parametrize(
    ("settings", "epochs", "words"),
    [
        ({"epochs": 20}, None, "20"),
        ({"epochs": 20}, (7.0, 12.0), "7 to 12"),
        ({"of": {"epochs": 300}}, None, "300 at most"),
        ({"of": [{"epochs": 150}, {"epochs": 300}]}, None, "300 at most"),
        ({"of": [{"labels": 100, "of": {"epochs": 150}}] * 2}, None, "150 at most"),
        ({"steps": 8000}, None, "8000 steps"),
        ({}, None, ""),
    ],
)
def test_the_epochs_of_a_row(settings: dict, epochs: tuple[float, ...] | None, words: str) -> None:
    measured = replace(result(12.4, 12.5), settings=settings)
    for run, value in zip(measured.runs, epochs or (), strict=False):
        run["values"]["epochs"] = value
    e = toy(needs=("a", "b"), budgets={**toy().budgets, "full": Budget(settings)})
    (line,) = report.table([(e, measured)]).splitlines()[2:]
    assert line.split(" | ")[5] == words
    assert line.endswith("| 2 min after a, b |")


def test_a_row_says_that_its_command_has_other_settings_now() -> None:
    e = toy(budgets={**toy().budgets, "standard": Budget({"start": 9.0})})
    rows = [(e, result(12.4, 12.5, budget="standard")), (e, result(12.4, 12.5, experiment=e, budget="standard"))]
    before, now = report.table(rows).splitlines()[2:]
    assert "| `geomlat reproduce toy`, of other settings then |" in before
    assert "| `geomlat reproduce toy` |" in now


def printed_commands() -> dict[str, Path]:
    """The commands ``geomlat ...`` in the pages and examples, but for those with a placeholder or nothing to do."""
    places = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "examples").glob("*.py")]
    found = {}
    for path in (p for p in places if p.name != "CHANGELOG.md"):
        text = path.read_text()
        spans = re.findall(r"`(geomlat [^`]+)`", text) + re.findall(
            rf"^ *(geomlat (?:{'|'.join(COMMANDS)}) .*)$", text, re.M
        )
        found |= {" ".join(span.partition(" #")[0].split()): path for span in spans}
    vague = re.compile(r"\b[A-Z]{3,}\b|\||--help")
    return {c: path for c, path in found.items() if not vague.search(c) and len(c.split()) > 2}


def test_printed_commands_can_be_typed() -> None:
    commands = printed_commands()
    assert len(commands) > 100
    for command in commands:
        args = make_parser().parse_args(shlex.split(command)[1:])
        if args.command == "reproduce":
            assert chosen(args.names, experiments())


def test_errors_are_between_runs_or_within_one() -> None:
    assert result(1.0, 3.0).mean("score") == 2.0
    assert result(1.0, 3.0).error("score") == pytest.approx(1.0)
    assert result(1.0).error("score") == 0.1
    assert result(1.0).error("score_error") is None


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert results.read(tmp_path, toy()) is None
    path = results.write(tmp_path / "sub", toy(), result(12.4, 12.5))
    content = json.loads(path.read_text())
    assert content["status"] == "beaten"
    assert content["summary"]["score"] == {"mean": 12.45, "standard_error": pytest.approx(0.05)}
    again = results.read(tmp_path / "sub", toy())
    assert again is not None
    assert again == replace(result(12.4, 12.5), settings=dict(again.settings))
    path.write_text("{}")
    with pytest.raises(ValueError, match="is not a result"):
        results.read(tmp_path / "sub", toy())


def test_a_larger_result_is_kept() -> None:
    assert results.worth_more(result(1.0), result(1.0, budget="standard"))
    assert not results.worth_more(result(1.0, budget="standard"), result(1.0))
    assert results.worth_more(result(1.0, 2.0), result(1.0))
    assert not results.worth_more(result(1.0), result(1.0))
    assert not results.worth_more(None, result(1.0))


def test_the_table_stands_between_its_marks(tmp_path: Path) -> None:
    missed = toy("b", gates=(Gate(measure="score", at_least=13.0),))
    text = report.table([(toy("a"), None), (missed, result(12.4, 12.6)), (toy("c"), result(12.0))])
    lines = text.splitlines()
    assert lines[2].endswith("| not run | `geomlat reproduce a --budget full` |  |")
    assert "| 11 +- 1 [doc], nobody | 12.50 +- 0.10 | 2 |  | missed (gate: score >= 13) |" in lines[3]
    assert "| 12.00 +- 0.10 | 1 |  | short run | `geomlat reproduce toy` | 50 s |" in lines[4]
    both = toy("c", gates=(Gate(measure="score", at_least=11.0), Gate(measure="other", at_most=13.0)))
    measured = result(11.9, 12.0)
    for run in measured.runs:
        run["values"]["other"] = 12.5
    assert "| reproduced (gate: other <= 13: 12.5) |" in report.table([(both, measured)])
    alone = toy("d", published=None, gates=(Gate(measure="score", at_least=12.0),))
    assert "| reproduced (gate: score >= 12) |" in report.table([(alone, result(12.4, 12.6))])
    bounded = toy("e", floor=Floor(-3.25, "independent pixels"))
    untrained = {**result(12.4).__dict__, "runs": [{"seed": 0, "seconds": 50.0, "values": {"score": 12.4}}]}
    untrained["runs"][0]["values"]["score_untrained"] = 1.23456
    (line,) = report.table([(bounded, Result(**untrained))]).splitlines()[2:]
    assert "; independent pixels -3.25 |" in line
    assert "| 12.4; untrained 1.235 |" in line
    untrained["runs"][0]["values"]["rival"] = 11.111
    (line,) = report.table([(replace(bounded, beside={"rival": "nearest rival"}), Result(**untrained))]).splitlines()[
        2:
    ]
    assert "| 12.4; nearest rival 11.11; untrained 1.235 |" in line
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.insert(page, text)
        assert page.read_text() == f"before\n{report.BEGIN}\n\n{text}\n\n{report.END}\nafter\n"
    page.write_text("no marks")
    with pytest.raises(ValueError, match="needs the lines"):
        report.insert(page, text)


@pytest.mark.parametrize(
    ("mean", "error", "text"),
    [(-130.8249, 0.4512, "-130.82 +- 0.45"), (0.81234, 0.0021, "0.8123 +- 0.0021"), (1234.5, 37.0, "1234 +- 37")],
)
def test_numbers_have_two_digits_of_their_error(mean: float, error: float, text: str) -> None:
    assert report.number(mean, error) == text


def test_numbers_without_an_error() -> None:
    assert report.number(20.009701, None) == "20.01"
    assert report.number(20.009701, 0.0) == "20.01"


def runner(table: dict[str, Experiment], out: Path) -> list[tuple[str, int, object]]:
    """All full runs of a table, in this process; what ended, in order."""
    heard: list[tuple[str, int, object]] = []
    with ThreadPoolExecutor(1) as executor:
        jobs = plan(list(table), table, "full", out)
        run_all(jobs, executor, ended=lambda job, r: heard.append((job.experiment.name, job.seed, r)))
    return heard


def test_needed_runs_come_first_and_long_ones_before_short_ones(tmp_path: Path) -> None:
    def full(minutes: float, runs: int = 2) -> dict[str, Budget]:
        return {**toy().budgets, "full": Budget({"start": 1.0}, runs, minutes)}

    def follow(task: Task) -> dict[str, float]:
        return {"score": json.loads((task.needed("a") / "run.json").read_text())["values"]["score"] + 100}

    table = {
        "b": toy("b", needs=("a",), run=follow, budgets=full(9)),
        "a": toy("a", budgets=full(1)),
        "c": toy("c", budgets=full(5)),
    }
    heard = runner(table, tmp_path)
    assert [(name, seed) for name, seed, _ in heard[:4]] == [("c", 0), ("c", 1), ("a", 0), ("a", 1)]
    assert [(name, seed, r["values"]["score"]) for name, seed, r in heard[4:]] == [("b", 0, 101.0), ("b", 1, 102.0)]


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    def fail(task: Task) -> dict[str, float]:
        raise ArithmeticError("diverged")

    table = {
        "a": toy("a", run=fail, budgets=FOUR),
        "b": toy("b", needs=("a",), budgets=FOUR),
        "c": toy("c", budgets=FOUR),
    }
    heard = {(name, seed): r for name, seed, r in runner(table, tmp_path)}
    assert len(heard) == 12
    assert isinstance(heard["a", 0], ArithmeticError)
    assert "in fail" in (tmp_path / "full/a/seed-0/error.txt").read_text()
    assert "a run it needs failed" in str(heard["b", 3])
    assert heard["c", 3]["values"] == {"score": 13.0, "score_error": 0.5}


def test_a_run_needs_the_run_of_its_own_seed(tmp_path: Path) -> None:
    def fail(task: Task) -> dict[str, float]:
        if task.seed == 1:
            raise ArithmeticError("diverged")
        return {"score": 0.0}

    table = {"a": toy("a", run=fail, budgets=FOUR), "b": toy("b", needs=("a",), budgets=FOUR)}
    heard = {(n, seed): r for n, seed, r in runner(table, tmp_path)}
    assert [isinstance(heard["b", seed], dict) for seed in range(4)] == [True, False, True, True]


def test_a_finished_run_is_not_made_again_and_a_stopped_one_continues(tmp_path: Path, monkeypatch) -> None:
    calls: list[str] = []
    commits = iter(("abc", "abc", "def", "def", "ghi"))
    monkeypatch.setattr(running, "commit", lambda: next(commits))

    def compute() -> list[float]:
        calls.append("part")
        return [1.5]

    def run(task: Task) -> dict[str, float]:
        [value] = task.once("part", compute)
        task.progress(0.5)
        calls.append("run")
        if len(calls) in (2, 3):
            raise KeyboardInterrupt
        return {"score": value + float(task.rng.generator().random())}

    job = Job(toy(run=run), "full", 3, tmp_path)
    assert job.share() == 0.0
    with pytest.raises(KeyboardInterrupt):
        execute(job)
    assert job.share() == 0.5
    with pytest.raises(KeyboardInterrupt):
        execute(job)
    (job.folder / "progress.json").write_text('{"share": 0.5, "seconds": 1000.0}')
    first = execute(job)
    assert calls == ["part", "run", "run", "run"]
    assert 1000.0 < first["seconds"] < 1100.0
    assert first["commits"] == ["abc", "def"]
    assert execute(job) == first == job.done()
    assert len(calls) == 4
    assert job.share() == 1.0
    other = toy(run=run, budgets={**toy().budgets, "full": Budget({"start": 11.0})})
    with pytest.raises(ValueError, match="holds a run with other settings"):
        execute(Job(other, "full", 3, tmp_path))


def test_training_continues_in_its_folder(tmp_path: Path) -> None:
    from geomlat import models

    x = np.random.default_rng(0).random((40, 5), dtype=np.float32)

    def trained(folder: Path, *epochs: int) -> tuple[Task, np.ndarray]:
        folder.mkdir()
        task = Task("toy", {}, 3, folder)
        for n in epochs:
            model = task.fit(models.vae(5, latent="e1", hidden=(4,)), x, epochs=n, batch_size=10)
        assert model.run.epoch == epochs[-1]
        return task, model.theta

    task, theta = trained(tmp_path / "a", 2, 4)
    progress = task.folder / "progress.json"
    assert json.loads(progress.read_text())["share"] == pytest.approx(0.9)
    progress.unlink()
    # A training that has ended makes no epoch, and takes no first vector.
    model = task.fit(models.vae(5, latent="e1", hidden=(4,)), x, epochs=4, batch_size=10, theta=np.full(3, np.nan))
    np.testing.assert_array_equal(model.theta, theta)
    assert not progress.exists()
    np.testing.assert_array_equal(trained(tmp_path / "b", 4)[1], theta)


@pytest.mark.parametrize(
    "name", ["run.json", "progress.json", "earlier.json", "commits.json", "task.json", "part.json"]
)
def test_a_broken_file_of_a_run_is_named(name: str, tmp_path: Path) -> None:
    job = Job(toy(run=lambda task: task.once("part", lambda: {"score": 1.0})), "full", 0, tmp_path)
    job.folder.mkdir(parents=True)
    (job.folder / name).write_text('{"seed": 0, "sec')
    with pytest.raises(ValueError, match=rf"{name} cannot be read \(.*\); remove it and repeat the command"):
        execute(job)
    (job.folder / name).unlink()
    assert execute(job)["values"] == {"score": 1.0}
    assert not (job.folder / "error.txt").exists()


def test_examples_are_found_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "mine.py").write_text("ANSWER = 42\n")
    monkeypatch.chdir(tmp_path)
    task = Task("toy", {}, 0, tmp_path)
    assert task.example("mine").ANSWER == 42
    with pytest.raises(FileNotFoundError, match="in a clone of the repository"):
        task.example("nobodys")


def test_the_backend_decides_where_arrays_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(asarray=lambda x: ("on the device", x)))

    def run(task: Task) -> dict[str, float]:
        seen.append(task.place(3.0))
        return {"score": 1.0}

    for backend in ("numpy", "cupy"):
        execute(Job(toy(run=run), "full", 0, tmp_path / backend, backend))
    assert seen == [3.0, ("on the device", 3.0)]
    with pytest.raises(ValueError, match="another backend"):
        execute(Job(toy(run=run), "full", 0, tmp_path / "numpy", "cupy"))
    assert report.command("a", "full", "cupy") == "geomlat reproduce a --budget full --backend cupy"


def test_where_a_number_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert commit() == f"geomlat {geomlat.__version__}"
    for words in ("init -q", "-c user.name=a -c user.email=b commit -q --allow-empty -m c"):
        subprocess.run(["git", *words.split()], check=True)
    clean = commit()
    assert len(clean) == 12
    (tmp_path / "result.json").write_text("1")
    assert commit() == clean
    (tmp_path / "geomlat").mkdir()
    (tmp_path / "geomlat/code.py").write_text("1")
    assert commit() == f"{clean}+"
    assert machine("numpy")["cores"] == os.cpu_count()


COMMAND = [sys.executable, "-c", "import sys; from geomlat.cli import main; sys.exit(main())", "reproduce"]


def test_the_command_runs_keeps_and_repeats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["reproduce", "svae-mnist-d2", "nvae-mnist-d2", "--jobs", "2"]
    assert main(words) == 0
    said = capfd.readouterr()
    assert said.out.count("| short run |") == 2
    found = [json.loads((tmp_path / f"runs/reproduce/smoke/results/{n}.json").read_text()) for n in words[1:3]]
    assert all(f["status"] == "short run" and f["runs"][0]["values"]["log_p"] < 0 for f in found)
    assert found[0]["commit"] == commit()
    assert {"cpu", "cores", "numpy"} <= set(found[0]["machine"])
    assert main([*words, "--table"]) == 0
    assert capfd.readouterr().out == said.out


def test_standard_results_go_into_the_repository_and_its_page(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert reproduction.results_folder("standard", Path("out")) == Path("out/standard/results")
    (tmp_path / "REPRODUCTION.md").write_text(f"{report.BEGIN}{report.END}")
    (tmp_path / reproduction.RESULTS).mkdir(parents=True)
    assert reproduction.results_folder("smoke", Path("out")) == Path("out/smoke/results")
    assert reproduction.results_folder("full", Path("out")) == reproduction.RESULTS
    assert main(["reproduce", "svae-mnist-d2", "--table", "--budget", "full"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    page = (tmp_path / "REPRODUCTION.md").read_text()
    assert page.count("| not run |") == len(experiments())


def test_what_cannot_work_is_said_before_anything_runs(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)

    def none_found(_: int) -> None:
        raise RuntimeError("cudaErrorNoDevice")

    runtime = SimpleNamespace(getDeviceProperties=none_found, CUDARuntimeError=RuntimeError)
    words = ["reproduce", "sphere-uniform", "--backend", "cupy"]
    for module, text in (
        (SimpleNamespace(cuda=SimpleNamespace(runtime=runtime)), "CUDA finds none (cudaErrorNoDevice)"),
        (None, "pip install 'geomlat[cuda12]'"),
    ):
        monkeypatch.setitem(sys.modules, "cupy", module)
        assert main(words) == 2
        assert text in capsys.readouterr().err
    for jobs in ("0", "-2"):
        assert main([*words[:2], "--jobs", jobs]) == 2
        assert f"jobs must be a whole number, at least 1, got {jobs}" in capsys.readouterr().err
    folder = tmp_path / "runs/reproduce/smoke/results"
    folder.mkdir(parents=True)
    (folder / "sphere-uniform.json").write_text("[1")
    assert main(words[:2]) == 2
    assert "sphere-uniform.json is not a result" in capsys.readouterr().err
    assert not (tmp_path / "runs/reproduce/smoke/sphere-uniform").exists()


def test_a_failure_names_its_traceback_where_there_is_one(tmp_path: Path) -> None:
    job = Job(toy(), "full", 0, tmp_path)
    job.folder.mkdir(parents=True)
    (job.folder / "task.json").write_text("{}")
    (job.folder / "error.txt").write_text("of an earlier attempt")
    with pytest.raises(ValueError, match="other settings") as failure:
        execute(job)
    assert reproduction._why(job, failure.value) == f"ValueError: {failure.value}"
    (job.folder / "error.txt").write_text("Traceback")
    assert reproduction._why(job, failure.value).endswith(f"(see {job.folder / 'error.txt'})")
    assert "worker process was killed" in reproduction._why(job, BrokenProcessPool("abruptly"))


def test_smoke_needs_no_file(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GEOMLAT_DATA", str(tmp_path))
    monkeypatch.setattr("geomlat.data.wordnet.fetch", lambda *_: pytest.fail("a file was asked for"))
    monkeypatch.chdir(REPOSITORY)
    values = execute(Job(experiments()["mammals-d2"], "smoke", 0, tmp_path))["values"]
    assert 0.0 < values["precision"] <= 1.0


def test_the_list_has_every_experiment(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"\n{name} " in listed for name in experiments())


def test_an_interrupted_command_continues(tmp_path: Path) -> None:
    slow = "svae-mnist-d2"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*COMMAND, slow, "--jobs", "1"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        folder = tmp_path / "runs/reproduce/smoke" / slow / "seed-0"
        while not (folder / "task.json").is_file():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert b"repeat the command to continue" in said
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "run.json").is_file()


def test_the_page_says_what_the_results_say() -> None:
    folder = REPOSITORY / reproduction.RESULTS
    rows = report.page(families(), folder).split("\n")
    page = (REPOSITORY / reproduction.DOCUMENT).read_text()
    written = page.partition(report.BEGIN)[2].partition(report.END)[0].split("\n")
    # A row that nobody has run may be missing until the page is written again, a row that is not true may not be there.
    assert [line for line in written if line.startswith("|") and line not in rows] == []
    assert len(written) > 50
    assert not {p.stem for p in folder.glob("*.json")} - set(experiments())


def test_the_page_counts_its_rows_by_family(tmp_path: Path) -> None:
    results.write(tmp_path, toy("b"), result(12.4, 12.5))
    text = report.page({"First": [toy("a"), toy("b")], "Second": [toy("c")]}, tmp_path)
    assert text.startswith(
        "Of 3 rows: 0 reproduced, 1 beaten, 0 missed, 0 short run, 2 not run.\n\n## First\n\n| system"
    )
    assert text.count("## ") == 2
    detailed = replace(toy("b"), detail=lambda means: f"score {means['score']:.2f}")
    text = report.page({"First": [toy("a"), detailed], "Second": [toy("c")]}, tmp_path)
    assert "|\n\nscore 12.45\n\n## Second" in text
    assert all(not title.endswith(".") and "\n" not in title for title in families())
