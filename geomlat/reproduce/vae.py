"""Variational autoencoders on MNIST: spheres, planes, hyperbolic space.

Davidson, Falorsi, De Cao, Kipf, Tomczak (2018), "Hyperspherical variational auto-encoders", table 1: networks
784-256-128 and mirrored, ReLU, Adam 1e-3, batches of 64, KL warm-up over 100 epochs, patience 50, up to 500 epochs,
dynamic binarisation, 500 importance samples. Here kappa is softplus without a shift (the literature adds 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from geomlat import models
from geomlat.data import Dataset, load
from geomlat.evaluate import bound, log_likelihood
from geomlat.optim import Adam, normalised
from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.floors import FLOORS
from geomlat.reproduce.paired import gap, keep_rows
from geomlat.reproduce.task import Task

FULL = {
    "data": "mnist",
    "hidden": [256, 128],
    "learning_rate": 1e-3,
    "batch_size": 64,
    "epochs": 500,
    "warmup": 100,
    "patience": 50,
    "samples": 500,
    "test_rows": 10000,
}
STANDARD = {**FULL, "epochs": 150, "warmup": 50}
# From ten dimensions on 150 epochs end a nat short of patience; averaged weights are worth 0.9 nats after 30.
LONGER = {**STANDARD, "epochs": 300, "average": 0.999}
SMOKE = {
    **FULL,
    "data": "digits",
    "hidden": [16],
    "epochs": 1,
    "warmup": 0,
    "samples": 3,
    "test_rows": 50,
}
SOURCE = "Davidson et al. 2018"


def run(task: Task) -> Mapping[str, float]:
    """Train and score a variational autoencoder: ``log_p``, ``elbo``, ``reconstruction``, ``kl`` on the test rows."""
    return measured(task, images(task.settings["data"]))


def measured(task: Task, data: Dataset) -> dict[str, float]:
    """`run` on a data set at hand."""
    s = task.settings
    model = models.vae(
        data.n_features,
        latent=s["latent"],
        hidden=s["hidden"],
        likelihood=data.likelihood,
        **s.get("model", {}),
    )
    train = task.place(data.train)
    task.fit(
        model,
        train,
        theta=start(task, model, data, train),
        epochs=s["epochs"],
        batch_size=s["batch_size"],
        optimizer=optimizer(model, s),
        warmup_epochs=s["warmup"],
        patience=s["patience"],
        average=s.get("average"),
        validation=task.place(data.validation),
        prepare=data.prepare,
    )
    return dict(task.once("scores", lambda: scores(task, model, data)))


def optimizer(model: Any, settings: Mapping[str, Any]) -> Adam:
    """Adam, on normalised gradients if the settings say so."""
    rate = settings["learning_rate"]
    return normalised(model.layout, rate) if settings.get("normalised") else Adam(rate)


def start(task: Task, model: Any, data: Dataset, train: Any) -> Any:
    """The first vector: the layers' own, and training rows as pseudo-inputs where there are any."""
    theta = task.place(model.init(rng=task.rng.child("init"), dtype=np.float32))
    if isinstance(model.prior, models.VampPrior):
        rows = data.prepare(train, rng=task.rng.child("pseudo-inputs", "data"))
        model.prior.initialise(model.view(theta), rows, rng=task.rng.child("pseudo-inputs"))
    return theta


def images(name: str) -> Dataset:
    """A data set of rows of features."""
    data = load(name)
    if not isinstance(data, Dataset):
        msg = f"an autoencoder needs rows of features, and {data}"
        raise ValueError(msg)
    return data


def scores(task: Task, model: Any, data: Dataset) -> dict[str, float]:
    """What a fitted model is worth on the test rows, nats per row; keeps the log-likelihood of each row."""
    rng, x = task.rng.child("test"), held_out(task, data)
    means = bound(model, model.theta, x, rng=rng.child("noise"))
    found = log_likelihood(model, model.theta, x, samples=task.settings["samples"], rng=rng)
    # The bound of a row at one draw is its importance-sampled likelihood with one sample.
    once = log_likelihood(model, model.theta, x, samples=1, rng=rng.child("bound"))
    keep_rows(task, found.log_p)
    theta = start(task, model, data, task.place(data.train))
    before = log_likelihood(model, theta, x, samples=min(10, task.settings["samples"]), rng=rng.child("untrained"))
    return {
        "log_p": found.mean,
        "log_p_error": found.standard_error,
        "log_p_untrained": before.mean,
        "effective_samples": found.effective_samples_mean,
        "elbo": -means["loss"],
        "elbo_error": once.standard_error,
        "reconstruction": -means["reconstruction"],
        **{name: means[name] for name in ("kl", "euclidean_kl") if name in means},
        "epochs": model.run.epoch,
    }


def held_out(task: Task, data: Dataset) -> Any:
    """The binarised test rows of a seed, the same for every model; evenly spaced if they are not all asked for."""
    step = max(1, len(data.test) // task.settings["test_rows"])
    return data.prepare(task.place(data.test[::step]), rng=task.rng.child("test", "data"))


def autoencoder(
    name: str,
    system: str,
    latent: str,
    *,
    runs: int = 1,
    minutes: float = 8,
    standard: Mapping[str, Any] = STANDARD,
    published: Published | None = None,
    gates: tuple[Gate, ...] = (),
    **model: Any,
) -> Experiment:
    """A variational autoencoder on MNIST under Davidson's settings."""
    own = {"latent": latent, "model": model}
    return Experiment(
        name=name,
        system=system,
        data="MNIST, dynamic binarisation",
        measure="log_p",
        quantity="log p(x), nats",
        higher_is_better=True,
        run=run,
        budgets={
            "smoke": Budget({**SMOKE, **own}, minutes=0.03),
            "standard": Budget(
                {**standard, **own}, runs=runs, minutes=minutes * standard["epochs"] / STANDARD["epochs"]
            ),
            "full": Budget({**FULL, **own}, runs=10, minutes=3 * minutes),
        },
        published=published,
        gates=gates,
        floor=FLOORS["mnist"],
    )


def davidson(value: float, spread: float | None, mark: str) -> Published:
    """A number of the paper, of ten runs."""
    return Published(value=value, spread=spread, runs=10, source=SOURCE, mark=mark)


def at_least(value: float, measure: str = "log_p") -> tuple[Gate, ...]:
    """One gate."""
    return (Gate(measure=measure, at_least=value),)


def _row(name: str, system: str, latent: str, d: int, published: Published, gate: float) -> Experiment:
    full = f"{name}-mnist-d{d}", f"{system}^{d}", f"{latent}{d}"
    runs, standard = (2 if d in (2, 5) else 1), (STANDARD if d in (2, 5) else LONGER)
    return autoencoder(*full, runs=runs, standard=standard, published=published, gates=at_least(gate))


SVAE = {
    d: _row("svae", "S-VAE, S", "s", d, davidson(*published), gate)
    for d, published, gate in (
        (2, (-132.50, 0.73, "2nd"), -133.2),
        (5, (-108.43, 0.09, "2nd"), -108.6),
        (10, (-93.16, 0.31, "2nd"), -93.5),
        (20, (-89.02, 0.31, "mem"), -89.02),
    )
}
SVAE[50] = autoencoder("svae-mnist-d50", "S-VAE, S^50", "s50", gates=at_least(-110.0, "elbo"))
# The gates: two of the published standard deviations below the published means.
NVAE = {
    d: _row("nvae", "N-VAE, R", "e", d, davidson(*published), gate)
    for d, published, gate in (
        (2, (-135.73, 0.83, "2nd"), -137.39),
        (5, (-110.21, 0.21, "2nd"), -110.63),
        (10, (-93.84, 0.30, "mem"), -94.44),
        (20, (-88.90, 0.26, "2nd"), -89.42),
    )
}
NVAE[50] = autoencoder("nvae-mnist-d50", "N-VAE, R^50", "e50", gates=at_least(-110.0, "elbo"))
# Published under other binarisations only. The gates at 2, 5 and 20: the Gaussian's published mean less 1, 1, 2 nats.
HVAE = {
    2: autoencoder("hvae-mnist-d2", "H-VAE, H^2", "h2", minutes=10, gates=at_least(-136.73)),
    5: autoencoder("hvae-mnist-d5", "H-VAE, H^5", "h5", minutes=10, gates=at_least(-111.21)),
    10: autoencoder(
        "hvae-mnist-d10", "H-VAE, H^10", "h10", minutes=10, standard=LONGER, gates=at_least(-100.0, "elbo")
    ),
    20: autoencoder("hvae-mnist-d20", "H-VAE, H^20", "h20", minutes=10, standard=LONGER, gates=at_least(-90.90)),
    50: autoencoder("hvae-mnist-d50", "H-VAE, H^50", "h50", minutes=15, gates=at_least(-110.0, "elbo")),
}
GAUSSIAN_AT_20 = davidson(-88.90, 0.26, "2nd")
AT_20 = (
    autoencoder(
        "product-mnist-d20",
        "Four spheres, 4 x S^5, against the Gaussian on R^20",
        "4*s5",
        minutes=13,
        standard=LONGER,
        published=GAUSSIAN_AT_20,
        gates=at_least(-88.90),
    ),
    autoencoder(
        "power-mnist-d20",
        "Power spherical on S^20, against the Gaussian on R^20",
        "s20",
        standard=LONGER,
        published=GAUSSIAN_AT_20,
        gates=at_least(-88.90),
        family="power",
    ),
)
# Published: -96 to -98 for all spaces of six dimensions, with another network and the test rows thresholded.
SKOPEK = Published(value=-97.0, source="Skopek et al. 2020, spaces of six dimensions", mark="mem")
MIXED_AT_6 = autoencoder("mixed-mnist-d6", "VAE, S^2 x H^2 x R^2", "s2,h2,e2", minutes=10, published=SKOPEK)
NVAE_AT_6 = autoencoder("nvae-mnist-d6", "N-VAE, R^6", "e6", published=SKOPEK)


def _sphere_gap(d: int, bound: float, value: float) -> Experiment:
    published = Published(value=value, source=f"{SOURCE}, difference of the means", mark="2nd")
    return gap(
        SVAE[d],
        NVAE[d],
        name=f"svae-minus-nvae-d{d}",
        quantity="log p(x), nats",
        at_least=bound,
        published=published,
    )


def _hyperbolic_gap(d: int, bound: float) -> Experiment:
    return gap(HVAE[d], NVAE[d], name=f"hvae-minus-nvae-d{d}", quantity="log p(x), nats", at_least=bound)


EXPERIMENTS = (
    *SVAE.values(),
    *NVAE.values(),
    *HVAE.values(),
    *AT_20,
    MIXED_AT_6,
    NVAE_AT_6,
    gap(MIXED_AT_6, NVAE_AT_6, name="mixed-minus-nvae-d6", quantity="log p(x), nats", at_least=-1.0),
    _sphere_gap(2, 2.0, 3.23),
    _sphere_gap(5, 1.0, 1.78),
    _hyperbolic_gap(2, -1.0),
    _hyperbolic_gap(5, -1.0),
    _hyperbolic_gap(20, -2.0),
)
