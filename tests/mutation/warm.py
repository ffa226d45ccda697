"""A pytest session that has imported and collected everything and forks a child for each mutant.

The child exchanges the code of the one function and runs the tests that execute it until one fails. Kernels in which
it has part are interpreted, or compiled when they are first called, from the code their function has then. A mutant
of a function that already runs while modules are imported or tests are collected, and that no test has killed so, gets
a process of its own and a tree of links with the changed file.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import json
import math
import os
import pkgutil
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import interpreted
import numpy as np
import pytest
from interpreted import Interpreted, Name, NeedsCompilerError, parts
from mutants import PACKAGES, ROOT, SOURCE, Mutant

MODELS = ("test_objective.py", "test_vamp.py", "test_angles.py", "test_rate_of_latents.py")
TESTS = ("manifolds", "distributions", "flows", "nn", "testing", *(f"models/{file}" for file in MODELS))
LIBRARIES = ("array_api_strict", "torch", "mpmath", "sklearn.datasets", "scipy.stats", "matplotlib.pyplot")
MEMORY = 12 << 30
PATIENCE = 45.0
LATER, BROKEN = 69, 70


def names(code: CodeType) -> Name:
    """File and function of a code object, spelled as a mutant spells them."""
    return code.co_filename.removeprefix(f"{SOURCE}/"), code.co_qualname.replace("<locals>.", "")


class Trace:
    """Which functions of geomlat run between start and stop; of a kernel, its body and the scalars it is made of."""

    def __init__(self) -> None:
        from geomlat.backends.kernels import Kernel

        self.kernel, self.home = Kernel.cpu.__code__, f"{SOURCE}/geomlat/"
        self.seen: set[int] = set()
        self.found: set[Name] = set()

    def __call__(self, frame: FrameType, event: str, arg: object) -> None:
        """The trace function: calls only, each code object once."""
        code = frame.f_code
        if code is self.kernel:
            self.found |= {names(f.__code__) for f in parts(frame.f_locals["self"].body)}
        elif id(code) not in self.seen:
            self.seen.add(id(code))
            if code.co_filename.startswith(self.home):
                self.found.add(names(code))

    def __enter__(self) -> Trace:
        sys.settrace(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)


def modules() -> None:
    """Import every module of the packages, so that each function is there to be exchanged."""
    for package in PACKAGES:
        for found in pkgutil.iter_modules([str(SOURCE / "geomlat" / package)]):
            importlib.import_module(f"geomlat.{package}.{found.name}")


def caches() -> list[Any]:
    """The memories of the functions of geomlat and of its tests."""
    held = [x for x in gc.get_objects() if type(x) is functools._lru_cache_wrapper]
    return [x for x in held if getattr(x.__wrapped__, "__code__", modules.__code__).co_filename.startswith(str(SOURCE))]


class Living:
    """What a child may have to exchange or to forget, found once: memories, functions, and kernels by their parts."""

    def __init__(self) -> None:
        from geomlat.backends.kernels import Kernel

        self.memories, everything = caches(), gc.get_objects()
        self.functions: dict[Name, list[FunctionType]] = {}
        self.kernels: dict[Name, list[Kernel]] = {}
        for f in (x for x in everything if type(x) is FunctionType):
            self.functions.setdefault(names(f.__code__), []).append(f)
        for kernel in (x for x in everything if type(x) is Kernel):
            for name in {names(f.__code__) for f in parts(kernel.body)}:
                self.kernels.setdefault(name, []).append(kernel)

    def forget(self, name: Name, compiled: bool) -> None:
        """Empty the memories, and interpret the kernels made of a function, or have them compiled anew (no file)."""
        from geomlat.backends import cpu

        for memory in self.memories:
            memory.cache_clear()
        for kernel in self.kernels.get(name, []):
            kernel._loop = None if compiled else Interpreted(kernel)
        cpu.numba.core.caching.FunctionCache.save_overload = lambda *_: None

    def wind_up(self, name: Name) -> None:
        """Give the interpreter its time again, for the next test."""
        for kernel in self.kernels.get(name, []):
            if isinstance(kernel._loop, Interpreted):
                kernel._loop.left = interpreted.BUDGET

    def exchange(self, mutant: Mutant) -> None:
        """Give the living function the code of the mutant."""
        before, after = mutant.code()
        alive = [f for f in self.functions.get(names(before), []) if f.__code__ == before]
        if not alive:
            msg = f"no function {before.co_qualname} of {mutant.file}"
            raise LookupError(msg)
        for f in alive:
            f.__code__ = after


def kernel_started() -> None:
    """Have Numba read its tables, and other libraries imported, before the children need them."""
    from geomlat.manifolds import Sphere

    Sphere(2).dist(np.eye(3), np.eye(3))
    for library in LIBRARIES:
        if importlib.util.find_spec(library.partition(".")[0]):
            importlib.import_module(library)


class Warm:
    """The plugin: collects once, then does ``work(self)`` in the place of running the tests."""

    def __init__(self, work: Callable[[Warm], None]) -> None:
        self.work, self.failed, self.undecided = work, False, False
        self.early: set[Name] = set()
        self.items: dict[str, pytest.Item] = {}
        self.seconds: dict[str, float] = {}
        self.limit = math.inf

    def pytest_sessionstart(self) -> None:
        """Watch what runs while modules are imported and tests are collected."""
        import geomlat.backends.kernels  # noqa: F401

        self.trace = Trace().__enter__()
        modules()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Do the work."""
        self.trace.__exit__()
        self.early = self.trace.found
        kernel_started()
        self.living = Living()
        gc.collect()
        gc.freeze()
        if session.testsfailed:
            raise session.Failed("the tests cannot be collected")
        self.items = {item.nodeid: item for item in session.items}
        self.work(self)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """Note that a kernel needs the compiler."""
        self.undecided |= call.excinfo is not None and call.excinfo.errisinstance(NeedsCompilerError)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.failed |= report.failed

    def run(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        """Run a test with its fixtures; whether it passes."""
        self.failed = self.undecided = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return not self.failed


def fork(work: Callable[[Path], int]) -> Iterator[tuple[int, float, Path] | None]:
    """Run ``work(folder)`` in a child; yields None while it runs, then its status, processor seconds and folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside other threads: none holds a lock
            pid = os.fork()
        if not pid:
            _child(work, folder)
        try:
            done, status, usage = 0, 0, None
            while not done:
                yield None
                done, status, usage = os.wait4(pid, os.WNOHANG)
        finally:
            _end(pid)
        yield os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, folder


def _child(work: Callable[[Path], int], folder: Path) -> None:
    """Work in silence, in a process group of its own, and never return."""
    code = BROKEN
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        log = os.open(folder / "log", os.O_CREAT | os.O_WRONLY)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = work(folder)
    except BaseException:
        os.write(1, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _end(pid: int) -> None:
    """End what is left of a child and of the processes it started."""
    try:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def attempt(
    warm: Warm, mutant: Mutant, tests: list[str], folder: Path, *, changed: bool = True, compiled: bool = True
) -> int:
    """In a child: 0 if the tests pass with the mutant (or with the source as it stands), 1 if one fails.

    `LATER` if there are tests left after ``warm.limit`` processor seconds; a test that goes on then is ended, and the
    file ``ends`` tells whether that leaves the mutant open or, for the test's own time, has killed it. The file
    ``postponed`` names the tests in which a kernel needs the compiler.
    """
    warm.living.forget(mutant.name, compiled)
    if changed:
        try:
            warm.living.exchange(mutant)
        except (ValueError, StopIteration):  # another set of free variables; a constant of a class
            return apart(warm, mutant, tests, folder)
    items = [warm.items[test] for test in tests]
    for item, following in zip_longest(items, items[1:]):
        (folder / "test").write_text(item.nodeid)
        patience, left = PATIENCE + 10 * warm.seconds.get(item.nodeid, 0), warm.limit - time.process_time()
        if left <= 0:
            return LATER
        (folder / "ends").write_text("open" if left < patience else "killed")
        signal.setitimer(signal.ITIMER_PROF, min(patience, left))
        warm.living.wind_up(mutant.name)
        if not warm.run(item, following):
            if not warm.undecided:
                return 1
            with (folder / "postponed").open("a") as file:
                file.write(f"{item.nodeid}\n")
    return 0


def apart(warm: Warm, mutant: Mutant, tests: list[str], folder: Path) -> int:
    """The same with a process of its own, for a function that has run before a child can exchange it.

    `LATER` after ten times ``warm.limit`` seconds, as everything is imported and compiled anew.
    """
    tree = folder / "tree"
    tree.mkdir()
    overlay(tree, mutant)
    (folder / "tests").write_text("\n".join(tests))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(tree)]
    variables = {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    seconds = min(3600.0, 10 * warm.limit)
    try:
        run = subprocess.run(
            [*command, f"@{folder / 'tests'}"], cwd=tree, env={**os.environ, **variables}, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        return LATER if seconds < 3600.0 else 1
    code = run.returncode
    failed = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - |$)", (folder / "log").read_text(), re.MULTILINE)
    (folder / "test").write_text(failed[1] if failed else "")
    return BROKEN if code and not failed else min(code, 1)


def overlay(folder: Path, mutant: Mutant) -> None:
    """A tree of links to this one, with the mutant's file in the place of the original."""
    for name in ("geomlat", *(f"geomlat/{package}" for package in PACKAGES)):
        (folder / name).mkdir()
        for entry in (ROOT / name).iterdir():
            if entry.name != "__pycache__" and f"{name}/{entry.name}" not in {f"geomlat/{p}" for p in PACKAGES}:
                (folder / name / entry.name).symlink_to(entry)
    for name in ("tests", "examples", "docs", "benchmarks", "pyproject.toml", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    (folder / mutant.file).unlink()
    (folder / mutant.file).write_text(mutant.source())


def trace(warm: Warm, tests: list[str], folder: Path) -> int:
    """In a child: the seconds and the functions of each test, with fixtures and memories made anew for each."""
    from geomlat.backends import cpu

    found, memories = {}, [memory for memory in warm.living.memories if memory is not cpu.compile_scalar]
    for test in tests:
        for memory in memories:
            memory.cache_clear()
        start = time.monotonic()
        with Trace() as watch:
            passes = warm.run(warm.items[test], None)
        if not passes:
            os.write(1, f"{test} fails on the source as it stands".encode())
            return 1
        found[test] = {"seconds": round(time.monotonic() - start, 3), "runs": sorted(map("|".join, watch.found))}
    (folder / "map").write_text(json.dumps(found))
    return 0


def session(work: Callable[[Warm], None], folders: tuple[str, ...] = TESTS) -> int:
    """Collect the tests and do the work; pytest's exit status."""
    os.environ |= {"PYTHONPATH": str(ROOT), "HYPOTHESIS_PROFILE": "mutants", "NUMBA_NUM_THREADS": "1"}
    options = ["-s", "-p", "no:terminal", "-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    marks = ["-m", "not gpu and not ptx and not slow", "--ignore-glob", "*_mutations.py"]
    return int(pytest.main([*options, *marks, *(str(ROOT / "tests" / f) for f in folders)], plugins=[Warm(work)]))
