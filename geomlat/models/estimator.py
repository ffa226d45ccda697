"""The estimator face of a model: ``fit``, ``transform``, ``inverse_transform`` in scikit-learn's manner."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from geomlat.backends import namespace
from geomlat.models.config import describe
from geomlat.models.likelihoods import Binomial, Gaussian
from geomlat.nn import MLP, Layer

Array = Any


class Estimator(Layer, ABC):
    """What autoencoders share: a fitted vector ``theta`` and the methods that use it.

    The description stays immutable; ``fit`` adds ``theta`` (the parameter vector) and ``run`` (the training record).
    Subclasses give ``encode(theta, x)``, ``decode(theta, z)``, ``n_features`` and the fields below.
    """

    decoder: MLP
    likelihood: Binomial | Gaussian
    theta: Any
    run: Any

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Features of a row of the data."""

    @abstractmethod
    def encode(self, theta: Array, x: Array) -> Any:
        """The posterior of each row."""

    @abstractmethod
    def decode(self, theta: Array, z: Array) -> Array:
        """The mean of the data at each code."""

    def fit(self, X: Array, y: None = None, *, epochs: int = 20, rng: Any = None, **settings: Any) -> Self:
        """Train on the rows of ``X``; ``settings`` are those of `geomlat.train.fit`. Returns the model itself.

        Raises
        ------
        ValueError
            If ``X`` is not ``(n, n_features)``, holds NaN, infinities or, without ``prepare=``, values that the
            likelihood does not know, or a setting is out of its range.
        """
        from geomlat.train import fit

        X = _shaped("X", X, self.n_features)
        if settings.get("prepare") is None:
            self.likelihood.check(X)
        run = fit(self, X, epochs=epochs, rng=rng, **settings)
        return self.fitted(run.theta, run)

    def fitted(self, theta: Array, run: Any = None) -> Self:
        """The model with a parameter vector at hand for the methods that need one. Returns the model itself."""
        self.view(theta)
        self.__dict__["theta"] = theta
        self.__dict__["run"] = run
        return self

    def transform(self, X: Array) -> Array:
        """The code of each row: the mode of its posterior, ``(n, width)``."""
        return self.encode(self.vector(), self.checked(X)).mode()

    def inverse_transform(self, Z: Array) -> Array:
        """The mean of the data at each code, ``(n, n_features)``."""
        return self.decode(self.vector(), _finite("Z", _shaped("Z", Z, self.decoder.n_in)))

    def fit_transform(self, X: Array, y: None = None, **settings: Any) -> Array:
        """``fit(X, **settings).transform(X)``."""
        return self.fit(X, **settings).transform(X)

    def vector(self) -> Array:
        """The fitted parameter vector.

        Raises
        ------
        AttributeError
            If the model has neither been fitted nor been given a vector by `fitted`.
        """
        if "theta" not in self.__dict__:
            msg = f"this {type(self).__name__} is not fitted yet; call fit(X, epochs=...) or load a run"
            raise AttributeError(msg)
        return self.__dict__["theta"]

    def checked(self, X: Array) -> Array:
        """``X`` if its ``n_features`` columns hold what the likelihood knows; lists and integers become float32."""
        X = _finite("X", _shaped("X", X, self.n_features))
        self.likelihood.check(X)
        return X

    def config(self) -> dict[str, Any]:
        """A description of the model as plain data, from which `geomlat.models.build` makes it again."""
        return dict(describe(self))


def _shaped(name: str, x: Array, width: int) -> Array:
    x = np.asarray(x) if isinstance(x, list | tuple) else x
    if x.ndim != 2 or x.shape[1] != width:
        msg = f"{name} has shape {tuple(x.shape)}; this model takes (n, {width})"
        raise ValueError(msg)
    return x


def _finite(name: str, x: Array) -> Array:
    xp = namespace(x)
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float32)
    if not bool(xp.all(xp.isfinite(x))):
        msg = f"{name} holds NaN or infinite values; remove or impute them first"
        raise ValueError(msg)
    return x
