"""The CUDA side of every kernel: in the simulator, compiled to PTX without a device, and on a device."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from kernel_calls import call_all, kernels, watched

from geomlat.backends import Kernel
from geomlat.backends.kernels import Elementwise

CALLS = Path(__file__).with_name("kernel_calls.py")


def loop_of(x: Kernel | Elementwise) -> Kernel:
    return x.loop if isinstance(x, Elementwise) else x


@pytest.fixture(scope="module")
def reached() -> dict[int, set[tuple]]:
    """The argument types each kernel was called with."""
    types: dict[int, set[tuple]] = {}

    def visit(kernel: Kernel, n: int, *arrays: Any) -> None:
        types.setdefault(id(kernel), set()).add(tuple(numba.typeof(a) for a in (n, *arrays)))

    with watched(visit):
        call_all()
    return types


def test_every_kernel_is_reached(reached):
    missing = [name for name, kernel in kernels().items() if id(loop_of(kernel)) not in reached]
    assert len(kernels()) > 30
    assert not missing, f"add a call that reaches them to {CALLS.name}"


def test_every_kernel_in_the_simulator(reached):
    env = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, CALLS], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = eval(done.stdout.strip().splitlines()[-1])
    assert names == sorted({loop_of(k).__name__ for k in kernels().values()})


@pytest.fixture
def ptx(monkeypatch) -> Iterator[Any]:
    """A function that compiles a kernel to PTX for given types; skips without numba-cuda's compiler wheels."""
    pytest.importorskip("numba_cuda")
    from numba import config, cuda

    if config.ENABLE_CUDASIM:
        pytest.skip("the simulator does not compile")
    from numba.cuda import dispatcher

    from geomlat.backends.cuda import grid_loop

    # Device functions ask for the current device; without a driver there is none. A private name of numba-cuda.
    assert hasattr(dispatcher, "get_current_device")
    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))

    def compile_to_ptx(kernel: Kernel, types: tuple) -> str:
        return cuda.compile_ptx(grid_loop(kernel.body), types, cc=(9, 0))[0]

    try:
        cuda.compile_ptx(lambda x: None, (numba.float64,), cc=(9, 0))
    except Exception as error:
        pytest.skip(f"numba-cuda cannot compile here: {error}")
    return compile_to_ptx


@pytest.mark.ptx
@pytest.mark.parametrize("name", kernels())
def test_every_kernel_compiles_to_ptx(name, reached, ptx):
    kernel = loop_of(kernels()[name])
    for types in reached[id(kernel)]:
        assert ".visible .entry" in ptx(kernel, types)


@pytest.mark.gpu
def test_every_kernel_on_a_device():
    cupy = pytest.importorskip("cupy")
    if not cupy.cuda.is_available():
        pytest.skip("no CUDA device")

    def visit(kernel: Kernel, n: int, *arrays: Any) -> None:
        ours = [a.copy() if isinstance(a, np.ndarray) else a for a in arrays]
        theirs = [cupy.asarray(a) if isinstance(a, np.ndarray) else a for a in arrays]
        from kernel_calls import ON_CPU

        ON_CPU(kernel, n, *ours)
        kernel.cuda(n, *theirs)
        for a, b in zip(ours, theirs, strict=True):
            found = b.get() if isinstance(b, cupy.ndarray) else b
            np.testing.assert_allclose(found, a, rtol=1e-11, atol=1e-13, err_msg=kernel.__name__)

    with watched(visit):
        call_all()
