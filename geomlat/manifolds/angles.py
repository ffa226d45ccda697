"""Angles as points of the plane: the pairs (cos, sin) that networks read, with (0, 0) where there is no angle."""

from __future__ import annotations

from collections.abc import Callable

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


def pairs_from_angles_vjp(angles: Array) -> tuple[Array, Callable[[Array], Array]]:
    """`pairs_from_angles` of angles that are all there, and ``pull(dx) -> dangles``."""
    x = pairs_from_angles(angles)

    def pull(dx: Array) -> Array:
        pairs, dpairs = as_pairs(x), as_pairs(dx)
        return pairs[..., 0] * dpairs[..., 1] - pairs[..., 1] * dpairs[..., 0]

    return x, pull


def angles_from_pairs(x: Array) -> tuple[Array, Array]:
    """Angles ``(..., A)`` in [-pi, pi] of the pairs in rows ``(..., 2 A)``, and which pairs are not (0, 0).

    The length of a pair is of no account; the angle of (0, 0) is 0.
    """
    pairs = as_pairs(x)
    xp, c, s = namespace(x), pairs[..., 0], pairs[..., 1]
    there = (c != 0) | (s != 0)
    return xp.where(there, xp.atan2(s, c), xp.zeros_like(c)), there


def angles_from_pairs_vjp(x: Array) -> tuple[Array, Callable[[Array], Array]]:
    """The angles of `angles_from_pairs`, and ``pull(dangles) -> dx``, which is 0 at the pair (0, 0)."""
    angles, there = angles_from_pairs(x)

    def pull(dangles: Array) -> Array:
        xp, pairs = namespace(x), as_pairs(x)
        c, s = pairs[..., 0], pairs[..., 1]
        length = xp.where(there, xp.hypot(c, s), xp.ones_like(c))
        slope = dangles / length
        return xp.reshape(xp.stack([-(s / length) * slope, c / length * slope], axis=-1), x.shape)

    return angles, pull


def as_pairs(x: Array) -> Array:
    """``(..., 2 A)`` as ``(..., A, 2)``."""
    return namespace(x).reshape(x, (*x.shape[:-1], angles_in(x.shape[-1]), 2))


def angles_in(n_features: int) -> int:
    """The angles in a row of features; ValueError for an odd number of them."""
    if n_features % 2:
        msg = f"angles come as pairs (cos, sin) side by side, so the number of features is even; got {n_features}"
        raise ValueError(msg)
    return n_features // 2
