"""log, log1p, exp, cos, sin, atan as inlined polynomials: a loop that calls the C library's is never made into vectors.

Branch-free, without a table, the same source for every target; 1 to 1.3 ns a value in such a loop against 10 to 25 ns
for a call. Floats are taken apart by their bits: 2^52 + k and 1 + k/2^52 hold the integer k in their last 52 bits.
The errors named are the largest found against mpmath. Muller et al. (2018), "Handbook of Floating-Point Arithmetic".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from geomlat.backends.fused import multiply_add
from geomlat.backends.kernels import inlined

S23 = np.uint64(23)
S62 = np.uint64(62)
S52 = np.uint64(52)
ONE = np.uint64(1)
TWO = np.uint64(2)
BITS_2_52 = np.uint64(0x4330000000000000)
BITS_ROOT_HALF = np.uint64(0x3FE6A09E667F3BCD)
ROOT_HALF_TO_1 = np.uint64(0x3FF0000000000000 - 0x3FE6A09E667F3BCD)
MANTISSA = np.uint64(0x000FFFFFFFFFFFFF)
TO_INTEGER = 1.5 * 2.0**52
LN_2 = math.log(2.0)
LN_2_HIGH = math.floor(LN_2 * 2.0**32) * 2.0**-32  # its product with an integer below 2^21 is exact
LN_2_LOW = 1.9082149292705877e-10  # log(2) - LN_2_HIGH
PER_LN_2 = 1.0 / LN_2

# The same for numbers of 32 bits; every constant is np.float32, since a Python float makes a product double.
BITS_SINGLE = np.uint64(0x3F800000)  # those of 1.0
BITS_2_23 = np.uint64(0x4B000000)
BITS_ROOT_HALF_SINGLE = np.uint64(0x3F3504F3)
ROOT_HALF_TO_1_SINGLE = np.uint64(0x3F800000 - 0x3F3504F3)
MANTISSA_SINGLE = np.uint64(0x007FFFFF)
OFFSET_SINGLE = np.float32(2.0**23 + 127.0)
ONE_SINGLE = np.float32(1.0)
TWO_SINGLE = np.float32(2.0)
MINUS_2_LN_2_SINGLE = np.float32(-2.0 * math.log(2.0))
TO_INTEGER_SINGLE = np.float32(1.5 * 2.0**23)
PER_LN_2_SINGLE = np.float32(1.0 / math.log(2.0))
LN_2_HIGH_SINGLE = np.float32(0.693359375)  # its product with an integer below 2^14 is exact
LN_2_LOW_SINGLE = np.float32(math.log(2.0) - 0.693359375)
BITS_OF_32 = np.uint64(0xFFFFFFFF)
MINUS_4_SINGLE = np.float32(-4.0)

HALF_PI = 0.5 * math.pi
HALF_PI_LOW_WORD = 6.123233995736766e-17  # pi/2 - HALF_PI
QUARTER_PI = 0.25 * math.pi
QUARTER_PI_LOW = 0.5 * HALF_PI_LOW_WORD
PER_HALF_PI = 2.0 / math.pi
HALF_PI_HIGH = 1.5707963267341256  # pi/2 in parts of 33 bits, whose products with integers below 2^20 are exact
HALF_PI_MIDDLE = 6.077100506303966e-11
HALF_PI_LOW = 2.0222662487959506e-21
TAN_EIGHTH = 0.41421356237309503

# 2 atanh(s) = 2 s + s^3 (A[0] + A[1] s^2 + ...) on |s| <= 0.172; sin and cos of (pi/2) r on |r| <= 1/2;
# exp(r) = 1 + r + r^2 (E[0] + E[1] r + ...) on |r| <= 0.347.
A = tuple(2.0 / (2 * n + 3) for n in range(10))
S = tuple((-1) ** n * (0.5 * math.pi) ** (2 * n + 1) / math.factorial(2 * n + 1) for n in range(9))
C = tuple((-1) ** n * (0.5 * math.pi) ** (2 * n) / math.factorial(2 * n) for n in range(10))
E = tuple(1.0 / math.factorial(n + 2) for n in range(13))
E_SINGLE = tuple(np.float32(1.0 / math.factorial(n + 2)) for n in range(6))
# -4 atanh(s) = -4 s + s^3 (LOG[0] + ...) and sin(pi u / 2) = u (SINE[0] + ...) in z = u^2, least relative error.
LOG_SINGLE = tuple(np.float32(x) for x in (-1.333335, -0.79961, -0.5957542))
SINE_SINGLE = tuple(np.float32(x) for x in (1.5707964, -0.6459637, 0.07968968, -0.00467377, 0.00015148662))
# exp(r) = 1 + r + r^2 (EXP_SINGLE[0] + ...) on |r| <= 0.347, least relative error of exp(r) - 1: 1.8e-8.
EXP_SINGLE = tuple(np.float32(x) for x in (0.49999997, 0.16666543, 0.0416672, 0.00836655, 0.00138825))
# sin(r) = r + r^3 (SIN[0] + ...) and cos(r) = 1 - r^2/2 + r^4 (COS[0] + ...) on |r| <= pi/4; atan(t) =
# t + t^3 (ATAN[0] + ...) on |t| <= tan(pi/8), the Chebyshev fit of degree 10 in t^2, error 6e-18.
SIN = tuple((-1) ** (n + 1) / math.factorial(2 * n + 3) for n in range(8))
COS = tuple((-1) ** n / math.factorial(2 * n + 4) for n in range(8))
ATAN = (
    -0.3333333333333333,
    0.19999999999995519,
    -0.14285714284666184,
    0.11111111015227572,
    -0.09090904576954117,
    0.07692183163650894,
    -0.06664511064599371,
    0.05858145587628202,
    -0.050854323376990765,
    0.0392311556198723,
    -0.01917627151752634,
)


@inlined
def fast_log(x: float) -> float:
    """``log(x)`` for positive normal x, within 2 ulp: x = 2^k y with 1/2 <= y^2 < 2, log y = 2 atanh((y-1)/(y+1))."""
    t = np.float64(x).view(np.uint64) + ROOT_HALF_TO_1
    k = np.uint64((t >> S52) | BITS_2_52).view(np.float64) - (2.0**52 + 1023.0)
    f = np.uint64((t & MANTISSA) + BITS_ROOT_HALF).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = A[4] + z * (A[5] + z * (A[6] + z * (A[7] + z * (A[8] + z * A[9]))))
    p = A[0] + z * (A[1] + z * (A[2] + z * (A[3] + z * p)))
    return k * LN_2 + (2.0 * s + s * z * p)


@inlined
def fast_log1p(x: float) -> float:
    """``log(1 + x)`` for x >= 2^-53 - 1, within 3 ulp: the rounding of 1 + x is put back to first order."""
    y = 1.0 + x
    return fast_log(y) + (x - (y - 1.0)) / y


@inlined
def fast_exp_expm1(x: float) -> tuple[float, float]:
    """``exp(x), exp(x) - 1`` for |x| < 700, within 2 and 3 ulp; x = k log 2 + r."""
    shifted = x * PER_LN_2 + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (x - k * LN_2_HIGH) - k * LN_2_LOW
    p = E[6] + r * (E[7] + r * (E[8] + r * (E[9] + r * (E[10] + r * (E[11] + r * E[12])))))
    p = E[0] + r * (E[1] + r * (E[2] + r * (E[3] + r * (E[4] + r * (E[5] + r * p)))))
    p = r + r * r * p
    scale = np.uint64(np.float64(k + (2.0**52 + 1023.0)).view(np.uint64) << S52).view(np.float64)
    return scale + scale * p, scale * p + (scale - 1.0)


@inlined
def cos_sin_turns(u: float) -> tuple[float, float]:
    """``cos(2 pi u), sin(2 pi u)`` for |u| < 2^49, within 2 ulp: u is q/4 + r/4 turns with |r| <= 1/2."""
    shifted = 4.0 * u + TO_INTEGER
    q = np.float64(shifted).view(np.uint64)
    r = 4.0 * u - (shifted - TO_INTEGER)
    z = r * r
    s = S[4] + z * (S[5] + z * (S[6] + z * (S[7] + z * S[8])))
    s = r * (S[0] + z * (S[1] + z * (S[2] + z * (S[3] + z * s))))
    c = C[4] + z * (C[5] + z * (C[6] + z * (C[7] + z * (C[8] + z * C[9]))))
    c = 1.0 + z * (C[1] + z * (C[2] + z * (C[3] + z * c)))
    odd = (q & ONE) == ONE
    x = np.float64(s if odd else c).view(np.uint64) ^ (((q + ONE) & TWO) << S62)
    y = np.float64(c if odd else s).view(np.uint64) ^ ((q & TWO) << S62)
    return np.uint64(x).view(np.float64), np.uint64(y).view(np.float64)


@inlined
def fast_cos_sin(x: float) -> tuple[float, float]:
    """``cos(x), sin(x)`` for 0 <= x < 1e5, within 2 ulp, of the sine also where it is small; x = (q + r) pi/2.

    Beyond, the phase is rounded like x * 2^-52; both stay below 1.1 for any finite x.
    """
    shifted = min(x, 1e15) * PER_HALF_PI + TO_INTEGER
    k = shifted - TO_INTEGER
    q = np.float64(shifted).view(np.uint64)
    r = ((min(x, 1e15) - k * HALF_PI_HIGH) - k * HALF_PI_MIDDLE) - k * HALF_PI_LOW
    r = min(max(r, -0.8), 0.8)
    z = r * r
    s = SIN[3] + z * (SIN[4] + z * (SIN[5] + z * (SIN[6] + z * SIN[7])))
    s = r + r * z * (SIN[0] + z * (SIN[1] + z * (SIN[2] + z * s)))
    c = COS[3] + z * (COS[4] + z * (COS[5] + z * (COS[6] + z * COS[7])))
    c = (1.0 - 0.5 * z) + z * z * (COS[0] + z * (COS[1] + z * (COS[2] + z * c)))
    odd = (q & ONE) == ONE
    a = np.float64(s if odd else c).view(np.uint64) ^ (((q + ONE) & TWO) << S62)
    b = np.float64(c if odd else s).view(np.uint64) ^ ((q & TWO) << S62)
    return np.uint64(a).view(np.float64), np.uint64(b).view(np.float64)


@inlined
def fast_angle(p: float, q: float) -> float:
    """``atan2(p, q)`` for p, q >= 0, not both zero, within 2.5 ulp, by one division; pi/4 is split off above pi/8."""
    low, high = min(p, q), max(p, q)
    steep = low > TAN_EIGHTH * high
    t = (low - high if steep else low) / (low + high if steep else high)
    z = t * t
    s = ATAN[5] + z * (ATAN[6] + z * (ATAN[7] + z * (ATAN[8] + z * (ATAN[9] + z * ATAN[10]))))
    s = t * z * (ATAN[0] + z * (ATAN[1] + z * (ATAN[2] + z * (ATAN[3] + z * (ATAN[4] + z * s)))))
    a = (QUARTER_PI + (QUARTER_PI_LOW + (t + s))) if steep else t + s
    return (HALF_PI_LOW_WORD - a) + HALF_PI if p > q else a


@inlined
def single_split(x: Any) -> tuple[Any, Any]:
    """``k, y - 1`` of a positive normal float32 x = 2^k y with 1/2 <= y^2 < 2, both float32."""
    t = np.uint32(np.uint64(np.float32(x).view(np.uint32)) + ROOT_HALF_TO_1_SINGLE)
    k = np.uint32((t >> S23) | BITS_2_23).view(np.float32) - OFFSET_SINGLE
    return k, np.uint32((t & MANTISSA_SINGLE) + BITS_ROOT_HALF_SINGLE).view(np.float32) - ONE_SINGLE


@inlined
def single_minus_2_log_of(k: Any, f: Any) -> Any:
    """``-2 log(2^k (1 + f))`` of the two numbers of `single_split`, within 3 ulp; as `fast_log`."""
    s = f / (TWO_SINGLE + f)
    z = s * s
    p = multiply_add(z, multiply_add(z, LOG_SINGLE[2], LOG_SINGLE[1]), LOG_SINGLE[0])
    return multiply_add(k, MINUS_2_LN_2_SINGLE, multiply_add(s * z, p, MINUS_4_SINGLE * s))


@inlined
def single_minus_2_log(x: Any) -> Any:
    """``-2 log(x)`` for a positive normal float32 x in float32 arithmetic, within 3 ulp."""
    k, f = single_split(x)
    return single_minus_2_log_of(k, f)


@inlined
def single_exp_expm1(x: Any) -> tuple[Any, Any]:
    """``exp(x), exp(x) - 1`` for a float32 |x| <= 80 in float32 arithmetic, within 2 and 3 ulp; x = k log 2 + r."""
    shifted = multiply_add(x, PER_LN_2_SINGLE, TO_INTEGER_SINGLE)
    k = shifted - TO_INTEGER_SINGLE
    r = multiply_add(-k, LN_2_LOW_SINGLE, multiply_add(-k, LN_2_HIGH_SINGLE, x))
    p = multiply_add(r, multiply_add(r, EXP_SINGLE[4], EXP_SINGLE[3]), EXP_SINGLE[2])
    p = multiply_add(r * r, multiply_add(r, multiply_add(r, p, EXP_SINGLE[1]), EXP_SINGLE[0]), r)
    bits = np.uint64(np.float32(k + OFFSET_SINGLE).view(np.uint32)) << S23
    scale = np.uint32(bits & BITS_OF_32).view(np.float32)
    return multiply_add(scale, p, scale), multiply_add(scale, p, scale - ONE_SINGLE)


@inlined
def single_quarter_sine(u: Any) -> Any:
    """``sin(pi u / 2)`` for a float32 u in [0, 1] in float32 arithmetic, within 3 ulp."""
    z = u * u
    p = multiply_add(z, multiply_add(z, SINE_SINGLE[4], SINE_SINGLE[3]), SINE_SINGLE[2])
    return u * multiply_add(z, multiply_add(z, p, SINE_SINGLE[1]), SINE_SINGLE[0])


@inlined
def single_exp(x: Any) -> Any:
    """``exp(x)`` for a float32 x with |x| < 87 in float32 arithmetic, within 2 ulp; x = k log 2 + r."""
    shifted = x * PER_LN_2_SINGLE + TO_INTEGER_SINGLE
    k = shifted - TO_INTEGER_SINGLE
    r = (x - k * LN_2_HIGH_SINGLE) - k * LN_2_LOW_SINGLE
    p = E_SINGLE[2] + r * (E_SINGLE[3] + r * (E_SINGLE[4] + r * E_SINGLE[5]))
    p = ONE_SINGLE + (r + r * r * (E_SINGLE[0] + r * (E_SINGLE[1] + r * p)))
    bits = np.uint64(np.float32(p).view(np.uint32)) + (np.uint64(np.float32(shifted).view(np.uint32)) << S23)
    return np.uint32(bits & BITS_OF_32).view(np.float32)
