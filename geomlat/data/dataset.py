"""What a data set is: three splits, their labels, and how a batch of it is made ready for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy import ndarray

from geomlat.backends import namespace


def as_float(batch: Any, *, rng: Any = None) -> Any:
    """The batch in float32, value for value; ``rng`` is not used."""
    xp = namespace(batch)
    return xp.astype(batch, xp.float32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three splits.

    Arrays are ``(rows, n_features)`` as stored, mostly uint8: pass each batch through ``prepare`` before the model.

    Parameters
    ----------
    name
        Its name with the binarisation, as tables print it: ``"mnist (dynamic binarisation)"``. Likelihoods under
        different binarisations are not comparable.
    train, validation, test
        The rows of each split.
    train_labels, validation_labels, test_labels
        Integer classes, or None where there are none.
    likelihood
        The pixel likelihood that fits the prepared values: ``"bernoulli"``, ``"binomial:16"``, ``"gaussian:0.1"``.
    note
        Where the data come from, how they were split and what ``prepare`` does.
    prepare
        ``prepare(batch, rng=...)`` gives the float32 values a model is trained on. Row ``i`` of the batch uses element
        ``i`` of the stream, so that ``rng=stream.at(k)`` prepares rows ``k, k + 1, ...`` whatever the batch split.
    image_shape
        ``(height, width)`` of a row, or None.
    ink
        Whether high values are ink on paper, or light as in a photograph.
    angles
        The circle toy's true angles of the three splits, in radians.
    """

    name: str
    train: ndarray
    validation: ndarray
    test: ndarray
    train_labels: ndarray | None
    validation_labels: ndarray | None
    test_labels: ndarray | None
    likelihood: str
    note: str
    prepare: Callable[..., Any] = as_float
    image_shape: tuple[int, int] | None = None
    ink: bool = True
    angles: tuple[ndarray, ndarray, ndarray] | None = None

    @property
    def n_features(self) -> int:
        """The number of columns."""
        return int(self.train.shape[1])


def stratified(x: ndarray, y: ndarray) -> dict[str, Any]:
    """The splits of `Dataset` and their labels: 70/15/15, stratified by class, the same for everyone."""
    from sklearn.model_selection import train_test_split

    train, rest, train_labels, rest_labels = train_test_split(x, y, test_size=0.3, stratify=y, random_state=0)
    validation, test, validation_labels, test_labels = train_test_split(
        rest, rest_labels, test_size=0.5, stratify=rest_labels, random_state=0
    )
    return {
        "train": train,
        "validation": validation,
        "test": test,
        "train_labels": train_labels,
        "validation_labels": validation_labels,
        "test_labels": test_labels,
    }
