"""Riemannian gradient descent and Adam: parameters that live on manifolds, in one flat vector with those that do not.

Each point moves along the geodesic of its step, and its first moment is carried along by parallel transport: kept where
it was, it would neither be tangent nor point the same way at the new point. After each step the point is projected to
its manifold and the moment to the tangent space, so that the rounding of one step is not handed to the next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from geomlat.backends import namespace
from geomlat.manifolds import Euclidean, Manifold, Product, Sphere
from geomlat.optim.adam import Adam
from geomlat.optim.optimizer import Optimizer, State, has_kernels
from geomlat.optim.placed import Placed, require_points
from geomlat.optim.schedules import Hyperparameter
from geomlat.optim.sgd import SGD
from geomlat.optim.sphere_steps import adam_row, sgd_row

Array = Any


@dataclass(frozen=True)
class Riemannian(Optimizer):
    """What the Riemannian optimisers share: the step along a geodesic and what it carries along.

    ``gradient`` turns the ambient gradient into the Riemannian one; ``clip`` and the returned norm are those of the
    metric. Moments are tangents at the current points, in their ambient entries.

    Parameters
    ----------
    on
        A manifold, if the whole vector is a batch of its points; or what `geomlat.optim.placed` gives. Entries that are
        not placed, or placed on a `geomlat.manifolds.Euclidean`, take the plain update. Where a curvature is one of
        them, its points move on the manifold as it was before the step and are then projected to the new one.
    """

    on: Manifold | tuple[Placed, ...] = field(kw_only=True)

    def init(self, theta: Array) -> State:
        """The state before the first update; raises ValueError if points are not on their manifold."""
        state = super().init(theta)
        require_points(theta, self._curved(theta))
        return state

    def gradient(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        """The Riemannian gradient, and its squared length in the metric."""
        xp = namespace(theta, grad)
        rgrad, plain = xp.asarray(grad, copy=True), xp.asarray(grad, copy=True)
        lengths = []
        for part in self._curved(theta):
            x = part.of(theta)
            g = part.manifold.egrad_to_rgrad(x, part.of(grad))
            part.of(rgrad)[...] = g
            plain[part.start : part.stop] = 0.0
            lengths.append(xp.sum(part.manifold.inner(x, g, g)))
        return rgrad, sum(lengths, xp.vecdot(plain, plain))

    def apply(self, theta: Array, grad: Array, scale: Array, lr: float, state: State) -> None:
        """See `Optimizer.apply`."""
        parts = sorted(self._curved(theta), key=lambda p: p.start)
        for part in parts:
            moments = {name: part.of(state[name]) for name in self.moments}
            self._move(part, theta, part.of(grad), scale, lr, {"step": state["step"], **moments})
        for start, stop in zip([0, *(p.stop for p in parts)], [*(p.start for p in parts), theta.shape[0]], strict=True):
            self._plain(slice(start, stop), theta, grad, scale, lr, state)
        for part in self._parts(theta):
            if part.trained:  # the points keep their coordinates, as far as the new manifold has them
                now = part.at(theta)
                now.of(theta)[...] = now.manifold.project(now.of(theta))

    def displacement(self, manifold: Any, x: Array, g: Array, lr: float, state: State) -> Array:
        """The tangent of the step at points ``x`` for their Riemannian gradients ``g``; moves on the moments."""
        raise NotImplementedError

    def glide(self, x: Array, g: Array, scale: Array, lr: float, state: State) -> None:
        """The whole step of points of a sphere for Riemannian gradients ``scale * g``, in place, by a row kernel."""
        raise NotImplementedError

    @property
    def inertia(self) -> float:
        """How much of the first moment a step keeps; nothing is carried along where it is 0."""
        raise NotImplementedError

    def _move(self, part: Placed, theta: Array, g: Array, scale: Array, lr: float, state: State) -> None:
        manifold, x = part.manifold, part.of(theta)
        if type(manifold) is Sphere and all(has_kernels(a) for a in (x, g, *(state[name] for name in self.moments))):
            self.glide(x, g, namespace(x).reshape(scale, (1,)), lr, state)
            return
        g = g * scale
        u = self.displacement(manifold, x, g, lr, state)
        y = manifold.project(manifold.exp(x, u))
        if self.inertia > 0.0:
            moment = state[self.moments[0]]
            moment[...] = manifold.to_tangent(y, manifold.transport(x, y, moment))
        x[...] = y

    def _plain(self, where: slice, theta: Array, grad: Array, scale: Array, lr: float, state: State) -> None:
        if where.start < where.stop:
            moments = {name: state[name][where] for name in self.moments}
            super().apply(theta[where], grad[where], scale, lr, {"step": state["step"], **moments})

    def _parts(self, theta: Array) -> tuple[Placed, ...]:
        return self.on if isinstance(self.on, tuple) else (Placed(0, theta.shape[0], self.on),)

    def _curved(self, theta: Array) -> tuple[Placed, ...]:
        return tuple(p for p in (part.at(theta) for part in self._parts(theta)) if type(p.manifold) is not Euclidean)


@dataclass(frozen=True)
class RiemannianSGD(Riemannian, SGD):
    """``x <- exp(x, -lr m)`` with ``m <- momentum * m + grad f(x)``, then m transported from the old x to the new.

    Bonnabel (2013), eq. 2, without momentum. With ``nesterov`` the step is ``grad f(x) + momentum * m``.

    >>> import numpy as np
    >>> from geomlat.manifolds import Sphere
    >>> theta, opt = np.array([1.0, 0.0, 0.0]), RiemannianSGD(0.1, on=Sphere(2))
    >>> opt.update(theta, np.array([5.0, 0.0, -1.0]), opt.init(theta))
    np.float64(1.0)
    >>> theta.round(6)
    array([0.995004, 0.      , 0.099833])
    """

    def displacement(self, manifold: Any, x: Array, g: Array, lr: float, state: State) -> Array:
        """See `Riemannian.displacement`."""
        m = state["momentum"]
        m *= self.momentum
        m += g
        return -lr * (g + self.momentum * m if self.nesterov else m)

    def glide(self, x: Array, g: Array, scale: Array, lr: float, state: State) -> None:
        """See `Riemannian.glide`."""
        rates = [self.momentum, -lr, -lr * self.momentum] if self.nesterov else [self.momentum, 0.0, -lr]
        sgd_row(len(x), x, g, state["momentum"], scale, namespace(x).asarray(rates))

    @property
    def inertia(self) -> float:
        """The momentum."""
        return self.momentum


@dataclass(frozen=True)
class RiemannianAdam(Riemannian, Adam):
    """Adam with one step size for each point: ``x <- exp(x, -lr mhat / (sqrt(vhat) + eps))``.

    m averages Riemannian gradients, transported from point to point; v averages their squared length in the metric, one
    number for each point, and for each factor of a point of a product (kept in each of its entries): coordinates have
    no meaning on a manifold, so there is nothing finer to adapt. Euclidean factors have one for each entry, as in Adam.
    Becigneul and Ganea (2019), algorithm 1a, without the maximum over time.
    """

    lr: Hyperparameter = 1e-3

    def displacement(self, manifold: Any, x: Array, g: Array, lr: float, state: State) -> Array:
        """See `Riemannian.displacement`."""
        t, mean, square = state["step"] + 1, state["mean"], state["square"]
        mean *= self.beta1
        mean += (1.0 - self.beta1) * g
        square *= self.beta2
        square += (1.0 - self.beta2) * _squares(manifold, x, g)
        step, correction = self._bias(lr, t)
        return -step * mean / (correction * namespace(x).sqrt(square) + self.eps)

    def glide(self, x: Array, g: Array, scale: Array, lr: float, state: State) -> None:
        """See `Riemannian.glide`."""
        means = [self.beta1, 1.0 - self.beta1, self.beta2, 1.0 - self.beta2]
        rates = namespace(x).asarray([*means, *self._bias(lr, state["step"] + 1), self.eps])
        adam_row(len(x), x, g, state["mean"], state["square"], scale, rates)

    def _bias(self, lr: float, t: int) -> tuple[float, float]:
        # The step and the factor of the root, corrected for the moments' start at zero.
        return lr / (1.0 - self.beta1**t), 1.0 / math.sqrt(1.0 - self.beta2**t)

    @property
    def inertia(self) -> float:
        """The decay of the mean."""
        return self.beta1


def _squares(manifold: Any, x: Array, g: Array) -> Array:
    # The squared lengths that Adam averages, of the shape of g.
    if isinstance(manifold, Product):
        parts = zip(manifold.factors, manifold.scales, manifold.split(x), manifold.split(g), strict=True)
        return manifold.join(*(s * s * _squares(f, a, b) for f, s, a, b in parts))
    if type(manifold) is Euclidean:
        return g * g
    each = manifold.inner(x, g, g)[(..., *(None,) * len(manifold.ambient_shape))]
    return namespace(x).broadcast_to(each, g.shape)
