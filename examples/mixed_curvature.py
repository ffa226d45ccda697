"""A latent space of mixed curvature: a sphere, a hyperbolic plane, a plane and one whose curvature is learned.

Skopek, Ganea, Becigneul (2020), "Mixed-curvature variational autoencoders": each factor has a divergence of its own,
and the learned curvature stands still for the first epochs, then moves with a rate and a clip of its own. Beside it the
Gaussian on as many dimensions. Needs the extra ``train``; half a minute on scikit-learn's digits, more with MNIST.
Writes its pictures to ``runs/mixed``.

    python examples/mixed_curvature.py mnist
"""

import sys
from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam, apart

LATENTS = {"mixed": "s2,h2,e2,u2", "Gaussian": "e8"}


def main(name="digits", *, hidden=(128, 64), epochs=100, samples=200, rows=2000, seed=0):
    """Train both, print likelihoods and the rate of each factor, draw; returns the log-likelihoods by model."""
    images, out = data.load(name), Path("runs/mixed")
    out.mkdir(parents=True, exist_ok=True)
    test, labels = images.prepare(images.test[:rows], rng=seed), images.test_labels[:rows]
    steps, found = -(-len(images.train) // 64), {}
    for title, latent in LATENTS.items():
        model = models.vae(images.n_features, latent=latent, hidden=hidden, likelihood=images.likelihood)
        late = apart(model.layout, Adam(1e-3), Adam(1e-3, clip=1.0), after=epochs // 10 * steps)
        settings = {"warmup_epochs": epochs // 4, "prepare": images.prepare, "progress": False}
        model.fit(images.train, epochs=epochs, rng=seed, optimizer=late, **settings)
        scored = evaluate.log_likelihood(model, model.theta, test, samples=samples, rng=seed)
        parts = evaluate.bound(model, model.theta, test, rng=seed)
        known = model.transform(images.prepare(images.train, rng=seed)), images.train_labels
        knn = evaluate.knn_accuracy(*known, model.transform(test), labels, pairwise_dist=model.manifold.pairwise_dist)
        print(f"{title} ({latent}): {scored}; kNN {knn:.3f}", flush=True)
        found[title] = scored.mean
        if "," not in latent:
            continue
        active = evaluate.factor_active_units(model.encode(model.theta, test).mean(), model.manifold)
        for i, factor in enumerate(model.manifold.factors):
            used = f"{active[i]} of {factor.ambient_shape[0]} coordinates active"
            print(f"  {factor!r}: KL {parts[f'kl_{i}']:.2f} nats, {used}")
        figure = plot.latent_product(model.transform(test), model.manifold, labels, title=f"{images.name}, {latent}")
        plot.save(figure, out / "latent.png")
        ways = model.interpolate(test[:8], test[8:16], steps=11)
        plot.save(plot.interpolations(ways, images.image_shape, title="along geodesics"), out / "interpolations.png")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
