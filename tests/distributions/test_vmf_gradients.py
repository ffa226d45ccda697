"""The gradient estimators of the von Mises-Fisher sampler, and the Stein kernel behind the implicit one."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats
from vmf_quadrature import mp_ratio, panels, unit_rows

from geomlat.distributions import VonMisesFisher, leave_one_out
from geomlat.distributions._vmf_sampling import radial_t
from geomlat.distributions._vmf_stein import FLOOR, stein, stein_quadrature, tail_log, tail_span
from geomlat.distributions.von_mises_fisher import VonMisesFisherNoise
from geomlat.grad import gradcheck
from geomlat.special.vmf import vmf_dratio, vmf_one_minus_ratio, vmf_phi_minus_x, vmf_ratio

GRADIENT_CELLS = [(2, 1), (3, 10), (5, 2), (6, 10), (11, 5), (21, 10), (41, 20)]
LEVEL = 1e-3


def y_of(m, kappa, t):
    return stein(float(m), kappa, t, 2 - np.asarray(t), vmf_one_minus_ratio(float(m), kappa))


# ---- the Stein kernel ----


@pytest.mark.parametrize("m", [2, 3, 4, 7, 40, 300])
@pytest.mark.parametrize("kappa", [1e-6, 0.3, 1.0, 12.0, 300.0])
def test_stein_expectation_is_the_variance(m, kappa):
    """E[(1 - w^2) y] = A', by quadrature in the angle."""
    top = min(math.pi, 14 * math.sqrt(m / kappa))
    theta, weight = panels(0.0, top, 400, 8)
    log_g = -2 * kappa * np.sin(theta / 2) ** 2 + (m - 2) * np.log(np.sin(theta))
    g = np.exp(log_g - log_g.max()) * weight
    t = 2 * np.sin(theta / 2) ** 2
    rest = 2 * np.cos(theta / 2) ** 2
    y = stein(float(m), kappa, t, rest, vmf_one_minus_ratio(float(m), kappa))
    mean = np.sum(g * np.sin(theta) ** 2 * y) / np.sum(g)
    assert mean == pytest.approx(float(vmf_dratio(m, kappa)), rel=1e-12, abs=0)


@pytest.mark.parametrize("m", [2, 3, 6, 41, 1000])
@pytest.mark.parametrize("kappa", [1e-10, 1e-3, 0.99, 1.0, 30.0, 1e4, 1e8])
def test_stein_boundary_values(m, kappa):
    tail = float(vmf_one_minus_ratio(m, kappa))
    assert float(y_of(m, kappa, 0.0)) == pytest.approx(tail / (m - 1), rel=1e-15, abs=0)
    assert float(y_of(m, kappa, 2.0)) == pytest.approx((2 - tail) / (m - 1), rel=1e-15, abs=0)
    near = 1e-13 * tail
    assert float(y_of(m, kappa, near)) == pytest.approx(tail / (m - 1), rel=1e-12, abs=0)
    far = float(stein(float(m), kappa, 2.0, 1e-13 / max(1.0, kappa), tail))
    assert far == pytest.approx((2 - tail) / (m - 1), rel=1e-11, abs=0)


def test_stein_at_zero_concentration():
    for m in (2, 3, 10):
        assert float(y_of(m, 0.0, 0.7)) == 1 / (m - 1)
        assert float(y_of(m, 1e-9, 0.7)) == pytest.approx(1 / (m - 1), rel=1e-8, abs=0)


@pytest.mark.parametrize(("m", "kappa"), [(2, 3.0), (3, 0.5), (3, 10.0), (6, 10.0), (41, 20.0), (200, 1.0)])
def test_stein_solves_its_equation(m, kappa):
    """(1 - w^2) y' + (kappa (1 - w^2) - (m-1) w) y = A - w."""
    tail = float(vmf_one_minus_ratio(m, kappa))
    w = np.clip(1 - tail * np.array([0.2, 0.6, 0.98, 1.02, 1.4]), -0.9, 0.99)
    h = 1e-3 * (1 - w * w)
    y = y_of(m, kappa, 1 - w)
    slope = sum(c * (y_of(m, kappa, 1 - w - k * h) - y_of(m, kappa, 1 - w + k * h)) for c, k in COEFFICIENTS) / h
    residual = (1 - w * w) * slope + (kappa * (1 - w * w) - (m - 1) * w) * y - (1 - tail - w)
    assert np.abs(residual).max() < 1e-9


COEFFICIENTS = [(3 / 4, 1), (-3 / 20, 2), (1 / 60, 3)]


@pytest.mark.parametrize(
    ("m", "kappa"), [(2, 0.7), (3, 1e-3), (3, 0.2), (4, 5.0), (11, 30.0), (128, 1e-3), (1000, 300.0)]
)
def test_stein_against_mpmath(m, kappa):
    tail = float(vmf_one_minus_ratio(m, kappa))
    with mp.workdps(30):
        a, k = mp_ratio(m, kappa), mp.mpf(kappa)
        for factor in (1e-3, 0.5, 0.9, 1.1, 1.5):
            t = min(tail * factor, 1.9)
            theta = 2 * mp.asin(mp.sqrt(mp.mpf(t) / 2))
            end = mp.mpf(0) if factor < 1 else mp.pi
            n = int(abs(end - theta) * mp.sqrt(m + k) / 3) + 1
            c, s = mp.cos(theta), mp.sin(theta)
            exact = -mp.quad(
                lambda p, c=c, s=s: (mp.cos(p) - a) * mp.exp(k * (mp.cos(p) - c)) * (mp.sin(p) / s) ** (m - 2),
                mp.linspace(theta, end, n + 1),
            )
            assert float(y_of(m, kappa, t)) == pytest.approx(float(exact / s), rel=5e-14, abs=0)


def test_stein_closed_form_meets_the_quadrature():
    t = np.linspace(1e-3, 1.999, 41)
    for kappa in (1.0, 3.0, 40.0):
        tail = float(vmf_one_minus_ratio(3, kappa))
        quadrature = [stein_quadrature(3.0, kappa, s, 2 - s, tail) for s in t if s * kappa < 30]
        np.testing.assert_allclose(y_of(3, kappa, t)[: len(quadrature)], quadrature, rtol=1e-13)


@pytest.mark.parametrize("m", [2.0, 3.0, 7.0, 50.0, 1000.0])
@pytest.mark.parametrize("kappa", [0.5, 5.0, 100.0, 1e4, 1e9])
def test_the_tail_ends_where_the_integrand_is_below_rounding(m, kappa):
    """There, no earlier and no later; the whole tail is taken only where all of it counts."""
    tail = float(vmf_one_minus_ratio(m, kappa))
    for theta in (0.01, 0.1, 0.5, 1.0, 1.4, 2.0, 2.5, 3.0):
        across, along = math.sin(theta), math.cos(theta)
        full = 0.5 * theta if 2 * math.sin(0.5 * theta) ** 2 < tail else -0.5 * (math.pi - theta)
        end = tail_span(m, kappa, across, along, full)
        fall = tail_log(m, kappa, across, along, math.sin(end), math.cos(end))
        assert math.copysign(1.0, end) == math.copysign(1.0, full)
        if end != full:
            assert fall == pytest.approx(FLOOR, abs=1e-4)  # four steps of Newton
        else:
            short = 0.98 * full
            assert tail_log(m, kappa, across, along, math.sin(short), math.cos(short)) > FLOOR


# ---- pullbacks ----


def normalised(mu):
    return mu / np.linalg.norm(mu, axis=-1, keepdims=True)


@pytest.mark.parametrize("m", [2, 4, 9])
@pytest.mark.parametrize("kappa", [0.0, 0.5, 50.0, 1e6])
def test_mean_direction_at_frozen_noise(m, kappa):
    """The ambient derivative of the reflection, either sign of mu_1, and mu = +-e_i."""
    gen = np.random.default_rng(m)
    mu = np.concatenate([unit_rows(gen, 4, m), np.eye(m)[:1], -np.eye(m)[:1]])
    noise = VonMisesFisher(mu, kappa).draw(rng=2)

    def vjp(mu):
        z, pull = VonMisesFisher(mu, kappa).rsample_vjp(noise)
        return z, lambda dz: pull(dz)[0]

    gradcheck(vjp, mu, step=1e-3)


@pytest.mark.parametrize("m", [2, 3, 4, 9])
def test_rejection_through_points_and_log_weight(m):
    """The two outputs at a frozen proposal: z, and log of target over proposal density."""
    gen = np.random.default_rng(m)
    mu, kappa = unit_rows(gen, 5, m), gen.uniform(0.2, 15, 5)
    noise = VonMisesFisher(mu, kappa, "rejection").draw((3,), rng=1)
    cost = gen.standard_normal((3, 5))

    def log_weight(kappa):
        n = m - 1
        b = n / (2 * kappa + np.hypot(2 * kappa, n))
        t = 2 * b * noise.radial / (1 + b * noise.radial)
        log_g = -kappa * t - vmf_phi_minus_x(float(m), kappa) + 0.5 * (m - 3) * np.log(t * (2 - t))
        return log_g + np.log(b) - 2 * np.log1p(b * noise.radial)

    def vjp(mu, kappa):
        z, pull = VonMisesFisher(mu, kappa, "rejection").rsample_vjp(noise)

        def both(dz):
            return pull(dz[0], advantage=dz[1] * cost)

        return (z, cost * log_weight(kappa)), both

    gradcheck(vjp, mu, kappa, step=1e-3)


@pytest.mark.parametrize("m", [2, 3, 6])
def test_score_is_the_derivative_of_the_log_density(m):
    gen = np.random.default_rng(m)
    mu, kappa = unit_rows(gen, 5, m), gen.uniform(0.2, 15, 5)
    q = VonMisesFisher(mu, kappa, "score")
    noise = q.draw((3,), rng=1)
    z = q.rsample(noise)
    cost = gen.standard_normal((3, 5))
    _, dmu, dkappa = q.log_prob_vjp(z)[1](cost)
    got_mu, got_kappa = q.rsample_vjp(noise)[1](None, advantage=cost)
    np.testing.assert_allclose(got_kappa, dkappa, rtol=1e-10)
    assert not np.any(got_mu)
    assert np.any(dmu)


@pytest.mark.parametrize("estimator", ["rejection", "score"])
def test_advantage_is_required(estimator):
    q = VonMisesFisher(np.eye(4), 3.0, estimator)
    z, pull = q.rsample_vjp(q.draw(rng=0))
    with pytest.raises(ValueError, match="advantage"):
        pull(z)
    with pytest.raises(ValueError, match=r"\(4,\)"):
        pull(z, advantage=np.ones((4, 1)))


def test_structural_zeros_and_dtypes():
    q = VonMisesFisher(np.eye(4, dtype=np.float32), np.float32(3.0))
    noise = q.draw(rng=0)
    z, pull = q.rsample_vjp(noise)
    assert pull(None) == (None, None)
    assert [g.dtype for g in pull(np.ones((4, 4)))] == [np.float32] * 2
    assert pull(z)[1].shape == ()
    wide = VonMisesFisher(np.eye(4), 3.0)
    exact = wide.rsample_vjp(VonMisesFisherNoise(noise.radial, noise.tangent.astype(float), noise.closed))[1]
    dz = np.random.default_rng(0).standard_normal(z.shape)
    for got, expected in zip(pull(dz), exact(dz), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_finite_at_the_edges():
    for m in (2, 3, 5):
        for estimator in ("implicit", "rejection", "score"):
            kappa = np.array([0.0, 1e-300, 1e-8, 1e8, 1e12])
            q = VonMisesFisher(np.eye(m)[0], kappa, estimator)
            z, pull = q.rsample_vjp(q.draw((50,), rng=1))
            for g in pull(np.ones_like(z), advantage=np.ones(z.shape[:-1])):
                assert np.all(np.isfinite(g))


# ---- unbiasedness ----


def exact_gradients(m, kappa, c, mu):
    """d/dkappa of E c'z and of E (c'z)^2."""
    a, da = float(vmf_ratio(m, kappa)), float(vmf_dratio(m, kappa))
    d_square = -(m - 1) * (da / kappa - a / kappa**2)
    cosine2 = (c @ mu) ** 2
    return da * (c @ mu), d_square * (cosine2 - (1 - cosine2) / (m - 1))


def estimates(m, kappa, estimator, shift=0.0, count=100_000):
    """Single-draw gradients by kappa of c'z and (c'z)^2, and the mean gradient of c'z by mu."""
    gen = np.random.default_rng(m)
    mu, c = unit_rows(gen, 2, m)
    # kappa of the batch's shape: one gradient for each draw.
    q = VonMisesFisher(mu, np.full(count, float(kappa)), estimator)
    z, pull = q.rsample_vjp(q.draw(rng=100 + m))
    f = z @ c
    linear = pull(np.broadcast_to(c, z.shape), advantage=leave_one_out(f) + shift)
    square = pull(2 * f[:, None] * c, advantage=leave_one_out(f * f) + shift)
    return mu, c, (linear[1], square[1]), linear[0] / count


@pytest.mark.parametrize(("m", "kappa"), GRADIENT_CELLS)
@pytest.mark.parametrize("estimator", ["implicit", "rejection", "score"])
def test_unbiased(m, kappa, estimator):
    mu, c, samples, dmu = estimates(m, kappa, estimator)
    limit = stats.norm.isf(LEVEL / 2 / (len(GRADIENT_CELLS) * 3 * 2))
    for g, exact in zip(samples, exact_gradients(m, kappa, c, mu), strict=True):
        assert abs(g.mean() - exact) < limit * g.std() / math.sqrt(len(g))
    # By mu: A times the tangent part of c, for every estimator.
    tangent = dmu - (dmu @ mu) * mu
    expected = float(vmf_ratio(m, kappa)) * (c - (c @ mu) * mu)
    assert np.linalg.norm(tangent - expected) < 0.02


def test_proposals_alone_would_be_biased():
    """What the advantage multiplies is the whole correction: without it the estimate at m = 2, kappa = 1 is -44 %."""
    gen = np.random.default_rng(0)
    mu = unit_rows(gen, 2)
    q = VonMisesFisher(mu, np.full(200_000, 1.0), "rejection")
    z, pull = q.rsample_vjp(q.draw(rng=1))
    pathwise = pull(np.broadcast_to(mu, z.shape), advantage=np.zeros(200_000))[1].mean()
    assert pathwise / float(vmf_dratio(2, 1.0)) - 1 == pytest.approx(-0.437, abs=0.01)


def test_variance_under_a_shifted_loss():
    """Adding 100 to the loss leaves the implicit estimate as it is (it ignores it), not the rejection estimate."""
    plain, shifted, lost = (estimates(5, 2, "implicit", shift)[2] for shift in (0.0, 100.0, math.nan))
    assert all(np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(plain, shifted, lost, strict=True))
    plain, shifted = (estimates(5, 2, "rejection", shift)[2] for shift in (0.0, 100.0))
    assert shifted[0].std() > 10 * plain[0].std()


@pytest.mark.parametrize("kappa", [1e-12, 0.99e-9, 1.01e-9, 1e-6, 1e-3, 0.5, 20.0, 1e6])
def test_inverse_distribution_function_at_m_3(kappa):
    """P(T <= t) = (1 - exp(-kappa t)) / (1 - exp(-2 kappa)) at the drawn level."""
    with mp.workdps(50):
        k = mp.mpf(kappa)
        for level in (1e-12, 0.3, 0.9):
            exact = -mp.log1p(mp.mpf(level) * mp.expm1(-2 * k)) / k
            assert radial_t(3, kappa, 1, level)[0] == pytest.approx(float(exact), rel=1e-14, abs=0)


def test_radial_noise_maps_to_t_and_its_complement():
    for m, closed, noise in ((3, 1, 0.3), (3, 0, 0.8), (8, 0, 2.5)):
        for kappa in (0.0, 1e-12, 1e-8, 2.0, 1e9):
            t, rest = radial_t(m, kappa, closed, noise)
            assert t + rest == pytest.approx(2.0, rel=1e-15, abs=0)
    assert radial_t(3, 1e-9, 1, 0.3)[0] == pytest.approx(radial_t(3, 0.99e-9, 1, 0.3)[0], rel=1e-10, abs=0)


def test_leave_one_out():
    cost = np.random.default_rng(0).standard_normal((7, 2))
    expected = np.stack([cost[i] - np.delete(cost, i, axis=0).mean(0) for i in range(7)])
    np.testing.assert_allclose(leave_one_out(cost), expected, rtol=1e-12)
    assert leave_one_out(cost[:1]) is not None
    assert np.array_equal(leave_one_out(cost[:1]), cost[:1])
