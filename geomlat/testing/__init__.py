"""A public kit of laws: property tests for manifolds of your own, on any array library.

`geomlat.testing.laws` holds the identities every manifold obeys and `geomlat.testing.calculus` the derivatives, each a
function that raises `LawError` with the law, the inputs and the error in roundings. `geomlat.testing.strategies` draws
the inputs with Hypothesis, aimed at the places where formulas break.
"""

from __future__ import annotations

from geomlat.testing.calculus import CALCULUS
from geomlat.testing.laws import LAWS, LawError, check_law

__all__ = ["CALCULUS", "LAWS", "LawError", "check_law"]
