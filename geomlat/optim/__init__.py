"""Optimisers of one flat parameter vector, averaged weights, and schedules as plain functions of the step."""

from __future__ import annotations

from geomlat.optim.adam import Adam, AdamW
from geomlat.optim.average import EMA
from geomlat.optim.optimizer import Optimizer
from geomlat.optim.schedules import constant, cosine, linear_warmup, step_decay, value_at, warmup
from geomlat.optim.sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "constant",
    "cosine",
    "linear_warmup",
    "step_decay",
    "value_at",
    "warmup",
]
