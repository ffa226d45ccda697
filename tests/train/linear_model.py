"""A model small enough to read: a noisy linear autoencoder with a quadratic penalty in the place of the KL term."""

import numpy as np

from geomlat.backends import namespace
from geomlat.random import Stream, normal


class Linear:
    def __init__(self, n, noise=0.1):
        self.n, self.noise = n, noise

    def config(self):
        return {"kind": "linear", "n": self.n, "noise": self.noise, "tuple": (1, 2)}

    def init(self, *, rng, dtype):
        return 0.3 * normal(self.n * self.n, rng=rng, dtype=dtype)

    def view(self, vector):
        if vector.shape != (self.n * self.n,):
            raise ValueError(f"the vector has shape {vector.shape}")
        return {"w": vector.reshape((self.n, self.n))}

    def draw(self, theta, x, *, rng):
        if x.shape[1] != self.n:
            raise ValueError(f"rows have {x.shape[1]} features, the model {self.n}")
        return self.noise * normal(x.shape, rng=rng, dtype=x.dtype, xp=namespace(x))

    def parts(self, theta, x, noise):
        w = self.view(theta)["w"]
        noise = self.draw(theta, x, rng=noise) if isinstance(noise, Stream) else noise
        error = x @ w + noise - x
        return error, 0.5 * (error * error).sum() / x.shape[0], 0.5 * (theta * theta).sum()

    def loss_vjp(self, theta, x, noise, *, beta=1.0):
        error, reconstruction, kl = self.parts(theta, x, noise)

        def pull(g):
            g["w"] += x.T @ error / x.shape[0] + beta * self.view(theta)["w"]

        return reconstruction + beta * kl, pull

    def report(self, theta, x, noise):
        _, reconstruction, kl = self.parts(theta, x, noise)
        return {"loss": reconstruction + kl, "reconstruction": reconstruction, "kl": kl}


def data(rows=50, n=4, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((rows, n)).astype(dtype)


def without_seconds(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]
