"""Expectation-maximisation on the sphere from start to end: k-means++ by the cosine, Lloyd's steps, EM steps."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from geomlat.backends import Array, to_host
from geomlat.distributions._unit_rows import UnitRows
from geomlat.distributions._vmf_em import Parameters, Rule, Statistics, each_product, expectation, maximisation
from geomlat.random import Stream

SUBSET = 2**14
"""How many rows a start looks at: at most these, at least a quarter of them, and in between 256 for each component."""

NUMBERS = 2**25
"""How many numbers these rows have at most; but there are at least 32 rows for each component."""

BATCH = 8
"""Candidates for an exchange that are drawn, and multiplied with the rows, at a time."""

SHORT = 10
"""EM steps of a start at most."""

FASTER = 1.2
"""How much faster the pace of EM grows with each step that gains."""

LLOYD, GAIN = 30, 1e-6
"""Lloyd's steps of a start at most, and the gain in the mean cosine below which they end."""


@dataclass(frozen=True, eq=False)
class Climb:
    """Where EM ended, the statistics there, the rule it followed and the objective before each step and at the end."""

    at: Parameters
    found: Statistics
    rule: Rule
    objectives: list[float]
    converged: bool


def climb(rows: UnitRows, at: Parameters, rule: Rule, *, max_iter: int, tol: float) -> Climb:
    """EM steps until one gains no more than ``tol`` per unit of weight, at most ``max_iter``.

    Soft steps go beyond the statistics of the rows, by a pace that grows while that gains more than ``tol``; else the
    step is taken again without, so that the objective never falls (Salakhutdinov and Roweis 2003, "Adaptive
    overrelaxed bound optimization methods", section 3).
    """
    found = expectation(rows, at, hard=rule.hard)
    objectives, converged, pace, used = [rule.objective(found, at)], False, 1.0, found
    for _ in range(max_iter):
        aim = beyond(used, found, pace)
        moved = maximisation(aim, at, rule)
        new = expectation(rows, moved, hard=rule.hard)
        objective = rule.objective(new, moved)
        small = objective - objectives[-1] <= tol
        if small and aim is not found:
            pace = 1.0
            continue
        at, found, used, pace = moved, new, aim, pace if rule.hard else FASTER * pace
        objectives.append(objective)
        if small:
            converged = True
            break
    return Climb(at, found, rule, objectives, converged)


def beyond(used: Statistics, found: Statistics, pace: float) -> Statistics:
    """``used + pace (found - used)``, or ``found`` where that is far from statistics that rows can have."""
    if pace == 1.0:
        return found
    aim = replace(used.mixed(found, pace), total=found.total)
    near = [bool((a >= 0.5 * b).all()) for a, b in ((aim.counts, found.counts), (aim.deficits(), found.deficits()))]
    return aim if all(near) else found


def best_climb(rows: UnitRows, k: int, rule: Rule, *, starts: int, max_iter: int, tol: float, rng: Stream) -> Climb:
    """The best of several starts, short runs on some of the rows, continued on all of them.

    Biernacki, Celeux and Govaert (2003), "Choosing starting values for the EM algorithm", section 3.
    """
    some, best = subset(rows, k, rng.child("rows")), None
    for s in range(starts):
        at = cluster(some, spread(some, k, rng.child("start", s)), rule.cap)
        own = replace(rule, prior_kappa=float(at.kappa[0]))
        found = climb(some, at, own, max_iter=SHORT, tol=tol)
        # Starts that end alike do not take each other's place by their rounding.
        if best is None or found.objectives[-1] > best.objectives[-1] + tol:
            best = found
    assert best is not None
    return climb(rows, best.at, best.rule, max_iter=max_iter, tol=tol)


def subset(rows: UnitRows, k: int, rng: Stream) -> UnitRows:
    """All rows if they are few, else some drawn without replacement; rows of weight 0 are left out."""
    size = max(min(SUBSET, max(SUBSET // 4, 256 * k), NUMBERS // rows.width), 32 * k)
    useful = np.arange(len(rows)) if rows.weights.shape[0] == 1 else np.flatnonzero(to_host(rows.weights))
    if len(useful) > size:
        useful = np.sort(rng.generator().choice(useful, size, replace=False))
    return rows if len(useful) == len(rows) else rows.take(useful)


def spread(rows: UnitRows, k: int, rng: Stream) -> Array:
    """``k`` of the rows as first mean directions ``(k, m)``, far from each other: k-means++ and exchanges.

    Each is the best of ``2 + log k`` candidates drawn with probability proportional to weight times 1 - cosine (half
    the squared chord) to the nearest chosen one (Arthur and Vassilvitskii 2007, "k-means++", section 5). Then ``k``
    more candidates are drawn in the same way, and each takes the place of one chosen row if that lowers the cost
    (Lattanzi and Sohler 2019, "A better k-means++ algorithm via local search", algorithm 2).
    """
    generator = rng.generator()
    weights = np.broadcast_to(to_host(rows.weights), (len(rows),))
    chosen = _draw(generator, weights, 1)
    gaps = np.empty((len(rows), k))
    nearest = gaps[:, 0] = _gaps(rows, chosen)[:, 0]
    while len(chosen) < k:
        candidates = _draw(generator, weights * nearest, 2 + int(math.log(k)))
        gap = _gaps(rows, candidates)
        best = int((weights @ np.minimum(nearest[:, None], gap)).argmin())
        gaps[:, len(chosen)] = gap[:, best]
        nearest = np.minimum(nearest, gap[:, best])
        chosen = np.append(chosen, candidates[best])
    if k > 1:
        _exchange(rows, weights, chosen, gaps, generator)
    return rows.xp.asarray(rows.dense(chosen))


def _exchange(
    rows: UnitRows, weights: np.ndarray, chosen: np.ndarray, gaps: np.ndarray, generator: np.random.Generator
) -> None:
    """Exchange chosen rows for better ones; ``gaps`` ``(n, k)`` belong to them. Both are changed in place."""
    k, changed = len(chosen), True
    for step in range(k):
        if changed:
            own = gaps.argmin(axis=1)
            nearest, second = np.partition(gaps, 1, axis=1)[:, :2].T
        if step % BATCH == 0:
            candidates = _draw(generator, weights * nearest, BATCH)
            offered = _gaps(rows, candidates)
        gap = offered[:, step % BATCH]
        kept = np.minimum(nearest, gap)
        # What it costs to do without one of the chosen rows, once the candidate is there.
        without = np.bincount(own, weights * (np.minimum(second, gap) - kept), minlength=k)
        worst = int(without.argmin())
        changed = bool(weights @ kept + without[worst] < weights @ nearest)
        if changed:
            gaps[:, worst], chosen[worst] = gap, candidates[step % BATCH]


def cluster(rows: UnitRows, mu: Array, cap: float) -> Parameters:
    """Spherical k-means from ``mu``: the shares and mean directions of its clusters, and their pooled concentration.

    A cluster left without rows moves to the row that is farthest from its own mean direction.
    """
    xp, k = rows.xp, len(mu)
    far, before = xp.empty(len(rows)), -math.inf
    at = Parameters(xp.ones(k), mu, xp.ones(k))
    for _ in range(LLOYD):
        # Equal constants and concentrations: the nearest mean direction wins.
        found = expectation(rows, at, hard=True, log_terms=far)
        moved = maximisation(found, at, Rule(tied=True, cap=cap))
        empty, mu = np.flatnonzero(to_host(found.counts) == 0.0), moved.mu
        if empty.size:
            mu = xp.asarray(mu, copy=True)
            mu[xp.asarray(empty)] = rows.dense(np.argsort(to_host(far), kind="stable")[: empty.size])
        elif found.log_likelihood - before <= GAIN:
            break
        at, before = Parameters(xp.ones(k), mu, xp.ones(k)), found.log_likelihood
    return moved


def _gaps(rows: UnitRows, chosen: np.ndarray) -> np.ndarray:
    """1 - cosine of every row with the chosen ones, ``(n, len(chosen))``, on the host."""
    xp, mu = rows.xp, rows.dense(chosen)
    gaps, one = xp.empty((len(rows), len(mu))), xp.ones(len(mu))

    def visit(group: int, where: slice, block: Any, weights: Array, t: Array) -> None:
        gaps[where] = xp.maximum(1.0 - t, 0.0)

    each_product(rows, Parameters(one, mu, one), visit)
    return to_host(gaps)


def _draw(generator: np.random.Generator, weights: np.ndarray, n: int) -> np.ndarray:
    total = weights.sum()
    # Fewer distinct rows than components: one is as good as another.
    drawn: np.ndarray = generator.choice(len(weights), n, p=weights / total if total > 0.0 else None)
    return drawn
