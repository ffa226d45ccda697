"""Mixtures of von Mises-Fisher laws fitted to places on Earth, to wind and to digits; and four families side by side.

The places are those of Mathieu and Nickel (2020), "Riemannian continuous normalizing flows", section 5.3. The number of
components is chosen on the validation split. Needs the extra ``train``; two minutes on two cores. Writes its
pictures to ``runs/densities``; the wind, data that may not be passed on, is drawn if GEOMLAT_DATA has it.
"""

import math
from pathlib import Path

import numpy as np
from scipy.optimize import brentq

from geomlat import data, plot
from geomlat.distributions import PowerSpherical, SphericalCauchy, VonMisesFisher, VonMisesFisherMixture, WrappedNormal
from geomlat.manifolds import Sphere

out = Path("runs/densities")
out.mkdir(parents=True, exist_ok=True)
uniform = -math.log(4 * math.pi)


def best(points, sizes):
    """The mixture whose number of components does best on the validation split."""
    fits = [VonMisesFisherMixture(k, rng=0).fit(points.train) for k in sizes]
    return max(fits, key=lambda fit: fit.score(points.validation))


maps = {}
for kind in ("earthquake", "volcano", "flood", "fire"):
    points = data.load(kind)
    model = best(points, (10, 30, 60, 120, 200))
    score = model.score(points.test)
    print(f"{kind}: K = {model.n_components}, test log p = {score:.3f}, {score - uniform:.2f} above the uniform law")
    title = f"{kind}: {model.n_components} components and the {len(points.test)} points held out"
    maps[title] = (lambda x, q=model: np.exp(q.score_samples(x)), points.test)
plot.save(plot.density_maps(maps, title="Densities fitted on the sphere"), out / "earth.png")

try:
    winds = data.load("wind")
except OSError as missing:
    print(missing)
else:
    fits = [VonMisesFisherMixture(k, rng=0).fit(winds.train) for k in (1, 2, 3, 4)]
    model = min(fits, key=lambda fit: fit.bic(winds.train))
    bearings = np.degrees(np.arctan2(model.mu_[:, 1], model.mu_[:, 0])) % 360
    blows = " and ".join(f"{w:.0%} from {b:.0f} degrees" for w, b in zip(model.weights_, bearings, strict=True))
    print(f"wind: {blows}; test log p = {model.score(winds.test):.3f}")
    rose = plot.density_rose(lambda x: np.exp(model.score_samples(x)), winds.train, title=f"Wind, {blows}")
    plot.save(rose, out / "wind.png")

digits = data.load("mnist-grey")
pixels = digits.train.astype(np.float32)
pixels /= np.linalg.norm(pixels, axis=1, keepdims=True)
model = VonMisesFisherMixture(50, rng=0).fit(pixels)
means = model.mu_[np.argsort(-model.weights_)]
print(f"MNIST, K = 50: kappa {model.kappa_.min():.0f} to {model.kappa_.max():.0f}, {model.n_iter_} steps")
plot.save(plot.sample_grid(means / means.max(axis=1, keepdims=True), digits.image_shape), out / "mnist.png")

mode = plot.from_degrees(-35.0, 25.0)
families = {
    "von Mises-Fisher, kappa": (lambda s: VonMisesFisher(mode, np.asarray(s)), 0.1, 50.0),
    "power spherical, kappa": (lambda s: PowerSpherical(mode, np.asarray(s)), 0.1, 50.0),
    "spherical Cauchy, rho": (lambda s: SphericalCauchy(mode, np.asarray(s)), 0.05, 0.95),
    "wrapped normal, s.d.": (lambda s: WrappedNormal(Sphere(2), mode, np.asarray([s, s])), 0.1, 2.0),
}
cosine, weight = np.polynomial.legendre.leggauss(400)
side = np.cross(mode, [0.0, 0.0, 1.0]) / np.linalg.norm(np.cross(mode, [0.0, 0.0, 1.0]))
arc = cosine[:, None] * mode + np.sqrt(1 - cosine**2)[:, None] * side
laws = {}
for name, (law, low, high) in families.items():
    setting = brentq(lambda s, q=law: 2 * np.pi * weight @ (cosine * np.exp(q(s).log_prob(arc))) - 0.8, low, high)
    laws[f"{name} = {setting:.3g}"] = law(setting)
plot.save(plot.density_globes(laws, mode, title="Four laws whose mean has length 0.8"), out / "families.png")
