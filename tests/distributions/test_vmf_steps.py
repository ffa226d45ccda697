"""The steps of the EM estimator on the sphere and its starts: each against its formula, written out plainly."""

import math

import numpy as np
import pytest
from vmf_quadrature import unit_rows

from geomlat.distributions import VonMisesFisher, VonMisesFisherMixture, _vmf_em, _vmf_fit, _vmf_starts, vmf_mixture
from geomlat.distributions._unit_rows import unit_rows as as_rows
from geomlat.random import stream
from geomlat.special.vmf import vmf_one_minus_ratio_scalar, vmf_ratio_scalar


def statistics(gen, k=3, m=4, total=50.0):
    counts = gen.uniform(0.1, 0.6, k)
    sums = unit_rows(gen, k, m) * (counts * gen.uniform(0.2, 0.9, k))[:, None]
    return _vmf_em.Statistics(counts, sums, -1.7, total)


def test_statistics_are_mixed_by_their_share():
    gen = np.random.default_rng(0)
    a, b = statistics(gen), statistics(gen, total=30.0)
    b = _vmf_em.Statistics(b.counts, b.sums, 0.9, b.total)
    mixed = a.mixed(b, 0.3)
    for name in ("counts", "sums", "log_likelihood"):
        wanted = 0.7 * np.asarray(getattr(a, name)) + 0.3 * np.asarray(getattr(b, name))
        np.testing.assert_allclose(getattr(mixed, name), wanted, rtol=1e-14)
    assert mixed.total == 80.0
    np.testing.assert_allclose(a.deficits(), a.counts - np.linalg.norm(a.sums, axis=1), rtol=1e-13)


@pytest.mark.parametrize("rule", [{}, {"tied": True}, {"prior_count": 7.0, "prior_kappa": 2.5}, {"cap": 3.0}])
def test_maximisation(rule):
    # The counts need not have the sum 1: an aim beyond the statistics has other rounding, a stream other weights.
    gen = np.random.default_rng(1)
    found, at = statistics(gen), _vmf_em.Parameters(np.full(3, 1 / 3), unit_rows(gen, 3, 4), np.full(3, 2.0))
    moved = _vmf_em.maximisation(found, at, _vmf_em.Rule(**rule))
    length = np.linalg.norm(found.sums, axis=1)
    np.testing.assert_allclose(moved.weights, found.counts / found.counts.sum(), rtol=1e-14)
    np.testing.assert_allclose(moved.mu, found.sums / length[:, None], rtol=1e-14)
    resultant = length / found.counts
    if "tied" in rule:
        resultant = np.full(3, length.sum() / found.counts.sum())
    if "prior_count" in rule:
        p = 7.0 / found.total
        resultant = (length + p * vmf_ratio_scalar(4.0, 2.5)) / (found.counts + p)
    for kappa, wanted in zip(moved.kappa, resultant, strict=True):
        full = _vmf_fit.inverse_ratio_scalar(4.0, wanted, 1 - wanted)
        assert vmf_ratio_scalar(4.0, full) == pytest.approx(wanted, rel=1e-13, abs=0.0)
        assert kappa == pytest.approx(min(full, rule.get("cap", math.inf)), rel=1e-12, abs=0.0)


def test_the_concentration_of_a_resultant_takes_few_steps(monkeypatch):
    # From the bound of Amos the steps square the error at once; from less they would first double it.
    steps = []
    slope = _vmf_fit.vmf_dratio_scalar
    monkeypatch.setattr(_vmf_fit, "vmf_dratio_scalar", lambda m, x: steps.append(x) or slope(m, x))
    for m in (2.0, 3.0, 10.0, 300.0, 4e4):
        for kappa in (1e-3 * m, 0.3 * m, m, 8 * m, 1e4 * m):
            steps.clear()
            resultant, deficit = vmf_ratio_scalar(m, kappa), vmf_one_minus_ratio_scalar(m, kappa)
            assert _vmf_fit.inverse_ratio_scalar(m, resultant, deficit) == pytest.approx(kappa, rel=1e-11, abs=0.0)
            assert steps[0] <= kappa * (1 + 1e-12)
            assert len(steps) <= 7, (m, kappa, steps)


def plain_gaps(x, chosen):
    return np.maximum(1.0 - x @ x[chosen].T, 0.0)


def plain_draw(generator, weights, n):
    return generator.choice(len(weights), n, p=weights / weights.sum())


def plain_spread(x, weights, k, generator):
    """k-means++ with ``2 + floor(log k)`` candidates, then k exchanges, the cost of each worked out in full."""
    chosen = list(plain_draw(generator, weights, 1))
    while len(chosen) < k:
        nearest = plain_gaps(x, chosen).min(axis=1)
        candidates = plain_draw(generator, weights * nearest, 2 + math.floor(math.log(k)))
        costs = [weights @ np.minimum(nearest, plain_gaps(x, [c])[:, 0]) for c in candidates]
        chosen.append(candidates[int(np.argmin(costs))])
    for step in range(k if k > 1 else 0):
        nearest = plain_gaps(x, chosen).min(axis=1)
        if step % 8 == 0:
            candidates = plain_draw(generator, weights * nearest, 8)
        offered = candidates[step % 8]
        sets = [[offered if j == i else c for j, c in enumerate(chosen)] for i in range(k)]
        costs = [weights @ plain_gaps(x, s).min(axis=1) for s in sets]
        if min(costs) < weights @ nearest - 1e-12:
            chosen = sets[int(np.argmin(costs))]
    return x[chosen]


@pytest.mark.parametrize(("m", "k"), [(3, 1), (3, 4), (5, 9), (4, 12), (2, 21)])
def test_spread_is_the_published_choice(m, k):
    # Weights that differ by a factor of a thousand decide what is drawn, what a choice costs and what is exchanged.
    for seed in range(4):
        gen = np.random.default_rng(seed)
        x, w = unit_rows(gen, 150, m), 10.0 ** gen.uniform(-3, 0, 150)
        found = _vmf_starts.spread(as_rows("test", x, w), k, stream(seed))
        np.testing.assert_array_equal(found, plain_spread(x, w, k, stream(seed).generator()))


@pytest.mark.parametrize(("k", "size"), [(3, 4096), (20, 5120), (100, 16384), (600, 19200)])
def test_how_many_rows_a_start_looks_at(monkeypatch, k, size):
    # At most SUBSET, at least a quarter of it, 256 a component in between; few numbers, but 32 rows a component.
    rows = as_rows("test", np.broadcast_to(np.eye(2)[0], (20_000, 2)))
    assert len(_vmf_starts.subset(rows, k, stream(0))) == size
    monkeypatch.setattr(_vmf_starts, "NUMBERS", 2000)
    assert len(_vmf_starts.subset(rows, k, stream(0))) == max(1000, 32 * k)


def test_cluster_goes_on_until_the_cosines_gain_no_more():
    # From one place for all the directions Lloyd's steps are many; at their end each direction is its own rows' mean.
    x = VonMisesFisher(unit_rows(np.random.default_rng(2), 5, 4), 6.0).sample(60, rng=0).reshape(-1, 4)
    start = unit_rows(np.random.default_rng(3), 5, 4) * 0.2 + np.eye(4)[0]
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    found = _vmf_starts.cluster(as_rows("test", x), start, 1e6)
    own = np.eye(5)[(x @ found.mu.T).argmax(axis=1)]
    sums = own.T @ x
    again = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    first = np.eye(5)[(x @ start.T).argmax(axis=1)].T @ x
    assert np.abs(found.mu - first / np.linalg.norm(first, axis=1, keepdims=True)).max() > 0.2
    assert (own * (x @ again.T)).sum() / len(x) - (own * (x @ found.mu.T)).sum() / len(x) < 1e-5
    np.testing.assert_allclose(found.mu, again, atol=0.02)
    np.testing.assert_allclose(found.kappa, found.kappa[0], rtol=1e-15)


def test_a_level_rounded_up_to_the_last_edge_draws_the_last_component(monkeypatch):
    model = VonMisesFisherMixture(3, rng=0).fit(unit_rows(np.random.default_rng(0), 40, 3))
    levels = np.array([0.0, 1.0, 0.5, 1.0])
    monkeypatch.setattr(vmf_mixture, "uniform", lambda n, rng, xp: levels[:n])
    assert model.sample(4)[1].tolist() == [0, 2, int(np.searchsorted(np.cumsum(model.weights_), 0.5)), 2]
