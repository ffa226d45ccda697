"""The pictures of a run: the latent space, what it decodes to, reconstructions, samples, training curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geomlat import plot
from geomlat.cli import report
from geomlat.cli.runs import NAMES, Run
from geomlat.data import Dataset
from geomlat.manifolds import Euclidean
from geomlat.models import VampPrior
from geomlat.models.angles import Angles
from geomlat.random import stream
from geomlat.train import read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 3000


def draw(folder: Path, run: Run, trained: dict[str, Any], dataset: Dataset) -> list[Path]:
    """Write every picture that suits the run and return their paths; of latent spaces circles and surfaces have one."""
    paths = []
    for member, model in trained.items():
        for name, figure in _of_model(run, member, model, dataset):
            paths.append(plot.save(figure, folder / member / f"{name}.png"))
    if len(trained) > 1 and dataset.image_shape and all(_chart(model) for model in trained.values()):
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
        chart = _chart(model)
        assert chart is not None
        codes = chart.there(model.transform(x))
        panels[NAMES[m]] = plot.Panel(codes, _decode(model, chart), chart.space, report.caption(scores[m]))
    return plot.comparison(panels, labels, dataset.image_shape, ink=dataset.ink, title=dataset.name)


def _chart(model: Any) -> plot.Chart | None:
    """How the latent space of a model is drawn."""
    return plot.chart(getattr(model, "manifold", None) or Euclidean(model.code_width))


def _decode(model: Any, chart: plot.Chart) -> Callable[[Any], Any]:
    return lambda z: model.inverse_transform(chart.back(z))


def _test_rows(run: Run, dataset: Dataset) -> tuple[Any, Any]:
    x = dataset.prepare(dataset.test[:_POINTS], rng=stream(run.seed).child("test", "data"))
    return x, None if dataset.test_labels is None else dataset.test_labels[:_POINTS]


def _of_model(run: Run, member: str, model: Any, dataset: Dataset) -> Iterator[tuple[str, Figure]]:
    title = f"{NAMES[member]}, {dataset.name}"
    x, labels = _test_rows(run, dataset)
    chart, where = _chart(model), f"{title}: test rows in the latent space"
    if chart is not None:
        z = chart.there(model.transform(x))
        yield "latent", plot.latent(z, labels, space=chart.space, title=where)
        if labels is not None:
            yield "classes", plot.latent_classes(z, labels, space=chart.space, title=f"{where}, by class")
        if chart.space == "s2":
            yield "globe", plot.latent_globe(z, labels, title=f"{title}: test rows on the sphere")
    elif any(plot.chart(f) for f in getattr(getattr(model, "manifold", None), "factors", ())):
        yield "latent", plot.latent_product(model.transform(x), model.manifold, labels, title=where)
    if isinstance(model.likelihood, Angles):
        rebuilt = {NAMES[member]: model.inverse_transform(model.transform(x))}
        yield "angles", plot.angles(rebuilt, x, title=f"{title}: rebuilt")
    if dataset.image_shape is None:
        return
    shape, ink = dataset.image_shape, dataset.ink
    if chart is not None:
        yield (
            "decoded",
            plot.decoded(_decode(model, chart), shape, space=chart.space, ink=ink, title=f"{title}: decoded"),
        )
    seen = model.inverse_transform(model.transform(x[:24]))
    yield "reconstructions", plot.reconstructions(x[:24], seen, shape, ink=ink, title=f"{title}: reconstructions")
    if hasattr(model, "interpolate"):
        pairs = min(8, len(x) // 2)
        ways = model.interpolate(x[:pairs], x[pairs : 2 * pairs], steps=11)
        name = f"{title}: along geodesics of the latent space"
        yield "interpolations", plot.interpolations(ways, shape, ink=ink, title=name)
    if hasattr(model, "sample"):
        rows = model.sample(60, rng=run.seed, mean=True)
        name = f"{title}: means of samples from the prior"
        yield "samples", plot.sample_grid(rows, shape, columns=10, ink=ink, title=name)
    if isinstance(getattr(model, "prior", None), VampPrior):
        rows = model.prior.pseudo_inputs(model.view(model.theta))[:100]
        name = f"{title}: pseudo-inputs"
        yield "pseudo-inputs", plot.sample_grid(rows, shape, columns=20, ink=ink, title=name)
