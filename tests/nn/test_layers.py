import numpy as np
import pytest

from geomlat.grad import gradcheck, gradcheck_vector
from geomlat.nn import ACTIVATIONS, MLP, Dense, Gated, GatedMLP, Layer, glorot_uniform, he_normal, orthogonal, zeros
from geomlat.nn.masked import MADE
from geomlat.random import stream

SMOOTH = sorted(set(ACTIVATIONS) - {"relu", "leaky_relu"})


def random_theta(layer, seed=0):
    return np.random.default_rng(seed).standard_normal(layer.layout.size)


def input_vjp(layer, theta):
    def rule(x):
        y, pull = layer.vjp(layer.view(theta), x)

        def pull_x(dy):
            return pull(dy, layer.view(np.zeros_like(theta)))

        return y, pull_x

    return rule


def objective(layer, x, weights):
    def rule(theta):
        y, pull = layer.vjp(layer.view(theta), x)

        def pull_theta(grad):
            pull(weights, layer.view(grad))

        return (weights * y).sum(), pull_theta

    return rule


LAYERS = {f"dense-{name}": Dense(4, 3, name) for name in sorted(ACTIVATIONS)} | {
    "affine": Dense(4, 3),
    "mlp": MLP((4, 5, 6, 3), "tanh", final="softplus"),
    "mlp-relu": MLP([4, 8, 3]),
    "one layer": MLP((4, 3)),
    "gated": Gated(4, 3),
    "gated-mlp": GatedMLP((4, 5, 6), 3),
    "masked": MADE(3, (8, 7), 1, context=1, activation="tanh"),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("method", ["complex", "richardson"])
@pytest.mark.parametrize("shape", [(7, 4), (4,), (2, 3, 4)])
def test_gradcheck(name, method, shape):
    layer = LAYERS[name]
    theta, x = random_theta(layer), np.random.default_rng(3).standard_normal(shape)
    step = 1e-4 if "relu" in name else 1e-2
    gradcheck(input_vjp(layer, theta), x, method=method, step=step, rtol=1e-8 if step < 1e-3 else None)
    weights = np.random.default_rng(4).standard_normal((*shape[:-1], 3))
    gradcheck_vector(objective(layer, x, weights), theta, method=method, step=1e-4 if "relu" in name else 1e-2)


def test_dense_is_the_affine_map():
    layer = Dense(3, 2)
    theta = np.arange(8.0)
    x = np.array([[1.0, -1.0, 2.0]])
    y, _ = layer.vjp(layer.view(theta), x)
    np.testing.assert_array_equal(y, x @ np.arange(6.0).reshape(3, 2) + [6.0, 7.0])


def test_a_gated_layer_is_a_linear_map_times_the_sigmoid_of_another():
    layer = Gated(4, 3)
    theta, x = random_theta(layer), np.random.default_rng(1).standard_normal((5, 4))
    p = layer.view(theta)
    assert list(p) == ["value.weight", "value.bias", "gate.weight", "gate.bias"]
    gate = 1 / (1 + np.exp(-(x @ p["gate.weight"] + p["gate.bias"])))
    np.testing.assert_allclose(layer.vjp(p, x)[0], (x @ p["value.weight"] + p["value.bias"]) * gate, rtol=1e-13)


@pytest.mark.parametrize(("dim", "context", "width"), [(1, 0, 2), (1, 2, 1), (2, 0, 3), (4, 0, 1), (4, 2, 2)])
@pytest.mark.parametrize("hidden", [(9,), (9, 8)])
def test_a_masked_output_sees_the_coordinates_before_its_own_and_the_context(dim, context, width, hidden):
    """All of them and nothing else: the linear network of ones counts the ways from each input to each output."""
    layer = MADE(dim, hidden, width, context=context, activation="identity")
    p = layer.view(np.ones(layer.layout.size))
    ways = layer.vjp(p, np.eye(dim + context))[0] - layer.vjp(p, np.zeros(dim + context))[0]
    ways = ways.reshape(dim + context, dim, width)
    before = np.arange(dim)[:, None] < np.arange(dim)
    sees = np.concatenate((before, np.ones((context, dim), bool)))
    np.testing.assert_array_equal(ways > 0, np.repeat(sees[:, :, None], width, axis=2))


@pytest.mark.parametrize(("dim", "context"), [(1, 0), (1, 2), (2, 0), (4, 0), (4, 2)])
def test_every_hidden_unit_of_a_masked_network_is_of_use(dim, context):
    """As many as can be see so many coordinates: each decides an output, and each number of them has its share."""
    first, second, last = MADE(dim, (13, 11), 2, context=context).layers
    seen = first.mask[:dim].sum(0)
    fewest = 0 if context or dim == 1 else 1
    shares = np.unique(seen, return_counts=True)
    np.testing.assert_array_equal(shares[0], np.arange(fewest, max(dim, 1)))
    assert np.ptp(shares[1]) <= 1
    np.testing.assert_array_equal(second.mask[:, :2].sum(1) > 0, seen <= fewest + 1)
    for mask in (second.mask, last.mask):
        assert mask.any(axis=1).all()
    np.testing.assert_array_equal(first.mask[dim:], 1.0)


def test_mlp_is_its_layers_in_a_row():
    layer = MLP((3, 4, 2), "elu", final="sigmoid")
    theta, x = random_theta(layer), np.random.default_rng(1).standard_normal((5, 3))
    p = layer.view(theta)
    assert [d.activation for d in layer.layers] == ["elu", "sigmoid"]
    h, _ = layer.layers[0].vjp(p, x)
    np.testing.assert_array_equal(layer.vjp(p, x)[0], layer.layers[1].vjp(p, h)[0])
    assert (layer.n_in, layer.n_out) == (3, 2)
    assert list(p) == ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


@pytest.mark.parametrize("name", LAYERS)
def test_pull_accumulates(name):
    layer = LAYERS[name]
    theta, x = random_theta(layer), np.random.default_rng(1).standard_normal((5, 4))
    dy = np.random.default_rng(2).standard_normal((5, 3))
    fresh, preset = np.zeros_like(theta), np.random.default_rng(5).standard_normal(theta.shape)
    before = preset.copy()
    layer.vjp(layer.view(theta), x)[1](dy, layer.view(fresh))
    layer.vjp(layer.view(theta), x)[1](dy, layer.view(preset))
    assert np.any(fresh)
    np.testing.assert_allclose(preset - before, fresh, rtol=0, atol=1e-13)


def test_a_cleared_gradient_is_that_of_zeros():
    """Large weights are not set to zero but written; those that no pull reaches are zero all the same."""
    layer = MLP((70, 90, 80, 90), "tanh")
    theta, x = random_theta(layer), np.random.default_rng(1).standard_normal((5, 70))
    dy = np.random.default_rng(2).standard_normal((5, 90))
    _, pull = layer.vjp(layer.view(theta), x)
    wanted, g = np.zeros_like(theta), layer.view(np.full_like(theta, np.nan))
    for times in (1, 2):
        pull(dy, layer.view(wanted))
        g.clear()
        for _ in range(times):
            pull(dy, g)
        np.testing.assert_array_equal(g.vector, wanted)
    g.clear()
    layer.layers[2].vjp(layer.view(theta), np.ones((1, 80)))[1](np.ones((1, 90)), g)
    assert not g["layers.0.weight"].any()
    assert not g.of(layer.layers[1])[0].any()
    np.testing.assert_array_equal(g["layers.2.weight"], np.ones((80, 90)))
    g.clear()
    g.of(layer.layers[1])[0][...] += 1.0
    assert g.vector.sum() == 90 * 80


def test_one_layer_twice_in_a_step():
    layer = MLP((3, 4, 3), "tanh")
    x = np.random.default_rng(1).standard_normal((5, 3))
    weights = np.random.default_rng(2).standard_normal((5, 3))

    def rule(theta):
        p = layer.view(theta)
        h, pull_first = layer.vjp(p, x)
        y, pull_second = layer.vjp(p, h)

        def pull(grad):
            g = layer.view(grad)
            pull_first(pull_second(weights, g), g)

        return (weights * y).sum(), pull

    gradcheck_vector(rule, random_theta(layer), method="complex")


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays_float32(name):
    layer = LAYERS[name]
    theta = random_theta(layer).astype(np.float32)
    x = np.random.default_rng(1).standard_normal((5, 4)).astype(np.float32)
    y, pull = layer.vjp(layer.view(theta), x)
    grad = np.zeros_like(theta)
    dx = pull(np.ones_like(y), layer.view(grad))
    assert y.dtype == dx.dtype == np.float32
    wide = np.zeros(theta.shape)
    y64, pull64 = layer.vjp(layer.view(theta.astype(float)), x.astype(float))
    np.testing.assert_allclose(y, y64, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dx, pull64(np.ones_like(y64), layer.view(wide)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(grad, wide, rtol=1e-4, atol=1e-4)


def test_the_input_cotangent_can_be_left_out():
    for layer in (Dense(4, 3, "tanh"), MLP((4, 5, 3))):
        theta, x = random_theta(layer), np.random.default_rng(1).standard_normal((5, 4))
        full, lean = np.zeros_like(theta), np.zeros_like(theta)
        _, pull = layer.vjp(layer.view(theta), x)
        assert pull(np.ones((5, 3)), layer.view(full)).shape == x.shape
        assert pull(np.ones((5, 3)), layer.view(lean), inputs=False) is None
        np.testing.assert_array_equal(lean, full)


@pytest.mark.parametrize("name", LAYERS)
def test_no_cotangent_adds_nothing(name):
    layer = LAYERS[name]
    theta, grad = random_theta(layer), np.zeros(layer.layout.size)
    _, pull = layer.vjp(layer.view(theta), np.ones((2, 4)))
    assert pull(None, layer.view(grad)) is None
    assert not np.any(grad)


def test_empty_batch_read_only_and_strided_input():
    layer = MLP((4, 5, 3), "silu")
    theta = random_theta(layer)
    theta.flags.writeable = False
    p, grad = layer.view(theta), np.zeros(layer.layout.size)
    y, pull = layer.vjp(p, np.ones((0, 4)))
    assert y.shape == (0, 3)
    assert pull(y, layer.view(grad)).shape == (0, 4)
    assert not np.any(grad)
    x = np.random.default_rng(0).standard_normal((4, 6)).T
    x.flags.writeable = False
    before = x.copy()
    y, pull = layer.vjp(p, x)
    np.testing.assert_allclose(y, layer.vjp(p, x.copy())[0], rtol=1e-13)
    pull(np.ones_like(y), layer.view(grad))
    np.testing.assert_array_equal(x, before)


def test_a_strict_array_library_gives_the_same_forward():
    xp = pytest.importorskip("array_api_strict")
    x = np.random.default_rng(0).standard_normal((3, 4))
    for name in ("relu", "elu", "gelu", "softplus", "tanh", "silu", "sigmoid", "leaky_relu"):
        row = ACTIVATIONS[name]
        got = row.f(xp, xp.asarray(x))
        np.testing.assert_allclose(np.asarray(got), row.f(np, x), rtol=1e-14)
        np.testing.assert_allclose(
            np.asarray(row.slope(xp, xp.asarray(x), got)), row.slope(np, x, row.f(np, x)), rtol=1e-14, atol=1e-16
        )


def test_initialisers_by_activation():
    assert Dense(4, 3, "relu").parameters()["weight"][1] is he_normal
    assert Dense(4, 3, "tanh").parameters()["weight"][1] is glorot_uniform
    layer = Dense(200, 100, "relu", weight_init=orthogonal, bias_init=lambda rng, shape: np.full(shape, 0.5))
    weight, bias = layer.view(layer.init(rng=0)).of(layer)
    np.testing.assert_allclose(weight.T @ weight, np.eye(100), atol=1e-13)
    np.testing.assert_array_equal(bias, 0.5)


def test_initialiser_scales():
    rng, shape = stream(0), (400, 100)
    assert not np.any(zeros(rng, shape))
    he, glorot = he_normal(rng, shape), glorot_uniform(rng, shape)
    # The variance of 40 000 draws has relative error 0.7 %; five of them.
    assert abs(he.var() / (2 / 400) - 1) < 0.035
    assert abs(glorot.var() / (2 / 500) - 1) < 0.035
    assert np.abs(glorot).max() < np.sqrt(6 / 500)
    np.testing.assert_allclose(orthogonal(rng, (3, 8)) @ orthogonal(rng, (3, 8)).T, np.eye(3), atol=1e-14)
    np.testing.assert_array_equal(he, he_normal(rng, shape))


def test_orthogonal_is_not_biased_to_positive_diagonals():
    # Without the sign correction of Mezzadri the diagonal of a 1 x 1 draw is constant.
    draws = [orthogonal(stream(k), (1, 1))[0, 0] for k in range(200)]
    assert 60 < sum(d > 0 for d in draws) < 140


def test_bad_settings():
    with pytest.raises(ValueError, match="n_in=0"):
        Dense(0, 3)
    with pytest.raises(ValueError, match=r"got \(3, 4, 0\)"):
        MLP((3, 4, 0))
    with pytest.raises(ValueError, match="unknown activation 'swish'"):
        MLP((3, 4, 2), "swish")


def test_layers_hold_no_arrays():
    layer = MLP((4, 5, 3))
    layer.vjp(layer.view(random_theta(layer)), np.ones((2, 4)))
    for part in (layer, *layer.layers):
        assert isinstance(part, Layer)
        assert not any(isinstance(v, np.ndarray) for v in vars(part).values())
