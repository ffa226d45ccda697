"""Where a mixture of flows starts: a mixture of Gaussians fitted by EM, whose frames the components take over.

A component's flow then has to learn only how its data differ from a Gaussian (for a bent wing, a few couplings), and
the components begin apart, which no random initialisation of flows gives. Or it starts from the rows with a label.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from geomlat.backends import to_host
from geomlat.random import stream
from geomlat.train import fit

Array = Any

RIDGE = 1e-4
"""Added to each covariance, relative to the variance of the data: it keeps flat clusters invertible in float32."""

GAIN = 1e-4
"""EM ends when a step changes the mean log-density of the best component by less, in nats."""


def tried(model: Any, rows: Array, starts: int, epochs: int, settings: dict[str, Any]) -> Array:
    """Of several starts of a mixture, each trained a little, the vector of the largest likelihood."""
    first, marginal = stream(settings.get("rng")), replace(model, objective="marginal")
    kept = {name: settings[name] for name in ("batch_size", "optimizer", "dtype", "threads") if name in settings}
    x, y = rows[:, : model.features], rows[:, model.features]
    found = []
    for s in range(starts):
        rng = first.child("start", s)
        theta = model.start(x, y, nested=starts > 1 and s == starts - 1, rng=rng)
        theta = fit(marginal, rows, epochs=epochs, theta=theta, rng=rng, **kept).theta
        found.append((float(marginal.report(theta, rows, None)["loss"]), s, theta))
    return min(found)[2]


def taught(model: Any, rows: Array, epochs: int, settings: dict[str, Any]) -> Array:
    """The vector of a mixture after some steps on the rows with a label alone; ValueError if there is none."""
    known = rows[rows[:, model.features] >= 0.0]
    if not len(known):
        msg = "labelled_epochs= needs rows with a label, but y holds none"
        raise ValueError(msg)
    kept = {name: settings[name] for name in ("dtype", "theta", "rng", "threads") if name in settings}
    return fit(model, known, epochs=epochs, batch_size=len(known), **kept).theta


def framed(model: Any, rows: Array, *, nested: bool, rng: Any) -> Array:
    """A vector of a mixture whose flows end with frames, these and the weights set from Gaussians."""
    first, rows = stream(rng), to_host(rows).astype(np.float64)
    x, labels = rows[:, : model.features], rows[:, model.features].astype(int)
    found = gaussians(x, labels, model.n_components, nested=nested, rng=first.child("cells").generator())
    theta = model.init(rng=first.child("init"))
    p = model.view(theta)
    p["logits"][...] = np.log(found.weights)
    for flow, mean, factor in zip(model.flows, found.means, found.factors, strict=True):
        frame, shift = flow.transforms[-2:]
        diagonal = np.diag(factor)
        p.of(frame)[0][...] = np.tril(factor / diagonal, -1)
        p.of(frame)[2][...] = np.log(diagonal)
        p.of(shift)[1][...] = mean
    return theta


class Gaussians(NamedTuple):
    """A mixture of Gaussians: ``weights`` (k,), ``means`` (k, n), ``factors`` (k, n, n), lower Cholesky factors."""

    weights: Array
    means: Array
    factors: Array


def gaussians(
    x: Array, labels: Array, k: int, *, nested: bool, rng: np.random.Generator, steps: int = 100
) -> Gaussians:
    """EM for ``k`` Gaussians with full covariances on rows ``x`` (m, n), with the labels (m,), -1 where unknown, fixed.

    It starts from the labelled rows alone where every component has more of them than there are columns, otherwise
    from k-means++ cells. ``nested`` Gaussians differ in size alone, and start from shells of equal weight: clusters one
    inside the other have no cells.
    """
    known = labels >= 0
    fixed = np.eye(k)[labels[known]]
    maximised = _nested if nested else _free
    share = _shells(x, k) if nested else _cells(x, k, rng)
    share[known] = fixed
    if (fixed.sum(axis=0) > x.shape[1]).all():
        share = _softmax(_log_joint(x, maximised(x[known], fixed)))
    found, before = maximised(x, share), -np.inf
    for _ in range(steps):
        joint = _log_joint(x, found)
        share = _softmax(joint)
        share[known] = fixed
        found, now = maximised(x, share), joint.max(axis=1).mean()
        if abs(now - before) < GAIN:
            break
        before = now
    return found


def _free(x: Array, share: Array) -> Gaussians:
    total = share.sum(axis=0) + 1e-9
    means = share.T @ x / total[:, None]
    ridge = RIDGE * x.var(axis=0).mean() * np.eye(x.shape[1])
    factors = []
    for weight, mean, size in zip(share.T, means, total, strict=True):
        apart = x - mean
        factors.append(np.linalg.cholesky((weight[:, None] * apart).T @ apart / size + ridge))
    return Gaussians(total / total.sum(), means, np.stack(factors))


def _nested(x: Array, share: Array) -> Gaussians:
    mean, factor, z = _whitened(x)
    total = share.sum(axis=0) + 1e-9
    size = np.sqrt((share.T @ (z * z)).mean(axis=1) / total)
    return Gaussians(total / total.sum(), np.tile(mean, (len(size), 1)), size[:, None, None] * factor)


def _whitened(x: Array) -> tuple[Array, Array, Array]:
    """Mean, factor of the covariance, and the rows in that frame."""
    apart = x - x.mean(axis=0)
    covariance = apart.T @ apart / len(x)
    factor = np.linalg.cholesky(covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))
    return x.mean(axis=0), factor, np.linalg.solve(factor, apart.T).T


def _log_joint(x: Array, found: Gaussians) -> Array:
    columns = []
    for weight, mean, factor in zip(*found, strict=True):
        z = (x - mean) @ np.linalg.inv(factor).T
        columns.append(np.log(weight) - 0.5 * (z * z).sum(axis=1) - np.log(np.diag(factor)).sum())
    return np.stack(columns, axis=-1)


def _softmax(joint: Array) -> Array:
    share = np.exp(joint - joint.max(axis=1, keepdims=True))
    return share / share.sum(axis=1, keepdims=True)


def _cells(x: Array, k: int, rng: np.random.Generator) -> Array:
    """Each row to the nearest of k rows, each drawn in proportion to its squared distance from those before."""
    square = ((x - x[rng.integers(len(x))]) ** 2).sum(axis=1)[:, None]
    for _ in range(k - 1):
        nearest = square.min(axis=1)
        chosen = x[rng.choice(len(x), p=nearest / nearest.sum())]
        square = np.concatenate((square, ((x - chosen) ** 2).sum(axis=1)[:, None]), axis=1)
    return np.eye(k)[square.argmin(axis=1)]


def _shells(x: Array, k: int) -> Array:
    """Each row to one of k shells of equal weight by its distance from the mean, in the metric of the covariance."""
    rank = (_whitened(x)[2] ** 2).sum(axis=1).argsort().argsort()
    return np.eye(k)[rank * k // len(x)]
