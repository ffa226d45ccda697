"""Dihedral angles of QM9's molecules in flat, round, hyperbolic, toroidal and mixed latent spaces of six dimensions.

The data of a post on constant-curvature VAEs, which showed pictures and no numbers, with a cosine loss and with a rate
for hyperbolic space that is no divergence. Here the angles are von Mises, every rate is the true one, and all models
have the same number of parameters to within one in a hundred. Needs the extra ``train``; half a minute a model on one
core. Writes its pictures to ``runs/example``.
"""

from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam
from geomlat.random import stream

SPACES = {"Euclidean": "e6", "spherical": "s6", "hyperbolic": "h6", "torus": "6*s1", "mixed": "s2,h2,e2"}


def model_of(latent, n_features=12, width=96):
    """The model whose two hidden widths make it nearest in parameters to the Euclidean one of the given width."""

    def built(space, *hidden):
        return models.vae(n_features, latent=space, hidden=hidden, likelihood="von-mises")

    size = built("e6", width, width).layout.size
    near = [built(latent, width, w) for w in range(max(2, width - 16), width + 17)]
    return min(near, key=lambda m: abs(m.layout.size - size))


def train(latent, d, *, epochs=40, seed=0, width=96, fit=None):
    """A fitted model; ``fit(model, x, **settings)`` may stand in for the model's own."""
    model = model_of(latent, d.n_features, width)
    settings = {"epochs": epochs, "batch_size": 256, "optimizer": Adam(2e-3), "warmup_epochs": epochs // 2}
    return fit(model, d.train, **settings) if fit else model.fit(d.train, rng=seed, **settings)


def scores(model, d, *, rows=2000, samples=100, seed=0):
    """Angular scores of the rebuilt test rows, and the numbers of a table."""
    x, rng = d.test[:rows], stream(seed).child("test")
    angles = evaluate.angular_scores(model.inverse_transform(model.transform(x)), x)
    bound = {name: float(value) for name, value in model.report(model.theta, x, rng).items()}
    found = evaluate.log_likelihood(model, model.theta, x, samples=samples, rng=rng)
    numbers = {"log_p": found.mean, "log_p_error": found.standard_error, "elbo": -bound["loss"], "kl": bound["kl"]}
    gain = evaluate.mean_and_error(found.log_p - evaluate.independent_angles(d.train, x))
    numbers |= dict(zip(("gain", "gain_error"), gain, strict=True))
    numbers |= {"degrees": angles.mean_error, "degrees_error": angles.standard_error}
    return angles, numbers | {"correlation": angles.correlation, "parameters": model.layout.size}


def main(epochs=40, rows=2000, width=96, samples=100):
    """Train and score all spaces; the paths of the pictures."""
    out = Path("runs/example")
    out.mkdir(parents=True, exist_ok=True)
    d = data.load("qm9-dihedrals")
    x = d.test[:rows]
    alone = evaluate.independent_angles(d.train, x)
    print(f"{d.name}: independent von Mises angles reach log p(x) = {alone.mean():.2f} nats")
    rebuilt, found = {}, {}
    for name, latent in SPACES.items():
        model = train(latent, d, epochs=epochs, width=width)
        rebuilt[name] = model.inverse_transform(model.transform(x))
        found[name], numbers = scores(model, d, rows=rows, samples=samples)
        log_p = f"log p(x) = {numbers['log_p']:.2f} +- {numbers['log_p_error']:.2f}, KL {numbers['kl']:.2f}"
        print(f"{name} ({latent}, {numbers['parameters']} parameters): {log_p}; {found[name]}")
    return [
        plot.save(plot.angles(rebuilt, x, title="Dihedral angles of QM9, rebuilt"), out / "qm9-angles.png"),
        plot.save(plot.angle_errors(found), out / "qm9-errors.png"),
    ]


if __name__ == "__main__":
    main()
