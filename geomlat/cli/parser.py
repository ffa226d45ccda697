"""The arguments of the command line, with the help a newcomer reads."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

import geomlat

_TRAIN = """\
Train a model on a data set and leave a run folder: checkpoints, the history, a table of scores, pictures.

With no options, `geomlat train svae` trains a hyperspherical variational autoencoder (von Mises-Fisher latent on the
sphere S^2) on scikit-learn's handwritten digits, then its Gaussian twin on the plane, and compares both with pixels
drawn independently. It takes about half a minute on two cores.

models:
  svae   hyperspherical variational autoencoder; --latent s1, s2, s3, ... (the number is the sphere's dimension)
  nvae   variational autoencoder with a diagonal Gaussian latent; --latent e1, e2, ...
  hvae   hyperbolic variational autoencoder (wrapped normal); --latent h1, h2, ... on the hyperboloid, p1, p2, ... in
         the Poincare ball, u1, u2, ... with a curvature of either sign that is learned
  vae    any of these, t1, t2, ... on the torus, products such as s2,h2,e2 or 4*s2, and e2:full, h2:full, ... with a
         full covariance
  ae     plain autoencoder; --latent e1, e2, ...
"""
_TRAIN_END = """\
Ctrl-C stops a run after a checkpoint; the same command with --resume continues it to the same numbers, bit for bit.
Several runs (--seeds) stop and resume together.

examples:
  geomlat train svae
  geomlat train svae --data mnist --latent s5 --epochs 100 --out runs/mnist-s5
  geomlat train hvae --data mnist --latent h5
  geomlat train hvae --seeds 5 --jobs 2 --out runs/five
  geomlat train vae --data mnist-static --latent e40 --prior vamp:500 --layers gated --hidden 300,300
  geomlat train vae --data freyfaces --latent e40 --prior vamp:500 --layers gated --hidden 300,300
  geomlat train svae --resume --out runs/mnist-s5 --epochs 200
"""
_DATA = """\
List the data sets, or load one and describe it.

Files are looked for below the folder named by the environment variable GEOMLAT_DATA, then in the cache, then
downloaded into the cache; every file is checked against its SHA-256. Below GEOMLAT_DATA:
  mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz
  mnist_binarized/binarized_mnist_packbits.npz (train, valid, test: rows of 98 packed bytes)
  freyfaces/freyfaces_uint8_1965x28x20.npz (images)
  lfw/lfw70_deepfunneled_50x37.npz (images_rgbsum, target); else scikit-learn downloads the pictures into its cache
  earth/earth_latlon_deg.npz (earthquake, flood, fire, volcano: rows of latitude and longitude)
  protein_torus/top8000_phi_psi_chi.npz (cys_deg, cys_res and so on: phi and psi in degrees, names of residues)
  qm9/qm9_geometry.npz (index, n_atoms of each molecule; atomic_number, xyz_angstrom of all atoms in turn)
  directional/r_circular_datasets.npz (wind: radians)
  wordnet/wn30_mammal_closure.csv
"""
_CHECK = """\
Hold every manifold to every law of geometry (geomlat.testing): exp and log are inverse, transport is an isometry,
logdet_exp is the volume of the exponential map, every pullback is the derivative, and so on, on examples aimed at the
places where formulas break. Prints how many examples each law saw; a failure names the law, the smallest inputs found
and the error in ulps, and the exit status is 1. The same command sees the same examples.
"""
_CHECK_END = """\
examples:
  geomlat check
  geomlat check --manifold Sphere --examples 1000
  geomlat check --backend torch
  geomlat check --manifold mypackage.surfaces:Ellipsoid     a manifold, or a class that takes no arguments, of your own
"""
_REPRODUCE = """\
Run the systems that others published, as one table of experiments with their settings, and write what came out beside
what was published. Every run keeps its checkpoints below --out; a command that was stopped continues when repeated.
In a clone of the repository the results go to docs/reproduction/results and the table to REPRODUCTION.md; elsewhere,
and for smoke, below --out.

budgets:
  smoke      everything for a few seconds, to see that it runs
  standard   shortened where it has to be; such rows are called short runs
  full       what the papers ran
"""
_REPRODUCE_END = """\
examples:
  geomlat reproduce --list
  geomlat reproduce --budget smoke
  geomlat reproduce 'svae-*' 'nvae-*' --budget standard --jobs 2
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see `{self.prog} --help`)\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser; each command's name is left in ``args.command``."""
    parser = _Parser(prog="geomlat", description="Train, evaluate and look at small generative models.")
    parser.add_argument("--version", action="version", version=f"geomlat {geomlat.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(_command(commands, "train", "train a model and leave a run folder", _TRAIN, _TRAIN_END))
    evaluate = _command(commands, "evaluate", "score the models of a run folder on its test split")
    _add_folder(evaluate)
    _add_samples(evaluate)
    sample = _command(commands, "sample", "draw from the models of a run folder", _SAMPLE)
    _add_folder(sample)
    sample.add_argument("-n", type=int, default=64, help="how many rows (default: 64)")
    sample.add_argument("--seed", type=int, default=0, help="seed of the draws (default: 0)")
    _add_folder(_command(commands, "plot", "draw the pictures of a run folder again"))
    data = _command(commands, "data", "list the data sets, or fetch one", _DATA)
    data.add_argument("name", nargs="?", metavar="NAME", help="a data set; without it, list them all")
    _add_check(_command(commands, "check", "hold the manifolds to their laws on this machine", _CHECK, _CHECK_END))
    _add_reproduce(_command(commands, "reproduce", "run the published systems again", _REPRODUCE, _REPRODUCE_END))
    return parser


_SAMPLE = "Draw from each model of a run folder that has a prior; writes MODEL/samples.npy and a picture of them."


def _command(commands: argparse._SubParsersAction, name: str, brief: str, text: str = "", end: str = "") -> _Parser:  # type: ignore[type-arg]
    parser: _Parser = commands.add_parser(
        name,
        help=brief,
        description=text or f"{brief[0].upper()}{brief[1:]}.",
        epilog=end,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder that `geomlat train` left")


def _add_samples(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--samples", type=int, metavar="N", default=500, help="importance samples of a row (default: 500)"
    )


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", choices=("svae", "nvae", "hvae", "vae", "ae"), help="what to train")
    data = parser.add_argument_group("what")
    data.add_argument("--data", metavar="NAME", help="a name that `geomlat data` lists (default: digits)")
    data.add_argument("--latent", metavar="SPACE", help="s2 is the sphere S^2, e2 the plane (default: s2, or e2)")
    data.add_argument(
        "--likelihood", metavar="NAME", help="of the data: logistic, bernoulli, ... (default: by data set)"
    )
    data.add_argument("--hidden", type=_widths, metavar="N,N", help="hidden widths (default: by data set)")
    data.add_argument("--kappa-shift", type=float, metavar="C", help="svae: kappa = softplus + C (default: 0)")
    data.add_argument("--family", choices=("vmf", "power", "cauchy"), help="the law on a sphere (default: vmf)")
    data.add_argument("--curvature", type=float, metavar="K", help="of h, p and u; where u starts (default: -1)")
    data.add_argument("--prior", metavar="NAME", help="standard, vamp:K (K pseudo-inputs), vamp:K:data, vamp:K:weights")
    data.add_argument("--layers", choices=("dense", "gated"), help="of the networks (default: dense)")
    data.add_argument("--alone", action="store_true", default=None, help="svae: do not train the Gaussian twin")
    how = parser.add_argument_group("how")
    how.add_argument("--epochs", type=int, metavar="N", help="passes over the data (default: by data set)")
    how.add_argument("--batch-size", type=int, metavar="N", help="rows of a step (default: 64)")
    how.add_argument("--learning-rate", type=float, metavar="R", help="of the optimiser (default: 1e-3)")
    how.add_argument("--beta", type=float, metavar="B", help="weight of the KL term (default: 1)")
    how.add_argument("--warmup", type=int, metavar="N", help="epochs over which that weight grows from 0")
    how.add_argument(
        "--free-bits", type=float, metavar="NATS", help="KL of each factor that costs nothing (default: 0)"
    )
    how.add_argument("--iwae", type=int, metavar="K", help="minimise the importance-weighted bound of K draws")
    how.add_argument(
        "--euclidean-kl",
        action="store_true",
        default=None,
        help="hvae: train with the rate of normal laws in the tangent space, which is not the KL",
    )
    how.add_argument(
        "--optimizer",
        choices=("adam", "normalised"),
        help="normalised divides the gradient of each tensor by its norm first (default: adam)",
    )
    how.add_argument("--curvature-after", type=int, metavar="N", help="u: learn the curvature from epoch N on")
    how.add_argument("--curvature-rate", type=float, metavar="R", help="u: the curvature's own learning rate")
    how.add_argument("--curvature-clip", type=float, metavar="C", help="u: clip the curvature's own gradient")
    how.add_argument("--patience", type=int, metavar="N", help="stop after N epochs without a better validation loss")
    how.add_argument("--seed", type=int, metavar="S", help="the same seed gives the same run (default: 0)")
    how.add_argument("--seeds", type=int, metavar="N", help="N runs with seeds S, S + 1, ...: a table of their means")
    how.add_argument("--jobs", type=int, metavar="J", default=1, help="how many of them at a time (default: 1)")
    _add_samples(how)
    where = parser.add_argument_group("where")
    where.add_argument("--out", type=Path, metavar="DIR", help="the run folder (default: a new one below runs/)")
    where.add_argument("--resume", action="store_true", help="continue the run in DIR, or the last one without --out")


def _add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--backend",
        choices=("numpy", "cupy", "strict", "torch", "jax"),
        default="numpy",
        help="the array library (default: numpy), in float64 and float32; strict is array-api-strict",
    )
    parser.add_argument(
        "--manifold",
        action="append",
        metavar="NAME",
        help="a name such as Sphere, or MODULE:NAME; may be repeated (default: all)",
    )
    parser.add_argument(
        "--examples",
        type=int,
        metavar="N",
        help="examples of each law, a tenth of them of the slow ones (default: 25; 5 where no compiled code runs)",
    )


def _add_reproduce(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="experiments, or patterns of them (default: all)")
    parser.add_argument("--budget", choices=("smoke", "standard", "full"), default="smoke", help="(default: smoke)")
    parser.add_argument(
        "--jobs", type=int, metavar="N", default=os.cpu_count() or 1, help="runs at a time, one core each"
    )
    parser.add_argument("--backend", choices=("numpy", "cupy"), default="numpy", help="(default: numpy)")
    parser.add_argument("--out", type=Path, metavar="DIR", default=Path("runs/reproduce"), help="where the runs live")
    parser.add_argument("--list", action="store_true", help="print the experiments, their gates and times, and stop")
    parser.add_argument("--table", action="store_true", help="run nothing, write the table from the results")


def _widths(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        msg = f"expected widths such as 256,128, got {text!r}"
        raise argparse.ArgumentTypeError(msg) from None
