"""The examples run, on small input, and compute what they say."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from geomlat.data import Points, Relations
from geomlat.grad import gradcheck_vector
from geomlat.manifolds import Euclidean, PoincareBall, Sphere
from geomlat.plot import stage, video
from geomlat.random import normal

pytest.importorskip("matplotlib")

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example(monkeypatch, tmp_path):
    """A function that loads an example as a module, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def load(name):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def binary_tree(depth):
    """All pairs of a node of a complete binary tree and one above it; node k has the children 2k and 2k + 1."""
    count = 2 ** (depth + 1) - 1
    pairs = [(k - 1, (k >> up) - 1) for k in range(2, count + 1) for up in range(1, k.bit_length())]
    return Relations("tree", tuple(f"n{k}.n.01" for k in range(count)), np.array(pairs), "")


def test_a_tree_is_embedded_better_in_the_disc(example):
    module = example("poincare_embedding")
    tree = binary_tree(4)
    found = {}
    for manifold in (PoincareBall(2), Euclidean(2)):
        x = module.embed(manifold, tree, epochs=120, lr=0.1)
        assert manifold.contains(x).all()
        found[type(manifold)] = module.scores(manifold, x, tree.pairs)
    (rank, precision), (flat_rank, flat_precision) = found[PoincareBall], found[Euclidean]
    assert precision > flat_precision + 0.2
    assert rank < 0.5 * flat_rank


def test_the_loss_of_the_embedding_has_the_right_gradient(example):
    module = example("poincare_embedding")
    rng = np.random.default_rng(0)
    child, others, hidden = rng.integers(0, 5, 7), rng.integers(5, 9, (7, 4)), rng.random((7, 4)) < 0.3
    hidden[:, 0] = False
    for manifold in (PoincareBall(3), Euclidean(3)):

        def objective(theta, manifold=manifold):
            loss, pull = module.loss_vjp(manifold, theta.reshape(9, 3), child, others, hidden)
            return loss, lambda g: pull(g.reshape(9, 3))

        gradcheck_vector(objective, 0.2 * normal(27, rng=1))


def test_scores_are_those_of_the_definition(example):
    module = example("poincare_embedding")
    # From 0 the others lie in the order 1, 2, 3, 4; 2 and 4 are related to it: ranks 2 and 3, precisions 1/2 and 2/4.
    x, pairs = np.array([[0.0], [1.0], [-2.0], [3.0], [-4.0]]), np.array([[0, 4], [0, 2]])
    rank, precision = module.scores(Euclidean(1), x, pairs)
    assert rank == pytest.approx(2.5)
    assert precision == pytest.approx(0.5)


def test_the_mammals_are_drawn(example, monkeypatch, tmp_path, capsys):
    module, tree = example("poincare_embedding"), binary_tree(3)
    names = ("mammal.n.01", "left.n.01", "right.n.02", *tree.names[3:])
    monkeypatch.setattr(module.data, "load", lambda name: Relations("tree", names, tree.pairs, ""))
    monkeypatch.setattr(module, "GROUPS", "left.n.01 right.n.02")
    path = module.main(epochs=3)
    assert (tmp_path / path).stat().st_size > 20000
    said = capsys.readouterr().out
    assert said.count("MAP") == 4
    assert "PoincareBall(n=2, curvature=-1.0)" in said
    figure = module.picture(0.3 * normal((15, 2), rng=0), Relations("tree", names, tree.pairs, ""))
    assert {t.get_text() for t in figure.axes[0].texts} == {"mammal", "left", "right"}


def test_regions_have_their_weighted_means(example, monkeypatch, tmp_path, capsys):
    module = example("frechet_means")
    centres = np.eye(3)
    points = np.concatenate(
        [Sphere(2).exp(c, 0.2 * Sphere(2).random_tangent(np.tile(c, (40, 1)), rng=0)) for c in centres]
    )
    points = np.concatenate([points, np.repeat(points[:1], 30, axis=0)])
    means, region = module.regions(points, np.ones(len(points)), 3)
    assert [len(set(region[40 * i : 40 * i + 40])) for i in range(3)] == [1, 1, 1]
    for i in range(3):
        np.testing.assert_allclose(means[i], Sphere(2).mean(points[region == i])[0], atol=1e-12)
    parts = np.split(points, [100, 120])
    monkeypatch.setattr(module.data, "load", lambda name: Points(name, *parts, Sphere(2), ""))
    path = module.main(k=3)
    assert (tmp_path / path).stat().st_size > 20000
    said = capsys.readouterr().out
    assert said.startswith("150 earthquakes at 120 places; their mean is")
    assert said.count("earthquakes around") == 3
    assert "70 earthquakes around" in said


def test_every_surface_has_its_pictures_and_videos(example, monkeypatch):
    monkeypatch.setattr(stage, "PIXELS", 40)
    monkeypatch.setattr(video, "FPS", 4)
    module = example("curved_surfaces")
    assert len(module.SURFACES) == 4
    monkeypatch.setattr(module, "SURFACES", module.SURFACES[:1])
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    paths = module.main(seconds=0.5)
    assert len(paths) == 3
    assert sorted(Path("runs/geometry").iterdir()) == sorted(paths)
    assert {p.suffix for p in paths} == {".png", ".gif"}
    assert all(p.stat().st_size > 10000 for p in paths)
