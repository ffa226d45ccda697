"""Likelihoods of angles, given as pairs ``(cos, sin)``; the pair (0, 0) is an angle that is not there.

A row of A angles has the 2 A features ``cos_1, sin_1, cos_2, sin_2, ...``, so that a network sees no jump at half a
turn, and rows with fewer angles are padded by zeros. Absent angles add exactly nothing to a value or a gradient.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.distributions import VonMises
from geomlat.grad import sum_to
from geomlat.manifolds import Sphere
from geomlat.manifolds.angles import angles_in, as_pairs, pairs_from_angles
from geomlat.models.likelihood import Array, Likelihood, Pull
from geomlat.nn.activations import softplus
from geomlat.special import vmf_one_minus_ratio, vmf_phi_minus_x

CIRCLE = Sphere(1)
LOG_TAU = math.log(2 * math.pi)
TOLERANCE = 1e-3


class Angles(Likelihood):
    """What likelihoods of angles share: the support, and a mean direction from two outputs for each angle."""

    @property
    def unit(self) -> float:
        """Pairs are of order one."""
        return 1.0

    @abstractmethod
    def directions(self, out: Array) -> Array:
        """The part of ``out`` that holds a vector along each angle's mean direction, ``(..., 2 A)``."""

    def check(self, x: Array) -> None:
        """ValueError unless every pair of ``x`` has length 1, or is (0, 0)."""
        xp, pairs = namespace(x), as_pairs(x)
        square = xp.sum(pairs * pairs, axis=-1)
        good = (xp.abs(square - 1) <= TOLERANCE) | xp.all(pairs == 0, axis=-1)
        if not bool(xp.all(good)):
            msg = (
                "a likelihood of angles takes pairs (cos, sin) side by side, and (0, 0) where there is no angle; "
                f"got a pair of squared length {float(square[~good][0]):g}"
            )
            raise ValueError(msg)

    def mean(self, out: Array) -> Array:
        """The mean directions as pairs ``(cos, sin)``, ``(..., 2 A)``."""
        directions = self.directions(out)
        return namespace(out).reshape(CIRCLE.project(as_pairs(directions)), directions.shape)

    def _chord_vjp(self, out: Array, x: Array) -> tuple[Array, Array, Pull]:
        """``1 - cos`` of the angle between head and datum, 1 where there is a datum and 0 elsewhere, and the pull."""
        xp, head = namespace(out, x), self.directions(out)
        x, (mu, pull_mu) = as_pairs(x), CIRCLE.project_vjp(as_pairs(head))
        gap = mu - x
        there = xp.astype(xp.any(x != 0, axis=-1), gap.dtype)

        def pull(dchord: Array) -> Array:
            (dhead,) = pull_mu(sum_to(dchord[..., None] * gap, mu.shape))
            return xp.reshape(dhead, head.shape)

        return 0.5 * xp.sum(gap * gap, axis=-1), there, pull


@dataclass(frozen=True)
class VonMisesSoftplusKappa(Angles):
    """Von Mises angles: ``-log p = sum_j kappa_j (1 - cos d_j) + phi(kappa_j) - kappa_j + log 2 pi`` over those there.

    The mean direction is a normalised pair of outputs, (1, 0) with no gradient where the pair is (0, 0);
    ``kappa = softplus`` of a further output, and ``phi = log I_0``. The density is with respect to arc length, in
    radians. The outputs are the pairs, then the concentrations. Mardia, Jupp (2000), section 3.5.4.

    Parameters
    ----------
    kappa
        ``"per-angle"``: an output for each angle; ``"per-row"``: one that all angles of a row share.

    Raises
    ------
    ValueError
        For another ``kappa``.
    """

    kappa: str = "per-angle"

    def __post_init__(self) -> None:
        if self.kappa not in ("per-angle", "per-row"):
            msg = f"kappa is 'per-angle' or 'per-row', got {self.kappa!r}"
            raise ValueError(msg)

    def width(self, n_features: int) -> int:
        """A pair for each angle, and one concentration for each or for all."""
        count = angles_in(n_features)
        return n_features + (count if self.kappa == "per-angle" else 1)

    def directions(self, out: Array) -> Array:
        """All outputs but the concentrations."""
        n = out.shape[-1]
        return out[..., : 2 * (n // 3) if self.kappa == "per-angle" else n - 1]

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``-log p(x | out)`` summed over the angles that are there, and its pull."""
        xp, (chord, there, pull_chord) = namespace(out, x), self._chord_vjp(out, x)
        kappa, slope = softplus(self._raw(out))
        nll = xp.sum(there * (kappa * chord + vmf_phi_minus_x(2.0, kappa) + LOG_TAU), axis=-1)

        def pull(dnll: Array) -> Array:
            weight = dnll[..., None] * there
            ddirections = pull_chord(weight * kappa)
            dkappa = sum_to(weight * (chord - vmf_one_minus_ratio(2.0, kappa)), slope.shape)
            return xp.concat([ddirections, dkappa * slope], axis=-1)

        return nll, pull

    def law(self, out: Array) -> VonMises:
        """The von Mises law of the angles, ``loc`` in radians."""
        pairs = as_pairs(self.mean(out))
        loc = namespace(out).atan2(pairs[..., 1], pairs[..., 0])
        return VonMises(loc, softplus(self._raw(out))[0])

    def sample(self, out: Array, *, rng: Any) -> Array:
        """Pairs ``(cos, sin)`` of drawn angles, one for each place."""
        return pairs_from_angles(self.law(out).sample(rng=rng))

    def _raw(self, out: Array) -> Array:
        return out[..., self.directions(out).shape[-1] :]


@dataclass(frozen=True)
class CosineLoss(Angles):
    """The loss ``sum_j 1 - cos d_j`` of angles: **no likelihood**, so there is no bound and nothing to draw from.

    Up to a constant it is `VonMisesSoftplusKappa` with every kappa held at 1, which is how it weighs against a rate.
    """

    def width(self, n_features: int) -> int:
        """A pair for each angle."""
        return 2 * angles_in(n_features)

    def directions(self, out: Array) -> Array:
        """All outputs."""
        return out

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """The loss summed over the angles that are there, and its pull."""
        chord, there, pull_chord = self._chord_vjp(out, x)

        def pull(dnll: Array) -> Array:
            return pull_chord(dnll[..., None] * there)

        return namespace(out, x).sum(there * chord, axis=-1), pull

    def sample(self, out: Array, *, rng: Any) -> Array:
        """ValueError: a loss has no law."""
        msg = "the cosine loss is no likelihood, so there is no law to draw from; ask for the mean, or use 'von-mises'"
        raise ValueError(msg)
