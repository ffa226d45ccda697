"""What a trained model is worth: likelihood, rate and distortion, and what its latent space knows about labels.

Everything here takes arrays, or a model by its methods alone; scikit-learn is loaded only where it is called.
"""

from __future__ import annotations

from geomlat.evaluate.angles import (
    AngularScores,
    angular_scores,
    circular_correlation,
    circular_rank_correlation,
    independent_angles,
)
from geomlat.evaluate.baseline import factorised_baseline, independent_normals
from geomlat.evaluate.bound import bound
from geomlat.evaluate.clusters import ClusterScores, cluster_scores, k_medoids, matched_accuracy
from geomlat.evaluate.divergence import Divergences, divergences, sphere_nodes
from geomlat.evaluate.kernel_density import SphericalKernelDensity
from geomlat.evaluate.likelihood import LogLikelihood, log_likelihood
from geomlat.evaluate.neighbours import knn_accuracy, knn_predict, label_subsets, subset_accuracies
from geomlat.evaluate.rate import RateDistortion, active_units, factor_active_units, mean_and_error, rate_distortion
from geomlat.evaluate.recovery import CircleRecovery, DistanceRecovery, circle_recovery, distance_recovery
from geomlat.evaluate.tails import Tails, bits_per_dimension, tails

__all__ = [
    "AngularScores",
    "CircleRecovery",
    "ClusterScores",
    "DistanceRecovery",
    "Divergences",
    "LogLikelihood",
    "RateDistortion",
    "SphericalKernelDensity",
    "Tails",
    "active_units",
    "angular_scores",
    "bits_per_dimension",
    "bound",
    "circle_recovery",
    "circular_correlation",
    "circular_rank_correlation",
    "cluster_scores",
    "distance_recovery",
    "divergences",
    "factor_active_units",
    "factorised_baseline",
    "independent_angles",
    "independent_normals",
    "k_medoids",
    "knn_accuracy",
    "knn_predict",
    "label_subsets",
    "log_likelihood",
    "matched_accuracy",
    "mean_and_error",
    "rate_distortion",
    "sphere_nodes",
    "subset_accuracies",
    "tails",
]
