"""Where earthquakes happen: weighted Frechet means on the sphere, of the whole Earth and of eight regions.

Places are weighted by the number of earthquakes there. The regions are found by k-means with the same means: one call
gives all eight, each with its own weights. Needs the extra ``train``; writes ``runs/earth/earthquakes.png``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, plot
from geomlat.manifolds import Sphere
from geomlat.plot.sphere import hammer_map
from geomlat.plot.style import COLOURS, INK, bare, canvas

SPHERE = Sphere(2)


def regions(places, weights, k, *, steps=100):
    """Means ``(k, 3)`` and the region of each place: Lloyd's iteration from places far from each other."""
    means = places[:1]
    while len(means) < k:
        far = SPHERE.pairwise_dist(places, means).min(axis=1)
        means = np.concatenate([means, places[[(far**2 * weights).argmax()]]])
    region = np.full(len(places), -1)
    for _ in range(steps):
        before, region = region, SPHERE.pairwise_dist(places, means).argmin(axis=1)
        if (region == before).all():
            break
        means, status = SPHERE.mean(places[None], weights * (region == np.arange(k)[:, None]))
        assert status.converged.all()
    return means, region


def degrees(x):
    lat, lon = np.degrees(np.arcsin(x[2])), np.degrees(np.arctan2(x[1], x[0]))
    return f"{abs(lat):.1f}° {'NS'[int(lat < 0)]} {abs(lon):.1f}° {'EW'[int(lon < 0)]}"


def picture(places, region, means, spread, world, view):
    """The regions on a map of equal areas, and on a globe with balls of one standard deviation."""
    figure = canvas(12.5, 4.3)
    left, right = figure.subplots(1, 2, gridspec_kw={"width_ratios": (2.0, 1.0)})
    hammer_map(left)
    globe = plot.Picture(right, SPHERE, view=view, title="Means, and balls of one standard deviation")
    for i, colour in zip(range(len(means)), COLOURS, strict=False):
        inside = places[region == i]
        left.scatter(*plot.hammer(inside).T, s=3, color=colour, linewidths=0)
        left.scatter(*plot.hammer(means[i]), s=90, marker="*", color=colour, edgecolor=INK, linewidth=0.8, zorder=4)
        globe.dots(inside, colour=colour, size=2.5).ball(means[i], spread[i], colour=colour).dots(means[i], size=24)
    left.scatter(*plot.hammer(world), s=60, marker="X", color="white", edgecolor=INK, zorder=4)
    bare(left, title="Earthquakes by region; stars: weighted Frechet means, cross: that of the whole Earth")
    return figure


def main(k=8):
    """Compute, print, draw; returns the path of the picture."""
    quakes = data.load("earthquake")
    x = np.concatenate([quakes.train, quakes.validation, quakes.test])
    places, weights = np.unique(np.round(x, 9), axis=0, return_counts=True)
    places = SPHERE.project(places)
    world, status = SPHERE.mean(places, weights)
    print(f"{len(x)} earthquakes at {len(places)} places; their mean is {degrees(world)} ({status.steps} Newton steps)")
    means, region = regions(places, weights, k)
    square = np.where(region == np.arange(k)[:, None], SPHERE.pairwise_dist(means, places) ** 2 * weights, 0.0)
    spread = np.sqrt(square.sum(axis=1) / np.bincount(region, weights, k))
    for i in np.bincount(region, weights, k).argsort()[::-1]:
        count = weights[region == i].sum()
        print(f"{count:6d} earthquakes around {degrees(means[i])}, standard deviation {6371 * spread[i]:.0f} km")
    out = Path("runs/earth")
    out.mkdir(parents=True, exist_ok=True)
    return plot.save(picture(places, region, means, spread, world, (140.0, 15.0)), out / "earthquakes.png")


if __name__ == "__main__":
    print(main())
