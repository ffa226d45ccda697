"""The parts of the rotations: nearest quaternions, in how many squarings, and where the pull of a projection ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from geomlat.backends import namespace
from geomlat.manifolds import SpecialOrthogonal
from geomlat.manifolds.rotations import SQUARINGS, nearest, spin

SO3 = SpecialOrthogonal(3)


class Plain(np.ndarray):
    """A subclass of ndarray, which the kernels leave to the array expressions."""


KINDS = pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["kernel", "generic"])


class Counting:
    """A namespace that counts its matrix products."""

    def __init__(self, xp: Any) -> None:
        self.xp, self.products = xp, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.xp, name)

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of matrices of rank 4, one squaring, and any other."""
        self.products += a.shape[-2:] == b.shape[-2:] == (4, 4)
        return self.xp.matmul(a, b)


def squarings(a):
    xp = Counting(namespace(a))
    nearest(xp, a)
    return xp.products


def test_matrices_near_rotations_take_few_squarings_and_the_hardest_as_many_as_allowed():
    gen = np.random.default_rng(0)
    x = SO3.random_point((300,), rng=1)
    assert squarings(x + 0.01 * gen.standard_normal(x.shape)) <= 5
    assert squarings((x + 0.01 * gen.standard_normal(x.shape)).astype(np.float32)) <= 4
    assert squarings(np.diag([1.0, 1e-9, -2e-9])) == SQUARINGS


@KINDS
def test_half_turns_are_projected_to_themselves(kind):
    axes = np.array([v for v in np.ndindex(3, 3, 3) if v != (1, 1, 1)]) - 1.0
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    y = 2 * axes[:, :, None] * axes[:, None, :] - np.eye(3)
    np.testing.assert_allclose(SO3.project(kind(y)), y, atol=1e-15)
    np.testing.assert_allclose(SO3.project(kind(3e-7 * y)), y, atol=1e-15)


@KINDS
def test_the_rotation_nearest_to_almost_minus_one_is_the_product_of_the_singular_vectors(kind):
    gen = np.random.default_rng(5)
    q, r = SO3.random_point((20,), rng=1), SO3.random_point((20,), rng=2)
    a = -q * [1.3, 1.2, 1.0] @ r
    wanted = -q * [1.0, 1.0, -1.0] @ r
    np.testing.assert_allclose(SO3.project(kind(a)), wanted, atol=1e-13)
    np.testing.assert_allclose(SO3.project(kind(gen.uniform(1e-9, 1e9, (20, 1, 1)) * a)), wanted, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_pull_is_zero_where_several_rotations_are_nearest_to_rounding(dtype):
    gen = np.random.default_rng(3)
    a, b = gen.standard_normal((2, 3000, 3, 1))
    x = (a @ np.swapaxes(b, -1, -2)).astype(dtype)
    _, pull = SO3.project_vjp(x)
    np.testing.assert_array_equal(pull(gen.standard_normal(x.shape).astype(dtype))[0], 0)


def test_the_pull_is_large_where_one_rotation_is_barely_the_nearest():
    d = 2.0**-45
    h = np.array([1.0, -2.0, 3.0])
    p = np.diag([0.5 * d, 0.5 * d, 1 - 0.5 * d])
    np.testing.assert_allclose(spin(np, p, h), h / np.array([1.0, 1.0, d]), rtol=1e-12)
