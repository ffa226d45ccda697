"""Checks of hand-written rules: the complex step and extrapolated differences along random directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from geomlat.grad.tree import Tree


def complex_step(f: Callable[[np.ndarray], Any], x: np.ndarray, v: np.ndarray, h: float = 1e-30) -> np.ndarray:
    """The directional derivative ``Im f(x + i h v) / h`` of an analytic array expression, exact to rounding.

    Squire and Trapp (1998). It passes through pure array bodies, not through abs, atan2, hypot, a norm or a kernel.
    """
    return np.asarray(np.imag(f(x + 1j * h * v)) / h)


def richardson(
    f: Callable[[np.ndarray], Any], x: np.ndarray, v: np.ndarray, h: float = 1e-2
) -> tuple[np.ndarray, float]:
    """The directional derivative by central differences at h, ..., h/32 extrapolated to zero, and its error estimate.

    The tableau entry with the smallest difference to its neighbours is taken (Ridders 1982).
    """
    row: list[np.ndarray] = []
    best, error = np.zeros(()), np.inf
    for k in range(6):
        step = h / 2**k
        new = [(np.asarray(f(x + step * v)) - np.asarray(f(x - step * v))) / (2 * step)]
        for j, old in enumerate(row):
            new.append(new[j] + (new[j] - old) / (4.0 ** (j + 1) - 1))
        for j in range(1, len(new)):
            spread = float(max(np.max(np.abs(new[j] - new[j - 1])), np.max(np.abs(new[j] - row[j - 1]))))
            if spread < error:
                best, error = new[j], spread
        row = new
    return best, error


def gradcheck(
    vjp: Callable[..., tuple[Any, Callable[..., Any]]],
    *args: Any,
    method: str = "richardson",
    rtol: float | None = None,
    step: float | Sequence[float] = 1e-2,
    directions: int = 3,
    rng: int = 0,
) -> float:
    """Check ``pull`` of ``vjp(*args) -> (y, pull)`` at random cotangents against derivatives of ``y`` by each argument.

    ``y`` may be an array or a tuple of arrays; ``pull`` returns one cotangent, or a tuple with one for each argument.

    Parameters
    ----------
    vjp
        The rule, a pure function of its floating array arguments.
    method
        ``"complex"`` for pure array expressions (default tolerance 1e-12) or ``"richardson"`` (1e-8, or ten times the
        error the extrapolation reports or the rounding of ``y`` makes).
    step
        First step of the differences, in units of the argument's scale; or one for each argument.

    Returns
    -------
    float
        The largest relative error seen.

    Raises
    ------
    AssertionError
        Naming the argument, the direction, both values and the error, if the rule is wrong, has a wrong shape or dtype,
        or changes its inputs.
    """
    tolerance = rtol if rtol is not None else (1e-12 if method == "complex" else 1e-8)
    args = tuple(np.asarray(a) for a in args)
    steps = tuple(step) if isinstance(step, Sequence) else (step,) * len(args)
    before = [a.copy() for a in args]
    y, pull = vjp(*args)
    outputs = y if isinstance(y, tuple) else (y,)
    gen = np.random.default_rng(rng)
    worst = 0.0
    for _ in range(directions):
        dy = tuple(gen.standard_normal(np.shape(o)) for o in outputs)
        size = sum(float(np.sum(np.abs(d * o))) for d, o in zip(dy, outputs, strict=True))
        _, pull = vjp(*args)
        cotangents = pull(tuple(d.copy() for d in dy) if isinstance(y, tuple) else dy[0].copy())
        cotangents = cotangents if isinstance(cotangents, tuple) else (cotangents,)
        if len(cotangents) != len(args):
            msg = f"pull returned {len(cotangents)} cotangents for {len(args)} arguments"
            raise AssertionError(msg)
        for k, (a, da) in enumerate(zip(args, cotangents, strict=True)):
            if da is not None and np.shape(da) != a.shape:
                msg = f"the cotangent of argument {k} has shape {np.shape(da)}, the argument {a.shape}"
                raise AssertionError(msg)
            v = gen.standard_normal(a.shape)

            def moved(t: np.ndarray, k: int = k, dy: tuple[np.ndarray, ...] = dy) -> np.ndarray:
                out = vjp(*args[:k], t, *args[k + 1 :])[0]
                out = out if isinstance(out, tuple) else (out,)
                return np.asarray(sum(np.sum(d * o) for d, o in zip(dy, out, strict=True)))

            if method == "complex":
                expected, doubt = complex_step(moved, a, v), 0.0
            else:
                h = steps[k] * float(np.max(np.abs(a), initial=0.0) or 1.0)
                expected, doubt = richardson(moved, a, v, h)
                doubt = max(doubt, float(np.finfo(np.float64).eps) * size / h)
            got = 0.0 if da is None else float(np.sum(da * v))
            length = 0.0 if da is None else float(np.linalg.norm(da) * np.linalg.norm(v))
            scale = max(abs(float(expected)), abs(got), 0.1 * length, 1e-300)
            error = abs(got - float(expected)) / scale
            if not error <= max(tolerance, 10 * doubt / scale):
                msg = f"argument {k}: pull gives {got!r}, {method} {float(expected)!r}, relative error {error:.2e}"
                raise AssertionError(msg)
            worst = max(worst, error)
    for k, (a, b) in enumerate(zip(args, before, strict=True)):
        if not np.array_equal(a, b, equal_nan=True):
            msg = f"the rule changed its argument {k}"
            raise AssertionError(msg)
    return worst


def gradcheck_vector(
    objective_vjp: Callable[[np.ndarray], tuple[Any, Callable[[np.ndarray], Tree]]],
    theta: np.ndarray,
    *,
    method: str = "richardson",
    rtol: float | None = None,
    step: float = 1e-3,
    directions: int = 5,
    rng: int = 0,
) -> float:
    """Check the gradient of a scalar objective of one flat vector along random directions; returns the largest error.

    ``objective_vjp(theta) -> (loss, pull)``, ``pull(grad)`` adding to a vector of theta's length.
    """

    def vjp(t: np.ndarray) -> tuple[Any, Callable[[Any], Any]]:
        loss, pull = objective_vjp(t)

        def scaled(dy: Any) -> Any:
            g = np.zeros(t.shape, dtype=theta.dtype)
            pull(g)
            return dy * g

        return np.asarray(loss), scaled

    unit_step = step / max(float(np.max(np.abs(theta))), 1e-300) / np.sqrt(theta.size)
    return gradcheck(vjp, theta, method=method, rtol=rtol, step=unit_step, directions=directions, rng=rng)
