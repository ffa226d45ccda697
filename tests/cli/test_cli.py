"""The command line: a run from training to pictures, resuming, and one line for every mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import geomlat
from geomlat.cli import commands, main
from geomlat.data import SETS, Dataset, load
from geomlat.evaluate import independent_angles, independent_normals
from geomlat.manifolds.angles import pairs_from_angles
from geomlat.train import load_checkpoint

ENV = {**os.environ, "PYTHONPATH": str(Path(geomlat.__file__).parents[1])}
QUICK = ["--data", "circle", "--hidden", "8", "--epochs", "2", "--warmup", "0", "--samples", "2"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training and scores without the pictures."""
    monkeypatch.setattr(commands.pictures, "draw", lambda *_: [])


def complaint(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line of an error, which has status 2."""
    try:
        status = main(argv)
    except SystemExit as stop:
        status = stop.code
    err = capsys.readouterr().err
    assert status == 2
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err


def flat(options: dict[str, str]) -> list[str]:
    return [word for pair in options.items() for word in pair]


def weights(folder: Path | str) -> np.ndarray:
    return load_checkpoint(folder).theta


@pytest.mark.parametrize("model", ["svae", "nvae", "ae"])
def test_a_run_leaves_scores_checkpoints_and_pictures(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", model, "--epochs", "2", "--hidden", "16", "--samples", "9", "--out", "run"]) == 0
    members = {"svae": {"svae", "nvae"}, "nvae": {"nvae"}, "ae": {"ae"}}[model]
    assert {p.parent.name for p in Path("run").glob("*/checkpoint.safetensors")} == members
    for member in members:
        names = {p.stem for p in Path("run", member).glob("*.png")}
        assert names >= {"latent", "decoded", "reconstructions"}
        assert ("samples" in names) == (member != "ae")
    assert Path("run", "training.png").exists()
    metrics = json.loads(Path("run", "metrics.json").read_text())
    assert metrics["samples"] == 9
    scores = metrics["scores"]
    assert set(scores) == members | {"pixels"}
    assert ("log_p" in scores[model]) == (model != "ae")
    out = capsys.readouterr().out
    assert "digits (counts 0..16): 1257 / 270 / 270 rows" in out
    assert Path("run", "table.txt").read_text() in out


def test_evaluate_sample_and_plot_read_a_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "svae", "--epochs", "1", "--hidden", "8", "--alone", "--samples", "9", "--out", "run"]) == 0
    before = json.loads(Path("run", "metrics.json").read_text())
    assert set(before["scores"]) == {"svae", "pixels"}
    assert main(["evaluate", "run", "--samples", "7"]) == 0
    after = json.loads(Path("run", "metrics.json").read_text())
    assert after["samples"] == 7
    assert after["scores"]["svae"]["elbo"] == before["scores"]["svae"]["elbo"]
    assert after["scores"]["svae"]["log_p"] != before["scores"]["svae"]["log_p"]
    Path("run", "svae", "latent.png").unlink()
    assert main(["plot", "run"]) == 0
    assert Path("run", "svae", "latent.png").exists()
    draws = []
    for seed in ("1", "1", "2"):
        assert main(["sample", "run", "-n", "5", "--seed", seed]) == 0
        draws.append(np.load("run/svae/samples.npy"))
    assert draws[0].shape == (5, 64)
    np.testing.assert_array_equal(draws[0], draws[1])
    assert (draws[0] != draws[2]).any()
    assert capsys.readouterr().err == ""


def test_options_reach_the_run(brief: None) -> None:
    options = {
        "--seed": "3",
        "--batch-size": "32",
        "--learning-rate": "0.01",
        "--beta": "0.5",
        "--warmup": "1",
        "--free-bits": "50",
        "--kappa-shift": "1",
        "--latent": "s3",
        "--hidden": "9",
        "--epochs": "3",
    }
    base = ["train", "svae", "--data", "circle", "--alone", "--patience", "9", "--samples", "2"]
    quick = {"--epochs": "2", "--hidden": "8", "--warmup": "0", "--latent": "s1"}
    assert main([*base, *flat(quick), "--out", "plain"]) == 0
    for name, value in options.items():
        changed = {**quick, name: value}
        assert main([*base, *flat(changed), "--out", name.strip("-")]) == 0
        one, other = weights(f"{name.strip('-')}/svae"), weights("plain/svae")
        assert one.shape != other.shape or (one != other).any(), name
    assert main([*base, *flat({**quick, "--epochs": "60", "--learning-rate": "0.1"}), "--out", "long"]) == 0
    assert load_checkpoint("long/svae").training.epoch < 60


def test_options_of_the_objective_reach_the_run(brief: None) -> None:
    options = [
        ["--iwae", "3"],
        ["--optimizer", "normalised"],
        ["--euclidean-kl"],
        ["--curvature-after", "1"],
        ["--curvature-rate", "0.3"],
        ["--curvature-clip", "1e-5"],
    ]
    base = ["train", "hvae", *QUICK, "--latent", "u2"]
    assert main([*base, "--out", "plain"]) == 0
    for option in options:
        assert main([*base, *option, "--out", option[0].strip("-")]) == 0
        assert (weights(f"{option[0].strip('-')}/hvae") != weights("plain/hvae")).any(), option
    late = ["--curvature-after", "2"]
    assert main([*base, *late, "--out", "late"]) == 0
    assert geomlat.models.load("late/hvae").manifold.curvature == -1.0
    assert geomlat.models.load("plain/hvae").manifold.curvature != -1.0
    assert main([*base, "--curvature-rate", "0", "--out", "zero"]) == 2


def test_runs_are_repeatable_and_resume_to_the_same_bits(brief: None) -> None:
    assert main(["train", "svae", *QUICK, "--epochs", "4", "--out", "whole"]) == 0
    assert main(["train", "svae", *QUICK, "--out", "parts"]) == 0
    assert main(["train", "svae", "--resume", "--epochs", "4", "--samples", "2", "--out", "parts"]) == 0
    for member in ("svae", "nvae"):
        np.testing.assert_array_equal(weights(f"parts/{member}"), weights(f"whole/{member}"))
    assert json.loads(Path("parts/run.json").read_text())["epochs"] == 4
    assert json.loads(Path("parts/metrics.json").read_text()) == json.loads(Path("whole/metrics.json").read_text())


def test_without_out_runs_are_numbered_and_the_last_one_resumes(brief: None) -> None:
    base = ["train", "nvae", *QUICK]
    assert main(base) == 0
    assert main(base) == 0
    assert sorted(p.name for p in Path("runs").iterdir()) == ["nvae-circle", "nvae-circle.2"]
    assert main([*base, "--epochs", "3", "--resume"]) == 0
    epochs = [json.loads(Path("runs", n, "run.json").read_text())["epochs"] for n in ("nvae-circle", "nvae-circle.2")]
    assert epochs == [2, 3]


def test_ctrl_c_leaves_a_run_that_resumes(tmp_path: Path) -> None:
    code = "import sys; from geomlat.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = ["train", "svae", *QUICK, "--epochs", "100000", "--out", "run"]
    child = subprocess.Popen([sys.executable, "-c", code, *argv], stderr=subprocess.PIPE, text=True, env=ENV)
    deadline = time.monotonic() + 60
    while not (history := Path("run/svae/history.jsonl")).exists() or not history.stat().st_size:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err == "geomlat: interrupted; continue with: geomlat train svae --resume --out run\n"
    reached = load_checkpoint("run/svae").training.epoch
    assert main(["train", "svae", "--resume", "--out", "run", "--epochs", str(reached + 1), "--alone"]) == 0
    assert load_checkpoint("run/svae").training.epoch == reached + 1


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["train", "gan"], "invalid choice: 'gan'"),
        (["train", "vae", "--prior", "vamp:0"], "n_components >= 1"),
        (["train", "hvae", "--latent", "e2"], "hvae needs --latent h1, h2, ...; p1, p2, ...; u1, u2, ..., got 'e2'"),
        (["train", "hvae", "--curvature", "1"], "curvature"),
        (["train", "svae", "--epochs", "many"], "argument --epochs: invalid int value"),
        (["train", "svae", "--hidden", "a,b"], "expected widths such as 256,128, got 'a,b'"),
        (["train", "svae", "--data", "mnits"], "unknown data set 'mnits'; there are digits"),
        (["train", "svae", "--latent", "e2"], "svae needs --latent s1, s2, ..., got 'e2'"),
        (["train", "nvae", "--latent", "s2"], "nvae needs --latent e1, e2, ..., got 's2'"),
        (["train", "svae", "--latent", "s0"], "s0"),
        (["train", "svae", "--latent", "s2,h2"], "got 's2,h2'; `geomlat train vae` has every space and products"),
        (["train", "vae", "--latent", "s2,q3"], "unknown 'q3' in latent 's2,q3'; give a letter and a dimension"),
        (["train", "vae", "--latent", "s2,,h2"], "unknown '' in latent 's2,,h2'"),
        (["train", "vae", "--latent", "0*s2"], "unknown latent '0*s2'"),
        (["train", "vae", "--latent", ""], "unknown latent ''"),
        (["train", "vae", "--latent", "e9999999999999", "--out", "vast"], "Unable to allocate"),
        (["train", "svae", "--epochs", "-1"], "epochs"),
        (["train", "svae", "--batch-size", "0"], "batch_size"),
        (["train", "svae", "--hidden", "0"], "hidden"),
        (["train", "svae", "--resume"], "no run to resume below runs/"),
        (["train", "svae", "--resume", "--out", "nowhere"], "nowhere holds no run"),
        (["evaluate", "nowhere"], "nowhere holds no run"),
        (["plot", "nowhere"], "nowhere holds no run"),
        (["sample", "nowhere"], "nowhere holds no run"),
        (["data", "mnits"], "unknown data set 'mnits'"),
        ([], "required"),
    ],
)
def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str], argv: list[str], message: str) -> None:
    assert message in complaint(capsys, *argv)


def test_what_a_folder_holds_is_never_overwritten_or_misread(brief: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nvae", *QUICK, "--out", "run"]) == 0
    assert "already holds a run" in complaint(capsys, "train", "nvae", *QUICK, "--out", "run")
    assert "another run" in complaint(capsys, "train", "nvae", "--resume", "--out", "run", "--seed", "5")
    assert "asked for 0 samples" in complaint(capsys, "sample", "run", "-n", "0")
    whole = Path("run/nvae/checkpoint.safetensors").read_bytes()
    Path("run/nvae/checkpoint.safetensors").write_bytes(whole[:-5])
    for argv in (
        ["evaluate", "run"],
        ["plot", "run"],
        ["sample", "run"],
        ["train", "nvae", "--resume", "--out", "run"],
    ):
        assert "checkpoint" in complaint(capsys, *argv)
    Path("run/nvae/checkpoint.safetensors").write_bytes(whole)
    Path("run/run.json").write_text("{")
    assert "run.json is damaged" in complaint(capsys, "evaluate", "run")


@pytest.mark.parametrize(
    "options",
    [
        ("hvae", "--curvature", "-0.5"),
        ("hvae", "--latent", "p2", "--prior", "vamp:3"),
        ("hvae", "--latent", "u2"),
        ("vae", "--latent", "s2", "--family", "power", "--layers", "gated"),
        ("vae", "--latent", "s3", "--family", "cauchy"),
        ("vae", "--latent", "t2"),
        ("vae", "--latent", "e2:full"),
        ("vae", "--latent", "2*s2,h2", "--curvature", "-0.5"),
    ],
)
def test_every_geometry_trains_and_is_read_again(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    model, rest = options[0], options[1:]
    assert main(["train", model, *rest, *QUICK, "--out", "run"]) == 0
    assert Path(f"run/{model}/latent.png").is_file() == ("s3" not in rest)
    table = capsys.readouterr().out
    assert main(["evaluate", "run", "--samples", "2"]) == 0
    again = capsys.readouterr().out
    row = next(line for line in table.splitlines() if "VAE" in line and "+-" in line)
    assert row in again


def test_grey_levels_have_bits_and_a_histogram(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 12)).astype(np.uint8)
    faces = Dataset("faces", x[:40], x[40:50], x[50:], None, None, None, "logistic", "", image_shape=(4, 3), ink=False)
    monkeypatch.setattr(commands, "load", lambda name: faces)
    options = ["--data", "freyfaces", "--hidden", "8", "--epochs", "2", "--warmup", "0", "--samples", "2"]
    assert main(["train", "vae", "--prior", "vamp:3", *options, "--out", "run"]) == 0
    table = capsys.readouterr().out
    scores = json.loads(Path("run/metrics.json").read_text())["scores"]
    vae, pixels = scores["vae"], scores["pixels"]
    assert vae["bits_per_dimension"] == pytest.approx(-vae["log_p"] / (12 * np.log(2)))
    assert 0 < vae["bits_per_dimension_error"] < 1
    assert pixels["bits_per_dimension"] == pytest.approx(8, abs=0.5)
    assert "bits/dim" in table
    assert f"{vae['bits_per_dimension']:.3f}" in table
    assert f"{vae['tails']['skewness']:.2f}" in table
    rows = np.load("run/vae/log_likelihood.npy")
    assert rows.mean() == pytest.approx(vae["log_p"])
    assert vae["tails"]["share_below"] == (rows < rows.mean() - 2 * rows.std()).mean()
    assert {"likelihood.png", "training.png"} <= {p.name for p in Path("run").iterdir()}
    assert Path("run/vae/pseudo-inputs.png").is_file()
    assert main(["train", "vae", "--likelihood", "binomial:255", *options, "--out", "other"]) == 0
    scores = json.loads(Path("other/metrics.json").read_text())["scores"]
    assert set(scores) == {"vae", "pixels"}
    assert "bits_per_dimension" not in scores["vae"]
    assert "bits/dim" not in capsys.readouterr().out
    assert "discretised logistic likelihood takes" in complaint(
        capsys, "train", "vae", "--likelihood", "logistic:1", *options
    )
    assert not Path("runs").exists()
    assert "unknown likelihood 'poisson'" in complaint(capsys, "train", "vae", "--likelihood", "poisson", *options)


def test_angles_have_errors_in_degrees_and_a_picture(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gen = np.random.default_rng(0)
    x = pairs_from_angles(gen.vonmises(1.0, 5.0, (60, 3)), np.arange(3) < gen.integers(1, 4, 60)[:, None])
    parts = np.split(x.astype(np.float32), [40, 50])
    d = Dataset("torsions", *parts, None, None, None, "von-mises", "")
    monkeypatch.setattr(commands, "load", lambda name: d)
    options = ["--data", "qm9-dihedrals", "--hidden", "8", "--epochs", "2", "--warmup", "0", "--samples", "2"]
    assert main(["train", "vae", *options, "--out", "run"]) == 0
    table = capsys.readouterr().out
    scores = json.loads(Path("run/metrics.json").read_text())["scores"]
    assert scores["angles"]["log_p"] == pytest.approx(independent_angles(d.train, d.test).mean())
    assert "independent angles" in table
    assert "error, degrees" in table
    assert f"{scores['vae']['degrees']:.2f}" in table
    assert 0 < scores["vae"]["degrees"] < 180
    assert Path("run/vae/angles.png").is_file()
    assert main(["train", "vae", *options, "--likelihood", "cosine", "--out", "loss"]) == 0
    scores = json.loads(Path("loss/metrics.json").read_text())["scores"]
    assert set(scores) == {"vae"}
    assert not {"log_p", "elbo"} & scores["vae"].keys()  # a loss that is no likelihood has no bound
    assert {"degrees", "kl"} <= scores["vae"].keys()


def test_real_values_stand_beside_a_normal_law_for_each_feature(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--data", "circle", "--hidden", "4", "--epochs", "1", "--warmup", "0", "--samples", "2"]
    assert main(["train", "nvae", *options, "--out", "run"]) == 0
    assert "independent features" in capsys.readouterr().out
    scores = json.loads(Path("run/metrics.json").read_text())["scores"]
    d = load("circle")
    least = float(d.likelihood.partition(":")[2])
    assert scores["features"]["log_p"] == pytest.approx(independent_normals(d.train, d.test, least=least).mean())
    assert main(["train", "nvae", *options, "--likelihood", "gaussian-sd:0.7", "--out", "other"]) == 0
    scores = json.loads(Path("other/metrics.json").read_text())["scores"]
    assert scores["features"]["log_p"] == pytest.approx(independent_normals(d.train, d.test, least=0.7).mean())


@pytest.mark.parametrize("rate", ["1e5", "1e30"])
def test_a_diverging_run_says_so(capsys: pytest.CaptureFixture[str], rate: str) -> None:
    found = complaint(
        capsys, "train", "svae", *QUICK, "--epochs", "50", "--alone", "--out", "run", "--learning-rate", rate
    )
    assert "lower the learning rate" in found
    assert "the last checkpoint is of step" in found


@pytest.mark.parametrize(
    "option",
    [("--patience", "0"), ("--learning-rate", "nan"), ("--beta", "-1"), ("--seed", "-1"), ("--kappa-shift", "-1")],
)
def test_a_bad_setting_leaves_nothing_behind(capsys: pytest.CaptureFixture[str], option: tuple[str, str]) -> None:
    complaint(capsys, "train", "svae", *QUICK, "--out", "run", *option)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("model", "options", "named"),
    [
        ("ae", ("--beta", "2", "--prior", "vamp:3"), "--beta, --prior"),
        ("nvae", ("--family", "power"), "--family"),
        ("nvae", ("--kappa-shift", "1"), "--kappa-shift"),
        ("svae", ("--family", "cauchy", "--kappa-shift", "1"), "--kappa-shift"),
        ("vae", ("--latent", "e2:full,h2", "--curvature-rate", "1e-3"), "--curvature-rate"),
        ("vae", ("--latent", "s2", "--alone"), "--alone"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    model: str, options: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = complaint(capsys, "train", model, *options, "--out", "run")
    assert f"geomlat: {named} would do nothing for {model}" in found
    assert not Path("run").exists()


def test_a_refused_resume_leaves_the_settings(brief: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "nvae", *QUICK, "--out", "run"]) == 0
    before = Path("run/run.json").read_bytes()
    assert "seed: 0 then, 5 now" in complaint(capsys, "train", "nvae", "--resume", "--out", "run", "--seed", "5")
    assert Path("run/run.json").read_bytes() == before
    assert main(["train", "nvae", "--resume", "--out", "run", "--epochs", "3"]) == 0


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_have_the_permissions_of_any_other(brief: None) -> None:
    Path("other").write_text("")
    assert main(["train", "nvae", *QUICK, "--out", "run"]) == 0
    modes = {p.stat().st_mode for p in Path("run").rglob("*") if p.is_file()}
    assert modes == {Path("other").stat().st_mode}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom permissions bind")
def test_an_unwritable_folder_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shut").mkdir(mode=0o500)
    assert "shut" in complaint(capsys, "train", "svae", *QUICK, "--out", "shut/run")


def test_a_file_in_the_way_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert "file" in complaint(capsys, "train", "svae", *QUICK, "--out", "file/run")


@pytest.mark.parametrize("module", ["matplotlib", "safetensors", "tabulate", "sklearn"])
def test_missing_extras_are_named_with_the_command_that_installs_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    message = complaint(capsys, "train", "svae", "--epochs", "1")
    assert f"needs {module}; run: pip install 'geomlat[train]'" in message
    assert list(Path().iterdir()) == []


def test_data_lists_and_describes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(SETS)
    assert main(["data", "digits"]) == 0
    assert "1257 / 270 / 270 rows" in capsys.readouterr().out


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["sample"], ["plot"], ["data"]])
def test_help(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "usage: geomlat" in capsys.readouterr().out


def test_help_is_quick_and_loads_no_numba() -> None:
    code = "import sys; from geomlat.cli import main\ntry: main(['--help'])\nfinally: print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENV)
    assert done.stdout.endswith("False\n")


def test_the_module_is_the_command() -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "geomlat", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=ENV)

    assert run("--version").stdout.startswith("geomlat ")
    wrong = run("evaluate", "nowhere")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("geomlat: nowhere holds no run")


@pytest.mark.slow
def test_the_main_job(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    assert main(["train", "svae"]) == 0
    # Two minutes on two cores, in time that other work on the machine does not add to.
    assert time.process_time() - began < 240
    scores = json.loads(Path("runs/svae-digits/metrics.json").read_text())["scores"]
    for member in ("svae", "nvae"):
        assert scores[member]["log_p"] > scores["pixels"]["log_p"] + 50
        assert scores[member]["elbo"] < scores[member]["log_p"]
        assert scores[member]["knn"] >= 0.7
