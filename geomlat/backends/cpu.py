"""Kernels on the CPU: the row body compiled by Numba inside a serial and a parallel loop, cached between processes."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numba.core.caching
import numba.core.types
import numba.extending

from geomlat.backends import sources

_SERIAL = "def loop(n, {args}):\n    for i in range(n):\n        body(i, {args})\n"
_PARALLEL = "def loop(n, {args}):\n    for i in prange(n):\n        body(row(i), {args})\n"
_threads = threading.Lock()


def _load_openmp() -> None:
    """Load Numba's OpenMP layer, where there is one, with threads that sleep while they wait.

    libgomp reads the policy once, when it is loaded; its default spins, and where another process holds the other core
    a loop of 0.1 ms then takes 10 to 20 ms. A policy the user has set is kept, and the environment is left as it was.
    """
    if {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        return
    os.environ["OMP_WAIT_POLICY"] = "passive"
    try:
        importlib.import_module("numba.np.ufunc.omppool")
    except ImportError:
        pass
    finally:
        del os.environ["OMP_WAIT_POLICY"]


_load_openmp()


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def row(typing_context: Any, i: Any) -> Any:
    """The unsigned index of a parallel loop as an int64 that LLVM knows not to be negative.

    Without that knowledge each access tests for an index from the end, and the loop is not vectorised (4.4x slower).
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.assume(builder.icmp_signed(">=", args[0], args[0].type(0)))
        return args[0]

    return numba.core.types.int64(i), codegen


@cache
def compile_scalar(f: Callable[..., Any]) -> Any:
    """The Numba twin of a scalar: IEEE division, no reassociation."""
    inlined = getattr(f, "__geomlat_inlined__", False)
    return numba.njit(error_model="numpy", forceinline=inlined)(sources.twin(f, compile_scalar))


def compile_loops(body: Callable[..., None]) -> tuple[Callable[..., None], Callable[..., None]]:
    """The serial and the parallel loop over a row body. Compilation happens at the first call for each set of types."""
    parallel = _compile(body, _PARALLEL, parallel=True)

    def locked(n: int, *arrays: Any) -> None:
        # Numba's fallback threading layer is not safe to enter from two threads at once.
        with _threads:
            parallel(n, *arrays)

    return _compile(body, _SERIAL, parallel=False), locked


def threads() -> int:
    """How many threads a parallel loop may use here: Numba's own limit, which `limit_threads` sets."""
    return int(numba.get_num_threads())


@contextmanager
def limit_threads(count: int) -> Iterator[None]:
    """Loops within use at most ``count`` threads; with 1 the serial loops run, which wait for nobody."""
    before = numba.get_num_threads()
    numba.set_num_threads(min(count, before))
    try:
        yield
    finally:
        numba.set_num_threads(before)


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


def _compile(body: Callable[..., None], template: str, *, parallel: bool) -> Any:
    source, _ = sources.loop_source(body, template)
    scope: dict[str, Any] = {
        "body": numba.njit(error_model="numpy", forceinline=True)(sources.twin(body, compile_scalar)),
        "prange": numba.prange,
        "row": row,
        "__name__": body.__module__,
    }
    exec(compile(source, f"<geomlat-{body.__name__}>", "exec"), scope)
    loop = numba.njit(error_model="numpy", parallel=parallel)(scope["loop"])
    _enable_cache(loop, f"{body.__name__}-{'par' if parallel else 'ser'}", sources.digest(body, source))
    return loop


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
