"""The devices and dtypes of array-api-strict: results live where the caller's arrays do."""

import math

import numpy as np
import pytest

from geomlat.backends import elementwise, floating, namespace, scalar

strict = pytest.importorskip("array_api_strict")
DEVICES = strict.__array_namespace_info__().devices()


@scalar
def root(x: float, y: float) -> float:
    """One result."""
    return math.sqrt(x) + y


@scalar
def split(x: float) -> tuple[float, float]:
    """Two results."""
    return math.floor(x), x - math.floor(x)


f, parts = elementwise(root), elementwise(split, outputs=2)


def test_libraries_do_not_mix():
    with pytest.raises(TypeError, match="Multiple namespaces"):
        f(strict.asarray([1.0]), np.array([1.0]))


@pytest.mark.parametrize("device", DEVICES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (12,), (3, 4)])
def test_array_api_strict_on_every_device(device, shape):
    x = strict.asarray(np.full(shape, 1.5), dtype=strict.float32, device=device)
    out = f(x, 2)
    assert out.device == device
    assert out.dtype == strict.float32
    assert out.shape == shape
    whole, rest = parts(x)
    assert whole.device == rest.device == device
    assert bool(strict.all(out == float(f(np.float32(1.5), 2.0))))


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_integers_take_the_default_dtype_of_the_device(device):
    x = strict.asarray([1, 2], dtype=strict.int32, device=device)
    default = strict.__array_namespace_info__().default_dtypes(device=device)["real floating"]
    assert floating(namespace(x), x)[0].dtype == default
    assert f(x, 2).dtype == default


def test_lists_beside_strict_arrays():
    x = strict.asarray([1.0, 2.0], dtype=strict.float32)
    a, b = floating(namespace(x, [1.0, 2.0]), x, [1.0, 2.0])
    assert a.dtype == b.dtype == strict.float32
