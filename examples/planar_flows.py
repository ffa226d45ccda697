"""Spline flows of toy laws in the plane, whose exact densities say how far from the best a flow is.

A public RealNVP of 8 couplings with 64 units, 71 744 parameters, is 0.19 nats above the entropy of the circles and 0.03
above that of the moons. ``python examples/planar_flows.py [LAW ...]``; half a minute each on one core, pictures go to
``runs/planar``.
"""

import math
import sys
from pathlib import Path

import numpy as np

from geomlat import plot
from geomlat.data import Arcs, Checkerboard, Circles, Pinwheel
from geomlat.flows import ActNorm, Flow, SplineCoupling
from geomlat.optim import Adam, cosine
from geomlat.train import Snapshots

LAWS = {
    "circles": Circles(radii=(1.0, 0.4), noise=0.06, blur="isotropic"),
    "moons": Arcs("moons", 0.06),
    "spirals": Arcs("spirals", 0.03),
    "pinwheel": Pinwheel(),
    "checkerboard": Checkerboard(noise=0.02),
}
BATCH = 512


def train(law, *, rows=20_000, epochs=100, blocks=6, hidden=(32, 32), bins=10, lr=5e-3, seed=0, fit=Flow.fit, **more):
    """A flow of spline couplings in turn, after a scale and a shift that the data set."""
    x = law.sample(rows, rng=seed)[0]
    options = {"dim": 2, "hidden": hidden, "bins": bins, "bound": 4.0, "activation": "silu"}
    flow = Flow([*(SplineCoupling(flip=bool(k % 2), **options) for k in range(blocks)), ActNorm(2)])
    steps = epochs * math.ceil(rows / BATCH)
    optimizer = Adam(cosine(lr, steps, floor=0.01 * lr, warmup=min(50, steps - 1)), clip=5.0)
    settings = {"epochs": epochs, "batch_size": BATCH, "optimizer": optimizer} | more
    return fit(flow, x, theta=flow.start(x, rng=seed), rng=seed, **settings)


def scores(flow, law, *, rows=10_000, seed=0):
    """-log p of fresh draws and their entropy, in units of the standard deviations; the excess of the first."""
    x = law.sample(rows, rng=1000 + seed)[0]
    exact, unit = -law.log_prob(x), float(np.log(law.sample(200_000, rng=0)[0].std(0)).sum())
    excess = -flow.log_prob(x) - exact
    found = {"nll": (exact + excess).mean() - unit, "floor": exact.mean() - unit, "excess": excess.mean()}
    found |= {"excess_error": excess.std() / math.sqrt(rows), "parameters": flow.layout.size}
    return {name: float(value) for name, value in found.items()}


def main(*laws, rows=20_000, **settings):
    """Train, print the scores and draw densities, draws and the loss above its floor; returns the paths."""
    out, paths = Path("runs/planar"), []
    out.mkdir(parents=True, exist_ok=True)
    for name in laws or LAWS:
        law, kept = LAWS[name], Snapshots()
        flow = train(law, rows=rows, callbacks=(kept,), **settings)
        found = scores(flow, law)
        print(name, {key: round(value, 4) for key, value in found.items()}, flush=True)
        x, test = law.sample(3000, rng=0)[0], law.sample(2000, rng=7)[0]
        look = {"floor": -law.log_prob(test).mean(), "title": f"{name}: {found['excess']:.3f} nats above the entropy"}
        shown = plot.snapshots(flow, kept.kept, test)
        figure = plot.density_picture(shown, law.log_prob, x, flow.sample(3000, rng=1), **look)
        paths.append(plot.save(figure, out / f"{name}.png"))
    return paths


if __name__ == "__main__":
    print(*main(*sys.argv[1:]), sep="\n")
