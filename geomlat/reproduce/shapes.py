"""Toys of known truth and the angles of molecules: the circle, the tree, QM9.

- The circle: Davidson, Falorsi, De Cao, Kipf, Tomczak (2018), figure 1, and the remark in talks on it that the outcome
  depends on the initialisation: here every run is another one, of the same data. Neither the embedding nor the noise
  was published; with noise of 0.1 every model but a collapsed one finds the circle, so there is a noisier one, too.
- The tree: Nagano, Yamaguchi, Fujita, Koyama (2019), section 5.1, with the network of their repository: one hidden
  layer of 100 tanh units. Their gate is the sign of the difference between the hyperbolic and the Euclidean latent.
- QM9: a post on constant-curvature VAEs, which showed pictures and no numbers, with a cosine loss, and with a rate for
  hyperbolic space that is no divergence. The gate is a von Mises law for each angle apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from geomlat.data import Dataset, circle, load, tree
from geomlat.evaluate import circle_recovery, log_likelihood
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.reproduce.experiment import Budget, Experiment, Gate
from geomlat.reproduce.floors import FLOORS
from geomlat.reproduce.task import Task

LABELS = {"AE": "ae", "N-VAE, beta = 10": "nvae_10", "N-VAE, beta = 0.1": "nvae_01", "S-VAE": "svae"}


def run_circle(task: Task) -> Mapping[str, float]:
    """Train the four models from one initialisation: ``NAME`` is 1 where the circle was found, else 0.

    ``NAME_rank`` and ``NAME_angles`` are the two correlations; ``gain_10`` and ``gain_01`` are what S-VAE finds more
    often than either Gaussian one.
    """
    module, s = task.example("circle_recovery"), task.settings
    d, found = circle(s["rows"], noise=s["noise"]), dict[str, float]()
    for name, label in LABELS.items():
        model = module.train(name, d, epochs=s["epochs"], hidden=s["hidden"], fit=_fit(task, label))
        recovery = circle_recovery(model.transform(d.train), d.angles[0] if d.angles else None)
        found |= {label: float(recovery.recovered)}
        found |= {f"{label}_rank": recovery.rank_correlation, f"{label}_angles": recovery.correlation}
    gains = {f"gain_{beta}": found["svae"] - found[f"nvae_{beta}"] for beta in ("10", "01")}
    return {**found, **gains, "epochs": s["epochs"]}


def run_tree(task: Task) -> Mapping[str, float]:
    """Train both spaces from one initialisation: correlations of distances, and which of the two is the better."""
    module, s = task.example("tree_vae"), task.settings
    d, found = tree(s["depth"], noise=s["noise"]), dict[str, float]()
    for prefix, latent in (("", "h2"), ("euclidean_", "e2")):
        shape = {"hidden": tuple(s["hidden"]), "activation": s["activation"]}
        model = module.train(latent, d, steps=s["steps"], **shape, fit=_fit(task, latent))
        found |= {f"{prefix}{name}": value for name, value in module.scores(model, d, seed=task.seed).items()}
    gain = found["clean"] - found["euclidean_clean"]
    return {**found, "gain": gain, "better": float(gain > 0), "epochs": s["steps"]}


def run_angles(task: Task) -> Mapping[str, float]:
    """Train a space of six dimensions on QM9's dihedral angles: likelihood, rate and angular errors of test rows.

    ``gain`` is how much better the rows are explained than by a von Mises law for each angle apart.
    """
    module, s = task.example("qm9_dihedrals"), task.settings
    d = _angles_of(s["data"])
    model = module.train(s["latent"], d, epochs=s["epochs"], width=s["width"], fit=_fit(task, "model"))
    _, found = module.scores(model, d, rows=s["rows"], samples=s["samples"], seed=task.seed)
    theta, x = model.init(rng=task.rng.child("init"), dtype=np.float32), d.test[: s["rows"]]
    before = log_likelihood(model, theta, x, samples=min(10, s["samples"]), rng=task.rng.child("untrained"))
    return {**found, "log_p_untrained": before.mean, "epochs": s["epochs"]}


def _angles_of(name: str) -> Dataset:
    # The smoke runs need no file: the circle's angles stand in for those of molecules.
    if name == "circle":
        d = circle(200)
        train, validation, test = (_pairs(a) for a in d.angles or ())
        return Dataset("angles", train, validation, test, None, None, None, "von-mises", d.note)
    return load(name)  # type: ignore[no-any-return]


def _pairs(angles: Any) -> Any:
    return pairs_from_angles(angles[:, None]).astype("float32")


def _fit(task: Task, part: str) -> Any:
    def fit(model: Any, x: Any, **settings: Any) -> Any:
        return task.fit(model, x, part=part, **settings)

    return fit


def _circle(name: str, noise: float, gates: tuple[Gate, ...]) -> Experiment:
    settings = {"rows": 1000, "noise": noise, "epochs": 100, "hidden": 32}
    smoke = {"rows": 50, "noise": noise, "epochs": 1, "hidden": 4}
    return Experiment(
        name=name,
        system="S-VAE, S^1, beside AE and N-VAE",
        data=f"three clusters on a circle in R^100, noise {noise:g}, training rows",
        measure="svae",
        quantity="share of initialisations that find the circle",
        higher_is_better=True,
        run=run_circle,
        budgets={
            "smoke": Budget(smoke, 1, 0.05),
            "standard": Budget(settings, 5, 0.5),
            "full": Budget(settings, 20, 0.5),
        },
        gates=gates,
    )


def _qm9(name: str, system: str, latent: str) -> Experiment:
    settings = {"data": "qm9-dihedrals", "latent": latent, "width": 96, "epochs": 200, "rows": 7177, "samples": 500}
    short = {**settings, "epochs": 40, "rows": 2000, "samples": 100}
    smoke = {**short, "data": "circle", "epochs": 1, "width": 4, "samples": 2}
    return Experiment(
        name=name,
        system=system,
        data="QM9, dihedral angles of rotatable bonds",
        measure="log_p",
        quantity="log p(x), nats",
        higher_is_better=True,
        run=run_angles,
        budgets={"smoke": Budget(smoke, 1, 0.05), "standard": Budget(short, 1, 2), "full": Budget(settings, 5, 6)},
        gates=(Gate(measure="gain", at_least=0.0, errors=2.0),),
        floor=FLOORS["qm9-dihedrals"],
    )


TREE = {"depth": 8, "noise": 0.1, "steps": 1200, "hidden": [100], "activation": "tanh"}
EXPERIMENTS = (
    _circle("circle", 0.1, (Gate(measure="svae", at_least=0.95),)),
    _circle("circle-noisy", 0.5, (Gate(measure="svae", at_least=0.95), Gate(measure="gain_10", at_least=0.2))),
    Experiment(
        name="tree",
        system="H-VAE, H^2, beside N-VAE, R^2",
        data="binary tree of 255 nodes, a tenth of the bits flipped",
        measure="clean",
        quantity="correlation of latent with tree distances",
        higher_is_better=True,
        run=run_tree,
        budgets={
            "smoke": Budget({**TREE, "depth": 3, "steps": 1}, 1, 0.05),
            "standard": Budget(TREE, 3, 1.5),
            "full": Budget(TREE, 10, 1.5),
        },
        gates=(Gate(measure="better", at_least=0.8), Gate(measure="gain", at_least=0.0, errors=2.0)),
    ),
    _qm9("qm9-flat", "VAE, R^6", "e6"),
    _qm9("qm9-sphere", "VAE, S^6", "s6"),
    _qm9("qm9-hyperbolic", "VAE, H^6", "h6"),
    _qm9("qm9-torus", "VAE, (S^1)^6", "6*s1"),
    _qm9("qm9-mixed", "VAE, S^2 x H^2 x R^2", "s2,h2,e2"),
)
