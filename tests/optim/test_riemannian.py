"""Riemannian gradient descent and Adam: against formulas written anew, on known minimisers, over long runs."""

import numpy as np
import pytest

from geomlat.grad import Layout
from geomlat.manifolds import (
    Euclidean,
    Hyperboloid,
    PoincareBall,
    Product,
    SpecialOrthogonal,
    Sphere,
    Stereographic,
    Torus,
)
from geomlat.optim import SGD, Adam, Placed, RiemannianAdam, RiemannianSGD, placed
from geomlat.random import normal, uniform

ON = {"Sphere": Sphere(2), "high sphere": Sphere(9), "circle": Sphere(1), "Hyperboloid": Hyperboloid(3)}
ON |= {"PoincareBall": PoincareBall(2), "bent down": Stereographic(3, -0.6), "bent up": Stereographic(2, 0.8)}
ON |= {"Torus": Torus(2), "Product": Product(Sphere(2), Euclidean(1), Torus(1), scales=(0.5, 1.0, 2.0))}
ON |= {"rotations": SpecialOrthogonal(3)}
MAIN = ("Sphere", "Hyperboloid", "PoincareBall", "bent up", "Torus", "Product", "rotations")
"""Manifolds the long runs and the means are taken on; radius: how far from the origin their points are."""


class Line(Euclidean):
    """A Euclidean space that is not recognised as one, so that it takes the Riemannian rule."""


class Arrays(Sphere):
    """A sphere that is not recognised as one, so that its step is array expressions."""


def on_sphere(k, n=2, seed=0):
    return Sphere(n).random_point((k,), rng=seed)


def around(manifold, k, radius=0.6, seed=0):
    """Points within ``radius`` of the origin, so that their mean is unique and the problem convex."""
    x = manifold.origin((k,))
    u = manifold.from_coordinates(x, normal((k, manifold.dim), rng=seed))
    size = np.maximum(manifold.norm(x, u), 1e-12).reshape(k, *(1,) * len(manifold.ambient_shape))
    r = radius * uniform((k,), rng=seed + 1).reshape(size.shape)
    return manifold.exp(x, u * (r / size))


def variance_grad(manifold, x, points):
    """The ambient gradient of the mean over ``points`` of dist(x, p)^2 / 2 for one point x."""
    d, pull = manifold.dist_vjp(x[None], points)
    return pull(d / len(points))[0][0]


# --- the rules


def test_sgd_takes_the_plain_rule_on_flat_space():
    theta, grads = normal(6, rng=0), normal((20, 6), rng=1)
    for settings in ({}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}):
        plain, flat, line = theta.copy(), theta.copy(), theta.copy()
        optimizers = [
            (plain, SGD(0.1, clip=2.0, **settings)),
            (flat, RiemannianSGD(0.1, clip=2.0, on=Euclidean(3), **settings)),
            (line, RiemannianSGD(0.1, clip=2.0, on=Line(3), **settings)),
        ]
        states = [opt.init(t) for t, opt in optimizers]
        for g in grads:
            norms = [opt.update(t, g, s) for (t, opt), s in zip(optimizers, states, strict=True)]
            np.testing.assert_allclose(norms, np.linalg.norm(g), rtol=1e-14)
        np.testing.assert_array_equal(flat, plain)
        np.testing.assert_allclose(line, plain, rtol=1e-13)


def test_adam_takes_the_plain_rule_on_flat_space_and_on_lines():
    theta, grads = normal(6, rng=0), normal((20, 6), rng=1)
    settings = {"beta1": 0.7, "beta2": 0.9, "eps": 1e-3, "clip": 2.0}
    plain, flat, line = (theta.copy() for _ in range(3))
    optimizers = [
        (plain, Adam(0.1, **settings)),
        (flat, RiemannianAdam(0.1, on=Euclidean(2), **settings)),
        (line, RiemannianAdam(0.1, on=Line(1), **settings)),
    ]
    for t, opt in optimizers:
        state = opt.init(t)
        for g in grads:
            opt.update(t, g, state)
    np.testing.assert_array_equal(flat, plain)
    np.testing.assert_allclose(line, plain, rtol=1e-12)


def circle_step(x, u, m):
    """The end of the great circle from x along u, and m carried there, by rotating in the plane of x and u."""
    r = np.linalg.norm(u)
    if r == 0:
        return x, m
    e = u / r
    along = m @ e
    y = np.cos(r) * x + np.sin(r) * e
    return y, m + along * ((np.cos(r) - 1) * e - np.sin(r) * x)


def test_sgd_on_the_sphere_is_the_textbook_rule():
    x, m, grads = on_sphere(1)[0], np.zeros(3), 3 * normal((30, 3), rng=1)
    theta, opt = x.copy(), RiemannianSGD(0.2, momentum=0.8, clip=1.5, on=Sphere(2))
    state = opt.init(theta)
    for g in grads:
        norm = opt.update(theta, g, state)
        tangent = g - (x @ g) * x
        assert norm == pytest.approx(np.linalg.norm(tangent), rel=1e-12, abs=0.0)
        m = 0.8 * m + tangent * min(1.0, 1.5 / np.linalg.norm(tangent))
        x, m = circle_step(x, -0.2 * m, m)
        np.testing.assert_allclose(theta, x, atol=1e-13)
        np.testing.assert_allclose(state["momentum"], m, atol=1e-13)
    assert state["step"] == 30


def test_nesterov_steps_along_the_gradient_after_next():
    x, m, grads = on_sphere(1)[0], np.zeros(3), normal((30, 3), rng=1)
    theta, opt = x.copy(), RiemannianSGD(0.2, momentum=0.8, nesterov=True, on=Sphere(2))
    state = opt.init(theta)
    for g in grads:
        opt.update(theta, g, state)
        tangent = g - (x @ g) * x
        m = 0.8 * m + tangent
        x, m = circle_step(x, -0.2 * (tangent + 0.8 * m), m)
        np.testing.assert_allclose(theta, x, atol=1e-13)


def test_adam_on_the_sphere_is_the_textbook_rule():
    # Becigneul and Ganea (2019), algorithm 1a: one adaptive number for each point.
    points, grads = on_sphere(2), normal((30, 2, 3), rng=1) * np.array([[1e-3], [1e2]])
    x, m, v = points.copy(), np.zeros((2, 3)), np.zeros(2)
    theta, opt = points.ravel().copy(), RiemannianAdam(0.2, 0.7, 0.9, 1e-2, on=Sphere(2))
    state = opt.init(theta)
    for t, g in enumerate(grads, 1):
        opt.update(theta, g.ravel(), state)
        for i in range(2):
            tangent = g[i] - (x[i] @ g[i]) * x[i]
            m[i] = 0.7 * m[i] + 0.3 * tangent
            v[i] = 0.9 * v[i] + 0.1 * tangent @ tangent
            step = m[i] / (1 - 0.7**t) / (np.sqrt(v[i] / (1 - 0.9**t)) + 1e-2)
            x[i], m[i] = circle_step(x[i], -0.2 * step, m[i])
        np.testing.assert_allclose(theta.reshape(2, 3), x, atol=1e-12)
    np.testing.assert_allclose(state["mean"].reshape(2, 3), m, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(state["square"].reshape(2, 3), np.repeat(v[:, None], 3, axis=1), rtol=1e-10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [1, 2, 9])
@pytest.mark.parametrize(
    "make",
    [
        lambda on: RiemannianSGD(0.3, on=on, clip=5.0),
        lambda on: RiemannianSGD(0.3, momentum=0.9, on=on),
        lambda on: RiemannianSGD(0.3, momentum=0.5, nesterov=True, on=on),
        lambda on: RiemannianAdam(0.3, 0.7, 0.9, 1e-2, on=on, clip=5.0),
        lambda on: RiemannianAdam(0.3, 0.0, 0.9, on=on),
    ],
)
def test_the_kernel_of_a_sphere_makes_the_step_of_the_array_expressions(make, n, dtype):
    """Steps of up to several turns, of zero and of 1e-200 too."""
    fast, slow = make(Sphere(n)), make(Arrays(n))
    theta = on_sphere(40, n).ravel().astype(dtype)
    other, states = theta.copy(), (fast.init(theta), slow.init(theta))
    gen = np.random.default_rng(0)
    for _ in range(12):
        g = (gen.standard_normal((40, n + 1)) * 10.0 ** gen.choice([-200, -3, 0, 1], (40, 1))).astype(dtype).ravel()
        norms = fast.update(theta, g, states[0]), slow.update(other, g, states[1])
        np.testing.assert_allclose(*norms, rtol=1e-12 if dtype == np.float64 else 1e-5)
        # What a rounding of a tangent of length r does to its end is r times as large.
        atol = 3e3 * np.finfo(dtype).eps
        np.testing.assert_allclose(theta, other, atol=atol)
        for moment in fast.moments:
            size = 1 + np.max(np.abs(states[1][moment]))
            np.testing.assert_allclose(states[0][moment], states[1][moment], rtol=0, atol=atol * size)
        other[:] = theta
        for moment in fast.moments:
            states[1][moment][:] = states[0][moment]


@pytest.mark.parametrize("name", ON)
@pytest.mark.parametrize("make", [lambda on: RiemannianSGD(0.3, momentum=0.9, on=on), lambda on: RiemannianAdam(on=on)])
def test_momentum_is_carried_along_whole(name, make):
    # One push, then none: the path is one geodesic, and the momentum loses only what the rule takes from it.
    manifold, opt = ON[name], make(ON[name])
    x = around(manifold, 4)
    theta = x.ravel().copy()
    state = opt.init(theta)
    push = 0.1 * normal(x.shape, rng=3)
    first = manifold.egrad_to_rgrad(x, push)
    kept, sgd = (0.9, 1.0) if isinstance(opt, RiemannianSGD) else (opt.beta1, 1 - opt.beta1)
    for step in range(12):
        opt.update(theta, push.ravel() if step == 0 else np.zeros(theta.size), state)
        y = theta.reshape(x.shape)
        m = state[opt.moments[0]].reshape(x.shape)
        np.testing.assert_allclose(manifold.norm(y, m), sgd * kept**step * manifold.norm(x, first), rtol=1e-11)
        if step == 0:
            path, speed = manifold.log(x, y), manifold.dist(x, y)
        else:
            way = manifold.log(x, y)
            cosine = manifold.inner(x, path, way) / (manifold.norm(x, path) * manifold.norm(x, way))
            assert np.all(np.abs(cosine) > 1 - 1e-12)
    assert np.all(speed > 0)


# --- placement


LAYOUT = Layout([("a", "bias", (4,)), ("b", "codes", (5, 2, 3)), ("c", "weight", (2, 2)), ("d", "axis", (2,))])
PLACES = placed(LAYOUT, {"axis": Sphere(1), "codes": Sphere(2)})


def mixed_theta(dtype=np.float64):
    theta = normal(LAYOUT.size, rng=5, dtype=dtype)
    p = LAYOUT.view(theta)
    p["codes"][...], p["axis"][...] = Sphere(2).project(p["codes"]), Sphere(1).project(p["axis"])
    return theta


@pytest.mark.parametrize(
    ("curved", "plain"),
    [
        (lambda on: RiemannianSGD(0.1, momentum=0.9, on=on), SGD(0.1, momentum=0.9)),
        (lambda on: RiemannianAdam(0.1, on=on), Adam(0.1)),
    ],
)
def test_each_entry_takes_the_rule_of_its_space(curved, plain):
    theta, grads = mixed_theta(), normal((10, LAYOUT.size), rng=6)
    whole, opt = theta.copy(), curved(PLACES)
    state = opt.init(whole)
    for g in grads:
        opt.update(whole, g, state)
    for name, rule in (("bias", plain), ("weight", plain), ("codes", curved(Sphere(2))), ("axis", curved(Sphere(1)))):
        where, _ = LAYOUT.slices[name]
        alone = theta[where].copy()
        alone_state = rule.init(alone)
        for g in grads:
            rule.update(alone, g[where].copy(), alone_state)
        np.testing.assert_array_equal(whole[where], alone, err_msg=name)
        for moment in opt.moments:
            np.testing.assert_array_equal(state[moment][where], alone_state[moment], err_msg=name)


BENT = Layout([("codes", "codes", (12, 2)), ("bend", "bend", ())])
ON_BENT = placed(BENT, {"codes": lambda p: Stereographic(2, p["bend"])})


@pytest.mark.parametrize("optimizer", [RiemannianSGD(0.1, momentum=0.9, on=ON_BENT), RiemannianAdam(0.1, on=ON_BENT)])
def test_points_move_on_the_curvature_before_the_step(optimizer):
    theta = np.append(0.1 * normal(24, rng=0), -0.7)
    state = optimizer.init(theta)
    for g in normal((4, 25), rng=1):
        before = Stereographic(2, theta[-1].copy())
        alone = type(optimizer)(optimizer.lr, *([0.9] if "momentum" in state else []), on=before)
        x, its = theta[:24].copy(), {k: v if k == "step" else v[:24].copy() for k, v in state.items()}
        alone.update(x, g[:24], its)
        optimizer.update(theta, g, state)
        assert theta[-1] != before.curvature
        np.testing.assert_array_equal(theta[:24], Stereographic(2, theta[-1]).project(x.reshape(12, 2)).ravel())
        np.testing.assert_array_equal(state[optimizer.moments[0]][:24], its[optimizer.moments[0]])


def test_points_stay_inside_a_border_that_comes_closer():
    theta = np.append(np.tile([0.99, 0.0], 12), -1.0)
    optimizer = RiemannianSGD(1.0, on=ON_BENT)
    optimizer.update(theta, np.append(np.zeros(24), 3.0), optimizer.init(theta))
    assert theta[-1] == -4.0
    np.testing.assert_allclose(theta[:24:2], 0.5, rtol=1e-14)
    assert np.all(Stereographic(2, -4.0).contains(theta[:24].reshape(12, 2)))


@pytest.mark.parametrize(("start", "true"), [(0.3, -0.8), (-0.3, 0.8)])
def test_curvature_is_trained_with_the_points_that_lie_on_it(start, true):
    """From distances, through zero: the valley is flat, so that only the sign and the fit are asked for."""
    goal = Stereographic(2, true)
    points = goal.exp(np.zeros((12, 2)), 0.4 * normal((12, 2), rng=0))
    d = goal.pairwise_dist(points, points)
    theta = np.append(0.8 * points.ravel(), start)
    optimizer, errors = RiemannianAdam(0.05, on=ON_BENT), []
    state = optimizer.init(theta)
    for _ in range(300):
        p = BENT.view(theta)
        got, pull = Stereographic(2, p["bend"]).pairwise_dist_vjp(p["codes"], p["codes"])
        dx, dy, dk = pull((got - d) / len(d))
        errors.append(np.max(np.abs(got - d)))
        optimizer.update(theta, np.append((dx + dy).ravel(), dk), state)
    assert theta[-1] * true > 0.1
    assert errors[-1] < 0.3 * errors[0]


def test_adam_adapts_to_each_factor_of_a_product():
    factors = Sphere(2), Torus(1), Euclidean(2)
    product = Product(*factors)
    x, grads = product.random_point((4,), rng=0), normal((10, 4, 6), rng=1) * np.array([1, 1, 1, 1e-3, 50, 1e3])
    theta, opt = x.ravel().copy(), RiemannianAdam(0.1, on=product)
    state = opt.init(theta)
    for g in grads:
        opt.update(theta, g.ravel(), state)
    for factor, start, got, where in zip(
        factors, product.split(x), product.split(theta.reshape(4, 6)), (slice(3), slice(3, 4), slice(4, 6)), strict=True
    ):
        alone, rule = start.ravel().copy(), RiemannianAdam(0.1, on=factor)
        alone_state = rule.init(alone)
        for g in grads:
            rule.update(alone, g[:, where].ravel().copy(), alone_state)
        np.testing.assert_allclose(got, alone.reshape(got.shape), atol=1e-13)


def test_a_scale_multiplies_lengths_not_directions():
    # In the scaled metric steps of length 0.1 are 0.05 on a sphere whose lengths count double.
    product = Product(Sphere(2), Torus(1), scales=(2.0, 1.0))
    x, g = product.random_point((4,), rng=0), normal((4, 4), rng=1)
    theta, opt = x.ravel().copy(), RiemannianAdam(0.1, on=product)
    opt.update(theta, g.ravel(), opt.init(theta))
    moved = [
        f.dist(a, b)
        for f, a, b in zip(product.factors, product.split(x), product.split(theta.reshape(4, 4)), strict=True)
    ]
    np.testing.assert_allclose(moved, [[0.05] * 4, [0.1] * 4], rtol=1e-6)


def test_the_norm_counts_every_entry_once_and_in_its_metric():
    theta, g = mixed_theta(), normal(LAYOUT.size, rng=6)
    p, q = LAYOUT.view(theta), LAYOUT.view(g)
    radial = [np.sum(p[name] * q[name], axis=-1) for name in ("codes", "axis")]
    expected = np.sqrt(g @ g - sum(np.sum(r * r) for r in radial))
    before = g.copy()
    opt = RiemannianSGD(0.1, on=PLACES)
    assert opt.update(theta, g, opt.init(theta)) == pytest.approx(expected, rel=1e-13, abs=0.0)
    np.testing.assert_array_equal(g, before)


@pytest.mark.parametrize("make", [lambda on: RiemannianSGD(0.1, momentum=0.9, on=on), lambda on: RiemannianAdam(on=on)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_are_in_place_and_keep_the_dtype(make, dtype):
    theta, opt = mixed_theta(dtype), make(PLACES)
    state = opt.init(theta)
    kept = [theta, *(state[name] for name in opt.moments)]
    norm = opt.update(theta, normal(LAYOUT.size, rng=6, dtype=dtype), state)
    assert norm.dtype == dtype
    for v, w in zip(kept, [theta, *(state[name] for name in opt.moments)], strict=True):
        assert v is w
        assert v.dtype == dtype


def test_torch_tensors_are_updated_in_place():
    torch = pytest.importorskip("torch")
    for opt in (RiemannianSGD(0.1, momentum=0.9, clip=1.0, on=PLACES), RiemannianAdam(0.1, on=PLACES)):
        theta = mixed_theta()
        other = torch.from_numpy(theta.copy())
        state, other_state = opt.init(theta), opt.init(other)
        for g in normal((5, LAYOUT.size), rng=6):
            norm, other_norm = opt.update(theta, g, state), opt.update(other, torch.from_numpy(g), other_state)
        assert type(other_norm) is torch.Tensor
        assert float(other_norm) == pytest.approx(float(norm), rel=1e-13, abs=0.0)
        np.testing.assert_allclose(other.numpy(), theta, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: placed(LAYOUT, {"nothing": Sphere(2)}), "no parameter 'nothing' to place on Sphere.*bias, codes"),
        (
            lambda: RiemannianSGD(0.1, on=placed(LAYOUT, {"codes": lambda p: Sphere(3)})).init(mixed_theta()),
            r"'codes' has shape \(5, 2, 3\); points of Sphere\(n=3\)",
        ),
        (lambda: placed(LAYOUT, {"codes": Sphere(3)}), r"'codes' has shape \(5, 2, 3\); points of Sphere\(n=3\)"),
        (
            lambda: RiemannianSGD(0.1, on=Sphere(2)).init(np.ones(6)),
            "entries 0 to 6 of theta are not points",
        ),
        (lambda: RiemannianSGD(0.1, on=Sphere(2)).init(np.full(3, np.nan)), "are not points of Sphere"),
        (lambda: RiemannianSGD(0.1, on=Sphere(2)).init(np.ones(4)), "do not make whole points of Sphere"),
        (lambda: RiemannianSGD(0.1, on=PLACES).init(np.ones(7)), "entries 4 to 34 .* theta has 7 entries"),
        (lambda: RiemannianAdam(on=(*PLACES, PLACES[0])).init(mixed_theta()), "are placed twice"),
        (lambda: RiemannianAdam(beta1=1.0, on=PLACES), "beta1"),
        (lambda: RiemannianSGD(0.1, nesterov=True, on=PLACES), "nesterov"),
        (lambda: RiemannianSGD(0.1, on=Sphere(2)).init(np.ones((2, 3))), "one flat vector"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- known minimisers


RULES = {
    "sgd": lambda on: RiemannianSGD(0.5, on=on),
    "momentum": lambda on: RiemannianSGD(0.1, momentum=0.8, on=on),
    "nesterov": lambda on: RiemannianSGD(0.1, momentum=0.8, nesterov=True, on=on),
    "adam": lambda on: RiemannianAdam(lambda step: 0.1 * 0.93**step, 0.8, 0.8, on=on),
}


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("sgd", "circle"),
        ("momentum", "Sphere"),
        ("nesterov", "Sphere"),
        *(("adam", n) for n in MAIN),
        ("sgd", "Product"),
    ],
)
def test_the_frechet_mean_is_found(rule, name):
    manifold, opt = ON[name], RULES[rule](ON[name])
    points = around(manifold, 20)
    mean, status = manifold.mean(points)
    assert status.converged
    theta = points[0].ravel().copy()
    state = opt.init(theta)
    for _ in range(200):
        g = variance_grad(manifold, theta.reshape(points.shape[1:]), points)
        norm = opt.update(theta, g.ravel(), state)
    assert float(norm) < 1e-5
    assert float(manifold.dist(theta.reshape(mean.shape), mean)) < 1e-6


def test_the_rayleigh_quotient_is_least_at_the_first_eigenvector():
    a = normal((6, 6), rng=0)
    a = a + a.T
    values, vectors = np.linalg.eigh(a)
    for opt in (
        RiemannianSGD(0.05, momentum=0.8, on=Sphere(5)),
        RiemannianAdam(lambda step: 0.2 * 0.96**step, 0.8, 0.9, on=Sphere(5)),
    ):
        theta = on_sphere(1, 5, seed=2)[0]
        state = opt.init(theta)
        for _ in range(500):
            opt.update(theta, 2 * a @ theta, state)
        assert abs(vectors[:, 0] @ theta) > 1 - 1e-9
        assert theta @ a @ theta == pytest.approx(values[0], rel=1e-9, abs=0.0)


# --- long runs in float32


def long_run(manifold, opt, steps, k=3):
    """Noisy descent to fixed targets in float32, with gradients of all sizes; yields points, moments and targets."""
    targets = around(manifold, k).astype(np.float32)
    theta = around(manifold, k, seed=7).astype(np.float32).ravel()
    state = opt.init(theta)
    noise = normal((997, theta.size), rng=11, dtype=np.float32)
    sizes = np.float32(10.0) ** np.random.default_rng(0).choice([-30.0, -3.0, 0.0, 0.0, 0.0, 1.0], 1009)
    for step in range(steps):
        # Of half the squared ambient distance to the targets: cheaper than the geodesic one, with the same minimum.
        g = theta - targets.ravel() + np.float32(0.3) * noise[step % 997] * sizes[step % 1009]
        opt.update(theta, np.zeros_like(g) if step % 13 == 0 else g, state)
        if (step + 1) % (steps // 4) == 0:
            yield theta.reshape(targets.shape), state[opt.moments[0]].reshape(targets.shape), targets


LONG = {
    "momentum": lambda on: RiemannianSGD(0.02, momentum=0.9, clip=3.0, on=on),
    "adam": lambda on: RiemannianAdam(0.01, on=on),
}


def check_long_run(name, rule, steps):
    manifold = ON[name]
    eps = np.finfo(np.float32).eps
    for x, m, targets in long_run(manifold, LONG[rule](manifold), steps):
        assert x.dtype == m.dtype == np.float32
        assert np.all(manifold.contains(x, atol=8 * eps))
        off = manifold.norm(x, m - manifold.to_tangent(x, m))
        assert np.all(off <= 32 * eps * np.maximum(manifold.norm(x, m), 1e-20))
        assert np.all(manifold.dist(x, targets) < 2.0)


@pytest.mark.parametrize(("rule", "name"), [*(("adam", name) for name in MAIN), ("momentum", "Sphere")])
def test_points_do_not_drift(name, rule):
    check_long_run(name, rule, 200)


@pytest.mark.parametrize("name", [name for name in ON if np.isfinite(ON[name].injectivity_radius)])
def test_the_rounding_of_a_step_is_not_handed_to_the_next(name):
    manifold, opt = ON[name], RiemannianSGD(0.5, on=ON[name])
    x = around(manifold, 100).astype(np.float32)
    theta = x.ravel().copy()
    state = opt.init(theta)
    for g in normal((400, theta.size), rng=2, dtype=np.float32):
        opt.update(theta, g, state)
    assert np.all(manifold.contains(theta.reshape(x.shape), atol=3 * np.finfo(np.float32).eps))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "name"), [*(("adam", n) for n in MAIN), ("momentum", "Sphere"), ("momentum", "PoincareBall")]
)
def test_points_do_not_drift_in_a_hundred_thousand_steps(name, rule):
    check_long_run(name, rule, 100_000)


def test_parts_are_views():
    theta = np.arange(12.0)
    part = Placed(3, 9, Sphere(2))
    part.of(theta)[0, 0] = 7.0
    assert theta[3] == 7.0
    assert part.of(theta).shape == (2, 3)
