"""Counter-based random streams: the same seed gives the same draws for any thread count, batch split or device.

A `Stream` is a 64-bit Philox key and the global index of its first element. Element ``i`` of a draw uses the counter
``(draw, offset + i, purpose)``, so nothing is advanced: the same stream gives the same draws again, ``stream.at(n)``
continues the batch that ``stream`` started, and ``stream.child(...)`` is an independent stream.
Philox4x32-10: Salmon, Moraes, Dror, Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from operator import index
from typing import Any

import numpy as np

from geomlat.backends import inlined, is_host, kernel, scalar
from geomlat.backends.libm import (
    BITS_SINGLE,
    MANTISSA_SINGLE,
    cos_sin_turns,
    fast_log,
    single_minus_2_log,
    single_quarter_sine,
)

Word = Any


@dataclass(frozen=True)
class Stream:
    """A key of the counter-based generator and the global index of its first element."""

    key0: int
    key1: int
    offset: int = 0

    def at(self, offset: int) -> Stream:
        """The same stream from element ``offset`` on: drawing 6 elements equals drawing 2, then 4 from ``at(2)``."""
        return replace(self, offset=self.offset + offset)

    def child(self, *path: int | str) -> Stream:
        """An independent stream named by integers and words: a pure function of this stream's key and the path.

        The offset plays no part. Two paths give the same stream only if they are equal.
        """
        # A hash of the spelled-out path: SeedSequence pads with zeros, so that child(0) and child(0, 0) would agree.
        name = repr([self.key0, self.key1, *(p if isinstance(p, str) else index(p) for p in path)])
        mixed = hashlib.blake2b(name.encode(), digest_size=8).digest()
        return Stream(int.from_bytes(mixed[:4], "little"), int.from_bytes(mixed[4:], "little"))

    def generator(self) -> np.random.Generator:
        """A NumPy generator seeded by this stream, for host-side work such as shuffling."""
        return np.random.default_rng([self.key0, self.key1, self.offset])

    @property
    def words(self) -> np.ndarray:
        """``(key0, key1, offset)`` as a uint64 array, the form kernels take."""
        return np.array([self.key0, self.key1, self.offset], dtype=np.uint64)


def stream(rng: Any = None) -> Stream:
    """The stream of an ``rng=`` argument (Scientific Python SPEC 7).

    An int names a stream; a ``numpy.random.Generator`` gives a fresh one at each call (it advances); a `Stream` is
    returned as it is; None takes entropy from the operating system. Global state is never read.
    """
    if isinstance(rng, Stream):
        return rng
    if rng is None or (isinstance(rng, int | np.integer) and not isinstance(rng, bool)):
        if rng is not None and rng < 0:
            msg = f"rng must be a non-negative int, got {rng}"
            raise ValueError(msg)
        words = np.random.SeedSequence(None if rng is None else int(rng)).generate_state(2)
    elif isinstance(rng, np.random.Generator):
        words = rng.integers(0, 2**32, 2, dtype=np.uint64)
    else:
        msg = f"rng must be an int, a numpy.random.Generator, a geomlat Stream or None, got {type(rng).__name__}"
        raise TypeError(msg)
    return Stream(int(words[0]), int(words[1]))


def draw_shape(shape: int | tuple[int, ...]) -> tuple[int, ...]:
    """The ``shape`` argument of a draw as a tuple.

    Raises
    ------
    ValueError
        If a length is negative.
    """
    full = (index(shape),) if isinstance(shape, int | np.integer) else tuple(index(k) for k in shape)
    if any(k < 0 for k in full):
        msg = f"the shape of a draw has no negative lengths, got {full}"
        raise ValueError(msg)
    return full


def uniform(shape: int | tuple[int, ...] = (), *, rng: Any, dtype: Any = np.float64, xp: Any = np) -> Any:
    """Uniform draws on the open interval (0, 1); never 0 nor 1, in float32 too. ``xp`` is NumPy or CuPy.

    Raises
    ------
    ValueError
        If a length is negative, or ``rng`` a negative int.
    TypeError
        If the dtype is not float32 or float64, or ``rng`` is of another type than `stream` takes.
    """
    return _pairs(_uniforms, shape, rng, dtype, xp, TOP_32 if dtype == np.float32 else 1.0)


def normal(shape: int | tuple[int, ...] = (), *, rng: Any, dtype: Any = np.float64, xp: Any = np) -> Any:
    """Standard normal draws by Box-Muller, branch-free, in the arithmetic of the dtype. Raises as `uniform` does.

    In absolute value at most 8.57 in float64 and 6.76 in float32, beyond which lie 1e-17 and 1.4e-11 of the law. The
    two dtypes are different draws: a float32 normal takes 32 bits, a float64 one 64.
    """
    if np.dtype(dtype) != np.float32:
        return _pairs(_normals, shape, rng, dtype, xp)
    shape, first = draw_shape(shape), stream(rng)
    out = xp.empty(math.prod(shape), dtype=dtype)
    per = BLOCK if is_host(out) else 4
    _single_normals(-(-out.size // per), xp.asarray(first.words), per, out)
    return out.reshape(shape)


def _pairs(loop: Any, shape: int | tuple[int, ...], rng: Any, dtype: Any, xp: Any, *settings: float) -> Any:
    shape = draw_shape(shape)
    if np.dtype(dtype).char not in "fd":
        msg = f"draws are float32 or float64, got {dtype}"
        raise TypeError(msg)
    first, n = stream(rng), math.prod(shape)
    # One counter gives two elements: start at the pair that holds the first one, and fill whole pairs.
    skipped = first.offset % 2
    pairs = (skipped + n + 1) // 2
    out = xp.empty(2 * pairs, dtype=dtype)
    if n:
        loop(pairs, xp.asarray(first.words), *settings, out)
    return out[skipped : skipped + n].reshape(shape)


BLOCK = 4096  # float32 numbers that stay in the first cache between the two passes of `fill_single_normals`
M0 = np.uint64(0xD2511F53)
M1 = np.uint64(0xCD9E8D57)
W0 = np.uint64(0x9E3779B9)
W1 = np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
S32 = np.uint64(32)
TWO_32 = np.uint64(2**32)
S12 = np.uint64(12)
ONE = np.uint64(1)
BITS_1 = np.uint64(0x3FF0000000000000)  # those of 1.0: the float 1 + k/2^52 holds the integer k in its last 52 bits
TOP_32 = 1.0 - 2.0**-24  # the largest float32 below 1
PURPOSE_UNIFORM = np.uint64(1)
PURPOSE_NORMAL = np.uint64(2)
PURPOSE_SINGLE = np.uint64(4)
TWO = np.uint64(2)
THREE = np.uint64(3)
S7 = np.uint64(7)
SIGN_SINGLE = np.uint64(0x80000000)
SINGLE_1 = np.float32(1.0)
SINGLE_TOP = np.float32(TOP_32)
SINGLE_HALF = np.float32(0.5)
SINGLE_CELL = np.float32(2.0**-32)


@inlined
def philox(c0: Word, c1: Word, c2: Word, c3: Word, k0: Word, k1: Word) -> tuple[Word, Word, Word, Word]:
    """Four 32-bit words (as uint64) from a 128-bit counter and a 64-bit key: Philox4x32-10."""
    for _ in range(10):
        p0 = M0 * c0
        p1 = M1 * c2
        c0, c1, c2, c3 = (p1 >> S32) ^ c1 ^ k0, p1 & LOW, (p0 >> S32) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + W0) & LOW
        k1 = (k1 + W1) & LOW
    return c0, c1, c2, c3


@inlined
def unit(hi: Word, lo: Word) -> float:
    """A float64 in the open interval (0, 1) from two 32-bit words: the midpoint of one of 2^52 cells."""
    return np.uint64((((hi << S32) | lo) >> S12) | BITS_1).view(np.float64) - (1.0 - 2.0**-53)


@inlined
def box_muller(u1: float, u2: float) -> tuple[float, float]:
    """Two independent standard normals from two uniforms (Box and Muller 1958)."""
    r = math.sqrt(-2.0 * fast_log(u1))
    c, s = cos_sin_turns(u2)
    return r * c, r * s


@inlined
def normal_pair(words: Any, index: Word, purpose: Word) -> tuple[float, float]:
    """The normals ``2 index`` and ``2 index + 1`` of a sequence named by the key in ``words`` and a purpose."""
    a, b, c, d = philox(np.uint64(0), index & LOW, index >> S32, purpose, words[0], words[1])
    return box_muller(unit(a, b), unit(c, d))


@scalar
def fill_normals(words: Any, first: Word, purpose: Word, out: Any) -> None:
    """The normals ``first``, ``first + 1``, ... of such a sequence into a vector."""
    head = int(first & ONE)
    pair = (first >> ONE) + (first & ONE)
    if head == 1:
        out[0] = normal_pair(words, first >> ONE, purpose)[1]
    whole = out[head:]
    half = whole.size // 2
    for k in range(half):
        whole[2 * k], whole[2 * k + 1] = normal_pair(words, pair + np.uint64(k), purpose)
    if 2 * half < whole.size:
        whole[2 * half] = normal_pair(words, pair + np.uint64(half), purpose)[0]


@inlined
def single_unit(bits: Word) -> Any:
    """A float32 in (0, 1) from a 32-bit word: the midpoint of one of 2^32 cells, rounded, at most 1 - 2^-24."""
    return min((np.float32(np.uint32(bits)) + SINGLE_HALF) * SINGLE_CELL, SINGLE_TOP)


@inlined
def single_signed(x: Any, bits: Word) -> Any:
    """A positive float32 with the highest of 32 bits as its sign."""
    return np.uint32(np.uint64(np.float32(x).view(np.uint32)) ^ (bits & SIGN_SINGLE)).view(np.float32)


@inlined
def single_circle(bits: Word) -> tuple[Any, Any]:
    """Cosine and sine of an angle on a grid of 2^25, never 0, from a 32-bit word, in float32 arithmetic.

    Bits 7 to 29 are the place u = (k + 1/2) 2^-23 in a quarter, where u and 1 - u are exact, the highest two the signs.
    """
    u = np.uint32((bits >> S7) & MANTISSA_SINGLE | BITS_SINGLE).view(np.float32) - SINGLE_TOP
    c, s = single_quarter_sine(SINGLE_1 - u), single_quarter_sine(u)
    return single_signed(c, bits << ONE), single_signed(s, bits)


@inlined
def single_pair(a: Word, b: Word) -> tuple[Any, Any]:
    """Two independent float32 normals from two 32-bit words, in float32 arithmetic, at most 6.76 in absolute value."""
    c, s = single_circle(b)
    r = np.float32(math.sqrt(single_minus_2_log(single_unit(a))))
    return r * c, r * s


@inlined
def single_words(words: Any, index: Word) -> tuple[Word, Word, Word, Word]:
    """The words of the float32 normals ``4 index .. 4 index + 3`` of the sequence named by the key in ``words``."""
    return philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_SINGLE, words[0], words[1])


@scalar
def part_of_quad(words: Any, index: Word, skipped: int, out: Any) -> None:
    """The normals ``4 index + skipped``, ... of that sequence, at most to the end of the quadruple, into a vector."""
    a, b, c, d = single_words(words, index)
    n0, n1 = single_pair(a, b)
    n2, n3 = single_pair(c, d)
    quad = (n0, n1, n2, n3)
    for j in range(out.size):
        out[j] = quad[skipped + j]


@scalar
def fill_quads(words: Any, index: Word, out: Any) -> None:
    """Whole quadruples of that sequence, whose indices have one upper word: Philox has a fifth less to do.

    The words by vectors of 64 bits, then in place the normals by 32 bits.
    """
    bits, low, high = out.view(np.uint32), index & LOW, index >> S32
    for k in range(out.size // 4):
        a, b, c, d = philox(np.uint64(0), (low + np.uint64(k)) & LOW, high, PURPOSE_SINGLE, words[0], words[1])
        bits[4 * k], bits[4 * k + 1] = np.uint32(a), np.uint32(b)
        bits[4 * k + 2], bits[4 * k + 3] = np.uint32(c), np.uint32(d)
    for k in range(out.size // 2):
        out[2 * k], out[2 * k + 1] = single_pair(np.uint64(bits[2 * k]), np.uint64(bits[2 * k + 1]))


@scalar
def fill_single_normals(words: Any, first: Word, out: Any) -> None:
    """The normals ``first``, ``first + 1``, ... of that sequence into a vector."""
    skipped = int(first & THREE)
    head = min((4 - skipped) % 4, out.size)
    if head > 0:
        part_of_quad(words, first >> TWO, skipped, out[:head])
    index, whole = (first + THREE) >> TWO, out[head:]
    quads = whole.size // 4
    for low in range(0, 4 * quads, BLOCK):
        part, at = whole[low : min(low + BLOCK, 4 * quads)], index + np.uint64(low // 4)
        near = min(part.size, 4 * int(TWO_32 - (at & LOW)))
        fill_quads(words, at, part[:near])
        if near < part.size:
            fill_quads(words, at + np.uint64(near // 4), part[near:])
    if 4 * quads < whole.size:
        part_of_quad(words, index + np.uint64(quads), 0, whole[4 * quads :])


@kernel(cost=1.0)
def _uniforms(i: int, words: Any, top: float, out: Any) -> None:
    index = (words[2] >> ONE) + np.uint64(i)
    a, b, c, d = philox(np.uint64(0), index & LOW, index >> S32, PURPOSE_UNIFORM, words[0], words[1])
    out[2 * i] = min(unit(a, b), top)
    out[2 * i + 1] = min(unit(c, d), top)


@kernel(cost=2.5)
def _normals(i: int, words: Any, out: Any) -> None:
    out[2 * i], out[2 * i + 1] = normal_pair(words, (words[2] >> ONE) + np.uint64(i), PURPOSE_NORMAL)


@kernel(cost=1.0)
def _single_normals(i: int, words: Any, per: int, out: Any) -> None:
    low = i * per
    fill_single_normals(words, words[2] + np.uint64(low), out[low : min(low + per, out.size)])
