"""Checkpoints: one safetensors file holding the flat vectors and, in its header, everything else as JSON; no pickle.

A file is written beside its final name and moved over it, so that there is always one whole checkpoint. A CRC-32 over
the vectors and the JSON finds damage that leaves the file readable.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import array_api_compat
import numpy as np

from geomlat.train.state import Training

CHECKPOINT = "checkpoint.safetensors"
_NUMBERS = ("step", "epoch", "best_loss", "best_epoch", "loss_sum", "norm_sum", "seconds", "history")
_LOSSES = ("first_loss", "last_loss")
_FORMAT = 1


class CheckpointError(Exception):
    """A checkpoint cannot be read, cannot be written, or belongs to another run."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from disk: the state of the run, and ``config``: its model, settings, seed and versions."""

    training: Training
    config: dict[str, Any]

    @property
    def theta(self) -> np.ndarray:
        """The weights `fit` returns or would return now."""
        return np.asarray(self.training.weights)

    @property
    def model(self) -> dict[str, Any]:
        """What ``model.config()`` was."""
        return dict(self.config["model"])


def save_checkpoint(directory: Path, training: Training, config: dict[str, Any]) -> None:
    """Write the checkpoint of ``directory`` atomically.

    Raises
    ------
    CheckpointError
        If it cannot be written; an earlier checkpoint is then still there.
    """
    from safetensors.numpy import save

    vectors = {name: np.ascontiguousarray(_host(v)) for name, v in _vectors(training).items()}
    numbers = {name: _plain(getattr(training, name)) for name in (*_NUMBERS, *_LOSSES)}
    numbers["updates"] = training.optimizer["step"]
    text = json.dumps({"format": _FORMAT, "state": numbers, "config": config})
    header = {"geomlat": text, "crc32": str(_crc(text, vectors))}
    write_atomic(directory / CHECKPOINT, save(vectors, metadata=header))


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint, given its file or the folder of its run.

    Raises
    ------
    CheckpointError
        If there is none, or it is truncated, damaged or not geomlat's.
    """
    from safetensors import SafetensorError, safe_open

    file = Path(path) / CHECKPOINT if Path(path).is_dir() else Path(path)
    if not file.is_file():
        msg = f"there is no checkpoint at {file}"
        raise CheckpointError(msg)
    try:
        with safe_open(file, framework="np") as f:
            header = f.metadata() or {}
            vectors = {name: np.array(f.get_tensor(name)) for name in f.keys()}  # noqa: SIM118 - not a dict
        text = header["geomlat"]
        if int(header["crc32"]) != _crc(text, vectors):
            msg = "the checksum does not match"
            raise ValueError(msg)
        content = json.loads(text)
        return Checkpoint(_training(vectors, content["state"]), content["config"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        msg = f"{file} is not a whole geomlat checkpoint ({error}); restore a copy of it, or start the run again"
        raise CheckpointError(msg) from error


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file completely or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with temporary.open("wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        os.replace(temporary, path)
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise CheckpointError(msg) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def writable_folder(path: str | os.PathLike[str]) -> Path:
    """The folder of a run, made if it is missing, after a trial write.

    Raises
    ------
    CheckpointError
        If it cannot be made or written to.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        msg = f"cannot write to the folder {folder}: {error.strerror or error}"
        raise CheckpointError(msg) from error
    return folder


def _vectors(training: Training) -> dict[str, Any]:
    moments = {f"optimizer.{name}": v for name, v in training.optimizer.items() if name != "step"}
    named = {"theta": training.theta, "average": training.average, "best": training.best, **moments}
    return {name: v for name, v in named.items() if v is not None}


def _training(vectors: dict[str, np.ndarray], numbers: dict[str, Any]) -> Training:
    prefix = "optimizer."
    moments = {name.removeprefix(prefix): v for name, v in vectors.items() if name.startswith(prefix)}
    return Training(
        theta=vectors["theta"],
        optimizer={"step": numbers["updates"], **moments},
        average=vectors.get("average"),
        best=vectors.get("best"),
        **({name: numbers[name] for name in _NUMBERS} | {name: numbers.get(name) for name in _LOSSES}),
    )


def _crc(text: str, vectors: dict[str, np.ndarray]) -> int:
    crc = zlib.crc32(text.encode())
    for name in sorted(vectors):
        crc = zlib.crc32(vectors[name].data.cast("B") if vectors[name].size else b"", zlib.crc32(name.encode(), crc))
    return crc


def _host(x: Any) -> np.ndarray:
    return np.asarray(array_api_compat.to_device(x, "cpu"))


def _plain(x: Any) -> Any:
    return x if x is None or isinstance(x, int | list) else float(x)
