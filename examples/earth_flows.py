"""Places on the Earth under a flow of splines on the cylinder, a von Mises-Fisher mixture and a kernel density.

The data of Mathieu and Nickel (2020), split by place, so that their numbers and those of later papers, which split by
row, are not comparable. Needs the extra ``train``; five minutes on two cores. Writes to ``runs/earth-flows``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, plot
from geomlat.distributions import VonMisesFisherMixture
from geomlat.evaluate import SphericalKernelDensity
from geomlat.flows import CylindricalFlow
from geomlat.manifolds import Sphere
from geomlat.optim import Adam

KINDS = "earthquake", "flood", "fire", "volcano"


def rivals(points, epochs, components, **network):
    """Three models of the training points, their settings chosen on the validation points, by name."""
    flow = CylindricalFlow(manifold=Sphere(2), **network)
    settings = {"optimizer": Adam(5e-3, clip=10.0), "validation": points.validation, "patience": 30}
    flow.fit(points.train, epochs=epochs, batch_size=256, rng=0, average=0.99, **settings)
    mixtures = [VonMisesFisherMixture(k, rng=0).fit(points.train) for k in components]
    return {
        "splines on the cylinder": flow,
        "von Mises-Fisher mixture": max(mixtures, key=lambda fit: fit.score(points.validation)),
        "kernel density": SphericalKernelDensity().fit(points.train, points.validation),
    }


def main(kinds=KINDS, epochs=150, components=(30, 60, 120), blocks=10, hidden=(64,), bins=32):
    """Print the mean log-densities of the test points and draw the densities; returns the paths."""
    out, paths = Path("runs/earth-flows"), []
    out.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        points, maps = data.earth(kind), {}
        for name, model in rivals(points, epochs, components, blocks=blocks, hidden=hidden, bins=bins).items():
            score = float(np.mean(model.score_samples(points.test)))
            print(f"{kind}, {name}: {score:.3f} nats a point, {score + np.log(4 * np.pi):.3f} above the uniform law")
            maps[f"{name}: {score:.2f}"] = (lambda x, q=model: np.exp(q.score_samples(x)), points.test)
        figure = plot.density_maps(maps, columns=3, title=f"{kind}: {len(points.test)} points held out")
        paths.append(plot.save(figure, out / f"{kind}.png"))
    return paths


if __name__ == "__main__":
    print(*main(), sep="\n")
