"""WordNet's mammals embedded in the Poincare ball and in Euclidean space: ``examples/poincare_embedding.py``.

Nickel and Kiela (2017), "Poincare embeddings for learning hierarchical representations". Their tables are for all
82 115 nouns; for the mammals alone none was found, so the gate is the Euclidean embedding trained alike.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from geomlat import data
from geomlat.manifolds import Euclidean, PoincareBall
from geomlat.reproduce.experiment import Budget, Experiment, Gate
from geomlat.reproduce.task import Task


def run(task: Task) -> Mapping[str, float]:
    """Embed the mammals in both spaces: mean rank and mean average precision of the hypernyms."""
    module, s = task.example("poincare_embedding"), task.settings
    found: dict[str, float] = {}
    relations = _tree() if s.get("data") == "toy" else data.load("mammals")
    for prefix, manifold in (("", PoincareBall(s["dim"])), ("euclidean_", Euclidean(s["dim"]))):
        x = module.embed(manifold, relations, epochs=s["epochs"], lr=s["learning_rate"], seed=task.seed)
        rank, precision = module.scores(manifold, x, relations.pairs)
        task.progress(0.5)
        found |= {f"{prefix}rank": float(rank), f"{prefix}precision": float(precision)}
    return {**found, "gain": found["precision"] - found["euclidean_precision"]}


def _tree() -> data.Relations:
    """The smoke runs need no file: a binary tree of 31 names, each with all that stand above it."""
    above = [[place >> up for up in range(1, place.bit_length())] for place in range(1, 32)]
    pairs = np.array([(child, of - 1) for child, ancestors in enumerate(above) for of in ancestors])
    return data.Relations("tree", tuple(map(str, range(1, 32))), pairs, "")


def _mammals(dim: int) -> Experiment:
    def budget(epochs: int, runs: int, minutes: float, **own: str) -> Budget:
        return Budget({"dim": dim, "epochs": epochs, "learning_rate": 0.1, **own}, runs, minutes)

    return Experiment(
        name=f"mammals-d{dim}",
        system=f"Poincare embedding, B^{dim}",
        data="WordNet 3.0, closure of the mammals, reconstruction",
        measure="precision",
        quantity="mean average precision",
        higher_is_better=True,
        run=run,
        budgets={"smoke": budget(1, 1, 0.1, data="toy"), "standard": budget(150, 2, 1), "full": budget(150, 5, 1)},
        gates=(Gate(measure="gain", at_least=0.2, errors=3.0),),
    )


EXPERIMENTS = (_mammals(2), _mammals(5))
