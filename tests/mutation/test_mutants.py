"""Mutants are made, met by the right tests, and kept only as long as their function stands."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType, SimpleNamespace

import interpreted
import mutants
import numpy as np
import pytest
import run
import warm
from interpreted import Interpreted

from geomlat.backends import kernel
from geomlat.manifolds import Sphere

SOURCE = """
LIMIT = 2 * 3

def value(x, *, scale):
    return -scale * x + x[0 - 1]

class Rule:
    sign: float = -2.0

    def vjp(self, x):
        def pull(dy):
            total: float = dy / x
            total -= x
            total *= 3
            total /= x.sum(axis=-1)
            return -1.0 * total
        return x, pull
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[mutants.Mutant]]:
    monkeypatch.setattr(mutants, "SOURCE", tmp_path)

    def make(source: str) -> list[mutants.Mutant]:
        (tmp_path / "rules.py").write_text(source)
        return mutants.mutants_of(tmp_path / "rules.py")

    return make


def test_each_sign_factor_and_term_is_changed(made) -> None:
    changes = [(m.function, m.text.partition(" | ")[2]) for m in made(SOURCE)]
    assert changes == [
        ("value", "-scale * x + x[0 - 1] -> -scale * x - x[0 - 1]"),
        ("value", "-scale * x + x[0 - 1] -> -scale * x"),
        ("value", "-scale * x + x[0 - 1] -> x[0 - 1]"),
        ("value", "-scale * x -> -scale"),
        ("value", "-scale * x -> x"),
        ("value", "-scale -> scale"),
        ("Rule.vjp.pull", "dy / x -> dy"),
        ("Rule.vjp.pull", "total -= x -> total += x"),
        ("Rule.vjp.pull", "total -= x -> pass"),
        ("Rule.vjp.pull", "total *= 3 -> pass"),
        ("Rule.vjp.pull", "total /= x.sum(axis=-1) -> pass"),
        ("Rule.vjp.pull", "-1.0 * total -> -1.0"),
        ("Rule.vjp.pull", "-1.0 * total -> total"),
        ("Rule.vjp.pull", "-1.0 -> 1.0"),
    ]


def test_a_mutant_may_index_a_number(made) -> None:
    mutant = next(m for m in made("def f(x):\n    return (2 * x)[0]\n") if m.becomes == "left")
    with pytest.raises(TypeError, match="not subscriptable"):
        FunctionType(mutant.code()[1], {})([1.0])


def test_the_code_of_a_mutant_is_that_of_the_outer_function_with_one_change(made) -> None:
    for mutant in made(SOURCE):
        before, after = mutant.code()
        assert before.co_qualname == after.co_qualname == ".".join(mutant.function.split(".")[:2])
        assert before != after
        assert mutant.text.rpartition(" -> ")[2].split(" (")[0] in mutant.source()


def test_results_last_as_long_as_the_text_of_their_function(made) -> None:
    first = made(SOURCE)
    results = {m.key: {"file": m.file, "text": m.text, "of": m.of, "outcome": "killed"} for m in first}
    assert run.valid(results, first) == results
    later = made(SOURCE.replace("return x, pull", "x = +x\n        return x, pull").replace("LIMIT = 2", "LIMIT = 4"))
    assert len(later) == len(first)
    assert {results[k]["text"] for k in run.valid(results, later)} == {m.text for m in first if m.function == "value"}
    del results[first[0].key]["of"]
    assert first[0].key not in run.valid(results, first)


def test_a_sample_serves_the_files_in_turn(made) -> None:
    sizes = {"a": 9, "b": 5, "c": 2}
    pool = [mutants.Mutant(f, "g", 1, f"{f}{k}", k, "left", "") for f in sizes for k in range(sizes[f])]
    had = {"0": {"file": "a"}, "1": {"file": "a"}}
    sample = run.stratified(pool, had, 7, 3)
    assert [sorted(m.file for m in sample[k : k + 2]) for k in (0, 2, 4)] == [["b", "c"], ["b", "c"], ["a", "b"]]
    assert sample == run.stratified(pool[::-1], had, 7, 3) != run.stratified(pool, had, 7, 4)
    assert len(run.stratified(pool, {}, 99, 0)) == len(pool)


def test_the_cheap_and_the_proven_tests_come_first_and_no_others() -> None:
    tests = {
        "slow": {"seconds": 5.0, "runs": ["f.py|g", "f.py|h"]},
        "quick": {"seconds": 0.2, "runs": ["f.py|g"]},
        "other": {"seconds": 0.1, "runs": ["f.py|h", "e.py|g"]},
        "proven": {"seconds": 0.9, "runs": ["f.py|g"]},
    }
    order = run.Order(tests, {})
    mutant = mutants.Mutant("f.py", "g", 1, "", 0, "left", "")
    assert order(mutant) == ["quick", "proven", "slow"]
    order.count("f.py", "g", "proven")
    assert order(mutant) == ["proven", "quick", "slow"]


def first_of(file: str, function: str, change: str) -> mutants.Mutant:
    return next(
        m for m in mutants.mutants_of(mutants.SOURCE / file) if m.function == function and m.text.endswith(change)
    )


def changes(mutant: mutants.Mutant, value: Callable[[], np.ndarray], compiled: bool, folder: Path) -> int:
    before = value()
    living = warm.Living()
    living.forget(mutant.name, compiled)
    living.exchange(mutant)
    return int(not np.array_equal(before, value()))


POINT, TANGENT = np.asarray([[0.6, 0.0, 0.8]]), np.asarray([[0.3, 0.4, 0.5]])


def tangent() -> np.ndarray:
    return Sphere(2).to_tangent(POINT, TANGENT)


def cotangent() -> np.ndarray:
    return Sphere(2).inner_vjp(POINT, TANGENT, TANGENT)[1](np.full(1, 2.0))[2]


@pytest.mark.parametrize(
    ("file", "function", "change", "value"),
    [
        ("sphere_rows.py", "dot_of", "np.float64(x[a, j]) * np.float64(y[b, j]) -> np.float64(x[a, j])", tangent),
        ("embedded.py", "Embedded.inner_vjp.pull", "dy[..., None] * u -> u", cotangent),
    ],
)
@pytest.mark.parametrize("compiled", [False, True])
def test_a_child_runs_the_changed_rule_and_leaves_the_parent_alone(file, function, change, value, compiled) -> None:
    before = value()
    mutant = first_of(f"geomlat/manifolds/{file}", function, change)
    code, _, files = run.finished(run.watched(partial(changes, mutant, value, compiled)))
    assert code == 1, files["log"]
    np.testing.assert_array_equal(value(), before)


@kernel()
def gather(i: int, x: np.ndarray, k: float, out: np.ndarray) -> None:
    out[i] += k * math.exp(x[i] * 0.1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_interpreted_kernel_equals_the_compiled_one(dtype) -> None:
    x, one, two = np.linspace(-3.0, 3.0, 7).astype(dtype), np.ones(7, dtype), np.ones(7, dtype)
    gather(7, x, 0.3, one)
    Interpreted(gather)(0, 7, x, 0.3, two)
    np.testing.assert_array_max_ulp(one, two, 1, dtype)


@pytest.mark.parametrize(("top", "budget"), [(1e5, 1.0), (1.0, 0.0)])
def test_where_python_raises_or_takes_too_long_the_test_needs_the_compiler(top, budget, monkeypatch) -> None:
    monkeypatch.setattr(interpreted, "BUDGET", budget)
    with pytest.raises(interpreted.NeedsCompilerError):
        Interpreted(gather)(0, 2, np.asarray([1.0, top]), 2.0, np.ones(2))


def test_an_index_out_of_bounds_is_an_error() -> None:
    with pytest.raises(IndexError):
        Interpreted(gather)(0, 3, np.ones(2), 2.0, np.ones(3))


@pytest.mark.parametrize(("limit", "code", "test"), [(0.3, -warm.signal.SIGPROF, "first"), (0.0, warm.LATER, "first")])
def test_a_mutant_is_left_open_when_its_time_is_over(limit, code, test) -> None:
    items = {name: SimpleNamespace(nodeid=name) for name in ("first", "second")}
    living = SimpleNamespace(forget=lambda *_: None, wind_up=lambda _: None)
    session = SimpleNamespace(living=living, items=items, seconds={}, limit=limit, run=lambda *_: stuck_for_ever())
    work = partial(warm.attempt, session, SimpleNamespace(name=("", "")), list(items), changed=False)
    ended, seconds, files = run.finished(run.watched(work))
    assert (ended, files["test"], files.get("ends")) == (code, test, "open" if limit else None), files["log"]
    assert seconds < 5


def test_what_runs_while_modules_are_imported_survives_only_in_a_process_of_its_own(monkeypatch) -> None:
    asked = []

    def watched(work: partial):
        asked.append(work.func)
        yield None
        return int(work.func is warm.apart), 1.0, {"test": "a", "log": ""}

    monkeypatch.setattr(run, "watched", watched)
    mutant = mutants.Mutant("f.py", "g", 1, "text", 0, "left", "")
    session = SimpleNamespace(living=SimpleNamespace(kernels={}), items={}, early={mutant.name})
    attempts = run.Attempts(session, lambda _: ["a"], {}, False, False)
    attempts.order.count = lambda *_: None
    attempts([mutant], 1)
    assert asked == [warm.attempt, warm.apart]
    assert [row["outcome"] for row in attempts.results.values()] == ["killed"]


def test_a_test_that_is_ended_by_the_limit_has_killed_nothing(monkeypatch) -> None:
    mutant = mutants.Mutant("f.py", "g", 1, "text", 0, "left", "")
    for ends, outcome in (("open", "open"), ("killed", "killed")):

        def watched(work: partial, ends: str = ends):
            yield None
            return -warm.signal.SIGPROF, 1.0, {"test": "a", "log": "", "ends": ends}

        monkeypatch.setattr(run, "watched", watched)
        living = SimpleNamespace(kernels={})
        attempts = run.Attempts(
            SimpleNamespace(living=living, items={}, early=set()), lambda _: ["a"], {}, False, False
        )
        attempts.order.count = lambda *_: None
        attempts([mutant], 1)
        assert [row["outcome"] for row in attempts.results.values()] == [outcome]


def test_a_test_that_needs_the_compiler_is_postponed_and_the_next_decides() -> None:
    def run_one(item: SimpleNamespace, following: SimpleNamespace | None) -> bool:
        session.undecided = item.nodeid == "first"
        return False

    items = {name: SimpleNamespace(nodeid=name) for name in ("first", "second")}
    living = SimpleNamespace(forget=lambda *_: None, wind_up=lambda _: None)
    session = SimpleNamespace(living=living, items=items, seconds={}, limit=9.0, run=run_one)
    work = partial(warm.attempt, session, SimpleNamespace(name=("", "")), list(items), changed=False)
    code, _, files = run.finished(run.watched(work))
    assert (code, files["test"], files["postponed"]) == (1, "second", "first\n"), files["log"]


def test_no_tests_left_for_the_interpreter_are_none_that_fail() -> None:
    living = SimpleNamespace(forget=lambda *_: None, wind_up=lambda _: None)
    session = SimpleNamespace(living=living, items={}, seconds={}, limit=9.0)
    code, _, files = run.finished(
        run.watched(partial(warm.attempt, session, SimpleNamespace(name=("", "")), [], changed=False))
    )
    assert code == 0, files["log"]


def test_what_the_interpreter_postpones_meets_the_compiler_and_is_remembered(monkeypatch) -> None:
    met: list[tuple[list[str], bool]] = []

    def watched(work: partial):
        compiled = work.keywords["compiled"]
        met.append((work.args[2], compiled))
        yield None
        return int(compiled), 1.0, {"test": "a", "log": ""} | ({} if compiled else {"postponed": "a\n"})

    monkeypatch.setattr(run, "watched", watched)
    mutant = mutants.Mutant("f.py", "g", 1, "text", 0, "left", "")
    living = SimpleNamespace(kernels={mutant.name: []})
    attempts = run.Attempts(
        SimpleNamespace(living=living, items={}, early=set()), lambda _: ["a", "b"], {}, False, False
    )
    attempts.order.count = lambda *_: None
    attempts([mutant, mutant], 1)
    assert met == [(["a", "b"], False), (["a"], True), (["b"], False), (["a"], True)]


def stuck_for_ever() -> bool:
    while True:
        pass


def stuck(folder: Path) -> int:
    warm.signal.setitimer(warm.signal.ITIMER_PROF, 0.4)
    return stuck_for_ever()


def test_a_child_that_fails_or_hangs_ends_with_a_status_of_its_own() -> None:
    code, seconds, _ = run.finished(run.watched(stuck))
    assert code == -warm.signal.SIGPROF
    assert 0.3 <= seconds < 5
    code, _, files = run.finished(run.watched(lambda folder: 1 // 0))
    assert code == warm.BROKEN
    assert "ZeroDivisionError" in files["log"]


@pytest.mark.parametrize(
    ("status", "by", "outcome"),
    [
        (0, "", "survived"),
        (1, "t", "killed"),
        (-9, "t", "killed"),
        (-9, "", None),
        (1, "", None),
        (warm.LATER, "t", "open"),
    ],
)
def test_a_child_that_ends_in_no_test_has_killed_nothing(status, by, outcome) -> None:
    living = SimpleNamespace(kernels={})
    attempts = run.Attempts(SimpleNamespace(living=living, items={}, early=set()), lambda _: ["t"], {}, False, False)

    def met(*_: object, **__: object):
        yield None
        return status, 1.0, by

    attempts.met, attempts.order.count = met, lambda *_: None
    mutant = mutants.Mutant("f.py", "g", 1, "text", 0, "left", "")
    attempts([mutant], 1)
    assert [row["outcome"] for row in attempts.results.values()] == [outcome] * (outcome is not None)
    assert attempts.survivors == [mutant] * (outcome != "killed")


def test_the_trace_sees_nested_functions_and_what_kernels_are_made_of() -> None:
    with warm.Trace() as trace:
        tangent()
        cotangent()
    assert {
        ("geomlat/manifolds/embedded.py", "Embedded.inner_vjp.pull"),
        ("geomlat/manifolds/sphere_rows.py", "tangent_row"),
        ("geomlat/manifolds/sphere_rows.py", "dot_of"),
    } <= trace.found
    assert ("geomlat/manifolds/sphere_rows.py", "exp_row") not in trace.found


def test_the_page_counts_every_mutant_once() -> None:
    pool = [mutants.Mutant("geomlat/nn/a.py", "g", k, str(k), k, "left", "") for k in range(59)]
    pool += [mutants.Mutant("geomlat/nn/b.py", "g", 0, "b", 0, "left", "")]
    results = {m.key: {"outcome": "killed", "first": "killed", "seconds": 2.0} for m in pool[:-1]}
    equivalent = {pool[0].key: {"file": "a.py", "text": "0", "reason": "the same"}}
    assert "| nn | 60 | 59 | 0 | 0 | 0 | 1 |" in run.report(pool, results, {})
    results[pool[0].key]["first"] = "survived"
    assert "| nn | 60 | 59 | 1 | 0 | 0 | 1 |" in run.report(pool, results, equivalent)
    results[pool[1].key]["outcome"] = "open"
    assert "| nn | 60 | 58 | 1 | 0 | 0 | 2 |" in run.report(pool, results, {})
    results[pool[0].key]["outcome"] = "survived"
    assert "| nn | 60 | 57 | 0 | 0 | 1 | 2 |" in run.report(pool, results, {})
    page = run.report(pool, results, equivalent)
    assert "| nn | 60 | 57 | 0 | 1 | 0 | 2 |" in page
    assert "Of the equivalent ones 1 have met all" in page
    assert "- `a.py`: `0`: the same" in page
    results[pool[0].key]["outcome"] = "open"
    assert "| nn | 60 | 57 | 0 | 1 | 0 | 2 |" in run.report(pool, results, equivalent)


def test_survivors_are_those_that_no_reason_is_given_for(monkeypatch) -> None:
    pool = [mutants.Mutant("geomlat/nn/a.py", "g", k, str(k), k, "left", "") for k in range(5)]
    outcomes = ("survived", "open", "killed", "survived")
    results = {m.key: {"outcome": outcome} for m, outcome in zip(pool, outcomes, strict=False)}
    monkeypatch.setattr(run, "load", lambda path: {pool[0].key: {}} if path == run.EQUIVALENT else {})
    asked = SimpleNamespace(files=None, again=0, survivors=True, seed=0, sample=None)
    assert {m.place for m in run.chosen(asked, pool, results)} == {1, 3}
    asked.again = 1
    assert [m.place for m in run.chosen(asked, pool, results)] == [2]
