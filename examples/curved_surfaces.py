"""Pictures and videos of four geometries: geodesics, balls, parallel transport and the exponential map.

A sphere, hyperbolic space as a hyperboloid and as the Poincare disc, and a flat torus. Needs the extra ``train``; about
a minute. Writes to ``runs/geometry``, videos as MP4 where ffmpeg is installed, else as GIF.
"""

from pathlib import Path

from geomlat import plot
from geomlat.manifolds import Hyperboloid, PoincareBall, Sphere, Torus

SURFACES = Sphere(2), Hyperboloid(2), PoincareBall(2), Torus(2)


def main(seconds=6.0):
    """Draw everything; returns the paths."""
    out = Path("runs/geometry")
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for manifold in SURFACES:
        name = type(manifold).__name__.lower()
        paths.append(plot.save(plot.geometry(manifold), out / f"{name}.png"))
        for make in (plot.parallel_transport, plot.exponential_map):
            video = make(manifold, seconds=seconds)
            paths.append(plot.save_video(video, out / f"{name}-{make.__name__.replace('_', '-')}"))
    return paths


if __name__ == "__main__":
    print(*main(), sep="\n")
