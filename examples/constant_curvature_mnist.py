"""MNIST in flat, round and hyperbolic latent spaces, with the true divergence beside the formula printed for it.

A post on autoencoders of constant curvature compares R^d, S^d and H^d on MNIST and takes, for hyperbolic space, the
Kullback-Leibler divergence of normal laws in the tangent space. It is too small, by up to about
(d - 1) log(sinh(D) / D) at distance D from the origin, so what it calls a bound is none; the fourth model is trained by
it. The bound and the importance-sampled likelihood (Burda et al. 2016) here are of the true laws. Dynamic binarisation.
Needs the extra ``train`` and MNIST; three minutes for each model. Writes its pictures to ``runs/curvature``.

    python examples/constant_curvature_mnist.py 5
"""

import sys
from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam

MODELS = {
    "N-VAE": ("e", {}),
    "S-VAE": ("s", {}),
    "H-VAE": ("h", {}),
    "H-VAE by the formula": ("h", {"euclidean_kl": True}),
}


def scores(model, test, *, samples, seed):
    """The parts of the bound, the formula where there is one, and the likelihood; nats per row."""
    parts = evaluate.bound(model, model.theta, test, rng=seed)
    found = evaluate.log_likelihood(model, model.theta, test, samples=samples, rng=seed)
    bound = -parts["reconstruction"] - parts["kl"]
    printed = -parts["reconstruction"] - parts["euclidean_kl"] if "euclidean_kl" in parts else bound
    return {"bound": bound, "kl": parts["kl"], "printed": printed, "log_p": found.mean}


def main(dim=2, *, name="mnist", hidden=(256, 128), epochs=12, samples=100, rows=2000, seed=0):
    """Train each model, print the table, draw the latent planes; returns the scores by model."""
    images, out = data.load(name), Path("runs/curvature")
    out.mkdir(parents=True, exist_ok=True)
    test, labels = images.prepare(images.test[:rows], rng=seed), images.test_labels[:rows]
    found, panels = {}, {}
    print(f"{images.name}: nats per row\n{'':28}{'bound':>9}{'true KL':>9}{'by formula':>12}{'log p(x)':>10}")
    for title, (letter, options) in MODELS.items():
        model = models.vae(
            images.n_features, latent=f"{letter}{dim}", hidden=hidden, likelihood=images.likelihood, **options
        )
        settings = {"warmup_epochs": epochs // 4, "prepare": images.prepare, "progress": False}
        model.fit(images.train, epochs=epochs, rng=seed, optimizer=Adam(1e-3), **settings)
        s = found[title] = scores(model, test, samples=samples, seed=seed)
        label = f"{title}, {letter.upper().replace('E', 'R')}^{dim}"
        print(f"{label:28}{s['bound']:9.2f}{s['kl']:9.2f}{s['printed']:12.2f}{s['log_p']:10.2f}", flush=True)
        chart = plot.chart(model.manifold)
        if chart is not None:

            def decode(z, model=model, chart=chart):
                return model.inverse_transform(chart.back(z).astype("float32"))

            points, caption = chart.there(model.transform(test)), f"log p(x) = {s['log_p']:.1f} nats"
            panels[label] = plot.Panel(points, decode, chart.space, caption)
    if panels:
        plot.save(plot.comparison(panels, labels, images.image_shape, title=images.name), out / "spaces.png")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
