"""Distance-preserving maps between the models of one space, as functions with pullbacks.

Points go to points; the differential of a map takes tangents along. The curvature is that of both models.
"""

from __future__ import annotations

from typing import Any

from geomlat.backends import floating, namespace
from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Pull
from geomlat.manifolds.hyperboloid import Hyperboloid
from geomlat.manifolds.lorentz import along, base, from_ball, from_point, point, widened
from geomlat.manifolds.poincare_ball import PoincareBall
from geomlat.manifolds.vectors import length


def hyperboloid_to_ball(x: Array, /, *, curvature: float = -1.0) -> Array:
    """``R a / (x_0 + R)``, a the space part of x: the view from ``(-R, 0)``, a point of `PoincareBall`.

    Shapes ``(..., n + 1)`` to ``(..., n)``; ``R = 1 / sqrt(-curvature)``. Beyond the last floats below the border,
    ``34 R`` from the origin (14 R in float32), points are kept inside by `PoincareBall.project`.

    Reference: Ratcliffe (2006), Foundations of Hyperbolic Manifolds, equation 4.5.2.
    """
    return hyperboloid_to_ball_vjp(x, curvature=curvature)[0]


def hyperboloid_to_ball_vjp(x: Array, /, *, curvature: float = -1.0) -> tuple[Array, Pull]:
    """`hyperboloid_to_ball` and the pull to ``(dx,)``; the time entry of dx is zero."""
    xp, x, n = _given(x)
    radius = Hyperboloid(n - 1, curvature).radius
    at = base(xp, x, radius)
    p, pull_project = PoincareBall(n - 1, curvature).project_vjp(radius * (at.a / (at.height + radius)))

    def pull(dp: Any) -> tuple[Any, ...]:
        (dp,) = pull_project(dp)
        return (None,) if dp is None else (widened(xp, from_ball(xp, at, radius * dp, radius), x),)

    return p, pull


def ball_to_hyperboloid(p: Array, /, *, curvature: float = -1.0) -> Array:
    """``R ((1 + s^2), 2 p / R) / (1 - s^2)`` with ``s = |p| / R``: the inverse of `hyperboloid_to_ball`."""
    return ball_to_hyperboloid_vjp(p, curvature=curvature)[0]


def ball_to_hyperboloid_vjp(p: Array, /, *, curvature: float = -1.0) -> tuple[Array, Pull]:
    """`ball_to_hyperboloid` and the pull to ``(dp,)``."""
    xp, p, n = _given(p)
    radius = Hyperboloid(n, curvature).radius
    s = length(xp, p)[..., None] / radius
    scale = 2 / ((1 - s) * (1 + s))
    x = point(xp, scale * p, radius)

    def pull(dx: Any) -> tuple[Any, ...]:
        if dx is None:
            return (None,)
        g = from_point(xp, x, dx)
        return (sum_to(scale * (g + scale / radius**2 * along(xp, g, p) * p), p.shape),)

    return x, pull


def _given(x: Array) -> tuple[Any, Array, int]:
    # The namespace, x as a floating array and the width of its points.
    xp = namespace(x)
    (x,) = floating(xp, x)
    return xp, x, x.shape[-1] if x.ndim else 0
