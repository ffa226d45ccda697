"""What a run is made of: everything that changes while it trains, and what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Array = Any
Row = dict[str, Any]


@dataclass
class Training:
    """The live state of a run, as callbacks see it and checkpoints keep it.

    Attributes
    ----------
    theta, optimizer, average, best
        Flat vectors: the weights, the optimiser's state, their moving average if one is kept, and the weights of the
        best validation loss if training stops early.
    step, epoch
        Updates and epochs completed.
    best_loss, best_epoch
        Of the best weights; None and 0 before there are any.
    first_loss, last_loss
        Of the run's first batch and of the last one; None before there are any.
    loss_sum, norm_sum
        Sums over the epoch in progress: of the loss by row, and of the gradient norm by step.
    seconds
        Time spent in the epoch in progress.
    history
        One dict for each completed epoch.
    epochs, steps_per_epoch
        The length of the run.
    """

    theta: Array
    optimizer: dict[str, Any]
    average: Array | None = None
    best: Array | None = None
    step: int = 0
    epoch: int = 0
    best_loss: float | None = None
    best_epoch: int = 0
    first_loss: Any = None
    last_loss: Any = None
    loss_sum: Any = 0.0
    norm_sum: Any = 0.0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    epochs: int = 0
    steps_per_epoch: int = 1

    @property
    def current(self) -> Array:
        """The weights to evaluate: the average if one is kept, else theta."""
        return self.theta if self.average is None else self.average

    @property
    def weights(self) -> Array:
        """The weights to keep: the best ones if training stops early, else the current ones."""
        return self.current if self.best is None else self.best


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns.

    Attributes
    ----------
    theta
        The best weights on the validation set if training stops early, else the last (averaged) ones.
    history
        One dict for each epoch: ``epoch``, ``step``, ``loss``, ``validation``, ``lr``, ``beta``, ``grad_norm``,
        ``seconds``.
    stopped
        ``"epochs"``, ``"patience"`` or ``"callback"``.
    """

    theta: Array
    history: list[Row]
    stopped: str
    step: int
    epoch: int
    best_epoch: int
    best_loss: float | None
    directory: Path | None


class TrainingDiverged(ArithmeticError):  # noqa: N818 - what happened, as TrainingInterrupted
    """The loss, its gradient or the validation loss is not finite, or the loss has left the scale of the first one."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C (or a KeyboardInterrupt) ended a run; ``training`` is its state, ``directory`` where it can be resumed."""

    def __init__(self, message: str, training: Training, directory: Path | None) -> None:
        super().__init__(message)
        self.training, self.directory = training, directory
