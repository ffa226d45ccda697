"""The estimator face of a model: ``fit``, ``transform``, ``inverse_transform`` in scikit-learn's manner."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from geomlat.models.likelihood import Likelihood
from geomlat.nn import MLP, GatedMLP
from geomlat.train.trainable import Trainable, finite, shaped

Array = Any


class Estimator(Trainable):
    """What autoencoders share: codes of the rows of the data, and rows for codes.

    Subclasses give ``encode(theta, x)``, ``decode(theta, z)`` and the fields below.
    """

    decoder: MLP | GatedMLP
    likelihood: Likelihood

    @property
    def code_width(self) -> int:
        """Coordinates of a code."""
        return self.decoder.n_in

    @abstractmethod
    def encode(self, theta: Array, x: Array) -> Any:
        """The posterior of each row."""

    @abstractmethod
    def decode(self, theta: Array, z: Array) -> Array:
        """The mean of the data at each code."""

    def check(self, X: Array) -> None:
        """Raise ValueError if the likelihood does not know a value of ``X``."""
        self.likelihood.check(X)

    def transform(self, X: Array) -> Array:
        """The code of each row: the mode of its posterior, ``(n, code_width)``."""
        return self.encode(self.vector(), self.checked(X)).mode()

    def inverse_transform(self, Z: Array) -> Array:
        """The mean of the data at each code, ``(n, n_features)``."""
        return self.decode(self.vector(), finite("Z", shaped("Z", Z, self.code_width)))

    def fit_transform(self, X: Array, y: None = None, **settings: Any) -> Array:
        """``fit(X, **settings).transform(X)``."""
        return self.fit(X, **settings).transform(X)
