"""A hyperspherical VAE beside its Gaussian twin on digits: what ``geomlat train svae`` does, in library calls.

Davidson, Falorsi, De Cao, Kipf, Tomczak (2018), "Hyperspherical variational auto-encoders". Needs the extra ``train``;
about a minute on two cores. Writes its pictures to ``runs/example``.
"""

from pathlib import Path

from geomlat import data, evaluate, models, plot
from geomlat.optim import Adam

out = Path("runs/example")
out.mkdir(parents=True, exist_ok=True)
digits = data.load("digits")
test = digits.prepare(digits.test)
baseline = evaluate.factorised_baseline(digits.train, digits.test, digits.likelihood)
print(f"{digits.name}: independent pixels reach log p(x) = {baseline.mean():.1f} nats")

histories = {}
for name, space in {"S-VAE": "s2", "N-VAE": "e2"}.items():
    model = models.vae(digits.train.shape[1], latent=space, hidden=(256, 128), likelihood=digits.likelihood)
    model.fit(
        digits.train,
        epochs=150,
        rng=0,
        optimizer=Adam(1e-3),
        warmup_epochs=50,
        validation=digits.validation,
        prepare=digits.prepare,
        directory=out / name,
    )
    histories[name] = model.run.history

    likelihood = evaluate.log_likelihood(model, model.theta, test, samples=500, rng=1)
    codes = model.transform(digits.train), digits.train_labels, model.transform(digits.test), digits.test_labels
    accuracy = evaluate.knn_accuracy(*codes, pairwise_dist=model.posterior.latent.manifold.pairwise_dist)
    print(f"{name}: {likelihood}; 5-nearest-neighbour accuracy {accuracy:.3f}")

    plot.save(plot.latent(model.transform(digits.test), digits.test_labels, space=space), out / f"{name}-latent.png")
    plot.save(plot.decoded(model.inverse_transform, digits.image_shape, space=space), out / f"{name}-decoded.png")
    rebuilt = model.inverse_transform(model.transform(digits.test[:12]))
    plot.save(plot.reconstructions(test[:12], rebuilt, digits.image_shape), out / f"{name}-reconstructions.png")
    plot.save(plot.sample_grid(model.sample(50, rng=2, mean=True), digits.image_shape), out / f"{name}-samples.png")

plot.save(plot.training_curves(histories), out / "training.png")
