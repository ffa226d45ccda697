"""Pictures: matplotlib figures made without pyplot, so that nothing global is touched and no display is needed.

Every function returns a `matplotlib.figure.Figure`; `save` writes it. matplotlib is loaded when the first is drawn.
"""

from __future__ import annotations

from geomlat.plot.comparison import Panel, comparison
from geomlat.plot.curves import training_curves
from geomlat.plot.distribution import von_mises_fisher
from geomlat.plot.images import decoded, reconstructions, sample_grid
from geomlat.plot.latent_space import latent, latent_globe
from geomlat.plot.sphere import from_degrees, hammer, hammer_inverse
from geomlat.plot.style import save

__all__ = [
    "Panel",
    "comparison",
    "decoded",
    "from_degrees",
    "hammer",
    "hammer_inverse",
    "latent",
    "latent_globe",
    "reconstructions",
    "sample_grid",
    "save",
    "training_curves",
    "von_mises_fisher",
]
