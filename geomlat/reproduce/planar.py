"""Toy laws of the plane, in nats above their entropy.

A public RealNVP of 8 couplings with 64 units, 71 744 parameters and 1000 epochs has -log p = 2.0891 on two circles and
1.3375 on two moons with noise of 0.06, standardised; their entropies, computed anew, are 1.9006 and 1.305. The gates
are ours: an excess below 0.05 with a third of those parameters. The code is in ``examples/planar_flows.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.task import Task

SOURCE = "a public RealNVP of 71 744 parameters, less the entropy"
WHOLE = {"rows": 20_000, "epochs": 100, "blocks": 6, "hidden": [32, 32], "bins": 10}
SMOKE = {"rows": 600, "epochs": 1, "blocks": 2, "hidden": [4], "bins": 4}


def run(task: Task) -> Mapping[str, float]:
    """Train a spline flow; -log p of fresh draws, standardised, their entropy, and the excess of the first."""
    module, s = task.example("planar_flows"), dict(task.settings)
    law = module.LAWS[s.pop("law")]

    def fit(flow: Any, x: Any, *, rng: int, **settings: Any) -> Any:
        # The task has the seed already.
        return task.fit(flow, x, **settings)

    found = module.scores(module.train(law, seed=task.seed, fit=fit, **s), law, seed=task.seed)
    return {**found, "epochs": s["epochs"]}


def _experiment(name: str, data: str, published: float) -> Experiment:
    budgets: dict[str, tuple[dict[str, Any], int]] = {"smoke": (SMOKE, 1), "standard": ({}, 1), "full": ({}, 3)}
    return Experiment(
        name=f"plane-{name}",
        system="Spline couplings",
        data=f"{data}, noise 0.06",
        measure="excess",
        quantity="-log p(x) above the entropy, nats",
        higher_is_better=False,
        run=run,
        budgets={
            budget: Budget({"law": name, **WHOLE, **own}, runs, 0.1 if budget == "smoke" else 1.0)
            for budget, (own, runs) in budgets.items()
        },
        published=Published(value=published, source=SOURCE, mark="doc"),
        gates=(Gate(measure="excess", at_most=0.05), Gate(measure="parameters", at_most=24_000)),
    )


EXPERIMENTS = (
    _experiment("circles", "two circles, radii 1 and 0.4", 0.1885),
    _experiment("moons", "two moons", 0.0325),
)
