"""Geometry: a million points of S^2 and H^2, points of S^63 and H^63, a matrix of distances, one point.

Ours write into a kept array (``out=``); the peers have no such thing. Each row's gate is against the fastest of
geomstats, geoopt and pymanopt, as far as they are installed; torch (plain formulas, eager) stands in the note.
"""

from __future__ import annotations

import statistics
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import Operations, installed, oblique
from timing import PAUSE, Row, below, faster_by, interleave

from geomlat.manifolds import Hyperboloid, Sphere

ARGUMENTS = {"exp": "xu", "log": "xy", "dist": "xy", "transport": "xyu"}
GATES = {
    "sphere": {"exp": (3.0, 4.5), "log": (2.0, 2.5), "dist": (2.0, 2.5), "transport": (2.5, 3.0)},
    "hyperboloid": dict.fromkeys(ARGUMENTS, (4.0, 10.0)),
}
SIZES = {63: 150_000, 2: 1_000_000}
PAIRS = 5000
ROUNDS = 5


def operations(sizes: dict[int, int] | None = None) -> list[Row]:
    """exp, log, dist and transport of float64 points, two threads; the larger arrays first.

    The peers' temporaries of 77 MB (n = 63) come from new pages, as in a process that handles arrays of one size. After
    the arrays of n = 2 some of them fit into pages that the heap happens to keep: the distance on H^63 was then 2.4 and
    2.7 times faster than geoopt's rather than 7 times, with both at the rate of the memory.
    """
    rows = []
    for n, count in (sizes or SIZES).items():
        for name, make in (("sphere", Sphere), ("hyperboloid", Hyperboloid)):
            m, found = make(n), {library: ops[name] for library, ops in installed(n).items() if name in ops}
            found = {k: v for k, v in found.items() if k != "pymanopt"} | _torch(name)
            if name == "sphere" and "pymanopt" in installed(n):
                found["pymanopt Oblique"] = oblique()
            case = sample(m, count)
            rows += [_row(f"{name} {op}", m, op, case, found, GATES[name][op]) for op in ARGUMENTS]
    return rows


def sample(m: Any, count: int, dtype: Any = np.float64) -> dict[str, np.ndarray]:
    """Points x, tangents u at x of ordinary length, and their ends y."""
    x = m.random_point((count,), rng=0)
    u = m.random_tangent(x, rng=1) / np.sqrt(m.dim)
    return {"x": x.astype(dtype), "u": u.astype(dtype), "y": m.exp(x, u).astype(dtype)}


def _row(
    item: str, m: Any, op: str, case: dict[str, np.ndarray], found: dict[str, Operations], gates: tuple[float, float]
) -> Row:
    args = [case[k] for k in ARGUMENTS[op]]
    kept, count = np.empty_like(getattr(m, op)(*args)), len(args[0])
    peers = {library: ops[op] for library, ops in found.items() if op in ops}
    runs: list[Callable[[], object]] = [lambda: getattr(m, op)(*args, out=kept), lambda: getattr(m, op)(*args)]
    runs += [lambda f=f: f(*args) for f in peers.values()]
    ours, fresh, *theirs = interleave(*runs, rounds=ROUNDS, pause=PAUSE)
    moved = sum(a.nbytes for a in args) + kept.nbytes
    note = f"{moved / statistics.median(ours) / 1e9:.1f} GB/s; a fresh array: {_ratio(fresh, ours):.2g}x as long"
    label = f"{m!r}, {count:,} points"
    if not peers:
        return Row(item, label, "", "point", [t / count for t in ours], note=note)
    rivals = [k for k, library in enumerate(peers) if library != "torch"] or range(len(theirs))
    best = min(rivals, key=lambda k: statistics.median(theirs[k]))
    others = ", ".join(f"{p} {_ratio(t, ours):.1f}x" for p, t in zip(peers, theirs, strict=True))
    name = list(peers)[best]
    return faster_by(item, label, name, "point", [ours, theirs[best]], count, *gates, note=f"{others}; {note}")


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(b / a for a, b in zip(ours, theirs, strict=True))


def pairwise(count: int = PAIRS) -> list[Row]:
    """All distances of two sets into a kept array, beside torch's matrix product and arc cosine; memory in the note."""
    rows = []
    spaces = [(m, dtype) for m in (Sphere(2), Sphere(3), Sphere(63)) for dtype in (np.float64, np.float32)]
    for m, dtype in (*spaces, (Hyperboloid(2), np.float64)):
        case = sample(m, count, dtype)
        kept = np.empty((count, count), dtype=dtype)
        runs = [lambda m=m, c=case, out=kept: m.pairwise_dist(c["x"], c["y"], out=out)]
        peers = _torch_pairs("sphere" if isinstance(m, Sphere) else "hyperboloid")
        runs += [lambda f=f, c=case: f(c["x"], c["y"]) for f in peers.values()]
        ours, *theirs = interleave(*runs, rounds=ROUNDS, pause=PAUSE)
        label = f"{m!r}, {count} x {count}, {kept.dtype}"
        note = f"{_beyond(runs[0]) / 2**20:.1f} MiB beyond the result"
        if not theirs:
            rows.append(Row("pairwise distances", label, "", "pair", [t / kept.size for t in ours], note=note))
            continue
        rows.append(
            faster_by("pairwise distances", label, *peers, "pair", [ours, theirs[0]], kept.size, 1.0, 1.5, note)
        )
    return rows


def _beyond(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def one_point(calls: int = 1000) -> list[Row]:
    """The overhead of a call: one point, float64."""
    rows = []
    for name, m in (("sphere", Sphere(2)), ("hyperboloid", Hyperboloid(2))):
        case = {k: a[0] for k, a in sample(m, 1).items()}
        for op, kinds in ARGUMENTS.items():
            args = [case[k] for k in kinds]
            peers = {lib: ops[name][op] for lib, ops in installed(2).items() if op in ops.get(name, {})}
            runs = [_repeated(getattr(m, op), args, calls)] + [_repeated(f, args, calls) for f in peers.values()]
            ours, *theirs = interleave(*runs, rounds=ROUNDS, pause=PAUSE)
            row = below(f"{name} {op}, one call", repr(m), "call", ours, calls, 20e-6, 10e-6)
            row.note = ", ".join(f"{p} {_ratio(t, ours):.0f}x" for p, t in zip(peers, theirs, strict=True))
            rows.append(row)
    return rows


def _repeated(f: Callable[..., Any], args: list[Any], calls: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(calls):
            f(*args)

    return run


def _torch(name: str) -> dict[str, Operations]:
    """The usual formulas in torch, eager, on views of the same arrays; none without torch."""
    try:
        import torch
    except ImportError:
        return {}

    def inner(u: Any, v: Any) -> Any:
        full = (u * v).sum(-1, keepdim=True)
        return full if name == "sphere" else full - 2 * u[..., :1] * v[..., :1]

    cos, sin, arc = (
        (torch.cos, torch.sin, lambda c: torch.acos(c.clamp(-1, 1)))
        if name == "sphere"
        else (torch.cosh, torch.sinh, lambda c: torch.acosh((-c).clamp(min=1)))
    )
    sign = 1.0 if name == "sphere" else -1.0

    def exp(x: Any, u: Any) -> Any:
        r = inner(u, u).clamp(min=1e-30).sqrt()
        return cos(r) * x + sin(r) / r * u

    def log(x: Any, y: Any) -> Any:
        c = inner(x, y)
        v = y - sign * c * x
        return arc(c) / inner(v, v).clamp(min=1e-30).sqrt() * v

    def dist(x: Any, y: Any) -> Any:
        return arc(inner(x, y))[..., 0]

    def transport(x: Any, y: Any, u: Any) -> Any:
        return u - inner(y, u) / (sign + inner(x, y)) * (x + y)

    def wrapped(f: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arrays: np.ndarray) -> Any:
            with torch.no_grad():
                return f(*(torch.from_numpy(a) for a in arrays))

        return call

    return {"torch": {"exp": wrapped(exp), "log": wrapped(log), "dist": wrapped(dist), "transport": wrapped(transport)}}


def _torch_pairs(name: str) -> dict[str, Callable[..., Any]]:
    try:
        import torch
    except ImportError:
        return {}

    def run(x: np.ndarray, y: np.ndarray) -> Any:
        a, b = torch.from_numpy(x), torch.from_numpy(y)
        with torch.no_grad():
            if name == "sphere":
                return (a @ b.T).clamp_(-1, 1).acos_()
            return (torch.cat([a[:, :1], -a[:, 1:]], -1) @ b.T).clamp_(min=1).acosh_()

    return {"torch mm + acos" if name == "sphere" else "torch mm + acosh": run}
