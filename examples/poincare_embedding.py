"""WordNet's mammals in hyperbolic space: a hierarchy embedded in the Poincare ball, beside Euclidean space.

Nickel and Kiela (2017), "Poincare embeddings for learning hierarchical representations": a noun lies near its hypernyms
and far from sampled other nouns. Riemannian Adam and one hand-written pullback. Writes pictures to ``runs/mammals``.
"""

from pathlib import Path

import numpy as np

from geomlat import data, plot
from geomlat.manifolds import Euclidean, PoincareBall
from geomlat.optim import RiemannianAdam
from geomlat.plot.style import COLOURS, GREY, LINE, canvas
from geomlat.random import stream

NEGATIVES, BATCH, BURN_IN = 20, 512, 10
GROUPS = "canine.n.02 feline.n.01 bovid.n.01 equine.n.01 rodent.n.01 primate.n.02 whale.n.02 bat.n.01 marsupial.n.01"


def loss_vjp(manifold, x, child, others, hidden):
    """-log softmax(-d(child, others)) of the first, the true hypernym, without the hidden; and its pull to x."""
    d, pull_dist = manifold.dist_vjp(x[child][:, None], x[others])
    weight = np.exp(d[:, :1] - d) * ~hidden
    total = weight.sum(axis=1, keepdims=True)

    def pull(g):
        dd = -weight / total
        dd[:, 0] += 1.0
        dchild, dothers = pull_dist(dd / len(d))
        np.add.at(g, child, dchild[:, 0])
        np.add.at(g, others, dothers)

    return np.log(total).mean(), pull


def embed(manifold, relations, *, epochs, lr, seed=0):
    """Points ``(names, n)`` of a manifold, trained on all pairs."""
    n, pairs, rng = len(relations.names), relations.pairs, stream(seed)
    related = np.eye(n, dtype=bool)
    related[tuple(pairs.T)] = True
    x = 1e-3 * rng.child("init").generator().standard_normal((n, manifold.dim))
    batches = -(-len(pairs) // BATCH)
    opt = RiemannianAdam(lambda step: lr if step >= BURN_IN * batches else 0.1 * lr, on=manifold)
    g, state = np.zeros_like(x), opt.init(x.ravel())
    for epoch in range(epochs):
        draw = rng.child("epoch", epoch).generator()
        for batch in np.array_split(draw.permutation(pairs), batches):
            child = batch[:, 0]
            others = np.concatenate([batch[:, 1:], draw.integers(0, n, (len(batch), NEGATIVES))], axis=1)
            hidden = related[child[:, None], others]
            hidden[:, 0] = False
            g[...] = 0.0
            _, pull = loss_vjp(manifold, x, child, others, hidden)
            pull(g)
            opt.update(x.ravel(), g.ravel(), state)
    return x


def scores(manifold, x, pairs):
    """Mean rank of the hypernyms among all unrelated nouns, and mean average precision."""
    distance = manifold.pairwise_dist(x, x)
    np.fill_diagonal(distance, np.inf)
    ranks, precisions = [], []
    for child in np.unique(pairs[:, 0]):
        place = 1 + distance[child].argsort().argsort()
        found = np.sort(place[pairs[pairs[:, 0] == child, 1]])
        count = 1 + np.arange(len(found))
        ranks.append(found - count + 1)
        precisions.append((count / found).mean())
    return np.concatenate(ranks).mean(), np.mean(precisions)


def picture(x, relations):
    """The embedding in the disc: some groups in colour, and how the nouns with ten hyponyms or more hang together."""
    names, pairs = relations.names, relations.pairs
    drawn = plot.Picture(
        canvas(7.6, 7.6).add_subplot(), PoincareBall(2), title="WordNet's mammals in the Poincare disc"
    )
    above, below = (np.bincount(pairs[:, i], minlength=len(names)) for i in (0, 1))
    child, parent = pairs[(above[pairs[:, 1]] == above[pairs[:, 0]] - 1) & (below[pairs[:, 0]] >= 10)].T
    drawn.geodesic(x[child], x[parent], colour=GREY, width=0.7).dots(x, colour=LINE, size=5)
    for group, colour in zip(GROUPS.split(), COLOURS, strict=False):
        root = names.index(group)
        drawn.dots(x[pairs[pairs[:, 1] == root, 0]], colour=colour, size=9).label(
            x[root], group.partition(".")[0], colour=colour
        )
    return drawn.label(x[names.index("mammal.n.01")], "mammal").ax.figure


def main(epochs=150, lr=0.1):
    """Train in two and five dimensions, print scores, draw; returns the path of the picture."""
    mammals, out = data.load("mammals"), Path("runs/mammals")
    out.mkdir(parents=True, exist_ok=True)
    for manifold in (Euclidean(2), Euclidean(5), PoincareBall(5), PoincareBall(2)):
        x = embed(manifold, mammals, epochs=epochs, lr=lr)
        rank, precision = scores(manifold, x, mammals.pairs)
        print(f"{manifold!r:35} mean rank {rank:6.2f}, MAP {precision:.3f}", flush=True)
    return plot.save(picture(x, mammals), out / "mammals.png")


if __name__ == "__main__":
    print(main())
