"""The table of scalar functions and their derivatives, from which the tests of `geomlat.special` are generated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from geomlat.special import vmf


@dataclass(frozen=True)
class Derivative:
    """A function, its derivative by the last argument, where both are tested, and the source of the formula."""

    name: str
    f: Callable[..., Any]
    df: Callable[..., Any]
    #: The log-uniform range of each argument, in order.
    domain: tuple[tuple[float, float], ...]
    reference: str

    def sample(self, gen: np.random.Generator) -> tuple[float, ...]:
        """A random point of the domain."""
        return tuple(low * (high / low) ** gen.random() for low, high in self.domain)


def _minus_dratio(m: Any, kappa: Any) -> Any:
    return -vmf.vmf_dratio(m, kappa)


_MK = ((2.0, 1e6), (1e-3, 1e9))
# Differences of the ratio lose its digits where it saturates, those of 1 - ratio where it is nearly 1.
_SMALL = ((2.0, 1e6), (1e-3, 1e3))
_LARGE = ((2.0, 1e2), (1e2, 1e9))

DERIVATIVES = (
    Derivative("vmf_phi", vmf.vmf_phi, vmf.vmf_ratio, _MK, "Mardia and Jupp (2000), 9.3.8"),
    Derivative("vmf_ratio", vmf.vmf_ratio, vmf.vmf_dratio, _SMALL, "Amos (1974), eq. 9"),
    Derivative("vmf_one_minus_ratio", vmf.vmf_one_minus_ratio, _minus_dratio, _LARGE, "Amos (1974), eq. 9"),
    Derivative("vmf_kl", vmf.vmf_kl, vmf.vmf_dkl, _MK, "kappa times Var w"),
)
