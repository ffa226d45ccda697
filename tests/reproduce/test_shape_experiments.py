"""The experiments on toys of known truth and on angles: they run, and measure what their gates ask for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from geomlat.reproduce import shapes
from geomlat.reproduce.running import Job, execute
from geomlat.reproduce.table import experiments


@pytest.mark.parametrize("name", [e.name for e in shapes.EXPERIMENTS])
def test_smoke_runs_measure_what_the_gates_ask_for(tmp_path: Path, name: str) -> None:
    e = experiments()[name]
    values = execute(Job(e, "smoke", 0, tmp_path))["values"]
    assert {e.measure, *(g.measure for g in e.gates)} <= set(values)
    assert all(np.isfinite(v) for v in values.values())
    again = execute(Job(e, "smoke", 0, tmp_path / "again"))["values"]
    assert again == values


def test_every_circle_run_is_another_initialisation_of_one_data_set(tmp_path: Path) -> None:
    e = experiments()["circle"]
    one, two = (execute(Job(e, "smoke", seed, tmp_path))["values"] for seed in (0, 1))
    assert one["svae_rank"] != two["svae_rank"]
    assert one["gain_10"] == one["svae"] - one["nvae_10"]
    assert one["gain_01"] == one["svae"] - one["nvae_01"]


def test_the_rivals_of_the_angles_have_one_size(tmp_path: Path) -> None:
    names = [e.name for e in shapes.EXPERIMENTS if e.name.startswith("qm9")]
    settings = [dict(experiments()[n].budgets["full"].settings) for n in names]
    latents = [s.pop("latent") for s in settings]
    assert latents == ["e6", "s6", "h6", "6*s1", "s2,h2,e2"]
    assert all(s == settings[0] for s in settings)
