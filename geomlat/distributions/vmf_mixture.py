"""Clustering and density estimation on the sphere: a mixture of von Mises-Fisher laws fitted by EM."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple, Self

import numpy as np

from geomlat.backends import Array, namespace
from geomlat.backends.threads import one_blas_thread
from geomlat.distributions._protocol import EstimatorProtocol
from geomlat.distributions._unit_rows import UnitRows, unit_rows
from geomlat.distributions._vmf_em import Parameters, Rule, expectation, labels, log_density, maximisation
from geomlat.distributions._vmf_starts import Climb, best_climb
from geomlat.distributions.mixture import Mixture
from geomlat.distributions.von_mises_fisher import VonMisesFisher
from geomlat.random import stream, uniform

FORGET = 0.7
"""A batch with the share s of all weight seen so far replaces the share s^0.7 of the running statistics."""

EMPTY = 1e-9
"""A component of less weight counts as empty."""


class MixtureStatus(NamedTuple):
    """How a fit ended."""

    converged: bool
    """Whether the last step raised the objective by ``tol`` or less."""

    steps: int
    """The steps made on all rows, or the batches seen by `partial_fit`."""

    gain: float
    """What the last step raised the objective by, per row."""

    empty: int
    """Components of weight below 1e-9: more than the rows support."""

    capped: int
    """Components at ``max_kappa``: their rows coincide, or nearly."""


class VonMisesFisherMixture(EstimatorProtocol):
    """A mixture of K von Mises-Fisher laws on the unit sphere of R^m, fitted by expectation-maximisation

        q(x) = sum_k weight_k vMF(x; mu_k, kappa_k)

    in scikit-learn's manner: ``fit``, ``predict``, ``predict_proba``, ``score_samples``, ``score``, ``sample``,
    ``bic``, ``aic``, ``get_params``; ``partial_fit`` takes one batch of a stream after another, and `law` gives the
    result as a `Mixture`. The rows are unit vectors, dense (NumPy, CuPy, ``numpy.memmap``) or SciPy-sparse, float32 or
    float64, read in blocks and never copied.
    Tested for m = 2 .. 4096 and kappa = 0 .. 1e6.

    Each of ``n_init`` starts is k-means++ by the cosine with exchanges, Lloyd's steps and up to ten EM steps on some
    of the rows (4096 or 256 a component, at most 16384); EM on all rows continues from the best of them.

    Parameters
    ----------
    n_components
        K.
    concentration
        ``"free"``: a kappa for each component, the better density; ``"tied"``: one for all, whose clusters are of one
        width as those of k-means. On 10000 MNIST images at K = 10 free kappas gain 8 nats (5 on held-out images) and
        the best of them by likelihood have a normalised mutual information of 0.49 with the digits, tied ones 0.53.
    assignment
        ``"soft"``: by probabilities, which maximises the likelihood; ``"hard"``: each row to its best component, which
        maximises the classification likelihood (with a tied kappa and equal weights: spherical k-means).
    n_init
        Starts.
    max_iter, tol
        EM steps at most; they end when one raises the objective per row by ``tol`` or less, in nats.
    prior_count
        Free kappas are steadied by this many imaginary rows of the starting clusters' pooled concentration, so that a
        component of one row, or of equal rows, stays finite; 0 gives plain maximum likelihood.
    max_kappa
        No kappa grows above it: the likelihood of equal rows has no maximum.
    rng
        Anything `geomlat.random.stream` takes.

    Attributes
    ----------
    weights_, mu_, kappa_
        ``(K,)``, ``(K, m)``, ``(K,)``, in float64; ``kappa_`` repeats a tied kappa.
    lower_bound_, lower_bounds_
        The last objective and that of every step: the mean log-likelihood of a row, less the prior's penalty.
    converged_, n_iter_, status_
        How the fit ended; ``status_`` is a `MixtureStatus`.
    n_features_in_
        m.

    References
    ----------
    Banerjee, Dhillon, Ghosh and Sra (2005), "Clustering on the unit hypersphere using von Mises-Fisher distributions",
    algorithms 1 and 2; Cappe and Moulines (2009), "Online expectation-maximization for latent data models", eq. 10.

    Examples
    --------
    >>> import numpy as np
    >>> from geomlat import VonMisesFisher
    >>> x = VonMisesFisher(np.eye(3), 50.0).sample(100, rng=0).reshape(-1, 3)
    >>> model = VonMisesFisherMixture(3, rng=0).fit(x)
    >>> np.bincount(model.predict(x)).tolist()
    [100, 100, 100]
    """

    weights_: Array
    mu_: Array
    kappa_: Array
    lower_bound_: float
    lower_bounds_: list[float]
    status_: MixtureStatus
    n_features_in_: int
    _climb: Climb

    def __init__(
        self,
        n_components: int = 1,
        *,
        concentration: str = "free",
        assignment: str = "soft",
        n_init: int = 4,
        max_iter: int = 300,
        tol: float = 1e-5,
        prior_count: float = 1.0,
        max_kappa: float = 1e6,
        rng: Any = None,
    ) -> None:
        self.n_components = n_components
        self.concentration = concentration
        self.assignment = assignment
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.prior_count = prior_count
        self.max_kappa = max_kappa
        self.rng = rng

    def fit(self, X: Any, y: None = None, sample_weight: Any = None) -> Self:
        """Fit to unit rows ``X`` ``(n, m)``, each counted ``sample_weight`` ``(n,)`` times. Returns the model itself.

        Raises
        ------
        ValueError
            For rows whose length is not 1, fewer rows than components, a wrong shape or weight, or a setting out of its
            range.
        TypeError
            For rows of another dtype than float32 and float64 (integers become float64).
        """
        self._fit(X, sample_weight)
        if not self.converged_:
            msg = (
                f"VonMisesFisherMixture made {self.n_iter_} steps without converging (the last gained "
                f"{self.status_.gain:.3g} per row); raise max_iter or tol"
            )
            warnings.warn(msg, RuntimeWarning, stacklevel=2)
        return self

    def partial_fit(self, X: Any, y: None = None, sample_weight: Any = None) -> Self:
        """Learn from one batch of a stream: the first is fitted, each later one moves the running statistics.

        It continues after `fit` too. The first batch must have at least as many rows as there are components, and
        should hold rows of each of them.
        """
        if not hasattr(self, "_climb"):
            self._fit(X, sample_weight)
            return self._keep(self._climb, steps=1)
        rows, last = self._checked(X, sample_weight), self._climb
        new = expectation(rows, last.at, hard=last.rule.hard)
        share = (new.total / (new.total + last.found.total)) ** FORGET
        found = last.found.mixed(new, share)
        objectives = [*last.objectives, last.rule.objective(new, last.at)]
        moved = Climb(maximisation(found, last.at, last.rule), found, last.rule, objectives, False)
        return self._keep(moved, steps=self.n_iter_ + 1)

    def predict(self, X: Any) -> Array:
        """The most probable component of each row, int64 ``(n,)``."""
        return labels(self._checked(X), self._parameters)

    def fit_predict(self, X: Any, y: None = None, sample_weight: Any = None) -> Array:
        """``fit(X, sample_weight=sample_weight).predict(X)``."""
        return self.fit(X, sample_weight=sample_weight).predict(X)

    def predict_proba(self, X: Any) -> Array:
        """The probability of each component given the row, ``(n, K)``, in the dtype of the rows."""
        rows = self._checked(X)
        share = rows.xp.empty((len(rows), len(self.kappa_)), dtype=rows.x.dtype)
        log_density(rows, self._parameters, share)
        return share

    def score_samples(self, X: Any) -> Array:
        """The log-density ``(n,)`` of each row, with respect to the surface measure, in the dtype of the rows."""
        rows = self._checked(X)
        return rows.xp.astype(log_density(rows, self._parameters), rows.x.dtype)

    def score(self, X: Any, y: None = None, sample_weight: Any = None) -> float:
        """The mean log-density of the rows."""
        rows = self._checked(X, sample_weight)
        total = rows.weights * log_density(rows, self._parameters)
        return float(total.sum()) / rows.total

    def bic(self, X: Any) -> float:
        """Bayes' information criterion, ``(free parameters) log n - 2 log-likelihood``; the lower the better."""
        rows = self._checked(X)
        return self._free() * math.log(len(rows)) - 2.0 * float(log_density(rows, self._parameters).sum())

    def aic(self, X: Any) -> float:
        """Akaike's information criterion, ``2 (free parameters) - 2 log-likelihood``; the lower the better."""
        return 2.0 * self._free() - 2.0 * float(log_density(self._checked(X), self._parameters).sum())

    def sample(self, n_samples: int = 1, *, rng: Any = None) -> tuple[Array, Array]:
        """Draws ``(n_samples, m)`` in float64 and the component of each, int64; ``rng=None`` uses the model's."""
        first = stream(self.rng if rng is None else rng).child("sample")
        at = self._parameters
        xp = namespace(at.mu)
        edges = xp.cumulative_sum(at.weights)
        level = uniform(n_samples, rng=first.child("component"), xp=xp) * edges[-1]
        component = xp.minimum(xp.searchsorted(edges, level, side="right"), len(edges) - 1)
        draws = VonMisesFisher(at.mu[component], at.kappa[component]).sample(rng=first.child("point"))
        return draws, xp.astype(component, xp.int64)

    def law(self) -> Mixture:
        """The fitted mixture as a distribution, with the pullbacks of its density and of its draws."""
        at = self._parameters
        return Mixture(at.log_weights(), VonMisesFisher(at.mu, at.kappa))

    @property
    def converged_(self) -> bool:
        """Whether the fit converged."""
        return self.status_.converged

    @property
    def n_iter_(self) -> int:
        """The steps made on all rows, or the batches seen."""
        return self.status_.steps

    @property
    def _parameters(self) -> Parameters:
        if not hasattr(self, "mu_"):
            msg = "this VonMisesFisherMixture is not fitted yet; call fit(X) or partial_fit(X)"
            raise AttributeError(msg)
        return Parameters(self.weights_, self.mu_, self.kappa_)

    def _checked(self, X: Any, sample_weight: Any = None) -> UnitRows:
        return unit_rows("VonMisesFisherMixture", X, sample_weight, width=self._parameters.mu.shape[1])

    def _free(self) -> int:
        k, m = self.mu_.shape
        return int(k * (m - 1) + (1 if self._climb.rule.tied else k) + k - 1)

    def _fit(self, X: Any, sample_weight: Any) -> None:
        rule = self._checked_rule()
        rows = unit_rows("VonMisesFisherMixture", X, sample_weight)
        if len(rows) < self.n_components:
            msg = f"VonMisesFisherMixture needs at least n_components = {self.n_components} rows, got {len(rows)}"
            raise ValueError(msg)
        # Once for all passes over the rows: a change of the BLAS takes as long as a pass over few of them.
        with one_blas_thread():
            found = best_climb(
                rows,
                self.n_components,
                rule,
                starts=self.n_init,
                max_iter=self.max_iter,
                tol=self.tol,
                rng=stream(self.rng).child("mixture"),
            )
        self._keep(found, steps=len(found.objectives) - 1)

    def _keep(self, found: Climb, *, steps: int) -> Self:
        self._climb, self.n_features_in_ = found, int(found.at.mu.shape[1])
        self.weights_, self.mu_, self.kappa_ = found.at.weights, found.at.mu, found.at.kappa
        self.lower_bounds_, self.lower_bound_ = found.objectives, found.objectives[-1]
        self.status_ = MixtureStatus(
            found.converged,
            steps,
            found.objectives[-1] - found.objectives[-2] if len(found.objectives) > 1 else math.inf,
            int((self.weights_ < EMPTY).sum()),
            int((self.kappa_ >= found.rule.cap).sum()),
        )
        return self

    def _checked_rule(self) -> Rule:
        for name, known in (("concentration", ("free", "tied")), ("assignment", ("soft", "hard"))):
            if getattr(self, name) not in known:
                msg = f"{name} must be {known[0]!r} or {known[1]!r}, got {getattr(self, name)!r}"
                raise ValueError(msg)
        for name in ("n_components", "n_init", "max_iter"):
            if not isinstance(getattr(self, name), int | np.integer) or getattr(self, name) < 1:
                msg = f"{name} must be an int of at least 1, got {getattr(self, name)!r}"
                raise ValueError(msg)
        if not (self.tol >= 0.0 and 0.0 <= self.prior_count < math.inf and 0.0 < self.max_kappa < math.inf):
            msg = (
                "tol and prior_count must be at least 0 and max_kappa positive, all finite, got "
                f"tol={self.tol}, prior_count={self.prior_count}, max_kappa={self.max_kappa}"
            )
            raise ValueError(msg)
        return Rule(self.assignment == "hard", self.concentration == "tied", self.max_kappa, self.prior_count)
