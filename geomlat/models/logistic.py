"""The discretised logistic likelihood of grey levels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from geomlat.backends import namespace
from geomlat.grad import sum_to
from geomlat.models.likelihood import Likelihood, Pull, span
from geomlat.nn.activations import sigmoid
from geomlat.random import stream, uniform

Array = Any
# The log-scale is CENTRE + REACH tanh(head / REACH): a standard deviation from 0.16 of a level of 256 to all of them.
CENTRE, REACH = -3.0, 5.0


@dataclass(frozen=True)
class DiscretisedLogistic(Likelihood):
    """Grey levels k = 0 .. levels - 1 by the mass that a logistic law on the line gives to each level's bin.

        p(k) = F(b) - F(a),  F the logistic function,  a = (k/levels - m)/s,  b = ((k + 1)/levels - m)/s,

    where the lowest level has a = -inf and the highest b = inf, so that the masses sum to one. The decoder gives the
    location ``m = F(head)`` as a share of the range, and a **log-scale** head for ``log s = -3 + 5 tanh(head/5)``,
    smooth and between -8 and 2: one for each feature, or with ``shared`` one for the row. The mass is evaluated as
    ``F(b) F(-a) (1 - e^(a-b))``, in which nothing cancels; the difference of two logistic functions plus a small
    constant, as published, does, and without the edge bins the masses do not sum to one.
    Salimans, Karpathy, Chen, Kingma (2017), section 2.1, with one component; Tomczak, Welling (2018), section 5.

    Parameters
    ----------
    levels
        The number of grey levels, at least 2.
    top
        The highest level as the data have it: 255 for whole numbers (the default, None, is ``levels - 1``), 1 for
        shares k/255.
    shared
        Whether the pixels of a row share one scale.

    Raises
    ------
    ValueError
        For fewer than two levels or a top that is not positive.
    """

    levels: int = 256
    top: float | None = None
    shared: bool = False

    def __post_init__(self) -> None:
        if self.levels < 2 or not 0.0 < self.unit < math.inf:
            msg = f"DiscretisedLogistic needs levels >= 2 and top > 0, got {self.levels} and {self.top}"
            raise ValueError(msg)

    @property
    def unit(self) -> float:
        """The highest level as the data have it."""
        return float(self.levels - 1 if self.top is None else self.top)

    @property
    def bounded(self) -> bool:
        """They are within ``[0, unit]``."""
        return True

    def width(self, n_features: int) -> int:
        """One location for each feature, and one log-scale for each or for all."""
        return n_features + (1 if self.shared else n_features)

    def check(self, x: Array) -> None:
        """ValueError unless ``x`` holds levels: whole numbers 0 .. levels - 1 where ``top`` is levels - 1."""
        xp = namespace(x)
        k = self._level(xp, x) if xp.isdtype(x.dtype, "real floating") else x
        broken = xp.isdtype(x.dtype, "real floating") and bool(xp.any(xp.abs(k * self._step - x) > 1e-4 * self._step))
        if broken or bool(xp.any((k < 0) | (k > self.levels - 1))):
            msg = (
                f"a discretised logistic likelihood takes the {self.levels} levels 0 .. {self.unit:g} in steps of "
                f"{self._step:g} ('logistic:1' those of shares k/255 of the highest); {span(x)}"
            )
            raise ValueError(msg)

    def nll_vjp(self, out: Array, x: Array) -> tuple[Array, Pull]:
        """``-log p(x | out)`` in nats, summed over the features, and its pull."""
        xp, n = namespace(out, x), x.shape[-1]
        m, slope, s, shape = self._heads(xp, out, n)
        k = self._level(xp, x)
        a, b, width = (k / self.levels - m) / s, ((k + 1.0) / self.levels - m) / s, 1.0 / (self.levels * s)
        low, high = k < 0.5, k > self.levels - 1.5
        # e^-|a| and e^-|b|; an open end has no such term.
        ea, eb = xp.where(low, 0.0, xp.exp(-_size(xp, a))), xp.where(high, 0.0, xp.exp(-_size(xp, b)))
        within = -xp.expm1(-width)
        rest, whole = xp.where(low | high, 0.0, 1.0 - within), xp.where(low | high, 1.0, within)
        outside = xp.where(low, 0.0, xp.maximum(a, 0.0)) + xp.where(high, 0.0, xp.maximum(-b, 0.0))
        nll = xp.sum(outside + xp.log1p((ea + eb + ea * eb + rest) / whole), axis=-1)

        def pull(dnll: Array) -> Array:
            above = xp.where(low, 0.0, xp.where(a > 0.0, 1.0, ea) / (1.0 + ea))
            below = xp.where(high, 0.0, xp.where(b < 0.0, 1.0, eb) / (1.0 + eb))
            d = dnll[..., None]
            dm = d * (below - above) / s * slope
            ds = d * (b * below - a * above + width * rest / whole) * shape
            ds = xp.sum(ds, axis=-1, keepdims=True) if self.shared else ds
            return sum_to(xp.concat([dm, ds], axis=-1), out.shape)

        return nll, pull

    def mean(self, out: Array) -> Array:
        """``sum_k F((m - k/levels)/s)``, k = 1 .. levels - 1, in the units of the data: the mean of the law itself."""
        xp = namespace(out)
        m, _, s, _ = self._heads(xp, out, self._n_features(out))
        total = xp.zeros_like(m)
        for k in range(1, self.levels):
            total += sigmoid(xp, (m - k / self.levels) / s)
        return total * self._step

    def sample(self, out: Array, *, rng: Any) -> Array:
        """The level of the bin that a draw of the logistic law falls into."""
        xp = namespace(out)
        m, _, s, _ = self._heads(xp, out, self._n_features(out))
        u = uniform(m.shape, rng=stream(rng), dtype=xp.float64, xp=xp)
        value = xp.astype(m, xp.float64) + s * (xp.log(u) - xp.log1p(-u))
        k = xp.minimum(xp.maximum(xp.floor(value * self.levels), 0.0), self.levels - 1.0)
        return xp.astype(k * self._step, out.dtype)

    @property
    def _step(self) -> float:
        return self.unit / (self.levels - 1)

    def _level(self, xp: Any, x: Array) -> Array:
        return xp.round(x / self._step)

    def _n_features(self, out: Array) -> int:
        width = int(out.shape[-1])
        return width - 1 if self.shared else width // 2

    def _heads(self, xp: Any, out: Array, n: int) -> tuple[Array, Array, Array, Array]:
        # The location, its slope, the scale, and the slope of the log-scale.
        m, t = sigmoid(xp, out[..., :n]), xp.tanh(out[..., n:] / REACH)
        return m, m * (1.0 - m), xp.exp(CENTRE + REACH * t), 1.0 - t * t


def _size(xp: Any, x: Array) -> Array:
    # |x| by maximum and minimum, which pass the complex step.
    return xp.maximum(x, 0.0) - xp.minimum(x, 0.0)
