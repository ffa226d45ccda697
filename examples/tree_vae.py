"""A binary tree of 255 nodes, seen through flipped bits, in the latent spaces H^2 and R^2.

Nagano, Yamaguchi, Fujita, Koyama (2019), "A wrapped normal distribution on hyperbolic space for gradient-based
learning", section 5.1: how well do latent distances follow the distances in the tree? Each visit flips a tenth of a
node's bits anew; a hidden layer of 100 tanh units, as theirs, and 1200 steps over all nodes. Needs the extra ``train``;
half a minute on one core.
Writes ``runs/example/tree.png``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, evaluate, models, plot
from geomlat.manifolds import hyperboloid_to_ball
from geomlat.optim import Adam
from geomlat.plot.latent_space import draw_latent, latent_axes
from geomlat.plot.style import canvas, headline

SPACES = {"hyperbolic": "h2", "Euclidean": "e2"}


def train(latent, d, *, seed=0, steps=1200, hidden=(100,), activation="tanh", fit=None):
    """A fitted model; ``fit(model, x, **settings)`` may stand in for the model's own."""
    model = models.vae(d.n_features, latent=latent, hidden=hidden, activation=activation, likelihood=d.likelihood)
    settings = {"epochs": steps, "batch_size": len(d.train), "optimizer": Adam(1e-3), "prepare": d.prepare}
    return fit(model, d.train, **settings) if fit else model.fit(d.train, rng=seed, **settings)


def scores(model, d, *, seed=0):
    """Correlations of latent with true distances: of clean nodes, and of noisy ones with the clean and noisy truth."""
    noisy = d.prepare(d.test, rng=seed)
    clean, measured = (hamming(x) for x in (d.test, noisy))
    z, z_noisy = (model.transform(np.asarray(x, np.float32)) for x in (d.test, noisy))
    pairs = {"clean": (z, clean), "noisy": (z_noisy, measured), "noisy_to_tree": (z_noisy, clean)}
    metric = model.manifold.pairwise_dist
    return {k: evaluate.distance_recovery(*p, pairwise_dist=metric).correlation for k, p in pairs.items()}


def hamming(bits):
    """Hamming distances between rows of bits."""
    return np.abs(np.asarray(bits, np.int8)[:, None] - np.asarray(bits, np.int8)).sum(-1, dtype=np.int64)


def main(seeds=(0,), *, steps=1200):
    """Train both spaces; the path of the picture of the first seed."""
    out = Path("runs/example")
    out.mkdir(parents=True, exist_ok=True)
    d = data.load("tree")
    figure = canvas(10.4, 5.5)
    headline(figure, f"{d.name}: codes of the nodes, coloured by level")
    for i, (name, latent) in enumerate(SPACES.items()):
        found = [train(latent, d, seed=s, steps=steps) for s in seeds]
        numbers = [scores(model, d) for model in found]
        means = ", ".join(f"{k} {np.mean([n[k] for n in numbers]):.3f}" for k in numbers[0])
        print(f"{name}: correlation of distances {means} (mean of {len(seeds)})")
        z = found[0].transform(d.test.astype(np.float32))
        space, z = ("disc", hyperboloid_to_ball(z, curvature=-1.0)) if latent == "h2" else ("e2", z)
        ax = latent_axes(figure, (1, 2, 1 + i), space)
        _edges(ax, z)
        title = f"{name}, correlation of distances {numbers[0]['clean']:.3f}"
        paint = draw_latent(ax, z, d.test_labels.astype(float), space=space, title=title)
    paint.legend(ax)
    return plot.save(figure, out / "tree.png")


def _edges(ax, z):
    for child in range(1, len(z)):
        ax.plot(*z[[child, (child - 1) // 2]].T, color="#c9ced4", linewidth=0.5, zorder=0)


if __name__ == "__main__":
    main()
