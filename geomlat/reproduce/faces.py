"""Grey faces: VampPrior beside standard prior on the Frey faces, three geometries on Labeled Faces in the Wild.

Tomczak and Welling (2018), "VAE with a VampPrior", and a course report that repeated it: two gated layers of 300, 500
pseudo-inputs, batches of 100, learning rate 5e-4, KL warm-up over 100 epochs, one image of 560 grey levels by a
discretised logistic law. Both published an unnormalised one, without edge bins; ours sums to one. Both priors are
trained alike, pseudo-inputs start at training frames, and seed k is random split k, so that runs differ in their data
too. A random split of a video leaks (`geomlat.data.freyfaces`): the contiguous split stands beside it.

The post on constant curvature prints -966.9, -1047.0 and -987.0 nats for its best flat, round and hyperbolic models of
LFW, without the size of the pictures or the likelihood. They are no numbers of these pictures: under the cross-entropy
of greys in [0, 1] even perfect reconstructions cost 1147 nats here. So the gate is the pixel histograms.
"""

from __future__ import annotations

from collections.abc import Mapping

from geomlat.data import freyfaces
from geomlat.evaluate import bits_per_dimension
from geomlat.reproduce import vae
from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.floors import FLOORS
from geomlat.reproduce.paired import gap
from geomlat.reproduce.task import Task

FREY = {
    "data": "freyfaces",
    "hidden": [300, 300],
    "learning_rate": 5e-4,
    "batch_size": 100,
    "epochs": 2000,
    "warmup": 100,
    "patience": 50,
    "samples": 5000,
    "test_rows": 200,
}
LFW = {**vae.FULL, "data": "lfw", "epochs": 1000, "test_rows": 194}
SHORT = {"epochs": 250, "warmup": 50, "samples": 500}
SMOKE = {name: vae.SMOKE[name] for name in ("data", "hidden", "epochs", "warmup", "samples", "test_rows")}
PRIORS = {"vae": ("standard", "standard prior"), "vamp": ("vamp:500", "VampPrior, K = 500")}
# Bits per dimension of the report by latent size: the standard prior, the VampPrior.
REPORT = {10: (4.569, 4.555), 40: (4.620, 4.532), 100: (4.562, 4.537)}


def run(task: Task) -> Mapping[str, float]:
    """Train and score a model of grey levels: what `vae.run` gives, and ``bits``, bits per dimension."""
    name = task.settings["data"]
    data = freyfaces(task.seed) if name == "freyfaces" else vae.images(name)
    found = vae.measured(task, data)
    keys = ("log_p", "log_p_error", "log_p_untrained")
    bits, error, before = (bits_per_dimension(found[key], data.n_features) for key in keys)
    return {**found, "bits": bits, "bits_error": -error, "bits_untrained": before}


def _experiment(
    name: str,
    system: str,
    data: str,
    settings: Mapping[str, object],
    smoke: Mapping[str, object],
    *,
    runs: tuple[int, int],
    minutes: float,
    published: Published | None = None,
    gates: tuple[Gate, ...] = (),
) -> Experiment:
    budgets = {
        "smoke": Budget({**settings, **SMOKE, **smoke}, minutes=0.03),
        "standard": Budget({**settings, **SHORT}, runs[0], minutes),
        "full": Budget(settings, runs[1], 8 * minutes),
    }
    return Experiment(
        name=name,
        system=system,
        data=data,
        measure="bits",
        quantity="bits per dimension",
        higher_is_better=False,
        run=run,
        budgets=budgets,
        published=published,
        gates=gates,
        floor=FLOORS[str(settings["data"])],
    )


def _frey(prior: str, dim: int, data: str = "freyfaces") -> Experiment:
    value = REPORT[dim][prior == "vamp"]
    text, words = PRIORS[prior]
    random = data == "freyfaces"
    # The literature's own target at 40 dimensions, the report's number elsewhere.
    gate = 4.54 if (prior, dim) == ("vamp", 40) else value
    return _experiment(
        f"{prior}-{data}-d{dim}",
        f"VAE, {words}, R^{dim}",
        "Frey faces, " + ("random splits (which leak)" if random else "contiguous split"),
        {**FREY, "data": data, "latent": f"e{dim}", "model": {"layers": "gated", "prior": text}},
        {"model": {"layers": "gated", "prior": text.replace("500", "10")}},
        runs=(1, 5) if random else (1, 3),
        minutes=5 if prior == "vae" else 15,
        published=Published(value=value, source="VampPrior report", mark="doc") if random else None,
        gates=(Gate(measure="bits", at_most=gate if random else FLOORS[data].value),),
    )


def _ablation(prior: str, value: float, hidden: int, count: int) -> Experiment:
    text, words = ("standard", "standard prior") if prior == "vae" else (f"vamp:{count}", f"VampPrior, K = {count}")
    settings = {**FREY, "hidden": [hidden, hidden], "latent": "e40", "model": {"layers": "gated", "prior": text}}
    return _experiment(
        f"{prior}-freyfaces-d40-" + (f"h{hidden}" if hidden != 300 else f"k{count}"),
        f"VAE, {words}, {hidden} units, R^40",
        "Frey faces, random splits (which leak)",
        settings,
        {"model": {"layers": "gated", "prior": text if prior == "vae" else "vamp:10"}},
        runs=(1, 5),
        minutes=7 if prior == "vae" else 0.02 * hidden + 0.018 * count,
        published=Published(value=value, source="VampPrior report", mark="doc"),
        gates=(Gate(measure="bits", at_most=value),),
    )


def _lfw(kind: str, system: str, latent: str, minutes: float) -> Experiment:
    return _experiment(
        f"{kind}-lfw-d{latent[1:]}",
        f"{system}^{latent[1:]}",
        "LFW, 7 people, 50 x 37 greys",
        {**LFW, "latent": latent, "model": {}},
        {},
        runs=(1, 5),
        minutes=minutes,
        gates=(Gate(measure="bits", at_most=FLOORS["lfw"].value, errors=3.0),),
    )


def _gap(dim: int, data: str = "freyfaces") -> Experiment:
    random = data == "freyfaces"
    source = "VampPrior report, difference"
    return gap(
        FREYFACES[data, "vamp", dim],
        FREYFACES[data, "vae", dim],
        name=f"vamp-minus-vae-{data}-d{dim}",
        quantity="log p(x), nats",
        errors=3.0,
        published=Published(value=DIFFERENCES[dim], source=source, mark="doc") if random else None,
    )


# In nats a picture: 560 log 2 nats for each bit per dimension.
DIFFERENCES = {dim: round((vae_ - vamp) * 388.16, 1) for dim, (vae_, vamp) in REPORT.items()}
KINDS = (
    *(("freyfaces", prior, dim) for dim in REPORT for prior in PRIORS),
    *(("freyfaces-contiguous", prior, 40) for prior in PRIORS),
)
FREYFACES = {(data, prior, dim): _frey(prior, dim, data) for data, prior, dim in KINDS}

EXPERIMENTS = (
    *FREYFACES.values(),
    _ablation("vae", 4.620, 600, 0),
    _ablation("vamp", 4.536, 600, 500),
    _ablation("vamp", 4.532, 300, 1000),
    _ablation("vamp", 4.528, 300, 100),
    *(_gap(dim) for dim in REPORT),
    _gap(40, "freyfaces-contiguous"),
    *(_lfw("nvae", "N-VAE, R", f"e{d}", 4) for d in (2, 5)),
    *(_lfw("svae", "S-VAE, S", f"s{d}", 4) for d in (2, 5)),
    *(_lfw("hvae", "H-VAE, H", f"h{d}", 7) for d in (2, 5)),
)
