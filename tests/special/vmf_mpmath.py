"""High-precision values of the vMF functions: a power series, and independently a quadrature of E_U exp(kappa w)."""

from __future__ import annotations

import mpmath as mp

NAMES = ("phi", "phi_minus_x", "ratio", "one_minus_ratio", "dratio", "kl", "dkl", "log_iv")
DIGITS = 50


def exact(m: float, x: float) -> dict[str, mp.mpf]:
    """All functions at the exact doubles (m, x)."""
    with mp.workdps(DIGITS):
        m, x = mp.mpf(m), mp.mpf(x)
        by_series = x < 150 or x * x < 1000 * m
        moments = moments_by_series if by_series else moments_by_quadrature
        phi, tail, a, da = two_points(x) if m == 1 else moments(m, x)
        v = m / 2 - 1
        if x == 0:
            log_iv = mp.mpf(0) if v == 0 else -mp.sign(v) * mp.inf
        else:
            log_iv = phi + v * mp.log(x / 2) - mp.loggamma(v + 1)
        # At small x kappa ratio - phi halves the number, no more; at large x use phi - x.
        kl = x * a - phi if by_series else -x * tail - (phi - x)
        values = (phi, phi - x, a, tail, da, kl, x * da, log_iv)
        return {name: +y for name, y in zip(NAMES, values, strict=True)}


def two_points(x: mp.mpf) -> tuple[mp.mpf, ...]:
    """(phi, 1 - A, A, A') at m = 1, where w is 1 or -1."""
    with mp.workdps(2 * DIGITS + 300):
        e = mp.exp(-2 * x)
        return x + mp.log1p(e) - mp.log(2), 2 * e / (1 + e), mp.tanh(x), mp.sech(x) ** 2


def moments_by_series(m: mp.mpf, x: mp.mpf) -> tuple[mp.mpf, ...]:
    """(phi, 1 - A, A, A') from 0F1(; m/2; x^2/4) and its derivatives, with guard digits for what cancels."""
    with mp.workdps(DIGITS + 60):
        h, n = x * x / 4, m / 2
        term, f, f1, f2, k = h / n, mp.mpf(0), mp.mpf(0), mp.mpf(0), 1
        while True:
            f, f1, f2 = f + term, f1 + 2 * k * term, f2 + 2 * k * (2 * k - 1) * term
            if x == 0 or (k > x and 4 * k * k * term < mp.eps * f):
                break
            k += 1
            term *= h / (k * (n + k - 1))
        if x == 0:
            return mp.mpf(0), mp.mpf(1), mp.mpf(0), 1 / m
        # f2 and f1^2 are both of order x^2 at small x: no cancellation there, 1/(2x) and 1/m of it elsewhere.
        a = f1 / (1 + f) / x
        return mp.log1p(f), 1 - a, a, f2 / (1 + f) / x**2 - a * a


def moments_by_quadrature(m: mp.mpf, x: mp.mpf) -> tuple[mp.mpf, ...]:
    """(phi, 1 - A, A, A') by the trapezoidal rule in u, w = -tanh u: exponentially accurate, no Bessel function.

    E_U g(w) = int g(-tanh u) sech(u)^(m-1) du / B((m-1)/2, 1/2). Needs m > 1.
    """
    n = m - 1
    # The mode of x w + n log(1 - w^2)/2, x (1 - w^2) = n w, and t = 1 - w there.
    root = mp.sqrt(n * n + 4 * x * x)
    w = 2 * x / (n + root)
    t = (n + n * n / (root + 2 * x)) / (n + root)
    centre = mp.log(t / (1 + w)) / 2
    # 0.04 resolves the strip of analyticity, width / 3 the peak.
    width = 1 / mp.sqrt((2 * x * w + n) * t * (1 + w))
    step = min(mp.mpf("0.04"), width / 3)

    def offset(u: mp.mpf) -> mp.mpf:
        e = mp.exp(2 * u)
        return 2 * e / (1 + e)

    def exponent(u: mp.mpf, one_minus_w: mp.mpf) -> mp.mpf:
        return -x * one_minus_w - n * (mp.log1p(mp.exp(-2 * abs(u))) + abs(u) - mp.log(2))

    top = exponent(centre, offset(centre))
    nodes = []
    for direction in (1, -1):
        k = 0 if direction == 1 else -1
        while True:
            u = centre + k * step
            d = offset(u)
            weight = mp.exp(exponent(u, d) - top)
            if weight < mp.mpf(10) ** -DIGITS:
                break
            nodes.append((weight, d))
            k += direction
    s0 = mp.fsum(p for p, _ in nodes)
    s1 = mp.fsum(p * d for p, d in nodes) / s0
    s2 = mp.fsum(p * (d - s1) ** 2 for p, d in nodes) / s0
    log_beta = mp.loggamma(n / 2) + mp.log(mp.pi) / 2 - mp.loggamma(m / 2)
    phi = top + mp.log(s0 * step) - log_beta + x
    return phi, s1, 1 - s1, s2
