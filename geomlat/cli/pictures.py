"""The pictures of a run: the latent space, what it decodes to, reconstructions, samples, training curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geomlat import plot
from geomlat.cli import report
from geomlat.cli.runs import NAMES, Run
from geomlat.data import Dataset
from geomlat.manifolds.isometries import ball_to_hyperboloid, hyperboloid_to_ball
from geomlat.models import VampPrior
from geomlat.random import stream
from geomlat.train import read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DRAWN = ("s1", "s2", "e2", "h2", "p2", "u2", "t2")
_POINTS = 3000


def draw(folder: Path, run: Run, trained: dict[str, Any], dataset: Dataset) -> list[Path]:
    """Write every picture that suits the run and return their paths; of latent spaces S^1, S^2 and R^2 have one."""
    paths = []
    for member, model in trained.items():
        for name, figure in _of_model(run, member, model, dataset):
            paths.append(plot.save(figure, folder / member / f"{name}.png"))
    if len(trained) > 1 and dataset.image_shape and all(run.members[m] in _DRAWN for m in trained):
        paths.append(plot.save(_comparison(folder, run, trained, dataset), folder / "comparison.png"))
    histories = {NAMES[m]: read_history(folder / m) for m in trained}
    paths.append(plot.save(plot.training_curves(histories, title=dataset.name), folder / "training.png"))
    found = report.read_rows(folder, run)
    if found:
        paths.append(plot.save(plot.likelihood_histogram(found, title=dataset.name), folder / "likelihood.png"))
    if any(s.startswith("s") for s in run.members.values()):
        paths.append(plot.save(plot.von_mises_fisher(rng=run.seed), folder / "von-mises-fisher.png"))
    return paths


def draw_rows(path: Path, rows: Any, dataset: Dataset, name: str) -> Path:
    """Rows of an image data set as a grid of images."""
    assert dataset.image_shape is not None
    title = f"{name}: samples, {dataset.name}"
    return plot.save(plot.sample_grid(rows, dataset.image_shape, columns=10, ink=dataset.ink, title=title), path)


def _comparison(folder: Path, run: Run, trained: dict[str, Any], dataset: Dataset) -> Figure:
    assert dataset.image_shape is not None
    x, labels = _test_rows(run, dataset)
    scores = report.read(folder)
    panels = {}
    for m, model in trained.items():
        chart = _chart(run.members[m], model)
        panels[NAMES[m]] = plot.Panel(chart.codes(x), chart.decode, chart.space, report.caption(scores[m]))
    return plot.comparison(panels, labels, dataset.image_shape, ink=dataset.ink, title=dataset.name)


@dataclass(frozen=True)
class _Chart:
    """How a latent space is drawn: the picture's name for it, and the way there and back."""

    model: Any
    space: str
    there: Callable[[Any], Any] = np.asarray
    back: Callable[[Any], Any] = np.asarray

    def codes(self, x: Any) -> Any:
        """The codes of rows, as points of the picture."""
        return self.there(self.model.transform(x))

    def decode(self, z: Any) -> Any:
        """The rows at points of the picture."""
        return self.model.inverse_transform(self.back(z))


def _chart(space: str, model: Any) -> _Chart:
    if space not in ("h2", "p2", "u2"):
        return _Chart(model, space)
    curvature = float(model.manifold.curvature)
    if space == "h2":

        def to_disc(z: Any) -> Any:
            return hyperboloid_to_ball(z.astype(np.float64), curvature=curvature) * math.sqrt(-curvature)

        def from_disc(z: Any) -> Any:
            return ball_to_hyperboloid(z / math.sqrt(-curvature), curvature=curvature)

        return _Chart(model, "disc", to_disc, from_disc)
    if curvature >= 0.0:
        return _Chart(model, "e2")
    unit = math.sqrt(-curvature)
    return _Chart(model, "disc", lambda z: unit * z, lambda z: z / unit)


def _test_rows(run: Run, dataset: Dataset) -> tuple[Any, Any]:
    x = dataset.prepare(dataset.test[:_POINTS], rng=stream(run.seed).child("test", "data"))
    return x, None if dataset.test_labels is None else dataset.test_labels[:_POINTS]


def _of_model(run: Run, member: str, model: Any, dataset: Dataset) -> Iterator[tuple[str, Figure]]:
    space, title = run.members[member], f"{NAMES[member]}, {dataset.name}"
    x, labels = _test_rows(run, dataset)
    chart = _chart(space, model) if space in _DRAWN else None
    if chart is not None:
        z = chart.codes(x)
        yield "latent", plot.latent(z, labels, space=chart.space, title=f"{title}: test rows in the latent space")
        if space == "s2":
            yield "globe", plot.latent_globe(z, labels, title=f"{title}: test rows on the sphere")
    if dataset.image_shape is None:
        return
    shape, ink = dataset.image_shape, dataset.ink
    if chart is not None:
        yield "decoded", plot.decoded(chart.decode, shape, space=chart.space, ink=ink, title=f"{title}: decoded")
    seen = model.inverse_transform(model.transform(x[:24]))
    yield "reconstructions", plot.reconstructions(x[:24], seen, shape, ink=ink, title=f"{title}: reconstructions")
    if hasattr(model, "sample"):
        rows = model.sample(60, rng=run.seed, mean=True)
        name = f"{title}: means of samples from the prior"
        yield "samples", plot.sample_grid(rows, shape, columns=10, ink=ink, title=name)
    if isinstance(getattr(model, "prior", None), VampPrior):
        rows = model.prior.pseudo_inputs(model.view(model.theta))[:100]
        name = f"{title}: pseudo-inputs"
        yield "pseudo-inputs", plot.sample_grid(rows, shape, columns=20, ink=ink, title=name)
