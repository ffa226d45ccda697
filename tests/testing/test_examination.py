"""The examination of a manifold: what it counts, what it finds wrong, and how it says so."""

from __future__ import annotations

import importlib
from functools import cache

import numpy as np
import pytest

from geomlat.manifolds import Euclidean, Sphere
from geomlat.testing import LAWS
from geomlat.testing.examination import examine, groups
from geomlat.testing.lazy import READS, ValueReadError, unreadable
from geomlat.testing.libraries import LIBRARIES

FOREIGN = [name for name, library in LIBRARIES.items() if not library.compiled]


class Scaled(Sphere):
    def dist(self, x, y, /, *, out=None):
        return super().dist(x, y) * (1 + 1e-10)


class Widening(Sphere):
    def exp(self, x, u, /, *, out=None):
        return super().exp(x, u).astype(np.float64)


class Writing(Sphere):
    def to_tangent(self, x, u, /):
        u -= (x * u).sum(-1)[..., None] * x
        return u


class Missing(Sphere):
    def logdet_exp(self, x, u, /):
        raise NotImplementedError


class Branching(Sphere):
    def project(self, x, /):
        return super().project(x) if x.size == 0 or bool((x == x)[(0,) * x.ndim]) else x


class Pointless(Sphere):
    def random_point(self, shape=(), /, *, rng, like=None):
        raise NotImplementedError


class WrongPull(Sphere):
    def dist_vjp(self, x, y, /):
        d, inner = super().dist_vjp(x, y)

        def pull(dd):
            dx, dy = inner(dd)
            return dx, None if dy is None else dy * 1.0001

        return d, pull


def needs(library):
    return pytest.importorskip(LIBRARIES[library].module)


@cache
def outcomes(m, library, examples):
    return {o.law: o for o in examine(m, library, examples=examples)}


def broken(m, library="numpy-float64", examples=30):
    return {law: o for law, o in outcomes(m, library, examples).items() if o.failure}


def test_a_manifold_that_holds_reports_every_law_and_its_examples():
    found = examine(Sphere(2), examples=4)
    assert not [o.failure for o in found if o.failure]
    counts = {o.law: o.examples for o in found}
    assert all(counts[law.__name__] == 4 for law in LAWS)
    assert counts["logdet_exp_is_volume"] == counts["pullbacks_are_derivatives"] == counts["batch_is_loop"] == 1
    assert {o.manifold for o in found} == {"Sphere(n=2)"}


def test_the_message_names_the_law_the_inputs_and_the_error_in_ulps():
    failure = broken(Scaled(2))["dist_is_norm_of_log"].failure
    assert failure.startswith("dist_is_norm_of_log does not hold on Scaled(n=2): ")
    assert "roundings (ulps), 32 are allowed" in failure
    assert "\n  x = [" in failure
    assert "\n  y = [" in failure


def test_a_law_stops_at_its_failure_and_the_others_go_on():
    found = outcomes(Scaled(2), "numpy-float64", 30)
    assert found["dist_is_norm_of_log"].examples < 30
    assert found["transport_has_inverse"].examples == 30
    assert not found["transport_has_inverse"].failure


def test_equal_calls_see_equal_examples():
    assert {o.law: o for o in examine(Scaled(2), examples=30)} == outcomes(Scaled(2), "numpy-float64", 30)


@pytest.mark.parametrize(
    ("m", "library", "law", "says"),
    [
        (Widening(2), "numpy-float32", "batch_is_loop", "exp gives float64 for float32"),
        (Writing(2), "numpy-read-only", "to_tangent_is_orthogonal", "read-only"),
        (Missing(2), "numpy-float64", "logdet_exp_is_volume", "logdet_exp raises NotImplementedError"),
        (Pointless(2), "numpy-float64", "cases", "random_point raises NotImplementedError"),
        (WrongPull(2), "numpy-float64", "pullbacks_are_derivatives", "dist_vjp: argument 1"),
        (Branching(2), "strict-float64", "values_stay", "__bool__ would read the values"),
        (Branching(2), "torch-float32", "values_stay", "__bool__ would read the values"),
    ],
)
def test_a_broken_manifold_is_found(m, library, law, says):
    needs(library)
    examples = 1 if library.startswith(("strict", "torch")) else 30
    assert says in broken(m, library, examples)[law].failure


@pytest.mark.parametrize("library", FOREIGN)
def test_other_libraries_are_held_to_the_laws_and_to_laziness(library):
    needs(library)
    assert [law.__name__ for group in groups(LIBRARIES[library]) for law in group.laws][-1] == "values_stay"
    assert not broken(Euclidean(2), library, examples=1)


def test_only_writable_float64_of_numpy_is_differentiated_numerically():
    held = {name: {law.__name__ for g in groups(lib) for law in g.laws} for name, lib in LIBRARIES.items()}
    assert [name for name, laws in held.items() if "pullbacks_are_derivatives" in laws] == ["numpy-float64"]


@pytest.mark.parametrize("library", [name for name in FOREIGN if name.startswith(("strict", "torch"))])
def test_unreadable_arrays_refuse_and_recover(library):
    needs(library)
    x = LIBRARIES[library].array(np.ones(()))
    with unreadable(x) as possible:
        assert possible
        for read in (bool, float, int):
            with pytest.raises(ValueReadError):
                read(x)
        with pytest.raises(ValueReadError):
            np.asarray(x)
    assert float(x) == 1.0
    assert bool(x)
    kind = type(x)
    assert not [n for n in READS if "refuse" in repr(getattr(kind, n, ""))]


def test_numpy_arrays_stay_readable():
    with unreadable(np.ones(2)) as possible:
        assert not possible
        assert np.ones(2).tolist() == [1, 1]


def test_strict_arrays_have_no_data_dependent_shapes():
    strict = pytest.importorskip("array_api_strict")
    library = LIBRARIES["strict-float32"]
    x = library.array(np.ones(3))
    assert x.device == strict.Device("no_float64")
    with library.context():
        with pytest.raises(RuntimeError, match="data-dependent"):
            strict.nonzero(x)
        with pytest.raises(RuntimeError, match="boolean_indexing"):
            x[x > 0]
    assert x[x > 0].shape == (3,)


@pytest.mark.parametrize(
    ("library", "examples", "says"),
    [("fortran", 1, "no array library 'fortran'"), ("numpy-float64", 0, "examples must be at least 1")],
)
def test_bad_arguments_are_named(library, examples, says):
    with pytest.raises(ValueError, match=says):
        examine(Sphere(2), library, examples=examples)


def test_a_library_that_is_not_installed_is_refused():
    absent = [name for name, library in LIBRARIES.items() if not library.installed]
    for name in absent:
        with pytest.raises(ImportError):
            importlib.import_module(LIBRARIES[name].module)
        with pytest.raises(ValueError, match="installed are"):
            examine(Sphere(2), name)
