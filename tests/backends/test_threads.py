import numba
import numpy as np

from geomlat.backends import cpu, kernel


@kernel(cost=1e6)
def double(i: int, x: np.ndarray, out: np.ndarray) -> None:
    out[i] = 2 * x[i]


def test_one_thread_means_the_serial_loop(monkeypatch):
    x, out = np.arange(1000.0), np.empty(1000)
    double(1000, x, out)
    monkeypatch.setattr(double, "_parallel", None)
    before = numba.get_num_threads()
    out[:] = 0
    with cpu.limit_threads(1):
        assert cpu.threads() == 1
        double(1000, x, out)
    assert numba.get_num_threads() == before
    np.testing.assert_array_equal(out, 2 * x)
