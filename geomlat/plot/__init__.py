"""Pictures: matplotlib figures made without pyplot, so that nothing global is touched and no display is needed.

Every function returns a `matplotlib.figure.Figure`; `save` writes it. matplotlib is loaded when the first is drawn.
"""

from __future__ import annotations

from geomlat.plot.angles import angle_errors, angles
from geomlat.plot.charts import Chart, chart, latent_classes, latent_product
from geomlat.plot.comparison import Panel, comparison
from geomlat.plot.curves import estimation_bias, training_curves
from geomlat.plot.density import density_globes, density_maps, density_rose
from geomlat.plot.distribution import von_mises_fisher
from geomlat.plot.films import learning_film, rotating_globes, tabulated
from geomlat.plot.geometry import exponential_map, geometry, parallel_transport
from geomlat.plot.histogram import likelihood_histogram
from geomlat.plot.images import decoded, interpolations, reconstructions, sample_grid
from geomlat.plot.latent_space import latent, latent_globe
from geomlat.plot.picture import Picture
from geomlat.plot.plane import Snapshot, density_picture, mixture_film, mixture_picture, snapshots
from geomlat.plot.sphere import from_degrees, hammer, hammer_inverse
from geomlat.plot.style import save
from geomlat.plot.torus import torus_maps
from geomlat.plot.video import Film, Video, save_video

__all__ = [
    "Chart",
    "Film",
    "Panel",
    "Picture",
    "Snapshot",
    "Video",
    "angle_errors",
    "angles",
    "chart",
    "comparison",
    "decoded",
    "density_globes",
    "density_maps",
    "density_picture",
    "density_rose",
    "estimation_bias",
    "exponential_map",
    "from_degrees",
    "geometry",
    "hammer",
    "hammer_inverse",
    "interpolations",
    "latent",
    "latent_classes",
    "latent_globe",
    "latent_product",
    "learning_film",
    "likelihood_histogram",
    "mixture_film",
    "mixture_picture",
    "parallel_transport",
    "reconstructions",
    "rotating_globes",
    "sample_grid",
    "save",
    "save_video",
    "snapshots",
    "tabulated",
    "torus_maps",
    "training_curves",
    "von_mises_fisher",
]
