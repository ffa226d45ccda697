"""KL divergences between wrapped normal laws of one manifold, and their pullbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from array_api_compat import device

from geomlat.backends import Array, is_host, namespace
from geomlat.distributions._circle_kl import circle_kl
from geomlat.distributions._hyperbolic_kl import hyperbolic_kl
from geomlat.distributions._plane_kl import plane_kl
from geomlat.distributions._sphere_kl import sphere_kl
from geomlat.distributions._windings import may_close, whole_sphere
from geomlat.distributions.kl import CLOSED, QUADRATURE, register_kl
from geomlat.distributions.normal import Normal, normal_normal
from geomlat.distributions.spherical_uniform import SphericalUniform, log_area
from geomlat.distributions.wrapped_normal import WrappedNormal, nested
from geomlat.grad import add, sum_to
from geomlat.manifolds.flat import Flat
from geomlat.manifolds.sphere import Sphere

Result = tuple[Array, Callable[[Array | None], tuple[Any, Any]]]


def wrapped_method(q: WrappedNormal, p: WrappedNormal) -> str | None:
    """Closed on flat space and lines; quadrature on circles and tori, and on curved spaces for isotropic laws."""
    return _case(q, p)[0]


@register_kl(WrappedNormal, WrappedNormal, method=wrapped_method)
def wrapped_wrapped(q: WrappedNormal, p: WrappedNormal) -> Result:
    """KL between two laws of one manifold; the cotangent of the manifold's fields is given to q.

    On flat space the divergence of normal laws; on a line of any curvature that of their distance. For scales that are
    one number, on hyperbolic space `geomlat.distributions._hyperbolic_kl` (a millisecond a row) and on spheres
    `geomlat.distributions._sphere_kl` (five); in the hyperbolic plane q may have any scale
    (`geomlat.distributions._plane_kl`, ten). On circles and tori, for diagonal scales,
    `geomlat.distributions._circle_kl`. The divergence of the normal laws in the tangent spaces, `euclidean_kl`, is not
    it. Without a rule: several scales on a sphere or on hyperbolic space of dimension 3 and more, full scales on tori,
    rotations, products; `geomlat.distributions.kl_estimate` then gives an estimate.
    """
    method, rule = _case(q, p)
    if rule is None:
        msg = f"there is no rule for these wrapped normal laws on {q.manifold!r} (method {method})"
        raise NotImplementedError(msg)
    return rule(q, p)


def _uniform_method(q: WrappedNormal, p: SphericalUniform) -> str | None:
    fits = isinstance(q.manifold, Sphere) and q.manifold.n == p.n and (q.isotropic or p.n == 1)
    return QUADRATURE if fits else None


@register_kl(WrappedNormal, SphericalUniform, method=_uniform_method)
def wrapped_uniform(q: WrappedNormal, p: SphericalUniform) -> Result:
    """KL = log area - entropy, on the sphere for a scale that is one number."""
    value, pull_entropy = q.entropy_vjp()

    def pull(dk: Array | None) -> tuple[Any, Any]:
        return pull_entropy(None if dk is None else -dk), ()

    return log_area(p.n + 1) - value, pull


def euclidean_kl(q: WrappedNormal, p: WrappedNormal) -> Array:
    """The formula (tr(S) + D^2 / s'^2 - n - log det S) / 2 of normal laws, S = Sigma / s'^2: **not** the divergence.

    Printed for wrapped normal laws in places and kept for comparison alone: at distance D it is short by up to about
    ``(n - 1) log(sinh(D) / D)``, so that an objective built on it is no bound. It is right on flat space and for D = 0.
    p must have a scale that is one number.

    >>> from geomlat.manifolds import Hyperboloid
    >>> import numpy as np
    >>> h = Hyperboloid(2)
    >>> p = WrappedNormal(h, h.origin(), 1.0)
    >>> q = WrappedNormal(h, h.exp(p.loc, np.array([0.0, 1.0, 0.0])), 1.0)
    >>> round(float(euclidean_kl(q, p)), 4)  # the divergence is 0.7988
    0.5
    """
    return euclidean_kl_vjp(q, p)[0]


def euclidean_kl_vjp(q: WrappedNormal, p: WrappedNormal) -> Result:
    """`euclidean_kl` and its pullback to ``(dq, dp)``; the cotangent of the manifold's fields is given to q.

    >>> from geomlat.manifolds import Hyperboloid
    >>> import numpy as np
    >>> h = Hyperboloid(2)
    >>> p = WrappedNormal(h, h.origin(), 1.0)
    >>> q = WrappedNormal(h, h.exp(p.loc, np.array([0.0, 1.0, 0.0])), np.array([0.5, 1.0]))
    >>> dq, dp = euclidean_kl_vjp(q, p)[1](np.ones(()))
    >>> dq[-1]
    array([-1.5,  0. ])
    """
    if not p.isotropic:
        msg = f"euclidean_kl needs a second law whose scale is one number, got shape {tuple(p.scale.shape)}"
        raise ValueError(msg)
    xp, n = namespace(q.loc, p.loc), q.manifold.dim
    other, (apart, pull_dist) = p.spread[..., 0], q.manifold.dist_vjp(q.loc, p.loc)
    squares = xp.sum(q.factor * q.factor, axis=(-2, -1)) if q.full else xp.sum(q.spread * q.spread, axis=-1)
    logs = xp.sum(xp.log(q.spread), axis=-1) - n * xp.log(other)
    spread = (squares + apart * apart) / (other * other)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        squared = other * other
        dloc, dother, *fields = pull_dist(None if dk is None else dk * apart / squared)
        mine, theirs = nested(tuple(fields)), nested((None,) * len(fields))
        if dk is None:
            return (*mine, None, None), (*theirs, None, None)
        each = dk[..., None]
        inverse, dwidth = each / squared[..., None], p.isotropic_cotangent(dk * (n - spread) / other)
        if q.full:
            dscale = q.factor_cotangent(inverse[..., None] * q.factor) + q.spread_cotangent(-each / q.spread)
        else:
            dscale = sum_to(inverse * q.spread - each / q.spread, q.scale.shape)
        return (*mine, dloc, dscale), (*theirs, dother, dwidth)

    return 0.5 * (spread - n) - logs, pull


def _case(q: WrappedNormal, p: WrappedNormal) -> tuple[str | None, Callable[..., Result] | None]:
    # How the divergence is found, from types, shapes and static fields alone.
    if type(q.manifold) is not type(p.manifold) or q.event_shape != p.event_shape:
        return None, None
    forms = q.manifold.space_forms_vjp()[0]
    if (
        len(forms) == 1
        and forms[0].dim == 1
        and may_close(forms[0])
        and not (forms[0].copies > 1 and (q.full or p.full))
    ):
        return QUADRATURE, _circles
    if len(forms) != 1 or forms[0].copies != 1:
        return None, None
    if may_close(forms[0]):
        fits = whole_sphere(forms[0]) and q.isotropic and p.isotropic
        return (QUADRATURE, _isotropic) if fits else (None, None)
    if q.manifold.dim == 1:
        return CLOSED, _line
    if isinstance(q.manifold, Flat):
        return CLOSED, (_flat if q.full or p.full else _flat_diagonal)
    if not p.isotropic or not (q.isotropic or q.manifold.dim == 2):
        return None, None
    return QUADRATURE, (_isotropic if q.isotropic else _plane)


def _flat(q: WrappedNormal, p: WrappedNormal) -> Result:
    """(|M|^2 - n + |w|^2) / 2 - log det M with M = L_p^-1 L_q and w = L_p^-1 (loc_q - loc_p)."""
    xp = namespace(q.loc, p.loc)
    a, b = q.factor, p.factor
    inverse = xp.linalg.inv(b)
    m = xp.matmul(inverse, a)
    w = xp.matmul(inverse, (q.loc - p.loc)[..., None])
    logs = xp.sum(xp.log(p.spread), axis=-1) - xp.sum(xp.log(q.spread), axis=-1)
    squares = xp.sum(m * m, axis=(-2, -1)) + xp.sum(w * w, axis=(-2, -1))

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return (None, None), (None, None)
        d, back = dk[..., None, None], xp.matrix_transpose(inverse)
        one = xp.eye(w.shape[-2], dtype=w.dtype, device=device(w))
        dloc = d[..., 0] * xp.matmul(back, w)[..., 0]
        dq = xp.matmul(back, m) - xp.matrix_transpose(xp.linalg.inv(a))
        dp = xp.matmul(back, one - xp.matmul(m, xp.matrix_transpose(m)) - xp.matmul(w, xp.matrix_transpose(w)))
        return (
            (sum_to(dloc, q.loc.shape), q.factor_cotangent(d * dq)),
            (sum_to(-dloc, p.loc.shape), p.factor_cotangent(d * dp)),
        )

    return 0.5 * (squares - w.shape[-2]) + logs, pull


def _flat_diagonal(q: WrappedNormal, p: WrappedNormal) -> Result:
    return normal_normal(Normal(q.loc, q.scale), Normal(p.loc, p.scale))


def _line(q: WrappedNormal, p: WrappedNormal) -> Result:
    """(s^2 - 1 + u^2) / 2 - log s with s = scale_q / scale_p and u = D / scale_p."""
    xp = namespace(q.loc, p.loc)
    apart, pull_dist = q.manifold.dist_vjp(q.loc, p.loc)
    other = p.spread[..., 0]
    s, u = q.spread[..., 0] / other, apart / other

    def pull(dk: Array | None) -> tuple[Any, Any]:
        d = None if dk is None else dk * u / other
        dq = None if dk is None else dk * (s - 1 / s) / other
        dp = None if dk is None else dk * (1 - s * s - u * u) / other
        return _cotangents(q, p, pull_dist(d), None, dq, dp)

    return 0.5 * (s * s - 1 + u * u) - xp.log(s), pull


def _circles(q: WrappedNormal, p: WrappedNormal) -> Result:
    """The sum of `circle_kl` over the coordinates."""
    manifold = q.manifold
    (form,), pull_forms = manifold.space_forms_vjp()
    u, pull_log = manifold.log_vjp(p.loc, q.loc)
    c, pull_frame = manifold.to_coordinates_vjp(p.loc, u)
    period, xp = float(form.period) if is_host(form.period) else form.period, namespace(c)
    each, *slopes = circle_kl(q.spread, c, p.spread, period)

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            dother, dloc, *fields = pull_log(None)
            return _cotangents(q, p, (dloc, dother, *fields), None, None, None)
        dq, dc, dp, dperiod = (dk[..., None] * slope for slope in slopes)
        dframe, du, *more = pull_frame(dc)
        dother, dloc, *fields = pull_log(du)
        mine = nested(add(tuple(fields), tuple(more), pull_forms([(None, xp.sum(dperiod))])))
        theirs = nested((None,) * len(fields))
        return (*mine, dloc, q.spread_cotangent(dq)), (*theirs, add(dother, dframe), p.spread_cotangent(dp))

    return xp.sum(each, axis=-1), pull


def _isotropic(q: WrappedNormal, p: WrappedNormal) -> Result:
    """`sphere_kl` or `hyperbolic_kl` of the distance between the centres."""
    (form,), pull_forms = q.manifold.space_forms_vjp()
    apart, pull_dist = q.manifold.dist_vjp(q.loc, p.loc)
    closed = may_close(form)
    rule, size = (sphere_kl, form.period) if closed else (hyperbolic_kl, form.curvature)
    number = float(size) if is_host(size) else size
    kl, *slopes = rule(float(form.dim), number, apart, q.spread[..., 0], p.spread[..., 0])

    def pull(dk: Array | None) -> tuple[Any, Any]:
        dsize, dapart, dq, dp = (None if dk is None else dk * slope for slope in slopes)
        total = None if dsize is None else namespace(dsize).sum(dsize)
        fields = None if dk is None else pull_forms([(None, total) if closed else (total, None)])
        return _cotangents(q, p, pull_dist(dapart), fields, dq, dp)

    return kl, pull


def _plane(q: WrappedNormal, p: WrappedNormal) -> Result:
    """`plane_kl` of the coordinates, in the frame of q, of the other centre."""
    manifold = q.manifold
    (form,), pull_forms = manifold.space_forms_vjp()
    u, pull_log = manifold.log_vjp(q.loc, p.loc)
    t, pull_frame = manifold.to_coordinates_vjp(q.loc, u)
    curvature = float(form.curvature) if is_host(form.curvature) else form.curvature
    xp, entries = namespace(t), [(0, 0), (1, 0), (1, 1)]
    factor = [q.factor[..., i, j] for i, j in entries]
    kl, *slopes = plane_kl(curvature, t[..., 0], t[..., 1], *factor, p.spread[..., 0])

    def pull(dk: Array | None) -> tuple[Any, Any]:
        if dk is None:
            return _cotangents(q, p, pull_log(None), None, None, None)
        dcurvature, d1, d2, d11, d21, d22, dp = (dk * slope for slope in slopes)
        dframe, du, *more = pull_frame(xp.stack([d1, d2], axis=-1))
        dloc, dother, *fields = pull_log(du)
        rows = [xp.stack([d11, xp.zeros_like(d11)], axis=-1), xp.stack([d21, d22], axis=-1)]
        dq, mine = q.factor_cotangent(xp.stack(rows, axis=-2)), pull_forms([(xp.sum(dcurvature), None)])
        both = nested(add(tuple(fields), tuple(more), mine)), nested((None,) * len(fields))
        return (*both[0], add(dloc, dframe), dq), (*both[1], dother, p.isotropic_cotangent(dp))

    return kl, pull


def _cotangents(
    q: WrappedNormal, p: WrappedNormal, moved: tuple[Any, ...], fields: Any, dq: Array | None, dp: Array | None
) -> tuple[Any, Any]:
    # From those of the two points and the fields (as a pull of the distance gives them) and of the two scales.
    dloc, dother, *rest = moved
    mine, theirs = nested(add(tuple(rest), fields)), nested((None,) * len(rest))
    return (*mine, dloc, q.isotropic_cotangent(dq)), (*theirs, dother, p.isotropic_cotangent(dp))
