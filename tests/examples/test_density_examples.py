"""The examples of densities on sphere and torus run, on small input."""

import numpy as np
import pytest

from geomlat.data import Points
from geomlat.distributions import VonMises
from geomlat.manifolds import Sphere, Torus
from geomlat.plot import films, sphere, torus, video


@pytest.fixture
def coarse(monkeypatch):
    """Pictures and films with few pixels and frames."""
    for module, name, value in (
        (films, "STEP", 20.0),
        (sphere, "FINE", 61),
        (sphere, "COARSE", 61),
        (torus, "SIDE", 40),
        (video, "FPS", 2),
    ):
        monkeypatch.setattr(module, name, value)


def test_dequantised_densities_are_compared_drawn_and_filmed(example, coarse, monkeypatch, capsys):
    module = example("dequantisation")
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    paths = module.main(rows=600, epochs=2, rings=12, draws=60, effort=2000, seconds=1.0, blocks=2, hidden=(8,))
    assert [p.name for p in paths] == ["maps.png", "bias.png", "learning.gif"]
    assert all(p.stat().st_size > 10000 for p in paths)
    said = capsys.readouterr().out
    assert said.count("reverse=") == 2
    assert "with K = 1000 is too low by" in said
    model, kept = module.train("free", 600, 2, blocks=2, hidden=(8,))
    assert [step for step, _, _ in kept] == [2, 4]
    gaps, errors = module.bias(model, Sphere(2).random_point((50,), rng=0), (1, 200), 20_000)
    assert gaps[0] > gaps[1] + 4.0 * errors[0]
    assert abs(gaps[1]) < 0.05


def test_tangent_flows_are_compared_and_turned(example, coarse, monkeypatch, capsys):
    module = example("tangent_flows")
    assert len(module.CASES) == 4
    monkeypatch.delitem(module.CASES, "bad base, long ways counted")
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    paths = module.main(rows=300, epochs=1, rings=12, seconds=1.0, blocks=2, hidden=(8,))
    assert [p.suffix for p in paths] == [".png", ".png", ".gif", ".gif"]
    assert all(p.stat().st_size > 10000 for p in paths)
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines()] == list(module.CASES)
    assert module.train("good base", Sphere(2).random_point((200,), rng=0), 1, blocks=2).windings == 0


def test_three_models_of_the_earth(example, coarse, monkeypatch, capsys):
    module = example("earth_flows")
    x = Sphere(2).exp(np.eye(3)[0], 0.5 * Sphere(2).random_tangent(np.tile(np.eye(3)[0], (300, 1)), rng=0))
    monkeypatch.setattr(module.data, "earth", lambda kind: Points(kind, x[:200], x[200:250], x[250:], Sphere(2), ""))
    paths = module.main(["flood"], epochs=2, components=(1, 2), blocks=2, hidden=(4,), bins=4)
    assert [p.name for p in paths] == ["flood.png"]
    said = capsys.readouterr().out
    assert said.count("nats a point") == 3
    assert "kernel density" in said


def test_the_ramachandran_plot(example, coarse, monkeypatch, capsys):
    module = example("ramachandran")
    x = VonMises(np.array([-1.0, 2.5]), np.array([5.0, 8.0])).sample((600,), rng=0)
    points = Points("toy", x[:500], x[500:500], x[500:], Torus(2), "")
    monkeypatch.setattr(module.data, "protein_torsions", lambda *residues: points)
    path = module.main(epochs=1, blocks=2, hidden=(4,), components=2, steps=20, every=1)
    assert path.stat().st_size > 20000
    said = capsys.readouterr().out
    assert said.count("nats a residue") == 3
    assert float(said.splitlines()[2].split()[-5]) > 0.5
