"""Scalars lifted to arrays: dtypes, shapes, memory layouts and errors, for NumPy, torch and CuPy."""

import math

import numpy as np
import pytest

from geomlat.backends import elementwise, is_scalar, scalar


@scalar
def blend(x: float, y: float) -> float:
    """A function whose float32 evaluation is off by far more than an ulp."""
    return (x + 1e-9 * y) - x + math.sqrt(y)


@scalar
def split(x: float) -> tuple[float, float]:
    """Two results."""
    return math.floor(x), x - math.floor(x)


f, parts = elementwise(blend), elementwise(split, outputs=2)
X, Y = np.linspace(0.5, 3.0, 12), np.linspace(1.0, 2.0, 12)
EXPECTED = np.array([blend(x, y) for x, y in zip(X, Y, strict=True)])


def test_values_and_float32_rounding():
    assert np.array_equal(f(X, Y), EXPECTED)
    x, y = X.astype(np.float32), Y.astype(np.float32)
    out = f(x, y)
    assert out.dtype == np.float32
    assert np.array_equal(out, np.float32([blend(float(a), float(b)) for a, b in zip(x, y, strict=True)]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("number", [2, 2.0, True])
def test_python_numbers_never_promote(dtype, number):
    out = f(X.astype(dtype), number)
    assert out.dtype == dtype
    assert np.array_equal(out, f(X.astype(dtype), np.full(12, number, dtype)))


def test_dtypes_combine_as_in_numpy():
    assert f(X.astype(np.float32), Y).dtype == np.float64
    assert f(np.arange(3), 1.0).dtype == np.float64
    assert f(np.arange(3), np.float32(1)).dtype == np.float32
    assert type(f(1, 2.0)) is np.float64
    assert np.array_equal(f([1.0, 2.0], 1.0), f(np.array([1.0, 2.0]), 1.0))


@pytest.mark.parametrize("bad", [np.complex128, np.complex64, np.float16, np.longdouble])
def test_other_dtypes_raise(bad):
    with pytest.raises(TypeError, match=f"blend takes float32 or float64 arrays, got {np.dtype(bad)}"):
        f(X.astype(bad), 1.0)


def test_complex_torch_raises():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="blend takes float32 or float64"):
        f(torch.ones(3, dtype=torch.complex64), 1.0)


@pytest.mark.parametrize(
    ("a", "b"),
    [((), ()), ((3,), ()), ((), (3,)), ((1,), (4,)), ((2, 1), (3,)), ((0,), (1,)), ((3, 0), ()), ((1, 1), (1,))],
)
def test_shapes_broadcast(a, b):
    x, y = np.full(a, 1.5), np.full(b, 2.5)
    out = f(x, y)
    assert out.shape == np.broadcast_shapes(a, b)
    assert isinstance(out, np.float64 if out.shape == () else np.ndarray)
    assert np.all(out == blend(1.5, 2.5))


def test_shapes_that_do_not_broadcast_raise():
    with pytest.raises(ValueError, match="shape mismatch"):
        f(np.ones(2), np.ones(3))


def test_several_results():
    whole, rest = parts(np.array([[1.25, -0.25]], dtype=np.float32))
    assert whole.tolist() == [[1.0, -1.0]]
    assert rest.tolist() == [[0.25, 0.75]]
    assert rest.dtype == np.float32


LAYOUTS = {
    "reversed": lambda x: x[::-1].copy()[::-1],
    "strided": lambda x: np.repeat(x, 2)[::2],
    "fortran": lambda x: np.asfortranarray(x.reshape(3, 4)),
    "transposed": lambda x: x.reshape(4, 3).T,
    "broadcast": lambda x: np.broadcast_to(x, (2, 12)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    x, y = LAYOUTS[layout](X), LAYOUTS[layout](Y)
    out = f(x, y)
    assert out.flags.writeable
    assert np.array_equal(out, f(np.ascontiguousarray(x), np.ascontiguousarray(y)))


def test_read_only_inputs_compile_nothing_new():
    x = X.copy()
    f(x, Y)
    known = len(f.loop._loop.signatures)
    x.flags.writeable = False
    out = f(x, Y)
    assert np.array_equal(out, EXPECTED)
    assert out.flags.writeable
    assert not x.flags.writeable
    assert len(f.loop._loop.signatures) == known


def test_the_compiled_value_is_the_python_value_in_parallel_too():
    x = np.linspace(0.1, 9.0, 200_003)
    out = f(x, 2.0)
    picks = [0, 1, 99_999, 100_001, 200_002]
    assert out[picks].tolist() == [blend(v, 2.0) for v in x[picks].tolist()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (12,), (3, 4)])
def test_torch(dtype, shape):
    torch = pytest.importorskip("torch")
    x = torch.linspace(0.5, 3.0, math.prod(shape), dtype=getattr(torch, dtype)).reshape(shape)
    out = f(x.clone().requires_grad_(), 2.0)
    assert type(out) is torch.Tensor
    assert out.dtype == x.dtype
    assert out.shape == x.shape
    assert np.array_equal(out.numpy(), f(x.numpy(), 2.0))


def test_torch_views():
    torch = pytest.importorskip("torch")
    x = torch.arange(12.0).reshape(3, 4).T
    assert torch.equal(f(x, x[:, :1]), torch.from_numpy(f(x.numpy(), x[:, :1].numpy())))


def test_numpy_scalars_decide_a_dtype_and_python_numbers_do_not():
    assert is_scalar(1.0)
    assert is_scalar(True)
    assert not is_scalar(np.float64(1.0))
    assert not is_scalar(np.array(1.0))


@pytest.mark.gpu
def test_cupy():
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")
    x = cupy.linspace(0.5, 3.0, 12, dtype=cupy.float32)
    out = f(x, 2.0)
    assert type(out) is cupy.ndarray
    assert out.dtype == cupy.float32
    np.testing.assert_allclose(out.get(), f(x.get(), 2.0), rtol=3e-7)
