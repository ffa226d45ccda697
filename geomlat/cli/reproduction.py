"""``geomlat reproduce``: runs what is missing of the table of experiments, and writes the reproduction table."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from pathlib import Path
from typing import Any

from geomlat.reproduce import BUDGETS, Experiment, Result, report, results, status
from geomlat.reproduce.machine import machine
from geomlat.reproduce.pool import work, workers
from geomlat.reproduce.running import ERROR, Job, plan, run_all
from geomlat.reproduce.table import chosen, experiments, families
from geomlat.train.settings import at_least

DOCUMENT, RESULTS = Path("REPRODUCTION.md"), Path("docs/reproduction/results")


def reproduce(args: Namespace) -> int:
    """Run, write results and the table; 1 if a run failed."""
    table = experiments()
    names = chosen(args.names, table)
    if args.list:
        print(_listing([table[n] for n in names]))
        return 0
    folder = results_folder(args.budget, args.out)
    failed: list[str] = []
    if not args.table:
        try:
            failed = _run(names, args, folder)
        except KeyboardInterrupt as stop:
            msg = "interrupted after a checkpoint of each run; repeat the command to continue"
            raise KeyboardInterrupt(msg) from stop
    text = report.table((table[n], results.read(folder, table[n])) for n in names)
    print(text)
    if folder == RESULTS:
        report.insert(DOCUMENT, report.page(families(), folder))
        print(f"\nwrote {DOCUMENT} from {folder}", file=sys.stderr)
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return 1 if failed else 0


def results_folder(budget: str, out: Path) -> Path:
    """Where results go: into the repository, if this is one; those of smoke runs stay with the runs."""
    return RESULTS if budget != "smoke" and DOCUMENT.is_file() and RESULTS.is_dir() else out / budget / "results"


def _run(names: Sequence[str], args: Namespace, folder: Path) -> list[str]:
    from tqdm import tqdm

    at_least("jobs", args.jobs, 1)
    jobs = plan(names, experiments(), args.budget, args.out, args.backend)
    about = machine(args.backend)
    for job in jobs:
        results.read(folder, job.experiment)  # one that cannot be read is better known before the runs than after
    failed: list[str] = []
    total = sum(job.minutes for job in jobs)
    with (
        tqdm(
            total=total, file=sys.stderr, dynamic_ncols=True, bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}"
        ) as bar,
        workers(args.jobs) as executor,
    ):

        def meanwhile() -> None:
            bar.n = min(total, sum(job.share() * job.minutes for job in jobs))
            bar.refresh()

        def ended(job: Job, outcome: dict[str, Any] | Exception) -> None:
            if isinstance(outcome, Exception):
                failed.append(f"{job.experiment.name}, seed {job.seed}: {_why(job, outcome)}")
                tqdm.write(failed[-1], file=sys.stderr)
                return
            word = _keep(folder, job, jobs, about)
            tqdm.write(
                f"{job.experiment.name}, seed {job.seed}: {report.duration(outcome['seconds'])}, {word}",
                file=sys.stderr,
            )

        meanwhile()
        bar.initial = bar.n
        run_all(jobs, executor, call=work, ended=ended, meanwhile=meanwhile)
        meanwhile()
    return failed


def _why(job: Job, failure: Exception) -> str:
    """What became of a run, and where its traceback is."""
    if isinstance(failure, BrokenExecutor):
        return "a worker process was killed, perhaps for want of memory; repeat the command to continue"
    error = job.folder / ERROR
    return f"{type(failure).__name__}: {failure}" + (f" (see {error})" if error.is_file() else "")


def _keep(folder: Path, job: Job, jobs: Sequence[Job], about: dict[str, Any]) -> str:
    """Write the result of all finished runs of an experiment, and say what has become of its row."""
    experiment = job.experiment
    siblings = (other for other in jobs if other.experiment.name == experiment.name)
    runs = [run for other in siblings if (run := other.done()) is not None]
    result = Result(
        experiment=experiment.name,
        budget=job.budget,
        settings=experiment.budgets[job.budget].settings,
        command=report.command(experiment.name, job.budget, job.backend),
        commit=", ".join(dict.fromkeys(commit for run in runs for commit in run["commits"])),
        machine=about,
        runs=runs,
    )
    if results.worth_more(results.read(folder, experiment), result):
        return f"not kept, since {folder} holds a result of a larger budget or of more runs"
    results.write(folder, experiment, result)
    return status(experiment, result)


def _listing(chosen: Sequence[Experiment]) -> str:
    from tabulate import tabulate

    rows = [
        [e.name, e.system, e.data, report.published(e.published), "; ".join(map(str, e.gates)), *_costs(e)]
        for e in chosen
    ]
    text = tabulate(rows, ["name", "system", "data", "published", "gate", *BUDGETS], disable_numparse=True)
    whole = {b: 60 * sum(e.budgets[b].runs * e.budgets[b].minutes for e in chosen) for b in BUDGETS}
    times = ", ".join(f"{budget} {report.duration(seconds)}" for budget, seconds in whole.items())
    return f"{text}\n\nall on one core: {times}"


def _costs(experiment: Experiment) -> list[str]:
    budgets = (experiment.budgets[b] for b in BUDGETS)
    return [f"{b.runs} x {report.duration(60 * b.minutes)}" for b in budgets]
