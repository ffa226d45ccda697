"""A mixture of five flows on MNIST's digits 0 to 4, without labels: which component draws which digit.

Pires and Figueiredo (2020) report accuracy 0.754 and normalised mutual information 0.660 (from their table of counts).
Grey levels are dequantised, spread by a logit and rotated to their principal axes; the flows model the first 32, normal
laws the rest, so that densities of images are exact. Of several starts the one of the largest likelihood goes on.
Ten minutes on a core; writes pictures to ``runs/mixtures``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, plot
from geomlat.evaluate import matched_accuracy
from geomlat.flows import PixelFrame
from geomlat.models import FlowMixture
from geomlat.optim import Adam, cosine

DIGITS, BATCH = 5, 256


def coordinates(rank, *, digits=DIGITS, seed=0):
    """The frame, and for the training, validation and test rows ``(coordinates, rest of log p, labels)``."""
    mnist, frame, parts = data.load("mnist"), None, []
    for name in ("train", "validation", "test"):
        images, labels = getattr(mnist, name), getattr(mnist, f"{name}_labels")
        images, labels = images[labels < digits], labels[labels < digits]
        frame = frame or PixelFrame.of(images, rank, rng=seed)
        parts.append((*frame.encode(images, rng=seed + 1 + len(parts)), labels))
    return frame, parts


def train(x, validation, *, components=DIGITS, epochs=12, starts=4, trial_epochs=3, seed=0, hidden=(128,), **settings):
    """The mixture, best by its bound on the validation rows."""
    model = FlowMixture(
        n_components=components,
        features=x.shape[1],
        blocks=4,
        hidden=hidden,
        posterior_hidden=(256,),
        framed=True,
        objective="marginal",
    )
    steps = epochs * -(-len(x) // BATCH)
    schedule = cosine(1e-3, steps, floor=1e-5, warmup=min(20, steps // 2))
    settings |= {"optimizer": Adam(schedule, clip=50.0), "batch_size": BATCH, "trial_epochs": trial_epochs}
    return model.fit(x, validation=validation, patience=epochs, epochs=epochs, starts=starts, rng=seed, **settings)


def scores(model, frame, part):
    """Accuracy by the best matching and its error, normalised mutual information, the bound on bits per dimension."""
    from sklearn.metrics import normalized_mutual_info_score

    z, rest, labels = part
    found, l = model.predict(z), model.log_prob(z)
    accuracy = matched_accuracy(labels, found)
    return {
        "accuracy": accuracy,
        "accuracy_error": float(np.sqrt(accuracy * (1 - accuracy) / len(labels))),
        "nmi": float(normalized_mutual_info_score(labels, found)),
        "bits": float(frame.bits(l + rest).mean()),
        "nll": float(-l.mean()),
    }


def main(rank=32, **settings):
    """Train, print the scores on the test digits and their counts by component; returns the path of the samples."""
    out = Path("runs/mixtures")
    out.mkdir(parents=True, exist_ok=True)
    frame, (first, validation, test) = coordinates(rank)
    model = train(first[0], validation[0], **settings)
    print({name: round(value, 4) for name, value in scores(model, frame, test).items()})
    found = model.predict(test[0])
    for digit in range(DIGITS):
        print(f"digit {digit}: by component {np.bincount(found[test[2] == digit], minlength=DIGITS)}")
    draws = [frame.decode(model.sample(10, rng=c, component=c)) for c in range(model.n_components)]
    side, title = round(len(frame.mean) ** 0.5), "Ten draws of each component, found without labels"
    return plot.save(plot.sample_grid(np.concatenate(draws), (side, side), title=title), out / "mnist.png")


if __name__ == "__main__":
    print(main())
