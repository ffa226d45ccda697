"""Makes mutants, runs the tests that execute each, and lists the survivors.

    python tests/mutation/run.py --sample 200 --seed 1       a seeded sample of the mutants without a result
    python tests/mutation/run.py --files sphere.py torus.py  all of some files
    python tests/mutation/run.py --survivors                 those that survived before, or were left after --limit,
                                                             less the equivalent ones
    python tests/mutation/run.py --again 6 --seed 3          killed before: does a suite that passes still do it?
    python tests/mutation/run.py --report                    the page docs/mutation.md, from the results so far

A sample takes from each file in turn, so that every file has its share. A mutant is killed when a test that executes
its function fails (or takes ten times its time and 45 seconds); it survives when all of them pass. Which
test executes what is traced once for each test file (`build/mutation-map.json`) and anew when that file changes or
with ``--trace``. Results are kept in ``results.json`` by the mutant's name and dropped when the text of its function
changes; ``equivalent.json`` lists, with the reason, the mutants that no test can kill. The exit status is 1 where a
mutant survives that is not listed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parent))

import warm as warm_session
from mutants import PACKAGES, ROOT, Mutant, all_mutants

HERE = Path(__file__).parent
RESULTS, EQUIVALENT, MAP = HERE / "results.json", HERE / "equivalent.json", ROOT / "build" / "mutation-map.json"
Results = dict[str, dict[str, Any]]
Ended = tuple[int, float, dict[str, str]]


def load(path: Path) -> Results:
    """A file of results, empty where there is none."""
    return json.loads(path.read_text()) if path.exists() else {}


def valid(results: Results, mutants: list[Mutant]) -> Results:
    """The results that belong to the source as it stands: of mutants that exist, in functions of the same text."""
    of = {m.key: m.of for m in mutants}
    return {key: result for key, result in results.items() if of.get(key) == result.get("of", "")}


def keep(results: Results) -> None:
    """Write the results, a line each, in the place of the file there."""
    part = RESULTS.with_suffix(".part")
    rows = sorted(results.items(), key=lambda row: (row[1]["file"], row[1]["text"], row[0]))
    part.write_text("{\n" + ",\n".join(f'"{key}": {json.dumps(row)}' for key, row in rows) + "\n}\n")
    part.replace(RESULTS)


def stratified(pool: list[Mutant], results: Results, size: int, seed: int) -> list[Mutant]:
    """A seeded sample: time and again one mutant of each file that has had the fewest."""
    rng, had = random.Random(seed), Counter(result["file"] for result in results.values())
    order = sorted(pool, key=lambda m: (m.file, m.place, m.becomes))
    rng.shuffle(order)
    ranked, turn = [], had.copy()
    for mutant in order:
        ranked.append((turn[mutant.file], len(ranked), mutant))
        turn[mutant.file] += 1
    return [mutant for _, _, mutant in sorted(ranked, key=lambda r: r[:2])[:size]]


def traced(warm: warm_session.Warm, anew: bool) -> Results:
    """The seconds and functions of each test, traced where the file of the test is new or has changed."""
    known = {} if anew else load(MAP)
    files: dict[str, list[str]] = {}
    for test in warm.items:
        files.setdefault(test.partition("::")[0], []).append(test)
    hashes = {f: hashlib.sha256((ROOT / f).read_bytes()).hexdigest()[:16] for f in files}
    for number, file in enumerate(sorted(files)):
        if known.get(file, {}).get("hash") == hashes[file]:
            continue
        start = time.monotonic()
        code, _, made = finished(watched(partial(warm_session.trace, warm, files[file])))
        if code:
            raise SystemExit(f"{file} cannot be traced ({code}):\n{made['log'][-3000:]}")
        known[file] = {"hash": hashes[file], "tests": json.loads(made["map"])}
        MAP.parent.mkdir(exist_ok=True)
        MAP.write_text(json.dumps(known))
        print(f"traced {file}, {number + 1} of {len(files)}, in {time.monotonic() - start:.0f} s", flush=True)
    return {test: entry for file in files for test, entry in known[file]["tests"].items()}


def watched(work: Callable[[Path], int]) -> Generator[None, None, Ended]:
    """Let a child work; its status, its processor seconds and the files it has left."""
    for state in warm_session.fork(work):
        if state is not None:
            code, seconds, folder = state
            return code, seconds, {f.name: f.read_text(errors="replace") for f in folder.iterdir() if f.is_file()}
        yield None
    raise AssertionError


def finished(child: Generator[None, None, Ended]) -> Ended:
    """Wait for a child."""
    while True:
        try:
            next(child)
            time.sleep(0.02)
        except StopIteration as end:
            return end.value


class Order:
    """Which tests a mutant meets, and in which order: by their seconds over how likely they kill, as it went so far."""

    def __init__(self, tests: Results, results: Results) -> None:
        self.tests, self.runs = tests, {test: set(entry["runs"]) for test, entry in tests.items()}
        self.kills = Counter[tuple[str, str]]()
        for result in results.values():
            self.count(result["file"], result.get("function", ""), result.get("by", ""))

    def count(self, file: str, function: str, by: str) -> None:
        """Take note of a kill."""
        self.kills.update({(file, by): 1, (f"{file}|{function}", by): 10})

    def __call__(self, mutant: Mutant) -> list[str]:
        """The tests that execute the function (where none is known to: the file, or any file beside it), best first."""
        name = f"{mutant.file}|{mutant.function}"
        found = [t for t, runs in self.runs.items() if name in runs]
        for place in (f"{mutant.file}|", f"{Path(mutant.file).parent}/"):
            found = found or [t for t, runs in self.runs.items() if any(r.startswith(place) for r in runs)]
        weight = {t: 1 + self.kills[mutant.file, t] + self.kills[name, t] for t in found}
        return sorted(found, key=lambda t: (0.01 + self.tests[t]["seconds"]) / weight[t])


class Attempts:
    """Runs mutants in children, so many at a time, and keeps what comes of each."""

    def __init__(self, warm: warm_session.Warm, order: Order, results: Results, keeping: bool, chosen: bool) -> None:
        self.warm, self.order, self.results, self.keeping, self.chosen = warm, order, results, keeping, chosen
        self.sound: dict[tuple[warm_session.Name | None, str], bool] = {}
        self.survivors: list[Mutant] = []

    def __call__(self, todo: list[Mutant], jobs: int) -> None:
        """Try each mutant."""
        waiting, running = todo[::-1], []
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    running.append(self.attempt(waiting.pop()))
                running = [attempt for attempt in running if next(attempt, self) is not self]
                time.sleep(0.02)
        finally:
            for attempt in running:
                attempt.close()

    def attempt(self, mutant: Mutant) -> Generator[None, None, None]:
        """One mutant: its kernels interpreted, and compiled for the tests that cannot do with the interpreter."""
        tests, made = self.order(mutant), mutant.name in self.warm.living.kernels
        code, total, by = yield from self.met(mutant, tests, compiled=not made)
        left = [t for t in tests if made and not self.sound.get((mutant.name, t), True)]
        if left and not code:
            code, seconds, by = yield from self.met(mutant, left, compiled=True)
            total += seconds
        if mutant.name in self.warm.early and not code:
            code, seconds, files = yield from watched(partial(warm_session.apart, self.warm, mutant, tests))
            total, by = total + seconds, files.get("test", "")
        if code == warm_session.BROKEN or (code not in (0, warm_session.LATER) and not by):  # killed, but by no test
            print(f"cannot be run ({code}): {mutant.file}:{mutant.line} {mutant.text}\n{by}", flush=True)
            self.survivors.append(mutant)
        else:
            outcome = {0: "survived", warm_session.LATER: "open"}.get(code, "killed")
            self.keep(mutant, outcome, by if outcome == "killed" else "", code, total)

    def met(self, mutant: Mutant, tests: list[str], compiled: bool) -> Generator[None, None, tuple[int, float, str]]:
        """A mutant against some tests, again without one that fails on the source, too: status, seconds and killer."""
        total, where = 0.0, None if compiled else mutant.name
        while True:
            tests = [t for t in tests if self.sound.get((where, t), True)]
            work = partial(warm_session.attempt, self.warm, mutant, compiled=compiled)
            code, seconds, files = yield from watched(partial(work, tests))
            total += seconds
            self.sound |= {(where, test): False for test in files.get("postponed", "").splitlines()}
            code = warm_session.LATER if (code, files.get("ends")) == (-signal.SIGPROF, "open") else code
            ended = code not in (0, warm_session.LATER)
            by = files["log"][-3000:] if code == warm_session.BROKEN else files.get("test", "") if ended else ""
            if by in self.warm.items and (where, by) not in self.sound:
                bad, _, files = yield from watched(partial(work, [by], changed=False))
                bad |= "postponed" in files
                self.sound[where, by] = not bad
                if bad:
                    print(
                        f"fails on the source as it stands ({where or 'compiled'}), and is left out: {by}", flush=True
                    )
            if self.sound.get((where, by), True):
                return code, total, by

    def keep(self, mutant: Mutant, outcome: str, by: str, code: int, seconds: float) -> None:
        """Print and store a result."""
        how = {1: f" by {by}", -signal.SIGPROF: f" by the time of {by}"}.get(code, f" ({code}) in {by}" if by else "")
        print(f"{outcome} in {seconds:.1f} s: {mutant.file}:{mutant.line} {mutant.text}{how}", flush=True)
        self.survivors += [mutant] if outcome != "killed" else []
        self.order.count(mutant.file, mutant.function, by)
        row = {"file": mutant.file, "function": mutant.function, "text": mutant.text, "of": mutant.of}
        first = self.results.get(mutant.key, {}).get("first", "open")
        first = ("chosen" if self.chosen and outcome == "killed" else outcome) if first == "open" else first
        row |= {"outcome": outcome, "first": first, "by": by, "seconds": round(seconds, 1)}
        self.results[mutant.key] = row
        if self.keeping:
            keep(self.results)


def report(mutants: list[Mutant], results: Results, equivalent: Results) -> str:
    """The page: for each package, how many mutants there are, were killed, cannot be, survived, and are left."""
    titles = ("package", "mutants", "killed", "at first missed", "equivalent", "surviving", "left")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    outcomes = {m.key: results.get(m.key, {"outcome": "open"})["outcome"] for m in mutants}
    for package in (*PACKAGES, ""):
        own = [m.key for m in mutants if m.file.startswith(f"geomlat/{package}")]
        killed = [key for key in own if outcomes[key] == "killed"]
        late = [key for key in killed if results[key]["first"] == "survived"]
        same = [key for key in own if key in equivalent and outcomes[key] != "killed"]
        rest = Counter(outcomes[key] for key in own if key not in equivalent)
        row = (len(own), len(killed), len(late), len(same), rest["survived"], rest["open"])
        lines.append(f"| {package or 'all'} | {' | '.join(map(str, row))} |")
    seconds = [results[key]["seconds"] for key, outcome in outcomes.items() if outcome != "open"]
    reasons = [f"- `{e['file']}`: `{e['text']}`: {e['reason']}" for e in equivalent.values()]
    return PAGE.format(
        table="\n".join(lines),
        met=sum(outcomes.get(key) == "survived" for key in equivalent),
        median=f"{statistics.median(seconds or [0.0]):.1f}",
        reasons="\n".join(reasons),
    )


PAGE = """# Mutation

Does the suite fail when a rule is wrong? `tests/mutation/run.py` makes from the syntax tree every sign flip, dropped
factor and dropped term of {{packages}} and
runs the tests that execute the changed function until one fails. Results belong to the text of a function and are
dropped when it changes, so the numbers move with the source; a sample takes the files in turn. Left as they are:
numbers that modules hold outside their functions, defaults of fields, the conditions of `if` and `while`, indices, the
-1 of an axis, and messages.

{table}

"At first missed" are those that only a test written since has killed, "left" those without a result, or alive when the
seconds given to each were over. Of the equivalent ones {met} have met all their tests, the others as many as their
seconds held. Half of the mutants took less than {median} s of one processor.

## Equivalent mutants

No test can tell these from the source:

{reasons}

## How a mutant is run

One pytest session imports everything and collects all tests. For each mutant it forks a child that exchanges the
code of the one function and runs the tests that execute it, those first that cost little for how often they have
killed. The kernels that the function has part in are run by the interpreter; a test in which Python raises or takes
0.7 seconds for one of them, or which fails on the source too when they are interpreted, meets them compiled once no
other test has killed. A
test that fails on the source as it stands does not count. A test that takes more than ten times its
time and 45 seconds has failed. Mutants of functions that already run while modules are imported or tests are
collected are tried in a process of their own where they are alive after that.

    python tests/mutation/run.py --sample 200 --seed 1        # so many more
    python tests/mutation/run.py --files sphere_rows.py       # all of a file
    python tests/mutation/run.py --report > docs/mutation.md  # this page
""".replace("{{packages}}", ", ".join(f"`{p}`" for p in PACKAGES))


def chosen(arguments: argparse.Namespace, mutants: list[Mutant], results: Results) -> list[Mutant]:
    """The mutants that the command line asks for."""
    equivalent, wanted = load(EQUIVALENT), ("killed",) if arguments.again else ("survived", "open")
    if arguments.files:
        mutants = [m for m in mutants if Path(m.file).name in arguments.files]
    if arguments.again or arguments.survivors:
        pool = [m for m in mutants if results.get(m.key, {}).get("outcome") in wanted and m.key not in equivalent]
        return random.Random(arguments.seed).sample(pool, min(arguments.again or len(pool), len(pool)))
    pool = [m for m in mutants if m.key not in results and m.key not in equivalent]
    return stratified(pool, results, arguments.sample or len(pool), arguments.seed)


def again(results: Results, warm: warm_session.Warm) -> Results:
    """In the place of a traced map: each test that has killed, as if it executed what it has killed."""
    tests: Results = {}
    for result in (r for r in results.values() if r["by"] in warm.items):
        entry = tests.setdefault(result["by"], {"seconds": 0.0, "runs": []})
        entry["runs"].append(f"{result['file']}|{result['function']}")
    return tests


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the mutants without a result")
    parser.add_argument("--again", type=int, metavar="N", help="so many of the mutants killed before; keeps no results")
    parser.add_argument("--survivors", action="store_true", help="those that survived before, or were left")
    parser.add_argument("--limit", type=float, default=math.inf, metavar="S", help="leave a mutant after S seconds")
    parser.add_argument("--files", nargs="+", metavar="NAME", help="only of these files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="mutants at a time")
    parser.add_argument("--trace", action="store_true", help="trace anew which test executes what")
    parser.add_argument("--report", action="store_true", help="print the page only")
    arguments = parser.parse_args()
    mutants = all_mutants()
    results = valid(load(RESULTS), mutants)
    if arguments.report:
        print(report(mutants, results, load(EQUIVALENT)), end="")
        return 0
    todo, survivors = chosen(arguments, mutants, results), []

    def work(warm: warm_session.Warm) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        tests = again(results, warm) if arguments.again else traced(warm, arguments.trace)
        warm.limit = arguments.limit
        warm.seconds = {test: entry["seconds"] for test, entry in tests.items()}
        attempts = Attempts(warm, Order(tests, results), results, not arguments.again, bool(arguments.files))
        attempts(todo, arguments.jobs)
        survivors.extend(attempts.survivors)
        print(f"{len(todo)} mutants, {len(todo) - len(survivors)} killed, {len(survivors)} surviving")

    return warm_session.session(work) or (1 if survivors else 0)


if __name__ == "__main__":
    sys.exit(main())
