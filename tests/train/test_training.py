import io
import math
import os

import numpy as np
import pytest
from linear_model import Linear, data, without_seconds

from geomlat.backends.threads import thread_count
from geomlat.optim import EMA, SGD, Adam, cosine, warmup
from geomlat.random import normal, stream
from geomlat.train import Callback, Snapshots, TrainingDiverged, fit

MODEL = Linear(4)


class Recorder(Callback):
    def __init__(self, stop_at_step=None, stop_at_epoch=None):
        self.events, self.thetas = [], []
        self.stop_at_step, self.stop_at_epoch = stop_at_step, stop_at_epoch

    def on_start(self, training):
        self.events.append("start")

    def on_step(self, training):
        self.events.append("step")
        self.thetas.append(training.theta.copy())
        return training.step == self.stop_at_step

    def on_epoch(self, training):
        self.events.append("epoch")
        return training.epoch == self.stop_at_epoch

    def on_end(self, training):
        self.events.append("end")


def by_hand(x, *, epochs, batch_size, rng, optimizer, beta=1.0, ema=None):
    """The loop written out: what `fit` promises about randomness, order and updates."""
    first = stream(rng)
    theta = MODEL.init(rng=first.child("init"), dtype=np.float32)
    average = theta.copy()
    state, step, losses = optimizer.init(theta), 0, []
    for epoch in range(epochs):
        order = first.child("shuffle", epoch).generator().permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = x[order[start : start + batch_size]]
            noise = MODEL.draw(theta, batch, rng=first.child("noise", step))
            weight = beta(step) if callable(beta) else beta
            loss, pull = MODEL.loss_vjp(theta, batch, noise, beta=weight)
            grad = np.zeros_like(theta)
            pull(MODEL.view(grad))
            optimizer.update(theta, grad, state)
            if ema is not None:
                ema.update(average, theta, step)
            losses.append((float(loss), len(batch)))
            step += 1
    return theta, average, losses


def test_the_loop_is_what_it_says():
    x, settings = data(), {"epochs": 3, "batch_size": 16, "rng": 5, "optimizer": Adam(0.01)}
    theta, _, losses = by_hand(x, **settings)
    got = fit(MODEL, x, **settings)
    np.testing.assert_array_equal(got.theta, theta)
    assert (got.step, got.epoch, got.stopped) == (12, 3, "epochs")
    expected = sum(loss * n for loss, n in losses[-4:]) / 50
    assert got.history[-1]["loss"] == pytest.approx(expected, rel=1e-12, abs=0.0)
    assert [row["epoch"] for row in got.history] == [1, 2, 3]
    assert [row["step"] for row in got.history] == [4, 8, 12]


def test_training_reaches_the_minimum():
    x = data(400, dtype=np.float64)
    got = fit(
        Linear(4, noise=0.0), x, epochs=300, batch_size=400, rng=0, optimizer=SGD(0.3), beta=0.1, dtype=np.float64
    )
    second = x.T @ x / 400
    np.testing.assert_allclose(got.theta.reshape(4, 4), np.linalg.solve(second + 0.1 * np.eye(4), second), rtol=1e-8)


def test_the_seed_decides():
    x = data()
    a, b, c = (fit(MODEL, x, epochs=1, rng=seed).theta for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_batches_cover_every_row_once_an_epoch():
    seen = []

    def keep(batch, *, rng):
        seen.append(batch.copy())
        return batch

    x = data(50)
    fit(MODEL, x, epochs=2, batch_size=16, rng=0, prepare=keep)
    batches = seen[1:]
    assert [len(b) for b in batches] == [16, 16, 16, 2] * 2
    for epoch in (batches[:4], batches[4:]):
        rows = np.concatenate(epoch)
        np.testing.assert_array_equal(rows[np.lexsort(rows.T)], x[np.lexsort(x.T)])
    assert not np.array_equal(batches[0], batches[4])


def test_drop_last():
    x = data(50)
    got = fit(MODEL, x, epochs=2, batch_size=16, rng=0, drop_last=True)
    assert got.step == 6
    with pytest.raises(ValueError, match="50 rows do not fill one batch of 51"):
        fit(MODEL, x, epochs=1, batch_size=51, drop_last=True)


def test_beta_and_the_warm_up():
    x, common = data(48), {"epochs": 3, "batch_size": 16, "rng": 1, "optimizer": Adam(0.01)}
    got = fit(MODEL, x, warmup_epochs=2, beta=0.5, **common)
    theta, _, _ = by_hand(x, beta=lambda t: 0.5 * min(1.0, t / 6), **common)
    np.testing.assert_array_equal(got.theta, theta)
    assert [row["beta"] for row in got.history] == pytest.approx([0.5 * 2 / 6, 0.5 * 5 / 6, 0.5])
    scheduled = fit(MODEL, x, beta=warmup(5), **common)
    np.testing.assert_array_equal(scheduled.theta, by_hand(x, beta=warmup(5), **common)[0])


def test_history_of_the_learning_rate_and_the_norm():
    recorder, x = Recorder(), data(48)
    schedule = cosine(0.1, 9)
    got = fit(MODEL, x, epochs=3, batch_size=16, rng=1, optimizer=SGD(schedule), callbacks=[recorder])
    assert [row["lr"] for row in got.history] == [schedule(2), schedule(5), schedule(8)]
    moves = [np.linalg.norm(b - a) for a, b in zip(recorder.thetas, recorder.thetas[1:], strict=False)]
    expected = np.mean([moves[k - 1] / schedule(k) for k in (3, 4, 5)])
    assert got.history[1]["grad_norm"] == pytest.approx(expected, rel=1e-4, abs=0.0)


def test_the_average_is_validated_and_returned():
    x, settings = data(), {"epochs": 3, "batch_size": 16, "rng": 5, "optimizer": Adam(0.01)}
    theta, average, _ = by_hand(x, ema=EMA(0.8), **settings)
    got = fit(MODEL, x, average=0.8, validation=x, **settings)
    np.testing.assert_array_equal(got.theta, average)
    assert not np.array_equal(average, theta)
    noise = MODEL.draw(average, x, rng=stream(5).child("validation").child("noise", 0))
    assert got.history[-1]["validation"]["loss"] == pytest.approx(float(MODEL.report(average, x, noise)["loss"]))


def test_validation_in_blocks_at_fixed_noise():
    x, v = data(), data(2500, seed=1)
    got = fit(MODEL, x, epochs=2, rng=3, validation=v, optimizer=SGD(1e-30))
    first, second = (row["validation"] for row in got.history)
    assert first == second
    theta, rng = got.theta, stream(3).child("validation")
    parts = [v[:1000], v[1000:2000], v[2000:]]
    expected = sum(
        len(b) * MODEL.report(theta, b, MODEL.draw(theta, b, rng=rng.child("noise", k)))["reconstruction"]
        for k, b in enumerate(parts)
    )
    assert first["reconstruction"] == pytest.approx(expected / 2500, rel=1e-6, abs=0.0)


def test_prepare_is_fresh_in_training_and_fixed_on_validation():
    seen = {50: [], 7: [], 2: []}

    def jitter(batch, *, rng):
        out = batch + normal(batch.shape, rng=rng, dtype=batch.dtype)
        seen[len(batch)].append(out)
        return out

    x, v = data(50), data(7, seed=1)
    fit(MODEL, x, epochs=3, batch_size=50, rng=0, prepare=jitter, validation=v)
    first = stream(0)
    order = first.child("shuffle", 1).generator().permutation(50)
    np.testing.assert_array_equal(seen[50][1], x[order] + normal((50, 4), rng=first.child("data", 1), dtype=np.float32))
    assert len(seen[7]) == 3
    np.testing.assert_array_equal(seen[7][0], seen[7][2])


def test_each_block_of_validation_is_prepared_with_a_stream_of_its_own():
    streams = []

    def look(batch, *, rng):
        streams.append(rng)
        return batch

    fit(MODEL, data(8), epochs=1, batch_size=8, rng=0, prepare=look, validation=data(1500))
    validation = stream(0).child("validation")
    assert streams[2:] == [validation.child("data", 0), validation.child("data", 1)]


def test_early_stopping_returns_the_best():
    # The learning rate grows until the loss gets worse: the best epoch is in the middle.
    x, v = data(64), data(64, seed=1)
    recorder = Recorder()
    got = fit(
        MODEL, x, epochs=60, batch_size=64, rng=0, optimizer=SGD(lambda t: 0.01 * 1.2**t), validation=v, patience=3,
        callbacks=[recorder],
    )  # fmt: skip
    losses = [row["validation"]["loss"] for row in got.history]
    best = int(np.argmin(losses))
    assert got.stopped == "patience"
    assert got.best_epoch == best + 1
    assert got.best_loss == losses[best]
    assert got.epoch == best + 1 + 3 < 60
    np.testing.assert_array_equal(got.theta, recorder.thetas[best])


def test_early_stopping_keeps_the_best_average():
    class Averages(Callback):
        def on_epoch(self, training):
            seen.append(training.average.copy())

    seen, x = [], data(64)
    settings = {
        "epochs": 9,
        "batch_size": 16,
        "rng": 0,
        "optimizer": SGD(0.1),
        "average": 0.9,
        "callbacks": [Averages()],
    }
    got = fit(MODEL, x, validation=x, patience=2, min_delta=10.0, **settings)
    assert (got.best_epoch, got.epoch) == (1, 3)
    np.testing.assert_array_equal(got.theta, seen[0])


def test_min_delta():
    # Full batches without noise, validated on the training rows: the loss falls in every epoch.
    model, x = Linear(4, noise=0.0), data(64)
    settings = {"epochs": 10, "batch_size": 64, "rng": 0, "optimizer": SGD(0.05), "validation": x, "patience": 2}
    assert fit(model, x, **settings).stopped == "epochs"
    got = fit(model, x, min_delta=10.0, **settings)
    assert (got.stopped, got.epoch, got.best_epoch) == ("patience", 3, 1)


def test_early_stopping_waits_for_the_warm_up():
    x, v = data(64), data(64, seed=1)
    # min_delta so large that nothing after the first counted epoch is an improvement.
    got = fit(MODEL, x, epochs=30, rng=0, validation=v, patience=2, min_delta=10.0, warmup_epochs=7)
    assert (got.best_epoch, got.epoch) == (8, 10)
    short = fit(MODEL, x, epochs=3, rng=0, validation=v, patience=2, warmup_epochs=7)
    assert (short.stopped, short.best_loss, short.epoch) == ("epochs", None, 3)


def test_without_patience_the_last_weights_are_returned():
    x = data(64)
    recorder = Recorder()
    got = fit(
        MODEL, x, epochs=3, batch_size=64, optimizer=SGD(3.0, clip=1.0), rng=0, validation=x, callbacks=[recorder]
    )
    np.testing.assert_array_equal(got.theta, recorder.thetas[-1])


def test_callbacks_in_order():
    recorder = Recorder()
    fit(MODEL, data(32), epochs=2, batch_size=16, rng=0, callbacks=[recorder])
    assert recorder.events == ["start", "step", "step", "epoch", "step", "step", "epoch", "end"]


@pytest.mark.parametrize(("where", "step", "epoch"), [("step", 3, 1), ("epoch", 4, 2)])
def test_a_callback_stops_the_run(where, step, epoch):
    recorder = Recorder(**{f"stop_at_{where}": {"step": 3, "epoch": 2}[where]})
    got = fit(MODEL, data(32), epochs=9, batch_size=16, rng=0, callbacks=[recorder])
    assert (got.stopped, got.step, got.epoch) == ("callback", step, epoch)
    assert recorder.events[-1] == "end"


def test_theta_is_where_it_starts():
    start = np.linspace(-1, 1, 16)
    before = start.copy()
    got = fit(MODEL, data(), epochs=0, rng=0, theta=start)
    np.testing.assert_array_equal(got.theta, start.astype(np.float32))
    assert got.theta.dtype == np.float32
    fit(MODEL, data(), epochs=1, rng=0, theta=start)
    np.testing.assert_array_equal(start, before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_data_are_prepared_as_stored_and_the_run_has_one_dtype(dtype, monkeypatch):
    stored, seen = [], []
    loss_vjp = Linear.loss_vjp

    def look(batch, *, rng):
        stored.append(batch.dtype)
        return batch

    def watch(self, theta, x, noise, *, beta=1.0):
        seen.extend([theta.dtype, x.dtype])
        return loss_vjp(self, theta, x, noise, beta=beta)

    monkeypatch.setattr(Linear, "loss_vjp", watch)

    x = (data() > 0).astype(np.uint8)
    got = fit(MODEL, x, epochs=1, rng=0, dtype=dtype, prepare=look, validation=x)
    assert got.theta.dtype == dtype
    assert set(stored) == {np.dtype(np.uint8)}
    assert set(seen) == {np.dtype(dtype)}


def test_read_only_and_strided_rows_are_left_alone():
    x = np.asfortranarray(data())
    x.flags.writeable = False
    np.testing.assert_array_equal(fit(MODEL, x, epochs=1, rng=0).theta, fit(MODEL, data(), epochs=1, rng=0).theta)


def test_lists_are_rows():
    x = data()
    assert np.array_equal(fit(MODEL, x.tolist(), epochs=1, rng=0).theta, fit(MODEL, x, epochs=1, rng=0).theta)


def test_progress(monkeypatch):
    pytest.importorskip("tqdm")
    err = io.StringIO()
    monkeypatch.setattr("sys.stderr", err)
    fit(MODEL, data(), epochs=2, batch_size=25, rng=0)
    assert err.getvalue() == ""
    fit(MODEL, data(), epochs=2, batch_size=25, rng=0, progress=True, validation=data())
    assert "4/4" in err.getvalue()
    assert "epoch 2/2, loss" in err.getvalue()
    assert "validation" in err.getvalue()


def test_progress_of_a_resumed_run_starts_where_it_left_off(tmp_path, monkeypatch):
    pytest.importorskip("tqdm")
    bars = []

    class Bar:
        def __init__(self, *, total, initial, **options):
            self.total, self.n, self.closed = total, initial, False
            bars.append(self)

        def update(self):
            self.n += 1

        def set_postfix_str(self, text):
            pass

        def close(self):
            self.closed = True

    monkeypatch.setattr("tqdm.tqdm", Bar)
    fit(MODEL, data(), epochs=2, batch_size=25, rng=0, directory=tmp_path)
    fit(MODEL, data(), epochs=5, batch_size=25, rng=0, directory=tmp_path, resume=True, progress=True)
    with pytest.raises(TrainingDiverged):
        fit(Diverging(4, 2, "loss"), data(), epochs=5, batch_size=25, rng=0, progress=True)
    assert [(bar.total, bar.n, bar.closed) for bar in bars] == [(10, 10, True), (10, 1, True)]


def test_progress_on_a_terminal_without_tqdm(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    err = Terminal()
    monkeypatch.setattr("sys.stderr", err)
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    fit(MODEL, data(), epochs=2, rng=0)
    assert [line.split(":")[0] for line in err.getvalue().splitlines()] == ["epoch 1/2", "epoch 2/2"]
    fit(MODEL, data(), epochs=2, rng=0, progress=False)
    assert len(err.getvalue().splitlines()) == 2


def test_threads_are_limited_and_given_back():
    threadpoolctl = pytest.importorskip("threadpoolctl")

    def threads():
        blas = {lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"}
        return blas, thread_count()

    class Look(Callback):
        def on_epoch(self, training):
            seen.append(threads())

    seen, before = [], threads()
    for n in (1, 2, None):
        fit(MODEL, data(), epochs=1, rng=0, callbacks=[Look()], threads=n)
    two = min(2, os.cpu_count() or 1)
    assert seen == [({1}, 1), ({two}, min(2, before[1])), before]
    assert threads() == before


class Diverging(Linear):
    def __init__(self, n, at, where):
        super().__init__(n)
        self.at, self.where, self.calls = at, where, 0

    def loss_vjp(self, theta, x, noise, *, beta=1.0):
        self.calls += 1
        loss, pull = super().loss_vjp(theta, x, noise, beta=beta)
        bad = self.calls == self.at
        if bad and self.where == "parameter":
            raise ValueError("kappa is not negative, got nan")

        def pull_bad(g):
            pull(g)
            if bad and self.where == "gradient":
                g["w"][0, 0] = np.inf

        return (loss * math.nan if bad and self.where == "loss" else loss), pull_bad

    def report(self, theta, x, noise):
        report = super().report(theta, x, noise)
        return report | {"loss": math.inf} if self.where == "validation" else report


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("loss", r"the loss is nan at step 6; .*\(there is no checkpoint\)"),
        ("gradient", r"the gradient's norm is inf at step 6"),
        ("parameter", r"the model could not be evaluated: kappa is not negative, got nan; at step 6"),
        ("validation", r"the validation loss is inf in the epoch that ends at step 4"),
    ],
)
def test_divergence_is_one_clear_error(where, message):
    with pytest.raises(TrainingDiverged, match=message):
        fit(Diverging(4, 6, where), data(), epochs=3, batch_size=16, rng=0, validation=data())


class Grown(Linear):
    """Its loss is so many times the first one at the steps where a factor is given."""

    def __init__(self, n, **factors):
        super().__init__(n)
        self.factors, self.calls = {int(k[1:]): v for k, v in factors.items()}, 0

    def loss_vjp(self, theta, x, noise, *, beta=1.0):
        self.calls += 1
        loss, pull = super().loss_vjp(theta, x, noise, beta=beta)
        return loss * self.factors.get(self.calls, 1.0), pull


def test_a_finite_loss_out_of_the_scale_of_the_first_is_divergence(tmp_path):
    """Two batches an epoch: on average and at the end of one."""
    rows = {"epochs": 3, "batch_size": 8, "rng": 0}
    x = data()[:16]
    with pytest.raises(
        TrainingDiverged, match=r"mean loss is .*e\+.*, where that of the first batch was .* at step 4;"
    ):
        fit(Grown(4, _3=1e9, _4=1e9), x, **rows)
    for came_back in ({"_3": 1e12}, {"_3": 1e6, "_4": 1e6}, {}):
        assert fit(Grown(4, **came_back), x, **rows).epoch == 3
    # The first loss is kept by checkpoints.
    fit(Grown(4), x, directory=tmp_path, **{**rows, "epochs": 1})
    with pytest.raises(TrainingDiverged, match="where that of the first batch was"):
        fit(Grown(4, _1=1e9, _2=1e9), x, directory=tmp_path, resume=True, **rows)


def test_a_model_that_refuses_its_first_batch_keeps_its_error():
    with pytest.raises(ValueError, match="got nan"):
        fit(Diverging(4, 1, "parameter"), data(), epochs=3, batch_size=16, rng=0)


def nan_in_row_9():
    x = data()
    x[9, 2] = np.nan
    return x


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": nan_in_row_9()}, "x holds NaN or infinite values, the first in row 9"),
        ({"x": data()[0]}, r"x must have shape \(rows, features\) with at least one row, got \(4,\)"),
        ({"x": data()[:0]}, r"got \(0, 4\)"),
        ({"x": data() + 1j}, "dtype complex"),
        ({"x": data(n=5)}, "rows have 5 features, the model 4"),
        ({"validation": data(n=5)}, r"validation rows have shape \(5,\), those of x \(4,\)"),
        ({"validation": nan_in_row_9()}, "validation holds NaN"),
        ({"patience": 3}, "patience needs validation="),
        ({"patience": 0, "validation": data()}, "patience must be a whole number, at least 1, got 0"),
        ({"epochs": -1}, "epochs must be a whole number, at least 0, got -1"),
        ({"epochs": 2.5}, "epochs must be a whole number"),
        ({"batch_size": 0}, "batch_size must be a whole number, at least 1, got 0"),
        ({"warmup_epochs": -1}, "warmup_epochs"),
        ({"min_delta": -1.0}, "min_delta"),
        ({"beta": float("nan")}, "beta must be a finite number"),
        ({"beta": -1.0}, "beta must be"),
        ({"average": 1.0}, "decay must be in"),
        ({"dtype": np.int64}, "dtype must be float32 or float64"),
        ({"theta": np.zeros(3)}, r"the vector has shape \(3,\)"),
        ({"checkpoint_every": 0}, "checkpoint_every"),
        ({"threads": 0}, "threads must be a whole number, at least 1, got 0"),
        ({"resume": True, "directory": None}, "resume=True needs the directory="),
        ({"resume": True, "theta": np.zeros(16)}, "and no theta="),
        ({"rng": -1}, "non-negative"),
    ],
)
def test_bad_input_writes_nothing(change, message, tmp_path):
    folder = tmp_path / "run"
    arguments = {"x": data(), "epochs": 1, "rng": 0, "directory": folder, **change}
    with pytest.raises(ValueError, match=message):
        fit(MODEL, arguments.pop("x"), **arguments)
    assert not folder.exists()


def test_a_wrong_optimiser_is_a_type_error():
    with pytest.raises(TypeError, match=r"optimizer must be one of geomlat\.optim"):
        fit(MODEL, data(), epochs=1, optimizer="adam")


def test_a_report_without_a_loss():
    class Mute(Linear):
        def report(self, theta, x, noise):
            return {"kl": 0.0}

    with pytest.raises(ValueError, match=r"must give a 'loss' for validation, got \['kl'\]"):
        fit(Mute(4), data(), epochs=1, validation=data())
    fit(Mute(4), data(), epochs=1)


def test_history_without_a_folder_is_the_same(tmp_path):
    x = data()
    a = fit(MODEL, x, epochs=2, rng=0, validation=x)
    b = fit(MODEL, x, epochs=2, rng=0, validation=x, directory=tmp_path)
    assert without_seconds(a.history) == without_seconds(b.history)
    np.testing.assert_array_equal(a.theta, b.theta)


def test_snapshots_are_copies_of_the_weights_to_evaluate():
    kept = Snapshots(3, first=2)
    got = fit(MODEL, data(32), epochs=7, batch_size=16, rng=0, callbacks=[kept], average=0.9)
    assert [state.step for state in kept.kept] == [2, 4, 6, 12, 14]
    np.testing.assert_array_equal(kept.kept[-1].theta, got.theta)
    assert [state.loss for state in kept.kept] == [got.history[e - 1]["loss"] for e in (1, 2, 3, 6, 7)]
    assert not np.array_equal(kept.kept[0].theta, kept.kept[1].theta)
    with pytest.raises(ValueError, match="every is at least 1"):
        Snapshots(0)
