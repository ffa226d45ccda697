"""Callbacks, the progress bar among them."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from geomlat.backends import to_host
from geomlat.train.state import Training


class Callback:
    """Methods called as a run proceeds; a subclass overrides those it needs.

    They may read the state, and must not change it. `on_step` and `on_epoch` stop the run by returning True.
    """

    def on_start(self, training: Training) -> None:
        """Before the first step, also of a resumed run."""

    def on_step(self, training: Training) -> bool | None:
        """After each step."""

    def on_epoch(self, training: Training) -> bool | None:
        """After each epoch; ``training.history[-1]`` is its row."""

    def on_end(self, training: Training) -> None:
        """At the end, after an interrupt or an error too."""


class State(NamedTuple):
    """A state of a run: the step, the training loss of the epoch it ended, and the weights to evaluate."""

    step: int
    loss: float
    theta: Any


class Snapshots(Callback):
    """Keeps the state after some epochs in the list ``kept``, for pictures and films of a training.

    Every one of the first ``first`` epochs, then each ``every``-th, and the last of the run.
    """

    def __init__(self, every: int = 1, *, first: int = 0) -> None:
        if every < 1 or first < 0:
            msg = f"every is at least 1 and first at least 0, got {every} and {first}"
            raise ValueError(msg)
        self.every, self.first, self.kept = every, first, list[State]()

    def on_epoch(self, training: Training) -> None:
        """Keep a copy of the weights."""
        if training.epoch <= self.first or training.epoch % self.every == 0 or training.epoch == training.epochs:
            theta = to_host(training.current).copy()
            self.kept.append(State(training.step, float(training.history[-1]["loss"]), theta))


class Progress(Callback):
    """A tqdm bar on standard error over all steps, or a line for each epoch where tqdm is not installed."""

    bar: Any = None

    def on_start(self, training: Training) -> None:
        """Open the bar."""
        try:
            from tqdm import tqdm
        except ImportError:
            return
        total = training.epochs * training.steps_per_epoch
        self.bar = tqdm(total=total, initial=training.step, unit="step", file=sys.stderr, dynamic_ncols=True)

    def on_step(self, training: Training) -> None:
        """Advance the bar."""
        if self.bar is not None:
            self.bar.update()

    def on_epoch(self, training: Training) -> None:
        """Show the losses of the epoch."""
        row = training.history[-1]
        losses = {"loss": row["loss"], **({"validation": row["validation"]["loss"]} if row["validation"] else {})}
        text = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        if self.bar is not None:
            self.bar.set_postfix_str(f"epoch {training.epoch}/{training.epochs}, {text}")
        else:
            print(f"epoch {training.epoch}/{training.epochs}: {text}", file=sys.stderr)

    def on_end(self, training: Training) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
