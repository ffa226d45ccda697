"""Entropies of any law: by its own rule, or else as a labelled Monte Carlo mean with its standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from geomlat.backends import Array, namespace
from geomlat.distributions.estimators import leave_one_out
from geomlat.distributions.kl import EXACT, MONTE_CARLO, Estimate
from geomlat.grad import add

Entropy = tuple[Array, Callable[[Array | None], tuple[Any, ...]]]


def entropy_estimate(q: Any, *, draws: int = 100, rng: Any) -> Estimate:
    """The entropy of ``q`` by its rule, or else the mean of -log q over draws, with its standard error.

    Mixtures have no rule, nor have wrapped normal laws with several scales on a sphere, or with a full one on a torus.

    >>> import numpy as np
    >>> from geomlat.distributions import WrappedNormal
    >>> from geomlat.manifolds import Sphere
    >>> q = WrappedNormal(Sphere(2), np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.2]))
    >>> found = entropy_estimate(q, draws=1000, rng=0)
    >>> found.method, bool(abs(found.value + 1.08) < 4 * found.standard_error)
    ('Monte Carlo', True)

    Raises
    ------
    ValueError
        If fewer than two draws are asked for.
    """
    if draws < 2:
        msg = f"entropy_estimate needs at least 2 draws, got {draws}"
        raise ValueError(msg)
    return entropy_estimate_vjp(q, None if _rule(q) else q.draw(draws, rng=rng))[0]


def entropy_estimate_vjp(q: Any, noise: Any) -> tuple[Estimate, Callable[[Array | None], tuple[Any, ...]]]:
    """`entropy_estimate` at the frozen noise of ``q.draw(draws, rng=...)`` and the pull of its value to ``dq``.

    The pull is the derivative of the estimate at that noise, pathwise through the draws and direct; families whose
    draws need an advantage get the leave-one-out one. It has heavy tails where a law is wound on a sphere, whose
    density has poles. Where there is a rule the noise is not read and may be None.

    >>> import numpy as np
    >>> from geomlat.distributions import Mixture, Normal
    >>> q = Mixture(np.zeros(2), Normal(np.array([[-1.0], [1.0]]), 1.0))
    >>> found, pull = entropy_estimate_vjp(q, q.draw(100, rng=0))
    >>> dlogits, (dloc, dscale) = pull(np.ones(()))
    >>> dloc.shape
    (2, 1)
    """
    rule = _rule(q)
    if rule:
        return Estimate(rule[0], namespace(rule[0]).zeros_like(rule[0]), EXACT, 0), rule[1]
    z, pull_draws = q.rsample_vjp(noise)
    log_q, pull_q = q.log_prob_vjp(z)
    xp, draws = namespace(log_q), log_q.shape[0]
    value = -xp.mean(log_q, axis=0)
    error = xp.sqrt(xp.sum((log_q + value) ** 2, axis=0) / (draws * (draws - 1.0)))

    def pull(dh: Array | None) -> tuple[Any, ...]:
        if dh is None:
            return tuple(pull_q(None)[1:])
        each = xp.broadcast_to(-dh / draws, log_q.shape)
        dz, *direct = pull_q(each)
        moved = pull_draws(dz, advantage=leave_one_out(log_q) * each)
        total: tuple[Any, ...] = add(tuple(direct), tuple(moved))
        return total

    return Estimate(value, error, MONTE_CARLO, draws), pull


def _rule(q: Any) -> Entropy | None:
    """The family's own entropy and pullback, None where it has none for this law."""
    with contextlib.suppress(NotImplementedError):
        if hasattr(q, "entropy_vjp"):
            found: Entropy = q.entropy_vjp()
            return found
    return None
