"""The laws of distributions about arrays: splits of a draw, batches, dtypes and other array libraries."""

from __future__ import annotations

from typing import Any

import numpy as np

from geomlat.backends import thread_limit
from geomlat.distributions.kl import kl_divergence, kl_divergence_vjp
from geomlat.random import stream
from geomlat.testing.example import Array, Example, close, same
from geomlat.testing.measure import fail, host
from geomlat.testing.structure import arrays, names, rebuild


def draws_split(e: Example) -> None:
    """The same draws for any split of the batch or of the sample axes and any number of threads; empty ones too."""
    q, params = e.q, arrays(e.q)
    k = q.batch_shape[0]
    whole = host(q.sample((2, 3), rng=7))
    if whole.shape != (2, 3, *q.batch_shape, *q.event_shape):
        fail("draws_split", q, f"sample((2, 3)) has shape {whole.shape}")
    same(q, "sample(6)", whole.reshape(6, *whole.shape[2:]), q.sample(6, rng=7))
    same(q, "the later draws", whole[1], q.sample(3, rng=stream(7).at(3 * k)))
    same(
        q, "the rest of the batch", q.sample(rng=7)[1:], rebuild(q, [a[1:] for a in params]).sample(rng=stream(7).at(1))
    )
    with thread_limit(1):
        one = q.sample(4000, rng=8)
    same(q, "one thread", one, q.sample(4000, rng=8))
    empty = rebuild(q, [a[:0] for a in params]).sample(4, rng=0)
    if empty.shape != (4, 0, *q.event_shape):
        fail("draws_split", q, f"an empty batch draws {empty.shape}")
    try:
        q.sample((2, -1), rng=0)
    except ValueError as error:
        if "no negative lengths" in str(error):
            return
    fail("draws_split", q, "a negative length of a draw is not refused by name")


def a_batch_is_a_loop(e: Example) -> None:
    """Each law of the batch alone gives the row it gives in the batch; read-only and strided parameters too."""
    q, params = e.q, arrays(e.q)
    x = q.sample(5, rng=3)
    frozen = [np.asfortranarray(np.concatenate([a, a])[: len(a)]) for a in params]
    for a in frozen:
        a.flags.writeable = False
    again = rebuild(q, frozen)
    same(q, "log_prob of read-only parameters", q.log_prob(x), again.log_prob(x))
    same(q, "draws of read-only parameters", x, again.sample(5, rng=3))
    for i in range(q.batch_shape[0]):
        one = rebuild(q, [a[i] for a in params])
        for name, row, alone in (
            ("log_prob", q.log_prob(x)[:, i], one.log_prob(x[:, i])),
            *((("entropy", q.entropy()[i], one.entropy()),) if hasattr(q, "entropy") else ()),
            *((f"KL to {type(p).__name__}", kl_divergence(q, p)[i], _one_divergence(one, p, i)) for p in e.others),
        ):
            close("a_batch_is_a_loop", q, name, row, alone, 1e-13, 1.0)


def single_precision_is_rounded(e: Example) -> None:
    """float32 in gives float32 out in values and cotangents, near the float64 ones; None gives None."""
    narrow, q = rebuild(e.q, [a.astype(np.float32) for a in arrays(e.q)]), e.q
    x = narrow.sample(4, rng=1)
    exact = rebuild(q, [a.astype(np.float64) for a in arrays(narrow)])
    value, pull = narrow.log_prob_vjp(x)
    outputs = {"sample": x, "log_prob": value}
    outputs |= {m: getattr(narrow, m)() for m in ("mean", "mode", "entropy") if hasattr(narrow, m)}
    cotangents = {"log_prob_vjp": (pull(np.ones_like(value)), pull(None))}
    if hasattr(q, "entropy"):
        h, pull_entropy = narrow.entropy_vjp()
        cotangents["entropy_vjp"] = pull_entropy(np.ones_like(h)), pull_entropy(None)
        close("single_precision_is_rounded", q, "entropy", h, exact.entropy(), 1e-5, 1.0)
    if hasattr(q, "rsample_vjp"):
        z, pull_draw = narrow.rsample_vjp(narrow.draw(4, rng=1))
        cost = np.ones(z.shape[:2], np.float32)
        cotangents["rsample_vjp"] = pull_draw(np.ones_like(z), advantage=cost), None
    for p in e.others:
        p32 = rebuild(p, [a.astype(np.float32) for a in arrays(p)])
        outputs[f"KL to {type(p).__name__}"], pull_kl = kl_divergence_vjp(narrow, p32)
        cotangents[f"KL to {type(p).__name__}"] = pull_kl(np.ones(q.batch_shape, np.float32)), pull_kl(None)
    for name, y in outputs.items():
        if host(y).dtype != np.float32 or not np.all(np.isfinite(host(y))):
            fail("single_precision_is_rounded", q, f"{name} of float32 is {y!r}")
    close("single_precision_is_rounded", q, "log_prob", value, exact.log_prob(x.astype(np.float64)), 1e-5, 1.0)
    for name, (full, none) in cotangents.items():
        for g in _leaves(full):
            if g is not None and (g.dtype != np.float32 or not np.all(np.isfinite(g))):
                fail("single_precision_is_rounded", q, f"{name} gives the cotangent {g!r}")
        if any(g is not None for g in _leaves(none)):
            fail("single_precision_is_rounded", q, f"{name} does not treat None as zero")


def libraries_agree(e: Example, xp: Any) -> None:
    """Draws, densities, entropies, divergences, fits and their cotangents are the same on another array library."""
    q, params = e.q, arrays(e.q)
    other = rebuild(q, [xp.asarray(a) for a in params])
    got, expected = (_everything(e, law, lib) for law, lib in ((other, xp), (q, np)))
    for name, ours in expected.items():
        theirs = got[name]
        if (theirs is None) != (ours is None) or (ours is not None and type(theirs) is np.ndarray):
            fail("libraries_agree", q, f"{name} is {type(theirs).__name__} on {xp.__name__}")
        if ours is not None:
            scale = np.max(np.abs(host(ours)), initial=1e-300)
            close("libraries_agree", q, name, host(theirs), host(ours), 1e-12, scale)


def _everything(e: Example, q: Any, xp: Any) -> dict[str, Array | None]:
    z, pull = q.rsample_vjp(q.draw((2,), rng=1)) if hasattr(q, "rsample_vjp") else (q.sample((2,), rng=1), None)
    value, pull_density = q.log_prob_vjp(z)
    gen = np.random.default_rng(0)
    dz, dl = xp.asarray(gen.standard_normal(tuple(z.shape))), xp.asarray(gen.standard_normal(tuple(value.shape)))
    found: dict[str, Array | None] = {"draws": z, "sample": q.sample((2,), rng=1), "log_prob": value}
    found |= {m: getattr(q, m)() for m in ("mean", "mode", "entropy") if hasattr(q, m)}
    trees = {"log_prob": pull_density(dl)}
    if hasattr(q, "entropy"):
        trees["entropy"] = q.entropy_vjp()[1](dl[0, ...])
    if pull is not None:
        trees["rsample"] = pull(dz, advantage=dl)
    for p in e.others:
        p = rebuild(p, [xp.asarray(a) for a in arrays(p)])
        kl, pull_kl = kl_divergence_vjp(q, p)
        found[f"KL to {type(p).__name__}"] = kl
        trees[f"KL to {type(p).__name__}"] = pull_kl(dl[0, ...])
    for name, tree in trees.items():
        found |= {f"cotangent {i} of {name}": g for i, g in enumerate(_leaves(tree))}
    if hasattr(type(q), "fit"):
        x = xp.asarray(np.moveaxis(host(e.q.sample(50, rng=2)), 0, 1).copy())
        fit = type(q).fit(x, xp.asarray(gen.uniform(0.5, 1.5, tuple(x.shape[:2]))))
        found |= {f"fitted {name}": a for name, a in zip(names(fit), arrays(fit), strict=True)}
    return found


def _one_divergence(one: Any, p: Any, i: int) -> Array:
    return kl_divergence(one, rebuild(p, [a[i] for a in arrays(p)]))


def _leaves(tree: Any) -> list[Array | None]:
    return [g for part in tree for g in _leaves(part)] if isinstance(tree, tuple) else [tree]
