"""The scalar functions of the von Mises-Fisher sampler, run by Python, against their formulas in mpmath and NumPy."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
from scipy.special import ive
from vmf_quadrature import unit_rows
from wrapped_quadrature import gauss

from geomlat.distributions import _vmf_levels as levels
from geomlat.distributions import _vmf_power_kl as power_kl
from geomlat.distributions import _vmf_rules as rules
from geomlat.distributions import _vmf_sampling as sampling
from geomlat.distributions import _vmf_stein as stein
from geomlat.random import Stream, normal, philox
from geomlat.special.vmf import vmf_one_minus_ratio_scalar

PURPOSE = 3
KEY = (0x1234567, 0x89ABCDEF)
UPPER = 2**33 - 3  # rows and pairs on both sides of a full lower word of the index


def words_of(row, attempt=0):
    """The four words of Philox at a row's counter, as Python integers."""
    counter = (attempt, row % 2**32, row >> 32, PURPOSE, *KEY)
    return [int(x) for x in philox(*(np.uint64(x) for x in counter))]


def key_words(offset):
    return np.array([*KEY, offset], np.uint64)


def circle(word):
    """The direction of a 32-bit word: 23 bits for the place in a quarter, two for the signs."""
    angle = 0.5 * math.pi * ((word >> 7) % 2**23 + 0.5) * 2.0**-23
    signs = (1 - 2 * (word >> 30 & 1), 1 - 2 * (word >> 31))
    return signs[0] * math.cos(angle), signs[1] * math.sin(angle)


@pytest.mark.parametrize("offset", [0, 7, 2**32 - 9, UPPER])
def test_levels_and_directions_in_float64(offset):
    radial, tangent = np.full(5, np.nan), np.full((5, 2), np.nan)
    levels.draw_levels(key_words(offset), np.uint64(4), radial, tangent)
    for r in range(5):
        a, b, c, d = words_of(offset + 4 + r)
        assert radial[r] == (((a << 32 | b) >> 12) + 0.5) * 2.0**-52
        angle = 2 * math.pi * (((c << 32 | d) >> 12) + 0.5) * 2.0**-52
        np.testing.assert_allclose(tangent[r], [math.cos(angle), math.sin(angle)], rtol=0, atol=2e-15)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
@pytest.mark.parametrize("offset", [0, 7, 2**33 - 7, 2**33 - 8])
def test_levels_and_directions_in_float32(count, offset):
    # Two rows have one counter: the first its words a, b, the second c, d.
    radial, tangent = np.full(count, np.nan), np.full((count, 2), np.nan, np.float32)
    levels.draw_levels(key_words(offset), np.uint64(4), radial, tangent)
    for r in range(count):
        pair, second = divmod(offset + 4 + r, 2)
        level, direction = words_of(pair)[2 * second : 2 * second + 2]
        assert radial[r] == (level + 0.5) * 2.0**-32
        np.testing.assert_allclose(tangent[r], circle(direction), rtol=3e-7)


def exact_heights(kappa, level):
    """t and 2 - t of a level of the distribution function."""
    k = mp.mpf(max(kappa, 1e-40))
    t = -mp.log1p(mp.mpf(level) * mp.expm1(-2 * k)) / k
    return t, 2 - t


CONCENTRATIONS = (0.0, 1e-3, 0.3, 1.0, 3.0, 11.0, 40.0, 400.0, 1e5)
LEVELS = (1e-14, 3e-7, 1e-3, 0.2, 0.49, 0.51, 0.7, 0.99, 1 - 3e-7, 1 - 1e-12)


def test_heights_of_levels():
    for kappa in CONCENTRATIONS:
        for level in LEVELS:
            with mp.workdps(60):
                t = float(exact_heights(kappa, level)[0])
            found = levels.t_of_level(kappa, level)
            from_argument = 4e-16 * (math.expm1(kappa * t) / kappa if kappa else t)  # of a rounding of its argument
            assert abs(found[0] - t) <= 2e-15 * t + from_argument
            assert found[1] == max(2 - found[0], 2.0**-53)
            assert sampling.radial_t(3, kappa, 1, level) == found
    assert levels.t_of_argument(1.0, math.expm1(-2.0) * (1.0 + 1e-14))[1] == 2.0**-53


def test_heights_of_levels_in_float32():
    # The smaller of t and 2 - t to 6e-7 of itself; a is 1 + x and t comes from x, whichever of them is the smaller.
    count = len(LEVELS)
    for kappa in CONCENTRATIONS:
        k, t = np.full(count, kappa, np.float32), np.empty(count, np.float32)
        levels.single_heights(k, np.empty_like(t), np.empty_like(t), t, np.array(LEVELS))
        for level, found in zip(LEVELS, t.astype(float), strict=True):
            with mp.workdps(60):
                exact, rest = (float(x) for x in exact_heights(float(np.float32(kappa)), level))
            assert abs(abs(found) - (exact if found > 0 else rest)) <= 6e-7 * abs(found), (kappa, level)


@pytest.mark.parametrize("kappa", [1e-3, 0.3, 2.0, 9.0, 30.0])
def test_the_argument_of_the_logarithm_in_float32(kappa):
    # Both numbers to a few roundings in every region: x near 0 is not 1 + x less 1.
    for level in LEVELS:
        e, less = np.float32(math.exp(-2 * kappa)), np.float32(math.expm1(-2 * kappa))
        low, high = np.float32(level), np.float32(1 - level)
        q = -math.expm1(-2 * kappa)
        far = level > 0.5 and (1 - level) * q < math.exp(-2 * kappa)
        x = (1 - level) * q / math.exp(-2 * kappa) if far else -level * q
        found = levels.single_argument(e, less, low, high)
        rest = math.exp(-2 * kappa) + (1 - level) * q  # 1 - level q without cancellation
        assert found[0].dtype == found[1].dtype == np.float32
        assert float(found[1]) == pytest.approx(x, rel=4e-7, abs=0)
        assert float(found[0]) == pytest.approx(1 + x if far else rest, rel=4e-7, abs=0)


def householder(mu, w, g):
    """H (-sign(mu_1) w, r g/|g|), H = I - 2 u u'/<u, u>, u = mu + sign(mu_1) e_1, in float64: <mu, it> = w."""
    u, sign = np.array(mu, dtype=float), 1.0 if mu[0] >= 0 else -1.0
    u[0] += sign
    side = math.sqrt(max(0.0, 1.0 - w * w)) * np.array(g, dtype=float) / np.linalg.norm(np.asarray(g, float))
    v = np.concatenate([[-sign * w], side])
    return v - 2 * u * (u @ v) / (u @ u)


def axes_3(gen):
    mu = unit_rows(gen, 12, 3)
    mu[:4] = [[1, 0, 0], [-1, 0, 0], [0, 0.6, -0.8], [0, -1, 0]]
    return mu


def test_reflected():
    gen = np.random.default_rng(1)
    for mu in axes_3(gen):
        w, g = gen.uniform(-1, 1), 3.0 * gen.standard_normal(2)
        scale = math.sqrt(1 - w * w) / np.linalg.norm(g)
        first, factor = levels.reflected(w, mu[0], scale, g @ mu[1:], mu[1:] @ mu[1:])
        found = [first, *(factor * mu[1:] + scale * g)]
        np.testing.assert_allclose(found, householder(mu, w, g), rtol=0, atol=3e-15)


def test_reflected_in_float32():
    # A negative t stands for -(2 - t); the direction (c, s) has any length.
    gen = np.random.default_rng(2)
    for mu in axes_3(gen).astype(np.float32):
        for t in (0.0, 1e-6, 0.3, 0.9, 1.7, 2.0, np.nextafter(np.float32(2), np.float32(3)), -1e-6, -0.4, -1.1):
            g = gen.uniform(0.3, 1.5, 2).astype(np.float32) * gen.choice(np.array([-1, 1], np.float32), 2)
            found = levels.single_reflected(np.float32(t), tuple(mu), g[0], g[1])
            assert all(x.dtype == np.float32 for x in found)
            w = 1 - t if t >= 0 else -t - 1
            np.testing.assert_allclose(found, householder(mu, float(w), g), rtol=0, atol=4e-4 if t > 2 else 5e-7)


def test_missing_length():
    gen = np.random.default_rng(3)
    for v in unit_rows(gen, 40, 3):
        p = (v * (1 + gen.uniform(-4e-7, 4e-7))).astype(np.float32)
        assert float(levels.missing_length(*p)) == pytest.approx(1 - np.linalg.norm(p.astype(float)), rel=0, abs=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("low", [1, 4])
def test_points_of_levels(dtype, low):
    # Rows 1 .. 5 of a batch of 7, whose rows lie in one piece, and rows 4 .. 8, of which the last repeat the first.
    gen, count = np.random.default_rng(4), 5
    mu, kappa = unit_rows(gen, 7, 3).astype(dtype), np.array([0.0, 0.4, 3.0, 50.0, 1e4, 0.1, 12.0], dtype)
    radial, tangent = gen.random(count), unit_rows(gen, count, 2)
    tangent = (tangent if dtype == np.float32 else 2.5 * tangent).astype(dtype)
    given, z = tangent.copy(), np.empty((count, 3), dtype)
    work = np.full((5, 6), np.nan)
    sampling.place_rows(low, mu, kappa, 1, work, radial, tangent, z)
    np.testing.assert_array_equal(tangent, given)
    for r in range(count):
        k = (low + r) % 7
        with mp.workdps(30):
            t = float(exact_heights(float(kappa[k]), radial[r])[0])
        exact = householder(mu[k], 1 - t, tangent[r])
        np.testing.assert_allclose(z[r], exact, rtol=0, atol=4e-7 if dtype == np.float32 else 1e-14)
    norms = np.linalg.norm(z.astype(float), axis=1)
    np.testing.assert_allclose(norms, 1, rtol=6.1e-8 if dtype == np.float32 else 1e-15)


def uniforms(row, attempt):
    """Three uniforms of 43 bits from four words, the last of which is shared out: 11, 11 and 10 bits."""
    a, b, c, d = words_of(row, attempt)
    bits = (a << 11 | d >> 21, b << 11 | (d >> 10) % 2**11, c << 11 | d % 2**10)
    return [(x + 0.5) * 2.0**-43 for x in bits]


def trial(m, kappa, row, attempt):
    """The odds of an attempt of a row, or -1: Wood (1994), with the acceptance by its logarithm."""
    n = m - 1
    b = n / (2 * kappa + math.sqrt(4 * kappa**2 + n**2))
    u1, u2, u3 = uniforms(row, attempt)
    r = math.sqrt(1 - u1 ** (2 / (m - 2))) if m > 2 else 1.0
    x = r * math.cos(2 * math.pi * u2)
    s = (1 - x) / (1 + x)
    zeta = 0.5 * (1 - b) * (s - 1) / (1 + b * s)
    return s if n * (math.log1p(zeta) - zeta) >= math.log(u3) else -1.0


@pytest.mark.parametrize("m", [2, 3, 4, 9])
def test_proposals(m):
    kappa, start = (0.0, 0.3, 2.0, 7.0, 40.0, 1e3), UPPER - 5
    count = 4 * len(kappa)
    left, work = np.arange(count, dtype=np.uint64) * np.uint64(2), np.full((5, count), np.nan)
    for r in range(count):
        k, n = kappa[r % len(kappa)], m - 1
        work[0, r] = sampling.envelope(m, k)
        assert work[0, r] == pytest.approx(n / (2 * k + math.sqrt(4 * k * k + n * n)), rel=1e-15, abs=0.0)
    envelopes = work[0].copy()
    sampling.proposals(m, key_words(start), 2, left, work, count)
    exact = [trial(m, kappa[r % len(kappa)], start + 2 * r, 2) for r in range(count)]
    np.testing.assert_allclose(work[4], exact, rtol=1e-12)
    np.testing.assert_array_equal(work[0], envelopes)
    assert -1.0 in exact


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noise_of_rows(dtype):
    # Row i has the normals i (m - 1), ... of the sequence and the first of its own attempts that is accepted.
    m, low, count, offset = 4, 3, 30, 2**32 - 11
    kappa = np.array([0.0, 0.5, 3.0, 20.0, 400.0])
    radial, tangent = np.full(count, np.nan), np.full((count, m - 1), np.nan, dtype)
    left, work = np.empty(count, np.uint64), np.empty((5, count))
    sampling.draw_rows(low, key_words(offset), kappa, 0, left, work, radial, tangent)
    wanted = normal((count, m - 1), rng=Stream(*KEY, (offset + low) * (m - 1)), dtype=dtype)
    np.testing.assert_allclose(tangent, wanted, rtol=2e-6 if dtype == np.float32 else 1e-13)
    attempts = []
    for r in range(count):
        tried = [trial(m, kappa[(low + r) % 5], offset + low + r, a) for a in range(30)]
        attempts.append(next(a for a in range(30) if tried[a] >= 0))
        assert radial[r] == pytest.approx(tried[attempts[-1]], rel=1e-12, abs=0.0)
    assert max(attempts) >= 2


@pytest.mark.parametrize(
    ("m", "dtype"), [(2, np.float64), (3, np.float64), (5, np.float32), (34, np.float32), (1100, np.float32)]
)
def test_points_of_odds(m, dtype):
    # Also 2 q (1 + q)^-1 = t of `radial_t`. From m = 34 on float32 rows are summed in float32, 512 numbers at a time.
    gen, low, count = np.random.default_rng(m), 2, 4
    mu = unit_rows(gen, 5, m).astype(dtype)
    mu[3, 0] = -abs(mu[3, 0])
    kappa = np.array([0.0, 0.6, 3.0, 40.0, 7.0]).astype(dtype)
    radial, tangent = gen.uniform(0.1, 3.0, count), gen.standard_normal((count, m - 1)).astype(dtype)
    z = np.empty((count, m), dtype)
    sampling.place_rows(low, mu, kappa, 0, np.full((5, count), np.nan), radial, tangent, z)
    for r in range(count):
        k = (low + r) % 5
        n = m - 1
        b = n / (2 * float(kappa[k]) + math.hypot(2 * float(kappa[k]), n))
        t = 2 * b * radial[r] / (1 + b * radial[r])
        found = sampling.radial_t(m, float(kappa[k]), 0, radial[r])
        assert found == pytest.approx((t, 2 - t), rel=2e-15, abs=0.0)
        np.testing.assert_allclose(
            z[r], householder(mu[k], 1 - t, tangent[r]), rtol=0, atol=4e-7 if dtype == np.float32 else 3e-15
        )


def test_sums_of_a_row():
    gen = np.random.default_rng(6)
    mu, g = gen.standard_normal((3, 6)), gen.standard_normal((4, 5))
    u = mu[2, 1:]
    np.testing.assert_allclose(sampling.reflection_sums(mu, 2, g, 3), [u @ u, u @ g[3], g[3] @ g[3]], rtol=1e-14)
    u, v = u.astype(np.float32), g[3].astype(np.float32)
    found = sampling.single_sums(u, v)
    assert all(x.dtype == np.float32 for x in found)
    np.testing.assert_allclose(found, [u @ u, u @ v, v @ v], rtol=2e-6)


def test_every_row_is_made_once(monkeypatch):
    # Four workers with blocks of three rows: each row in one block, which has that worker's scratch.
    workers, per, count = 4, 3, 38
    left, work = np.empty((workers, per), np.uint64), np.empty((workers, 5, per))
    radial, tangent, z = np.empty(count), np.empty((count, 2)), np.empty((count, 3))
    scratch = np.empty((workers, per)), np.empty((workers, per, 2))
    drawn, placed = np.zeros(count, int), np.zeros(count, int)
    here = [0]

    def draw_rows(low, words, kappa, closed, own, numbers, noise, direction):
        assert own.base is left
        assert np.shares_memory(own, left[here[0]])
        assert np.shares_memory(numbers, work[here[0]])
        assert len(noise) == len(direction) <= per
        drawn[low : low + len(noise)] += 1

    def place_rows(low, mu, kappa, closed, numbers, noise, direction, points):
        assert np.shares_memory(numbers, work[here[0]])
        assert len(noise) == len(direction) == len(points) <= per
        assert np.shares_memory(points, z[low])
        placed[low : low + len(points)] += 1

    monkeypatch.setattr(sampling, "draw_rows", draw_rows)
    monkeypatch.setattr(sampling, "place_rows", place_rows)
    for i in range(workers):
        here[0] = i
        sampling._draw.body(i, left, work, None, None, 0, radial, tangent)
        sampling._place.body(i, left, work, None, None, 0, radial, tangent, z)
        sampling._sample.body(i, left, work, None, None, None, 0, *scratch, z)
    assert np.array_equal(drawn, np.full(count, 2))
    assert np.array_equal(placed, np.full(count, 2))


@pytest.mark.parametrize("closed", [False, True])
def test_workers_and_their_scratch(monkeypatch, closed):
    # As many workers as blocks, up to some for each thread; a block is of bounded size.
    monkeypatch.setattr(sampling, "thread_count", lambda: 3)
    rows = sampling.LEVEL_ROWS if closed else sampling.ROWS
    for n, m, per, workers in [
        (1, 3, 1, 1),
        (rows, 3, rows, 1),
        (rows + 1, 3, rows, 2),
        (10**6, 3, rows, 3 * sampling.PARTS_PER_THREAD),
        (900, 1 << 12, 16, min(57, 3 * sampling.PARTS_PER_THREAD)),
        (9, 1 << 18, 1, 9),
    ]:
        found, left, work = sampling._workers(np.broadcast_to(1.0, (1, m)), n, closed)
        assert (found, left.shape, work.shape) == (workers, (workers, per), (workers, 5, per))


def exact_radial(m, kappa, noise):
    """t of frozen noise by mpmath: a level at m = 3, else odds."""
    if m == 3:
        return exact_heights(kappa, noise)[0]
    n = m - 1
    q = n / (2 * kappa + mp.sqrt(4 * kappa**2 + n**2)) * noise
    return 2 * q / (1 + q)


@pytest.mark.parametrize(
    ("m", "kappa", "noise"), [(3, 2.0, 0.3), (3, 11.0, 0.8), (2, 1.3, 0.7), (4, 0.4, 2.0), (9, 30.0, 0.8)]
)
def test_slope_and_score(m, kappa, noise):
    # y of dt/dkappa = -y t (2 - t), and the derivative of the log density of the noise, by mpmath.
    with mp.workdps(40):
        t = exact_radial(m, mp.mpf(kappa), noise)
        slope = mp.diff(lambda k: exact_radial(m, k, noise), kappa)
        tail = mp.mpf(float(vmf_one_minus_ratio_scalar(float(m), kappa)))

        def log_density(k):
            # The odds' own: dt / dnoise along the way, the law of t with its constant for this kappa.
            x = exact_radial(m, k, noise)
            return (m - 3) * mp.log(x * (2 - x)) / 2 - k * x + mp.log(mp.diff(lambda s: exact_radial(m, k, s), noise))

        score = tail + mp.diff(log_density, kappa, h=mp.mpf(10) ** -10)
        t, y = float(t), float(-slope / (t * (2 - t)))
    tail = float(tail)
    if m == 3:
        assert rules.slope_and_score(0, m, kappa, t, 2 - t, tail) == (pytest.approx(y, rel=1e-10, abs=0.0), 0.0)
    else:
        found = rules.slope_and_score(1, m, kappa, t, 2 - t, tail)
        assert found == (pytest.approx(y, rel=1e-12, abs=0.0), pytest.approx(float(score), rel=1e-7, abs=0.0))
    assert rules.slope_and_score(2, m, kappa, t, 2 - t, tail) == (0.0, pytest.approx(tail - t, rel=1e-14, abs=0.0))


@pytest.mark.parametrize(("m", "estimator"), [(3, 0), (5, 1), (4, 2), (2, 1)])
def test_cotangents_of_a_point(m, estimator):
    # By complex steps of the plain reflection: every coordinate of mu moves alone, kappa through t.
    gen = np.random.default_rng(m)
    for sign in (1.0, -1.0):
        mu, g, dz = unit_rows(gen, m), gen.standard_normal(m - 1), gen.standard_normal(m)
        mu[0] = sign * abs(mu[0])
        kappa, noise, advantage, tail = 2.3, 0.4, 1.7, 0.35
        closed = int(m == 3)
        t, rest = sampling.radial_t(m, kappa, closed, noise)
        y, score = rules.slope_and_score(estimator, m, kappa, t, rest, tail)

        def value(mu, t, sign=sign, g=g, dz=dz):
            u = mu + sign * np.eye(len(mu))[0]
            p = np.concatenate([[-sign * (1 - t)], np.sqrt(t * (2 - t)) * g / np.linalg.norm(g)])
            return dz @ (p - 2 * u * (u @ p) / (u @ u))

        wanted = [value(mu + 1e-30j * e, t).imag * 1e30 for e in np.eye(m)]
        along = value(mu, t + 1e-30j).imag * 1e30 * (-y * t * rest) + advantage * score
        dmu, dkappa = np.empty((2, m)), np.empty(2)
        rules._rsample_pull.body(
            1,
            mu[None],
            np.array([kappa]),
            np.array([tail]),
            np.array([np.nan, noise]),
            np.stack([0 * g, g]),
            np.stack([0 * dz, dz]),
            np.array([advantage]),
            closed,
            estimator,
            dmu,
            dkappa,
        )
        np.testing.assert_allclose(dmu[1], wanted, rtol=1e-12, atol=1e-13)
        assert dkappa[1] == pytest.approx(along, rel=1e-12, abs=0.0)
        assert rules.half_chord(np.stack([dz, g[[0] * m]]), 0, mu[None], 0) == pytest.approx(
            0.5 * (dz - mu) @ (dz - mu)
        )


@pytest.mark.parametrize("m", [2.0, 3.0, 8.0])
@pytest.mark.parametrize("kappa", [0.0, 0.6, 4.0, 60.0])
def test_the_summit_of_the_density(m, kappa):
    for a in (0.0, 0.2, 1.2, 2.5):
        mode = power_kl.summit(m, kappa, a)
        beside = [power_kl.log_density(m, kappa, a, mode + h) for h in (-1e-3, 0.0, 1e-3)]
        assert max(beside) == beside[1]
        assert abs(beside[2] - beside[0]) < 1e-3 * (2 * beside[1] - beside[0] - beside[2])


def mean_of_log_h(m, kappa, chord):
    """E log((1 + cos b)/2) by panels in the angle b, graded towards pi where the logarithm has its pole."""
    edges = np.concatenate([np.linspace(0, 0.75 * math.pi, 12), math.pi * (1 - 2.0 ** -np.arange(3, 42))])
    parts = [gauss(low, high, 1, 20) for low, high in itertools.pairwise(edges)]
    b, width = (np.concatenate(v) for v in zip(*parts, strict=True))
    x = kappa * math.sqrt(chord * (2 - chord)) * np.sin(b)
    order = 0.5 * (m - 1) - 1
    mass = width * ive(order, x) * x**-order * np.exp(x + kappa * ((1 - chord) * np.cos(b) - 1)) * np.sin(b) ** (m - 2)
    return mass @ np.log(np.cos(0.5 * b) ** 2) / mass.sum()


@pytest.mark.parametrize(("m", "kappa", "chord"), [(2, 0.7, 0.4), (3, 3.0, 1.6), (6, 12.0, 0.9)])
def test_mean_of_log_h_and_its_slopes(m, kappa, chord):
    found = power_kl.mean_log_h_scalar(float(m), kappa, chord)
    h = 1e-3 * min(1.0, chord)
    by_kappa = [mean_of_log_h(m, kappa + j * h, chord) for j in (-2, -1, 1, 2)]
    by_chord = [mean_of_log_h(m, kappa, chord + j * h) for j in (-2, -1, 1, 2)]
    slopes = [(e[0] - 8 * e[1] + 8 * e[2] - e[3]) / (12 * h) for e in (by_kappa, by_chord)]
    assert found[0] == pytest.approx(mean_of_log_h(m, kappa, chord), rel=1e-9, abs=0.0)
    assert found[1:] == (pytest.approx(slopes[0], rel=1e-6, abs=0.0), pytest.approx(slopes[1], rel=1e-6, abs=0.0))


def test_where_a_density_is_cut():
    # The ends of the range: no more than its last digits beyond where the density is exp(FLOOR) of its largest.
    for m, kappa, a in ((2.0, 0.5, 1.0), (3.0, 40.0, 0.3), (9.0, 4.0, 2.0)):
        mode = power_kl.summit(m, kappa, a)
        floor = power_kl.log_density(m, kappa, a, mode) + power_kl.FLOOR
        for end in (-power_kl.END, power_kl.END):
            s = power_kl.cut(m, kappa, a, mode, end, floor)
            assert power_kl.log_density(m, kappa, a, s) == pytest.approx(floor, rel=1e-8, abs=0.0)
    for s in (-9.0, -0.4, 0.7, 12.0):
        b, sin_b = power_kl.angle_of(s)
        assert (math.log(math.tan(0.5 * b)), math.sin(b)) == pytest.approx((-0.5 * s, sin_b), rel=1e-12, abs=0.0)


@pytest.mark.parametrize("m", [2.0, 3.0, 4.0, 9.0, 50.0])
def test_the_span_of_a_tail_ends_at_the_floor(m):
    # The Newton steps have found the root, or nothing of the tail lies below the floor.
    found = 0
    for kappa in (0.1, 1.0, 8.0, 100.0, 1e4):
        for theta in (0.05, 0.6, 1.5, 2.6):
            right = 1 - math.cos(theta) < vmf_one_minus_ratio_scalar(float(m), kappa)
            full = 0.5 * theta if right else -0.5 * (math.pi - theta)
            s, c = math.sin(theta), math.cos(theta)
            d = stein.tail_span(m, kappa, s, c, full)
            if d == full:
                d = 0.98 * full
                assert stein.tail_log(m, kappa, s, c, math.sin(d), math.cos(d)) > stein.FLOOR
            else:
                value = stein.tail_log(m, kappa, s, c, math.sin(d), math.cos(d))
                assert value == pytest.approx(stein.FLOOR, rel=0, abs=1e-4)
                found += 1
                phi = theta - 2 * d
                exact = kappa * (math.cos(phi) - c) + (m - 2) * math.log(math.sin(phi) / s)
                assert value == pytest.approx(exact, rel=1e-9, abs=0.0)
    assert found >= 5
