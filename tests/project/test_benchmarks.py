"""The page of benchmarks is what the kept results say, and its groups run on any machine."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch):
    """A function that imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = [path.stem for path in FOLDER.glob("*.py")]
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)
    sys.modules.update(others)


def test_the_page_is_written_from_the_results(benchmark) -> None:
    assert benchmark("run").page() == (FOLDER / "README.md").read_text()


def test_the_page_says_which_gates_are_not_held(benchmark) -> None:
    run, row = benchmark("run"), benchmark("timing").Row
    held = row("step", "small", "torch", "step", [1.0], [3.0], "2x", passed=True)
    slow = row("step", "large", "torch", "step", [1.0, 1.0], [1.5, 1.7], "2x", note="products 0.9 s", passed=False)
    late = row("gradient", "m = 3", "", "sample", [3e-6], gate="2.5 us", passed=False)
    assert run.verdict([held, row("no gate", "", "", "", [1.0])]) == "Of 1 gates 1 are held."
    assert run.verdict([held, slow, late]) == (
        "Of 3 gates 1 are held; not held:\n\n"
        "- step, large: 1.6x where the gate is 2x. products 0.9 s\n"
        "- gradient, m = 3: 3 us where the gate is 2.5 us. "
    )


def test_cost_that_grows_faster_than_the_work_is_no_gate_held(benchmark) -> None:
    timing = benchmark("timing")
    for cost, held in (
        ((9.0, 4.0, 3.0), [True] * 3),
        ((3.0, 5.0, 6.5), [True, True, False]),
        ((1.0, 2.1), [True, False]),
    ):
        rows = timing.no_steeper([timing.Row("draws", f"n = {k}", "", "number", [c]) for k, c in enumerate(cost)])
        assert [r.passed for r in rows] == held


def test_memory_that_grows_is_no_gate_held(benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    growth = benchmark("growth")
    monkeypatch.setattr(growth, "interleave", lambda *runs, rounds: [[1.0]] * len(runs))
    for used, held in (((0.1, 1.9), True), ((20.0, 39.0), True), ((0.1, 2.1), False), ((20.0, 41.0), False)):
        taken = iter(used)
        monkeypatch.setattr(growth, "_beyond", lambda _, taken=taken: next(taken))
        assert [r.passed for r in growth._rows("a", ["n = 1", "n = 2"], "pair", [print, print], [1, 1])] == [held] * 2


def test_cost_is_counted_by_size_and_drawn(benchmark, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    growth = benchmark("growth")
    rows = growth._pairs((20, 40))
    assert [r.case for r in rows] == ["n = 20", "n = 40"]
    assert all(len(r.ours) == 5 and r.note.endswith(" MB") for r in rows)
    assert growth._size("n = 200, samples = 50", "samples") == 50.0
    assert growth._size("10000 x 64, K = 20", "") == 10000.0
    with pytest.raises(ValueError, match="no size"):
        growth._size("n = 20", "m")
    monkeypatch.setattr(growth, "HERE", tmp_path)
    growth.picture({"distances": rows})
    assert (tmp_path / "growth.png").stat().st_size > 5000


def test_what_a_gpu_is_measured_by_runs_on_numpy(benchmark) -> None:
    gpu = benchmark("gpu")
    found = gpu.cases(50, 20, 1)
    assert [item for item, *_ in found][::6] == ["draws", "training step, e10"]
    for _, _, _, work, make in found:
        make(np.asarray)()
        assert work in (50, 400, 1)


@pytest.mark.parametrize(("m", "kappa"), [(3, 5.0), (12, 10.0)])
def test_the_batched_peer_draws_the_law(benchmark, m: int, kappa: float) -> None:
    torch = pytest.importorskip("torch")
    vmf = benchmark("von_mises_fisher")
    torch.manual_seed(0)
    mu = torch.nn.functional.normalize(torch.randn(4000, m), dim=-1)
    for proposals in (1, 20):
        along = (vmf.svae_sample(mu, torch.full((4000, 1), kappa), proposals) * mu).sum(-1).double()
        miss = along.mean().item() - vmf.VonMisesFisher(np.eye(m)[0], kappa).mean()[0]
        assert abs(miss) < 4.5 * along.std().item() / 4000**0.5
