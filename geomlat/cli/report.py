"""What a run is worth: the short table at its end, and ``metrics.json``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from geomlat.cli.runs import NAMES, Run
from geomlat.data import Dataset
from geomlat.evaluate import bound, factorised_baseline, knn_accuracy, log_likelihood, mean_and_error
from geomlat.random import stream
from geomlat.train import CheckpointError
from geomlat.train.checkpoint import write_atomic

METRICS = "metrics.json"
_ROWS = 1000
_HEADERS = ["model", "latent", "ELBO", "reconstruction", "KL", "log p(x)", "kNN"]

_SPACES = {"e": "R", "s": "S", "h": "H", "p": "B", "u": "M", "t": "T"}


def measure(run: Run, trained: dict[str, Any], dataset: Dataset, *, samples: int) -> dict[str, Any]:
    """The scores of every model and of the factorised pixels on the test split, as plain data; nats per row."""
    rng = stream(run.seed).child("test")
    x = dataset.prepare(dataset.test, rng=rng.child("data"))
    scores = {m: _score(model, x, dataset, samples, rng) for m, model in trained.items()}
    if not dataset.likelihood.startswith("gaussian"):
        train = dataset.prepare(dataset.train, rng=rng.child("train"))
        mean, error = mean_and_error(factorised_baseline(train, x, dataset.likelihood))
        scores["pixels"] = {"log_p": mean, "log_p_error": error}
    return {"data": dataset.name, "rows": len(x), "samples": samples, "scores": scores}


def table(run: Run, measured: dict[str, Any]) -> str:
    """The scores as text."""
    from tabulate import tabulate

    rows = [[*_label(run, m), *_cells(score)] for m, score in measured["scores"].items()]
    columns = tabulate(rows, _HEADERS, disable_numparse=True, stralign="right")
    title = f"{measured['data']}: {measured['rows']} test rows, nats per row"
    return f"{title}\n\n{columns}\n\n{_footnote(run, measured['samples'])}"


def save(folder: Path, run: Run, measured: dict[str, Any]) -> str:
    """Write the scores into the run folder, as JSON and as the table, which is returned."""
    text = table(run, measured)
    write_atomic(folder / METRICS, (json.dumps(measured, indent=2) + "\n").encode())
    write_atomic(folder / "table.txt", (text + "\n").encode())
    return text


def read(folder: Path) -> dict[str, dict[str, float]]:
    """The scores in a run folder by model.

    Raises
    ------
    CheckpointError
        If there are none, because the run has not ended.
    """
    try:
        return dict(json.loads((folder / METRICS).read_text())["scores"])
    except (FileNotFoundError, ValueError, KeyError) as failure:
        msg = f"{folder} holds no scores; finish the run with --resume, or score it with `geomlat evaluate {folder}`"
        raise CheckpointError(msg) from failure


def caption(score: dict[str, float]) -> str:
    """The two numbers that go below a picture."""
    knn = f", kNN {score['knn']:.3f}" if "knn" in score else ""
    return f"log p(x) = {score['log_p']:.2f} +- {score['log_p_error']:.2f} nats{knn}"


def _score(model: Any, x: np.ndarray, dataset: Dataset, samples: int, rng: Any) -> dict[str, float]:
    totals = bound(model, model.theta, x, rng=rng.child("noise"), rows=_ROWS)
    score = {"reconstruction": -totals["reconstruction"]}
    if "kl" in totals:
        found = log_likelihood(model, model.theta, x, samples=samples, rng=rng)
        score |= {"elbo": -totals["loss"], "kl": totals["kl"], "log_p": found.mean, "log_p_error": found.standard_error}
        score |= {"effective_samples": found.effective_samples_mean}
    if dataset.train_labels is not None:
        score["knn"] = _knn(model, x, dataset, rng)
    return score


def _knn(model: Any, x: np.ndarray, dataset: Dataset, rng: Any) -> float:
    first, starts = rng.child("train"), range(0, len(dataset.train), _ROWS)
    blocks = (dataset.prepare(dataset.train[i : i + _ROWS], rng=first.at(i)) for i in starts)
    z = np.concatenate([model.transform(block) for block in blocks])
    metric = model.manifold.pairwise_dist if hasattr(model, "posterior") else None
    return knn_accuracy(z, dataset.train_labels, model.transform(x), dataset.test_labels, pairwise_dist=metric)


def _label(run: Run, member: str) -> tuple[str, str]:
    if member == "pixels":
        return "independent pixels", "none"
    latent = run.members[member]
    name = NAMES[member] + (f", {run.prior}" if run.prior != "standard" else "")
    return name, latent if "," in latent or "*" in latent else f"{_SPACES[latent[0]]}^{latent[1:]}"


def _cells(score: dict[str, float]) -> list[str]:
    def number(name: str, digits: int = 2) -> str:
        return f"{score[name]:.{digits}f}" if name in score else ""

    log_p = f"{score['log_p']:.2f} +- {score['log_p_error']:.2f}" if "log_p" in score else ""
    return [number("elbo"), number("reconstruction"), number("kl"), log_p, number("knn", 3)]


def _footnote(run: Run, samples: int) -> str:
    shift = f" + {run.kappa_shift:g}" if run.kappa_shift else ", without a floor"
    kappa = f"kappa = softplus{shift}; " if "s" in run.latent and run.family != "cauchy" else ""
    return (
        f"{kappa}log p(x): {samples} importance samples, +- its standard error over rows;\n"
        "kNN: accuracy of 5 nearest neighbours in the latent space, by its own distance."
    )
