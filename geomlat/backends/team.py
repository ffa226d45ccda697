"""Threads that help with compiled loops and wait awake between two of them.

To wake a sleeping thread takes 50 to 100 us here; one that looks at a word in memory begins within 2. A helper does so
for a millisecond after its last part, so that the loops of a training step find it awake, and gives its core to whoever
wants it meanwhile. Nobody waits for a helper that has not begun: on a busy machine a barrier between OpenMP's spinning
threads made a loop of 0.1 ms take 10 to 20 ms. Any number of Python threads may run loops at once: what they share is
the helpers that are free.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from geomlat.backends.threads import available

PATIENCE = 500
"""Microseconds, roughly and without other work on the core, that a helper stays awake for."""
PARTS_EACH = 16
"""Parts of a loop for each thread."""
_WORDS = 64
_JOB = 256
"""Bytes from the box of a helper to its job."""

_free: deque[Helper] = deque()
_all: list[Helper] = []
_lock = threading.Lock()


class Helper:
    """A thread that works on what comes into its box, once woken; who has taken it from the free ones may use it."""

    def __init__(self) -> None:
        memory = np.zeros(_WORDS + 8, np.int64)
        first = -memory.ctypes.data // 8 % 8  # a cache line begins there
        self.words = memory[first : first + _WORDS]
        self.box = self.words.ctypes.data
        self.alone = np.array([self.box])
        self.asleep, self.leaving, self.bell = True, False, threading.Lock()
        self.bell.acquire()
        self.thread = threading.Thread(target=self._live, name="geomlat", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """Let it look into its box for a while."""
        self.asleep = False
        self.bell.release()

    def leave(self) -> None:
        """End its thread."""
        from geomlat.backends._team_loops import STOP

        self.leaving, self.words[0] = True, STOP
        if self.asleep:
            self.wake()
        self.thread.join()

    def _live(self) -> None:
        from geomlat.backends import cpu

        serve = cpu.serve_loop()
        while not self.leaving:
            self.bell.acquire()
            serve(self.box, give_way(), PATIENCE)
            self.asleep = True


def gather(count: int, *, wake: bool) -> list[Helper]:
    """Up to so many free helpers, those asleep only if they are to be woken; `dismiss` gives them back."""
    found: list[Helper] = []
    while len(found) < count:
        try:
            helper = _free.pop()
        except IndexError:
            new = _new() if wake else None
            if new is None:
                break
            helper = new
        if helper.asleep:
            if not wake:
                _free.append(helper)
                break
            helper.wake()
        found.append(helper)
    return found


def dismiss(helpers: list[Helper]) -> None:
    """Let others have the helpers."""
    _free.extend(helpers)


def run(shared: Callable[..., None], helpers: list[Helper], n: int, *arrays: Any) -> None:
    """Rows ``0 .. n - 1`` by the caller and the helpers, in parts that whoever is free takes next."""
    parts = min(n, PARTS_EACH * (len(helpers) + 1))
    boxes = helpers[0].alone if len(helpers) == 1 else np.array([helper.box for helper in helpers])
    shared(helpers[0].box + _JOB, boxes, give_way(), parts, n, *arrays)


@cache
def give_way() -> int:
    """The address of the system's function by which a thread gives its core to another."""
    if sys.platform == "win32":
        function = ctypes.windll.kernel32.SwitchToThread
    else:
        function = ctypes.CDLL(None).sched_yield
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _new() -> Helper | None:
    with _lock:
        if len(_all) >= available() - 1:
            return None
        _all.append(Helper())
        return _all[-1]


def _end() -> None:
    for helper in _all:
        helper.leave()


def _forget() -> None:
    """In a forked child, where no thread but the one that forked exists."""
    global _lock
    _lock = threading.Lock()
    _free.clear()
    _all.clear()


atexit.register(_end)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
