"""Two densities on the sphere S^2 compared by quadrature, not by draws: divergences both ways and misplaced mass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


@dataclass(frozen=True)
class Divergences:
    """How a model q differs from a target p.

    Parameters
    ----------
    mass
        The integral of q, to 1 what the model loses or counts twice.
    reverse, forward
        KL(q || p) and KL(p || q), in nats.
    spurious
        The mass that q puts where p is below a share of its peak.
    relative_ess
        1 / E_p[p / q]: the effective share of draws of q that are weighted to stand for p.
    """

    mass: float
    reverse: float
    forward: float
    spurious: float
    relative_ess: float


def sphere_nodes(rings: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """Nodes ``(2 rings^2, 3)`` and weights of the product rule on S^2: Gauss-Legendre in z, equal angles around it.

    Exact for polynomials of degree below ``2 rings``. Reference: Atkinson (1982), "Numerical integration on the
    sphere", section 2.
    """
    z, weight = np.polynomial.legendre.leggauss(rings)
    phi = math.pi * np.arange(2 * rings) / rings
    r = np.sqrt(1.0 - z * z)[:, None]
    x = np.stack(np.broadcast_arrays(r * np.cos(phi), r * np.sin(phi), z[:, None]), axis=-1)
    return x.reshape(-1, 3), np.repeat(weight * math.pi / rings, 2 * rings)


def divergences(log_target: Array, log_model: Array, weights: Array, *, border: float = 1e-4) -> Divergences:
    """`Divergences` from the log-densities at nodes and their weights; ``border`` is the share of the target's peak."""
    log_p, log_q = (np.asarray(a, dtype=np.float64) for a in (log_target, log_model))
    p, q = weights * np.exp(log_p), weights * np.exp(log_q)
    with np.errstate(invalid="ignore", over="ignore"):
        gap = log_p - log_q
        terms = [np.where(mass > 0.0, mass * part, 0.0) for mass, part in ((q, -gap), (p, gap), (p, np.exp(gap)))]
    reverse, forward, square = (float(t.sum()) for t in terms)
    outside = log_p < log_p.max() + math.log(border)
    return Divergences(float(q.sum()), reverse, forward, float(q[outside].sum()), 1.0 / square)
