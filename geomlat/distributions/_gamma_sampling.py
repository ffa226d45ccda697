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
from geomlat.distributions._vmf_sampling import repeat, three_uniforms
from geomlat.random import LOW, S32, Stream, box_muller, philox, unit

BLOCK = 1024
ATTEMPTS = 40  # acceptance is at least 0.95, so that more are needed with probability below 1e-52
BOOST = np.uint64(ATTEMPTS)
PURPOSE_GAMMA = 5
PURPOSE_OTHER_GAMMA = 6
REJECTED = -1e300
# log(1 + e) - e + e^2/2 - e^3/3 = -e^4 (R[0] + R[1] e + ...).
R = tuple((-1.0) ** k / k for k in range(4, 16))


def log_gamma_draws(
    shape: Array, full: tuple[int, ...], batch: tuple[int, ...], first: Stream, purpose: int = PURPOSE_GAMMA
) -> Array:
    """log(draw / d) for each element of ``full``, the shapes of a batch repeating, in float64."""
    xp, n = namespace(shape), math.prod(full)
    out = xp.empty((n,), dtype=xp.float64)
    per, workers = 1, n
    if is_host(shape):
        per = max(1, min(n, BLOCK))
        workers = min(-(-n // per), PARTS_PER_THREAD * thread_count())
    left, work = xp.empty((workers, per), dtype=xp.uint64), xp.empty((workers, 2, per), dtype=xp.float64)
    words = xp.asarray(np.append(first.words, np.uint64(purpose)))
    _log_gamma(workers, left, work, words, xp.astype(rows(shape, batch, 0), xp.float64), out)
    return out.reshape(full)


@scalar
def gamma_centre(shape: float) -> float:
    """d, the shape (of a shape below 1: one more) less 1/3."""
    return (shape if shape >= 1.0 else shape + 1.0) - 1.0 / 3.0


@inlined
def log1p_remainder(e: float) -> float:
    """log(1 + e) - e + e^2/2 - e^3/3, which a large d multiplies, without cancellation; e > -1."""
    p = R[6] + e * (R[7] + e * (R[8] + e * (R[9] + e * (R[10] + e * R[11]))))
    p = R[0] + e * (R[1] + e * (R[2] + e * (R[3] + e * (R[4] + e * (R[5] + e * p)))))
    near = -e * e * e * e * p
    far = fast_log1p(e) - e * (1.0 - e * (0.5 - e / 3.0))
    return near if abs(e) < 0.05 else far


@inlined
def gamma_trial(spread: float, words: Any, i: Any, attempt: int) -> float:
    """3 log(1 + e) of one attempt of row ``i``, or `REJECTED`; ``spread`` is 1 / sqrt(9 d)."""
    index = words[2] + i
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
    spread, trial = work[0], work[1]
    repeat(shape, low, spread[:count])
    boosted = False
    for r in range(count):
        boosted |= spread[r] < 1.0
        left[r] = np.uint64(low) + np.uint64(r)
        spread[r] = 1.0 / math.sqrt(9.0 * gamma_centre(spread[r]))
    for attempt in range(ATTEMPTS):
        for r in range(count):
            trial[r] = gamma_trial(spread[r], words, left[r], attempt)
        rejected = 0
        for r in range(count):
            if trial[r] == REJECTED:
                left[rejected] = left[r]
                spread[rejected] = spread[r]
                rejected += 1
            else:
                out[int(left[r]) - low] = trial[r]
        count = rejected
        if count == 0:
            break
    for r in range(count):
        out[int(left[r]) - low] = 0.0
    if boosted:
        repeat(shape, low, spread[: out.size])
        for r in range(out.size):
            index = words[2] + np.uint64(low) + np.uint64(r)
            a0, a1, _, _ = philox(BOOST, index & LOW, index >> S32, words[3], words[0], words[1])
            out[r] += fast_log(unit(a0, a1)) / spread[r] if spread[r] < 1.0 else 0.0


@kernel(cost=25.0)
def _log_gamma(i: int, left: Any, work: Any, words: Any, shape: Any, out: Any) -> None:
    workers, per = left.shape
    for low in range(i * per, out.size, workers * per):
        high = min(low + per, out.size)
        gamma_rows(low, words, shape, left[i], work[i], out[low:high])


gamma_centres = elementwise(gamma_centre, cost=2.0)
