"""Running experiments: which runs are missing, in what order, on how many cores, and what is kept of each."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geomlat.reproduce.experiment import Experiment
from geomlat.reproduce.machine import commit
from geomlat.reproduce.results import plain
from geomlat.reproduce.task import PROGRESS, Task, read_json
from geomlat.train.checkpoint import write_atomic

RUN, ERROR, COMMITS = "run.json", "error.txt", "commits.json"


@dataclass(frozen=True)
class Job:
    """One run to be made: experiment, budget, seed and backend, in a folder below ``out``."""

    experiment: Experiment
    budget: str
    seed: int
    out: Path
    backend: str = "numpy"

    @property
    def folder(self) -> Path:
        """Where the run lives."""
        return self.out / self.budget / self.experiment.name / f"seed-{self.seed}"

    @property
    def minutes(self) -> float:
        """What the table says a run takes."""
        return self.experiment.budgets[self.budget].minutes

    @property
    def identity(self) -> dict[str, Any]:
        """What a finished run must have been made with, to be this one."""
        settings = plain(self.experiment.budgets[self.budget].settings)
        return {"settings": settings, "seed": self.seed, "backend": self.backend}

    def done(self) -> dict[str, Any] | None:
        """The finished run, or None."""
        path = self.folder / RUN
        return dict(read_json(path)) if path.is_file() else None

    def share(self) -> float:
        """How much of a run in progress is done, from 0 to 1."""
        path = self.folder / PROGRESS
        return 1.0 if self.done() else float(read_json(path)["share"]) if path.is_file() else 0.0


def plan(
    names: Iterable[str], table: dict[str, Experiment], budget: str, out: Path, backend: str = "numpy"
) -> list[Job]:
    """The runs of experiments and of those they need, an experiment after those it needs."""
    ordered: dict[str, None] = {}

    def add(name: str) -> None:
        for before in table[name].needs:
            add(before)
        ordered.setdefault(name)

    for name in names:
        add(name)
    return [Job(table[n], budget, seed, out, backend) for n in ordered for seed in range(table[n].budgets[budget].runs)]


def execute(job: Job) -> dict[str, Any]:
    """Make one run, or take it as an earlier attempt left it: ``seed``, ``seconds``, ``commits`` and ``values``.

    The commits are those of all attempts, since a run may be continued by other code than began it.

    Raises
    ------
    ValueError
        If the folder holds a run with other settings.
    """
    finished = job.done()
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / ERROR).unlink(missing_ok=True)
    _require_same(job)
    if finished is not None:
        return finished
    commits = _commits(job)
    before = job.folder / PROGRESS
    if before.is_file():
        write_atomic(job.folder / "earlier.json", json.dumps(read_json(before)["seconds"]).encode())
    task = Task(job.experiment.name, job.experiment.budgets[job.budget].settings, job.seed, job.folder, job.backend)
    try:
        values = {name: float(value) for name, value in job.experiment.run(task).items()}
    except BaseException:
        task.progress(job.share())
        write_atomic(job.folder / ERROR, traceback.format_exc().encode())
        raise
    seconds = task.earlier() + time.monotonic() - task.began
    run = {"seed": job.seed, "seconds": seconds, "commits": commits, "values": values}
    write_atomic(job.folder / RUN, (json.dumps(run, indent=1) + "\n").encode())
    return run


def run_all(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    call: Callable[[Job], dict[str, Any]] = execute,
    ended: Callable[[Job, dict[str, Any] | Exception], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Make all runs, the longest first, each after those it needs; ``ended`` hears of every one, also of failures.

    A run whose needed run failed is not made. ``meanwhile`` is called about once a second.
    """
    waiting, running = list(jobs), dict[Future[dict[str, Any]], Job]()
    good = set[tuple[str, int]]()
    while waiting or running:
        ready = [job for job in waiting if all((name, job.seed) in good for name in job.experiment.needs)]
        for job in sorted(ready, key=lambda job: -job.minutes):
            running[executor.submit(call, job)] = job
        waiting = [job for job in waiting if job not in ready]
        if not running:
            for job in waiting:
                ended(job, ValueError(f"not run, since a run it needs failed ({', '.join(job.experiment.needs)})"))
            return
        for future in wait(running, timeout=1.0, return_when=FIRST_COMPLETED).done:
            job = running.pop(future)
            failure = future.exception()
            if failure is None:
                good.add((job.experiment.name, job.seed))
                ended(job, future.result())
            elif isinstance(failure, Exception):
                ended(job, failure)
            else:
                raise failure
        meanwhile()


def _require_same(job: Job) -> None:
    path = job.folder / "task.json"
    if not path.is_file():
        write_atomic(path, (json.dumps(job.identity, indent=1) + "\n").encode())
    elif read_json(path) != job.identity:
        msg = f"{job.folder} holds a run with other settings or another backend; remove it, or choose another --out"
        raise ValueError(msg)


def _commits(job: Job) -> list[str]:
    path, now = job.folder / COMMITS, commit()
    before = read_json(path) if path.is_file() else []
    found = [*before, *([] if now in before else [now])]
    write_atomic(path, json.dumps(found).encode())
    return found
