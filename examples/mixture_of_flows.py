"""Mixtures of flows that find the wings of a pinwheel and two circles without labels, or with a few.

Pires and Figueiredo (2020), "Variational mixture of normalizing flows". Components start from Gaussians of their own EM
and of several starts the one of the largest likelihood goes on. Their circles fail: flows from a normal law split the
plane in halves; flows in polar coordinates do not. With labels a log-scale of at most 1 keeps test points beside the
thin rings near the others. ``python examples/mixture_of_flows.py [CASE ...]`` (a minute each) fills ``runs/mixtures``.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from geomlat import plot
from geomlat.data import Circles, Pinwheel
from geomlat.evaluate import matched_accuracy
from geomlat.models import FlowMixture
from geomlat.optim import Adam, cosine, growth
from geomlat.train import Snapshots

WING = {"blocks": 6, "hidden": (16,), "activation": "tanh", "framed": True, "posterior_hidden": (64, 64)}
RING = {"kind": "polar", "blocks": 1, "hidden": (8,), "activation": "tanh", "framed": True, "objective": "marginal"}
PLAIN = {"blocks": 10, "hidden": (8,), "posterior_hidden": (16, 16)}  # as the original's, and HEATED
HEATED = {"optimizer": Adam(1e-3), "beta": growth(0.1, 1e-3)}
FEW = {"batch_size": 128, "epochs": 150, "lr": 5e-3, "labelled_epochs": 300}
CASES = {  # law, rows, labelled rows, mixture, training
    "pinwheel-5": (Pinwheel(), 2560, 0, WING, {"batch_size": 256, "epochs": 150, "starts": 6, "trial_epochs": 15}),
    "pinwheel-3": (Pinwheel(3, rate=0.25), 6144, 0, WING, {"batch_size": 256, "epochs": 60, "starts": 3}),
    "circles-plain": (Circles(), 1024, 0, PLAIN, {"batch_size": 128, "epochs": 500, **HEATED}),
    "circles": (Circles(), 1024, 0, RING, {"batch_size": 128, "epochs": 150, "starts": 6, "trial_epochs": 40}),
    "circles-64": (Circles(), 1024, 64, PLAIN | {"bound": 1.0}, FEW),
    "circles-32": (Circles(), 1024, 32, PLAIN | {"bound": 1.0}, FEW),
}


def fit(model, x, y, *, epochs, batch_size, lr=1e-2, **settings):
    """The mixture trained on the rows x, with labels y, -1 where unknown."""
    steps = epochs * -(-len(x) // batch_size)
    optimizer = Adam(cosine(lr, steps, floor=0.01 * lr, warmup=min(20, steps // 2)), clip=5.0)
    return model.fit(x, y, epochs=epochs, batch_size=batch_size, **{"optimizer": optimizer} | settings)


def run(case, *, seed=0, supervised=False, rows=None, **changed):
    """``(mixture, numbers)``: accuracy, -log p, its bound and the entropy on fresh draws; ``supervised`` by all."""
    law, n, labelled, options, settings = CASES[case]
    x, y = law.sample((rows or n) + labelled, rng=seed)
    test, truth = law.sample(4000, rng=1000 + seed)
    known = y if supervised else np.where(np.arange(len(x)) < labelled, y, -1)
    model = FlowMixture(n_components=law.components, features=2, **options)
    fit(model, x, known, rng=seed, **settings | changed | ({"starts": 1} if supervised else {}))
    found, floor = model.predict(test), -law.log_prob(test).mean()
    right = np.mean(found == truth) if labelled else matched_accuracy(truth, found)
    scores = {"accuracy": right, "nll": -model.log_prob(test).mean(), "bound": -model.elbo(test).mean(), "floor": floor}
    return model, {name: float(value) for name, value in scores.items()}


def main(*cases, rows=None, **changed):
    """Train, print the numbers, draw a picture of each case and a film from a single start; returns their paths."""
    paths, out = [], Path("runs/mixtures")
    out.mkdir(parents=True, exist_ok=True)
    for case in cases or CASES:
        law, n, *_, settings = CASES[case]
        settings, kept = settings | changed, Snapshots(3, first=20)
        x, test = law.sample(rows or n, rng=0)[0], law.sample(2000, rng=7)[0]
        starts, (model, numbers) = settings.get("starts", 0), run(case, callbacks=(kept,), rows=rows, **changed)
        print(case, {name: round(value, 4) for name, value in numbers.items()}, flush=True)
        look = {"floor": -law.log_prob(test).mean(), "title": f"{case}, best of {starts} starts" if starts else case}
        shown = plot.snapshots(model, kept.kept, test)
        paths.append(plot.save(plot.mixture_picture(shown, x, model.sample(n, rng=1), **look), out / f"{case}.png"))
        if starts:
            single, kept, look = replace(model, objective="marginal"), Snapshots(3, first=20), look | {"title": case}
            fit(single, x, None, rng=2, callbacks=(kept,), **settings | {"starts": 1, "trial_epochs": 0})
            film = plot.mixture_film(plot.snapshots(single, kept.kept, test), x, seconds=4.0, **look)
            paths.append(plot.save_video(film, out / case))
    return paths


if __name__ == "__main__":
    print(*main(*sys.argv[1:]), sep="\n")
