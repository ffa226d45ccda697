"""Labeled Faces in the Wild by latent dimension and by depth, in three geometries.

The post on constant curvature found that more dimensions and deeper networks stopped helping early. Here 128 units a
layer, one to four layers, all settings alike: bits per dimension, nats of the rate and active units of every cell, so
that a plateau can be told from a collapse.
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
SMOKE = {**FULL, "data": "digits", "width": 8, "dims": [2], "depths": [1, 2], "epochs": 1, "warmup": 0, "samples": 2}


def run(task: Task) -> Mapping[str, float]:
    """``bits`` of the best cell, and ``bits``, ``rate`` and ``active`` units of each, such as ``bits_d2_l1``."""
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
    return _scores(task, model, vae.held_out(task, data))


def _scores(task: Task, model: Any, x: Any) -> dict[str, float]:
    rng = task.rng.child("test")
    found = log_likelihood(model, model.theta, x, samples=task.settings["samples"], rng=rng)
    bits, error = (float(bits_per_dimension(v, x.shape[1])) for v in (found.mean, found.standard_error))
    means = model.encode(model.theta, x).mean()
    return {
        "bits": bits,
        "error": -error,
        "rate": bound(model, model.theta, x, rng=rng.child("noise"))["kl"],
        "active": float(active_units(means).sum()),
        "epochs": float(model.run.epoch),
    }


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
    )


EXPERIMENTS = (
    _experiment("nvae", "N-VAE, R^d", "e", 5),
    _experiment("svae", "S-VAE, S^d", "s", 5),
    _experiment("hvae", "H-VAE, H^d", "h", 7),
)
