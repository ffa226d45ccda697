"""Tables of distances need memory for their result and for one block of rows, however many rows there are."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from geomlat.manifolds import MANIFOLDS

COLUMNS = 100


class Plain(np.ndarray):
    """A subclass of ndarray, whose tables are made in blocks."""


def beyond(run):
    run()  # what is compiled at its first call is no part of it
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def peaks(m, kind, count):
    """Bytes beyond the result, of a table and of its pull, which returns as many numbers as it was given points."""
    x, y = kind(m.random_point((count,), rng=0)), kind(m.random_point((COLUMNS,), rng=1))
    out = kind(np.empty((count, COLUMNS)))
    m.pairwise_dist(x, y, out=out)
    pull = m.pairwise_dist_vjp(x, y)[1]
    return np.array([beyond(lambda: m.pairwise_dist(x, y, out=out)), beyond(lambda: pull(out)) - 4 * x.nbytes])


@pytest.mark.parametrize("kind", [np.asarray, lambda a: a.view(Plain)], ids=["table", "blocks"])
@pytest.mark.parametrize("m", [family[-1] for family in MANIFOLDS.values()], ids=repr)
def test_the_memory_of_a_table_does_not_grow_with_its_rows(m, kind, monkeypatch):
    for module in ("base", "product"):
        monkeypatch.setattr(f"geomlat.manifolds.{module}.BLOCK", 1 << 13)
    grown = peaks(m, kind, 1000) - peaks(m, kind, 200)
    assert np.max(grown) < 800 * COLUMNS * 8 / 8
