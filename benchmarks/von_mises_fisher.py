"""von Mises-Fisher: sampling, divergence with gradient, and the implicit gradient of the concentration."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
from scipy import special, stats
from timing import PAUSE, Row, below, faster_by, interleave

from geomlat.backends.threads import thread_count
from geomlat.distributions import VonMisesFisher
from geomlat.random import normal, stream
from geomlat.special import vmf_kl_pair

SAMPLING = {3: (3.0, 5.0, 400_000), 10: (4.0, 7.0, 100_000), 50: (10.0, 15.0, 20_000), 200: (12.0, 20.0, 4_000)}
DIVERGENCE = (3, 10, 50, 200, 1000)


def sampling() -> list[Row]:
    """One mean direction, float64, two threads, a kept array; beside SciPy, geomstats and NumPy's normals alone."""
    from geomstats.geometry.hypersphere import Hypersphere

    rows = []
    for m, (gate, goal, n) in SAMPLING.items():
        for kappa in (0.1, 100.0, 1e4):
            mu, sphere = np.full(m, m**-0.5), Hypersphere(m - 1)
            ours, theirs = VonMisesFisher(mu, kappa), stats.vonmises_fisher(mu, kappa)
            key, rng, kept = stream(0), np.random.default_rng(0), np.empty((n, m))
            sfc = np.random.Generator(np.random.SFC64(0))
            times = interleave(
                lambda q=ours, n=n, key=key, out=kept: q.sample(n, rng=key, out=out),
                lambda n=n, m=m, sfc=sfc: sfc.standard_normal((n, m)),
                lambda q=theirs, n=n, rng=rng: q.rvs(n, random_state=rng),
                lambda s=sphere, mu=mu, k=kappa, n=n: s.random_von_mises_fisher(mu=mu, kappa=k, n_samples=n),
                rounds=7,
                pause=PAUSE,
            )
            note = f"{np.median(np.divide(times[1], times[0])):.2g}x NumPy's SFC64 normals alone"
            case = f"m = {m}, kappa = {kappa:g}"
            for peer, other in (("SciPy rvs", times[2]), ("geomstats", times[3])):
                pair = [times[0], other]
                rows.append(faster_by("vMF sampling", case, peer, "sample", pair, n, gate, goal, note))
    return rows


def batched_sampling() -> list[Row]:
    """A direction and a concentration for each row, float32, beside the method of s-vae-pytorch in torch.

    The peer is the fastest of four: one or twenty proposals a row and round, one thread or all. The note has what
    bounds a draw: our normals alone, then its two halves, each through memory, the noise and the points of a given
    noise. At m = 3 each is a few loops of full vectors in the nearest cache, on one thread 1.0 ns a row for the words,
    0.8 for the directions, 0.9 for the heights and 1.0 for the reflection; memory and the starts of the loops take
    another 0.5. At m = 50 and 200 the normals are 45 % and 60 %, 0.75 ns each on one thread (Philox half of it, its
    multiplications one a cycle); reading the means and writing the points alone is 15 % at m = 200, where sums and
    combination of a row that is in the first cache already take 50 ns, and placing rows while their normals are there
    gained nothing.
    """
    import torch

    rows = []
    for m, n in {3: 200_000, 10: 50_000, 50: 20_000, 200: 5_000}.items():
        for kappa in (1.0, 100.0, 1e4):
            rng = np.random.default_rng(0)
            mu = rng.standard_normal((n, m)).astype(np.float32)
            mu /= np.linalg.norm(mu, axis=1, keepdims=True)
            q, key = VonMisesFisher(mu, (kappa * np.exp(rng.uniform(-0.5, 0.5, n))).astype(np.float32)), stream(0)
            frozen = q.draw(rng=key)
            theirs = torch.from_numpy(q.mu), torch.from_numpy(q.kappa)[:, None]

            def peer(proposals: int, count: int, theirs: Any = theirs) -> None:
                torch.set_num_threads(count)
                svae_sample(*theirs, proposals)

            times = interleave(
                lambda q=q, key=key: q.sample(rng=key),
                lambda q=q, key=key: normal(q.mu.shape, rng=key, dtype=np.float32),
                lambda q=q, key=key: q.draw(rng=key),
                lambda q=q, frozen=frozen: q.rsample(frozen),
                *(lambda p=p, t=t, peer=peer: peer(p, t) for p in (1, 20) for t in (1, thread_count())),
                rounds=7,
                pause=PAUSE,
            )
            best = min(times[4:], key=statistics.median)
            normals, noise, points = (np.median(np.divide(times[0], t)) for t in times[1:4])
            note = f"{normals:.2g}x our normals alone; noise alone {1 / noise:.0%}, points alone {1 / points:.0%}"
            case = f"m = {m}, kappa about {kappa:g}"
            pair = [times[0], best]
            rows.append(faster_by("vMF sampling, batched", case, "s-vae method", "sample", pair, n, 8.0, 12.0, note))
    return rows


def svae_sample(mu: Any, kappa: Any, proposals: int) -> Any:
    """One point for each row of ``mu`` ``(n, m)`` and ``kappa`` ``(n, 1)`` as torch expressions, the envelope exact.

    Davidson et al. (2018), algorithms 1 and 3: the inverse distribution function at m = 3, else Wood's rejection in
    rounds over the whole batch until no row is left, then a Householder reflection.
    """
    import torch

    n, m = mu.shape
    if m == 3:
        u = torch.rand(n, 1)
        w = 1.0 + torch.logsumexp(torch.stack([u.log(), (1.0 - u).log() - 2.0 * kappa]), 0) / kappa
    else:
        root = torch.sqrt(4.0 * kappa**2 + (m - 1.0) ** 2)
        b, a = (m - 1.0) / (2.0 * kappa + root), (m - 1.0 + 2.0 * kappa + root) / 4.0
        d = 4.0 * a * b / (1.0 + b) - (m - 1.0) * math.log(m - 1.0)
        half = torch.tensor(0.5 * (m - 1.0))
        beta, w, left = torch.distributions.Beta(half, half), torch.zeros(n, 1), torch.ones(n, 1, dtype=torch.bool)
        while left.any():
            e, u = beta.sample((n, proposals)), torch.rand(n, proposals)
            below = 1.0 - (1.0 - b) * e
            t = 2.0 * a * b / below
            accepted = (m - 1.0) * t.log() - t + d > u.log()
            first = accepted.int().argmax(1, keepdim=True)
            found = accepted.gather(1, first) & left
            w = torch.where(found, ((1.0 - (1.0 + b) * e) / below).gather(1, first), w)
            left = left & ~found
    v = torch.nn.functional.normalize(torch.randn(n, m - 1), dim=-1)
    z = torch.cat([w, torch.sqrt(torch.clamp(1.0 - w**2, 1e-10)) * v], -1)
    pole = torch.zeros(m)
    pole[0] = 1.0
    h = pole - mu
    h = h / (h.norm(dim=-1, keepdim=True) + 1e-5)
    return z - 2.0 * (z * h).sum(-1, keepdim=True) * h


def scipy_divergence(m: int, kappa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """KL(vMF || uniform) and its derivative in kappa by SciPy's exponentially scaled Bessel functions."""
    v = m / 2.0 - 1.0
    with np.errstate(all="ignore"):
        low, high = special.ive(v, kappa), special.ive(v + 1.0, kappa)
        ratio = high / low
        log_normaliser = v * np.log(kappa) - 0.5 * m * np.log(2 * np.pi) - np.log(low) - kappa
        log_area = np.log(2.0) + 0.5 * m * np.log(np.pi) - special.gammaln(0.5 * m)
        return kappa * ratio + log_normaliser + log_area, kappa * (1.0 - ratio * ratio) - (m - 1.0) * ratio


def divergence(n: int = 1_000_000) -> list[Row]:
    """KL and gradient for a million concentrations, log-uniform on 0.1..1e5."""
    kappa = 10.0 ** np.random.default_rng(0).uniform(-1.0, 5.0, n)
    rows = []
    for m in DIVERGENCE:
        times = interleave(lambda m=m: vmf_kl_pair(float(m), kappa), lambda m=m: scipy_divergence(m, kappa), rounds=7)
        lost = np.mean(~(np.isfinite(scipy_divergence(m, kappa)[0])))
        ours = np.mean(~np.isfinite(vmf_kl_pair(float(m), kappa)[0]))
        note = f"not finite: SciPy {lost:.1%}, ours {ours:.0%}"
        rows.append(faster_by("vMF KL + gradient", f"m = {m}", "SciPy ive", "kappa", times, n, 4.0, 10.0, note))
        rows[-1].passed = bool(rows[-1].passed and ours == 0.0)
    return rows


def implicit_gradient() -> list[Row]:
    """``rsample_vjp``'s pullback for one concentration per sample; per sample and thread."""
    rows = []
    threads = thread_count()
    for m in (3, 10, 50, 200):
        n = 40_000 if m < 50 else 8_000
        rng = np.random.default_rng(0)
        mu = np.full((n, m), m**-0.5)
        q = VonMisesFisher(mu, rng.uniform(1.0, 200.0, n))
        z, pull = q.rsample_vjp(q.draw(rng=1))
        times = interleave(lambda pull=pull, z=z: pull(z))
        rows.append(
            below("implicit kappa gradient", f"m = {m}", "sample and thread", times[0], n / threads, 2.5e-6, 1e-6)
        )
    return rows
