"""Every law of the public kit over every family."""

import importlib

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import (
    LogNormal,
    Normal,
    PowerSpherical,
    SphericalCauchy,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
)
from geomlat.testing import FAMILY_LAWS, SAMPLING_LAWS, Example, libraries_agree
from geomlat.testing.charts import CIRCLE, GLOBE, LINE, MERIDIAN, POSITIVE

GEN = np.random.default_rng(0)
LOC, OTHER = GEN.normal(0, 1, (2, 3, 1))
SCALE, WIDTH = GEN.uniform(0.4, 1.5, (2, 3, 1))
KAPPA = np.array([0.7, 3.0, 8.0])
MU = {m: unit_rows(GEN, 2, 3, m) for m in (2, 3, 4, 7)}


def spherical(family, m, numbers, field="kappa", level=("kappa",), others=(), **options):
    q = family(MU[m][0], numbers, **options)
    return Example(q, MERIDIAN, level if m != 3 else (), ("mu",), (SphericalUniform(m - 1), *others))


EXAMPLES = {
    "Normal": Example(Normal(LOC, SCALE), LINE, others=(Normal(OTHER, WIDTH),)),
    "LogNormal": Example(LogNormal(LOC, SCALE), POSITIVE, others=(LogNormal(OTHER, WIDTH),)),
    "VonMises": Example(
        VonMises(LOC, KAPPA[:, None]),
        CIRCLE,
        ("kappa",),
        others=(VonMises(OTHER, KAPPA[::-1, None].copy()), SphericalUniform(1)),
    ),
    **{f"VonMisesFisher-{m}": spherical(VonMisesFisher, m, KAPPA) for m in (2, 3, 4, 7)},
    **{f"PowerSpherical-{m}": spherical(PowerSpherical, m, KAPPA) for m in (2, 3, 4, 7)},
    **{f"SphericalCauchy-{m}": spherical(SphericalCauchy, m, KAPPA / 12, level=()) for m in (2, 3, 4, 7)},
    "VonMisesFisher-globe": Example(
        VonMisesFisher(MU[3][0], KAPPA), GLOBE, (), ("mu",), (VonMisesFisher(MU[3][1], KAPPA[::-1].copy()),)
    ),
    # Two directions in the plane and in space, and the estimators that need the advantage: no chart integrates them.
    **{
        f"{family.__name__}-pair-{m}": Example(
            family(MU[m][0], KAPPA), None, ("kappa",), ("mu",), (VonMisesFisher(MU[m][1], KAPPA[::-1].copy()),)
        )
        for family in (VonMisesFisher, PowerSpherical)
        for m in (2, 7)
    },
    **{
        f"VonMisesFisher-{estimator}-{m}": Example(
            VonMisesFisher(MU[m][0], KAPPA, estimator), None, ("kappa",), ("mu",)
        )
        for estimator in ("rejection", "score")
        for m in (3, 4)
    },
    "PowerSpherical-globe": Example(
        PowerSpherical(MU[3][0], KAPPA + 2), GLOBE, (), ("mu",), (VonMisesFisher(MU[3][1], KAPPA[::-1].copy()),)
    ),
}


@pytest.mark.parametrize("law", [*FAMILY_LAWS, *SAMPLING_LAWS], ids=lambda law: law.__name__)
@pytest.mark.parametrize("name", EXAMPLES)
def test_laws(name, law):
    law(EXAMPLES[name])


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_other_libraries(name, library):
    pytest.importorskip(library)
    libraries_agree(EXAMPLES[name], importlib.import_module(library))
