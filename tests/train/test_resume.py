"""Checkpoints, and runs that continue from them bit for bit."""

import json
import os
import random
import signal
import threading

import numpy as np
import pytest
from linear_model import Linear, data, without_seconds

from geomlat.optim import SGD, Adam, AdamW, warmup
from geomlat.random import normal
from geomlat.train import Callback, CheckpointError, TrainingInterrupted, fit, load_checkpoint, read_history
from geomlat.train.checkpoint import CHECKPOINT

pytest.importorskip("safetensors")


def jitter(batch, *, rng):
    return batch + 0.1 * normal(batch.shape, rng=rng, dtype=batch.dtype)


RUNS = {
    "sgd": {"optimizer": SGD(0.05)},
    "momentum": {"optimizer": SGD(0.05, momentum=0.9, nesterov=True, clip=1.0)},
    "adam": {"optimizer": Adam(0.02), "beta": warmup(9), "prepare": jitter},
    "adamw with average": {"optimizer": AdamW(0.02), "average": 0.9, "dtype": np.float64},
    "early stopping": {"optimizer": SGD(0.2, momentum=0.9), "patience": 2, "warmup_epochs": 2, "average": 0.5},
}
EPOCHS, STEPS = 7, 4


class Interrupt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step(self, training):
        if training.step == self.step:
            raise KeyboardInterrupt


class InterruptInside(Linear):
    """Raises in the middle of a step: in the forward pass, or in the pull."""

    def __init__(self, n, call, where):
        super().__init__(n)
        self.call, self.where, self.calls = call, where, 0

    def loss_vjp(self, theta, x, noise, *, beta=1.0):
        self.calls += 1
        loss, pull = super().loss_vjp(theta, x, noise, beta=beta)

        def interrupted(g):
            pull(g)
            raise KeyboardInterrupt

        if self.calls != self.call:
            return loss, pull
        if self.where == "forward":
            raise KeyboardInterrupt
        return loss, interrupted


def run(folder, name, model=None, **change):
    arguments = {"epochs": EPOCHS, "batch_size": 16, "rng": 3, "validation": data(30, seed=9)} | RUNS[name]
    return fit(model or Linear(4), data(), directory=folder, **(arguments | change))


def vectors(folder):
    t = load_checkpoint(folder).training
    return {"theta": t.theta, "average": t.average, "best": t.best, **t.optimizer}, t


def require_equal(folder, other, result, expected):
    np.testing.assert_array_equal(result.theta, expected.theta)
    assert without_seconds(result.history) == without_seconds(expected.history)
    assert (result.stopped, result.step, result.best_epoch, result.best_loss) == (
        expected.stopped,
        expected.step,
        expected.best_epoch,
        expected.best_loss,
    )
    assert without_seconds(read_history(folder)) == without_seconds(expected.history)
    ours, a = vectors(folder)
    theirs, b = vectors(other)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key])
    assert (a.step, a.epoch, a.loss_sum, a.norm_sum) == (b.step, b.epoch, b.loss_sum, b.norm_sum)


@pytest.mark.parametrize("name", RUNS)
def test_twice_n_epochs_is_n_save_load_n(name, tmp_path):
    expected = run(tmp_path / "whole", name)
    run(tmp_path / "halves", name, epochs=3)
    result = run(tmp_path / "halves", name, resume=True)
    require_equal(tmp_path / "halves", tmp_path / "whole", result, expected)


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("step", [1, 2 * STEPS + 3, 3 * STEPS])
def test_interrupted_in_mid_epoch(name, step, tmp_path):
    expected = run(tmp_path / "whole", name)
    with pytest.raises(TrainingInterrupted, match=f"interrupted after step {step}; resume it from step {step} in"):
        run(tmp_path / "cut", name, callbacks=[Interrupt(step)])
    result = run(tmp_path / "cut", name, resume=True)
    require_equal(tmp_path / "cut", tmp_path / "whole", result, expected)


@pytest.mark.parametrize("where", ["forward", "pull"])
def test_interrupted_inside_a_step(where, tmp_path):
    expected = run(tmp_path / "whole", "adam")
    with pytest.raises(TrainingInterrupted, match="after step 5;") as caught:
        run(tmp_path / "cut", "adam", model=InterruptInside(4, 6, where))
    assert caught.value.training.step == 5
    assert caught.value.directory == tmp_path / "cut"
    require_equal(tmp_path / "cut", tmp_path / "whole", run(tmp_path / "cut", "adam", resume=True), expected)


def test_interrupted_in_the_middle_of_an_update(tmp_path, monkeypatch):
    expected = run(tmp_path / "whole", "adam")
    update, calls = Adam.update, []

    def torn(self, theta, grad, state):
        norm = update(self, theta, grad, state)
        calls.append(norm)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return norm

    with monkeypatch.context() as patch:
        patch.setattr(Adam, "update", torn)
        with pytest.raises(TrainingInterrupted, match="after step 6; resume it from step 4 in"):
            run(tmp_path / "cut", "adam", checkpoint_every=4)
    assert load_checkpoint(tmp_path / "cut").training.step == 4
    require_equal(tmp_path / "cut", tmp_path / "whole", run(tmp_path / "cut", "adam", resume=True), expected)


def test_a_real_ctrl_c_waits_for_the_step(tmp_path):
    class CtrlC(Linear):
        def loss_vjp(self, theta, x, noise, *, beta=1.0):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 6:
                os.kill(os.getpid(), signal.SIGINT)
            return super().loss_vjp(theta, x, noise, beta=beta)

    expected = run(tmp_path / "whole", "adam")
    with pytest.raises(TrainingInterrupted, match="after step 6; resume it from step 6 in"):
        run(tmp_path / "cut", "adam", model=CtrlC(4))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    require_equal(tmp_path / "cut", tmp_path / "whole", run(tmp_path / "cut", "adam", resume=True), expected)


def test_a_second_ctrl_c_does_not_wait(tmp_path):
    class Stuck(Linear):
        def loss_vjp(self, theta, x, noise, *, beta=1.0):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError

    with pytest.raises(TrainingInterrupted, match="after step 0; resume it from step 0"):
        run(tmp_path, "adam", model=Stuck(4))


def test_a_foreign_handler_is_left_alone(tmp_path):
    class Look(Callback):
        def on_step(self, training):
            seen.append(signal.getsignal(signal.SIGINT))

    def foreign(signum, frame):
        raise AssertionError

    seen, before = [], signal.signal(signal.SIGINT, foreign)
    try:
        run(tmp_path, "sgd", epochs=1, callbacks=[Look()])
    finally:
        signal.signal(signal.SIGINT, before)
    assert set(seen) == {foreign}


def test_training_in_a_thread(tmp_path):
    expected, results = run(tmp_path / "a", "adam"), []
    worker = threading.Thread(target=lambda: results.append(run(tmp_path / "b", "adam")))
    worker.start()
    worker.join()
    np.testing.assert_array_equal(results[0].theta, expected.theta)


def test_an_interrupt_without_a_folder_keeps_the_weights():
    with pytest.raises(TrainingInterrupted, match="nothing was saved") as caught:
        run(None, "adam", callbacks=[Interrupt(5)])
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.training.theta.shape == (16,)


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    # No epoch improves by 10 on the first counted one, so that patience ends the second run.
    for name, stopped in (("adam", "epochs"), ("early stopping", "patience")):
        expected = run(tmp_path / name, name, min_delta=10.0)
        result = run(tmp_path / name, name, min_delta=10.0, resume=True)
        np.testing.assert_array_equal(result.theta, expected.theta)
        assert result.stopped == expected.stopped == stopped
        assert result.step == expected.step
    longer = run(tmp_path / name, name, min_delta=10.0, resume=True, patience=100)
    assert longer.epoch == EPOCHS > result.epoch


def test_resuming_with_the_stored_seed(tmp_path):
    expected = run(tmp_path / "whole", "adam", rng=None)
    stopped = run(tmp_path / "cut", "adam", rng=None, epochs=2)
    result = run(tmp_path / "cut", "adam", rng=None, resume=True)
    assert without_seconds(result.history)[:2] == without_seconds(stopped.history)
    assert not np.array_equal(result.theta, expected.theta)


class Files(Callback):
    def __init__(self, folder):
        self.folder, self.steps = folder, []

    def on_start(self, training):
        self.steps.append(load_checkpoint(self.folder).training.step)

    def on_step(self, training):
        self.steps.append(load_checkpoint(self.folder).training.step)


def test_the_first_checkpoint_is_early_and_the_others_on_time(tmp_path):
    files = Files(tmp_path)
    run(tmp_path, "adam", epochs=2, checkpoint_every=3, callbacks=[files])
    assert files.steps == [0, 0, 0, 3, 3, 3, 6, 6, 6]
    t = load_checkpoint(tmp_path).training
    assert (t.step, t.epoch, len(t.history)) == (8, 2, 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [CHECKPOINT, "config.json", "history.jsonl"]


def test_the_last_epoch_is_in_the_checkpoint_of_its_last_step(tmp_path):
    run(tmp_path, "early stopping", epochs=3, checkpoint_every=STEPS)
    t = load_checkpoint(tmp_path).training
    assert (t.step, t.epoch, len(t.history)) == (12, 3, 3)


def test_history_lines_beyond_the_checkpoint_are_dropped(tmp_path):
    expected = run(tmp_path / "whole", "adam")
    with pytest.raises(TrainingInterrupted):
        run(tmp_path / "cut", "adam", callbacks=[Interrupt(2 * STEPS + 1)])
    history = tmp_path / "cut" / "history.jsonl"
    history.write_text(history.read_text() + json.dumps({"epoch": 3}) + '\n{"epoch": 4, "lo')
    assert len(read_history(tmp_path / "cut")) == 3
    run(tmp_path / "cut", "adam", resume=True)
    assert without_seconds(read_history(tmp_path / "cut")) == without_seconds(expected.history)


def test_config_is_readable_and_complete(tmp_path):
    run(tmp_path, "adam", epochs=1)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config == load_checkpoint(tmp_path / CHECKPOINT).config
    assert load_checkpoint(tmp_path).model == {"kind": "linear", "n": 4, "noise": 0.1, "tuple": [1, 2]}
    assert config["training"]["beta"] == {"name": "warmup", "steps": 9}
    assert config["training"]["optimizer"]["name"] == "Adam"
    assert config["training"]["prepare"].endswith("test_resume.jitter")
    assert config["data"]["x"]["shape"] == [50, 4]
    assert set(config["versions"]) == {"geomlat", "numpy", "python"}


def test_the_checkpoint_gives_the_weights_fit_returned(tmp_path):
    for name in ("adam", "adamw with average", "early stopping"):
        result = run(tmp_path / name, name)
        np.testing.assert_array_equal(load_checkpoint(tmp_path / name).theta, result.theta)


def test_a_strided_vector_is_saved_in_order(tmp_path):
    from geomlat.train.checkpoint import save_checkpoint
    from geomlat.train.state import Training

    theta = np.arange(12.0).reshape(3, 4).T.reshape(-1, 1)[::2, 0]
    save_checkpoint(tmp_path, Training(theta, {"step": 0, "m": theta[::-1]}), {"model": {}})
    t = load_checkpoint(tmp_path).training
    np.testing.assert_array_equal(t.theta, theta)
    np.testing.assert_array_equal(t.optimizer["m"], theta[::-1])
    assert t.theta.flags.writeable


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_size": 8}, "training.batch_size: 16 then, 8 now"),
        ({"rng": 4}, "seed: "),
        ({"optimizer": Adam(0.03)}, "training.optimizer.lr: 0.02 then, 0.03 now"),
        ({"optimizer": SGD(0.02)}, "training.optimizer.name: 'Adam' then, 'SGD' now"),
        ({"beta": warmup(8)}, "training.beta.steps: 9 then, 8 now"),
        ({"prepare": None}, "training.prepare"),
        ({"average": 0.9}, "training.average.decay"),
        ({"dtype": np.float64}, "training.dtype"),
        ({"drop_last": True}, "training.drop_last"),
        ({"warmup_epochs": 1}, "training.warmup_epochs"),
        ({"min_delta": 0.1}, "training.min_delta"),
        ({"model": Linear(4, noise=0.2)}, "model.noise: 0.1 then, 0.2 now"),
        ({"validation": data(30, seed=10)}, "data.validation.crc32"),
        ({"validation": None}, "data.validation"),
    ],
)
def test_a_checkpoint_of_another_run(change, named, tmp_path):
    run(tmp_path, "adam", epochs=1)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(CheckpointError, match="of another run") as caught:
        run(tmp_path, "adam", resume=True, **change)
    assert named in str(caught.value)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_damaged_checkpoints_raise_one_error_and_change_nothing(tmp_path):
    run(tmp_path, "adam", epochs=1)
    file = tmp_path / CHECKPOINT
    whole, rng = file.read_bytes(), random.Random(0)
    others = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p != file}
    damaged = [b"", whole[:7], whole[:8], whole[:-1], b"\0" * len(whole), b"not a checkpoint", whole + b"x"]
    damaged += [whole[: rng.randrange(len(whole))] for _ in range(20)]
    for _ in range(200):
        at = rng.randrange(len(whole))
        damaged.append(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
    for content in damaged:
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match="is not a whole geomlat checkpoint"):
            run(tmp_path, "adam", resume=True)
        assert file.read_bytes() == content
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p != file} == others


def test_a_foreign_safetensors_file(tmp_path):
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3)}, tmp_path / CHECKPOINT)
    with pytest.raises(CheckpointError, match="is not a whole geomlat checkpoint"):
        load_checkpoint(tmp_path)


def test_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint at"):
        run(tmp_path / "missing", "adam", resume=True)
    assert not (tmp_path / "missing").exists()


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"cannot write to the folder .*file"):
        run(tmp_path / "file", "adam")
    with pytest.raises(CheckpointError, match="cannot write to the folder"):
        run(tmp_path / "file" / "below", "adam")

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    trained = []
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    monkeypatch.setattr(Linear, "loss_vjp", lambda *args, **kwargs: trained.append(1))
    with pytest.raises(CheckpointError, match="Permission denied"):
        run(tmp_path / "locked", "adam")
    assert not trained


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    run(tmp_path, "adam", epochs=1)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(CheckpointError, match="No space left on device"):
        run(tmp_path, "adam", resume=True)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
