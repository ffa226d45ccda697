"""The settings of a run: checked, described as JSON, and compared when a run resumes."""

from __future__ import annotations

import json
import math
import operator
import platform
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import array_api_compat
import numpy as np

from geomlat.backends import is_host, namespace
from geomlat.optim import EMA, Optimizer, value_at, warmup
from geomlat.optim.riemannian import Riemannian
from geomlat.optim.schedules import Hyperparameter
from geomlat.train.checkpoint import CheckpointError

Array = Any
_ROWS = 4096


@dataclass(frozen=True)
class Settings:
    """The arguments of `fit` that decide what a run computes."""

    epochs: int
    batch_size: int
    optimizer: Optimizer
    beta: Hyperparameter
    warmup_epochs: int
    patience: int | None
    min_delta: float
    prepare: Callable[..., Array] | None
    average: EMA | None
    drop_last: bool
    dtype: Any

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1), ("warmup_epochs", 0), ("patience", 1)):
            at_least(name, getattr(self, name), least, optional=name == "patience")
        if not self.min_delta >= 0.0:
            msg = f"min_delta must be at least 0, got {self.min_delta}"
            raise ValueError(msg)
        if not callable(self.beta) and not 0.0 <= self.beta < math.inf:
            msg = f"beta must be a finite number, at least 0, or a function of the step; got {self.beta}"
            raise ValueError(msg)
        if self.dtype not in ("float32", "float64"):
            msg = f"dtype must be float32 or float64, got {self.dtype}"
            raise ValueError(msg)
        optimizer: object = self.optimizer
        if not isinstance(optimizer, Optimizer):
            msg = f"optimizer must be one of geomlat.optim, such as Adam(1e-3), got {optimizer!r}"
            raise TypeError(msg)
        if self.average is not None and isinstance(optimizer, Riemannian):
            msg = f"average= would leave the manifolds of {type(optimizer).__name__}: a mean of points is not a point"
            raise ValueError(msg)

    def steps(self, rows: int) -> int:
        """The number of steps in an epoch."""
        count = rows // self.batch_size if self.drop_last else -(-rows // self.batch_size)
        if count == 0:
            msg = f"{rows} rows do not fill one batch of {self.batch_size} and drop_last leaves none"
            raise ValueError(msg)
        return count

    def beta_at(self, step: int, steps: int) -> float:
        """The weight of the KL term at a step, of ``steps`` in an epoch."""
        if callable(self.beta) or not self.warmup_epochs:
            return value_at(self.beta, step)
        return self.beta * warmup(self.warmup_epochs * steps)(step)


def check_data(name: str, x: Array) -> None:
    """Whether ``x`` can be trained on.

    Raises
    ------
    ValueError
        Saying what is wrong: not rows of numbers, no rows, or the first row that holds a NaN or an infinity.
    """
    xp = namespace(x)
    if x.ndim < 2 or x.shape[0] == 0:
        msg = f"{name} must have shape (rows, features) with at least one row, got {tuple(x.shape)}"
        raise ValueError(msg)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        msg = f"{name} must hold real numbers, got dtype {x.dtype}"
        raise ValueError(msg)
    if not xp.isdtype(x.dtype, "real floating"):
        return
    for start in range(0, x.shape[0], _ROWS):
        good = xp.isfinite(x[start : start + _ROWS])
        if not bool(xp.all(good)):
            row = start + int(xp.argmax(xp.astype(~xp.all(good, axis=tuple(range(1, x.ndim))), xp.int8)))
            msg = f"{name} holds NaN or infinite values, the first in row {row}; remove or replace them"
            raise ValueError(msg)


def record(model: Any, settings: Settings, seed: list[int], data: dict[str, Array | None]) -> dict[str, Any]:
    """The run as JSON: the model, the settings, the seed, the data's shape and checksum, and versions."""
    training = {f.name: describe(getattr(settings, f.name)) for f in fields(settings)}
    config = {
        "model": model.config(),
        "training": training,
        "seed": seed,
        "data": {name: None if x is None else _fingerprint(x) for name, x in data.items()},
        "versions": {"geomlat": _version("geomlat"), "numpy": np.__version__, "python": platform.python_version()},
    }
    return dict(json.loads(json.dumps(config)))


def require_same(saved: dict[str, Any], now: dict[str, Any]) -> None:
    """Whether a run with the record ``now`` continues the one with the record ``saved``.

    Raises
    ------
    CheckpointError
        Naming the settings that differ. The number of epochs and the patience may.
    """
    differences = []
    for part in ("model", "training", "seed", "data"):
        old, new = _flat(part, saved.get(part)), _flat(part, now[part])
        free = {"training.epochs", "training.patience"}
        names = sorted((old.keys() | new.keys()) - free)
        differences += [
            f"{name}: {old.get(name)!r} then, {new.get(name)!r} now" for name in names if old.get(name) != new.get(name)
        ]
    if differences:
        msg = f"the checkpoint is of another run ({'; '.join(differences)}); train into another folder"
        raise CheckpointError(msg)


def describe(value: Any) -> Any:
    """A setting as JSON: numbers as they are, schedules and optimisers by name and arguments, functions by name."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if getattr(value, "shape", None) == ():
        return float(value)
    if isinstance(value, partial):
        arguments = {str(k): describe(v) for k, v in (*enumerate(value.args), *value.keywords.items())}
        return {"name": value.func.__name__.lstrip("_"), **arguments}
    if isinstance(value, tuple):
        return [describe(v) for v in value]
    if is_dataclass(value):
        return {"name": type(value).__name__, **{f.name: describe(getattr(value, f.name)) for f in fields(value)}}
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def at_least(name: str, value: Any, least: int, *, optional: bool = False) -> None:
    """Whether an argument is a whole number of at least ``least`` (or None, if it is optional); ValueError if not."""
    good = optional and value is None
    if hasattr(value, "__index__"):
        good = operator.index(value) >= least
    if not good:
        msg = f"{name} must be a whole number, at least {least}, got {value!r}"
        raise ValueError(msg)


def _fingerprint(x: Array) -> dict[str, Any]:
    # About a thousand rows are enough to tell data sets apart, at no cost for large ones.
    some = x[:: max(1, x.shape[0] // 1000)]
    host = some if is_host(some) else array_api_compat.to_device(some, "cpu")
    host = np.ascontiguousarray(host)
    return {"shape": list(x.shape), "dtype": str(host.dtype), "crc32": zlib.crc32(host.tobytes())}


def _flat(prefix: str, tree: Any) -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    return {name: v for key, part in tree.items() for name, v in _flat(f"{prefix}.{key}", part).items()}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
