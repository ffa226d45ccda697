"""Optimisers of one flat parameter vector, also on manifolds, averaged weights, and schedules."""

from __future__ import annotations

from geomlat.optim.adam import Adam, AdamW
from geomlat.optim.apart import Apart, apart
from geomlat.optim.average import EMA
from geomlat.optim.normalised import NormalisedAdam, normalised
from geomlat.optim.optimizer import Optimizer
from geomlat.optim.placed import Placed, placed
from geomlat.optim.riemannian import RiemannianAdam, RiemannianSGD
from geomlat.optim.schedules import constant, cosine, growth, linear_warmup, step_decay, value_at, warmup
from geomlat.optim.sgd import SGD

__all__ = [
    "EMA",
    "SGD",
    "Adam",
    "AdamW",
    "Apart",
    "NormalisedAdam",
    "Optimizer",
    "Placed",
    "RiemannianAdam",
    "RiemannianSGD",
    "apart",
    "constant",
    "cosine",
    "growth",
    "linear_warmup",
    "normalised",
    "placed",
    "step_decay",
    "value_at",
    "warmup",
]
