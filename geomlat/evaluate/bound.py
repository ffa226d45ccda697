"""The evidence bound over a data set, in blocks of rows."""

from __future__ import annotations

from typing import Any, Protocol

from geomlat.random import stream


class Reporting(Protocol):
    """A model that reports its objective."""

    def report(self, theta: Any, x: Any, noise: Any) -> dict[str, Any]:
        """Means over the rows of ``x``, a ``"loss"`` among them."""


def bound(model: Reporting, theta: Any, x: Any, *, rng: Any, rows: int = 1000) -> dict[str, float]:
    """The means over all rows of what ``model.report`` gives (``loss``, ``reconstruction``, ``kl``: nats per row).

    The rows from ``i`` on draw from ``stream(rng).child(i)``.
    """
    if rows < 1 or not len(x):
        msg = f"bound needs rows of data and rows >= 1, got {len(x)} and {rows}"
        raise ValueError(msg)
    first, totals = stream(rng), dict[str, float]()
    for i in range(0, len(x), rows):
        block = x[i : i + rows]
        for name, value in model.report(theta, block, first.child(i)).items():
            totals[name] = totals.get(name, 0.0) + float(value) * len(block) / len(x)
    return totals
