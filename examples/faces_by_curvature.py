"""Faces in flat, round and hyperbolic latent spaces: Labeled Faces in the Wild, seven people, 50 x 37 grey levels.

The comparison of a post on autoencoders of constant curvature, with the true divergence for hyperbolic space and with
normalised likelihoods: a discretised logistic law of each pixel, in bits per dimension. In two dimensions the latent
spaces are drawn, coloured by person, above what they decode to. The same people are in train and test. Needs the extra
``train``; two minutes for the three models in two dimensions. Writes its pictures to ``runs/faces``.

    python examples/faces_by_curvature.py 5
"""

import sys
from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.manifolds.isometries import ball_to_hyperboloid, hyperboloid_to_ball
from geomlat.optim import Adam

SPACES = {"e": "N-VAE", "s": "S-VAE", "h": "H-VAE"}


def train(faces, latent, *, hidden, epochs, seed):
    """A fitted model."""
    model = models.vae(faces.n_features, latent=latent, hidden=hidden, likelihood=faces.likelihood)
    return model.fit(
        faces.train,
        epochs=epochs,
        rng=seed,
        optimizer=Adam(1e-3),
        warmup_epochs=epochs // 4,
        prepare=faces.prepare,
        progress=False,
    )


def panel(model, latent, test, caption):
    """Where the test faces lie and what the space decodes to; hyperbolic space as the Poincare disc."""
    z = model.transform(test)
    if latent == "h2":
        decode = lambda x: model.inverse_transform(ball_to_hyperboloid(x).astype("float32"))  # noqa: E731
        return plot.Panel(hyperboloid_to_ball(z.astype(float)), decode, "disc", caption)
    return plot.Panel(z, model.inverse_transform, latent, caption)


def main(dim=2, *, hidden=(256, 128), epochs=100, samples=200, seed=0):
    """Train one model for each geometry, print scores, draw; returns the log-likelihoods of the test rows by model."""
    faces, out = data.load("lfw"), Path("runs/faces")
    out.mkdir(parents=True, exist_ok=True)
    test, labels = faces.prepare(faces.test), faces.test_labels
    pixels = evaluate.factorised_baseline(
        faces.prepare(faces.train), test, models.likelihoods.likelihood(faces.likelihood)
    )
    print(f"pixels apart: {evaluate.bits_per_dimension(pixels.mean(), faces.n_features):.3f} bits per dimension")
    found, panels = {}, {}
    for letter, name in SPACES.items():
        latent = f"{letter}{dim}"
        model = train(faces, latent, hidden=hidden, epochs=epochs, seed=seed)
        scored = evaluate.log_likelihood(model, model.theta, test, samples=samples, rng=seed)
        bits, error = (evaluate.bits_per_dimension(v, faces.n_features) for v in (scored.mean, -scored.standard_error))
        known = model.transform(faces.prepare(faces.train)), faces.train_labels, model.transform(test), labels
        knn = evaluate.knn_accuracy(*known, pairwise_dist=model.manifold.pairwise_dist)
        caption = f"{bits:.3f} +- {error:.3f} bits per dimension, kNN {knn:.2f}"
        print(f"{name}, {latent}: {caption}", flush=True)
        found[f"{name}, {latent}"] = scored.log_p
        if dim == 2:
            panels[f"{name}, {latent}"] = panel(model, latent, test, caption)
    if panels:
        figure = plot.comparison(panels, labels, faces.image_shape, ink=False, title=faces.name)
        plot.save(figure, out / "spaces.png")
    plot.save(plot.likelihood_histogram(found, title=faces.name), out / f"likelihood-d{dim}.png")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
