"""Models as plain data: a nested dictionary of class names and fields, and back."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import numpy as np

from geomlat.nn.layer import Layer


def describe(part: Any) -> Any:
    """A model, layer or likelihood as nested dictionaries that JSON can hold, less its derived and default fields.

    A layer that stands in two places is described at the first; the second says ``{"type": "same", "layer": k}``, the
    k-th layer whose description was complete before.
    """
    return _described(part, {})


def _described(part: Any, seen: dict[int, int]) -> Any:
    if isinstance(part, Layer) and id(part) in seen:
        return {"type": "same", "layer": seen[id(part)]}
    if is_dataclass(part) and not isinstance(part, type):
        values = ((f, getattr(part, f.name)) for f in fields(part) if f.init)
        given = {f.name: _described(v, seen) for f, v in values if f.default is MISSING or v != f.default}
        if isinstance(part, Layer):
            seen[id(part)] = len(seen)
        return {"type": type(part).__name__, **given}
    if isinstance(part, tuple | list):
        return [_described(v, seen) for v in part]
    if isinstance(part, np.ndarray):
        return {"type": "array", "values": part.tolist(), "dtype": part.dtype.name}
    if part is None or isinstance(part, bool | int | float | str):
        return part
    msg = (
        f"cannot describe a {type(part).__name__} as plain data; use fields that are layers, numbers, strings or tuples"
    )
    raise TypeError(msg)


def build(config: Any, known: dict[str, type]) -> Any:
    """The model of a description made by `describe`; only the ``known`` classes are ever called.

    Raises
    ------
    ValueError
        If the description names an unknown class or lacks a field.
    """
    return _built(config, known, [])


def _built(config: Any, known: dict[str, type], made: list[Any]) -> Any:
    if isinstance(config, list):
        return tuple(_built(v, known, made) for v in config)
    if not isinstance(config, dict):
        return config
    if config.get("type") == "array":
        return np.asarray(config["values"], dtype=config["dtype"])
    try:
        if config.get("type") == "same":
            return made[config["layer"]]
        values = {k: _built(v, known, made) for k, v in config.items() if k != "type"}
        part = known[config["type"]](**values)
    except (KeyError, IndexError, TypeError) as error:
        msg = f"not the description of a geomlat model: {config.get('type', 'no type')!r} ({error})"
        raise ValueError(msg) from None
    if isinstance(part, Layer):
        made.append(part)
    return part
