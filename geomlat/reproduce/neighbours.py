"""k nearest neighbours in the latent space of autoencoders, with few labels.

Davidson et al. (2018), table 2: five neighbours among 100, 600 or 1000 labelled training images, by the angle on a
sphere and by the Euclidean distance on R^d. Here 20 balanced label sets, the same for every model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geomlat import models
from geomlat.evaluate import mean_and_error, subset_accuracies
from geomlat.reproduce import vae
from geomlat.reproduce.experiment import BUDGETS, Budget, Experiment, Gate, Published
from geomlat.reproduce.paired import gap, keep_rows
from geomlat.reproduce.task import Task

# Percentages at 100, 600 and 1000 labels, by dimension.
PUBLISHED = {
    "svae": {2: (77.9, 84.9, 85.6), 5: (87.5, 92.8, 93.4), 10: (80.6, 91.2, 92.8), 20: (72.8, 89.1, 91.1)},
    "nvae": {2: (72.6, 80.8, 81.7), 5: (81.8, 90.9, 92.0), 10: (75.7, 88.4, 90.2), 20: (71.3, 88.3, 90.1)},
}
LABELS = (100, 600, 1000)
GATES = {("svae", 5, 100): (Gate(measure="accuracy", at_least=87.0),)}


def run(task: Task) -> Mapping[str, float]:
    """The mean accuracy over the label sets, in percent; keeps that of each set."""
    s = task.settings
    data, model = vae.images(s["data"]), models.load(task.needed(s["model"]) / "model")
    rng = task.rng.child("neighbours")
    train = data.prepare(data.train, rng=rng.child("train"))
    test = data.prepare(data.test, rng=rng.child("test"))
    codes = [np.concatenate([model.transform(x[i : i + 1000]) for i in range(0, len(x), 1000)]) for x in (train, test)]
    # On one sphere the chord finds the neighbours that the angle does.
    found = 100.0 * subset_accuracies(
        codes[0],
        data.train_labels,
        codes[1],
        data.test_labels,
        s["labels"],
        n_sets=s["sets"],
        rng=rng,
    )
    keep_rows(task, found)
    accuracy, error = mean_and_error(found)
    return {"accuracy": accuracy, "accuracy_error": error}


def _experiment(family: str, d: int, labels: int) -> Experiment:
    trained = {"svae": vae.SVAE, "nvae": vae.NVAE}[family][d]
    value = PUBLISHED[family][d][LABELS.index(labels)]

    def budget(name: str) -> Budget:
        of = trained.budgets[name]
        small = name == "smoke"
        settings = {
            "model": trained.name,
            "data": of.settings["data"],
            "labels": 20 if small else labels,
            "sets": 2 if small else 20,
            "of": dict(of.settings),
        }
        return Budget(settings, of.runs, minutes=0.02 if small else 0.5)

    return Experiment(
        name=f"knn-{family}-d{d}-{labels}",
        system=trained.system,
        data=trained.data,
        measure="accuracy",
        quantity=f"kNN accuracy, {labels} labels, %",
        higher_is_better=True,
        run=run,
        budgets={name: budget(name) for name in BUDGETS},
        published=Published(value=value, source="Davidson et al. 2018, table 2", mark="mem"),
        gates=GATES.get((family, d, labels), ()),
        needs=(trained.name,),
    )


ROWS = {(f, d, n): _experiment(f, d, n) for n in LABELS for d in (2, 5, 10, 20) for f in ("svae", "nvae")}


def _gap(d: int) -> Experiment:
    first, second = ROWS["svae", d, 100], ROWS["nvae", d, 100]
    value = PUBLISHED["svae"][d][0] - PUBLISHED["nvae"][d][0]
    published = Published(value=round(value, 1), source="Davidson et al. 2018, table 2", mark="mem")
    name = f"knn-svae-minus-nvae-d{d}"
    return gap(first, second, name=name, quantity="kNN accuracy, 100 labels, %", at_least=3.0, published=published)


EXPERIMENTS = (*ROWS.values(), *(_gap(d) for d in (2, 5, 10)))
