"""Runs of flows, mixtures and densities are loaded again from their folder."""

import numpy as np
import pytest

from geomlat import flows, models
from geomlat.distributions import Normal
from geomlat.manifolds import Hyperboloid, Sphere, Torus
from geomlat.models import FlowMixture

SMALL = {"blocks": 2, "hidden": (4,)}
DEEP = (
    flows.ActNorm(3),
    flows.Autoregressive(dim=3, hidden=(4,), map=flows.RationalQuadratic(4)),
    flows.Inverse(flows.Autoregressive(dim=3, hidden=(4,))),
    flows.Chain((flows.InvertibleLinear(3), flows.Permutation((2, 0, 1)))),
)
MODELS = {
    "couplings": (flows.coupling_flow(3, **SMALL), None),
    "splines": (flows.coupling_flow(2, kind="spline", **SMALL, base=Normal(np.zeros(2), np.array([1.0, 2.0]))), None),
    "deep": (flows.Flow(DEEP), None),
    "additive": (flows.coupling_flow(3, kind="additive", **SMALL), None),
    "polar": (flows.polar_flow(2, (4,)), None),
    "angles": (flows.circular_flow(2, 2, (4,)), Torus(2)),
    "moebius": (flows.circular_flow(2, 2, (4,), kind="moebius"), Torus(2)),
    "mixture": (FlowMixture(n_components=2, features=2, kind="spline", framed=True, **SMALL), None),
    "dequantised": (flows.DequantizedDensity(manifold=Sphere(2), draws=2, **SMALL), Sphere(2)),
    "wrapped": (flows.WrappedDensity(manifold=Torus(2), **SMALL), Torus(2)),
    "tangent": (flows.TangentFlow(manifold=Hyperboloid(2, -2.0), base=Hyperboloid(2, -2.0).origin(), **SMALL), None),
    "atlas": (flows.TangentFlow(manifold=Sphere(2), base=np.eye(3)[:2], **SMALL), Sphere(2)),
    "cylinder": (flows.CylindricalFlow(manifold=Sphere(2), **SMALL, bins=4), Sphere(2)),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_run_is_loaded_as_the_model_it_was(name, tmp_path):
    model, space = MODELS[name]
    space = space or getattr(model, "manifold", None)
    width = model.features if name == "mixture" else model.n_features
    x = np.random.default_rng(0).standard_normal((60, width)) if space is None else space.random_point((60,), rng=0)
    model.fit(x, epochs=2, rng=0, directory=tmp_path)
    again = models.load(tmp_path)
    assert type(again) is type(model)
    assert again.config() == model.config()
    np.testing.assert_array_equal(again.log_prob(x), model.log_prob(x))
    np.testing.assert_array_equal(again.sample(5, rng=1), model.sample(5, rng=1))


def test_a_base_of_ones_own_is_named(tmp_path):
    class Mine:
        def sample(self, shape, *, rng):
            return np.zeros((*shape, 2))

        def log_prob(self, z):
            return -np.abs(z).sum(-1)

    flows.coupling_flow(2, **SMALL, base=Mine()).fit(np.ones((9, 2)), epochs=1, rng=0, directory=tmp_path)
    with pytest.raises(ValueError, match=r"not the description of a geomlat model: .*Mine"):
        models.load(tmp_path)
