"""A VampPrior beside the standard prior, trained alike: on static MNIST, or on the Frey faces.

Tomczak, Welling (2018), "VAE with a VampPrior": two gated layers of 300, 40 latent dimensions, a prior that is a
mixture of the encoder's own posteriors at trainable pseudo-inputs. Samples draw a component by its weight and then a
point of it; the published program decoded the first pseudo-inputs instead. Faces have a discretised logistic likelihood
with edge bins and are reported in bits per dimension; their random split leaks, ``freyfaces-contiguous`` does not.
Needs the extra ``train``; 20 epochs and a tenth of the published pseudo-inputs here, minutes on MNIST, less on the
faces. Writes its pictures to ``runs/vamp``.

    python examples/vamp_prior.py freyfaces
"""

import sys
from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam


def train(dataset, prior, *, dim, hidden, epochs, seed):
    """A fitted model; pseudo-inputs start at training rows."""
    model = models.vae(
        dataset.n_features, latent=f"e{dim}", hidden=hidden, likelihood=dataset.likelihood, prior=prior, layers="gated"
    )
    settings = {"optimizer": Adam(1e-3), "warmup_epochs": epochs // 4, "validation": dataset.validation}
    return model.fit(
        dataset.train, epochs=epochs, batch_size=100, rng=seed, prepare=dataset.prepare, progress=False, **settings
    )


def pictures(model, dataset, name, out):
    """Samples, reconstructions, and the pseudo-inputs of a model that has them."""
    look = {"shape": dataset.image_shape, "ink": dataset.ink}
    plot.save(plot.sample_grid(model.sample(60, rng=1, mean=True), **look), out / f"{name}-samples.png")
    x = dataset.prepare(dataset.test[:: len(dataset.test) // 12][:12], rng=0)
    rebuilt = model.inverse_transform(model.transform(x))
    plot.save(plot.reconstructions(x, rebuilt, **look), out / f"{name}-reconstructions.png")
    if isinstance(model.prior, models.VampPrior):
        pseudo = model.prior.pseudo_inputs(model.view(model.theta))
        plot.save(plot.sample_grid(pseudo[:60], **look), out / f"{name}-pseudo-inputs.png")


def main(name="mnist-static", *, dim=40, hidden=(300, 300), k=50, epochs=20, rows=500, samples=200, seed=0):
    """Train both, print their scores and the paired gap, draw; returns the two log-likelihoods of each test row."""
    dataset, out = data.load(name), Path("runs/vamp")
    out.mkdir(parents=True, exist_ok=True)
    test = dataset.prepare(dataset.test[:: max(1, len(dataset.test) // rows)], rng=seed)
    found = {}
    for label, prior in {"standard prior": "standard", "VampPrior": f"vamp:{k}:data"}.items():
        model = train(dataset, prior, dim=dim, hidden=hidden, epochs=epochs, seed=seed)
        scored = evaluate.log_likelihood(model, model.theta, test, samples=samples, rng=seed)
        found[label] = scored.log_p
        bits = evaluate.bits_per_dimension(scored.mean, dataset.n_features)
        tail = evaluate.tails(scored.log_p)
        print(f"{label}: {scored}", *([f"{bits:.3f} bits per dimension"] if "logistic" in dataset.likelihood else []))
        print(f"  skewness {tail.skewness:.2f}, {100 * tail.share_below:.1f} % of rows below mean - 2 s.d.", flush=True)
        pictures(model, dataset, f"{name}-{prior.partition(':')[0]}", out)
    gap, error = evaluate.mean_and_error(found["VampPrior"] - found["standard prior"])
    print(f"VampPrior minus standard, paired over {len(test)} test rows: {gap:.2f} +- {error:.2f} nats")
    plot.save(plot.likelihood_histogram(found, title=dataset.name), out / f"{name}-likelihood.png")
    return found


if __name__ == "__main__":
    main(*sys.argv[1:2])
