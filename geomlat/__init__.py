"""Geometry and small generative models as plain array code, with hand-written gradients.

Names are loaded when they are first used: ``import geomlat`` loads neither Numba nor any optional library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geomlat import backends, data, grad, nn, random
    from geomlat.grad import gradcheck

__version__ = "0.1.0"

_SUBMODULES = ("backends", "data", "grad", "nn", "random")
_NAMES = {"gradcheck": "grad"}

__all__ = [
    "backends",
    "data",
    "grad",
    "gradcheck",
    "nn",
    "random",
]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"geomlat.{name}")
    if name not in _NAMES:
        msg = f"module 'geomlat' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(f"geomlat.{_NAMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
