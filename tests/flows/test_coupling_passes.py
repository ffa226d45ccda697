"""Couplings in one compiled pass over rows: equal to the expressions, differentiated right, the same by threads."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from geomlat.backends import thread_limit
from geomlat.flows import (
    AdditiveCoupling,
    AffineCoupling,
    Chain,
    Permutation,
    SplineCoupling,
    _coupling_kernels,
    coupling_flow,
)
from geomlat.flows._coupling_kernels import bounded, parts_of
from geomlat.flows._coupling_run import Run
from geomlat.flows.coupling import _taken
from geomlat.grad import gradcheck
from geomlat.models import FlowMixture

CHAINS = {
    "flow": coupling_flow(2, 3, (8, 5)).chain,
    "wide": coupling_flow(2, 2, (70, 40)).chain,
    "turned": coupling_flow(5, 4, (9,)).chain,
    "shallow": Chain((AffineCoupling(dim=3, hidden=(), bound=1.5),)),
    "shifts": coupling_flow(4, 3, (7,), kind="additive").chain,
    "both": Chain((AffineCoupling(dim=3, hidden=(6,), keep=(2,)), AdditiveCoupling(dim=3, hidden=(4, 4), keep=(0, 2)))),
    "context": coupling_flow(3, 2, (7, 7), context=2).chain,
    "between": Chain(
        (AffineCoupling(dim=2, hidden=(6,)), SplineCoupling(dim=2, hidden=(4,), bins=4), Permutation((1, 0)))
    ),
    "last": Chain((SplineCoupling(dim=2, hidden=(4,), bins=4), AffineCoupling(dim=2, hidden=(6,)))),
}
every = pytest.mark.parametrize("name", CHAINS)
dtypes = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def case(name, batch=(3, 50), dtype=np.float64, seed=0, scale=0.7):
    chain, gen = CHAINS[name], np.random.default_rng(seed)
    theta = (scale * gen.standard_normal(chain.layout.size)).astype(dtype)
    x, dy = (gen.standard_normal((*batch, chain.dim)).astype(dtype) for _ in range(2))
    context = gen.standard_normal((*batch, 2)).astype(dtype) if name == "context" else None
    return chain, theta, x, context, dy, gen.standard_normal(batch).astype(dtype)


def both_ways(chain, theta, x, context, dy, dl):
    found = []
    for rule in (chain.forward_vjp, chain.inverse_vjp):
        (y, logdet), pull = rule(chain.view(theta), x, context)
        g = np.ones_like(theta)
        dx, dcontext = pull((dy, dl), chain.view(g))
        found += [y, logdet, dx, g] + ([] if context is None else [dcontext])
    return found


def generic(monkeypatch):
    monkeypatch.setattr(Run, "takes", lambda *_: False)
    monkeypatch.setattr(AffineCoupling, "_move", AffineCoupling.__mro__[1]._move)


@every
@pytest.mark.parametrize(("dtype", "scale"), [(np.float64, 0.7), (np.float32, 0.7), (np.float64, 30.0)])
def test_a_pass_is_the_array_expressions(name, dtype, scale, monkeypatch):
    chain, theta, x, context, dy, dl = case(name, dtype=dtype, scale=scale)
    theta.setflags(write=False)
    turned = np.asarray(x.transpose(1, 0, 2), order="C").transpose(1, 0, 2)  # rows that are not side by side
    fast = both_ways(chain, theta, turned, context, dy, dl)
    generic(monkeypatch)
    slow = both_ways(
        chain, theta.astype(np.float64), *(None if a is None else a.astype(float) for a in (x, context, dy, dl))
    )
    for a, b in zip(fast, slow, strict=True):
        assert a.dtype == dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=(2e-13 if dtype is np.float64 else 1e-5) * np.abs(b).max())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_few_rows_of_a_small_coupling_are_the_formula(dtype):
    """``x e^s + m`` with the relu network in plain NumPy, its inverse, and the pulls in the other direction."""
    gen, eps = np.random.default_rng(0), 1e-13 if dtype is np.float64 else 1e-5
    for kind, width in ((AffineCoupling, 2), (AdditiveCoupling, 1)):
        coupling = kind(dim=4, hidden=(3,), keep=(3, 0), context=2)
        theta = gen.standard_normal(coupling.layout.size).astype(dtype)
        x, context, dy, dl = (gen.standard_normal(s).astype(dtype) for s in ((5, 4), (5, 2), (5, 4), (5,)))
        p = coupling.view(theta)
        w, b, w_last, b_last = (p[f"network.layers.{k}.{name}"] for k in (0, 1) for name in ("weight", "bias"))
        seen = np.concatenate((x[:, [0, 3]], context), axis=1)
        sums = seen @ w + b
        h = (np.maximum(sums, 0.0) @ w_last + b_last).reshape(5, 2, width)
        s, m = (3.0 * np.tanh(h[..., 0] / 3.0), h[..., 1]) if width == 2 else (np.zeros((5, 2)), h[..., 0])
        slope = 1.0 - (s / 3.0) ** 2
        for way, old, g in ((1.0, x[:, 1:3], dy[:, 1:3]), (-1.0, x[:, 1:3], dy[:, 1:3])):
            new = old * np.exp(s) + m if way > 0.0 else (old - m) * np.exp(-s)
            rule = coupling.forward_vjp if way > 0.0 else coupling.inverse_vjp
            (y, logdet), pull = rule(p, x, context)
            np.testing.assert_allclose(y, np.stack((x[:, 0], *new.T, x[:, 3]), axis=1), rtol=0, atol=30 * eps)
            np.testing.assert_allclose(logdet, way * s.sum(1), rtol=0, atol=10 * eps)
            ds = (g * old * np.exp(s) + dl[:, None] if way > 0.0 else -(g * new + dl[:, None])) * slope
            dm = g if way > 0.0 else -g * np.exp(-s)
            dh = (np.stack((ds, dm), axis=-1) if width == 2 else dm[..., None]).reshape(5, -1)
            dsums = (dh @ w_last.T) * (sums > 0.0)
            dseen = dsums @ w.T
            expected = seen.T @ dsums, dsums.sum(0), np.maximum(sums, 0.0).T @ dh, dh.sum(0)
            grad = np.ones_like(theta)
            dx, dcontext = pull((dy, dl), coupling.view(grad))
            wanted = np.stack((dy[:, 0] + dseen[:, 0], *(g * np.exp(way * s)).T, dy[:, 3] + dseen[:, 1]), axis=1)
            scale = eps * 20.0 * max(np.abs(e).max() for e in (*expected, wanted))
            np.testing.assert_allclose(dx, wanted, rtol=0, atol=scale)
            np.testing.assert_allclose(dcontext, dseen[:, 2:], rtol=0, atol=scale)
            np.testing.assert_allclose(grad - 1.0, np.concatenate([e.ravel() for e in expected]), rtol=0, atol=scale)


@every
@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_pullbacks(name, way):
    chain, theta, x, context, _, _ = case(name, batch=(70,))

    def rule(theta, x, *context):
        y, pull = getattr(chain, f"{way}_vjp")(chain.view(theta), x, *context)

        def pull_all(cotangent):
            g = np.zeros_like(theta)
            dx, dcontext = pull(cotangent, chain.view(g))
            return (g, dx, dcontext) if context else (g, dx)

        return y, pull_all

    gradcheck(rule, theta, x, *([] if context is None else [context]), step=1e-5, rtol=1e-7)


@every
def test_none_is_zero(name):
    chain, theta, x, context, dy, dl = case(name, batch=(20,))
    whole = both_ways(chain, theta, x, context, dy, dl)
    halves = [both_ways(chain, theta, x, context, *c) for c in ((dy, None), (None, dl))]
    for k, (w, a, b) in enumerate(zip(whole, *halves, strict=True)):
        if k % (len(whole) // 2) > 1:
            np.testing.assert_allclose(w, a + b - (w.shape == theta.shape), rtol=1e-11, atol=1e-11)


@dtypes
def test_several_models_at_once(dtype):
    chain, gen = CHAINS["turned"], np.random.default_rng(0)
    vectors = gen.standard_normal((3, chain.layout.size + 4)).astype(dtype)
    thetas = vectors[:, 2:-2]  # not side by side
    x, dy, dl = (gen.standard_normal(s).astype(dtype) for s in ((90, 5), (3, 90, 5), (3, 90)))
    g = np.zeros_like(vectors)
    (y, logdet), pull = chain.inverse_vjp(chain.layout.view(thetas), x)
    dx, _ = pull((dy, dl), chain.layout.view(g[:, 2:-2]))
    assert (g[:, :2] == 0.0).all()
    for k in range(3):
        one = np.zeros_like(thetas[k])
        (yk, logdetk), pullk = chain.inverse_vjp(chain.view(np.ascontiguousarray(thetas[k])), x)
        dxk, _ = pullk((dy[k], dl[k]), chain.view(one))
        for a, b in ((y[k], yk), (logdet[k], logdetk), (dx[k], dxk), (g[k, 2:-2], one)):
            assert np.array_equal(a, b)


def test_rows_and_threads_do_not_matter():
    chain, theta, x, context, dy, dl = case("wide", batch=(700,), dtype=np.float32)
    with thread_limit(1):
        alone = both_ways(chain, theta, x, context, dy, dl)
    with thread_limit(2):
        found = both_ways(chain, theta, x, context, dy, dl)
    for a, b in zip(alone, found, strict=True):
        assert np.array_equal(a, b)
    y, logdet = chain.inverse(chain.view(theta), x[333:340])
    assert np.array_equal(y, alone[4][333:340])
    assert np.array_equal(logdet, alone[5][333:340])
    assert [parts_of(n) for n in (1, 64, 65, 256, 1000, 10**6)] == [1, 1, 2, 2, 4, 8]


def test_the_parts_of_several_models_add_up_to_the_gradient_of_each(monkeypatch):
    chain, gen = CHAINS["shallow"], np.random.default_rng(0)
    theta, x, dy, dl = (gen.standard_normal(s) for s in ((2, chain.layout.size), (8, 3), (2, 8, 3), (2, 8)))
    one_by_one = np.zeros_like(theta)
    for k in range(2):
        chain.forward_vjp(chain.view(theta[k]), x)[1]((dy[k], dl[k]), chain.view(one_by_one[k]))
    monkeypatch.setattr(_coupling_kernels, "parts_of", lambda n: 3)
    found = np.zeros_like(theta)
    chain.forward_vjp(chain.layout.view(theta), x)[1]((dy, dl), chain.layout.view(found))
    np.testing.assert_allclose(found, one_by_one, rtol=0, atol=1e-13)


def test_a_part_writes_where_no_other_does(monkeypatch):
    """Threads take the parts, two models' here, in any order and at once: a part may change nothing of another's."""
    chain, gen, pull, changed = CHAINS["shallow"], np.random.default_rng(0), _coupling_kernels.pull, []

    def one_by_one(items, *arrays):
        pull(0, *arrays)
        written = dict(zip(("state", "context", "work", "direct", "others"), arrays[-5:], strict=True))
        for array in (written["work"], written["others"]):
            array.fill(np.nan)
        for i in range(items):
            before = {name: array.copy() for name, array in written.items()}
            pull._loop(i, i + 1, *arrays)
            for name, array in written.items():
                changed.append((i, name, np.flatnonzero(~np.equal(before[name], array) & ~np.isnan(array))))

    x, dy = gen.standard_normal((2, 70, 3)), gen.standard_normal((2, 70, 3))
    thetas = gen.standard_normal((2, chain.layout.size))
    g, alone = np.zeros_like(thetas), np.zeros_like(thetas)
    y_pull = chain.forward_vjp(chain.layout.view(thetas), x)[1]
    y_pull((dy, dy[..., 0]), chain.layout.view(alone))
    monkeypatch.setattr(_coupling_kernels, "pull", one_by_one)
    y_pull((dy, dy[..., 0]), chain.layout.view(g))
    np.testing.assert_array_equal(g, alone)
    assert {i for i, *_ in changed} == {0, 1, 2, 3}
    for i, name, where in changed:
        for j, other, there in changed:
            assert i == j or name != other or not np.intersect1d(where, there).size


def test_a_pass_may_be_pulled_twice_and_beside_another():
    chain, theta, x, context, dy, dl = case("flow", batch=(300,))
    expected = both_ways(chain, theta, x, context, dy, dl)[4:]
    first = chain.inverse_vjp(chain.view(theta), x)
    second = chain.inverse_vjp(chain.view(2.0 * theta), 0.5 * x)
    for _ in range(2):
        g = np.ones_like(theta)
        dx, _ = first[1]((dy, dl), chain.view(g))
        second[1]((dy, dl), chain.view(np.zeros_like(theta)))
        for a, b in zip((*first[0], dx, g), expected, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("raw", [-1e30, -50.0, -0.3, -1e-9, 0.0, 1e-300, 0.2, 4.0, 60.0, -90.0, 450.0, np.inf])
def test_the_bounded_scale(raw):
    value, slope = bounded(raw, 3.0)
    t = np.tanh(raw / 3.0)
    assert value == pytest.approx(3.0 * t, rel=2e-15, abs=1e-323)
    assert slope == pytest.approx(1.0 / np.cosh(min(abs(raw / 3.0), 170.0)) ** 2, rel=1e-14, abs=0.0)


def test_columns_side_by_side_are_not_copied():
    x = np.arange(12.0).reshape(2, 6)
    for columns in ((1, 2, 3), (0,), (5,), (), (3, 2), (0, 2)):
        taken = _taken(np, x, columns)
        np.testing.assert_array_equal(taken, x[:, list(columns)])
        assert taken.size == 0 or np.shares_memory(taken, x) == (columns not in ((3, 2), (0, 2)))


def test_what_a_pass_does_not_know_goes_by_array_expressions():
    chain, theta, x, *_ = case("flow", batch=(4,))
    run = chain._passes[0][0][0]
    p = chain.view(theta)
    assert run.takes(p, x, None)
    unknown = (x.astype(np.float32), None), (x + 0j, None), (x[:0], None), (x, x), (x.tolist(), None), (x[:, :1], None)
    assert not any(run.takes(p, a, c) for a, c in unknown)
    mixed = Chain((AffineCoupling(dim=2, context=2), AffineCoupling(dim=2)))
    assert not mixed._passes[0][0][0].takes(mixed.view(mixed.init(rng=0)), x, x)
    tanh, steep = AffineCoupling(dim=2, activation="tanh"), AffineCoupling(dim=2, bound=1e3)
    assert tanh.step(False) is None
    assert steep.step(True) is None
    assert len(CHAINS["flow"]._passes[0]) == 1
    assert [run is None for run, _ in CHAINS["between"]._passes[1]] == [True, True, False]
    empty = chain.inverse(p, x[:0])
    assert empty[0].shape == (0, 2)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_points_of_another_dimension_are_refused(activation):
    coupling = AffineCoupling(dim=3, activation=activation)
    for transform in (coupling, Chain((coupling, Permutation((1, 0, 2))))):
        p = transform.view(transform.init(rng=0))
        for way in (transform.forward, transform.inverse):
            for width in (2, 4):
                with pytest.raises(ValueError, match=rf"\(..., 3\), got an array of shape \(9, {width}\)"):
                    way(p, np.zeros((9, width)))


@every
def test_a_gradient_may_be_laid_out_otherwise(name):
    chain, theta, x, context, dy, dl = case(name)
    expected = both_ways(chain, theta, x, context, dy, dl)
    outer = Chain((AffineCoupling(dim=chain.dim, hidden=(50,)), *chain.transforms[::-1]))
    for k, rule in enumerate((chain.forward_vjp, chain.inverse_vjp)):
        g = np.ones(outer.layout.size)
        rule(chain.view(theta), x, context)[1]((dy, dl), outer.view(g))
        for layer in chain.layout.owned:
            of_chain = chain.view(expected[k * len(expected) // 2 + 3]).of(layer)
            for a, b in zip(outer.view(g).of(layer), of_chain, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
        assert (outer.view(g).of(outer.transforms[0].network.layers[0])[0] == 1.0).all()


def test_two_models_may_be_fitted_at_once():
    x = np.random.default_rng(0).standard_normal((600, 2))
    flows = [coupling_flow(2, 3, (24, 24)) for _ in range(2)] + [FlowMixture(n_components=2, features=2)]
    alone = [flow.fit(x, epochs=3, batch_size=200, rng=k).theta for k, flow in enumerate(flows)]
    with ThreadPoolExecutor(3) as pool:
        fits = [pool.submit(flow.fit, x, epochs=3, batch_size=200, rng=k) for k, flow in enumerate(flows)]
    for fit, theta in zip(fits, alone, strict=True):
        assert np.array_equal(fit.result().theta, theta)


def test_a_subclass_with_a_rule_of_its_own_is_heard():
    class Doubled(AffineCoupling):
        def inverse_vjp(self, p, y, context=None):
            (x, logdet), pull = super().inverse_vjp(p, y, context)
            return (2.0 * x, logdet), pull

    first, kinds = AffineCoupling(dim=2, hidden=(4,)), (AffineCoupling, Doubled)
    chains = [Chain((kind(dim=2, hidden=(4,)), first)) for kind in kinds]
    theta, x = np.random.default_rng(0).standard_normal(chains[0].layout.size), np.ones((3, 2))
    plain, doubled = (chain.inverse(chain.view(theta), x)[0] for chain in chains)
    np.testing.assert_allclose(doubled, 2.0 * plain)


def test_a_mixture_takes_its_flows_in_one_pass(monkeypatch):
    mixture, gen = FlowMixture(n_components=3, features=2, hidden=(8, 8)), np.random.default_rng(0)
    theta = 0.5 * gen.standard_normal(mixture.layout.size)
    x = np.column_stack((gen.standard_normal((130, 2)), np.full(130, -1.0)))

    def gradient():
        g = np.zeros_like(theta)
        loss, pull = mixture.loss_vjp(theta, x, None)
        pull(mixture.view(g))
        return loss, g

    fast = gradient()
    generic(monkeypatch)
    for a, b in zip(fast, gradient(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-13)


def test_scratch_is_free_as_soon_as_nobody_holds_the_pull():
    flow = coupling_flow(2, blocks=4, hidden=(8,))
    theta = flow.init(rng=0)
    gc.disable()
    try:
        found = flow.chain._passes[1][0][0](flow.view(theta), np.ones((5, 2)), None)
        alive = weakref.ref(found[1])
        del found
        assert alive() is None
    finally:
        gc.enable()
