"""Run folders: what was asked for (``run.json``), and one folder with checkpoints for each model."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from geomlat import models
from geomlat.data import Dataset
from geomlat.grad import Layout
from geomlat.optim import Adam, Optimizer, apart, normalised
from geomlat.random import stream
from geomlat.train import CheckpointError
from geomlat.train.checkpoint import writable_folder, write_atomic
from geomlat.train.settings import Settings, at_least

RUN = "run.json"
# What may change when a run resumes.
_FREE = {"epochs", "patience", "alone"}
# What a plain autoencoder does not have.
_VARIATIONAL = ("prior", "layers", "curvature", "beta", "warmup", "free_bits", "iwae", "euclidean_kl")
NAMES = {"svae": "S-VAE", "nvae": "N-VAE", "hvae": "H-VAE", "vae": "VAE", "ae": "AE"}
# The latent space of each model when none is named, and the letters of those it can have; none: any, and products.
LATENTS = {
    "svae": ("s2", "s"),
    "nvae": ("e2", "e"),
    "hvae": ("h2", "hpu"),
    "vae": ("e2", ""),
    "ae": ("e2", "e"),
}


@dataclass(frozen=True)
class Run:
    """The settings of a run; with the seed they determine every number in it."""

    model: str
    data: str = "digits"
    latent: str = "s2"
    likelihood: str | None = None
    hidden: tuple[int, ...] = (256, 128)
    kappa_shift: float = 0.0
    family: str = "vmf"
    curvature: float | None = None
    prior: str = "standard"
    layers: str = "dense"
    alone: bool = False
    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 1e-3
    beta: float = 1.0
    warmup: int = 10
    free_bits: float = 0.0
    iwae: int = 0
    euclidean_kl: bool = False
    optimizer: str = "adam"
    curvature_after: int = 0
    curvature_rate: float | None = None
    curvature_clip: float | None = None
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        # The loop's own checks, before anything is written.
        stream(self.seed)
        at_least("curvature_after", self.curvature_after, 0)
        Settings(
            epochs=self.epochs,
            batch_size=self.batch_size,
            optimizer=self._own(Adam(self.learning_rate)),
            beta=self.beta,
            warmup_epochs=self.warmup,
            patience=self.patience,
            min_delta=0.0,
            prepare=None,
            average=None,
            drop_last=False,
            dtype="float32",
        )

    @property
    def members(self) -> dict[str, str]:
        """The models to train and their latent spaces: an S-VAE brings its Gaussian twin of the same dimension."""
        twin = {"nvae": f"e{self.latent[1:]}"} if self.model == "svae" and not self.alone else {}
        return {self.model: self.latent, **twin}

    def build(self, member: str, dataset: Dataset) -> Any:
        """A model as a description, not trained."""
        shape: dict[str, Any] = {
            "latent": self.members[member],
            "hidden": self.hidden,
            "likelihood": self.likelihood or dataset.likelihood,
        }
        if member == "ae":
            return models.autoencoder(dataset.n_features, **shape)
        if "s" in self.members[member]:
            shape |= {"family": self.family}
            shape |= {"kappa_shift": self.kappa_shift} if self.family != "cauchy" else {}
        if self.curvature is not None:
            shape["curvature"] = self.curvature
        shape |= {"prior": self.prior, "layers": self.layers, "free_bits": self.free_bits, "iwae": self.iwae}
        return models.vae(dataset.n_features, **shape, euclidean_kl=self.euclidean_kl and member == self.model)

    def optimiser(self, model: Any, rows: int) -> Optimizer:
        """The update rule for a model trained on so many rows; a learned curvature has its own."""
        rest = normalised if self.optimizer == "normalised" else _plain
        after = self.curvature_after * -(-rows // self.batch_size)
        found: Optimizer = rest(model.layout, self.learning_rate)
        return apart(model.layout, found, self._own(found), after=after)

    def _own(self, rest: Optimizer) -> Optimizer:
        return Adam(rest.lr if self.curvature_rate is None else self.curvature_rate, clip=self.curvature_clip)


def _plain(layout: Layout, rate: float) -> Optimizer:
    return Adam(rate)


# The number of epochs and the warm-up of a comfortable run; the hidden layers of a small image.
DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"hidden": (128, 64), "epochs": 500, "warmup": 30, "patience": 50},
    "circle": {"hidden": (32,), "epochs": 100, "warmup": 10},
}


def resolve(args: Namespace) -> tuple[Path, Run]:
    """The folder and the settings of ``geomlat train``, written down for a new run, read back for a resumed one.

    Raises
    ------
    ValueError
        If the folder already holds a run and ``--resume`` was not given, or the model and its latent do not match.
    CheckpointError
        If there is nothing to resume, or a resumed run is asked for other settings than its own.
    """
    given = {f.name: v for f in fields(Run) if (v := getattr(args, f.name, None)) is not None}
    if args.resume:
        folder = args.out or _latest(_stem(given))
        before = read(folder)
        run = replace(before, **given)
        _require_same(folder, before, run)
    else:
        defaults = DEFAULTS.get(given.get("data", "digits"), {})
        latent = {"latent": LATENTS[args.model][0]}
        run = Run(**{**defaults, **latent, **given})
        folder = args.out or _free(_stem(given))
    letters = LATENTS[run.model][1]
    if letters and ("," in run.latent or not run.latent.startswith(tuple(letters))):
        known = "; ".join(f"{letter}1, {letter}2, ..." for letter in letters)
        msg = (
            f"{run.model} needs --latent {known}, got {run.latent!r}; `geomlat train vae` has every space and products"
        )
        raise ValueError(msg)
    if not args.resume:
        _require_used(run, given)
    if not args.resume and (folder / RUN).exists():
        msg = f"{folder} already holds a run; continue it with --resume, or choose another --out"
        raise ValueError(msg)
    return folder, run


def new_folder(args: Namespace, suffix: str) -> Path:
    """A folder below runs/ that is still free, named after what was asked for."""
    given = {f.name: v for f in fields(Run) if (v := getattr(args, f.name, None)) is not None}
    return _free(f"{_stem(given)}-{suffix}")


def write(folder: Path, run: Run) -> None:
    """Make the folder and write the settings of a run."""
    write_atomic(writable_folder(folder) / RUN, (json.dumps(asdict(run), indent=2) + "\n").encode())


def read(folder: Path) -> Run:
    """The settings of the run in a folder.

    Raises
    ------
    CheckpointError
        If the folder holds no run, or its settings cannot be read.
    """
    try:
        settings = json.loads((folder / RUN).read_text())
        return Run(**{**settings, "hidden": tuple(settings["hidden"])})
    except FileNotFoundError:
        msg = f"{folder} holds no run (there is no {RUN}); make one with `geomlat train`"
        raise CheckpointError(msg) from None
    except (ValueError, TypeError, KeyError) as failure:
        msg = f"{folder / RUN} is damaged ({failure})"
        raise CheckpointError(msg) from failure


def fitted(folder: Path, run: Run) -> dict[str, Any]:
    """The trained models of a run."""
    return {member: models.load(folder / member) for member in run.members}


def _require_used(run: Run, given: dict[str, Any]) -> None:
    spaces = run.latent.replace(":full", "")
    idle = {
        *(_VARIATIONAL if run.model == "ae" else ()),
        *(("family", "kappa_shift") if "s" not in spaces else ()),
        *(("kappa_shift",) if run.family == "cauchy" else ()),
        *(("curvature_after", "curvature_rate", "curvature_clip") if "u" not in spaces else ()),
        *(("alone",) if run.model != "svae" else ()),
    } & given.keys()
    if idle:
        what = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(idle))
        msg = f"{what} would do nothing for {run.model} with latent {run.latent}; leave it out"
        raise ValueError(msg)


def _require_same(folder: Path, before: Run, now: Run) -> None:
    old, new = asdict(before), asdict(now)
    changed = [name for name in old if old[name] != new[name] and name not in _FREE]
    if changed:
        what = "; ".join(f"{name}: {old[name]!r} then, {new[name]!r} now" for name in changed)
        msg = f"{folder} holds another run ({what}); leave these options out, or train into another --out"
        raise CheckpointError(msg)


def _stem(given: dict[str, Any]) -> str:
    parts = [given["model"], given.get("data", "digits"), given.get("latent", ""), given.get("seed", "")]
    return "-".join(str(p).replace(":", "-") for p in parts if p != "")


def _free(stem: str) -> Path:
    numbered = (Path("runs", stem if n == 1 else f"{stem}.{n}") for n in range(1, 10**6))
    return next(path for path in numbered if not path.exists())


def _latest(stem: str) -> Path:
    found = [p.parent for p in Path("runs").glob(f"*/{RUN}") if f"{p.parent.name}.".startswith(f"{stem}.")]
    if not found:
        msg = f"there is no run to resume below runs/ named {stem}; say which with --out"
        raise CheckpointError(msg)
    return max(found, key=lambda p: (p / RUN).stat().st_mtime)
