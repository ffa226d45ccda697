"""Independent reference values for the von Mises-Fisher law: quadrature in the angle and mpmath."""

import math

import mpmath as mp
import numpy as np

M = (2, 3, 6, 11, 21, 41, 128)
KAPPA = (0.0, 0.5, 2.0, 10.0, 11.0, 20.0, 100.0, 1e4, 1e8)


def unit_rows(gen, *shape):
    x = gen.standard_normal(shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def panels(a, b, count=400, order=16):
    """Nodes and weights of composite Gauss-Legendre."""
    x, w = np.polynomial.legendre.leggauss(order)
    edges = np.linspace(a, b, count + 1)
    half = 0.5 * (b - a) / count
    return (edges[:-1, None] + half * (1 + x)).ravel(), np.tile(half * w, count)


def angle_range(m, kappa):
    return min(math.pi, 14.0 * math.sqrt(m / max(kappa, 1e-300)))


def cdf_of_t(m, kappa, t):
    """P(T <= t) of t = 1 - w, from the angular density exp(-2 kappa sin^2(theta/2)) sin^(m-2)(theta)."""
    top = angle_range(m, kappa)
    theta, weight = panels(0.0, top, 3000, 4)
    log_density = -2 * kappa * np.sin(theta / 2) ** 2 + (m - 2) * np.log(np.sin(theta))
    mass = np.exp(log_density - log_density.max()) * weight
    cumulative = np.concatenate([[0.0], np.cumsum(mass.reshape(3000, 4).sum(1))])
    grid = np.linspace(0.0, top, 3001)
    return np.interp(2 * np.arcsin(np.sqrt(np.minimum(t / 2, 1.0))), grid, cumulative / cumulative[-1])


def mp_cdf(m, kappa, theta):
    """P(angle <= theta) at the working precision of mpmath, and the density there."""
    kappa, scale = mp.mpf(kappa), 3 / mp.sqrt(m + kappa)

    def density(a):
        return mp.exp(kappa * (mp.cos(a) - 1)) * mp.sin(a) ** (m - 2)

    def integral(a, b):
        steps = max(1, min(12, int((b - a) / scale) + 1))
        return mp.quad(density, mp.linspace(a, b, steps + 1))

    low, high = integral(mp.mpf(0), theta), integral(theta, mp.pi)
    return low / (low + high), density(theta) / (low + high)


def mp_phi(m, kappa):
    return mp.log(mp.hyp0f1(mp.mpf(m) / 2, mp.mpf(kappa) ** 2 / 4))


def mp_ratio(m, kappa):
    v = mp.mpf(m) / 2 - 1
    return mp.besseli(v + 1, kappa) / mp.besseli(v, kappa) if kappa else mp.mpf(0)
