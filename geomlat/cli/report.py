"""What a run is worth: the short table at its end, and ``metrics.json``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from geomlat.backends import thread_limit
from geomlat.cli.runs import NAMES, Run
from geomlat.data import Dataset
from geomlat.evaluate import (
    angular_scores,
    bits_per_dimension,
    bound,
    factor_active_units,
    knn_accuracy,
    log_likelihood,
    mean_and_error,
    tails,
)
from geomlat.evaluate.tails import LEVELS
from geomlat.manifolds import Euclidean
from geomlat.models import CosineLoss, DiscretisedLogistic, independent_features
from geomlat.models.angles import Angles
from geomlat.random import stream
from geomlat.train import CheckpointError
from geomlat.train.checkpoint import write_atomic

METRICS = "metrics.json"
ROWS = "log_likelihood.npy"
_ROWS = 1000
_BITS, _DEGREES = "bits/dim", "error, degrees"
_FLAT = "blog's formula"
_HEADERS = ["model", "latent", "ELBO", "reconstruction", "KL", _FLAT, "log p(x)", _BITS, "kNN", _DEGREES]
# The columns that are shown if some model has them.
_OPTIONAL = {_FLAT: "euclidean_kl", _BITS: "bits_per_dimension", _DEGREES: "degrees"}
_NUMBERS = {
    "ELBO": ("elbo", 2),
    "reconstruction": ("reconstruction", 2),
    "KL": ("kl", 2),
    _FLAT: ("euclidean_kl", 2),
    "log p(x)": ("log_p", 2),
    _BITS: ("bits_per_dimension", 3),
    "kNN": ("knn", 3),
    _DEGREES: ("degrees", 2),
}
_FACTORS = ["factor", "KL", "active coordinates"]
_SPREAD = ["log p(x) of rows", "latent", "s.d.", "skewness", "1 %", "5 %", "median", "below mean - 2 s.d."]

_SPACES = {"e": "R", "s": "S", "h": "H", "p": "B", "u": "M", "t": "T"}


def measure(run: Run, trained: dict[str, Any], dataset: Dataset, *, samples: int) -> dict[str, Any]:
    """The scores of every model and of independent features on the test split, in nats per row.

    All is plain data but ``"each"``, which has the log-likelihoods of the rows by model. One thread, as in training:
    the scores of a run are then the same beside other runs as alone.
    """
    with thread_limit(1):
        return _measure(run, trained, dataset, samples)


def _measure(run: Run, trained: dict[str, Any], dataset: Dataset, samples: int) -> dict[str, Any]:
    rng = stream(run.seed).child("test")
    x = dataset.prepare(dataset.test, rng=rng.child("data"))
    each: dict[str, np.ndarray] = {}
    scores: dict[str, Any] = {}
    for member, model in trained.items():
        scores[member] = _score(model, x, dataset, rng)
        if hasattr(model, "log_weights") and not isinstance(model.likelihood, CosineLoss):
            found = log_likelihood(model, model.theta, x, samples=samples, rng=rng)
            scores[member] |= _likelihoods(found.log_p, model.likelihood, dataset)
            scores[member] |= {"effective_samples": found.effective_samples_mean}
            each[member] = found.log_p
    density = next(iter(trained.values())).likelihood
    alone = independent_features(dataset.prepare(dataset.train, rng=rng.child("train")), x, density)
    if alone is not None:
        each[alone[0]] = alone[1]
        scores[alone[0]] = _likelihoods(alone[1], density, dataset)
    return {"data": dataset.name, "rows": len(x), "samples": samples, "scores": scores, "each": each}


def table(run: Run, measured: dict[str, Any]) -> str:
    """The scores as text."""
    from tabulate import tabulate

    scores = measured["scores"]
    headers = _headers(scores.values())
    rows = [[*_label(run, m), *(_cell(score, h) for h in headers[2:])] for m, score in scores.items()]
    columns = tabulate(rows, headers, disable_numparse=True, stralign="right")
    title = f"{measured['data']}: {measured['rows']} test rows, nats per row"
    spread = [[*_label(run, m), *_spread(score["tails"])] for m, score in scores.items() if "tails" in score]
    below = tabulate(spread, _SPREAD, disable_numparse=True, stralign="right") + "\n\n" if spread else ""
    parts = [row for m, score in scores.items() for row in _parts(run, m, score)]
    factors = tabulate(parts, _FACTORS, disable_numparse=True, stralign="right") + "\n\n" if parts else ""
    return f"{title}\n\n{columns}\n\n{factors}{below}{_footnote(run, measured['samples'], headers)}"


def means(run: Run, measured: list[dict[str, Any]]) -> str:
    """The means of the scores of several runs with their standard errors over the runs, as text."""
    from tabulate import tabulate

    first = measured[0]
    headers = _headers(first["scores"].values())
    rows = []
    for member in first["scores"]:
        scores = [m["scores"][member] for m in measured]
        rows.append([*_label(run, member), *(_mean_cell(scores, h) for h in headers[2:])])
    columns = tabulate(rows, headers, disable_numparse=True, stralign="right")
    title = f"{first['data']}: {first['rows']} test rows, nats per row; means over {len(measured)} runs"
    samples = " or ".join(map(str, sorted({m["samples"] for m in measured})))
    note = f"+-: the standard error over the runs; log p(x): {samples} importance samples{_formula(headers)}."
    return f"{title}\n\n{columns}\n\n{note}"


def save(folder: Path, run: Run, measured: dict[str, Any]) -> str:
    """Write the scores into the run folder, as JSON and as the table, which is returned."""
    text = table(run, measured)
    plain = {name: value for name, value in measured.items() if name != "each"}
    write_atomic(folder / METRICS, (json.dumps(plain, indent=2) + "\n").encode())
    for member, log_p in measured["each"].items():
        if member in run.members:
            file = io.BytesIO()
            np.save(file, log_p)
            write_atomic(folder / member / ROWS, file.getvalue())
    write_atomic(folder / "table.txt", (text + "\n").encode())
    return text


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The scores in a run folder by model; see `read_all`."""
    return dict(read_all(folder)["scores"])


def read_all(folder: Path) -> dict[str, Any]:
    """What `save` wrote into a run folder.

    Raises
    ------
    CheckpointError
        If there are none, because the run has not ended.
    """
    try:
        return dict(json.loads((folder / METRICS).read_text()))
    except (FileNotFoundError, ValueError, KeyError) as failure:
        msg = f"{folder} holds no scores; finish the run with --resume, or score it with `geomlat evaluate {folder}`"
        raise CheckpointError(msg) from failure


def read_rows(folder: Path, run: Run) -> dict[str, np.ndarray]:
    """The log-likelihoods of the test rows in a run folder, by the names of the models that have them."""
    paths = {NAMES[m]: folder / m / ROWS for m in run.members}
    return {name: np.load(path) for name, path in paths.items() if path.is_file()}


def caption(score: dict[str, Any]) -> str:
    """The two numbers that go below a picture."""
    knn = f", kNN {score['knn']:.3f}" if "knn" in score else ""
    return f"log p(x) = {score['log_p']:.2f} +- {score['log_p_error']:.2f} nats{knn}"


def _likelihoods(log_p: np.ndarray, density: Any, dataset: Dataset) -> dict[str, Any]:
    mean, error = mean_and_error(log_p)
    score: dict[str, Any] = {"log_p": mean, "log_p_error": error, "tails": asdict(tails(log_p))}
    if isinstance(density, DiscretisedLogistic):
        bits, bits_error = (bits_per_dimension(v, dataset.n_features) for v in (mean, -error))
        score |= {"bits_per_dimension": bits, "bits_per_dimension_error": bits_error}
    return score


def _score(model: Any, x: np.ndarray, dataset: Dataset, rng: Any) -> dict[str, float]:
    totals = bound(model, model.theta, x, rng=rng.child("noise"), rows=_ROWS)
    score = {"reconstruction": -totals["reconstruction"]}
    if "kl" in totals:
        score |= {"kl": totals["kl"]}
        if not isinstance(model.likelihood, CosineLoss):
            score |= {"elbo": score["reconstruction"] - totals["kl"]}
        score |= {name: totals[name] for name in ("euclidean_kl",) if name in totals}
        score |= _factors(model, x, totals)
    if isinstance(model.likelihood, Angles):
        angles = angular_scores(model.inverse_transform(model.transform(x)), x)
        score |= {"degrees": angles.mean_error, "degrees_error": angles.standard_error}
    if dataset.train_labels is not None:
        score["knn"] = _knn(model, x, dataset, rng)
    return score


def _factors(model: Any, x: np.ndarray, totals: dict[str, float]) -> dict[str, Any]:
    manifold, means = model.manifold, model.encode(model.theta, x).mean()
    names = [repr(f) for f in getattr(manifold, "factors", (manifold,))]
    # A mixture over a product space is no product: its KL has no parts.
    kl = [totals["kl"]] if len(names) == 1 else [totals.get(f"kl_{i}") for i in range(len(names))]
    return {"factors": names, "factor_kl": kl, "active": factor_active_units(means, manifold)}


def _knn(model: Any, x: np.ndarray, dataset: Dataset, rng: Any) -> float:
    first, starts = rng.child("train"), range(0, len(dataset.train), _ROWS)
    blocks = (dataset.prepare(dataset.train[i : i + _ROWS], rng=first.at(i)) for i in starts)
    z = np.concatenate([model.transform(block) for block in blocks])
    manifold = getattr(model, "manifold", None)
    metric = None if manifold is None or isinstance(manifold, Euclidean) else manifold.pairwise_dist
    return knn_accuracy(z, dataset.train_labels, model.transform(x), dataset.test_labels, pairwise_dist=metric)


def _label(run: Run, member: str) -> tuple[str, str]:
    if member not in run.members:
        return f"independent {member}", "none"
    latent = run.members[member]
    name = NAMES[member] + (f", {run.prior}" if run.prior != "standard" else "")
    if member == run.model:
        name += (f", IWAE {run.iwae}" if run.iwae else "") + (", trained by the formula" if run.euclidean_kl else "")
    return name, latent if "," in latent or "*" in latent else f"{_SPACES[latent[0]]}^{latent[1:]}"


def _spread(found: dict[str, Any]) -> list[str]:
    by = dict(zip(LEVELS, found["quantiles"], strict=True))
    numbers = [f"{v:.2f}" for v in (found["sd"], found["skewness"], by[0.01], by[0.05], by[0.5])]
    return [*numbers, f"{100 * found['share_below']:.1f} %"]


def _headers(scores: Iterable[dict[str, Any]]) -> list[str]:
    present = {name for score in scores for name in score}
    return [h for h in _HEADERS if h not in _OPTIONAL or _OPTIONAL[h] in present]


def _cell(score: dict[str, Any], header: str) -> str:
    name, digits = _NUMBERS[header]
    error = f" +- {score['log_p_error']:.2f}" if name == "log_p" and name in score else ""
    return f"{score[name]:.{digits}f}{error}" if name in score else ""


def _mean_cell(scores: list[dict[str, Any]], header: str) -> str:
    name, digits = _NUMBERS[header]
    if name not in scores[0]:
        return ""
    mean, error = mean_and_error([score[name] for score in scores])
    return f"{mean:.{digits}f} +- {error:.{digits}f}"


def _parts(run: Run, member: str, score: dict[str, Any]) -> list[list[str]]:
    if len(score.get("factors", ())) < 2:
        return []
    return [
        [f"{NAMES[member]}: {name}", "" if kl is None else f"{kl:.2f}", str(active)]
        for name, kl, active in zip(score["factors"], score["factor_kl"], score["active"], strict=True)
    ]


def _formula(headers: list[str]) -> str:
    if _FLAT not in headers:
        return ""
    return ";\nblog's formula: the KL of normal laws in the tangent space, which is not the KL and gives no bound"


def _footnote(run: Run, samples: int, headers: list[str]) -> str:
    shift = f" + {run.kappa_shift:g}" if run.kappa_shift else ", without a floor"
    kappa = f"kappa = softplus{shift}; " if "s" in run.latent and run.family != "cauchy" else ""
    return (
        f"{kappa}log p(x): {samples} importance samples, +- its standard error over rows;\n"
        f"kNN: accuracy of 5 nearest neighbours in the latent space, by its own distance{_formula(headers)}."
    )
