"""Real data sets, checksummed and cached, and toy sets whose truth is known."""

from __future__ import annotations

from geomlat.data.binarise import binarise, scale, threshold
from geomlat.data.dataset import Dataset
from geomlat.data.densities import Arcs, Checkerboard, Circles, Pinwheel
from geomlat.data.digits import digits
from geomlat.data.dihedrals import molecule_dihedrals
from geomlat.data.earth import Points, earth
from geomlat.data.faces import freyfaces, lfw
from geomlat.data.mnist import mnist, mnist_static
from geomlat.data.modes import spherical_modes
from geomlat.data.proteins import protein_torsions
from geomlat.data.qm9 import qm9_dihedrals
from geomlat.data.sets import SETS, load
from geomlat.data.toys import circle, tree
from geomlat.data.wind import wind
from geomlat.data.wordnet import Relations, mammals

__all__ = [
    "SETS",
    "Arcs",
    "Checkerboard",
    "Circles",
    "Dataset",
    "Pinwheel",
    "Points",
    "Relations",
    "binarise",
    "circle",
    "digits",
    "earth",
    "freyfaces",
    "lfw",
    "load",
    "mammals",
    "mnist",
    "mnist_static",
    "molecule_dihedrals",
    "protein_torsions",
    "qm9_dihedrals",
    "scale",
    "spherical_modes",
    "threshold",
    "tree",
    "wind",
]
