"""Where things happened on Earth: earthquakes, floods, fires and volcanic eruptions as points on the sphere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy import ndarray

from geomlat.data.files import Source, fetch, read_npz
from geomlat.manifolds import Manifold, Sphere
from geomlat.random import stream

_SUMS = {
    "earthquake": ("quakes_all.csv", "eeec426b7900a184544a6445ebbc5371351a835470b0f6a532707c0ccf9de753"),
    "flood": ("flood.csv", "61bb4e77ae904e00d536ea332df7c3b641cfc210f851c324fc9572fb46aded07"),
    "fire": ("fire.csv", "895193381b16595e089c5e5ac822cf6889ccecac71f9deda5ea140d202457a62"),
    "volcano": ("volerup.csv", "cb6218041a98f8a9261972c8a3f3c68cbbce2450d517226bea4a74ca8aac4b18"),
}
_NOTES = {
    "earthquake": "significant earthquakes of all times, NOAA",
    "flood": "floods since 1985, Dartmouth Flood Observatory",
    "fire": "active fires seen from orbit within days, NASA FIRMS",
    "volcano": "volcanic eruptions of all times, NOAA; few places, many eruptions",
}


@dataclass(frozen=True, eq=False)
class Points:
    """Points of a manifold in three splits, each ``(rows, *ambient)`` in float64."""

    name: str
    train: ndarray
    validation: ndarray
    test: ndarray
    manifold: Manifold
    note: str

    def __str__(self) -> str:
        sizes = " / ".join(str(len(x)) for x in (self.train, self.validation, self.test))
        return f"{self.name}: {sizes} points (train / validation / test) of {self.manifold!r}"


def read_degrees(text: bytes) -> bytes:
    """The float64 bytes of rows ``latitude, longitude`` in a text with comments and a heading."""
    number = rb"(-?\d+(?:\.\d+)?)"
    rows = re.findall(rb"^" + number + rb"," + number + rb"\r?$", text, re.MULTILINE)
    return np.array(rows, dtype=np.float64).tobytes()


_FOLDER = "https://raw.githubusercontent.com/oxcsml/riemannian-score-sde/"
EARTH = {
    kind: Source(
        f"earth/{kind}.float64",
        digest,
        tuple(f"{_FOLDER}{at}/data/{file}" for at in ("main", "5b48a7f7e175894afb6933f5e5f367b5a0eb65d7")),
        "earth/earth_latlon_deg.npz",
        read_degrees,
        partial(read_npz, key=kind),
    )
    for kind, (file, digest) in _SUMS.items()
}


def earth(kind: str = "earthquake", *, split: int = 0) -> Points:
    """One of the four Earth data sets on S^2: (1, 0, 0) is at longitude and latitude 0, (0, 0, 1) the North Pole.

    All rows of one place are in the same split, so that no test point was seen in training; places are split 80/10/10
    by rows, the same for everyone, in their original order. The longitudes and latitudes are those used by Mathieu and
    Nickel (2020), section 5.3, whose own splits part rows and not places.

    Parameters
    ----------
    kind
        ``"earthquake"``, ``"flood"``, ``"fire"`` or ``"volcano"``.
    split
        The number of the split: others part the places at random anew.
    """
    if kind not in EARTH:
        msg = f"unknown Earth data {kind!r}; there are {', '.join(EARTH)}"
        raise ValueError(msg)
    lat, lon = np.radians(np.frombuffer(fetch(EARTH[kind]), np.float64).reshape(-1, 2).T)
    x = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    part = _split_places(x, split)
    train, validation, test = (x[part == i] for i in range(3))
    return Points(kind, train, validation, test, Sphere(2), f"{_NOTES[kind]}; split 80/10/10 by place")


def _split_places(x: ndarray, split: int) -> ndarray:
    # The part 0, 1 or 2 of each row; coordinates that agree to nine decimals (6 mm) are one place.
    _, place, rows = np.unique(np.round(x, 9), axis=0, return_inverse=True, return_counts=True)
    order = stream(split).generator().permutation(len(rows))
    done = np.empty(len(rows))
    done[order] = np.cumsum(rows[order]) / len(x)
    return np.searchsorted([0.8, 0.9], done[place.reshape(-1)], side="left")
