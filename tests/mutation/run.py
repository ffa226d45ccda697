"""Makes mutants, runs the tests that cover each, and lists the survivors.

    python tests/mutation/run.py --sample 40 --seed 1        a seeded sample of the mutants without a result
    python tests/mutation/run.py --files sphere.py torus.py  all of some files
    python tests/mutation/run.py --again 6 --seed 3          killed before: does a suite that passes still do it?
    python tests/mutation/run.py --report                    the table, from the results so far

A mutant is killed when a covering test fails (or does not end in a quarter of an hour). Results are kept in
``results.json`` by the mutant's name, so that a run continues the ones before it; ``equivalent.json`` lists, with the
reason, the mutants that no test can kill. The exit status is 1 where a mutant survives that is not listed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from mutants import PACKAGES, ROOT, Mutant, all_mutants

HERE = Path(__file__).parent
RESULTS, EQUIVALENT = HERE / "results.json", HERE / "equivalent.json"
LIMIT = 900.0


def covering(file: str) -> tuple[str, ...]:
    """The pytest arguments that cover a file, the quickest first."""
    files = tomllib.loads((HERE / "covering.toml").read_text())["files"]
    return next(tuple(entry["tests"]) for entry in files if re.search(entry["pattern"], file))


def overlay(folder: Path, mutant: Mutant | None) -> None:
    """A tree of links to this one, with the mutant's file in the place of the original."""
    for name in ("geomlat", *(f"geomlat/{package}" for package in PACKAGES)):
        (folder / name).mkdir()
        for entry in (ROOT / name).iterdir():
            if entry.name != "__pycache__" and f"{name}/{entry.name}" not in {f"geomlat/{p}" for p in PACKAGES}:
                (folder / name / entry.name).symlink_to(entry)
    for name in ("tests", "examples", "docs", "benchmarks", "pyproject.toml", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    if mutant is not None:
        (folder / mutant.file).unlink()
        (folder / mutant.file).write_text(mutant.source())


def test(mutant: Mutant | None, file: str, cache: Path) -> tuple[str, float]:
    """ "killed" or "survived", and the seconds, of the covering tests of a file; None is the source as it stands."""
    with tempfile.TemporaryDirectory() as name:
        folder, start = Path(name), time.monotonic()
        overlay(folder, mutant)
        for arguments in covering(file):
            if not _passes(folder, arguments, cache):
                return "killed", time.monotonic() - start
        return "survived", time.monotonic() - start


def _passes(folder: Path, arguments: str, cache: Path) -> bool:
    command = f"exec {sys.executable} -m pytest -x -q -p no:cacheprovider --rootdir {folder} {arguments}"
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", f"cd {folder} && {command} >{folder}/log 2>&1"],
        {
            **os.environ,
            "PYTHONPATH": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_PROFILE": "ci",
            "NUMBA_CACHE_DIR": str(cache),
        },
        setpgroup=0,
    )
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code not in (0, 1, 2):
                raise SystemExit(f"pytest {arguments} ended with {code}:\n{(folder / 'log').read_text()[-2000:]}")
            return code == 0
        time.sleep(0.05)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return False


def load(path: Path) -> dict[str, dict[str, str]]:
    """A file of results, empty where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def keep(results: dict[str, dict[str, str]]) -> None:
    """Write the results in the place of the file there."""
    part = RESULTS.with_suffix(".part")
    part.write_text(
        json.dumps(dict(sorted(results.items(), key=lambda p: (p[1]["file"], p[1]["text"]))), indent=1) + "\n"
    )
    part.replace(RESULTS)


def report(mutants: list[Mutant]) -> list[str]:
    """The lines of the table: for each package, how many mutants there are, were run, were killed, cannot be."""
    results, equivalent, lines = load(RESULTS), load(EQUIVALENT), []
    for package in PACKAGES:
        own = [m for m in mutants if m.file.startswith(f"geomlat/{package}/")]
        ran = [m for m in own if m.key in results]
        killed = [m for m in ran if results[m.key]["outcome"] == "killed"]
        same = [m for m in ran if m.key in equivalent and m not in killed]
        left = len(ran) - len(killed) - len(same)
        lines.append(f"| {package} | {len(own)} | {len(ran)} | {len(killed)} | {len(same)} | {left} |")
    return ["| package | mutants | run | killed | equivalent | surviving |", "|---|---|---|---|---|---|", *lines]


def chosen(arguments: argparse.Namespace, mutants: list[Mutant]) -> list[Mutant]:
    """The mutants that the command line asks for."""
    results, equivalent = load(RESULTS), load(EQUIVALENT)
    if arguments.files:
        mutants = [m for m in mutants if Path(m.file).name in arguments.files]
    if arguments.again:
        pool = [m for m in mutants if results.get(m.key, {}).get("outcome") == "killed"]
        return random.Random(arguments.seed).sample(pool, min(arguments.again, len(pool)))
    pool = [m for m in mutants if m.key not in equivalent and (arguments.survivors or m.key not in results)]
    if arguments.survivors:
        pool = [m for m in pool if results.get(m.key, {}).get("outcome") == "survived"]
    return random.Random(arguments.seed).sample(pool, min(arguments.sample or len(pool), len(pool)))


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the mutants without a result")
    parser.add_argument("--again", type=int, metavar="N", help="so many of the mutants killed before; keeps no results")
    parser.add_argument("--survivors", action="store_true", help="those that survived before")
    parser.add_argument("--files", nargs="+", metavar="NAME", help="only of these files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="mutants at a time")
    parser.add_argument("--report", action="store_true", help="print the table only")
    arguments = parser.parse_args()
    mutants = all_mutants()
    if arguments.report:
        print("\n".join(report(mutants)))
        return 0
    with tempfile.TemporaryDirectory() as cache:
        return attempt(chosen(arguments, mutants), arguments, Path(cache))


def attempt(todo: list[Mutant], arguments: argparse.Namespace, cache: Path) -> int:
    """Test the source as it stands (but where `--again` says that it has passed), then each mutant; the exit status."""
    results, survivors = load(RESULTS), []
    for file in [] if arguments.again else sorted({covering(m.file): m.file for m in todo}.values()):
        outcome, seconds = test(None, file, cache)
        print(f"as it stands: {', '.join(covering(file))}: {seconds:.0f} s", flush=True)
        if outcome == "killed":
            print("the tests fail on the source as it stands; nothing was run")
            return 2

    def run(mutant: Mutant) -> tuple[Mutant, str, float]:
        return mutant, *test(mutant, mutant.file, cache)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, outcome, seconds in pool.map(run, todo):
            print(f"{outcome} in {seconds:.0f} s: {mutant.file}:{mutant.line} {mutant.text}", flush=True)
            survivors += [mutant] if outcome == "survived" else []
            if not arguments.again:
                results[mutant.key] = {
                    "file": mutant.file,
                    "text": mutant.text,
                    "outcome": outcome,
                }
                keep(results)
    print(f"{len(todo)} mutants, {len(todo) - len(survivors)} killed, {len(survivors)} surviving")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
