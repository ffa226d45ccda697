"""Several runs of one command: folders, tables, resuming, workers; factors and the formula in a table."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from geomlat.cli import commands, main, report
from geomlat.data import Dataset
from geomlat.manifolds import Euclidean, PoincareBall
from geomlat.random import stream
from geomlat.train import load_checkpoint

QUICK = ["--data", "circle", "--hidden", "8", "--epochs", "2", "--warmup", "0", "--samples", "2"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(commands.pictures, "draw", lambda *_: [])


def train(*options: str) -> int:
    return main(["train", "nvae", *QUICK, *options])


def scores(folder: str) -> dict:
    return json.loads(Path(folder, "metrics.json").read_text())["scores"]


def test_each_seed_is_a_run_and_the_table_has_their_means(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--seeds", "3", "--seed", "4", "--out", "many") == 0
    assert {p.name for p in Path("many").iterdir()} == {"seed-4", "seed-5", "seed-6", "seeds.json", "table.txt"}
    assert train("--seed", "5", "--out", "one") == 0
    assert (load_checkpoint("one/nvae").theta == load_checkpoint("many/seed-5/nvae").theta).all()
    assert scores("one") == scores("many/seed-5")
    values = [scores(f"many/seed-{s}")["nvae"]["log_p"] for s in (4, 5, 6)]
    text = Path("many/table.txt").read_text()
    assert f"{np.mean(values):.2f} +- {np.std(values, ddof=1) / np.sqrt(3):.2f}" in text
    assert "means over 3 runs" in text
    assert text in capsys.readouterr().out
    Path("many/table.txt").unlink()
    before = Path("many/seed-4/metrics.json").read_text()
    assert main(["evaluate", "many", "--samples", "3"]) == 0
    assert Path("many/seed-4/metrics.json").read_text() != before
    assert "3 importance samples" in Path("many/table.txt").read_text()


@pytest.mark.slow
def test_workers_train_the_same_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--seeds", "2", "--out", "row") == 0
    assert train("--seeds", "2", "--jobs", "2", "--out", "beside") == 0
    for seed in (0, 1):
        assert scores(f"row/seed-{seed}") == scores(f"beside/seed-{seed}")
        assert "training N-VAE" in Path(f"beside/seed-{seed}/log.txt").read_text()
    assert Path("row/table.txt").read_text() == Path("beside/table.txt").read_text()
    assert "seed 1 is done" in capsys.readouterr().out


def test_runs_resume_together() -> None:
    assert train("--seeds", "3", "--out", "whole") == 0
    assert train("--seeds", "2", "--out", "part") == 0
    Path("part/seed-1/metrics.json").unlink()
    stamp = Path("part/seed-0/nvae/checkpoint.safetensors").stat().st_mtime_ns
    assert main(["train", "nvae", "--samples", "2", "--resume", "--out", "part", "--seeds", "3"]) == 0
    assert Path("part/seed-0/nvae/checkpoint.safetensors").stat().st_mtime_ns == stamp
    for seed in range(3):
        assert scores(f"part/seed-{seed}") == scores(f"whole/seed-{seed}")
    assert Path("part/table.txt").read_text() == Path("whole/table.txt").read_text()
    assert main(["train", "nvae", "--epochs", "3", "--samples", "2", "--resume", "--out", "part"]) == 0
    assert all(scores(f"part/seed-{s}") != scores(f"whole/seed-{s}") for s in range(3))


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert train("--seeds", "2", "--out", "runs") == 0
    capsys.readouterr()
    for options, message in (
        (["--seeds", "1", "--out", "a"], "seeds must be"),
        (["--seeds", "2", "--jobs", "0", "--out", "a"], "jobs must be"),
        (["--seeds", "2", "--latent", "s2", "--out", "a"], "nvae needs --latent"),
        (["--seeds", "2", "--out", "runs"], "already holds runs"),
        (["--seeds", "2", "--resume"], "resume from the folder"),
        (["--seed", "7", "--resume", "--out", "runs"], "holds the seeds from 0 on"),
    ):
        assert train(*options) == 2
        err = capsys.readouterr().err
        assert message in err
        assert err.count("\n") == 1
    assert not Path("a").exists()


def test_factors_and_the_formula_stand_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vae", *QUICK, "--latent", "s1,h2", "--out", "product"]) == 0
    found = scores("product")["vae"]
    assert found["factors"] == ["Sphere(n=1)", "Hyperboloid(n=2, curvature=-1.0)"]
    assert sum(found["factor_kl"]) == pytest.approx(found["kl"], rel=1e-5, abs=0.0)
    assert len(found["active"]) == 2
    text = Path("product/table.txt").read_text()
    assert "VAE: Sphere(n=1)" in text
    assert "blog's formula" not in text
    assert main(["train", "vae", *QUICK, "--latent", "s1,h2", "--prior", "vamp:4", "--out", "joint"]) == 0
    assert scores("joint")["vae"]["factor_kl"] == [None, None]  # the KL to a mixture has no parts
    assert main(["train", "hvae", *QUICK, "--euclidean-kl", "--out", "formula"]) == 0
    text = Path("formula/table.txt").read_text()
    assert "H-VAE, trained by the formula" in text
    assert "is not the KL and gives no bound" in text
    found = scores("formula")["hvae"]
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"])
    assert found["euclidean_kl"] != found["kl"]
    assert main(["train", "nvae", *QUICK, "--iwae", "2", "--out", "iwae"]) == 0
    found = scores("iwae")["nvae"]
    assert found["elbo"] == pytest.approx(found["reconstruction"] - found["kl"])
    assert "N-VAE, IWAE 2" in capsys.readouterr().out


def test_neighbours_are_those_of_the_space_of_the_codes() -> None:
    """From 0.9 on the disc 0.99 is nearer on paper and 0.75 in the hyperbolic plane."""
    train = np.repeat([[0.99, 0.0], [0.75, 0.0]], 5, axis=0).astype(np.float32)
    x, labels = np.array([[0.9, 0.0]], np.float32), np.repeat([0, 1], 5)
    d = Dataset("disc", train, x, x, labels, labels[:1], labels[:1], "gaussian", "")
    for manifold, accuracy in ((Euclidean(2), 1.0), (PoincareBall(2), 0.0)):
        model = SimpleNamespace(manifold=manifold, transform=lambda rows: rows)
        assert report._knn(model, x, d, stream(0)) == accuracy
