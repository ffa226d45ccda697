"""One run of an experiment as its function sees it: a folder that survives, the settings, the seed, the backend."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from geomlat import train
from geomlat.random import Stream, stream
from geomlat.train.checkpoint import CHECKPOINT, write_atomic

PROGRESS = "progress.json"


def read_json(path: Path) -> Any:
    """What a file of a run folder holds.

    Raises
    ------
    ValueError
        If it is not JSON, as after a disk that was full.
    """
    try:
        return json.loads(path.read_text())
    except ValueError as failure:
        msg = f"{path} cannot be read ({failure}); remove it and repeat the command"
        raise ValueError(msg) from failure


@dataclass(frozen=True)
class Task:
    """What ``run(task)`` gets.

    Parameters
    ----------
    name, settings, seed
        Of the experiment, of its budget, and of this run.
    folder
        Of this run alone. It is kept between attempts, so that a run that was stopped continues.
    backend
        ``"numpy"`` or ``"cupy"``: where the arrays should live, see `place`.
    """

    name: str
    settings: Mapping[str, Any]
    seed: int
    folder: Path
    backend: str = "numpy"
    began: float = field(default_factory=time.monotonic)

    @property
    def rng(self) -> Stream:
        """The stream of the seed."""
        return stream(self.seed)

    def place(self, x: Any) -> Any:
        """A NumPy array on the backend of the run."""
        if self.backend == "numpy":
            return x
        import cupy

        return cupy.asarray(x)

    def once(self, part: str, compute: Callable[[], Any]) -> Any:
        """``compute()``, which gives plain JSON data, and in later attempts what it gave."""
        path = self.folder / f"{part}.json"
        if not path.is_file():
            write_atomic(path, (json.dumps(compute(), indent=1) + "\n").encode())
        return read_json(path)

    def fit(self, model: Any, x: Any, *, part: str = "model", share: float = 0.9, **settings: Any) -> Any:
        """`geomlat.train.fit` in the subfolder ``part``, continued where an earlier attempt left it.

        The model gets its fitted vector and is returned. ``share`` is the share of the run's work that the training
        is, for the estimate of the time left. A first vector ``theta=`` counts in the first attempt only.
        """
        directory = self.folder / part
        resume = (directory / CHECKPOINT).is_file()
        if resume:
            settings.pop("theta", None)
        fitted = train.fit(
            model,
            x,
            rng=self.seed,
            directory=directory,
            resume=resume,
            progress=False,
            callbacks=(_Progress(self, share),),
            **settings,
        )
        return model.fitted(fitted.theta, fitted)

    def needed(self, name: str) -> Path:
        """The folder of the run of another experiment, of the same budget and seed, that this one ``needs``."""
        return self.folder.parents[1] / name / self.folder.name

    def example(self, name: str) -> ModuleType:
        """The module ``examples/NAME.py``, of the working directory or beside the package.

        Raises
        ------
        FileNotFoundError
            If there is none, since the examples are not part of an installed package.
        """
        places = (Path.cwd(), Path(__file__).parents[2])
        found = [place / "examples" / f"{name}.py" for place in places]
        path = next((p for p in found if p.is_file()), None)
        if path is None:
            msg = f"{self.name} runs examples/{name}.py; call `geomlat reproduce` in a clone of the repository"
            raise FileNotFoundError(msg)
        spec = importlib.util.spec_from_file_location(f"geomlat_example_{name}", path)
        if spec is None or spec.loader is None:
            msg = f"{path} cannot be loaded as a module"
            raise FileNotFoundError(msg)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def progress(self, share: float) -> None:
        """Say that ``share`` of the work is done; it also keeps the time spent in all attempts."""
        state = {"share": share, "seconds": self.earlier() + time.monotonic() - self.began}
        write_atomic(self.folder / PROGRESS, json.dumps(state).encode())

    def earlier(self) -> float:
        """Seconds spent by earlier attempts."""
        path = self.folder / "earlier.json"
        return float(read_json(path)) if path.is_file() else 0.0


class _Progress(train.Callback):
    """Tells the task how far a training is, after each epoch."""

    def __init__(self, task: Task, share: float) -> None:
        self.task, self.share = task, share

    def on_epoch(self, training: train.Training) -> None:
        self.task.progress(self.share * training.epoch / max(1, training.epochs))
