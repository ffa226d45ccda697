"""Distance-preserving maps between the models of one space, as functions with pullbacks.

Points go to points; the differential of a map takes tangents along. The curvature is that of both models: a number
between the hyperboloid and the ball, with `geomlat.manifolds.Stereographic` a parameter, whose cotangent comes last.
The points of a `geomlat.manifolds.PoincareBall` are those of the stereographic space of its curvature as they are.
"""

from __future__ import annotations

from typing import Any

from geomlat.backends import floating, is_host, is_scalar, namespace
from geomlat.grad import sum_to
from geomlat.manifolds.base import Array, Pull
from geomlat.manifolds.gyro import conformal, conformal_pull
from geomlat.manifolds.hyperboloid import Hyperboloid
from geomlat.manifolds.lorentz import along, base, from_ball, from_point, point, widened
from geomlat.manifolds.poincare_ball import PoincareBall
from geomlat.manifolds.stereographic import Stereographic
from geomlat.manifolds.vectors import dot, length


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


def stereographic_to_sphere(p: Array, /, *, curvature: Array) -> Array:
    """``R ((1 - s^2), 2 p / R) / (1 + s^2)``, ``s = |p| / R``: onto the sphere of radius ``R = 1 / sqrt(curvature)``.

    Shapes ``(..., n)`` to ``(..., n + 1)``; zero goes to ``(R, 0)``, the origin of `geomlat.manifolds.Sphere` times R.
    Distances on the unit sphere, of the images over R, are those of the stereographic space over R.

    Raises
    ------
    ValueError
        If the curvature is a number <= 0.
    """
    return stereographic_to_sphere_vjp(p, curvature=curvature)[0]


def stereographic_to_sphere_vjp(p: Array, /, *, curvature: Array) -> tuple[Array, Pull]:
    """`stereographic_to_sphere` and the pull to ``(dp, dcurvature)``."""
    xp, p, k = _space(p, curvature, 0, positive=True)
    a, radius = conformal(xp, k, p)[..., None], 1 / xp.sqrt(k)
    x = xp.concat([radius * (2 / a - 1), 2 * p / a], axis=-1)

    def pull(dx: Any) -> tuple[Any, ...]:
        if dx is None:
            return None, None
        dhead, dtail = dx[..., 0], dx[..., 1:]
        da = -2 * (radius * dhead + dot(xp, p, dtail)) / a[..., 0] ** 2
        dp, dk = conformal_pull(xp, k, p, da)
        by_radius = -radius / (2 * k) * dhead * (2 / a[..., 0] - 1)
        return sum_to(dp + 2 * dtail / a, p.shape), xp.sum(dk + by_radius)

    return x, pull


def sphere_to_stereographic(x: Array, /, *, curvature: Array) -> Array:
    """``R a / (x_0 + R)``, a the other entries of x: the inverse of `stereographic_to_sphere`, and its errors.

    In the lower half the same point is ``R (R - x_0) a / |a|^2``, in which nothing cancels. Points are kept within a
    rounding of ``-x_0``, which lies at infinity, by `geomlat.manifolds.Stereographic.project`.
    """
    return sphere_to_stereographic_vjp(x, curvature=curvature)[0]


def sphere_to_stereographic_vjp(x: Array, /, *, curvature: Array) -> tuple[Array, Pull]:
    """`sphere_to_stereographic` and the pull to ``(dx, dcurvature)``."""
    xp, x, k = _space(x, curvature, 1, positive=True)
    radius, head, tail = 1 / xp.sqrt(k), x[..., 0], x[..., 1:]
    low, size = head < 0, length(xp, tail)
    square = xp.where(low, xp.clip(size, min=float(xp.finfo(x.dtype).eps) * radius), radius) ** 2
    scale = xp.where(low, radius * (radius - head) / square, radius / xp.where(low, radius, radius + head))
    p, pull_project = Stereographic(tail.shape[-1], k).project_vjp(scale[..., None] * tail)

    def pull(dp: Any) -> tuple[Any, ...]:
        dp, dk = pull_project(dp)
        if dp is None:
            return None, None
        dscale = dot(xp, tail, dp)
        other = xp.where(low, square, (radius + head) ** 2)
        dhead = -dscale * radius / other
        dradius = dscale * xp.where(low, 2 * radius - head, head) / other
        spread = xp.where(low, -2 * dscale * scale / square, xp.zeros_like(dscale))
        dtail = scale[..., None] * dp + spread[..., None] * tail
        return xp.concat([dhead[..., None], dtail], axis=-1), dk - xp.sum(dradius) * radius / (2 * k)

    return p, pull


def stereographic_to_hyperboloid(p: Array, /, *, curvature: Array) -> Array:
    """`ball_to_hyperboloid` for a curvature that is a parameter: ``2 p / A`` with its height above ``(R, 0)``.

    Raises
    ------
    ValueError
        If the curvature is a number >= 0.
    """
    return stereographic_to_hyperboloid_vjp(p, curvature=curvature)[0]


def stereographic_to_hyperboloid_vjp(p: Array, /, *, curvature: Array) -> tuple[Array, Pull]:
    """`stereographic_to_hyperboloid` and the pull to ``(dp, dcurvature)``."""
    xp, p, k = _space(p, curvature, 0, positive=False)
    a, radius = conformal(xp, k, p)[..., None], 1 / xp.sqrt(-k)
    tail = 2 * p / a
    head = xp.hypot(length(xp, tail), radius + xp.zeros_like(a[..., 0]))

    def pull(dx: Any) -> tuple[Any, ...]:
        if dx is None:
            return None, None
        dhead = dx[..., 0] / head
        dtail = dx[..., 1:] + dhead[..., None] * tail
        dp, dk = conformal_pull(xp, k, p, -dot(xp, tail, dtail) / a[..., 0])
        return sum_to(dp + 2 * dtail / a, p.shape), xp.sum(dk - dhead * radius * radius / (2 * k))

    return xp.concat([head[..., None], tail], axis=-1), pull


def hyperboloid_to_stereographic(x: Array, /, *, curvature: Array) -> Array:
    """`hyperboloid_to_ball` for a curvature that is a parameter; the time entries are not read."""
    return hyperboloid_to_stereographic_vjp(x, curvature=curvature)[0]


def hyperboloid_to_stereographic_vjp(x: Array, /, *, curvature: Array) -> tuple[Array, Pull]:
    """`hyperboloid_to_stereographic` and the pull to ``(dx, dcurvature)``; the time entry of dx is zero."""
    xp, x, k = _space(x, curvature, 1, positive=False)
    radius, tail = 1 / xp.sqrt(-k), x[..., 1:]
    head = xp.hypot(length(xp, tail), radius + xp.zeros_like(x[..., 0]))
    scale = radius / (radius + head)
    p, pull_project = Stereographic(tail.shape[-1], k).project_vjp(scale[..., None] * tail)

    def pull(dp: Any) -> tuple[Any, ...]:
        dp, dk = pull_project(dp)
        if dp is None:
            return None, None
        turned = dot(xp, tail, dp) / (radius + head) ** 2
        dhead = -radius * turned / head
        dtail = scale[..., None] * dp + dhead[..., None] * tail
        dradius = turned * head + dhead * radius
        dx = xp.concat([xp.zeros_like(dhead[..., None]), dtail], axis=-1)
        return dx, dk - xp.sum(dradius) * radius / (2 * k)

    return p, pull


def _space(x: Array, curvature: Array, more: int, *, positive: bool) -> tuple[Any, Array, Array]:
    # The namespace, points with ``more`` entries than the space has dimensions, and the curvature as one of them.
    xp, x, width = _given(x)
    if (is_scalar(curvature) or is_host(curvature)) and not (curvature > 0 if positive else curvature < 0):
        twin, sign = ("sphere", ">") if positive else ("hyperboloid", "<")
        msg = f"the {twin} needs a curvature {sign} 0, got {curvature}"
        raise ValueError(msg)
    return xp, x, Stereographic(width - more, curvature).number(xp, x)


def _given(x: Array) -> tuple[Any, Array, int]:
    # The namespace, x as a floating array and the width of its points.
    xp = namespace(x)
    (x,) = floating(xp, x)
    return xp, x, x.shape[-1] if x.ndim else 0
