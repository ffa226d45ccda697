import math

import numpy as np
import pytest

from geomlat.optim import EMA, SGD, Adam, AdamW, step_decay
from geomlat.optim.adam import adam_arrays
from geomlat.optim.optimizer import LARGE, squared


def gradients(n=7, steps=30, seed=0):
    return np.random.default_rng(seed).standard_normal((steps, n)) * np.logspace(-4, 2, n)


def run(opt, theta, grads):
    theta = theta.copy()
    state = opt.init(theta)
    for g in grads:
        opt.update(theta, g.astype(theta.dtype), state)
    return theta


def textbook_sgd(theta, grads, lr, mu, nesterov):
    # Sutskever et al. (2013), eqs. 1-4: velocity in parameter units, gradient at the look-ahead point for Nesterov,
    # written for gradients that do not depend on the point.
    theta, velocity = theta.copy(), np.zeros_like(theta)
    for g in grads:
        velocity = mu * velocity - lr * g
        theta = theta + (mu * velocity - lr * g if nesterov else velocity)
    return theta


def textbook_adam(theta, grads, lr, b1, b2, eps, decay=0.0):
    for t in range(1, len(grads) + 1):
        theta = theta - lr * decay * theta
        m = sum((1 - b1) * b1 ** (t - 1 - k) * grads[k] for k in range(t)) / (1 - b1**t)
        v = sum((1 - b2) * b2 ** (t - 1 - k) * grads[k] ** 2 for k in range(t)) / (1 - b2**t)
        theta = theta - lr * m / (np.sqrt(v) + eps)
    return theta


THETA = np.linspace(-2, 3, 7)


@pytest.mark.parametrize(("mu", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd(mu, nesterov):
    got = run(SGD(0.03, momentum=mu, nesterov=nesterov), THETA, gradients())
    np.testing.assert_allclose(got, textbook_sgd(THETA, gradients(), 0.03, mu, nesterov), rtol=1e-12)


@pytest.mark.parametrize("settings", [(1e-3, 0.9, 0.999, 1e-8), (0.1, 0.5, 0.8, 1e-3)])
def test_adam(settings):
    np.testing.assert_allclose(
        run(Adam(*settings), THETA, gradients()), textbook_adam(THETA, gradients(), *settings), rtol=1e-12
    )


def test_adamw():
    settings = (0.1, 0.5, 0.8, 1e-3, 0.3)
    got = run(AdamW(*settings), THETA, gradients())
    np.testing.assert_allclose(got, textbook_adam(THETA, gradients(), *settings), rtol=1e-12)
    np.testing.assert_array_equal(
        run(AdamW(0.1, weight_decay=0.0), THETA, gradients()), run(Adam(0.1), THETA, gradients())
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_adam_kernel_is_the_array_expression(dtype):
    gen = np.random.default_rng(1)
    arrays = [gen.standard_normal(1000).astype(dtype) for _ in range(3)]
    arrays.append(np.abs(gen.standard_normal(1000)).astype(dtype))
    rates = [0.9, 0.1, 0.99, 0.01, 0.98, 0.02, 1.5, 1e-3]
    fused, plain = [a.copy() for a in arrays], [a.copy() for a in arrays]
    from geomlat.optim.adam import _adam

    _adam(1000, *fused, np.array([0.5], dtype), np.array(rates, dtype))
    adam_arrays(*plain, dtype(0.5), rates)
    for a, b, start in zip(fused, plain, arrays, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=20 * np.finfo(dtype).eps)
        assert a.dtype == dtype
        assert np.array_equal(a, start) == (start is arrays[1])


def test_arrays_the_kernel_cannot_take_use_the_expression():
    grads = gradients()
    theta = np.repeat(THETA, 2)[::2]
    state = Adam(0.01).init(theta)
    for g in grads:
        Adam(0.01).update(theta, g, state)
    np.testing.assert_allclose(theta, run(Adam(0.01), THETA, grads), rtol=1e-12)


@pytest.mark.parametrize("name", ["sgd", "momentum", "nesterov", "adam", "adamw"])
def test_against_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = {
        "sgd": (SGD(0.03), lambda p: torch.optim.SGD(p, 0.03)),
        "momentum": (SGD(0.03, momentum=0.8), lambda p: torch.optim.SGD(p, 0.03, momentum=0.8)),
        "nesterov": (
            SGD(0.03, momentum=0.8, nesterov=True),
            lambda p: torch.optim.SGD(p, 0.03, momentum=0.8, nesterov=True),
        ),
        "adam": (Adam(0.02, eps=1e-5), lambda p: torch.optim.Adam(p, 0.02, eps=1e-5)),
        "adamw": (AdamW(0.02, weight_decay=0.1), lambda p: torch.optim.AdamW(p, 0.02, weight_decay=0.1)),
    }[name]
    p = torch.nn.Parameter(torch.from_numpy(THETA.copy()))
    opt = theirs([p])
    for g in gradients():
        p.grad = torch.from_numpy(g.copy())
        opt.step()
    np.testing.assert_allclose(run(ours, THETA, gradients()), p.detach().numpy(), rtol=1e-12)


def test_torch_tensors_are_updated_in_place():
    torch = pytest.importorskip("torch")
    theta = torch.from_numpy(THETA.copy())
    state = Adam(0.02, clip=1.0).init(theta)
    for g in gradients():
        Adam(0.02, clip=1.0).update(theta, torch.from_numpy(g), state)
    np.testing.assert_allclose(theta.numpy(), run(Adam(0.02, clip=1.0), THETA, gradients()), rtol=1e-12)


@pytest.mark.parametrize("opt", [SGD(0.1, momentum=0.9, clip=2.0), AdamW(0.1, clip=2.0)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_are_in_place_and_keep_the_dtype(opt, dtype):
    theta, grad = THETA.astype(dtype), gradients()[0].astype(dtype)
    before, state = grad.copy(), opt.init(theta)
    vectors = [theta, *(v for k, v in state.items() if k != "step")]
    kept = list(vectors)
    norm = opt.update(theta, grad, state)
    assert state["step"] == 1
    np.testing.assert_array_equal(grad, before)
    assert norm.dtype == dtype
    for v, w in zip(kept, [theta, *(v for k, v in state.items() if k != "step")], strict=True):
        assert v is w
        assert v.dtype == dtype


@pytest.mark.parametrize("make", [lambda clip: SGD(0.1, clip=clip), lambda clip: Adam(0.1, eps=1.0, clip=clip)])
def test_clipping_scales_the_gradient_and_reports_its_norm(make):
    grads = gradients(steps=5)
    clipped = THETA.copy()
    opt = make(3.0)
    state = opt.init(clipped)
    for g in grads:
        assert opt.update(clipped, g, state) == pytest.approx(np.linalg.norm(g), rel=1e-12, abs=0.0)
    scaled = [g * min(1.0, 3.0 / np.linalg.norm(g)) for g in grads]
    np.testing.assert_allclose(clipped, run(make(None), THETA, scaled), rtol=1e-12)
    assert not np.allclose(clipped, run(make(None), THETA, grads))
    np.testing.assert_allclose(run(make(1e9), THETA, grads), run(make(None), THETA, grads), rtol=1e-12)


@pytest.mark.parametrize(("dtype", "error"), [("float32", 3e-7), ("float64", 1e-14)])
@pytest.mark.parametrize("more", [0, 1, 4095, 5000])
def test_the_squared_length_of_a_long_vector(dtype, error, more):
    g = np.random.default_rng(more).standard_normal(LARGE + more).astype(dtype)
    found = squared(g)
    assert found.dtype == dtype
    assert found == pytest.approx(math.fsum(g.astype(float) ** 2), rel=error, abs=0.0)
    g[-1] = np.nan
    assert np.isnan(squared(g))
    g[-1], g[0] = 0.0, np.finfo(dtype).max
    assert np.isinf(squared(g))


def test_a_zero_gradient_is_not_clipped_to_nan():
    theta = THETA.copy()
    assert SGD(0.1, clip=1.0).update(theta, np.zeros(7), SGD(0.1, clip=1.0).init(theta)) == 0.0
    np.testing.assert_array_equal(theta, THETA)


def test_a_schedule_is_read_at_the_step_before_the_update():
    opt, theta = SGD(step_decay(1.0, 2)), np.zeros(1)
    state, seen = opt.init(theta), []
    for _ in range(4):
        before = theta.copy()
        opt.update(theta, np.ones(1), state)
        seen.append(float((before - theta)[0]))
    np.testing.assert_allclose(seen, [1, 1, 0.1, 0.1])


def test_ema():
    ema, theta = EMA(0.9), np.array([1.0, 2.0])
    average = ema.init(theta)
    assert average is not theta
    expected = theta.copy()
    for step in range(400):
        theta += 1.0
        same = average
        ema.update(average, theta, step)
        assert average is same
        d = min(0.9, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * theta
        np.testing.assert_allclose(average, expected, rtol=1e-13)
    # Far beyond step 80, where d reaches 0.9: a mean delay of d / (1 - d) steps behind a linear drift.
    np.testing.assert_allclose(theta - average, 9.0, rtol=1e-2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ema_keeps_the_dtype(dtype):
    theta = np.ones(3, dtype)
    average = EMA().init(theta)
    EMA().update(average, theta, 0)
    assert average.dtype == dtype


def test_descriptions_are_immutable_and_comparable():
    assert Adam(1e-3) == Adam()
    assert Adam(1e-3) != Adam(2e-3)
    with pytest.raises(AttributeError):
        Adam().lr = 0.1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0.0), "SGD: lr must be positive, got 0.0"),
        (lambda: SGD(float("nan")), "lr must be positive"),
        (lambda: SGD(0.1, momentum=1.0), "momentum must be in"),
        (lambda: SGD(0.1, nesterov=True), "nesterov must be used with a positive momentum"),
        (lambda: Adam(beta1=1.0), "beta1"),
        (lambda: Adam(beta2=-0.1), "beta2"),
        (lambda: Adam(eps=0.0), "eps"),
        (lambda: Adam(clip=0.0), "clip must be positive or None"),
        (lambda: AdamW(weight_decay=-1.0), "weight_decay"),
        (lambda: EMA(1.0), "decay must be in"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bad_vectors():
    with pytest.raises(ValueError, match=r"one flat vector of floats, got shape \(2, 2\)"):
        Adam().init(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="dtype int64"):
        Adam().init(np.zeros(3, np.int64))
