"""Kernels on the CPU: the row body compiled by Numba inside a loop, cached between processes."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numba.core.caching
import numba.core.types
import numba.extending

from geomlat.backends import sources

_LOOP = """def loop(low, high, {args}):
    {args}, = borrowed(({args},))
    for i in range(low, high):
        body(row(i), {args})
"""
_SHARED = """def shared(_job, _boxes, _system, _parts, _rows, {args}):
    _function, _arrays = _part_of(_loop, ({args},))
    _raised = _work(_job, _boxes, _system, _parts, _rows, _function, _arrays)
    if _raised > 0:
        _loop((_raised - 1) * _rows // _parts, _raised * _rows // _parts, {args})
"""


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def row(typing_context: Any, i: Any) -> Any:
    """The index of a loop as an int64 that LLVM knows not to be negative.

    Without that knowledge each access tests for an index from the end, and the loop is not vectorised (4.4x slower).
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.assume(builder.icmp_signed(">=", args[0], args[0].type(0)))
        return args[0]

    return numba.core.types.int64(i), codegen


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def borrowed(typing_context: Any, arrays: Any) -> Any:
    """The same arrays without a count of who holds them; the caller of the loop does.

    Numba counts at each call of a function, which costs more than many of them and makes threads wait for each other.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        found = []
        for k, kind in enumerate(arrays.types):
            value = builder.extract_value(args[0], k)
            if isinstance(kind, numba.core.types.Array):
                array = context.make_array(kind)(context, builder, value)
                array.meminfo = array.meminfo.type(None)
                value = array._getvalue()
            found.append(value)
        return context.make_tuple(builder, signature.return_type, found)

    return arrays(arrays), codegen


@cache
def compile_scalar(f: Callable[..., Any]) -> Any:
    """The Numba twin of a scalar, IEEE division and no reassociation but in a `summation`; or what stands in for it."""
    if hasattr(f, "__geomlat_cpu__"):
        return getattr(importlib.import_module(f.__geomlat_cpu__), f.__name__)
    inlined = getattr(f, "__geomlat_inlined__", False)
    fastmath = {"reassoc", "contract"} if getattr(f, "__geomlat_reordered__", False) else False
    return numba.njit(error_model="numpy", forceinline=inlined, fastmath=fastmath)(sources.twin(f, compile_scalar))


def compile_loop(body: Callable[..., None]) -> Any:
    """The loop ``loop(low, high, *arrays)`` over a row body, without the GIL, compiled when first called."""
    source, _ = sources.loop_source(body, _LOOP)
    scope: dict[str, Any] = {
        "body": numba.njit(error_model="numpy", forceinline=True)(sources.twin(body, compile_scalar)),
        "borrowed": borrowed,
        "row": row,
        "__name__": body.__module__,
    }
    exec(compile(source, f"<geomlat-{body.__name__}>", "exec"), scope)
    loop = numba.njit(error_model="numpy", nogil=True)(scope["loop"])
    _enable_cache(loop, body.__name__, sources.digest(body, source))
    return loop


def compile_shared(body: Callable[..., None], loop: Any) -> Any:
    """The loop over a row body with helpers, ``shared(job, boxes, system, parts, rows, *arrays)``; see `backends.team`.

    A part that raises is done again by the caller, where it raises.
    """
    from geomlat.backends import _team_loops

    source, _ = sources.loop_source(body, _SHARED)
    scope: dict[str, Any] = {
        "_loop": loop,
        "_part_of": _team_loops.part_of,
        "_work": _team_loops.work,
        "__name__": body.__module__,
    }
    exec(compile(source, f"<geomlat-{body.__name__}-shared>", "exec"), scope)
    shared = numba.njit(error_model="numpy", nogil=True)(scope["shared"])
    written = source + Path(_team_loops.__file__).read_text()
    _enable_cache(shared, f"{body.__name__}-shared", sources.digest(body, written))
    return shared


@cache
def serve_loop() -> Any:
    """What a helper of `geomlat.backends.team` does while it is awake."""
    from geomlat.backends import _team_loops

    serve = numba.njit(error_model="numpy", nogil=True)(_team_loops.serve)
    _enable_cache(serve, "serve", sources.digest(_team_loops.serve, Path(_team_loops.__file__).read_text()))
    return serve


def cache_root() -> Path:
    """Where compiled loops are kept: NUMBA_CACHE_DIR if it is set, else the user's cache directory."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR) / "geomlat"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "geomlat" / "kernels"


def _enable_cache(dispatcher: Any, name: str, digest: str) -> None:
    """Attach a file cache keyed by the digest of every source the loop is made of.

    Numba's own key is the file of the outermost function, which misses a changed callee in another file.
    """
    path = cache_root() / digest
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    locator = SimpleNamespace(
        _py_file=name,
        get_cache_path=lambda: str(path),
        get_source_stamp=lambda: digest,
        get_disambiguator=lambda: name,
        ensure_cache_path=lambda: None,
    )

    class Locate:
        @classmethod
        def from_function(cls, py_func: Any, py_file: str) -> Any:
            return locator

    class Impl(numba.core.caching.CompileResultCacheImpl):  # type: ignore[misc]
        _locator_classes = (Locate,)

    class Cache(numba.core.caching.FunctionCache):  # type: ignore[misc]
        _impl_class = Impl

    dispatcher._cache = Cache(dispatcher.py_func)
