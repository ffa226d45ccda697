"""The estimator face of a model: ``fit``, ``transform``, ``inverse_transform`` in scikit-learn's manner."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from geomlat.backends import namespace
from geomlat.models.config import describe
from geomlat.nn import Layer

Array = Any


class Estimator(Layer):
    """What autoencoders share: a fitted vector ``theta`` and the methods that use it.

    The description stays immutable; ``fit`` adds ``theta`` (the parameter vector) and ``run`` (the training record).
    Subclasses give ``encode(theta, x)``, ``decode(theta, z)`` and ``n_features``.
    """

    theta: Any
    run: Any

    @property
    def n_features(self) -> int:
        """Features of a row of the data."""
        raise AttributeError

    def fit(self, X: Array, y: None = None, *, epochs: int = 20, rng: Any = None, **settings: Any) -> Self:
        """Train on the rows of ``X``; ``settings`` are those of `geomlat.train.fit`. Returns the model itself.

        Raises
        ------
        ValueError
            If ``X`` is not ``(n, n_features)`` or holds NaN or infinities, or a setting is out of its range.
        """
        from geomlat.train import fit

        run = fit(self, self._shaped(X), epochs=epochs, rng=rng, **settings)
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
        return self.decode(self.vector(), Z)

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
        """``X`` if it is a finite floating array of ``n_features`` columns; lists and integers become float32."""
        X = self._shaped(X)
        xp = namespace(X)
        if not xp.isdtype(X.dtype, "real floating"):
            X = xp.astype(X, xp.float32)
        if not bool(xp.all(xp.isfinite(X))):
            msg = "X holds NaN or infinite values; remove or impute them first"
            raise ValueError(msg)
        return X

    def _shaped(self, X: Array) -> Array:
        X = np.asarray(X) if isinstance(X, list | tuple) else X
        if X.ndim != 2 or X.shape[1] != self.n_features:
            msg = f"X has shape {tuple(X.shape)}; this model takes (n, {self.n_features})"
            raise ValueError(msg)
        return X

    def config(self) -> dict[str, Any]:
        """A description of the model as plain data, from which `geomlat.models.build` makes it again."""
        return dict(describe(self))

    def encode(self, theta: Array, x: Array) -> Any:
        """The posterior of each row."""
        raise AttributeError

    def decode(self, theta: Array, z: Array) -> Array:
        """The mean of the data at each code."""
        raise AttributeError
