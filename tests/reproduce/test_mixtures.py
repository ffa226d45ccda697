"""The experiments on mixtures of flows run at their smallest and measure what their gates ask for."""

import pytest

from geomlat.reproduce.running import Job, execute
from geomlat.reproduce.table import experiments


@pytest.mark.parametrize("name", ["pinwheel-3", "circles-plain", "circles-32", "mixture-mnist"])
def test_smoke(name, tmp_path):
    experiment = experiments()[name]
    values = execute(Job(experiment, "smoke", 0, tmp_path))["values"]
    assert {experiment.measure, *(gate.measure for gate in experiment.gates)} <= set(values)
    assert 0.2 < values["accuracy"] <= 1.0
    assert values.get("epochs", experiment.budgets["smoke"].settings["epochs"]) == {"mixture-mnist": 1}.get(name, 2)
    if name == "circles-plain":
        assert values["failed"] == float(values["accuracy"] < 0.95)
    if name == "mixture-mnist":  # one run, so that its error is of the rows: 300 digits here
        assert values["accuracy_error"] == pytest.approx((values["accuracy"] * (1 - values["accuracy"]) / 300) ** 0.5)
    if name == "pinwheel-3":
        assert values["excess"] == pytest.approx(values["nll"] - values["floor"])
        assert abs(values["gap"]) < 2.0


@pytest.mark.parametrize("name", ["plane-circles", "plane-moons"])
def test_flows_of_the_plane(name, tmp_path):
    experiment = experiments()[name]
    values = execute(Job(experiment, "smoke", 0, tmp_path))["values"]
    assert {experiment.measure, *(gate.measure for gate in experiment.gates)} <= set(values)
    # Floors computed apart: 1.9006 by quadrature, 1.305 +- 0.011 by draws.
    assert values["floor"] == pytest.approx({"plane-circles": 1.9006, "plane-moons": 1.305}[name], abs=0.02)
    assert values["excess"] == pytest.approx(values["nll"] - values["floor"])
    assert 0.0 < values["excess"] < 3.0
    assert experiment.budgets["full"].settings["blocks"] == 6
