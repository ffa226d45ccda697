"""Conversions between the families that SciPy has too and its frozen distributions.

| here | in SciPy |
|---|---|
| ``Normal(loc, scale)`` | ``norm(loc, scale)`` |
| ``LogNormal(loc, scale)`` | ``lognorm(s=scale, scale=exp(loc))`` |
| ``Gamma(shape, rate)`` | ``gamma(shape, scale=1/rate)`` |
| ``Beta(a, b)`` | ``beta(a, b)`` |
| ``VonMises(loc, kappa)`` | ``vonmises(kappa, loc=loc)`` |
| ``VonMisesFisher(mu, kappa)``, kappa > 0, no batch | ``vonmises_fisher(mu, kappa)`` |
| ``SphericalUniform(n)`` | ``uniform_direction(n + 1)`` |

SciPy's laws of one number take arrays of parameters: its ``logpdf`` of an array is that of each coordinate, which
``log_prob`` here sums over the last axis.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from geomlat.backends import to_host
from geomlat.distributions import Beta, Gamma, LogNormal, Normal, SphericalUniform, VonMises, VonMisesFisher


def to_scipy(q: Any) -> Any:
    """The frozen distribution of SciPy for a law that it has, with NumPy parameters.

    >>> import numpy as np
    >>> from geomlat.distributions import Gamma
    >>> to_scipy(Gamma(np.array([2.0, 3.0]), 4.0)).mean()
    array([0.5 , 0.75])

    Raises
    ------
    TypeError
        If SciPy has no such law.
    ValueError
        If it has the family, but not these parameters (a batch of von Mises-Fisher laws, or kappa = 0).
    """
    convert = _TO.get(type(q))
    if convert is None:
        msg = f"SciPy has no {type(q).__name__}; it has {', '.join(sorted(f.__name__ for f in _TO))}"
        raise TypeError(msg)
    return convert(q)


def from_scipy(frozen: Any) -> Any:
    """The law of a frozen distribution of SciPy; a law of one number becomes one of vectors of length 1.

    >>> from scipy import stats
    >>> from_scipy(stats.norm(1.0, scale=2.0)).scale
    array([2.])

    Raises
    ------
    TypeError
        If it is not a frozen distribution of a family that is here.
    ValueError
        If it is shifted or scaled in a way that the family here cannot be.
    """
    name = getattr(getattr(frozen, "dist", None), "name", type(frozen).__name__)
    convert = _FROM.get(name)
    if convert is None:
        msg = f"no family for {name!r} of SciPy; there are those of {', '.join(sorted(_FROM))}"
        raise TypeError(msg)
    return convert(frozen)


def _parameters(frozen: Any) -> tuple[np.ndarray, ...]:
    # The shape parameters, then loc and scale, as arrays (..., n).
    shapes = frozen.dist.shapes.split(", ") if frozen.dist.shapes else []
    given = dict(zip([*shapes, "loc", "scale"], frozen.args, strict=False)) | frozen.kwds
    given = {"loc": 0.0, "scale": 1.0} | given
    return tuple(np.atleast_1d(np.asarray(given[k], dtype=np.float64)) for k in [*shapes, "loc", "scale"])


def _standard(family: str, loc: np.ndarray, scale: np.ndarray | None = None) -> None:
    if np.any(loc != 0.0) or (scale is not None and np.any(scale != 1.0)):
        msg = f"{family} here starts at 0{'' if scale is None else ' and ends at 1'}; got loc = {loc}, scale = {scale}"
        raise ValueError(msg)


def _from_log_normal(frozen: Any) -> LogNormal:
    s, loc, scale = _parameters(frozen)
    _standard("LogNormal", loc)
    return LogNormal(np.log(scale), s)


def _from_gamma(frozen: Any) -> Gamma:
    shape, loc, scale = _parameters(frozen)
    _standard("Gamma", loc)
    return Gamma(shape, 1.0 / scale)


def _from_beta(frozen: Any) -> Beta:
    a, b, loc, scale = _parameters(frozen)
    _standard("Beta", loc, scale)
    return Beta(a, b)


def _from_von_mises(frozen: Any) -> VonMises:
    kappa, loc, scale = _parameters(frozen)
    if np.any(scale != 1.0):
        msg = f"VonMises here has angles in radians, scale 1; got scale = {scale}"
        raise ValueError(msg)
    return VonMises(loc, kappa)


def _to_normal(q: Normal) -> Any:
    from scipy import stats

    return stats.norm(to_host(q.loc), to_host(q.scale))


def _to_log_normal(q: LogNormal) -> Any:
    from scipy import stats

    return stats.lognorm(s=to_host(q.scale), scale=np.exp(to_host(q.loc)))


def _to_gamma(q: Gamma) -> Any:
    from scipy import stats

    return stats.gamma(to_host(q.shape), scale=1.0 / to_host(q.rate))


def _to_beta(q: Beta) -> Any:
    from scipy import stats

    return stats.beta(to_host(q.a), to_host(q.b))


def _to_von_mises(q: VonMises) -> Any:
    from scipy import stats

    return stats.vonmises(to_host(q.kappa), loc=to_host(q.loc))


def _to_von_mises_fisher(q: VonMisesFisher) -> Any:
    from scipy import stats

    kappa = to_host(q.kappa)
    if q.batch_shape or kappa == 0.0:
        msg = f"SciPy has one von Mises-Fisher law at a time, kappa > 0; got a batch {q.batch_shape}, kappa = {kappa}"
        raise ValueError(msg)
    return stats.vonmises_fisher(to_host(q.mu), float(kappa))


def _to_uniform_direction(q: SphericalUniform) -> Any:
    from scipy import stats

    return stats.uniform_direction(q.n + 1)


_TO: dict[type, Callable[[Any], Any]] = {
    Beta: _to_beta,
    Gamma: _to_gamma,
    LogNormal: _to_log_normal,
    Normal: _to_normal,
    SphericalUniform: _to_uniform_direction,
    VonMises: _to_von_mises,
    VonMisesFisher: _to_von_mises_fisher,
}
_FROM: dict[str, Callable[[Any], Any]] = {
    "beta": _from_beta,
    "gamma": _from_gamma,
    "lognorm": _from_log_normal,
    "norm": lambda frozen: Normal(*_parameters(frozen)),
    "uniform_direction_frozen": lambda frozen: SphericalUniform(int(frozen.dim) - 1),
    "vonmises": _from_von_mises,
    "vonmises_fisher_frozen": lambda frozen: VonMisesFisher(frozen.mu, frozen.kappa),
}
