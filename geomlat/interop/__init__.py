"""Bridges to other libraries: frozen distributions of SciPy."""

from __future__ import annotations

from geomlat.interop.scipy import from_scipy, to_scipy

__all__ = ["from_scipy", "to_scipy"]
