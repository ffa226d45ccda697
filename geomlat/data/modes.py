"""A toy law on the sphere S^2 with an exact log-density."""

from __future__ import annotations

import numpy as np

from geomlat.distributions import Mixture, PowerSpherical


def spherical_modes(kappa: float = 50.0) -> Mixture:
    """Two power spherical laws of equal weight, 90 degrees apart: at the North Pole and at (-1, 0, 0).

    The test of dequantisation and of flows in tangent spaces in the repository of Brofos, Brubaker, Lederman (2021).
    At kappa = 50 its entropy is 0.27263 nats, so that no model has a mean log-density above -0.27263 on its draws.
    """
    mu = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]])
    return Mixture(np.zeros(2), PowerSpherical(mu, np.full(2, kappa)))
