"""All laws on one manifold and one array library: what `geomlat check` and the tests run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from geomlat.testing.calculus import logdet_exp_is_volume, pullbacks_are_derivatives, pullbacks_keep_kind
from geomlat.testing.laws import LAWS, batch_is_loop
from geomlat.testing.lazy import values_stay
from geomlat.testing.libraries import LIBRARIES, Library
from geomlat.testing.measure import LawError, check_law, fail, inputs_of
from geomlat.testing.strategies import cases

Array = Any
Law = Callable[..., None]

SMOOTH_SHARE = 10
"""The laws that need smooth inputs take as many times longer than the others, and see as many times fewer examples."""


@dataclass
class Outcome:
    """How many examples a law saw on a manifold, and the message of its smallest failure."""

    manifold: str
    law: str
    examples: int = 0
    failure: str = ""


@dataclass(frozen=True)
class Group:
    """Laws that share a strategy."""

    laws: tuple[Law, ...]
    smooth: bool = False
    shape: tuple[int, ...] | None = None

    def inputs(self, m: Any, dtype: str) -> st.SearchStrategy[dict[str, np.ndarray]]:
        """The strategy, rounded to a dtype."""
        strategy: st.SearchStrategy[dict[str, np.ndarray]] = cases(
            m, np.dtype(dtype), smooth=self.smooth, shape=self.shape
        )
        return strategy


def groups(library: Library) -> tuple[Group, ...]:
    """The laws that a library can be held to: derivatives by differences want NumPy float64 that can be written."""
    found = [Group((*LAWS, pullbacks_keep_kind)), Group((batch_is_loop,), smooth=True, shape=(2, 2))]
    if library == LIBRARIES["numpy-float64"]:
        found.append(Group((logdet_exp_is_volume, pullbacks_are_derivatives), smooth=True, shape=(2,)))
    if not library.compiled:
        found.append(Group((values_stay,), smooth=True, shape=(2,)))
    return tuple(found)


def examine(manifold: Any, library: str = "numpy-float64", *, examples: int = 25) -> list[Outcome]:
    """Hold a manifold to every law on an array library of `LIBRARIES`; equal calls see equal examples.

    A law that fails is tried on simpler inputs until Hypothesis finds none; `Outcome.failure` names the law, these
    inputs and the error. Laws on smooth inputs see a tenth of the examples.

    Raises
    ------
    ValueError
        If the library is unknown or not installed, or fewer than one example is asked for.
    """
    if library not in LIBRARIES or not LIBRARIES[library].installed:
        known = ", ".join(name for name, lib in LIBRARIES.items() if lib.installed)
        msg = f"there is no array library {library!r} here; installed are {known}"
        raise ValueError(msg)
    if examples < 1:
        msg = f"examples must be at least 1, got {examples}"
        raise ValueError(msg)
    return [o for group in groups(LIBRARIES[library]) for o in _run(manifold, LIBRARIES[library], group, examples)]


def _run(m: Any, library: Library, group: Group, examples: int) -> Iterator[Outcome]:
    count = -(-examples // SMOOTH_SHARE) if group.smooth else examples
    outcomes = {law: Outcome(repr(m), law.__name__) for law in group.laws}

    def once(case: dict[str, np.ndarray]) -> None:
        for law, outcome in outcomes.items():
            if not outcome.failure:
                try:
                    hold(law, m, case, library)
                except LawError as error:
                    outcome.failure = str(error)
                outcome.examples += 1

    try:
        _explore(once, group.inputs(m, library.dtype), count, (Phase.generate,))
    except Exception as error:  # the strategies call the manifold's own operations
        yield Outcome(repr(m), "cases", 0, f"no inputs can be drawn on {m!r}: {_said(error)}")
    for law, outcome in outcomes.items():
        if outcome.failure:
            outcome.failure = _simplest(law, m, library, group, count) or outcome.failure
        yield outcome


def _simplest(law: Law, m: Any, library: Library, group: Group, count: int) -> str:
    def once(case: dict[str, np.ndarray]) -> None:
        hold(law, m, case, library)

    try:
        _explore(once, group.inputs(m, library.dtype), count, (Phase.generate, Phase.shrink))
    except LawError as error:
        return str(error)
    except Flaky:
        pass
    return ""


def _explore(
    once: Callable[[dict[str, np.ndarray]], None], inputs: st.SearchStrategy[Any], count: int, phases: Iterable[Phase]
) -> None:
    thorough = settings(
        max_examples=count,
        phases=tuple(phases),
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )

    def explore(case: dict[str, np.ndarray]) -> None:
        once(case)

    thorough(given(inputs)(explore))()


def hold(law: Law, m: Any, case: Mapping[str, np.ndarray], library: Library) -> None:
    """Hold ``m`` to a law on a case drawn in NumPy, given to it as arrays of a library; any error is a `LawError`."""
    with library.context():
        try:
            check_law(law, m, library.case(case))
        except LawError:
            raise
        except Exception as error:  # an operation that raises breaks every law it stands in
            fail(law.__name__, m, _said(error), **inputs_of(law, case))


def _said(error: Exception) -> str:
    where = traceback.extract_tb(error.__traceback__)[-1].name
    return f"{where} raises {type(error).__name__}: {error}"
