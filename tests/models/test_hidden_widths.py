"""Widths of hidden layers are taken and refused alike everywhere."""

import numpy as np
import pytest

from geomlat import flows
from geomlat.manifolds import Sphere, Torus
from geomlat.models import FlowMixture, autoencoder, vae
from geomlat.nn import MLP, GatedMLP

S2, T2 = Sphere(2), Torus(2)
MAKE = {
    "affine": lambda h: flows.AffineCoupling(dim=2, hidden=h),
    "spline": lambda h: flows.SplineCoupling(dim=2, hidden=h),
    "circle": lambda h: flows.CircularSpline(dim=2, hidden=h),
    "coupling_flow": lambda h: flows.coupling_flow(2, 2, h),
    "circular_flow": lambda h: flows.circular_flow(2, 2, h),
    "polar_flow": lambda h: flows.polar_flow(2, h),
    "dequantised": lambda h: flows.DequantizedDensity(manifold=S2, hidden=h),
    "wrapped": lambda h: flows.WrappedDensity(manifold=T2, hidden=h),
    "tangent": lambda h: flows.TangentFlow(manifold=S2, base=np.eye(3)[:2], hidden=h),
    "cylinder": lambda h: flows.CylindricalFlow(manifold=S2, hidden=h),
    "mixture": lambda h: FlowMixture(n_components=2, features=2, hidden=h),
}
DEEP = {
    "autoregressive": lambda h: flows.Autoregressive(dim=2, hidden=h),
    "vae": lambda h: vae(5, hidden=h),
    "autoencoder": lambda h: autoencoder(5, hidden=h),
}
OTHERS = {
    "posterior_hidden": lambda h: FlowMixture(n_components=2, features=2, posterior_hidden=h),
    "dequantizer": lambda h: flows.DequantizedDensity(manifold=S2, dequantizer=h),
    "dequantizer of the turns": lambda h: flows.WrappedDensity(manifold=T2, dequantizer=h),
}
every = pytest.mark.parametrize("name", [*MAKE, *DEEP])


@every
@pytest.mark.parametrize("bad", [64, 64.0, "64", None, (64, 0), (64.5,), (-1,), ("64",)])
def test_what_is_no_widths_is_refused(name, bad):
    with pytest.raises(ValueError, match=r"^hidden holds .* such as \(64, 64\), got"):
        (MAKE | DEEP)[name](bad)


@pytest.mark.parametrize("name", OTHERS)
def test_other_names_are_refused_alike(name):
    with pytest.raises(ValueError, match=rf"^{name.split()[0]} holds the widths of layers, such as \(64, 64\), got 64"):
        OTHERS[name](64)


@every
def test_all_sequences_of_widths_are_one(name):
    make = (MAKE | DEEP)[name]
    sizes = {make(h).layout.size for h in ((5, 4), [5, 4], np.array([5, 4]), iter((5, 4)))}
    assert len(sizes) == 1
    assert make((5,)).layout.size not in sizes


def test_none_is_enough_for_some():
    for name, make in MAKE.items():
        assert make(()).layout.size > 0, name
    for make in DEEP.values():
        with pytest.raises(ValueError, match="hidden holds at least one width"):
            make(())


@pytest.mark.parametrize("network", [MLP, GatedMLP])
def test_networks_have_two_widths(network):
    for bad in (64, (64,)):
        with pytest.raises(ValueError, match=r"sizes holds at least 2 widths, such as \(64, 64\), got"):
            network(bad)
