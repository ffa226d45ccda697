"""Twins of plain Python functions: the same code in a namespace where the scalars it names are compiled."""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any


def globals_of(f: Callable[..., Any]) -> dict[str, Any]:
    """The module-level names a function reads."""
    code, scope = _function(f).__code__, _function(f).__globals__
    return {name: scope[name] for name in code.co_names if name in scope}


def is_scalar_source(x: object) -> bool:
    """Whether ``x`` carries the ``@scalar`` mark."""
    return getattr(x, "__geomlat_scalar__", False)


def twin(f: Callable[..., Any], compile_scalar: Callable[[Callable[..., Any]], Any]) -> FunctionType:
    """A copy of ``f`` whose scalars are replaced by ``compile_scalar`` of them."""
    scope = {k: compile_scalar(v) if is_scalar_source(v) else v for k, v in globals_of(f).items()}
    scope["__name__"] = f.__module__
    new = FunctionType(_function(f).__code__, scope, f.__name__)
    new.__qualname__ = f.__qualname__
    return new


def digest(f: Callable[..., Any], loop: str = "") -> str:
    """A hash of the code of ``f``, of all scalars and constants it reaches and of the source of the ``loop`` around it.

    It changes when any of them does, in whichever file it stands.
    """
    h = hashlib.sha256(loop.encode())
    for part in _parts(f, set()):
        h.update(part.encode())
        h.update(b"\0")
    return h.hexdigest()[:32]


def loop_source(f: Callable[..., Any], template: str) -> tuple[str, list[str]]:
    """A loop around the row body ``f`` from a template with ``{args}``, and the names of the body's array arguments."""
    args = list(inspect.signature(f).parameters)[1:]
    return template.format(args=", ".join(args)), args


def _function(f: Callable[..., Any]) -> FunctionType:
    assert isinstance(f, FunctionType)
    return f


def _parts(f: Callable[..., Any], seen: set[int]) -> Iterator[str]:
    if id(f) in seen:
        return
    seen.add(id(f))
    yield f"{getattr(f, '__geomlat_inlined__', False)} {getattr(f, '__geomlat_reordered__', False)}"
    yield from _code(_function(f).__code__)
    yield _stand_in(getattr(f, "__geomlat_cpu__", None))
    for name, value in sorted(globals_of(f).items()):
        if is_scalar_source(value):
            yield name
            yield from _parts(value, seen)
        elif not inspect.ismodule(value):
            yield f"{name}={value!r}"


def _stand_in(module: str | None) -> str:
    # Found, not imported: hashing must not load Numba.
    spec = None if module is None else importlib.util.find_spec(module)
    return "" if spec is None or spec.origin is None else Path(spec.origin).read_text()


def _code(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    yield repr(code.co_names)
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield from _code(const)
        else:
            yield repr(const)
