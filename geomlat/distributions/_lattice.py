"""The windings of a full scale on circles and tori: a sum over the lattice of all whole turns.

With S the vectors of whole turns and a = L^-1 S, the law of the coordinates c has the density of the shortest winding
times the sum of exp(-w a - |a|^2 / 2), w = L^-1 c. The sum runs over a box that holds every winding whose density is
within exp(-40) of the largest: some winding has |L^-1 c| <= |P / L_ii| / 2 (rounding coordinate after coordinate), so
that a coordinate of standard deviation s_i stays within s_i times the root of that squared and 80.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from array_api_compat import device

from geomlat.backends import Array, is_host, is_scalar, namespace, to_host
from geomlat.manifolds.base import SpaceForm

LIMIT = 200_000


def lattice_vjp(
    forms: Sequence[SpaceForm], pull_forms: Callable[..., Any], inverse: Array, w: Array, spread: Array
) -> tuple[Array, Callable[[Array], tuple[Any, ...]]]:
    """The log of the sum and its pullback ``(None, dw, None, dfactor, dfields)``.

    The size of the box is read from the scale: on a device this waits for it.
    """
    xp = namespace(w)
    periods = _periods(forms)
    turns = xp.asarray(_box(periods, inverse, spread), dtype=w.dtype, device=device(w))
    finite = np.where(np.isfinite(periods), periods, 0.0)
    shifts = turns * xp.asarray(finite, dtype=w.dtype, device=device(w))
    a = xp.matmul(shifts, xp.matrix_transpose(inverse))
    logs = -xp.sum(a * (w[..., None, :] + 0.5 * a), axis=-1)
    top = xp.max(logs, axis=-1, keepdims=True)
    mass = xp.exp(logs - top)
    total = xp.sum(mass, axis=-1, keepdims=True)

    def pull(dl: Array) -> tuple[Any, ...]:
        share = dl[..., None] * (mass / total)
        da = -share[..., None] * (w[..., None, :] + a)
        dw = -xp.sum(share[..., None] * a, axis=-2)
        back = xp.matmul(da, inverse)
        dfactor = -xp.matmul(xp.matrix_transpose(back), a)
        by_turn = xp.sum(back * turns, axis=tuple(range(back.ndim - 1)))
        ends = np.cumsum([0, *(form.copies * form.dim for form in forms)]).tolist()
        dforms = [(None, xp.sum(by_turn[i:j])) for i, j in itertools.pairwise(ends)]
        return None, dw, None, dfactor, pull_forms(dforms)

    return (top + xp.log(total))[..., 0], pull


def _periods(forms: Sequence[SpaceForm]) -> np.ndarray:
    # The period of each coordinate on the host.
    known = [float(f.period if is_scalar(f.period) or is_host(f.period) else to_host(f.period)) for f in forms]
    return np.concatenate([np.full(f.copies * f.dim, p) for f, p in zip(forms, known, strict=True)])


def _box(periods: np.ndarray, inverse: Array, spread: Array) -> np.ndarray:
    # All vectors of whole turns (J, n) in the box, for every law of the batch.
    closed = np.isfinite(periods)
    finite = np.where(closed, periods, 0.0)
    back, diagonal = to_host(inverse).astype(np.float64), to_host(spread).astype(np.float64)
    if not back.size:
        return np.zeros((1, len(periods)))
    reach = np.sqrt(0.25 * np.sum((finite / diagonal) ** 2, axis=-1) + 80.0)
    deviations = np.linalg.norm(np.linalg.inv(back), axis=-1)
    sides = np.where(closed, np.ceil(reach[..., None] * deviations / np.where(closed, periods, 1.0) + 0.5), 0.0)
    sides = np.max(sides.reshape(-1, len(periods)), axis=0).astype(int)
    count = math.prod((2 * sides + 1).tolist())
    if count > LIMIT:
        msg = f"the windings of this full scale are too many to sum: {count}; use a diagonal or a smaller scale"
        raise NotImplementedError(msg)
    return np.array(list(itertools.product(*(range(-k, k + 1) for k in sides))), dtype=np.float64)
