"""The training loop.

All randomness of a step is a function of the seed and the step: batches of epoch ``e`` come from the permutation of
``rng.child("shuffle", e)``, step ``t`` prepares its batch with ``child("data", t)`` and draws its noise with
``child("noise", t)``. Nothing is advanced, so a run that stops anywhere resumes bit-identically.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import array_api_compat
import numpy as np

from geomlat.backends import is_host, namespace
from geomlat.grad import Params
from geomlat.optim import value_at
from geomlat.random import Stream
from geomlat.train.callbacks import Callback
from geomlat.train.checkpoint import save_checkpoint, write_atomic
from geomlat.train.history import append_history, start_history
from geomlat.train.interrupts import deferred_interrupt
from geomlat.train.settings import Settings
from geomlat.train.state import Fitted, Training, TrainingDiverged, TrainingInterrupted

Array = Any
_VALIDATION_ROWS = 1000
_SECONDS_BETWEEN_CHECKPOINTS = 5.0
LOST = 2.0**23
"""How many times the first batch's loss (or a nat, if that is more) a loss may rise: from there on the two have no
digit in common in float32. A rate of 1e5 can leave dead relus and a finite loss 1e13 times the first, which then stays.
"""


class Loop:
    """One run: its parts and its live state."""

    def __init__(
        self,
        model: Any,
        x: Array,
        validation: Array | None,
        settings: Settings,
        rng: Stream,
        training: Training,
        callbacks: tuple[Callback, ...],
        directory: Path | None,
        config: dict[str, Any],
        checkpoint_every: int | None,
    ) -> None:
        self.model, self.x, self.validation, self.settings = model, x, validation, settings
        self.rng, self.training, self.callbacks = rng, training, callbacks
        self.directory, self.config, self.checkpoint_every = directory, config, checkpoint_every
        self.xp = namespace(x)
        self.grad = self.xp.zeros_like(training.theta)
        self.g = model.view(self.grad)
        self.order: tuple[int, Array] = (-1, None)
        self.whole = True
        self.saved, self.saved_at = (-1, -1), 0.0

    def __call__(self) -> Fitted:
        """Train to the end, or until something stops it."""
        t = self.training
        if self.directory is not None:
            write_atomic(self.directory / "config.json", (json.dumps(self.config, indent=2) + "\n").encode())
            start_history(self.directory, t.history)
            self.save()
        try:
            with deferred_interrupt() as check:
                for c in self.callbacks:
                    c.on_start(t)
                stopped = self.train(check)
        except KeyboardInterrupt:
            raise self.interrupted() from None
        finally:
            for c in self.callbacks:
                c.on_end(t)
        if self.saved != (t.step, t.epoch):
            self.save()
        return Fitted(t.weights, t.history, stopped, t.step, t.epoch, t.best_epoch, t.best_loss, self.directory)

    def train(self, check_interrupt: Callable[[], None]) -> str:
        """Steps and epochs until one of the three reasons to stop, which is returned."""
        t = self.training
        while t.epoch < t.epochs:
            if self.out_of_patience():
                return "patience"
            while t.step < (t.epoch + 1) * t.steps_per_epoch:
                self.step()
                if self.checkpoint_every is not None and t.step % self.checkpoint_every == 0:
                    self.save()
                stop = [c.on_step(t) for c in self.callbacks]
                check_interrupt()
                if any(stop):
                    return "callback"
            self.finish_epoch()
            if self.checkpoint_every is None and time.monotonic() - self.saved_at > _SECONDS_BETWEEN_CHECKPOINTS:
                self.save()
            stop = [c.on_epoch(t) for c in self.callbacks]
            check_interrupt()
            if any(stop):
                return "callback"
        return "patience" if self.out_of_patience() else "epochs"

    def step(self) -> None:
        """One batch: forward, pull, update."""
        t, s, began = self.training, self.settings, time.perf_counter()
        rows = self.rows(t.step - t.epoch * t.steps_per_epoch)
        batch = prepared(rows, s, self.rng, "data", t.step)
        noise = self.rng.child("noise", t.step)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            beta = s.beta_at(t.step, t.steps_per_epoch)
            loss, pull = self.evaluated(self.model.loss_vjp, t.theta, batch, noise, beta=beta)
            self.require_finite("loss", loss)
            grad = self.gradient(pull)
            self.whole = False
            norm = s.optimizer.update(t.theta, grad, t.optimizer)
            self.require_finite("gradient's norm", norm)
        if s.average is not None:
            s.average.update(t.average, t.theta, t.step)
        t.last_loss = _sum(loss)
        t.first_loss = t.last_loss if t.step == 0 else t.first_loss
        t.loss_sum = t.loss_sum + t.last_loss * batch.shape[0]
        t.norm_sum = t.norm_sum + _sum(norm)
        t.step += 1
        t.seconds += time.perf_counter() - began
        self.whole = True

    def gradient(self, pull: Callable[[Any], object]) -> Array:
        """What the pull adds to zero."""
        if not isinstance(self.g, Params):
            self.grad[...] = 0.0
            pull(self.g)
            return self.grad
        self.g.clear()
        pull(self.g)
        return self.g.vector

    def evaluated(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A method of the model; one that accepted its first batch refuses a later one because it diverged."""
        try:
            return method(*args, **options)
        except ValueError as error:
            if self.training.step == 0:
                raise
            self.diverged(f"model could not be evaluated: {error};", f"at step {self.training.step + 1}", error)

    def rows(self, k: int) -> Array:
        """The rows of batch ``k`` of the epoch in progress, on the data's device."""
        t, size = self.training, self.settings.batch_size
        if self.order[0] != t.epoch:
            permutation = self.rng.child("shuffle", t.epoch).generator().permutation(self.x.shape[0])
            self.order = t.epoch, self.xp.asarray(permutation, device=array_api_compat.device(self.x))
        return self.xp.take(self.x, self.order[1][k * size : (k + 1) * size], axis=0)

    def finish_epoch(self) -> None:
        """Validate, keep the best weights, write the history."""
        t, s, began = self.training, self.settings, time.perf_counter()
        rows = min(self.x.shape[0], t.steps_per_epoch * s.batch_size)
        mean, norm = float(t.loss_sum) / rows, float(t.norm_sum) / t.steps_per_epoch
        self.require_finite_epoch("mean loss", mean + norm)
        self.require_same_scale(mean)
        report = None if self.validation is None else self.validate(self.validation)
        last = t.step - 1
        row = {
            "epoch": t.epoch + 1,
            "step": t.step,
            "loss": mean,
            "validation": report,
            "lr": value_at(s.optimizer.lr, last),
            "beta": s.beta_at(last, t.steps_per_epoch),
            "grad_norm": norm,
            "seconds": t.seconds + time.perf_counter() - began,
        }
        self.whole = False
        if report is not None and s.patience is not None and t.epoch >= s.warmup_epochs:
            self.keep_best(report["loss"])
        t.history.append(row)
        t.epoch += 1
        t.loss_sum = t.norm_sum = t.seconds = 0.0
        self.whole = True
        if self.directory is not None:
            append_history(self.directory, row)

    def keep_best(self, loss: float) -> None:
        """Copy the current weights if their validation loss is the best."""
        t = self.training
        if t.best_loss is None or loss < t.best_loss - self.settings.min_delta:
            t.best, t.best_loss, t.best_epoch = self.xp.asarray(t.current, copy=True), loss, t.epoch + 1

    def out_of_patience(self) -> bool:
        """Whether the best weights are older than the patience."""
        t, patience = self.training, self.settings.patience
        return patience is not None and t.best is not None and t.epoch - t.best_epoch >= patience

    def validate(self, x: Array) -> dict[str, float]:
        """The model's report on the validation rows, in blocks, at the same noise after every epoch."""
        t, totals = self.training, dict[str, float]()
        first = self.rng.child("validation")
        for k, start in enumerate(range(0, x.shape[0], _VALIDATION_ROWS)):
            block = prepared(x[start : start + _VALIDATION_ROWS], self.settings, first, "data", k)
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                means = self.evaluated(self.model.report, t.current, block, first.child("noise", k))
            for name, value in means.items():
                totals[name] = totals.get(name, 0.0) + float(value) * block.shape[0]
        report = {name: total / x.shape[0] for name, total in totals.items()}
        self.require_finite_epoch("validation loss", report["loss"])
        return report

    def save(self) -> None:
        """Write a checkpoint now."""
        if self.directory is not None:
            save_checkpoint(self.directory, self.training, self.config)
            self.saved, self.saved_at = (self.training.step, self.training.epoch), time.monotonic()

    def interrupted(self) -> TrainingInterrupted:
        """What to raise at Ctrl-C; a state cut in the middle of an update is not written."""
        t = self.training
        if self.whole:
            self.save()
        if self.directory is None:
            where = "nothing was saved, because the run has no directory"
        else:
            where = f"resume it from step {self.saved[0]} in {self.directory}"
        return TrainingInterrupted(f"training was interrupted after step {t.step}; {where}", t, self.directory)

    def require_finite(self, what: str, value: Array) -> None:
        """Stop at a NaN or an infinity; on a device only the means of the epoch are looked at."""
        if (is_host(value) or isinstance(value, float)) and not math.isfinite(value):
            self.diverged(f"{what} is {float(value)}", f"at step {self.training.step + 1}")

    def require_finite_epoch(self, what: str, value: float) -> None:
        """Stop at a mean that is not finite."""
        if not math.isfinite(value):
            self.diverged(f"{what} is {value}", f"in the epoch that ends at step {self.training.step}")

    def require_same_scale(self, mean: float) -> None:
        """Stop at an epoch whose loss is out of the first batch's scale, on average and still at its end."""
        t = self.training
        if t.first_loss is None:  # a checkpoint from before there was one
            return
        first = float(t.first_loss)
        if min(mean, float(t.last_loss)) - first > LOST * max(abs(first), 1.0):
            what = f"mean loss is {mean:.3g}, where that of the first batch was {first:.3g},"
            self.diverged(what, f"in the epoch that ends at step {t.step}")

    def diverged(self, what: str, where: str, cause: Exception | None = None) -> NoReturn:
        """Raise the error for a value that is not finite, or a model that cannot be evaluated."""
        last = "there is no checkpoint"
        if self.directory is not None:
            last = f"the last checkpoint is of step {self.saved[0]} in {self.directory}"
        msg = f"the {what} {where}; lower the learning rate or clip the gradient ({last})"
        raise TrainingDiverged(msg) from cause


def prepared(batch: Array, settings: Settings, rng: Stream, *path: int | str) -> Array:
    """A batch after the preparation, which sees it as stored and ``rng.child(*path)``, in the dtype of the run."""
    batch = batch if settings.prepare is None else settings.prepare(batch, rng=rng.child(*path))
    xp = namespace(batch)
    return xp.astype(batch, getattr(xp, settings.dtype), copy=False)


def _sum(value: Array) -> Array:
    # Sums over an epoch are float64: a Python float on the host, a 0-d array on a device, where nothing is copied back.
    if is_host(value) or isinstance(value, float):
        return float(value)
    xp = namespace(value)
    return xp.astype(value, xp.float64)
