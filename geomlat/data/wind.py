"""Wind directions at a mountain pass: the classical data set on the circle."""

from __future__ import annotations

from functools import partial

import numpy as np

from geomlat.data.earth import Points
from geomlat.data.files import Source, fetch, read_npz
from geomlat.manifolds import Sphere
from geomlat.random import stream

WIND = Source(
    "directional/wind.float64",
    "fe6c583c9567be25a7f3c48d6bb90c780acb1d8fcdf80f7caa2ab401a91cbbcc",
    (),
    "directional/r_circular_datasets.npz",
    read_local=partial(read_npz, key="wind"),
)


def wind() -> Points:
    """310 wind directions on the circle S^1: (1, 0) blows from the north, (0, 1) from the east.

    Col de la Roa in the Italian Alps, between 3 and 4 a.m., January 29 to March 31, 2001; split 80/10/10 at random, the
    same for everyone. Agostinelli (2007), "Robust estimation for circular data", section 5. The numbers are those of
    ``circular::wind`` in R, under the GPL: geomlat neither contains nor downloads them, and reads them below
    GEOMLAT_DATA, as the array ``wind`` in radians.
    """
    angle = np.frombuffer(fetch(WIND), np.float64)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=-1)[stream(0).generator().permutation(len(angle))]
    train, validation, test = np.split(x, [248, 279])
    return Points("wind", train, validation, test, Sphere(1), "wind from north (1, 0) or east (0, 1); split 80/10/10")
