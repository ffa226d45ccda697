"""geomstats, geoopt and pymanopt behind one face: ``exp(x, u)``, ``log(x, y)``, ``dist(x, y)``, ``transport(x, y, u)``.

Each is optional: what is not installed is left out. NumPy arrays in and out, in geomlat's coordinates and units; the
conversions are views or a division by a constant. The names are those of the manifolds in `accuracy.py`:
``sphere``, ``hyperboloid``, ``ball``, ``stereographic +1``, ``rotations``. Transport is left out where the library
projects instead.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np

Operations = dict[str, Callable[..., Any]]


def geomstats(n: int) -> dict[str, Operations]:
    """Manifolds of dimension n (rotations of R^3); geomstats 2.8 needs NumPy below 2.4."""
    logging.disable(logging.INFO)
    from geomstats.geometry.hyperboloid import Hyperboloid
    from geomstats.geometry.hypersphere import Hypersphere
    from geomstats.geometry.poincare_ball import PoincareBall
    from geomstats.geometry.special_orthogonal import SpecialOrthogonal

    spaces = {"sphere": Hypersphere(n), "hyperboloid": Hyperboloid(n), "ball": PoincareBall(n)}
    found = {name: _of_metric(space.metric) for name, space in spaces.items()}
    del found["ball"]["transport"]
    found["rotations"] = _of_metric(SpecialOrthogonal(3).metric)
    return found


def _of_metric(metric: Any) -> Operations:
    return {
        "exp": lambda x, u: metric.exp(u, x),
        "log": lambda x, y: metric.log(y, x),
        "dist": metric.dist,
        "transport": lambda x, y, u: metric.parallel_transport(u, x, end_point=y),
    }


def geoopt(n: int) -> dict[str, Operations]:
    """The same, by torch on the CPU."""
    import geoopt as library
    import torch

    def wrapped(f: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                result: np.ndarray = f(*(torch.from_numpy(np.asarray(a)) for a in arrays)).numpy()
            return result

        return call

    found = {}
    for name, m in {
        "sphere": library.Sphere(),
        "hyperboloid": library.Lorentz(),
        "ball": library.PoincareBall(),
        "stereographic +1": library.SphereProjection(),
    }.items():
        operations = {"exp": m.expmap, "log": m.logmap, "dist": m.dist} | (
            {} if name == "sphere" else {"transport": m.transp}
        )
        found[name] = {op: wrapped(f) for op, f in operations.items()}
    return found


def pymanopt(n: int) -> dict[str, Operations]:
    """The same, one point a call."""
    from pymanopt.manifolds import PoincareBall, SpecialOrthogonalGroup, Sphere

    found = {}
    for name, m in {"sphere": Sphere(n + 1), "ball": PoincareBall(n)}.items():
        found[name] = {"exp": m.exp, "log": m.log, "dist": m.dist}
    group = SpecialOrthogonalGroup(3)
    found["rotations"] = {
        "exp": lambda x, u: group.exp(x, x.T @ u),
        "log": lambda x, y: x @ group.log(x, y),
        "dist": lambda x, y: group.dist(x, y) / math.sqrt(2),
    }
    return found


def oblique() -> Operations:
    """pymanopt's batch of points of a sphere: unit columns, here the transposes of rows."""
    from pymanopt.manifolds import Oblique

    def on(m: int, k: int) -> Any:
        return Oblique(m, k)

    return {
        "exp": lambda x, u: on(*x.T.shape).exp(x.T, u.T).T,
        "log": lambda x, y: on(*x.T.shape).log(x.T, y.T).T,
    }


def installed(n: int) -> dict[str, dict[str, Operations]]:
    """The peers that can be imported."""
    found = {}
    for library in (geomstats, geoopt, pymanopt):
        with contextlib.suppress(ImportError):
            found[library.__name__] = library(n)
    return found
