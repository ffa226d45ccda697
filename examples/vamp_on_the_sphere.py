"""A VampPrior of von Mises-Fisher posteriors: a prior on the sphere that is learned, beside the uniform law.

The mixture of Tomczak, Welling (2018) takes any posterior family; here the encoder's laws on S^2 at thirty
pseudo-inputs with learned weights. Its density is drawn on an equal-area map with the codes of the test digits. With
two dimensions to share, the codes fill the sphere and the uniform law serves as well; the learned prior draws them
into clusters. Needs the extra ``train``; half a minute on a quiet core. Writes its pictures to ``runs/vamp-sphere``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam


def main(*, k=30, hidden=(128, 64), epochs=150, samples=200, seed=0):
    """Train both on the digits, print scores, draw; returns the log-likelihoods of the test rows by prior."""
    digits, out = data.load("digits"), Path("runs/vamp-sphere")
    out.mkdir(parents=True, exist_ok=True)
    test, shape = digits.prepare(digits.test), digits.image_shape
    found, maps = {}, {}
    for name, prior in {"uniform prior": "standard", "VampPrior": f"vamp:{k}:data:weights"}.items():
        model = models.vae(digits.n_features, latent="s2", hidden=hidden, likelihood=digits.likelihood, prior=prior)
        settings = {"optimizer": Adam(1e-3), "warmup_epochs": epochs // 4, "validation": digits.validation}
        model.fit(digits.train, epochs=epochs, rng=seed, prepare=digits.prepare, progress=False, **settings)
        scored = evaluate.log_likelihood(model, model.theta, test, samples=samples, rng=seed)
        found[name] = scored.log_p
        print(f"{name}: {scored}", flush=True)
        law, _ = model.prior.vjp(model.view(model.theta))
        density = lambda x, law=law: np.exp(law.log_prob(np.asarray(x, np.float32)))  # noqa: E731
        maps[f"{name} and the codes of the test digits"] = density, model.transform(test)
        drawn = model.sample(60, rng=seed, mean=True)
        plot.save(plot.sample_grid(drawn, shape, title=name), out / f"samples-{prior.partition(':')[0]}.png")
        if isinstance(model.prior, models.VampPrior):
            order = np.argsort(-law.log_weights)
            pseudo = model.prior.pseudo_inputs(model.view(model.theta))[order]
            title = "pseudo-inputs, the heaviest first"
            plot.save(plot.sample_grid(pseudo, shape, title=title), out / "pseudo-inputs.png")
    gap, error = evaluate.mean_and_error(found["VampPrior"] - found["uniform prior"])
    print(f"VampPrior minus uniform, paired over {len(test)} test rows: {gap:.2f} +- {error:.2f} nats")
    plot.save(plot.density_maps(maps, title="Priors on the sphere"), out / "priors.png")
    return found


if __name__ == "__main__":
    main()
