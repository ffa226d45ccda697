"""Quadrature over manifolds in polar coordinates about a point, for the laws of the wrapped normal."""

import math

import numpy as np

from geomlat.distributions.spherical_uniform import log_area


def gauss(a, b, count, order=24):
    """Nodes and weights of composite Gauss-Legendre on (a, b)."""
    x, w = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (b - a) / count
    edges = np.linspace(a, b, count + 1)[:-1]
    return (edges[:, None] + half * (1 + x)).ravel(), np.tile(half * w, count)


def directions(n):
    """Unit vectors of R^n and weights that integrate smooth functions over the sphere of directions, n <= 3."""
    if n == 1:
        return np.array([[1.0], [-1.0]]), np.ones(2)
    turn = 2 * math.pi * np.arange(96) / 96
    circle = np.stack([np.cos(turn), np.sin(turn)], -1)
    if n == 2:
        return circle, np.full(96, 2 * math.pi / 96)
    h, w = gauss(-1.0, 1.0, 2)
    rim = np.sqrt(1 - h * h)[:, None, None] * circle
    e = np.concatenate([rim, np.broadcast_to(h[:, None, None], (*rim.shape[:2], 1))], -1)
    return e.reshape(-1, 3), np.repeat(w, 96) * (2 * math.pi / 96)


def polar_rule(manifold, center, top, panels=6):
    """Points of balls of radius ``top`` about ``center`` and the weights of the Riemannian measure."""
    r, wr = gauss(0.0, top, panels)
    e, we = directions(manifold.dim)
    u = manifold.from_coordinates(center, (r[:, None, None] * e).reshape(-1, manifold.dim))
    volume = np.exp(manifold.logdet_exp(center, u)).reshape(len(r), len(e))
    weight = wr[:, None] * r[:, None] ** (manifold.dim - 1) * volume * we
    return manifold.exp(center, u), weight.ravel()


def radial_rule(n, top, sin=math.sin, panels=8):
    """Radii and weights ``area sin(r)^(n-1) dr`` for functions of the distance alone, in any dimension."""
    r, w = gauss(0.0, top, panels)
    return r, w * np.exp(log_area(n) if n > 1 else math.log(2.0)) * np.vectorize(sin)(r) ** (n - 1)


def scales(gen, n, size):
    """A diagonal scale and a Cholesky factor of typical size ``size``."""
    factor = np.tril(0.4 * size * gen.standard_normal((n, n)))
    np.fill_diagonal(factor, size * gen.uniform(0.5, 1.5, n))
    return size * gen.uniform(0.5, 1.5, n), factor


def farthest(manifold, scale, full):
    """How far from loc the mass reaches, to 1e-20."""
    if math.isfinite(manifold.injectivity_radius):
        return manifold.injectivity_radius
    spread = np.linalg.norm(scale, 2) if full else float(np.max(scale))
    return spread * (9.5 + math.sqrt(manifold.dim))
