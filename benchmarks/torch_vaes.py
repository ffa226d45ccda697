"""The same VAEs, and RealNVP, in eager torch, as their authors train them: autograd, ``torch.optim.Adam``, float32.

``trainer(name, batches, fused=...)`` makes a function that takes one step of training. The von Mises-Fisher latent uses
the method of s-vae-pytorch, as a distribution of torch with that package's checks and defaults (rejection in the manner
of Wood, a Householder reflection, Bessel functions by SciPy on the host), and the hyperbolic one that of Nagano et al.
(2019); both are written anew here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import torch
from scipy import special
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

Tensor = torch.Tensor


def dense(*sizes: int, last: bool = False) -> nn.Sequential:
    """Linear layers and relus; the last one stays linear if asked for."""
    parts: list[nn.Module] = []
    for n, m in pairwise(sizes):
        parts += [nn.Linear(n, m), nn.ReLU()]
    return nn.Sequential(*parts[: -1 if last else None])


class Gated(nn.Module):
    """A linear map times the sigmoid of another."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__()
        self.h, self.g = nn.Linear(n, m), nn.Linear(n, m)

    def forward(self, x: Tensor) -> Tensor:
        return self.h(x) * torch.sigmoid(self.g(x))


class GaussianVAE(nn.Module):
    """A diagonal Gaussian posterior with its closed-form rate."""

    def __init__(self, n: int, hidden: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.encoder, self.head = dense(n, *hidden), nn.Linear(hidden[-1], 2 * dim)
        self.decoder = dense(dim, *reversed(hidden), n, last=True)

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound."""
        mean, raw = self.head(self.encoder(x)).chunk(2, dim=-1)
        scale = F.softplus(raw)
        z = mean + scale * torch.randn_like(scale)
        rate = 0.5 * (mean**2 + scale**2 - 1.0) - torch.log(scale)
        return nll(self.decoder(z), x) + rate.sum(-1).mean()


class VampVAE(nn.Module):
    """Gated layers and a VampPrior, with the (batch, components, coordinates) array of the authors' program."""

    def __init__(self, n: int, hidden: tuple[int, ...], dim: int, components: int) -> None:
        super().__init__()
        widths = (n, *hidden)
        self.encoder = nn.Sequential(*(Gated(a, b) for a, b in zip(widths, hidden, strict=False)))
        self.head = nn.Linear(hidden[-1], 2 * dim)
        back = (dim, *reversed(hidden))
        gates = (Gated(a, b) for a, b in pairwise(back))
        self.decoder = nn.Sequential(*gates, nn.Linear(hidden[0], n))
        self.pseudo = nn.Parameter(0.5 + 0.1 * torch.randn(components, n))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation."""
        mean, raw = self.head(self.encoder(x)).chunk(2, dim=-1)
        return mean, F.softplus(raw)

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound at one draw."""
        mean, scale = self.posterior(x)
        z = mean + scale * torch.randn_like(scale)
        means, scales = self.posterior(self.pseudo.clamp(0.0, 1.0))
        u = (z[:, None] - means) / scales
        pairs = -(0.5 * u * u + torch.log(scales)).sum(-1) - math.log(len(means))
        log_q = -(0.5 * ((z - mean) / scale) ** 2 + torch.log(scale)).sum(-1)
        return nll(self.decoder(z), x) + (log_q - torch.logsumexp(pairs, -1)).mean()


class Bessel(torch.autograd.Function):
    """``ive`` by SciPy on the host, of order 0 and 1 by its own functions; its derivative takes two more of them."""

    @staticmethod
    def forward(ctx: Any, order: float, k: Tensor) -> Tensor:  # type: ignore[override]
        """The exponentially scaled Bessel function, in k's dtype."""
        ctx.order = order
        ctx.save_for_backward(k)
        values = k.detach().cpu().numpy()
        if np.isclose(order, 0):
            found = special.i0e(values)
        elif np.isclose(order, 1):
            found = special.i1e(values)
        else:
            found = special.ive(order, values, dtype=values.dtype)
        return torch.Tensor(found)

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[None, Tensor]:  # type: ignore[override]
        """``I_{v-1} - I_v (v + k) / k``, scaled."""
        (k,), v = ctx.saved_tensors, ctx.order
        return None, d * (Bessel.apply(v - 1, k) - Bessel.apply(v, k) * (v + k) / k)


class SphericalVAE(nn.Module):
    """A von Mises-Fisher posterior on the sphere of R^m; the gradient of kappa is the pathwise term alone, as there."""

    def __init__(self, n: int, hidden: tuple[int, ...], m: int, candidates: int = 1) -> None:
        super().__init__()
        self.m, self.candidates = m, candidates
        self.encoder, self.mean, self.raw = dense(n, *hidden), nn.Linear(hidden[-1], m), nn.Linear(hidden[-1], 1)
        self.decoder = dense(m, *reversed(hidden), n, last=True)

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound."""
        h = self.encoder(x)
        mean = self.mean(h)
        q = Directional(mean / mean.norm(dim=-1, keepdim=True), F.softplus(self.raw(h)) + 1.0, self.candidates)
        rate = torch.distributions.kl_divergence(q, Uniform(self.m))
        return nll(self.decoder(q.rsample()), x) + rate.mean()


class Directional(torch.distributions.Distribution):
    """The von Mises-Fisher law as a distribution of torch, whose arguments torch checks.

    ``candidates`` of the sampler are 1 unless the package is told otherwise; every row then takes part in each round
    until the last one has been accepted.
    """

    arg_constraints: ClassVar[dict[str, Any]] = {
        "loc": torch.distributions.constraints.real,
        "scale": torch.distributions.constraints.positive,
    }
    has_rsample = True

    def __init__(self, loc: Tensor, scale: Tensor, candidates: int) -> None:
        self.loc, self.scale, self.candidates, self.m = loc, scale, candidates, loc.shape[-1]
        self.axis = torch.Tensor([1.0] + [0.0] * (self.m - 1))
        super().__init__(loc.size())

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """The point at cosine w from the first axis, in a uniform direction, reflected so that the axis goes to loc."""
        w = self.radial()
        v = torch.distributions.Normal(0, 1).sample(self.loc.shape).transpose(0, -1)[1:].transpose(0, -1)
        v = v / v.norm(dim=-1, keepdim=True)
        x = torch.cat((w, torch.sqrt(torch.clamp(1 - w**2, 1e-10)) * v), -1)
        u = self.axis - self.loc
        u = u / (u.norm(dim=-1, keepdim=True) + 1e-5)
        return x - 2 * (x * u).sum(-1, keepdim=True) * u

    def radial(self) -> Tensor:
        """Cosines to the mean: the first accepted of some candidates, until every row has one.

        The envelope changes to its limit where kappa goes from 10 to 11; Beta variates are drawn in float64.
        """
        k, m = self.scale, self.m
        c = torch.sqrt(4 * k**2 + (m - 1) ** 2)
        far = torch.min(torch.max(torch.tensor([0.0]), k - 10), torch.tensor([1.0]))
        b = (m - 1) / (4 * k) * far + (c - 2 * k) / (m - 1) * (1 - far)
        a = (m - 1 + 2 * k + c) / 4
        d = 4 * a * b / (1 + b) - (m - 1) * math.log(m - 1)
        w, e, todo = torch.zeros_like(b), torch.zeros_like(b), torch.ones_like(b) == 1
        while todo.sum() != 0:
            new, proposed, drawn = self.accepted(a, b, d)
            mask = todo * new
            w[mask], e[mask] = proposed[mask], drawn[mask]
            todo[mask] = ~new[mask]
        return w

    def accepted(self, a: Tensor, b: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Which rows have one among their candidates, the cosine of the first of them and its variate."""
        m, size = self.m, torch.Size([len(b), self.candidates])
        half = torch.tensor((m - 1) / 2, dtype=torch.float64)
        e = torch.distributions.Beta(half, half).sample(size).type(b.dtype)
        u = torch.distributions.Uniform(1e-20, 1 - 1e-20).sample(size).type(b.dtype)
        w = (1 - (1 + b) * e) / (1 - (1 - b) * e)
        t = 2 * a * b / (1 - (1 - b) * e)
        good = (m - 1.0) * t.log() - t + d > torch.log(u)
        first = torch.where(good.any(dim=-1), good.float().argmax(dim=1), torch.tensor(-1)).unsqueeze(1)
        place = first.clamp(0)
        return ~(first < 0), w.gather(1, place), e.gather(1, place)

    def entropy(self) -> Tensor:
        """From the ratio of two Bessel functions, and the normaliser by a third."""
        k, m = self.scale, self.m
        mean = -k * Bessel.apply(m / 2, k) / Bessel.apply(m / 2 - 1, k)
        log_bessel = k + torch.log(Bessel.apply(m / 2 - 1, k))
        return (mean - ((m / 2 - 1) * torch.log(k) - (m / 2) * math.log(2 * math.pi) - log_bessel))[..., 0]


class Uniform(torch.distributions.Distribution):
    """The uniform law on the sphere of R^m."""

    def __init__(self, m: int) -> None:
        self.m = m
        super().__init__(torch.Size([m]), validate_args=False)

    def entropy(self) -> Tensor:
        """The logarithm of the area."""
        m = self.m
        return math.log(2) + (m / 2) * math.log(math.pi) - torch.lgamma(torch.Tensor([m / 2]))


@torch.distributions.kl.register_kl(Directional, Uniform)
def directional_uniform(q: Directional, p: Uniform) -> Tensor:
    """A difference of entropies."""
    return p.entropy() - q.entropy()


class HyperbolicVAE(nn.Module):
    """A wrapped normal posterior on the hyperboloid, its rate at one draw."""

    def __init__(self, n: int, hidden: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.encoder, self.head = dense(n, *hidden), nn.Linear(hidden[-1], 2 * dim)
        self.decoder = dense(dim + 1, *reversed(hidden), n, last=True)

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound at one draw."""
        mean, raw = self.head(self.encoder(x)).chunk(2, dim=-1)
        scale = F.softplus(raw)
        origin = torch.zeros(self.dim + 1)
        origin[0] = 1.0
        mu = lorentz_exp(origin, F.pad(mean, (1, 0)))
        v = scale * torch.randn_like(scale)
        lifted = F.pad(v, (1, 0))
        alpha = mu[..., :1]
        u = lifted + lorentz(mu - alpha * origin, lifted) / (alpha + 1) * (origin + mu)
        z = lorentz_exp(mu, u)
        log_q = -(0.5 * (v / scale) ** 2 + torch.log(scale)).sum(-1) - self.volume(u)
        distance = torch.acosh(z[..., 0].clamp(min=1 + 1e-6))
        log_p = -0.5 * distance**2 - (self.dim - 1) * (torch.log(torch.sinh(distance)) - torch.log(distance))
        return nll(self.decoder(z), x) + (log_q - log_p).mean()

    def volume(self, u: Tensor) -> Tensor:
        """The log-determinant of the exponential map."""
        r = lorentz(u, u).clamp(min=1e-12).sqrt()[..., 0]
        return (self.dim - 1) * (torch.log(torch.sinh(r)) - torch.log(r))


def lorentz(a: Tensor, b: Tensor) -> Tensor:
    """The Lorentzian product of the last axis, which is kept."""
    return (a[..., 1:] * b[..., 1:]).sum(-1, keepdim=True) - a[..., :1] * b[..., :1]


def lorentz_exp(x: Tensor, u: Tensor) -> Tensor:
    """The exponential map."""
    r = lorentz(u, u).clamp(min=1e-12).sqrt()
    return torch.cosh(r) * x + torch.sinh(r) / r * u


class RealNVP(nn.Module):
    """Affine couplings that keep one half and the other in turn, a standard normal base."""

    def __init__(self, dim: int, blocks: int, hidden: tuple[int, ...]) -> None:
        super().__init__()
        self.kept = dim // 2
        moved = dim - self.kept
        self.nets = nn.ModuleList(dense(self.kept, *hidden, 2 * moved, last=True) for _ in range(blocks))

    def loss(self, x: Tensor) -> Tensor:
        """The negative log-likelihood."""
        total = torch.zeros(())
        for net in self.nets:
            a, b = x[:, : self.kept], x[:, self.kept :]
            shift, raw = net(a).chunk(2, dim=-1)
            scale = torch.tanh(raw)
            x = torch.cat((b * torch.exp(scale) + shift, a), dim=-1)
            total = total + scale.sum(-1)
        density = -0.5 * (x**2).sum(-1) - 0.5 * x.shape[1] * math.log(2 * math.pi)
        return -(density + total).mean()


def nll(logits: Tensor, x: Tensor) -> Tensor:
    """The cross-entropy of a row, averaged over the batch."""
    return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)


def trainer(model: Any, batches: np.ndarray, *, fused: bool) -> Callable[[], None]:
    """One step of training at each call, on the batches in turn."""
    torch.manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=fused)
    rows, count = torch.from_numpy(batches), [0]

    def step() -> None:
        optimiser.zero_grad()
        model.loss(rows[count[0] % len(rows)]).backward()
        optimiser.step()
        count[0] += 1

    return step
