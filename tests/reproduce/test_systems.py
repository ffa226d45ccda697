"""What single systems measure: paired gaps, the post's formula, neighbours, pseudo-inputs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geomlat import models
from geomlat.data import load
from geomlat.evaluate import factorised_baseline
from geomlat.models.likelihoods import likelihood
from geomlat.reproduce import Task, neighbours, paired, vae
from geomlat.reproduce.floors import FLOORS, floor
from geomlat.reproduce.running import Job, execute
from geomlat.reproduce.table import experiments


def test_a_gap_is_paired_over_rows(tmp_path: Path) -> None:
    def folder(name: str, rows: list[float]) -> None:
        (tmp_path / "smoke" / name / "seed-0").mkdir(parents=True)
        paired.keep_rows(Task(name, {}, 0, tmp_path / "smoke" / name / "seed-0"), np.array(rows, np.float32))

    e = experiments()["svae-minus-nvae-d2"]
    folder("svae-mnist-d2", [5.0, 10.0, 30.0])
    folder("nvae-mnist-d2", [4.0, 8.0, 27.0])
    # The differences are 1, 2, 3.
    assert execute(Job(e, "smoke", 0, tmp_path))["values"] == {"gap": 2.0, "gap_error": pytest.approx(3**-0.5)}
    folder("svae-mnist-d5", [1.0])
    folder("nvae-mnist-d5", [1.0, 2.0])
    with pytest.raises(ValueError, match="must be the same rows"):
        execute(Job(experiments()["svae-minus-nvae-d5"], "smoke", 0, tmp_path))
    assert e.gates[0].at_least == 2.0
    mixed = paired.gap(vae.SVAE[2], vae.HVAE[2], name="mixed", quantity="nats")
    assert [b.runs for b in mixed.budgets.values()] == [1, 1, 10]
    assert experiments()["vamp-minus-vae-static-d40"].gates[0].errors == 3.0


def test_the_post_has_another_divergence_in_hyperbolic_space(tmp_path: Path) -> None:
    scores = execute(Job(experiments()["hvae-mnist-d5"], "smoke", 0, tmp_path))["values"]
    found = execute(Job(experiments()["blog-h-d5-formula"], "smoke", 0, tmp_path))["values"]
    assert found["elbo"] == scores["elbo"]
    assert found["elbo_formula"] == pytest.approx(scores["elbo"] + scores["kl"] - scores["euclidean_kl"])
    assert scores["kl"] - scores["euclidean_kl"] > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_floors_are_those_of_the_data(name: str) -> None:
    try:
        found = floor(load(name))
    except (OSError, ValueError) as error:
        pytest.skip(str(error))
    assert FLOORS[name].value == pytest.approx(found, abs=0.06 if name.startswith("mnist") else 0.0006)


def test_a_floor_is_the_likelihood_of_independent_features() -> None:
    data = load("digits")
    expected = factorised_baseline(data.train, data.test, data.likelihood).mean()
    assert floor(data) == pytest.approx(expected, rel=1e-12, abs=0.0)
    grey = replace(data, likelihood="logistic:16:17")
    nats = factorised_baseline(data.train, data.test, likelihood("logistic:16:17")).mean()
    assert floor(grey) == pytest.approx(-nats / (64 * np.log(2)), rel=1e-12, abs=0.0)
    with pytest.raises(ValueError, match="no likelihood"):
        floor(replace(data, likelihood="cosine"))


def test_every_row_of_a_likelihood_has_a_floor_and_what_is_untrained(tmp_path: Path) -> None:
    for e in experiments().values():
        data = e.budgets["full"].settings.get("data")
        if e.measure in ("log_p", "bits", "elbo") and data in FLOORS:
            assert e.floor is FLOORS[data], e.name
    values = execute(Job(experiments()["vamp-freyfaces-d10"], "smoke", 0, tmp_path))["values"]
    assert values["bits_untrained"] == pytest.approx(-values["log_p_untrained"] / (64 * np.log(2)))
    scale = values["log_p_untrained"] / values["log_p"]
    assert 1.0 < scale < 100.0


def test_weights_are_averaged_where_the_settings_say_so(tmp_path: Path) -> None:
    budgets = experiments()["svae-mnist-d10"].budgets
    assert budgets["standard"].settings["average"] == 0.999
    assert "average" not in budgets["full"].settings
    settings, found = {**budgets["smoke"].settings, "data": "digits", "hidden": [8]}, {}
    for average in (None, 0.0, 0.9):
        task = Task("toy", {**settings, "average": average}, 0, tmp_path / str(average))
        found[average] = vae.run(task)["log_p"]
    assert found[None] == found[0.0] != found[0.9]


def test_models_of_one_seed_see_the_same_binarised_rows() -> None:
    data = load("digits")
    tasks = [Task(name, {"test_rows": 20}, 3, Path()) for name in ("a", "b")]
    first, second = (vae.held_out(task, data) for task in tasks)
    np.testing.assert_array_equal(first, second)
    assert 20 <= len(first) < 40


def test_pseudo_inputs_start_at_training_rows(tmp_path: Path) -> None:
    data = load("digits")
    model = models.vae(data.n_features, latent="e2", hidden=(8,), likelihood=data.likelihood, prior="vamp:5")
    theta = vae.start(Task("vamp", {}, 0, tmp_path), model, data, data.train)
    rows = data.train.astype(np.float32)
    started = model.prior.pseudo_inputs(model.view(theta))
    assert all((rows == u).all(axis=1).any() for u in started)
    other = vae.start(Task("vamp", {}, 1, tmp_path), model, data, data.train)
    assert not np.array_equal(other, theta)


def test_neighbours_of_a_trained_model(tmp_path: Path) -> None:
    trained = Job(experiments()["nvae-mnist-d5"], "smoke", 0, tmp_path)
    assert execute(trained)["values"]["epochs"] == 1
    job = Job(experiments()["knn-nvae-d5-100"], "smoke", 0, tmp_path)
    found = execute(job)["values"]
    kept = paired.kept_rows(job.folder)
    assert len(kept) == 2
    assert found["accuracy"] == pytest.approx(kept.mean())
    assert 10.0 < found["accuracy"] < 100.0
    assert neighbours.PUBLISHED["svae"][5][0] == 87.5
    rows = paired.kept_rows(trained.folder)
    scores = json.loads((trained.folder / "scores.json").read_text())
    assert scores["log_p"] == pytest.approx(rows.mean())
    assert scores["elbo"] == pytest.approx(scores["reconstruction"] - scores["kl"])
    bound = execute(Job(experiments()["blog-e-d5"], "smoke", 0, tmp_path))["values"]
    assert bound["elbo"] == scores["elbo"]
    assert bound["elbo_error"] > 0.0


def test_normalised_gradients_are_a_setting() -> None:
    model = models.vae(4, latent="e1", hidden=(3,))
    assert not hasattr(vae.optimizer(model, {"learning_rate": 0.1}), "tensors")
    optimizer = vae.optimizer(model, {"learning_rate": 0.1, "normalised": True})
    assert optimizer.lr == 0.1
    assert len(optimizer.tensors) == len(model.layout.slices)


def test_every_cell_of_a_grid_is_kept(tmp_path: Path) -> None:
    job = Job(experiments()["svae-lfw-grid"], "smoke", 0, tmp_path)
    found = execute(job)["values"]
    cells = [found["bits_d2_l1"], found["bits_d2_l2"]]
    assert found["bits"] == min(cells) != max(cells)
    assert found["bits_error"] in (found["error_d2_l1"], found["error_d2_l2"])
    assert 0 <= found["active_d2_l2"] <= 3
    assert found["rate_d2_l1"] > 0
    assert found["epochs_d2_l1"] == 1
    assert sorted(p.name for p in job.folder.glob("d2_l?")) == ["d2_l1", "d2_l2"]
    assert found["bound_d2_l1"] > found["bits_d2_l1"] - 3.0 * abs(found["error_d2_l1"])
    assert found["bound_seen_d2_l1"] != found["bound_d2_l1"]
    text = job.experiment.detail(found).split("\n")
    assert text[2:4] == ["| d | 1 layer | 2 layers |", "| --- | --- | --- |"]
    assert text[4].startswith(f"| 2 | {found['bits_d2_l1']:.3f} ({found['bound_seen_d2_l1']:.3f} / ")
