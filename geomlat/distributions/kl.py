"""Kullback-Leibler divergences in closed form, registered for pairs of families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geomlat.backends import Array

Rule = Callable[[Any, Any], tuple[Array, Callable[[Array], tuple[Any, Any]]]]
_rules: dict[tuple[type, type], Rule] = {}


def kl_divergence(q: Any, p: Any) -> Array:
    """KL(q || p) = E_q[log q - log p] over the common batch shape, in closed form.

    Raises
    ------
    NotImplementedError
        If no closed form is registered for the two families.
    """
    return kl_divergence_vjp(q, p)[0]


def kl_divergence_vjp(q: Any, p: Any) -> tuple[Array, Callable[[Array], tuple[Any, Any]]]:
    """KL(q || p) and its pullback: ``pull(dk) -> (dq, dp)``, each a tuple of the cotangents of that object's fields."""
    rule = _rules.get((type(q), type(p)))
    if rule is None:
        known = ", ".join(sorted(f"({a.__name__}, {b.__name__})" for a, b in _rules))
        msg = (
            f"no closed form is known for KL({type(q).__name__} || {type(p).__name__}); the pairs are {known}. "
            "Register one with register_kl, or estimate E_q[q.log_prob(z) - p.log_prob(z)] from draws z of q."
        )
        raise NotImplementedError(msg)
    return rule(q, p)


def has_closed_form(q: Any, p: Any) -> bool:
    """Whether a closed form is registered for KL(q || p)."""
    return (type(q), type(p)) in _rules


def register_kl(q: type, p: type) -> Callable[[Rule], Rule]:
    """Decorate ``rule(q, p) -> (kl, pull)`` as the closed form of a pair of families."""

    def register(rule: Rule) -> Rule:
        _rules[q, p] = rule
        return rule

    return register
