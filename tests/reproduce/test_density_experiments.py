"""The experiments of densities on sphere and torus: they run, and measure what their gates ask for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geomlat.reproduce import Task, directional, sphere
from geomlat.reproduce.running import Job, execute
from geomlat.reproduce.table import experiments


@pytest.mark.parametrize("name", [e.name for e in (*sphere.EXPERIMENTS, *directional.EXPERIMENTS)])
def test_smoke_runs_measure_what_the_gates_ask_for(tmp_path: Path, name: str) -> None:
    e = experiments()[name]
    values = execute(Job(e, "smoke", 0, tmp_path))["values"]
    assert {e.measure, *(g.measure for g in e.gates)} <= set(values)
    assert all(np.isfinite(v) for v in values.values())


def test_the_uniform_law_passes_its_gates(tmp_path: Path) -> None:
    e = experiments()["sphere-uniform"]
    values = execute(Job(e, "full", 0, tmp_path))["values"]
    assert all(g.holds(values[g.measure], None) for g in e.gates)


def test_bases_are_where_the_table_says() -> None:
    modes = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    cosines = {name: np.array(base) @ modes.T for name, base in sphere.BASES.items()}
    np.testing.assert_allclose(cosines["good"], [[np.sqrt(0.5)] * 2])
    np.testing.assert_allclose(cosines["bad"], [[0.0, -1.0]])
    np.testing.assert_allclose(cosines["atlas"], [[0.0, -1.0], [0.0, 1.0]])


def test_good_and_bad_bases_differ_in_the_base_alone() -> None:
    table = experiments()
    good, bad = (dict(table[f"sphere-tangent-{name}"].budgets["full"].settings) for name in ("good", "bad"))
    assert good.pop("base") != bad.pop("base")
    assert good == bad
    assert good["activation"] == "relu"


@pytest.mark.parametrize(
    ("name", "run"), [("tangent-good", sphere.run_tangent), ("dequantised", sphere.run_dequantised)]
)
def test_the_units_of_the_networks_are_those_of_the_settings(tmp_path: Path, name: str, run: Any) -> None:
    found = []
    for activation in ("relu", "tanh"):
        settings = {**experiments()[f"sphere-{name}"].budgets["smoke"].settings, "activation": activation}
        found.append(run(Task("toy", settings, 0, tmp_path / activation))["reverse"])
    assert found[0] != found[1]


def test_the_bound_is_measured_from_the_density_of_the_same_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = experiments()["sphere-dequantised"].budgets["smoke"].settings
    law = sphere.spherical_modes()
    monkeypatch.setattr(
        sphere.DequantizedDensity, "loss_vjp", lambda self, theta, y, noise: (-law.log_prob(y).mean(), None)
    )
    monkeypatch.setattr(sphere, "_fit", lambda task, model: model.fitted(model.init(rng=0)))
    values = sphere.run_dequantised(Task("toy", settings, 0, tmp_path))
    assert values["bound_gap"] == pytest.approx(0.0, abs=1e-9)
    assert values["bound"] == pytest.approx(-sphere.ENTROPY, abs=1e-9)
