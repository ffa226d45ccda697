"""Run the benchmarks, keep the numbers as JSON and write the table: ``python benchmarks/run.py [NAME ...]``."""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict
from pathlib import Path

import geometry
import gpu
import growth
import importing
import samplers
import steps
import vmf_mixture
import von_mises_fisher as vmf
from timing import Row, machine, span

HERE = Path(__file__).parent
GROUPS = {
    "sampling": vmf.sampling,
    "batched": vmf.batched_sampling,
    "divergence": vmf.divergence,
    "implicit": vmf.implicit_gradient,
    "samplers": samplers.samplers,
    "scaling": samplers.scaling,
    "mixtures": vmf_mixture.mixtures,
    "steps": steps.steps,
    "import": importing.import_time,
    "geometry": geometry.operations,
    "pairwise": geometry.pairwise,
    "overhead": geometry.one_point,
    "growth": growth.growth,
    "gpu": gpu.gpu,
}
HEAD = """# Benchmarks

Written by `python benchmarks/run.py`; the numbers behind it are in `results/`. Every row is measured in one process,
each fit of a mixture in one of its own, the sides taking turns, so that they see the same drift of the machine: a ratio
is the median of the rounds' ratios (peer / ours), with the quartiles in brackets. "Gate" must hold, "goal" is where we
want to be. No test asserts on time.

The peers are installed beside geomlat in an environment of their own, `pip install -r benchmarks/requirements.txt .`:

{peers}

{verdict}

What costs as much as there is of it: draws, a step of expectation-maximisation, importance samples; tables of distances
are in proportion to their entries. Each curve is drawn from the numbers below, beside the line in proportion.

![growth of cost](growth.png)

The cost of von Mises-Fisher draws by their number and by the dimension:

![cost of draws](scaling.png)
"""


def table(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| item | case | ours | peer | ratio | gate | goal | held | note |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in rows:
        ratio = peer = ""
        if r.theirs:
            low, middle, high = statistics.quantiles(r.ratios, n=4)
            ratio, peer = (
                f"**{middle:.3g}x** [{low:.3g} .. {high:.3g}]",
                f"{r.peer} {span(statistics.median(r.theirs))}",
            )
        ours = f"{span(statistics.median(r.ours))} per {r.unit}"
        held = "" if r.passed is None else "yes" if r.passed else "no"
        lines.append(f"| {r.item} | {r.case} | {ours} | {peer} | {ratio} | {r.gate} | {r.goal} | {held} | {r.note} |")
    return "\n".join(lines)


def page() -> str:
    """The Markdown page of all kept results."""
    pinned = [line for line in (HERE / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    parts, rows = [], []
    for name in GROUPS:
        path = HERE / "results" / f"{name}.json"
        if path.exists():
            kept = json.loads(path.read_text())
            about = ", ".join(f"{k} {v}" for k, v in kept["machine"].items())
            found = [Row(**r) for r in kept["rows"]]
            parts += [f"## {name}\n", f"Measured on: {about}.\n", table(found) + "\n"]
            rows += found
        else:
            parts += [f"## {name}\n", f"{_MISSING[name == 'gpu']} `python benchmarks/run.py {name}`.\n"]
    head = HEAD.format(peers="\n".join(f"- `{line.partition('  #')[0]}`" for line in pinned), verdict=verdict(rows))
    return "\n".join((head, *parts))


def verdict(rows: list[Row]) -> str:
    """How many gates are held, and of each that is not how far it is and the times its note has."""
    gated = [r for r in rows if r.passed is not None]
    failed = [r for r in gated if not r.passed]
    lines = [f"Of {len(gated)} gates {len(gated) - len(failed)} are held{'; not held:' if failed else '.'}"]
    for r in failed:
        found = f"{statistics.median(r.ratios):.3g}x" if r.theirs else span(statistics.median(r.ours))
        lines.append(f"- {r.item}, {r.case}: {found} where the gate is {r.gate}. {r.note}")
    return "\n\n".join((lines[0], "\n".join(lines[1:]))) if failed else lines[0]


_MISSING = ("Not measured yet:", "Not measured yet, for want of a machine with a GPU and CuPy:")


def draw() -> None:
    """The pictures of all kept results."""
    rows: dict[str, list[Row]] = {}
    for path in sorted((HERE / "results").glob("*.json")):
        kept = json.loads(path.read_text())
        for r in kept.get("rows", []) if path.stem in GROUPS else []:
            rows.setdefault(r["item"], []).append(Row(**r))
    growth.picture(rows)
    samplers.picture(rows)


def main() -> None:
    """Run the named groups, or all that this machine can, and rewrite the page from all kept results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which groups to run: {', '.join(GROUPS)}")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page and its pictures")
    args = parser.parse_args()
    possible = [name for name in GROUPS if name != "gpu" or gpu.present()]
    unknown = sorted(set(args.names) - set(GROUPS))
    if unknown:
        parser.error(f"unknown group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    for name in [] if args.page else args.names or possible:
        rows = GROUPS[name]()
        print(table(rows), flush=True)
        kept = {"machine": machine(), "rows": [asdict(r) for r in rows]}
        (HERE / "results" / f"{name}.json").write_text(json.dumps(kept, indent=1) + "\n")
    draw()
    (HERE / "README.md").write_text(page())


if __name__ == "__main__":
    main()
