"""Labeled Faces in the Wild by latent dimension and by depth, in three geometries.

The post on constant curvature found that more dimensions and deeper networks stopped helping early. Here 128 units a
layer, one to four layers, all settings alike. Every cell says its bits per dimension, its bound on the pictures it was
trained with and on new ones, its rate and its active coordinates: a plateau is told from a collapse, from training that
ended early and from learning by heart.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import Any

from geomlat import models
from geomlat.data import Dataset
from geomlat.evaluate import active_units, bits_per_dimension, bound, log_likelihood
from geomlat.reproduce import vae
from geomlat.reproduce.experiment import Budget, Experiment, Gate
from geomlat.reproduce.floors import FLOORS
from geomlat.reproduce.task import Task

FULL = {
    "data": "lfw",
    "width": 128,
    "dims": [2, 3, 5, 10, 20],
    "depths": [1, 2, 3, 4],
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 1000,
    "warmup": 100,
    "patience": 50,
    "samples": 500,
    "test_rows": 194,
}
STANDARD = {**FULL, "epochs": 60, "warmup": 20, "samples": 100}
CELL = ("bits", "bound_seen", "bound", "rate", "active")
SMOKE = {**FULL, "data": "digits", "width": 8, "dims": [2], "depths": [1, 2], "epochs": 1, "warmup": 0, "samples": 2}


def run(task: Task) -> Mapping[str, float]:
    """``bits`` of the best cell, and the numbers of each, such as ``bits_d2_l1``."""
    s = task.settings
    data, cells, found = vae.images(s["data"]), list(product(s["dims"], s["depths"])), dict[str, float]()
    for k, (dim, depth) in enumerate(cells):
        name = f"d{dim}_l{depth}"
        measured = task.once(name, partial(_cell, task, data, name, dim, depth))
        found |= {f"{what}_{name}": value for what, value in measured.items()}
        task.progress((k + 1) / len(cells))
    bits = {name: value for name, value in found.items() if name.startswith("bits_d")}
    best = min(bits, key=lambda name: bits[name])
    return {"bits": found[best], "bits_error": found[best.replace("bits", "error")], **found}


def _cell(task: Task, data: Dataset, name: str, dim: int, depth: int) -> dict[str, float]:
    s = task.settings
    model = models.vae(
        data.n_features, latent=f"{s['space']}{dim}", hidden=[s["width"]] * depth, likelihood=data.likelihood
    )
    task.fit(
        model,
        task.place(data.train),
        part=name,
        share=0.0,
        epochs=s["epochs"],
        batch_size=s["batch_size"],
        optimizer=vae.optimizer(model, s),
        warmup_epochs=s["warmup"],
        patience=s["patience"],
        validation=task.place(data.validation),
        prepare=data.prepare,
    )
    return _scores(task, model, vae.held_out(task, data), data.prepare(task.place(data.train), rng=task.rng))


def _scores(task: Task, model: Any, x: Any, seen: Any) -> dict[str, float]:
    rng = task.rng.child("test")
    found = log_likelihood(model, model.theta, x, samples=task.settings["samples"], rng=rng)
    bits, error = (float(bits_per_dimension(v, x.shape[1])) for v in (found.mean, found.standard_error))
    new, old = (bound(model, model.theta, rows, rng=rng.child("noise")) for rows in (x, seen))
    means = model.encode(model.theta, x).mean()
    return {
        "bits": bits,
        "error": -error,
        "bound": float(bits_per_dimension(-new["loss"], x.shape[1])),
        "bound_seen": float(bits_per_dimension(-old["loss"], x.shape[1])),
        "rate": new["kl"],
        "active": float(active_units(means).sum()),
        "epochs": float(model.run.epoch),
    }


def _cells(system: str, means: Mapping[str, float]) -> str:
    """The table of the cells."""
    cells = [name.removeprefix("bits_d").split("_l") for name in means if name.startswith("bits_d")]
    dims, depths = ([*dict.fromkeys(column)] for column in zip(*cells, strict=True))
    head = ["d", *(f"{depth} layer{'s' * (depth > '1')}" for depth in depths)]
    rows = [[d, *(_cell_text(means, f"d{d}_l{depth}") for depth in depths)] for d in dims]
    table = "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))
    return (
        f"{system} by dimension and depth: bits per dimension (bound on the pictures it was trained with / on new "
        f"ones; nats of the rate, active coordinates, of which S^d and H^d have d + 1).\n\n{table}"
    )


def _cell_text(means: Mapping[str, float], name: str) -> str:
    bits, seen, new, rate, active = (means[f"{what}_{name}"] for what in CELL)
    return f"{bits:.3f} ({seen:.3f} / {new:.3f}; {rate:.1f}, {active:.0f})"


def _experiment(name: str, system: str, space: str, minutes: float) -> Experiment:
    own = {"space": space}
    return Experiment(
        name=f"{name}-lfw-grid",
        system=f"{system}, d = 2 to 20, 1 to 4 layers, the best",
        data="LFW, 7 people, 50 x 37 greys",
        measure="bits",
        quantity="bits per dimension",
        higher_is_better=False,
        run=run,
        budgets={
            "smoke": Budget({**SMOKE, **own}, minutes=0.05),
            "standard": Budget({**STANDARD, **own}, minutes=minutes),
            "full": Budget({**FULL, **own}, runs=3, minutes=12 * minutes),
        },
        gates=(Gate(measure="bits", at_most=FLOORS["lfw"].value, errors=3.0),),
        floor=FLOORS["lfw"],
        detail=partial(_cells, system),
    )


EXPERIMENTS = (
    _experiment("nvae", "N-VAE, R^d", "e", 8),
    _experiment("svae", "S-VAE, S^d", "s", 8),
    _experiment("hvae", "H-VAE, H^d", "h", 8),
)
