"""The dense layer: an affine map and an activation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy import ndarray

from geomlat.backends import kernel, namespace
from geomlat.backends import rows as rows_of
from geomlat.grad import Params
from geomlat.nn.activations import Activation, activation
from geomlat.nn.initialisers import glorot_uniform, he_normal, zeros
from geomlat.nn.layer import Initialiser, Layer

Array = Any


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """``y = f(x @ weight + bias)``, shapes ``(..., n_in)`` to ``(..., n_out)``.

    Parameters
    ----------
    n_in, n_out
        Widths, at least 1.
    activation
        A name of `geomlat.nn.ACTIVATIONS`, or None for the affine map alone.
    weight_init, bias_init
        Initialisers ``(stream, shape) -> array``. The weight's default is He's normal for the relu family and Glorot's
        uniform for the others; the bias starts at zero.

    Raises
    ------
    ValueError
        For a width below 1 or an unknown activation.
    """

    n_in: int
    n_out: int
    activation: str | None = None
    weight_init: Initialiser | None = None
    bias_init: Initialiser = zeros
    rule: Activation = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.n_in < 1 or self.n_out < 1:
            msg = f"Dense needs at least one input and one output, got n_in={self.n_in}, n_out={self.n_out}"
            raise ValueError(msg)
        object.__setattr__(self, "rule", activation(self.activation))

    def parameters(self) -> dict[str, tuple[tuple[int, ...], Initialiser]]:
        """``weight`` of shape ``(n_in, n_out)`` and ``bias`` of shape ``(n_out,)``."""
        weight_init = self.weight_init or (he_normal if self.rule.relu_like else glorot_uniform)
        return {"weight": ((self.n_in, self.n_out), weight_init), "bias": ((self.n_out,), self.bias_init)}

    def vjp(self, p: Params, x: Array) -> tuple[Array, Callable[..., Array]]:
        """The output, and ``pull(dy, g, inputs=True) -> dx``, which adds to the views ``g``.

        With ``inputs=False`` the cotangent of ``x`` is not computed and None returned: for a first layer fed by data.
        """
        weight, bias = p.of(self)
        xp, rule, several = namespace(x, weight), self.rule, weight.ndim == 3
        s = xp.matmul(x, weight)
        relu = rule.name == "relu" and not several and type(s) is ndarray and s.dtype.char in "fd"
        if relu:
            # One pass in place of three: small nets spend as long in these as in their products.
            _shifted_relu(s.size // self.n_out, bias, s.reshape(-1, self.n_out))
            y = s
        else:
            s += bias[:, None] if several else bias
            y = rule.f(xp, s)

        def pull(dy: Array, g: Params, *, inputs: bool = True) -> Array:
            if dy is None:
                return None
            if relu and dy.dtype == y.dtype:
                ds = np.empty_like(y)
                _relu_pull(y.size, y.reshape(-1), rows_of(dy, dy.shape, 0), ds.reshape(-1))
            else:
                ds = dy if rule.name == "identity" else dy * rule.slope(xp, s, y)
            rows, seen = (ds, x) if several else (xp.reshape(ds, (-1, self.n_out)), xp.reshape(x, (-1, self.n_in)))
            g.add_product(self, 0, seen.mT, rows)
            _, dbias = g.of(self)
            dbias += xp.matmul(xp.ones_like(rows[..., :1]).mT, rows)[..., 0, :]
            return xp.matmul(ds, weight.mT) if inputs else None

        return y, pull


@kernel(cost=0.5)
def _shifted_relu(i: int, bias: Any, s: Any) -> None:
    for j in range(bias.shape[0]):
        v = s[i, j] + bias[j]
        s[i, j] = 0.0 if v <= 0.0 else v  # a NaN stays one


@kernel(cost=0.5)
def _relu_pull(i: int, y: Any, dy: Any, ds: Any) -> None:
    ds[i] = dy[i] if y[i] > 0.0 else 0.0
