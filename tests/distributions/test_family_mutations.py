"""The laws of families can fail: each wrong formula below, put into the source of a family, breaks one of them."""

import dataclasses
import inspect
import sys
import types
import warnings

import numpy as np
import pytest
from test_family_laws import EXAMPLES

from geomlat.backends import Kernel
from geomlat.backends.kernels import Elementwise
from geomlat.backends.sources import digest
from geomlat.distributions import (
    beta,
    gamma,
    kl,
    log_normal,
    mixture,
    normal,
    power_spherical,
    spherical_cauchy,
    von_mises,
    von_mises_fisher,
)
from geomlat.testing import FAMILY_LAWS, SAMPLING_LAWS, Example, LawError

MUTANTS = {
    ("Normal", normal): [
        ("one_number(self.loc, noise) + one_number", "one_number(self.loc, noise) - one_number"),
        ("sum_to(dz * noise, self.scale.shape)", "sum_to(dz, self.scale.shape)"),
        ("0.5 * u * u + xp.log(self.scale)", "u * u + xp.log(self.scale)"),
        ("+ HALF_LOG_TAU, axis=-1)", ", axis=-1)"),
        ("(u * u - 1.0) / self.scale", "(u * u + 1.0) / self.scale"),
        ("sum_to(-g, x.shape)", "sum_to(g, x.shape)"),
        ("(HALF_LOG_TAU + 0.5)", "HALF_LOG_TAU"),
        ("sum_to(dh[..., None] / self._spread(self.scale)", "sum_to(-dh[..., None] / self._spread(self.scale)"),
        ("loc = xp.sum(w * points, axis=-2)", "loc = xp.mean(points, axis=-2)"),
        ("s * s - 1.0 + u * u", "s * s + 1.0 + u * u"),
        ("d * (s - 1.0 / s) / p.scale", "d * s / p.scale"),
        ("d * (1.0 - s * s - u * u)", "d * (1.0 - s * s + u * u)"),
        ("full, first = self._numbers(shape, rng)", "full, first = self._numbers(shape, rng)[0], rng"),
    ],
    ("LogNormal", log_normal): [
        ("return pull_log(None if dz is None else dz * z)", "return pull_log(dz)"),
        ("self.log.log_prob(y) - xp.sum(y, axis=-1)", "self.log.log_prob(y)"),
        ("(dy - sum_to(direct, y.shape)) / xp.exp(y)", "dy / xp.exp(y)"),
        ("sum_to(full, self.loc.shape), self.log", "sum_to(-full, self.loc.shape), self.log"),
        ("self.loc + 0.5 * self.scale", "self.loc + self.scale"),
        ("self.loc - self.scale * self.scale", "self.loc"),
    ],
    ("VonMises", von_mises): [
        ("-xp.sqrt(odds), xp.sqrt(odds)", "-xp.sqrt(odds), odds"),
        ("rest = 2.0 / (1.0 + h * h)", "rest = 1.0 / (1.0 + h * h)"),
        ("narrow(-dz * y * h * rest", "narrow(dz * y * h * rest"),
        ("2.0 * kappa * s * s + vmf", "kappa * s * s + vmf"),
        ("- 2.0 * s * s)", "- s * s)"),
        ("g = dl * kappa * xp.sin(d)", "g = dl * kappa * s"),
        ("LOG_TAU - vmf_kl(2.0", "LOG_TAU + vmf_kl(2.0"),
        ("strength * xp.sin(between)", "strength * between"),
        ("+ p.kappa * chord)", "- p.kappa * chord)"),
        ("tails + vmf_ratio(2.0, q.kappa) * chord", "tails"),
        ("loc = xp.atan2(s, c)", "loc = xp.atan2(c, s)"),
        ("deficit = 2.0 * xp", "deficit = 2.1 * xp"),
        ("xp.sqrt(x + xp.sqrt(1.0 + x * x))", "xp.sqrt(xp.sqrt(1.0 + x * x))"),
    ],
    ("Gamma", gamma): [
        ("math.exp(noise) / rate, least", "math.exp(noise) * rate, least"),
        ("log_gamma_draws(a, full", "log_gamma_draws(1.2 * a, full"),
        ("g = wide(dz) * wide(z)", "g = wide(dz)"),
        ("narrow(-g / wide(self.rate)", "narrow(g / wide(self.rate)"),
        ("(a - 1.0) / inside - r", "a / inside - r"),
        ("(a / r - inside)", "(a / r + inside)"),
        ("+ (a - 1.0) * log_minus_digamma(a)", "+ a * log_minus_digamma(a)"),
        ("trigamma(a) - trigamma_excess(a)", "trigamma_excess(a)"),
        ("return self.shape / self.rate\n", "return self.shape * self.rate\n"),
        ("above = namespace(self.rate), self.shape - 1.0", "above = namespace(self.rate), self.shape - 0.9"),
        ("shape / mean, x.dtype", "mean / shape, x.dtype"),
        ("xp.sum(w * gaps", "xp.mean(gaps"),
        ("ap * log1p_gap(e) + lgamma", "aq * log1p_gap(e) + lgamma"),
        ("ap * e / aq - (ap - aq)", "ap * e / aq + (ap - aq)"),
        ("- xp.log1p(e))", "+ xp.log1p(e))"),
        ("narrow(-d * ap * e / rq", "narrow(-d * aq * e / rq"),
        ("0.5 * math.log(a) - HALF_LOG_TAU", "math.log(a) - HALF_LOG_TAU"),
        ("(a - 1.0) * math.log(x) - y", "a * math.log(x) - y"),
        ("+ log_minus_digamma_scalar(a)\n", "- log_minus_digamma_scalar(a)\n"),
    ],
    ("Beta", beta): [
        ("g = wide(dz) * x * rest", "g = wide(dz) * x"),
        ("-g * beta_stein(b, a, rest, x)", "g * beta_stein(b, a, rest, x)"),
        ("(b - 1.0) / (1.0 - inside)", "b / (1.0 - inside)"),
        ("narrow(dl * da, self.a), narrow(dl * db", "narrow(dl * db, self.a), narrow(dl * da"),
        ("wide(dh)[..., None] * db", "wide(dh)[..., None] * da"),
        ("return self.a / (self.a + self.b)", "return self.b / (self.a + self.b)"),
        ("self._spread(self.b) - 1.0", "self._spread(self.b) - 0.9"),
        ("(1.0 - points) / q)", "points / q)"),
        ("beta_shapes(mean, less, other)", "beta_shapes(mean, less, 1.1 * other)"),
        ("(a - c) * trigamma_diff(a, b)", "(c - a) * trigamma_diff(a, b)"),
        ("- (a - c) * shared", "+ (a - c) * shared"),
        ("digamma_diff(a, b) - digamma_diff(c, d)", "digamma_diff(c, d) - digamma_diff(a, b)"),
        ("log_odds_draws(a, b, full", "log_odds_draws(b, a, full"),
    ],
    ("Mixture-Normal", mixture): [
        ("self.logits - _log_sum_exp(self.logits)[..., None]", "self.logits"),
        ("self.logits.shape[-1]\n        full", "1\n        full"),
        ('.child("component").at(first.offset)', '.child("component")'),
        ("share - xp.exp(self.log_weights())", "share"),
        ("pull_density(dl * share)", "pull_density(dl + 0 * share)"),
        ("hot - xp.exp(self.log_weights())", "hot"),
        ("xp.expand_dims(dz, axis=self._axis) * self._over_event(hot)", "xp.expand_dims(dz, axis=self._axis)"),
        ("xp.cumulative_sum(weights", "xp.cumulative_sum(weights[..., ::-1]"),
        ("return value + self.log_weights(), pull", "return value, pull"),
    ],
    ("SphericalCauchy-4", spherical_cauchy): [
        ("(m - 1.0) * logs", "m * logs"),
        ("(-2.0 * dl * rho / distance)", "(2.0 * dl * rho / distance)"),
        ("(chord - 2.0 * gap) / distance", "chord / distance"),
        ("gap * (1.0 + rho) / d * v, a", "gap * (1.0 - rho) / d * v, a"),
        ("(1.0 + g) * xp.sum(dz * mu", "g * xp.sum(dz * mu"),
        ("p * (2.0 * rho + g * spread)", "p * (rho + g * spread)"),
        ("- 2.0 * rho * g * p / d * a", "- rho * g * p / d * a"),
        ("_to_uniform = sc_kl, sc_dkl", "_to_uniform = sc_kl, sc_kl"),
        ("sum_to(dk * sc_dkl(m, q.rho)", "sum_to(dk * sc_kl(m, q.rho)"),
        ("+ (1.0 - rho) * (1.0 + rho) * step", "+ (1.0 - rho) * step + 1e-3 * mu"),
    ],
    ("VonMisesFisher-4", von_mises_fisher): [
        ("vmf_phi_minus_x(float(m), self._kappa64) + log_area(m)", "vmf_phi_minus_x(float(m), self._kappa64)"),
        ("_to_uniform = vmf_kl, vmf_dkl", "_to_uniform = vmf_kl, vmf_kl"),
        ("_to_uniform = vmf_kl, vmf_dkl", "_to_uniform = vmf_dkl, vmf_dkl"),
        ("self.kappa, tail, noise", "self.kappa, 0 * tail, noise"),
        ("self.kappa, tail, dl", "self.kappa, 0 * tail, dl"),
        ("deficit = 0.5 * xp", "deficit = 0.51 * xp"),
    ],
    ("PowerSpherical-4", power_spherical): [
        ("log_area(m) - ps_log_peak", "log_area(m) + ps_log_peak"),
        ("slope = ps_dlog_peak(", "slope = 2.0 * ps_dlog_peak("),
        ("_to_uniform = ps_kl, ps_dkl", "_to_uniform = ps_kl, ps_kl"),
        ("self.kappa / (self.kappa + (self.event_shape[0] - 1.0))", "self.kappa / (self.kappa + self.event_shape[0])"),
        ("mu = best_direction(xp, points, w, mu)", "mu = mu"),
        ("mean_miss(xp, points, w, mu))", "1.01 * mean_miss(xp, points, w, mu))"),
    ],
}
# The quick tests take two families; the others are looked at by turns.
QUICK = ("Normal", "SphericalCauchy-4")
CASES = [
    pytest.param(name, module, old, new, marks=[] if name in QUICK else pytest.mark.slow)
    for (name, module), pairs in MUTANTS.items()
    for old, new in pairs
]


@pytest.fixture(autouse=True)
def _keep_the_registry(monkeypatch):
    monkeypatch.setattr(kl, "_rules", dict(kl._rules))


def mutant(module, old, new):
    source = inspect.getsource(module)
    assert old in source, old
    copy = types.ModuleType(f"{module.__name__}_mutant")
    sys.modules[copy.__name__] = copy
    exec(compile(source.replace(old, new), copy.__name__, "exec"), copy.__dict__)
    # Kernels that are as they were: the file cache keeps compiled ones by their code, and they name their module.
    for name, value in vars(module).items():
        if isinstance(value, Kernel | Elementwise) and digest(body(value)) == digest(body(vars(copy)[name])):
            vars(copy)[name] = value
    return copy


def body(kernel):  # the row body of either kind
    return kernel.loop.body if isinstance(kernel, Elementwise) else kernel.body


def law_broken(name, module):
    """The first law that the family's example breaks when the classes come from another module, or None."""
    e = EXAMPLES[name]
    families = vars(module)

    def moved(q):
        family = families.get(type(q).__name__, type(q))
        return family(*(getattr(q, f.name) for f in dataclasses.fields(q)))

    q, others = moved(e.q), [moved(p) for p in e.others]
    example = Example(q, e.chart, e.level, e.unit, tuple(p for p in others if kl.has_closed_form(q, p)))
    for law in (*FAMILY_LAWS, *SAMPLING_LAWS):
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                law(example)
        except (LawError, ValueError):
            return law.__name__
    return None


@pytest.mark.parametrize(("name", "module", "old", "new"), CASES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_wrong_formula_is_seen(name, module, old, new):
    assert law_broken(name, mutant(module, old, new))


@pytest.mark.parametrize(("name", "module"), MUTANTS, ids=lambda v: v if isinstance(v, str) else "")
def test_the_formulas_as_they_are_hold(name, module):
    assert law_broken(name, mutant(module, "from __future__", "from __future__")) is None
