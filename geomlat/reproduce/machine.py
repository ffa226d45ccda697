"""Where a number came from: the commit of the code and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import geomlat


def commit() -> str:
    """The commit of the working directory, with ``+`` if its code differs; the version where there is no git."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", ":/geomlat", ":/examples") else "")
    except (OSError, subprocess.CalledProcessError):
        return f"geomlat {geomlat.__version__}"


def machine(backend: str) -> dict[str, str | int]:
    """The processor, the cores, the GPU if it is used, and the versions that matter.

    Raises
    ------
    ValueError
        If the backend is CuPy, and it or a GPU is missing.
    """
    device = {"gpu": _gpu()} if backend == "cupy" else {}
    packages = ("numpy", "scipy", "numba", *(("cupy",) if device else ()))
    return {
        "cpu": _processor(),
        "cores": os.cpu_count() or 1,
        **device,
        "system": platform.system(),
        "python": platform.python_version(),
        **{p: _version(p) for p in packages},
    }


def _gpu() -> str:
    try:
        import cupy

        return str(cupy.cuda.runtime.getDeviceProperties(0)["name"].decode())
    except ImportError as failure:
        msg = f"--backend cupy needs CuPy ({failure}); run: pip install 'geomlat[cuda12]' (or cuda13)"
        raise ValueError(msg) from failure
    except cupy.cuda.runtime.CUDARuntimeError as failure:
        msg = f"--backend cupy needs a GPU, and CUDA finds none ({failure}); run on the CPU with --backend numpy"
        raise ValueError(msg) from failure


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
