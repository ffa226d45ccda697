"""The same operations on a GPU (CuPy arrays) and on the processor (NumPy arrays) of one machine.

The group ``gpu`` of `run.py`, which leaves it out where there is no device. Results stay on the device; every round
waits for it. Draws are the same numbers on both sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from timing import Row, interleave

from geomlat.distributions import VonMisesFisher
from geomlat.manifolds import Hyperboloid, Sphere
from geomlat.models import vae
from geomlat.optim import Adam
from geomlat.random import stream

POINTS, PAIRS, BATCH, STEPS = 1_000_000, 5_000, 1024, 20
Run = Callable[[], object]


def present() -> bool:
    """Whether CuPy finds a device."""
    try:
        import cupy

        return bool(cupy.cuda.runtime.getDeviceCount() > 0)
    except Exception:
        # CuPy raises errors of its own, and of the loader, where the driver is missing.
        return False


def device() -> str:
    """The name of the device."""
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())


def gpu(points: int = POINTS, pairs: int = PAIRS, steps: int = STEPS) -> list[Row]:
    """A row for each operation: the device's time, and the processor's as its peer."""
    import cupy

    def wait(run: Run) -> Run:
        def waited() -> None:
            run()
            cupy.cuda.Device().synchronize()

        return waited

    name, rows = device(), []
    for item, case, unit, work, make in cases(points, pairs, steps):
        on_device, on_host = wait(make(cupy.asarray)), make(np.asarray)
        times = interleave(on_device, on_host, rounds=5)
        each = [[t / work for t in run] for run in times]
        rows.append(Row(item, case, "NumPy, all cores", unit, *each, note=name))
    return rows


def cases(points: int, pairs: int, steps: int) -> list[tuple[str, str, str, int, Callable[[Any], Run]]]:
    """Item, case, unit, units in a run, and what makes the run, given where arrays should be."""
    return [
        ("draws", f"vMF on S^9, kappa = 100, {points:,}, float32", "draw", points, lambda at: _draws(at, points)),
        *(
            (
                f"{m!r} {op}",
                f"{points:,} points, float64",
                "point",
                points,
                lambda at, m=m, op=op: _map(at, m, op, points),
            )
            for m in (Sphere(2), Hyperboloid(2))
            for op in ("exp", "log")
        ),
        ("distances", f"S^2, {pairs} x {pairs}, float32", "pair", pairs * pairs, lambda at: _pairs(at, pairs)),
        *(
            (
                f"training step, {latent}",
                f"784-256-128, batch {BATCH}, float32",
                "step",
                steps,
                lambda at, latent=latent: _steps(at, latent, steps),
            )
            for latent in ("e10", "s10")
        ),
    ]


def _draws(at: Any, n: int) -> Run:
    mu = np.full(10, 10**-0.5, np.float32)
    q = VonMisesFisher(at(mu), at(np.float32(100.0)))
    return lambda: q.sample(n, rng=stream(0))


def _map(at: Any, m: Any, op: str, n: int) -> Run:
    x = m.random_point((n,), rng=0)
    u = m.random_tangent(x, rng=1)
    second = u if op == "exp" else m.exp(x, u)
    first, second = at(x), at(second)
    return lambda: getattr(m, op)(first, second)


def _pairs(at: Any, n: int) -> Run:
    sphere = Sphere(2)
    x = at(sphere.random_point((n,), rng=0).astype(np.float32))
    return lambda: sphere.pairwise_dist(x, x)


def _steps(at: Any, latent: str, count: int) -> Run:
    model, optimiser, noise = vae(784, latent=latent, hidden=(256, 128)), Adam(1e-3), stream(1)
    theta = at(model.init(rng=0, dtype=np.float32))
    x = at(np.random.default_rng(0).integers(0, 2, (BATCH, 784)).astype(np.float32))
    views, state = model.view(at(np.zeros(theta.shape, np.float32))), optimiser.init(theta)

    def run() -> None:
        for i in range(count):
            views.clear()
            _, pull = model.loss_vjp(theta, x, noise.child(i))
            pull(views)
            optimiser.update(theta, views.vector, state)

    return run
