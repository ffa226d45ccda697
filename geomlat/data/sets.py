"""The table of data sets: one line each, read by `load`, the command line and the docs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from geomlat.data.digits import digits
from geomlat.data.earth import earth
from geomlat.data.faces import freyfaces, lfw
from geomlat.data.mnist import mnist, mnist_static
from geomlat.data.proteins import protein_torsions
from geomlat.data.qm9 import qm9_dihedrals
from geomlat.data.toys import circle, tree
from geomlat.data.wind import wind
from geomlat.data.wordnet import mammals

SETS: dict[str, tuple[Callable[[], Any], str]] = {
    "digits": (digits, "scikit-learn's 8 x 8 handwritten digits, counts 0..16; needs no network"),
    "mnist": (mnist, "28 x 28 handwritten digits, pixels drawn anew at every visit (dynamic binarisation)"),
    "mnist-thresholded": (partial(mnist, "thresholded"), "the same, pixels 1 above grey level 127"),
    "mnist-grey": (partial(mnist, "grey"), "the same, grey levels in [0, 1]"),
    "mnist-static": (mnist_static, "the same, binarised once by Larochelle; no labels"),
    "freyfaces": (freyfaces, "Frey faces, 28 x 20, grey levels 0..255; a random split of a video, which leaks"),
    "freyfaces-contiguous": (partial(freyfaces, "contiguous"), "the same, split in the order of the video"),
    "lfw": (lfw, "Labeled Faces in the Wild, the 7 people with 70 pictures or more, 50 x 37, grey levels 0..255"),
    "lfw-grey": (partial(lfw, "shares"), "the same, shares in [0, 1] for a cross-entropy"),
    "circle": (circle, "toy: three clusters on a circle, bent into R^100; needs no network"),
    "tree": (tree, "toy: a binary tree of 255 nodes as bits, flipped at every visit; needs no network"),
    "earthquake": (partial(earth, "earthquake"), "6120 earthquakes as points on the sphere"),
    "flood": (partial(earth, "flood"), "4875 floods as points on the sphere"),
    "fire": (partial(earth, "fire"), "12809 fires as points on the sphere"),
    "volcano": (partial(earth, "volcano"), "827 eruptions of 267 volcanoes as points on the sphere"),
    "protein-torsions": (
        protein_torsions,
        "155781 residues of proteins, phi and psi as points on the torus",
    ),
    "wind": (wind, "310 wind directions as points on the circle; not for download"),
    "qm9-dihedrals": (qm9_dihedrals, "torsion angles of 71768 small molecules as pairs (cos, sin), padded to six"),
    "mammals": (mammals, "which of WordNet's 1180 mammals is a kind of which: 6540 pairs"),
}


def load(name: str) -> Any:
    """A data set by its name: a `Dataset` of rows, the `Points` of a manifold, or `Relations`.

    Files are looked for below the folder GEOMLAT_DATA, then in the cache, then downloaded; every one is checked against
    its SHA-256.

    Raises
    ------
    ValueError
        If the name is unknown, or a file below GEOMLAT_DATA is damaged.
    OSError
        If a file is nowhere to be found; the message says what to do.

    Examples
    --------
    >>> digits = load("digits")
    >>> digits.name, digits.train.shape, digits.likelihood
    ('digits (counts 0..16)', (1257, 64), 'binomial:16')
    """
    if name not in SETS:
        msg = f"unknown data set {name!r}; there are {', '.join(SETS)}"
        raise ValueError(msg)
    return SETS[name][0]()
