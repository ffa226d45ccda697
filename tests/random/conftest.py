"""Programs in a fresh process where numba's CUDA target is simulated."""

import ast
import os
import subprocess
import sys

import pytest


@pytest.fixture
def simulated():
    """Run a program in the simulator and read the literal it prints last."""

    def run(program: str) -> object:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return ast.literal_eval(done.stdout.strip().splitlines()[-1])

    return run
