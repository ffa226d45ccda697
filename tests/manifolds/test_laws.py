"""Every law of the public kit over the table of manifolds, on every array library."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from geomlat.manifolds import MANIFOLDS
from geomlat.testing import CALCULUS, LAWS, check_law
from geomlat.testing.calculus import pullbacks_keep_kind
from geomlat.testing.laws import batch_is_loop
from geomlat.testing.strategies import cases

# 1 in the default profile, 20 with HYPOTHESIS_PROFILE=long.
SCALE = settings().max_examples // 100
INSTANCES = [m for family in MANIFOLDS.values() for m in family]
NUMPY = ["numpy-float64", "numpy-float32", "read-only"]
FOREIGN = ["strict-float64", "strict-float32", "torch-float64", "torch-float32"]
# Other libraries take the array expressions, slowly: by default one instance of each manifold.
QUICK = [family[-1] for family in MANIFOLDS.values()]
RUNS = [pytest.param(m, b, id=f"{m!r}-{b}") for m in INSTANCES for b in NUMPY] + [
    pytest.param(m, b, id=f"{m!r}-{b}", marks=() if m in QUICK else pytest.mark.slow)
    for m in INSTANCES
    for b in FOREIGN
]


def convert(backend, case):
    library, _, kind = backend.partition("-")
    arrays = {k: a.astype(kind) if kind.startswith("float") else a for k, a in case.items()}
    if backend == "read-only":
        for a in arrays.values():
            a.flags.writeable = False
        return arrays
    if library == "strict":
        xp = importlib.import_module("array_api_strict")
        device = xp.Device("CPU_DEVICE" if kind == "float64" else "no_float64")
        return {k: xp.asarray(a, device=device) for k, a in arrays.items()}
    if library == "torch":
        torch = importlib.import_module("torch")
        return {k: torch.from_numpy(a.copy()) for k, a in arrays.items()}
    return arrays


@pytest.mark.parametrize(("m", "backend"), RUNS)
def test_laws(m, backend):
    pytest.importorskip({"strict": "array_api_strict", "torch": "torch"}.get(backend.partition("-")[0], "numpy"))
    dtype = np.float32 if backend.endswith("32") else np.float64
    native = backend.startswith(("numpy", "read"))

    @settings(max_examples=SCALE * (15 if native else 2), suppress_health_check=list(HealthCheck))
    @given(cases(m, dtype))
    def check(case):
        case = convert(backend, case)
        for law in LAWS:
            check_law(law, m, case)
        pullbacks_keep_kind(m, **case)

    check()


@pytest.mark.parametrize(("m", "backend"), RUNS)
def test_a_batch_is_a_loop(m, backend):
    pytest.importorskip({"strict": "array_api_strict", "torch": "torch"}.get(backend.partition("-")[0], "numpy"))
    dtype = np.float32 if backend.endswith("32") else np.float64

    @settings(max_examples=1, suppress_health_check=list(HealthCheck))
    @given(cases(m, dtype, smooth=True, shape=(2, 2)))
    def check(case):
        batch_is_loop(m, **convert(backend, case))

    check()


@pytest.mark.parametrize("law", CALCULUS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("m", INSTANCES, ids=repr)
def test_calculus(m, law):
    @settings(max_examples=2 * SCALE, suppress_health_check=list(HealthCheck))
    @given(cases(m, smooth=True, shape=(2,)))
    def check(case):
        if law.__name__ == "logdet_exp_is_volume":
            check_law(law, m, case)
        else:
            law(m, **case)

    check()
