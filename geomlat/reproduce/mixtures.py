"""Mixtures of flows.

Pires and Figueiredo (2020), "Variational mixture of normalizing flows"; no log-likelihood is reported there, and of its
clusterings only the table of counts on MNIST. A pinwheel's mixture is compared with one that was given all labels.
Accuracies on the plane are judged by the median of the runs. With labels the log-scale of a coupling stays below 1:
below 3 one run in five had a test point 2.6 standard deviations off its ring with log p = -5e5, since a flow of relu
networks may stretch by the most it can where no training point lies. The code is in ``examples/mixture_of_flows.py``
and ``examples/mixture_of_flows_mnist.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.task import Task

ACCURACY = "accuracy of the components, by the best matching"


def pinwheel(task: Task) -> Mapping[str, float]:
    """One training without labels, and one with all of them: accuracy, -log p, and how much more the first has."""
    module, s = task.example("mixture_of_flows"), dict(task.settings)
    case = s.pop("case")
    found = module.run(case, seed=task.seed, **s)[1]
    task.progress(0.7)
    taught = module.run(case, seed=task.seed, supervised=True, **s)[1]
    epochs = s.get("epochs", module.CASES[case][-1]["epochs"])
    return {**found, "gap": found["nll"] - taught["nll"], "excess": found["nll"] - found["floor"], "epochs": epochs}


def circles(task: Task) -> Mapping[str, float]:
    """One training on the circles; ``failed`` is 1 where the components are not the circles (accuracy below 0.95)."""
    module, s = task.example("mixture_of_flows"), dict(task.settings)
    case = s.pop("case")
    found = module.run(case, seed=task.seed, **s)[1]
    epochs = s.get("epochs", module.CASES[case][-1]["epochs"])
    failed = float(found["accuracy"] < 0.95)
    return {**found, "failed": failed, "excess": found["nll"] - found["floor"], "epochs": epochs}


def mnist(task: Task) -> Mapping[str, float]:
    """One training on MNIST's digits 0 to 4."""
    module, s = task.example("mixture_of_flows_mnist"), dict(task.settings)
    if s["rows"]:
        return toy_digits(module, task)
    frame, (first, validation, test) = module.coordinates(s["rank"], digits=s["digits"], seed=task.seed)
    task.progress(0.1)
    options = {"epochs": s["epochs"], "starts": s["starts"], "components": s["digits"], "seed": task.seed}
    model = module.train(first[0], validation[0], **options)
    return dict(module.scores(model, frame, test))


def toy_digits(module: Any, task: Task) -> Mapping[str, float]:
    """The same on some of scikit-learn's 8 x 8 digits, which need no download."""
    from geomlat import data
    from geomlat.flows import PixelFrame

    digits, s = data.load("digits"), task.settings
    kept = digits.train_labels < s["digits"]
    x, labels = digits.train[kept][: s["rows"]] * 15, digits.train_labels[kept][: s["rows"]]
    frame = PixelFrame.of(x, s["rank"], rng=task.seed)
    z, rest = frame.encode(x, rng=1)
    options = {"epochs": s["epochs"], "starts": s["starts"], "components": s["digits"], "trial_epochs": 1}
    return dict(module.scores(module.train(z, z, hidden=(8,), seed=task.seed, **options), frame, (z, rest, labels)))


def _planar(
    name: str, case: str, system: str, data: str, gates: tuple[Gate, ...], runs: int, minutes: float, **row: Any
) -> Experiment:
    smoke = {"case": case, "rows": 256, "epochs": 2} | ({} if row["run"] is circles else {"trial_epochs": 1})
    whole = {"case": case}
    budgets = {name: Budget(whole, count, minutes) for name, count in (("standard", 2), ("full", runs))}
    return Experiment(
        name=name,
        system=system,
        data=data,
        gates=gates,
        budgets={"smoke": Budget(smoke, 1, 0.2), **budgets},
        **row,
    )


def _wings(wings: int, text: str) -> Experiment:
    gates = (Gate(measure="accuracy", at_least=0.97, median=True), Gate(measure="gap", at_most=0.05))
    row = {"measure": "accuracy", "quantity": ACCURACY, "higher_is_better": True, "run": pinwheel}
    return _planar(f"pinwheel-{wings}", f"pinwheel-{wings}", "Mixture of flows, no labels", text, gates, 5, 3.0, **row)


def _rings(name: str, system: str, gate: Gate, runs: int, minutes: float) -> Experiment:
    text = "two circles, radii 0.8 and 0.4, s.d. 0.005, 1024 points"
    failed = gate.measure == "failed"
    row = {
        "measure": gate.measure,
        "quantity": "share of runs that miss the circles" if failed else "test accuracy",
        "higher_is_better": not failed,
        "run": circles,
    }
    return _planar(name, name, system, text, (gate,), runs, minutes, **row)


def _digits() -> Experiment:
    whole = {"rank": 32, "digits": 5, "epochs": 12, "starts": 4, "rows": 0}
    smoke = {"rank": 6, "digits": 5, "epochs": 1, "starts": 1, "rows": 300}
    return Experiment(
        name="mixture-mnist",
        system="Mixture of flows, no labels",
        data="MNIST, digits 0 to 4, grey levels",
        measure="accuracy",
        quantity=ACCURACY,
        higher_is_better=True,
        run=mnist,
        budgets={"smoke": Budget(smoke, 1, 0.2), "standard": Budget(whole, 1, 8), "full": Budget(whole, 1, 8)},
        published=Published(value=0.754, source="Pires and Figueiredo 2020, counts", mark="check"),
        gates=(Gate(measure="accuracy", at_least=0.76), Gate(measure="nmi", at_least=0.66)),
        detail=lambda means: (
            f"On MNIST's digits 0 to 4 the components have a normalised mutual information of {means['nmi']:.3f} with "
            f"the digits (published: 0.660) and {means['bits']:.2f} bits per dimension; their draws are a picture of "
            "`examples/mixture_of_flows_mnist.py`."
        ),
    )


EXPERIMENTS = (
    _wings(5, "pinwheel, 5 wings, 2560 points"),
    _wings(3, "pinwheel, 3 wings, 6144 points"),
    _rings("circles-plain", "Mixture of flows, no labels, as published", Gate(measure="failed", at_least=0.5), 20, 0.5),
    _rings("circles", "Mixture of polar flows, no labels", Gate(measure="failed", at_most=0.1), 20, 0.5),
    _rings("circles-64", "Mixture of flows, 64 labels", Gate(measure="accuracy", at_least=0.99, median=True), 5, 0.5),
    _rings("circles-32", "Mixture of flows, 32 labels", Gate(measure="accuracy", at_least=0.98, median=True), 5, 0.5),
    _digits(),
)
