"""What features drawn independently of each other are worth on the test rows of each data set: the floor of a row.

See `geomlat.models.independent_features`. It depends on the data alone (on the binarisation or the random split by 0.1
nats and 0.03 bits), so that every row of the table can show it, whenever it was measured; a test computes it again.
"""

from __future__ import annotations

from dataclasses import dataclass

from geomlat.data import Dataset
from geomlat.evaluate import bits_per_dimension
from geomlat.models import DiscretisedLogistic, independent_features
from geomlat.models.likelihoods import likelihood
from geomlat.random import stream


@dataclass(frozen=True)
class Floor:
    """The log-likelihood of independent features, in the unit of the row, and what they are."""

    value: float
    words: str

    def __str__(self) -> str:
        """As the table prints it."""
        return f"{self.words} {self.value:g}"


FLOORS = {
    "mnist": Floor(-205.8, "independent pixels"),
    "mnist-static": Floor(-205.8, "independent pixels"),
    "lfw": Floor(7.430, "pixel histograms"),
    "freyfaces": Floor(6.254, "pixel histograms"),
    "freyfaces-contiguous": Floor(6.625, "pixel histograms"),
    "qm9-dihedrals": Floor(-3.151, "independent angles"),
}


def floor(data: Dataset, *, seed: int = 0) -> float:
    """The value of the `Floor` of a data set: nats, for grey levels bits per dimension."""
    first, density = stream(seed).child("test"), likelihood(data.likelihood)
    train = data.prepare(data.train, rng=first.child("train"))
    found = independent_features(train, data.prepare(data.test, rng=first.child("data")), density)
    if found is None:
        msg = f"{data.name} has a loss that is no likelihood, so that independent features have none either"
        raise ValueError(msg)
    mean = float(found[1].mean())
    return float(bits_per_dimension(mean, data.n_features)) if isinstance(density, DiscretisedLogistic) else mean
