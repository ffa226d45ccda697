"""The compiled passes of affine layers and relus against the layers one by one."""

from itertools import pairwise

import numba
import numpy as np
import pytest

from geomlat.backends import thread_limit
from geomlat.nn import MLP, _dense_kernels
from geomlat.nn._dense_run import MOST_ROWS, _plan, _sizes, run, takes
from geomlat.nn.layer import stacked_vjp

EPS = {"float32": 1e-5, "float64": 1e-13}
NETS = {
    "hidden": MLP((37, 61, 19)),
    "relu at the end": MLP((80, 130, 66), final="relu"),
    "deep": MLP((3, 9, 70, 8, 5)),
    "one": MLP((70, 9), final="relu"),
    "affine": MLP((9, 7, 6), activation=None),
}


def case(net, shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal(net.layout.size).astype(dtype)
    return theta, rng.standard_normal((*shape, net.n_in)).astype(dtype), rng.standard_normal((*shape, net.n_out))


def outcome(vjp, net, theta, x, dy, grad, **options):
    y, pull = vjp(net.layers, net.view(theta), x)
    g = net.view(grad)
    dx = pull(dy.astype(x.dtype), g, **options)
    return [y, dx, g.vector]


def close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=EPS[b.dtype.name] * np.abs(b).max())


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape", [(), (1,), (16,), (2, 3), (37,), (130,)])
@pytest.mark.parametrize("name", NETS)
def test_as_the_layers_one_by_one(name, shape, dtype):
    net = NETS[name]
    theta, x, dy = case(net, shape, dtype)
    start = np.sin(np.arange(float(theta.size))).astype(dtype)
    assert takes(net.layers, net.view(theta), x)
    found = outcome(run, net, theta, x, dy, start.copy())
    close(found, outcome(stacked_vjp, net, theta, x, dy, start.copy()))
    np.testing.assert_array_equal(net.vjp(net.view(theta), x)[0], found[0])
    assert outcome(run, net, theta, x, dy, start.copy(), inputs=False)[1] is None


@pytest.mark.parametrize("dtype", EPS)
def test_a_cleared_gradient_is_written_and_then_added_to(dtype):
    net = NETS["relu at the end"]
    theta, x, dy = case(net, (33,), dtype)
    wanted = outcome(stacked_vjp, net, theta, x, dy, np.zeros_like(theta))[2]
    g = net.view(np.full_like(theta, np.nan))
    _, pull = run(net.layers, net.view(theta), x)
    g.clear()
    for times in (1, 2):
        pull(dy.astype(dtype), g)
        close([g.buffer], [times * wanted])


def test_any_number_of_threads_gives_the_same(monkeypatch):
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 3)
    monkeypatch.setattr("geomlat.backends.kernels.SHARED_WORK", 0.0)
    monkeypatch.setattr("geomlat.backends.kernels.WAKING_WORK", 0.0)
    net = NETS["relu at the end"]
    theta, x, dy = case(net, (130,), "float32")
    found = []
    for threads in (1, 2, 3, 2):
        with thread_limit(threads):
            found.append(outcome(run, net, theta, x, dy, np.zeros_like(theta)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_row_does_not_depend_on_the_others():
    net = NETS["hidden"]
    theta, x, _ = case(net, (2 * _dense_kernels.PART + 1,), "float32")
    together = run(net.layers, net.view(theta), x)[0]
    for i in (0, 3, _dense_kernels.PART, 2 * _dense_kernels.PART):
        np.testing.assert_array_equal(run(net.layers, net.view(theta), x[i])[0], together[i])


def test_a_nan_stays_one_and_closes_its_gate():
    net = NETS["hidden"]
    theta, x, dy = case(net, (4,), "float64")
    x[1, 2] = np.nan
    y, dx, _ = outcome(run, net, theta, x, dy, np.zeros_like(theta))
    assert np.isnan(y[1]).all()
    assert np.isfinite(y[[0, 2, 3]]).all()
    assert not dx[1].any()


def test_inputs_of_any_memory():
    net = NETS["relu at the end"]
    theta, x, dy = case(net, (12,), "float32")
    wanted = outcome(run, net, theta, x, dy, np.zeros_like(theta))
    fixed = x.copy()
    fixed.flags.writeable = theta.flags.writeable = False
    close(outcome(run, net, theta, fixed, dy, np.zeros_like(theta)), wanted)
    close(
        outcome(run, net, theta, np.asfortranarray(x), dy[:1] + np.zeros_like(dy), np.zeros_like(theta))[:1], wanted[:1]
    )
    found = outcome(run, net, theta, x, dy, np.zeros(theta.size))
    assert found[2].dtype == np.float64
    np.testing.assert_allclose(found[2], wanted[2], rtol=0, atol=1e-5 * np.abs(wanted[2]).max())


def test_the_gradient_may_be_of_a_larger_model():
    net = MLP((6, 5, 4))
    theta, x, dy = case(net, (7,), "float64")
    other = MLP((6, 5, 4))
    object.__setattr__(other, "layers", (*MLP((2, 3)).layers, *net.layers))
    grad = np.zeros(other.layout.size)
    run(net.layers, net.view(theta), x)[1](dy, other.view(grad))
    np.testing.assert_array_equal(grad[9:], outcome(run, net, theta, x, dy, np.zeros_like(theta))[2])
    assert not grad[:9].any()


@pytest.mark.parametrize("sizes", [(37, 61, 19), (80, 130, 66), (3, 9, 70, 8, 5)])
def test_the_work_is_shared_out_by_its_size(sizes):
    """The products of a pass decide how many threads wake, and the largest strips are taken first."""
    net = MLP(sizes)
    layers = net.layers
    plan, weights = _plan(layers, net.layout), sum(a * b for a, b in pairwise(sizes))
    assert plan.weights == weights
    assert _sizes(25, weights).tolist() == [25, _dense_kernels.PART, weights // 2]
    each = [rows * layers[l].n_out for l, _, rows in plan.strips]
    assert each == sorted(each, reverse=True)
    assert sum(each) == weights


def test_memory_is_not_lent_again_while_it_is_seen():
    net = NETS["hidden"]
    theta, x, dy = case(net, (20,), "float64")
    p, before = net.view(theta), []
    for k in range(3):
        y, pull = run(net.layers, p, x * (k + 1))
        before.append((y, y.copy(), pull))
    g = np.zeros((3, theta.size))
    for k, (y, kept, pull) in enumerate(before):
        np.testing.assert_array_equal(y, kept)
        pull(dy, net.view(g[k]))
        np.testing.assert_array_equal(g[k], outcome(run, net, theta, x * (k + 1), dy, np.zeros_like(theta))[2])


def test_what_goes_by_layers(monkeypatch):
    net = NETS["hidden"]
    theta, x, _ = case(net, (4,), "float32")
    p = net.view(theta)
    assert takes(net.layers, p, np.zeros((MOST_ROWS, 37), "float32"))
    assert not takes(net.layers, p, np.zeros((MOST_ROWS + 1, 37), "float32"))
    assert not takes(net.layers, p, x[:0])
    assert not takes(net.layers, p, x.astype("float64"))
    assert not takes(net.layers, p, x[:, :5])
    assert not takes(net.layers, net.view(theta.astype(complex)), x.astype(complex))
    assert not takes(net.layers, net.view(np.stack([theta] * 2)), x)
    assert not takes(MLP((37, 5, 3), "tanh").layers, p, x)
