"""Several runs of one command, a folder for each seed, and the table of their means."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

from geomlat.cli import report, runs
from geomlat.reproduce.pool import call, workers
from geomlat.train import CheckpointError
from geomlat.train.checkpoint import writable_folder, write_atomic
from geomlat.train.settings import at_least

SEEDS = "seeds.json"
LOG = "log.txt"
Train = Callable[[Namespace], None]


def wanted(args: Namespace) -> bool:
    """Whether the arguments of ``geomlat train`` ask for several runs, or to resume them."""
    return args.seeds is not None or bool(args.resume and args.out is not None and is_group(args.out))


def is_group(folder: Path) -> bool:
    """Whether a folder holds several runs."""
    return (folder / SEEDS).is_file()


def train(args: Namespace, train_one: Train) -> None:
    """Train each seed into ``seed-S`` below one folder, ``--jobs`` at a time; print and save the table of the means.

    Raises
    ------
    ValueError
        If the folder already holds runs and ``--resume`` was not given, or the other way round.
    """
    folder, numbers = _resolve(args)
    first = args.seed or 0
    each = [_one(args, folder, first + k) for k in range(numbers)]
    run = runs.resolve(each[0])[1]
    for one in each[1:] if args.resume else ():
        if not one.resume:  # a seed that is added to those of the folder takes their settings
            runs.write(one.out, replace(run, seed=one.seed))
            one.resume = True
    write_atomic(writable_folder(folder) / SEEDS, json.dumps([one.seed for one in each]).encode())
    todo = [one for one in each if not (one.resume and args.epochs is None and (one.out / report.METRICS).is_file())]
    if args.jobs == 1:
        for one in todo:
            train_one(one)
    else:
        _at_once(todo, args.jobs, train_one)
    print(f"\n{save(folder)}\n\nthe runs are in {folder}")


def save(folder: Path) -> str:
    """Write the table of the means over the runs of a folder, which is returned."""
    folders = members(folder)
    run = runs.read(folders[0])
    text = report.means(run, [report.read_all(one) for one in folders])
    write_atomic(folder / "table.txt", (text + "\n").encode())
    return text


def members(folder: Path) -> list[Path]:
    """The folders of the runs of a group."""
    return [folder / f"seed-{s}" for s in json.loads((folder / SEEDS).read_text())]


def _resolve(args: Namespace) -> tuple[Path, int]:
    at_least("jobs", args.jobs, 1)
    if args.resume:
        if args.out is None or not is_group(args.out):
            msg = f"several runs resume from the folder that holds them, with --out; got {args.out}"
            raise CheckpointError(msg)
        before = json.loads((args.out / SEEDS).read_text())
        if args.seed not in (None, before[0]):
            msg = f"{args.out} holds the seeds from {before[0]} on; leave --seed out, or train into another --out"
            raise CheckpointError(msg)
        args.seed = before[0]
        return args.out, args.seeds or len(before)
    at_least("seeds", args.seeds, 2)
    folder = args.out or runs.new_folder(args, f"{args.seeds}-seeds")
    if is_group(folder) or (folder / runs.RUN).exists():
        msg = f"{folder} already holds runs; continue them with --resume, or choose another --out"
        raise ValueError(msg)
    return folder, args.seeds


def _one(args: Namespace, folder: Path, seed: int) -> Namespace:
    out = folder / f"seed-{seed}"
    own = {"seed": seed, "seeds": None, "out": out, "resume": args.resume and (out / runs.RUN).is_file()}
    return Namespace(**{**vars(args), **own})


def _at_once(todo: list[Namespace], jobs: int, train_one: Train) -> None:
    with workers(jobs) as executor:
        waiting = {executor.submit(call, _logged, train_one, one): one for one in todo}
        print(f"training {len(todo)} seeds, {jobs} at a time; each writes {LOG} into its folder", flush=True)
        for done in as_completed(waiting):
            done.result()
            print(f"seed {waiting[done].seed} is done", flush=True)


def _logged(train_one: Train, one: Namespace) -> dict[str, Any]:
    writable_folder(one.out)
    with (one.out / LOG).open("a") as log, contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        train_one(one)
    return {}
