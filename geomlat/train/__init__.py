"""Training: the loop, its history, its checkpoints and its callbacks."""

from __future__ import annotations

from geomlat.train.callbacks import Callback, Progress, Snapshots, State
from geomlat.train.checkpoint import Checkpoint, CheckpointError, load_checkpoint
from geomlat.train.fitting import fit
from geomlat.train.history import read_history
from geomlat.train.state import Fitted, Training, TrainingDiverged, TrainingInterrupted

__all__ = [
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "Fitted",
    "Progress",
    "Snapshots",
    "State",
    "Training",
    "TrainingDiverged",
    "TrainingInterrupted",
    "fit",
    "load_checkpoint",
    "read_history",
]
