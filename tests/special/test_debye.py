"""The committed Debye coefficients are the exact rationals, rounded once."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path

import pytest
from make_debye import debye, families, source

from geomlat.special import _debye


def literals(text: str) -> list[float]:
    """Every number in the code, with its sign, in order."""
    signed = []

    class Visit(ast.NodeVisitor):
        def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
            assert isinstance(node.op, ast.USub)
            signed.append(-node.operand.value)

        def visit_Constant(self, node: ast.Constant) -> None:
            if not isinstance(node.value, str):
                signed.append(node.value)

    Visit().visit(ast.parse(text))
    return signed


def test_the_file_is_what_the_script_writes():
    committed = literals(Path(_debye.__file__).read_text())
    assert len(committed) > 600
    assert committed == literals(source())


def test_first_debye_polynomials():
    # DLMF 10.41.10
    u = debye(2)
    assert u[1] == [Fraction(3, 24), Fraction(-5, 24)]
    assert u[2] == [Fraction(81, 1152), Fraction(-462, 1152), Fraction(385, 1152)]


@pytest.mark.parametrize("name", "degh")
@pytest.mark.parametrize("s", [33, 63, 65, 127, 129, 999, 1001, 19999, 20001, 10**9])
def test_blocks_drop_only_what_rounds_away(name, s):
    t = Fraction(1, s)
    for q in (Fraction(0), Fraction(1, 3), Fraction(9, 10), Fraction(1)):
        terms = [t**k * sum(c * q**j for j, c in enumerate(p)) for k, p in enumerate(families()[name], 1)]
        got = getattr(_debye, f"debye_{name}")(1.0 / s, float(q))
        assert abs(got - float(sum(terms))) <= 3e-17 + 1e-15 * abs(float(sum(terms)))
