"""The Frechet mean of noisy rotations beside two shortcuts: the projected average matrix, the average rotation vector.

A thousand readings of one attitude scatter like a wrapped normal law about it. The average of rotation vectors breaks
down because the attitude is 170 degrees from the reference: readings beyond half a turn come back with opposite axes.
Moakher (2002), "Means and averaging in the group of rotations". Needs matplotlib; a few seconds. Writes
``runs/example/mean-rotation.png``.
"""

from pathlib import Path

import numpy as np

from geomlat import SpecialOrthogonal, plot
from geomlat.distributions import WrappedNormal
from geomlat.plot.sphere import hammer_map
from geomlat.plot.style import COLOURS, GREY, INK, bare, canvas, dress

out = Path("runs/example")
out.mkdir(parents=True, exist_ok=True)
so = SpecialOrthogonal(3)
reference = so.origin()
truth = so.exp(reference, so.from_coordinates(reference, np.radians(170) * np.array([1.0, 2.0, 2.0]) / 3))
law = WrappedNormal(so, truth, np.radians([30.0, 20.0, 10.0]))

averages = {
    "Frechet mean": lambda x: so.mean(x)[0],
    "average matrix, projected": lambda x: so.project(x.mean(axis=-3)),
    "average rotation vector": lambda x: so.exp(reference, so.log(reference, x).mean(axis=-3)),
}

readings = law.sample((1000,), rng=0)
(mean, status), pull = so.mean_vjp(readings)
print(
    f"mean of {len(readings)}: converged {status.converged} after {status.steps} steps, residual {status.residual:.1e}"
)
for name, average in averages.items():
    print(f"{name}: {np.degrees(so.dist(truth, average(readings))):.2f} degrees from the truth")
# How far the mean's rotation about its first axis moves with each reading: one pull gives all thousand.
# The metric is half the ambient product: so is the cotangent of the angle.
influence, _ = pull(0.5 * so.from_coordinates(mean, np.array([1.0, 0.0, 0.0])))
influence = so.norm(readings, so.egrad_to_rgrad(readings, influence))
print(f"influence of a reading on that angle: {influence.min():.2e} to {influence.max():.2e}, the share 1/n is 1e-03")

figure = canvas(11.0, 4.2)
left, right = figure.subplots(1, 2, width_ratios=(3, 2))
hammer_map(left)
bare(left, title="Where the readings take the three axes, and their mean")
for k, colour in enumerate(COLOURS[:3]):
    left.scatter(*plot.hammer(readings[:, :, k]).T, 5, colour, linewidths=0, alpha=0.5, label=f"axis {k + 1}")
    left.scatter(*plot.hammer(mean[:, k]), 90, colour, marker="*", edgecolors=INK, linewidths=0.8, zorder=3)
left.legend(loc="lower right", frameon=False, fontsize=8, labelcolor=INK, markerscale=3)

sizes = np.array([1, 3, 10, 30, 100, 300])
for (name, average), colour, line in zip(averages.items(), COLOURS, ("-", "--", "-"), strict=False):
    errors = [so.dist(truth, average(law.sample((300, n), rng=int(n)))) for n in sizes]
    right.loglog(
        sizes,
        np.degrees(np.sqrt(np.mean(np.square(errors), axis=1))),
        color=colour,
        linestyle=line,
        marker="o",
        label=name,
    )
spread = np.degrees(np.sqrt(np.sum(law.scale**2)))
right.loglog(sizes, spread / np.sqrt(sizes), color=GREY, linestyle=":", label="spread / sqrt(n)")
dress(right, title="Error of the mean, 300 repetitions", x="readings", y="root mean square, degrees")
right.legend(frameon=False, fontsize=8, labelcolor=INK)
plot.save(figure, out / "mean-rotation.png")
