"""Every law of the public kit over every family."""

import importlib

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import (
    Beta,
    Gamma,
    LogNormal,
    Mixture,
    Normal,
    PowerSpherical,
    ProductDistribution,
    SphericalCauchy,
    SphericalUniform,
    VonMises,
    VonMisesFisher,
    WrappedNormal,
)
from geomlat.manifolds import Euclidean, Hyperboloid, PoincareBall, Sphere, Torus
from geomlat.testing import FAMILY_LAWS, SAMPLING_LAWS, Example, libraries_agree
from geomlat.testing.charts import CIRCLE, GLOBE, LINE, MERIDIAN, POSITIVE, UNIT

GEN = np.random.default_rng(0)
LOC, OTHER = GEN.normal(0, 1, (2, 3, 1))
SCALE, WIDTH = GEN.uniform(0.4, 1.5, (2, 3, 1))
SHAPE = np.array([[1.3], [2.6], [12.0]])
KAPPA = np.array([0.7, 3.0, 8.0])
MU = {m: unit_rows(GEN, 2, 3, m) for m in (2, 3, 4, 7)}


def spherical(family, m, numbers, field="kappa", level=("kappa",), others=(), **options):
    q = family(MU[m][0], numbers, **options)
    return Example(q, MERIDIAN, level if m != 3 else (), ("mu",), (SphericalUniform(m - 1), *others))


def standard(manifold):
    return WrappedNormal(manifold, manifold.origin((3,)), np.ones((3, 1)))


def wrapped(manifold, full):
    loc, n = manifold.random_point((3,), rng=1), manifold.dim
    scale = GEN.uniform(0.4, 1.5, (3, n, n) if full else (3, 1) if isinstance(manifold, Sphere) else (3, n))
    return WrappedNormal(manifold, loc, np.tril(scale) if full else scale, full=full)


LOGITS = GEN.normal(0, 1, (3, 2))
PAIR = GEN.normal(0, 2, (3, 2, 1))
SPREAD = GEN.uniform(0.4, 1.5, (3, 2, 1))
TWO = unit_rows(GEN, 3, 2, 3)
PLANE = Hyperboloid(2)
FAR = PLANE.random_point((2, 3), rng=0)
EXAMPLES = {
    "WrappedNormal-Sphere": Example(
        WrappedNormal(Sphere(2), MU[3][0], 0.3 * SCALE), GLOBE, unit=("loc",), intrinsic=True
    ),
    "ProductDistribution": Example(
        ProductDistribution(VonMisesFisher(MU[3][0], KAPPA), Normal(LOC, SCALE)), unit=("factors.0.mu",)
    ),
    "Mixture-WrappedNormal": Example(
        Mixture(LOGITS, WrappedNormal(PLANE, np.moveaxis(FAR, 0, 1).copy(), 0.5 * SPREAD)),
    ),
    "Mixture-Normal": Example(Mixture(LOGITS, Normal(PAIR, SPREAD)), LINE),
    "Mixture-VonMises": Example(Mixture(LOGITS, VonMises(PAIR, 3 * SPREAD)), CIRCLE, ("components.kappa",)),
    "Mixture-Gamma": Example(Mixture(LOGITS, Gamma(5 * SPREAD, SPREAD)), POSITIVE, ("components.shape",)),
    "Mixture-VonMisesFisher": Example(
        Mixture(LOGITS, VonMisesFisher(TWO, 5 * SPREAD[..., 0])), GLOBE, (), ("components.mu",)
    ),
    "Mixture-Mixture": Example(
        Mixture(LOGITS, Mixture(np.stack([LOGITS, -LOGITS], 1), Normal(np.stack([PAIR, -PAIR], 1), SPREAD[:, None]))),
        LINE,
    ),
    "Normal": Example(Normal(LOC, SCALE), LINE, others=(Normal(OTHER, WIDTH),)),
    "LogNormal": Example(LogNormal(LOC, SCALE), POSITIVE, others=(LogNormal(OTHER, WIDTH),)),
    "VonMises": Example(
        VonMises(LOC, KAPPA[:, None]),
        CIRCLE,
        ("kappa",),
        others=(VonMises(OTHER, KAPPA[::-1, None].copy()), SphericalUniform(1)),
    ),
    "Gamma": Example(
        Gamma(SHAPE, SCALE), POSITIVE, ("shape",), others=(Gamma(SHAPE[::-1].copy(), WIDTH), Gamma(1.2 * SHAPE, SCALE))
    ),
    "Beta": Example(
        Beta(SHAPE, SHAPE[::-1] + WIDTH),
        UNIT,
        ("a", "b"),
        others=(Beta(SHAPE[::-1].copy(), SHAPE), Beta(1.2 * SHAPE, SHAPE[::-1] + SCALE)),
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
    # Full scales on spaces that a chart covers, then laws that no chart integrates.
    "WrappedNormal-line": Example(
        WrappedNormal(Euclidean(1), LOC, SCALE[..., None], full=True), LINE, others=(standard(Euclidean(1)),)
    ),
    "WrappedNormal-angle": Example(WrappedNormal(Torus(1), LOC, SCALE[..., None], full=True), CIRCLE),
    **{
        f"WrappedNormal-{manifold!r}": Example(
            wrapped(manifold, full),
            None,
            unit=("loc",) * isinstance(manifold, Sphere),
            others=(SphericalUniform(manifold.dim),) * isinstance(manifold, Sphere),
        )
        for manifold, full in (
            (Sphere(2), False),
            (Sphere(3), False),
            (Hyperboloid(3), False),
            (PoincareBall(2, -0.5), True),
        )
    },
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
