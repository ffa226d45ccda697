"""The table of capabilities is true, both where it says yes and where it says no, and its page is the table."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from geomlat.manifolds import MANIFOLDS, Euclidean, Sphere, mean
from geomlat.manifolds.base import OPERATIONS
from geomlat.testing.capabilities import LACKS, NEEDS, compiled, kernel_table, page, supports
from geomlat.testing.libraries import LIBRARIES
from geomlat.testing.measure import host

PAGE = Path(__file__).parents[2] / "docs" / "capabilities.md"
WITH_OUT = [name for name, needs in NEEDS.items() if "out" in needs]
FAMILIES = {name: family[-1] for name, family in MANIFOLDS.items()}
BOTH = [pytest.param(m, id=name) for name, m in FAMILIES.items()]


def inputs(m):
    x, points = m.random_point((2,), rng=0), m.random_point((2, 3), rng=1)
    u = 0.3 * m.random_tangent(x, rng=2)
    return {
        "x": x,
        "y": m.exp(x, u),
        "u": u,
        "v": m.random_tangent(x, rng=3),
        "a": x + 0.1 * u,
        "t": np.array([0.2, 0.7]),
        "c": m.to_coordinates(x, u),
        "points": points,
        "others": points,
        "weights": np.ones((2, 3)),
    }


def arguments(m, name, library):
    return [LIBRARIES[library].array(inputs(m)[kind]) for kind in OPERATIONS[name]]


def needs(library):
    pytest.importorskip(LIBRARIES[library].module)
    return LIBRARIES[library]


def test_the_page_is_the_table():
    assert PAGE.read_text() == page(), "run: python -m geomlat.testing.capabilities > docs/capabilities.md"


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_an_operation_runs_where_the_table_says_so(library, name):
    lib, m = needs(library), Sphere(2)
    reason = supports(library, name)
    with lib.context():
        args = arguments(m, name, library)
        if reason:
            with pytest.raises(Exception):  # noqa: B017
                getattr(m, name)(*args)
            return
        y = getattr(m, name)(*args)
        y = y[0] if name == "mean" else y
        assert type(y) is type(args[0])
        assert y.dtype == args[0].dtype


@pytest.mark.parametrize("name", WITH_OUT)
@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("m", [Sphere(2), Euclidean(2)], ids=repr)
def test_out_is_written_where_the_table_says_so(library, name, m):
    lib = needs(library)
    with lib.context():
        args = arguments(m, name, library)
        expected = host(getattr(m, name)(*args)).copy()
        # Read-only are the arguments; the result goes to an array that can be written.
        out = LIBRARIES["numpy-float64"].array(0 * expected) if lib.module == "numpy" else lib.array(0 * expected)
        out = out.astype(lib.dtype) if lib.module == "numpy" else out
        if reason := supports(library, name, "out"):
            with pytest.raises(TypeError, match="immutable"):
                getattr(m, name)(*args, out=out)
            pytest.skip(reason)
        assert getattr(m, name)(*args, out=out) is out
        np.testing.assert_array_equal(host(out), expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_what_the_table_names_needs_linear_algebra(name):
    strict = pytest.importorskip("array_api_strict")
    m, extensions = Sphere(2), strict.get_array_api_strict_flags()["enabled_extensions"]
    args = arguments(m, name, "strict-float64")
    strict.set_array_api_strict_flags(enabled_extensions=())
    try:
        if "linalg" in NEEDS[name]:
            with pytest.raises(AttributeError, match="linalg"):
                getattr(m, name)(*args)
        else:
            getattr(m, name)(*args)
    finally:
        strict.set_array_api_strict_flags(enabled_extensions=extensions)


@pytest.mark.parametrize("m", BOTH)
def test_operations_run_on_arrays_without_values(m, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(mean, "STEPS", 2)
    case = {k: torch.from_numpy(a.copy()).to("meta") for k, a in inputs(m).items()}
    for name, kinds in OPERATIONS.items():
        y = getattr(m, name)(*(case[k] for k in kinds))
        y = y[0] if name == "mean" else y
        again, pull = getattr(m, f"{name}_vjp")(*(case[k] for k in kinds))
        again = again[0] if name == "mean" else again
        cotangents = pull(torch.ones_like(y))
        assert y.device.type == again.device.type == "meta"
        assert y.shape == again.shape
        assert [g.shape for g in cotangents[: len(kinds)] if g is not None] == [
            case[k].shape for k, g in zip(kinds, cotangents, strict=False) if g is not None
        ]


def test_kernels_are_seen_and_their_absence_too():
    assert compiled(Sphere(2), "exp")
    assert not compiled(Euclidean(2), "exp")
    assert [row[0] for row in kernel_table()[1:]] == [f"`{name}`" for name in OPERATIONS]


def test_reasons_are_given_for_known_libraries_and_needs():
    assert set(LACKS) <= set(LIBRARIES)
    assert {need for lacks in LACKS.values() for need in lacks} <= {n for found in NEEDS.values() for n in found}
    assert supports("jax-float32", "exp", "out")
    assert not supports("jax-float32", "exp")


def test_jax_arrays_cannot_be_written():
    jax = pytest.importorskip("jax.numpy")
    x = importlib.import_module("jax.numpy").zeros(2)
    with pytest.raises(TypeError, match="immutable"):
        x[...] = jax.ones(2)
