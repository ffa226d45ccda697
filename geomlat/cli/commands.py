"""What each command does; every one takes the parsed arguments."""

from __future__ import annotations

import importlib
import io
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from geomlat import train as training
from geomlat.cli import pictures, report, runs, seeds
from geomlat.data import SETS, Dataset, Points, Relations, load
from geomlat.train.checkpoint import CHECKPOINT, write_atomic


def train(args: Namespace) -> None:
    """Train, score, draw; leave a run folder, or one for each seed."""
    _need("matplotlib", "safetensors", "tabulate")
    if seeds.wanted(args):
        seeds.train(args, train_one)
    else:
        train_one(args)


def train_one(args: Namespace) -> None:
    """One run."""
    began = time.monotonic()
    folder, run = runs.resolve(args)
    dataset = images(run.data)
    members = {m: run.build(m, dataset) for m in run.members}
    for model in members.values():
        model.check(dataset.prepare(dataset.train[:2], rng=run.seed))
    print(describe(dataset), flush=True)
    runs.write(folder, run)
    try:
        for member, model in members.items():
            print(f"training {runs.NAMES[member]}, {run.epochs} epochs at most, into {folder / member}", flush=True)
            fit(model, dataset, run, folder / member, resume=args.resume)
        print(f"scoring {len(dataset.test)} test rows, {args.samples} importance samples each", flush=True)
        measured = report.measure(run, members, dataset, samples=args.samples)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(_how_to_resume(run, folder)) from stop
    text = report.save(folder, run, measured)
    drawn = pictures.draw(folder, run, members, dataset)
    print(
        f"\n{text}\n\n{len(drawn)} pictures, checkpoints and scores are in {folder} ({time.monotonic() - began:.0f} s)"
    )


def fit(model: Any, dataset: Dataset, run: runs.Run, folder: Path, *, resume: bool) -> None:
    """Train one model of a run into its folder."""
    fitted = training.fit(
        model,
        dataset.train,
        epochs=run.epochs,
        batch_size=run.batch_size,
        rng=run.seed,
        optimizer=run.optimiser(model, len(dataset.train)),
        beta=run.beta,
        warmup_epochs=run.warmup,
        validation=dataset.validation,
        patience=run.patience,
        prepare=dataset.prepare,
        directory=folder,
        resume=resume and (folder / CHECKPOINT).is_file(),
    )
    model.fitted(fitted.theta, fitted)


def evaluate(args: Namespace) -> None:
    """Score the models of a run folder anew, or of each run in it."""
    _need("safetensors", "tabulate")
    if seeds.is_group(args.folder):
        for folder in seeds.members(args.folder):
            evaluate(Namespace(**{**vars(args), "folder": folder}))
        print(seeds.save(args.folder))
        return
    run = runs.read(args.folder)
    dataset = images(run.data)
    trained = runs.fitted(args.folder, run)
    print(report.save(args.folder, run, report.measure(run, trained, dataset, samples=args.samples)))


def sample(args: Namespace) -> None:
    """Draw from the models of a run folder."""
    _need("matplotlib", "safetensors")
    run = runs.read(args.folder)
    dataset = images(run.data)
    trained = {m: model for m, model in runs.fitted(args.folder, run).items() if hasattr(model, "sample")}
    if not trained or args.n < 1:
        msg = f"asked for {args.n} samples of {', '.join(run.members)}; a plain autoencoder has none, n is at least 1"
        raise ValueError(msg)
    for member, model in trained.items():
        rows = model.sample(args.n, rng=args.seed)
        file = io.BytesIO()
        np.save(file, rows)
        write_atomic(args.folder / member / "samples.npy", file.getvalue())
        print(args.folder / member / "samples.npy")
        if dataset.image_shape is not None:
            print(pictures.draw_rows(args.folder / member / "samples.png", rows, dataset, runs.NAMES[member]))


def plot(args: Namespace) -> None:
    """Draw the pictures of a run folder."""
    _need("matplotlib", "safetensors")
    run = runs.read(args.folder)
    dataset = images(run.data)
    for path in pictures.draw(args.folder, run, runs.fitted(args.folder, run), dataset):
        print(path)


def images(name: str) -> Dataset:
    """A data set that the models of the command line can be trained on."""
    dataset = load(name)
    if not isinstance(dataset, Dataset):
        msg = f"the models of the command line need rows of features, and {dataset}"
        raise ValueError(msg)
    return dataset


def describe(dataset: Dataset | Points | Relations) -> str:
    """A data set in two lines."""
    if not isinstance(dataset, Dataset):
        return f"{dataset}\n{dataset.note}"
    sizes = " / ".join(str(len(x)) for x in (dataset.train, dataset.validation, dataset.test))
    return (
        f"{dataset.name}: {sizes} rows (train / validation / test) of {dataset.n_features} features, "
        f"likelihood {dataset.likelihood}\n{dataset.note}"
    )


def list_data(args: Namespace) -> None:
    """List the data sets, or load one and describe it."""
    if args.name is not None:
        print(describe(load(args.name)))
        return
    width = max(map(len, SETS))
    for name, (_, summary) in SETS.items():
        print(f"{name:{width}}  {summary}")


def check(args: Namespace) -> int:
    """Hold manifolds to their laws; 1 if one fails."""
    _need("hypothesis", "tabulate")
    from geomlat.cli import laws

    return laws.check(args.backend, args.manifold, args.examples)


def reproduce(args: Namespace) -> int:
    """Run the published systems and write the reproduction table; 1 if a run fails."""
    _need("safetensors", "tabulate", "tqdm")
    from geomlat.cli import reproduction

    return reproduction.reproduce(args)


COMMANDS: dict[str, Callable[[Namespace], int | None]] = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "plot": plot,
    "data": list_data,
    "check": check,
    "reproduce": reproduce,
}


def _need(*modules: str) -> None:
    # Asked for before the work, so that a long run does not end for want of a plotting library.
    for name in modules:
        importlib.import_module(name)


def _how_to_resume(run: runs.Run, folder: Path) -> str:
    return f"interrupted; continue with: geomlat train {run.model} --resume --out {folder}"
