"""Writes geomlat/special/_debye.py: the logarithmic Debye expansion in 1/s, from exact rationals.

``python tests/special/make_debye.py > geomlat/special/_debye.py``; `test_debye.py` compares the committed file with it.
"""

from __future__ import annotations

from fractions import Fraction as Q

TERMS = 16
# (first term, last term) of each block, and the 1/s above which the block is needed.
BLOCKS = (
    (1, 3, "0.0"),
    (4, 5, "1.0 / 20000.0"),
    (6, 9, "1.0 / 1000.0"),
    (10, 12, "1.0 / 128.0"),
    (13, TERMS, "1.0 / 64.0"),
)

Poly = list[Q]


def add(a: Poly, b: Poly) -> Poly:
    n = max(len(a), len(b))
    return [(a[i] if i < len(a) else Q(0)) + (b[i] if i < len(b) else Q(0)) for i in range(n)]


def times(a: Poly, b: Poly) -> Poly:
    out = [Q(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return out


def scaled(c: int | Q, a: Poly) -> Poly:
    return [c * x for x in a]


def q_derivative(a: Poly) -> Poly:
    """q a'(q)."""
    return [i * x for i, x in enumerate(a)]


def debye(n: int) -> list[Poly]:
    """U_0 .. U_n as polynomials u_k in q with U_k(p) = p^k u_k(p^2): DLMF 10.41.9."""
    u = [[Q(1)]]
    for k in range(n):
        new = [Q(0)] * (k + 2)
        for j, c in enumerate(u[k]):
            d = k + 2 * j
            new[j] += c * d / 2 + c / (8 * (d + 1))
            new[j + 1] -= c * d / 2 + 5 * c / (8 * (d + 3))
        u.append(new)
    return u


def log_coefficients(n: int) -> list[Poly]:
    """d_1 .. d_n of log sum_k U_k(p)/v^k = sum_k s^-k d_k(q): n u_n = sum_k k d_k u_(n-k)."""
    u, d = debye(n), [[Q(0)]]
    for k in range(1, n + 1):
        total = scaled(k, u[k])
        for j in range(1, k):
            total = add(total, scaled(-j, times(d[j], u[k - j])))
        d.append(scaled(Q(1, k), total))
    return d[1:]


def families(n: int = TERMS) -> dict[str, list[Poly]]:
    """The coefficients of D (log), E (first derivative), G (second derivative) and H = D + (1 - q) E."""
    d = log_coefficients(n)
    e = [add(scaled(k, p), scaled(2, q_derivative(p))) for k, p in enumerate(d, 1)]
    flow = [add(scaled(k + 2, p), scaled(2, q_derivative(p))) for k, p in enumerate(e, 1)]
    one_minus_q = [Q(1), Q(-1)]
    g = [add(scaled(-1, p), times(one_minus_q, f)) for p, f in zip(e, flow, strict=True)]
    h = [add(p, times(one_minus_q, r)) for p, r in zip(d, e, strict=True)]
    return {"d": d, "e": e, "g": g, "h": h}


TITLES = {
    "d": "D = sum_k t^k d_k(q), the logarithm of Debye's sum.",
    "e": "E = sum_k t^k e_k(q), e_k = k d_k + 2 q d_k': D' = -x t^2 E.",
    "g": "G = sum_k t^k g_k(q), g_k = -e_k + (1 - q) ((k + 2) e_k + 2 q e_k'): (-x t^2 E)' = t^2 G.",
    "h": "D + (1 - q) E, the correction of the divergence.",
}

HEADER = '''"""The logarithmic Debye expansion in t = 1/s, s = sqrt(v^2 + x^2), q = (v/s)^2.

log sum_k U_k(p)/v^k = sum_k t^k d_k(q) (DLMF 10.41.3, 10.41.9; at v = 0 it is Hankel's expansion 10.40.1). Sixteen
terms serve s >= 32; fewer are needed for larger s. The coefficients are exact rationals rounded once; this file is
written by tests/special/make_debye.py.
"""

from __future__ import annotations

from geomlat.backends import scalar
'''


def wrap(tokens: list[str], first: str, width: int = 116) -> list[str]:
    """Lines of at most ``width`` characters from tokens that may be split anywhere between them."""
    lines, line = [], first
    for t in tokens:
        if len(line) + len(t) + 1 > width:
            lines.append(line)
            line = "            " + t
        else:
            line = f"{line} {t}"
    return [*lines, line]


def horner(p: Poly) -> list[str]:
    tokens = [f"({float(c)!r} + q *" for c in p[:-1]]
    return [*tokens, repr(float(p[-1])) + ")" * (len(p) - 1)]


def function(name: str, polys: list[Poly]) -> list[str]:
    lines = ["", "", "@scalar", f"def debye_{name}(t: float, q: float) -> float:", f'    """{TITLES[name]}"""']
    lines += ["    # fmt: off", "    tail = 0.0"]
    for first, last, bound in reversed(BLOCKS):
        pad = "    "
        if first > 1:
            lines.append(f"    if t > {bound}:")
            pad = "        "
        for k in range(last, first - 1, -1):
            tokens = horner(polys[k - 1])
            lines += wrap(
                [tokens[0], *tokens[1:-1], tokens[-1] + ")"], pad + ("return" if k == 1 else "tail =") + " t * (tail +"
            )
    return [*lines, "    # fmt: on"]


def source() -> str:
    lines = [HEADER.rstrip("\n")]
    for name, polys in families().items():
        lines += function(name, polys)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(source(), end="")
