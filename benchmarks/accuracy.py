"""Relative errors of geomlat and of its peers against 80 digits: ``python benchmarks/accuracy.py [NAME ...]``.

Writes `results/accuracy.json` and the tables of `ACCURACY.md`. Peers that are not installed are left out.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import references
from mpmath import mp, mpf
from peers import installed
from timing import machine

import geomlat.manifolds as ours

HERE = Path(__file__).parent
SAMPLES = 12
OPERATIONS = {"exp": "xu", "log": "xy", "dist": "xy", "transport": "xyw", "logdet_exp": "xu"}
NEAR = (1e-12, 1e-8, 1e-4, 1e-2, 1.0)
CUT = (1e-1, 1e-3, 1e-6)
RADII = (0.0, 1.0, 4.0, 8.0, 12.0, 18.0, 24.0, 30.0)
AWAY = (1e-12, 1e-4, 1.0, 10.0)
BORDER = {"hyperboloid": "R", "ball": "far"}
"""Where rounding counts: the radius whose exponential it is multiplied by."""
HEAD = """# Accuracy

Written by `python benchmarks/accuracy.py`; the numbers behind it are in `results/accuracy.json`. Each entry is the
largest relative error over {samples} random inputs, against 80 digits: the length of the difference over that of the
result, in coordinates. Inputs are rounded to the dtype first and then taken as exact, so that what is left is the error
of the formulas; a column `eps e^R` is what the rounding of the inputs themselves does (on the ball with R of the
farther point). "-": not offered (a projection is no parallel transport), "nan": not a finite number. Of float32 arrays
geomstats makes float64 ones in some operations.

d is the distance of the points or the length of the tangent, R the distance of x from the origin. float32 beyond the
range that a manifold documents (R = 10 on hyperbolic spaces) is shown too.
"""


def cases() -> dict[str, tuple[Any, Any, list[tuple[float, Any]]]]:
    """For each name: our manifold, the reference, and the pairs (R, d) to visit."""
    sphere, flat = references.Curved(2, 1), references.Flat(3)
    torus = references.Flat(2, 2 * mp.pi)
    far = [(r, d) for r in RADII for d in AWAY]
    near = [(1.0, d) for d in NEAR]
    factors = (sphere, 3, 2, 0.5), (references.Curved(2, -1), 3, 2, 1.0), (references.Flat(2), 2, 2, 2.0)
    product = ours.Product(ours.Sphere(2), ours.Hyperboloid(2), ours.Euclidean(2), scales=(0.5, 1.0, 2.0))
    found = {
        "euclidean": ("Euclidean", (3,), flat, near),
        "sphere": ("Sphere", (2,), sphere, _upto(sphere.cut)),
        "torus": ("Torus", (2,), torus, _upto(torus.cut)),
        "hyperboloid": ("Hyperboloid", (2,), references.Curved(2, -1), far),
        "ball": ("PoincareBall", (2,), references.Projected(2, -1.0), far),
        "stereographic -1e-6": ("Stereographic", (2, -1e-6), references.Projected(2, -1e-6), near),
        "stereographic +1e-6": ("Stereographic", (2, 1e-6), references.Projected(2, 1e-6), near),
        "stereographic +1": ("Stereographic", (2, 1.0), references.Projected(2, 1.0), _upto(mp.pi)),
        "rotations": ("SpecialOrthogonal", (3,), references.Rotations(), _upto(mp.pi)),
    }
    made = {k: (getattr(ours, c)(*a), r, s) for k, (c, a, r, s) in found.items()}
    return made | {"product": (product, references.Factors(*factors), near)}


def _upto(cut: Any) -> list[tuple[float, Any]]:
    return [(1.0, d) for d in NEAR] + [(1.0, cut - gap) for gap in CUT]


def draw(space: Any, radius: float, d: Any, dim: int, rng: np.random.Generator) -> dict[str, list[Any]]:
    """A point at a radius, a tangent u of length d in a random direction, its end y, and a unit tangent w."""

    def direction(size: Any) -> list[Any]:
        g = [mpf(a) for a in rng.standard_normal(dim)]
        return space.frame([size * a / mp.norm(g) for a in g])

    o = space.origin()
    x = space.exp(o, direction(mpf(radius)))
    u = space.transport(o, x, direction(mpf(d)))
    return {"x": x, "u": u, "y": space.exp(x, u), "w": space.transport(o, x, direction(mpf(1)))}


def error(got: Any, expected: Any) -> float:
    """The length of the difference over that of the expected value; infinite if it is not finite."""
    values = np.ravel(np.real(got)).astype(np.float64)  # a logarithm of geomstats is complex
    exact = list(expected) if isinstance(expected, list) else [expected]
    if not np.all(np.isfinite(values)):
        return math.inf
    gap = mp.norm([mpf(float(a)) - b for a, b in zip(values, exact, strict=True)])
    size = mp.norm(exact)
    return float(gap / size) if size else (0.0 if gap == 0 else math.inf)


def measure(name: str, samples: int = SAMPLES) -> list[dict[str, Any]]:
    """The rows of a manifold: one for each operation, R and d, with the errors by library and dtype."""
    m, space, settings = cases()[name]
    libraries = {"geomlat": {op: getattr(m, op) for op in OPERATIONS}}
    libraries |= {peer: found[name] for peer, found in installed(m.dim).items() if name in found}
    rows = []
    for radius, d in settings:
        rng = np.random.default_rng(0)
        drawn = [draw(space, radius, d, m.dim, rng) for _ in range(samples)]
        far = max(float(space.dist(space.origin(), case[k])) for case in drawn for k in "xy")
        for op, kinds in OPERATIONS.items():
            errors = {}
            for dtype in (np.float64, np.float32):
                worst = _worst(space, op, kinds, drawn, dtype, m.ambient_shape, libraries)
                errors |= {f"{library} {np.dtype(dtype)}": e for library, e in worst.items()}
            rows.append({"manifold": name, "operation": op, "R": radius, "d": float(d), "errors": errors})
            rows[-1] |= {"far": far, "gap": float(space.cut - d) if space.cut else None}
    return rows


def _worst(
    space: Any, op: str, kinds: str, drawn: list[Any], dtype: Any, shape: tuple[int, ...], libraries: dict[str, Any]
) -> dict[str, float]:
    worst = {library: 0.0 for library, found in libraries.items() if op in found}
    for case in drawn:
        arrays = [np.array([float(a) for a in case[k]], dtype=dtype) for k in kinds]
        exact = [[mpf(float(a)) for a in array] for array in arrays]
        expected = getattr(space, op)(*exact)
        for library in worst:
            got = _call(libraries[library][op], [a.reshape(shape) for a in arrays])
            worst[library] = max(worst[library], error(got, expected))
    return worst


def _call(f: Callable[..., Any], arrays: list[np.ndarray]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return f(*arrays)
        except Exception as failure:  # a peer that raises for an input has no answer for it
            print(f"{getattr(f, '__qualname__', f)}: {failure}", file=sys.stderr)
            return math.nan


def tables(rows: list[dict[str, Any]]) -> Iterator[str]:
    """A Markdown section for each manifold, a table for each operation."""
    for name in dict.fromkeys(row["manifold"] for row in rows):
        yield f"\n## {name}\n"
        for op in OPERATIONS:
            mine = [r for r in rows if r["manifold"] == name and r["operation"] == op]
            columns = list(dict.fromkeys(c for r in mine for c in r["errors"]))
            unit = ["eps e^R"] if name in BORDER else []
            lines = [["R", "d", *unit, *columns], ["---"] * (2 + len(unit) + len(columns))]
            for r in mine:
                unit = [f"{2.2e-16 * math.exp(r[BORDER[name]]):.0e}"] if unit else []
                cells = [_cell(r["errors"].get(c)) for c in columns]
                lines.append([f"{r['R']:g}", _distance(r), *unit, *cells])
            yield f"### {name}: {op}\n"
            yield "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _distance(row: dict[str, Any]) -> str:
    return f"cut - {row['gap']:.0e}" if row["gap"] is not None and row["gap"] < 1 else f"{row['d']:g}"


def _cell(e: float | None) -> str:
    return "-" if e is None else "nan" if math.isinf(e) else f"{e:.1e}" if e else "0"


def main() -> None:
    """Measure the named manifolds, or all, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(cases())}")
    names = parser.parse_args().names or list(cases())
    path = HERE / "results" / "accuracy.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for name in names:
        rows = [r for r in rows if r["manifold"] != name] + measure(name)
        print(name, flush=True)
    rows.sort(key=lambda r: list(cases()).index(r["manifold"]))
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    (HERE / "ACCURACY.md").write_text(HEAD.format(samples=SAMPLES) + "\n".join(tables(rows)))


if __name__ == "__main__":
    main()
