"""Every law of the public kit over the table of manifolds, on every array library."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from geomlat.manifolds import MANIFOLDS
from geomlat.testing import CALCULUS, LAWS, check_law
from geomlat.testing.calculus import pullbacks_keep_kind
from geomlat.testing.examination import hold
from geomlat.testing.laws import batch_is_loop
from geomlat.testing.lazy import values_stay
from geomlat.testing.libraries import LIBRARIES
from geomlat.testing.strategies import cases

# 1 in the default profile, 20 with HYPOTHESIS_PROFILE=long.
SCALE = settings().max_examples // 100
INSTANCES = [m for family in MANIFOLDS.values() for m in family]
NUMPY = [name for name, library in LIBRARIES.items() if library.module == "numpy"]
FOREIGN = [name for name, library in LIBRARIES.items() if library.module != "numpy"]
# Other libraries take the array expressions, slowly: by default one instance of each manifold.
QUICK = [family[-1] for family in MANIFOLDS.values()]
RUNS = [pytest.param(m, b, id=f"{m!r}-{b}") for m in INSTANCES for b in NUMPY] + [
    pytest.param(m, b, id=f"{m!r}-{b}", marks=() if m in QUICK else pytest.mark.slow)
    for m in INSTANCES
    for b in FOREIGN
]


@pytest.mark.parametrize(("m", "backend"), RUNS)
def test_laws(m, backend):
    library = LIBRARIES[backend]
    pytest.importorskip(library.module)

    @settings(max_examples=SCALE * (15 if library.compiled else 2), suppress_health_check=list(HealthCheck))
    @given(cases(m, np.dtype(library.dtype)))
    def check(case):
        for law in (*LAWS, pullbacks_keep_kind):
            hold(law, m, case, library)

    check()


@pytest.mark.parametrize(("m", "backend"), RUNS)
def test_a_batch_is_a_loop(m, backend):
    library = LIBRARIES[backend]
    pytest.importorskip(library.module)

    @settings(max_examples=1, suppress_health_check=list(HealthCheck))
    @given(cases(m, np.dtype(library.dtype), smooth=True, shape=(2, 2)))
    def check(case):
        hold(batch_is_loop, m, case, library)
        if not library.compiled:
            hold(values_stay, m, case, library)

    check()


@pytest.mark.parametrize("law", CALCULUS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("m", INSTANCES, ids=repr)
def test_calculus(m, law):
    @settings(max_examples=2 * SCALE, suppress_health_check=list(HealthCheck))
    @given(cases(m, smooth=True, shape=(2,)))
    def check(case):
        check_law(law, m, case)

    check()
