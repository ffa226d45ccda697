"""Steps of training beside eager torch: four VAEs of the published systems and RealNVP, float32, on random rows.

The note of a row has the time of the step's matrix products alone, by NumPy's BLAS into arrays that are there already,
and, where the networks are compiled passes, what a step of ours on one thread is made of: the passes of the networks
(their products and relus), the likelihood, the latent (noise, draw, rate and their pulls), Adam, and all else, which is
Python and small arrays.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise, product
from typing import Any

import numpy as np
from timing import PAUSE, Row, faster_by, interleave

from geomlat.backends import Kernel, thread_limit
from geomlat.flows import coupling_flow
from geomlat.models import vae
from geomlat.optim import Adam
from geomlat.random import stream

BATCHES, ROUNDS = 8, 9
# Case: our model, torch's, rows of a batch, steps of a round, gate, goal.
GAUSSIAN = {"latent": "e5", "hidden": (128, 128)}
VAMP = {"latent": "e40", "hidden": (300, 300), "layers": "gated", "prior": "vamp:500"}
SPHERICAL = {"latent": "s4", "hidden": (256, 128), "kappa_shift": 1.0}
HYPERBOLIC = {"latent": "h5", "hidden": (256, 128)}
FLOW, WIDE = ({"dim": 2, "blocks": b, "hidden": (h, h)} for b, h in ((6, 64), (8, 128)))
CASES: dict[str, tuple[dict[str, Any], tuple[str, tuple[Any, ...]], int, int, float, float]] = {
    "Gaussian VAE 784-128-128-5": (GAUSSIAN, ("GaussianVAE", (784, (128, 128), 5)), 128, 100, 1.2, 1.5),
    "gated VampPrior 784-300-300-40, K = 500": (VAMP, ("VampVAE", (784, (300, 300), 40, 500)), 100, 5, 1.2, 1.5),
    "S-VAE 784-256-128-S^4": (SPHERICAL, ("SphericalVAE", (784, (256, 128), 5)), 64, 100, 3.0, 4.0),
    "H-VAE 784-256-128-H^5": (HYPERBOLIC, ("HyperbolicVAE", (784, (256, 128), 5)), 100, 100, 1.2, 1.5),
    "RealNVP, 6 couplings, 64-64": (FLOW, ("RealNVP", (2, 6, (64, 64))), 256, 100, 3.0, 4.0),
    "RealNVP, 8 couplings, 128-128": (WIDE, ("RealNVP", (2, 8, (128, 128))), 256, 100, 2.0, 3.0),
}

# The peer's sampler proposes one candidate for each row at a time, as its package does unless told otherwise, or 20.
PLAIN: list[tuple[str, tuple[Any, ...]]] = [("", ())]
VARIANTS = {"SphericalVAE": [*PLAIN, (", 20 candidates", (20,))]}

# What a step multiplies: rows, widths, whether the first input has a gradient, how often.
Products = tuple[int, tuple[int, ...], bool, int]
PRODUCTS: dict[str, list[Products]] = {
    "GaussianVAE": [(128, (784, 128, 128, 10), False, 1), (128, (5, 128, 128, 784), True, 1)],
    "VampVAE": [
        *[(n, (784, 300, 300), n == 500, 2) for n in (100, 500)],
        *[(n, (300, 80), True, 1) for n in (100, 500)],
        *[(100, (40, 300, 300), True, 2), (100, (300, 784), True, 1), (100, (80, 500), True, 1)],
    ],
    "SphericalVAE": [(64, (784, 256, 128, 6), False, 1), (64, (5, 128, 256, 784), True, 1)],
    "HyperbolicVAE": [(100, (784, 256, 128, 10), False, 1), (100, (6, 128, 256, 784), True, 1)],
}


def multiplied(chains: list[Products]) -> Callable[[], None]:
    """The products of one step, forward and back, with nothing between them."""
    made, rng = [], np.random.default_rng(0)
    for rows, widths, first, times in chains:
        for k, (n, m) in enumerate(pairwise(widths)):
            shapes = (rows, n), (n, m), (rows, m)
            x, w, y = (rng.standard_normal(shape).astype(np.float32) for shape in shapes)
            made += [(x, w, y, np.empty_like(x) if k or first else None, np.empty_like(w))] * times

    def step() -> None:
        for x, w, y, _, _ in made:
            np.matmul(x, w, out=y)
        for x, w, y, dx, dw in reversed(made):
            np.matmul(x.T, y, out=dw)
            if dx is not None:
                np.matmul(y, w.T, out=dx)

    return step


def ours(options: dict[str, Any], batches: np.ndarray) -> Callable[[], None]:
    """One step of training at each call, as `geomlat.train.fit` takes it."""
    model, optimiser = coupling_flow(**options) if "blocks" in options else vae(784, **options), Adam(1e-3)
    theta, noise, count = model.init(rng=0, dtype=np.float32), stream(1), [0]
    views, state = model.view(np.zeros_like(theta)), optimiser.init(theta)

    def step() -> None:
        views.clear()
        x = batches[count[0] % len(batches)]
        _, pull = model.loss_vjp(theta, x, noise.child("noise", count[0]))
        pull(views)
        optimiser.update(theta, views.vector, state)
        count[0] += 1

    return step


KERNELS = {
    **dict.fromkeys(("forward", "pull", "pull_rows", "pull_weights"), "networks"),
    "_counts": "likelihood",
    "_adam": "Adam",
}


def made_of(step: Callable[[], None], count: int) -> str:
    """Where the time of a step on one thread goes, by its kernels; nothing if the networks are not among them."""
    times: Counter[str] = Counter()
    plain = Kernel.cpu

    def timed(self: Kernel, n: int, *arrays: Any) -> None:
        start = time.perf_counter()
        plain(self, n, *arrays)
        times[KERNELS.get(self.__name__, "latent")] += time.perf_counter() - start

    Kernel.cpu = timed  # type: ignore[method-assign]
    try:
        with thread_limit(1):
            start = time.perf_counter()
            for _ in range(count):
                step()
            whole = time.perf_counter() - start
    finally:
        Kernel.cpu = plain  # type: ignore[method-assign]
    if not times["networks"]:
        return ""
    times["Python"] = whole - sum(times.values())
    parts = ", ".join(f"{name} {1e3 * t / count:.2g}" for name, t in times.most_common())
    return f"; ours on one thread is {parts} ms"


def repeated(step: Callable[[], None], steps: int, threads: int, library: str) -> Callable[[], None]:
    """``steps`` steps, with so many threads of the library."""

    def run() -> None:
        if library == "torch":
            import torch

            torch.set_num_threads(threads)
            for _ in range(steps):
                step()
            return
        with thread_limit(threads):
            for _ in range(steps):
                step()

    return run


def steps() -> list[Row]:
    """A row for each model: our best of one and two threads, torch's best of those and of its variants."""
    import torch_vaes

    found = []
    for name, (options, (peer, sizes), rows, count, gate, goal) in CASES.items():
        rng = np.random.default_rng(0)
        flow = rng.standard_normal((BATCHES, rows, 2))
        batches = (flow if peer == "RealNVP" else rng.integers(0, 2, (BATCHES, rows, 784))).astype(np.float32)
        mine = {f"{t} thread": repeated(ours(options, batches), count, t, "geomlat") for t in (1, 2)}
        theirs = {
            f"torch {'fused' if fused else 'eager'}{variant}, {t} thread": repeated(
                torch_vaes.trainer(getattr(torch_vaes, peer)(*sizes, *more), batches, fused=fused), count, t, "torch"
            )
            for (variant, more), fused, t in product(VARIANTS.get(peer, PLAIN), (False, True), (1, 2))
        }
        chains = PRODUCTS.get(peer) or [(rows, (1, *options["hidden"], 2), True, options["blocks"])]
        alone = {f"products alone, {t} thread": repeated(multiplied(chains), count, t, "geomlat") for t in (1, 2)}
        times = interleave(*mine.values(), *theirs.values(), *alone.values(), rounds=ROUNDS, pause=PAUSE)
        named = dict(zip((*mine, *theirs, *alone), times, strict=True))
        best = min(mine, key=lambda k: float(np.median(named[k])))
        first = min(theirs, key=lambda k: float(np.median(named[k])))
        least = min(alone, key=lambda k: float(np.median(named[k])))
        limit = float(np.median(np.divide(named[best], named[least])))
        note = "; ".join(f"{k}: {1e3 * float(np.median(t)) / count:.3g} ms" for k, t in named.items())
        note += f"; ours is {limit:.3g}x the products alone" + made_of(ours(options, batches), 3 * count)
        case = f"{name}, batch {rows}"
        found.append(
            faster_by("training step", case, first, "step", [named[best], named[first]], count, gate, goal, note)
        )
    return found


if __name__ == "__main__":
    for row in steps():
        print(row.case, row.peer, f"{np.median(row.ratios):.2f}x", row.note)
