"""The floor under every model of a data set: its features drawn independently of each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.evaluate import factorised_baseline, independent_angles, independent_normals
from geomlat.models.angles import VonMisesSoftplusKappa
from geomlat.models.gaussian import LearnedGaussian
from geomlat.models.likelihood import Likelihood
from geomlat.models.likelihoods import Binomial, Gaussian
from geomlat.models.logistic import DiscretisedLogistic


def independent_features(train: Any, test: Any, density: Likelihood) -> tuple[str, np.ndarray] | None:
    """What they are, "pixels", "angles" or "features", and log-likelihoods ``(n_test,)`` in nats by a fit to ``train``.

    For bits and counts the smoothed frequency of each pixel, for grey levels a histogram, for angles a von Mises law,
    for real values a normal law no narrower than that of ``density`` may be. None for a loss that is no likelihood.
    """
    if isinstance(density, Binomial | DiscretisedLogistic):
        return "pixels", factorised_baseline(train, test, density)
    if isinstance(density, VonMisesSoftplusKappa):
        return "angles", independent_angles(train, test)
    if isinstance(density, Gaussian | LearnedGaussian):
        least = density.sd if isinstance(density, Gaussian) else density.floor
        return "features", independent_normals(train, test, least=least)
    return None
