"""The examples run, on small input, and compute what they say."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geomlat.data import Dataset, Points, Relations, tree
from geomlat.evaluate import factorised_baseline
from geomlat.grad import gradcheck_vector
from geomlat.manifolds import Euclidean, PoincareBall, Sphere
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.models import DiscretisedLogistic
from geomlat.plot import stage, video
from geomlat.random import normal

pytest.importorskip("matplotlib")


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
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    paths = module.main(seconds=0.5)
    assert len(paths) == 3
    assert sorted(Path("runs/geometry").iterdir()) == sorted(paths)
    assert {p.suffix for p in paths} == {".png", ".gif"}
    assert all(p.stat().st_size > 10000 for p in paths)


def small(name):
    """A part of a data set's size and kind without its file: blurred stripes, at two phases, labelled."""
    gen = np.random.default_rng(0)
    y = gen.integers(0, 2, 630)
    wave = np.sin(np.arange(12) / 12 * 2 * np.pi + np.pi * y[:, None] + 0.3 * gen.standard_normal((630, 1)))
    x = np.clip(128 + 90 * wave + 10 * gen.standard_normal((630, 12)), 0, 255).astype(np.uint8)
    parts = np.split(x, [600, 615]), np.split(y, [600, 615])
    return Dataset(name, *parts[0], *parts[1], "logistic", "", image_shape=(4, 3), ink=False)


def test_priors_are_compared_on_the_same_rows(example, monkeypatch, tmp_path, capsys):
    module = example("vamp_prior")
    monkeypatch.setattr(module.data, "load", small)
    found = module.main("stripes", dim=2, hidden=(16,), k=5, epochs=80, rows=15, samples=10)
    said = capsys.readouterr().out
    assert said.count("bits per dimension") == 2
    assert f"paired over 15 test rows: {np.mean(found['VampPrior'] - found['standard prior']):.2f}" in said
    names = {p.name for p in (tmp_path / "runs/vamp").iterdir()}
    assert names >= {"stripes-likelihood.png", "stripes-vamp-pseudo-inputs.png", "stripes-standard-samples.png"}
    pixels = factorised_baseline(small("").train, small("").test, DiscretisedLogistic())
    assert all(v.mean() > pixels.mean() + 3 for v in found.values())


def test_faces_are_compared_by_curvature(example, monkeypatch, tmp_path, capsys):
    module = example("faces_by_curvature")
    monkeypatch.setattr(module.data, "load", small)
    found = module.main(2, hidden=(16,), epochs=4, samples=5)
    assert set(found) == {"N-VAE, e2", "S-VAE, s2", "H-VAE, h2"}
    assert capsys.readouterr().out.count("kNN") == 3
    assert set(module.main(5, hidden=(4,), epochs=1, samples=2)) == {"N-VAE, e5", "S-VAE, s5", "H-VAE, h5"}
    names = {p.name for p in (tmp_path / "runs/faces").iterdir()}
    assert names == {"spaces.png", "likelihood-d2.png", "likelihood-d5.png"}


def test_a_prior_on_the_sphere_is_learned(example, tmp_path, capsys):
    module = example("vamp_on_the_sphere")
    found = module.main(k=4, hidden=(8,), epochs=2, samples=3)
    assert {v.shape for v in found.values()} == {(270,)}
    assert "paired over 270 test rows" in capsys.readouterr().out
    names = {p.name for p in (tmp_path / "runs/vamp-sphere").iterdir()}
    assert names == {"priors.png", "samples-standard.png", "samples-vamp.png", "pseudo-inputs.png"}


def test_the_circle_is_found_and_drawn(example, tmp_path, capsys):
    module = example("circle_recovery")
    d = module.data.circle(300)
    found = module.recoveries(d, (3, 4), epochs=1, hidden=4)
    assert list(found) == list(module.MODELS)
    assert found["AE"][0] != found["AE"][1]
    codes = module.train("S-VAE", d, seed=3, epochs=60).transform(d.train)
    assert module.evaluate.circle_recovery(codes, d.angles[0]).recovered
    path = module.main(seeds=(0,), epochs=1)
    assert (tmp_path / path).stat().st_size > 20000
    assert capsys.readouterr().out.count("circle ") == 4


def test_the_weight_of_the_divergence_reaches_the_training(example):
    module, asked = example("circle_recovery"), []

    def fit(model, x, **settings):
        asked.append((type(model).__name__, settings["beta"]))

    for name in module.MODELS:
        module.train(name, module.data.circle(100), fit=fit)
    assert asked == [("Autoencoder", 1.0), ("VAE", 10.0), ("VAE", 0.1), ("VAE", 1.0)]


def test_the_tree_is_found_and_drawn(example, monkeypatch, tmp_path, capsys):
    module, d = example("tree_vae"), tree(4)
    bits = d.train.astype(int)
    np.testing.assert_array_equal(module.hamming(d.train), (bits[:, None] != bits).sum(-1))
    trained = module.train("h2", d, steps=150)
    numbers = module.scores(trained, d)
    assert set(numbers) == {"clean", "noisy", "noisy_to_tree"}
    assert numbers["clean"] > 0.5
    assert numbers["clean"] > max(numbers["noisy"], numbers["noisy_to_tree"])
    assert len(set(module.scores(trained, tree(4, noise=0.0)).values())) == 1
    monkeypatch.setattr(module.data, "load", lambda name: d)
    path = module.main(steps=2)
    assert (tmp_path / path).stat().st_size > 20000
    assert capsys.readouterr().out.count("correlation of distances clean") == 2


def test_angles_are_rebuilt_in_every_space_with_as_many_parameters(example, monkeypatch, tmp_path, capsys):
    module, rng = example("qm9_dihedrals"), np.random.default_rng(0)
    angles = rng.vonmises(0.5, 3.0, (600, 6))
    there = np.arange(6) < rng.integers(1, 7, 600)[:, None]
    parts = np.split(pairs_from_angles(angles, there).astype(np.float32), [400, 500])
    d = Dataset("angles", *parts, None, None, None, "von-mises", "")
    sizes = [module.model_of(latent).layout.size for latent in module.SPACES.values()]
    assert max(sizes) < 1.01 * min(sizes)
    monkeypatch.setattr(module.data, "load", lambda name: d)
    paths = module.main(epochs=1, rows=50, width=16, samples=3)
    assert all((tmp_path / p).stat().st_size > 20000 for p in paths)
    said = capsys.readouterr().out
    assert said.startswith("angles: independent von Mises angles reach")
    assert said.count("mean angular error") == 5


def test_mixtures_of_flows_are_trained_and_drawn(example, monkeypatch, capsys):
    from geomlat.plot import plane

    monkeypatch.setattr(plane, "CELLS", 21)
    monkeypatch.setattr(video, "FPS", 2)
    module = example("mixture_of_flows")
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    paths = module.main("pinwheel-3", "circles-32", rows=192, epochs=10)
    assert [p.name for p in paths] == ["pinwheel-3.png", "pinwheel-3.gif", "circles-32.png"]
    assert all(p.stat().st_size > 10000 for p in paths)
    wings, rings = (float(a) for a in re.findall(r"'accuracy': ([0-9.]+)", capsys.readouterr().out))
    assert wings > 0.9
    assert rings > 0.9
    _, taught = module.run("pinwheel-3", supervised=True, rows=192, epochs=2)
    assert taught["floor"] < taught["nll"] < 1.5
    assert taught["nll"] < taught["bound"]
    assert {case: module.CASES[case][2] for case in module.CASES}["circles-64"] == 64
    assert module.HEATED["beta"](0) == pytest.approx(0.1)


def test_planar_flows_are_measured_from_the_entropy(example, monkeypatch, capsys):
    from geomlat.plot import plane

    monkeypatch.setattr(plane, "CELLS", 21)
    module = example("planar_flows")
    paths = module.main("circles", "spirals", rows=600, epochs=2, blocks=2, hidden=(4,), bins=4)
    assert [p.name for p in paths] == ["circles.png", "spirals.png"]
    assert all(p.stat().st_size > 20000 for p in paths)
    said = capsys.readouterr().out
    assert said.count("'excess'") == 2
    law = module.LAWS["circles"]

    class Exact:
        log_prob = staticmethod(law.log_prob)
        layout = module.train(law, rows=600, epochs=1, blocks=1, hidden=(4,)).layout

    found = module.scores(Exact(), law)
    assert found["excess"] == 0.0
    assert found["nll"] == pytest.approx(1.9006, abs=0.02)


def test_a_mixture_of_flows_draws_digits(example, monkeypatch, capsys):
    from geomlat import data

    digits = data.load("digits")
    grey = replace(digits, train=15 * digits.train, validation=15 * digits.validation, test=15 * digits.test)
    module = example("mixture_of_flows_mnist")
    monkeypatch.setattr(module.data, "load", lambda name: grey)
    path = module.main(rank=8, epochs=2, starts=1, trial_epochs=1, hidden=(8,))
    assert path.stat().st_size > 10000
    said = capsys.readouterr().out
    assert said.count("by component") == 5
    assert "'nmi'" in said


def test_the_printed_formula_stands_beside_the_divergence(example, tmp_path, capsys):
    module = example("constant_curvature_mnist")
    found = module.main(2, name="digits", hidden=(32,), epochs=12, samples=20)
    assert (tmp_path / "runs/curvature/spaces.png").stat().st_size > 20000
    said = capsys.readouterr().out
    assert "H-VAE by the formula, H^2" in said
    assert said.count("\n") == 6
    for name in ("N-VAE", "S-VAE"):
        assert found[name]["printed"] == found[name]["bound"] < found[name]["log_p"]
    for name in ("H-VAE", "H-VAE by the formula"):
        assert found[name]["printed"] > found[name]["bound"]
    assert found["H-VAE"] != found["H-VAE by the formula"]


def test_a_product_of_curvatures_is_taken_apart(example, tmp_path, capsys):
    module = example("mixed_curvature")
    found = module.main(hidden=(16,), epochs=10, samples=3, rows=60)
    assert set(found) == {"mixed", "Gaussian"}
    assert {p.name for p in (tmp_path / "runs/mixed").iterdir()} == {"latent.png", "interpolations.png"}
    said = capsys.readouterr().out
    assert said.count("coordinates active") == 4
    assert "Stereographic(n=2, curvature=-1.0)" not in said
