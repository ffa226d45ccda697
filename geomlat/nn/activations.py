"""Activations as a table: each row is a function, its derivative, where it is tested, and its source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace

Array = Any


@dataclass(frozen=True)
class Activation:
    """An elementwise function and its derivative as pure array expressions (NumPy, CuPy and any array-API library).

    ``slope(xp, x, y)`` is the derivative at ``x`` where ``y = f(xp, x)``, written in whichever of the two is cheaper.
    Shapes ``(...)`` to ``(...)``; the dtype is kept. At a kink the slope is the one on the left.

    Attributes
    ----------
    domain
        The interval on which the rule is tested.
    kinks
        Points where the derivative jumps.
    relu_like
        Whether weights before it start by He's rule (variance doubled because half of the input is cut) or by Glorot's.
    reference
        Author, year, and the form where there are several.
    """

    name: str
    f: Callable[[Any, Array], Array]
    slope: Callable[[Any, Array, Array], Array]
    domain: tuple[float, float]
    kinks: tuple[float, ...]
    relu_like: bool
    reference: str


def activation(name: str | None) -> Activation:
    """The activation called ``name``; None is the identity.

    Raises
    ------
    ValueError
        Naming the known activations, if ``name`` is not one of them.
    """
    found = ACTIVATIONS.get("identity" if name is None else name)
    if found is None:
        msg = f"unknown activation {name!r}; known: {', '.join(sorted(ACTIVATIONS))}"
        raise ValueError(msg)
    return found


def sigmoid(xp: Any, x: Array) -> Array:
    """``1 / (1 + exp(-x))`` without overflow and with full relative accuracy in both tails."""
    # Maximum and minimum pass the complex step, abs does not; a second exponential is quicker than a choice by the
    # sign, which no processor can foresee.
    low = xp.minimum(x, 0.0)
    far = xp.exp(low - xp.maximum(x, 0.0))
    far += 1.0
    return xp.exp(low) / far


def softplus(x: Array) -> tuple[Array, Array]:
    """``log(1 + e^x)`` without overflow, and its derivative, the logistic function: what heads keep positive by."""
    xp = namespace(x)
    y = _softplus(xp, x)
    return y, _softplus_slope(xp, x, y)


def _softplus(xp: Any, x: Array) -> Array:
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(xp.minimum(x, 0.0) - xp.maximum(x, 0.0)))


def _softplus_slope(xp: Any, x: Array, y: Array) -> Array:
    return -xp.expm1(-y)


def _elu(xp: Any, x: Array) -> Array:
    return xp.maximum(x, 0.0) + xp.expm1(xp.minimum(x, 0.0))


def _gelu_gate(xp: Any, x: Array) -> tuple[Array, Array]:
    # (1 + tanh u) / 2 = sigmoid(2 u) keeps its digits in the left tail; beyond 20 it is 0 or 1, and the cube of a large
    # float32 would overflow.
    z = xp.minimum(xp.maximum(x, -20.0), 20.0)
    return z, sigmoid(xp, _SQRT_8_PI * (z + _CUBIC * z * z * z))


def _gelu(xp: Any, x: Array) -> Array:
    return x * _gelu_gate(xp, x)[1]


def _gelu_slope(xp: Any, x: Array, y: Array) -> Array:
    z, s = _gelu_gate(xp, x)
    return s + _SQRT_8_PI * z * (1.0 + 3.0 * _CUBIC * z * z) * s * (1.0 - s)


def _silu_slope(xp: Any, x: Array, y: Array) -> Array:
    s = sigmoid(xp, x)
    return s + y * (1.0 - s)


def _ones(xp: Any, x: Array, y: Array) -> Array:
    return xp.ones_like(x)


_SQRT_8_PI = math.sqrt(8.0 / math.pi)
_CUBIC = 0.044715
_LEAK = 0.01

_ROWS = (
    Activation("identity", lambda xp, x: x, _ones, (-50, 50), (), False, "-"),
    Activation(
        "relu",
        lambda xp, x: xp.maximum(x, 0.0),
        lambda xp, x, y: xp.astype(y > 0.0, y.dtype),
        (-50, 50),
        (0.0,),
        True,
        "Nair and Hinton (2010), eq. 4",
    ),
    Activation(
        "leaky_relu",
        lambda xp, x: xp.maximum(x, _LEAK * x),
        lambda xp, x, y: xp.astype(y > 0.0, y.dtype) * (1.0 - _LEAK) + _LEAK,
        (-50, 50),
        (0.0,),
        True,
        "Maas, Hannun and Ng (2013), eq. 3; slope 0.01",
    ),
    Activation(
        "elu", _elu, lambda xp, x, y: xp.minimum(y, 0.0) + 1.0, (-20, 50), (), True, "Clevert et al. (2016), eq. 15"
    ),
    Activation(
        "tanh", lambda xp, x: xp.tanh(x), lambda xp, x, y: 1.0 - y * y, (-8, 8), (), False, "LeCun et al. (1998)"
    ),
    Activation("sigmoid", sigmoid, lambda xp, x, y: y * (1.0 - y), (-30, 8), (), False, "LeCun et al. (1998)"),
    Activation("softplus", _softplus, _softplus_slope, (-30, 50), (), True, "Dugas et al. (2001), eq. 3"),
    Activation("gelu", _gelu, _gelu_slope, (-8, 30), (), True, "Hendrycks and Gimpel (2016), section 2: the tanh form"),
    Activation(
        "silu",
        lambda xp, x: x * sigmoid(xp, x),
        _silu_slope,
        (-30, 30),
        (),
        True,
        "Elfwing, Uchibe and Doya (2018), eq. 6",
    ),
)
ACTIVATIONS = {row.name: row for row in _ROWS}
