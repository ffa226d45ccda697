"""The torsions of proteins on the torus: a Ramachandran plot under two flows of angles and a von Mises mixture.

Residues of Top8000 (Hintze, Lewis, Richardson and Richardson 2016), split by protein. Needs the extra ``train``; six
minutes on one core. Writes ``runs/ramachandran.png``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, plot
from geomlat.distributions import Mixture, VonMises
from geomlat.flows import circular_flow
from geomlat.optim import Adam


def mixture(x, components, steps, rng=0):
    """Products of von Mises laws fitted by expectation-maximisation from random points."""
    first = np.random.default_rng(rng).choice(len(x), components, replace=False)
    start = Mixture(np.zeros(components), VonMises(x[first], np.full((components, 2), 5.0)))
    return start.em(x, steps=steps, tolerance=1e-5)


def main(residues=(), epochs=10, blocks=4, hidden=(64,), components=20, steps=60, every=5):
    """Print the log-densities of residues of unseen proteins and draw them; returns the path."""
    points = data.protein_torsions(*residues)
    settings = {"epochs": epochs, "batch_size": 512, "rng": 0, "optimizer": Adam(5e-3, clip=10.0), "average": 0.995}
    models = {
        "circular splines": circular_flow(2, blocks, hidden, bins=24).fit(points.train, **settings),
        "Moebius maps": circular_flow(2, blocks, hidden, kind="moebius", centres=12).fit(points.train, **settings),
        f"{components} von Mises laws": mixture(points.train[::every], components, steps),
    }
    panels = {f"{len(points.test)} residues of unseen proteins": (None, points.test)}
    for name, model in models.items():
        score = float(np.mean(model.log_prob(points.test)))
        print(f"{name}: {score:.3f} nats a residue, {score + 2 * np.log(2 * np.pi):.3f} above the uniform law")
        panels[f"{name}: {score:.2f}"] = (lambda x, q=model: np.exp(q.log_prob(x)), None)
    figure = plot.torus_maps(panels, names=("phi", "psi"), title="Ramachandran plot")
    out = Path("runs/ramachandran.png")
    out.parent.mkdir(exist_ok=True)
    return plot.save(figure, out)


if __name__ == "__main__":
    print(main())
