"""Angles as points of the plane: the pairs (cos, sin) that networks read, with (0, 0) where there is no angle."""

from __future__ import annotations

from geomlat.backends import Array, namespace


def pairs_from_angles(angles: Array, there: Array | None = None) -> Array:
    """Rows ``cos_1, sin_1, cos_2, sin_2, ...`` ``(..., 2 A)`` of angles ``(..., A)`` in radians.

    The pair is (0, 0) where ``there``, ``(..., A)`` of the kind bool, is False.
    """
    xp = namespace(angles)
    pairs = xp.stack([xp.cos(angles), xp.sin(angles)], axis=-1)
    if there is not None:
        pairs = xp.where(there[..., None], pairs, xp.zeros_like(pairs))
    return xp.reshape(pairs, (*angles.shape[:-1], 2 * angles.shape[-1]))


def angles_from_pairs(x: Array) -> tuple[Array, Array]:
    """Angles ``(..., A)`` in [-pi, pi] of the pairs in rows ``(..., 2 A)``, and which pairs are not (0, 0).

    The length of a pair is of no account; the angle of (0, 0) is 0.
    """
    pairs = as_pairs(x)
    xp, c, s = namespace(x), pairs[..., 0], pairs[..., 1]
    there = (c != 0) | (s != 0)
    return xp.where(there, xp.atan2(s, c), xp.zeros_like(c)), there


def as_pairs(x: Array) -> Array:
    """``(..., 2 A)`` as ``(..., A, 2)``."""
    return namespace(x).reshape(x, (*x.shape[:-1], angles_in(x.shape[-1]), 2))


def angles_in(n_features: int) -> int:
    """The angles in a row of features; ValueError for an odd number of them."""
    if n_features % 2:
        msg = f"angles come as pairs (cos, sin) side by side, so the number of features is even; got {n_features}"
        raise ValueError(msg)
    return n_features // 2
