"""One step of expectation-maximisation for a mixture of von Mises-Fisher laws, in blocks of rows.

With cosines c_ik = <x_i, mu_k>, the weighted responsibilities r_ik (or, by ``hard``, the weight of the row at its best
component) give N_k = sum_i r_ik and s_k = sum_i r_ik x_i, and the next parameters are

    weight_k = N_k / sum N        mu_k = s_k / |s_k|        A(kappa_k) = (|s_k| + p A(kappa_0)) / (N_k + p)

(Banerjee, Dhillon, Ghosh and Sra 2005, eq. 4.5-4.8, with the equation for kappa solved exactly). ``p`` rows drawn from
a law of concentration kappa_0 steady each kappa: the step then maximises the log-likelihood less
p sum_k KL(vMF(kappa_0) || vMF(kappa_k)). A tied kappa has A(kappa) = sum |s_k| / sum N.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import Array, inlined, kernel, namespace, summation
from geomlat.backends.libm import fast_exp_expm1
from geomlat.distributions._unit_rows import UnitRows
from geomlat.distributions._vmf_fit import inverse_ratio
from geomlat.distributions._vmf_kl import bregman
from geomlat.distributions.spherical_uniform import log_area
from geomlat.special.vmf import vmf_one_minus_ratio_scalar, vmf_phi_minus_x, vmf_ratio_scalar

Visit = Callable[[int, slice, Any, Array, Array], None]

SINGLE = 2.0**14
"""The concentration up to which products of float32 rows stay in float32: log-densities are then right to 1e-3."""


@dataclass(frozen=True, eq=False)
class Parameters:
    """Weights ``(K,)``, mean directions ``(K, m)`` and concentrations ``(K,)``, in float64."""

    weights: Array
    mu: Array
    kappa: Array

    def log_weights(self) -> Array:
        """The logs of the weights, -inf for 0."""
        xp, alive = namespace(self.mu), self.weights > 0.0
        return xp.where(alive, xp.log(xp.where(alive, self.weights, 1.0)), -math.inf)

    def constants(self) -> Array:
        """log weight + log density at the mode, for each component; -inf where the weight is 0."""
        m = self.mu.shape[1]
        return self.log_weights() - vmf_phi_minus_x(float(m), self.kappa) - log_area(m)


@dataclass(frozen=True, eq=False)
class Statistics:
    """N ``(K,)``, s ``(K, m)``, and the mean over rows of their log-likelihood; all per unit of ``total`` weight."""

    counts: Array
    sums: Array
    log_likelihood: float
    total: float

    def deficits(self) -> Array:
        """N - |s| ``(K,)``, the rows less their resultant; at least 0 up to rounding."""
        return self.counts - namespace(self.sums).sqrt((self.sums * self.sums).sum(axis=1))

    def mixed(self, new: Statistics, share: float) -> Statistics:
        """``(1 - share) self + share new``, of the weight of both together."""
        rest = 1.0 - share
        return Statistics(
            rest * self.counts + share * new.counts,
            rest * self.sums + share * new.sums,
            rest * self.log_likelihood + share * new.log_likelihood,
            self.total + new.total,
        )


@dataclass(frozen=True)
class Rule:
    """What the steps maximise: ``hard`` assignment, one ``tied`` kappa, its ``cap``, and p and kappa_0 above."""

    hard: bool = False
    tied: bool = False
    cap: float = math.inf
    prior_count: float = 0.0
    prior_kappa: float = 0.0

    def objective(self, found: Statistics, at: Parameters) -> float:
        """What a step does not lower, per unit of weight."""
        if self.tied or not self.prior_count:
            return found.log_likelihood
        m = float(at.mu.shape[1])
        apart = float(bregman(m, namespace(at.kappa).full_like(at.kappa, self.prior_kappa), at.kappa).sum())
        return found.log_likelihood - self.prior_count * apart / found.total


def each_product(rows: UnitRows, at: Parameters, visit: Visit) -> int:
    """`UnitRows.each_block` with the cosines t ``(rows of the block, K)``: ``visit(group, where, block, weights, t)``.

    Block and t are in float32 where the rows are and every kappa is at most `SINGLE`.
    """
    xp = rows.xp
    single = rows.x.dtype.char == "f" and float(at.kappa.max()) <= SINGLE
    dtype = xp.float32 if single else xp.float64
    columns = xp.ascontiguousarray(xp.astype(at.mu, dtype).T)

    def multiply(group: int, where: slice, block: Any, weights: Array) -> None:
        block = block.astype(dtype, copy=False)
        visit(group, where, block, weights, block @ columns)

    return rows.each_block(multiply, beside=len(at.kappa))


def expectation(rows: UnitRows, at: Parameters, *, hard: bool, log_terms: Array | None = None) -> Statistics:
    """The statistics of all rows; ``log_terms`` ``(n,)`` is filled with each row's part of the log-likelihood."""
    xp, (k, m) = rows.xp, at.mu.shape
    constants, step = at.constants(), _assign if hard else _share
    groups: dict[int, tuple[Array, Array, list[float]]] = {}

    def visit(group: int, where: slice, block: Any, weights: Array, t: Array) -> None:
        counts, sums, log_likelihoods = groups.setdefault(group, (xp.zeros(k), xp.zeros((k, m)), []))
        terms = xp.empty(len(t)) if log_terms is None else log_terms[where]
        step(len(t), constants, at.kappa, weights, t, terms)
        counts += t.sum(axis=0, dtype=xp.float64)
        sums += (block.T @ t).T if rows.sparse else t.T @ block
        log_likelihoods.append(float((weights * terms).sum()))

    parts = [groups[g] for g in range(each_product(rows, at, visit))]
    counts, sums = sum(part[0] for part in parts), sum(part[1] for part in parts)
    log_likelihood, total = math.fsum(term for part in parts for term in part[2]), rows.total
    return Statistics(counts / total, sums / total, log_likelihood / total, total)


def maximisation(found: Statistics, at: Parameters, rule: Rule) -> Parameters:
    """The parameters that maximise the rule's objective for given statistics; an empty component keeps its own."""
    xp, m = namespace(at.mu), float(at.mu.shape[1])
    length = xp.sqrt(xp.sum(found.sums * found.sums, axis=1))
    seen = length > 0.0
    mu = xp.where(seen[:, None], found.sums / xp.where(seen, length, 1.0)[:, None], at.mu)
    deficit, counts = xp.maximum(found.counts - length, 0.0), found.counts
    if rule.tied:
        length, deficit, counts = (xp.full_like(a, float(a.sum())) for a in (length, deficit, counts))
    elif rule.prior_count:
        p = rule.prior_count / found.total
        length = length + p * vmf_ratio_scalar(m, rule.prior_kappa)
        deficit, counts = deficit + p * vmf_one_minus_ratio_scalar(m, rule.prior_kappa), counts + p
    some = xp.where(counts > 0.0, counts, 1.0)
    kappa = xp.where(counts > 0.0, inverse_ratio(m, length / some, deficit / some), at.kappa)
    return Parameters(found.counts / found.counts.sum(), mu, xp.minimum(kappa, rule.cap))


def log_density(rows: UnitRows, at: Parameters, share: Array | None = None) -> Array:
    """The log-densities ``(n,)`` of the rows in float64; ``share`` ``(n, K)`` is filled with their probabilities."""
    xp, constants = rows.xp, at.constants()
    log_p, one = xp.empty(len(rows)), xp.ones(1)

    def visit(group: int, where: slice, block: Any, weights: Array, t: Array) -> None:
        _share(len(t), constants, at.kappa, one, t, log_p[where])
        if share is not None:
            share[where] = t

    each_product(rows, at, visit)
    return log_p


def labels(rows: UnitRows, at: Parameters) -> Array:
    """The most probable component ``(n,)`` of each row, the first where two tie."""
    xp, constants = rows.xp, at.constants()
    found, one = xp.empty(len(rows), dtype=xp.int64), xp.ones(1)

    def visit(group: int, where: slice, block: Any, weights: Array, t: Array) -> None:
        _assign(len(t), constants, at.kappa, one, t, xp.empty(len(t)))
        found[where] = t.argmax(axis=1)

    each_product(rows, at, visit)
    return found


LEAST = -700.0


@inlined
def log_term(constant: float, kappa: float, cosine: float) -> float:
    """The log of a weighted density, from its value at the mode: kappa may be large, 1 - cosine small."""
    return constant + kappa * (cosine - 1.0)


@inlined
def exponential(x: float) -> float:
    """``exp(x)`` for x <= 0; 0 below exp(-700)."""
    e = fast_exp_expm1(max(x, LEAST))[0]
    return e if x >= LEAST else 0.0


@inlined
def largest_term(i: int, constants: Any, kappa: Any, t: Any) -> float:
    """The largest log-term of row ``i``."""
    top = -math.inf
    for k in range(constants.size):
        top = max(top, log_term(constants[k], kappa[k], float(t[i, k])))
    return top


@summation
def exponentials(i: int, top: float, constants: Any, kappa: Any, t: Any) -> float:
    """The terms of row ``i`` relative to ``exp(top)`` in place of its cosines, and their sum."""
    total = 0.0
    for k in range(constants.size):
        e = exponential(log_term(constants[k], kappa[k], float(t[i, k])) - top)
        t[i, k] = e
        total += e
    return total


@kernel(cost=4.0)
def _share(i: int, constants: Any, kappa: Any, weights: Any, t: Any, terms: Any) -> None:
    """Row i's weighted responsibilities in place of its cosines, and its log-density: a log-sum-exp."""
    top = largest_term(i, constants, kappa, t)
    total = exponentials(i, top, constants, kappa, t)
    scale = weights[min(i, weights.size - 1)] / total
    for k in range(constants.size):
        t[i, k] = scale * float(t[i, k])
    terms[i] = top + math.log(total)


@kernel(cost=2.0)
def _assign(i: int, constants: Any, kappa: Any, weights: Any, t: Any, terms: Any) -> None:
    """Row i's weight at its best component, 0 elsewhere, in place of its cosines, and its largest log-term."""
    top = largest_term(i, constants, kappa, t)
    left = weights[min(i, weights.size - 1)]
    for k in range(constants.size):
        best = log_term(constants[k], kappa[k], float(t[i, k])) >= top
        t[i, k] = left if best else 0.0
        left = 0.0 if best else left
    terms[i] = top
