"""A VampPrior beside the standard prior on statically binarised MNIST, and both by latent size.

Tomczak and Welling (2018), "VAE with a VampPrior": two gated layers of 300, 40 latent dimensions, 500 pseudo-inputs,
batches of 100, Adam 5e-4 on normalised gradients, KL warm-up over 100 epochs, patience 50, up to 2000 epochs, 5000
importance samples. The numbers by latent size are of a course report (1000 epochs, a split of its own). Both priors are
trained alike; the pseudo-inputs start at training images; the gap is paired over the test images.
"""

from __future__ import annotations

from typing import Any

from geomlat.reproduce import vae
from geomlat.reproduce.experiment import Budget, Experiment, Gate, Published
from geomlat.reproduce.floors import FLOORS
from geomlat.reproduce.paired import gap

FULL: dict[str, Any] = {
    "data": "mnist-static",
    "hidden": [300, 300],
    "learning_rate": 5e-4,
    "normalised": True,
    "batch_size": 100,
    "epochs": 2000,
    "warmup": 100,
    "patience": 50,
    "samples": 5000,
    "test_rows": 10000,
}
STANDARD = {**FULL, "epochs": 100, "warmup": 30, "test_rows": 1000}
# The ablation by latent size, which the report ran for half as long as the paper.
SHORTER = {**STANDARD, "epochs": 40, "warmup": 15}
SMOKE = {**FULL, **{name: vae.SMOKE[name] for name in ("data", "hidden", "epochs", "warmup", "samples", "test_rows")}}
PAPER, REPORT = "Tomczak and Welling 2018", "VampPrior report"
PRIORS = {"vae": "standard", "vamp": "vamp:500"}


def _experiment(prior: str, dim: int, published: Published, gate: float, **changes: object) -> Experiment:
    def budget(settings: dict[str, object], runs: int, minutes: float) -> Budget:
        name = "vamp:10" if settings is SMOKE and prior == "vamp" else PRIORS[prior]
        model = {"layers": "gated", "prior": name}
        return Budget({**settings, **changes, "latent": f"e{dim}", "model": model}, runs, minutes)

    words = {"vae": "standard prior", "vamp": "VampPrior, K = 500"}[prior]
    standard = STANDARD if dim == 40 else SHORTER
    minutes = (15 if prior == "vae" else 40) * standard["epochs"] / STANDARD["epochs"]
    return Experiment(
        name=f"{prior}-static-d{dim}",
        system=f"VAE, {words}, R^{dim}",
        data="MNIST, static binarisation (Larochelle)",
        measure="log_p",
        quantity="log p(x), nats",
        higher_is_better=True,
        run=vae.run,
        budgets={
            "smoke": budget(SMOKE, 1, 0.03),
            "standard": budget(standard, 1, minutes),
            "full": budget(FULL, 3, 250 if prior == "vae" else 800),
        },
        published=published,
        gates=(Gate(measure="log_p", at_least=gate),),
        floor=FLOORS["mnist-static"],
    )


def _report(value: float) -> Published:
    return Published(value=value, source=REPORT, mark="doc")


VAE = {
    40: _experiment("vae", 40, Published(value=-88.56, source=PAPER, mark="mem"), -88.9),
    10: _experiment("vae", 10, _report(-93.917), -93.917),
    100: _experiment("vae", 100, _report(-90.042), -90.042),
}
VAMP = {
    40: _experiment("vamp", 40, Published(value=-85.57, source=PAPER, mark="2nd"), -85.9),
    10: _experiment("vamp", 10, _report(-92.297), -92.297),
    100: _experiment("vamp", 100, _report(-90.780), -90.780),
}


def _gap(dim: int, value: float, source: str, mark: str) -> Experiment:
    return gap(
        VAMP[dim],
        VAE[dim],
        name=f"vamp-minus-vae-static-d{dim}",
        quantity="log p(x), nats",
        errors=3.0,
        published=Published(value=value, source=source, mark=mark),
    )


EXPERIMENTS = (
    *(experiment for dim in (40, 10, 100) for experiment in (VAE[dim], VAMP[dim])),
    _gap(40, 2.99, f"{PAPER}, difference of the means", "mem"),
    _gap(10, 1.62, f"{REPORT}, difference", "doc"),
    _gap(100, -0.74, f"{REPORT}, difference", "doc"),
)
