"""Three clusters on a circle, bent into R^100: which latent space finds the circle again, and from which start?

Davidson, Falorsi, De Cao, Kipf, Tomczak (2018), "Hyperspherical variational auto-encoders", figure 1: an autoencoder, a
Gaussian VAE with its divergence weighed by 10 and by 0.1, and a von Mises-Fisher VAE on S^1, here from two
initialisations. A start recovers the circle where the codes go round in the true order (`evaluate.circle_recovery`).
Needs the extra ``train``; half a minute on one core. Writes ``runs/example/circle.png``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam
from geomlat.plot.latent_space import draw_latent, latent_axes
from geomlat.plot.style import canvas, headline

MODELS = {"AE": ("ae", 1.0), "N-VAE, beta = 10": ("e2", 10.0), "N-VAE, beta = 0.1": ("e2", 0.1), "S-VAE": ("s1", 1.0)}


def train(name, d, *, seed=0, epochs=100, hidden=32, fit=None):
    """A fitted model of `MODELS`; half the squared error is the reconstruction, a Gaussian with standard deviation 1.

    ``fit(model, x, **settings)`` may stand in for the model's own.
    """
    latent, beta = MODELS[name]
    shape = {"hidden": (hidden,), "likelihood": "gaussian:1"}
    if latent == "ae":
        model = models.autoencoder(d.n_features, **shape)
    else:
        model = models.vae(d.n_features, latent=latent, **shape)
    settings = {"epochs": epochs, "batch_size": 32, "optimizer": Adam(1e-3), "beta": beta}
    return fit(model, d.train, **settings) if fit else model.fit(d.train, rng=seed, **settings)


def recoveries(d, seeds, **settings):
    """The `CircleRecovery` of every model from every seed: a dict of lists."""
    return {
        name: [
            evaluate.circle_recovery(train(name, d, seed=s, **settings).transform(d.train), d.angles[0]) for s in seeds
        ]
        for name in MODELS
    }


def picture(d, codes):
    """A row for each start: the original circle, then the codes of each model, coloured by cluster."""
    figure = canvas(3.1 * (1 + len(MODELS)), 3.2 * len(codes))
    headline(figure, f"{d.name}: codes of the training rows, from {len(codes)} initialisations")
    original = np.stack([np.cos(d.angles[0]), np.sin(d.angles[0])], axis=-1)
    columns = 1 + len(MODELS)
    for i, row in enumerate(codes):
        panels = [("original", original, "s1"), *((n, z, "s1" if n == "S-VAE" else "e2") for n, z in row.items())]
        for j, (name, z, space) in enumerate(panels):
            ax = latent_axes(figure, (len(codes), columns, 1 + i * columns + j), space)
            found = evaluate.circle_recovery(z, d.angles[0])
            draw_latent(
                ax, z, d.train_labels, space=space, title=f"{name}\nrank correlation {found.rank_correlation:.3f}"
            )
    return figure


def main(seeds=(0, 1), *, epochs=100, noise=0.1):
    """Train all models from all seeds; the path of the picture."""
    out = Path("runs/example")
    out.mkdir(parents=True, exist_ok=True)
    d = data.circle(noise=noise)
    codes = [{name: train(name, d, seed=s, epochs=epochs).transform(d.train) for name in MODELS} for s in seeds]
    for name in MODELS:
        print(f"{name}: " + "; ".join(str(evaluate.circle_recovery(row[name], d.angles[0])) for row in codes))
    return plot.save(picture(d, codes), out / "circle.png")


if __name__ == "__main__":
    main()
