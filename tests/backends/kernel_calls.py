"""Small public calls that between them reach every kernel of the package, and what a test does with each.

A new kernel is reached by one more call here; the lifted scalars are found and called by themselves. Run as a program
it compares each kernel on the CPU with numba's CUDA simulator (NUMBA_ENABLE_CUDASIM=1) on the same arrays.
"""

import contextlib
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import geomlat
from geomlat.backends import Kernel
from geomlat.backends.kernels import Elementwise

ON_CPU = Kernel.cpu
# Arguments of lifted scalars by name: dimensions, orders; all others lie in (0, 1).
ARGUMENTS = {"m": 5.0, "dim": 3.0, "curvature": -0.5, "period": 2.5, "v": 1.5, "kappa": 2.5}


def kernels() -> dict[str, Kernel | Elementwise]:
    """Every kernel and lifted scalar that is a module's own name, by dotted name."""
    found: dict[str, Kernel | Elementwise] = {}
    for info in pkgutil.walk_packages(geomlat.__path__, "geomlat."):
        if info.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(info.name)).items():
            source = getattr(value, "body", getattr(value, "f", None))
            if isinstance(value, Kernel | Elementwise) and source.__module__ == info.name:
                found[f"{info.name}.{name}"] = value
    return found


def call_all() -> None:
    """Reach every kernel once."""
    for lifted in kernels().values():
        if isinstance(lifted, Elementwise):
            values = [ARGUMENTS.get(name, 0.4) for name in inspect.signature(lifted.f).parameters]
            lifted(*(np.array([v, 1.01 * v]) for v in values))
    for call in CALLS:
        call()


def _draws() -> None:
    from geomlat.random import normal, stream, uniform

    uniform(5, rng=stream(1).at(3))
    normal(5, rng=stream(1).at(3))


def _sphere() -> None:
    from geomlat.manifolds import Sphere

    for n in (2, 3, 16):  # points of three numbers have kernels of their own, tables of up to 16 coordinates too
        sphere = Sphere(n)
        x, y = np.eye(n + 1)[:2], np.full((2, n + 1), (n + 1) ** -0.5)
        u = sphere.log(x, y)
        sphere.exp(x, u)
        sphere.dist(x, y)
        sphere.to_tangent(x, y)
        sphere.transport(x, y, u)
        sphere.pairwise_dist(x, y)
        sphere.pairwise_dist(x.astype(np.float32), y.astype(np.float32))
    Sphere(1).pairwise_dist(np.eye(2), np.eye(2))


def _torus() -> None:
    from geomlat.manifolds import Torus

    torus = Torus(2)
    x, y = np.array([[3.0, -1.0], [0.5, 2.0]]), np.array([[-3.0, 1.0], [0.5, -2.0]])
    torus.exp(x, 30.0 * torus.log(x, y))
    torus.dist(x, y)
    torus.pairwise_dist(x, y)


def _flat() -> None:
    from geomlat.manifolds import Euclidean, Product, Torus

    x, y = np.array([[1.0, 2.0, 3.0], [1e-200, 0.0, 1.0]]), np.array([[1.0, 2.0, 3.0], [0.0, 0.0, 1.0]])
    Euclidean(3).pairwise_dist(x, y)
    Product(Euclidean(2), Torus(1), scales=(2.0, 1.0)).pairwise_dist(x, y)


def _rotations() -> None:
    from geomlat.manifolds import SpecialOrthogonal

    so = SpecialOrthogonal(3)
    x, y = so.random_point((4,), rng=1), so.random_point((4,), rng=2)
    y[0] = x[0]
    u = so.log(x, y)
    so.exp(x, u)
    so.project(x + 0.5 * y)
    so.dist(x, y)
    so.transport(x, y, u)
    so.pairwise_dist(x, y)


def _hyperboloid() -> None:
    from geomlat.manifolds import Hyperboloid

    m = Hyperboloid(2, -2.0)
    x, y = m.project(np.eye(3)[[0, 1, 1]]), m.project(np.diag([0.0, 3.0, 1e-170]))
    u = m.log(x, y)
    m.exp_vjp(x, u)[1](u)
    m.exp(x, 300 * u)
    m.log_vjp(x, y)[1](u)
    m.norm_vjp(x, u)[1](u[:, 0])
    m.logdet_exp_vjp(x, u)[1](u[:, 0])
    m.to_coordinates_vjp(x, u)[1](u[:, 1:])
    m.from_coordinates_vjp(x, u[:, 1:])[1](u)
    m.dist(x, y)
    m.transport(x, y, u)
    m.pairwise_dist(x, y)
    solid = Hyperboloid(3)
    solid.dist(solid.origin((300,)), solid.random_point((300,), rng=0))
    line = Hyperboloid(1)
    line.pairwise_dist(line.origin((2,)), line.origin((2,)))
    x, y, u = (np.tile(a, (100, 1)) for a in (x, y, u))
    m.exp(x, m.log(x, y))
    m.dist(x, y)
    m.transport(x, y, u)


def _stereographic() -> None:
    from geomlat.manifolds import Stereographic

    x, y = np.array([[0.1, -0.2], [0.3, 0.0]]), np.array([[0.1, 0.5], [-4.0, 0.1]])
    for k in (-0.05, 0.0, 3.0):
        m = Stereographic(2, k)
        u = m.log(x, y)
        m.exp(x, u)
        m.dist(x, y)
        m.transport(x, y, u)
        m.pairwise_dist(x, y)


def _von_mises_fisher() -> None:
    from geomlat.distributions import SphericalUniform, VonMisesFisher

    SphericalUniform(2).sample(3, rng=0)
    for m, estimator in ((2, "implicit"), (3, "implicit"), (3, "rejection"), (4, "score"), (5, "implicit")):
        q = VonMisesFisher(np.full((4, m), m**-0.5), np.array([0.0, 1e-12, 4.0, 1e6]), estimator)
        z, pull = q.rsample_vjp(q.draw(3, rng=1))
        pull(z, advantage=np.ones((3, 4)))
        q.sample(3, rng=1)
        q.log_prob_vjp(z)[1](np.ones((3, 4)))
    for m in (2, 3, 6):  # normals of single precision
        VonMisesFisher(np.full((4, m), m**-0.5, np.float32), np.ones(4, np.float32)).sample(3, rng=1)


def _pairs() -> None:
    from geomlat.distributions import Normal
    from geomlat.distributions.pairs import log_prob_pairs

    log_prob_pairs(Normal(np.eye(3), np.full((3, 1), 0.5)), np.ones((2, 3)))


def _power_spherical() -> None:
    from geomlat.distributions import PowerSpherical

    for m in (3, 5):
        q = PowerSpherical(np.full((2, m), m**-0.5), np.array([0.5, 30.0]))
        z, pull = q.rsample_vjp(q.draw(3, rng=1))
        pull(z)
        q.sample(3, rng=1)
        q.log_prob_vjp(z)[1](np.ones((3, 2)))


def _von_mises_fisher_mixture() -> None:
    from geomlat.distributions import VonMisesFisherMixture

    x = np.concatenate([np.eye(3), -np.eye(3), np.eye(3)])
    for dtype in (np.float32, np.float64):
        VonMisesFisherMixture(2, max_kappa=50.0, rng=0).fit(x.astype(dtype)).predict(x.astype(dtype))


def _gamma_and_beta() -> None:
    from geomlat.distributions import Beta, Gamma

    for family in (Gamma, Beta):
        family(np.array([0.3, 5.0]), np.array([2.0, 7.0])).sample(4, rng=1)


def _spherical_cauchy() -> None:
    from geomlat.distributions import SphericalCauchy

    for dtype in (np.float32, np.float64):
        SphericalCauchy(np.full((2, 4), 0.5, dtype), np.array([0.0, 0.9], dtype)).sample(3, rng=1)


def _binarise() -> None:
    from geomlat.data.binarise import binarise

    binarise(np.arange(0, 250, 25, dtype=np.uint8).reshape(2, 5), rng=0)


def _on_the_sphere() -> None:
    from geomlat.manifolds import Sphere
    from geomlat.optim import RiemannianAdam, RiemannianSGD

    for optimizer in (RiemannianSGD(0.1, momentum=0.5, on=Sphere(2)), RiemannianAdam(0.1, on=Sphere(2))):
        theta = np.eye(3)[:2].reshape(-1).copy()
        optimizer.update(theta, np.linspace(-1.0, 1.0, 6), optimizer.init(theta))


def _adam() -> None:
    from geomlat.optim import Adam
    from geomlat.optim.optimizer import _squares

    theta = np.ones(3)
    optimizer = Adam()
    optimizer.update(theta, np.arange(3.0), optimizer.init(theta))
    _squares(2, np.arange(6.0).reshape(2, 3), np.empty(2))


def _nets() -> None:
    from geomlat.flows import AffineCoupling
    from geomlat.nn import MLP, Dense

    # With relu a network goes through in one kernel, with its coupling; with another function by layers.
    for activation in ("relu", "tanh"):
        coupling = AffineCoupling(dim=3, hidden=(4, 9), keep=(1,), activation=activation)
        p = coupling.view(np.sin(np.arange(float(coupling.layout.size))))
        x = np.cos(np.arange(6.0)).reshape(2, 3)
        for vjp in (coupling.forward_vjp, coupling.inverse_vjp):
            (y, logdet), pull = vjp(p, x)
            pull((y, logdet), coupling.view(np.zeros(coupling.layout.size)))
    layers = MLP((2, 5, 3), final="relu")
    p = layers.view(np.sin(np.arange(float(layers.layout.size))))
    y, pull_layers = layers.vjp(p, np.cos(np.arange(4.0)).reshape(2, 2))
    pull_layers(y, layers.view(np.zeros(layers.layout.size)))
    layer = Dense(2, 3, "relu")
    p = layer.view(np.sin(np.arange(9.0)))
    y, pull_layer = layer.vjp(p, np.cos(np.arange(4.0)).reshape(2, 2))
    pull_layer(y, layer.view(np.zeros(9)))


def _flows() -> None:
    from geomlat.flows.moebius import MoebiusMixture
    from geomlat.flows.spline import RationalQuadratic

    x = np.array([-3.0, -0.3, 0.4, 2.5])
    for moves in (RationalQuadratic(4, 2.0), RationalQuadratic(4, np.pi, circular=True), MoebiusMixture(3)):
        h = np.cos(np.arange(4.0 * moves.width)).reshape(4, moves.width)
        for vjp in (moves.forward_vjp, moves.inverse_vjp):
            (y, logdet), pull = vjp(h, x)
            pull(y, logdet)


def _bits() -> None:
    from geomlat.models import Binomial

    out = np.linspace(-4.0, 3.0, 12).reshape(2, 2, 3)
    Binomial(3).nll_vjp(out, np.arange(6.0).reshape(2, 3) % 4)


def _latents() -> None:
    from geomlat.models import vae

    x = np.arange(12.0).reshape(4, 3) % 2
    for latent in ("e2", "h2", "s3"):
        model = vae(3, latent=latent, hidden=(2,))
        theta = model.init(rng=0)
        _, pull = model.loss_vjp(theta, x, model.draw(theta, x, rng=1))
        pull(model.view(np.zeros_like(theta)))


CALLS: list[Callable[[], None]] = [
    _draws,
    _sphere,
    _stereographic,
    _torus,
    _flat,
    _rotations,
    _hyperboloid,
    _von_mises_fisher,
    _pairs,
    _power_spherical,
    _gamma_and_beta,
    _spherical_cauchy,
    _von_mises_fisher_mixture,
    _binarise,
    _adam,
    _on_the_sphere,
    _nets,
    _flows,
    _bits,
    _latents,
]


@contextlib.contextmanager
def watched(visit: Callable[..., None]) -> Iterator[None]:
    """Within the block each kernel calls ``visit(kernel, n, *arrays)`` before it runs on the CPU."""

    def cpu(self: Kernel, n: int, *arrays: Any) -> None:
        visit(self, n, *arrays)
        ON_CPU(self, n, *arrays)

    Kernel.cpu = cpu
    try:
        yield
    finally:
        Kernel.cpu = ON_CPU


def compare(kernel: Kernel, n: int, *arrays: Any) -> None:
    """Run a kernel on copies of its arrays, on the CPU and in the simulator; the results differ by rounding."""
    ours, theirs = ([a.copy() if isinstance(a, np.ndarray) else a for a in arrays] for _ in range(2))
    ON_CPU(kernel, n, *ours)
    kernel.cuda(n, *theirs)
    single = any(isinstance(a, np.ndarray) and a.dtype == np.float32 for a in arrays)
    rtol, atol = (2e-6, 2e-7) if single else (1e-11, 1e-14)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=kernel.__name__)


if __name__ == "__main__":
    reached: set[str] = set()

    def visit(kernel: Kernel, n: int, *arrays: Any) -> None:
        """Compare, and note the name."""
        compare(kernel, n, *arrays)
        reached.add(kernel.__name__)

    with watched(visit):
        call_all()
    print(sorted(reached))
