"""Kullback-Leibler divergences: rules registered for pairs of families, and a labelled estimate where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, namespace
from geomlat.distributions.estimators import leave_one_out
from geomlat.grad import add, sum_to

Cotangents = tuple[Any, Any]
Rule = Callable[[Any, Any], tuple[Array, Callable[[Array], Cotangents]]]
Method = str | Callable[[Any, Any], str | None]
_rules: dict[tuple[type, type], tuple[Rule, Method]] = {}

CLOSED, QUADRATURE, EXACT, MONTE_CARLO = "closed form", "quadrature", "exact", "Monte Carlo"


@dataclass(frozen=True, eq=False)
class Estimate:
    """A divergence or an entropy over the batch with its standard error, and how it was found.

    ``method`` is ``"closed form"`` or ``"quadrature"`` of a divergence, ``"exact"`` of an entropy (all to rounding,
    with standard error 0 and no draws), or ``"Monte Carlo"``.

    >>> Estimate(0.5, 0.01, "Monte Carlo", 100).method
    'Monte Carlo'
    """

    value: Array
    standard_error: Array
    method: str
    draws: int


def kl_divergence(q: Any, p: Any) -> Array:
    """KL(q || p) = E_q[log q - log p] over the common batch shape, in closed form or by quadrature.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> kl_divergence(Normal(np.zeros(2), 1.0), Normal(np.ones(2), 2.0)).round(4)
    np.float64(0.8863)

    Raises
    ------
    NotImplementedError
        If neither is registered for the two laws; `kl_estimate` then gives an estimate with its standard error.
    """
    return kl_divergence_vjp(q, p)[0]


def kl_divergence_vjp(q: Any, p: Any) -> tuple[Array, Callable[[Array], Cotangents]]:
    """KL(q || p) and its pullback: ``pull(dk) -> (dq, dp)``, each a tuple of the cotangents of that object's fields.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> kl, pull = kl_divergence_vjp(Normal(np.zeros(2), 1.0), Normal(np.ones(2), 2.0))
    >>> (dloc, dscale), dp = pull(np.ones(()))
    >>> dloc
    array([-0.25, -0.25])
    """
    if kl_method(q, p) is None:
        known = ", ".join(sorted(f"({a.__name__}, {b.__name__})" for a, b in _rules))
        msg = (
            f"no closed form is known for KL({type(q).__name__} || {type(p).__name__}) of these two laws; there are "
            f"rules for {known}. Register one with register_kl, or take kl_estimate(q, p, rng=...)."
        )
        raise NotImplementedError(msg)
    return _rules[type(q), type(p)][0](q, p)


def kl_estimate(q: Any, p: Any, *, draws: int = 100, rng: Any) -> Estimate:
    """KL(q || p) over the common batch shape by its rule, or else as the mean of log q - log p over draws of q.

    The mean comes with its standard error; where the batch of p is the larger one, its laws share the draws.

    >>> import numpy as np
    >>> from geomlat.distributions import Mixture, Normal
    >>> q = Mixture(np.zeros(2), Normal(np.array([[-1.0], [1.0]]), 1.0))
    >>> kl_estimate(q, Normal(np.zeros(1), 1.5), draws=1000, rng=0).method
    'Monte Carlo'

    Raises
    ------
    ValueError
        If fewer than two draws are asked for.
    """
    if draws < 2:
        msg = f"kl_estimate needs at least 2 draws, got {draws}"
        raise ValueError(msg)
    exact = kl_method(q, p) is not None
    return kl_estimate_vjp(q, p, None if exact else q.draw(draws, rng=rng))[0]


def kl_estimate_vjp(q: Any, p: Any, noise: Any) -> tuple[Estimate, Callable[[Array], Cotangents]]:
    """`kl_estimate` at the frozen noise of ``q.draw(draws, rng=...)`` and the pull of its value to ``(dq, dp)``.

    The pull is the derivative of the estimate at that noise, pathwise through the draws and direct; families whose
    draws need an advantage get the leave-one-out one. Where there is a rule the noise is not read and may be None.

    >>> import numpy as np
    >>> from geomlat.distributions import LogNormal, Gamma
    >>> q = LogNormal(np.zeros(1), 0.5)
    >>> estimate, pull = kl_estimate_vjp(q, Gamma(np.ones(1), 1.0), q.draw(200, rng=0))
    >>> dq, dp = pull(np.ones(()))
    >>> len(dq), len(dp)
    (2, 2)
    """
    method = kl_method(q, p)
    if method is not None:
        value, pull_rule = kl_divergence_vjp(q, p)
        return Estimate(value, namespace(value).zeros_like(value), method, 0), pull_rule
    z, pull_draws = q.rsample_vjp(noise)
    # Axes between the draws and a batch of q that is shorter than that of p.
    between = (1,) * (len(p.batch_shape) - len(q.batch_shape))
    points = namespace(z).reshape(z, (z.shape[0], *between, *z.shape[1:]))
    log_q, pull_q = q.log_prob_vjp(points)
    log_p, pull_p = p.log_prob_vjp(points)
    xp, excess = namespace(log_q, log_p), log_q - log_p
    draws, value = excess.shape[0], xp.mean(excess, axis=0)
    error = xp.sqrt(xp.sum((excess - value) ** 2, axis=0) / (draws * (draws - 1.0)))

    def pull(dk: Array | None) -> Cotangents:
        if dk is None:
            return tuple(pull_q(None)[1:]), tuple(pull_p(None)[1:])
        each = xp.broadcast_to(dk / draws, excess.shape)
        dz, *dq = pull_q(sum_to(each, log_q.shape))
        dz_p, *dp = pull_p(-each)
        dz, loss = add(dz, dz_p), sum_to(leave_one_out(excess) * each, log_q.shape)
        advantage = xp.reshape(loss, (draws, *log_q.shape[1 + len(between) :]))
        moved = pull_draws(None if dz is None else xp.reshape(dz, z.shape), advantage=advantage)
        return add(tuple(dq), tuple(moved)), tuple(dp)

    return Estimate(value, error, MONTE_CARLO, draws), pull


def kl_method(q: Any, p: Any) -> str | None:
    """How `kl_divergence` finds KL(q || p): ``"closed form"``, ``"quadrature"``, or None where it cannot.

    >>> import numpy as np
    >>> from geomlat.distributions import Normal
    >>> kl_method(Normal(np.zeros(2), 1.0), Normal(np.ones(2), 2.0))
    'closed form'
    """
    rule = _rules.get((type(q), type(p)))
    if rule is None:
        return None
    return rule[1](q, p) if callable(rule[1]) else rule[1]


def has_closed_form(q: Any, p: Any) -> bool:
    """Whether a closed form is registered for KL(q || p)."""
    return kl_method(q, p) == CLOSED


def register_kl(q: type, p: type, *, method: Method = CLOSED) -> Callable[[Rule], Rule]:
    """Decorate ``rule(q, p) -> (kl, pull)`` as the divergence of a pair of families.

    ``method`` says how it is found, or is a function of the two laws that says so, None for those it does not cover.

    >>> class Point:
    ...     "A law whose divergence from itself is 0."
    >>> @register_kl(Point, Point)
    ... def point_point(q, p):
    ...     return 0.0, lambda dk: ((), ())
    >>> kl_divergence(Point(), Point())
    0.0
    """

    def register(rule: Rule) -> Rule:
        _rules[q, p] = rule, method
        return rule

    return register
