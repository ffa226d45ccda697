"""A public kit of laws: property tests for manifolds and distributions of your own, on any array library.

`geomlat.testing.laws` holds the identities every manifold obeys and `geomlat.testing.calculus` the derivatives, each a
function that raises `LawError` with the law, the inputs and the error in roundings. `geomlat.testing.strategies` draws
the inputs with Hypothesis, aimed at the places where formulas break; `geomlat.testing.examination.examine` runs all
laws on a manifold and an array library, as `geomlat check` does. `geomlat.testing.families` and
`geomlat.testing.sampling` do the same for distributions, integrating over the charts of `geomlat.testing.charts`.
"""

from __future__ import annotations

from geomlat.testing.calculus import CALCULUS
from geomlat.testing.example import Example
from geomlat.testing.families import FAMILY_LAWS
from geomlat.testing.kinds import libraries_agree
from geomlat.testing.laws import LAWS, LawError, check_law
from geomlat.testing.sampling import SAMPLING_LAWS

__all__ = [
    "CALCULUS",
    "FAMILY_LAWS",
    "LAWS",
    "SAMPLING_LAWS",
    "Example",
    "LawError",
    "check_law",
    "libraries_agree",
]
