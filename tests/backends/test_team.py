"""Helpers of compiled loops: every row once, asleep and awake, errors, arrays let go of, forks and the end."""

import math
import os
import subprocess
import sys
import time
import weakref

import numba
import numpy as np
import pytest

from geomlat.backends import _team_loops, cpu, kernel, team


@kernel(cost=1e9)
def count(i: int, x: np.ndarray, out: np.ndarray) -> None:
    """One more in a row, and what depends on the row alone."""
    out[i, 0] += 1.0
    out[i, 1] = x[i].sum()


@kernel(cost=1e9)
def reject(i: int, bad: np.ndarray, out: np.ndarray) -> None:
    """A row that is bad raises."""
    if bad[i] > 0.0:
        raise ValueError("bad row")
    out[i] = 1.0


@kernel(cost=1e9)
def dawdle(i: int, out: np.ndarray) -> None:
    """A row of about a millisecond."""
    total = 1.0
    for _ in range(100_000):
        total = math.cos(total)
    out[i] = total


@pytest.fixture
def helpers(monkeypatch):
    """Three helpers of this test's own, awake for long."""
    monkeypatch.setattr(team, "PATIENCE", 20_000)
    found = [team.Helper() for _ in range(3)]
    yield found
    for helper in found:
        helper.leave()
        assert not helper.thread.is_alive()


def shared(k):
    """The kernel's loop with helpers."""
    return cpu.compile_shared(k.body, k._loop or cpu.compile_loop(k.body))


@pytest.mark.parametrize("n", [1, 2, 3, 15, 16, 17, 1000, 100_003])
def test_every_row_once(helpers, n):
    loop = shared(count)
    x = np.arange(3.0 * n).reshape(n, 3)
    for used in (1, 2, 3, 2, 1):
        out = np.zeros((n, 2))
        for helper in helpers[:used]:
            if helper.asleep:
                helper.wake()
        team.run(loop, helpers[:used], n, x, out)
        assert np.array_equal(out, np.stack([np.ones(n), x.sum(axis=1)], axis=1))


@numba.njit(nogil=True)
def by_helpers_alone(loop, job, box, system, rows, x, out):
    """Offer a job without taking a part of it, and wait for the helper some seconds; whether it came."""
    function, arrays = _team_loops.part_of(loop, (x, out))
    for place, word in ((0, 0), (_team_loops.PARTS, 5), (_team_loops.ROWS, rows), (_team_loops.FAILED, 0)):
        _team_loops.store(job + place, word)
    _team_loops.store(job + _team_loops.FUNCTION, function)
    _team_loops.store(job + _team_loops.ARRAYS, arrays)
    _team_loops.store(box + _team_loops.DONE, 0)
    _team_loops.store(box, job)
    for _ in range(1_000_000):
        if _team_loops.load(box) == 0:
            break
        _team_loops.wait_a_little(system)
    came = _team_loops.exchange(box, 0) == 0
    while came and _team_loops.load(box + _team_loops.DONE) == 0:
        _team_loops.wait_a_little(system)
    return came


def test_a_helper_does_the_parts_nobody_else_takes(helpers):
    helper, x, out = helpers[0], np.ones((100, 2)), np.zeros((100, 2))
    loop = count._loop or cpu.compile_loop(count.body)
    by_helpers_alone.compile(tuple(numba.typeof(a) for a in (loop, 0, 0, 0, 0, x, out)))
    helper.wake()
    assert by_helpers_alone(loop, helper.box + team._JOB, helper.box, team.give_way(), 100, x, out)
    assert np.array_equal(out, np.tile([1.0, 2.0], (100, 1)))


def test_nobody_waits_for_a_helper_that_is_asleep(helpers):
    loop, x = shared(count), np.ones((50, 1))
    for _ in range(2):
        out = np.zeros((50, 2))
        team.run(loop, helpers, 50, x, out)
        assert np.array_equal(out, np.ones((50, 2)))
    assert all(helper.asleep and helper.words[0] == 0 for helper in helpers)


def test_a_helper_that_has_begun_is_waited_for(helpers):
    loop, wanted = shared(dawdle), np.zeros(1)
    dawdle.body(0, wanted)
    for _ in range(50):
        out = np.zeros(3)
        if helpers[0].asleep:
            helpers[0].wake()
        team.run(loop, helpers[:1], 3, out)
        assert out == pytest.approx(wanted[[0, 0, 0]])


@pytest.mark.parametrize("broken", [[0], [999], [500], range(1000)])
def test_a_part_that_raises_raises_in_the_caller(helpers, broken):
    loop, bad = shared(reject), np.zeros(1000)
    bad[broken] = 1.0
    for helper in helpers:
        helper.wake()
    with pytest.raises(ValueError, match="bad row"):
        team.run(loop, helpers, 1000, bad, np.zeros(1000))
    out = np.zeros(1000)
    team.run(loop, helpers, 1000, np.zeros(1000), out)
    assert out.all()


def test_a_helper_leaves_at_once(monkeypatch):
    monkeypatch.setattr(team, "PATIENCE", 10**9)
    helper = team.Helper()
    helper.wake()
    time.sleep(0.1)
    start = time.monotonic()
    helper.leave()
    assert not helper.thread.is_alive()
    assert time.monotonic() - start < 60.0


def test_arrays_are_let_go_of(helpers):
    out = np.zeros((1000, 2))
    gone = weakref.ref(out)
    for helper in helpers:
        helper.wake()
    team.run(shared(count), helpers, 1000, np.ones((1000, 2)), out)
    del out
    assert gone() is None


def test_helpers_are_gathered_awake_or_woken(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    team._end()
    team._forget()
    assert team.gather(2, wake=False) == []
    both = team.gather(5, wake=True)
    assert len(both) == 2
    assert team.gather(1, wake=True) == []
    team.dismiss(both)
    while not all(helper.asleep for helper in both):
        time.sleep(0.01)
    assert team.gather(2, wake=False) == []
    woken = team.gather(1, wake=True)
    assert len(woken) == 1
    assert not woken[0].asleep
    team.dismiss(woken)
    monkeypatch.undo()
    team._end()
    team._forget()


PROGRAM = """
import os, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from geomlat.backends import team
from geomlat.manifolds import Sphere
x = np.random.default_rng(0).standard_normal((20_000, 8))
x /= np.linalg.norm(x, axis=1, keepdims=True)
def distances():
    return Sphere(7).dist(x, x[::-1])
before = distances()
assert len(team._all) == 1
"""
FORK = """
child = os.fork()
if child == 0:
    same = not team._all and np.array_equal(distances(), before) and len(team._all) == 1
    os._exit(0 if same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize("more", ["", FORK], ids=["end", "fork"])
def test_a_process_ends_and_forks_with_helpers_awake(more):
    if more and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    env = {**os.environ, "NUMBA_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + more], env=env, timeout=120, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
