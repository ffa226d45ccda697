"""Mixtures of flows that find the wings of a pinwheel and two circles without labels, or with a few.

Pires and Figueiredo (2020), "Variational mixture of normalizing flows". Components start from Gaussians of their own EM
and of several starts the one of the largest likelihood goes on. Their circles fail: flows from a normal law split the
plane in halves; flows in polar coordinates do not. ``python examples/mixture_of_flows.py [CASE ...]``; seconds to a
minute each, pictures and films go to ``runs/mixtures``.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from geomlat import plot
from geomlat.data import Circles, Pinwheel
from geomlat.evaluate import matched_accuracy
from geomlat.models import FlowMixture
from geomlat.optim import Adam, cosine
from geomlat.train import Callback

WING = {"blocks": 6, "hidden": (16,), "activation": "tanh", "framed": True, "posterior_hidden": (64, 64)}
RING = {"kind": "polar", "blocks": 1, "hidden": (8,), "activation": "tanh", "framed": True, "objective": "marginal"}
PLAIN = {"blocks": 10, "hidden": (8,), "posterior_hidden": (16, 16)}
CASES = {  # law, rows, labelled rows, mixture, training; PLAIN and its training are the original's
    "pinwheel-5": (Pinwheel(), 2560, 0, WING, {"batch_size": 256, "epochs": 150, "starts": 6, "trial_epochs": 15}),
    "pinwheel-3": (Pinwheel(3, rate=0.25), 6144, 0, WING, {"batch_size": 256, "epochs": 60, "starts": 3}),
    "circles-plain": (Circles(), 1024, 0, PLAIN, {"batch_size": 128, "epochs": 500, "starts": 0}),
    "circles": (Circles(), 1024, 0, RING, {"batch_size": 128, "epochs": 150, "starts": 6, "trial_epochs": 40}),
    "circles-64": (Circles(), 1024, 64, PLAIN, {"batch_size": 128, "epochs": 150, "starts": 0}),
    "circles-32": (Circles(), 1024, 32, PLAIN, {"batch_size": 128, "epochs": 150, "starts": 0}),
}


def heated(step):
    """The original's temperature of q, with a floor: from 10 down to 1."""
    return min(1.0, 0.1 * np.exp(1e-3 * step))


def fit(model, x, y, *, labelled, epochs, starts, rng, lr=1e-2, callbacks=(), **settings):
    """The mixture trained on the rows x, with labels y, -1 where unknown; ``labelled`` of them are trained on first."""
    steps = epochs * -(-len(x) // settings["batch_size"])
    settings |= {"epochs": epochs, "starts": starts, "rng": rng, "callbacks": callbacks}
    if starts:
        optimizer = Adam(cosine(lr, steps, floor=0.01 * lr, warmup=min(20, steps // 2)), clip=5.0)
        return model.fit(x, y, optimizer=optimizer, **settings)
    if not labelled:
        return model.fit(x, y, optimizer=Adam(1e-3), beta=heated, **settings)
    first = model.fit(x[:labelled], y[:labelled], epochs=300, batch_size=labelled, rng=rng).theta
    return model.fit(
        x,
        y,
        optimizer=Adam(cosine(5e-3, steps, floor=5e-5, warmup=min(20, steps // 2)), clip=5.0),
        theta=first,
        **settings,
    )


def run(case, *, seed=0, supervised=False, callbacks=(), rows=None, **changed):
    """``(mixture, numbers)``: accuracy, -log p, its bound and the entropy on fresh draws; ``supervised`` by all."""
    law, n, labelled, options, settings = CASES[case]
    x, y = law.sample((rows or n) + labelled, rng=seed)
    test, truth = law.sample(4000, rng=1000 + seed)
    model = FlowMixture(n_components=law.components, features=2, **options)
    known = y if supervised else np.where(np.arange(len(x)) < labelled, y, -1)
    settings = settings | changed | ({"starts": 1} if supervised else {})
    fit(model, x, known, labelled=labelled, rng=seed, callbacks=callbacks, **settings)
    found, floor = model.predict(test), -law.log_prob(test).mean()
    right = np.mean(found == truth) if labelled else matched_accuracy(truth, found)
    scores = {"accuracy": right, "nll": -model.log_prob(test).mean(), "bound": -model.elbo(test).mean(), "floor": floor}
    return model, {name: float(value) for name, value in scores.items()}


class Film(Callback):
    """Keeps the parameters after some of the epochs."""

    def __init__(self):
        self.states = []

    def on_epoch(self, training):
        """After each of the first twenty epochs and each third."""
        if training.epoch <= 20 or training.epoch % 3 == 0:
            self.states.append((training.step, training.theta.copy()))

    def snapshots(self, model, test):
        """For `plot.mixture_film`."""
        models = [(step, replace(model).fitted(theta)) for step, theta in self.states]
        return [plot.Snapshot(step, float(-m.log_prob(test).mean()), m.log_prob, m.predict_proba) for step, m in models]


def main(*cases, rows=None, **changed):
    """Train, print the numbers, draw a picture of each case and a film from a single start; returns their paths."""
    paths, out = [], Path("runs/mixtures")
    out.mkdir(parents=True, exist_ok=True)
    for case in cases or CASES:
        film = Film()
        model, numbers = run(case, callbacks=(film,), rows=rows, **changed)
        print(case, {name: round(value, 4) for name, value in numbers.items()}, flush=True)
        law, n, _, _, settings = CASES[case]
        x, test = law.sample(rows or n, rng=0)[0], law.sample(2000, rng=7)[0]
        look = {"floor": -law.log_prob(test).mean(), "title": f"{case}: {settings['starts']} starts"}
        shown = film.snapshots(model, test)
        paths.append(plot.save(plot.mixture_picture(shown, x, model.sample(n, rng=1), **look), out / f"{case}.png"))
        if settings["starts"]:
            film = Film()
            single = replace(model, objective="marginal")
            fit(
                single,
                x,
                None,
                labelled=0,
                rng=2,
                callbacks=(film,),
                **settings | {"starts": 1, "trial_epochs": 0} | changed,
            )
            shown, look = film.snapshots(single, test), look | {"title": f"{case}: one start"}
            video = plot.mixture_film(shown, x, seconds=4.0, **look)
            paths.append(plot.save_video(video, out / f"{case}.{'mp4' if shutil.which('ffmpeg') else 'gif'}"))
    return paths


if __name__ == "__main__":
    print(*main(*sys.argv[1:]), sep="\n")
