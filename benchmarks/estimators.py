"""Bias and spread of the gradient estimators: ``python benchmarks/estimators.py`` writes ESTIMATORS.md and its JSON.

For f1 = <c, z> and f2 = <c, z>^2, c at 60 degrees from the mean direction, the mean and the standard deviation of one
draw's estimate of d/dkappa E f(z), beside the exact derivative. ``implicit`` is the library's default; ``rejection``
the accepted proposal's path plus the correction of Naesseth et al. (2017); ``score`` the advantage times d log q;
``path only`` the rejection sampler's path without the correction, which is biased and exists in this file alone. The
advantage is f less the mean of the other draws; the last column adds 100 to f, as a loss in nats has, without taking it
off again. Statistics, not times: about a minute on two cores.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from geomlat.distributions import Gamma, PowerSpherical, VonMises, VonMisesFisher, leave_one_out
from geomlat.special import digamma, vmf_dratio, vmf_ratio

HERE = Path(__file__).parent
DRAWS, SHIFT = 100_000, 100.0
COS, SIN = 0.5, math.sqrt(0.75)
DIRECTIONS = [(3, 1.0), (3, 10.0), (3, 100.0), (10, 1.0), (10, 10.0), (10, 100.0), (50, 1.0), (50, 10.0), (50, 100.0)]
CONCENTRATIONS = [0.5, 1.0, 2.0, 10.0, 100.0]
BIAS_M, BIAS_KAPPA = (2, 3, 5, 10, 50, 1000), (0.1, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 1e3)
FUNCTIONS = {"f1": (lambda s: s, np.ones_like), "f2": (lambda s: s * s, lambda s: 2.0 * s)}


def spherical_slopes(m: int, dmean: float, dsquare: float) -> dict[str, float]:
    """d/dkappa of E f1 and E f2 from those of E w and E w^2."""
    return {"f1": COS * dmean, "f2": dsquare * (COS**2 - SIN**2 / (m - 1))}


def vmf_slopes(m: int, kappa: float) -> dict[str, float]:
    """E w = A, E w^2 = 1 - (m-1) A / kappa."""
    a, da = float(vmf_ratio(float(m), kappa)), float(vmf_dratio(float(m), kappa))
    return spherical_slopes(m, da, -(m - 1) * (da / kappa - a / kappa**2))


def power_slopes(m: int, kappa: float) -> dict[str, float]:
    """E w = kappa / s and E (1 - w^2) = 4 a (a + kappa) / (s (s + 1)), s = kappa + m - 1, a = (m-1)/2."""
    a, s = 0.5 * (m - 1), kappa + m - 1
    return spherical_slopes(
        m, (m - 1) / s**2, -4 * a * (1 / (s * (s + 1)) - (a + kappa) * (2 * s + 1) / (s * s + s) ** 2)
    )


def vmf_estimates(m: int, kappa: float, name: str, f: str, shift: float = 0.0) -> np.ndarray:
    """One estimate for each draw, by the library's estimators; "path only" leaves the advantage out."""
    estimator = "rejection" if name == "path only" else name
    q = VonMisesFisher(np.eye(m)[0], np.full(DRAWS, kappa), estimator)
    z, pull = q.rsample_vjp(q.draw(rng=m))
    c = COS * np.eye(m)[0] + SIN * np.eye(m)[1]
    value, slope = (g(z @ c) for g in FUNCTIONS[f])
    cost = np.zeros(DRAWS) if name == "path only" else leave_one_out(value) + shift
    return pull(slope[:, None] * c, advantage=cost)[1]


def angle_estimates(kappa: float, name: str, f: str, shift: float = 0.0) -> np.ndarray:
    """On the circle `VonMises` has the implicit rule; the others are those of the same law as points of the plane."""
    if name in ("rejection", "path only"):
        return vmf_estimates(2, kappa, name, f, shift)
    q = VonMises(np.zeros(1), np.full((DRAWS, 1), kappa))
    x, pull = q.rsample_vjp(q.draw(rng=2))
    at = x[:, 0] - math.pi / 3
    value, slope = (g(np.cos(at)) for g in FUNCTIONS[f])
    if name == "implicit":
        return pull((-slope * np.sin(at))[:, None])[1][:, 0]
    return q.log_prob_vjp(x)[1](leave_one_out(value) + shift)[2][:, 0]


def power_estimates(m: int, kappa: float, name: str, f: str, shift: float = 0.0) -> np.ndarray:
    """The library's implicit rule and score; the path through the sampler's accepted normal, and its correction."""
    mu, c = np.eye(m)[0], COS * np.eye(m)[0] + SIN * np.eye(m)[1]
    q = PowerSpherical(mu, np.full(DRAWS, kappa))
    if name in ("implicit", "score"):
        z, pull = q.rsample_vjp(q.draw(rng=m))
        value, slope = (g(z @ c) for g in FUNCTIONS[f])
        if name == "implicit":
            return pull(slope[:, None] * c)[1]
        return q.log_prob_vjp(z)[1](leave_one_out(value) + shift)[2]
    # h = G / (G + G'), G = d (1 + e)^3 of Marsaglia and Tsang with e = n / sqrt(9 d), d = a + kappa - 1/3.
    a = 0.5 * (m - 1)
    top = a + kappa
    d = top - 1.0 / 3.0
    e = np.expm1(Gamma(np.full(1, top), 1.0).draw(DRAWS, rng=1)[:, 0] / 3.0)
    big, small = d * (1 + e) ** 3, Gamma(np.full(1, a), 1.0).sample(DRAWS, rng=2)[:, 0]
    log_slope = 1 / d - 1.5 * e / (d * (1 + e))
    correction = (
        np.log(big) - float(digamma(top)) + ((top - 1) / big - 1) * big * log_slope + 0.5 / d - e / (d * (1 + e))
    )
    h, rest = big / (big + small), small / (big + small)
    w, r = h - rest, 2.0 * np.sqrt(h * rest)
    side = np.random.default_rng(3).standard_normal((DRAWS, m - 1))
    side = side[:, 0] / np.linalg.norm(side, axis=1)
    value, slope = (g(COS * w + SIN * r * side) for g in FUNCTIONS[f])
    path = slope * (COS - SIN * side * w / r) * 2.0 * h * rest * log_slope
    return path if name == "path only" else path + (leave_one_out(value) + shift) * correction


def row(family: str, m: int, kappa: float, f: str, exact: float, estimates: object) -> dict[str, object]:
    """The statistics of one line of the table."""
    found: dict[str, object] = {"family": family, "m": m, "kappa": kappa, "f": f, "exact": exact}
    for name in ("implicit", "rejection", "path only", "score"):
        g = estimates(name, f)
        error = float(g.std()) / math.sqrt(DRAWS)
        found[name] = {"mean": float(g.mean()), "sd": float(g.std()), "z": (float(g.mean()) - exact) / error}
        if name == "path only":
            found[name]["bias"] = {"relative": float(g.mean()) / exact - 1.0, "error": error / abs(exact)}
    found["rejection, f + 100"] = {"sd": float(estimates("rejection", f, SHIFT).std())}
    return found


def measure() -> list[dict[str, object]]:
    """All lines."""
    rows = []
    for f in FUNCTIONS:
        for m, k in DIRECTIONS:
            rows.append(
                row("VonMisesFisher", m, k, f, vmf_slopes(m, k)[f], lambda *a, m=m, k=k: vmf_estimates(m, k, *a))
            )
        for k in CONCENTRATIONS:
            rows.append(row("VonMises", 2, k, f, vmf_slopes(2, k)[f], lambda *a, k=k: angle_estimates(k, *a)))
        for m, k in DIRECTIONS:
            rows.append(
                row("PowerSpherical", m, k, f, power_slopes(m, k)[f], lambda *a, m=m, k=k: power_estimates(m, k, *a))
            )
    return sorted(rows, key=lambda r: (r["family"], r["m"], r["kappa"], r["f"]))


def exact_bias(m: int, kappa: float) -> float:
    """That of the path alone for d/dkappa E w: E (1 - w^2) / sqrt(4 kappa^2 + (m-1)^2) over A', less 1."""
    a, da = float(vmf_ratio(float(m), kappa)), float(vmf_dratio(float(m), kappa))
    return (m - 1) * a / (kappa * math.hypot(2 * kappa, m - 1) * da) - 1.0


def page(rows: list[dict[str, object]]) -> str:
    """The tables in Markdown."""
    lines = [f"# Gradient estimators\n\n{__doc__}", f"{DRAWS} draws; z is the bias in standard errors.\n"]
    head = ["family", "m", "kappa", "f", "exact", "implicit sd (z)", "rejection sd (z)", "path only: bias, sd"]
    head = " | ".join([*head, "score sd (z)", "rejection sd at f + 100"])
    lines += [f"| {head} |", "|---" * 10 + "|"]
    for r in rows:
        cells = [r["family"], r["m"], f"{r['kappa']:g}", r["f"], f"{r['exact']:.3g}"]
        cells += [f"{r[n]['sd']:.3g} ({r[n]['z']:+.1f})" for n in ("implicit", "rejection")]
        bias = r["path only"]["bias"]
        cells += [f"{bias['relative']:+.1%} +- {bias['error']:.1%}, {r['path only']['sd']:.3g}"]
        cells += [f"{r['score']['sd']:.3g} ({r['score']['z']:+.1f})", f"{r['rejection, f + 100']['sd']:.3g}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["\n## The bias of the path alone, exactly\n", "Of d/dkappa E <mu, z> for the von Mises-Fisher law:\n"]
    lines += ["| m \\ kappa | " + " | ".join(f"{k:g}" for k in BIAS_KAPPA) + " |", "|---" * (len(BIAS_KAPPA) + 1) + "|"]
    lines += [f"| {m} | " + " | ".join(f"{exact_bias(m, k):+.1%}" for k in BIAS_KAPPA) + " |" for m in BIAS_M]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    found = measure()
    (HERE / "results" / "estimators.json").write_text(json.dumps({"draws": DRAWS, "rows": found}, indent=1) + "\n")
    (HERE / "ESTIMATORS.md").write_text(page(found))
    worst = max(abs(r[n]["z"]) for r in found for n in ("implicit", "rejection", "score"))
    print(f"{len(found)} rows; the largest |z| of an unbiased estimator is {worst:.2f}")
