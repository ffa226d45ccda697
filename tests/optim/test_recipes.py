"""Adam on normalised gradients, and parameters apart from the others."""

import numpy as np
import pytest

from geomlat.grad import Layout
from geomlat.optim import SGD, Adam, Apart, NormalisedAdam, apart, normalised

LAYOUT = Layout([("a", "weight", (2, 3)), ("b", "bias", (3,)), ("c", "latent.space.curvature", ())])


def grads(steps=12, dtype=np.float64):
    scales = np.repeat([1e-3, 40.0, 7.0], [6, 3, 1])
    return (np.random.default_rng(0).standard_normal((steps, 10)) * scales).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_tensor_is_divided_by_its_norm(dtype):
    theta, other = np.linspace(-1, 1, 10).astype(dtype), np.linspace(-1, 1, 10).astype(dtype)
    ours, plain = normalised(LAYOUT, 0.03), Adam(0.03)
    state, plain_state = ours.init(theta), plain.init(other)
    for g in grads(dtype=dtype):
        before = g.copy()
        norm = ours.update(theta, g, state)
        assert np.array_equal(g, before)
        np.testing.assert_allclose(norm, np.linalg.norm(g), rtol=1e-6)
        unit = np.concatenate([part / np.linalg.norm(part) for part in np.split(g, [6, 9])])
        plain.update(other, unit.astype(dtype), plain_state)
    np.testing.assert_allclose(theta, other, rtol=1e-6 if dtype == np.float32 else 1e-12)
    assert theta.dtype == dtype


def test_the_scale_of_a_tensor_does_not_count():
    runs = []
    for factor in (1.0, 1e6):
        theta, opt = np.zeros(10), normalised(LAYOUT, 0.1)
        state = opt.init(theta)
        for g in grads():
            opt.update(theta, np.concatenate([factor * g[:6], g[6:]]), state)
        runs.append(theta)
    np.testing.assert_allclose(*runs, rtol=1e-12)


def test_no_tensors_are_the_whole_vector_and_zeros_stay():
    g = grads()[0]
    np.testing.assert_allclose(NormalisedAdam(0.1).gradient(g, g)[0], g / np.linalg.norm(g))
    assert not normalised(LAYOUT).gradient(g, np.zeros(10))[0].any()
    with pytest.raises(ValueError, match="clip must be None"):
        NormalisedAdam(0.1, clip=1.0)


def test_parameters_apart_have_their_own_rule():
    rest, own = Adam(0.05, clip=2.0), Adam(0.2, clip=0.1)
    opt = apart(LAYOUT, rest, own, after=4)
    assert opt.parts == ((9, 10),)
    theta, first, second = np.zeros(10), np.zeros(9), np.zeros(1)
    state, s1, s2 = opt.init(theta), rest.init(first), own.init(second)
    for k, g in enumerate(grads()):
        before = g.copy()
        norm = opt.update(theta, g, state)
        assert np.array_equal(g[:9], before[:9])
        np.testing.assert_allclose(norm, rest.update(first, before[:9], s1))
        if k >= 4:
            own.update(second, before[9:], s2)
        else:
            assert theta[9] == 0.0
            assert not state["mean"][9]
    np.testing.assert_allclose(theta, np.concatenate([first, second]), rtol=1e-12)


def test_nothing_apart_is_the_optimiser_itself():
    assert apart(Layout([("a", "weight", (2,))]), rest := Adam(), Adam()) is rest


def test_mistakes():
    for bad in (
        {"own": SGD(0.1)},
        {"parts": ((0, 3), (2, 4))},
        {"parts": ((3, 3),)},
        {"after": -1},
        {"clip": 1.0},
    ):
        with pytest.raises(ValueError, match="Apart"):
            Apart(**{"rest": Adam(), "own": Adam(), "parts": ((0, 3),)} | bad)
