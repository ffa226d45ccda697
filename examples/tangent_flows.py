"""Flows in tangent spaces of the sphere: a good base, a bad one, and two cures, with globes that turn.

Two modes 90 degrees apart. The base between them does well. At a base opposite one of them that mode lies on the cut
locus, and a flow that is blind beyond it fails; counting the geodesics beyond the cut locus helps, an atlas of two
bases cures it. Needs the extra ``train``; ten minutes on one core. Writes to ``runs/tangent``, the videos as MP4 where
ffmpeg is installed, else as GIF.
"""

import math
from pathlib import Path

import numpy as np

from geomlat import plot
from geomlat.data import spherical_modes
from geomlat.evaluate import divergences, sphere_nodes
from geomlat.flows import TangentFlow
from geomlat.manifolds import Sphere
from geomlat.optim import Adam
from geomlat.optim.schedules import cosine

GOOD, BAD, MODE = [-math.sqrt(0.5), 0.0, math.sqrt(0.5)], [1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]
CASES = {
    "good base": {"base": GOOD, "windings": 0},
    "bad base": {"base": BAD, "windings": 0},
    "bad base, long ways counted": {"base": BAD, "windings": 1},
    "atlas of two bases": {"base": [BAD, MODE], "windings": 1},
}


def train(case, x, epochs, **network):
    """The flow of a case."""
    model = TangentFlow(manifold=Sphere(2), **CASES[case], **({"activation": "relu", "hidden": (64, 64)} | network))
    steps = epochs * math.ceil(len(x) / 256)
    schedule = cosine(3e-3, steps, warmup=min(100, steps - 1))
    return model.fit(x, epochs=epochs, batch_size=256, rng=0, optimizer=Adam(schedule), average=0.999)


def main(rows=200_000, epochs=10, rings=96, seconds=8.0, **network):
    """Train all four, print their divergences from the target, and film them; returns the paths."""
    out, law = Path("runs/tangent"), spherical_modes()
    out.mkdir(parents=True, exist_ok=True)
    x, (nodes, weights) = law.sample((rows,), rng=0).astype(np.float32), sphere_nodes(rings)
    densities = {"target": (lambda at: np.exp(law.log_prob(at)), None)}
    draws = {"target": (None, law.sample((1500,), rng=1))}
    for case in CASES:
        model = train(case, x, epochs, **network)
        log_q = np.asarray(model.log_prob(nodes), np.float64)
        mass = float(weights @ np.exp(log_q))
        found = divergences(law.log_prob(nodes), log_q - math.log(mass), weights)
        print(f"{case}: mass {mass:.4f}, KL(model, target) {found.reverse:.5f}, KL(target, model) {found.forward:.5f}")
        densities[case] = (lambda at, q=model: np.exp(q.log_prob(at)), None)
        draws[case] = (None, model.sample(1500, rng=2))
    kinds = {"densities": densities, "draws": draws}
    films = {name: plot.rotating_globes(panels, seconds=seconds) for name, panels in kinds.items()}
    paths = [plot.save(film.still(0.35), out / f"{name}.png") for name, film in films.items()]
    return paths + [plot.save_video(film, out / name) for name, film in films.items()]


if __name__ == "__main__":
    print(*main(), sep="\n")
