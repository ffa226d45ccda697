"""The entry to training: arguments checked, the run begun or resumed, then the loop."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import is_host, namespace, thread_limit
from geomlat.optim import EMA, Adam, Optimizer
from geomlat.optim.schedules import Hyperparameter
from geomlat.random import Stream, stream
from geomlat.train.callbacks import Callback, Progress
from geomlat.train.checkpoint import load_checkpoint, writable_folder
from geomlat.train.loop import Loop, prepared
from geomlat.train.settings import Settings, at_least, check_data, record, require_same
from geomlat.train.state import Fitted, Training

Array = Any
_ADAM = Adam(1e-3)


def fit(
    model: Any,
    x: Array,
    *,
    epochs: int,
    batch_size: int = 64,
    rng: Any = None,
    optimizer: Optimizer = _ADAM,
    beta: Hyperparameter = 1.0,
    warmup_epochs: int = 0,
    validation: Array | None = None,
    patience: int | None = None,
    min_delta: float = 0.0,
    prepare: Callable[..., Array] | None = None,
    average: float | None = None,
    drop_last: bool = False,
    theta: Array | None = None,
    dtype: Any = np.float32,
    callbacks: Iterable[Callback] = (),
    directory: str | os.PathLike[str] | None = None,
    resume: bool = False,
    checkpoint_every: int | None = None,
    threads: int | None = 1,
    progress: bool | None = None,
) -> Fitted:
    """Train a model on the rows of ``x`` by stochastic gradients.

    Parameters
    ----------
    model
        Anything with ``init(rng=, dtype=) -> theta``, ``view(vector)``,
        ``loss_vjp(theta, x, noise, beta=) -> (loss, pull)`` with ``pull(g)`` adding to views,
        ``report(theta, x, noise) -> dict`` of means over rows with a ``"loss"``, and ``config() -> dict``. The
        ``noise`` they get is the stream of the step, to draw from. If it has ``begin(theta, x, rng=, prepare=)``, that
        sets what starts from the data in a fresh vector; if it has ``check(x)``, that refuses rows it does not know.
    x
        Shape ``(rows, ...)``; it stays where it is (host or device) and in its dtype, batches are cast.
    beta, warmup_epochs
        The weight of the KL term, a number or a schedule of the step. A number grows linearly from 0 over the warm-up.
        Best weights and patience count only epochs after the warm-up.
    validation, patience, min_delta
        Rows to report on after each epoch, at fixed noise. With ``patience``, training stops once the validation loss
        has not fallen by more than ``min_delta`` for that many epochs, and the best weights are returned.
    prepare
        ``prepare(batch, rng=stream) -> batch`` at each step, such as a binarisation; on validation with a fixed stream.
    average
        The decay of a moving average of the weights, which is then evaluated and returned.
    drop_last
        Leave out the last, smaller batch of an epoch.
    theta
        Where to start; None starts from ``model.init``.
    directory, resume, checkpoint_every
        Where checkpoints and the history go; one is written before the first step, then every ``checkpoint_every``
        steps (None: after epochs, at most one in five seconds), at the end and at Ctrl-C. A fresh run replaces what
        the folder holds; ``resume=True`` continues it, bit-identically, and may ask for more epochs.
    threads
        Threads of BLAS and of the compiled loops during the run; one is fastest for small nets. None leaves them alone.
    progress
        A bar on standard error; None shows it on a terminal only.

    Raises
    ------
    ValueError, TypeError
        For bad settings or data, before anything is written.
    CheckpointError
        If the folder cannot be written, or the checkpoint cannot be read or is of another run; nothing is changed then.
    TrainingDiverged
        If the loss or its gradient is not finite, or the loss of an epoch is ``2^23`` times the first batch's.
    TrainingInterrupted
        At Ctrl-C, after a checkpoint.
    """
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        optimizer=optimizer,
        beta=beta,
        warmup_epochs=warmup_epochs,
        patience=patience,
        min_delta=min_delta,
        prepare=prepare,
        average=None if average is None else EMA(average),
        drop_last=drop_last,
        dtype=np.dtype(dtype).name,
    )
    x, validation = _checked(x, validation, settings)
    at_least("checkpoint_every", checkpoint_every, 1, optional=True)
    at_least("threads", threads, 1, optional=True)
    if resume and (directory is None or theta is not None):
        msg = "resume=True needs the directory= of the run to continue, and no theta="
        raise ValueError(msg)
    saved = load_checkpoint(Path(directory)) if resume and directory is not None else None
    first = Stream(*saved.config["seed"]) if saved is not None and rng is None else stream(rng)
    seed = [first.key0, first.key1, first.offset]
    config = record(model, settings, seed, {"x": x, "validation": validation})
    if saved is not None:
        require_same(saved.config, config)
        training = _moved(saved.training, x)
    else:
        start = model.init(rng=first.child("init"), dtype=np.dtype(settings.dtype)) if theta is None else theta
        start = _like(x, start, settings.dtype)
        if theta is None and hasattr(model, "begin"):
            model.begin(start, x, rng=first.child("begin"), prepare=settings.prepare)
        training = _begin(settings, start)
    training.epochs, training.steps_per_epoch = epochs, settings.steps(x.shape[0])
    _probe(model, training, x, validation, settings, first)
    folder = None if directory is None else writable_folder(directory)
    show = sys.stderr.isatty() if progress is None else progress
    listeners = (*callbacks, *([Progress()] if show else []))
    run = Loop(model, x, validation, settings, first, training, listeners, folder, config, checkpoint_every)
    with thread_limit(threads):
        return run()


def _checked(x: Array, validation: Array | None, settings: Settings) -> tuple[Array, Array | None]:
    x = np.asarray(x) if isinstance(x, list | tuple) else x
    check_data("x", x)
    if settings.patience is not None and validation is None:
        msg = "patience needs validation= rows to measure the loss on"
        raise ValueError(msg)
    if validation is not None:
        validation = np.asarray(validation) if isinstance(validation, list | tuple) else validation
        check_data("validation", validation)
        if validation.shape[1:] != x.shape[1:]:
            msg = f"validation rows have shape {tuple(validation.shape[1:])}, those of x {tuple(x.shape[1:])}"
            raise ValueError(msg)
    return x, validation


def _probe(model: Any, t: Training, x: Array, validation: Array | None, settings: Settings, rng: Stream) -> None:
    """Run the model forward on two rows, so that a model that does not fit the data says so before files exist."""
    rows = prepared(x[:2], settings, rng, "probe", 0)
    if hasattr(model, "check"):
        model.check(rows)
    report = model.report(t.theta, rows, rng.child("probe", 1))
    if validation is not None and "loss" not in report:
        msg = f"model.report must give a 'loss' for validation, got {sorted(report)}"
        raise ValueError(msg)


def _begin(settings: Settings, theta: Array) -> Training:
    average = None if settings.average is None else settings.average.init(theta)
    return Training(theta=theta, optimizer=settings.optimizer.init(theta), average=average)


def _like(x: Array, vector: Array, dtype: str) -> Array:
    xp = namespace(x)
    return xp.asarray(vector, dtype=getattr(xp, dtype), device=array_api_compat.device(x), copy=True)


def _moved(t: Training, x: Array) -> Training:
    if is_host(x):
        return t
    dtype = t.theta.dtype.name
    for name in ("theta", "average", "best"):
        if getattr(t, name) is not None:
            setattr(t, name, _like(x, getattr(t, name), dtype))
    t.optimizer = {k: v if k == "step" else _like(x, v, dtype) for k, v in t.optimizer.items()}
    return t
