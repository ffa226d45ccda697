"""Two modes on the sphere by dequantisation: divergences, the bias of importance sampling, pictures and a film.

The end-to-end example of Brofos, Brubaker, Lederman (2021) with a hundredth of its parameters, and with the density of
the directions by quadrature of the radius, where theirs is estimated. Needs the extra ``train``; four minutes on one
core. Writes to ``runs/dequantisation``, the film as MP4 where ffmpeg is installed, else as GIF.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from geomlat import plot
from geomlat.data import spherical_modes
from geomlat.evaluate import divergences, mean_and_error, sphere_nodes
from geomlat.flows import DequantizedDensity
from geomlat.manifolds import Sphere
from geomlat.optim import Adam
from geomlat.optim.schedules import cosine
from geomlat.train import Snapshots

ENTROPY = 0.27263


def train(location, rows, epochs, **network):
    """A model of the modes with either dequantiser, and its snapshots."""
    x = spherical_modes().sample((rows,), rng=0).astype(np.float32)
    model, watch = DequantizedDensity(manifold=Sphere(2), location=location, **network), Snapshots(2, first=4)
    steps = epochs * math.ceil(rows / 512)
    schedule = cosine(3e-3, steps, warmup=min(100, steps - 1))
    model.fit(x, epochs=epochs, batch_size=512, rng=0, optimizer=Adam(schedule), average=0.999, callbacks=[watch])
    return model, watch.kept


def bias(model, y, samples, draws=400_000):
    """By how much the importance-sampled log-density is too low on average, and the standard errors of that."""
    found, exact = [], model.log_prob(y)
    for k in samples:
        rows = np.arange(draws // k) % len(y)
        found.append(mean_and_error(exact[rows] - model.log_prob_estimate(y[rows], samples=k, rng=k)))
    return tuple(zip(*found, strict=True))


def main(rows=200_000, epochs=50, rings=96, draws=1000, effort=400_000, seconds=6.0, **network):
    """Train both parameterisations, print what they are worth (the best bound is -ENTROPY), draw the last."""
    out, law = Path("runs/dequantisation"), spherical_modes()
    out.mkdir(parents=True, exist_ok=True)
    y, (x, weights), samples = law.sample((draws,), rng=1), sphere_nodes(rings), (1, 10, 50, 1000)
    for location in ("softplus", "free"):
        model, kept = train(location, rows, epochs, **network)
        found = divergences(law.log_prob(x), model.log_prob(x), weights)
        gap = float(law.log_prob(y).mean() + np.mean([model.loss_vjp(model.theta, y, k)[0] for k in range(20)]))
        print(f"median radius {location}, {model.layout.size} parameters: bound {-ENTROPY - gap:.4f}, {found}")
    gaps, errors = bias(model, y, samples, effort)
    for k, gap, error in zip(samples, gaps, errors, strict=True):
        print(f"importance sampling with K = {k} is too low by {gap:.5f} +- {error:.5f}")

    def density(at, theta=model.theta):
        return np.exp(replace(model).fitted(theta).log_prob(at, nodes=40))

    truth = lambda at: np.exp(law.log_prob(at))  # noqa: E731

    def misplaced(at):
        return np.where(truth(at) < 1e-4 * truth(x).max(), density(at), 0.0)

    z = model.sample(20 * draws, rng=2)
    name = f"where the target is below 1e-4 of its peak: {1e4 * found.spurious:.1f} in 10 000 of the model's mass"
    maps = {"target and draws of it": (truth, y), "model and draws of it": (plot.tabulated(density), z[:draws])}
    maps[name] = plot.tabulated(misplaced), z[misplaced(z) > 0.0]
    paths = [plot.save(plot.density_maps(maps, columns=3, centre=135.0, title="Dequantised density"), out / "maps.png")]
    paths.append(plot.save(plot.estimation_bias(samples, gaps, errors), out / "bias.png"))
    snapshots = [(step, loss, lambda at, t=theta: density(at, t)) for step, loss, theta in kept]
    film = plot.learning_film(snapshots, (truth, y[:300]), floor=ENTROPY, centre=135.0, seconds=seconds)
    return [*paths, plot.save_video(film, out / "learning")]


if __name__ == "__main__":
    print(*main(), sep="\n")
