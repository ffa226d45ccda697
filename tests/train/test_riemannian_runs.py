"""Runs whose parameters live on manifolds: checkpoints, records, and what does not go with them."""

import numpy as np
import pytest
from linear_model import Linear, data, without_seconds

from geomlat.manifolds import Sphere
from geomlat.optim import Placed, RiemannianAdam, RiemannianSGD
from geomlat.train import Callback, CheckpointError, TrainingInterrupted, fit, load_checkpoint

pytest.importorskip("safetensors")

RULES = {
    "sgd": RiemannianSGD(0.05, momentum=0.9, clip=2.0, on=Sphere(3)),
    "adam": RiemannianAdam(0.05, on=(Placed(4, 12, Sphere(3)),)),
}


class Directions(Linear):
    """The weights' rows are unit vectors to begin with."""

    def init(self, *, rng, dtype):
        return Sphere(self.n - 1).project(super().init(rng=rng, dtype=dtype).reshape(self.n, self.n)).ravel()


class Interrupt(Callback):
    def on_step(self, training):
        if training.step == 11:
            raise KeyboardInterrupt


def run(folder, optimizer, **change):
    settings = {"epochs": 5, "batch_size": 16, "rng": 3, "validation": data(30, seed=9)} | change
    return fit(Directions(4), data(), directory=folder, optimizer=optimizer, **settings)


@pytest.mark.parametrize("name", RULES)
def test_a_run_resumes_bit_for_bit(name, tmp_path):
    expected = run(tmp_path / "whole", RULES[name])
    with pytest.raises(TrainingInterrupted):
        run(tmp_path / "cut", RULES[name], callbacks=[Interrupt()])
    result = run(tmp_path / "cut", RULES[name], resume=True)
    np.testing.assert_array_equal(result.theta, expected.theta)
    assert without_seconds(result.history) == without_seconds(expected.history)
    ours, theirs = (load_checkpoint(tmp_path / f).training.optimizer for f in ("cut", "whole"))
    for key in theirs:
        np.testing.assert_array_equal(ours[key], theirs[key])
    lengths = np.linalg.norm(result.theta.reshape(4, 4), axis=1)
    placed = slice(None) if name == "sgd" else slice(1, 3)
    np.testing.assert_allclose(lengths[placed], 1.0, rtol=1e-6)
    assert name == "sgd" or np.all(np.abs(lengths[[0, 3]] - 1) > 1e-3)


def test_a_run_on_another_manifold_is_another_run(tmp_path):
    run(tmp_path, RULES["adam"], epochs=1)
    moved = RiemannianAdam(0.05, on=(Placed(4, 16, Sphere(3)),))
    with pytest.raises(CheckpointError, match=r"training\.optimizer\.on"):
        run(tmp_path, moved, epochs=2, resume=True)


def test_an_average_would_leave_the_manifold():
    with pytest.raises(ValueError, match="average= would leave the manifolds of RiemannianSGD"):
        run(None, RULES["sgd"], average=0.9)
