"""Arrays of other libraries come in as they are and the scores are the same."""

import numpy as np
import pytest

from geomlat import random
from geomlat.backends import to_host
from geomlat.evaluate import active_units, knn_accuracy, log_likelihood, rate_distortion


def test_torch_arrays_score_as_numpy_ones():
    xp = pytest.importorskip("torch")
    z, y = random.normal((60, 2), rng=0), np.arange(60) % 3
    there, labels = xp.asarray(z), xp.asarray(y)
    assert isinstance(to_host(there), np.ndarray)
    np.testing.assert_array_equal(active_units(there), active_units(z))
    assert rate_distortion(there[:, 0], there).elbo == rate_distortion(z[:, 0], z).elbo
    assert knn_accuracy(there, labels, there, labels, k=5) == knn_accuracy(z, y, z, y, k=5)

    class Model:
        def log_weights(self, theta, x, *, samples, rng):
            return xp.asarray(random.normal((samples, x.shape[0]), rng=rng))

    class Host:
        def log_weights(self, theta, x, *, samples, rng):
            return random.normal((samples, x.shape[0]), rng=rng)

    ours = log_likelihood(Model(), None, there, samples=30, rng=1, rows=32, block=8)
    assert type(ours.log_p) is np.ndarray
    np.testing.assert_allclose(ours.log_p, log_likelihood(Host(), None, z, samples=30, rng=1, rows=32, block=8).log_p)


def test_to_host_keeps_numpy_arrays():
    x = np.arange(3.0)
    assert to_host(x) is x
    assert to_host([1, 2]).tolist() == [1, 2]


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_to_host_of_other_libraries(library):
    xp = pytest.importorskip(library)
    np.testing.assert_array_equal(to_host(xp.asarray([1.0, 2.0])), [1.0, 2.0])


def test_to_host_detaches():
    torch = pytest.importorskip("torch")
    t = torch.arange(3.0, requires_grad=True)
    np.testing.assert_array_equal(to_host(t), [0, 1, 2])
