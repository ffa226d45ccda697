"""Hypothesis strategies for manifolds, aimed at the places where formulas break.

They use nothing of a manifold but its public methods, so that they work on one of your own. Points are random or lie on
an axis; lengths are ordinary, log-uniform from 1e-300, zero, or end at, just before or just past the injectivity
radius, and differ within a batch; batches are single, empty or nested. Everything is drawn in float64 and rounded to
the dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (3,), (0,), (2, 0), (2, 3))
FAR = 5.0
"""The longest tangent where the injectivity radius is infinite, in radii of curvature where these are below one."""
NEAR = 2.5
"""The same where differences are taken: far out, their steps of a hundredth of the largest entry are too long."""


def shapes() -> st.SearchStrategy[tuple[int, ...]]:
    """Batch shapes: none, one, several, nested and, half as often each, empty."""
    return st.sampled_from((*SHAPES, *(shape for shape in SHAPES if 0 not in shape)))


def curvatures(low: float = 1e-12, high: float = 10.0) -> st.SearchStrategy[float]:
    """Curvatures of both signs with magnitudes log-uniform in ``low .. high``, their ends, and zero."""
    sizes = st.floats(math.log10(low), math.log10(high)).map(lambda e: 10.0**e)
    return st.one_of(st.sampled_from([0.0, low, -low, high, -high]), sizes, sizes.map(lambda k: -k))


@st.composite  # type: ignore[untyped-decorator]
def points(draw: st.DrawFn, manifold: Any, shape: tuple[int, ...] = (), dtype: Any = np.float64) -> np.ndarray:
    """Points of a batch ``shape``: random, or on an ambient axis."""
    seed, axis = draw(st.integers(0, 2**32 - 1)), draw(st.booleans())
    size = math.prod(manifold.ambient_shape)
    if not axis:
        return np.asarray(manifold.random_point(shape, rng=seed), dtype=dtype)
    gen = np.random.default_rng(seed)
    one = 0.125 * np.eye(size)[gen.integers(0, size, shape)] * gen.choice([-1.0, 1.0], (*shape, 1))
    return np.asarray(manifold.project(one.reshape(*shape, *manifold.ambient_shape)), dtype=dtype)


@st.composite  # type: ignore[untyped-decorator]
def lengths(
    draw: st.DrawFn, manifold: Any, shape: tuple[int, ...] = (), dtype: Any = np.float64, smooth: bool = False
) -> Any:
    """Lengths of tangents, one for each element of a batch; if ``smooth``, those at which differences can be taken.

    Hypothesis chooses a scale (ordinary, log-uniform, one of the special lengths, or a mixture of them all) and a seed:
    numbers that it draws one by one are mostly 0 or equal to the last ones.
    """
    limit = NEAR if smooth and math.isinf(manifold.injectivity_radius) else FAR
    top = min(manifold.injectivity_radius, limit * _unit(manifold))
    gen = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ordinary = top * gen.uniform(0.2 if smooth else 0.02, 0.8 if smooth else 0.98, shape)
    if smooth:
        return ordinary
    least = -300.0 if dtype == np.float64 else -30.0
    specials = [0.0, 10.0**least]
    if math.isfinite(manifold.injectivity_radius):
        specials += [top * (1 - 10.0**-k) for k in (1, 3, 6, 9, 12)] + [top, top * (1 + 1e-9)]
    kinds = ordinary, 10.0 ** gen.uniform(least, math.log10(top), shape), gen.choice(specials, shape)
    chosen = draw(st.sampled_from((0, 1, 2, 3)))
    return np.choose(gen.integers(0, 3, shape), kinds) if chosen == 3 else kinds[chosen]


@st.composite  # type: ignore[untyped-decorator]
def coordinates(
    draw: st.DrawFn, manifold: Any, shape: tuple[int, ...] = (), dtype: Any = np.float64, smooth: bool = False
) -> np.ndarray:
    """Coordinates of tangents of drawn lengths, in random directions or along the axes of the frame."""
    seed, axis = draw(st.integers(0, 2**32 - 1)), draw(st.booleans()) and not smooth
    size = np.expand_dims(draw(lengths(manifold, shape, dtype, smooth)), -1)
    gen = np.random.default_rng(seed)
    c = gen.standard_normal((*shape, manifold.dim))
    if axis and manifold.dim:
        c = np.eye(manifold.dim)[gen.integers(0, manifold.dim, shape)] * gen.choice([-1.0, 1.0], (*shape, 1))
    norm = np.linalg.norm(c, axis=-1, keepdims=True)
    return np.asarray(size * (c / np.where(norm > 0, norm, 1.0)), dtype=dtype)


@st.composite  # type: ignore[untyped-decorator]
def pairs(
    draw: st.DrawFn, manifold: Any, shape: tuple[int, ...] = (), dtype: Any = np.float64
) -> tuple[np.ndarray, np.ndarray]:
    """Two points at a drawn distance: log-uniform, zero or around the cut locus."""
    x = draw(points(manifold, shape))
    y = manifold.exp(x, manifold.from_coordinates(x, draw(coordinates(manifold, shape))))
    return np.asarray(x, dtype=dtype), np.asarray(y, dtype=dtype)


@st.composite  # type: ignore[untyped-decorator]
def cases(
    draw: st.DrawFn, manifold: Any, dtype: Any = np.float64, smooth: bool = False, shape: tuple[int, ...] | None = None
) -> dict[str, np.ndarray]:
    """All inputs of the laws: x, y, z, u, v, w, a, c, d, t, points, others and weights, of one batch shape."""
    shape = draw(shapes()) if shape is None else shape
    m, gen = manifold, np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

    def tangent(base: np.ndarray) -> Any:
        return m.from_coordinates(base, draw(coordinates(m, shape, smooth=smooth)))

    def beside(base: np.ndarray, count: tuple[int, ...], reach: float) -> Any:
        # Points at one distance: differences need pairs that neither coincide nor lie across a cut locus.
        base = np.broadcast_to(base, (*count, *m.ambient_shape))
        c = gen.standard_normal((*count, m.dim))
        size = (
            reach * min(m.injectivity_radius, FAR * _unit(m)) / np.linalg.norm(c, axis=-1, keepdims=True)
            if m.dim
            else 1.0
        )
        return m.exp(base, m.from_coordinates(base, size * c))

    x = beside(m.random_point(rng=gen), shape, 0.05) if smooth else draw(points(m, shape))
    u, v = tangent(x), tangent(x)
    y = m.exp(x, u)
    center = np.expand_dims(m.random_point(() if smooth else shape, rng=gen), -1 - len(m.ambient_shape))
    cloud = np.broadcast_to(center, (*shape, 4, *m.ambient_shape))
    small = min(m.injectivity_radius / math.pi, _unit(m)) / ((6 if smooth else 2) * math.sqrt(max(m.dim, 1)))
    values = {
        "x": x,
        "y": y,
        "z": m.random_point(shape, rng=gen),
        "u": u,
        "v": v,
        "w": tangent(y),
        "a": gen.standard_normal((*shape, *m.ambient_shape)),
        "c": draw(coordinates(m, shape, dtype, smooth)),
        "d": gen.standard_normal((*shape, m.dim)),
        "t": gen.random(shape),
        "points": m.exp(cloud, small * m.random_tangent(cloud, rng=gen)),
        "others": beside(center, (*shape, 3), 0.5) if smooth else m.random_point((*shape, 3), rng=gen),
        "weights": gen.random((*shape, 4)) + 0.1,
    }
    rounded = {name: np.asarray(value, dtype=dtype) for name, value in values.items()}
    return rounded | {name: m.project(rounded[name]) for name in ("x", "y", "z", "points", "others")}


def _unit(manifold: Any) -> float:
    # The radius of curvature of the most negatively curved factor, where that is known and below one.
    forms = manifold.space_forms_vjp()[0] if hasattr(manifold, "space_forms_vjp") else ()
    return 1.0 / math.sqrt(max([1.0, *(-float(form.curvature) for form in forms)]))
