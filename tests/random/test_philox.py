"""Philox4x32-10 against the known answers published with Random123, in every form the source is compiled to."""

import numba
import numpy as np
import pytest

from geomlat.backends import cpu, kernel
from geomlat.random import philox, unit

# Random123 1.14, tests/kat_vectors, "philox4x32 10": counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[np.uint64]:
    return [np.uint64(int(w, 16)) for w in text.split()]


@kernel()
def _philox_rows(i: int, counters: np.ndarray, out: np.ndarray) -> None:
    out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox(
        counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], counters[i, 4], counters[i, 5]
    )


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers_in_python(counter, key, answer):
    assert list(philox(*words(counter), *words(key))) == words(answer)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers_compiled(counter, key, answer):
    @numba.njit
    def run(a, b, c, d, e, f):
        return compiled(a, b, c, d, e, f)

    compiled = cpu.compile_scalar(philox)
    assert list(run(*words(counter), *words(key))) == words(answer)


def test_known_answers_in_a_kernel():
    counters = np.array([words(c) + words(k) for c, k, _ in KNOWN])
    out = np.zeros((3, 4), np.uint64)
    _philox_rows(3, counters, out)
    assert out.tolist() == [words(a) for _, _, a in KNOWN]


def test_known_answers_in_the_simulator(simulated):
    counters = np.array([words(c) + words(k) for c, k, _ in KNOWN])
    program = """
import numpy as np
from geomlat.backends import kernel
from geomlat.random import philox

@kernel()
def rows(i, counters, out):
    out[i, 0], out[i, 1], out[i, 2], out[i, 3] = philox(
        counters[i, 0], counters[i, 1], counters[i, 2], counters[i, 3], counters[i, 4], counters[i, 5]
    )

out = np.zeros((3, 4), np.uint64)
rows.cuda(3, np.array(COUNTERS, dtype=np.uint64), out)
print(out.tolist())
"""
    answer = simulated(program.replace("COUNTERS", repr(counters.tolist())))
    assert answer == [[int(w) for w in words(a)] for _, _, a in KNOWN]


def test_unit_stays_inside_the_open_interval():
    last, zero = np.uint64(0xFFFFFFFF), np.uint64(0)
    assert unit(zero, zero) == 2.0**-53
    assert unit(last, last) == 1.0 - 2.0**-53
