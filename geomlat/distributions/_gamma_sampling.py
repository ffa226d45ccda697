"""Gamma variates from the counter-based streams, by the method of Marsaglia and Tsang (2000), in logarithms.

A draw of shape a is d (1 + e)^3 U^(1/a), where d = a - 1/3, e = n / sqrt(9 d) and n is normal, accepted if

    log U' < 3 d (log(1 + e) - e + e^2/2 - e^3/3)

and the last factor is missing; a shape below 1 is drawn one higher and has it. What is kept is log(draw / d): no shape
is too large for its spread, none so small that it underflows. The rows go in blocks, as in `_vmf_sampling`: trials
without branches, then those of the rows rejected. Attempt k of row i has the Philox counter (k, i, purpose).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends import Array, elementwise, inlined, is_host, kernel, namespace, rows, scalar
from geomlat.backends.libm import fast_log, fast_log1p
from geomlat.backends.threads import PARTS_PER_THREAD, thread_count
from geomlat.distributions._rows import repeat, row
from geomlat.distributions._vmf_sampling import three_uniforms
from geomlat.random import LOW, S32, Stream, box_muller, philox, unit

BLOCK = 1024
ATTEMPTS = 40  # acceptance is at least 0.95, so that more are needed with probability below 1e-52
BOOST = np.uint64(ATTEMPTS)
PURPOSE_GAMMA = np.uint64(5)
PURPOSE_OTHER_GAMMA = np.uint64(6)
REJECTED = -1e300
# log(1 + e) - e + e^2/2 - e^3/3 = -e^4 (R[0] + R[1] e + ...).
R = tuple((-1.0) ** k / k for k in range(4, 16))


def log_gamma_draws(
    shape: Array, full: tuple[int, ...], batch: tuple[int, ...], first: Stream, purpose: np.uint64 = PURPOSE_GAMMA
) -> Array:
    """log(draw / d) for each element of ``full``, the shapes of a batch repeating, in float64."""
    xp, n = namespace(shape), math.prod(full)
    out = xp.empty((n,), dtype=xp.float64)
    words = xp.asarray(np.append(first.words, purpose))
    _log_gamma(*_workers(shape, n), words, xp.astype(rows(shape, batch, 0), xp.float64), out)
    return out.reshape(full)


def log_odds_draws(a: Array, b: Array, full: tuple[int, ...], batch: tuple[int, ...], first: Stream) -> Array:
    """log(x / y) for gamma draws x of shape a and y of shape b, so that x / (x + y) ~ Beta(a, b); in float64."""
    xp = namespace(a, b)
    out = log_gamma_draws(a, full, batch, first)
    below = log_gamma_draws(b, full, batch, first, PURPOSE_OTHER_GAMMA)
    centres = log_ratio(xp.astype(a, xp.float64), xp.astype(b, xp.float64))
    _subtract(out.size, rows(centres, batch, 0), below.reshape(-1), out.reshape(-1))
    return out


def _workers(like: Array, n: int) -> tuple[int, Array, Array]:
    """The number of workers for ``n`` rows, and their scratch: two numbers and one index for each row of a block."""
    xp, per, workers = namespace(like), 1, n
    if is_host(like):
        per = max(1, min(n, BLOCK))
        workers = min(-(-n // per), PARTS_PER_THREAD * thread_count())
    return workers, xp.empty((workers, per), dtype=xp.uint64), xp.empty((workers, 2, per), dtype=xp.float64)


@scalar
def gamma_centre(shape: float) -> float:
    """d, the shape (of a shape below 1: one more) less 1/3."""
    return (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0


@scalar
def log_ratio_scalar(a: float, b: float) -> float:
    """The log of the ratio of the centres of two gamma laws."""
    return math.log(gamma_centre(a) / gamma_centre(b))


@inlined
def log1p_remainder(e: float) -> float:
    """log(1 + e) - e + e^2/2 - e^3/3, which a large d multiplies, without cancellation; e > -1."""
    p = R[6] + e * (R[7] + e * (R[8] + e * (R[9] + e * (R[10] + e * R[11]))))
    p = R[0] + e * (R[1] + e * (R[2] + e * (R[3] + e * (R[4] + e * (R[5] + e * p)))))
    near = -e * e * e * e * p
    far = fast_log1p(e) - e * (1.0 - e * (0.5 - e / 3.0))
    return near if abs(e) < 0.05 else far


@inlined
def gamma_trial(spread: float, words: Any, index: Any, attempt: int) -> float:
    """3 log(1 + e) of one attempt of row ``index``, or `REJECTED`; ``spread`` is 1 / sqrt(9 d)."""
    a0, a1, a2, a3 = philox(np.uint64(attempt), index & LOW, index >> S32, words[3], words[0], words[1])
    u1, u2, u3 = three_uniforms(a0, a1, a2, a3)
    e = box_muller(u1, u2)[0] * spread
    safe = max(e, -0.9999999)
    accepted = (fast_log(u3) * 3.0 * spread * spread < log1p_remainder(safe)) & (e == safe)
    return 3.0 * fast_log1p(safe) if accepted else REJECTED


@scalar
def gamma_rows(low: int, words: Any, shape: Any, left: Any, work: Any, out: Any) -> None:
    """The draws of the rows ``low``, ``low + 1``, ...."""
    count = out.size
    spread, trial, first = work[0], work[1], words[2] + np.uint64(low)
    repeat(shape, low, spread[:count])
    boosted = False
    for r in range(count):
        boosted |= spread[r] < 1.0
        left[r] = np.uint64(r)
        spread[r] = 1.0 / math.sqrt(9.0 * gamma_centre(spread[r]))
    for attempt in range(ATTEMPTS):
        for r in range(count):
            trial[r] = gamma_trial(spread[r], words, first + left[r], attempt)
        rejected = 0
        for r in range(count):
            if trial[r] == REJECTED:
                left[rejected] = left[r]
                spread[rejected] = spread[r]
                rejected += 1
            else:
                out[left[r]] = trial[r]
        count = rejected
        if count == 0:
            break
    for r in range(count):
        out[left[r]] = 0.0
    if boosted:
        repeat(shape, low, spread[: out.size])
        for r in range(out.size):
            index = first + np.uint64(r)
            a0, a1, _, _ = philox(BOOST, index & LOW, index >> S32, words[3], words[0], words[1])
            gain = fast_log(unit(a0, a1)) / spread[r]
            out[r] += gain if spread[r] < 1.0 else 0.0


@kernel(cost=25.0)
def _log_gamma(i: int, left: Any, work: Any, words: Any, shape: Any, out: Any) -> None:
    workers, per = left.shape
    for low in range(i * per, out.size, workers * per):
        high = min(low + per, out.size)
        gamma_rows(low, words, shape, left[i], work[i], out[low:high])


@kernel(cost=3.0)
def _subtract(i: int, centres: Any, below: Any, out: Any) -> None:
    out[i] += centres[row(i, centres.size)] - below[i]


log_ratio = elementwise(log_ratio_scalar, cost=20.0)
