"""The gradient layer: flat parameter vectors with named views, cotangent trees, and the public gradient check.

A differentiable ``f`` has a twin ``f_vjp(*args) -> (y, pull)``; ``pull(dy)`` returns the cotangents of the array
arguments in order, then of the object's array fields in field order, and None is a structural zero.
"""

from __future__ import annotations

from geomlat.grad.check import complex_step, gradcheck, gradcheck_vector, richardson
from geomlat.grad.params import Layout, Params
from geomlat.grad.tree import add, sum_to

__all__ = ["Layout", "Params", "add", "complex_step", "gradcheck", "gradcheck_vector", "richardson", "sum_to"]
