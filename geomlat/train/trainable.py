"""What is trained and then used: an immutable description plus, after ``fit``, its parameter vector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from geomlat.backends import namespace
from geomlat.nn import Layer
from geomlat.nn.config import describe

Array = Any


class Trainable(Layer, ABC):
    """A model with a fitted vector ``theta`` (and ``run``, the training record) for the methods that need one.

    Subclasses give ``n_features``, ``loss_vjp(theta, x, noise, beta=)``, ``report(theta, x, noise)`` and, where the
    model does not know every finite row, `check`.
    """

    theta: Any
    run: Any

    @property
    @abstractmethod
    def n_features(self) -> int:
        """Features of a row of the data."""

    def check(self, X: Array) -> None:
        """Raise ValueError if ``X`` holds values that the model does not know."""

    def fit(self, X: Array, y: None = None, *, epochs: int = 20, rng: Any = None, **settings: Any) -> Self:
        """Train on the rows of ``X``; ``settings`` are those of `geomlat.train.fit`. Returns the model itself.

        Raises
        ------
        ValueError
            If ``X`` is not ``(n, n_features)``, holds NaN, infinities or, without ``prepare=``, values that the
            model does not know, or a setting is out of its range.
        """
        from geomlat.train import fit
        from geomlat.train.settings import check_data

        X = shaped("X", X, self.n_features)
        if settings.get("prepare") is None:
            check_data("X", X)
            self.check(X)
        run = fit(self, X, epochs=epochs, rng=rng, **settings)
        return self.fitted(run.theta, run)

    def fitted(self, theta: Array, run: Any = None) -> Self:
        """The model with a parameter vector at hand for the methods that need one. Returns the model itself."""
        self.view(theta)
        self.__dict__["theta"] = theta
        self.__dict__["run"] = run
        return self

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
        """``X`` if its ``n_features`` columns hold what the model knows; lists and integers become float32."""
        X = finite("X", shaped("X", X, self.n_features))
        self.check(X)
        return X

    def config(self) -> dict[str, Any]:
        """A description of the model as plain data, from which `geomlat.models.build` makes it again."""
        return dict(describe(self))


def shaped(name: str, x: Array, width: int) -> Array:
    """``x`` as an array, if it is ``(n, width)``."""
    x = np.asarray(x) if isinstance(x, list | tuple) else x
    if x.ndim != 2 or x.shape[1] != width:
        msg = f"{name} has shape {tuple(x.shape)}; this model takes (n, {width})"
        raise ValueError(msg)
    return x


def finite(name: str, x: Array) -> Array:
    """``x`` in floating numbers, if they are all finite."""
    xp = namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        msg = f"{name} must hold real numbers, got dtype {x.dtype}"
        raise ValueError(msg)
    if not xp.isdtype(x.dtype, "real floating"):
        x = xp.astype(x, xp.float32)
    if not bool(xp.all(xp.isfinite(x))):
        msg = f"{name} holds NaN or infinite values; remove or impute them first"
        raise ValueError(msg)
    return x
