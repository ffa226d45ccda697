"""Monotone maps whose inverse has no pullback of its own: value, slope and adjoint give all four directions.

With ``(f, L) = (y, log f')`` at ``(x, h)`` and its adjoint ``A(dy, dL) = (dx, dh)``, the inverse at ``y = f(x)`` has
log-slope ``-L``, and by the implicit function theorem its pullback of ``(dx, dl)`` is

    c = dx - dl dL/dx,   dy = c / f',   dh = the dh of A(-c / f', -dl).
"""

from __future__ import annotations

import math
from typing import Any

from geomlat.backends import Array, Kernel, namespace, native

Pull = Any


class MonotoneKernels:
    """The kernels of one family of maps: forward, inverse and the pull of either, over rows of numbers.

    ``forward(i, *settings, h, x, y, logdet)``, ``inverse`` likewise, and
    ``pull(i, *settings, inverse, h, x, dy, dlogdet, dh, dx)`` with x the point on the base side.
    """

    def __init__(self, forward: Kernel, inverse: Kernel, pull: Kernel) -> None:
        self.forward, self.inverse, self.pull = forward, inverse, pull

    def vjp(self, settings: tuple[Any, ...], inverse: bool, h: Array, x: Array) -> tuple[tuple[Array, Array], Pull]:
        """The map of each number of x with the parameters in h ``x.shape + (width,)``, and its pullback."""
        width = h.shape[-1]

        def run(h: Array, x: Array) -> Any:
            xp, n = namespace(x), math.prod(x.shape)
            out, logdet = xp.empty(n, dtype=x.dtype), xp.empty(n, dtype=x.dtype)
            kernel = self.inverse if inverse else self.forward
            kernel(n, *settings, xp.reshape(h, (n, width)), xp.reshape(x, (n,)), out, logdet)
            return xp.reshape(out, x.shape), xp.reshape(logdet, x.shape)

        out, logdet = native(run, h, x)
        base = out if inverse else x

        def pull(dy: Array, dlogdet: Array) -> tuple[Array, Array]:
            def run_pull(h: Array, base: Array, dy: Array, dlogdet: Array) -> Any:
                xp, n = namespace(base), math.prod(base.shape)
                dh, dx = xp.empty((n, width), dtype=base.dtype), xp.empty(n, dtype=base.dtype)
                flat = [xp.reshape(a, (n,)) for a in (base, dy, dlogdet)]
                self.pull(n, *settings, int(inverse), xp.reshape(h, (n, width)), *flat, dh, dx)
                return xp.reshape(dh, (*base.shape, width)), xp.reshape(dx, base.shape)

            dh, dx = native(run_pull, h, base, dy, dlogdet)
            return dh, dx

        return (out, logdet), pull
