"""The laws of transforms: inverse both ways, log-determinant against a Jacobian, pullbacks, identity at init."""

import numpy as np
import pytest

from geomlat.flows import (
    ActNorm,
    AdditiveCoupling,
    AffineCoupling,
    Autoregressive,
    Chain,
    CircularSpline,
    Coupling,
    CylinderCoupling,
    Inverse,
    InvertibleLinear,
    Moebius,
    Permutation,
    Polar,
    RationalQuadratic,
    SplineCoupling,
)
from geomlat.flows._affine_rows import moved_rows, pulled_rows
from geomlat.flows.elementwise import Affine, Shift
from geomlat.flows.moebius import MoebiusMixture
from geomlat.grad import gradcheck, richardson

TRANSFORMS = {
    "affine": AffineCoupling(dim=3, hidden=(5,), activation="tanh"),
    "affine-flipped": AffineCoupling(dim=3, hidden=(5,), flip=True, activation="tanh"),
    "affine-kept": AffineCoupling(dim=4, hidden=(5, 4), keep=(0, 2), activation="tanh"),
    "affine-context": AffineCoupling(dim=3, hidden=(5,), context=2, activation="tanh"),
    "additive": AdditiveCoupling(dim=3, hidden=(5,), activation="tanh"),
    "spline": SplineCoupling(dim=3, hidden=(5,), bins=4, activation="tanh"),
    "spline-context": SplineCoupling(dim=2, hidden=(4,), bins=5, bound=2.0, context=1, activation="tanh"),
    "chain": Chain(
        (
            AffineCoupling(dim=3, hidden=(4,), activation="tanh"),
            SplineCoupling(dim=3, hidden=(4,), bins=4, flip=True, activation="tanh"),
            AdditiveCoupling(dim=3, hidden=(4,), keep=(1,), activation="tanh"),
        )
    ),
    "autoregressive": Autoregressive(dim=4, hidden=(7, 6), activation="tanh"),
    "autoregressive-spline": Autoregressive(dim=3, hidden=(6,), activation="tanh", map=RationalQuadratic(4)),
    "autoregressive-context": Autoregressive(dim=3, hidden=(6,), context=2, activation="tanh"),
    "autoregressive-1": Autoregressive(dim=1, hidden=(6,), context=1, activation="tanh"),
    "circle-spline": CircularSpline(dim=1, bins=4),
    "circle-moebius": Moebius(dim=1, centres=3),
    "torus-spline": CircularSpline(dim=3, hidden=(5,), bins=4, activation="tanh"),
    "torus-moebius": Moebius(dim=3, hidden=(5,), centres=3, keep=(1,), activation="tanh"),
    "torus-context": CircularSpline(dim=2, hidden=(5,), bins=4, context=2, keep=(), activation="tanh"),
    "cylinder-heights": CylinderCoupling(hidden=(5,), bins=4, activation="tanh"),
    "cylinder-longitudes": CylinderCoupling(hidden=(5,), bins=4, activation="tanh", flip=True),
    "linear": InvertibleLinear(3),
    "act-norm": ActNorm(3),
    "permutation": Permutation((2, 0, 3, 1)),
    "polar": Polar(),
    "inverse": Inverse(SplineCoupling(dim=3, hidden=(5,), bins=4, activation="tanh")),
}
every = pytest.mark.parametrize("name", TRANSFORMS)
ways = pytest.mark.parametrize("way", ["forward", "inverse"])


def context_width(transform):
    if isinstance(transform, Chain):
        return max(context_width(t) for t in transform.transforms)
    return getattr(transform, "context", 0)


def case(name, n=6, seed=0, scale=1.0):
    transform, gen = TRANSFORMS[name], np.random.default_rng(seed)
    theta = scale * gen.standard_normal(transform.layout.size)
    c = context_width(transform)
    context = gen.standard_normal((n, c)) if c else None
    x = gen.standard_normal((n, transform.dim))
    return transform, theta, np.clip(x, -3.0, 3.0) if getattr(transform, "periodic", False) else x, context


def lifted(transform, y, near):
    """Angles without the jump at pi: the turn that is nearest to another point."""
    return y + 2.0 * np.pi * np.round((near - y) / (2.0 * np.pi)) if getattr(transform, "periodic", False) else y


def jacobian(transform, move, p, x, context):
    at = move(p, x, context)[0]
    columns = [
        richardson(lambda t: lifted(transform, move(p, t, context)[0], at), x, e, 1e-3)[0] for e in np.eye(x.shape[-1])
    ]
    return np.stack(columns, axis=-1)


@every
@ways
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0, 30.0])
def test_inverse_both_ways(name, way, scale):
    transform, theta, x, context = case(name, n=50, scale=scale)
    p = transform.view(theta)
    there, back = (transform.forward, transform.inverse) if way == "forward" else (transform.inverse, transform.forward)
    y, logdet = there(p, x, context)
    again, other = back(p, y.copy(), context)
    stretch = np.linalg.svd(jacobian(transform, there, p, x, context), compute_uv=False)
    condition = np.maximum(stretch[:, 0], 1.0) / np.minimum(stretch[:, -1], 1.0)
    assert not np.allclose(y, x)
    assert (np.abs(lifted(transform, again, x) - x).max(-1) <= np.maximum(1e-10, 1e-12 * condition)).all()
    assert (np.abs(other + logdet) <= np.maximum(1e-10, 1e-12 * condition)).all()


@every
@ways
def test_logdet_is_that_of_the_jacobian(name, way):
    transform, theta, x, context = case(name)
    p, move = transform.view(theta), getattr(transform, way)
    expected = np.linalg.slogdet(jacobian(transform, move, p, x, context))[1]
    np.testing.assert_allclose(move(p, x, context)[1], expected, rtol=0, atol=1e-8)


GENERIC = ("affine", "affine-flipped", "affine-kept", "affine-context", "additive", "autoregressive")
PURE = (*GENERIC, "autoregressive-context", "autoregressive-1", "linear", "act-norm", "permutation")


@pytest.mark.parametrize("name", PURE)
@ways
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_logdet_of_array_bodies_by_the_complex_step(name, way, scale):
    # At 30 the networks saturate and the log-scales are at their bounds; 3 keeps the linear ones invertible.
    plain = name in ("linear", "act-norm")
    transform, theta, x, context = case(name, scale=min(scale, 3.0) if plain else scale)
    p, move = transform.view(theta), getattr(transform, way)
    columns = [move(p, x + 1e-30j * e, context)[0].imag / 1e-30 for e in np.eye(transform.dim)]
    expected = np.linalg.slogdet(np.stack(columns, axis=-1))[1]
    np.testing.assert_allclose(move(p, x, context)[1], expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("map", [RationalQuadratic(6), RationalQuadratic(6, circular=True), MoebiusMixture(4)])
def test_extreme_raw_parameters_of_the_kernels(map):
    gen = np.random.default_rng(0)
    h, x = gen.choice([-30.0, 30.0], (400, 1, map.width)), gen.uniform(-2.9, 2.9, (400, 1))
    (y, log_slope), _ = map.forward_vjp(h, x)
    expected, error = richardson(lambda t: map.forward_vjp(h, t)[0][0], x, np.ones_like(x), 1e-4)
    error /= expected
    smooth = error < 1e-6  # else a knot lies within the step
    assert smooth.mean() > 0.5
    assert (np.abs(log_slope - np.log(expected)) <= np.maximum(1e-8, 10.0 * error))[smooth].all()
    (again, other), _ = map.inverse_vjp(h, y)
    condition = np.exp(np.abs(log_slope))
    assert (np.abs(again - x) <= np.maximum(1e-10, 1e-13 * condition)).all()
    assert (np.abs(other + log_slope) <= np.maximum(1e-10, 1e-11 * condition)).all()


@every
def test_a_batch_of_no_rows(name):
    transform, theta, x, context = case(name)
    none = None if context is None else context[:0]
    for rule in (transform.forward_vjp, transform.inverse_vjp):
        (y, logdet), pull = rule(transform.view(theta), x[:0], none)
        g = np.zeros_like(theta)
        dx, dcontext = pull((y, logdet), transform.view(g))
        assert y.shape == dx.shape == (0, transform.dim)
        assert logdet.shape == (0,)
        assert dcontext is None or dcontext.shape == none.shape
        assert not g.any()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", ["spline", "spline-context", "autoregressive-spline", "affine", "cylinder-heights"])
def test_branches_that_are_not_taken_leave_no_trace(name, dtype):
    transform, theta, _, context = case(name, n=8, scale=3.0)
    edge = [0.0, 2.0, -2.0, 3.0, -3.0, np.nextafter(3.0, 4.0), 1e4, -1e4]
    x = np.tile(np.array(edge, dtype)[:, None], (1, transform.dim))
    if name == "cylinder-heights":
        x = np.clip(x, -1.0, 1.0)
    theta, context = theta.astype(dtype), None if context is None else context.astype(dtype)
    for rule in (transform.forward_vjp, transform.inverse_vjp):
        (y, logdet), pull = rule(transform.view(theta), x, context)
        g = np.zeros_like(theta)
        dx, _ = pull((np.ones_like(y), np.ones_like(logdet)), transform.view(g))
        assert all(np.isfinite(a).all() for a in (y, logdet, dx, g))


@every
@ways
@pytest.mark.parametrize(("scale", "step"), [(1.0, 1e-3), (30.0, 1e-4)])
def test_pullbacks(name, way, scale, step):
    transform, theta, x, context = case(name, scale=scale)
    rule_of = getattr(transform, f"{way}_vjp")

    at = rule_of(transform.view(theta), x, context)[0][0]

    def rule(theta, x, *context):
        (y, logdet), pull = rule_of(transform.view(theta), x, *context)

        def pull_all(cotangent):
            g = np.zeros_like(theta)
            dx, dcontext = pull(cotangent, transform.view(g))
            return (g, dx, dcontext) if context else (g, dx)

        return (lifted(transform, y, at), logdet), pull_all

    if not theta.size:
        theta = np.zeros(0)
    gradcheck(rule, theta, x, *([] if context is None else [context]), step=step)


@every
@ways
def test_pullbacks_accept_none_and_accumulate(name, way):
    transform, theta, x, context = case(name)
    (y, logdet), pull = getattr(transform, f"{way}_vjp")(transform.view(theta), x, context)
    gen = np.random.default_rng(1)
    dy, dl = gen.standard_normal(y.shape), gen.standard_normal(logdet.shape)
    whole, parts = np.zeros_like(theta), np.zeros_like(theta)
    dx = pull((dy, dl), transform.view(whole))[0]
    halves = [pull(c, transform.view(parts))[0] for c in ((dy, None), (None, dl))]
    np.testing.assert_allclose(halves[0] + halves[1], dx, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(parts, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS) - {"permutation", "polar"}))
def test_identity_at_init(name):
    transform = TRANSFORMS[name]
    x = np.random.default_rng(0).standard_normal((20, transform.dim))
    context = np.ones((20, context_width(transform))) if context_width(transform) else None
    y, logdet = transform.forward(transform.view(transform.init(rng=0)), x, context)
    np.testing.assert_allclose(y, x, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(logdet, 0.0, atol=1e-14)


@every
def test_float32_and_batches(name):
    transform, theta, x, context = case(name)
    theta32, x32 = theta.astype(np.float32), x.astype(np.float32)
    context32 = None if context is None else context.astype(np.float32)
    (y, logdet), pull = transform.forward_vjp(transform.view(theta32), x32, context32)
    g = np.zeros_like(theta32)
    dx, dcontext = pull((np.ones_like(y), np.ones_like(logdet)), transform.view(g))
    assert {a.dtype for a in (y, logdet, dx, g)} == {np.dtype(np.float32)}
    assert dcontext is None or dcontext.dtype == np.float32
    wide, _ = transform.forward(transform.view(theta), x, context)
    np.testing.assert_allclose(y, wide, rtol=1e-4, atol=1e-4)
    one = None if context is None else context[2]
    row, _ = transform.forward(transform.view(theta), x[2], one)
    np.testing.assert_allclose(row, wide[2], rtol=1e-12, atol=1e-12)


def run_both_ways(transform, theta, x, dy, dl):
    found = []
    for rule in (transform.forward_vjp, transform.inverse_vjp):
        (y, logdet), pull = rule(transform.view(theta), x)
        g = np.zeros_like(theta)
        dx = pull((dy, dl), transform.view(g))[0]
        found += [y, logdet, dx, g]
    return found


@pytest.mark.parametrize("keep", [(0,), (1,), (0, 3), (3, 1)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_of_an_affine_coupling_are_those_of_the_array_expressions(keep, dtype, monkeypatch):
    gen = np.random.default_rng(0)
    transform = AffineCoupling(dim=4, hidden=(5,), keep=keep)
    theta = gen.standard_normal(transform.layout.size).astype(dtype)
    x, dy, dl = (gen.standard_normal(shape).astype(dtype) for shape in ((3, 2, 4), (3, 2, 4), (3, 2)))
    x.setflags(write=False)
    fast = run_both_ways(transform, theta, x[:, ::-1], dy, dl)
    monkeypatch.setattr(AffineCoupling, "_move", Coupling._move)
    slow = run_both_ways(transform, theta, x[:, ::-1], dy, dl)
    for a, b in zip(fast, slow, strict=True):
        assert a.dtype == dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=(1e-13 if dtype is np.float64 else 2e-5) * np.abs(b).max())


@pytest.mark.parametrize("map", [Affine(1.5), Shift()])
def test_one_scale_and_shift_of_many_points(map):
    """A log-slope of each number, though they share the parameters; the maps are their formulas."""
    gen = np.random.default_rng(0)
    h, x = gen.standard_normal((3, map.width)), gen.standard_normal((5, 3))
    s = 1.5 * np.tanh(h[:, 0] / 1.5) if map.width == 2 else np.zeros(3)
    for (y, logdet), expected, slope in (
        (map.forward_vjp(h, x)[0], x * np.exp(s) + h[:, -1], s),
        (map.inverse_vjp(h, x)[0], (x - h[:, -1]) * np.exp(-s), -s),
    ):
        np.testing.assert_allclose(y, expected, rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(logdet, np.broadcast_to(slope, (5, 3)), rtol=1e-14, atol=0, strict=True)


@pytest.mark.parametrize("make", [AffineCoupling, AdditiveCoupling, SplineCoupling])
def test_couplings_need_both_kinds_of_coordinates(make):
    for keep in ((), (0, 1), (2,), (0, 0)):
        with pytest.raises(ValueError, match="keeps some of them, each once, and moves"):
            make(dim=2, keep=keep)


def test_chains_need_one_dimension():
    with pytest.raises(ValueError, match=r"one dimension, got \[2, 3\]"):
        Chain((AffineCoupling(dim=2), AffineCoupling(dim=3)))


def test_an_output_sees_only_the_coordinates_before_it():
    transform, theta, x, _ = case("autoregressive")
    p = transform.view(theta)
    for j in range(transform.dim):
        moved = x.copy()
        moved[:, j] += 1.0
        change = np.abs(transform.inverse(p, moved)[0] - transform.inverse(p, x)[0])
        assert (change[:, :j] == 0.0).all()
        assert (change[:, j:] > 0.0).all()


def test_act_norm_from_data():
    norm, gen = ActNorm(3), np.random.default_rng(0)
    theta, y = norm.init(rng=0), 5.0 + gen.standard_normal((1000, 3)) * [1.0, 0.1, 30.0]
    x = norm.initialise(norm.view(theta), y)
    np.testing.assert_allclose(x.mean(0), 0.0, atol=1e-12)
    np.testing.assert_allclose(x.std(0), 1.0, rtol=1e-12)
    with pytest.raises(ValueError, match="constant"):
        norm.initialise(norm.view(theta), np.ones((5, 3)))


def test_permutations():
    y, _ = Permutation.reversal(3).forward(None, np.arange(3.0))
    assert y.tolist() == [2.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="once"):
        Permutation((0, 0, 1))
    with pytest.raises(ValueError, match="dimension"):
        InvertibleLinear(0)


def affine_rows(h, x, dy, dl, inverse):
    y, logdet, kept = moved_rows(np.arange(x.shape[-1]), 2.0, inverse, h, x)
    return y, logdet, *pulled_rows(np.arange(x.shape[-1]), inverse, kept, x, y, dy, dl)


def monotone_rows(map_, h, x, dy, dl, inverse):
    (y, logdet), pull = (map_.inverse_vjp if inverse else map_.forward_vjp)(h, x)
    return y, logdet, *pull(dy, dl)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("map_", [RationalQuadratic(20, 3.0), RationalQuadratic(20, 3.0, True), MoebiusMixture(5)])
def test_float32_maps_compute_in_float64_and_round(map_, inverse):
    """A value and its log-slope are those of the float32 inputs in float64, rounded once.

    Numba's ``float()`` of a float32 is a float32. The pull of an inverse starts from the rounded base point.
    """
    gen = np.random.default_rng(2)
    x, dy, dl = (gen.uniform(-2.5, 2.5, 400).astype(np.float32) for _ in range(3))
    h = gen.standard_normal((400, map_.width)).astype(np.float32)
    single = monotone_rows(map_, h, x, dy, dl, inverse)
    double = monotone_rows(map_, *(a.astype(np.float64) for a in (h, x, dy, dl)), inverse)
    assert all(a.dtype == np.float32 for a in single)
    kept = 2 if inverse else 4
    for a, b in list(zip(single, double, strict=True))[:kept]:
        np.testing.assert_allclose(a, b, rtol=6e-8, atol=1e-12)


@pytest.mark.parametrize("inverse", [False, True])
def test_float32_affine_rows_compute_in_float64_and_round(inverse):
    """The pull reads exp(s) and the slope of tanh as they were kept, each rounded once."""
    gen = np.random.default_rng(2)
    x, dy = (gen.standard_normal((300, 7)).astype(np.float32) for _ in range(2))
    h, dl = gen.standard_normal((300, 14)).astype(np.float32), gen.standard_normal(300).astype(np.float32)
    single = affine_rows(h, x, dy, dl, inverse)
    double = affine_rows(*(a.astype(np.float64) for a in (h, x, dy, dl)), inverse)
    assert all(a.dtype == np.float32 for a in single)
    for a, b in zip(single[:2], double[:2], strict=True):
        np.testing.assert_allclose(a, b, rtol=6e-8, atol=1e-12)
